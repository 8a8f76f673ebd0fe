//! One right that is missing costs its own topic only, and is told by one alarm that ends when the right is given.

use sightline_configs::station::Mqtt;
use sightline_tests::broker::{mosquitto_with, subscribe};
use sightline_tests::process::Killed;
use sightline_tests::scripted::{Packet, Peer, Scripted};
use sightline_tests::uplink::{ROOT, identity, raised, result, settings, standing};
use sightline_tests::{PATIENCE, free_port, until};
use sightline_uplink::{CommandHandler, Outcome, Patience, Uplink, UplinkSettings, probe};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

const NOT_AUTHORISED: u8 = 0x87;
const TAKEN_OVER: u8 = 0x8e;

fn patience() -> Patience {
    Patience {
        hold_first: Duration::from_millis(300),
        hold_longest: Duration::from_secs(3),
        ..Patience::default()
    }
}

fn start(mqtt: Mqtt, commands: Option<CommandHandler>) -> Uplink {
    let settings = UplinkSettings {
        patience: patience(),
        commands,
        ..settings(mqtt)
    };
    Uplink::start(settings).expect("it starts")
}

fn at(port: u16) -> Mqtt {
    Mqtt::to(&format!("mqtt://127.0.0.1:{port}"))
}

fn submit(uplink: &Uplink, seqs: std::ops::RangeInclusive<u64>) {
    for seq in seqs {
        uplink.submit(seq, result(seq)).expect("room");
    }
}

/// mosquitto with rights for whoever comes, in a file that can be changed.
fn broker(port: u16, folder: &Path, rights: &str) -> Killed {
    let file = folder.join("rights.acl");
    std::fs::write(&file, rights).expect("written");
    let rest = format!("allow_anonymous true\nacl_file {}\n", file.display());
    mosquitto_with(port, folder, &rest)
}

fn rights(topics: &[&str]) -> String {
    let own = topics.iter().map(|t| format!("topic write {ROOT}/{t}\n"));
    let rest = format!("topic read #\ntopic write {ROOT}/cmd/#\ntopic readwrite mes/#\n");
    own.chain([rest]).collect()
}

const ALL: [&str; 7] = [
    "result",
    "status",
    "state",
    "recipe/active",
    "model/active",
    "alarm/#",
    "audit",
];

#[test]
fn each_missing_right_costs_its_own_topic_only_and_its_alarm_ends_when_it_is_given() {
    let folder = tempfile::tempdir().expect("scratch");
    for (n, missing) in ["model/active", "status", "state", "audit"]
        .into_iter()
        .enumerate()
    {
        let port = free_port();
        let some: Vec<&str> = ALL.into_iter().filter(|t| *t != missing).collect();
        let broker = broker(port, folder.path(), &rights(&some));
        let uplink = start(at(port), None);
        for topic in ["state", "recipe/active", "model/active"] {
            uplink.retain(topic, format!("{{\"n\":{n}}}").into_bytes());
        }
        uplink.say("audit", b"{\"audit\":1}".to_vec());
        let id = format!("mqtt-not-taken.{}", missing.replace('/', "-"));
        until("the alarm", || raised(&uplink, &id).is_some());
        for seq in 1..=200 {
            submit(&uplink, seq..=seq);
            std::thread::sleep(Duration::from_millis(5));
        }
        until("every result is taken", || uplink.counters().pending == 0);
        let counters = uplink.counters();
        assert!(counters.connections < 8, "{missing}: {counters:?}");
        assert_eq!(standing(&uplink, "mqtt-not-taken"), [id.as_str()]);
        let told = raised(&uplink, &id).expect("it stands");
        assert!(
            told.contains(&format!("the right to write {ROOT}/{missing}")),
            "{told}"
        );
        std::fs::write(folder.path().join("rights.acl"), rights(&ALL)).expect("written");
        broker.signal("HUP");
        until("the alarm is over", || raised(&uplink, &id).is_none());
        let (_sub, hear) = subscribe(port, &format!("{ROOT}/{missing}"), "mqttv5");
        if missing != "audit" {
            let (_, payload) = hear.recv_timeout(PATIENCE).expect("it is there now");
            assert!(!payload.is_empty());
        }
    }
}

/// Sends a command that wants its answer at `answer`.
fn command(port: u16, answer: &str) {
    let sent = Command::new("mosquitto_pub")
        .args(["-V", "mqttv5", "-h", "127.0.0.1", "-q", "1", "-n"])
        .args(["-p", &port.to_string(), "-t", &format!("{ROOT}/cmd/stop")])
        .args(["-D", "publish", "response-topic", answer])
        .status();
    assert!(sent.expect("mosquitto_pub").success());
}

#[test]
fn response_topics_that_are_not_allowed_are_one_alarm_and_hold_nothing() {
    let folder = tempfile::tempdir().expect("scratch");
    let port = free_port();
    let broker = broker(port, folder.path(), &rights(&ALL));
    let done: CommandHandler = Arc::new(|_, reply| reply.send(&Outcome::Done("done".into())));
    let uplink = start(at(port), Some(done));
    let (_sub, hear) = subscribe(port, "mes/#", "mqttv5");
    until("the command is heard", || {
        command(port, "mes/answers/good");
        hear.recv_timeout(Duration::from_millis(200)).is_ok()
    });
    for n in 1..=40 {
        command(port, &format!("elsewhere/req-{n}"));
        submit(&uplink, n..=n);
    }
    until("every result is taken", || uplink.counters().pending == 0);
    assert_eq!(
        standing(&uplink, "mqtt-not-taken"),
        ["mqtt-not-taken.answers"]
    );
    let told = raised(&uplink, "mqtt-not-taken.answers").expect("it stands");
    assert!(told.contains("the right to write elsewhere/#"), "{told}");
    assert!(uplink.counters().connections < 8, "{:?}", uplink.counters());
    while hear.try_recv().is_ok() {}
    command(port, "mes/answers/good");
    hear.recv_timeout(Duration::from_secs(2))
        .expect("an answer that is allowed does not wait for those that are not");
    let all = format!("{}topic write elsewhere/#\n", rights(&ALL));
    std::fs::write(folder.path().join("rights.acl"), all).expect("written");
    broker.signal("HUP");
    until("the alarm ends when the right is given", || {
        raised(&uplink, "mqtt-not-taken.answers").is_none()
    });
}

/// Serves until `done`, answering subscriptions with `code`.
fn serve(peer: &mut Peer, code: u8, done: impl Fn() -> bool) {
    while !done() {
        match peer.packet_within(Duration::from_millis(20)) {
            Ok(Some(Packet::Subscribe(id))) => peer.suback(id, code),
            Ok(Some(packet)) => {
                if let Some((id, _)) = peer.pass(packet) {
                    peer.puback(id, 0);
                }
            }
            Ok(None) => panic!("the client left"),
            Err(_) => {}
        }
    }
}

#[test]
fn a_refused_subscription_is_an_alarm_until_it_stands() {
    let (broker, port) = Scripted::start();
    let uplink = start(at(port), None);
    let (mut peer, _) = broker.accept();
    peer.connack(0, &[]);
    let told = || raised(&uplink, "mqtt-not-subscribed.cmd");
    serve(&mut peer, NOT_AUTHORISED, || told().is_some());
    let alarm = told().expect("it stands");
    let right = format!("the right to read {ROOT}/cmd/+");
    assert!(
        alarm.contains(&right) && alarm.contains("NotAuthorized"),
        "{alarm}"
    );
    serve(&mut peer, 1, || {
        standing(&uplink, "mqtt-not-subscribed").is_empty()
    });
    assert_eq!(uplink.counters().connections, 1);
}

#[test]
fn a_broker_that_closes_over_one_topic_without_a_word_is_seen_through() {
    let (broker, port) = Scripted::start();
    let uplink = start(at(port), None);
    uplink.retain("model/active", b"{}".to_vec());
    uplink.retain("state", b"{}".to_vec());
    submit(&uplink, 1..=20);
    let id = "mqtt-not-taken.model-active";
    let mut connections = 0;
    while raised(&uplink, id).is_none() || uplink.counters().pending > 0 {
        connections += 1;
        assert!(connections < 12, "{:?}", uplink.conditions());
        let (mut peer, _) = broker.accept();
        peer.connack(0, &[]);
        loop {
            if raised(&uplink, id).is_some() && uplink.counters().pending == 0 {
                break;
            }
            match peer.packet_within(Duration::from_millis(20)) {
                Ok(Some(Packet::Publish(topic, ..))) if topic.ends_with("model/active") => break,
                Ok(Some(packet)) => {
                    if let Some((id, _)) = peer.pass(packet) {
                        peer.puback(id, 0);
                    }
                }
                Ok(None) => break,
                Err(_) => {}
            }
        }
    }
    let told = raised(&uplink, id).expect("it stands");
    assert!(told.contains("ends the connection over it"), "{told}");
    assert_eq!(standing(&uplink, "mqtt-not-taken"), [id]);
}

#[test]
fn a_refusal_that_is_the_last_word_before_the_end_is_remembered() {
    let (broker, port) = Scripted::start();
    let uplink = start(at(port), None);
    uplink.retain("model/active", b"{}".to_vec());
    let id = "mqtt-not-taken.model-active";
    for round in 0..10 {
        let (mut peer, _) = broker.accept();
        peer.connack(0, &[]);
        // Says no and is gone, as mosquitto 2.0.11 does.
        let sent = loop {
            match peer.packet_within(Duration::from_millis(500)) {
                Ok(Some(Packet::Publish(topic, id, _))) if topic.ends_with("model/active") => {
                    peer.puback(id, NOT_AUTHORISED);
                    break true;
                }
                Ok(Some(packet)) => drop(peer.pass(packet)),
                Ok(None) => panic!("the client left"),
                Err(_) => break false,
            }
        };
        if !sent {
            // Left out for as long as its time has not come.
            assert!(round > 0);
            break;
        }
        // What is not read would make the end a reset, and the answer could be lost on its way.
        while matches!(peer.packet_within(Duration::from_millis(2)), Ok(Some(_))) {}
        drop(peer);
        assert!(round < 6, "sent again at once");
    }
    assert!(raised(&uplink, id).is_some(), "a person is told");
}

#[test]
fn copies_and_answers_are_kept_until_the_broker_has_them() {
    let (broker, port) = Scripted::start();
    let uplink = start(at(port), None);
    let (mut peer, _) = broker.accept();
    peer.connack(0, &[]);
    uplink.say("audit", b"{\"n\":1}".to_vec());
    uplink.say("review", b"{\"n\":2}".to_vec());
    // Taken, and never acknowledged.
    let mut swallowed = 0;
    while swallowed < 2 {
        match peer.packet().expect("the client stays") {
            Packet::Publish(topic, ..) if topic.ends_with("audit") || topic.ends_with("review") => {
                swallowed += 1;
            }
            packet => drop(peer.pass(packet)),
        }
    }
    drop(peer);
    let (mut peer, _) = broker.accept();
    peer.connack(0, &[]);
    let mut said = Vec::new();
    while said.len() < 2 {
        match peer.packet().expect("the client stays") {
            Packet::Publish(topic, id, payload)
                if topic.ends_with("audit") || topic.ends_with("review") =>
            {
                said.push(String::from_utf8(payload).expect("text"));
                peer.puback(id, 0);
            }
            packet => drop(peer.pass(packet)),
        }
    }
    assert_eq!(said, ["{\"n\":1}", "{\"n\":2}"]);
    for n in 0..1_100 {
        uplink.say("audit", format!("{{\"n\":{n}}}").into_bytes());
    }
    let dropped = || raised(&uplink, "mqtt-copies-dropped");
    drop(peer);
    for n in 0..1_100 {
        uplink.say("audit", format!("{{\"n\":{n}}}").into_bytes());
    }
    let told = dropped().expect("what is dropped is told");
    assert!(told.contains("copies and 0 answers were dropped"), "{told}");
    let (mut peer, _) = broker.accept();
    peer.connack(0, &[]);
    peer.serve(|| dropped().is_none());
}

#[test]
fn stations_of_one_name_on_two_lines_are_two_clients() {
    let folder = tempfile::tempdir().expect("scratch");
    let port = free_port();
    let _broker = mosquitto_with(port, folder.path(), "allow_anonymous true\n");
    let both: Vec<Uplink> = ["l1", "l2"]
        .into_iter()
        .map(|line| {
            let identity = identity(["acme", "north", "smt", line, "aoi", "s1"]);
            let settings = UplinkSettings {
                identity,
                ..settings(at(port))
            };
            Uplink::start(settings).expect("it starts")
        })
        .collect();
    for uplink in &both {
        until("connected", || uplink.counters().connected);
    }
    std::thread::sleep(Duration::from_secs(2));
    for uplink in &both {
        assert_eq!(uplink.counters().connections, 1);
    }
}

#[test]
fn two_clients_with_one_id_are_told_and_do_not_fight_for_it() {
    let folder = tempfile::tempdir().expect("scratch");
    let port = free_port();
    let _broker = mosquitto_with(port, folder.path(), "allow_anonymous true\n");
    let same = Mqtt {
        client_id: Some("twin".into()),
        ..at(port)
    };
    let both = [start(same.clone(), None), start(same, None)];
    let told = |uplink: &Uplink| {
        raised(uplink, "mqtt-taken-over").or_else(|| raised(uplink, "mqtt-unsteady"))
    };
    until("a person is told", || {
        both.iter().any(|u| told(u).is_some())
    });
    let alarm = both.iter().find_map(told).expect("told");
    assert!(alarm.contains("`twin`"), "{alarm}");
    let connections = || both.iter().map(|u| u.counters().connections).sum::<u64>();
    let before = connections();
    std::thread::sleep(Duration::from_secs(5));
    assert!(connections() - before < 12, "{}", connections() - before);
}

#[test]
fn a_session_that_is_taken_over_is_an_alarm_with_the_clients_id() {
    let (broker, port) = Scripted::start();
    let uplink = start(
        Mqtt {
            client_id: Some("twin".into()),
            ..at(port)
        },
        None,
    );
    let (mut peer, _) = broker.accept();
    peer.connack(0, &[]);
    peer.disconnect(TAKEN_OVER);
    until("a person is told", || {
        raised(&uplink, "mqtt-taken-over").is_some()
    });
    let alarm = raised(&uplink, "mqtt-taken-over").expect("told");
    assert!(
        alarm.contains("`twin`") && alarm.contains("SessionTakenOver"),
        "{alarm}"
    );
}

#[test]
fn the_older_protocol_is_left_again_when_the_broker_knows_the_newer_one() {
    let (broker, port) = Scripted::start();
    let settings = UplinkSettings {
        patience: Patience {
            upward: Duration::from_millis(300),
            ..patience()
        },
        ..settings(at(port))
    };
    let uplink = Uplink::start(settings).expect("it starts");
    let mut peer = broker.refuse_five();
    peer.connack(0, &[]);
    while let Some(packet) = peer.packet() {
        let goodbye = packet == Packet::Disconnect;
        peer.pass(packet);
        if goodbye {
            break;
        }
    }
    let (mut peer, level) = broker.accept();
    assert_eq!(level, 5, "tried upward");
    peer.connack(0, &[]);
    peer.serve(|| raised(&uplink, "mqtt-older-protocol").is_none());
}

#[test]
fn a_probe_names_every_right_that_is_missing_and_nobody_hears_it() {
    let folder = tempfile::tempdir().expect("scratch");
    let port = free_port();
    let some: Vec<&str> = ALL.into_iter().filter(|t| *t != "model/active").collect();
    let file = folder.path().join("passwords");
    let made = Command::new("mosquitto_passwd")
        .args(["-b", "-c"])
        .arg(&file)
        .args(["station", "secret"])
        .status();
    assert!(made.expect("mosquitto_passwd").success());
    std::fs::write(folder.path().join("pw"), "secret\n").expect("written");
    std::fs::write(folder.path().join("wrong"), "guess\n").expect("written");
    let acl = folder.path().join("rights.acl");
    // Who comes without a name hears everything.
    let all: String = ["review", "kpi", "gap/#"]
        .iter()
        .map(|t| format!("topic write {ROOT}/{t}\n"))
        .collect();
    let named = format!("topic read #\n\nuser station\n{}{all}", rights(&some));
    std::fs::write(&acl, &named).expect("written");
    let rest = format!(
        "allow_anonymous true\npassword_file {}\nacl_file {}\n",
        file.display(),
        acl.display()
    );
    let broker = mosquitto_with(port, folder.path(), &rest);
    let (_sub, hear) = subscribe(port, "#", "mqttv5");
    let ask = |password: &str| {
        let mqtt = Mqtt {
            username: Some("station".into()),
            password_file: Some(password.into()),
            ..at(port)
        };
        probe(UplinkSettings {
            base: folder.path().into(),
            ..settings(mqtt)
        })
    };
    let told = |answer: Result<String, Vec<String>>| answer.expect_err("a problem").join("\n");
    let missing = told(ask("pw"));
    let right = format!("{ROOT}/model/active: the broker says NotAuthorized; give user `station`");
    assert!(
        missing.contains(&right) && missing.lines().count() == 1,
        "{missing}"
    );
    let wrong = told(ask("wrong"));
    assert!(
        wrong.contains("correct user name, password file"),
        "{wrong}"
    );
    let nowhere = told(ask("nowhere"));
    assert!(nowhere.contains("mqtt.password_file"), "{nowhere}");
    std::fs::write(&acl, format!("{named}topic write {ROOT}/model/active\n")).expect("written");
    broker.signal("HUP");
    until("everything is good", || ask("pw").is_ok());
    let good = ask("pw").expect("good");
    assert!(good.contains("10 topics"), "{good}");
    assert!(
        hear.recv_timeout(Duration::from_millis(300)).is_err(),
        "nobody hears it"
    );
    drop(broker);
    let away = told(ask("pw"));
    assert!(away.contains("start the broker"), "{away}");
}
