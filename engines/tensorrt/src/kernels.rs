//! The kernels' source and the structures they take, field by field as in `kernels/*.cu`.

use bytemuck::{Pod, Zeroable};
use sightline_domain::PixelFormat;
use sightline_engine::bundle::{Color, DecoderKind, Dtype, Layout, Manifest};
use sightline_engine::preprocess::Placement;

/// Compiled as one file, in this order.
pub const SOURCES: [&str; 3] = [
    include_str!("../kernels/prelude.cuh"),
    include_str!("../kernels/preprocess.cu"),
    include_str!("../kernels/decode.cu"),
];

/// Threads of the suppressing block.
pub const SUPPRESS_THREADS: u32 = 512;

/// `PreprocessParams`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Pod, Zeroable)]
#[repr(C)]
pub struct PreprocessParams {
    /// Device addresses of the picture's planes.
    pub planes: [u64; 3],
    /// Device address of the picture's first plane in the tensor.
    pub output: u64,
    /// Bytes from row to row, a plane.
    pub strides: [u32; 3],
    /// See [`format_number`].
    pub format: u32,
    /// View pixels.
    pub view_size: [i32; 2],
    /// Left, top, width, height, view pixels.
    pub region: [i32; 4],
    /// Left, top, width, height, tensor pixels.
    pub to: [i32; 4],
    /// What is shown, from the region's corner, view pixels.
    pub from: [f32; 2],
    /// View pixels per tensor pixel.
    pub step: [f32; 2],
    /// Width and height.
    pub tensor_size: [i32; 2],
    /// See [`color_number`].
    pub color: u32,
    /// 1: elements are 16-bit floats.
    pub half: u32,
    /// Factor a colour channel.
    pub mul: [f32; 3],
    /// Summand a colour channel.
    pub add: [f32; 3],
    /// Level around a letterboxed picture, 0..=255.
    pub pad: f32,
    /// V in red, U and V in green, U in blue.
    pub matrix: [f32; 4],
    /// Luminance that is black, and what one step of it is in 0..=255.
    pub luma: [f32; 2],
    /// Fills up to the structure's alignment.
    pub reserved: u32,
}

/// `DecodeParams`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Pod, Zeroable)]
#[repr(C)]
pub struct DecodeParams {
    /// The network's output.
    pub values: u64,
    /// Scratch, 8 bytes a row and class.
    pub keys: u64,
    /// Scratch, 16 bytes a row.
    pub boxes: u64,
    /// Scratch, 8 bytes a region.
    pub counts: u64,
    /// A [`DevicePlacement`] a region.
    pub placements: u64,
    /// A [`Header`] and `max_detections` of [`Finding`] a region.
    pub findings: u64,
    /// Rows of the head.
    pub rows: u32,
    /// Classes.
    pub class_count: u32,
    /// See [`head_number`].
    pub head: u32,
    /// Findings kept.
    pub max_detections: u32,
    /// Least score.
    pub floor: f32,
    /// 1 keeps all.
    pub iou_threshold: f32,
    /// 1: what gives way moves what stays.
    pub merge: u32,
    /// Nothing.
    pub reserved: u32,
    /// Width and height.
    pub tensor_size: [i32; 2],
}

/// `Placement`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Pod, Zeroable)]
#[repr(C)]
pub struct DevicePlacement {
    /// Tensor pixels per view pixel, across and down.
    pub scale: [f32; 2],
    /// Tensor position of the view's corner.
    pub offset: [f32; 2],
    /// Left, top, width, height of the region, view pixels.
    pub bounds: [f32; 4],
}

impl From<&Placement> for DevicePlacement {
    fn from(placed: &Placement) -> Self {
        let (m, b) = (&placed.map, &placed.bounds);
        Self {
            scale: [m.scale_x, m.scale_y],
            offset: [m.offset_x, m.offset_y],
            bounds: [b.x, b.y, b.w, b.h],
        }
    }
}

/// `Header`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Pod, Zeroable)]
#[repr(C)]
pub struct Header {
    /// Findings that follow.
    pub count: u32,
    /// Rows that were no numbers.
    pub nonfinite: u32,
    /// Rows above the floor that were too many.
    pub excess: u32,
    /// Fills up.
    pub reserved: u32,
}

/// `Finding`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Pod, Zeroable)]
#[repr(C)]
pub struct Finding {
    /// 0..=1.
    pub score: f32,
    /// Of the model.
    pub class_id: u32,
    /// Left, top, width, height, view pixels.
    pub bbox_view: [f32; 4],
}

/// Bytes of one region's findings.
pub fn findings_bytes(max_detections: usize) -> usize {
    size_of::<Header>() + max_detections * size_of::<Finding>()
}

/// The kernel's number of a pixel format.
pub fn format_number(format: PixelFormat) -> u32 {
    match format {
        PixelFormat::Gray8 => 0,
        PixelFormat::Rgb => 1,
        PixelFormat::Bgr => 2,
        PixelFormat::Nv12 => 3,
        PixelFormat::I420 => 4,
        PixelFormat::Yuy2 => 5,
        PixelFormat::BayerRggb => 6,
        PixelFormat::BayerBggr => 7,
        PixelFormat::BayerGrbg => 8,
        PixelFormat::BayerGbrg => 9,
    }
}

/// The kernel's number of the colour that the network wants.
pub fn color_number(color: Color) -> u32 {
    match color {
        Color::Gray => 0,
        Color::Rgb => 1,
        Color::Bgr => 2,
    }
}

/// The kernel's number of a head; `None`: it is decoded on the host, or refused (see [`unread`]).
pub fn head_number(kind: DecoderKind) -> Option<u32> {
    match kind {
        DecoderKind::YoloV8 => Some(0),
        DecoderKind::YoloV5 => Some(1),
        DecoderKind::YoloV10 => Some(2),
        DecoderKind::YoloX => Some(3),
        DecoderKind::Rows
        | DecoderKind::BoxesScores
        | DecoderKind::BoxesLabels
        | DecoderKind::Classifier => None,
    }
}

/// What of a manifest the kernels do not do yet, by name, and what to do.
pub fn unread(manifest: &Manifest) -> Option<String> {
    use DecoderKind::{BoxesLabels, BoxesScores, Rows};
    let (input, decoder) = (&manifest.input, &manifest.decoder);
    let kind = decoder.kind.name();
    let what = if matches!(decoder.kind, Rows | BoxesScores | BoxesLabels) {
        format!("decoder.kind = \"{kind}\"")
    } else if decoder.transposed {
        "decoder.transposed = true".to_owned()
    } else if decoder.mask_weights.is_some() {
        "a segmentation model (decoder.mask_weights)".to_owned()
    } else if input.antialias {
        "input.antialias = true".to_owned()
    } else if input.layout != Layout::Nchw {
        "input.layout = \"nhwc\"".to_owned()
    } else if input.dtype == Dtype::U8 {
        "input.dtype = \"u8\"".to_owned()
    } else {
        return None;
    };
    Some(format!(
        "{what} is read by the engine \"onnx\" only; run it there, or export the model with another head or input"
    ))
}
