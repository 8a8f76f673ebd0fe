//! What a well-formed manifest may still get wrong: everything found is reported at once.

use super::{Channel, Manifest, Problem, ROLE_MODEL, Task};
use super::{DecoderKind, manifest::BUNDLE_SCHEMA};
use sightline_configs::Source;
use std::collections::BTreeSet;
use std::path::{Component, Path};

/// Widest input taken, tensor pixels; more is a slip of the pen on any box we run on.
pub const MAX_INPUT_SIDE: u32 = 8_192;
/// Most findings a decoder may be told to keep per region.
pub const MAX_DETECTIONS: usize = 10_000;

pub(super) struct Checker<'a> {
    path: &'a Path,
    source: &'a Source,
    problems: Vec<Problem>,
}

impl<'a> Checker<'a> {
    pub(super) fn new(path: &'a Path, source: &'a Source) -> Self {
        Self {
            path,
            source,
            problems: Vec::new(),
        }
    }

    pub(super) fn expect(
        &mut self,
        good: bool,
        field: impl Into<String>,
        expected: &str,
        found: impl ToString,
        advice: &str,
    ) {
        if good {
            return;
        }
        let field = field.into();
        self.problems.push(Problem::Value {
            path: self.path.to_owned(),
            line: self.source.line(&field).unwrap_or(1),
            field,
            expected: expected.to_owned(),
            found: found.to_string(),
            advice: advice.to_owned(),
        });
    }

    pub(super) fn run(mut self, m: &Manifest) -> Vec<Problem> {
        self.head(m);
        self.files(m);
        self.input(m);
        self.decoder(m);
        self.head_fields(m);
        self.classes(m);
        self.golden(m);
        self.problems
    }

    fn head(&mut self, m: &Manifest) {
        self.expect(
            m.schema == BUNDLE_SCHEMA,
            "schema",
            &format!("\"{BUNDLE_SCHEMA}\""),
            format!("\"{}\"", m.schema),
            "this Sightline reads no other schema",
        );
        self.expect(
            is_slug(&m.name),
            "name",
            "1 to 64 of a-z, 0-9, `-`, `_`, `.`",
            format!("\"{}\"", m.name),
            "write e.g. \"pcb-detector\"",
        );
        self.expect(
            triple(&m.version).is_some(),
            "version",
            "major.minor.patch",
            format!("\"{}\"", m.version),
            "write e.g. \"1.0.0\"",
        );
        let (ours, wanted) = (triple(env!("CARGO_PKG_VERSION")), triple(&m.min_app));
        self.expect(
            wanted.is_some() && wanted <= ours,
            "min_app",
            &format!("at most {}", env!("CARGO_PKG_VERSION")),
            format!("\"{}\"", m.min_app),
            "update Sightline, or write the oldest version that can run this bundle",
        );
    }

    fn files(&mut self, m: &Manifest) {
        let mut seen = BTreeSet::new();
        for (i, file) in m.files.iter().enumerate() {
            self.relative(format!("files[{i}].path"), &file.path);
            self.expect(
                seen.insert(file.path.as_str()),
                format!("files[{i}].path"),
                "each file once",
                format!("\"{}\" again", file.path),
                "remove one of the two",
            );
            let hex = file.sha256.len() == 64 && file.sha256.bytes().all(|b| b.is_ascii_hexdigit());
            self.expect(
                hex,
                format!("files[{i}].sha256"),
                "64 hexadecimal digits",
                format!("\"{}\"", file.sha256),
                "write what `sha256sum` prints for the file",
            );
            self.expect(
                file.role != ROLE_MODEL || file.precision.is_some(),
                format!("files[{i}].precision"),
                "fp32 or int8 for a file of role model",
                "nothing",
                "write precision = \"fp32\" or \"int8\"",
            );
        }
        let models: Vec<_> = m.files.iter().filter(|f| f.role == ROLE_MODEL).collect();
        let distinct: BTreeSet<_> = models
            .iter()
            .filter_map(|f| f.precision.map(|p| p.name()))
            .collect();
        self.expect(
            !models.is_empty() && distinct.len() == models.len(),
            "files",
            "one file of role \"model\" for each precision, at least one",
            format!(
                "{} of role \"model\" in {} precisions",
                models.len(),
                distinct.len()
            ),
            "give the ONNX file role = \"model\" and its precision",
        );
    }

    fn relative(&mut self, field: String, path: &str) {
        let plain = !path.is_empty()
            && !path.contains('\\')
            && Path::new(path)
                .components()
                .all(|c| matches!(c, Component::Normal(_)));
        self.expect(
            plain,
            field,
            "a path inside the bundle",
            format!("\"{path}\""),
            "write it relative to manifest.toml, without `..`",
        );
    }

    fn input(&mut self, m: &Manifest) {
        let input = &m.input;
        for (field, side) in [("input.width", input.width), ("input.height", input.height)] {
            self.expect(
                (1..=MAX_INPUT_SIDE).contains(&side),
                field,
                &format!("1 to {MAX_INPUT_SIDE}"),
                side,
                "write the size the model was exported with",
            );
        }
        let per_channel = input.color.channels();
        for (field, values) in [("input.mean", &input.mean), ("input.std", &input.std)] {
            self.expect(
                values.len() == per_channel && values.iter().all(|v| v.is_finite()),
                field,
                &format!("{per_channel} finite number(s), one a colour channel"),
                format!("{values:?}"),
                "write one number for gray, three for rgb and bgr",
            );
        }
        self.expect(
            input.std.iter().all(|&s| s != 0.0),
            "input.std",
            "no zero",
            format!("{:?}", input.std),
            "write 1.0 where nothing is divided",
        );
        self.expect(
            input.scale.is_finite() && input.scale > 0.0,
            "input.scale",
            "a number above 0",
            input.scale,
            "write 0.00392156862745098 (1/255) or 1.0",
        );
        self.expect(
            matches!(
                input.channels[..],
                [Channel::Image] | [Channel::Image, Channel::Reference]
            ),
            "input.channels",
            "[\"image\"] or [\"image\", \"reference\"]",
            format!("{:?}", input.channels),
            "write the pictures in the order in which the model was trained",
        );
    }

    fn decoder(&mut self, m: &Manifest) {
        let d = &m.decoder;
        self.expect(
            d.kind.task() == m.task,
            "decoder.kind",
            match m.task {
                Task::Detect => "a detector's decoder for task \"detect\"",
                Task::Classify => "\"classifier\" for task \"classify\"",
            },
            format!("\"{}\"", d.kind.name()),
            "correct task or decoder.kind",
        );
        self.expect(
            d.version == 1,
            "decoder.version",
            "1",
            d.version,
            "this Sightline reads no other version",
        );
        for (field, value) in [
            ("decoder.score_floor", d.score_floor),
            ("decoder.iou_threshold", d.iou_threshold),
        ] {
            self.expect(
                (0.0..=1.0).contains(&value),
                field,
                "0 to 1",
                value,
                "write e.g. 0.05 for score_floor, 0.5 for iou_threshold",
            );
        }
        self.expect(
            (1..=MAX_DETECTIONS).contains(&d.max_detections),
            "decoder.max_detections",
            &format!("1 to {MAX_DETECTIONS}"),
            d.max_detections,
            "write e.g. 300",
        );
        let activated = matches!(d.kind, DecoderKind::Classifier | DecoderKind::BoxesScores);
        self.expect(
            d.activation.is_some() == activated,
            "decoder.activation",
            if activated {
                "\"softmax\", \"sigmoid\" or \"none\" for classifier and boxes-scores"
            } else {
                "nothing for this decoder"
            },
            if activated { "nothing" } else { "a value" },
            "write \"softmax\" or \"sigmoid\" if the outputs are logits, \"none\" if they are probabilities",
        );
        let grid = d.kind == DecoderKind::YoloX;
        let (w, h) = (m.input.width, m.input.height);
        self.expect(
            !grid || (w % 32 == 0 && h % 32 == 0),
            "input.width",
            "a multiple of 32 in both sides for yolox",
            format!("{w} x {h}"),
            "write the size the model was exported with",
        );
    }

    fn classes(&mut self, m: &Manifest) {
        self.expect(
            !m.classes.is_empty(),
            "classes",
            "at least one class",
            "none",
            "add a [[classes]] table for each output of the model",
        );
        self.expect(
            m.classes.is_empty() || m.classes.iter().any(|c| !c.good),
            "classes",
            "at least one class that is not good",
            "good = true for all",
            "take good = true from the classes of bad parts",
        );
        let mut codes = BTreeSet::new();
        for (i, class) in m.classes.iter().enumerate() {
            self.expect(
                usize::from(class.id) == i,
                format!("classes[{i}].id"),
                &i.to_string(),
                class.id,
                "number the classes from 0 without a gap, in the order of the model's outputs",
            );
            self.expect(
                is_code(&class.code) && codes.insert(class.code.as_str()),
                format!("classes[{i}].code"),
                "a code of 1 to 64 letters and digits of any script, `-`, `_`, `.` that no other class has",
                format!("\"{}\"", class.code),
                "write e.g. \"spur\"",
            );
            self.expect(
                (0.0..=1.0).contains(&class.default_limit),
                format!("classes[{i}].default_limit"),
                "0 to 1",
                class.default_limit,
                "write the score at which a finding counts",
            );
        }
    }

    fn golden(&mut self, m: &Manifest) {
        for (i, golden) in m.golden.iter().enumerate() {
            self.relative(format!("golden[{i}].image"), &golden.image);
            self.relative(format!("golden[{i}].expected"), &golden.expected);
            if let Some(reference) = &golden.reference {
                self.relative(format!("golden[{i}].reference"), reference);
            }
            let wants = m.input.wants_reference();
            self.expect(
                golden.reference.is_some() == wants,
                format!("golden[{i}].reference"),
                if wants {
                    "a reference picture, as input.channels names one"
                } else {
                    "nothing, as input.channels names no reference"
                },
                golden.reference.as_deref().unwrap_or("nothing"),
                "correct input.channels or the golden",
            );
            if let Some(tiles) = golden.tiles {
                self.expect(
                    m.task == super::Task::Detect && tiles.is_sound(),
                    format!("golden[{i}].tiles"),
                    "of a detector: sides of 32 to 8192 pixels, overlapping by 1 to half a tile",
                    format!("{tiles:?}"),
                    "correct or remove it",
                );
            }
            let t = golden.tolerance;
            self.expect(
                (0.0..=1.0).contains(&t.score) && t.box_px >= 0.0 && t.box_px.is_finite(),
                format!("golden[{i}].tolerance"),
                "score in 0 to 1 and box_px of 0 or more",
                format!("score {}, box_px {}", t.score, t.box_px),
                "write e.g. { score = 0.02, box_px = 1.0 }",
            );
        }
    }
}

fn is_slug(s: &str) -> bool {
    (1..=64).contains(&s.len())
        && s.bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-_.".contains(&b))
}

/// Whether a class can be called so: it stands in recipes, results and topics.
pub fn is_code(s: &str) -> bool {
    (1..=64).contains(&s.chars().count())
        && s.chars().all(|c| c.is_alphanumeric() || "-_.".contains(c))
}

/// `major.minor.patch`, or `None`.
fn triple(version: &str) -> Option<[u64; 3]> {
    let mut parts = version.split('.').map(|p| p.parse().ok());
    let triple = [parts.next()??, parts.next()??, parts.next()??];
    parts.next().is_none().then_some(triple)
}
