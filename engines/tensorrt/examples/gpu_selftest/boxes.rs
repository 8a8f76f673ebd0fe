//! The golden pictures through TensorRT and through ONNX Runtime: the same boxes and scores, within the bounds.

use crate::{Fallible, Maker, Report, Rig, lease, pool};
use sightline_domain::{Detection, Generation, MonoTime, PixelFormat, TrackId, ViewId, ViewTag};
use sightline_engine::{Batch, BatchView, Engine, EngineSettings, Precision, Reference};
use sightline_engine::{ReferencePicture, RegionOutput};
use sightline_onnx::{LibrarySearch, OnnxFactory};
use std::path::Path;
use std::sync::Arc;

/// Edges, view pixels.
const BOX_PX: f32 = 1.0;
/// Findings that weak may be on either side of the floor.
const FLOOR: f32 = 0.1;

pub fn check<M: Maker>(rig: &Rig<M>, precision: Precision, report: &mut Report) -> Fallible<()> {
    let score = if precision == Precision::Int8 {
        0.02
    } else {
        0.01
    };
    let mut gpu = rig.engine(precision)?;
    // what FP16 is held against is FP32
    let beside = match precision {
        Precision::Int8 => Precision::Int8,
        _ => Precision::Fp32,
    };
    let settings = EngineSettings {
        precision: Some(beside),
        ..EngineSettings::default()
    };
    let onnx = OnnxFactory::new(&LibrarySearch::usual(None))?;
    let mut cpu = onnx.engine(&rig.bundle, &settings)?;
    let goldens = rig.bundle.goldens()?;
    let pool = pool(2, 1 << 24)?;
    let (mut worst, mut found, mut lonely) = ([0.0_f32; 2], 0, 0);
    for golden in &goldens {
        let view = read(&golden.image)?;
        let reference = golden.reference.as_deref().map(read).transpose()?;
        let reference = reference.map(Arc::new);
        let got = one(&mut gpu, &pool, &view, reference.clone())?;
        let want = one(&mut cpu, &pool, &view, reference)?;
        let (apart, missing) = compare(&got.detections, &want.detections);
        worst = [worst[0].max(apart[0]), worst[1].max(apart[1])];
        found += want.detections.len();
        lonely += missing;
    }
    let words = format!(
        "{found} findings on {} pictures: {:.3} px, {:.4} apart at worst, {lonely} without a partner",
        goldens.len(),
        worst[0],
        worst[1]
    );
    let name = precision.name();
    let what = format!("boxes, {name} beside ONNX Runtime {}", beside.name());
    let passed = found > 0 && lonely == 0 && worst[0] <= BOX_PX && worst[1] <= score;
    report.row(&what, passed, &words);
    Ok(())
}

/// Largest distances of edges and of scores between nearest findings of a class, and how many have none.
fn compare(got: &[Detection], want: &[Detection]) -> ([f32; 2], usize) {
    let (mut worst, mut lonely) = ([0.0_f32; 2], 0);
    for (some, others) in [(got, want), (want, got)] {
        for a in some.iter().filter(|d| d.score >= FLOOR) {
            let edges = |b: &Detection| {
                let (a, b) = (a.bbox_view, b.bbox_view);
                let right = (a.x + a.w) - (b.x + b.w);
                let bottom = (a.y + a.h) - (b.y + b.h);
                [a.x - b.x, a.y - b.y, right, bottom]
                    .iter()
                    .fold(0.0_f32, |m, d| m.max(d.abs()))
            };
            let same = others.iter().filter(|b| b.class == a.class);
            match same.min_by(|b, c| edges(b).total_cmp(&edges(c))) {
                Some(b) if edges(b) < 8.0 => {
                    worst[0] = worst[0].max(edges(b));
                    worst[1] = worst[1].max((a.score - b.score).abs());
                }
                _ => lonely += 1,
            }
        }
    }
    (worst, lonely)
}

fn one(
    engine: &mut impl Engine,
    pool: &sightline_frames::FramePool,
    view: &ReferencePicture,
    reference: Option<Arc<ReferencePicture>>,
) -> Fallible<RegionOutput> {
    let mut batch = Batch::default();
    batch.push_whole(BatchView {
        lease: lease(pool, 0, (view.width, view.height, view.format), &view.bytes)?,
        reference: reference.map(Reference::Shared),
        tag: tag(),
    });
    engine.submit(batch)?;
    let done = engine.collect().ok_or("nothing in flight")??;
    Ok(done.outputs[0].clone())
}

pub fn tag() -> ViewTag {
    ViewTag {
        track_id: TrackId(1),
        view: ViewId(0),
        generation: Generation(1),
        deadline: MonoTime(0),
        enqueued: MonoTime(0),
    }
}

/// A picture file as GRAY8 or RGB.
pub fn read(path: &Path) -> Fallible<ReferencePicture> {
    let image = image::open(path)?;
    let gray = !image.color().has_color();
    let (width, height) = (image.width(), image.height());
    let (format, bytes, per_pixel) = if gray {
        (PixelFormat::Gray8, image.into_luma8().into_raw(), 1)
    } else {
        (PixelFormat::Rgb, image.into_rgb8().into_raw(), 3)
    };
    let mut picture = ReferencePicture::blank(width, height, format);
    let row = width as usize * per_pixel;
    let rows = bytes.chunks_exact(row);
    for (to, from) in picture
        .bytes
        .chunks_mut(picture.layout.strides[0])
        .zip(rows)
    {
        to[..row].copy_from_slice(from);
    }
    Ok(picture)
}
