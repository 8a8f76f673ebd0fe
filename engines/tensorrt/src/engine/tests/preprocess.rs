//! The kernel's text against the CPU path: every format, fit and colour, within 1/255 of full scale.

use super::rig::{manifest, network, noise};
use crate::device::scripted::host_kernels;
use crate::device::{Grid, Kernel};
use crate::engine::picture;
use proptest::prelude::*;
use sightline_domain::{BoxView, Levels, PictureRef, PixelFormat};
use sightline_engine::preprocess::{Preprocessor, plan};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]
    #[test]
    fn the_kernel_is_within_a_level_of_the_cpu(
        format in prop::sample::select(&PixelFormat::ALL[..]),
        color in prop::sample::select(&["gray", "rgb", "bgr"][..]),
        resize in prop::sample::select(&["letterbox", "stretch", "crop"][..]),
        half in any::<bool>(),
        (width, height) in prop_oneof![(1u32..90, 1u32..90), (600u32..1400, 600u32..800), Just((40, 32)), Just((80, 64))],
        crop in prop::option::of((0f32..60.0, 0f32..60.0, 1f32..60.0, 1f32..60.0)),
        seed in any::<u64>(),
        levels in (0u8..6).prop_map(|n| Levels::of_number(n).expect("there are six")),
    ) {
        let manifest = manifest("yolo-v8", color, resize, "[\"image\"]");
        let network = network(&manifest, half);
        let view = noise(seed, width, height, format);
        let crop = crop.map(|(x, y, w, h)| BoxView { x, y, w, h });
        let mut want = vec![0.0_f32; manifest.input.elements()];
        let picture_ref = PictureRef { levels, ..view.picture() };
        let cpu = Preprocessor::new(&manifest.input).run(picture_ref, None, crop, &mut want);
        let fit = plan(&manifest.input, &picture_ref, None, crop);
        prop_assert_eq!(cpu.is_ok(), fit.is_ok());
        let Ok(fit) = fit else { return Ok(()) };

        let mut got = vec![0_u64; network.input_bytes().div_ceil(8)];
        let mut params = picture::params(&network, &picture_ref, &fit);
        params.planes = view.layout.offsets.map(|o| view.bytes.as_ptr() as u64 + o as u64);
        params.output = got.as_mut_ptr() as u64;
        let grid = Grid { blocks: [1, 1], threads: [1, 1] };
        host_kernels().launch(Kernel::Preprocess, grid, bytemuck::bytes_of(&params));

        let bytes: &[u8] = bytemuck::cast_slice(&got);
        // one level of 0..255, in the tensor's units
        let level = manifest.input.scale / manifest.input.std[0];
        for (i, want) in want.iter().enumerate() {
            let got = if half {
                half::f16::from_bits(u16::from_le_bytes([bytes[2 * i], bytes[2 * i + 1]])).to_f32()
            } else {
                f32::from_le_bytes([bytes[4 * i], bytes[4 * i + 1], bytes[4 * i + 2], bytes[4 * i + 3]])
            };
            prop_assert!((got - want).abs() < level, "{} at {i}: {got} for {want}", format.name());
        }
    }
}
