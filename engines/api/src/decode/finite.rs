//! Finding NaN and infinities without looking at each value twice.

/// Lanes summed side by side, so that the compiler can use vectors although float sums keep their order.
const LANES: usize = 16;

/// Whether every value is a number: `x * 0` is 0 for numbers and NaN for NaN and infinities.
pub(super) fn all_finite(values: &[f32]) -> bool {
    let mut sums = [0.0_f32; LANES];
    let (chunks, rest) = values.as_chunks::<LANES>();
    for chunk in chunks {
        for (sum, value) in sums.iter_mut().zip(chunk) {
            *sum += value * 0.0;
        }
    }
    sums.iter().sum::<f32>() == 0.0 && rest.iter().all(|v| v.is_finite())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_bad_value_anywhere_is_found() {
        for len in [0, 1, 15, 16, 17, 100] {
            let good: Vec<f32> = (0..len).map(|i| i as f32 - 50.0).collect();
            assert!(all_finite(&good));
            for at in 0..len {
                for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
                    let mut values = good.clone();
                    values[at] = bad;
                    assert!(!all_finite(&values), "{bad} at {at} of {len}");
                }
            }
        }
    }
}
