//! One part after a pause: as the GPU wakes up by itself, and kept warm meanwhile.

use crate::speed::Pictures;
use crate::{Fallible, Maker, Report, Rig};
use sightline_engine::Engine;
use sightline_tensorrt::power::Meter;
use std::time::{Duration, Instant};

const PAUSE: Duration = Duration::from_secs(1);
/// Between runs on nothing, as `engine.keep_warm_ms` has it.
const STEP: Duration = Duration::from_millis(20);
const PARTS: usize = 6;

pub fn check<M: Maker>(rig: &Rig<M>, report: &mut Report) -> Fallible<()> {
    let mut engine = rig.engine(M::USUAL)?;
    let pictures = Pictures::new(rig, 1)?;
    let meter = Meter::open();
    for warm in [false, true] {
        let (mut took_ms, mut mhz) = (Vec::new(), None);
        for _ in 0..=PARTS.min(rig.runs) {
            let begin = Instant::now();
            while begin.elapsed() < PAUSE {
                if warm {
                    engine.keep_warm();
                }
                std::thread::sleep(STEP);
            }
            mhz = meter.as_ref().and_then(|m| m.read().gpu_mhz);
            let start = Instant::now();
            engine.submit(pictures.batch(0, 1)?)?;
            drop(engine.collect().ok_or("nothing in flight")??);
            took_ms.push(start.elapsed().as_secs_f64() * 1e3);
        }
        // memory for the pictures is made at their first sight
        took_ms.remove(0);
        took_ms.sort_by(f64::total_cmp);
        let words = format!(
            "median {:.2} ms, longest {:.2} ms; clock before the part {}",
            took_ms[took_ms.len() / 2],
            took_ms[took_ms.len() - 1],
            mhz.map_or("not told".into(), |mhz| format!("{mhz} MHz"))
        );
        let what = match warm {
            false => "a part after a second of rest",
            true => "the same, kept warm",
        };
        report.say(what, &words);
    }
    Ok(())
}
