//! What surrounds the inspection fails, and the line goes on: a certificate that ends soon, a disk that is full for a
//! while, a peer that floods the door for commands. What was wrong is told, ends, and stays within its bounds.

#[path = "../../app/journal/tests/common/mod.rs"]
mod parts;

use parts::small_disk::SmallDisk;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use serde_json::Value;
use sightline_domain::{Clock, SystemClock};
use sightline_tests::broker::{Listener, mosquitto, mosquitto_with, subscribe};
use sightline_tests::requester::{Manner, ROOT, ask};
use sightline_tests::station::{Station, json_lines, sightline};
use sightline_tests::{free_port, project, until};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, UNIX_EPOCH};

/// A station of one camera whose parts come by command; `mqtt` and `more` go into its configuration as they are.
fn commanded(folder: &Path, mqtt: &str, more: &str) -> PathBuf {
    let bundle = project().join("models/pcb-detector");
    let recipe = format!(
        "schema = \"sightline.recipe.v1\"\nexternal_id = \"BOARD\"\ninternal_id = \"board\"\nversion = \"1\"\ndeadline_ms = 800\n\
         [[models]]\nname = \"pcb\"\nbundle = \"{}\"\n\
         [[views]]\nname = \"face1\"\ncamera = \"cam1\"\nmodel = \"pcb\"\nframe_per_trigger = true\nreference = {{}}\n",
        bundle.display()
    );
    std::fs::create_dir_all(folder.join("recipes")).expect("a folder");
    std::fs::write(folder.join("recipes/board.toml"), recipe).expect("written");
    let config = format!(
        "recipe = \"recipes/board.toml\"\n[station]\nenterprise = \"sightline\"\nsite = \"demo\"\narea = \"assembly\"\n\
         line = \"line1\"\ncell = \"demo\"\nname = \"station1\"\n\
         [[cameras]]\nname = \"cam1\"\nsource = {{ kind = \"simulated\" }}\nwidth = 640\nheight = 640\nslots = 8\n\
         [trigger]\nkind = \"command\"\n[gate]\nkind = \"none\"\nat = {{ delay_ms = 500 }}\n\
         [mqtt]\n{mqtt}\ncommands = [\"trigger\", \"prepare_recipe\", \"start\", \"stop\", \"skip\"]\n\
         [simulation]\nseed = 1\n{more}\n"
    );
    let file = folder.join("station.toml");
    std::fs::write(&file, config).expect("written");
    file
}

/// Each line of `payloads` is a command.
fn send(port: u16, verb: &str, payloads: impl Iterator<Item = String>) {
    let mut child = Command::new("mosquitto_pub")
        .args(["-V", "mqttv5", "-h", "127.0.0.1", "-q", "1", "-l"])
        .args(["-p", &port.to_string(), "-t", &format!("{ROOT}/cmd/{verb}")])
        .stdin(Stdio::piped())
        .spawn()
        .expect("mosquitto_pub");
    let mut lines = child.stdin.take().expect("piped");
    payloads.for_each(|line| writeln!(lines, "{line}").expect("taken"));
    drop(lines);
    assert!(child.wait().expect("it ends").success());
}

/// Triggers `n` parts, 20 a second.
fn trigger(port: u16, n: usize) {
    let paced = (0..n).map(|n| {
        std::thread::sleep(Duration::from_millis(50));
        format!("{{\"part_id\":\"P{n}\"}}")
    });
    send(port, "trigger", paced);
}

/// Waits for a message on `suffix` that satisfies `wanted`.
fn hear(coming: &mut Listener, suffix: &str, wanted: impl Fn(&Value) -> bool) -> Value {
    coming.hear(&format!("{ROOT}/{suffix}"), wanted)
}

fn active(state: bool) -> impl Fn(&Value) -> bool {
    move |alarm| alarm["active"] == state
}

fn done(port: u16, verb: &str, payload: &str) {
    let answer = ask(port, verb, payload.as_bytes(), Manner::default()).expect("an answer");
    assert_eq!(answer["done"], true, "{verb}: {answer}");
}

fn stat(config: &Path) -> Value {
    let path = config.to_str().expect("UTF-8");
    let stat = sightline(&["journal", "stat", "--json", "--config", path]);
    json_lines(&stat).remove(0)
}

/// An authority, the broker's certificate, and the station's, which ends in two days.
fn certificates(folder: &Path) {
    let write = |name: &str, text: String| std::fs::write(folder.join(name), text).expect(name);
    let params = |name: &str, days: u32| {
        let names = vec!["127.0.0.1".to_owned()];
        let mut params = CertificateParams::new(names).expect("parameters");
        params.distinguished_name.push(DnType::CommonName, name);
        let now = UNIX_EPOCH + Duration::from_micros(SystemClock::default().utc().0 as u64);
        let day = Duration::from_secs(86_400);
        params.not_before = (now - day).into();
        params.not_after = (now + day * days).into();
        params
    };
    let key = KeyPair::generate().expect("a key");
    let mut authority = params("plant", 400);
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    write("ca.pem", authority.self_signed(&key).expect("signed").pem());
    let issuer = Issuer::new(authority, key);
    for (name, days) in [("broker", 400), ("own", 2), ("renewed", 400)] {
        let key = KeyPair::generate().expect("a key");
        let signed = params(name, days).signed_by(&key, &issuer).expect("signed");
        write(&format!("{name}.pem"), signed.pem());
        write(&format!("{name}.key"), key.serialize_pem());
    }
}

#[test]
fn a_certificate_that_ends_in_two_days_is_urgent_and_stops_nothing() {
    let folder = tempfile::tempdir().expect("scratch");
    let here = folder.path();
    certificates(here);
    let (port, tls) = (free_port(), free_port());
    let rest = format!(
        "allow_anonymous true\nlistener {tls} 127.0.0.1\ncafile {0}/ca.pem\ncertfile {0}/broker.pem\nkeyfile {0}/broker.key\n\
         require_certificate true\n",
        here.display()
    );
    let _broker = mosquitto_with(port, here, &rest);
    let mut coming = Listener::start(port, &format!("{ROOT}/#"));
    let mqtt = format!("broker = \"mqtts://127.0.0.1:{tls}\"");
    let files = "[mqtt.tls]\nca_file = \"ca.pem\"\ncert_file = \"own.pem\"\nkey_file = \"own.key\"";
    let mut station = Station::run(&commanded(here, &mqtt, files));
    let last = "alarm/mqtt-certificate.cert_file.3-days";
    let alarm = hear(&mut coming, last, active(true));
    assert_eq!(
        (&alarm["severity"], &alarm["effect"]),
        (&"urgent".into(), &"none".into())
    );
    hear(&mut coming, "state", |s| {
        s["state"] == "ContinuousExecution"
    });
    done(port, "stop", "");
    done(port, "prepare_recipe", "{\"external_id\":\"BOARD\"}");
    done(port, "start", "");
    trigger(port, 3);
    hear(&mut coming, "result", |r| r["seq"] == 3);
    for (new, old) in [("renewed.pem", "own.pem"), ("renewed.key", "own.key")] {
        std::fs::rename(here.join(new), here.join(old)).expect("renewed");
    }
    hear(&mut coming, last, active(false));
    assert_eq!(station.interrupt(), 0, "{}", station.log());
}

#[test]
fn results_lost_to_a_full_disk_are_told_by_number_and_the_alarms_end_with_it() {
    let Some(disk) = SmallDisk::mount(3) else {
        return;
    };
    let folder = tempfile::tempdir().expect("scratch");
    let port = free_port();
    let _broker = mosquitto(port, folder.path());
    let mut coming = Listener::start(port, &format!("{ROOT}/#"));
    let mqtt = format!("broker = \"mqtt://127.0.0.1:{port}\"");
    let journal = disk.path().join("journal");
    let journal = format!("[journal]\nfolder = \"{}\"\nqueue = 20", journal.display());
    let config = commanded(folder.path(), &mqtt, &journal);
    let mut station = Station::run(&config);
    hear(&mut coming, "state", |s| {
        s["state"] == "ContinuousExecution"
    });
    trigger(port, 10);
    hear(&mut coming, "result", |r| r["seq"] == 10);
    disk.fill();
    trigger(port, 60);
    let lost = hear(&mut coming, "alarm/journal-lost", active(true));
    assert_eq!(lost["effect"], "none");
    disk.clear();
    let gap = hear(&mut coming, "gap/", |g| g["first"].is_u64());
    assert!(gap["first"].as_u64() > Some(10), "{gap}");
    hear(&mut coming, "alarm/journal-lost", active(false));
    done(port, "stop", "");
    done(port, "start", "");
    let stat = stat(&config);
    let told: u64 = stat["gaps"]
        .as_array()
        .expect("gaps")
        .iter()
        .map(|g| g["last"].as_u64().unwrap_or(0) - g["first"].as_u64().unwrap_or(0) + 1)
        .sum();
    assert!(told > 0 && stat["lost"] == told, "{stat}");
    done(port, "skip", "{\"first\":1,\"last\":1000}");
    hear(&mut coming, "alarm/journal-gap", active(false));
    // What was lost makes the run one that failed.
    assert_eq!(station.interrupt(), 1, "{}", station.log());
    assert!(!station.log().contains("panicked"), "{}", station.log());
}

#[test]
fn refused_commands_in_any_number_push_no_result_out() {
    let folder = tempfile::tempdir().expect("scratch");
    let port = free_port();
    let _broker = mosquitto_with(
        port,
        folder.path(),
        "allow_anonymous true\nmax_queued_messages 0\n",
    );
    let (_subscriber, coming) = subscribe(port, &format!("{ROOT}/result"), "mqttv5");
    let mqtt = format!("broker = \"mqtt://127.0.0.1:{port}\"");
    let journal = "[journal]\nfolder = \"journal\"\nmax_mb = 16";
    let config = commanded(folder.path(), &mqtt, journal);
    let mut station = Station::run(&config);
    until("parts are taken", || {
        trigger(port, 1);
        !station.results().is_empty()
    });
    trigger(port, 30);
    let made = station.results().len() as u64;
    let flood = (0..1_500).map(|n| format!("{{\"schema\":\"{}{n}\"}}", "x".repeat(15_000)));
    send(port, "stop", flood);
    trigger(port, 10);
    until("parts after it", || {
        station.results().len() as u64 >= made + 10
    });
    assert_eq!(station.interrupt(), 0, "{}", station.log());
    let all = station.results().len() as u64;
    let stat = stat(&config);
    assert_eq!(
        (&stat["first_seq"], &stat["last_seq"]),
        (&1.into(), &all.into()),
        "{stat}"
    );
    assert_eq!((&stat["pending"], &stat["lost"]), (&0.into(), &0.into()));
    assert!(stat["audit"].as_u64() < Some(100), "{stat}");
    assert!(stat["bytes"].as_u64() < Some(4 << 20), "{stat}");
    let heard: Vec<u64> = coming
        .try_iter()
        .filter_map(|(_, p)| serde_json::from_str::<Value>(&p).ok()?["seq"].as_u64())
        .collect();
    assert_eq!(heard, (1..=all).collect::<Vec<_>>());
}
