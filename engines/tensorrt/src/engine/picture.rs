//! The preprocessing kernel's parameters for one picture.

use super::Network;
use crate::kernels::{PreprocessParams, color_number, format_number};
use sightline_domain::PictureRef;
use sightline_engine::preprocess::{Fit, Matrix};

/// All but the addresses.
pub fn params(network: &Network, picture: &PictureRef<'_>, fit: &Fit) -> PreprocessParams {
    let spec = &network.input;
    let [left, top, ..] = fit.region;
    let matrix = Matrix::of(picture.levels);
    let mut params = PreprocessParams {
        strides: picture.layout.strides.map(|s| s as u32),
        format: format_number(picture.format),
        view_size: [picture.width as i32, picture.height as i32],
        region: fit.region.map(|n| n as i32),
        to: fit.to.map(|n| n as i32),
        from: [
            (fit.from.0 - left as f64) as f32,
            (fit.from.1 - top as f64) as f32,
        ],
        step: [fit.step.0 as f32, fit.step.1 as f32],
        tensor_size: [spec.width as i32, spec.height as i32],
        color: color_number(spec.color),
        half: u32::from(network.half_input),
        pad: f32::from(spec.pad_value),
        matrix: [matrix.r_v, matrix.g_u, matrix.g_v, matrix.b_u],
        luma: [matrix.black, matrix.gain],
        ..PreprocessParams::default()
    };
    for (channel, affine) in network.affine.iter().enumerate() {
        params.mul[channel] = affine.mul;
        params.add[channel] = affine.add;
    }
    params
}
