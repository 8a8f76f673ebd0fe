//! The uplink against a real broker: mosquitto, killed and restarted.

use sightline_configs::station::Mqtt;
use sightline_domain::{Alarm, AlarmKind, AlarmState, UtcMicros};
use sightline_tests::broker::{Messages, mosquitto, subscribe};
use sightline_tests::uplink::result;
use sightline_tests::{PATIENCE, free_port, until};
use sightline_uplink::{Uplink, UplinkSettings};
use std::collections::BTreeSet;
use std::time::Duration;

fn settings(broker: String, listen: String) -> UplinkSettings {
    sightline_tests::uplink::settings(Mqtt {
        listen,
        outbox: 10_000,
        window: 16,
        kpi_s: 0.2,
        ..Mqtt::to(&broker)
    })
}

fn collect_seqs(hear: &Messages, want: u64) -> (BTreeSet<u64>, Vec<u64>) {
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
    let id = AlarmKind::CameraDown.of("cam1");
    let message = "expected frames from cam1".to_string();
    let mut alarm = Alarm {
        id,
        active: true,
        since: UtcMicros(0),
        message,
    };
    uplink.alarm(&alarm, AlarmState::ActiveUnacknowledged);
    let told = next("/alarm/camera.cam1.down");
    assert!(told.contains("expected frames from cam1"), "{told}");
    assert!(
        told.contains("\"state\":\"active_unacknowledged\""),
        "{told}"
    );
    assert!(next("/status").contains("\"state\":\"degraded\""));
    alarm.active = false;
    uplink.alarm(&alarm, AlarmState::ReturnedUnacknowledged);
    let told = next("/alarm/camera.cam1.down");
    assert!(told.contains("\"active\":false"), "{told}");
    assert!(next("/status").contains("\"state\":\"online\""));
    uplink.alarm(&alarm, AlarmState::Normal);
    assert_eq!(next("/alarm/camera.cam1.down"), "");
    uplink.kpi(b"{\"parts\":1}".to_vec());
    assert_eq!(next("/kpi"), "{\"parts\":1}");
    uplink.stop(Duration::ZERO);
    assert!(next("/status").contains("\"state\":\"offline\""));
}

#[test]
fn an_alarm_that_an_earlier_run_left_behind_is_emptied() {
    let folder = tempfile::tempdir().unwrap();
    let port = free_port();
    let _broker = mosquitto(port, folder.path());
    let topic = "acme/north/smt/l1/aoi/vision/s1/alarm/old";
    let left = std::process::Command::new("mosquitto_pub")
        .args([
            "-h",
            "127.0.0.1",
            "-p",
            &port.to_string(),
            "-r",
            "-q",
            "1",
            "-t",
            topic,
            "-m",
            "{}",
        ])
        .status();
    assert!(left.unwrap().success());
    let (_subscriber, hear) = subscribe(port, topic, "mqttv5");
    assert_eq!(hear.recv_timeout(PATIENCE).unwrap().1, "{}");
    let _uplink =
        Uplink::start(settings(format!("mqtt://127.0.0.1:{port}"), String::new())).unwrap();
    assert_eq!(hear.recv_timeout(PATIENCE).unwrap().1, "");
}
