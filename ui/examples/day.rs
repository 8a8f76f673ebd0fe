//! A day at a console in some minutes: a frame a simulated second, every screen in turn, eight cameras, dialogs, answers.
//! Prints the resident memory each simulated hour: it must not grow.
//!
//! `cargo run --release -p sightline-console --example day`

#[path = "../tests/common/sample/mod.rs"]
#[allow(dead_code, reason = "pictures and touches use the rest")]
mod sample;

use eframe::egui::{Context, Event, PointerButton, Pos2, RawInput, Rect, pos2, vec2};
use sample::Still;
use sightline_console::app::{Console, Settings};
use sightline_console::texts::Language;
use sightline_console::view::Screen;
use sightline_domain::UtcMicros;

const HOURS: u32 = 24;

fn resident_kb() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|l| l.strip_prefix("VmRSS:"));
    let number = line.and_then(|l| l.trim().trim_end_matches(" kB").parse().ok());
    number.unwrap_or(0)
}

/// What a second changes: time, counts, parts, alarms.
fn tick(station: &mut Still, second: u32) {
    let s = &mut station.snapshot;
    s.pulse.at = UtcMicros(sample::NOW.0 + i64::from(second) * 1_000_000);
    s.pulse.uptime_s += 1;
    s.line.ok += 1;
    s.line.results += 1;
    let mut part = s.parts[0].clone();
    part.seq += u64::from(second);
    part.track = part.seq;
    s.parts.insert(0, part);
    s.parts.truncate(12);
    s.alarms[0].message = format!("part {second}: the sensor did not see it");
    station.asked.borrow_mut().clear();
}

/// A finger that wanders over the screen and presses wherever it is.
fn touch(second: u32) -> [Event; 3] {
    let step = |stride: u64, side: u64| (u64::from(second) * stride % side) as f32;
    let at = pos2(step(7_919, 1_280), step(104_729, 800));
    let press = |pressed| Event::PointerButton {
        pos: at,
        button: PointerButton::Primary,
        pressed,
        modifiers: Default::default(),
    };
    [Event::PointerMoved(at), press(true), press(false)]
}

fn main() {
    let ctx = Context::default();
    let settings = Settings {
        language: Language::English,
        dark: false,
        px_per_mm: 3.8,
        screen: Screen::Line,
    };
    let mut console = Console::new(&ctx, Still::new(), &settings);
    println!("hour  resident MB");
    for second in 0..HOURS * 3_600 {
        if second % 3_600 == 0 {
            println!("{:4}  {:.1}", second / 3_600, resident_kb() as f64 / 1e3);
        }
        tick(console.station_mut(), second);
        if second % 10 == 0 {
            let next = second / 10 % Screen::ALL.len() as u32;
            console.view.screen = Screen::ALL[next as usize];
            sightline_console::screens::enter(&mut console.view);
        }
        let whole = Rect::from_min_size(Pos2::ZERO, vec2(1_280.0, 800.0));
        let input = RawInput {
            screen_rect: Some(whole),
            time: Some(f64::from(second)),
            events: match second % 3 {
                0 => touch(second).to_vec(),
                _ => Vec::new(),
            },
            ..RawInput::default()
        };
        let mut output = ctx.run_ui(input, |ui| {
            console.take_in(ui.ctx());
            console.draw(ui);
        });
        // As a painter does.
        output.textures_delta.clear();
        drop(ctx.tessellate(output.shapes, output.pixels_per_point));
    }
    println!("{HOURS:4}  {:.1}", resident_kb() as f64 / 1e3);
}
