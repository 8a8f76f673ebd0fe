//! An engine for tests: answers, latency and faults by script, the same every time.

use crate::{Batch, BatchView, Bundle, Engine, EngineError, EngineFactory, EngineInfo};
use crate::{EngineSettings, EngineTimes, Region, RegionOutput, Rejected};
use sightline_domain::MockClock;
use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

/// What the engine says of one region; the output is empty when it is called.
pub type Answer = Arc<dyn Fn(&BatchView, &Region, &mut RegionOutput) + Send + Sync>;

/// How long a batch takes.
#[derive(Clone, Debug, Default)]
pub enum Latency {
    /// No time at all.
    #[default]
    None,
    /// So much of this clock per batch; it is moved on when the batch is collected.
    Mock(Arc<MockClock>, Duration),
    /// So much real time per batch.
    Sleep(Duration),
}

/// What a [`ScriptedEngine`] does.
#[derive(Clone)]
pub struct Script {
    /// Its answers; finds nothing by default.
    pub answer: Answer,
    /// Its time.
    pub latency: Latency,
    /// Batches it rejects, numbered from 0 in the order of submission.
    pub faults: BTreeSet<u64>,
    /// Building it fails with these words.
    pub build_fault: Option<String>,
}

impl Default for Script {
    fn default() -> Self {
        Self {
            answer: Arc::new(|_, _, _| {}),
            latency: Latency::None,
            faults: BTreeSet::new(),
            build_fault: None,
        }
    }
}

/// An engine that follows a [`Script`].
pub struct ScriptedEngine {
    info: EngineInfo,
    script: Script,
    in_flight: VecDeque<(u64, Batch)>,
    submitted: u64,
}

impl ScriptedEngine {
    /// An engine that calls itself `info` and follows `script`.
    pub fn new(info: EngineInfo, script: Script) -> Self {
        Self {
            in_flight: VecDeque::with_capacity(info.depth),
            info,
            script,
            submitted: 0,
        }
    }

    fn wait(&self) -> u64 {
        match &self.script.latency {
            Latency::None => 0,
            Latency::Mock(clock, by) => {
                clock.advance(*by);
                by.as_micros() as u64
            }
            Latency::Sleep(by) => {
                std::thread::sleep(*by);
                by.as_micros() as u64
            }
        }
    }
}

impl Engine for ScriptedEngine {
    fn info(&self) -> &EngineInfo {
        &self.info
    }

    fn submit(&mut self, batch: Batch) -> Result<(), Rejected> {
        if self.in_flight.len() >= self.info.depth {
            let depth = self.info.depth;
            return Err(batch.rejected(EngineError::Full { depth }));
        }
        if let Err(error) = batch.check(self.info.wants_reference) {
            return Err(batch.rejected(error));
        }
        self.in_flight.push_back((self.submitted, batch));
        self.submitted += 1;
        Ok(())
    }

    fn collect(&mut self) -> Option<Result<Batch, Rejected>> {
        let (number, mut batch) = self.in_flight.pop_front()?;
        let infer_us = self.wait();
        if self.script.faults.contains(&number) {
            let reason = format!("batch {number} fails by script");
            return Some(Err(batch.rejected(EngineError::Run { reason })));
        }
        batch.outputs.reset(batch.regions.len());
        for (region, output) in batch.regions.iter().zip(batch.outputs.iter_mut()) {
            (self.script.answer)(&batch.views[region.view], region, output);
        }
        batch.times = EngineTimes {
            infer_us,
            ..EngineTimes::default()
        };
        Some(Ok(batch))
    }
}

/// Makes [`ScriptedEngine`]s; the info is the bundle's, the name `scripted`.
#[derive(Clone, Default)]
pub struct ScriptedFactory {
    /// What each engine does.
    pub script: Script,
    /// Batches in flight; 0 counts as 1.
    pub depth: usize,
}

impl EngineFactory for ScriptedFactory {
    fn build(
        &self,
        bundle: &Bundle,
        settings: &EngineSettings,
    ) -> Result<Box<dyn Engine>, EngineError> {
        if let Some(reason) = &self.script.build_fault {
            return Err(EngineError::Run {
                reason: reason.clone(),
            });
        }
        let mut info = bundle.engine_info("scripted", settings)?;
        info.depth = self.depth.max(1);
        Ok(Box::new(ScriptedEngine::new(info, self.script.clone())))
    }
}
