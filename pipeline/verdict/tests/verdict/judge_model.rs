//! The judge against a naive model, over random interleavings: exactly one decision a part, the right one, whatever
//! comes late, twice, or for nobody.

use crate::common::*;
use proptest::prelude::*;
use sightline_domain::result::StagesUs;
use sightline_domain::{Evaluation, Health, MissReason, MonoTime, TrackId, ViewId};
use sightline_verdict::{Dossier, Judge, OpenError};
use std::collections::BTreeMap;

const VIEWS: u16 = 2;
const TRACKS: u64 = 12;
const ROOM: usize = 3;

#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    Clean,
    Defect,
    Dark,
    Missed,
}

#[derive(Clone, Debug)]
enum Op {
    Open(u64),
    Tell(u64, u16, Kind),
    Arrived(u64, u16),
    Wait(u64),
    Take,
}

fn op() -> impl Strategy<Value = Op> {
    let kind = prop_oneof![
        4 => Just(Kind::Clean), 1 => Just(Kind::Defect), 1 => Just(Kind::Dark), 1 => Just(Kind::Missed)
    ];
    let (track, view) = (1..=TRACKS, 0..VIEWS + 1);
    prop_oneof![
        4 => (1..=TRACKS).prop_map(Op::Open),
        10 => (track, view, kind).prop_map(|(t, v, k)| Op::Tell(t, v, k)),
        2 => (1..=TRACKS, 0..VIEWS).prop_map(|(t, v)| Op::Arrived(t, v)),
        3 => (1u64..60).prop_map(Op::Wait),
        3 => Just(Op::Take),
    ]
}

/// What the naive model knows of a part.
struct Part {
    deadline: MonoTime,
    views: [Option<Kind>; VIEWS as usize],
    verdicts: u32,
    overflow: bool,
}

impl Part {
    fn expected(&self) -> Evaluation {
        if self.views.contains(&Some(Kind::Defect)) {
            Evaluation::NotOK
        } else if self.views.iter().all(|v| *v == Some(Kind::Clean)) {
            Evaluation::OK
        } else {
            Evaluation::NotDecidable
        }
    }
}

struct World {
    judge: Judge,
    parts: BTreeMap<u64, Part>,
    now: MonoTime,
    waiting: usize,
}

impl World {
    fn open(&mut self, track: u64) -> Result<(), TestCaseError> {
        let (plan, t) = (plan(VIEWS.into()), trigger(track, self.now));
        let opened = self.judge.open(&plan, &t);
        if self.parts.contains_key(&track) {
            let track = TrackId(track);
            prop_assert_eq!(opened, Err(OpenError::Duplicate { track }));
            prop_assert!(self.judge.overflow_dossier(&plan, &t, self.now).is_none());
            return Ok(());
        }
        let overflow = self.waiting == ROOM;
        prop_assert_eq!(opened.is_err(), overflow);
        self.parts.insert(
            track,
            Part {
                deadline: self.now + plan.deadline,
                views: [None; VIEWS as usize],
                verdicts: 0,
                overflow,
            },
        );
        if overflow {
            let dossier = self.judge.overflow_dossier(&plan, &t, self.now);
            self.check(&dossier.expect("its first verdict"))?;
        } else {
            self.waiting += 1;
        }
        Ok(())
    }

    fn tell(&mut self, track: u64, view: u16, kind: Kind) {
        let stages = StagesUs::default();
        let (t, now) = (tag(track, view), self.now);
        let defect = [finding(0, 0.9)];
        match kind {
            Kind::Clean => see(&mut self.judge, track, view, &[], now),
            Kind::Defect => see(&mut self.judge, track, view, &defect, now),
            Kind::Dark => {
                let meta = frame(view, Health::TooDark);
                self.judge.seen(&t, &meta, answer(&defect), stages, now);
            }
            Kind::Missed => {
                let reason = MissReason::CameraDown;
                self.judge
                    .missed(TrackId(track), ViewId(view), reason, None, now);
            }
        }
        let Some(part) = self.parts.get_mut(&track) else {
            return;
        };
        if let Some(slot @ None) = part.views.get_mut(usize::from(view))
            && !part.overflow
            && part.verdicts == 0
            && now < part.deadline
        {
            *slot = Some(kind);
        }
    }

    fn take(&mut self) -> Result<(), TestCaseError> {
        while let Some(dossier) = self.judge.next_decided(self.now) {
            self.waiting -= 1;
            self.check(&dossier)?;
            self.judge.recycle(dossier);
        }
        let overdue = self
            .parts
            .values()
            .any(|p| p.verdicts == 0 && p.deadline <= self.now);
        prop_assert!(!overdue, "a part is over its deadline without a verdict");
        Ok(())
    }

    fn check(&mut self, dossier: &Dossier) -> Result<(), TestCaseError> {
        let part = self.parts.get_mut(&dossier.trigger().track_id.0);
        let part = part.expect("only what was opened is decided");
        part.verdicts += 1;
        prop_assert_eq!(part.verdicts, 1);
        prop_assert_eq!(dossier.decision().evaluation, part.expected());
        let all = part.views.iter().all(Option::is_some);
        prop_assert_eq!(dossier.decision().expired, !all && !part.overflow);
        prop_assert!(dossier.decision().expired || dossier.decision().decided < part.deadline);
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]
    #[test]
    fn every_part_is_decided_once_and_by_what_came_in_time(ops in prop::collection::vec(op(), 1..120)) {
        let mut w = World { judge: Judge::new(ROOM), parts: BTreeMap::new(), now: ms(0), waiting: 0 };
        for op in ops {
            match op {
                Op::Open(track) => w.open(track)?,
                Op::Tell(track, view, kind) => w.tell(track, view, kind),
                Op::Arrived(track, view) => {
                    w.judge.arrived(&tag(track, view), &frame(view, Health::Ok), w.now);
                }
                Op::Wait(by) => w.now = w.now + std::time::Duration::from_millis(by),
                Op::Take => w.take()?,
            }
        }
        w.now = w.now + std::time::Duration::from_secs(1);
        w.take()?;
        prop_assert!(w.parts.values().all(|p| p.verdicts == 1));
        let c = w.judge.counters();
        prop_assert_eq!(c.opened, c.decided + c.expired);
        prop_assert_eq!(c.opened + c.overflowed, w.parts.len() as u64);
        prop_assert_eq!((w.judge.open_parts(), w.judge.next_deadline()), (0, None));
    }
}
