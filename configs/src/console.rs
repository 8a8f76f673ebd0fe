//! Consoles: who may connect, and what they are shown.

use crate::check::Report;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// The socket for consoles and what lies behind it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Console {
    /// The socket, a path relative to this file.
    pub socket: PathBuf,
    /// Its permissions, octal: whoever may write to it may connect.
    pub socket_mode: String,
    /// Consoles at once.
    pub consoles: usize,
    /// Previews a second of each camera.
    pub previews_per_s: f64,
    /// Previews are at most so many pixels wide and high.
    pub preview_px: u16,
    /// Memory for pictures of rejected parts, MB; the oldest go first.
    pub reject_pictures_mb: usize,
    /// Folder for the pictures of rejected parts, so that they outlive the station; absent: they end with it.
    pub pictures: Option<PathBuf>,
    /// Disk for those pictures, MB; the oldest go first.
    pub pictures_mb: usize,
    /// Who may log in, a file that `sightline user` writes; absent: everybody is the operator.
    pub users_file: Option<PathBuf>,
    /// Nobody touches a console for so long, s: it is the operator's again.
    pub idle_s: u64,
    /// Folder of model bundles to choose from, beside those of the store; absent: none.
    pub bundles: Option<PathBuf>,
    /// Folder in which the system mounts sticks, searched for bundles to install; absent: only the inbox of `[models]`.
    pub sticks: Option<PathBuf>,
    /// Folder that consoles write reviewed parts and bundles for support to; absent: nothing is written.
    pub exports: Option<PathBuf>,
}

impl Default for Console {
    fn default() -> Self {
        Self {
            socket: "/run/sightline/console.sock".into(),
            socket_mode: "660".into(),
            consoles: 4,
            previews_per_s: 12.0,
            preview_px: 640,
            reject_pictures_mb: 64,
            pictures: None,
            pictures_mb: 512,
            users_file: None,
            idle_s: 300,
            bundles: None,
            sticks: None,
            exports: None,
        }
    }
}

impl Console {
    /// The socket's permissions as a number; 0o660 where the text is none.
    pub fn mode(&self) -> u32 {
        parse_mode(&self.socket_mode).unwrap_or(0o660)
    }
}

/// Three octal digits.
pub(crate) fn parse_mode(text: &str) -> Option<u32> {
    let is_mode = text.len() == 3 && text.bytes().all(|b| (b'0'..=b'7').contains(&b));
    is_mode.then(|| u32::from_str_radix(text, 8).ok()).flatten()
}

pub(crate) fn check(r: &mut Report<'_>, console: &Console) {
    let mode = &console.socket_mode;
    r.require(parse_mode(mode).is_some(), "console.socket_mode", || {
        format!("expected three octal digits such as \"660\", found \"{mode}\"")
    });
    r.within(
        "console.previews_per_s",
        console.previews_per_s,
        1.0..=30.0,
        "previews a second",
    );
    r.within(
        "console.preview_px",
        console.preview_px,
        64..=1_280,
        "pixels",
    );
    r.within(
        "console.pictures_mb",
        console.pictures_mb,
        1..=1 << 20,
        "MB",
    );
    let memory = console.reject_pictures_mb;
    r.within("console.reject_pictures_mb", memory, 0..=65_536, "MB");
    r.within("console.idle_s", console.idle_s, 1..=86_400, "s");
    r.within("console.consoles", console.consoles, 1..=16, "consoles");
}
