//! The MES: one `mosquitto_sub` that comes back by itself and keeps what it hears.
//!
//! With QoS 0: a subscriber that acknowledges to a killed broker fails on that and throws away what it has received and
//! not read. That is the broker's and the subscriber's loss (a persistent session mends it), not the station's.

use super::TOPIC;
use crate::PATIENCE;
use crate::broker::{Message, mosquitto_sub};
use crate::process::Killed;
use std::sync::mpsc::Receiver;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Seconds since 1970 when it was heard, and the payload.
pub type Heard = (f64, String);

/// Everything heard, in order.
pub struct Subscriber {
    _process: Killed,
    heard: Arc<Mutex<Vec<Heard>>>,
    subscribed: Receiver<f64>,
}

impl Subscriber {
    /// Starts it on a broker; it comes back by itself to the next one on that port.
    pub fn start(port: u16) -> Self {
        let heard = Arc::new(Mutex::new(Vec::new()));
        let theirs = heard.clone();
        let keep = move |m: Message| {
            lock(&theirs).push((m.at_s, m.payload));
            true
        };
        let (process, subscribed) = mosquitto_sub(port, TOPIC, "mqttv5", 0, keep);
        Self {
            _process: process,
            heard,
            subscribed,
        }
    }

    /// Waits until the subscription stands on a broker that has just begun. Returns since when, seconds since 1970.
    pub fn wait(&self) -> f64 {
        self.subscribed
            .recv_timeout(PATIENCE)
            .expect("the subscription stands")
    }

    /// Messages so far.
    pub fn count(&self) -> usize {
        lock(&self.heard).len()
    }

    /// Everything heard.
    pub fn heard(&self) -> Vec<Heard> {
        lock(&self.heard).clone()
    }
}

fn lock(heard: &Mutex<Vec<Heard>>) -> MutexGuard<'_, Vec<Heard>> {
    heard.lock().unwrap_or_else(PoisonError::into_inner)
}
