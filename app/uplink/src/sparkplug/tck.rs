//! The specification's assertions about an edge node, by their ids (Sparkplug 3.0.0; `-` is written `_`).

use super::metrics::{Counts, Part};
use super::node::{Ask, Names, Node};
use crate::mqtt::{Message, Qos};
use sightline_domain::InspectionResult;
use srad_types::payload::{DataType, Message as _, Metric, Payload, metric::Value};

fn names(host: Option<&str>) -> Names {
    Names {
        group: "acme".into(),
        node: "cell1".into(),
        device: "s1".into(),
        primary_host: host.map(Into::into),
    }
}

fn node(host: Option<&str>) -> Node {
    Node::new(names(host), false, 0)
}

fn payload(message: &Message) -> Payload {
    Payload::decode(&*message.payload).expect("a Sparkplug payload")
}

fn find<'a>(payload: &'a Payload, name: &str) -> &'a Metric {
    let mut all = payload.metrics.iter();
    all.find(|m| m.name.as_deref() == Some(name))
        .unwrap_or_else(|| panic!("{name} in {payload:?}"))
}

fn bd_seq(payload: &Payload) -> u64 {
    match find(payload, "bdSeq").value {
        Some(Value::LongValue(n)) => n,
        ref other => panic!("bdSeq is {other:?}"),
    }
}

pub(super) fn result(seq: u64) -> InspectionResult {
    let stages = sightline_domain::result::StagesUs::default();
    let result = serde_json::json!({
        "schema": "sightline.result.v1", "event_id": "01890a5d-ac96-774b-bcce-b302099a8057", "seq": seq,
        "boot_id": "01890a5d-ac96-774b-bcce-b302099a8057", "station": "s1", "track_id": seq,
        "recipe": {"external_id": "B7", "internal_id": "b7", "version": "1", "hash": ""},
        "configuration_hash": "", "generation": 1, "models": [], "result_state": "complete",
        "evaluation": "NotOK", "disposition": "reject", "disposition_reason": "verdict", "is_simulated": false,
        "views": [], "times": {"trigger": "", "decided": "", "deadline": "", "margin_ms": 1.5, "stages_us": stages},
        "evidence": [], "replayed": false
    });
    serde_json::from_value(result).expect("a result")
}

fn part(seq: u64) -> Part {
    Part::of(&result(seq), 77, &mut Counts::default())
}

fn rebirth() -> Vec<u8> {
    let mut metric = Metric::new();
    metric
        .set_name("Node Control/Rebirth".into())
        .set_datatype(DataType::Boolean)
        .set_value(Value::BooleanValue(true));
    let command = Payload {
        timestamp: Some(1),
        metrics: vec![metric],
        seq: None,
        uuid: None,
        body: None,
    };
    command.encode_to_vec()
}

#[test]
fn tck_id_message_flow_edge_node_birth_publish_will_message() {
    let will = node(None).connect(5);
    // ..._will_message_topic, ..._qos, ..._will_retained, ..._payload, ..._payload_bdSeq
    assert_eq!(will.topic, "spBv1.0/acme/NDEATH/cell1");
    assert_eq!((will.qos, will.retain), (Qos::AtLeastOnce, false));
    assert_eq!(
        find(&payload(&will), "bdSeq").datatype,
        Some(DataType::Int64 as u32)
    );
}

#[test]
fn tck_id_topics_ndeath_seq_and_payload() {
    let will = payload(&node(None).connect(5));
    assert_eq!(will.seq, None);
    assert_eq!(will.metrics.len(), 1, "bdSeq and nothing else");
}

#[test]
fn tck_id_topics_nbirth_bdseq_increment_and_matching() {
    let mut node = node(None);
    for connection in 0..600_u64 {
        let will = payload(&node.connect(5));
        let [nbirth, _] = node.births(6, None);
        assert_eq!(bd_seq(&will), connection % 256);
        assert_eq!(
            bd_seq(&payload(&nbirth)),
            bd_seq(&will),
            "tck-id-topics-nbirth-bdseq-matching"
        );
    }
}

#[test]
fn tck_id_topics_nbirth() {
    let mut node = node(None);
    node.connect(5);
    let [nbirth, _] = node.births(1_000, None);
    assert_eq!(nbirth.topic, "spBv1.0/acme/NBIRTH/cell1");
    assert_eq!(
        (nbirth.qos, nbirth.retain),
        (Qos::AtMostOnce, false),
        "tck-id-topics-nbirth-mqtt"
    );
    let payload = payload(&nbirth);
    assert_eq!(payload.seq, Some(0), "tck-id-topics-nbirth-seq-num");
    assert_eq!(
        payload.timestamp,
        Some(1_000),
        "tck-id-topics-nbirth-timestamp"
    );
    let rebirth = find(&payload, "Node Control/Rebirth");
    assert_eq!(
        rebirth.value,
        Some(Value::BooleanValue(false)),
        "tck-id-topics-nbirth-rebirth-metric"
    );
    for metric in &payload.metrics {
        assert!(metric.name.is_some() && metric.datatype.is_some() && metric.timestamp.is_some());
    }
}

#[test]
fn tck_id_topics_dbirth() {
    let mut node = node(None);
    node.connect(5);
    let [_, dbirth] = node.births(1_000, None);
    assert_eq!(dbirth.topic, "spBv1.0/acme/DBIRTH/cell1/s1");
    assert_eq!(
        (dbirth.qos, dbirth.retain),
        (Qos::AtMostOnce, false),
        "tck-id-topics-dbirth-mqtt"
    );
    let payload = payload(&dbirth);
    assert_eq!(payload.seq, Some(1), "tck-id-topics-dbirth-seq");
    assert_eq!(
        payload.timestamp,
        Some(1_000),
        "tck-id-topics-dbirth-timestamp"
    );
    let event = find(&payload, "Result/Event Id");
    assert_eq!(
        (event.is_null, &event.value),
        (Some(true), &None),
        "tck-id-payloads-metric-... a null is said"
    );
}

#[test]
fn tck_id_payloads_sequence_num_incrementing_and_wrapping() {
    let mut node = node(None);
    node.connect(5);
    node.births(6, None);
    for n in 2..600_u64 {
        let ddata = node.data(7, part(n), false);
        assert_eq!(ddata.topic, "spBv1.0/acme/DDATA/cell1/s1");
        assert_eq!(
            (ddata.qos, ddata.retain),
            (Qos::AtMostOnce, false),
            "tck-id-topics-ddata-mqtt"
        );
        assert_eq!(
            payload(&ddata).seq,
            Some(n % 256),
            "tck-id-topics-ddata-seq-num"
        );
    }
}

#[test]
fn tck_id_operational_behavior_data_commands_rebirth_action() {
    let mut node = node(None);
    let will = node.connect(5);
    node.births(6, None);
    node.data(7, part(41), false);
    assert_eq!(
        node.received("spBv1.0/acme/NCMD/cell1", &rebirth()),
        Ask::Birth
    );
    let [nbirth, dbirth] = node.births(8, Some(&part(41)));
    assert_eq!(
        payload(&nbirth).seq,
        Some(0),
        "tck-id-operational-behavior-data-commands-rebirth-action-2"
    );
    let same = bd_seq(&payload(&will));
    assert_eq!(
        bd_seq(&payload(&nbirth)),
        same,
        "tck-id-operational-behavior-data-commands-rebirth-action-3"
    );
    let seq = &find(&payload(&dbirth), "Result/Seq").value.clone();
    assert_eq!(
        seq,
        &Some(Value::LongValue(41)),
        "the birth tells current values"
    );
    assert_eq!(
        node.received("spBv1.0/acme/NCMD/cell2", &rebirth()),
        Ask::Nothing,
        "another node's"
    );
    assert_eq!(
        node.received("spBv1.0/acme/NCMD/cell1", b"\xff\xff"),
        Ask::Nothing,
        "rubbish"
    );
}

#[test]
fn tck_id_message_flow_edge_node_birth_publish_phid_wait() {
    let mut node = node(Some("scada"));
    node.connect(5);
    assert!(
        node.subscriptions()
            .contains(&("STATE", "spBv1.0/STATE/scada".to_string()))
    );
    assert!(
        !node.may_be_born(),
        "tck-id-message-flow-edge-node-birth-publish-phid-wait"
    );
    let on = |t: u64| format!("{{\"online\":true,\"timestamp\":{t}}}").into_bytes();
    let off = |t: u64| format!("{{\"online\":false,\"timestamp\":{t}}}").into_bytes();
    let mut says = |topic: &str, json: &[u8]| node.received(topic, json);
    assert_eq!(
        says("spBv1.0/STATE/other", &on(1)),
        Ask::Nothing,
        "...-phid-wait-id"
    );
    assert_eq!(
        says("spBv1.0/STATE/scada", &off(1)),
        Ask::Nothing,
        "...-phid-wait-online"
    );
    assert_eq!(
        says("spBv1.0/STATE/scada", b"ONLINE"),
        Ask::Nothing,
        "the old form is none"
    );
    assert_eq!(says("spBv1.0/STATE/scada", &on(10)), Ask::Birth);
    assert_eq!(
        says("spBv1.0/STATE/scada", &off(9)),
        Ask::Nothing,
        "...-phid-wait-timestamp"
    );
    assert_eq!(
        says("spBv1.0/STATE/scada", &off(10)),
        Ask::Die,
        "...-phid-offline"
    );
    assert_eq!(says("spBv1.0/STATE/scada", &on(11)), Ask::Birth);
}

#[test]
fn tck_id_payloads_alias_birth_requirement_and_data() {
    let mut node = Node::new(names(None), true, 0);
    node.connect(5);
    let [_, dbirth] = node.births(6, None);
    let born = payload(&dbirth).metrics;
    let aliases: std::collections::BTreeSet<_> = born.iter().map(|m| m.alias).collect();
    assert_eq!(
        aliases.len(),
        born.len(),
        "tck-id-payloads-alias-uniqueness"
    );
    assert!(
        born.iter().all(|m| m.name.is_some() && m.alias.is_some()),
        "tck-id-payloads-alias-birth-requirement"
    );
    let data = payload(&node.data(7, part(3), false)).metrics;
    for (metric, birth) in data.iter().zip(&born) {
        assert_eq!(
            (&metric.name, metric.alias),
            (&None, birth.alias),
            "tck-id-payloads-alias-data-cmd-requirement"
        );
    }
}

#[test]
fn history_is_marked() {
    let mut node = node(None);
    node.connect(5);
    node.births(6, None);
    node.data(7, part(9), false);
    let late = payload(&node.data(8, part(3), true));
    for metric in &late.metrics {
        assert_eq!(
            (metric.is_historical, metric.timestamp),
            (Some(true), Some(77))
        );
    }
}
