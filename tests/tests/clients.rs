//! The MQTT clients that factories have, against the broker that the station runs itself: each hears every result.

use serde_json::Value;
use sightline_tests::process::Killed;
use sightline_tests::python::python;
use sightline_tests::station::{Station, demo_config};
use sightline_tests::{PATIENCE, free_port, until};
use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, TcpStream};
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::Duration;

/// Prints `subscribed`, then the body of each result, a line each. Arguments: port, protocol (4 is 3.1.1).
const PAHO: &str = r#"
import sys, paho.mqtt.client as mqtt
client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, protocol=int(sys.argv[2]))
client.on_connect = lambda c, *rest: c.subscribe("sightline/#", 1)
client.on_subscribe = lambda *rest: print("subscribed", flush=True)
def heard(c, u, message):
    if message.topic.endswith("/result"):
        print(message.payload.decode(), flush=True)
client.on_message = heard
client.connect("127.0.0.1", int(sys.argv[1]))
client.loop_forever()
"#;

/// The same with Node's `mqtt`.
const NODE: &str = r#"
const [port, protocolVersion] = process.argv.slice(1).map(Number);
const client = require('mqtt').connect({ host: '127.0.0.1', port, protocolVersion });
client.on('connect', () => client.subscribe('sightline/#', { qos: 1 }, () => console.log('subscribed')));
client.on('message', (topic, body) => { if (topic.endsWith('/result')) console.log(body.toString()); });
"#;

struct Client {
    name: String,
    _process: Killed,
    hear: Receiver<String>,
}

impl Client {
    /// Returns when its subscription stands.
    fn start(name: String, command: &mut Command) -> Self {
        let mut child = command
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|e| panic!("{name}: {e}"));
        let lines = BufReader::new(child.stdout.take().expect("piped"));
        let (tell, hear) = sync_channel(100_000);
        std::thread::spawn(move || {
            for line in lines.lines().map_while(Result::ok) {
                let _ = tell.send(line);
            }
        });
        let first = hear.recv_timeout(PATIENCE);
        assert_eq!(first.as_deref(), Ok("subscribed"), "{name}");
        Self {
            name,
            _process: Killed(child),
            hear,
        }
    }

    /// The numbers it has heard; done when none comes for a while.
    fn numbers(&self) -> BTreeSet<u64> {
        let lines = std::iter::from_fn(|| self.hear.recv_timeout(Duration::from_millis(500)).ok());
        lines
            .filter_map(|line| serde_json::from_str::<Value>(&line).expect("JSON")["seq"].as_u64())
            .collect()
    }
}

/// Every client that this machine has, in both versions of the protocol.
fn clients(port: u16) -> Vec<Client> {
    let port = port.to_string();
    let mut all = Vec::new();
    if let Some(python) = python() {
        for version in ["4", "5"] {
            let mut paho = Command::new(&python);
            paho.args(["-c", PAHO, &port, version]);
            all.push(Client::start(format!("paho {version}"), &mut paho));
        }
    }
    let modules = "/usr/share/nodejs";
    let has_node = Command::new("node")
        .args(["-e", "require('mqtt')"])
        .env("NODE_PATH", modules)
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|s| s.success());
    if !has_node {
        eprintln!("SKIPPED: Node's client (Debian's package node-mqtt is not installed)");
        return all;
    }
    for version in ["4", "5"] {
        let mut node = Command::new("node");
        node.args(["-e", NODE, &port, version])
            .env("NODE_PATH", modules);
        all.push(Client::start(format!("node {version}"), &mut node));
    }
    all
}

#[test]
fn paho_and_node_hear_every_result_in_both_versions_of_the_protocol() {
    let folder = tempfile::tempdir().expect("scratch");
    let port = free_port();
    let config = demo_config(folder.path(), "\"embedded\"", "");
    let text = std::fs::read_to_string(&config).expect("written");
    let text = text.replace("127.0.0.1:1884", &format!("127.0.0.1:{port}"));
    std::fs::write(&config, text).expect("written");
    let mut station = Station::run(&config);
    until("the broker listens", || {
        TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok()
    });
    let clients = clients(port);
    let made = station.made_within(Duration::from_secs(5));
    assert!(made.len() > 5, "{made:?}");
    for client in &clients {
        let heard = client.numbers();
        let missing: Vec<_> = made.difference(&heard).collect();
        assert!(missing.is_empty(), "{} misses {missing:?}", client.name);
    }
    let names: Vec<_> = clients.iter().map(|c| &c.name).collect();
    println!("{} results, each heard by {names:?}", made.len());
}
