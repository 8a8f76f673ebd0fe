//! The MES: one `mosquitto_sub` that comes back by itself and keeps what it hears.
//!
//! With QoS 0: a subscriber that acknowledges to a killed broker fails on that and throws away what it has received and
//! not read. That is the broker's and the subscriber's loss (a persistent session mends it), not the station's.

use super::TOPIC;
use crate::PATIENCE;
use crate::process::Killed;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};

/// Seconds since 1970 when it was heard, and the payload.
pub type Heard = (f64, String);

/// Everything heard, in order.
pub struct Subscriber {
    _process: Killed,
    heard: Arc<Mutex<Vec<Heard>>>,
    subscribed: Receiver<()>,
}

impl Subscriber {
    /// Starts it on a broker; it comes back by itself to the next one on that port.
    pub fn start(port: u16) -> Self {
        let mut child = Command::new("stdbuf")
            .args([
                "-oL",
                "mosquitto_sub",
                "-h",
                "127.0.0.1",
                "-p",
                &port.to_string(),
            ])
            .args([
                "-V",
                "mqttv5",
                "-q",
                "0",
                "-d",
                "-F",
                "MESSAGE %U %p",
                "-t",
                TOPIC,
            ])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("mosquitto_sub is installed by `make setup`");
        let lines = BufReader::new(child.stdout.take().expect("piped")).lines();
        let heard = Arc::new(Mutex::new(Vec::new()));
        let (tell, subscribed) = sync_channel(1_000);
        let theirs = heard.clone();
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                if let Some((at, payload)) = message(&line) {
                    theirs
                        .lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .push((at, payload.to_string()));
                } else if line.contains("received SUBACK") && tell.try_send(()).is_err() {
                    return;
                }
            }
        });
        Self {
            _process: Killed(child),
            heard,
            subscribed,
        }
    }

    /// Waits until the subscription stands on a broker that has just begun.
    pub fn wait(&self) {
        self.subscribed
            .recv_timeout(PATIENCE)
            .expect("the subscription stands");
    }

    /// Messages so far.
    pub fn count(&self) -> usize {
        self.heard
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .len()
    }

    /// Everything heard.
    pub fn heard(&self) -> Vec<Heard> {
        self.heard
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

fn message(line: &str) -> Option<(f64, &str)> {
    let (at, payload) = line.strip_prefix("MESSAGE ")?.split_once(' ')?;
    Some((at.parse().ok()?, payload))
}
