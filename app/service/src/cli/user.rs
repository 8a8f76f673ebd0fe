//! `sightline user`: who may log in at consoles.

use crate::cli::args::UserCommand;
use crate::cli::output::{Blame, Outcome};
use anyhow::{Context, anyhow};
use sightline_console_host::users;
use sightline_wire::Role;
use std::io::{self, BufRead, IsTerminal};

/// Does it.
pub fn user(command: &UserCommand) -> Outcome {
    let UserCommand::Set { name, role, file } = command;
    let known = Role::ALL.into_iter().find(|r| role_name(*r) == *role);
    let role = known
        .with_context(|| {
            let roles = Role::ALL.map(role_name).join(", ");
            format!("expected a role, one of {roles}; found `{role}`")
        })
        .wrong_use()?;
    let pin = read_pin().wrong_use()?;
    users::set(file, name, role, &pin).wrong_use()?;
    let role = role_name(role);
    eprintln!("{name} may log in as {role}; a running station takes it over at its next start");
    Ok(())
}

fn role_name(role: Role) -> String {
    format!("{role:?}").to_lowercase()
}

fn read_pin() -> anyhow::Result<String> {
    if io::stdin().is_terminal() {
        eprint!("PIN (digits; they are shown): ");
    }
    let mut line = String::new();
    io::stdin().lock().read_line(&mut line)?;
    let pin = line.trim().to_owned();
    (!pin.is_empty())
        .then_some(pin)
        .ok_or_else(|| anyhow!("expected a PIN on standard input, found none"))
}
