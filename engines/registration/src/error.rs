//! Why a golden picture could not be laid onto a part.

/// What went wrong, with both sides shown.
#[derive(Debug, thiserror::Error)]
pub enum RegistrationError {
    /// Only 8-bit luminance is registered.
    #[error("registration expects a GRAY8 picture, found {found}; convert it first")]
    Format {
        /// Name of the format that came.
        found: &'static str,
    },
    /// The part's picture has another size than the golden picture.
    #[error(
        "the golden picture is {expected_width}x{expected_height} pixels, the part's is {found_width}x{found_height}; \
         teach the golden picture again with this camera's settings"
    )]
    SizeMismatch {
        /// Width of the golden picture, pixels.
        expected_width: u32,
        /// Height of the golden picture, pixels.
        expected_height: u32,
        /// Width of the part's picture, pixels.
        found_width: u32,
        /// Height of the part's picture, pixels.
        found_height: u32,
    },
    /// A buffer is shorter than its picture's rows need.
    #[error("the {which} needs {expected} bytes (rows x stride), found {found}")]
    Buffer {
        /// Which buffer.
        which: &'static str,
        /// Bytes needed.
        expected: usize,
        /// Bytes found.
        found: usize,
    },
    /// The picture is too small for the shift it should be searched over.
    #[error(
        "a {width}x{height} picture is too small to search {margin_px:.0} pixels around it (shift and rotation together): \
         expected at least {expected} pixels a side; lower max_shift_px or take a larger view"
    )]
    TooSmall {
        /// Width, pixels.
        width: u32,
        /// Height, pixels.
        height: u32,
        /// How far contents may move at the border, pixels.
        margin_px: f32,
        /// Smallest side that would do, pixels.
        expected: u32,
    },
    /// The golden picture shows nothing (or only lines in one direction) that a position could be read from.
    #[error(
        "the golden picture has too little structure to be registered: expected a conditioning of {expected:e} at least, \
         found {found:e}; it is flat, or its lines run in one direction only. Take another picture, or a simpler mode"
    )]
    NoStructure {
        /// Ratio of the best to the worst determined direction, inverted: 0 (blind) to 1.
        found: f64,
        /// The least that will do.
        expected: f64,
    },
    /// No place was found where the golden picture fits the part.
    #[error(
        "the golden picture was not found on the part: best correlation {correlation:.3}, expected {expected:.3} at least; \
         is it the right product, and within max_shift_px and max_rotation_deg?"
    )]
    NotFound {
        /// The best correlation found, -1..=1.
        correlation: f32,
        /// The least that is accepted.
        expected: f32,
    },
    /// It fits, but further away than is accepted.
    #[error(
        "the part lies {dx_px:.1}, {dy_px:.1} pixels and {rotation_deg:.2} degrees off; expected at most {max_shift_px} pixels \
         and {max_rotation_deg} degrees; check the fixture or the trigger's position"
    )]
    OutOfRange {
        /// Shift of the picture's centre to the right, pixels.
        dx_px: f32,
        /// Shift of the picture's centre downwards, pixels.
        dy_px: f32,
        /// Rotation, degrees, clockwise on the screen.
        rotation_deg: f32,
        /// The accepted shift along each axis, pixels.
        max_shift_px: f32,
        /// The accepted rotation either way, degrees.
        max_rotation_deg: f32,
    },
    /// A limit makes no sense.
    #[error("{field} must be {expected}, found {found}")]
    Setting {
        /// Which parameter.
        field: &'static str,
        /// What it may be.
        expected: &'static str,
        /// What it was.
        found: f32,
    },
    /// OpenCV refused.
    #[error("OpenCV failed: {0}")]
    OpenCv(#[from] opencv::Error),
}
