//! What happens to the process and to the line as a whole: starts, ends, deaths, stops, other recipes.

use crate::disk::{self, DiskFault};
use crate::station::Station;
use crate::troubles::Blow;
use crate::wires::Wires;
use crate::world::{Happening, World};
use rand::RngExt;
use sightline_journal::Reader;
use sightline_service::pieces::Event;
use std::time::Duration;

impl World {
    /// The station starts, or tries again later where its journal cannot be opened.
    pub fn start(&mut self) {
        if self.station.is_some() {
            return;
        }
        let run = self.run + 1;
        let started = Station::start(
            &self.folder,
            run,
            self.setup,
            &self.clock,
            &self.plant,
            &self.wires,
            self.hole,
        );
        match started {
            Ok(station) => {
                self.run = run;
                self.station = Some(station);
                self.trace.note("start", &(self.now(), run));
                let now = self.now();
                self.plant.lock().expect("whole").hold(now, |holds| {
                    (holds.gate, holds.person) = (false, false);
                });
            }
            Err(error) => {
                self.trace
                    .note("no start", &(self.now(), error.to_string().len()));
                self.in_ms(1_000, Happening::Start);
            }
        }
    }

    /// Everything that dies with the process.
    fn forget_run(&mut self) {
        self.books.ends_of_runs.push(self.now());
        let mut wires = self.wires.lock().expect("whole");
        wires.forget_run();
        drop(wires);
        self.cut();
        self.connected = false;
        self.tracks = 0;
        self.told_in_run = 0;
        self.down = Default::default();
        self.seen_since = None;
    }

    /// `kill -9` after so many more writes.
    fn kill(&mut self, writes: u32) -> Result<(), String> {
        let Some(mut station) = self.station.take() else {
            return Ok(());
        };
        disk::set(DiskFault::DiesAfter(writes));
        station.commits.turn();
        disk::set(DiskFault::None);
        self.committed_to = self
            .committed_to
            .max(station.journal.progress().committed_to);
        let name = format!("run{}", self.run);
        self.folder = disk::left_behind(&self.folder, &name);
        drop(station);
        self.fetch()?;
        self.forget_run();
        Ok(())
    }

    /// An end in order, for which the belt must run.
    fn end_in_order(&mut self) -> Result<(), String> {
        let Some(station) = self.station.take() else {
            return Ok(());
        };
        let Station {
            line,
            journal,
            mut commits,
            uplink,
            events,
            ..
        } = station;
        line.finish();
        self.fetch()?;
        commits.turn();
        self.committed_to = self.committed_to.max(journal.progress().committed_to);
        drop((uplink, events, journal));
        commits.end();
        self.forget_run();
        Ok(())
    }

    /// A trouble of one moment.
    pub fn blow(&mut self, blow: Blow) -> Result<(), String> {
        self.trace.note("blow", &(self.now(), blow));
        let now = self.now();
        match blow {
            Blow::Freeze(ms) => self.freeze(Duration::from_millis(ms)),
            Blow::Kill { writes, down_ms } => {
                self.kill(writes)?;
                self.in_ms(down_ms, Happening::Start);
            }
            Blow::Restart { down_ms } => {
                let holds = self.plant.lock().expect("whole").holds();
                if !(holds.gate || holds.person || holds.fault) {
                    self.end_in_order()?;
                    self.in_ms(down_ms, Happening::Start);
                    // the end waits for the last parts, also where somebody has to see to the gate first
                    self.undisturbed_from(self.now() + Duration::from_millis(down_ms));
                }
            }
            Blow::FileDeleted => self.delete_journal(),
            Blow::ClockStep(us) => self.clock.step_utc(us),
            Blow::Changeover => {
                if let Some(station) = &mut self.station {
                    station.change_over();
                }
            }
            Blow::StopStart(ms) => {
                if let Some(station) = &mut self.station {
                    station.command(Event::Stop);
                    self.plant
                        .lock()
                        .expect("whole")
                        .hold(now, |h| h.person = true);
                    self.in_ms(ms, Happening::Produce);
                }
            }
            Blow::BeltStops(ms) => {
                self.plant
                    .lock()
                    .expect("whole")
                    .hold(now, |h| h.fault = true);
                self.in_ms(ms, Happening::BeltRuns);
            }
        }
        Ok(())
    }

    /// The process stands still: now, or between the decision and the act of the gate.
    fn freeze(&mut self, long: Duration) {
        if self.station.is_none() {
            return;
        }
        if self.dice.random_bool(0.5) {
            self.clock.advance(long);
        } else {
            let mut wires: std::sync::MutexGuard<'_, Wires> = self.wires.lock().expect("whole");
            wires.freeze_in_act = long;
        }
    }

    /// Somebody deletes the journal's file, and its log with it.
    fn delete_journal(&mut self) {
        for entry in std::fs::read_dir(&self.folder)
            .into_iter()
            .flatten()
            .flatten()
        {
            if entry.file_name().to_string_lossy().contains(".sqlite") {
                // it may be gone already
                let _ = std::fs::remove_file(entry.path());
                self.deleted = true;
            }
        }
    }

    /// The end of the run: the last parts pass the gate, everything stored reaches the MES, and the books are closed.
    ///
    /// # Errors
    /// Invariants 3, 5, 6 and 8.
    pub fn settle(&mut self) -> Result<(), String> {
        self.has_recovered()?;
        let mut station = self
            .station
            .take()
            .ok_or("8, recovers: the station is not up")?;
        station.commits.turn();
        let journal = station.journal.clone();
        let committed_to = journal.progress().committed_to.max(self.committed_to);
        self.station = Some(station);
        for _ in 0..4_000 {
            let waiting = self.station.as_ref().map_or(0, |s| s.uplink.waiting().0);
            if waiting == 0 && journal.progress().pending == 0 {
                break;
            }
            self.deliver_rest()?;
        }
        let parts = self.plant.lock().expect("whole").parts.clone();
        self.books.told_is_happened(&parts, &self.troubles)?;
        let reader = journal.reader().map_err(|e| e.to_string())?;
        self.nothing_is_lost(&reader, committed_to)
    }

    fn nothing_is_lost(&self, reader: &Reader, committed_to: u64) -> Result<(), String> {
        let gaps = reader
            .gaps(false, usize::MAX >> 1)
            .map_err(|e| e.to_string())?;
        for seq in 1..=committed_to {
            let gap = gaps.iter().find(|g| g.first <= seq && seq <= g.last);
            if !self.mes.kept.contains_key(&seq) && gap.is_none() {
                return Err(format!(
                    "5, nothing stored is lost: number {seq} of {committed_to} is neither with the MES nor told as a gap"
                ));
            }
        }
        for (seq, kept) in &self.mes.kept {
            let Ok(Some(record)) = reader.record(*seq) else {
                continue;
            };
            if record.sound().is_some_and(|r| r.event_id != kept.event_id) {
                return Err(format!(
                    "6, one id for each number: the MES and the journal differ about {seq}"
                ));
            }
        }
        Ok(())
    }
}
