//! A real fault: a kernel that writes where there is no memory. It ends the CUDA context of the process, so this is last.

use crate::speed::Pictures;
use crate::{Fallible, Maker, Report, Rig};
use sightline_engine::Engine;
use sightline_tensorrt::device::{Device, Grid, Kernel};
use sightline_tensorrt::kernels::PreprocessParams;

pub fn check<M: Maker>(rig: &Rig<M>, report: &mut Report) -> Fallible<()> {
    let mut engine = rig.engine(M::USUAL)?;
    let pictures = Pictures::new(rig, 4)?;
    engine.submit(pictures.batch(0, 1)?)?;
    break_it(engine.device())?;
    // the batch under way may have been done before the fault; the next cannot be
    let under_way = engine.collect().ok_or("nothing in flight")?;
    let handed_back = match under_way.and_then(|done| {
        engine.submit(done)?;
        engine
            .collect()
            .unwrap_or_else(|| unreachable!("submitted above"))
    }) {
        Ok(_) => return Err("the engine went on after an illegal address".into()),
        Err(rejected) => rejected,
    };
    let words = format!(
        "{} view back; {}",
        handed_back.batch.views.len(),
        handed_back.error
    );
    report.row(
        "a fault hands its batch back",
        handed_back.batch.views.len() == 1,
        &words,
    );
    let again = engine.submit(handed_back.batch);
    report.row("the engine takes no other batch", again.is_err(), "");
    drop(engine);
    match rig.engine(M::USUAL) {
        Ok(_) => report.say("a new engine in the same process", "is built"),
        Err(error) => report.say(
            "a new engine in the same process",
            &format!("is not: {error}"),
        ),
    }
    Ok(())
}

fn break_it(device: &mut impl Device) -> Fallible<()> {
    let on = device.stream()?;
    let params = PreprocessParams {
        output: 64,
        to: [0, 0, 0, 0],
        tensor_size: [1, 1],
        ..PreprocessParams::default()
    };
    let grid = Grid {
        blocks: [1, 1],
        threads: [1, 1],
    };
    // SAFETY: breaks the promise on purpose: the address is nobody's, and the driver stops the kernel.
    unsafe { device.launch(Kernel::Preprocess, grid, bytemuck::bytes_of(&params), on)? };
    Ok(())
}
