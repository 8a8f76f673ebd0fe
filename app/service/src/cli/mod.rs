//! The command line: one file a subcommand, what they share, and the way in.
//!
//! People's text goes to stderr; under `--json` stdout carries one object a line and nothing else. Exit codes: 0 done,
//! 1 ran and failed, 2 wrong use or configuration.

pub(crate) mod args;
pub(crate) mod bench;
pub(crate) mod camera_test;
pub(crate) mod check;
#[cfg(feature = "simulation")]
pub(crate) mod demo;
#[cfg(feature = "simulation")]
pub(crate) mod demo_console;
pub(crate) mod export;
pub(crate) mod golden;
pub(crate) mod gpu;
pub(crate) mod journal;
pub(crate) mod keys;
pub(crate) mod labels;
pub(crate) mod manual;
pub(crate) mod model;
pub(crate) mod output;
pub(crate) mod parquet;
pub(crate) mod recipe;
pub(crate) mod replay;
pub(crate) mod run;
pub(crate) mod signals;
pub(crate) mod terminal;
pub(crate) mod user;

use args::{CameraCommand, Cli, Command};
use clap::Parser;
use std::process::ExitCode;

/// Reads the command line and carries it out. The whole of the binary `sightline`.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(said) => return output::usage(&said),
    };
    crate::log::to_stderr(cli.verbose);
    let done = match cli.command {
        Command::Run(args) => run::run(&args),
        Command::Check(args) => check::check(&args),
        #[cfg(feature = "simulation")]
        Command::Demo(args) => demo::demo(&args),
        Command::Replay(args) => replay::replay(&args),
        Command::Bench(args) => bench::bench(&args),
        Command::Journal(command) => journal::journal(&command),
        Command::Recipe(command) => recipe::recipe(&command),
        Command::Model(command) => model::model(&command),
        Command::Camera(CameraCommand::Test(args)) => camera_test::test(&args),
        Command::Keys(command) => keys::keys(&command),
        Command::User(command) => user::user(&command),
        Command::Completions { shell } => manual::completions(shell),
        Command::Man { folder } => manual::pages(&folder),
        Command::ProveWorker { parent } => crate::models::proving::worker::run(parent),
    };
    output::conclude(done)
}
