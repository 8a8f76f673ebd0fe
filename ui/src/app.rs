//! The window: takes in what came, lets the screen draw, sends what was asked.

use crate::texts::{Language, Texts};
use crate::tokens::Tokens;
use crate::view::{Screen, Shown, Station, View};
use crate::{fonts, frame, screens};
use eframe::egui::{self, ColorImage, Context, TextureOptions, Ui};
use sightline_wire::preview::Pixels;
use sightline_wire::{Answer, Ask, Link, PreviewHead, Reply};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// Between two questions of a screen whose answer changes.
const REFRESH: Duration = Duration::from_secs(2);
/// Between two signs of life of a person.
const STILL_HERE: Duration = Duration::from_secs(5);
/// The screen is drawn at least so often, so that what is old is seen to be old.
const LOOK: Duration = Duration::from_millis(250);
/// Pictures of rejected parts held at once.
const PICTURES: usize = 24;

/// How it begins.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Language of the texts.
    pub language: Language,
    /// Dark hall.
    pub dark: bool,
    /// Pixels a millimetre of the screen.
    pub px_per_mm: f32,
    /// The first screen.
    pub screen: Screen,
}

/// The console.
pub struct Console<S> {
    /// What is shown.
    pub view: View,
    station: S,
    asked: BTreeMap<u64, Ask>,
    refreshed: Instant,
    still_here: Instant,
}

impl<S: Station> Console<S> {
    /// On a context that is new.
    pub fn new(ctx: &Context, station: S, settings: &Settings) -> Self {
        ctx.set_fonts(fonts::definitions());
        ctx.set_pixels_per_point(1.0);
        let tokens = Tokens::new(settings.dark, settings.px_per_mm);
        tokens.apply(ctx);
        let mut view = View::new(Texts::new(settings.language), tokens);
        view.screen = settings.screen;
        screens::enter(&mut view);
        Self {
            view,
            station,
            asked: BTreeMap::new(),
            refreshed: Instant::now(),
            still_here: Instant::now(),
        }
    }

    /// The station it talks to.
    pub fn station(&self) -> &S {
        &self.station
    }

    /// The station it talks to, to be changed by who plays it.
    pub fn station_mut(&mut self) -> &mut S {
        &mut self.station
    }

    /// Takes in what came since the last time.
    pub fn take_in(&mut self, ctx: &Context) {
        let view = &mut self.view;
        let was = std::mem::replace(&mut view.link, self.station.link());
        (view.snapshot, view.session, view.age) = self.station.look();
        if view.link != Link::Up {
            view.age = None;
            view.pictures.clear();
            view.dialog = None;
            self.asked.clear();
        } else if was != Link::Up {
            screens::enter(view);
        }
        let cameras = view.snapshot.cameras.len();
        view.pictures
            .retain(|&camera, _| usize::from(camera) < cameras);
        for (camera, preview) in self.station.take_previews() {
            let before = view.pictures.remove(&camera);
            let name = format!("camera {camera}");
            let shown = show(ctx, &name, preview.head, &preview.bytes, before);
            view.pictures.insert(camera, shown);
        }
        for (id, reply) in self.station.take_answers() {
            let Some(ask) = self.asked.remove(&id) else {
                continue;
            };
            view.take(&ask, reply, |reply| kept(ctx, reply));
            if crate::dialogs::is_act(&ask) {
                screens::enter(view);
            }
        }
        if self.refreshed.elapsed() > REFRESH {
            self.refreshed = Instant::now();
            screens::enter(view);
        }
        let touched = ctx.input(|i| i.pointer.any_down() || !i.events.is_empty());
        if touched && view.session.user.is_some() && self.still_here.elapsed() > STILL_HERE {
            self.still_here = Instant::now();
            view.asks.push(Ask::StillHere);
        }
    }

    /// Draws, and sends what was asked.
    pub fn draw(&mut self, ui: &mut Ui) {
        frame::show(ui, &mut self.view);
        self.station.watch(self.view.wishes.clone());
        for ask in std::mem::take(&mut self.view.asks) {
            if self.asked.values().any(|waiting| *waiting == ask) {
                continue;
            }
            if let Some(id) = self.station.ask(ask.clone()) {
                self.asked.insert(id, ask);
            }
        }
        let chosen = self.view.chosen.reject;
        let pictures = &mut self.view.answers.pictures;
        if pictures.len() > PICTURES {
            pictures.retain(|(seq, _), _| Some(*seq) == chosen);
        }
        ui.ctx().request_repaint_after(LOOK);
    }
}

impl<S: Station> eframe::App for Console<S> {
    fn logic(&mut self, ctx: &Context, _: &mut eframe::Frame) {
        self.take_in(ctx);
    }

    fn ui(&mut self, ui: &mut Ui, _: &mut eframe::Frame) {
        self.draw(ui);
    }
}

fn kept(ctx: &Context, reply: Reply) -> Option<Shown> {
    let Answer::Picture(head) = reply.answer else {
        return None;
    };
    Some(show(ctx, "reject", head, &reply.pixels, None))
}

/// A picture on the graphics card, in the place of the one before.
fn show(
    ctx: &Context,
    name: &str,
    head: PreviewHead,
    bytes: &[u8],
    before: Option<Shown>,
) -> Shown {
    let size = [usize::from(head.width), usize::from(head.height)];
    let image = match head.pixels {
        Pixels::Gray => ColorImage::from_gray(size, bytes),
        Pixels::Rgb => ColorImage::from_rgb(size, bytes),
    };
    let (histogram, focus) = measure(bytes, &head);
    let texture = match before {
        Some(mut before) => {
            before.texture.set(image, TextureOptions::LINEAR);
            before.texture
        }
        None => ctx.load_texture(name, image, TextureOptions::LINEAR),
    };
    Shown {
        head,
        texture,
        histogram,
        focus,
    }
}

/// Grey levels, and the mean difference of neighbours, of every fourth row.
fn measure(bytes: &[u8], head: &PreviewHead) -> ([u32; 32], f32) {
    let step = head.pixels.bytes();
    // Green stands for grey.
    let channel = step / 2;
    let mut histogram = [0; 32];
    let (mut sum, mut count) = (0u64, 0u64);
    let row_bytes = (usize::from(head.width) * step).max(1);
    for row in bytes.chunks_exact(row_bytes).step_by(4) {
        let mut last = None;
        for pixel in row.chunks_exact(step) {
            let level = pixel[channel];
            histogram[usize::from(level / 8)] += 1;
            if let Some(last) = last.replace(level) {
                sum += u64::from(level.abs_diff(last));
                count += 1;
            }
        }
    }
    (histogram, sum as f32 / count.max(1) as f32)
}

/// Opens the window and runs until it is closed.
///
/// # Errors
/// No display, or no OpenGL on it.
pub fn run(
    settings: Settings,
    size: [f32; 2],
    fullscreen: bool,
    connect: impl FnOnce(&Context) -> anyhow::Result<sightline_wire::Client>,
) -> anyhow::Result<()> {
    let viewport = egui::ViewportBuilder::default()
        .with_title("Sightline")
        .with_inner_size(size)
        .with_fullscreen(fullscreen);
    let options = eframe::NativeOptions {
        viewport,
        ..Default::default()
    };
    eframe::run_native(
        "sightline-console",
        options,
        Box::new(move |cc| {
            let client = connect(&cc.egui_ctx)?;
            Ok(Box::new(Console::new(&cc.egui_ctx, client, &settings)))
        }),
    )
    .map_err(|e| anyhow::anyhow!("no window: {e}; a display with OpenGL is needed (DISPLAY)"))
}
