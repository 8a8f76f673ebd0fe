//! `sightline-console`: the operator's window on the station.

use anyhow::Context;
use clap::{Parser, ValueEnum};
use sightline_console::app::{self, Settings};
use sightline_console::texts::Language;
use sightline_console::view::Screen;
use sightline_wire::Client;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

/// Drawn again at most so often for what the station sends; a touch is drawn at once.
const FRAME: Duration = Duration::from_millis(80);

/// The operator's console.
#[derive(Parser)]
#[command(version, about)]
struct Cli {
    /// The station's socket.
    #[arg(long, default_value = "/run/sightline/console.sock")]
    socket: PathBuf,
    /// Language of the texts.
    #[arg(long, value_enum, default_value = "en")]
    language: Lang,
    /// Dark theme.
    #[arg(long)]
    dark: bool,
    /// Pixels a millimetre of this screen: its width in pixels over its width in mm.
    #[arg(long, default_value_t = 3.8)]
    px_per_mm: f32,
    /// Size of the window.
    #[arg(long, default_value = "1280x800")]
    size: String,
    /// The whole screen, no frame.
    #[arg(long)]
    fullscreen: bool,
    /// Begin with this screen, e.g. `alarms`.
    #[arg(long, default_value = "line")]
    screen: String,
}

#[derive(Clone, Copy, ValueEnum)]
enum Lang {
    En,
    Zh,
}

fn main() -> ExitCode {
    match run(&Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("sightline-console: {error:#}");
            ExitCode::from(1)
        }
    }
}

fn run(cli: &Cli) -> anyhow::Result<()> {
    let (width, height) = cli
        .size
        .split_once('x')
        .and_then(|(w, h)| Some((w.parse::<f32>().ok()?, h.parse::<f32>().ok()?)))
        .with_context(|| format!("--size: expected e.g. 1280x800, found `{}`", cli.size))?;
    let px_per_mm = cli.px_per_mm;
    anyhow::ensure!(
        (1.0..=30.0).contains(&px_per_mm),
        "--px-per-mm: expected 1 to 30, found {px_per_mm}"
    );
    let known = || Screen::ALL.map(Screen::name).join(", ");
    let screen = Screen::ALL.into_iter().find(|s| s.name() == cli.screen);
    let screen = screen.with_context(|| {
        format!(
            "--screen: expected one of {}, found `{}`",
            known(),
            cli.screen
        )
    })?;
    let settings = Settings {
        language: match cli.language {
            Lang::En => Language::English,
            Lang::Zh => Language::Chinese,
        },
        dark: cli.dark,
        px_per_mm,
        screen,
    };
    let socket = cli.socket.clone();
    app::run(settings, [width, height], cli.fullscreen, move |ctx| {
        let ctx = ctx.clone();
        let wake = move || ctx.request_repaint_after(FRAME);
        Ok(Client::start(&socket, "sightline-console", wake)?)
    })
}
