//! The little linear algebra of the aligner, done by OpenCV.

use opencv::core::{DECOMP_SVD, Mat, invert};
use opencv::prelude::*;

/// Inverse of a symmetric matrix of `size` rows, and how well it is conditioned: smallest singular value over largest.
pub(crate) fn invert_symmetric(rows: &[f64], size: usize) -> opencv::Result<(Vec<f64>, f64)> {
    let flat = Mat::new_rows_cols_with_data(size as i32, size as i32, rows)?;
    let mut inverse = Mat::default();
    let conditioning = invert(&flat, &mut inverse, DECOMP_SVD)?;
    Ok((inverse.data_typed::<f64>()?.to_vec(), conditioning))
}

/// Sum of the products; the lanes keep rounding small and let the compiler use the machine's vectors.
pub(crate) fn dot(a: &[f32], b: &[f32]) -> f64 {
    const LANES: usize = 16;
    let mut lanes = [0.0_f32; LANES];
    let (a_chunks, a_rest) = a.as_chunks::<LANES>();
    let (b_chunks, b_rest) = b.as_chunks::<LANES>();
    for (x, y) in a_chunks.iter().zip(b_chunks) {
        for lane in 0..LANES {
            lanes[lane] += x[lane] * y[lane];
        }
    }
    let rest: f32 = a_rest.iter().zip(b_rest).map(|(x, y)| x * y).sum();
    lanes.iter().map(|l| f64::from(*l)).sum::<f64>() + f64::from(rest)
}

/// Sum of all.
pub(crate) fn sum(a: &[f32]) -> f64 {
    const LANES: usize = 16;
    let mut lanes = [0.0_f32; LANES];
    let (chunks, rest) = a.as_chunks::<LANES>();
    for x in chunks {
        for lane in 0..LANES {
            lanes[lane] += x[lane];
        }
    }
    lanes.iter().chain(rest).map(|l| f64::from(*l)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dot_and_sum_take_every_element() {
        let a: Vec<f32> = (0..37).map(|i| i as f32).collect();
        let ones = vec![1.0; 37];
        assert_eq!(dot(&a, &ones), 666.0);
        assert_eq!(sum(&a), 666.0);
    }

    #[test]
    fn inverse_and_conditioning() {
        let (inverse, conditioning) = invert_symmetric(&[4.0, 0.0, 0.0, 2.0], 2).unwrap();
        assert!((inverse[0] - 0.25).abs() < 1e-12 && (inverse[3] - 0.5).abs() < 1e-12);
        assert!((conditioning - 0.5).abs() < 1e-12);
        let (_, blind) = invert_symmetric(&[1.0, 0.0, 0.0, 0.0], 2).unwrap();
        assert!(blind < 1e-12);
    }
}
