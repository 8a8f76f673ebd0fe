//! The check of JPEGs as it was before it took several symbols at a time, one symbol after the other: what the tests hold the
//! fast one against, fault by fault, and the bench shows the gain over.
#![allow(dead_code, reason = "the same text for tests and bench")]

mod bits;
mod component;
mod huffman;
mod scan;

use bits::Bits;
use component::Component;
use huffman::Table;
use scan::{Band, Walk};

/// Why a JPEG is not whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    #[error("no JPEG: it does not begin with its marker")]
    Start,
    #[error("a JPEG that is cut short")]
    Short,
    #[error("a JPEG whose headers contradict themselves")]
    Header,
    #[error(
        "a JPEG coded in a way that cannot be checked (arithmetic, lossless, or without a height)"
    )]
    Unchecked,
    #[error("a JPEG with tables that are none")]
    Tables,
    #[error("a JPEG with a code that is in no table")]
    Code,
    #[error("a JPEG with a run beyond the end of its block")]
    Run,
    #[error("a JPEG with values that no picture has")]
    Value,
    #[error("a JPEG with bytes missing or left over before a marker")]
    Length,
    #[error("a JPEG with restart markers out of order")]
    Restart,
    #[error("a JPEG with scans missing")]
    Scans,
}

/// Checks pictures; keeps its tables between them, because cameras send the same ones with every picture.
#[derive(Debug)]
pub struct Checker {
    dc: [Table; 4],
    ac: [Table; 4],
    quant: [[u16; 64]; 4],
    parts: Vec<Component>,
    progressive: bool,
    depth: u32,
    restart: usize,
    /// Units of all components, across and down.
    units: (usize, usize),
}

/// Places that a picture of this station can have.
const MOST_PIXELS: usize = 1 << 28;

impl Default for Checker {
    fn default() -> Self {
        let tables = |class| [0, 1, 1, 1].map(|id| Table::standard(class, id));
        Self {
            dc: tables(0),
            ac: tables(1),
            quant: [[0; 64]; 4],
            parts: Vec::new(),
            progressive: false,
            depth: 8,
            restart: 0,
            units: (0, 0),
        }
    }
}

fn word(data: &[u8], at: usize) -> Option<usize> {
    let bytes = data.get(at..)?.first_chunk::<2>()?;
    Some(usize::from(u16::from_be_bytes(*bytes)))
}

impl Checker {
    /// Where the picture ends that `data` begins with.
    pub fn check(&mut self, data: &[u8]) -> Result<usize, Fault> {
        if !data.starts_with(&[0xFF, 0xD8]) {
            return Err(Fault::Start);
        }
        self.restart = 0;
        let (mut at, mut has_frame) = (2, false);
        loop {
            let marker = marker(data, &mut at)?;
            match marker {
                0xD9 if has_frame && self.is_complete() => return Ok(at),
                0xD9 => return Err(Fault::Scans),
                0xD8 => return Err(Fault::Header),
                // markers without a body; one for restart after the last unit does no harm
                0x01 | 0xD0..=0xD7 => continue,
                _ => {}
            }
            let length = word(data, at).ok_or(Fault::Short)?;
            let body = data.get(at + 2..at + length.max(2)).ok_or(Fault::Short)?;
            at += length.max(2);
            match marker {
                0xC4 => self.huffman(body)?,
                0xDB => self.quantisation(body)?,
                0xDD => self.restart = word(body, 0).ok_or(Fault::Header)?,
                0xC0..=0xC2 if !has_frame => {
                    self.frame(body, marker == 0xC2)?;
                    has_frame = true;
                }
                0xC0..=0xC2 => return Err(Fault::Header),
                0xC3 | 0xC5..=0xCF | 0xDC | 0xDE | 0xDF => return Err(Fault::Unchecked),
                0xDA if has_frame => at = self.scan(data, at, body)?,
                0xDA => return Err(Fault::Header),
                0xE0..=0xFE => {}
                _ => return Err(Fault::Header),
            }
        }
    }

    fn is_complete(&self) -> bool {
        self.parts
            .iter()
            .all(|part| part.left.iter().all(|left| *left == 0))
    }

    fn huffman(&mut self, mut body: &[u8]) -> Result<(), Fault> {
        while let Some((head, rest)) = body.split_first() {
            let (counts, rest) = rest.split_first_chunk::<16>().ok_or(Fault::Header)?;
            let symbols: usize = counts.iter().map(|n| usize::from(*n)).sum();
            if symbols > 256 || symbols > rest.len() || head & 15 > 3 || head >> 4 > 1 {
                return Err(Fault::Tables);
            }
            let tables = if head >> 4 == 0 {
                &mut self.dc
            } else {
                &mut self.ac
            };
            tables[usize::from(head & 15)].define(counts, &rest[..symbols])?;
            body = &rest[symbols..];
        }
        Ok(())
    }

    fn quantisation(&mut self, mut body: &[u8]) -> Result<(), Fault> {
        while let Some((head, rest)) = body.split_first() {
            let wide = head >> 4 == 1;
            let bytes = if wide { 128 } else { 64 };
            if head & 15 > 3 || head >> 4 > 1 || rest.len() < bytes {
                return Err(Fault::Tables);
            }
            let table = &mut self.quant[usize::from(head & 15)];
            for (at, value) in table.iter_mut().enumerate() {
                *value = if wide {
                    u16::from_be_bytes([rest[2 * at], rest[2 * at + 1]])
                } else {
                    u16::from(rest[at])
                };
            }
            if table.contains(&0) {
                return Err(Fault::Tables);
            }
            body = &rest[bytes..];
        }
        Ok(())
    }

    fn frame(&mut self, body: &[u8], progressive: bool) -> Result<(), Fault> {
        let [depth, h1, h0, w1, w0, count, parts @ ..] = body else {
            return Err(Fault::Header);
        };
        let height = usize::from(u16::from_be_bytes([*h1, *h0]));
        let width = usize::from(u16::from_be_bytes([*w1, *w0]));
        let count = usize::from(*count);
        if height == 0 {
            return Err(Fault::Unchecked);
        }
        if width == 0
            || width * height > MOST_PIXELS
            || !matches!(depth, 8 | 12)
            || !(1..=4).contains(&count)
            || parts.len() != 3 * count
        {
            return Err(Fault::Header);
        }
        self.progressive = progressive;
        self.depth = u32::from(*depth);
        let parts = parts.as_chunks::<3>().0;
        let sides = |side: fn(u8) -> u8| parts.iter().map(move |p| usize::from(side(p[1])));
        let (h_all, v_all) = (sides(|s| s >> 4), sides(|s| s & 15));
        if !h_all
            .clone()
            .chain(v_all.clone())
            .all(|s| (1..=4).contains(&s))
        {
            return Err(Fault::Header);
        }
        let (h_max, v_max) = (h_all.max().unwrap_or(1), v_all.max().unwrap_or(1));
        self.units = (width.div_ceil(8 * h_max), height.div_ceil(8 * v_max));
        self.parts.resize_with(count, Component::empty);
        for (part, [id, sampling, table]) in self.parts.iter_mut().zip(parts) {
            let (h, v) = (usize::from(sampling >> 4), usize::from(sampling & 15));
            if *table > 3 {
                return Err(Fault::Header);
            }
            (part.id, part.h, part.v, part.table) = (*id, h, v, usize::from(*table));
            part.wide = (width * h).div_ceil(h_max).div_ceil(8);
            part.high = (height * v).div_ceil(v_max).div_ceil(8);
            part.stride = self.units.0 * h;
            part.left = [u8::MAX; 64];
            part.known.clear();
            if progressive {
                part.known.resize(part.stride * self.units.1 * v, 0);
            }
        }
        Ok(())
    }

    /// Walks the scan whose data begin at `at`; where the next marker stands.
    fn scan(&mut self, data: &[u8], at: usize, head: &[u8]) -> Result<usize, Fault> {
        let [count, rest @ ..] = head else {
            return Err(Fault::Header);
        };
        let count = usize::from(*count);
        if !(1..=4).contains(&count) || rest.len() != 2 * count + 3 {
            return Err(Fault::Header);
        }
        let (chosen, spectrum) = rest.split_at(2 * count);
        let band = self.band(spectrum, count)?;
        // part, DC table, AC table
        let mut order = [(0usize, 0usize, 0usize); 4];
        for (slot, [id, tables]) in order.iter_mut().zip(chosen.as_chunks::<2>().0) {
            let part = self.parts.iter().position(|part| part.id == *id);
            let part = part.ok_or(Fault::Header)?;
            *slot = (part, usize::from(tables >> 4 & 3), usize::from(tables & 3));
            self.parts[part].begin(&self.quant, self.depth, band, self.progressive)?;
        }
        let order = &order[..count];
        let (across, down) = match order {
            [(part, ..)] => (self.parts[*part].wide, self.parts[*part].high),
            _ => self.units,
        };
        let total = across * down;
        let interval = if self.restart == 0 {
            total
        } else {
            self.restart
        };
        let (mut bits, mut done, mut restarts) = (Bits::new(data, at), 0, 0u8);
        loop {
            let until = total.min(done + interval);
            self.stretch(&mut bits, order, band, across, done..until)?;
            done = until;
            let Some(mut end) = bits.end() else {
                return Err(Fault::Length);
            };
            if done == total {
                return Ok(end);
            }
            if marker(data, &mut end)? != 0xD0 + restarts {
                return Err(Fault::Restart);
            }
            restarts = (restarts + 1) & 7;
            bits = Bits::new(data, end);
        }
    }

    fn band(&self, spectrum: &[u8], count: usize) -> Result<Band, Fault> {
        let [from, to, approximation] = spectrum else {
            return Err(Fault::Header);
        };
        if !self.progressive {
            // many encoders leave these as they please
            return Ok(Band {
                from: 0,
                to: 63,
                high: 0,
                low: 0,
            });
        }
        let band = Band {
            from: usize::from(*from),
            to: usize::from(*to),
            high: u32::from(approximation >> 4),
            low: u32::from(approximation & 15),
        };
        let sound = if band.from == 0 {
            band.to == 0
        } else {
            count == 1 && (band.from..64).contains(&band.to)
        };
        let sound = sound && band.low <= 13 && (band.high == 0 || band.high == band.low + 1);
        if sound { Ok(band) } else { Err(Fault::Header) }
    }

    /// Units from one restart marker to the next.
    fn stretch(
        &mut self,
        bits: &mut Bits<'_>,
        order: &[(usize, usize, usize)],
        band: Band,
        across: usize,
        units: std::ops::Range<usize>,
    ) -> Result<(), Fault> {
        let mut ended = 0u32;
        for (part, ..) in order {
            self.parts[*part].last = 0;
        }
        let deepest = self.depth + 2;
        for unit in units {
            for &(part, dc, ac) in order {
                let walk = Walk {
                    dc: &self.dc[dc],
                    ac: &self.ac[ac],
                    band,
                    deepest,
                };
                let part = &mut self.parts[part];
                if !self.progressive {
                    let blocks = if order.len() == 1 { 1 } else { part.h * part.v };
                    for _ in 0..blocks {
                        scan::whole(&walk, bits, part)?;
                    }
                } else if band.from == 0 {
                    let blocks = if order.len() == 1 { 1 } else { part.h * part.v };
                    for _ in 0..blocks {
                        scan::first_value(&walk, bits, part)?;
                    }
                } else {
                    let place = unit / across * part.stride + unit % across;
                    scan::band(&walk, bits, &mut part.known[place], &mut ended)?;
                }
            }
        }
        if ended > 0 {
            return Err(Fault::Run);
        }
        Ok(())
    }
}

/// The marker at `at`, which moves behind it.
fn marker(data: &[u8], at: &mut usize) -> Result<u8, Fault> {
    let rest = data.get(*at..).unwrap_or_default();
    match rest.first() {
        None => return Err(Fault::Short),
        Some(0xFF) => {}
        Some(_) => return Err(Fault::Length),
    }
    let fill = rest.iter().take_while(|byte| **byte == 0xFF).count();
    let marker = rest.get(fill).copied().ok_or(Fault::Short)?;
    *at += fill + 1;
    if marker == 0 {
        return Err(Fault::Length);
    }
    Ok(marker)
}
