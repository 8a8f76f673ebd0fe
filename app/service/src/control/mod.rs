//! The one door for commands, whoever sends them: read, held against configuration and state, carried out between
//! parts, answered, and written down.
//!
//! A command comes in on the uplink's thread ([`Control::take`]), or on a console's ([`Control::ask`]). What is wrong with it is answered there, and so is
//! `trigger`, which must not wait. Everything else goes through a bounded queue to the station's main thread
//! ([`Control::rest`]), the only one that changes what runs. Where to start: `request.rs`, `machine.rs`, `execute.rs`.

mod challenge;
mod changing;
mod execute;
mod flood;
mod gaps;
mod install;
mod machine;
mod memory;
mod recipes;
mod request;
mod sources;
mod starting;
mod trail;

pub use execute::store;
pub use install::Installation;
pub use machine::{Event, Machine, State};
pub use request::Request;
pub use sources::{GatedTap, GatedTrigger, NamedTrigger};
pub use starting::Before;

use crate::station::triggers::CommandTrigger;
use machine::NotNow;
use memory::{Known, Memory};
use request::Asked;
use sightline_configs::station::Verb;
use sightline_domain::{Clock, UtcMicros};
use sightline_journal::Journal;
use sightline_queue::{Receiver, Sender, bounded};
use sightline_uplink::payload::{StateMessage, to_json};
use sightline_uplink::{Command, CommandHandler, Outcome, Reply, Uplink};
use sources::Sources;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::time::Duration;

/// How long somebody at a console waits for an answer.
const ANSWER: Duration = Duration::from_secs(60);
/// How often they look whether the station still runs.
const LOOK: Duration = Duration::from_millis(100);
/// Commands that may wait for the main thread.
const JOBS: usize = 32;

/// A command that is to be carried out.
struct Job {
    command: Command,
    asked: Asked,
    reply: Reply,
    /// Somebody at a console waits for it.
    console: Option<Person>,
}

impl Job {
    /// Tells who asked that it goes on; the last answer follows.
    fn tell_running(&self, what: &str) {
        if self.asked.progress {
            self.reply.running(what);
        }
    }
}

/// A person who asks from a console.
struct Person {
    why: String,
    told: Sender<Outcome>,
}

/// Where the station stands.
#[derive(Default)]
struct Standing {
    machine: Machine,
    since: String,
    job_id: Option<String>,
    /// Results there were when the single execution began.
    single_from: u64,
    changing: Option<changing::Changing>,
    installing: Option<install::Installing>,
    installed: Option<Installation>,
}

/// The door.
pub struct Control {
    allowed: Vec<Verb>,
    clock: Arc<dyn Clock>,
    trigger: Option<CommandTrigger>,
    pub sources: Arc<Sources>,
    memory: Mutex<Memory>,
    post: Sender<Job>,
    jobs: Receiver<Job>,
    standing: Mutex<Standing>,
    /// Weak: the uplink holds this door by its handler, and must end when the station lets go of it.
    uplink: OnceLock<Weak<Uplink>>,
    journal: OnceLock<Journal>,
    flood: Mutex<flood::Flood>,
    published: Mutex<trail::Published>,
    told: Mutex<gaps::Told>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Control {
    /// A door that lets `allowed` in; `trigger` is there where commands open parts.
    pub fn new(
        allowed: Vec<Verb>,
        clock: Arc<dyn Clock>,
        trigger: Option<CommandTrigger>,
    ) -> Arc<Self> {
        let (post, jobs) = bounded("commands", JOBS);
        let since = clock.utc().to_rfc3339();
        Arc::new(Self {
            allowed,
            clock,
            trigger,
            sources: Arc::default(),
            memory: Mutex::default(),
            post,
            jobs,
            standing: Mutex::new(Standing {
                since,
                ..Standing::default()
            }),
            uplink: OnceLock::new(),
            journal: OnceLock::new(),
            flood: Mutex::default(),
            published: Mutex::default(),
            told: Mutex::default(),
        })
    }

    /// What the uplink calls.
    pub fn handler(self: &Arc<Self>) -> CommandHandler {
        let door = self.clone();
        Arc::new(move |command, reply| door.take(command, reply))
    }

    /// From now on the audit trail is kept, and it and states are published.
    pub fn record_with(&self, uplink: Option<&Arc<Uplink>>, journal: Option<Journal>) {
        // There is one of each a station; the first one stays.
        if let Some(journal) = journal {
            *lock(&self.published) = trail::Published::behind(&journal);
            let _ = self.journal.set(journal);
        }
        if let Some(uplink) = uplink {
            let _ = self.uplink.set(Arc::downgrade(uplink));
        }
        self.publish(&lock(&self.standing));
    }

    /// Takes a command: refused, answered, or queued.
    fn take(&self, command: Command, reply: Reply) {
        // What cannot become fit is not worth remembering.
        let fit = command.payload.len() <= request::MAX_PAYLOAD && !command.retained;
        let known = if fit {
            lock(&self.memory).meet(&command, reply, self.clock.now())
        } else {
            Known::New(reply)
        };
        let reply = match known {
            Known::Again => return,
            Known::New(reply) => reply,
            Known::Different(reply) => {
                let why = "the same correlation data with the same response topic was used for another command in the last 10 minutes; use new data for each";
                self.audit("mes", &command.verb, None, None, &format!("refused: {why}"));
                return reply.send(&Outcome::Refused(why.into()));
            }
        };
        let asked = match request::read(&command, &self.allowed, self.clock.now()) {
            Ok(asked) => asked,
            Err(unfit) => return self.refuse(&command, reply, "mes", unfit.to_string()),
        };
        if let Request::Trigger { part_id, at } = asked.request {
            let outcome = match self.open_part(part_id, at) {
                Ok(done) => Outcome::Done(done),
                Err(why) => Outcome::Refused(why),
            };
            return lock(&self.memory).answer(&command, reply, &outcome);
        }
        let job = Job {
            command,
            asked,
            reply,
            console: None,
        };
        if let Err(full) = self.post.try_send(job) {
            let Job {
                command,
                asked,
                reply,
                ..
            } = full.into_inner();
            let why = format!("{JOBS} commands wait already; send it again later");
            self.refuse(&command, reply, &asked.by, why);
        }
    }

    /// A person at a console asks for `request`; waits for what becomes of it. `action` is what the audit trail calls it.
    pub fn ask(&self, action: &str, request: Request, by: &str, why: &str) -> Outcome {
        let (told, answer) = bounded("console-answer", 1);
        let job = Job {
            command: Command {
                verb: action.into(),
                payload: bytes::Bytes::new(),
                correlation: None,
                response_topic: None,
                retained: false,
                expires: None,
            },
            asked: Asked {
                request,
                by: by.into(),
                progress: false,
            },
            reply: Reply::nowhere(action),
            console: Some(Person {
                why: why.into(),
                told,
            }),
        };
        if self.post.try_send(job).is_err() {
            let why = format!("{JOBS} commands wait already; try again");
            self.audit(by, action, None, None, &format!("refused: {why}"));
            return Outcome::Refused(why);
        }
        let end = self.clock.now() + ANSWER;
        loop {
            match answer.recv_timeout(LOOK) {
                Ok(outcome) => return outcome,
                Err(_) if self.state() == State::Halted => {
                    return Outcome::Refused("the station ends".into());
                }
                Err(_) if self.clock.now() >= end => {
                    return Outcome::Refused(
                        "it takes longer than a minute; the audit trail says what became of it"
                            .into(),
                    );
                }
                Err(_) => {}
            }
        }
    }

    /// Parts are taken.
    pub fn takes_parts(&self) -> bool {
        lock(&self.standing).machine.takes_parts().is_some()
    }

    /// The installation that goes on, or what became of the last one.
    pub fn installation(&self) -> Option<Installation> {
        let mut standing = lock(&self.standing);
        let now = self.clock.now();
        match &mut standing.installing {
            Some(going) => Some(going.look(now)),
            None => standing.installed.clone(),
        }
    }

    fn open_part(&self, part_id: Option<String>, at: Option<UtcMicros>) -> Result<String, String> {
        let Some(trigger) = &self.trigger else {
            return Err(
                "parts are not opened by command here; write trigger.kind = \"command\"".into(),
            );
        };
        if !self.sources.take() {
            let state = self.state();
            return Err(format!(
                "expected the station to take parts, found it {state}; send start first"
            ));
        }
        trigger.fire(part_id, at)
    }

    fn refuse(&self, command: &Command, reply: Reply, by: &str, why: String) {
        self.audit(by, &command.verb, None, None, &format!("refused: {why}"));
        lock(&self.memory).answer(command, reply, &Outcome::Refused(why));
    }

    /// Where the station is.
    pub fn state(&self) -> State {
        lock(&self.standing).machine.state()
    }

    /// Lets `event` happen, and tells everybody who wants to know.
    pub fn step(&self, event: Event) -> Result<State, NotNow> {
        let mut standing = lock(&self.standing);
        let before = standing.machine;
        let machine = before.after(event)?;
        standing.machine = machine;
        if machine.takes_parts() != before.takes_parts() {
            self.sources.set(machine.takes_parts());
        }
        if machine.state() != before.state() {
            standing.since = self.clock.utc().to_rfc3339();
            tracing::info!(from = %before.state(), to = %machine.state(), "state");
            self.publish(&standing);
        }
        Ok(machine.state())
    }

    /// Tells the state, and which commands it takes.
    fn publish(&self, standing: &Standing) {
        let Some(uplink) = self.uplink.get().and_then(Weak::upgrade) else {
            return;
        };
        let takes = |verb: &&Verb| {
            let events: &[Event] = match verb {
                Verb::PrepareRecipe => &[Event::RecipePrepared],
                Verb::Start => &[Event::StartContinuous],
                Verb::Stop => &[Event::Stop],
                Verb::ActivateModel | Verb::RollbackModel => &[Event::ModelChanged],
                Verb::Trigger => {
                    return standing.machine.takes_parts().is_some() && self.trigger.is_some();
                }
                Verb::AckAlarm
                | Verb::InstallModel
                | Verb::Resend
                | Verb::Skip
                | Verb::Challenge => &[],
            };
            events.iter().all(|e| standing.machine.after(*e).is_ok())
        };
        let message = StateMessage {
            schema: "sightline.state.v1".into(),
            state: standing.machine.state().to_string(),
            since: standing.since.clone(),
            commands: self
                .allowed
                .iter()
                .filter(takes)
                .map(|v| v.name().into())
                .collect(),
            job_id: standing.job_id.clone(),
        };
        uplink.retain("state", to_json(&message));
    }
}
