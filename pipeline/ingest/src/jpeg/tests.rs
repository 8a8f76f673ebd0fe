use super::*;
use image::{DynamicImage, ImageFormat, Rgb, RgbImage};
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
