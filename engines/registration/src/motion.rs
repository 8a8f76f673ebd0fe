//! How a part can lie: an affine map from the golden picture to the part, about the pictures' centre.

/// What may differ between the golden picture and the part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mode {
    /// Shift.
    Translation,
    /// Shift and rotation.
    Euclidean,
    /// Shift, rotation, scale, shear.
    Affine,
}

impl Mode {
    /// How many numbers describe it.
    pub(crate) fn parameters(self) -> usize {
        match self {
            Self::Translation => 2,
            Self::Euclidean => 3,
            Self::Affine => 6,
        }
    }
}

/// `p -> linear · p + shift`, both sides in pixels from the picture's centre, x to the right, y down.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Motion {
    /// Row by row.
    pub linear: [[f64; 2]; 2],
    /// Pixels.
    pub shift: [f64; 2],
}

impl Motion {
    pub const IDENTITY: Self = Self {
        linear: [[1.0, 0.0], [0.0, 1.0]],
        shift: [0.0, 0.0],
    };

    /// Turned clockwise on the screen by `radians`, then shifted.
    pub fn rigid(radians: f64, shift: [f64; 2]) -> Self {
        let (sin, cos) = radians.sin_cos();
        Self {
            linear: [[cos, -sin], [sin, cos]],
            shift,
        }
    }

    /// From the aligner's parameters: the shift in pixels, then the others as pixels of movement at `radius` from the centre.
    pub fn from_parameters(mode: Mode, p: &[f64], radius: f64) -> Self {
        let shift = [p[0], p[1]];
        match mode {
            Mode::Translation => Self {
                shift,
                ..Self::IDENTITY
            },
            Mode::Euclidean => Self::rigid(p[2] / radius, shift),
            Mode::Affine => Self {
                linear: [
                    [1.0 + p[2] / radius, p[3] / radius],
                    [p[4] / radius, 1.0 + p[5] / radius],
                ],
                shift,
            },
        }
    }

    pub fn apply(&self, [x, y]: [f64; 2]) -> [f64; 2] {
        let [[a, b], [c, d]] = self.linear;
        [a * x + b * y + self.shift[0], c * x + d * y + self.shift[1]]
    }

    /// First `inner`, then `self`.
    pub fn after(&self, inner: &Self) -> Self {
        let mut linear = [[0.0; 2]; 2];
        for (r, row) in linear.iter_mut().enumerate() {
            for (c, cell) in row.iter_mut().enumerate() {
                *cell = (0..2).map(|k| self.linear[r][k] * inner.linear[k][c]).sum();
            }
        }
        Self {
            linear,
            shift: self.apply(inner.shift),
        }
    }

    /// The way back; `None` when everything falls onto a line.
    pub fn inverse(&self) -> Option<Self> {
        let [[a, b], [c, d]] = self.linear;
        let determinant = a * d - b * c;
        if determinant.abs() < 1e-6 || !determinant.is_finite() {
            return None;
        }
        let back = Self {
            linear: [
                [d / determinant, -b / determinant],
                [-c / determinant, a / determinant],
            ],
            shift: [0.0, 0.0],
        };
        let [x, y] = back.apply(self.shift);
        Some(Self {
            shift: [-x, -y],
            ..back
        })
    }

    /// The same motion in a picture `factor` times as large.
    pub fn scaled(&self, factor: f64) -> Self {
        Self {
            shift: self.shift.map(|s| s * factor),
            ..*self
        }
    }

    /// Degrees, clockwise on the screen.
    pub fn rotation_deg(&self) -> f64 {
        let [[a, b], [c, d]] = self.linear;
        (c - b).atan2(a + d).to_degrees()
    }

    /// How far the two motions are apart at most within `half` pixels of the centre (it is so at a corner).
    pub fn distance(&self, other: &Self, half: [f64; 2]) -> f64 {
        let corners = [[-1.0, -1.0], [1.0, -1.0], [-1.0, 1.0], [1.0, 1.0]];
        let apart = |[x, y]: [f64; 2]| {
            let corner = [x * half[0], y * half[1]];
            let (a, b) = (self.apply(corner), other.apply(corner));
            (a[0] - b[0]).hypot(a[1] - b[1])
        };
        corners.map(apart).into_iter().fold(0.0, f64::max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(a: &Motion, b: &Motion) -> bool {
        a.distance(b, [100.0, 80.0]) < 1e-9
    }

    #[test]
    fn there_and_back_is_nowhere() {
        let there = Motion {
            linear: [[1.02, -0.03], [0.05, 0.97]],
            shift: [7.5, -3.0],
        };
        let back = there.inverse().expect("not flat");
        assert!(near(&there.after(&back), &Motion::IDENTITY));
        assert!(near(&back.after(&there), &Motion::IDENTITY));
    }

    #[test]
    fn order_matters_and_inner_comes_first() {
        let turn = Motion::rigid(std::f64::consts::FRAC_PI_2, [0.0, 0.0]);
        let step = Motion::rigid(0.0, [10.0, 0.0]);
        let [x, y] = turn.after(&step).apply([0.0, 0.0]);
        assert!(x.abs() < 1e-9 && (y - 10.0).abs() < 1e-9, "{x} {y}");
        assert!((turn.rotation_deg() - 90.0).abs() < 1e-9);
    }

    #[test]
    fn a_flat_motion_has_no_inverse() {
        let flat = Motion {
            linear: [[1.0, 1.0], [1.0, 1.0]],
            shift: [0.0, 0.0],
        };
        assert!(flat.inverse().is_none());
    }

    #[test]
    fn parameters_are_pixels_at_the_radius() {
        let turned = Motion::from_parameters(Mode::Euclidean, &[0.0, 0.0, 1.0], 50.0);
        let [_, y] = turned.apply([50.0, 0.0]);
        assert!((y - 1.0).abs() < 1e-3, "{y}");
        let stretched =
            Motion::from_parameters(Mode::Affine, &[1.0, 2.0, 1.0, 0.0, 0.0, 0.0], 50.0);
        assert_eq!(stretched.apply([50.0, 0.0]), [52.0, 2.0]);
    }
}
