//! The broker, and the MES behind it that keeps every result.

use bytes::Bytes;
use sightline_domain::InspectionResult;
use std::collections::BTreeMap;
use uuid::Uuid;

/// What the MES keeps of a result.
#[derive(Clone, Debug)]
pub struct Kept {
    /// Its id.
    pub event_id: Uuid,
    /// Its bytes, as if it had been sent once.
    json: Bytes,
}

/// The MES.
#[derive(Default)]
pub struct Mes {
    /// By number.
    pub kept: BTreeMap<u64, Kept>,
    highest: u64,
    /// Deliveries, repeats included.
    pub deliveries: u64,
}

const REPLAYED: &[u8] = b"\"replayed\":true}";
const FRESH: &[u8] = b"\"replayed\":false}";

impl Mes {
    /// A result arrives; `in_order`: the broker has refused none, so that they come as they were made.
    ///
    /// # Errors
    /// It is under a number of another, differs from what was delivered before, or comes for the first time after a later
    /// one.
    pub fn deliver(&mut self, seq: u64, json: &Bytes, in_order: bool) -> Result<(), String> {
        self.deliveries += 1;
        let once = match json.strip_suffix(REPLAYED) {
            Some(head) => Bytes::from([head, FRESH].concat()),
            None => json.clone(),
        };
        let result: InspectionResult = serde_json::from_slice(json)
            .map_err(|e| format!("result {seq} cannot be read: {e}"))?;
        if result.seq != seq {
            return Err(format!(
                "6, one id for each number: result {} came as number {seq}",
                result.seq
            ));
        }
        let Some(before) = self.kept.get(&seq) else {
            if in_order && seq < self.highest {
                return Err(format!(
                    "5, in order: result {seq} comes for the first time after {}",
                    self.highest
                ));
            }
            self.highest = self.highest.max(seq);
            self.kept.insert(
                seq,
                Kept {
                    event_id: result.event_id,
                    json: once,
                },
            );
            return Ok(());
        };
        if before.event_id != result.event_id {
            return Err(format!(
                "6, one id for each number: {seq} was {} and is {} now",
                before.event_id, result.event_id
            ));
        }
        match before.json == once {
            true => Ok(()),
            false => Err(format!(
                "6, one id for each number: result {seq} is not what it was the first time"
            )),
        }
    }
}
