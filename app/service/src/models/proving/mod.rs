//! Proving: a model says of its golden pictures what it must, on the engines that will run it, before it looks at a part.
//!
//! The work is done in a process of its own ([`worker`]) with limits on memory, processor time and the time of each step;
//! it dies with the process that asked for it. So a model that takes 20 GB, never ends or brings its runtime down costs
//! nothing but the answer. Where to start: [`Prover::require`].

mod patience;
mod report;
pub mod worker;

pub use report::{Event, Report};

use anyhow::{Context, bail};
use serde::{Deserialize, Serialize};
use sightline_configs::station;
use sightline_engine::{Bundle, Precision};
use std::path::{Path, PathBuf};

/// Making a TensorRT plan is work of minutes: so many times the limit of a step.
const PLAN: f64 = 180.0;

/// Bounds of the process that proves.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Limits {
    /// Memory, MB.
    pub memory_mb: u64,
    /// Longest time for loading a model, or for one golden picture, seconds; what the process waits for a core does not
    /// count, up to six times this on the clock.
    pub step_s: f64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            memory_mb: 2_048,
            step_s: 10.0,
        }
    }
}

impl Limits {
    /// Seconds.
    fn step(&self, makes_a_plan: bool) -> f64 {
        if makes_a_plan {
            self.step_s * PLAN
        } else {
            self.step_s
        }
    }
}

/// One engine that a model is to be proved on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct On {
    /// As in `engine.name`.
    pub engine: String,
    /// As in `engine.library`, with its folder.
    pub library: Option<PathBuf>,
    pub files: Files,
}

/// Which of a bundle's files.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub enum Files {
    /// Every one that could be chosen, each in its own precision.
    Every,
    /// The one that is chosen.
    Chosen(Option<Precision>),
}

/// What is to be proved.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Task {
    /// The bundle's folder.
    pub bundle: PathBuf,
    pub on: Vec<On>,
    pub limits: Limits,
    /// Golden pictures that cannot prove it are enough to know: nothing is run then.
    pub ends_at_gaps: bool,
}

impl Task {
    /// Does it, in a process of its own.
    pub fn prove(&self, say: &mut dyn FnMut(&Event)) -> anyhow::Result<Report> {
        if cfg!(test) {
            // Unit tests are not the program that has the worker in it.
            let mut report = Report::default();
            worker::prove(self, &mut |event| report.take(event, say));
            return Ok(report);
        }
        report::in_a_process(self, say)
    }
}

/// Holds models against their golden pictures before they inspect.
#[derive(Clone, Debug)]
pub struct Prover {
    limits: Limits,
    /// The commissioning override.
    allow_unproved: bool,
}

impl Prover {
    /// As the station says.
    pub fn new(models: Option<&station::Models>) -> Self {
        Self {
            limits: limits(models),
            allow_unproved: models.is_some_and(|m| m.allow_unproved),
        }
    }

    /// Refuses a bundle that is not proved on `on`.
    pub fn require(&self, bundle: &Bundle, on: On) -> anyhow::Result<()> {
        let m = bundle.manifest();
        let task = Task {
            bundle: bundle.dir().to_owned(),
            on: vec![on],
            limits: self.limits,
            ends_at_gaps: !self.allow_unproved,
        };
        let report = task
            .prove(&mut |_| {})
            .with_context(|| format!("{} {} cannot be proved", m.name, m.version))?;
        if report.is_proved() {
            return Ok(());
        }
        let reasons = report.reasons();
        if self.allow_unproved && report.came_to_an_end {
            tracing::warn!(
                "UNPROVED MODEL IN USE (models.allow_unproved): {} {}: {reasons}",
                m.name,
                m.version
            );
            return Ok(());
        }
        bail!(
            "{} {} is not proved and does not inspect: {reasons}; `sightline model verify {}` shows it; for commissioning only: models.allow_unproved",
            m.name,
            m.version,
            bundle.dir().display()
        )
    }
}

/// What a station allows the process that proves.
pub fn limits(models: Option<&station::Models>) -> Limits {
    models.map_or_else(Limits::default, |m| Limits {
        memory_mb: m.prove_memory_mb,
        step_s: m.prove_step_s,
    })
}

/// The engines that a station could run a model on: its own, and the one that takes over from that.
pub fn engines_of(engine: &station::Engine, base: &Path) -> Vec<On> {
    let own = On {
        engine: engine.name.clone(),
        library: engine.library.as_ref().map(|l| base.join(l)),
        files: Files::Every,
    };
    let stand_in = engine.fallback.as_ref().map(|name| On {
        engine: name.clone(),
        library: None,
        files: Files::Every,
    });
    std::iter::once(own).chain(stand_in).collect()
}
