//! A broker that closes the connection over a message that it refuses, without saying which one.
//!
//! After such an end the next connection is careful: of the groups of topics that the broker has not yet acknowledged
//! anything of, one is in flight at a time. When that ends the connection again and again, it is the one.

use crate::mqtt::Kind;
use std::collections::{BTreeMap, BTreeSet};

/// Connections that must have ended over a group alone before it is blamed.
const TIMES: u32 = 3;

#[derive(Debug, Default)]
pub(crate) struct Suspicion {
    careful: bool,
    times: BTreeMap<String, u32>,
    /// Groups of which this connection has acknowledged something.
    proven: BTreeSet<String>,
    /// Groups in flight of which it has not, with the topic.
    open: BTreeMap<String, String>,
}

impl Suspicion {
    /// Whether something of `group` may be sent now.
    pub(crate) fn may(&self, group: &str) -> bool {
        !self.careful || self.proven.contains(group) || self.open.is_empty()
    }

    /// Nothing of `group` has been acknowledged, and that matters now.
    pub(crate) fn is_careful_of(&self, group: &str) -> bool {
        self.careful && !self.proven.contains(group)
    }

    pub(crate) fn sent(&mut self, group: &str, topic: &str) {
        if !self.proven.contains(group) {
            self.open.insert(group.into(), topic.into());
        }
    }

    /// The broker has answered, whatever it said.
    pub(crate) fn answered(&mut self, group: &str) {
        if !self.proven.contains(group) {
            self.open.remove(group);
            self.times.remove(group);
            self.proven.insert(group.into());
        }
    }

    /// Nothing is in flight that could be to blame.
    pub(crate) fn is_clear(&self) -> bool {
        self.open.is_empty()
    }

    /// The connection was ended by the broker: the group and topic to blame, if that is clear.
    pub(crate) fn ended(&mut self, kind: Kind) -> Option<(String, String)> {
        self.proven.clear();
        let open = std::mem::take(&mut self.open);
        let by_broker = matches!(kind, Kind::Closed | Kind::NotAuthorised | Kind::Refused);
        if open.is_empty() || !by_broker {
            return None;
        }
        if !std::mem::replace(&mut self.careful, true) || open.len() > 1 {
            return None;
        }
        let (group, topic) = open.into_iter().next()?;
        let times = self.times.entry(group.clone()).or_default();
        *times += 1;
        if *times < TIMES && kind != Kind::NotAuthorised {
            return None;
        }
        self.times.remove(&group);
        Some((group, topic))
    }

    /// The broker was away, or has kept a connection for a while: there is nobody to blame.
    pub(crate) fn forget(&mut self) {
        self.careful = false;
        self.times.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_group_over_which_the_connection_ends_is_found() {
        let mut suspicion = Suspicion::default();
        let groups = ["status", "model/active", "result"];
        let mut blamed = None;
        let mut connections = 0;
        while blamed.is_none() {
            connections += 1;
            assert!(connections < 10, "{suspicion:?}");
            // The broker closes as soon as it sees model/active.
            for group in groups {
                if !suspicion.may(group) {
                    continue;
                }
                suspicion.sent(group, group);
                if group == "model/active" {
                    break;
                }
                suspicion.answered(group);
            }
            blamed = suspicion.ended(Kind::Closed);
        }
        let expected = ("model/active".to_string(), "model/active".to_string());
        assert_eq!(blamed, Some(expected));
        assert_eq!(connections, 4);
    }

    #[test]
    fn several_at_once_blame_nobody_and_are_sent_alone_then() {
        let mut suspicion = Suspicion::default();
        for group in ["a", "b"] {
            assert!(suspicion.may(group));
            suspicion.sent(group, group);
        }
        assert_eq!(suspicion.ended(Kind::NotAuthorised), None);
        suspicion.sent("a", "a");
        assert!(!suspicion.may("b"));
        assert_eq!(
            suspicion.ended(Kind::NotAuthorised),
            Some(("a".into(), "a".into()))
        );
    }

    #[test]
    fn a_network_that_fails_blames_nobody() {
        let mut suspicion = Suspicion::default();
        for _ in 0..10 {
            suspicion.sent("a", "a");
            assert_eq!(suspicion.ended(Kind::Away), None);
        }
        assert!(suspicion.may("b"));
        suspicion.sent("a", "a");
        assert_eq!(suspicion.ended(Kind::Closed), None);
        suspicion.forget();
        suspicion.sent("a", "a");
        assert!(suspicion.may("b"));
    }
}
