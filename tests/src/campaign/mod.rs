//! The delivery campaign: a station, a broker, the network between them, disk and clock are struck at random under load;
//! then every committed number must have reached the subscriber, in order, duplicates only with the same `event_id`.
//!
//! `bin/campaign.rs` runs it on a [`rig`], [`produce`] is the station's delivery side alone (journal and uplink, results made as fast
//! as asked, on a [`clock`] that steps, each written into a [`diary`]), [`proxy`] is the network.

pub mod books;
pub mod clock;
pub mod damage;
pub mod diary;
pub mod maker;
pub mod produce;
pub mod proxy;
pub mod rig;
pub mod subscriber;

use crate::{project, station};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

/// Where the station of the campaign publishes: the identity of `configs/demo.toml`.
pub const TOPIC: &str = "sightline/demo/assembly/line1/demo/vision/station1/result";

/// Where a station keeps its numbers beside the journal's folder.
pub fn marker(journal: &Path) -> PathBuf {
    journal.with_extension("numbers")
}

/// A port of this machine.
pub fn local(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}

/// The command of `sightline run` on the demo's line with `changes`, its journal in `journal`, its broker at `port`.
pub fn whole_station(
    folder: &Path,
    journal: &Path,
    port: u16,
    changes: &[(&str, &str)],
) -> Vec<String> {
    let configs = project().join("configs");
    let text = std::fs::read_to_string(configs.join("demo.toml")).expect("demo.toml");
    let recipe = configs.join("recipes/demo-board.toml");
    let mut text = text
        .replace("recipes/demo-board.toml", &recipe.display().to_string())
        .replace("\"embedded\"", &format!("\"mqtt://127.0.0.1:{port}\""));
    for (from, to) in changes {
        text = text.replace(from, to);
    }
    let text = format!("{text}\n[journal]\nfolder = \"{}\"\n", journal.display());
    let config = folder.join("station.toml");
    std::fs::write(&config, text).expect("its configuration");
    // The one built beside this program: a debug station would be measured with a release campaign otherwise.
    let beside = std::env::current_exe()
        .expect("this program")
        .with_file_name("sightline");
    let program = if beside.exists() {
        beside
    } else {
        station::binary().to_path_buf()
    };
    vec![
        program.display().to_string(),
        "run".into(),
        "--config".into(),
        config.display().to_string(),
    ]
}
