//! What proves that the pictures of a camera are whole.

use sightline_configs::station::Source;

/// What would tell if a picture were damaged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Proof {
    /// Nothing has come yet.
    #[default]
    Unknown,
    /// They are made here, or read with their lengths and checksums.
    Files,
    /// Numbered packets, and a decoder that says what it cannot decode.
    Packets,
    /// A device's driver marks what did not come whole.
    Driver,
    /// The pictures' own codes, walked to their end (JPEG, PNG).
    Codes,
    /// A decoder that says what it cannot decode, and nothing else.
    Decoder,
    /// Nothing: raw pictures from elsewhere, or a decoder that conceals errors and is silent.
    Nothing,
}

/// Decoders that conceal what is wrong without a word.
const SILENT: [&str; 4] = ["openh264dec", "vp8dec", "vp9dec", "avdec_h265"];

const ALL: [Proof; 7] = [
    Proof::Unknown,
    Proof::Files,
    Proof::Packets,
    Proof::Driver,
    Proof::Codes,
    Proof::Decoder,
    Proof::Nothing,
];

impl Proof {
    /// In one sentence.
    pub fn says(self) -> &'static str {
        match self {
            Self::Unknown => "nothing has come yet",
            Self::Files => "files are read whole, with their checksums where they have some",
            Self::Packets => "numbered packets, and the decoder's own errors",
            Self::Driver => "the driver marks what did not come whole",
            Self::Codes => "every picture's own codes, to their end",
            Self::Decoder => "the decoder's own errors and nothing else",
            Self::Nothing => "nothing proves that they are whole",
        }
    }

    /// What can be expected of a source before it is opened; `Unknown` where only its stream can tell.
    pub fn expected(source: &Source) -> Self {
        let Source::Pipeline { description, .. } = source else {
            return match source {
                Source::Rtsp { .. } => Self::Packets,
                Source::V4l2 { .. } => Self::Driver,
                Source::Video { .. } => Self::Decoder,
                _ => Self::Files,
            };
        };
        let elements = || {
            description
                .split('!')
                .filter_map(|part| part.split_whitespace().next())
        };
        let has = |is: fn(&str) -> bool| elements().any(is);
        if has(|e| (e.starts_with("rtp") && e.ends_with("depay")) || e == "rtspsrc") {
            Self::Packets
        } else if has(|e| SILENT.contains(&e) || e.starts_with("nv")) {
            Self::Nothing
        } else if has(|e| matches!(e, "jpegdec" | "avdec_mjpeg" | "pngdec")) {
            Self::Codes
        } else if has(|e| e.starts_with("avdec_")) {
            Self::Decoder
        } else if has(|e| matches!(e, "v4l2src" | "aravissrc" | "videotestsrc")) {
            Self::Driver
        } else if has(|e| e.contains("decodebin")) {
            Self::Unknown
        } else {
            Self::Nothing
        }
    }

    pub(crate) fn number(self) -> u8 {
        self as u8
    }

    pub(crate) fn of_number(number: u8) -> Self {
        ALL.get(usize::from(number)).copied().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn raw_pictures_from_elsewhere_and_silent_decoders_prove_nothing() {
        let of = |description: &str| {
            Proof::expected(&Source::Pipeline {
                description: description.into(),
                ends: false,
            })
        };
        assert_eq!(
            of("udpsrc port=5000 ! rawvideoparse width=8 height=8"),
            Proof::Nothing
        );
        assert_eq!(of("tcpclientsrc ! h264parse ! openh264dec"), Proof::Nothing);
        assert_eq!(of("udpsrc ! rtph264depay ! avdec_h264"), Proof::Packets);
        assert_eq!(
            of("souphttpsrc location=x ! multipartdemux ! jpegdec"),
            Proof::Codes
        );
        assert_eq!(of("aravissrc ! video/x-raw"), Proof::Driver);
        assert_eq!(of("tcpclientsrc ! decodebin"), Proof::Unknown);
        for (number, proof) in ALL.into_iter().enumerate() {
            assert_eq!(Proof::of_number(number as u8), proof);
        }
    }
}
