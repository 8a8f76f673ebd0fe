//! What is removed, in which order: acknowledged results by age, then by size; unacknowledged ones only by size, and
//! only when nothing else is left. Audit trail, alarms and figures have shares of their own ([`Shares`]), in which the
//! oldest go; reviews stay.
//!
//! Age is not the difference of two wall clocks: it is how long the station has run since, counted by the monotonic
//! clock (`State::age_us`). A clock that was set wrong, however far, removes nothing; time that the station was
//! switched off does not count.

use crate::gaps::{self, Gap};
use crate::proof::Proof;
use crate::state::{self, State};
use crate::store::Store;
use crate::{JournalError, audit};
use rusqlite::{Connection, OptionalExtension, params};
use sightline_domain::UtcMicros;
use std::time::Duration;

/// Results removed at a time: short, so that commits do not wait.
const AT_ONCE: usize = 1_000;
/// Pages given back to the file system at a time.
const PAGES_AT_ONCE: i64 = 256;
/// Nothing younger is removed by age.
const FLOOR: Duration = Duration::from_secs(86_400);
/// The age of results is known to this, µs.
const SAMPLE_US: u64 = 600_000_000;
/// The audit trail and the alarms never take more, bytes.
const SIDE_AT_MOST: u64 = 64 << 20;

/// What may stay.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub keep: Duration,
    pub max_bytes: u64,
}

/// Bytes that each kind of record may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shares {
    pub audit: u64,
    pub alarms: u64,
    pub figures: u64,
    pub results: u64,
}

impl Limits {
    pub(crate) fn shares(&self) -> Shares {
        let audit = (self.max_bytes / 8).min(SIDE_AT_MOST);
        let alarms = (self.max_bytes / 16).min(SIDE_AT_MOST);
        let figures = self.max_bytes / 8;
        Shares {
            audit,
            alarms,
            figures,
            results: self.max_bytes - audit - alarms - figures,
        }
    }

    /// The age from which on results may go, µs.
    fn keep_us(&self) -> u64 {
        u64::try_from(self.keep.max(FLOOR).as_micros()).unwrap_or(u64::MAX)
    }
}

/// What a sweep did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Swept {
    /// Results that went although the broker never had them.
    pub removed_unacknowledged: u64,
    /// The results' share is used up and nothing is left that the broker has.
    pub full: bool,
    /// There is room again, or there are results that the broker has.
    pub eased: bool,
}

/// Removes a little.
pub(crate) fn sweep(
    store: &mut Store,
    limits: &Limits,
    now: UtcMicros,
    nobody: bool,
) -> Result<Swept, JournalError> {
    let doing = JournalError::sqlite("removing old results");
    sample(store).map_err(&doing)?;
    trim_side(store, &limits.shares(), now).map_err(&doing)?;
    let used = used_bytes(&store.conn).map_err(&doing)?;
    let (used, share) = (
        used.saturating_sub(store.side.all()),
        limits.shares().results,
    );
    let over = used > share;
    let below = match over {
        true => Some(u64::MAX),
        false => old(&store.conn, store.age_us, limits.keep_us()).map_err(&doing)?,
    };
    let acknowledged = store.state.acknowledged_to;
    let last = match below {
        Some(below) => {
            oldest(&store.conn, acknowledged.min(below.saturating_sub(1))).map_err(&doing)?
        }
        None => None,
    };
    if let Some(last) = last {
        remove(store, last, None, now, nobody).map_err(&doing)?;
        return Ok(Swept {
            eased: true,
            ..Swept::default()
        });
    }
    let left = match over {
        true => oldest(&store.conn, u64::MAX).map_err(&doing)?,
        false => None,
    };
    let Some(last) = left else {
        give_back(&store.conn).map_err(&doing)?;
        return Ok(Swept {
            eased: used < share / 10 * 9,
            ..Swept::default()
        });
    };
    let before = store.state.removed_unacknowledged;
    let why = "removed before the broker had them: the journal was full";
    remove(store, last, Some(why), now, nobody).map_err(&doing)?;
    Ok(Swept {
        removed_unacknowledged: store.state.removed_unacknowledged - before,
        full: true,
        eased: false,
    })
}

/// Removes everything up to `last`; `unacknowledged` says why if the broker never had it.
fn remove(
    store: &mut Store,
    last: u64,
    unacknowledged: Option<&'static str>,
    now: UtcMicros,
    nobody: bool,
) -> rusqlite::Result<()> {
    let mut next = store.state;
    let tx = store.conn.unchecked_transaction()?;
    let first: u64 = tx.query_row("SELECT min(seq) FROM results", [], |row| row.get(0))?;
    tx.prepare_cached("DELETE FROM causes WHERE seq <= ?1")?
        .execute([last])?;
    let removed = tx
        .prepare_cached("DELETE FROM results WHERE seq <= ?1")?
        .execute([last])?;
    tx.prepare_cached(
        "DELETE FROM dictionaries WHERE id <
         (SELECT dictionary FROM results WHERE dictionary IS NOT NULL ORDER BY seq LIMIT 1)",
    )?
    .execute([])?;
    if let Some(why) = unacknowledged {
        let why = why.into();
        gaps::insert(&tx, &Gap { first, last, why }, now, nobody)?;
        next.pending = next.pending.saturating_sub(removed as u64);
        next.removed_unacknowledged += removed as u64;
    }
    next.removed_to = next.removed_to.max(last);
    next.age_us = store.age_us;
    state::write(&tx, &next)?;
    tx.commit()?;
    store.state = next;
    Ok(())
}

/// Bytes in use, free pages not counted.
pub(crate) fn used_bytes(conn: &Connection) -> rusqlite::Result<u64> {
    let pragma = |name: &str| conn.pragma_query_value(None, name, |row| row.get::<_, u64>(0));
    let pages = pragma("page_count")?.saturating_sub(pragma("freelist_count")?);
    Ok(pages * pragma("page_size")?)
}

fn age_proof(age_us: u64, next_seq: u64) -> Proof {
    Proof::of("age").int(age_us as i64).int(next_seq as i64)
}

/// Notes now and then which number is the next at this age.
fn sample(store: &mut Store) -> rusqlite::Result<()> {
    let newest: Option<u64> = store
        .conn
        .prepare_cached("SELECT max(age_us) FROM ages")?
        .query_row([], |row| row.get(0))?;
    if newest.is_some_and(|age| store.age_us < age.saturating_add(SAMPLE_US)) {
        return Ok(());
    }
    let (age_us, next_seq) = (store.age_us, store.state.next_seq);
    let next = State {
        age_us,
        ..store.state
    };
    let tx = store.conn.unchecked_transaction()?;
    tx.prepare_cached("INSERT OR REPLACE INTO ages VALUES (?1, ?2, ?3)")?
        .execute(params![age_us, next_seq, age_proof(age_us, next_seq).sum()])?;
    state::write(&tx, &next)?;
    tx.commit()?;
    store.state = next;
    Ok(())
}

/// The number below which everything is at least `keep_us` old; forgets what lies before the sample that says so.
fn old(conn: &Connection, age_us: u64, keep_us: u64) -> rusqlite::Result<Option<u64>> {
    let Some(latest) = age_us.checked_sub(keep_us) else {
        return Ok(None);
    };
    let text = "SELECT age_us, next_seq, sum FROM ages WHERE age_us <= ?1 ORDER BY age_us DESC";
    let mut samples = conn.prepare_cached(text)?;
    let mut rows = samples.query([latest])?;
    while let Some(row) = rows.next()? {
        let (age, next_seq, sum): (u64, u64, Vec<u8>) = (row.get(0)?, row.get(1)?, row.get(2)?);
        if age_proof(age, next_seq).agrees(Some(&sum)) {
            conn.prepare_cached("DELETE FROM ages WHERE age_us < ?1")?
                .execute([age])?;
            return Ok(Some(next_seq));
        }
    }
    Ok(None)
}

/// The last of the oldest results up to `to`.
fn oldest(conn: &Connection, to: u64) -> rusqlite::Result<Option<u64>> {
    let to = i64::try_from(to).unwrap_or(i64::MAX);
    conn.prepare_cached(
        "SELECT max(seq) FROM (SELECT seq FROM results WHERE seq <= ?1 ORDER BY seq LIMIT ?2)",
    )?
    .query_row(params![to, AT_ONCE as i64], |row| row.get(0))
    .optional()
    .map(Option::flatten)
}

/// Keeps audit trail, alarms and figures within their shares: the oldest quarter goes.
fn trim_side(store: &mut Store, shares: &Shares, now: UtcMicros) -> rusqlite::Result<()> {
    let side = store.side;
    if side.audit > shares.audit {
        store.change_trail(|tx, head| audit::trim(tx, head, now))?;
        store.measure()?;
    }
    if side.alarms > shares.alarms {
        store.conn.execute(
            "DELETE FROM alarms WHERE id <= (SELECT id FROM alarms ORDER BY id LIMIT 1 OFFSET (SELECT count(*) / 4 FROM alarms))",
            [],
        )?;
        store.measure()?;
    }
    if side.figures > shares.figures {
        store.conn.execute_batch(
            "DELETE FROM counts WHERE minute <= (SELECT minute FROM counts ORDER BY minute LIMIT 1 OFFSET (SELECT count(*) / 4 FROM counts));
             DELETE FROM pareto WHERE minute <= (SELECT minute FROM pareto ORDER BY minute LIMIT 1 OFFSET (SELECT count(*) / 4 FROM pareto));",
        )?;
        store.measure()?;
    }
    Ok(())
}

/// Returns free pages to the file system, so that the file shrinks after an outage.
fn give_back(conn: &Connection) -> rusqlite::Result<()> {
    let free: i64 = conn.pragma_query_value(None, "freelist_count", |row| row.get(0))?;
    if free > PAGES_AT_ONCE {
        conn.execute_batch(&format!("PRAGMA incremental_vacuum({PAGES_AT_ONCE})"))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Journal;
    use crate::journal_parts::{PATIENCE, START, good, open, settings, submit};
    use crate::numbers::Numbers;
    use crate::side::Side;

    #[test]
    fn a_time_to_keep_that_no_number_holds_is_for_ever_and_a_day_is_the_least() {
        let keep = |secs| Limits {
            keep: Duration::from_secs(secs),
            max_bytes: 16 << 20,
        };
        assert_eq!(keep(u64::MAX).keep_us(), u64::MAX);
        assert_eq!(keep(999_999_999 * 86_400).keep_us(), u64::MAX);
        assert_eq!(keep(1).keep_us(), 86_400_000_000);
    }

    #[test]
    fn acknowledged_results_go_when_the_station_has_run_so_long_and_others_stay() {
        let folder = tempfile::tempdir().unwrap();
        let journal = open(folder.path());
        (1..=3_000).for_each(|seq| submit(&journal, &good(seq)));
        journal.acknowledge(1_000);
        drop(journal);
        let known = Numbers::read(folder.path(), None).known;
        let path = folder.path().join("journal.sqlite");
        let mut store = Store::open(&path, &known, START).unwrap();
        let limits = Limits {
            keep: Duration::from_secs(3_600),
            max_bytes: 1 << 40,
        };
        let first = |store: &Store| -> u64 {
            let text = "SELECT min(seq) FROM results";
            store.conn.query_row(text, [], |row| row.get(0)).unwrap()
        };
        let (hour, day) = (3_600_000_000, 86_400_000_000);
        let mut at = |age_us: u64| {
            store.age_us = age_us;
            // A thousand at a time, and once more to see that no more go.
            for _ in 0..3 {
                let swept = sweep(&mut store, &limits, START, false).unwrap();
                assert!(!swept.full && swept.removed_unacknowledged == 0);
            }
            first(&store)
        };
        assert_eq!(at(hour), 1);
        assert_eq!(at(20 * hour), 1, "the floor is a day");
        assert_eq!(
            at(hour + day),
            1_001,
            "and what the broker does not have stays"
        );
        assert_eq!(
            (store.state.pending, store.state.removed_to),
            (2_000, 1_000)
        );
    }

    #[test]
    fn the_audit_trail_is_trimmed_within_its_share_and_stays_a_chain() {
        let folder = tempfile::tempdir().unwrap();
        let mut settings = settings(folder.path());
        settings.max_bytes = 4 << 20;
        let journal = Journal::open(settings).unwrap();
        (1..=100).for_each(|seq| submit(&journal, &good(seq)));
        let long = "x".repeat(20_000);
        for n in 0..2_000 {
            while journal
                .audit("mes", "stop", None, None, &format!("{n} {long}"))
                .is_err()
            {
                std::thread::sleep(Duration::from_millis(1));
            }
        }
        assert!(journal.flush(PATIENCE));
        let reader = journal.reader().unwrap();
        let share = (4 << 20) / 8;
        let begin = std::time::Instant::now();
        while Side::of(&reader.conn).unwrap().audit > share {
            assert!(begin.elapsed() < PATIENCE);
            std::thread::sleep(Duration::from_millis(20));
        }
        let chain = reader.verify_audit().unwrap();
        assert_eq!(chain.broken, None);
        assert!(chain.removed_to > 0 && chain.links > 100, "{chain:?}");
        let trimmed = reader.audit_latest(2_000).unwrap();
        let said = trimmed.iter().find(|l| l.action == "journal.audit_trimmed");
        assert!(
            said.unwrap()
                .new
                .as_deref()
                .unwrap()
                .contains("goes on from")
        );
        assert!(trimmed.iter().all(|l| l.reason.chars().count() < 1_100));
        assert_eq!(reader.results_after(0, 200).unwrap().len(), 100);
        assert_eq!(journal.progress().removed_unacknowledged, 0);
    }

    #[test]
    fn shares_add_up() {
        for max_bytes in [16, 600_000, 16 << 20, 1 << 40] {
            let keep = Duration::ZERO;
            let shares = Limits { keep, max_bytes }.shares();
            let Shares {
                audit,
                alarms,
                figures,
                results,
            } = shares;
            assert_eq!(audit + alarms + figures + results, max_bytes);
            assert!(results >= max_bytes / 2);
        }
    }
}
