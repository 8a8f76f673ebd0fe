//! Opening a journal to read it where it lies: beside a running station, on a medium that takes no writes, or as an image.

use crate::{JournalError, schema};
use rusqlite::{Connection, ErrorCode, OpenFlags};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long a reader waits for a file that is being changed.
const BUSY_AT_MOST: Duration = Duration::from_secs(5);

/// A connection to read, and the folder of the copy that it reads, if it reads one.
pub(crate) struct Opened {
    pub conn: Connection,
    pub layout: i64,
    pub copy: Option<Copy>,
}

/// A folder that goes when it is no longer read.
pub(crate) struct Copy(PathBuf);

impl Drop for Copy {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Opens the file for reading beside a writer.
pub(crate) fn open(path: &Path) -> Result<Opened, JournalError> {
    if !path.is_file() {
        return Err(JournalError::Absent {
            path: path.to_path_buf(),
        });
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let (conn, layout) = match connect(path, path, flags) {
        Err(error) if needs_to_write(&error) => return open_unwritable(path),
        opened => opened?,
    };
    Ok(Opened {
        conn,
        layout,
        copy: None,
    })
}

/// A log that is not in the file yet can only be read with files beside it, which SQLite must be able to write.
fn open_unwritable(path: &Path) -> Result<Opened, JournalError> {
    let log = beside(path, "-wal");
    if fs::metadata(&log).is_ok_and(|m| m.len() > 0) {
        return open_copy(path, &log);
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY
        | OpenFlags::SQLITE_OPEN_NO_MUTEX
        | OpenFlags::SQLITE_OPEN_URI;
    let (conn, layout) = connect(&immutable(path), path, flags)?;
    Ok(Opened {
        conn,
        layout,
        copy: None,
    })
}

fn open_copy(path: &Path, log: &Path) -> Result<Opened, JournalError> {
    let id = uuid::Uuid::new_v4();
    let folder = std::env::temp_dir().join(format!("sightline-journal-{id}"));
    let failed = |source| JournalError::Folder {
        path: folder.clone(),
        source,
    };
    fs::create_dir(&folder).map_err(failed)?;
    let copy = Copy(folder.clone());
    tracing::info!(from = %path.display(), to = %folder.display(), "the journal's folder takes no writes and its log is not in the file yet: a copy is read");
    let file = folder.join(schema::FILE);
    fs::copy(path, &file).map_err(failed)?;
    fs::copy(log, beside(&file, "-wal")).map_err(failed)?;
    let (conn, layout) = connect(&file, path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    Ok(Opened {
        conn,
        layout,
        copy: Some(copy),
    })
}

fn connect(
    target: &Path,
    path: &Path,
    flags: OpenFlags,
) -> Result<(Connection, i64), JournalError> {
    let doing = JournalError::sqlite("opening the file to read");
    let conn = Connection::open_with_flags(target, flags).map_err(&doing)?;
    // A reader that is the last to go must not tidy up what may be another file's by then.
    schema::keep_log(&conn, true)?;
    conn.busy_timeout(BUSY_AT_MOST).map_err(&doing)?;
    let layout = schema::prepare_to_read(&conn, path)?;
    Ok((conn, layout))
}

fn needs_to_write(error: &JournalError) -> bool {
    match error {
        JournalError::Sqlite { source, .. } => matches!(
            source.sqlite_error_code(),
            Some(ErrorCode::CannotOpen | ErrorCode::ReadOnly | ErrorCode::PermissionDenied)
        ),
        _ => false,
    }
}

fn beside(path: &Path, end: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(end);
    name.into()
}

/// SQLite's address of a file that nobody changes.
fn immutable(path: &Path) -> PathBuf {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf());
    let mut address = String::from("file:");
    for byte in path.as_os_str().as_encoded_bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'.' | b'-' | b'_' => {
                address.push(char::from(*byte));
            }
            other => address += &format!("%{other:02X}"),
        }
    }
    address += "?immutable=1";
    address.into()
}
