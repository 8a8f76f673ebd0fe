//! Brokers that say nothing, nonsense, or goodbye: a person is told, nothing is sent in a loop, and the older protocol is
//! spoken only after a clear word.

use sightline_configs::station::Mqtt;
use sightline_tests::scripted::{Packet, Peer, Scripted};
use sightline_tests::uplink::{ROOT, raised, result, settings, standing};
use sightline_tests::{PATIENCE, until};
use sightline_uplink::{Patience, Uplink, UplinkSettings};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener};
use std::sync::mpsc::sync_channel;
use std::time::{Duration, Instant};

const QUOTA_EXCEEDED: u8 = 0x97;
const NOT_AUTHORISED: u8 = 0x87;

fn start(port: u16) -> Uplink {
    let patience = Patience {
        acknowledgement: Duration::from_millis(400),
        hold_first: Duration::from_millis(300),
        hold_longest: Duration::from_secs(3),
        ..Patience::default()
    };
    let mqtt = Mqtt::to(&format!("mqtt://127.0.0.1:{port}"));
    let settings = UplinkSettings {
        patience,
        ..settings(mqtt)
    };
    Uplink::start(settings).expect("it starts")
}

/// Serves until `done` or the client's end; what `silent` says is not answered. False: the client has left.
fn serve(peer: &mut Peer, silent: impl Fn(&Packet) -> bool, done: impl Fn() -> bool) -> bool {
    while !done() {
        match peer.packet_within(Duration::from_millis(20)) {
            Ok(Some(packet)) if silent(&packet) => {}
            Ok(Some(Packet::Subscribe(id))) => peer.suback(id, 1),
            Ok(Some(packet)) => {
                if let Some((id, _)) = peer.pass(packet) {
                    peer.puback(id, 0);
                }
            }
            Ok(None) => return false,
            Err(_) => {}
        }
    }
    true
}

#[test]
fn a_subscription_that_is_never_answered_is_told_and_results_go_on() {
    let (broker, port) = Scripted::start();
    let uplink = start(port);
    uplink.submit(1, result(1)).expect("room");
    let silent = |packet: &Packet| matches!(packet, Packet::Subscribe(_));
    let told = || raised(&uplink, "mqtt-not-subscribed.cmd");
    while told().is_none() {
        let (mut peer, _) = broker.accept();
        peer.connack(0, &[]);
        serve(&mut peer, silent, || told().is_some());
    }
    let words = told().expect("it stands");
    assert!(
        words.contains("has not answered") && words.contains(&format!("{ROOT}/cmd/+")),
        "{words}"
    );
    let all = || standing(&uplink, "mqtt-not-subscribed").is_empty();
    while !all() || uplink.counters().pending > 0 {
        let (mut peer, _) = broker.accept();
        peer.connack(0, &[]);
        serve(
            &mut peer,
            |_| false,
            || all() && uplink.counters().pending == 0,
        );
    }
}

#[test]
fn a_topic_that_is_never_acknowledged_costs_itself_only() {
    let (broker, port) = Scripted::start();
    let uplink = start(port);
    uplink.retain("state", b"{}".to_vec());
    uplink.say("audit", b"{\"n\":1}".to_vec());
    let silent =
        |packet: &Packet| matches!(packet, Packet::Publish(topic, ..) if topic.ends_with("/audit"));
    let told = || raised(&uplink, "mqtt-not-taken.audit");
    let mut seq = 0;
    while told().is_none() || uplink.counters().pending > 0 {
        let (mut peer, _) = broker.accept();
        peer.connack(0, &[]);
        for _ in 0..10 {
            seq += 1;
            uplink.submit(seq, result(seq)).expect("room");
        }
        // The client leaves when its patience is at an end.
        serve(&mut peer, silent, || {
            told().is_some() && uplink.counters().pending == 0
        });
    }
    assert_eq!(
        standing(&uplink, "mqtt-not-taken"),
        ["mqtt-not-taken.audit"]
    );
    while told().is_some() {
        let (mut peer, _) = broker.accept();
        peer.connack(0, &[]);
        serve(&mut peer, |_| false, || told().is_none());
    }
}

#[test]
fn what_speaks_no_mqtt_is_no_reason_to_speak_the_older_protocol() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    let port = listener.local_addr().expect("its address").port();
    let (tell, hear) = sync_channel(100);
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let mut stream = stream;
            let mut bytes = [0; 512];
            let name = |bytes: &[u8]| bytes.windows(4).position(|w| w == b"MQTT");
            let n = stream.read(&mut bytes).unwrap_or(0);
            if let Some(at) = name(&bytes[..n]) {
                // The protocol's level follows its name (MQTT 3.1.2).
                let _ = tell.try_send(bytes[at + 4]);
                let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n");
            }
        }
    });
    let uplink = start(port);
    for n in 0..6 {
        assert_eq!(hear.recv_timeout(PATIENCE), Ok(5), "connection {n}");
    }
    until("a person is told", || {
        raised(&uplink, "mqtt-refused").is_some_and(|told| told.contains("does not speak MQTT 5"))
    });
    assert_eq!(raised(&uplink, "mqtt-older-protocol"), None);
}

#[test]
fn a_broker_that_says_goodbye_soon_after_each_welcome_is_not_asked_several_times_a_second() {
    for reason in [QUOTA_EXCEEDED, NOT_AUTHORISED] {
        let (broker, port) = Scripted::start();
        let uplink = start(port);
        let begun = Instant::now();
        let (mut connections, mut told) = (0, false);
        while begun.elapsed() < Duration::from_secs(8) {
            let (mut peer, _) = broker.accept();
            connections += 1;
            peer.connack(0, &[]);
            let until = Instant::now() + Duration::from_millis(100);
            serve(&mut peer, |_| false, || Instant::now() > until);
            let stands = raised(&uplink, "mqtt-refused").is_some();
            assert!(stands || !told, "it does not come and go");
            told |= stands;
            peer.disconnect(reason);
        }
        assert!(told, "a person is told");
        assert!(connections <= 8, "{connections} connections in 8 s");
    }
}
