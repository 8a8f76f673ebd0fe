//! Refusals that come in any number: the first of a kind are written down one by one, the rest counted and summed up once
//! a minute. The audit trail, the broker and the log then hold what happened, not how often somebody could repeat it.

use sightline_domain::MonoTime;
use std::collections::HashMap;
use std::time::Duration;

/// Written down one by one in each window.
const ONE_BY_ONE: u32 = 10;
const WINDOW: Duration = Duration::from_secs(60);
/// Kinds that are told apart; others are one.
const KINDS: usize = 32;

struct Kind {
    since: MonoTime,
    said: u32,
    more: u64,
    /// The reason of the first that was not written down.
    example: String,
}

/// How many of each kind came lately.
#[derive(Default)]
pub struct Flood(HashMap<String, Kind>);

/// What was not written down one by one.
#[derive(Debug, PartialEq, Eq)]
pub struct Summary {
    pub action: String,
    pub reason: String,
}

impl Flood {
    /// True: this one is written down. `action` names the kind, by its first word.
    pub fn passes(&mut self, action: &str, reason: &str, now: MonoTime) -> bool {
        let word = action.split([' ', ':']).next().unwrap_or_default();
        let known = self.0.contains_key(word) || self.0.len() < KINDS;
        let kind = self.0.entry(if known { word } else { "other" }.into());
        let kind = kind.or_insert_with(|| Kind {
            since: now,
            said: 0,
            more: 0,
            example: String::new(),
        });
        if kind.said < ONE_BY_ONE {
            kind.said += 1;
            return true;
        }
        if kind.more == 0 {
            kind.example = reason.chars().take(300).collect();
        }
        kind.more += 1;
        false
    }

    /// What is to be summed up now; with `all`, also what would have time.
    pub fn due(&mut self, now: MonoTime, all: bool) -> Vec<Summary> {
        let mut due = Vec::new();
        self.0.retain(|action, kind| {
            let over = all || now.since(kind.since) >= WINDOW;
            if over && kind.more > 0 {
                let seconds = now.since(kind.since).as_secs();
                due.push(Summary {
                    action: action.clone(),
                    reason: format!(
                        "{} more like this in {seconds} s: {}",
                        grouped(kind.more),
                        kind.example
                    ),
                });
            }
            !over
        });
        due
    }
}

/// `1,234`.
fn grouped(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_are_written_down_and_the_rest_summed_up() {
        let mut flood = Flood::default();
        let at = |s: u64| MonoTime(s * 1_000_000_000);
        let passed = (0..1_244).filter(|_| flood.passes("stop", "refused: no", at(1)));
        assert_eq!(passed.count(), 10);
        assert!(flood.passes("log-in-refused", "", at(1)), "another kind");
        assert_eq!(flood.due(at(30), false), []);
        let summary = Summary {
            action: "stop".into(),
            reason: "1,234 more like this in 60 s: refused: no".into(),
        };
        assert_eq!(flood.due(at(61), false), [summary]);
        assert!(flood.passes("stop", "refused: no", at(62)), "a new window");
    }

    #[test]
    fn kinds_in_any_number_take_no_more_room() {
        let mut flood = Flood::default();
        for n in 0..10_000 {
            flood.passes(&format!("verb{n}"), "refused", MonoTime(0));
        }
        assert!(flood.0.len() <= KINDS + 1);
        assert_eq!(flood.due(MonoTime(0), true).len(), 1);
        assert_eq!(grouped(1_000_000), "1,000,000");
    }
}
