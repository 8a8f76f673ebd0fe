//! The obvious way, in `f64`: letterbox by definition, every box decoded, every pair compared.

use crate::page::Page;

/// One side of the letterbox: scale, then offset.
pub struct Letterbox {
    scale: [f64; 2],
    offset: [f64; 2],
}

/// Planes of 0..1 by definition: scaled to fit, centred, grey 114 around, bilinear at pixel centres.
pub fn letterbox(page: &Page, width: usize, height: usize) -> (Letterbox, Vec<f32>) {
    let fit = (width as f64 / page.width as f64).min(height as f64 / page.height as f64);
    let inner = [page.width as f64 * fit, page.height as f64 * fit].map(f64::round_ties_even);
    let offset = [
        ((width as f64 - inner[0]) / 2.0).floor(),
        ((height as f64 - inner[1]) / 2.0).floor(),
    ];
    let scale = [inner[0] / page.width as f64, inner[1] / page.height as f64];
    let pixel = |x: f64, y: f64, c: usize| {
        let x = (x.max(0.0) as usize).min(page.width - 1);
        let y = (y.max(0.0) as usize).min(page.height - 1);
        f64::from(page.pixels[(y * page.width + x) * 3 + c])
    };
    let mut values = vec![114.0 / 255.0; 3 * width * height];
    for c in 0..3 {
        for ty in 0..inner[1] as usize {
            for tx in 0..inner[0] as usize {
                let x = ((tx as f64 + 0.5) / scale[0] - 0.5).max(0.0);
                let y = ((ty as f64 + 0.5) / scale[1] - 0.5).max(0.0);
                let (fx, fy) = (x.fract(), y.fract());
                let top = pixel(x, y, c) * (1.0 - fx) + pixel(x + 1.0, y, c) * fx;
                let low = pixel(x, y + 1.0, c) * (1.0 - fx) + pixel(x + 1.0, y + 1.0, c) * fx;
                let at = (c * height + ty + offset[1] as usize) * width + tx + offset[0] as usize;
                values[at] = ((top * (1.0 - fy) + low * fy) / 255.0) as f32;
            }
        }
    }
    (Letterbox { scale, offset }, values)
}

/// Class, score, and edges in page pixels.
pub type Found = (usize, f64, [f64; 4]);

/// A yolo-v8 head the obvious way.
pub fn naive_v8(
    values: &[f32],
    classes: usize,
    floor: f64,
    iou: f64,
    fit: &Letterbox,
    page: &Page,
) -> Vec<Found> {
    let anchors = values.len() / (4 + classes);
    let at = |row: usize, a: usize| f64::from(values[row * anchors + a]);
    let mut open: Vec<Found> = Vec::new();
    for a in 0..anchors {
        let (cx, cy, w, h) = (at(0, a), at(1, a), at(2, a), at(3, a));
        for class in (0..classes).filter(|c| at(4 + c, a) >= floor) {
            open.push((
                class,
                at(4 + class, a),
                [cx - w / 2.0, cy - h / 2.0, cx + w / 2.0, cy + h / 2.0],
            ));
        }
    }
    open.sort_by(|p, q| q.1.total_cmp(&p.1));
    let mut kept: Vec<Found> = Vec::new();
    for box_ in open {
        if kept
            .iter()
            .all(|k| k.0 != box_.0 || overlap(&k.2, &box_.2) <= iou)
        {
            kept.push(box_);
        }
    }
    let limits = [page.width as f64, page.height as f64];
    for (_, _, edges) in &mut kept {
        for (i, edge) in edges.iter_mut().enumerate() {
            *edge = ((*edge - fit.offset[i % 2]) / fit.scale[i % 2]).clamp(0.0, limits[i % 2]);
        }
    }
    kept.retain(|k| k.2[2] > k.2[0] && k.2[3] > k.2[1]);
    kept
}

fn overlap(a: &[f64; 4], b: &[f64; 4]) -> f64 {
    let w = (a[2].min(b[2]) - a[0].max(b[0])).max(0.0);
    let h = (a[3].min(b[3]) - a[1].max(b[1])).max(0.0);
    let area = |e: &[f64; 4]| (e[2] - e[0]) * (e[3] - e[1]);
    w * h / (area(a) + area(b) - w * h)
}
