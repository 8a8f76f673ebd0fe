//! Writes drawn boards as PNG pairs and a COCO detection file, for training and for looking at.
//!
//! `cargo run --release -p sightline-simulation --example export_boards -- --out DIR --count N --seed S`
//!
//! `DIR/images/NNNNNNNN_test.png` is a part, `NNNNNNNN_temp.png` its golden picture, `DIR/annotations/SPLIT.json` the
//! truth: categories 1 open, 2 short, 3 mousebite, 4 spur, 5 copper, 6 pin-hole; `group` is the design.

use clap::Parser;
use serde_json::{Value, json};
use sightline_simulation::boards::{
    Board, BoardSpec, CameraLook, DefectKind, DefectMix, EdgeLook, Look, Painter, Planner,
};
use sightline_simulation::seed::derive;
use std::error::Error;
use std::path::{Path, PathBuf};

#[derive(Parser)]
struct Arguments {
    /// Folder to write; made if absent.
    #[arg(long)]
    out: PathBuf,
    /// Number of parts.
    #[arg(long, default_value_t = 100)]
    count: u32,
    /// The same seed writes the same pictures.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Number of designs the parts are spread over.
    #[arg(long)]
    designs: Option<u32>,
    /// Mean number of defects on a defective part.
    #[arg(long, default_value_t = 6.0)]
    defects_per_part: f32,
    /// Share of parts without a defect.
    #[arg(long, default_value_t = 0.05)]
    good_share: f32,
    /// Camera-like pictures instead of two-level ones.
    #[arg(long)]
    camera_look: bool,
    /// Name of the annotation file.
    #[arg(long, default_value = "trainval")]
    split: String,
    /// Picture width and height, pixels.
    #[arg(long, default_value_t = 640)]
    size: u32,
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments = Arguments::parse();
    let images = arguments.out.join("images");
    let annotations = arguments.out.join("annotations");
    std::fs::create_dir_all(&images)?;
    std::fs::create_dir_all(&annotations)?;
    let coco = export(&arguments, &images)?;
    let file = annotations.join(format!("{}.json", arguments.split));
    std::fs::write(&file, serde_json::to_vec(&coco)?)?;
    eprintln!("{} parts, {}", arguments.count, file.display());
    Ok(())
}

fn export(arguments: &Arguments, folder: &Path) -> Result<Value, Box<dyn Error>> {
    let designs = arguments
        .designs
        .unwrap_or(arguments.count.div_ceil(8))
        .max(1);
    let side = arguments.size as usize;
    let (mut planner, mut painter) = (Planner::default(), Painter::default());
    let mut picture = vec![0u8; side * side];
    let (mut images, mut boxes) = (Vec::new(), Vec::new());
    let mut board = None;
    for i in 0..arguments.count {
        // Parts of one design follow each other, so that one design is in memory at a time.
        let design = (u64::from(i) * u64::from(designs) / u64::from(arguments.count)) as u32;
        if board.as_ref().is_none_or(|(d, _)| *d != design) {
            let seed = derive(arguments.seed, u64::from(design));
            let spec = BoardSpec {
                width: arguments.size,
                height: arguments.size,
                seed,
            };
            board = Some((design, Board::new(spec)?));
        }
        let Some((_, board)) = &board else { continue };
        let part_seed = derive(arguments.seed, (1 << 40) | u64::from(i));
        let defects = planner.plan(
            board,
            part_seed,
            defect_count(arguments, part_seed),
            &DefectMix::default(),
        );
        let look = if arguments.camera_look {
            Look::Camera(CameraLook::default())
        } else {
            Look::TwoLevel(EdgeLook::default())
        };
        let truth = painter.draw(board, part_seed, &defects, &look, &mut picture, side)?;
        let names = [format!("{i:08}_test.png"), format!("{i:08}_temp.png")];
        save(&folder.join(&names[0]), &picture, arguments.size)?;
        if arguments.camera_look {
            let still = CameraLook {
                noise_sigma: 0.0,
                max_shift_px: 0.0,
                max_rotation_deg: 0.0,
                ..CameraLook::default()
            };
            painter.draw(board, 0, &[], &Look::Camera(still), &mut picture, side)?;
        } else {
            painter.golden(board, &mut picture, side)?;
        }
        save(&folder.join(&names[1]), &picture, arguments.size)?;
        images.push(json!({
            "id": i + 1, "file_name": names[0], "template_file_name": names[1],
            "width": arguments.size, "height": arguments.size, "group": format!("drawn{design:05}"),
        }));
        for defect in truth.iter() {
            let b = defect.bbox_view.rounded();
            boxes.push(json!({
                "id": boxes.len() + 1, "image_id": i + 1, "category_id": defect.kind.class().0 + 1,
                "bbox": b, "area": b[2] * b[3], "iscrowd": 0,
            }));
        }
    }
    let categories: Vec<Value> = DefectKind::ALL
        .iter()
        .map(|kind| json!({"id": kind.class().0 + 1, "name": kind.code()}))
        .collect();
    Ok(json!({
        "info": {"description": "boards drawn by sightline-simulation", "split": arguments.split, "seed": arguments.seed},
        "categories": categories, "images": images, "annotations": boxes,
    }))
}

/// 0 for a good part, else 1 to twice the mean minus one.
fn defect_count(arguments: &Arguments, part_seed: u64) -> usize {
    let share = |what: u64| (derive(part_seed, what) >> 11) as f32 / (1u64 << 53) as f32;
    if share(7) < arguments.good_share {
        return 0;
    }
    let most = (2.0 * arguments.defects_per_part - 1.0).max(1.0);
    1 + (share(8) * most) as usize
}

fn save(path: &Path, picture: &[u8], side: u32) -> Result<(), Box<dyn Error>> {
    Ok(image::save_buffer(
        path,
        picture,
        side,
        side,
        image::ColorType::L8,
    )?)
}

trait Rounded {
    fn rounded(&self) -> [i32; 4];
}

impl Rounded for sightline_domain::BoxView {
    /// Whole pixels, `[x, y, width, height]`.
    fn rounded(&self) -> [i32; 4] {
        let (x0, y0) = (self.x.floor(), self.y.floor());
        let (x1, y1) = ((self.x + self.w).ceil(), (self.y + self.h).ceil());
        [x0, y0, x1 - x0, y1 - y0].map(|v| v as i32)
    }
}
