//! An engine of one's own: it calls everything darker than a level a `spot`, without any network.
//!
//! `cargo run -p sightline-engine --example dark_spot`
//!
//! What an engine must do is in [`Engine`]: take a batch, give the same batch back with an output a region, or hand it back
//! with the reason. It belongs to one thread, so it needs no lock.

use sightline_domain::{BoxView, ClassId, Detection, PixelFormat, Severity};
use sightline_engine::{Batch, BatchView, ClassInfo, Engine, EngineError, EngineInfo, Rejected};
use sightline_engine::{RegionOutput, Task};
use std::sync::Arc;

struct DarkSpot {
    info: EngineInfo,
    /// Luminance 0..=255 below which a pixel belongs to a spot.
    level: u8,
    in_flight: Option<Batch>,
}

impl DarkSpot {
    fn new(level: u8) -> Self {
        let spot = ClassInfo {
            code: "spot".into(),
            name_en: "spot".into(),
            name_zh: "斑点".into(),
            severity: Severity::Major,
            default_limit: 0.5,
            good: false,
        };
        let info = EngineInfo {
            name: "dark-spot".into(),
            bundle: "dark-spot".into(),
            version: "1.0.0".into(),
            digest: String::new(),
            task: Task::Detect,
            classes: Arc::new([spot]),
            input_size: (0, 0),
            wants_reference: false,
            preferred_batch: 1,
            max_batch: 8,
            depth: 1,
        };
        Self {
            info,
            level,
            in_flight: None,
        }
    }

    /// One finding around all dark pixels of the view; its score is how dark the darkest is.
    fn look(&self, view: &BatchView, output: &mut RegionOutput) -> Result<(), EngineError> {
        let picture = view.lease.picture();
        if picture.format != PixelFormat::Gray8 {
            let reason = format!("expected GRAY8, found {}", picture.format.name());
            return Err(EngineError::Run { reason });
        }
        let mut found: Option<(u8, [u32; 4])> = None;
        for y in 0..picture.height {
            let row = &picture.bytes[y as usize * picture.layout.strides[0]..];
            for (x, &value) in (0u32..).zip(&row[..picture.width as usize]) {
                if value < self.level {
                    let (darkest, [x1, y1, x2, y2]) = found.unwrap_or((value, [x, y, x, y]));
                    let around = [x1.min(x), y1.min(y), x2.max(x), y2.max(y)];
                    found = Some((darkest.min(value), around));
                }
            }
        }
        let spot = found.map(|(darkest, [x1, y1, x2, y2])| Detection {
            class: ClassId(0),
            score: 1.0 - f32::from(darkest) / 255.0,
            bbox_view: BoxView {
                x: x1 as f32,
                y: y1 as f32,
                w: (x2 - x1 + 1) as f32,
                h: (y2 - y1 + 1) as f32,
            },
            area: None,
            verifier: None,
        });
        output.detections.extend(spot);
        Ok(())
    }
}

impl Engine for DarkSpot {
    fn info(&self) -> &EngineInfo {
        &self.info
    }

    fn submit(&mut self, batch: Batch) -> Result<(), Rejected> {
        if self.in_flight.is_some() {
            return Err(batch.rejected(EngineError::Full { depth: 1 }));
        }
        if let Err(error) = batch.check(self.info.wants_reference) {
            return Err(batch.rejected(error));
        }
        self.in_flight = Some(batch);
        Ok(())
    }

    fn collect(&mut self) -> Option<Result<Batch, Rejected>> {
        let mut batch = self.in_flight.take()?;
        batch.outputs.reset(batch.regions.len());
        for (region, output) in batch.regions.iter().zip(batch.outputs.iter_mut()) {
            if let Err(error) = self.look(&batch.views[region.view], output) {
                return Some(Err(batch.rejected(error)));
            }
        }
        Some(Ok(batch))
    }
}

fn main() {
    let view = one_view::dark_at(3, 2);
    let mut engine = DarkSpot::new(40);
    let mut batch = Batch::default();
    batch.push_whole(view);
    engine.submit(batch).expect("nothing is in flight");
    let done = engine.collect().expect("one is in flight").expect("GRAY8");
    println!("{:?}", done.outputs[0].detections);
    assert_eq!(done.outputs[0].detections[0].bbox_view.x, 3.0);
}

#[path = "common/one_view.rs"]
mod one_view;

#[test]
fn it_finds_the_spot() {
    main();
}
