//! What reads bytes from outside: one function a format. Whatever the bytes are, each must return: no panic, no hang,
//! memory bounded by the format's own limits. `cargo fuzz` (nightly) and the mutation tests (stable) call the same functions.

use sightline_configs::station::Verb;
use sightline_configs::{Recipe, Station, check_recipe, check_station};
use sightline_domain::MonoTime;
use sightline_engine::bundle::{Bundle, MANIFEST_FILE, archive};
use sightline_flow::Recording;
use sightline_ingest::CocoFile;
use sightline_journal::Reader;
use sightline_uplink::Command;
use sightline_wire::framing::{TO_CONSOLE, TO_STATION};
use sightline_wire::{ToConsole, ToStation, framing};
use std::path::Path;
use std::sync::LazyLock;
use tempfile::TempDir;

/// The service is a program, not a library: its reading of commands is taken as it stands there.
#[allow(dead_code, reason = "the service uses the rest")]
#[path = "../../../app/service/src/control/request.rs"]
mod request;

/// A format: its name, and what is done with bytes that claim to be it.
#[derive(Clone, Copy)]
pub struct Target {
    /// As the file in `fuzz/fuzz_targets` is named.
    pub name: &'static str,
    /// Reads `bytes` as the product does; errors are what it is expected to give.
    pub run: fn(&[u8]),
}

/// Every format that comes from outside.
pub const TARGETS: [Target; 10] = [
    target("archive", archive),
    target("coco", coco),
    target("command", command),
    target("configuration", configuration),
    target("journal", journal),
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

/// A command over MQTT: the last level of its topic up to the first line's end, and its payload.
pub fn command(bytes: &[u8]) {
    let end = bytes.iter().position(|b| *b == b'\n');
    let (verb, payload) = bytes.split_at(end.unwrap_or(0));
    let command = Command {
        verb: String::from_utf8_lossy(verb).into_owned(),
        payload: payload.to_vec().into(),
        correlation: None,
        response_topic: None,
        retained: false,
        expires: None,
    };
    let _ = request::read(&command, &Verb::ALL, MonoTime(1));
}

/// A journal's file, read as `sightline journal` and the console read one.
pub fn journal(bytes: &[u8]) {
    const MOST: usize = 1_000;
    with_file("journal.sqlite", bytes, |path| {
        let folder = path.parent().unwrap_or(path);
        for beside in ["journal.sqlite-wal", "journal.sqlite-shm"] {
            // what an input before this one left
            let _ = std::fs::remove_file(folder.join(beside));
        }
        let Ok(reader) = Reader::open(folder) else {
            return;
        };
        let _ = reader.records_after(0, MOST);
        let _ = reader.latest(MOST);
        let _ = reader.gaps(false, MOST);
        let _ = reader.alarms(MOST);
        let _ = reader.audit_after(0, MOST);
        let _ = reader.stat();
        let _ = reader.verify(|_| {});
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
