//! The broker that the station runs itself, under real clients: old and new ones, stopped ones, hostile ones, and its own
//! death.

use serde_json::Value;
use sightline_configs::station::{Embedded, Mqtt};
use sightline_tests::broker::{Messages, mosquitto_sub, subscribe};
use sightline_tests::process::Killed;
use sightline_tests::station::Station;
use sightline_tests::uplink::{raised, result, settings};
use sightline_tests::{PATIENCE, free_port, project, until};
use sightline_uplink::{EmbeddedBroker, Uplink, UplinkSettings};
use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::Duration;

const TOPIC: &str = "acme/north/smt/l1/aoi/vision/s1/result";

fn mqtt(port: u16) -> Mqtt {
    Mqtt {
        listen: format!("127.0.0.1:{port}"),
        outbox: 10_000,
        window: 16,
        ..Mqtt::to("embedded")
    }
}

fn start(mqtt: Mqtt, base: &Path) -> Uplink {
    let settings = UplinkSettings {
        base: base.into(),
        ..settings(mqtt)
    };
    Uplink::start(settings).expect("it starts")
}

fn submit(uplink: &Uplink, seqs: std::ops::RangeInclusive<u64>) {
    seqs.for_each(|seq| uplink.submit(seq, result(seq)).expect("room"));
}

fn seqs(hear: &Messages, want: usize) -> Vec<u64> {
    let seq = |n| {
        let (_, payload) = hear
            .recv_timeout(PATIENCE)
            .unwrap_or_else(|e| panic!("{e}: {n} of {want}"));
        let value: Value = serde_json::from_str(&payload).expect("JSON");
        value["seq"].as_u64().expect("seq")
    };
    (0..want).map(seq).collect()
}

/// The processes that this one started and that still run, by name.
fn children(name: &str) -> Vec<u32> {
    let tasks = std::fs::read_dir("/proc/self/task").expect("procfs");
    let of = |task: std::io::Result<std::fs::DirEntry>| {
        let children = std::fs::read_to_string(task.ok()?.path().join("children")).ok()?;
        Some(
            children
                .split_whitespace()
                .filter_map(|pid| pid.parse().ok())
                .collect(),
        )
    };
    let all = tasks.filter_map(of).flat_map(|pids: Vec<u32>| pids);
    let is = |pid: &u32| {
        std::fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|comm| comm.trim() == name)
    };
    all.filter(is).collect()
}

fn signal(pid: u32, name: &str) {
    let sent = Command::new("kill")
        .args(["-s", name, &pid.to_string()])
        .status();
    assert!(sent.is_ok_and(|s| s.success()), "kill -s {name} {pid}");
}

#[test]
fn both_protocol_versions_are_served_on_one_port_and_it_is_made_anew_when_it_dies() {
    let port = free_port();
    let uplink = start(mqtt(port), Path::new("."));
    let (five, hear_five) = subscribe(port, TOPIC, "mqttv5");
    let (_three, hear_three) = subscribe(port, TOPIC, "mqttv311");
    submit(&uplink, 1..=200);
    let all: Vec<u64> = (1..=200).collect();
    assert_eq!(seqs(&hear_five, 200), all);
    assert_eq!(seqs(&hear_three, 200), all);
    let second = EmbeddedBroker::start(&mqtt(port), Path::new("."));
    assert!(second.is_err(), "two brokers on one port");
    drop(five);

    let before = children("mosquitto");
    let listener = format!("127.0.0.1:{port}");
    let own = before.iter().find(|pid| has_port(**pid, port));
    signal(
        *own.unwrap_or_else(|| panic!("{listener}: {before:?}")),
        "KILL",
    );
    until("the loss is noticed", || !uplink.counters().connected);
    submit(&uplink, 201..=300);
    let (_five, hear_five) = until_subscribed(port);
    until("results flow again", || uplink.counters().pending == 0);
    // Whoever looks after it may see that it listens a moment after its clients do.
    until("its alarm is over", || {
        raised(&uplink, "mqtt-embedded-broker").is_none()
    });
    submit(&uplink, 301..=310);
    let heard: BTreeSet<u64> = seqs(&hear_five, 10).into_iter().collect();
    assert!(!heard.is_empty());
    assert_eq!(uplink.stop(PATIENCE).acknowledged, 310);
    assert!(
        TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err(),
        "it ends with the uplink"
    );
}

/// Whether the process's configuration says that port.
fn has_port(pid: u32, port: u16) -> bool {
    let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let line = String::from_utf8_lossy(&line).into_owned();
    let file = line
        .split('\0')
        .find(|part| part.ends_with("mosquitto.conf"));
    let text = file.and_then(|file| std::fs::read_to_string(file).ok());
    text.is_some_and(|text| text.contains(&format!("listener {port} ")))
}

fn until_subscribed(port: u16) -> (Killed, Messages) {
    until("it listens again", || {
        TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok()
    });
    subscribe(port, TOPIC, "mqttv5")
}

#[test]
fn users_rights_and_tls() {
    let scratch = tempfile::tempdir().expect("scratch");
    let folder = scratch.path();
    // The broker may run as another user.
    std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o755)).expect("opened");
    for (flags, user) in [
        (&["-b", "-c"][..], "station"),
        (&["-b"], "mes"),
        (&["-b"], "spy"),
    ] {
        let made = Command::new("mosquitto_passwd")
            .args(flags)
            .arg(folder.join("passwords"))
            .args([user, "secret"])
            .status();
        assert!(made.expect("mosquitto_passwd").success());
    }
    std::fs::write(folder.join("password"), "secret\n").expect("written");
    std::fs::write(
        folder.join("rights"),
        "user station\ntopic readwrite #\nuser mes\ntopic read #\n",
    )
    .expect("written");
    let key = rcgen::KeyPair::generate().expect("a key");
    let params = rcgen::CertificateParams::new(vec!["127.0.0.1".into()]).expect("parameters");
    let certificate = params.self_signed(&key).expect("signed");
    std::fs::write(folder.join("broker.pem"), certificate.pem()).expect("written");
    std::fs::write(folder.join("broker.key"), key.serialize_pem()).expect("written");
    for file in ["passwords", "rights", "broker.pem", "broker.key"] {
        let mode = std::fs::Permissions::from_mode(0o644);
        std::fs::set_permissions(folder.join(file), mode).expect("readable");
    }
    let (port, tls) = (free_port(), free_port());
    let mqtt = Mqtt {
        username: Some("station".into()),
        password_file: Some("password".into()),
        embedded: Embedded {
            password_file: Some("passwords".into()),
            acl_file: Some("rights".into()),
            tls_listen: Some(format!("127.0.0.1:{tls}")),
            cert_file: Some("broker.pem".into()),
            key_file: Some("broker.key".into()),
            ..Embedded::default()
        },
        ..mqtt(port)
    };
    let uplink = start(mqtt, folder);
    let cafile = folder.join("broker.pem").display().to_string();
    let plain = |user: &'static str| listen(port, &["-u", user, "-P", "secret"]);
    let (_mes, mes) = plain("mes");
    let (_spy, spy) = plain("spy");
    let (_tls, secured) = listen(tls, &["-u", "mes", "-P", "secret", "--cafile", &cafile]);
    let (_nobody, nobody) = listen(port, &["-u", "mes", "-P", "wrong"]);
    let mut seq = 0;
    for hear in [&mes, &secured] {
        until("a result is heard", || {
            seq += 1;
            submit(&uplink, seq..=seq);
            hear.recv_timeout(Duration::from_millis(200)).is_ok()
        });
    }
    assert!(spy.try_recv().is_err(), "without the right to read");
    assert!(nobody.try_recv().is_err(), "without the password");
}

/// A subscriber of version 5 with more arguments; each line that it hears.
fn listen(port: u16, arguments: &[&str]) -> (Killed, Receiver<String>) {
    let mut child = Command::new("stdbuf")
        .args(["-oL", "mosquitto_sub", "-V", "mqttv5", "-h", "127.0.0.1"])
        .args(["-p", &port.to_string(), "-q", "1", "-t", TOPIC])
        .args(arguments)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("mosquitto_sub");
    let lines = std::io::BufReader::new(child.stdout.take().expect("piped"));
    let (tell, hear) = sync_channel(10_000);
    std::thread::spawn(move || {
        for line in std::io::BufRead::lines(lines).map_while(Result::ok) {
            if tell.send(line).is_err() {
                return;
            }
        }
    });
    (Killed(child), hear)
}

#[test]
fn connections_by_the_hundred_resets_and_rubbish_do_not_reach_anybody_else() {
    let port = free_port();
    let uplink = start(mqtt(port), Path::new("."));
    let (_five, hear_five) = subscribe(port, TOPIC, "mqttv5");
    let (_three, hear_three) = subscribe(port, TOPIC, "mqttv311");
    let connect = |id: &[u8]| {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).ok()?;
        let head = [0x10, 13 + id.len() as u8, 0, 4];
        let rest = [5, 2, 0, 60, 0, 0, id.len() as u8];
        (&stream)
            .write_all(&[&head[..], b"MQTT", &rest, id].concat())
            .ok()?;
        Some(stream)
    };
    let many: Vec<_> = (0..300)
        .filter_map(|n| connect(format!("c{n}").as_bytes()))
        .collect();
    submit(&uplink, 1..=50);
    drop(many);
    for n in 0..500_u32 {
        // One id again and again, gone before the answer; and packets with a byte changed.
        drop(connect(b"same"));
        if let Some(mut stream) = connect(b"rubbish") {
            let mut packet = *b"\x32\x0a\x00\x04abcd\x00\x0ahi";
            let at = n as usize % packet.len();
            packet[at] = packet[at].wrapping_add((n % 255) as u8 + 1);
            let _ = stream.write_all(&packet);
            let _ = stream.set_read_timeout(Some(Duration::from_millis(1)));
            let _ = stream.read(&mut [0; 64]);
        }
    }
    submit(&uplink, 51..=100);
    let all: Vec<u64> = (1..=100).collect();
    let first_times = |hear| {
        let mut known = BTreeSet::new();
        while known.len() < 100 {
            known.extend(seqs(hear, 1));
        }
        known.into_iter().collect::<Vec<_>>()
    };
    assert_eq!(first_times(&hear_five), all);
    assert_eq!(first_times(&hear_three), all);
    let again = connect(b"afterwards").expect("it still lets clients in");
    again.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    let mut answer = [0; 4];
    (&again).read_exact(&mut answer).expect("CONNACK");
    assert_eq!(answer[0], 0x20);
}

/// The demo's configuration on a port of its own.
fn demo(folder: &Path, port: u16) -> std::path::PathBuf {
    let configs = project().join("configs");
    let recipe = configs.join("recipes/demo-board.toml");
    let text = std::fs::read_to_string(configs.join("demo.toml"))
        .expect("demo.toml")
        .replace("recipes/demo-board.toml", &recipe.display().to_string())
        .replace("127.0.0.1:1884", &format!("127.0.0.1:{port}"));
    let config = folder.join("station.toml");
    std::fs::write(&config, text).expect("written");
    config
}

#[test]
fn ten_newcomers_see_every_result_of_the_demo_although_one_of_them_is_stopped() {
    let folder = tempfile::tempdir().expect("scratch");
    let port = free_port();
    let mut station = Station::run(&demo(folder.path(), port));
    until("the broker listens", || {
        TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok()
    });
    // As in the README, five of each version.
    let versions = ["mqttv311", "mqttv5"].into_iter().cycle().take(10);
    let subscribers: Vec<_> = versions
        .map(|version| {
            let (tell, hear) = sync_channel(100_000);
            let pass_on = move |m: sightline_tests::broker::Message| {
                !m.topic.ends_with("/result") || tell.send(m.payload).is_ok()
            };
            let (child, standing) = mosquitto_sub(port, "sightline/#", version, 0, pass_on);
            standing.recv_timeout(PATIENCE).expect("it stands");
            (child, hear)
        })
        .collect();
    subscribers[0].0.signal("STOP");
    let made = station.made_within(Duration::from_secs(8));
    assert!(made.len() > 5, "{made:?}");
    for (n, (_, hear)) in subscribers.iter().enumerate().skip(1) {
        let mut heard = BTreeSet::new();
        while let Ok(json) = hear.recv_timeout(Duration::from_millis(300)) {
            let value: Value = serde_json::from_str(&json).expect("JSON");
            heard.extend(value["seq"].as_u64());
        }
        let missing: Vec<_> = made.difference(&heard).collect();
        assert!(
            missing.is_empty(),
            "subscriber {n} misses {missing:?} of {}",
            made.len()
        );
    }
    assert!(!station.log().contains("panicked"), "{}", station.log());
}

#[test]
fn it_ends_with_a_station_that_is_killed() {
    let folder = tempfile::tempdir().expect("scratch");
    let port = free_port();
    let mut station = Station::run(&demo(folder.path(), port));
    let listens = || TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok();
    until("the broker listens", listens);
    station.signal("KILL");
    until("it is gone, too", || !listens());
    // The port is free for the next one at once.
    drop(station);
    station = Station::run(&demo(folder.path(), port));
    station.wait_for("a result", 0, |r| r["seq"].as_u64().is_some());
    assert_eq!(station.interrupt(), 0, "{}", station.log());
}
