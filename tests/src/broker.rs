//! mosquitto and its subscriber.

use crate::process::Killed;
use crate::{PATIENCE, now_s, until};
use serde_json::Value;
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::{Duration, Instant};

/// Starts mosquitto on `port`; returns once it listens.
pub fn mosquitto(port: u16, folder: &Path) -> Killed {
    mosquitto_with(port, folder, "allow_anonymous true\n")
}

/// Starts mosquitto on `port` with the rest of its configuration; returns once it listens.
pub fn mosquitto_with(port: u16, folder: &Path, rest: &str) -> Killed {
    let config = folder.join("mosquitto.conf");
    // Started by root it would become a user who cannot read this folder; for others the line means nothing.
    let text = format!("user root\nlistener {port} 127.0.0.1\n{rest}");
    std::fs::write(&config, text).expect("its configuration");
    // Debian puts the broker where a user's PATH may not look.
    let program = ["/usr/sbin/mosquitto", "/usr/local/sbin/mosquitto"]
        .into_iter()
        .find(|p| Path::new(p).exists());
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

/// What a subscriber heard.
pub struct Message {
    /// Seconds since 1970 when it was heard.
    pub at_s: f64,
    /// Its topic.
    pub topic: String,
    /// Its payload, as text.
    pub payload: String,
}

impl Message {
    /// From what `mosquitto_sub` prints with the format below.
    fn of(line: &str) -> Option<Self> {
        let (at, rest) = line.strip_prefix("MESSAGE ")?.split_once(' ')?;
        let (topic, payload) = rest.split_once(' ').unwrap_or((rest, ""));
        Some(Self {
            at_s: at.parse().ok()?,
            topic: topic.to_string(),
            payload: payload.to_string(),
        })
    }
}

/// Starts `mosquitto_sub`; it comes back by itself to the next broker on that port. `version` is `mqttv5` or `mqttv311`.
/// Each message goes to `hear` until that says false; each time the subscription stands the receiver learns
/// when, in seconds since 1970.
pub fn mosquitto_sub(
    port: u16,
    topic: &str,
    version: &str,
    qos: u8,
    mut hear: impl FnMut(Message) -> bool + Send + 'static,
) -> (Killed, Receiver<f64>) {
    // Line by line: into a pipe it would keep what it prints to itself.
    let mut child = Command::new("stdbuf")
        .args(["-oL", "mosquitto_sub", "-h", "127.0.0.1", "-d"])
        .args(["-p", &port.to_string(), "-V", version])
        .args(["-q", &qos.to_string(), "-F", "MESSAGE %U %t %p"])
        .args(["-t", topic])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("mosquitto_sub is installed by `make setup`");
    let lines = BufReader::new(child.stdout.take().expect("piped")).split(b'\n');
    let (tell, standing) = sync_channel(1_000);
    std::thread::spawn(move || {
        for line in lines.map_while(Result::ok) {
            let line = String::from_utf8_lossy(&line);
            if let Some(message) = Message::of(&line) {
                if !hear(message) {
                    return;
                }
            } else if line.contains("received SUBACK") {
                // Whoever does not ask need not learn it.
                let _ = tell.try_send(now_s());
            }
        }
    });
    (Killed(child), standing)
}

/// Topic and payload of each message.
pub type Messages = Receiver<(String, String)>;

/// A subscriber that remembers what it heard, so that the order between topics does not matter.
pub struct Listener {
    coming: Messages,
    log: Vec<(String, String)>,
    seen: BTreeMap<String, usize>,
    _subscriber: Killed,
}

impl Listener {
    /// Subscribes to `topic` in MQTT 5.
    pub fn start(port: u16, topic: &str) -> Self {
        let (subscriber, coming) = subscribe(port, topic, "mqttv5");
        Self {
            coming,
            log: Vec::new(),
            seen: BTreeMap::new(),
            _subscriber: subscriber,
        }
    }

    /// Waits for a message on a topic that begins so and satisfies `wanted`, after what was waited for there before.
    pub fn hear(&mut self, topic: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let begun = Instant::now();
        loop {
            let from = self.seen.get(topic).copied().unwrap_or(0);
            let there = self.log.iter().filter(|(on, _)| on.starts_with(topic));
            for (n, (_, payload)) in there.enumerate().skip(from) {
                let Ok(value) = serde_json::from_str(payload) else {
                    continue;
                };
                if wanted(&value) {
                    self.seen.insert(topic.into(), n + 1);
                    return value;
                }
            }
            assert!(
                begun.elapsed() < PATIENCE,
                "waited {PATIENCE:?} for: {topic}"
            );
            let next = self.coming.recv_timeout(Duration::from_secs(1));
            self.log.extend(next.ok());
        }
    }
}

/// Starts `mosquitto_sub` with QoS 1; returns once its subscription stands. `version` is `mqttv5` or `mqttv311`.
pub fn subscribe(port: u16, topic: &str, version: &str) -> (Killed, Messages) {
    let (tell, hear) = sync_channel(100_000);
    let pass_on = move |m: Message| tell.send((m.topic, m.payload)).is_ok();
    let (child, standing) = mosquitto_sub(port, topic, version, 1, pass_on);
    standing
        .recv_timeout(PATIENCE)
        .expect("the subscription stands");
    (child, hear)
}
