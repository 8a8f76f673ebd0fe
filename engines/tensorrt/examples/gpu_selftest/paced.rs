//! Sixteen cameras at 30 pictures a second, all at the same moment, as a trigger has it: from the pictures in memory to the
//! findings in memory.

use crate::speed::{CAMERAS, Pictures};
use crate::{Fallible, Maker, Report, Rig};
use sightline_engine::{Batch, Engine};
use std::time::{Duration, Instant};

const PERIOD: Duration = Duration::from_nanos(1_000_000_000 / 30);
/// p99 of the whole way to the verdict, of which this is the engine's part.
const BOUND_MS: f64 = 10.0;

pub fn check<M: Maker>(rig: &Rig<M>, report: &mut Report) -> Fallible<()> {
    let mut engine = rig.engine(M::USUAL)?;
    let size = engine.info().max_batch.min(CAMERAS);
    let pictures = Pictures::new(rig, CAMERAS)?;
    let (mut took_ms, mut next) = (Vec::new(), Instant::now());
    for round in 0..rig.runs.max(3) {
        let batches: Vec<Batch> = (0..CAMERAS)
            .step_by(size)
            .map(|first| pictures.batch(first, size.min(CAMERAS - first)))
            .collect::<Result<_, _>>()?;
        next += PERIOD;
        std::thread::sleep(next.saturating_duration_since(Instant::now()));
        let start = Instant::now();
        for batch in batches {
            // two are in flight at most: the oldest makes room
            let batch = match engine.submit(batch) {
                Ok(()) => continue,
                Err(rejected) => rejected.batch,
            };
            drop(engine.collect().ok_or("nothing in flight")??);
            took_ms.push(start.elapsed().as_secs_f64() * 1e3);
            engine.submit(batch)?;
        }
        while let Some(done) = engine.collect() {
            drop(done?);
            took_ms.push(start.elapsed().as_secs_f64() * 1e3);
        }
        if round == 0 {
            // memory for the pictures is made at their first sight
            took_ms.clear();
        }
    }
    took_ms.sort_by(f64::total_cmp);
    let at = |share: f64| took_ms[((took_ms.len() - 1) as f64 * share) as usize];
    let words = format!(
        "p50 {:.2} ms, p99 {:.2} ms, longest {:.2} ms over {} batches",
        at(0.5),
        at(0.99),
        at(1.0),
        took_ms.len()
    );
    report.row(
        "16 x 30 a second: p99 within 10 ms",
        at(0.99) <= BOUND_MS,
        &words,
    );
    Ok(())
}
