//! Pictures moved.

use crate::motion::Motion;
use crate::plane::Plane;
use opencv::core::{BORDER_REPLICATE, Mat, Rect, Scalar, Size, ToInputArray, ToOutputArray};
use opencv::imgproc::{INTER_LINEAR, WARP_INVERSE_MAP, warp_affine};

/// A motion nearer than this to a shift by whole pixels (at the corners, pixels) is made as one: quicker, and edges stay sharp.
const WHOLE_PX: f64 = 0.25;

/// Fills `to` (`size` pixels) with `from` as seen through `motion`: the pixel at `(i, j)` of `to` lies at `(i, j) + corner`
/// from the centre before the motion, and is taken from where the motion brings it, `centre` being that of `from`.
pub(crate) fn warp(
    from: &impl ToInputArray,
    to: &mut impl ToOutputArray,
    size: Size,
    motion: &Motion,
    corner: [f64; 2],
    centre: [f64; 2],
    interpolation: i32,
) -> opencv::Result<()> {
    let [[a, b], [c, d]] = motion.linear;
    let [x, y] = motion.apply(corner);
    let map = [a, b, x + centre[0], c, d, y + centre[1]];
    let map = Mat::new_rows_cols_with_data(2, 3, &map)?;
    let flags = interpolation | WARP_INVERSE_MAP;
    let (border, black) = (BORDER_REPLICATE, Scalar::default());
    opencv::opencv_has_inherent_feature_algorithm_hint! {
        {
            let hint = opencv::core::AlgorithmHint::ALGO_HINT_DEFAULT;
            warp_affine(from, to, &map, size, flags, border, black, hint)
        } else {
            warp_affine(from, to, &map, size, flags, border, black)
        }
    }
}

/// Lays `golden` onto the part: `motion` leads from golden to part, in pixels from `centre`. What lies beyond golden's
/// border repeats it. Bytes between the rows of `out` stay as they are.
pub(crate) fn lay(
    golden: &[u8],
    plane: &Plane,
    motion: &Motion,
    centre: [f64; 2],
    out: &mut [u8],
) -> Result<(), crate::RegistrationError> {
    let whole = Motion {
        shift: motion.shift.map(f64::round),
        ..Motion::IDENTITY
    };
    if motion.distance(&whole, centre) < WHOLE_PX {
        shift_whole(golden, plane, whole.shift.map(|s| s as isize), out);
        return Ok(());
    }
    // A motion that the search found can be undone: it refuses steps that cannot.
    let back = motion.inverse().unwrap_or(Motion::IDENTITY);
    let size = Size::new(plane.width, plane.height);
    let all = Rect::new(0, 0, plane.width, plane.height);
    let packed = Mat::new_rows_cols_with_data(plane.height, plane.width, golden)?;
    let mut rows = plane.rows_mut(out)?;
    let mut to = Mat::roi_mut(&mut rows, all)?;
    let corner = centre.map(|c| -c);
    warp(&packed, &mut to, size, &back, corner, centre, INTER_LINEAR)?;
    Ok(())
}

fn shift_whole(golden: &[u8], plane: &Plane, [dx, dy]: [isize; 2], out: &mut [u8]) {
    let (width, height) = (plane.width as usize, plane.height as usize);
    let left = dx.clamp(0, width as isize) as usize; // columns of `out` left of golden
    let skipped = (-dx).clamp(0, width as isize) as usize; // columns of golden left of `out`
    let both = width - left.max(skipped);
    for y in 0..height {
        let from = (y as isize - dy).clamp(0, height as isize - 1) as usize;
        let from = &golden[from * width..(from + 1) * width];
        let start = plane.offset + y * plane.stride;
        let to = &mut out[start..start + width];
        to[..left].fill(from[0]);
        to[left..left + both].copy_from_slice(&from[skipped..skipped + both]);
        to[left + both..].fill(from[width - 1]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn laid(shift: [f64; 2]) -> Vec<u8> {
        let golden: Vec<u8> = (1..=12).collect(); // 4 x 3
        let plane = Plane {
            width: 4,
            height: 3,
            offset: 1,
            stride: 6,
        };
        let motion = Motion {
            shift,
            ..Motion::IDENTITY
        };
        let mut out = vec![0; 19];
        lay(&golden, &plane, &motion, [1.5, 1.0], &mut out).unwrap();
        out
    }

    #[test]
    fn whole_shifts_repeat_the_border_and_leave_the_padding() {
        let still = [0, 1, 2, 3, 4, 0, 0, 5, 6, 7, 8, 0, 0, 9, 10, 11, 12, 0, 0];
        assert_eq!(laid([0.1, -0.1]), still);
        let right_down = [0, 1, 1, 2, 3, 0, 0, 1, 1, 2, 3, 0, 0, 5, 5, 6, 7, 0, 0];
        assert_eq!(laid([1.0, 1.0]), right_down);
        let left_up = [
            0, 7, 8, 8, 8, 0, 0, 11, 12, 12, 12, 0, 0, 11, 12, 12, 12, 0, 0,
        ];
        assert_eq!(laid([-2.0, -1.0]), left_up);
        let gone = [0, 1, 1, 1, 1, 0, 0, 5, 5, 5, 5, 0, 0, 9, 9, 9, 9, 0, 0];
        assert_eq!(laid([9.0, 0.0]), gone);
        let gone = [0, 4, 4, 4, 4, 0, 0, 8, 8, 8, 8, 0, 0, 12, 12, 12, 12, 0, 0];
        assert_eq!(laid([-9.0, 0.0]), gone);
    }

    #[test]
    fn half_pixels_are_interpolated_to_the_same_side() {
        let half = laid([0.5, 0.0]);
        // golden's content moves right: column 1 lies between golden's columns 0 and 1
        assert!(half[2] == 1 || half[2] == 2, "{half:?}");
        assert_eq!(half[1], 1);
        assert_eq!(half[5], 0, "padding");
        let down = laid([0.0, 0.5]);
        assert_eq!(&down[7..11], &[3, 4, 5, 6], "between the first two rows");
    }
}
