//! The parts on the belt: where each lies and what is wrong with it, from the line's seed.

use crate::belt::BeltSettings;
use crate::boards::{Board, Defect, DefectMix, Defects, MAX_DEFECTS, Planner};
use crate::fault::FaultScript;
use crate::seed;
use crate::truth::PartTruth;
use rand::RngExt;
use serde::{Deserialize, Serialize};
use sightline_domain::TrackId;
use std::sync::Arc;

/// Cameras of one line at most.
pub const MAX_CAMERAS: usize = 16;

/// How often parts are defective, and how badly.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PartMix {
    /// Share of parts with defects, 0..=1.
    pub defective_share: f64,
    /// Fewest defects of a defective part, over all its faces.
    pub min_defects: u32,
    /// Most defects of a defective part, over all its faces, at most [`MAX_DEFECTS`].
    pub max_defects: u32,
    /// How often each kind comes.
    pub kinds: DefectMix,
}

impl Default for PartMix {
    fn default() -> Self {
        Self {
            defective_share: 0.2,
            min_defects: 1,
            max_defects: 4,
            kinds: DefectMix::default(),
        }
    }
}

/// One part: its number, place, seed and defects, without heap memory.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PartSpec {
    /// The part's number, from 1 without gaps.
    pub track: TrackId,
    /// The belt's position when the part is at the photo-eye, mm.
    pub position_mm: f64,
    /// What its own roughness and noise are drawn from.
    pub seed: u64,
    defects: Defects,
    /// End of each face's defects in the list.
    face_end: [u8; MAX_CAMERAS],
}

impl PartSpec {
    /// The defects that `camera` sees.
    pub fn defects(&self, camera: usize) -> &[Defect] {
        let end = |c: usize| usize::from(self.face_end[c.min(MAX_CAMERAS - 1)]);
        let start = if camera == 0 { 0 } else { end(camera - 1) };
        self.defects.get(start..end(camera)).unwrap_or_default()
    }

    /// What the truth book is told.
    pub fn truth(&self) -> PartTruth {
        let mut truth = PartTruth::default();
        for defect in self.defects.iter() {
            truth.add(defect.kind.class());
        }
        truth
    }
}

/// Makes the parts in their order, for ever. The same seed and boards give the same parts.
#[derive(Debug)]
pub struct Parts {
    seed: u64,
    belt: BeltSettings,
    mix: PartMix,
    boards: Vec<Arc<Board>>,
    planner: Planner,
    next: u64,
    position_mm: f64,
}

impl Parts {
    /// Parts with one face for each of `boards` (cameras in order); without boards the parts have no defects of their own,
    /// as when real pictures lie on the belt.
    pub fn new(seed: u64, belt: BeltSettings, mix: PartMix, boards: Vec<Arc<Board>>) -> Self {
        Self {
            seed,
            belt,
            mix,
            boards,
            planner: Planner::default(),
            next: 1,
            position_mm: 0.0,
        }
    }

    /// The next part; bursts of `faults` that are given in time count the belt's running time.
    pub fn next(&mut self, faults: &FaultScript) -> PartSpec {
        let track = TrackId(self.next);
        let part_seed = seed::derive(self.seed, self.next);
        let mut rng = seed::stream(part_seed, 0x9A27);
        let (least, most) = (self.belt.spacing_min_mm, self.belt.spacing_max_mm);
        let spacing = if most > least {
            rng.random_range(least..most)
        } else {
            least
        };
        let running_ns = (self.position_mm / self.belt.speed_mm_s * 1e9) as u64;
        self.position_mm += spacing / faults.burst(track, running_ns);
        self.next += 1;
        let mut part = PartSpec {
            track,
            position_mm: self.position_mm,
            seed: part_seed,
            defects: Defects::default(),
            face_end: [0; MAX_CAMERAS],
        };
        let share = self.mix.defective_share.clamp(0.0, 1.0);
        if rng.random_bool(share) && !self.boards.is_empty() {
            let limit = |n: u32| (n as usize).clamp(1, MAX_DEFECTS);
            let (least, most) = (limit(self.mix.min_defects), limit(self.mix.max_defects));
            let count = rng.random_range(least..=most.max(least));
            self.spoil(&mut part, count, &mut rng);
        }
        part
    }

    /// Spreads `count` defects over the part's faces at random.
    fn spoil(&mut self, part: &mut PartSpec, count: usize, rng: &mut impl rand::Rng) {
        let faces = self.boards.len().min(MAX_CAMERAS);
        let mut counts = [0usize; MAX_CAMERAS];
        for _ in 0..count {
            counts[rng.random_range(0..faces)] += 1;
        }
        for (face, board) in self.boards.iter().enumerate().take(faces) {
            if counts[face] > 0 {
                let seed = seed::derive(part.seed, face as u64);
                for defect in self
                    .planner
                    .plan(board, seed, counts[face], &self.mix.kinds)
                    .iter()
                {
                    part.defects.push(*defect);
                }
            }
            part.face_end[face] = part.defects.len() as u8;
        }
        part.face_end[faces..].fill(part.defects.len() as u8);
    }
}
