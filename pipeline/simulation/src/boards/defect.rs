//! The six kinds of defect, how often each comes, and what is true of a drawn picture.

use super::brush::{Stroke, Style};
use serde::{Deserialize, Serialize};
use sightline_domain::{BoxView, ClassId};

/// The six DeepPCB kinds, in that data set's order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DefectKind {
    /// A trace is cut through.
    Open,
    /// Two nets are joined.
    Short,
    /// A bite is missing from a copper edge.
    Mousebite,
    /// Copper sticks out of an edge.
    Spur,
    /// An island of copper in the substrate.
    SpuriousCopper,
    /// A hole inside copper.
    PinHole,
}

impl DefectKind {
    /// All kinds, in class order.
    pub const ALL: [Self; 6] = [
        Self::Open,
        Self::Short,
        Self::Mousebite,
        Self::Spur,
        Self::SpuriousCopper,
        Self::PinHole,
    ];

    /// The class of a six-class DeepPCB model, from 0.
    pub fn class(self) -> ClassId {
        ClassId(self as u16)
    }

    /// The class's code, the name DeepPCB gives it.
    pub fn code(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Short => "short",
            Self::Mousebite => "mousebite",
            Self::Spur => "spur",
            Self::SpuriousCopper => "copper",
            Self::PinHole => "pin-hole",
        }
    }

    /// True when the defect is copper too much, false when copper is missing.
    pub fn adds_copper(self) -> bool {
        matches!(self, Self::Short | Self::Spur | Self::SpuriousCopper)
    }
}

/// How often each kind comes, relative weights.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DefectMix {
    /// Weight of opens.
    pub open: f32,
    /// Weight of shorts.
    pub short: f32,
    /// Weight of mousebites.
    pub mousebite: f32,
    /// Weight of spurs.
    pub spur: f32,
    /// Weight of spurious copper.
    pub copper: f32,
    /// Weight of pin-holes.
    pub pin_hole: f32,
}

impl Default for DefectMix {
    /// The shares of DeepPCB's training list.
    fn default() -> Self {
        Self {
            open: 1.28,
            short: 1.03,
            mousebite: 1.38,
            spur: 1.14,
            copper: 1.01,
            pin_hole: 1.03,
        }
    }
}

impl DefectMix {
    /// The weights in class order, negative and non-finite ones as 0.
    pub fn weights(&self) -> [f32; 6] {
        [
            self.open,
            self.short,
            self.mousebite,
            self.spur,
            self.copper,
            self.pin_hole,
        ]
        .map(|w| if w.is_finite() { w.max(0.0) } else { 0.0 })
    }
}

/// Defects on one picture at most.
pub const MAX_DEFECTS: usize = 16;

/// One planned defect of a part, in its design's own coordinates.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Defect {
    /// Its kind.
    pub kind: DefectKind,
    pub(crate) stroke: Stroke,
    /// The rectangle of all pixels it changes, in pixels of the golden picture.
    pub changed: BoxView,
}

impl Defect {
    /// The box an annotator would draw on the golden picture: the changed pixels and [`ANNOTATION_MARGIN_PX`] around them.
    pub fn bbox_view(&self, width: u32, height: u32) -> BoxView {
        annotated(self.changed, width, height)
    }
}

/// Pixels DeepPCB's annotations leave between a defect and its box, on every side.
pub const ANNOTATION_MARGIN_PX: f32 = 10.0;

/// `changed` with the annotation margin, inside the picture.
pub(crate) fn annotated(changed: BoxView, width: u32, height: u32) -> BoxView {
    let m = ANNOTATION_MARGIN_PX;
    BoxView {
        x: changed.x - m,
        y: changed.y - m,
        w: changed.w + 2.0 * m,
        h: changed.h + 2.0 * m,
    }
    .clipped(width, height)
}

/// A picture's planned defects, at most [`MAX_DEFECTS`], without heap memory.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Defects {
    list: [Defect; MAX_DEFECTS],
    count: usize,
}

impl Default for Defects {
    fn default() -> Self {
        let none = Defect {
            kind: DefectKind::Open,
            stroke: Stroke {
                points: [(0.0, 0.0); super::brush::MAX_POINTS],
                count: 2,
                radius: (0.0, 0.0),
                style: Style::Round,
                seed: 0,
            },
            changed: BoxView::default(),
        };
        Self {
            list: [none; MAX_DEFECTS],
            count: 0,
        }
    }
}

impl Defects {
    pub(crate) fn push(&mut self, defect: Defect) {
        if self.count < MAX_DEFECTS {
            self.list[self.count] = defect;
            self.count += 1;
        }
    }
}

impl std::ops::Deref for Defects {
    type Target = [Defect];
    fn deref(&self) -> &[Defect] {
        &self.list[..self.count]
    }
}

/// One defect as it lies in a drawn picture.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TrueDefect {
    /// Its kind.
    pub kind: DefectKind,
    /// The annotator's box, pixels of the drawn picture.
    pub bbox_view: BoxView,
}

/// What is true of a drawn picture: its defects, without heap memory.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FrameTruth {
    list: [TrueDefect; MAX_DEFECTS],
    count: usize,
}

impl Default for FrameTruth {
    fn default() -> Self {
        let none = TrueDefect {
            kind: DefectKind::Open,
            bbox_view: BoxView::default(),
        };
        Self {
            list: [none; MAX_DEFECTS],
            count: 0,
        }
    }
}

impl FrameTruth {
    pub(crate) fn push(&mut self, defect: TrueDefect) {
        if self.count < MAX_DEFECTS {
            self.list[self.count] = defect;
            self.count += 1;
        }
    }
}

impl std::ops::Deref for FrameTruth {
    type Target = [TrueDefect];
    fn deref(&self) -> &[TrueDefect] {
        &self.list[..self.count]
    }
}
