//! Which track ids were used already: a sliding window of bits, as anti-replay windows of IPsec (RFC 4303, 3.4.3;
//! RFC 6479). Track ids grow but may come a little out of order from several trigger sources.

use sightline_domain::TrackId;

const WORDS: usize = 128;
const BITS: u64 = WORDS as u64 * 64;

/// Remembers the last 8,128 ids or more; any id older than those counts as used.
#[derive(Debug)]
pub(crate) struct TrackWindow {
    words: [u64; WORDS],
    top: u64,
    any: bool,
}

impl TrackWindow {
    pub(crate) const fn new() -> Self {
        Self {
            words: [0; WORDS],
            top: 0,
            any: false,
        }
    }

    /// Whether `track` was marked, or is too old to know.
    pub(crate) fn contains(&self, track: TrackId) -> bool {
        if !self.any || track.0 > self.top {
            return false;
        }
        self.too_old(track) || self.words[word(track.0)] & bit(track.0) != 0
    }

    /// Marks `track`; false if it was marked already or is too old.
    pub(crate) fn mark(&mut self, track: TrackId) -> bool {
        if self.contains(track) {
            return false;
        }
        if !self.any || track.0 > self.top {
            self.advance(track.0);
        }
        self.words[word(track.0)] |= bit(track.0);
        true
    }

    fn too_old(&self, track: TrackId) -> bool {
        (self.top / 64).saturating_sub(track.0 / 64) >= WORDS as u64
    }

    /// Clears the words that the window moves onto.
    fn advance(&mut self, to: u64) {
        if !self.any {
            self.any = true;
        } else {
            let (from, to) = (self.top / 64, to / 64);
            for w in (from + 1..=to).take(WORDS) {
                self.words[(w % WORDS as u64) as usize] = 0;
            }
            if to - from >= WORDS as u64 {
                self.words = [0; WORDS];
            }
        }
        self.top = to;
    }
}

fn word(track: u64) -> usize {
    (track % BITS / 64) as usize
}

fn bit(track: u64) -> u64 {
    1 << (track % 64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    proptest! {
        #[test]
        fn agrees_with_a_set_as_far_as_it_remembers(
            start in 0u64..1 << 40,
            steps in prop::collection::vec((prop_oneof![9 => 0u64..50, 1 => 0u64..20_000], 0u64..9_000), 1..200),
        ) {
            let (mut window, mut set, mut top) = (TrackWindow::new(), BTreeSet::new(), start);
            for (forward, back) in steps {
                top += forward;
                for id in [top, top.saturating_sub(back)] {
                    let new = window.mark(TrackId(id));
                    let really_new = set.insert(id);
                    let known = top - id < BITS - 64;
                    prop_assert!(really_new || !new, "{id} was marked twice");
                    prop_assert!(!known || new == really_new, "{id} of {top}: {new} but {really_new}");
                    prop_assert!(window.contains(TrackId(id)));
                }
            }
        }
    }
}
