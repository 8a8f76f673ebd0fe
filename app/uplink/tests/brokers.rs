//! The uplink against real brokers: mosquitto, killed and restarted, and the embedded one.

use sightline_configs::station::{Identity, Mqtt};
use sightline_model::{Alarm, AlarmId, AlarmSeverity, SystemClock, UtcMicros};
use sightline_uplink::{EmbeddedBroker, Uplink, UplinkSettings};
use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(20);

struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn free_port() -> u16 {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .unwrap()
        .local_addr()
        .unwrap()
        .port()
}

fn until(what: &str, mut done: impl FnMut() -> bool) {
    let start = Instant::now();
    while !done() {
        assert!(
            start.elapsed() < PATIENCE,
            "waited {PATIENCE:?} for: {what}"
        );
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Debian puts the broker in /usr/sbin, which a user's PATH may lack.
fn mosquitto(port: u16, folder: &std::path::Path) -> Killed {
    let config = folder.join("mosquitto.conf");
    std::fs::write(
        &config,
        format!("listener {port} 127.0.0.1\nallow_anonymous true\n"),
    )
    .unwrap();
    let program = ["/usr/sbin/mosquitto", "/usr/local/sbin/mosquitto"]
        .into_iter()
        .find(|p| PathBuf::from(p).exists());
    let mut command = Command::new(program.unwrap_or("mosquitto"));
    let child = command
        .arg("-c")
        .arg(config)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    let child = Killed(child.expect("mosquitto is installed by `make setup`"));
    until("mosquitto listens", || {
        TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok()
    });
    child
}

/// Starts `mosquitto_sub` and returns once its subscription stands.
fn subscribe(port: u16, topic: &str, version: &str) -> (Killed, mpsc::Receiver<(String, String)>) {
    // Line by line: into a pipe it would keep what it prints to itself.
    let mut child = Command::new("stdbuf")
        .args(["-oL", "mosquitto_sub"])
        .args([
            "-h",
            "127.0.0.1",
            "-p",
            &port.to_string(),
            "-V",
            version,
            "-q",
            "1",
            "-d",
            "-F",
            "MESSAGE %t %p",
        ])
        .args(["-t", topic])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("mosquitto_sub is installed by `make setup`");
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let child = Killed(child);
    let (tell, hear) = mpsc::sync_channel(10_000);
    let (ready, standing) = mpsc::sync_channel(10_000);
    std::thread::spawn(move || {
        for line in lines.map_while(Result::ok) {
            if let Some(message) = line.strip_prefix("MESSAGE ") {
                let (topic, payload) = message.split_once(' ').unwrap_or((message, ""));
                let _ = tell.send((topic.to_string(), payload.to_string()));
            } else if line.contains("received SUBACK") || line.starts_with("Subscribed") {
                let _ = ready.send(());
            }
        }
    });
    standing
        .recv_timeout(PATIENCE)
        .expect("the subscription stands");
    (child, hear)
}

fn settings(broker: String, listen: String) -> UplinkSettings {
    let level = |s: &str| s.to_string();
    let identity = Identity {
        enterprise: level("acme"),
        site: level("north"),
        area: level("smt"),
        line: level("l1"),
        cell: level("aoi"),
        name: level("s1"),
    };
    let mqtt = Mqtt {
        broker,
        listen,
        client_id: None,
        username: None,
        password_file: None,
        outbox: 10_000,
        window: 16,
        kpi_s: 0.2,
    };
    let clock = Arc::new(SystemClock::default());
    UplinkSettings {
        identity,
        mqtt,
        base: PathBuf::new(),
        session: "boot-1".into(),
        clock,
        commands: None,
    }
}

fn result(seq: u64) -> Vec<u8> {
    format!("{{\"seq\":{seq},\"replayed\":false}}").into_bytes()
}

fn collect_seqs(hear: &mpsc::Receiver<(String, String)>, want: u64) -> (BTreeSet<u64>, Vec<u64>) {
    let (mut seen, mut order) = (BTreeSet::new(), Vec::new());
    while (seen.len() as u64) < want {
        let (_, payload) = hear
            .recv_timeout(PATIENCE)
            .unwrap_or_else(|e| panic!("{e}: {} of {want}", seen.len()));
        let seq = serde_json::from_str::<serde_json::Value>(&payload).unwrap()["seq"]
            .as_u64()
            .unwrap();
        if seen.insert(seq) {
            order.push(seq);
        }
    }
    (seen, order)
}

#[test]
fn every_result_arrives_in_order_although_the_broker_is_killed_twice() {
    let folder = tempfile::tempdir().unwrap();
    let port = free_port();
    let uplink =
        Uplink::start(settings(format!("mqtt://127.0.0.1:{port}"), String::new())).unwrap();
    // The broker is absent at start: results wait.
    (1..=100).for_each(|seq| uplink.submit(seq, result(seq)).unwrap());
    let mut seen = BTreeSet::new();
    let mut next = 101;
    for _ in 0..3 {
        let broker = mosquitto(port, folder.path());
        let (subscriber, hear) =
            subscribe(port, "acme/north/smt/l1/aoi/vision/s1/result", "mqttv5");
        (next..next + 100).for_each(|seq| uplink.submit(seq, result(seq)).unwrap());
        next += 100;
        until("some results are acknowledged", || {
            uplink.counters().acknowledged > next - 60
        });
        while let Ok((_, payload)) = hear.recv_timeout(Duration::from_millis(200)) {
            seen.insert(
                serde_json::from_str::<serde_json::Value>(&payload).unwrap()["seq"]
                    .as_u64()
                    .unwrap(),
            );
        }
        drop(broker);
        drop(subscriber);
        until("the loss is noticed", || !uplink.counters().connected);
    }
    let _broker = mosquitto(port, folder.path());
    let (_subscriber, hear) = subscribe(port, "acme/north/smt/l1/aoi/vision/s1/result", "mqttv5");
    (next..next + 300).for_each(|seq| uplink.submit(seq, result(seq)).unwrap());
    let (last, order) = collect_seqs(&hear, 300);
    assert!(order.is_sorted(), "{order:?}");
    seen.extend(last);
    let counters = uplink.stop(PATIENCE);
    assert_eq!(counters.pending, 0);
    assert_eq!(counters.acknowledged, next + 299);
    assert!(counters.connections >= 4, "{counters:?}");
}

#[test]
fn status_alarm_and_last_will_are_retained() {
    let folder = tempfile::tempdir().unwrap();
    let port = free_port();
    let _broker = mosquitto(port, folder.path());
    let (_subscriber, hear) = subscribe(port, "acme/north/smt/l1/aoi/vision/s1/#", "mqttv5");
    let uplink =
        Uplink::start(settings(format!("mqtt://127.0.0.1:{port}"), String::new())).unwrap();
    let next = |suffix: &str| loop {
        let (topic, payload) = hear
            .recv_timeout(PATIENCE)
            .unwrap_or_else(|e| panic!("{e}: {suffix}"));
        if topic.ends_with(suffix) {
            return payload;
        }
    };
    assert!(next("/status").contains("\"state\":\"online\""));
    let id = AlarmId("camera.cam1.stalled".into());
    let message = "expected frames from cam1".to_string();
    let mut alarm = Alarm {
        id,
        active: true,
        severity: AlarmSeverity::High,
        since: UtcMicros(0),
        message,
    };
    uplink.alarm(&alarm);
    assert!(next("/alarm/camera.cam1.stalled").contains("expected frames from cam1"));
    assert!(next("/status").contains("\"state\":\"degraded\""));
    alarm.active = false;
    uplink.alarm(&alarm);
    assert_eq!(next("/alarm/camera.cam1.stalled"), "");
    assert!(next("/status").contains("\"state\":\"online\""));
    uplink.kpi(b"{\"parts\":1}".to_vec());
    assert_eq!(next("/kpi"), "{\"parts\":1}");
    uplink.stop(Duration::ZERO);
    assert!(next("/status").contains("\"state\":\"offline\""));
}

#[test]
fn the_embedded_broker_serves_both_protocol_versions_on_one_port() {
    let port = free_port();
    let listen = format!("127.0.0.1:{port}");
    let uplink = Uplink::start(settings("embedded".into(), listen.clone())).unwrap();
    let topic = "acme/north/smt/l1/aoi/vision/s1/result";
    let (_five, hear_five) = subscribe(port, topic, "mqttv5");
    let (_three, hear_three) = subscribe(port, topic, "mqttv311");
    (1..=200).for_each(|seq| uplink.submit(seq, result(seq)).unwrap());
    assert_eq!(
        collect_seqs(&hear_five, 200).1,
        (1..=200).collect::<Vec<_>>()
    );
    assert_eq!(
        collect_seqs(&hear_three, 200).1,
        (1..=200).collect::<Vec<_>>()
    );
    assert!(
        EmbeddedBroker::start(&listen).is_err(),
        "two brokers on one port"
    );
    assert_eq!(uplink.stop(PATIENCE).acknowledged, 200);
}
