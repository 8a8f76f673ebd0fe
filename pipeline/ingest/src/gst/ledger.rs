//! Which pictures of a pipeline may be damaged: every encoded picture that enters a decoder gets a number, which travels
//! with it to our pad, and is looked up there. Pure: GStreamer is told apart in `damage`.

use super::bitstream::Kind;
use std::collections::VecDeque;

/// Pictures that are remembered; a decoded one that waits longer is not trusted.
const REMEMBERED: usize = 1_024;
/// Losses that are kept apart; more are one long one.
const LOSSES: usize = 256;
/// Pictures without a time stamp that a loss may have hit.
const BLIND: u32 = 2;

/// One encoded picture.
#[derive(Clone, Copy, Debug)]
struct Unit {
    stage: usize,
    pts: Option<u64>,
    damaged: bool,
    /// It has left its decoder.
    out: bool,
}

/// A stretch of time stamps of which something was lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Loss {
    pub(super) from: u64,
    pub(super) to: u64,
    /// Whole pictures are missing; those that are there are sound.
    pub(super) whole: bool,
}

/// Whether what a decoder keeps of earlier pictures can be trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Trust {
    Broken,
    /// So many more pictures that others refer to.
    Refreshing(u32),
    /// Except for what is shown before this.
    From(u64),
    Sound,
}

/// What is known of an encoded picture that enters a decoder.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entering {
    pub(super) pts: Option<u64>,
    pub(super) kind: Kind,
    /// Damage stays in the picture it hit.
    pub(super) intra: bool,
    /// It is damaged itself.
    pub(super) damaged: bool,
    /// Something before it is missing.
    pub(super) discont: bool,
}

#[derive(Debug, Default)]
pub(super) struct Ledger {
    units: VecDeque<Unit>,
    /// The number of the first one.
    first: u64,
    stages: Vec<Trust>,
    losses: VecDeque<Loss>,
    /// Pictures without a time stamp that are still in doubt.
    blind: u32,
}

impl Ledger {
    /// A further decoder. It has seen no key picture yet.
    pub(super) fn stage(&mut self) -> usize {
        self.stages.push(Trust::Broken);
        self.stages.len() - 1
    }

    /// Something was lost on the way to the decoders.
    pub(super) fn lost(&mut self, loss: Loss) {
        if self.losses.len() == LOSSES
            && let (Some(a), Some(b)) = (self.losses.pop_front(), self.losses.front_mut())
        {
            b.from = b.from.min(a.from);
            b.to = b.to.max(a.to);
            b.whole &= a.whole;
        }
        self.losses.push_back(loss);
        self.blind = BLIND;
    }

    /// Time stamps begin anew: earlier losses say nothing of what comes.
    pub(super) fn forget_losses(&mut self) {
        self.losses.clear();
    }

    fn hit(&mut self, pts: Option<u64>) -> bool {
        match pts {
            Some(pts) => self
                .losses
                .iter()
                .any(|l| !l.whole && (l.from..=l.to).contains(&pts)),
            None => {
                let blind = self.blind > 0;
                self.blind = self.blind.saturating_sub(1);
                blind
            }
        }
    }

    /// Something that came before this is missing.
    fn follows_loss(&self, pts: Option<u64>) -> bool {
        match pts {
            Some(pts) => self.losses.iter().any(|l| l.from <= pts),
            None => !self.losses.is_empty(),
        }
    }

    /// A picture enters a decoder; its number.
    pub(super) fn enter(&mut self, stage: usize, unit: Entering) -> u64 {
        let hit = self.hit(unit.pts);
        let touched = unit.damaged || hit || unit.kind == Kind::Headless;
        let damaged = if unit.intra {
            touched
        } else {
            self.refer(stage, &unit, touched)
        };
        if touched && !unit.intra {
            self.spoil(stage);
        }
        if self.units.len() == REMEMBERED {
            self.units.pop_front();
            self.first += 1;
        }
        self.units.push_back(Unit {
            stage,
            pts: unit.pts,
            damaged,
            out: false,
        });
        self.first + self.units.len() as u64 - 1
    }

    /// Damage of a picture that may refer to others, or be referred to.
    fn refer(&mut self, stage: usize, unit: &Entering, touched: bool) -> bool {
        let trust = self.stages[stage];
        let heals = matches!(unit.kind, Kind::Key | Kind::Open | Kind::Refresh(_)) && !touched;
        let missing = unit.discont || self.follows_loss(unit.pts);
        if heals && let Some(pts) = unit.pts {
            self.losses.retain(|l| l.to > pts);
        } else if heals {
            self.losses.clear();
        }
        let trust = match (unit.kind, trust) {
            _ if touched && unit.kind == Kind::Spare && !missing => trust,
            _ if touched => Trust::Broken,
            (Kind::Key, _) | (Kind::Refresh(0), _) => Trust::Sound,
            (Kind::Open, Trust::Sound) if !missing => Trust::Sound,
            (Kind::Open, _) => Trust::From(unit.pts.unwrap_or(u64::MAX)),
            (Kind::Refresh(_), Trust::Sound) if !missing => Trust::Sound,
            (Kind::Refresh(frames), _) => Trust::Refreshing(frames),
            _ if missing => Trust::Broken,
            // without time stamps, what others refer to is the first that is not shown before
            (Kind::Delta | Kind::Intra, Trust::From(_)) if unit.pts.is_none() => Trust::Sound,
            (Kind::Delta | Kind::Intra, Trust::Refreshing(0 | 1)) => Trust::Sound,
            (Kind::Delta | Kind::Intra, Trust::Refreshing(left)) => Trust::Refreshing(left - 1),
            (_, trust) => trust,
        };
        self.stages[stage] = trust;
        match trust {
            _ if touched => true,
            Trust::Sound => false,
            Trust::From(_) if unit.kind == Kind::Open => false,
            Trust::From(pts) => unit.pts.is_none_or(|own| own < pts),
            Trust::Broken | Trust::Refreshing(_) => unit.kind != Kind::Intra,
        }
    }

    /// What has not left this decoder yet may be parts of the same picture (fields, slices).
    fn spoil(&mut self, stage: usize) {
        for unit in self.units.iter_mut().rev().take(64) {
            unit.damaged |= unit.stage == stage && !unit.out;
        }
    }

    /// A decoder erred: on what it holds, and with that on what follows.
    pub(super) fn erred(&mut self, stage: usize, intra: bool) {
        self.spoil(stage);
        if !intra {
            self.stages[stage] = Trust::Broken;
        }
    }

    /// A picture leaves its decoder.
    pub(super) fn leave(&mut self, number: u64) {
        if let Some(unit) = self.place(number).and_then(|at| self.units.get_mut(at)) {
            unit.out = true;
        }
    }

    fn place(&self, number: u64) -> Option<usize> {
        usize::try_from(number.checked_sub(self.first)?).ok()
    }

    /// Whether this picture may be damaged. What is not remembered any more may be.
    pub(super) fn is_damaged(&self, number: u64) -> bool {
        let unit = self.place(number).and_then(|at| self.units.get(at));
        unit.is_none_or(|unit| unit.damaged)
    }

    /// Whether a picture that lost its number may be damaged: one near its time is (elements that mix pictures take their
    /// neighbours), or something was lost there.
    pub(super) fn is_damaged_near(&mut self, pts: Option<u64>) -> bool {
        if self.units.is_empty() {
            return self.hit(pts);
        }
        let Some(pts) = pts else {
            return self.units.iter().rev().take(64).any(|unit| unit.damaged);
        };
        let stamped = || self.units.iter().filter_map(|u| Some((u.pts?, u.damaged)));
        let mut near: [Option<(u64, bool)>; 4] = [None; 4];
        for (at, damaged) in stamped() {
            let side = if at <= pts { 0 } else { 2 };
            insert(&mut near[side..side + 2], (at, damaged), pts);
        }
        near.iter().flatten().count() == 0 || near.iter().flatten().any(|(_, damaged)| *damaged)
    }
}

/// Keeps the two that are nearest to `pts`.
fn insert(best: &mut [Option<(u64, bool)>], unit: (u64, bool), pts: u64) {
    let far = |u: &Option<(u64, bool)>| u.map_or(u64::MAX, |(at, _)| at.abs_diff(pts));
    let own = unit.0.abs_diff(pts);
    if own < far(&best[0]) {
        best[1] = best[0];
        best[0] = Some(unit);
    } else if own < far(&best[1]) {
        best[1] = Some(unit);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A stream of pictures 10 apart.
    struct Rig(Ledger, usize, u64);

    impl Rig {
        fn new() -> Self {
            let mut ledger = Ledger::default();
            let stage = ledger.stage();
            Self(ledger, stage, 0)
        }

        fn with(&mut self, kind: Kind, change: impl Fn(&mut Entering)) -> bool {
            self.2 += 10;
            let mut unit = Entering {
                pts: Some(self.2),
                kind,
                intra: false,
                damaged: false,
                discont: false,
            };
            change(&mut unit);
            let number = self.0.enter(self.1, unit);
            self.0.leave(number);
            self.0.is_damaged(number)
        }

        fn next(&mut self, kind: Kind) -> bool {
            self.with(kind, |_| {})
        }

        fn lost(&mut self, from: u64, to: u64, whole: bool) {
            self.0.lost(Loss { from, to, whole });
        }
    }

    #[test]
    fn nothing_is_sound_before_the_first_key_picture() {
        let mut rig = Rig::new();
        let kinds = [
            Kind::Delta,
            Kind::Intra,
            Kind::Delta,
            Kind::Key,
            Kind::Delta,
        ];
        assert_eq!(
            kinds.map(|k| rig.next(k)),
            [true, false, true, false, false]
        );
    }

    #[test]
    fn a_loss_lasts_until_a_whole_key_picture() {
        let mut rig = Rig::new();
        assert!(!rig.next(Kind::Key));
        rig.lost(20, 20, false);
        assert!(rig.next(Kind::Delta) && rig.next(Kind::Delta));
        rig.lost(40, 40, false);
        assert!(rig.next(Kind::Key), "its own packets were lost");
        assert!(rig.next(Kind::Delta));
        assert!(!rig.next(Kind::Key) && !rig.next(Kind::Delta));
        rig.lost(81, 85, true);
        assert!(!rig.next(Kind::Delta), "it is from before");
        assert!(rig.next(Kind::Delta), "what it refers to never came");
        assert!(!rig.next(Kind::Key) && !rig.next(Kind::Delta));
    }

    #[test]
    fn damage_of_what_nothing_refers_to_stays_there() {
        let mut rig = Rig::new();
        rig.next(Kind::Key);
        assert!(rig.with(Kind::Spare, |u| u.damaged = true));
        assert!(!rig.next(Kind::Delta));
        assert!(rig.with(Kind::Delta, |u| u.discont = true));
        assert!(rig.next(Kind::Spare));
    }

    #[test]
    fn pictures_for_themselves_are_damaged_for_themselves() {
        let mut rig = Rig::new();
        let mut next = |damaged| rig.with(Kind::Key, |u| (u.intra, u.damaged) = (true, damaged));
        assert_eq!([false, true, false].map(&mut next), [false, true, false]);
        rig.lost(40, 50, false);
        let more = [0; 3].map(|_| rig.with(Kind::Key, |u| u.intra = true));
        assert_eq!(more, [true, true, false]);
    }

    #[test]
    fn open_groups_and_gradual_refreshes_heal_as_they_say() {
        let mut rig = Rig::new();
        assert!(!rig.with(Kind::Open, |u| u.pts = Some(100)));
        assert!(
            rig.with(Kind::Spare, |u| u.pts = Some(90)),
            "shown before it"
        );
        assert!(!rig.with(Kind::Delta, |u| u.pts = Some(110)));
        rig.0.erred(rig.1, false);
        rig.2 = 110;
        assert!(rig.next(Kind::Delta));
        assert!(rig.next(Kind::Refresh(3)) && rig.next(Kind::Delta) && rig.next(Kind::Spare));
        assert!(rig.next(Kind::Delta) && !rig.next(Kind::Delta));
        let mut blind = Rig::new();
        let kinds = [Kind::Open, Kind::Spare, Kind::Delta, Kind::Spare];
        let damaged = kinds.map(|kind| blind.with(kind, |u| u.pts = None));
        assert_eq!(damaged, [false, true, false, false]);
    }

    #[test]
    fn an_error_spoils_what_has_not_left_the_decoder() {
        let mut ledger = Ledger::default();
        let stage = ledger.stage();
        let unit = |pts| Entering {
            pts: Some(pts),
            kind: if pts == 0 { Kind::Key } else { Kind::Delta },
            intra: false,
            damaged: false,
            discont: false,
        };
        let all: Vec<_> = (0..7).map(|n| ledger.enter(stage, unit(n * 10))).collect();
        all[..5].iter().for_each(|number| ledger.leave(*number));
        ledger.erred(stage, false);
        let damaged: Vec<_> = all.iter().map(|n| ledger.is_damaged(*n)).collect();
        assert_eq!(damaged, [false, false, false, false, false, true, true]);
        assert!(!ledger.is_damaged_near(Some(12)), "four sound ones around");
        assert!(ledger.is_damaged_near(Some(32)), "the next but one is not");
        assert!(ledger.is_damaged(99) && ledger.is_damaged_near(None));
    }

    #[test]
    fn what_is_forgotten_is_not_trusted_and_losses_never_overflow() {
        let mut rig = Rig::new();
        rig.next(Kind::Key);
        for _ in 0..REMEMBERED {
            rig.next(Kind::Delta);
        }
        assert!(rig.0.is_damaged(0) && !rig.0.is_damaged(1));
        for at in 0..600 {
            rig.lost(at * 100, at * 100, false);
        }
        assert_eq!(rig.0.losses.len(), LOSSES);
        assert!(rig.0.hit(Some(50)), "old ones have become one");
    }
}
