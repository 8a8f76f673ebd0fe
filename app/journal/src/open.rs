//! Opening the journal: one writer a folder; what is damaged is set aside with its date, and a fresh one is begun.

use crate::entry::{AuditNote, Entry};
use crate::journal::JournalSettings;
use crate::lease::Lease;
use crate::store::{Batch, State, Store};
use crate::{JournalError, schema};
use rusqlite::Connection;
use sightline_model::UtcMicros;
use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};

/// An open journal's files.
pub(crate) struct Files {
    /// Absent between a damaged file and the next.
    pub store: Option<Store>,
    /// As of the last commit.
    pub state: State,
    pub lease: Lease,
    /// Why and where a damaged one was set aside.
    pub set_aside: Option<String>,
    /// Held as long as the writer lives.
    pub _lock: File,
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
    let failed = |source| JournalError::Folder {
        path: folder.clone(),
        source,
    };
    fs::create_dir_all(folder).map_err(failed)?;
    let lock = File::create(folder.join("journal.lock")).map_err(failed)?;
    lock.try_lock().map_err(|error| match error {
        TryLockError::WouldBlock => JournalError::InUse {
            path: folder.clone(),
        },
        TryLockError::Error(source) => failed(source),
    })?;
    let path = folder.join(schema::FILE);
    let lease = Lease::read(folder);
    let (was_there, now) = (path.exists(), settings.clock.utc());
    let (mut store, set_aside) = match open_checked(&path, settings) {
        Ok(store) => (store, None),
        Err(error) if error.is_damage() => {
            let next_seq = salvage(&path, &lease);
            let aside = set_aside(folder, now)?;
            let (mut store, said) = afresh(folder, now, &error.to_string(), &aside)?;
            store.state.next_seq = next_seq;
            (store, Some(said))
        }
        Err(error) => return Err(error),
    };
    let next_seq = match was_there {
        true => store.state.next_seq,
        false => lease.below(),
    };
    store.begin_run(settings.boot_id, now, next_seq)?;
    Ok(Files {
        state: store.state,
        store: Some(store),
        lease,
        set_aside,
        _lock: lock,
    })
}

fn open_checked(path: &Path, settings: &JournalSettings) -> Result<Store, JournalError> {
    let store = Store::open(path)?;
    match schema::damage(&store.conn, settings.check_at_most)? {
        None => Ok(store),
        Some(found) => Err(JournalError::Damaged { found }),
    }
}

/// The next number as the damaged file says, where that can be true; else the first that was surely never given.
fn salvage(path: &Path, lease: &Lease) -> u64 {
    let said = Connection::open(path).and_then(|conn| {
        conn.query_row("SELECT next_seq FROM state", [], |row| row.get::<_, u64>(0))
    });
    said.ok()
        .filter(|next| (1..=lease.below()).contains(next))
        .unwrap_or(lease.below())
}

/// Begins a fresh file after one was set aside as `aside`, and says so in its audit trail.
pub(crate) fn afresh(
    folder: &Path,
    now: UtcMicros,
    why: &str,
    aside: &Path,
) -> Result<(Store, String), JournalError> {
    let mut store = Store::open(&folder.join(schema::FILE))?;
    let said = format!(
        "expected a sound journal, found {why}; it was set aside as {}, a fresh one was begun; results in it that the broker does not have are not sent: export them with `sightline journal export`",
        aside.display()
    );
    let note = AuditNote {
        at: now,
        actor: "station".into(),
        action: "journal.set_aside".into(),
        old: Some(aside.display().to_string()),
        new: None,
        reason: why.to_string(),
    };
    store.write(&Batch {
        entries: &[Entry::Audit(note)],
        gaps: &[],
        acknowledged_to: 0,
        now,
    })?;
    tracing::error!("{said}");
    Ok((store, said))
}

/// Renames the file and its log under the date. A connection that has it open must go before a fresh one is begun: on
/// closing, SQLite deletes the log by its name, which would then be the fresh file's.
pub(crate) fn set_aside(folder: &Path, now: UtcMicros) -> Result<PathBuf, JournalError> {
    let date: String = now
        .to_rfc3339()
        .chars()
        .filter(|c| *c != '-' && *c != ':')
        .collect();
    let name = format!("journal.damaged-{date}.sqlite");
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
