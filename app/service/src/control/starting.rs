//! Commands before the first engine is there: models can be left, alarms acknowledged, everything else is answered with
//! when it can be done.

use super::machine::Event;
use super::request::Request;
use super::{Control, Job, execute};
use crate::alarms::list::Events;
use crate::cli::signals::Stop;
use sightline_configs::{Loaded, Station};
use sightline_uplink::Outcome;
use std::time::{Duration, Instant};

/// How often a resting main thread looks whether it is to stop.
const LOOK: Duration = Duration::from_millis(50);

/// How it goes on after a rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Before {
    Going,
    /// Other models are to look: what is being built is left.
    Anew,
    /// The station is to stop.
    Stop,
}

impl Control {
    /// Rests for `time` while engines are built, and answers what comes.
    pub fn rest_before(
        &self,
        events: &Events,
        station: &Loaded<Station>,
        stop: &Stop,
        time: Duration,
    ) -> Before {
        let start = Instant::now();
        while !stop.asked() {
            let left = time.saturating_sub(start.elapsed());
            if left.is_zero() {
                return Before::Going;
            }
            if let Ok(job) = self.jobs.recv_timeout(left.min(LOOK))
                && self.answer_before(job, events, station)
            {
                return Before::Anew;
            }
        }
        Before::Stop
    }

    /// True: other models are to look.
    fn answer_before(&self, job: Job, events: &Events, station: &Loaded<Station>) -> bool {
        let by = &job.asked.by;
        let models = |change: &dyn Fn(&crate::models::store::Store) -> anyhow::Result<String>| {
            execute::store(station).and_then(|store| change(&store))
        };
        let (said, anew) = match &job.asked.request {
            Request::RollbackModel { name } => {
                let done = models(&|store| {
                    let (_, now) = store.rollback(name)?;
                    Ok(format!(
                        "{name} {now} looks; the station begins with it now"
                    ))
                });
                (done, true)
            }
            Request::ActivateModel { name, version } => {
                let done = models(&|store| {
                    store.activate(name, version)?;
                    Ok(format!(
                        "{name} {version} looks; the station begins with it now"
                    ))
                });
                (done, true)
            }
            Request::AckAlarm { id, shelve } => {
                let done = events.acknowledge(id, *shelve, by);
                (done.map(|(_, said)| said), false)
            }
            Request::UnshelveAlarm { id } => (events.take_back(id, by), false),
            Request::Stop => {
                let nothing = "no parts are taken yet; the station starts";
                (Ok(nothing.into()), false)
            }
            _ => {
                let not_now = self.may(Event::StartContinuous);
                let starts = anyhow::anyhow!("wait until the station is Ready");
                (Err(not_now.err().unwrap_or(starts)), false)
            }
        };
        let anew = anew && said.is_ok();
        let outcome = match said {
            Ok(done) => Outcome::Done(done),
            Err(error) => Outcome::Refused(format!("{error:#}")),
        };
        self.conclude(job, None, outcome);
        anew
    }
}
