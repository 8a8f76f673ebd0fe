//! Opening the file: settings of SQLite, and the steps from each layout version to the next.

use crate::JournalError;
use rusqlite::Connection;
use rusqlite::config::DbConfig;
use std::fs::{self, OpenOptions, Permissions};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;
use std::time::{Duration, Instant};

/// The file in the journal's folder.
pub(crate) const FILE: &str = "journal.sqlite";
/// Step `i` leads from version `i` to `i + 1`.
const STEPS: &[&str] = &[include_str!("schema/1.sql"), include_str!("schema/2.sql")];
/// The layout this program writes.
pub const VERSION: i64 = STEPS.len() as i64;
/// Shows a journal of version 1 as one of this version.
const VIEWS_OF_1: &str = include_str!("schema/1-as-2.sql");
/// SQLite's application id of journals from version 2 on.
const APPLICATION: i64 = 0x534c_4a4c;
/// No program counts its layouts so far: a version above is a damaged header.
const PLAUSIBLE: i64 = 9_999;
/// The group may read it; nobody else.
const MODE: u32 = 0o640;
/// Bytes the write-ahead log keeps between checkpoints.
const LOG_BYTES: i64 = 32 << 20;
/// SQLite's instructions between looks at the time.
const LOOK_EVERY: i32 = 10_000;

/// Opens the file for writing and brings it to this program's layout. A newer one is left as it is.
pub(crate) fn open(path: &Path) -> Result<Connection, JournalError> {
    let doing = JournalError::sqlite("opening the file");
    make(path)?;
    let mut conn = Connection::open(path).map_err(&doing)?;
    // Until it is known whose it is: closing must not tidy it up.
    keep_log(&conn, true)?;
    let found = version(&conn, path)?;
    keep_log(&conn, false)?;
    let set = |name: &str, value: &dyn rusqlite::ToSql| conn.pragma_update(None, name, value);
    // FULL, not NORMAL: under NORMAL a power cut may take back commits whose results the broker has already
    // acknowledged, and their numbers would be given to other parts.
    set("auto_vacuum", &"INCREMENTAL")
        .and_then(|()| set("journal_mode", &"WAL"))
        .and_then(|()| set("synchronous", &"FULL"))
        .and_then(|()| set("journal_size_limit", &LOG_BYTES))
        .and_then(|()| set("cache_size", &-16_384))
        .and_then(|()| set("temp_store", &"MEMORY"))
        .map_err(&doing)?;
    conn.set_prepared_statement_cache_capacity(64);
    for (i, step) in STEPS.iter().enumerate().skip(found as usize) {
        conn.transaction()
            .and_then(|tx| {
                tx.execute_batch(step)?;
                tx.pragma_update(None, "user_version", i as i64 + 1)?;
                tx.pragma_update(None, "application_id", APPLICATION)?;
                tx.commit()
            })
            .map_err(JournalError::sqlite("bringing the layout up to date"))?;
    }
    Ok(conn)
}

/// Makes the file with its rights, which SQLite gives the files beside it too, and takes too wide ones back.
fn make(path: &Path) -> Result<(), JournalError> {
    let failed = |source| JournalError::Folder {
        path: path.to_path_buf(),
        source,
    };
    let file = OpenOptions::new()
        .append(true)
        .create(true)
        .mode(MODE)
        .open(path)
        .map_err(failed)?;
    let mode = file.metadata().map_err(failed)?.permissions().mode();
    if mode & 0o137 != 0 {
        for end in ["", "-wal", "-shm"] {
            let mut name = path.as_os_str().to_owned();
            name.push(end);
            // What belongs to somebody else keeps its rights.
            let _ = fs::set_permissions(name, Permissions::from_mode(MODE));
        }
    }
    Ok(())
}

/// Whether closing leaves the log where it is.
pub(crate) fn keep_log(conn: &Connection, keep: bool) -> Result<(), JournalError> {
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, keep)
        .map(drop)
        .map_err(JournalError::sqlite("opening the file"))
}

/// Makes ready to read what was opened; gives back its layout.
pub(crate) fn prepare_to_read(conn: &Connection, path: &Path) -> Result<i64, JournalError> {
    let found = version(conn, path)?;
    match found {
        VERSION => {}
        1 => conn
            .pragma_update(None, "temp_store", "MEMORY")
            .and_then(|()| conn.execute_batch(VIEWS_OF_1))
            .map_err(JournalError::sqlite("opening the file to read"))?,
        _ => {
            return Err(JournalError::Absent {
                path: path.to_path_buf(),
            });
        }
    }
    conn.set_prepared_statement_cache_capacity(64);
    Ok(found)
}

/// The layout, 0 of an empty file, at most [`VERSION`].
fn version(conn: &Connection, path: &Path) -> Result<i64, JournalError> {
    let pragma = |name: &str| {
        conn.pragma_query_value(None, name, |row| row.get::<_, i64>(0))
            .map_err(JournalError::sqlite("reading the layout version"))
    };
    let found = pragma("user_version")?;
    let newer = || JournalError::Newer {
        path: path.to_path_buf(),
        found,
        expected: VERSION,
    };
    match found {
        0..=1 => Ok(found),
        VERSION if pragma("application_id")? == APPLICATION => Ok(found),
        // The number of this layout on a file that is not marked as ours: another's layout, or a damaged mark.
        VERSION => match has_checksums(conn) {
            Some(true) => Ok(found),
            Some(false) => Err(newer()),
            None => Err(JournalError::Damaged {
                found: "its header and its tables cannot be read".into(),
            }),
        },
        found if (2..=PLAUSIBLE).contains(&found) => Err(newer()),
        _ => Err(JournalError::Damaged {
            found: format!("layout version {found}"),
        }),
    }
}

/// Whether results have the column of this layout; `None`: there are none that can be read.
fn has_checksums(conn: &Connection) -> Option<bool> {
    let mut columns = conn
        .prepare("SELECT name FROM pragma_table_info('results')")
        .ok()?;
    let names = columns.query_map([], |row| row.get::<_, String>(0)).ok()?;
    let names: Vec<String> = names.collect::<rusqlite::Result<_>>().ok()?;
    (!names.is_empty()).then(|| names.iter().any(|name| name == "sum"))
}

/// Looks for damage, for `at_most` so long; `None` when nothing was found in that time.
pub(crate) fn damage(conn: &Connection, at_most: Duration) -> Result<Option<String>, JournalError> {
    let what = "looking for damage";
    let end = Instant::now() + at_most;
    conn.progress_handler(LOOK_EVERY, Some(move || Instant::now() > end))
        .map_err(JournalError::sqlite(what))?;
    let said: rusqlite::Result<String> =
        conn.pragma_query_value(None, "quick_check", |row| row.get(0));
    conn.progress_handler(0, None::<fn() -> bool>)
        .map_err(JournalError::sqlite(what))?;
    match said {
        Ok(said) if said == "ok" => Ok(None),
        Ok(said) => Ok(Some(said)),
        Err(error)
            if error.sqlite_error_code() == Some(rusqlite::ErrorCode::OperationInterrupted) =>
        {
            Ok(None)
        }
        Err(error) => {
            let error = JournalError::sqlite(what)(error);
            if error.is_damage() {
                return Ok(Some(error.to_string()));
            }
            Err(error)
        }
    }
}
