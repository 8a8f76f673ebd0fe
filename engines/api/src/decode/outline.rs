//! The outline of the largest piece of a mask, in a few points.

use sightline_domain::Contour;

/// Scratch of one decoder.
#[derive(Debug, Default)]
pub(super) struct Outline {
    /// Which piece a pixel is of, 0: none or not yet known.
    piece: Vec<u32>,
    open: Vec<usize>,
    line: Vec<[i32; 2]>,
    kept: Vec<[i32; 2]>,
}

/// Around a pixel, clockwise from the left.
const AROUND: [[i32; 2]; 8] = [
    [-1, 0],
    [-1, -1],
    [0, -1],
    [1, -1],
    [1, 0],
    [1, 1],
    [0, 1],
    [-1, 1],
];

impl Outline {
    /// Of the pixels that are `inside`, rows of `width`; `place` brings pixel centres to where they are told.
    pub(super) fn of(
        &mut self,
        inside: &[bool],
        width: usize,
        place: impl Fn([f32; 2]) -> [f32; 2],
    ) -> Contour {
        let Some(start) = self.largest(inside, width) else {
            return Contour::of([]);
        };
        self.trace(start, width);
        self.simplify();
        Contour::of((self.kept.iter()).map(|[x, y]| place([*x as f32 + 0.5, *y as f32 + 0.5])))
    }

    /// The first pixel, in reading order, of the piece with the most pixels.
    fn largest(&mut self, inside: &[bool], width: usize) -> Option<usize> {
        self.piece.clear();
        self.piece.resize(inside.len(), 0);
        let (mut best, mut most, mut number) = (None, 0, 0);
        for first in 0..inside.len() {
            if !inside[first] || self.piece[first] > 0 {
                continue;
            }
            number += 1;
            let mut count = 0;
            self.piece[first] = number;
            self.open.push(first);
            while let Some(at) = self.open.pop() {
                count += 1;
                for step in AROUND {
                    let next = beside(at, step, width, inside.len());
                    if let Some(next) = next.filter(|&n| inside[n] && self.piece[n] == 0) {
                        self.piece[next] = number;
                        self.open.push(next);
                    }
                }
            }
            if count > most {
                (best, most) = (Some(first), count);
            }
        }
        best
    }

    /// Around the piece of `start`, clockwise (Moore's neighbours).
    fn trace(&mut self, start: usize, width: usize) {
        let number = self.piece[start];
        let (mut at, mut back, mut second) = (start, 0, None);
        self.line.clear();
        // each pixel is passed eight times at most
        for _ in 0..self.piece.len() * 8 + 1 {
            self.line.push([(at % width) as i32, (at / width) as i32]);
            let turn = (1..=8).map(|t| (back + t) % 8).find_map(|d| {
                let next = beside(at, AROUND[d], width, self.piece.len())?;
                (self.piece[next] == number).then_some((next, d))
            });
            let Some((next, direction)) = turn else {
                return;
            };
            // a piece may pass through its start more than once: it is closed where it begins again
            if at == start && second == Some(next) {
                self.line.pop();
                return;
            }
            second.get_or_insert(next);
            back = (direction + 4) % 8;
            at = next;
        }
    }

    /// Leaves out points until they are few, those first that change the line least.
    fn simplify(&mut self) {
        let mut tolerance = 0.75;
        loop {
            self.kept.clear();
            let middle = self.line.len() / 2;
            let (first, second) = self.line.split_at(middle);
            reduce(first, tolerance, &mut self.kept);
            reduce(second, tolerance, &mut self.kept);
            if self.kept.len() <= Contour::MOST {
                return;
            }
            tolerance *= 1.5;
        }
    }
}

/// The pixel one step on, if it is in the mask.
fn beside(at: usize, [dx, dy]: [i32; 2], width: usize, len: usize) -> Option<usize> {
    let (x, y) = ((at % width) as i32 + dx, (at / width) as i32 + dy);
    let (x, y) = (usize::try_from(x).ok()?, usize::try_from(y).ok()?);
    let next = y.checked_mul(width)?.checked_add(x)?;
    (x < width && next < len).then_some(next)
}

/// Douglas and Peucker's: the ends, and between them what lies further than `tolerance` off the straight line between them.
fn reduce(line: &[[i32; 2]], tolerance: f32, out: &mut Vec<[i32; 2]>) {
    let (Some(&first), Some(&last)) = (line.first(), line.last()) else {
        return;
    };
    out.push(first);
    between(line, tolerance, out);
    if line.len() > 1 {
        out.push(last);
    }
}

fn between(line: &[[i32; 2]], tolerance: f32, out: &mut Vec<[i32; 2]>) {
    if line.len() < 3 {
        return;
    }
    let [ax, ay] = line[0].map(|v| v as f32);
    let [bx, by] = line[line.len() - 1].map(|v| v as f32);
    let (dx, dy) = (bx - ax, by - ay);
    let long = dx * dx + dy * dy;
    // to the nearest point between the ends: a thin piece's outline comes back along itself
    let off = |p: &[i32; 2]| {
        let (px, py) = (p[0] as f32 - ax, p[1] as f32 - ay);
        let along = if long > 0.0 {
            ((px * dx + py * dy) / long).clamp(0.0, 1.0)
        } else {
            0.0
        };
        (px - along * dx).hypot(py - along * dy)
    };
    let inner = 1..line.len() - 1;
    let Some(far) = inner.max_by(|&i, &j| off(&line[i]).total_cmp(&off(&line[j]))) else {
        return;
    };
    if off(&line[far]) > tolerance {
        between(&line[..=far], tolerance, out);
        out.push(line[far]);
        between(&line[far..], tolerance, out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outline(rows: &[&str]) -> Vec<[u16; 2]> {
        let width = rows[0].len();
        let inside: Vec<bool> = rows
            .iter()
            .flat_map(|r| r.chars().map(|c| c == '#'))
            .collect();
        let made = Outline::default().of(&inside, width, |[x, y]| [x - 0.5, y - 0.5]);
        made.points().to_vec()
    }

    /// Twice the area inside a closed line.
    fn shoelace(points: &[[u16; 2]]) -> i64 {
        let next = points.iter().cycle().skip(1);
        let sum: i64 = (points.iter().zip(next))
            .map(|(a, b)| i64::from(a[0]) * i64::from(b[1]) - i64::from(b[0]) * i64::from(a[1]))
            .sum();
        sum.abs()
    }

    #[test]
    fn the_largest_piece_is_outlined_by_its_corners() {
        let line = outline(&[
            "#.........",
            "..######..",
            "..######..",
            "..######..",
            "..........",
        ]);
        for corner in [[2, 1], [7, 1], [7, 3], [2, 3]] {
            assert!(line.contains(&corner), "{line:?}");
        }
        assert_eq!(shoelace(&line), 2 * 5 * 2);
        assert_eq!(outline(&["...", "..."]), Vec::<[u16; 2]>::new());
        assert_eq!(outline(&["...", ".#."]), [[1, 1]]);
        assert!(outline(&["###"]).len() <= 4);
        // both legs, though the trace comes through the top between them
        let roof = outline(&["...#...", "..#.#..", ".#...#.", "#.....#"]);
        assert!(roof.contains(&[0, 3]) && roof.contains(&[6, 3]), "{roof:?}");
    }

    #[test]
    fn a_ragged_disc_comes_down_to_few_points_of_nearly_its_area() {
        let side = 120_usize;
        let inside: Vec<bool> = (0..side * side)
            .map(|i| {
                let (x, y) = ((i % side) as f32 - 60.0, (i / side) as f32 - 60.0);
                x.hypot(y) < 50.0 + 2.0 * (y.atan2(x) * 40.0).sin()
            })
            .collect();
        let line = Outline::default().of(&inside, side, |p| p);
        let area = shoelace(line.points()) as f32 / 2.0;
        let disc = std::f32::consts::PI * 2_500.0;
        assert!(line.points().len() <= Contour::MOST && line.points().len() > 8);
        assert!((area / disc - 1.0).abs() < 0.06, "{area} of {disc}");
    }
}
