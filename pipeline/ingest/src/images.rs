//! Pictures from a folder, a glob or a COCO file as a camera.
//!
//! [`ImagesIndex`] is the list, frame number to file; `decode` puts one picture into a slot; `player` is the thread.

mod coco;
mod convert;
mod decode;
mod error;
mod index;
mod player;
mod turn;
mod watch;
mod whole;

pub use coco::{CocoBox, CocoFile, CocoPicture};
pub(crate) use convert::gray;
pub use decode::{Decoded, PictureDecoder};
pub use error::PictureError;
pub use index::{ImageEntry, ImagesIndex};
pub(crate) use player::ImagesSource;
