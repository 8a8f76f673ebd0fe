//! A note of how many parts are in flight, so that the next start can say what a kill or a crash left on the belt.
//!
//! The note lies in `RUNTIME_DIRECTORY` (systemd keeps it over a restart), else in `XDG_RUNTIME_DIR`, else in a folder of this
//! user's own below the temporary one. It is written by a thread of its own, at most ten times a second and only when the
//! number has changed, and renamed into place, so that a reader finds the old or the new one. Nothing is flushed: the note
//! outlives the process, and the box only where its folder does (a `RUNTIME_DIRECTORY` is in memory).

use crate::alarms::list::Events;
use anyhow::{Context, ensure};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use sightline_configs::{Loaded, Station};
use sightline_domain::{AlarmKind, Clock};
use sightline_flow::FlowHandle;
use sightline_queue::{RecvTimeout, Sender, bounded};
use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use uuid::Uuid;

/// Time between looks at whether a first part has come.
const LOOK: Duration = Duration::from_millis(20);
/// Least time between two notes.
const EVERY: Duration = Duration::from_millis(100);

/// What is written down while parts are in flight; without any there is no file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Note {
    station: String,
    /// The run's id, as in its results.
    run: Uuid,
    /// RFC 3339, UTC.
    at: String,
    /// Between trigger and gate, or without a result.
    parts: usize,
    /// By how many that number has grown at most from one note to the next in this run.
    grew: usize,
}

impl Note {
    fn in_words(&self) -> String {
        format!(
            "expected run {} of station {} to end in order, found that it was cut off at {} or within {:.1} s after, with at most {} \
             parts in flight; each was rejected by a fail-safe gate, or passed the gate without a verdict if the gate is a \
             kick gate: look at them",
            self.run,
            self.station,
            self.at,
            EVERY.as_secs_f64(),
            self.parts + self.grew
        )
    }
}

/// The place of one station's note, held by this process.
pub struct Place {
    station: String,
    file: PathBuf,
    /// Free again when the process ends, however it does.
    _lock: File,
}

impl Place {
    /// Takes the note's place, and raises the alarm if the last run left one there. `None`: no note is kept, and the log
    /// says why.
    pub fn take(station: &Loaded<Station>, events: &Events) -> Option<Self> {
        let taken = folder().and_then(|folder| Self::take_in(&folder, station));
        let place = taken
            .inspect_err(|why| tracing::warn!("no note is kept of parts in flight: {why:#}"))
            .ok()?;
        match place.left() {
            Ok(None) => {}
            Ok(Some(note)) => events.set(AlarmKind::PartsUnfinished, Some(note.in_words())),
            Err(error) => {
                tracing::warn!("how many parts were in flight is not known: {error:#}");
            }
        }
        Some(place)
    }

    fn take_in(folder: &Path, station: &Loaded<Station>) -> anyhow::Result<Self> {
        let id = &station.value.station;
        let root = id.topic_root();
        let whose = [station.base.as_os_str().as_encoded_bytes(), root.as_bytes()];
        let hash = Sha256::digest(whose.join(&b"\0"[..]));
        let plain = |c: char| match c.is_ascii_alphanumeric() {
            true => c,
            false => '-',
        };
        let name: String = id.name.chars().take(64).map(plain).collect();
        let stem = format!(
            "sightline-{name}-{:02x}{:02x}{:02x}{:02x}",
            hash[0], hash[1], hash[2], hash[3]
        );
        let lock = folder.join(format!("{stem}.lock"));
        let mut options = OpenOptions::new();
        let options = options.write(true).create(true).truncate(false).mode(0o600);
        let held = options.open(&lock);
        let held = held.with_context(|| format!("cannot open {}", lock.display()))?;
        match held.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => anyhow::bail!(
                "expected {} to be free, found that another process runs this station; end it",
                lock.display()
            ),
            Err(TryLockError::Error(error)) => {
                return Err(error).with_context(|| format!("cannot lock {}", lock.display()));
            }
        }
        Ok(Self {
            station: id.name.clone(),
            file: folder.join(format!("{stem}.unfinished.json")),
            _lock: held,
        })
    }

    /// What the last run left.
    fn left(&self) -> anyhow::Result<Option<Note>> {
        match std::fs::read(&self.file) {
            Ok(json) => {
                let note = serde_json::from_slice(&json);
                Ok(Some(note.with_context(|| {
                    format!("expected a note in {}", self.file.display())
                })?))
            }
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => {
                Err(error).with_context(|| format!("cannot read {}", self.file.display()))
            }
        }
    }

    /// The note is what stands there from now on.
    fn write(&self, note: &Note) -> anyhow::Result<()> {
        let folder = self.file.parent().context("the note has no folder")?;
        let mut file = tempfile::NamedTempFile::new_in(folder)?;
        file.write_all(&serde_json::to_vec(note)?)?;
        file.persist(&self.file)?;
        Ok(())
    }

    fn clear(&self) -> anyhow::Result<()> {
        match std::fs::remove_file(&self.file) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(error.into()),
            _ => Ok(()),
        }
    }

    /// Keeps the note from now on. `run` is the run's id.
    ///
    /// # Errors
    /// There is no thread for it.
    pub fn keep(
        self,
        flow: &Arc<FlowHandle>,
        clock: &Arc<dyn Clock>,
        run: Uuid,
    ) -> std::io::Result<Keeping> {
        let (end, ends) = bounded::<()>("unfinished-end", 1);
        let keeper = Keeper {
            place: self,
            flow: flow.clone(),
            clock: clock.clone(),
            run,
            noted: None,
            last: 0,
            grew: 1,
            told: false,
        };
        let builder = std::thread::Builder::new().name("sl-unfinished".into());
        let thread = builder.spawn(move || {
            sightline_threads::deliver();
            let mut keeper = keeper;
            let mut looked: Option<Instant> = None;
            while matches!(ends.recv_timeout(LOOK), Err(RecvTimeout::Timeout)) {
                let due = looked.is_none_or(|at| at.elapsed() >= EVERY);
                if due || keeper.noted == Some(0) && keeper.flow.open_parts() > 0 {
                    let since = looked.map_or(EVERY, |at| at.elapsed());
                    if keeper.look() && since < EVERY {
                        // Two notes never lie closer than that.
                        std::thread::sleep(EVERY - since);
                    }
                    looked = Some(Instant::now());
                }
            }
            keeper.place
        })?;
        Ok(Keeping { end, thread })
    }
}

/// What the thread knows.
struct Keeper {
    place: Place,
    flow: Arc<FlowHandle>,
    clock: Arc<dyn Clock>,
    run: Uuid,
    /// What the file says; `None`: what another run wrote.
    noted: Option<usize>,
    last: usize,
    grew: usize,
    told: bool,
}

impl Keeper {
    /// Notes what has changed. True: the file was touched.
    fn look(&mut self) -> bool {
        let parts = self.flow.in_flight();
        self.grew = self.grew.max(parts.saturating_sub(self.last));
        self.last = parts;
        if self.noted == Some(parts) {
            return false;
        }
        let written = match parts {
            0 => self.place.clear(),
            _ => self.place.write(&Note {
                station: self.place.station.clone(),
                run: self.run,
                at: self.clock.utc().to_rfc3339(),
                parts,
                grew: self.grew,
            }),
        };
        match written {
            Ok(()) => (self.noted, self.told) = (Some(parts), false),
            Err(error) if !std::mem::replace(&mut self.told, true) => {
                let file = self.place.file.display();
                tracing::warn!("the note of parts in flight is not kept: {file}: {error:#}");
            }
            Err(_) => {}
        }
        true
    }
}

/// A note that is being kept. Dropped without [`Keeping::end`], it stays for the next start.
pub struct Keeping {
    end: Sender<()>,
    thread: JoinHandle<Place>,
}

impl Keeping {
    /// The run has ended in order: no note is left.
    pub fn end(self) {
        let _ = self.end.try_send(());
        let cleared = match self.thread.join() {
            Ok(place) => place.clear(),
            Err(_) => Err(anyhow::anyhow!("its thread panicked")),
        };
        if let Err(error) = cleared {
            tracing::warn!(
                "the note of parts in flight stays, and the next start tells it: {error:#}"
            );
        }
    }
}

/// Where notes are: the first of the places that there is.
fn folder() -> anyhow::Result<PathBuf> {
    let given = |name| {
        let value = std::env::var_os(name)?;
        // systemd names several, with colons between.
        std::env::split_paths(&value).find(|p| p.is_absolute())
    };
    match given("RUNTIME_DIRECTORY").or_else(|| given("XDG_RUNTIME_DIR")) {
        Some(folder) => Ok(folder),
        None => own(&std::env::temp_dir()),
    }
}

/// A folder below `base` that only this user can read and write.
fn own(base: &Path) -> anyhow::Result<PathBuf> {
    let user = rustix::process::getuid().as_raw();
    let folder = base.join(format!("sightline-{user}"));
    match DirBuilder::new().mode(0o700).create(&folder) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => {
            return Err(error).with_context(|| format!("cannot make {}", folder.display()));
        }
        _ => {}
    }
    // Anybody may have put it there.
    let found = std::fs::symlink_metadata(&folder)?;
    ensure!(
        found.is_dir() && found.uid() == user && found.mode() & 0o077 == 0,
        "expected {} to be a folder that only user {user} can open, found user {} and mode {:o}; remove it",
        folder.display(),
        found.uid(),
        found.mode()
    );
    Ok(folder)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{PermissionsExt, symlink};

    fn demo() -> Loaded<Station> {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../configs/demo.toml");
        sightline_configs::load(&file).unwrap().0
    }

    #[test]
    fn a_note_is_read_by_the_next_run_and_names_what_people_must_look_for() {
        let folder = tempfile::tempdir().unwrap();
        let place = Place::take_in(folder.path(), &demo()).unwrap();
        assert_eq!(place.left().unwrap(), None);
        let note = Note {
            station: "station1".into(),
            run: Uuid::from_u128(7),
            at: "2026-01-02T03:04:05.000000Z".into(),
            parts: 3,
            grew: 2,
        };
        place.write(&note).unwrap();
        let mode = std::fs::metadata(&place.file).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        drop(place);
        let next = Place::take_in(folder.path(), &demo()).unwrap();
        let left = next.left().unwrap().unwrap();
        assert_eq!(left, note);
        let words = left.in_words();
        for expected in [
            "at most 5 parts",
            "2026-01-02T03:04:05",
            &note.run.to_string(),
            "kick gate",
        ] {
            assert!(words.contains(expected), "no {expected} in {words}");
        }
        next.clear().unwrap();
        next.clear().unwrap();
        assert_eq!(next.left().unwrap(), None);
    }

    #[test]
    fn two_processes_do_not_share_a_note_and_two_stations_have_one_each() {
        let folder = tempfile::tempdir().unwrap();
        let _first = Place::take_in(folder.path(), &demo()).unwrap();
        let why = Place::take_in(folder.path(), &demo())
            .map(|_| ())
            .unwrap_err();
        assert!(why.to_string().contains("another process runs"), "{why}");
        let mut other = demo();
        other.value.station.cell = "other".into();
        Place::take_in(folder.path(), &other).unwrap();
        let mut elsewhere = demo();
        elsewhere.base = "/elsewhere".into();
        Place::take_in(folder.path(), &elsewhere).unwrap();
    }

    #[test]
    fn a_folder_that_others_can_open_is_refused() {
        let base = tempfile::tempdir().unwrap();
        let made = own(base.path()).unwrap();
        assert_eq!(std::fs::metadata(&made).unwrap().mode() & 0o777, 0o700);
        assert_eq!(own(base.path()).unwrap(), made);
        std::fs::set_permissions(&made, PermissionsExt::from_mode(0o755)).unwrap();
        let why = own(base.path()).unwrap_err().to_string();
        assert!(why.contains("only user"), "{why}");
        std::fs::remove_dir(&made).unwrap();
        symlink("/tmp", &made).unwrap();
        assert!(own(base.path()).is_err(), "a link is no folder of ours");
    }
}
