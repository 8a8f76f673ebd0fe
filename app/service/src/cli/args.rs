//! The command line.

use clap::{ArgAction, Args, Parser, Subcommand, ValueEnum};
use sightline_configs::recipe::Tiles;
use sightline_domain::UtcMicros;
use std::path::PathBuf;

/// Visual inspection station: every part gets exactly one verdict, on time, or it is rejected.
#[derive(Parser)]
#[command(version, about)]
pub struct Cli {
    /// More log on stderr (-v, -vv).
    #[arg(short, long, action = ArgAction::Count, global = true)]
    pub verbose: u8,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// Subcommands.
#[derive(Subcommand)]
pub enum Command {
    /// Run the station until it is told to stop.
    Run(RunArgs),
    /// Report everything that is wrong in a configuration and its recipe, all at once.
    Check(CheckArgs),
    /// Run the simulated line against its own truth.
    #[cfg(feature = "simulation")]
    Demo(DemoArgs),
    /// Run real pictures through the real pipeline, as fast as it goes, and measure the model.
    Replay(ReplayArgs),
    /// Measure the pipeline against the engine's own ceiling on this box.
    Bench(BenchArgs),
    /// Look at, check and export what is stored.
    #[command(subcommand)]
    Journal(JournalCommand),
    /// Look at, check and pack model bundles; install them in a station's store, activate them, go back.
    #[command(subcommand)]
    Model(ModelCommand),
    /// Look at one camera of a station.
    #[command(subcommand)]
    Camera(CameraCommand),
    /// Write recipes.
    #[command(subcommand)]
    Recipe(RecipeCommand),
    /// Make keys, sign bundles with them, show which ones a station trusts.
    #[command(subcommand)]
    Keys(KeysCommand),
    /// Say who may log in at consoles.
    #[command(subcommand)]
    User(UserCommand),
    /// Print the completions of a shell, e.g. into /usr/share/bash-completion/completions/sightline.
    Completions {
        /// Which shell.
        shell: clap_complete::Shell,
    },
    /// Write the manual pages into a folder, e.g. /usr/share/man/man1.
    Man {
        /// The folder.
        folder: PathBuf,
    },
    /// Prove a model in this process: what `model verify`, `model install`, `check --probe` and `run` start.
    #[command(hide = true)]
    ProveWorker {
        /// The process that asked.
        #[arg(long)]
        parent: i32,
    },
}

/// `keys`.
#[derive(Subcommand)]
pub enum KeysCommand {
    /// Make a key: NAME.key signs and stays with its owner, NAME.pub goes to the boxes. minisign reads both.
    New {
        /// Whose it is.
        name: String,
        /// The folder to write both to.
        #[arg(long, default_value = ".")]
        out: PathBuf,
        /// A file with the password that protects NAME.key; absent: it is asked for.
        #[arg(long)]
        password_file: Option<PathBuf>,
        /// NAME.key has no password.
        #[arg(long, conflicts_with = "password_file")]
        no_password: bool,
    },
    /// Sign a bundle: writes manifest.toml.minisig into its folder. Files the manifest gives no digest of are added to it.
    Sign {
        /// The bundle's directory.
        bundle: PathBuf,
        /// The secret key, NAME.key.
        #[arg(long)]
        key: PathBuf,
        /// A file with its password; absent: it is asked for, if it has one.
        #[arg(long)]
        password_file: Option<PathBuf>,
    },
    /// Show the keys that a station trusts, each with its id.
    List {
        /// The station's configuration.
        #[arg(long)]
        config: PathBuf,
        /// One JSON object a key on stdout.
        #[arg(long)]
        json: bool,
    },
}

/// `camera`.
#[derive(Subcommand)]
pub enum CameraCommand {
    /// Show live what the station thinks of a camera: rate, times, losses, damage, levels, sharpness, safe windows.
    Test(CameraTestArgs),
}

/// `camera test`.
#[derive(Args)]
pub struct CameraTestArgs {
    /// The camera's name in the configuration.
    pub name: String,
    /// The station's configuration.
    #[arg(long)]
    pub config: PathBuf,
    /// Stop after so many seconds; absent: on Ctrl-C.
    #[arg(long)]
    pub seconds: Option<f64>,
    /// One JSON object a second on stdout, and a summary at the end.
    #[arg(long)]
    pub json: bool,
}

/// `user`.
#[derive(Subcommand)]
pub enum UserCommand {
    /// Add someone, or give someone another role and PIN. The PIN is read from standard input.
    Set {
        /// Name.
        name: String,
        /// `operator`, `supervisor`, `engineer` or `administrator`.
        role: String,
        /// The file that the configuration names in `console.users_file`.
        #[arg(long)]
        file: PathBuf,
    },
}

/// `run`.
#[derive(Args)]
pub struct RunArgs {
    /// The station's configuration.
    #[arg(long)]
    pub config: PathBuf,
    /// Results on stdout, one JSON object a line.
    #[arg(long)]
    pub json: bool,
    /// Record every trigger and frame into a file, to be inspected again with `replay --recording`. Slows capture.
    #[arg(long)]
    pub record: Option<PathBuf>,
}

/// `check`.
#[derive(Args)]
pub struct CheckArgs {
    /// The station's configuration.
    #[arg(long)]
    pub config: PathBuf,
    /// Also open cameras, broker and models.
    #[arg(long)]
    pub probe: bool,
    /// The findings as one JSON object on stdout.
    #[arg(long)]
    pub json: bool,
}

/// `demo`.
#[derive(Args)]
pub struct DemoArgs {
    /// A configuration with a [simulation]; absent: the demo that comes with Sightline.
    #[arg(long)]
    pub config: Option<PathBuf>,
    /// No console window, even where there is a display.
    #[arg(long)]
    pub headless: bool,
    /// Stop after so many seconds; absent: on Ctrl-C.
    #[arg(long)]
    pub seconds: Option<f64>,
    /// Real pictures on the belt: a COCO file, or a folder of pictures without defects.
    #[arg(long)]
    pub images: Option<PathBuf>,
    /// Another seed, another line.
    #[arg(long)]
    pub seed: Option<u64>,
    /// Every scripted fault, one after the other.
    #[arg(long)]
    pub faults: bool,
    /// Results and summary on stdout, one JSON object a line.
    #[arg(long)]
    pub json: bool,
}

/// `replay`.
#[derive(Args)]
pub struct ReplayArgs {
    /// The model bundle's directory.
    #[arg(long, required_unless_present = "recording")]
    pub model: Option<PathBuf>,
    /// A recording of `run --record`, inspected again with the configuration it was made with: same input, same bytes.
    #[arg(long, requires = "config", conflicts_with = "model")]
    pub recording: Option<PathBuf>,
    /// The configuration of the recording.
    #[arg(long, requires = "recording")]
    pub config: Option<PathBuf>,
    /// Pictures and truth as COCO detection JSON.
    #[arg(long)]
    pub coco: Option<PathBuf>,
    /// Folder of the pictures, if it is not `images/` beside or above the COCO file; without --coco: pictures without truth.
    #[arg(long)]
    pub images: Option<PathBuf>,
    /// Limits and regions; absent: the bundle's default limits.
    #[arg(long)]
    pub recipe: Option<PathBuf>,
    /// `onnx`, `onnx:PROVIDER`, `tensorrt` or `tensorrt:dla0`.
    #[arg(long, default_value = "onnx")]
    pub engine: String,
    /// `fp32`, `fp16` or `int8`; absent: what the engine and the bundle are fastest with.
    #[arg(long, value_parser = ["fp32", "fp16", "int8"])]
    pub precision: Option<String>,
    /// Each picture's own golden picture as the part too: templates must give no finding (false alarms).
    #[arg(long)]
    pub templates: bool,
    /// Results and summary on stdout, one JSON object a line.
    #[arg(long)]
    pub json: bool,
}

/// `bench`.
#[derive(Args)]
pub struct BenchArgs {
    /// The station's configuration.
    #[arg(long)]
    pub config: PathBuf,
    /// Another engine than the configuration's, e.g. `tensorrt`.
    #[arg(long)]
    pub engine: Option<String>,
    /// Seconds of measuring.
    #[arg(long, default_value_t = 10.0)]
    pub seconds: f64,
    /// The figures on stdout as one JSON object.
    #[arg(long)]
    pub json: bool,
}

/// `model`.
#[derive(Subcommand)]
pub enum ModelCommand {
    /// Show a bundle, or draft a manifest for an ONNX file.
    Inspect {
        /// A bundle's directory or an `.onnx` file.
        path: PathBuf,
        /// Which head the file has, where it does not say itself; the names are told when that is so.
        #[arg(long, value_name = "HEAD")]
        decoder: Option<String>,
        /// Class names in the order of the model's outputs, for a file that has none.
        #[arg(long, value_name = "NAME", value_delimiter = ',')]
        classes: Vec<String>,
        /// What was found as one JSON object on stdout, a drafted manifest as text in it.
        #[arg(long)]
        json: bool,
    },
    /// Check a bundle's files and prove it: every file that could be chosen looks at every golden picture.
    Verify {
        /// The bundle's directory or `.tar.zst`.
        bundle: PathBuf,
        /// `fp32`, `fp16` or `int8`; absent: every one that could be chosen.
        #[arg(long, value_parser = ["fp32", "fp16", "int8"])]
        precision: Option<String>,
        /// `onnx`, `onnx:PROVIDER`, `tensorrt` or `tensorrt:dla0`; absent: the station's engines, or `onnx`.
        #[arg(long)]
        engine: Option<String>,
        /// A station's configuration: its engines (the fallback too) and its limits.
        #[arg(long)]
        config: Option<PathBuf>,
        /// What was found as one JSON object on stdout.
        #[arg(long)]
        json: bool,
    },
    /// Make golden pictures: what the model says of each is drawn for a person to accept, then written into the bundle.
    Golden(GoldenArgs),
    /// Pack a bundle into one `.tar.zst`.
    Pack {
        /// The bundle's directory.
        bundle: PathBuf,
        /// The file to write.
        #[arg(long, short)]
        output: PathBuf,
    },
    /// Verify a bundle and take it into the store. It looks only when it is activated.
    Install {
        #[command(flatten)]
        store: StoreArgs,
        /// The bundle's directory or `.tar.zst`.
        bundle: PathBuf,
        /// The archive's SHA-256, hex; compared before it is opened.
        #[arg(long)]
        sha256: Option<String>,
        /// At the lowest priority, for a box that inspects.
        #[arg(long)]
        gently: bool,
        /// End as soon as standard input is closed: the station that asked for it has ended.
        #[arg(long, hide = true)]
        with_parent: bool,
    },
    /// Show what is installed, and what looks.
    List {
        #[command(flatten)]
        store: StoreArgs,
        /// One JSON object a bundle on stdout.
        #[arg(long)]
        json: bool,
    },
    /// Let an installed bundle look; a running station takes it with SIGHUP (`systemctl reload`).
    Activate {
        #[command(flatten)]
        store: StoreArgs,
        /// The bundle's name.
        name: String,
        /// Its version.
        version: String,
    },
    /// Go back to the bundle that looked before; a running station takes it with SIGHUP.
    Rollback {
        #[command(flatten)]
        store: StoreArgs,
        /// The bundle's name.
        name: String,
    },
}

/// `model golden`.
#[derive(Args)]
pub struct GoldenArgs {
    /// The bundle's directory.
    pub bundle: PathBuf,
    /// The pictures; a reference lies beside its picture as NAME-reference. Absent: of --coco, see --each.
    pub pictures: Vec<PathBuf>,
    /// Labels: a picture of which the model says otherwise is left out.
    #[arg(long)]
    pub coco: Option<PathBuf>,
    /// Folder of the labelled pictures, if it is not `images/` beside or above the COCO file.
    #[arg(long, requires = "coco")]
    pub images: Option<PathBuf>,
    /// So many pictures of each class of --coco and so many clean ones, where no pictures are named; 0: all.
    #[arg(long, default_value_t = 3)]
    pub each: usize,
    /// `onnx`, `onnx:PROVIDER`, `tensorrt` or `tensorrt:dla0`.
    #[arg(long, default_value = "onnx")]
    pub engine: String,
    /// Large pictures are looked at in tiles, WIDTHxHEIGHT+OVERLAP in pixels, e.g. 640x640+96.
    #[arg(long)]
    pub tiles: Option<Tiles>,
    /// How far a score may be off on another engine or in another precision.
    #[arg(long, default_value_t = 0.03)]
    pub score_tolerance: f32,
    /// How far each edge of a box may be off, pixels.
    #[arg(long, default_value_t = 3.0)]
    pub box_tolerance_px: f32,
    /// The folder to draw to; absent: BUNDLE-golden-review here.
    #[arg(long)]
    pub review: Option<PathBuf>,
    /// Somebody has looked at what was drawn, and it is right.
    #[arg(long)]
    pub accept: bool,
}

/// `recipe`.
#[derive(Subcommand)]
pub enum RecipeCommand {
    /// Write a recipe for a model.
    New(NewRecipe),
}

/// `recipe new`.
#[derive(Args)]
pub struct NewRecipe {
    /// The model bundle's directory.
    #[arg(long)]
    pub model: PathBuf,
    /// A camera that sees the part; one view each.
    #[arg(long, required = true)]
    pub camera: Vec<String>,
    /// Labelled pictures, some of them without a label: limits are made from them.
    #[arg(long)]
    pub coco: Option<PathBuf>,
    /// Folder of the labelled pictures, if it is not `images/` beside or above the COCO file.
    #[arg(long, requires = "coco")]
    pub images: Option<PathBuf>,
    /// Large pictures are looked at in tiles, WIDTHxHEIGHT+OVERLAP in pixels, e.g. 640x640+96.
    #[arg(long)]
    pub tiles: Option<Tiles>,
    /// Share of good parts that may be stopped, 0 to 1.
    #[arg(long, default_value_t = 0.01)]
    pub overkill: f64,
    /// A class that a good part may have; absent: of a classifier `ok`, `good`, `pass`, `normal`, `clean`.
    #[arg(long)]
    pub good: Vec<String>,
    /// The MES's id; absent: the bundle's name.
    #[arg(long)]
    pub id: Option<String>,
    /// From trigger to verdict, ms.
    #[arg(long, default_value_t = 500.0)]
    pub deadline_ms: f64,
    /// `onnx`, `onnx:PROVIDER`, `tensorrt` or `tensorrt:dla0`.
    #[arg(long, default_value = "onnx")]
    pub engine: String,
    /// The file to write; absent: stdout.
    #[arg(long, short)]
    pub out: Option<PathBuf>,
}

/// Which model store.
#[derive(Args)]
#[group(required = true, multiple = false)]
pub struct StoreArgs {
    /// The store's folder.
    #[arg(long)]
    pub store: Option<PathBuf>,
    /// The station's configuration, which names it.
    #[arg(long)]
    pub config: Option<PathBuf>,
}

/// Which journal.
#[derive(Args)]
#[group(required = true, multiple = false)]
pub struct Place {
    /// The station's configuration.
    #[arg(long)]
    pub config: Option<PathBuf>,
    /// The journal's folder, or a file that was set aside.
    #[arg(long)]
    pub journal: Option<PathBuf>,
}

/// `journal`.
#[derive(Subcommand)]
pub enum JournalCommand {
    /// What is stored, what is pending.
    Stat {
        /// Which.
        #[command(flatten)]
        place: Place,
        /// One JSON object on stdout.
        #[arg(long)]
        json: bool,
    },
    /// Write results to a file or stdout, oldest first.
    Export {
        /// Which.
        #[command(flatten)]
        place: Place,
        /// `jsonl`: each result as it was published. `csv`, `parquet`: one row a result, findings in words; in CSV a text that
        /// a spreadsheet would take for a formula has a `'` before it.
        #[arg(long, value_enum)]
        format: ExportFormat,
        /// The file to write; absent: stdout.
        #[arg(long, short)]
        output: Option<PathBuf>,
        /// CSV begins with a byte order mark, so that Excel reads it as UTF-8.
        #[arg(long)]
        bom: bool,
        /// From this moment, UTC: 2026-01-31 or 2026-01-31T08:00:00Z.
        #[arg(long, value_parser = moment)]
        from: Option<UtcMicros>,
        /// Up to this moment.
        #[arg(long, value_parser = moment)]
        to: Option<UtcMicros>,
    },
    /// Print the audit trail, oldest first: who did what, before, after, why.
    Audit {
        /// Which.
        #[command(flatten)]
        place: Place,
        /// One JSON object a link on stdout, with its hash.
        #[arg(long)]
        json: bool,
    },
    /// Check the file's structure, every result, every number and the audit trail's chain.
    Verify {
        /// Which.
        #[command(flatten)]
        place: Place,
        /// The findings as one JSON object on stdout.
        #[arg(long)]
        json: bool,
    },
}

/// Formats of `journal export`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ExportFormat {
    /// One row a result.
    Csv,
    /// One JSON object a line.
    Jsonl,
    /// One row a result, for analysis.
    Parquet,
}

fn moment(text: &str) -> Result<UtcMicros, String> {
    UtcMicros::from_rfc3339(text)
        .ok_or_else(|| "expected a date or time in UTC, e.g. 2026-01-31T08:00:00Z".into())
}
