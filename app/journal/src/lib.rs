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
//! - Every record carries a checksum; what does not agree is never given out as what was stored. Results are sealed into
//!   the audit trail (`seal.rs`), whose links are chained and published.
//! - Numbers are gap-free and never given twice, also across restarts and the loss of the file or its folder
//!   (`numbers.rs`). A number whose result was lost is noted with the reason and told until somebody takes note (`gaps.rs`).
//! - A damaged file is set aside, one that was deleted is replaced within seconds; what the broker does not have is carried
//!   into the fresh one (`salvage.rs`). A file of a newer layout is left as it is.
//! - Nothing is removed by a wall clock: age is the time the station has run (`retention.rs`).
//!
//! Limits: entries that wait for the disk are bounded ([`JournalSettings::queue`]); a full queue refuses, counts and
//! never blocks. A disk that takes nothing is tried again every second, what came since waits in that queue. Audit trail
//! and alarms have shares of file and queue of their own, so that they never push a result out.
//! Known: links cut off the audit trail's end are seen only by comparing with the published copies. Figures over time
//! (counts by the minute) carry no checksum: they can be made again from the results as long as these are stored.

#[cfg(test)]
extern crate self as sightline_journal;

mod audit;
mod body;
mod codes;
mod entry;
mod error;
mod gaps;
mod history;
mod journal;
#[cfg(test)]
#[path = "../tests/common/mod.rs"]
mod journal_parts;
mod media;
mod numbers;
mod open;
mod proof;
mod reader;
pub mod records;
mod retention;
mod rounds;
mod row;
mod salvage;
mod schema;
mod seal;
mod side;
mod state;
mod store;
mod tally;
mod text;
mod verify;
mod writer;

pub use audit::ChainReport;
pub use error::JournalError;
pub use journal::{Journal, JournalSettings, Progress};
pub use reader::Reader;
pub use records::{
    AlarmChange, AlarmRecord, AuditEntry, GapRecord, Query, Record, Review, ReviewCounts,
    StoredResult,
};
pub use rounds::Rounds;
pub use schema::VERSION;
pub use verify::VerifyReport;
