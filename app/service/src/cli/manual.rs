//! `sightline completions` and `sightline man`: what shells and `man` know of the program, made from its own command line.

use crate::cli::args::Cli;
use crate::cli::output::{self, Blame, Outcome};
use anyhow::Context;
use clap::CommandFactory;
use clap_complete::Shell;
use std::path::Path;

/// Prints the completions of a shell.
pub fn completions(shell: Shell) -> Outcome {
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "sightline", &mut text);
    output::raw_line(&text);
    Ok(())
}

/// Writes a page of every command into a folder, such as `/usr/share/man/man1`.
pub fn pages(folder: &Path) -> Outcome {
    let to = || folder.display().to_string();
    std::fs::create_dir_all(folder)
        .with_context(|| format!("cannot make {}", to()))
        .failed()?;
    clap_mangen::generate_to(Cli::command(), folder)
        .with_context(|| format!("cannot write into {}", to()))
        .failed()
}
