//! A bit of a journal's files changes while no station writes it.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use std::path::{Path, PathBuf};

/// Flips one, in whichever file of the journal, the one beside its folder included; says which.
pub fn flip_a_bit(journal: &Path, random: &mut ChaCha8Rng) -> String {
    let inside = std::fs::read_dir(journal).expect("the journal");
    let all = inside.flatten().map(|file| file.path());
    let mut files: Vec<(PathBuf, Vec<u8>)> = all
        .chain([super::marker(journal)])
        .filter_map(|file| Some((file.clone(), std::fs::read(file).ok()?)))
        .filter(|(_, bytes)| !bytes.is_empty())
        .collect();
    files.sort();
    let place = random.random_range(0..files.len());
    let (file, bytes) = &mut files[place];
    // Headers are small and matter most.
    let within = match random.random_range(0..4) {
        0 => bytes.len().min(512),
        _ => bytes.len(),
    };
    let at = random.random_range(0..within);
    bytes[at] ^= 1 << random.random_range(0..8);
    std::fs::write(&*file, bytes).expect("written");
    let name = file.file_name().unwrap_or_default().display();
    format!("a bit of byte {at} of {name} is flipped")
}
