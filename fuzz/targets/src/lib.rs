//! What reads bytes from outside: one function a format. Whatever the bytes are, each must return: no panic, no hang,
//! memory bounded by the format's own limits. `cargo fuzz` (nightly) and the mutation tests (stable) call the same functions.

use sightline_configs::{Recipe, Station, check_recipe, check_station};
use sightline_engine::bundle::{Bundle, MANIFEST_FILE, archive};
use sightline_flow::Recording;
use sightline_ingest::CocoFile;
use sightline_wire::framing::{TO_CONSOLE, TO_STATION};
use sightline_wire::{ToConsole, ToStation, framing};
use std::path::Path;
use std::sync::LazyLock;
use tempfile::TempDir;

/// A format: its name, and what is done with bytes that claim to be it.
#[derive(Clone, Copy)]
pub struct Target {
    /// As the file in `fuzz/fuzz_targets` is named.
    pub name: &'static str,
    /// Reads `bytes` as the product does; errors are what it is expected to give.
    pub run: fn(&[u8]),
}

/// Every format that comes from outside through a function that a library exports.
pub const TARGETS: [Target; 8] = [
    target("archive", archive),
    target("coco", coco),
    target("configuration", configuration),
    target("manifest", manifest),
    target("recipe", recipe),
    target("recording", recording),
    target("wire_to_console", wire_to_console),
    target("wire_to_station", wire_to_station),
];

const fn target(name: &'static str, run: fn(&[u8])) -> Target {
    Target { name, run }
}

/// A packed bundle (`.tar.zst`), unpacked and checked.
pub fn archive(bytes: &[u8]) {
    with_file("bundle.tar.zst", bytes, |path| {
        let unpacked = path.with_file_name("unpacked");
        let _ = archive::unpack(path, &unpacked);
        // it is not there when the archive was refused before its first file
        let _ = std::fs::remove_dir_all(&unpacked);
    });
}

/// A COCO file.
pub fn coco(bytes: &[u8]) {
    with_file("truth.json", bytes, |path| {
        let _ = CocoFile::load(path, None);
    });
}

/// A station's configuration, read and checked.
pub fn configuration(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    if let Ok((station, source)) =
        sightline_configs::read::<Station>(Path::new("station.toml"), text)
    {
        let _ = check_station(&station, &source);
    }
}

/// A bundle's manifest; the files that it names are not there.
pub fn manifest(bytes: &[u8]) {
    with_file(MANIFEST_FILE, bytes, |path| {
        let _ = Bundle::load(path.parent().unwrap_or(path));
    });
}

/// A recipe, read and checked against the demo's station.
pub fn recipe(bytes: &[u8]) {
    static STATION: LazyLock<Station> = LazyLock::new(|| {
        let text = include_str!("../../../configs/demo.toml");
        sightline_configs::read::<Station>(Path::new("demo.toml"), text)
            .expect("the demo's configuration is sound")
            .0
    });
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    if let Ok((recipe, source)) = sightline_configs::read::<Recipe>(Path::new("recipe.toml"), text)
    {
        let _ = check_recipe(&recipe, &source, &STATION);
    }
}

/// A recorded run, read to its end or to the first damage.
pub fn recording(bytes: &[u8]) {
    let Ok(mut recording) = Recording::open(bytes) else {
        return;
    };
    while let Ok(Some(_)) = recording.next_record() {}
}

/// What a console reads from a station's socket.
pub fn wire_to_console(bytes: &[u8]) {
    let mut from = bytes;
    let mut buffer = Vec::new();
    while framing::read::<ToConsole>(&mut from, TO_CONSOLE, &mut buffer).is_ok() {}
}

/// What a station reads from a console's socket.
pub fn wire_to_station(bytes: &[u8]) {
    let mut from = bytes;
    let mut buffer = Vec::new();
    while framing::read::<ToStation>(&mut from, TO_STATION, &mut buffer).is_ok() {}
}

/// Hands `then` a file of that name with `bytes` in it, in a folder of this thread's.
fn with_file(name: &str, bytes: &[u8], then: impl FnOnce(&Path)) {
    thread_local! {
        static FOLDER: TempDir = TempDir::new().expect("a temporary folder");
    }
    FOLDER.with(|folder| {
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).expect("the temporary folder takes a file");
        then(&path);
    });
}
