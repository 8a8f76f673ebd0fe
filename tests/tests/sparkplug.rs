//! The Sparkplug face against an independent host implementation, over mosquitto.

use sightline_configs::station::{Mqtt, Sparkplug};
use sightline_domain::{AlarmKind, InspectionResult};
use sightline_tests::broker::{mosquitto, mosquitto_with, subscribe};
use sightline_tests::sparkplug_host::{Host, Learnt};
use sightline_tests::uplink::{raised, settings, standing};
use sightline_tests::{PATIENCE, free_port, until};
use sightline_uplink::{Uplink, UplinkSettings};

fn uplink(port: u16, aliases: bool, buffer: usize) -> Uplink {
    let sparkplug = Sparkplug {
        group: "acme".into(),
        node: None,
        primary_host: Some("scada".into()),
        aliases,
        buffer,
    };
    let settings = UplinkSettings {
        sparkplug: Some(sparkplug),
        ..settings(Mqtt::to(&format!("mqtt://127.0.0.1:{port}")))
    };
    Uplink::start(settings).expect("it starts")
}

fn result(seq: u64) -> InspectionResult {
    let id = "01890a5d-ac96-774b-bcce-b302099a8057";
    let stages = sightline_domain::result::StagesUs::default();
    let result = serde_json::json!({
        "schema": "sightline.result.v1", "event_id": id, "seq": seq, "boot_id": id, "station": "s1",
        "track_id": seq, "configuration_hash": "", "generation": 1, "models": [], "views": [],
        "recipe": {"external_id": "B7", "internal_id": "b7", "version": "1", "hash": ""},
        "result_state": "complete", "evaluation": "OK", "disposition": "pass",
        "disposition_reason": "verdict", "is_simulated": false, "evidence": [], "replayed": false,
        "times": {"trigger": "", "decided": "", "deadline": "", "margin_ms": 1.5, "stages_us": stages}
    });
    serde_json::from_value(result).expect("a result")
}

fn next(host: &Host) -> Learnt {
    host.learnt.recv_timeout(PATIENCE).expect("the host learns")
}

/// Waits for a birth; what came before it was of an earlier life.
fn birth(host: &Host) -> usize {
    loop {
        if let Learnt::Birth(metrics) = next(host) {
            return metrics;
        }
    }
}

#[test]
fn an_independent_host_sees_births_data_history_rebirth_and_death() {
    for aliases in [false, true] {
        let folder = tempfile::tempdir().expect("scratch");
        let port = free_port();
        let _broker = mosquitto(port, folder.path());
        let (_subscriber, deaths) = subscribe(port, "spBv1.0/acme/NDEATH/#", "mqttv5");
        let uplink = uplink(port, aliases, 100);
        // The host is not there yet: these are history when it comes.
        (1..=3).for_each(|seq| uplink.observe(&result(seq)));
        let host = Host::start(port, "scada", "acme");
        assert_eq!(birth(&host), 17, "metrics of the device");
        let late: Vec<Learnt> = (0..3).map(|_| next(&host)).collect();
        let history: Vec<Learnt> = (1..=3).map(|seq| Learnt::Data(seq, true)).collect();
        assert_eq!(late, history);
        // More than `seq` can count: it wraps, and the host sees no gap.
        for seq in 4..=600 {
            uplink.observe(&result(seq));
            assert_eq!(next(&host), Learnt::Data(seq, false));
        }
        host.rebirth("acme", "aoi");
        assert_eq!(birth(&host), 17);
        uplink.observe(&result(601));
        assert_eq!(next(&host), Learnt::Data(601, false));
        // tck-id-message-flow-edge-node-birth-publish-phid-offline
        host.stop();
        let (topic, _) = deaths.recv_timeout(PATIENCE).expect("a death");
        assert_eq!(topic, "spBv1.0/acme/NDEATH/aoi");
        (602..=603).for_each(|seq| uplink.observe(&result(seq)));
        let host = Host::start(port, "scada", "acme");
        birth(&host);
        assert_eq!(
            [next(&host), next(&host)],
            [Learnt::Data(602, true), Learnt::Data(603, true)]
        );
        drop(uplink);
        assert_eq!(next(&host), Learnt::Stale, "leaving on purpose says so");
        host.stop();
    }
}

#[test]
fn a_full_buffer_drops_the_oldest_counts_them_and_tells() {
    let folder = tempfile::tempdir().expect("scratch");
    let port = free_port();
    let _broker = mosquitto(port, folder.path());
    let uplink = uplink(port, false, 2);
    (1..=5).for_each(|seq| uplink.observe(&result(seq)));
    let conditions = uplink.conditions();
    let told = conditions
        .iter()
        .find(|c| c.id == AlarmKind::SparkplugBufferFull.into());
    let told = told
        .and_then(|c| c.raised.clone())
        .expect("a person is told");
    assert!(told.contains("3 are lost"), "{told}");
    let host = Host::start(port, "scada", "acme");
    birth(&host);
    assert_eq!(
        [next(&host), next(&host)],
        [Learnt::Data(4, true), Learnt::Data(5, true)]
    );
    until("the alarm is over", || {
        raised(&uplink, "sparkplug-buffer-full").is_none()
    });
}

#[test]
fn a_refused_subscription_of_the_host_is_an_alarm() {
    let plugin = ["x86_64", "aarch64"]
        .map(|machine| format!("/usr/lib/{machine}-linux-gnu/mosquitto_dynamic_security.so"))
        .into_iter()
        .find(|file| std::path::Path::new(file).exists());
    let Some(plugin) = plugin else {
        eprintln!("SKIPPED: this mosquitto has no dynamic security plug-in");
        return;
    };
    let folder = tempfile::tempdir().expect("scratch");
    let port = free_port();
    let file = folder.path().join("rights.json");
    // Everybody may publish, nobody may subscribe.
    let rights = r#"{"defaultACLAccess":{"publishClientSend":true,"publishClientReceive":true,"subscribe":false,"unsubscribe":true},
        "clients":[],"groups":[{"groupname":"anon","roles":[]}],"roles":[],"anonymousGroup":"anon"}"#;
    std::fs::write(&file, rights).expect("written");
    let rest = format!(
        "allow_anonymous true\nplugin {plugin}\nplugin_opt_config_file {}\n",
        file.display()
    );
    let _broker = mosquitto_with(port, folder.path(), &rest);
    let uplink = uplink(port, false, 2);
    until("both faces tell", || {
        let ids = standing(&uplink, "");
        let told = |id: &str| ids.iter().any(|known| known == id);
        told("sparkplug-not-subscribed.STATE")
            && told("mqtt-not-subscribed.cmd")
            && told("mqtt-not-subscribed.alarm")
    });
}
