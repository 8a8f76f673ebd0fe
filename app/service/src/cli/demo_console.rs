//! The demo's console: a socket and users of its own, and a window where there is a display.

use anyhow::Context;
use sightline_configs::console::Console as Config;
use sightline_configs::station::Models;
use sightline_configs::{Loaded, Recipe, Station};
use sightline_console_host::users;
use sightline_wire::Role;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// The PIN of the demo's users.
pub const PIN: &str = "1234";
/// Where desktops mount sticks.
const STICKS: &str = "/media";
const USERS: [(&str, Role); 3] = [
    ("Supervisor", Role::Supervisor),
    ("Engineer", Role::Engineer),
    ("Administrator", Role::Administrator),
];

/// Lets consoles come to the demo; where the configuration does not say how, at a socket in `scratch`. Gives back the
/// socket.
pub fn prepare(
    station: &mut Loaded<Station>,
    recipe: &Loaded<Recipe>,
    scratch: &Path,
) -> anyhow::Result<PathBuf> {
    if let Some(console) = &station.value.console {
        return Ok(station.base.join(&console.socket));
    }
    let socket = scratch.join("console.sock");
    let users_file = scratch.join("users.toml");
    users::set_all(&users_file, &USERS, PIN)?;
    // Beside the bundle that the recipe uses lie the others.
    let model = recipe
        .value
        .models
        .first()
        .context("the recipe names no model")?;
    let bundle = std::path::absolute(recipe.base.join(&model.bundle))?;
    // Bundles can be installed from a stick, if the configuration trusts a key; what is installed goes with the demo.
    let store = || Models::at(scratch.join("models"));
    station.value.models.get_or_insert_with(store);
    station.value.console = Some(Config {
        socket: socket.clone(),
        users_file: Some(users_file),
        bundles: bundle.parent().map(Path::to_path_buf),
        sticks: Some(STICKS.into()),
        pictures: Some(scratch.join("rejects")),
        exports: Some(scratch.join("exports")),
        ..Config::default()
    });
    Ok(socket)
}

/// The console's program.
const PROGRAM: &str = "sightline-console";

/// A console that was opened; closed with the demo.
pub struct Window(Child);

/// Opens one for `socket`; says why not, where it cannot.
pub fn window(socket: &Path) -> Option<Window> {
    let has_display = std::env::var_os("DISPLAY").is_some_and(|d| !d.is_empty());
    if !has_display {
        eprintln!("no display (DISPLAY is empty): no console, the summary comes in this terminal");
        return None;
    }
    // Beside this program, where an installation and a build put it; else wherever the shell would find it.
    let beside = std::env::current_exe()
        .ok()
        .map(|p| p.with_file_name(PROGRAM));
    let program = beside.filter(|p| p.exists()).unwrap_or(PROGRAM.into());
    let mut command = Command::new(&program);
    command.arg("--socket").arg(socket).stdin(Stdio::null());
    match command.spawn() {
        Ok(child) => Some(Window(child)),
        Err(error) => {
            eprintln!(
                "no console: expected the program {}, found: {error}; build it with cargo build -p sightline-console",
                program.display()
            );
            None
        }
    }
}

impl Drop for Window {
    fn drop(&mut self) {
        // It may have been closed by hand.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
