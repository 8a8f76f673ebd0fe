//! What an encoded picture needs before it can be sound: the headers of its bitstream say it, not the flags of a buffer,
//! which parsers set on every parameter set and recovery point.

use gstreamer as gst;

/// What a picture refers to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Nothing, and nothing after it refers to what was before.
    Key,
    /// Nothing; what is shown before it may refer to what was before (open groups of pictures).
    Open,
    /// Nothing, but what follows may refer to what was before.
    Intra,
    /// Others; so many further ones, and all are refreshed.
    Refresh(u32),
    /// Others.
    Delta,
    /// Others, and nothing refers to it.
    Spare,
    /// Its beginning is missing.
    Headless,
    /// No picture: parameters only.
    Headers,
}

/// How a decoder's input is coded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Codec {
    /// Length of the lengths before units; start codes at 0.
    H264(usize),
    H265(usize),
    Mpeg4,
    Mpeg2,
    Vp8,
    /// Every picture for itself.
    Jpeg,
    Stills,
    /// Only the flags of its buffers say anything.
    Other,
}

impl Codec {
    pub(super) fn of(caps: &gst::CapsRef) -> Self {
        let Some(s) = caps.structure(0) else {
            return Self::Other;
        };
        let lengths = |at: usize, mask: u8| {
            let data = s.get::<gst::Buffer>("codec_data").ok();
            let data = data.as_ref().and_then(|data| data.map_readable().ok());
            let byte = data.as_ref().and_then(|data| data.get(at).copied());
            match s.get::<&str>("stream-format") {
                Ok("byte-stream") => 0,
                _ => byte.map_or(0, |byte| usize::from(byte & mask) + 1),
            }
        };
        match s.name().as_str() {
            "video/x-h264" => Self::H264(lengths(4, 3)),
            "video/x-h265" => Self::H265(lengths(21, 3)),
            "video/mpeg" => match s.get::<i32>("mpegversion") {
                Ok(4) => Self::Mpeg4,
                _ => Self::Mpeg2,
            },
            "video/x-vp8" => Self::Vp8,
            "image/jpeg" => Self::Jpeg,
            name if name.starts_with("image/") => Self::Stills,
            _ => Self::Other,
        }
    }

    /// Whether damage stays in the picture it hit.
    pub(super) fn is_intra(self) -> bool {
        matches!(self, Self::Jpeg | Self::Stills)
    }

    /// What the picture in `data` is; `delta` is what its buffer says.
    pub(super) fn kind(self, data: &[u8], delta: bool) -> Kind {
        match self {
            Self::H264(length) => h264(units(data, length)),
            Self::H265(length) => h265(units(data, length)),
            Self::Mpeg4 => start_code(data, |code, rest| {
                (code == 0xB6).then(|| rest.first().map_or(1, |b| b >> 6))
            }),
            Self::Mpeg2 => start_code(data, |code, rest| {
                (code == 0x00).then(|| rest.get(1).map_or(1, |b| (b >> 3 & 7).wrapping_sub(1)))
            }),
            Self::Vp8 if data.first().is_some_and(|b| b & 1 == 0) => Kind::Key,
            Self::Jpeg | Self::Stills => Kind::Key,
            Self::Other if !delta => Kind::Key,
            Self::Vp8 | Self::Other => Kind::Delta,
        }
    }
}

/// MPEG-2 and MPEG-4 part 2: the first picture's type, 0 for I and 2 for B. B pictures behind an I may refer to what was
/// before it.
fn start_code(data: &[u8], kind: impl Fn(u8, &[u8]) -> Option<u8>) -> Kind {
    let found = units(data, 0).find_map(|unit| {
        let (code, rest) = unit.split_first()?;
        kind(*code, rest)
    });
    match found {
        Some(0) => Kind::Open,
        Some(2) => Kind::Spare,
        Some(_) => Kind::Delta,
        None => Kind::Headers,
    }
}

/// The units of a byte stream, or with lengths before them.
fn units(data: &[u8], length: usize) -> impl Iterator<Item = &[u8]> {
    let mut rest = if length == 0 {
        after_start_code(data).unwrap_or_default()
    } else {
        data
    };
    std::iter::from_fn(move || {
        if length == 0 {
            let unit = rest;
            rest = after_start_code(rest).unwrap_or_default();
            return (!unit.is_empty()).then_some(unit);
        }
        let (head, body) = rest.split_at_checked(length)?;
        let bytes = head.iter().fold(0usize, |n, b| n << 8 | usize::from(*b));
        let (unit, more) = body.split_at(bytes.min(body.len()));
        rest = more;
        Some(unit)
    })
}

/// What stands behind the next start code; the unit before runs on into it, which nobody here minds.
fn after_start_code(data: &[u8]) -> Option<&[u8]> {
    let at = memchr::memmem::find(data, &[0, 0, 1])?;
    Some(&data[at + 3..])
}

fn h264<'a>(units: impl Iterator<Item = &'a [u8]>) -> Kind {
    let (mut recovery, mut slices) = (None, 0);
    let (mut all_intra, mut all_idr, mut referred) = (true, true, false);
    for unit in units {
        let Some((head, body)) = unit.split_first() else {
            continue;
        };
        match head & 31 {
            6 => recovery = recovery.or(recovery_point(body, 6)),
            1..=5 => {
                let mut bits = Fields::new(body);
                let (first, slice) = (bits.number(), bits.number());
                if slices == 0 && first != Some(0) {
                    return Kind::Headless;
                }
                slices += 1;
                all_idr &= head & 31 == 5;
                all_intra &= slice.is_some_and(|s| matches!(s % 5, 2 | 4));
                referred |= head >> 5 & 3 != 0;
            }
            _ => {}
        }
    }
    match (slices, recovery) {
        (0, _) => Kind::Headers,
        _ if all_idr => Kind::Key,
        (_, Some(0)) if all_intra => Kind::Open,
        (_, Some(frames)) => Kind::Refresh(frames),
        _ if all_intra => Kind::Intra,
        _ if !referred => Kind::Spare,
        _ => Kind::Delta,
    }
}

fn h265<'a>(units: impl Iterator<Item = &'a [u8]>) -> Kind {
    let mut recovery = None;
    for unit in units {
        let [head, _, body @ ..] = unit else {
            continue;
        };
        let kind = head >> 1 & 63;
        match kind {
            39 => recovery = recovery.or(recovery_point(body, 6)),
            0..=31 => {
                // first_slice_segment_in_pic_flag
                return match (body.first().is_some_and(|b| b >> 7 == 1), kind, recovery) {
                    (false, ..) => Kind::Headless,
                    (_, 19 | 20, _) => Kind::Key,
                    (_, 16..=18 | 21, _) => Kind::Open,
                    (_, _, Some(frames)) => Kind::Refresh(frames),
                    _ => Kind::Delta,
                };
            }
            _ => {}
        }
    }
    Kind::Headers
}

/// The frames until an exact recovery, if one of these supplementary messages says so.
fn recovery_point(mut body: &[u8], wanted: usize) -> Option<u32> {
    let long = |body: &mut &[u8]| {
        let mut sum = 0usize;
        loop {
            let (byte, rest) = body.split_first()?;
            *body = rest;
            sum += usize::from(*byte);
            if *byte != 0xFF {
                return Some(sum);
            }
        }
    };
    while body.len() > 2 {
        let kind = long(&mut body)?;
        let bytes = long(&mut body)?;
        let message = body.get(..bytes.min(body.len()))?;
        if kind == wanted {
            let mut bits = Fields::new(message);
            let frames = bits.number()?;
            let (exact, broken) = (bits.bit()?, bits.bit()?);
            return (exact && !broken).then_some(frames);
        }
        body = &body[message.len()..];
    }
    None
}

/// Numbers of the Exp-Golomb code at the beginning of a unit (too early for emulation prevention to matter).
struct Fields<'a> {
    data: &'a [u8],
    at: usize,
}

impl<'a> Fields<'a> {
    fn new(data: &'a [u8]) -> Self {
        Self { data, at: 0 }
    }

    fn bit(&mut self) -> Option<bool> {
        let byte = self.data.get(self.at / 8)?;
        let bit = byte >> (7 - self.at % 8) & 1 == 1;
        self.at += 1;
        Some(bit)
    }

    fn number(&mut self) -> Option<u32> {
        let mut zeros = 0;
        while !self.bit()? {
            zeros += 1;
            if zeros > 31 {
                return None;
            }
        }
        (0..zeros)
            .try_fold(1u64, |n, _| Some(n << 1 | u64::from(self.bit()?)))
            .map(|n| (n - 1) as u32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const IDR: &[u8] = &[0x65, 0b1011_1000]; // first macroblock 0, slice type 2 or 7
    const P: &[u8] = &[0x41, 0b1100_0000];
    const LATER: &[u8] = &[0x41, 0b0101_0000];

    fn stream(units: &[&[u8]]) -> Vec<u8> {
        units
            .iter()
            .flat_map(|unit| [&[0, 0, 0, 1], *unit].concat())
            .collect()
    }

    fn counted(units: &[&[u8]]) -> Vec<u8> {
        let unit = |unit: &&[u8]| [&(unit.len() as u32).to_be_bytes()[..], unit].concat();
        units.iter().flat_map(unit).collect()
    }

    #[test]
    fn a_parameter_set_makes_no_key_picture() {
        for (codec, wrap) in [
            (Codec::H264(0), stream as fn(&[&[u8]]) -> Vec<u8>),
            (Codec::H264(4), counted),
        ] {
            let kind = |units: &[&[u8]]| codec.kind(&wrap(units), false);
            assert_eq!(kind(&[&[0x67, 66], &[0x68, 1], IDR]), Kind::Key);
            assert_eq!(kind(&[&[0x67, 66], &[0x68, 1], P]), Kind::Delta);
            assert_eq!(kind(&[IDR, P]), Kind::Delta, "a slice refers to others");
            assert_eq!(kind(&[LATER]), Kind::Headless);
            assert_eq!(kind(&[&[0x01, 0b1100_0000]]), Kind::Spare);
            assert_eq!(kind(&[&[0x41, 0b1011_1000]]), Kind::Intra);
            // recovery point: 9 frames (0001010), exact, not broken
            let sei = &[0x06, 6, 2, 0b0001_0101, 0b0000_0000, 0x80];
            assert_eq!(kind(&[sei, P]), Kind::Refresh(9));
            let broken = &[0x06, 6, 2, 0b0001_0101, 0b1000_0000, 0x80];
            assert_eq!(kind(&[broken, P]), Kind::Delta);
            assert_eq!(kind(&[&[0x67, 66]]), Kind::Headers);
        }
    }

    #[test]
    fn hevc_and_the_mpegs_are_known_by_their_first_picture() {
        let hevc = |unit: u8, first: u8| {
            Codec::H265(0).kind(&stream(&[&[0x40, 1], &[unit << 1, 1, first]]), true)
        };
        assert_eq!(hevc(19, 0x80), Kind::Key);
        assert_eq!(hevc(21, 0x80), Kind::Open);
        assert_eq!(hevc(1, 0x80), Kind::Delta);
        assert_eq!(hevc(19, 0x00), Kind::Headless);
        let mpeg4 = |b: u8| Codec::Mpeg4.kind(&[0, 0, 1, 0xB6, b], false);
        assert_eq!((mpeg4(0x10), mpeg4(0x50)), (Kind::Open, Kind::Delta));
        let mpeg2 = |b: u8| Codec::Mpeg2.kind(&[0, 0, 1, 0, 0, b << 3], false);
        assert_eq!((mpeg2(1), mpeg2(2)), (Kind::Open, Kind::Delta));
    }
}
