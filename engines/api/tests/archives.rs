//! Archives that are refused by name before they cost anything, and what honest tools make.

use sightline_engine::bundle::{archive, draft::ModelInfo};
use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};
use tar::{EntryType, Header};

const MODEL: &[u8] = b"not read by the bundle";

fn manifest(extra: &str) -> String {
    let info = ModelInfo::of_bytes("", MODEL);
    format!(
        "schema = \"sightline.bundle.v1\"\nname = \"tiny\"\nversion = \"1.0.0\"\ntask = \"detect\"\nlicense = \"Apache-2.0\"\nsource = \"a test\"\nmin_app = \"0.1.0\"\n\
         [[files]]\npath = \"net/model.onnx\"\nrole = \"model\"\nprecision = \"fp32\"\nsha256 = \"{}\"\nsize = {}\n{extra}\
         [input]\nname = \"images\"\nwidth = 32\nheight = 32\nlayout = \"nchw\"\ndtype = \"f32\"\ncolor = \"gray\"\nscale = 1.0\nmean = [0.0]\nstd = [1.0]\nresize = \"letterbox\"\n\
         [decoder]\nkind = \"yolo-v8\"\nversion = 1\n\
         [[classes]]\nid = 0\ncode = \"open\"\nname = {{ en = \"open\" }}\nseverity = \"major\"\ndefault_limit = 0.5\n",
        info.sha256, info.size
    )
}

/// One entry; `size` may be a lie.
struct Entry {
    name: &'static str,
    kind: EntryType,
    size: u64,
    content: Vec<u8>,
}

fn entry(name: &'static str, content: &[u8]) -> Entry {
    Entry {
        name,
        kind: EntryType::Regular,
        size: content.len() as u64,
        content: content.to_vec(),
    }
}

fn special(name: &'static str, kind: EntryType) -> Entry {
    Entry {
        kind,
        ..entry(name, b"")
    }
}

fn sized(name: &'static str, kind: EntryType, size: u64, content: &[u8]) -> Entry {
    Entry {
        size,
        kind,
        ..entry(name, content)
    }
}

fn archive_of(entries: &[Entry], to: &Path) {
    let mut zstd = zstd::Encoder::new(std::fs::File::create(to).unwrap(), 3).unwrap();
    for e in entries {
        let mut header = Header::new_gnu();
        header.as_mut_bytes()[..e.name.len()].copy_from_slice(e.name.as_bytes());
        header.set_entry_type(e.kind);
        header.set_size(e.size);
        header.set_mode(0o644);
        header.set_cksum();
        zstd.write_all(header.as_bytes()).unwrap();
        zstd.write_all(&e.content).unwrap();
        let padding = e.content.len().next_multiple_of(512) - e.content.len();
        zstd.write_all(&vec![0; padding]).unwrap();
    }
    zstd.write_all(&[0; 1024]).unwrap();
    zstd.finish().unwrap();
}

/// The archive's refusal, which must come fast and leave nothing that the manifest does not name.
fn refusal(entries: &[Entry]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let (file, to) = (folder.path().join("a.tar.zst"), folder.path().join("to"));
    archive_of(entries, &file);
    let begin = Instant::now();
    let refused = archive::unpack(&file, &to)
        .expect_err("hostile")
        .to_string();
    assert!(
        begin.elapsed() < Duration::from_secs(5),
        "{:?}",
        begin.elapsed()
    );
    let left = std::fs::read_dir(&to).unwrap().flatten();
    for name in left.map(|e| e.file_name()) {
        assert!(name == "manifest.toml" || name == "net", "left {name:?}");
    }
    refused
}

/// After manifest and model, `more`.
fn with(more: Entry) -> String {
    refusal(&[
        entry("manifest.toml", manifest("").as_bytes()),
        entry("net/model.onnx", MODEL),
        more,
    ])
}

fn says(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "`{part}` is not in: {text}");
    }
}

#[test]
fn what_the_manifest_does_not_name_is_refused_by_name() {
    for name in ["extra/run.sh", "MANIFEST.toml", "net/model.onnx", "f0"] {
        says(
            &with(entry(name, b"owned")),
            &[
                "expected the manifest and the files it names, each once",
                name,
            ],
        );
    }
    let folder = with(special("stowaway", EntryType::Directory));
    says(&folder, &["each once", "stowaway"]);
    for name in ["./x", "net//x", "../x", "/x", ""] {
        says(
            &with(entry(name, b"owned")),
            &["expected plain files inside the bundle"],
        );
    }
    for kind in [
        EntryType::Symlink,
        EntryType::Link,
        EntryType::Fifo,
        EntryType::Char,
        EntryType::Block,
        EntryType::GNUSparse,
    ] {
        says(
            &with(special("x", kind)),
            &["expected plain files inside the bundle", "x"],
        );
    }
}

#[test]
fn sizes_are_refused_by_what_the_header_says() {
    let gib = 1 << 30;
    says(
        &with(sized("zeros", EntryType::Regular, 10 * gib, b"")),
        &["zeros"],
    );
    let long = sized("././@LongLink", EntryType::GNULongName, gib, &[b'A'; 4096]);
    says(
        &with(long),
        &["expected a file's name of at most 241 bytes, found 1073741824"],
    );
    let pax = sized("x", EntryType::XHeader, gib, b"");
    says(&with(pax), &["tar's headers of at most 4096 bytes"]);
    let big = refusal(&[sized(
        "manifest.toml",
        EntryType::Regular,
        1 << 20,
        &vec![b'\n'; 1 << 20],
    )]);
    says(
        &big,
        &["expected manifest.toml of at most 262144 bytes, found 1048576"],
    );
    let short = refusal(&[
        entry("manifest.toml", manifest("").as_bytes()),
        entry("net/model.onnx", b"another size"),
    ]);
    says(&short, &["net/model.onnx", "expected 22 bytes, found 12"]);
    let folder = refusal(&[special("net/model.onnx", EntryType::Directory)]);
    says(
        &folder,
        &["expected manifest.toml first, found net/model.onnx"],
    );
    let first = refusal(&[entry("net/model.onnx", MODEL)]);
    says(
        &first,
        &["expected manifest.toml first, found net/model.onnx"],
    );
}

#[test]
fn names_are_bounded_in_length_and_depth() {
    let deep: String = (0..9).map(|i| format!("{i}/")).collect::<String>() + "x";
    let name = format!("path={deep}\n");
    let block = format!("{} {name}", name.len() + 3);
    let all = refusal(&[
        entry("manifest.toml", manifest("").as_bytes()),
        sized(
            "x",
            EntryType::XHeader,
            block.len() as u64,
            block.as_bytes(),
        ),
        entry("short", b""),
    ]);
    says(
        &all,
        &["expected names of at most 240 bytes and 8 levels", "10"],
    );
}

#[test]
fn what_unpacks_to_much_more_than_it_is_stops_early() {
    let size: u64 = 2 << 30;
    let listed = format!(
        "[[files]]\npath = \"zeros\"\nrole = \"data\"\nsha256 = \"{}\"\nsize = {size}\n",
        "0".repeat(64)
    );
    let zeros = sized("zeros", EntryType::Regular, size, &vec![0; 80 << 20]);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a.tar.zst");
    archive_of(
        &[entry("manifest.toml", manifest(&listed).as_bytes()), zeros],
        &file,
    );
    let refused = archive::unpack(&file, &folder.path().join("to")).expect_err("a bomb");
    says(
        &refused.to_string(),
        &["expected at most 200 times the packed size"],
    );
}

#[test]
fn folders_and_long_names_as_other_tools_write_them_are_taken() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a.tar.zst");
    let block = b"27 mtime=1700000000.123456\n";
    archive_of(
        &[
            sized("x", EntryType::XHeader, block.len() as u64, block),
            entry("manifest.toml", manifest("").as_bytes()),
            special("net/", EntryType::Directory),
            sized(
                "././@LongLink",
                EntryType::GNULongName,
                15,
                b"net/model.onnx\0",
            ),
            entry("whatever", MODEL),
        ],
        &file,
    );
    let bundle =
        archive::unpack(&file, &folder.path().join("to")).unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(bundle.manifest().name, "tiny");
}
