//! The certificates in use, with their days, and the last acknowledgement.

use crate::plant::*;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use sightline_domain::{Clock, SystemClock};
use sightline_tests::broker::mosquitto_with;
use sightline_tests::station::Station;
use sightline_tests::{free_port, until};
use sightline_wire::Link;
use std::path::Path;
use std::time::{Duration, UNIX_EPOCH};

const DAY: Duration = Duration::from_secs(86_400);

/// An authority for 400 days, and a certificate of 127.0.0.1 from it for 12 days, for both ends.
fn certificates(folder: &Path) {
    let write = |name: &str, text: String| std::fs::write(folder.join(name), text).expect(name);
    let params = |name: &str, days: u32| {
        let names = vec!["127.0.0.1".to_owned()];
        let mut params = CertificateParams::new(names).expect("parameters");
        params.distinguished_name.push(DnType::CommonName, name);
        let now = UNIX_EPOCH + Duration::from_micros(SystemClock::default().utc().0 as u64);
        params.not_before = (now - DAY).into();
        // An hour more, so that they are whole days for the length of the test.
        params.not_after = (now + DAY * days + DAY / 24).into();
        params
    };
    let key = KeyPair::generate().expect("a key");
    let mut authority = params("plant", 400);
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    write("ca.pem", authority.self_signed(&key).expect("signed").pem());
    let issuer = Issuer::new(authority, key);
    let key = KeyPair::generate().expect("a key");
    let own = params("station1", 12).signed_by(&key, &issuer);
    write("own.pem", own.expect("signed").pem());
    write("own.key", key.serialize_pem());
}

#[test]
fn certificates_are_shown_with_the_days_they_have_left() {
    let plant = Plant::build("");
    let folder = plant.folder.path();
    certificates(folder);
    let at = |file: &str| folder.join(file).display().to_string();
    let port = free_port();
    let tls = format!(
        "cafile {}\ncertfile {}\nkeyfile {}\nrequire_certificate true\nallow_anonymous true\ntls_version tlsv1.3\n",
        at("ca.pem"),
        at("own.pem"),
        at("own.key")
    );
    let _broker = mosquitto_with(port, folder, &tls);
    let file = folder.join("station.toml");
    let text = std::fs::read_to_string(&file).expect("configuration");
    let broker = format!("broker = \"mqtts://127.0.0.1:{port}\"");
    let listen = text
        .lines()
        .find(|l| l.starts_with("listen"))
        .expect("listen");
    let text = text.replace("broker = \"embedded\"", &broker).replace(
        listen,
        "[mqtt.tls]\nca_file = \"ca.pem\"\ncert_file = \"own.pem\"\nkey_file = \"own.key\"",
    );
    std::fs::write(&file, text).expect("written");

    let mut station = Station::run(&file);
    let client = plant.client();
    until("the console is connected", || client.link() == Link::Up);
    let facts = || client.look(|s, _, _| s.uplink.clone());
    until("an acknowledged result", || {
        facts().is_some_and(|u| u.connected && u.last_acknowledged.is_some())
    });
    let uplink = facts().expect("there is an uplink");
    assert!(uplink.acknowledged > 0);
    let now = client.look(|s, _, _| s.pulse.at);
    let ago = now.0 - uplink.last_acknowledged.expect("just seen").0;
    assert!((-1_000_000..60_000_000).contains(&ago), "{ago} us ago");
    let mut days: Vec<_> = (uplink.certificates.iter())
        .map(|c| {
            (
                Path::new(&c.path).file_name().unwrap_or_default(),
                c.days_left,
            )
        })
        .collect();
    days.sort();
    assert_eq!(days, [("ca.pem".as_ref(), 400), ("own.pem".as_ref(), 12)]);
    assert_eq!(station.interrupt(), 0, "{}", station.log());
}
