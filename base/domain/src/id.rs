//! Small ids that index tables of the configuration or number things on this box.

use serde::{Deserialize, Serialize};

macro_rules! id {
    ($(#[$doc:meta])* $name:ident($inner:ty)) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub $inner);

        impl $name {
            /// The id as an index into the table it numbers.
            pub fn index(self) -> usize {
                self.0 as usize
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

id!(
    /// A camera: its place in the configuration's list, from 0.
    CameraId(u16)
);
id!(
    /// A view of the recipe: its place in the recipe's list of expected views, from 0.
    ViewId(u16)
);
id!(
    /// A class of a model bundle: its place in the model's outputs, from 0.
    ClassId(u16)
);
id!(
    /// The number a source gives its frames; a gap is a lost frame. Restarts when the source reconnects.
    FrameId(u64)
);
id!(
    /// Our own number of a part, from 1, unique while the station runs.
    TrackId(u64)
);
id!(
    /// The number of a recipe-and-models set that inspects; it grows with each changeover.
    Generation(u32)
);
