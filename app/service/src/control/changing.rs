//! Another recipe or model, made ready on a thread of its own: the main thread goes on answering, and leaves behind what
//! does not come back.

use super::Job;
use super::machine::Event;
use anyhow::{Context, anyhow};
use sightline_domain::MonoTime;
use sightline_queue::{Receiver, RecvTimeout, bounded};
use sightline_threads::Team;
use std::time::Duration;

/// Who asked is told that it goes on when it takes longer than this: most changes of a recipe do not.
const SOON: Duration = Duration::from_millis(30);

/// A change that goes on.
pub struct Changing {
    maker: Team,
    job: Box<Job>,
    /// What the station's state is told when it is done.
    event: Event,
    /// How the station stood before, for the audit trail.
    before: String,
    since: MonoTime,
    told: bool,
    done: Receiver<anyhow::Result<String>>,
}

/// What became of it.
pub struct Changed {
    pub job: Box<Job>,
    pub event: Event,
    pub before: String,
    pub said: anyhow::Result<String>,
}

impl Changing {
    /// Starts `work`, which says what was done.
    pub fn start(
        job: Box<Job>,
        event: Event,
        before: String,
        now: MonoTime,
        work: impl FnOnce() -> anyhow::Result<String> + Send + 'static,
    ) -> Result<Self, (Box<Job>, anyhow::Error)> {
        let (tell, done) = bounded("change-done", 1);
        let maker = Team::default();
        let team = maker.clone();
        let spawned = std::thread::Builder::new()
            .name("sl-change".into())
            .spawn(move || {
                team.join();
                // who was left behind is heard by nobody
                let _ = tell.try_send(work());
            });
        match spawned.context("no thread for the change") {
            Ok(_) => Ok(Self {
                maker,
                job,
                event,
                before,
                since: now,
                told: false,
                done,
            }),
            Err(error) => Err((job, error)),
        }
    }

    /// Tells who asked that it goes on, once.
    pub fn tell_running(&mut self, now: MonoTime) {
        if !self.told && self.took(now) >= SOON {
            self.told = true;
            self.job
                .tell_running("it is being made ready; the line goes on as before meanwhile");
        }
    }

    /// For how long it has gone on.
    pub fn took(&self, now: MonoTime) -> Duration {
        now.since(self.since)
    }

    /// What became of it, once it has ended.
    pub fn ended(self) -> Result<Changed, Self> {
        let said = match self.done.recv_timeout(Duration::ZERO) {
            Ok(said) => said,
            Err(RecvTimeout::Timeout) => return Err(self),
            Err(RecvTimeout::Closed) => Err(anyhow!(
                "it ended by a fault of the program; the models stay as they are"
            )),
        };
        Ok(self.left(said))
    }

    /// Nobody waits for it any more: what still makes it ready takes only what others leave of a core.
    pub fn left(self, said: anyhow::Result<String>) -> Changed {
        if let Err(refused) = self.maker.demote() {
            tracing::warn!("a change that nobody waits for: {refused}");
        }
        Changed {
            job: self.job,
            event: self.event,
            before: self.before,
            said,
        }
    }
}
