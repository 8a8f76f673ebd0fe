//! Every screen as a blessed picture: both sizes, both languages, both themes (each pair of these at least once).
//! `SIGHTLINE_UPDATE_GOLDENS=1` writes them anew; look at each before it is committed.

#[path = "common/raster.rs"]
mod raster;
#[path = "common/sample/mod.rs"]
mod sample;

use raster::Screen as Painter;
use sample::Still;
use sightline_console::app::{Console, Settings};
use sightline_console::dialogs::{Dialog, new_user};
use sightline_console::filters::By;
use sightline_console::texts::Language;
use sightline_console::view::Screen;
use sightline_wire::{Ask, Link, Role};
use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{BufReader, BufWriter};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Levels that a pixel may differ by; pixels that differ by more: none.
const NEAR: u8 = 3;

struct Look {
    name: &'static str,
    size: [usize; 2],
    language: Language,
    dark: bool,
}

/// 10.1 and 15.6 inches wide enough that nothing is easy: small and large, two languages, two themes.
const LOOKS: [Look; 4] = [
    Look {
        name: "1280-en-light",
        size: [1280, 800],
        language: Language::English,
        dark: false,
    },
    Look {
        name: "1280-zh-dark",
        size: [1280, 800],
        language: Language::Chinese,
        dark: true,
    },
    Look {
        name: "1920-zh-light",
        size: [1920, 1080],
        language: Language::Chinese,
        dark: false,
    },
    Look {
        name: "1920-en-dark",
        size: [1920, 1080],
        language: Language::English,
        dark: true,
    },
];

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/pictures")
}

/// Draws a console until it has settled.
fn draw(
    look: &Look,
    screen: Screen,
    station: Still,
    prepare: impl Fn(&mut Console<Still>),
) -> Vec<u8> {
    let mut painter = Painter::new(look.size);
    let settings = Settings {
        language: look.language,
        dark: look.dark,
        px_per_mm: 3.8,
        screen,
    };
    let mut console = Console::new(painter.ctx(), station, &settings);
    prepare(&mut console);
    for _ in 0..5 {
        painter.frame(|ui| {
            console.take_in(ui.ctx());
            console.draw(ui);
        });
    }
    let output = painter.frame(|ui| console.draw(ui));
    painter.paint(output)
}

/// The same picture in the 256 colours it has most of, what is rare in the nearest of them: the files are kept in the
/// repository, and flat colours stay as they are. What was blessed and what is made go through the same.
fn few_colors(rgb: &[[u8; 3]]) -> (Vec<[u8; 3]>, Vec<u8>) {
    let mut counts = BTreeMap::<[u8; 3], usize>::new();
    rgb.iter().for_each(|p| *counts.entry(*p).or_default() += 1);
    let mut palette: Vec<[u8; 3]> = counts.keys().copied().collect();
    palette.sort_by_key(|p| (Reverse(counts[p]), *p));
    palette.truncate(256);
    let distance = |a: &[u8; 3], b: &[u8; 3]| -> u32 {
        let levels = a.iter().zip(b);
        levels.map(|(a, b)| u32::from(a.abs_diff(*b)).pow(2)).sum()
    };
    let nearest = |p: &[u8; 3]| {
        let all = palette.iter().enumerate();
        let nearest = all.min_by_key(|(_, q)| distance(p, q));
        nearest.map_or(0, |(i, _)| i as u8)
    };
    let place: BTreeMap<_, _> = counts.keys().map(|p| (*p, nearest(p))).collect();
    let pixels = rgb.iter().map(|p| place[p]).collect();
    (palette, pixels)
}

fn write(path: &Path, size: [usize; 2], palette: &[[u8; 3]], pixels: &[u8]) {
    fs::create_dir_all(folder()).unwrap();
    let file = BufWriter::new(File::create(path).unwrap());
    let mut encoder = png::Encoder::new(file, size[0] as u32, size[1] as u32);
    encoder.set_color(png::ColorType::Indexed);
    encoder.set_palette(palette.concat());
    encoder.set_compression(png::Compression::High);
    encoder.set_filter(png::Filter::NoFilter);
    encoder
        .write_header()
        .unwrap()
        .write_image_data(pixels)
        .unwrap();
}

fn read(path: &Path) -> Vec<[u8; 3]> {
    let file = File::open(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let mut decoder = png::Decoder::new(BufReader::new(file));
    decoder.set_transformations(png::Transformations::EXPAND);
    let mut reader = decoder.read_info().unwrap();
    let mut kept = vec![0; reader.output_buffer_size().unwrap()];
    reader.next_frame(&mut kept).unwrap();
    kept.as_chunks::<3>().0.to_vec()
}

fn compare(name: &str, size: [usize; 2], made: &[u8]) {
    let path = folder().join(format!("{name}.png"));
    let made = made.as_chunks::<4>().0.iter();
    let made: Vec<[u8; 3]> = made.map(|p| [p[0], p[1], p[2]]).collect();
    let (palette, pixels) = few_colors(&made);
    if std::env::var_os("SIGHTLINE_UPDATE_GOLDENS").is_some() {
        write(&path, size, &palette, &pixels);
    }
    let made: Vec<[u8; 3]> = pixels.iter().map(|i| palette[usize::from(*i)]).collect();
    let kept = read(&path);
    assert_eq!(kept.len(), made.len(), "{name}: another size");
    let far = |(a, b): &(&[u8; 3], &[u8; 3])| {
        let mut levels = a.iter().zip(b.iter());
        levels.any(|(a, b)| a.abs_diff(*b) > NEAR)
    };
    let different = made.iter().zip(&kept).filter(far).count();
    assert_eq!(
        different,
        0,
        "{name}: so many pixels differ from {}; bless it with SIGHTLINE_UPDATE_GOLDENS=1 if that is meant, and look at it",
        path.display()
    );
}

fn every_look(screen: Screen, prepare: impl Fn(&mut Console<Still>)) {
    for look in &LOOKS {
        let made = draw(look, screen, Still::new(), &prepare);
        compare(
            &format!("{}-{}", screen.name(), look.name),
            look.size,
            &made,
        );
    }
}

macro_rules! screens {
    ($($name:ident: $screen:ident, $prepare:expr;)*) => {
        $(#[test] fn $name() { every_look(Screen::$screen, $prepare); })*
    };
}

screens! {
    line: Line, |_| {};
    camera: Camera, |c| c.view.chosen.camera = 2;
    rejects: Rejects, |_| {};
    quality: Quality, |_| {};
    recipe: Recipe, |c| {
        c.view.chosen.recipe = Some("demo-board-fast.toml".into());
        c.view.asks.push(Ask::CompareRecipe { file: "demo-board-fast.toml".into() });
    };
    models: Models, |c| c.view.chosen.model = Some(("pcb-detector".into(), "0.1.0".into()));
    alarms: Alarms, |_| {};
    timing: Timing, |_| {};
    connectivity: Connectivity, |_| {};
    audit: Audit, |_| {};
    system: System, |_| {};
    users: Users, |_| {};
}

#[test]
fn what_lies_over_a_screen() {
    let look = &LOOKS[0];
    let over = |name: &str, station: Still, prepare: &dyn Fn(&mut Console<Still>)| {
        let made = draw(look, Screen::Line, station, prepare);
        compare(&format!("over-{name}"), look.size, &made);
    };
    over("confirm", Still::new(), &|c| {
        c.view.dialog = Some(Dialog::Confirm {
            ask: Ask::RollBackModel {
                reason: String::new(),
            },
            meaning: c
                .view
                .texts
                .with("models.roll_back_means", &[&"pcb-detector 0.1.0"]),
            reason: None,
        });
    });
    over("log-in", Still::new(), &|c| {
        c.view.dialog = Some(Dialog::LogIn {
            user: Some("Chen".into()),
            pin: "1234".into(),
        });
    });
    over("pick", Still::new(), &|c| {
        c.view.dialog = Some(Dialog::Pick(By::Cause));
    });
    over("user", Still::new(), &|c| {
        c.view.dialog = Some(Dialog::User {
            name: "Chen".into(),
            naming: false,
            role: Role::Engineer,
            pin: "12".into(),
        });
    });
    over("new-user", Still::new(), &|c| {
        c.view.dialog = Some(new_user());
    });
    over("shelve", Still::new(), &|c| {
        c.view.dialog = Some(Dialog::Confirm {
            ask: Ask::Shelve {
                alarm: "camera.cam4.down".into(),
                minutes: 30,
                reason: String::new(),
            },
            meaning: c.view.t("alarms.shelve_means"),
            reason: None,
        });
    });
    over("bundles", Still::new(), &|c| {
        c.view.dialog = Some(Dialog::Bundles);
        c.view.asks.push(Ask::Bundles);
    });
    over("row", Still::new(), &|c| {
        let row = [
            ("audit.what", "install-model pcb-detector-0.2.0-rc1.tar.zst"),
            ("audit.old", ""),
            (
                "audit.why",
                "refused: int8 clean-1.png: NOT as expected; expected nothing, found a mouse bite of 0.71 at 312,208; 1 golden pictures are not as expected; do not use this bundle on this box; asked for: Trial",
            ),
        ];
        let row = row.map(|(key, value)| (c.view.t(key), value.to_owned()));
        c.view.dialog = Some(Dialog::Details(row.to_vec()));
    });
    let mut old = Still::new();
    old.age = Duration::from_millis(3_400);
    over("stale", old, &|_| {});
    let mut gone = Still::new();
    gone.link = Link::Down {
        reason:
            "/run/sightline/console.sock: the connection broke: Connection refused (os error 111)"
                .into(),
    };
    over("unreachable", gone, &|_| {});
}

/// A glyph that the font does not have is drawn as a box; the font must have all that any text can show.
#[test]
fn the_font_has_every_sign_of_every_text() {
    let painter = Painter::new([64, 64]);
    let settings = Settings {
        language: Language::Chinese,
        dark: false,
        px_per_mm: 3.8,
        screen: Screen::Line,
    };
    let _console = Console::new(painter.ctx(), Still::new(), &settings);
    let files = ["strings/en.toml", "strings/zh.toml"];
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut text: String = files
        .iter()
        .map(|f| fs::read_to_string(root.join(f)).unwrap())
        .collect();
    text.push_str("•°…简体中文断路短路鼠咬毛刺针孔缺口");
    let mut painter = painter;
    painter.frame(|ui| {
        let missing: String = ui.fonts_mut(|fonts| {
            let font = eframe::egui::FontId::proportional(16.0);
            let signs = text.chars().filter(|c| !c.is_control());
            signs.filter(|c| !fonts.has_glyph(&font, *c)).collect()
        });
        assert_eq!(missing, "");
    });
}
