//! What the uplink needs to start, and what it counts.

use crate::commands::{Command, Reply};
use sightline_configs::station::{Identity, Mqtt, Sparkplug};
use sightline_domain::Clock;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

/// Takes a command and the way back for its answer. Called on the uplink's thread: it must be quick, and may answer later.
pub type CommandHandler = Arc<dyn Fn(Command, Reply) + Send + Sync>;

/// How long the uplink waits for a broker that does not do what brokers do.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// Without an acknowledgement of the oldest result for so long, the connection is given up and made anew.
    pub acknowledgement: Duration,
    /// Results wait so long after the broker refused one ...
    pub hold_first: Duration,
    /// ... doubled each time up to this. So do other topics that it refused, and subscriptions.
    pub hold_longest: Duration,
    /// A connection that stands so long is steady: its alarms are over.
    pub steady: Duration,
    /// After so long in MQTT 3.1.1, 5 is tried again.
    pub upward: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            acknowledgement: Duration::from_secs(20),
            hold_first: Duration::from_secs(1),
            hold_longest: Duration::from_secs(60),
            steady: Duration::from_secs(120),
            upward: Duration::from_secs(600),
        }
    }
}

/// What the uplink needs to start.
pub struct UplinkSettings {
    /// Topic levels.
    pub identity: Identity,
    /// Broker and window.
    pub mqtt: Mqtt,
    /// The Sparkplug face, if there is to be one.
    pub sparkplug: Option<Sparkplug>,
    /// Folder that a relative `password_file` starts from.
    pub base: PathBuf,
    /// Identifies this run in `status`.
    pub session: String,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Answers commands; absent: every command is refused.
    pub commands: Option<CommandHandler>,
    /// How long it waits for the broker.
    pub patience: Patience,
    /// Parts under inspection now: a backlog gives way to them. Counted by whoever inspects; 0 where nobody does.
    pub inspecting: Arc<AtomicUsize>,
    /// Folder that is there in the next run, too; absent: nothing is remembered until then.
    pub state: Option<PathBuf>,
}

impl UplinkSettings {
    /// For a station that speaks JSON alone, takes no commands and inspects nothing; the rest as usual.
    pub fn new(identity: Identity, mqtt: Mqtt, clock: Arc<dyn Clock>) -> Self {
        Self {
            identity,
            mqtt,
            sparkplug: None,
            base: PathBuf::new(),
            session: String::new(),
            clock,
            commands: None,
            patience: Patience::default(),
            inspecting: Arc::default(),
            state: None,
        }
    }
}

/// Results handed over, sent and acknowledged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Results sent, repeats included.
    pub published: u64,
    /// Results the broker has acknowledged, each once.
    pub acknowledged: u64,
    /// Results waiting for their acknowledgement.
    pub pending: u64,
    /// Of those acknowledged or waiting, so many are from earlier runs.
    pub carried: u64,
    /// Results that found no room.
    pub refused: u64,
    /// Connected now.
    pub connected: bool,
    /// Connections made so far.
    pub connections: u64,
    /// Without a journal: there is no room for another result.
    pub full: bool,
}
