//! Opening the journal: one writer a folder; what is damaged is set aside with its date, and a fresh one goes on from it.

use crate::audit::{self, Head};
use crate::entry::{AuditNote, Entry};
use crate::gaps::{self, Gap};
use crate::journal::JournalSettings;
use crate::numbers::Numbers;
use crate::records::Record;
use crate::salvage::Salvage;
use crate::state::{self, State};
use crate::store::{Batch, Store};
use crate::{JournalError, Reader, schema};
use rusqlite::ErrorCode;
use sightline_domain::UtcMicros;
use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// An open journal's files.
pub(crate) struct Files {
    /// Absent between a damaged file and the next.
    pub store: Option<Store>,
    /// As of the last commit.
    pub state: State,
    pub numbers: Numbers,
    /// Why and where a damaged one was set aside.
    pub set_aside: Option<String>,
    /// Held as long as the writer lives.
    pub lock: File,
    /// Which file is written: device and inode.
    pub place: Option<(u64, u64)>,
}

/// A journal that cannot be written any more.
pub(crate) struct Lost {
    /// It can still be read.
    pub reader: Option<Reader>,
    /// Where it is now, if it is anywhere.
    pub aside: Option<PathBuf>,
    pub why: String,
}

/// Opens, checks, and notes the start of a run.
pub(crate) fn open(settings: &JournalSettings) -> Result<Files, JournalError> {
    open_files(settings).map_err(|error| match error.is_full() {
        true => JournalError::NoRoom {
            path: settings.folder.clone(),
        },
        false => error,
    })
}

fn open_files(settings: &JournalSettings) -> Result<Files, JournalError> {
    let folder = &settings.folder;
    let lock = lock(folder)?;
    let path = folder.join(schema::FILE);
    let mut numbers = Numbers::read(folder, settings.marker.as_deref());
    let (was_there, now) = (path.exists(), settings.clock.utc());
    let (mut store, set_aside) = match open_checked(&path, settings, &numbers) {
        Ok(store) => (store, None),
        Err(error) if is_beyond_use(&error) => {
            let lost = put_aside(folder, now, error.to_string())?;
            let state = last_known(&lost, &numbers);
            let (store, said) = afresh(settings, &lost, &state, &numbers)?;
            (store, Some(said))
        }
        Err(error) => return Err(error),
    };
    if set_aside.is_none() {
        reconcile(&mut store, &numbers, was_there, settings)?;
        match note_anew(&mut store, settings) {
            Err(error) if error.is_damage() => {
                tracing::error!(%error, "changed records of gaps stay as they are");
            }
            noted => noted?,
        }
    }
    numbers.known.open_gap = store.open_gap(numbers.known.open_gap);
    numbers.cover(store.state.next_seq)?;
    store.begin_run(settings.boot_id, now, store.state.next_seq)?;
    numbers.note(store.state.next_seq - 1, store.state.acknowledged_to);
    Ok(Files {
        state: store.state,
        store: Some(store),
        numbers,
        set_aside,
        lock,
        place: place(folder).ok(),
    })
}

/// Makes the folder, and makes sure that no other process writes there.
pub(crate) fn lock(folder: &Path) -> Result<File, JournalError> {
    let failed = |source| JournalError::Folder {
        path: folder.to_path_buf(),
        source,
    };
    DirBuilder::new()
        .recursive(true)
        .mode(0o750)
        .create(folder)
        .map_err(failed)?;
    let lock = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(folder.join("journal.lock"))
        .map_err(failed)?;
    lock.try_lock().map_err(|error| match error {
        TryLockError::WouldBlock => JournalError::InUse {
            path: folder.to_path_buf(),
        },
        TryLockError::Error(source) => failed(source),
    })?;
    Ok(lock)
}

/// Which file the folder has now.
pub(crate) fn place(folder: &Path) -> std::io::Result<(u64, u64)> {
    let found = fs::metadata(folder.join(schema::FILE))?;
    Ok((found.dev(), found.ino()))
}

fn open_checked(
    path: &Path,
    settings: &JournalSettings,
    numbers: &Numbers,
) -> Result<Store, JournalError> {
    let store = Store::open(path, &numbers.known, settings.clock.utc())?;
    match schema::damage(&store.conn, settings.check_at_most)? {
        None => Ok(store),
        Some(found) => Err(JournalError::Damaged { found }),
    }
}

/// Damage, and a header that says that the file must not be written: its folder can be.
fn is_beyond_use(error: &JournalError) -> bool {
    let read_only = matches!(error, JournalError::Sqlite { source, .. }
        if source.sqlite_error_code() == Some(ErrorCode::ReadOnly));
    error.is_damage() || read_only
}

/// Numbers that others know of and the file does not are a gap, and never given again.
fn reconcile(
    store: &mut Store,
    numbers: &Numbers,
    was_there: bool,
    settings: &JournalSettings,
) -> Result<(), JournalError> {
    let known = &numbers.known;
    let mut gaps = Vec::new();
    let (first, next, why) = if was_there {
        let next = known.committed.map_or(0, |committed| committed + 1);
        let why = "the journal's file ends before them: the end of its log was damaged, or an older copy was put in its place";
        (store.state.next_seq, next, why)
    } else {
        store.state.acknowledged_to = known.acknowledged.min(known.next() - 1);
        store.state.removed_to = store.state.acknowledged_to;
        // also where the broker has everything, and there is no gap to tell
        store.state.next_seq = store.state.next_seq.max(known.next());
        gaps.extend(known.open_gaps(store.state.acknowledged_to));
        let why = "they may have been given: the journal's file was gone when the station started";
        // Also when nothing is missing: the broker has all that was given, and takes none of it for new.
        store.state.next_seq = store.state.next_seq.max(known.next());
        (store.state.acknowledged_to + 1, known.next(), why)
    };
    if first < next {
        let last = next - 1;
        let why = why.into();
        gaps.push(Gap { first, last, why });
    }
    if gaps.is_empty() {
        return Ok(());
    }
    let now = settings.clock.utc();
    let note = |gap: &Gap| {
        let Gap { first, last, why } = gap;
        tracing::error!(first, last, %why, "results are lost");
        let reason = format!("numbers {first} to {last}: {why}");
        Entry::Audit(AuditNote::of_station(now, "journal.gap", reason))
    };
    store.write(&Batch {
        entries: &gaps.iter().map(note).collect::<Vec<_>>(),
        gaps: &gaps,
        acknowledged_to: 0,
        nobody: !settings.deliver,
        now,
    })
}

/// Numbers looked at of a gap whose record has changed.
const LOOKED_AT: u64 = 100_000;

/// A gap whose record has changed says nothing that can be relied on: what it may have said is noted anew, and so told.
fn note_anew(store: &mut Store, settings: &JournalSettings) -> Result<(), JournalError> {
    let doing = JournalError::sqlite("reading gaps");
    let changed = gaps::changed_ones(&store.conn).map_err(&doing)?;
    if changed.is_empty() {
        return Ok(());
    }
    let reader = Reader::open(&settings.folder)?;
    let end = store.state.next_seq;
    let mut ranges = gaps::without_row(&store.conn, store.state.removed_to, end).map_err(&doing)?;
    for (first, last) in changed.iter().filter_map(|gap| gap.said) {
        // One number of the two may be what has changed.
        let whole = first <= last && last < end && last - first < LOOKED_AT;
        let numbers = match whole {
            true => (first..=last).collect(),
            false => vec![first, last],
        };
        for seq in numbers.into_iter().filter(|seq| (1..end).contains(seq)) {
            if !matches!(reader.record(seq)?, Some(Record::Sound(_))) {
                ranges.push((seq, seq));
            }
        }
    }
    let why = "the note that it has no sound result was damaged itself";
    let gap = |(first, last)| Gap {
        first,
        last,
        why: why.into(),
    };
    let (gaps, now): (Vec<Gap>, _) = (ranges.into_iter().map(gap).collect(), settings.clock.utc());
    tracing::error!(
        changed = changed.len(),
        "records of gaps were damaged; they are noted anew"
    );
    store.write(&Batch {
        entries: &[],
        gaps: &gaps,
        acknowledged_to: 0,
        nobody: !settings.deliver,
        now,
    })?;
    gaps::remove(&store.conn, &changed).map_err(&doing)
}

/// Puts the file under another name, and opens it to be read there.
fn put_aside(folder: &Path, now: UtcMicros, why: String) -> Result<Lost, JournalError> {
    let aside = set_aside(folder, now)?;
    Ok(Lost {
        reader: Reader::open_file(&aside).ok(),
        aside: Some(aside),
        why,
    })
}

/// Where numbering and outbox stood in a journal that is lost: as it says itself, where that can be relied on.
fn last_known(lost: &Lost, numbers: &Numbers) -> State {
    let known = &numbers.known;
    let said = lost.reader.as_ref().and_then(|reader| {
        let (state, sum) = state::read(&reader.conn).ok()?;
        let certain = sum.is_some() && state::is_sound(&reader.conn).ok()?;
        let possible =
            (1..=known.below).contains(&state.next_seq) && state.acknowledged_to < state.next_seq;
        (certain || (sum.is_none() && possible)).then_some(state)
    });
    let stored = lost.reader.as_ref().and_then(|reader| {
        let text = "SELECT max(seq) FROM results";
        reader.conn.query_row(text, [], |row| row.get(0)).ok()
    });
    let stored: u64 = stored.filter(|seq| *seq < known.below).unwrap_or(0);
    let committed = known.committed.unwrap_or(0).max(stored);
    let mut state = said.unwrap_or(State {
        next_seq: known.next(),
        acknowledged_to: known.acknowledged,
        ..State::default()
    });
    state.next_seq = state.next_seq.max(committed + 1);
    state.acknowledged_to = state.acknowledged_to.min(state.next_seq - 1);
    state
}

/// Begins a fresh file after one was lost, carries over what the broker does not have, and says so in its audit trail.
pub(crate) fn afresh(
    settings: &JournalSettings,
    lost: &Lost,
    state: &State,
    numbers: &Numbers,
) -> Result<(Store, String), JournalError> {
    let (folder, now) = (&settings.folder, settings.clock.utc());
    let mut store = Store::open(&folder.join(schema::FILE), &numbers.known, now)?;
    let head = lost.reader.as_ref().and_then(whole_chain);
    if let Some(head) = head {
        store
            .change_trail(|tx, _| audit::continue_from(tx, head).map(|()| head))
            .map_err(JournalError::sqlite("going on with the audit trail"))?;
    }
    let why = &lost.why;
    let aside = match &lost.aside {
        Some(path) => format!("it was set aside as {}", path.display()),
        None => "its file is gone".into(),
    };
    let (carried, missing) = Salvage {
        from: lost.reader.as_ref(),
        acknowledged_to: state.acknowledged_to,
        next_seq: state.next_seq,
        known: &numbers.known,
        why: format!("they could not be read from the journal that was lost ({aside})"),
        nobody: !settings.deliver,
        now,
    }
    .fill(&mut store)?;
    store.state.next_seq = store.state.next_seq.max(state.next_seq);
    let said = format!(
        "expected a sound journal, found {why}; {aside}, a fresh one was begun: {carried} results that the broker does not have were carried over, {missing} could not be and are told as a gap; what was delivered before can be exported from the old file with `sightline journal export --journal FILE`"
    );
    let mut note = AuditNote::of_station(now, "journal.set_aside", why.clone());
    note.old = lost.aside.as_ref().map(|path| path.display().to_string());
    note.new = Some(format!("{carried} results carried over, {missing} lost"));
    store.write(&Batch {
        entries: &[Entry::Audit(note)],
        gaps: &[],
        acknowledged_to: 0,
        nobody: !settings.deliver,
        now,
    })?;
    tracing::error!("{said}");
    Ok((store, said))
}

/// The end of a chain that holds.
fn whole_chain(reader: &Reader) -> Option<Head> {
    let report = audit::verify(&reader.conn, |_| {}).ok()?;
    report.broken.is_none().then_some(())?;
    audit::head(&reader.conn).ok()
}

/// Renames the file and its log under the date. A connection that has it open must go before a fresh one is begun: on
/// closing, SQLite deletes the log by its name, which would then be the fresh file's.
pub(crate) fn set_aside(folder: &Path, now: UtcMicros) -> Result<PathBuf, JournalError> {
    let date: String = now
        .to_rfc3339()
        .chars()
        .filter(|c| *c != '-' && *c != ':')
        .collect();
    // Two in one moment of a clock that stands still must not lie over each other.
    let names = std::iter::once(format!("journal.damaged-{date}.sqlite"))
        .chain((2..).map(|n| format!("journal.damaged-{date}-{n}.sqlite")));
    let name = names.into_iter().find(|name| !folder.join(name).exists());
    let name = name.unwrap_or_default();
    let rename = |end: &str| {
        let (from, to) = (format!("{}{end}", schema::FILE), format!("{name}{end}"));
        match fs::rename(folder.join(from), folder.join(to)) {
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(()),
            done => done,
        }
    };
    rename("")
        .and_then(|()| rename("-wal"))
        .and_then(|()| rename("-shm"))
        .map_err(|source| JournalError::Folder {
            path: folder.to_path_buf(),
            source,
        })?;
    Ok(folder.join(name))
}
