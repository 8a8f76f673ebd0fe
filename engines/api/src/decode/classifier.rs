//! A classifier's row of logits or probabilities.

use crate::RegionOutput;
use crate::bundle::Activation;

/// `values` is `[classes]`, or one value for the second of two classes. Where one is no number no class has a score:
/// what is left would not add up.
pub(super) fn decode(
    values: &[f32],
    classes: usize,
    activation: Option<Activation>,
    out: &mut RegionOutput,
) {
    out.dropped_nonfinite = values.iter().filter(|v| !v.is_finite()).count() as u32;
    if out.dropped_nonfinite > 0 {
        return;
    }
    let sigmoid = |v: f32| 1.0 / (1.0 + (-v).exp());
    let probability = |v: f32| match activation {
        Some(Activation::Softmax | Activation::Sigmoid) => sigmoid(v),
        _ => v.clamp(0.0, 1.0),
    };
    match values {
        [second] if classes == 2 => {
            let second = probability(*second);
            out.class_scores.extend([1.0 - second, second]);
        }
        _ if activation == Some(Activation::Softmax) => softmax(values, &mut out.class_scores),
        _ => out
            .class_scores
            .extend(values.iter().map(|v| probability(*v))),
    }
}

/// Shifted by the maximum, so that no exponential overflows.
fn softmax(logits: &[f32], out: &mut Vec<f32>) {
    let top = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    out.extend(logits.iter().map(|l| (l - top).exp()));
    let sum: f32 = out.iter().sum();
    out.iter_mut().for_each(|p| *p /= sum);
}
