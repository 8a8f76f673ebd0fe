//! What can go wrong with the journal.

use std::path::PathBuf;

/// Errors of this crate.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The folder cannot be made or read.
    #[error(
        "the journal: expected a folder that can be written at {path}, found: {source}; make it, or correct journal.folder", path = path.display()
    )]
    Folder {
        /// Which.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// The disk is full, so that no run can begin: its results would have no place.
    #[error(
        "the journal: expected room on the disk of {path}, found none; make some (old journals `journal.damaged-*`, recordings) and start again", path = path.display()
    )]
    NoRoom {
        /// The folder.
        path: PathBuf,
    },
    /// Another process writes it.
    #[error(
        "the journal {path} is written by another process; end the other station, or give this one a folder of its own", path = path.display()
    )]
    InUse {
        /// The folder.
        path: PathBuf,
    },
    /// There is no journal to read.
    #[error("expected a journal at {path}, found none; name the folder of journal.folder", path = path.display())]
    Absent {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// Its layout is not one that this program knows.
    #[error(
        "the journal {path} has layout version {found}, expected {expected} at most as this program writes it: another, probably newer, version of sightline wrote it, and nothing in it was changed; run that version, or name another folder in journal.folder (results in this one that the broker does not have are sent by that version only)", path = path.display()
    )]
    Newer {
        /// Which.
        path: PathBuf,
        /// Its version.
        found: i64,
        /// The newest that is known here.
        expected: i64,
    },
    /// The file's own structure is wrong.
    #[error("the journal is damaged: {found}")]
    Damaged {
        /// The first that was found.
        found: String,
    },
    /// SQLite says no.
    #[error("the journal: {doing}: {source}")]
    Sqlite {
        /// What was being done.
        doing: &'static str,
        /// Why not.
        source: rusqlite::Error,
    },
    /// A stored body cannot be read back.
    #[error(
        "result {seq} is damaged in the journal ({why}); run `sightline journal verify`, and look after the disk"
    )]
    Body {
        /// The result.
        seq: u64,
        /// What is wrong with it.
        why: String,
    },
    /// A result whose times or names cannot be stored.
    #[error(
        "result {seq}: expected an RFC 3339 time with microseconds in times.decided, found `{found}`"
    )]
    Time {
        /// The result.
        seq: u64,
        /// What is there.
        found: String,
    },
    /// The writer does not keep up, or the disk takes nothing.
    #[error(
        "expected room in the journal's queue, found {waiting} entries waiting for the disk; see the journal's alarm, make room on the disk"
    )]
    Full {
        /// Entries waiting.
        waiting: usize,
    },
    /// The writer has ended.
    #[error("the journal is closed")]
    Closed,
    /// The writer's thread cannot be started.
    #[error("the thread `sl-journal` could not be started: {source}")]
    Thread {
        /// Why not.
        source: std::io::Error,
    },
    /// No result has this number.
    #[error("expected a stored result {seq}, found none; it may have been removed by age or size")]
    NoResult {
        /// The number.
        seq: u64,
    },
}

impl JournalError {
    pub(crate) fn sqlite(doing: &'static str) -> impl Fn(rusqlite::Error) -> Self {
        move |source| Self::Sqlite { doing, source }
    }

    /// The disk takes no more.
    pub(crate) fn is_full(&self) -> bool {
        match self {
            Self::Sqlite { source, .. } => {
                // The index of the log finds no room: an input error to SQLite.
                source.sqlite_error_code() == Some(rusqlite::ErrorCode::DiskFull)
                    || source.sqlite_error().map(|e| e.extended_code)
                        == Some(rusqlite::ffi::SQLITE_IOERR_SHMSIZE)
            }
            Self::Folder { source, .. } => source.kind() == std::io::ErrorKind::StorageFull,
            _ => false,
        }
    }

    /// The file's content is wrong, so that trying again cannot help.
    pub(crate) fn is_damage(&self) -> bool {
        match self {
            Self::Sqlite { source, .. } => is_damage(source),
            Self::Damaged { .. } | Self::Body { .. } => true,
            _ => false,
        }
    }
}

/// What SQLite or the reading of a row says of content that is not what was written. Not: what a disk, rights or another
/// process are the cause of.
pub(crate) fn is_damage(error: &rusqlite::Error) -> bool {
    use rusqlite::ErrorCode::{
        ApiMisuse, ConstraintViolation, DatabaseCorrupt, NotADatabase, NotFound,
        ParameterOutOfRange, SchemaChanged, SystemIoFailure, TooBig, TypeMismatch, Unknown,
    };
    use rusqlite::{Error, ffi};
    match error {
        Error::SqliteFailure(failure, _) => match failure.code {
            DatabaseCorrupt | NotADatabase | ConstraintViolation | TypeMismatch | SchemaChanged
            | TooBig | NotFound | ParameterOutOfRange | Unknown => true,
            SystemIoFailure => matches!(
                failure.extended_code,
                ffi::SQLITE_IOERR_SHORT_READ | ffi::SQLITE_IOERR_CORRUPTFS
            ),
            ApiMisuse => false,
            _ => false,
        },
        Error::SqlInputError { .. }
        | Error::FromSqlConversionFailure(..)
        | Error::IntegralValueOutOfRange(..)
        | Error::Utf8Error(..)
        | Error::QueryReturnedNoRows
        | Error::InvalidColumnType(..)
        | Error::InvalidColumnName(_)
        | Error::InvalidColumnIndex(_) => true,
        _ => false,
    }
}
