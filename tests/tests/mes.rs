//! What a MES sees: one schema-valid result a part over MQTT, from a station on an outside broker that dies and returns.

use serde_json::Value;
use sightline_tests::broker::{mosquitto, subscribe};
use sightline_tests::station::Station;
use sightline_tests::{free_port, project};
use std::collections::BTreeSet;
use std::time::Duration;

#[test]
fn a_subscriber_sees_every_part_once_and_by_the_schema() {
    let folder = tempfile::tempdir().expect("scratch");
    let port = free_port();
    let broker = mosquitto(port, folder.path());
    let (subscriber, hear) = subscribe(
        port,
        "sightline/demo/assembly/line1/demo/vision/station1/#",
        "mqttv5",
    );
    let configs = project().join("configs");
    let text = std::fs::read_to_string(configs.join("demo.toml")).expect("demo.toml");
    let recipe = configs.join("recipes/demo-board.toml");
    let text = text
        .replace("recipes/demo-board.toml", recipe.to_str().expect("UTF-8"))
        .replace("\"embedded\"", &format!("\"mqtt://127.0.0.1:{port}\""));
    let config = folder.path().join("station.toml");
    std::fs::write(&config, text).expect("written");

    let mut station = Station::run(&config);
    station.wait_for("ten parts", 0, |r| r["seq"] == 10);
    drop(broker);
    let (_, count) = station.wait_for("parts without a broker", 0, |r| {
        r["seq"].as_u64() >= Some(15)
    });
    let _broker = mosquitto(port, folder.path());
    drop(subscriber);
    let (_subscriber, hear_again) = subscribe(
        port,
        "sightline/demo/assembly/line1/demo/vision/station1/#",
        "mqttv311",
    );
    station.wait_for("parts after it", count, |r| {
        r["seq"].as_u64() >= Some(count as u64 + 10)
    });
    assert_eq!(station.interrupt(), 0, "{}", station.log());

    let schema = std::fs::read_to_string(configs.join("schemas/sightline.result.v1.json"))
        .expect("the schema");
    let schema: Value = serde_json::from_str(&schema).expect("JSON");
    let validator = jsonschema::validator_for(&schema).expect("a schema");
    let total = station.results().len() as u64;
    let mut seen = BTreeSet::new();
    let mut offline = false;
    let mut take = |(topic, payload): (String, String)| {
        offline = topic.ends_with("/status") && payload.contains("\"state\":\"offline\"");
        if topic.ends_with("/result") {
            let result: Value = serde_json::from_str(&payload).expect("JSON");
            let errors: Vec<String> = validator
                .iter_errors(&result)
                .map(|e| e.to_string())
                .collect();
            assert!(errors.is_empty(), "{errors:?}\n{payload}");
            seen.insert(result["seq"].as_u64().expect("seq"));
        }
        (seen.clone(), offline)
    };
    while let Ok(message) = hear.try_recv() {
        take(message);
    }
    // The first of the second broker's messages may have gone before the subscription stood; they are not asked for.
    let mut last = (BTreeSet::new(), false);
    while let Ok(message) = hear_again.recv_timeout(Duration::from_secs(2)) {
        last = take(message);
    }
    let (seen, offline) = last;
    assert!(offline, "the last status is offline");
    assert!((1..=10).all(|seq| seen.contains(&seq)), "{seen:?}");
    assert!(seen.contains(&total) && total >= 20, "{seen:?} of {total}");
}
