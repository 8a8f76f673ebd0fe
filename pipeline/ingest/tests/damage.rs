//! Damaged pictures of files are marked, whichever element decodes them: cut, with flipped bits, with parts missing. The
//! pictures have numbers painted in and are compared with the undamaged ones.
//!
//! Short by default; `SIGHTLINE_TORTURE=20` does so many times as much.

mod support;

use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use sightline_configs::station::Source;
use support::painted::{
    H264, H264_SLICES, HEIGHT, Score, Truth, WIDTH, dice, encode, paint, pipeline, play, times,
};

const H264_B: &str = "x264enc threads=1 key-int-max=20 bframes=3 ! video/x-h264,stream-format=byte-stream ! filesink";
const MPEG4: &str = "avenc_mpeg4 bitrate=2000000 gop-size=20 ! filesink";
const JPEGS: &str = "jpegenc quality=90 ! multifilesink";

/// Elementary streams have no checksum: of those that are damaged, one in so many may be another sound stream.
const FEW: usize = 4;

/// Bytes of a file, damaged.
fn spoil(bytes: &mut Vec<u8>, dice: &mut ChaCha8Rng, how: usize) {
    let len = bytes.len();
    match how % 4 {
        0 => {
            // bits
            for _ in 0..dice.random_range(1..20) {
                let at = dice.random_range(len / 20..len);
                bytes[at] ^= 1 << dice.random_range(0..8);
            }
        }
        1 => {
            // a stretch
            let from = dice.random_range(len / 20..len * 9 / 10);
            bytes.drain(from..(from + dice.random_range(1..3_000)).min(len));
        }
        2 => bytes.truncate(dice.random_range(len / 2..len)),
        _ => {
            let from = dice.random_range(len / 20..len * 9 / 10);
            let to = (from + dice.random_range(1..3_000)).min(len);
            bytes[from..to].fill_with(|| dice.random());
        }
    }
}

fn files(name: &str, encoder: &str, tails: &[&str]) -> Score {
    let folder = tempfile::tempdir().unwrap();
    encode(folder.path(), 60, 100, encoder, "whole");
    let whole = std::fs::read(folder.path().join("whole")).unwrap();
    let mut total = Score::default();
    for tail in tails {
        let source = |file: &str| {
            let path = folder.path().join(file);
            pipeline(&format!("filesrc location={} ! {tail}", path.display()))
        };
        let truth = Truth::of(name, &play(source("whole"), folder.path()));
        assert!(
            truth.len() >= 55,
            "{name}, {tail}: {} pictures",
            truth.len()
        );
        let (mut score, mut dice) = (Score::default(), dice(5));
        for how in 0..4 * times() {
            let mut bytes = whole.clone();
            spoil(&mut bytes, &mut dice, how);
            std::fs::write(folder.path().join("spoiled"), bytes).unwrap();
            let one = truth.score(&play(source("spoiled"), folder.path()));
            if one.passed > 0 {
                println!("  {name}, {tail}, {how}: {one:?}");
            }
            score += one;
        }
        println!("{name}, {tail}: {score:?}");
        total += score;
    }
    total
}

#[test]
fn spoiled_h264_is_marked_whichever_element_decodes_it() {
    let tails = [
        "h264parse ! avdec_h264",
        "h264parse ! avdec_h264 ! queue max-size-buffers=100",
        "h264parse ! queue ! avdec_h264 max-threads=4 ! videoconvert ! queue ! videorate ! video/x-raw,framerate=100/1",
        "decodebin ! queue ! tee ! queue",
    ];
    let mut all = files("H.264", H264, &tails);
    all += files("H.264 with B", H264_B, &tails[..2]);
    all += files("H.264 in slices", H264_SLICES, &tails[..1]);
    assert!(all.damaged > 20, "{all:?}");
    assert!(all.passed * FEW <= all.damaged, "{all:?}");
}

#[test]
fn spoiled_mpeg4_is_marked() {
    let all = files("MPEG-4", MPEG4, &["mpeg4videoparse ! avdec_mpeg4 ! queue"]);
    assert!(all.damaged > 5, "{all:?}");
    assert!(all.passed * FEW <= all.damaged, "{all:?}");
}

/// JPEG files, each damaged; what `spoil` does to the bytes of one.
fn jpegs(decoder: &str, name: &str, spoil: impl Fn(&mut Vec<u8>, &mut ChaCha8Rng)) -> Score {
    let folder = tempfile::tempdir().unwrap();
    let count = 60 * times();
    encode(folder.path(), count, 30, JPEGS, "%05d.jpg");
    let source = || {
        pipeline(&format!(
            "multifilesrc location={} caps=image/jpeg,framerate=30/1 ! {decoder}",
            folder.path().join("%05d.jpg").display()
        ))
    };
    let truth = Truth::of(decoder, &play(source(), folder.path()));
    assert_eq!(truth.len(), count);
    let mut dice = dice(9);
    for n in 0..count {
        let path = folder.path().join(format!("{n:05}.jpg"));
        let mut bytes = std::fs::read(&path).unwrap();
        spoil(&mut bytes, &mut dice);
        std::fs::write(path, bytes).unwrap();
    }
    let score = truth.score(&play(source(), folder.path()));
    println!("JPEG {name} by {decoder}: {score:?}");
    score
}

fn cut(bytes: &mut Vec<u8>, dice: &mut ChaCha8Rng) {
    let len = bytes.len();
    bytes.truncate(dice.random_range(len / 4..len - 2));
    // half of the senders end it properly all the same
    if dice.random_bool(0.5) {
        bytes.extend([0xFF, 0xD9]);
    }
}

fn flip_one(bytes: &mut [u8], dice: &mut ChaCha8Rng) {
    let at = dice.random_range(2..bytes.len());
    bytes[at] ^= 1 << dice.random_range(0..8);
}

fn flip_many(bytes: &mut [u8], dice: &mut ChaCha8Rng) {
    for _ in 0..10 {
        flip_one(bytes, dice);
    }
}

#[test]
fn a_cut_jpeg_never_passes_and_flipped_bits_rarely_do() {
    for decoder in [
        "jpegdec",
        "jpegparse ! jpegdec ! queue",
        "jpegparse ! avdec_mjpeg",
        "decodebin",
    ] {
        let score = jpegs(decoder, "cut", cut);
        assert_eq!(score.passed, 0, "{decoder}: {score:?}");
    }
    // no checksum: some flipped bits are another sound picture (docs/cameras.md)
    let many = jpegs("jpegdec", "with ten bits flipped", |bytes, dice| {
        flip_many(bytes, dice)
    });
    assert!(many.passed <= 6 * times(), "{many:?}");
    let one = jpegs("jpegdec", "with one bit flipped", |bytes, dice| {
        flip_one(bytes, dice)
    });
    assert!(
        one.passed <= 15 * times() && one.damaged > one.passed,
        "{one:?}"
    );
}

/// Picture files shown by the station itself.
fn shown(ending: &str, spoil: impl Fn(&mut Vec<u8>, &mut ChaCha8Rng)) -> Score {
    let folder = tempfile::tempdir().unwrap();
    let count = 40 * times();
    for n in 0..count {
        let picture = image::GrayImage::from_raw(WIDTH as u32, HEIGHT as u32, paint(n)).unwrap();
        picture
            .save(folder.path().join(format!("{n:05}.{ending}")))
            .unwrap();
    }
    let source = || {
        let mut config = pipeline("");
        config.source = Source::Images {
            path: ".".into(),
            rate_hz: None,
            repeat: false,
            watch: false,
        };
        config
    };
    let truth = Truth::of(ending, &play(source(), folder.path()));
    assert_eq!(truth.len(), count);
    let mut dice = dice(3);
    for file in std::fs::read_dir(folder.path()).unwrap() {
        let path = file.unwrap().path();
        let mut bytes = std::fs::read(&path).unwrap();
        spoil(&mut bytes, &mut dice);
        std::fs::write(path, bytes).unwrap();
    }
    let score = truth.score(&play(source(), folder.path()));
    println!("{ending} files: {score:?}");
    score
}

#[test]
fn picture_files_that_are_cut_or_do_not_agree_with_their_checksums_are_left_out() {
    for ending in ["png", "bmp", "tif", "jpg"] {
        let score = shown(ending, cut);
        assert_eq!(score.passed, 0, "{ending}, cut: {score:?}");
    }
    let flipped = shown("png", |bytes, dice| flip_one(bytes, dice));
    assert_eq!(flipped.pictures, 0, "{flipped:?}");
}
