//! Small float pictures moved, for the search.

use crate::motion::Motion;
use opencv::core::{BORDER_REPLICATE, Mat, Scalar, Size, ToInputArray, ToOutputArray};
use opencv::imgproc::{INTER_LINEAR, WARP_INVERSE_MAP, warp_affine};

/// Fills `to` (`size` pixels) with `from` as seen through `motion`: the pixel at `(i, j)` of `to` lies at `(i, j) + corner`
/// from the centre before the motion, and is taken from where the motion brings it, `centre` being that of `from`.
pub(crate) fn warp(
    from: &impl ToInputArray,
    to: &mut impl ToOutputArray,
    size: Size,
    motion: &Motion,
    corner: [f64; 2],
    centre: [f64; 2],
) -> opencv::Result<()> {
    let [[a, b], [c, d]] = motion.linear;
    let [x, y] = motion.apply(corner);
    let map = [a, b, x + centre[0], c, d, y + centre[1]];
    let map = Mat::new_rows_cols_with_data(2, 3, &map)?;
    let flags = INTER_LINEAR | WARP_INVERSE_MAP;
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
