//! The durable record of the station: results and outbox, alarms, reviews, audit trail, and figures over time.
//!
//! What lives here: one SQLite file (WAL, `synchronous = FULL`) in a folder, written by one thread that commits what
//! came in together, read by any number of connections of their own. It imports the plain data and the queue only.
//! Where to start: [`Journal`] (what the station writes to), [`Reader`] (what console, uplink and command line read),
//! `schema/1.sql` (the layout).
//!
//! Held, also across `kill -9` and a power cut:
//! - A result is on the disk before anybody outside hears of it: the uplink reads what it sends from here.
//! - Result, outbox and counts change in one transaction. The outbox is the results above one number
//!   ([`Journal::acknowledge`]), so result and outbox row cannot differ.
//! - Numbers are gap-free and never given twice, also across restarts; a number whose result was lost is noted
//!   (`gaps`), with the reason. Should the file itself be lost, the numbering goes on above a lease beside it.
//!
//! Limits: entries that wait for the disk are bounded ([`JournalSettings::queue`]); a full queue refuses, counts and
//! never blocks. A disk that takes nothing is tried again every second, what came since waits in that queue.
//! Known: a clock that steps forward lets age remove acknowledged results too early; links cut off the audit trail's
//! end are seen only by comparing with the published copies.

mod audit;
mod body;
mod codes;
mod entry;
mod error;
mod history;
mod journal;
mod lease;
mod open;
mod reader;
pub mod records;
mod retention;
mod schema;
mod store;
mod tally;
mod verify;
mod writer;

pub use audit::ChainReport;
pub use error::JournalError;
pub use journal::{Journal, JournalSettings, Progress};
pub use reader::Reader;
pub use records::{
    AlarmChange, AlarmRecord, AuditEntry, Query, Review, ReviewCounts, StoredResult,
};
pub use schema::VERSION;
pub use verify::VerifyReport;
