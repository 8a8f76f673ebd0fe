//! `sightline`: the inspection station and the tools around it.
//!
//! What lives here: composition. [`station`] builds every part of a running station from configuration and recipe and
//! hands each its inputs; each subcommand is a file. People's text goes to stderr; under `--json` stdout carries one
//! object a line and nothing else. Exit codes: 0 done, 1 ran and failed, 2 wrong use or configuration.
//! Where to start: `station.rs`, then `run.rs`.

mod backend;
mod bench;
mod camera_doubts;
mod camera_test;
mod camera_unfit;
mod changeover;
mod check;
mod cli;
mod console;
mod control;
mod cpu;
mod demo;
mod engines;
mod events;
mod export;
mod gate;
mod golden;
mod gpu;
mod journal;
mod keeping;
mod keys;
mod labels;
mod log;
mod manual;
mod model;
mod notify;
mod parquet;
mod picture;
mod plausibility;
mod proving;
mod recipe;
mod recording;
mod redact;
mod replay;
mod report;
mod results;
mod run;
mod signing;
mod starting;
mod station;
mod stop;
mod store;
mod terminal;
mod threads;
mod trial;
mod trigger;
mod tuning;
mod user;
mod watch;

use clap::Parser;
use cli::{CameraCommand, Cli, Command};
use std::process::ExitCode;

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(said) => return report::usage(&said),
    };
    log::to_stderr(cli.verbose);
    let done = match cli.command {
        Command::Run(args) => run::run(&args),
        Command::Check(args) => check::check(&args),
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
        Command::ProveWorker { parent } => proving::worker::run(parent),
    };
    report::conclude(done)
}
