//! Opening the file: settings of SQLite, and the steps from each layout version to the next.

use crate::JournalError;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};
use std::path::Path;
use std::time::{Duration, Instant};

/// The file in the journal's folder.
pub(crate) const FILE: &str = "journal.sqlite";
/// Step `i` leads from version `i` to `i + 1`.
const STEPS: &[&str] = &[include_str!("schema/1.sql")];
/// The layout this program writes.
pub const VERSION: i64 = STEPS.len() as i64;
/// Bytes the write-ahead log keeps between checkpoints.
const LOG_BYTES: i64 = 32 << 20;
/// SQLite's instructions between looks at the time.
const LOOK_EVERY: i32 = 10_000;

/// Opens the file for writing and brings it to this program's layout.
pub(crate) fn open(path: &Path) -> Result<Connection, JournalError> {
    let mut conn = Connection::open(path).map_err(JournalError::sqlite("opening the file"))?;
    let set = |name: &str, value: &dyn rusqlite::ToSql| conn.pragma_update(None, name, value);
    // FULL, not NORMAL: under NORMAL a power cut may take back commits whose results the broker has already
    // acknowledged, and their numbers would be given to other parts.
    set("auto_vacuum", &"INCREMENTAL")
        .and_then(|()| set("journal_mode", &"WAL"))
        .and_then(|()| set("synchronous", &"FULL"))
        .and_then(|()| set("journal_size_limit", &LOG_BYTES))
        .and_then(|()| set("cache_size", &-16_384))
        .and_then(|()| set("temp_store", &"MEMORY"))
        .map_err(JournalError::sqlite("opening the file"))?;
    conn.set_prepared_statement_cache_capacity(64);
    let found = version(&conn)?;
    if found > VERSION {
        return Err(JournalError::Newer {
            found,
            expected: VERSION,
        });
    }
    for (i, step) in STEPS.iter().enumerate().skip(found.max(0) as usize) {
        conn.transaction()
            .and_then(|tx| {
                tx.execute_batch(step)?;
                tx.pragma_update(None, "user_version", i as i64 + 1)?;
                tx.commit()
            })
            .map_err(JournalError::sqlite("bringing the layout up to date"))?;
    }
    Ok(conn)
}

/// Opens the file for reading beside a writer; waits `at_most` for one that changes the file's layout.
pub(crate) fn open_to_read(path: &Path, at_most: Duration) -> Result<Connection, JournalError> {
    if !path.is_file() {
        return Err(JournalError::Absent {
            path: path.to_path_buf(),
        });
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let conn = Connection::open_with_flags(path, flags)
        .map_err(JournalError::sqlite("opening the file to read"))?;
    // A reader that is the last to go must not tidy up what may be another file's by then.
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)
        .and_then(|_| conn.busy_timeout(at_most))
        .map_err(JournalError::sqlite("opening the file to read"))?;
    conn.set_prepared_statement_cache_capacity(64);
    let found = version(&conn)?;
    if found != VERSION {
        return Err(JournalError::Newer {
            found,
            expected: VERSION,
        });
    }
    Ok(conn)
}

fn version(conn: &Connection) -> Result<i64, JournalError> {
    conn.pragma_query_value(None, "user_version", |row| row.get(0))
        .map_err(JournalError::sqlite("reading the layout version"))
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
