//! Brokers that acknowledge twice, out of order, never, with errors, that take little at once, or speak an older
//! protocol: nothing is lost, the order stays, and a person is told.

use sightline_configs::station::Mqtt;
use sightline_tests::scripted::{Packet, Scripted};
use sightline_tests::uplink::{raised, result, settings};
use sightline_tests::{PATIENCE, until};
use sightline_uplink::{Patience, Uplink, UplinkSettings};
use std::sync::atomic::Ordering;
use std::time::Duration;

const NOBODY: u8 = 0x10;
const QUOTA_EXCEEDED: u8 = 0x97;
const NOT_AUTHORISED: u8 = 0x87;

fn uplink(port: u16) -> Uplink {
    let mqtt = Mqtt {
        window: 8,
        ..Mqtt::to(&format!("mqtt://127.0.0.1:{port}"))
    };
    let patience = Patience {
        acknowledgement: Duration::from_millis(1_500),
        hold_first: Duration::from_millis(200),
        hold_longest: Duration::from_secs(1),
        ..Patience::default()
    };
    let settings = UplinkSettings {
        patience,
        ..settings(mqtt)
    };
    Uplink::start(settings).expect("the uplink starts")
}

fn submit(uplink: &Uplink, seqs: std::ops::RangeInclusive<u64>) {
    for seq in seqs {
        uplink.submit(seq, result(seq)).expect("room");
    }
}

fn seqs(results: &[String]) -> Vec<u64> {
    let seq = |json: &String| {
        let value: serde_json::Value = serde_json::from_str(json).expect("JSON");
        value["seq"].as_u64().expect("seq")
    };
    results.iter().map(seq).collect()
}

#[test]
fn acknowledgements_out_of_order_and_twice_lose_nothing() {
    let (broker, port) = Scripted::start();
    let uplink = uplink(port);
    submit(&uplink, 1..=20);
    let (mut peer, _) = broker.accept();
    peer.connack(0, &[]);
    let first = peer.results(8);
    for (id, _) in first.iter().rev() {
        peer.puback(*id, 0);
    }
    // Twice: the client may end the connection over that, but must not lose or skip anything.
    peer.puback(first[0].0, 0);
    let mut seen: Vec<String> = first.into_iter().map(|(_, json)| json).collect();
    let all = || uplink.counters().acknowledged == 20;
    seen.extend(peer.serve(all));
    while !all() {
        let (mut peer, _) = broker.accept();
        peer.connack(0, &[]);
        seen.extend(peer.serve(all));
    }
    let mut order = seqs(&seen);
    order.dedup();
    let mut known = std::collections::BTreeSet::new();
    order.retain(|seq| known.insert(*seq));
    assert_eq!(
        order,
        (1..=20).collect::<Vec<_>>(),
        "every number, first time in order"
    );
    assert_eq!(uplink.counters().pending, 0);
}

#[test]
fn results_for_which_nobody_has_subscribed_are_an_alarm_until_somebody_has() {
    let (broker, port) = Scripted::start();
    let uplink = uplink(port);
    submit(&uplink, 1..=1);
    let (mut peer, _) = broker.accept();
    peer.connack(0, &[]);
    let nobody = || raised(&uplink, "mqtt-nobody");
    let id = peer.results(1)[0].0;
    peer.puback(id, NOBODY);
    until("a person is told", || nobody().is_some());
    assert_eq!(uplink.counters().pending, 0, "it was taken all the same");
    let alarm = nobody().expect("told");
    assert!(alarm.contains("/s1/result"), "{alarm}");
    submit(&uplink, 2..=2);
    let id = peer.results(1)[0].0;
    peer.puback(id, 0);
    until("it is over", || nobody().is_none());
}

#[test]
fn without_acknowledgements_the_connection_is_made_anew_and_everything_sent_again() {
    let (broker, port) = Scripted::start();
    let uplink = uplink(port);
    submit(&uplink, 1..=3);
    let (mut peer, _) = broker.accept();
    peer.connack(0, &[]);
    let never = peer.results(3);
    assert_eq!(never.len(), 3);
    while let Some(packet) = peer.packet() {
        assert!(
            peer.pass(packet).is_none(),
            "the same connection is not sent them again"
        );
    }
    let alarm = raised(&uplink, "mqtt-no-acknowledgement").expect("a person is told");
    assert!(alarm.contains("3 results sent for"), "{alarm}");
    let (mut peer, _) = broker.accept();
    peer.connack(0, &[]);
    let again = peer.serve(|| uplink.counters().pending == 0);
    assert_eq!(seqs(&again), [1, 2, 3]);
    assert!(
        again.iter().all(|json| json.contains("\"replayed\":true")),
        "{again:?}"
    );
    assert_eq!(raised(&uplink, "mqtt-no-acknowledgement"), None);
}

#[test]
fn a_single_acknowledgement_that_is_left_out_is_noticed_and_only_that_result_sent_again() {
    let (broker, port) = Scripted::start();
    let uplink = uplink(port);
    submit(&uplink, 1..=3);
    let (mut peer, _) = broker.accept();
    peer.connack(0, &[]);
    for (n, (id, _)) in peer.results(3).into_iter().enumerate() {
        if n != 1 {
            peer.puback(id, 0);
        }
    }
    // Everything later is acknowledged for as long as the connection stands.
    let mut last = 3;
    loop {
        match peer.packet_within(Duration::from_millis(50)) {
            Ok(Some(packet)) => {
                if let Some((id, _)) = peer.pass(packet) {
                    peer.puback(id, 0);
                }
            }
            Ok(None) => break,
            Err(_) => {
                assert!(last < 1_000, "the hole is never noticed");
                last += 1;
                submit(&uplink, last..=last);
            }
        }
    }
    let alarm = raised(&uplink, "mqtt-no-acknowledgement").expect("a person is told");
    assert!(alarm.contains("the oldest"), "{alarm}");
    let (mut peer, _) = broker.accept();
    peer.connack(0, &[]);
    let again = seqs(&peer.serve(|| uplink.counters().pending == 0));
    assert_eq!(again[0], 2, "{again:?}");
    assert!(again[1..].iter().all(|seq| *seq >= last - 1), "{again:?}");
}

#[test]
fn a_quota_is_an_alarm_and_a_wait_and_then_everything_goes_in_order() {
    let (broker, port) = Scripted::start();
    let uplink = uplink(port);
    submit(&uplink, 1..=4);
    let (mut peer, _) = broker.accept();
    peer.connack(0, &[]);
    let first = peer.results(4);
    peer.puback(first[0].0, 0);
    for (id, _) in &first[1..] {
        peer.puback(*id, QUOTA_EXCEEDED);
    }
    let refused = peer.results(3);
    let alarm = raised(&uplink, "mqtt-not-taken.result").expect("a person is told");
    assert!(
        alarm.contains("QuotaExceeded") && alarm.contains("raise the broker's quota"),
        "{alarm}"
    );
    let json: Vec<String> = refused.iter().map(|(_, json)| json.clone()).collect();
    assert_eq!(
        seqs(&json),
        [2, 3, 4],
        "from the first that was not taken, in order"
    );
    for (id, _) in refused {
        peer.puback(id, 0);
    }
    until("all are taken", || uplink.counters().pending == 0);
    until("the alarm is over", || {
        raised(&uplink, "mqtt-not-taken.result").is_none()
    });
    assert_eq!(
        uplink.counters().connections,
        1,
        "no reason to connect anew"
    );
}

#[test]
fn a_refused_connection_is_an_alarm_with_what_to_do() {
    let (broker, port) = Scripted::start();
    let uplink = uplink(port);
    submit(&uplink, 1..=1);
    let (mut peer, _) = broker.accept();
    peer.connack(NOT_AUTHORISED, &[]);
    until("a person is told", || {
        raised(&uplink, "mqtt-refused").is_some()
    });
    let alarm = raised(&uplink, "mqtt-refused").unwrap_or_default();
    assert!(
        alarm.contains("NotAuthorized") && alarm.contains("password file"),
        "{alarm}"
    );
    let (mut peer, _) = broker.accept();
    peer.connack(0, &[]);
    assert_eq!(seqs(&peer.serve(|| uplink.counters().pending == 0)), [1]);
    assert_eq!(raised(&uplink, "mqtt-refused"), None);
}

#[test]
fn no_more_is_in_flight_than_the_broker_takes() {
    let (broker, port) = Scripted::start();
    let uplink = uplink(port);
    submit(&uplink, 1..=6);
    let (mut peer, _) = broker.accept();
    peer.connack(0, &[0x21, 0, 2]); // receive maximum 2
    // `status` may take one of the two places first; it is acknowledged at once.
    let mut open = peer.results(2);
    for seq in 3..=6 {
        let idle = loop {
            match peer.packet_within(Duration::from_millis(100)) {
                Ok(Some(packet)) => {
                    if let Some(more) = peer.pass(packet) {
                        break Some(more);
                    }
                }
                Ok(None) => panic!("the client left"),
                Err(_) => break None,
            }
        };
        assert_eq!(idle, None, "a third without an acknowledgement");
        peer.puback(open.remove(0).0, 0);
        open.extend(peer.results(1));
        assert!(open[1].1.contains(&format!("\"seq\":{seq},")), "{open:?}");
    }
    open.iter().for_each(|(id, _)| peer.puback(*id, 0));
    until("all are taken", || uplink.counters().pending == 0);
}

#[test]
fn of_a_backlog_64_are_in_flight_and_it_all_goes_although_a_part_is_always_under_inspection() {
    let (broker, port) = Scripted::start();
    let settings = settings(Mqtt {
        window: 128,
        ..Mqtt::to(&format!("mqtt://127.0.0.1:{port}"))
    });
    settings.inspecting.store(1, Ordering::Relaxed);
    let uplink = Uplink::start(settings).expect("the uplink starts");
    submit(&uplink, 1..=300);
    let (mut peer, _) = broker.accept();
    peer.connack(0, &[]);
    let first = peer.results(64);
    while let Ok(packet) = peer.packet_within(Duration::from_millis(300)) {
        let more = peer.pass(packet.expect("the client stays"));
        assert_eq!(more, None, "more than 64 without an acknowledgement");
    }
    first.iter().for_each(|(id, _)| peer.puback(*id, 0));
    let rest = peer.serve(|| uplink.counters().pending == 0);
    assert_eq!(seqs(&rest), (65..=300).collect::<Vec<_>>());
}

#[test]
fn a_result_larger_than_the_broker_takes_is_not_sent_in_a_loop() {
    let (broker, port) = Scripted::start();
    let uplink = uplink(port);
    let large = format!(
        "{{\"seq\":1,\"x\":\"{}\",\"replayed\":false}}",
        "x".repeat(2_000)
    );
    uplink.submit(1, large).expect("room");
    let (mut peer, _) = broker.accept();
    peer.connack(0, &[0x27, 0, 0, 0x04, 0]); // maximum packet size 1024
    let sent = peer.serve(|| raised(&uplink, "mqtt-not-taken.result").is_some());
    assert!(sent.is_empty(), "{sent:?}");
    let alarm = raised(&uplink, "mqtt-not-taken.result").unwrap_or_default();
    assert!(alarm.contains("the broker takes 1024"), "{alarm}");
    assert_eq!(
        (uplink.counters().pending, uplink.counters().connections),
        (1, 1)
    );
    // The broker's limit is raised: the result goes.
    drop(peer);
    let (mut peer, _) = broker.accept();
    peer.connack(0, &[]);
    assert_eq!(seqs(&peer.serve(|| uplink.counters().pending == 0)), [1]);
}

#[test]
fn a_broker_of_the_older_protocol_is_spoken_to_in_its_own() {
    let (broker, port) = Scripted::start();
    let uplink = uplink(port);
    submit(&uplink, 1..=3);
    let mut peer = broker.refuse_five();
    peer.connack(0, &[]);
    assert_eq!(
        seqs(&peer.serve(|| uplink.counters().pending == 0)),
        [1, 2, 3]
    );
    let told = raised(&uplink, "mqtt-older-protocol").expect("a person is told");
    assert!(told.contains("3.1.1"), "{told}");
    // A connection that is closed without a word is no reason to speak the older protocol.
    drop(peer);
    for _ in 0..3 {
        let (peer, level) = broker.accept();
        assert_eq!(level, 5, "each new connection asks for 5 first");
        drop(peer);
    }
    let mut peer = broker.refuse_five();
    peer.connack(0, &[]);
    submit(&uplink, 4..=4);
    assert_eq!(seqs(&peer.serve(|| uplink.counters().pending == 0)), [4]);
    let goodbye = std::thread::spawn(move || uplink.stop(PATIENCE));
    let mut said = Vec::new();
    while let Some(packet) = peer.packet() {
        said.push(packet.clone());
        peer.pass(packet);
    }
    assert_eq!(said.last(), Some(&Packet::Disconnect), "{said:?}");
    goodbye.join().expect("it ends");
}
