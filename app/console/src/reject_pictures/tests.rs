use super::*;
use sightline_domain::{Health, UtcMicros};
use sightline_wire::PreviewHead;
use sightline_wire::preview::Pixels;
use std::time::{Duration, Instant};

fn picture(side: u16, seed: u64) -> Kept {
    let head = PreviewHead {
        camera: 0,
        frame_id: seed,
        captured: UtcMicros(5),
        width: side,
        height: side,
        view_width: 640,
        view_height: 640,
        pixels: Pixels::Gray,
        health: Health::Ok,
        judged: None,
    };
    // Noise that does not pack, so that sizes are known.
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut noise = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 24) as u8
    };
    let bytes = (0..head.bytes()).map(|_| noise()).collect();
    Kept { head, bytes }
}

fn event(n: u64) -> String {
    format!("01900000-0000-7000-8000-{n:012x}")
}

fn offer(reject_pictures: &RejectPictures, n: u64, pictures: Vec<Option<Kept>>) {
    reject_pictures.offer(event(n), pictures.into());
    let end = Instant::now() + Duration::from_secs(20);
    while !reject_pictures.has(&event(n), 1) {
        assert!(Instant::now() < end, "part {n} is not written");
        std::thread::sleep(Duration::from_millis(2));
    }
}

#[test]
fn pictures_are_there_again_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let reject_pictures = RejectPictures::open(folder.path(), 1 << 20).unwrap();
    offer(
        &reject_pictures,
        7,
        vec![None, Some(picture(40, 1)), Some(picture(20, 2))],
    );
    drop(reject_pictures);
    std::fs::write(folder.path().join("x.unfinished"), "half").unwrap();
    let reject_pictures = RejectPictures::open(folder.path(), 1 << 20).unwrap();
    assert!(!folder.path().join("x.unfinished").exists());
    let has = [0, 1, 2, 3, 99].map(|view| reject_pictures.has(&event(7), view));
    assert_eq!(has, [false, true, true, false, false]);
    let read = reject_pictures.read(&event(7));
    assert_eq!(read.len(), 3);
    assert!(read[0].is_none());
    assert_eq!(read[1].as_ref().unwrap().bytes, picture(40, 1).bytes);
    assert_eq!(read[2].as_ref().unwrap().head, picture(20, 2).head);
    assert!(reject_pictures.read(&event(8)).is_empty());
}

#[test]
fn the_oldest_go_and_the_budget_is_never_exceeded() {
    let folder = tempfile::tempdir().unwrap();
    // Each part takes a little over 10,000 bytes.
    let reject_pictures = RejectPictures::open(folder.path(), 45_000).unwrap();
    for n in 0..9 {
        offer(&reject_pictures, n, vec![None, Some(picture(100, n))]);
        let on_disk: u64 = std::fs::read_dir(folder.path())
            .unwrap()
            .map(|e| e.unwrap().metadata().unwrap().len())
            .sum();
        assert!(on_disk <= 45_000, "{on_disk}");
        assert_eq!(reject_pictures.facts().bytes.0, on_disk);
    }
    let left: Vec<u64> = (0..9)
        .filter(|n| reject_pictures.has(&event(*n), 1))
        .collect();
    assert_eq!(left, [5, 6, 7, 8]);
    drop(reject_pictures);
    // A smaller budget holds from the start.
    let reject_pictures = RejectPictures::open(folder.path(), 15_000).unwrap();
    assert_eq!(reject_pictures.facts().parts, 1);
    assert!(reject_pictures.has(&event(8), 1));
}

#[test]
fn what_cannot_be_kept_is_counted_and_what_is_damaged_is_none() {
    let folder = tempfile::tempdir().unwrap();
    let reject_pictures = RejectPictures::open(folder.path(), 5_000).unwrap();
    reject_pictures.offer(event(1), vec![Some(picture(100, 1))].into());
    let end = Instant::now() + Duration::from_secs(20);
    while reject_pictures.facts().left_out == 0 {
        assert!(Instant::now() < end, "it is not counted");
        std::thread::sleep(Duration::from_millis(2));
    }
    offer(&reject_pictures, 2, vec![None, Some(picture(40, 2))]);
    let file = std::fs::read_dir(folder.path()).unwrap().next().unwrap();
    let file = file.unwrap().path();
    let whole = std::fs::read(&file).unwrap();
    for damaged in [&whole[..whole.len() / 2], &b"no zstd"[..]] {
        std::fs::write(&file, damaged).unwrap();
        assert!(reject_pictures.read(&event(2)).is_empty());
    }
}

#[test]
fn a_busy_disk_is_not_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    let reject_pictures = RejectPictures::open(folder.path(), 1 << 20).unwrap();
    let busy = lock(&reject_pictures.folder);
    // One is being written, some wait, the rest is left out.
    let offered = WAITING as u64 + 12;
    let before = Instant::now();
    for n in 0..offered {
        reject_pictures.offer(event(n), vec![None, Some(picture(20, n))].into());
    }
    assert!(before.elapsed() < Duration::from_secs(2));
    drop(busy);
    let end = Instant::now() + Duration::from_secs(20);
    while u64::from(reject_pictures.facts().parts) + reject_pictures.facts().left_out < offered {
        assert!(Instant::now() < end, "{:?}", reject_pictures.facts());
        std::thread::sleep(Duration::from_millis(2));
    }
    let left_out = reject_pictures.facts().left_out;
    assert!((11..offered).contains(&left_out), "{left_out}");
}
