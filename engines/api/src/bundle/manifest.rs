//! The types of `manifest.toml`, schema `sightline.bundle.v1`, field by field. Unknown fields are errors.

pub use super::decoder::{Activation, Background, BoxFormat, BoxUnit, Column};
pub use super::decoder::{DecoderKind, DecoderSpec, OutputNames};
use crate::ClassInfo;
use serde::{Deserialize, Serialize};
use sightline_configs::recipe::Tiles;
use sightline_domain::Severity;

/// The value of [`Manifest::schema`].
pub const BUNDLE_SCHEMA: &str = "sightline.bundle.v1";

/// What a model bundle says of itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Always [`BUNDLE_SCHEMA`].
    pub schema: String,
    /// Lower-case name, e.g. `pcb-detector`.
    pub name: String,
    /// `major.minor.patch`.
    pub version: String,
    /// Finds or names.
    pub task: Task,
    /// Terms of use of the weights.
    pub license: String,
    /// How it was trained.
    pub source: String,
    /// Oldest Sightline that can use it, `major.minor.patch`.
    pub min_app: String,
    /// The bundle's files.
    pub files: Vec<FileEntry>,
    /// What the network expects.
    pub input: InputSpec,
    /// How its outputs are read.
    pub decoder: DecoderSpec,
    /// In the order of the model's outputs.
    pub classes: Vec<ClassSpec>,
    /// Pictures with known answers.
    #[serde(default)]
    pub golden: Vec<GoldenSpec>,
    /// What was measured, on which data, by which command; free-form.
    #[serde(default, skip_serializing_if = "toml::Table::is_empty")]
    pub metrics: toml::Table,
}

/// What a model does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Task {
    /// Boxes with class and score.
    Detect,
    /// One probability a class.
    Classify,
}

/// Number format of a model file's weights and activations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// 32-bit floats.
    Fp32,
    /// 16-bit floats; inputs and outputs are what `input.dtype` and the file say.
    Fp16,
    /// 8-bit integers (QDQ).
    Int8,
}

impl Precision {
    /// `fp32`, `fp16` or `int8`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Fp32 => "fp32",
            Self::Fp16 => "fp16",
            Self::Int8 => "int8",
        }
    }
}

/// One file of the bundle.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileEntry {
    /// Relative to the bundle, `/` between folders, no `..`.
    pub path: String,
    /// `model` is what engines run, `weights` what a model file keeps beside itself; any other word is for people.
    pub role: String,
    /// Of a model file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub precision: Option<Precision>,
    /// Of the content, 64 hexadecimal digits.
    pub sha256: String,
    /// Bytes.
    pub size: u64,
}

/// The role of files that engines run.
pub const ROLE_MODEL: &str = "model";
/// The role of files in which a model file keeps its weights (ONNX's external data).
pub const ROLE_WEIGHTS: &str = "weights";

/// What the network expects: `tensor = (pixel * scale - mean) / std`, per colour channel.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InputSpec {
    /// The input's name in the file.
    pub name: String,
    /// Tensor pixels.
    pub width: u32,
    /// Tensor pixels.
    pub height: u32,
    /// Order of the axes.
    pub layout: Layout,
    /// Type of the elements.
    pub dtype: Dtype,
    /// Colour channels of one picture.
    pub color: Color,
    /// Applied to 0..255 first.
    pub scale: f32,
    /// Subtracted after `scale`, one a colour channel.
    pub mean: Vec<f32>,
    /// Divided by last, one a colour channel.
    pub std: Vec<f32>,
    /// How a view of another shape is made to fit.
    pub resize: Resize,
    /// With `resize = "crop"`: the shorter side is first brought to so many pixels, then the middle is cut out, as
    /// torchvision's Resize and CenterCrop do; absent: to the tensor's own side.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resize_to: Option<u32>,
    /// Pictures that shrink are averaged over what a tensor pixel covers, as Pillow and torchvision do; without, the
    /// nearest four pixels count, as OpenCV does.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub antialias: bool,
    /// Level around a letterboxed picture, 0..255, before `scale`.
    #[serde(default = "default_pad_value")]
    pub pad_value: u8,
    /// Pictures stacked on the channel axis.
    #[serde(default = "default_channels")]
    pub channels: Vec<Channel>,
}

fn default_pad_value() -> u8 {
    114
}

fn default_channels() -> Vec<Channel> {
    vec![Channel::Image]
}

impl InputSpec {
    /// Planes of the tensor: colour channels times pictures.
    pub fn planes(&self) -> usize {
        self.color.channels() * self.channels.len()
    }

    /// Elements of one region's tensor, `planes * height * width`.
    pub fn elements(&self) -> usize {
        self.planes() * self.height as usize * self.width as usize
    }

    /// The golden picture is part of the input.
    pub fn wants_reference(&self) -> bool {
        self.channels.contains(&Channel::Reference)
    }
}

/// Order of a tensor's axes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Layout {
    /// Batch, channel, row, column.
    Nchw,
    /// Batch, row, column, channel.
    Nhwc,
}

/// Type of a tensor's elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Dtype {
    /// 32-bit float; quantised files keep it at their input.
    F32,
    /// 16-bit float.
    F16,
    /// Bytes: values are rounded and held to 0..=255.
    U8,
}

/// Colour channels of a network's input.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Color {
    /// One plane of luminance.
    Gray,
    /// Three planes, red first.
    Rgb,
    /// Three planes, blue first.
    Bgr,
}

impl Color {
    /// Planes of one picture.
    pub fn channels(self) -> usize {
        match self {
            Self::Gray => 1,
            Self::Rgb | Self::Bgr => 3,
        }
    }
}

/// How a view of another shape is made to fit the input.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Resize {
    /// As large as fits, centred, the rest `pad_value`.
    Letterbox,
    /// As large as fits, in the upper left corner, the rest `pad_value`: YOLOX and MMDetection.
    #[serde(rename = "letterbox-top-left")]
    LetterboxTopLeft,
    /// Each axis on its own; shapes are distorted.
    Stretch,
    /// As small as covers, centred, the rest cut off.
    Crop,
}

/// A picture of a network's input.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Channel {
    /// The view.
    Image,
    /// The recipe's golden picture, treated the same way.
    Reference,
}

/// One class.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClassSpec {
    /// Its place in the outputs, from 0 without a gap.
    pub id: u16,
    /// Stable code: letters and digits of any script, `-`, `_`, `.`.
    pub code: String,
    /// For people.
    pub name: ClassName,
    /// How bad it is.
    pub severity: Severity,
    /// Score at or above which a finding counts.
    pub default_limit: f32,
    /// The class of good parts: it does not count against a part unless the recipe says so.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub good: bool,
}

impl ClassSpec {
    /// What engines say of the class.
    pub fn info(&self) -> ClassInfo {
        ClassInfo {
            code: self.code.clone(),
            name_en: self.name.en.clone(),
            name_zh: self.name.zh.clone().unwrap_or_else(|| self.name.en.clone()),
            severity: self.severity,
            default_limit: self.default_limit,
            good: self.good,
        }
    }
}

/// A class's name for people.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClassName {
    /// English.
    pub en: String,
    /// Chinese.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zh: Option<String>,
}

/// A picture with a known answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GoldenSpec {
    /// Path in the bundle.
    pub image: String,
    /// Path in the bundle, if the model takes a reference.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
    /// The picture is looked at in tiles.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tiles: Option<Tiles>,
    /// Path of the expected answer in the bundle, see [`super::golden::Expected`].
    pub expected: String,
    /// How far a run may be off.
    pub tolerance: Tolerance,
}

/// How far a golden run may be off.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tolerance {
    /// Of a score.
    pub score: f32,
    /// Of each edge of a box, view pixels; 0 for classifiers.
    #[serde(default)]
    pub box_px: f32,
}
