//! Which outputs a head has and which shapes it reads.

use super::{Decoder, OutputMisfit, yolox};
use crate::bundle::DecoderKind;

/// What an output is to its head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// The head's only one.
    Only,
    /// Boxes, alone or with their scores.
    Boxes,
    /// Scores.
    Scores,
    /// Class numbers.
    Labels,
    /// Prototypes of masks.
    Masks,
}

impl Role {
    /// In the manifest's words.
    pub fn name(self) -> &'static str {
        match self {
            Self::Only => "output",
            Self::Boxes => "boxes",
            Self::Scores => "scores",
            Self::Labels => "labels",
            Self::Masks => "masks",
        }
    }
}

impl Decoder {
    /// The outputs it reads, in the order in which [`Decoder::decode_all`] takes them; the name where the manifest gives
    /// one, else the file's only output that fits.
    pub fn roles(&self) -> Vec<(Role, Option<&str>)> {
        let Some(names) = &self.spec.outputs else {
            return vec![(Role::Only, None)];
        };
        let mut roles = vec![(Role::Boxes, Some(names.boxes.as_str()))];
        let more = [
            (Role::Labels, &names.labels),
            (Role::Scores, &names.scores),
            (Role::Masks, &names.masks),
        ];
        roles.extend(
            more.into_iter()
                .filter_map(|(role, n)| Some((role, Some(n.as_deref()?)))),
        );
        roles
    }

    /// The shape of one picture's output in a role: sizes, 0 where any will do.
    fn shapes(&self, role: Role) -> Vec<Vec<usize>> {
        let (c, m) = (self.classes, self.mask_weights());
        match (self.kind, role) {
            (_, Role::Masks) => vec![vec![m, 0, 0]],
            (DecoderKind::YoloV8, _) if self.spec.transposed => vec![vec![0, 4 + c]],
            (DecoderKind::YoloV8, _) => vec![vec![4 + c + m, 0]],
            (DecoderKind::YoloV5, _) => vec![vec![0, 5 + c]],
            (DecoderKind::YoloV10, _) => vec![vec![0, 6 + m]],
            (DecoderKind::YoloX, _) => vec![vec![yolox::cells(self.width, self.height), 5 + c]],
            (DecoderKind::Rows, _) => vec![vec![0, self.rows.width]],
            (DecoderKind::BoxesScores, Role::Only) => vec![vec![0, 4 + self.scores.columns()]],
            (DecoderKind::BoxesScores, Role::Scores) => vec![vec![0, self.scores.columns()]],
            (DecoderKind::BoxesLabels, Role::Boxes) if self.has_scores_inside() => vec![vec![0, 5]],
            (_, Role::Boxes) => vec![vec![0, 4]],
            (DecoderKind::BoxesLabels | DecoderKind::BoxesScores, _) => vec![vec![0]],
            (DecoderKind::Classifier, _) if c == 2 => {
                vec![vec![2], vec![2, 1, 1], vec![1], vec![1, 1, 1]]
            }
            (DecoderKind::Classifier, _) => vec![vec![c], vec![c, 1, 1]],
        }
    }

    /// Numbers of a box that mix the prototypes of masks.
    pub(super) fn mask_weights(&self) -> usize {
        usize::from(self.spec.mask_weights.unwrap_or(0))
    }

    fn has_scores_inside(&self) -> bool {
        let names = self.spec.outputs.as_ref();
        names.is_some_and(|n| n.scores.is_none())
    }

    /// Its outputs may have another number of rows for every picture, or no batch axis.
    pub fn varies(&self) -> bool {
        use DecoderKind::{BoxesLabels, Rows, YoloV10};
        matches!(self.kind, Rows | BoxesLabels | YoloV10)
    }

    /// The shape it reads, for people.
    pub fn expected(&self) -> String {
        let roles = self.roles();
        let all: Vec<String> = roles
            .iter()
            .map(|(role, name)| self.expected_of(*role, *name))
            .collect();
        all.join(" and ")
    }

    fn expected_of(&self, role: Role, name: Option<&str>) -> String {
        let (c, m) = (self.classes, self.mask_weights());
        let what = match (self.kind, role) {
            (_, Role::Masks) => ": prototypes".to_owned(),
            (DecoderKind::YoloV8, _) if m > 0 => format!(": 4, {c} classes and {m} weights"),
            (DecoderKind::YoloV10, _) if m > 0 => {
                format!(": corners, score, class and {m} weights")
            }
            (DecoderKind::YoloV8, _) => format!(": 4 and {c} classes"),
            (DecoderKind::YoloV5 | DecoderKind::YoloX, _) => {
                format!(": 4, objectness and {c} classes")
            }
            (DecoderKind::YoloV10, _) => ": corners, score, class".to_owned(),
            (DecoderKind::Rows, _) => format!(": {:?}", self.spec.columns).to_lowercase(),
            (DecoderKind::BoxesScores, Role::Only) => {
                format!(": 4 and {} scores", self.scores.columns())
            }
            _ => String::new(),
        };
        let of_shape = |shape: &Vec<usize>| {
            let open = if self.kind == DecoderKind::YoloV10 {
                "K"
            } else {
                "A"
            };
            let size = |&n: &usize| {
                if n == 0 {
                    open.to_owned()
                } else {
                    n.to_string()
                }
            };
            let sizes: Vec<String> = shape.iter().map(size).collect();
            let batch = if self.rows.unbatched() { "" } else { "N, " };
            format!("[{batch}{}]", sizes.join(", "))
        };
        let shapes: Vec<String> = self.shapes(role).iter().map(of_shape).collect();
        let name = name.map(|n| format!("{n} ")).unwrap_or_default();
        format!("{name}{}{what}", shapes.join(" or "))
    }

    /// Whether its only output can have the shape `dims` (the batch first, -1 where open).
    ///
    /// # Errors
    /// [`OutputMisfit`] with both sides.
    pub fn fits(&self, dims: &[i64]) -> Result<(), OutputMisfit> {
        self.fits_role(Role::Only, None, dims).map(|_| ())
    }

    /// Whether an output in `role` can have the shape `dims` (-1 where open), and whether its first axis is the batch.
    ///
    /// # Errors
    /// [`OutputMisfit`] with both sides.
    pub fn fits_role(
        &self,
        role: Role,
        name: Option<&str>,
        dims: &[i64],
    ) -> Result<bool, OutputMisfit> {
        // -1: open in the file; 0: open in the head
        let fits = |dim: i64, wanted: usize| match wanted {
            0 => dim != 0 || self.varies(),
            _ => dim < 0 || dim == wanted as i64,
        };
        for shape in self.shapes(role) {
            let same = |dims: &[i64]| {
                dims.len() == shape.len() && dims.iter().zip(&shape).all(|(&d, &s)| fits(d, s))
            };
            if !self.rows.unbatched() && !dims.is_empty() && same(&dims[1..]) {
                return Ok(true);
            }
            let may_lack_batch = matches!(self.kind, DecoderKind::Rows | DecoderKind::BoxesLabels);
            if may_lack_batch && same(dims) {
                return Ok(false);
            }
        }
        Err(OutputMisfit {
            decoder: self.kind.name(),
            expected: self.expected_of(role, name),
            found: dims.to_vec(),
        })
    }

    /// Whether one picture's values in a role have a shape that it reads.
    pub(super) fn fits_exactly(&self, role: Role, dims: &[usize]) -> bool {
        let fits = |dim: usize, wanted: usize| match wanted {
            0 => dim > 0 || self.varies(),
            _ => dim == wanted,
        };
        let same = |shape: &[usize]| {
            dims.len() == shape.len() && dims.iter().zip(shape).all(|(&d, &s)| fits(d, s))
        };
        // the frequent heads without a list of shapes, which would allocate for every region
        let (c, m) = (self.classes, self.mask_weights());
        match self.kind {
            _ if role == Role::Masks => same(&[m, 0, 0]),
            DecoderKind::YoloV8 if self.spec.transposed => same(&[0, 4 + c]),
            DecoderKind::YoloV8 => same(&[4 + c + m, 0]),
            DecoderKind::YoloV5 => same(&[0, 5 + c]),
            DecoderKind::YoloV10 => same(&[0, 6 + m]),
            DecoderKind::YoloX => same(&[yolox::cells(self.width, self.height), 5 + c]),
            DecoderKind::Rows => same(&[0, self.rows.width]),
            DecoderKind::Classifier => {
                let count = |n| same(&[n]) || same(&[n, 1, 1]);
                count(c) || (c == 2 && count(1))
            }
            DecoderKind::BoxesScores | DecoderKind::BoxesLabels => {
                self.shapes(role).iter().any(|shape| same(shape))
            }
        }
    }
}
