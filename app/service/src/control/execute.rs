//! Carries commands out, on the station's main thread.

use super::changing::{Changed, Changing};
use super::install::Installing;
use super::machine::{Event, State};
use super::request::{Request, Unfit};
use super::{Control, Job, gaps, lock, recipes};
use crate::cli::signals::Stop;
use crate::models::changeover::{Changeover, Overtaken};
use crate::models::signing::Trust;
use crate::models::store::Store;
use crate::station::running::Running;
use anyhow::{Context, anyhow, bail};
use sightline_configs::{Loaded, Station};
use sightline_domain::{AlarmEffect, AlarmKind, AlarmRule};
use sightline_uplink::Outcome;
use sightline_verdict::GateAlarmKind;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// How often a resting main thread looks whether it is to stop.
const LOOK: Duration = Duration::from_millis(50);

impl Control {
    /// Rests for `time`, but carries out what comes. False: the station is to stop.
    pub fn rest(
        &self,
        running: &Running,
        station: &Loaded<Station>,
        stop: &Stop,
        time: Duration,
    ) -> bool {
        let start = Instant::now();
        while !stop.asked() {
            self.follow(running);
            let left = time.saturating_sub(start.elapsed());
            if left.is_zero() {
                return true;
            }
            if let Ok(job) = self.jobs.recv_timeout(left.min(LOOK)) {
                self.carry_out(job, running, station);
            }
        }
        if let Some(installing) = lock(&self.standing).installing.take() {
            installing.abandon();
        }
        false
    }

    /// Follows what happens by itself: alarms that hold the line, the end of a single execution, of an installation, of a shelf.
    fn follow(&self, running: &Running) {
        let fault = running.events.effect(|_| true) == AlarmEffect::Hold;
        let was = self.state() == State::Error;
        if fault != was {
            let event = if fault {
                Event::Fault
            } else {
                Event::Recovered
            };
            if let Err(error) = self.step(event) {
                tracing::debug!(%error, "the state stays");
            }
        }
        let single_from = lock(&self.standing).single_from;
        let in_single = lock(&self.standing).machine.takes_parts() == Some(State::SingleExecution);
        if in_single && running.flow.counters().line.results > single_from {
            self.halt_sources(running);
            if let Err(error) = self.step(Event::PartDone) {
                tracing::debug!(%error, "the state stays");
            }
        }
        self.follow_change(running);
        let installing = lock(&self.standing).installing.take();
        match installing.map(|going| going.ended(self.clock.now())) {
            Some(Ok((job, installed, outcome))) => {
                // At a console the reason is the person's; what came of it is the new value.
                let said = installed.said.clone();
                let told = job.console.is_some() && installed.done == Some(true);
                lock(&self.standing).installed = Some(installed);
                self.conclude(*job, told.then(|| (String::new(), said)), outcome);
            }
            Some(Err(still)) => lock(&self.standing).installing = Some(still),
            None => {}
        }
        running.events.unshelve();
        self.tell_gaps(running);
        self.follow_trail(false);
    }

    fn carry_out(&self, job: Job, running: &Running, station: &Loaded<Station>) {
        if job
            .command
            .expires
            .is_some_and(|end| self.clock.now() >= end)
        {
            return self.conclude(job, None, Outcome::Refused(Unfit::Expired.to_string()));
        }
        if let Request::InstallModel { .. } | Request::InstallFile { .. } = &job.asked.request {
            return self.install(job, station);
        }
        let before = self.describe(running, &job.asked.request);
        if let Some(event) = changes(&job.asked.request) {
            return self.begin_change(job, event, before, running, station);
        }
        let outcome = match self.act(&job, running) {
            Ok(done) => Outcome::Done(done),
            Err(error) => Outcome::Refused(format!("{error:#}")),
        };
        let after = self.describe(running, &job.asked.request);
        let change = (before != after).then_some((before, after));
        self.conclude(job, change, outcome);
    }

    /// What a command can change, in words for the audit trail.
    fn describe(&self, running: &Running, request: &Request) -> String {
        if let Request::AckAlarm { id, .. } | Request::UnshelveAlarm { id } = request {
            return running.events.state_of(id).unwrap_or("unknown").into();
        }
        let (state, active) = (self.state(), running.changeover.active());
        let recipe = &active.recipe.value.external_id;
        let generation = active.plan.generation;
        let models = match request {
            Request::ActivateModel { .. } | Request::RollbackModel { .. } => {
                format!("{}, ", active.models().join(", "))
            }
            _ => String::new(),
        };
        format!("{state}, recipe {recipe}, {models}generation {generation}")
    }

    pub(super) fn conclude(&self, job: Job, change: Option<(String, String)>, outcome: Outcome) {
        let why = job.console.as_ref().map(|person| person.why.as_str());
        let reason = match (&outcome, why) {
            (Outcome::Done(_) | Outcome::Running(_), Some(why)) => why.into(),
            (Outcome::Done(text) | Outcome::Running(text), None) => text.clone(),
            (Outcome::Refused(text), None | Some("")) => format!("refused: {text}"),
            (Outcome::Refused(text), Some(why)) => {
                // The trail takes so much of a reason; the person's own words must not be what is cut off.
                let text: String = text.chars().take(600).collect();
                format!("refused: {text}; asked for: {why}")
            }
        };
        let (old, new) = change.unzip();
        let old = old.filter(|old| !old.is_empty());
        self.audit(&job.asked.by, &job.command.verb, old, new, &reason);
        if let Some(person) = &job.console {
            // Who has gone meanwhile finds it in the audit trail.
            let _ = person.told.try_send(outcome.clone());
        }
        lock(&self.memory).answer(&job.command, job.reply, &outcome);
    }

    fn act(&self, job: &Job, running: &Running) -> anyhow::Result<String> {
        let by = &job.asked.by;
        match &job.asked.request {
            Request::Trigger { .. }
            | Request::PrepareRecipe { .. }
            | Request::ActivateModel { .. }
            | Request::RollbackModel { .. }
            | Request::InstallModel { .. }
            | Request::InstallFile { .. } => bail!("not for the main thread"),
            Request::Start { single, job_id } => self.start(running, *single, job_id.clone()),
            Request::Stop => {
                let state = self.step(Event::Stop)?;
                self.halt_sources(running);
                Ok(format!(
                    "no more parts are taken; those on their way are finished; {state}"
                ))
            }
            Request::AckAlarm { id, shelve } => {
                let (kind, said) = running.events.acknowledge(id, *shelve, by)?;
                if kind.rule() == AlarmRule::SeenTo && shelve.is_none() {
                    seen_to(running, kind);
                }
                if kind == AlarmKind::JournalGap && shelve.is_none() {
                    gaps::seen(running, by)?;
                }
                Ok(said)
            }
            Request::Resend { first, last } => gaps::resend(running, *first, *last),
            Request::Skip { first, last } => gaps::skip(running, *first, *last, by),
            Request::Challenge { part_id } => self.announce(running, part_id),
            Request::UnshelveAlarm { id } => running.events.take_back(id, by),
        }
    }

    pub(super) fn may(&self, event: Event) -> anyhow::Result<()> {
        lock(&self.standing).machine.after(event)?;
        Ok(())
    }

    fn start(
        &self,
        running: &Running,
        single: bool,
        job_id: Option<String>,
    ) -> anyhow::Result<String> {
        let event = if single {
            Event::StartSingle
        } else {
            Event::StartContinuous
        };
        self.may(event)?;
        running.flow.set_job(job_id.clone());
        let mut standing = lock(&self.standing);
        standing.job_id = job_id;
        standing.single_from = running.flow.counters().line.results;
        drop(standing);
        let state = self.step(event)?;
        if let Some(line) = &running.line {
            line.hold_by_person(false);
        }
        Ok(format!("{state}"))
    }

    /// The simulated belt stands while no parts are taken; a real one is the PLC's.
    fn halt_sources(&self, running: &Running) {
        if let Some(line) = &running.line {
            line.hold_by_person(true);
        }
    }

    /// Makes another recipe or model ready on a thread of its own. A roll-back leaves behind whatever is being made
    /// ready: it is the way back, and must not wait for what does not come back.
    fn begin_change(
        &self,
        job: Job,
        event: Event,
        before: String,
        running: &Running,
        station: &Loaded<Station>,
    ) {
        if let Err(not_now) = self.may(event) {
            return self.conclude(job, None, Outcome::Refused(format!("{not_now:#}")));
        }
        let going = lock(&self.standing).changing.take();
        if let Some(going) = going {
            let took = going.took(self.clock.now()).as_secs();
            if !matches!(job.asked.request, Request::RollbackModel { .. }) {
                lock(&self.standing).changing = Some(going);
                let why = format!(
                    "another change has gone on for {took} s; send it again later, or rollback_model to leave that one"
                );
                return self.conclude(job, None, Outcome::Refused(why));
            }
            running.changeover.abandon();
            let why = anyhow!("a roll-back came after {took} s, and this was left");
            self.conclude_change(going.left(Err(why)), running);
        }
        let (changeover, station) = (running.changeover.clone(), station.clone());
        let (request, by) = (job.asked.request.clone(), job.asked.by.clone());
        let work = move || change(&changeover, &station, &request, &by);
        match Changing::start(Box::new(job), event, before, self.clock.now(), work) {
            Ok(changing) => lock(&self.standing).changing = Some(changing),
            Err((job, error)) => {
                self.conclude(*job, None, Outcome::Refused(format!("{error:#}")));
            }
        }
    }

    fn follow_change(&self, running: &Running) {
        let changing = lock(&self.standing).changing.take();
        match changing.map(Changing::ended) {
            Some(Ok(changed)) => self.conclude_change(changed, running),
            Some(Err(mut still)) => {
                still.tell_running(self.clock.now());
                lock(&self.standing).changing = Some(still);
            }
            None => {}
        }
    }

    fn conclude_change(&self, changed: Changed, running: &Running) {
        let Changed {
            job,
            event,
            before,
            said,
        } = changed;
        let outcome = match said {
            Ok(done) => {
                if let Err(error) = self.step(event) {
                    tracing::debug!(%error, "the state stays");
                }
                Outcome::Done(done)
            }
            Err(error) => Outcome::Refused(format!("{error:#}")),
        };
        let after = self.describe(running, &job.asked.request);
        let change = (before != after).then_some((before, after));
        self.conclude(*job, change, outcome);
    }

    fn install(&self, job: Job, station: &Loaded<Station>) {
        let started = match self.ready_to_install(&job.asked.request, station) {
            Ok((file, sha256)) => {
                let (job, now) = (Box::new(job), self.clock.now());
                Installing::start(station, &file, sha256.as_deref(), job, now)
            }
            Err(error) => Err((Box::new(job), error)),
        };
        match started {
            Ok(installing) => {
                // Nobody at a console waits so long; it shows how the installation goes on.
                installing.tell_begun();
                lock(&self.standing).installing = Some(installing);
            }
            Err((job, error)) => self.conclude(*job, None, Outcome::Refused(format!("{error:#}"))),
        }
    }

    /// The bundle's file, and its digest where one was given.
    fn ready_to_install(
        &self,
        request: &Request,
        station: &Loaded<Station>,
    ) -> anyhow::Result<(PathBuf, Option<String>)> {
        let models = station.value.models.as_ref();
        let models = models.context("this station has no model store; write [models] store")?;
        if lock(&self.standing).installing.is_some() {
            bail!("another installation goes on; send it again later");
        }
        match request {
            Request::InstallModel { file, sha256 } => {
                let inbox = models.inbox.as_ref();
                let inbox = inbox.context("this station has no inbox; write [models] inbox")?;
                let file = station.base.join(inbox).join(file);
                Ok((file, Some(sha256.clone())))
            }
            Request::InstallFile { path } => Ok((path.clone(), None)),
            other => bail!("expected an installation, found {other:?}"),
        }
    }
}

/// A person has seen to what raised the alarm: whoever raised it goes on from there.
fn seen_to(running: &Running, kind: AlarmKind) {
    let of_gate = |kind| GateAlarmKind::ALL.iter().any(|k| k.alarm() == kind);
    if kind == AlarmKind::ConservationGap {
        running.losses.settle();
    }
    // The gate clears everything at once: not while something else that holds the line has been seen by nobody.
    if of_gate(kind) && running.events.effect(of_gate) < AlarmEffect::Hold {
        if let Some(line) = &running.line {
            line.gate_was_seen_to();
        }
        running.flow.acknowledge_gate();
    }
}

/// What a change that takes its time does to the state.
fn changes(request: &Request) -> Option<Event> {
    match request {
        Request::PrepareRecipe { .. } => Some(Event::RecipePrepared),
        Request::ActivateModel { .. } | Request::RollbackModel { .. } => Some(Event::ModelChanged),
        _ => None,
    }
}

/// The change itself, on its own thread.
fn change(
    changeover: &Changeover,
    station: &Loaded<Station>,
    request: &Request,
    by: &str,
) -> anyhow::Result<String> {
    match request {
        Request::PrepareRecipe {
            external_id,
            version,
        } => {
            let found = recipes::find(station, external_id, version.as_deref())?;
            let generation = changeover.to_recipe(&found.path, by)?;
            let highest = if version.is_none() {
                ", the highest"
            } else {
                ""
            };
            Ok(format!(
                "recipe {external_id} version {}{highest}, inspects from the next part, generation {generation}",
                found.version
            ))
        }
        Request::ActivateModel { name, version } => {
            let store = store(station)?;
            let undo = store.activate(name, version)?;
            change_models(changeover, by, &store, undo)
                .map(|g| format!("{name} {version} looks from the next part, generation {g}"))
        }
        Request::RollbackModel { name } => {
            let store = store(station)?;
            let (undo, now) = store.rollback(name)?;
            change_models(changeover, by, &store, undo)
                .map(|g| format!("{name} {now} looks from the next part, generation {g}"))
        }
        other => bail!("expected another recipe or model, found {other:?}"),
    }
}

/// Builds a generation with what the store says now; with anything wrong the store goes back, too.
fn change_models(
    changeover: &Changeover,
    by: &str,
    store: &Store,
    undo: crate::models::store::Activated,
) -> anyhow::Result<String> {
    match changeover.to_recipe(&changeover.active().file, by) {
        Ok(generation) => Ok(generation.to_string()),
        // whoever came later has changed the store as well
        Err(error) if error.is::<Overtaken>() => Err(error),
        Err(error) => {
            store
                .put_back(undo)
                .context("and the store could not be put back")?;
            Err(error.context("the models stay as they are"))
        }
    }
}

/// The station's model store.
pub fn store(station: &Loaded<Station>) -> anyhow::Result<Store> {
    let models = station.value.models.as_ref();
    let models = models
        .context("this station has no model store; write [models] store in its configuration")?;
    let trust = Trust::of(models, &station.base)?;
    Ok(Store::open(&station.base.join(&models.store))?.trusting(trust))
}
