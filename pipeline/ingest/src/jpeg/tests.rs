use super::*;
#[path = "../../benches/jpeg_before/mod.rs"]
mod before;

use image::{DynamicImage, ImageFormat, Rgb, RgbImage};
use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::io::Cursor;

const PROGRESSIVE: &[u8] = include_bytes!("../../tests/pictures/progressive.jpg");
const RESTARTS: &[u8] = include_bytes!("../../tests/pictures/restarts.jpg");
const CMYK: &[u8] = include_bytes!("../../tests/pictures/cmyk.jpg");

fn encoded(picture: &DynamicImage) -> Vec<u8> {
    let mut out = Cursor::new(Vec::new());
    picture.write_to(&mut out, ImageFormat::Jpeg).unwrap();
    out.into_inner()
}

fn colours() -> DynamicImage {
    RgbImage::from_fn(67, 41, |x, y| {
        Rgb([(x * 3) as u8, (y * 5) as u8, (x * y % 251) as u8])
    })
    .into()
}

fn all() -> [(&'static str, Vec<u8>); 5] {
    [
        ("colour", encoded(&colours())),
        ("grey", encoded(&colours().to_luma8().into())),
        ("progressive", PROGRESSIVE.to_vec()),
        ("with restarts", RESTARTS.to_vec()),
        ("of four inks", CMYK.to_vec()),
    ]
}

fn check(data: &[u8]) -> Result<usize, Fault> {
    Checker::default().check(data)
}

#[test]
fn whole_pictures_are_whole_one_after_the_other_and_with_something_behind() {
    let mut checker = Checker::default();
    for (name, mut picture) in all().into_iter().chain(all()) {
        let len = picture.len();
        assert_eq!(checker.check(&picture), Ok(len), "{name}");
        picture.extend([0; 100]);
        assert_eq!(checker.check(&picture), Ok(len), "{name}");
    }
}

#[test]
fn none_is_whole_that_ends_early_whether_it_says_so_or_not() {
    for (name, picture) in all() {
        let mut checker = Checker::default();
        for keep in 0..picture.len() - 2 {
            assert!(
                checker.check(&picture[..keep]).is_err(),
                "{name}: {keep} bytes"
            );
            let ended = [&picture[..keep], &[0xFF, 0xD9]].concat();
            assert!(
                checker.check(&ended).is_err(),
                "{name}: {keep} bytes and an end"
            );
        }
    }
}

#[test]
fn a_stretch_that_is_missing_in_the_data_is_noticed() {
    for (name, picture) in all() {
        const LONG: usize = 60;
        let from = picture.windows(2).rposition(|w| w == [0xFF, 0xDA]).unwrap() + 14;
        let places: Vec<_> = (from..picture.len().saturating_sub(LONG + 2))
            .step_by(3)
            .collect();
        let missing = |at: usize| [&picture[..at], &picture[at + LONG..]].concat();
        let missed = places
            .iter()
            .filter(|at| check(&missing(**at)).is_ok())
            .count();
        assert!(
            missed * 20 <= places.len(),
            "{name}: {missed} of {}",
            places.len()
        );
    }
}

#[test]
fn restart_intervals_that_are_missing_or_swapped_are_noticed() {
    let marks: Vec<_> = (0..RESTARTS.len() - 1)
        .filter(|at| RESTARTS[*at] == 0xFF && (0xD0..=0xD7).contains(&RESTARTS[at + 1]))
        .collect();
    assert!(marks.len() > 6, "{marks:?}");
    let (a, b, c) = (marks[1], marks[2], marks[3]);
    let missing = [&RESTARTS[..a], &RESTARTS[b..]].concat();
    assert_eq!(check(&missing), Err(Fault::Restart));
    let swapped = [
        &RESTARTS[..a],
        &RESTARTS[b..c],
        &RESTARTS[a..b],
        &RESTARTS[c..],
    ]
    .concat();
    assert_eq!(check(&swapped), Err(Fault::Restart));
}

#[test]
fn cameras_that_leave_the_standard_tables_out_are_understood() {
    let mut picture = encoded(&colours());
    while let Some(at) = picture.windows(2).position(|w| w == [0xFF, 0xC4]) {
        let length = word(&picture, at + 2).unwrap();
        picture.drain(at..at + 2 + length);
    }
    assert_eq!(check(&picture), Ok(picture.len()));
}

#[test]
fn what_is_no_jpeg_or_cannot_be_checked_is_said() {
    assert_eq!(check(b""), Err(Fault::Start));
    assert_eq!(check(b"\x89PNG"), Err(Fault::Start));
    assert_eq!(check(&[0xFF, 0xD8, 0xFF, 0xD9]), Err(Fault::Scans));
    let mut arithmetic = encoded(&colours());
    let at = arithmetic
        .windows(2)
        .position(|w| w == [0xFF, 0xC0])
        .unwrap();
    arithmetic[at + 1] = 0xC9;
    assert_eq!(check(&arithmetic), Err(Fault::Unchecked));
    let mut bomb = encoded(&colours());
    bomb[at + 5..at + 9].fill(0xFF);
    assert!(check(&bomb).is_err());
}

/// The verdict of both, which must be the same, with checkers that have seen other pictures.
fn both(fast: &mut Checker, slow: &mut before::Checker, data: &[u8], what: &str) -> bool {
    let found = fast.check(data).map_err(|fault| fault.to_string());
    let wanted = slow.check(data).map_err(|fault| fault.to_string());
    assert_eq!(found, wanted, "{what}");
    found.is_ok()
}

fn damage(dice: &mut impl Rng, data: &mut Vec<u8>) {
    let at = dice.random_range(0..data.len());
    let to = (at + dice.random_range(1..40)).min(data.len());
    match dice.random_range(0..7) {
        0 => data[at] ^= 1 << dice.random_range(0..8),
        1 => data[at] = 0xFF,
        2 => data[at] = dice.random(),
        3 => drop(data.drain(at..to)),
        4 => data.insert(at, dice.random()),
        5 => data[at..to].fill_with(|| dice.random()),
        _ => data.truncate(at.max(2)),
    }
    if data.is_empty() {
        data.push(0xFF);
    }
}

#[test]
fn many_symbols_at_a_time_say_what_one_after_the_other_says() {
    let mut dice = ChaCha8Rng::seed_from_u64(7);
    let noise = RgbImage::from_fn(67, 41, |_, _| Rgb(dice.random()));
    let mut pictures = all().to_vec();
    pictures.push(("noise", encoded(&noise.into())));
    let (mut fast, mut slow) = (Checker::default(), before::Checker::default());
    let (mut whole, mut cases) = (0, 0);
    for (name, picture) in pictures {
        for _ in 0..4_000 {
            let mut data = picture.clone();
            for _ in 0..dice.random_range(0..4) {
                damage(&mut dice, &mut data);
            }
            whole += usize::from(both(&mut fast, &mut slow, &data, name));
            cases += 1;
        }
    }
    assert!(
        whole > cases / 10 && whole < cases / 2,
        "{whole} of {cases}"
    );
}

/// Codes of random lengths for random symbols; mostly a table, now and then none.
fn random_table(dice: &mut impl Rng, class: u8) -> Vec<u8> {
    let (mut counts, mut symbols, mut free) = ([0u8; 16], Vec::new(), 2u32);
    let least = dice.random_range(0..2);
    for count in &mut counts {
        *count = dice.random_range(free.min(least)..=free.min(12)) as u8;
        free = (free - u32::from(*count)) * 2;
        symbols.extend((0..*count).map(|_| {
            let most = if dice.random_bool(0.2) { 12 } else { 5 };
            let small = dice.random_range(0..most);
            if class == 0 {
                small
            } else {
                dice.random_range(0..16) << 4 | small
            }
        }));
    }
    [&[class << 4][..], &counts, &symbols].concat()
}

#[test]
fn any_tables_and_any_bits_are_judged_alike() {
    let mut dice = ChaCha8Rng::seed_from_u64(11);
    let (mut fast, mut slow) = (Checker::default(), before::Checker::default());
    let mut whole = 0;
    for case in 0..20_000 {
        let mut data = vec![0xFF, 0xD8];
        let mut segment = |marker: u8, body: &[u8]| {
            let length = (body.len() as u16 + 2).to_be_bytes();
            data.extend([&[0xFF, marker][..], &length, body].concat());
        };
        let step = [1, 16, 255][dice.random_range(0..3)];
        segment(0xDB, &[&[0][..], &[step; 64]].concat());
        let depth = if case % 4 == 0 { 12 } else { 8 };
        let (wide, high) = (dice.random_range(1..12), dice.random_range(1..12));
        segment(0xC0, &[depth, 0, high, 0, wide, 1, 1, 0x11, 0]);
        segment(0xC4, &random_table(&mut dice, 0));
        segment(0xC4, &random_table(&mut dice, 1));
        segment(0xDA, &[1, 1, 0, 0, 63, 0]);
        let bits = dice.random_range(1..400);
        for _ in 0..bits {
            let byte: u8 = if dice.random_bool(0.03) {
                0xFF
            } else {
                dice.random()
            };
            data.push(byte);
            if byte == 0xFF && dice.random_bool(0.9) {
                data.push(0);
            }
        }
        // what a picture of few blocks has left over hides what came before it: try each end
        let from = data.len() - bits.min(60);
        for end in from..=data.len() {
            let ended = [&data[..end], &[0xFF, 0xD9]].concat();
            whole += usize::from(both(&mut fast, &mut slow, &ended, "random bits"));
        }
    }
    assert!(whole > 20, "{whole}");
}
