//! What a finding covers, where its model says that pixel by pixel.

/// A finding's area and outline.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Area {
    /// Square pixels of the view.
    pub px: f32,
    /// Its largest piece's outline.
    pub contour: Contour,
}

/// A closed line of a few points, whole pixels of the view. Of fixed size, so that findings are copied without a thought.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Contour {
    points: [[u16; 2]; Self::MOST],
    len: u8,
}

impl Contour {
    /// Most points.
    pub const MOST: usize = 32;

    /// Of points in order; more than [`Contour::MOST`] are left out at the end, coordinates are held to what fits.
    pub fn of(points: impl IntoIterator<Item = [f32; 2]>) -> Self {
        let mut contour = Self {
            points: [[0; 2]; Self::MOST],
            len: 0,
        };
        for (place, point) in contour.points.iter_mut().zip(points) {
            // a cast of a float holds to the range, and makes 0 of what is no number
            *place = point.map(|v| v.round() as u16);
            contour.len += 1;
        }
        contour
    }

    /// Its points, x and y.
    pub fn points(&self) -> &[[u16; 2]] {
        &self.points[..usize::from(self.len)]
    }
}

impl std::fmt::Debug for Contour {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.points().fmt(f)
    }
}
