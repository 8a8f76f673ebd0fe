//! One part's file: zstd over the length of a list (`u32`, little endian), the list (JSON: what each view's picture is),
//! and the pixels of each picture in order.

use crate::previews::Kept;
use anyhow::{Context, bail, ensure};
use serde::{Deserialize, Serialize};
use sightline_wire::PreviewHead;
use std::fs::File;
use std::io::{Read, Write};
use std::path::Path;

/// The version of the files that this program knows.
const SCHEMA: &str = "sightline.reject-pictures.v1";
/// A list is not longer, a file's content not larger: what is, is none of ours.
const LONGEST_LIST: u32 = 1 << 20;
const LARGEST: u64 = 64 << 20;
/// Boards take a fifth of their pixels at 1; more would cost time.
const LEVEL: i32 = 1;

#[derive(Serialize, Deserialize)]
struct List {
    schema: String,
    views: Vec<Option<PreviewHead>>,
}

/// The bytes of a file.
pub fn pack(pictures: &[Option<Kept>]) -> anyhow::Result<Vec<u8>> {
    let head = |kept: &Option<Kept>| kept.as_ref().map(|k| k.head.clone());
    let list = serde_json::to_vec(&List {
        schema: SCHEMA.into(),
        views: pictures.iter().map(head).collect(),
    })?;
    let mut packed = zstd::Encoder::new(Vec::new(), LEVEL)?;
    packed.write_all(&u32::try_from(list.len())?.to_le_bytes())?;
    packed.write_all(&list)?;
    for kept in pictures.iter().flatten() {
        packed.write_all(&kept.bytes)?;
    }
    Ok(packed.finish()?)
}

/// What a file holds, one a view.
pub fn read(path: &Path) -> anyhow::Result<Vec<Option<Kept>>> {
    let file = File::open(path).context("cannot be read")?;
    let mut content = zstd::Decoder::new(file)?.take(LARGEST);
    let mut length = [0; 4];
    content.read_exact(&mut length)?;
    let length = u32::from_le_bytes(length);
    ensure!(
        length <= LONGEST_LIST,
        "expected a list of at most {LONGEST_LIST} bytes, found {length}"
    );
    let mut list = vec![0; length as usize];
    content.read_exact(&mut list)?;
    let list: List = serde_json::from_slice(&list)?;
    if list.schema != SCHEMA {
        bail!("expected schema {SCHEMA}, found {}", list.schema);
    }
    let mut picture = |head: PreviewHead| -> anyhow::Result<Kept> {
        let mut bytes = vec![0; head.bytes()];
        content.read_exact(&mut bytes).context("it is cut short")?;
        Ok(Kept { head, bytes })
    };
    let views = list.views.into_iter();
    views
        .map(|head| head.map(&mut picture).transpose())
        .collect()
}
