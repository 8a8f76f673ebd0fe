//! TLS 1.3 with client certificates against mosquitto: good ones, renewed ones, and every way they can be wrong.

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, date_time_ymd};
use sightline_configs::station::{Mqtt, Tls};
use sightline_domain::{AlarmSeverity, Clock, MockClock, MonoTime, SystemClock, UtcMicros};
use sightline_tests::broker::mosquitto_with;
use sightline_tests::process::Killed;
use sightline_tests::uplink::{raised, result};
use sightline_tests::{PATIENCE, free_port, until};
use sightline_uplink::{Uplink, UplinkSettings};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// An authority, and a folder that its certificates go to.
struct Authority<'a> {
    folder: &'a Path,
    file: String,
    issuer: Issuer<'static, KeyPair>,
}

type Years = (i32, i32);
const GOOD: Years = (2020, 2099);
const EXPIRED: Years = (2020, 2021);
const NOT_YET: Years = (2098, 2099);

impl<'a> Authority<'a> {
    fn new(folder: &'a Path, file: &str) -> Self {
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::new(Vec::new()).expect("parameters");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, file);
        let certificate = params.self_signed(&key).expect("signed");
        std::fs::write(folder.join(file), certificate.pem()).expect("written");
        let issuer = Issuer::new(params, key);
        Self {
            folder,
            file: file.into(),
            issuer,
        }
    }

    /// Lets the station trust this authority.
    fn trust(&self) {
        let to = self.folder.join("trusted.pem");
        std::fs::copy(self.folder.join(&self.file), to).expect("copied");
    }

    /// Writes `{name}.pem` and `{name}.key` for a host or client name.
    fn sign(&self, name: &str, subject: &str, (from, to): Years) {
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::new(vec![subject.to_string()]).expect("parameters");
        params.distinguished_name.push(DnType::CommonName, subject);
        params.not_before = date_time_ymd(from, 1, 1);
        params.not_after = date_time_ymd(to, 1, 1);
        let certificate = params.signed_by(&key, &self.issuer).expect("signed");
        let write = |end: &str, text: String| {
            // As careful people renew: written beside, then renamed.
            let beside = self.folder.join(format!("{name}.{end}.new"));
            std::fs::write(&beside, text).expect("written");
            std::fs::rename(beside, self.folder.join(format!("{name}.{end}"))).expect("renamed");
        };
        write("key", key.serialize_pem());
        write("pem", certificate.pem());
    }
}

fn broker(port: u16, folder: &Path) -> Killed {
    let at = |file: &str| folder.join(file).display().to_string();
    let rest = format!(
        "cafile {}\ncertfile {}\nkeyfile {}\nrequire_certificate true\nuse_identity_as_username true\n\
         tls_version tlsv1.3\nallow_anonymous false\nlog_dest file {}\nlog_type all\n",
        at("ca.pem"),
        at("server.pem"),
        at("server.key"),
        at("mosquitto.log"),
    );
    mosquitto_with(port, folder, &rest)
}

fn settings(port: u16, folder: &Path, clock: Arc<dyn Clock>) -> UplinkSettings {
    let tls = Tls {
        ca_file: "trusted.pem".into(),
        cert_file: Some("own.pem".into()),
        key_file: Some("own.key".into()),
    };
    let mqtt = Mqtt {
        tls: Some(tls),
        ..Mqtt::to(&format!("mqtts://127.0.0.1:{port}"))
    };
    UplinkSettings {
        base: PathBuf::from(folder),
        clock,
        ..sightline_tests::uplink::settings(mqtt)
    }
}

fn start(port: u16, folder: &Path) -> Uplink {
    Uplink::start(settings(port, folder, Arc::new(SystemClock::default()))).expect("it starts")
}

fn submit(uplink: &Uplink, seq: u64) {
    uplink.submit(seq, result(seq)).expect("room");
}

#[test]
fn results_go_over_tls_and_renewed_certificates_are_taken_without_a_restart() {
    let folder = tempfile::tempdir().expect("scratch");
    let authority = Authority::new(folder.path(), "ca.pem");
    authority.sign("server", "127.0.0.1", GOOD);
    authority.sign("own", "station-old", GOOD);
    authority.trust();
    let port = free_port();
    let _broker = broker(port, folder.path());
    let uplink = start(port, folder.path());
    submit(&uplink, 1);
    until("the result is acknowledged", || {
        uplink.counters().acknowledged == 1
    });
    let log = || std::fs::read_to_string(folder.path().join("mosquitto.log")).unwrap_or_default();
    until("the broker knows the station by its certificate", || {
        log().contains("u'station-old'")
    });
    authority.sign("own", "station-new", GOOD);
    until("the new certificate is shown", || {
        log().contains("u'station-new'")
    });
    submit(&uplink, 2);
    let counters = uplink.stop(PATIENCE);
    assert_eq!((counters.acknowledged, counters.pending), (2, 0));
}

#[test]
fn every_wrong_certificate_is_named_and_nothing_is_lost_until_it_is_right() {
    type Wrong = fn(&Authority<'_>);
    let cases: [(&str, Wrong, &str); 5] = [
        (
            "server expired",
            |a| a.sign("server", "127.0.0.1", EXPIRED),
            "the broker's certificate has expired",
        ),
        (
            "server not yet",
            |a| a.sign("server", "127.0.0.1", NOT_YET),
            "is not valid yet",
        ),
        (
            "server's name",
            |a| a.sign("server", "mes.acme.example", GOOD),
            "is for another name",
        ),
        (
            "own expired",
            |a| a.sign("own", "station", EXPIRED),
            "this station's certificate has expired",
        ),
        (
            "another authority",
            |a| {
                Authority::new(a.folder, "other.pem").trust();
            },
            "not signed by mqtt.tls.ca_file",
        ),
    ];
    for (what, make_wrong, expected) in cases {
        let folder = tempfile::tempdir().expect("scratch");
        let authority = Authority::new(folder.path(), "ca.pem");
        authority.sign("server", "127.0.0.1", GOOD);
        authority.sign("own", "station", GOOD);
        authority.trust();
        make_wrong(&authority);
        let port = free_port();
        let wrong_broker = broker(port, folder.path());
        let uplink = start(port, folder.path());
        submit(&uplink, 1);
        until(&format!("{what}: a person is told"), || {
            raised(&uplink, "mqtt-tls").is_some()
        });
        let alarm = raised(&uplink, "mqtt-tls").unwrap_or_default();
        assert!(alarm.contains(expected), "{what}: {alarm}");
        drop(wrong_broker);
        authority.trust();
        authority.sign("server", "127.0.0.1", GOOD);
        authority.sign("own", "station", GOOD);
        let _broker = broker(port, folder.path());
        until(&format!("{what}: the result arrives"), || {
            uplink.counters().acknowledged == 1
        });
        assert_eq!(raised(&uplink, "mqtt-tls"), None, "{what}");
    }
}

#[test]
fn files_that_are_no_certificates_are_refused_at_start_with_their_names() {
    let folder = tempfile::tempdir().expect("scratch");
    let authority = Authority::new(folder.path(), "ca.pem");
    authority.sign("own", "station", GOOD);
    authority.trust();
    let clock = Arc::new(SystemClock::default());
    let refused = |what: &str| {
        let started = Uplink::start(settings(1, folder.path(), clock.clone()));
        let error = started.err().unwrap_or_else(|| panic!("{what} was taken"));
        error.to_string()
    };
    std::fs::rename(
        folder.path().join("own.key"),
        folder.path().join("own.key.away"),
    )
    .expect("renamed");
    let said = refused("no key");
    assert!(
        said.contains("mqtt.tls.key_file") && said.contains("own.key"),
        "{said}"
    );
    std::fs::write(folder.path().join("own.key"), "rubbish").expect("written");
    assert!(refused("rubbish").contains("mqtt.tls.key_file"));
    let other = KeyPair::generate().expect("a key").serialize_pem();
    std::fs::write(folder.path().join("own.key"), other).expect("written");
    let said = refused("another's key");
    assert!(
        said.contains("the key that belongs to the certificate"),
        "{said}"
    );
    std::fs::write(folder.path().join("trusted.pem"), "").expect("written");
    assert!(refused("an empty file").contains("mqtt.tls.ca_file"));
}

#[test]
fn the_end_of_a_certificate_is_told_30_14_and_3_days_before() {
    let folder = tempfile::tempdir().expect("scratch");
    let authority = Authority::new(folder.path(), "ca.pem");
    // Ends on 2030-01-01; nobody listens, which is not what this is about.
    authority.sign("own", "station", (2020, 2030));
    authority.trust();
    let end_us = 1_893_456_000_000_000;
    let day_us = 86_400_000_000;
    let told = |days_before: i64| {
        let utc = UtcMicros(end_us - days_before * day_us + 1);
        let clock = Arc::new(MockClock::new(MonoTime(0), utc));
        let uplink = Uplink::start(settings(1, folder.path(), clock)).expect("it starts");
        let mut own: Vec<_> = uplink.conditions();
        own.retain(|c| c.raised.is_some() && c.id.subject() == Some("cert_file"));
        own.into_iter()
            .map(|c| (c.id.to_string(), c.id.kind().severity()))
            .collect::<Vec<_>>()
    };
    let expected =
        |limit: u32, severity| vec![(format!("mqtt-certificate.cert_file.{limit}-days"), severity)];
    assert_eq!(told(31), []);
    assert_eq!(told(30), expected(30, AlarmSeverity::Low));
    assert_eq!(told(14), expected(14, AlarmSeverity::High));
    assert_eq!(told(3), expected(3, AlarmSeverity::Urgent));
    assert_eq!(told(-2), expected(3, AlarmSeverity::Urgent));
}

/// Runs `openssl` in a folder.
fn openssl(folder: &Path, arguments: &str) {
    let output = std::process::Command::new("openssl")
        .args(arguments.split_whitespace())
        .current_dir(folder)
        .output()
        .expect("openssl is installed by `make setup`");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "openssl {arguments}: {said}");
}

#[test]
fn certificates_of_version_1_are_refused_by_name_with_what_to_do() {
    let folder = tempfile::tempdir().expect("scratch");
    let at = folder.path();
    // As mosquitto-tls(7) says.
    openssl(
        at,
        "req -new -x509 -days 365 -keyout ca.key -out ca.pem -nodes -subj /CN=ca",
    );
    for (name, subject) in [("server", "/CN=127.0.0.1"), ("own", "/CN=station1")] {
        openssl(
            at,
            &format!("req -new -nodes -keyout {name}.key -out {name}.csr -subj {subject}"),
        );
        openssl(
            at,
            &format!(
                "x509 -req -in {name}.csr -CA ca.pem -CAkey ca.key -CAcreateserial -out {name}.pem -days 365"
            ),
        );
    }
    std::fs::copy(at.join("ca.pem"), at.join("trusted.pem")).expect("copied");
    let port = free_port();
    let clock = Arc::new(SystemClock::default());
    let Err(error) = Uplink::start(settings(port, at, clock.clone())) else {
        eprintln!("SKIPPED: this openssl makes certificates of version 3");
        return;
    };
    let said = error.to_string();
    assert!(
        said.contains("version 1") && said.contains("-extfile"),
        "{said}"
    );
    assert!(said.contains("own.pem"), "{said}");
    // The broker's own.
    let rest = format!(
        "cafile {0}/ca.pem\ncertfile {0}/server.pem\nkeyfile {0}/server.key\nallow_anonymous true\n",
        at.display()
    );
    let _broker = mosquitto_with(port, at, &rest);
    let mut settings = settings(port, at, clock);
    if let Some(tls) = &mut settings.mqtt.tls {
        (tls.cert_file, tls.key_file) = (None, None);
    }
    let uplink = Uplink::start(settings).expect("it starts");
    until("a person is told", || raised(&uplink, "mqtt-tls").is_some());
    let said = raised(&uplink, "mqtt-tls").expect("told");
    assert!(
        said.contains("X.509 version 3") && said.contains("-extfile"),
        "{said}"
    );
}

#[test]
fn certificates_made_as_the_guide_says_work() {
    let guide = std::fs::read_to_string(sightline_tests::project().join("docs/mes.md"));
    let guide = guide.expect("the guide");
    let (_, block) = guide
        .split_once("```sh\nopenssl")
        .expect("the guide's commands");
    let (block, _) = block.split_once("```").expect("their end");
    let block = block.replace("DNS:mes.acme.example", "IP:127.0.0.1");
    let folder = tempfile::tempdir().expect("scratch");
    let at = folder.path();
    let made = std::process::Command::new("bash")
        .args(["-e", "-c", &format!("openssl{block}")])
        .current_dir(at)
        .output()
        .expect("bash");
    assert!(
        made.status.success(),
        "{}",
        String::from_utf8_lossy(&made.stderr)
    );
    for (from, to) in [
        ("ca.pem", "trusted.pem"),
        ("broker.pem", "server.pem"),
        ("broker.key", "server.key"),
        ("station1.pem", "own.pem"),
        ("station1.key", "own.key"),
    ] {
        std::fs::copy(at.join(from), at.join(to)).expect("copied");
    }
    let port = free_port();
    let _broker = broker(port, at);
    let uplink = start(port, at);
    submit(&uplink, 1);
    until("the result is acknowledged", || {
        uplink.counters().acknowledged == 1
    });
}
