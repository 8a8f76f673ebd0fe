//! The preprocessing kernel on the device against the CPU path: every format and fit, within 1/255 of full scale.

use crate::{Fallible, Maker, Report, Rig};
use sightline_domain::PixelFormat;
use sightline_engine::ReferencePicture;
use sightline_engine::bundle::{Channel, Color, InputSpec, Resize};
use sightline_engine::preprocess::{Preprocessor, plan};
use sightline_tensorrt::device::{Device, Grid, Kernel};
use sightline_tensorrt::engine::{GpuEngine, Network, picture};

pub fn check<M: Maker>(rig: &Rig<M>, report: &mut Report) -> Fallible<()> {
    let mut engine = rig.engine(M::USUAL)?;
    for format in PixelFormat::ALL {
        let mut worst = 0.0_f32;
        for color in [Color::Gray, Color::Rgb] {
            for resize in [Resize::Letterbox, Resize::Stretch, Resize::Crop] {
                for (width, height) in [(640, 640), (1280, 960), (1921, 1081), (97, 61)] {
                    let spec = spec(rig, color, resize);
                    for half in [false, true] {
                        let shape = (width, height, format);
                        worst = worst.max(levels_apart(&mut engine, &spec, shape, half)?);
                    }
                }
            }
        }
        let words = format!("{worst:.4} levels of 255 at worst");
        let what = format!("preprocessing, {}: within 1 level", format.name());
        report.row(&what, worst <= 1.0, &words);
    }
    Ok(())
}

fn spec<M>(rig: &Rig<M>, color: Color, resize: Resize) -> InputSpec {
    let channels = color.channels();
    InputSpec {
        color,
        resize,
        scale: 1.0,
        mean: vec![0.0; channels],
        std: vec![1.0; channels],
        channels: vec![Channel::Image],
        ..rig.bundle.manifest().input.clone()
    }
}

fn levels_apart(
    engine: &mut GpuEngine<impl Device>,
    spec: &InputSpec,
    (width, height, format): (u32, u32, PixelFormat),
    half: bool,
) -> Fallible<f32> {
    let mut view = ReferencePicture::blank(width, height, format);
    let mut state = u64::from(width) * 31 + u64::from(height);
    for byte in &mut view.bytes {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        *byte = (state >> 56) as u8;
    }
    let mut want = vec![0.0; spec.elements()];
    Preprocessor::new(spec).run(view.picture(), None, None, &mut want)?;

    let network = Network::new(spec.clone(), half, vec![1], (1, true), 0);
    let fit = plan(spec, &view.picture(), None, None)?;
    let mut params = picture::params(&network, &view.picture(), &fit);
    let device = engine.device();
    device.bind()?;
    let (on, done) = (device.stream()?, device.event()?);
    let source = device.memory(view.bytes.len())?;
    let target = device.memory(network.input_bytes())?;
    let host = device.host(network.input_bytes())?;
    params.planes = view.layout.offsets.map(|o| source.plus(o).0);
    params.output = target.0;
    let grid = Grid {
        blocks: [spec.width.div_ceil(32), spec.height.div_ceil(8)],
        threads: [32, 8],
    };
    // SAFETY: the picture outlives the wait below; the parameters name memory just made for them.
    unsafe {
        device.upload(source, &view.bytes, on)?;
        device.launch(Kernel::Preprocess, grid, bytemuck::bytes_of(&params), on)?;
    }
    device.download(host, target, network.input_bytes(), on)?;
    device.record(done, on)?;
    device.synchronize(done)?;
    let bytes = device.host_bytes(host);
    let got: Vec<f32> = if half {
        let halves: &[u16] = bytemuck::cast_slice(bytes);
        let floats = halves.iter().map(|h| half::f16::from_bits(*h).to_f32());
        floats.collect()
    } else {
        bytemuck::cast_slice(bytes).to_vec()
    };
    let apart = got.iter().zip(&want).map(|(g, w)| (g - w).abs());
    Ok(apart.fold(0.0, f32::max))
}
