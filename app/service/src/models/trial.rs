//! A set of activated models is on trial until it has judged some parts. One that fails its trial is left for the last
//! set that stood it, by itself: whatever a model does, the next start does not come up with it for ever.
//!
//! `STORE/trial.json` keeps which set was confirmed last, which one is on trial, and how often the station began with
//! it. A start counts before the first engine is built, and a set is confirmed only by parts that it judged, so that a
//! model that hangs, brings the process down or takes the box with it is counted all the same.

use crate::models::store::{Activated, Store};
use anyhow::Context;
use serde::{Deserialize, Serialize};
use sightline_flow::FlowCounters;
use std::fs::File;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

const FILE: &str = "trial.json";
/// Starts that a set gets to judge its parts in.
const STARTS: u32 = 2;
/// Parts that a set must have judged, OK or not, to be confirmed.
const PARTS: u64 = 20;

/// What is written down.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Book {
    /// The set that stood its trial last; none: the recipe's own models.
    good: Option<Activated>,
    /// The set on trial.
    set: Activated,
    /// Starts with it that have not confirmed it.
    starts: u32,
    confirmed: bool,
}

/// What the trial says at a start.
#[derive(Debug, PartialEq, Eq)]
pub enum AtStart {
    /// The active set stands.
    Confirmed,
    /// It is on trial.
    OnTrial,
    /// It failed its trial and was left; why, for people.
    Left(String),
}

/// The trial of this run.
pub struct Trial {
    /// Absent: without a store there is nothing to go back to.
    store: Option<Store>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    on_trial: bool,
    /// Parts judged before it began.
    judged_before: u64,
    /// It was left in this run: once is enough.
    left: bool,
}

impl Trial {
    pub fn new(store: Option<Store>) -> Self {
        Self {
            store,
            state: Mutex::default(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts this start. To be called before the first engine is built.
    pub fn at_start(&self) -> anyhow::Result<AtStart> {
        let Some(store) = &self.store else {
            return Ok(AtStart::Confirmed);
        };
        let set = store.active()?;
        let mut book = read(store)?.filter(|b| b.set == set).unwrap_or_else(|| {
            let good = read(store).ok().flatten().and_then(|b| b.good);
            fresh(set.clone(), good)
        });
        if book.confirmed || book.good.is_none() && set.is_empty() {
            return Ok(AtStart::Confirmed);
        }
        if book.starts >= STARTS {
            let why = format!(
                "it was started {} times without judging {PARTS} parts",
                book.starts
            );
            return Ok(AtStart::Left(self.leave(&why)?.unwrap_or_default()));
        }
        book.starts += 1;
        write(store, &book)?;
        self.state().on_trial = true;
        Ok(AtStart::OnTrial)
    }

    /// Another set was activated while the station runs; `judged` parts so far.
    pub fn begin(&self, judged: u64) -> anyhow::Result<()> {
        let Some(store) = &self.store else {
            return Ok(());
        };
        let set = store.active()?;
        let before = read(store)?.unwrap_or_default();
        if before.set == set && before.confirmed {
            self.state().on_trial = false;
            return Ok(());
        }
        let book = match before.good == Some(set.clone()) {
            // it stood its trial before
            true => Book {
                confirmed: true,
                ..fresh(set, before.good)
            },
            false => Book {
                starts: 1,
                ..fresh(set, before.good)
            },
        };
        write(store, &book)?;
        let mut state = self.state();
        state.on_trial = !book.confirmed;
        state.judged_before = judged;
        state.left = false;
        Ok(())
    }

    /// Whether the set on trial has judged enough parts to be confirmed; told once.
    pub fn is_stood(&self, counters: &FlowCounters) -> bool {
        let mut state = self.state();
        let judged = judged(counters).saturating_sub(state.judged_before);
        let stood = state.on_trial && judged >= PARTS;
        state.on_trial &= !stood;
        stood
    }

    /// The set on trial is a good one from now on.
    pub fn confirm(&self) -> anyhow::Result<()> {
        self.state().on_trial = false;
        let Some(store) = &self.store else {
            return Ok(());
        };
        let Some(book) = read(store)? else {
            return Ok(());
        };
        let good = Some(book.set.clone());
        write(
            store,
            &Book {
                confirmed: true,
                ..fresh(book.set, good)
            },
        )
    }

    /// A set is on trial, and was not left yet.
    pub fn is_on(&self) -> bool {
        let state = self.state();
        state.on_trial && !state.left
    }

    /// It is being left.
    pub fn mark_left(&self) {
        self.state().left = true;
    }

    /// Leaves the set on trial for the last good one. `None`: there is no other.
    pub fn leave(&self, why: &str) -> anyhow::Result<Option<String>> {
        let Some(store) = &self.store else {
            return Ok(None);
        };
        {
            let mut state = self.state();
            state.left = true;
            state.on_trial = false;
        }
        let set = store.active()?;
        let good = read(store)?.and_then(|b| b.good).unwrap_or_default();
        if good == set {
            return Ok(None);
        }
        store.put_back(good.clone())?;
        write(
            store,
            &Book {
                confirmed: true,
                ..fresh(good.clone(), Some(good.clone()))
            },
        )?;
        Ok(Some(format!(
            "the models {set} failed their trial: {why}; {good} looks instead, look at the model before you activate it again"
        )))
    }
}

/// Parts that models really judged.
pub fn judged(counters: &FlowCounters) -> u64 {
    counters.line.ok + counters.line.not_ok
}

fn fresh(set: Activated, good: Option<Activated>) -> Book {
    Book {
        good,
        set,
        starts: 0,
        confirmed: false,
    }
}

/// What was written down; a book that cannot be read is none.
fn read(store: &Store) -> anyhow::Result<Option<Book>> {
    let path = store.root().join(FILE);
    match std::fs::read(&path) {
        Ok(json) => Ok(serde_json::from_slice(&json)
            .inspect_err(|error| tracing::warn!(%error, file = %path.display(), "the models' trial begins anew"))
            .ok()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
    }
}

/// After a power cut it is the old or the new one.
fn write(store: &Store, book: &Book) -> anyhow::Result<()> {
    let root: &Path = store.root();
    let mut file = tempfile::NamedTempFile::new_in(root)?;
    serde_json::to_writer_pretty(&mut file, book)?;
    file.as_file().sync_all()?;
    file.persist(root.join(FILE))?;
    File::open(root)?.sync_all()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A store with two versions of a model that were never looked at.
    fn store() -> (tempfile::TempDir, Trial) {
        let folder = tempfile::tempdir().unwrap();
        for version in ["1.0.0", "2.0.0"] {
            std::fs::create_dir_all(folder.path().join("pcb").join(version)).unwrap();
        }
        let trial = Trial::new(Some(Store::open(folder.path()).unwrap()));
        (folder, trial)
    }

    fn activate(folder: &tempfile::TempDir, versions: &[&str]) {
        let active = serde_json::json!({ "pcb": versions });
        std::fs::write(folder.path().join("active.json"), active.to_string()).unwrap();
    }

    fn again(folder: &tempfile::TempDir) -> Trial {
        Trial::new(Some(Store::open(folder.path()).unwrap()))
    }

    #[test]
    fn a_set_that_was_started_twice_without_judging_is_left_for_the_last_good_one() {
        let (folder, trial) = store();
        assert_eq!(
            trial.at_start().unwrap(),
            AtStart::Confirmed,
            "the recipe's own"
        );
        activate(&folder, &["1.0.0"]);
        assert_eq!(again(&folder).at_start().unwrap(), AtStart::OnTrial);
        let trial = again(&folder);
        assert_eq!(
            trial.at_start().unwrap(),
            AtStart::OnTrial,
            "a power cut is no failure"
        );
        trial.confirm().unwrap();
        for _ in 0..5 {
            assert_eq!(again(&folder).at_start().unwrap(), AtStart::Confirmed);
        }
        activate(&folder, &["1.0.0", "2.0.0"]);
        for _ in 0..2 {
            assert_eq!(again(&folder).at_start().unwrap(), AtStart::OnTrial);
        }
        let AtStart::Left(why) = again(&folder).at_start().unwrap() else {
            panic!("the third start leaves it");
        };
        assert!(
            why.contains("pcb 2.0.0 failed") || why.contains("pcb 2.0.0"),
            "{why}"
        );
        let active = again(&folder).store.unwrap().activated("pcb").unwrap();
        assert_eq!(active, ["1.0.0"]);
        assert_eq!(again(&folder).at_start().unwrap(), AtStart::Confirmed);
    }

    #[test]
    fn without_a_good_one_the_recipes_own_models_look_again() {
        let (folder, _) = store();
        activate(&folder, &["2.0.0"]);
        for _ in 0..2 {
            assert_eq!(again(&folder).at_start().unwrap(), AtStart::OnTrial);
        }
        assert!(matches!(
            again(&folder).at_start().unwrap(),
            AtStart::Left(_)
        ));
        let active = again(&folder).store.unwrap().activated("pcb").unwrap();
        assert!(active.is_empty());
        assert_eq!(again(&folder).at_start().unwrap(), AtStart::Confirmed);
    }

    #[test]
    fn a_set_that_fails_while_the_station_runs_is_left_at_once_and_only_once() {
        let (folder, trial) = store();
        trial.at_start().unwrap();
        activate(&folder, &["2.0.0"]);
        trial.begin(100).unwrap();
        assert!(trial.is_on());
        assert!(
            trial
                .leave("it hangs")
                .unwrap()
                .unwrap()
                .contains("it hangs")
        );
        assert!(!trial.is_on());
        assert_eq!(trial.leave("again").unwrap(), None);
    }
}
