//! Huffman tables (ITU-T T.81, annexes C and K.3).

use super::Fault;
use super::bits::{Bits, signed};
use std::ops::Range;

/// Codes up to this length are found in one step.
const QUICK: u32 = 9;
/// Codes with their values up to this length, two where they fit, are taken in one step.
const STEP: u32 = 11;
/// The longest AC value that every picture may have, in bits (8 bits a sample).
const LARGEST: u32 = 10;

/// What the next [`STEP`] bits begin with: one value or two of a block, or one and the block's end.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Step {
    /// Bits of all.
    pub(super) bits: u8,
    /// Places to the first value and past it; 0 where there is none.
    pub(super) first: u8,
    /// Places past the last value; [`Step::BEYOND`] where the bits must be read one by one.
    pub(super) places: u8,
    /// The block ends.
    pub(super) ends: bool,
    /// The values without their signs; 0 where there is none.
    pub(super) values: [u16; 2],
}

/// The DC difference that the next [`STEP`] bits begin with.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Difference {
    /// Of code and value; 0 where they must be read one by one.
    pub(super) bits: u8,
    pub(super) value: i16,
}

impl Step {
    /// More places than a block has.
    const BEYOND: u8 = 64;
    const NONE: Self = Self {
        bits: 0,
        first: 0,
        places: Self::BEYOND,
        ends: false,
        values: [0; 2],
    };

    /// Both, one after the other, if they fit.
    fn then(self, next: Self) -> Self {
        if self.places == Self::BEYOND || self.ends || next.places == Self::BEYOND {
            return self;
        }
        let bits = self.bits + next.bits;
        if u32::from(bits) > STEP {
            return self;
        }
        Self {
            bits,
            first: self.first,
            places: self.places + next.places,
            ends: next.ends,
            values: [self.values[0], next.values[0]],
        }
    }
}

/// A table; made anew only when its definition changes.
#[derive(Clone, Debug)]
pub(super) struct Table {
    counts: [u8; 16],
    symbols: [u8; 256],
    /// Length and symbol of what the next bits begin with; 0 for longer codes.
    quick: Box<[u16; 1 << QUICK]>,
    /// Of each length: the first code that is longer, as 16 bits; what to add for the symbol's place.
    beyond: [u32; 17],
    place: [i32; 17],
    /// Of a table of AC values, by the next [`STEP`] bits; made when a sequential scan first uses it.
    steps: Box<[Step; 1 << STEP]>,
    /// The same with one value each, from which they are put together.
    single: Vec<Step>,
    /// Of a table of DC values.
    differences: Box<[Difference; 1 << STEP]>,
    has_steps: bool,
    has_differences: bool,
}

impl Table {
    pub(super) fn empty() -> Self {
        Self {
            counts: [0; 16],
            symbols: [0; 256],
            quick: Box::new([0; 1 << QUICK]),
            beyond: [0; 17],
            place: [0; 17],
            steps: Box::new([Step::NONE; 1 << STEP]),
            single: Vec::new(),
            differences: Box::new([Difference::default(); 1 << STEP]),
            has_steps: false,
            has_differences: false,
        }
    }

    /// Takes a definition: how many codes of each length, and their symbols.
    pub(super) fn define(&mut self, counts: &[u8; 16], symbols: &[u8]) -> Result<(), Fault> {
        if self.counts == *counts && self.symbols.starts_with(symbols) {
            return Ok(());
        }
        self.counts = *counts;
        self.symbols[..symbols.len()].copy_from_slice(symbols);
        self.quick.fill(0);
        (self.has_steps, self.has_differences) = (false, false);
        let (mut code, mut place) = (0u32, 0usize);
        for length in 1..=16u32 {
            let count = u32::from(counts[length as usize - 1]);
            self.place[length as usize] = place as i32 - code as i32;
            for _ in 0..count {
                if code >> length != 0 {
                    self.counts = [0; 16];
                    return Err(Fault::Tables);
                }
                if length <= QUICK {
                    let entry = (length as u16) << 8 | u16::from(self.symbols[place]);
                    let first = (code << (QUICK - length)) as usize;
                    self.quick[first..first + (1 << (QUICK - length))].fill(entry);
                }
                code += 1;
                place += 1;
            }
            self.beyond[length as usize] = code << (16 - length);
            code <<= 1;
        }
        Ok(())
    }

    /// Makes what [`Table::step`] takes.
    pub(super) fn prepare_steps(&mut self) {
        if self.has_steps {
            return;
        }
        self.has_steps = true;
        let single = &mut self.single;
        single.clear();
        single.resize(1 << STEP, Step::NONE);
        each_value(&self.counts, &self.symbols, |at, length, symbol, value| {
            let (run, size) = (symbol >> 4, symbol & 15);
            // a run of sixteen zeros, and what is no symbol, is looked at one by one
            if size == 0 && run > 0 {
                return;
            }
            let past = if size == 0 { 0 } else { run + 1 };
            single[at].fill(Step {
                bits: length,
                first: past,
                places: past,
                ends: size == 0,
                values: [value.unsigned_abs(), 0],
            });
        });
        for (at, (step, one)) in self.steps.iter_mut().zip(&*single).enumerate() {
            let behind = at << one.bits & ((1 << STEP) - 1);
            *step = one.then(single[behind]);
        }
    }

    /// Makes what [`Table::difference`] takes.
    pub(super) fn prepare_differences(&mut self) {
        if self.has_differences {
            return;
        }
        self.has_differences = true;
        let differences = &mut self.differences;
        differences.fill(Difference::default());
        each_value(&self.counts, &self.symbols, |at, bits, symbol, value| {
            if symbol <= 15 {
                differences[at].fill(Difference { bits, value });
            }
        });
    }

    #[inline]
    pub(super) fn step(&self, bits: &Bits<'_>) -> Step {
        self.steps[bits.peek::<STEP>()]
    }

    #[inline]
    pub(super) fn difference(&self, bits: &Bits<'_>) -> Difference {
        self.differences[bits.peek::<STEP>()]
    }

    /// The next symbol; a code that the table does not have is a fault.
    #[inline]
    pub(super) fn symbol(&self, bits: &mut Bits<'_>) -> Result<u8, Fault> {
        bits.fill();
        let next = bits.peek::<16>();
        let entry = self.quick[next >> (16 - QUICK)];
        if entry != 0 {
            bits.skip(u32::from(entry >> 8));
            return Ok(entry as u8);
        }
        for length in QUICK + 1..=16 {
            if (next as u32) < self.beyond[length as usize] {
                let code = (next >> (16 - length)) as i32;
                bits.skip(length);
                let at = (code + self.place[length as usize]) as usize;
                return self.symbols.get(at).copied().ok_or(Fault::Code);
            }
        }
        Err(Fault::Code)
    }

    /// The table that cameras leave out (K.3): `class` 0 for DC, 1 for AC; `id` 0 for luma, 1 for chroma.
    pub(super) fn standard(class: usize, id: usize) -> Self {
        let mut table = Self::empty();
        let (counts, symbols): (_, &[u8]) = match (class, id) {
            (0, 0) => (DC_LUMA, &DC),
            (0, _) => (DC_CHROMA, &DC),
            (_, 0) => (AC_LUMA, &AC_LUMA_SYMBOLS),
            _ => (AC_CHROMA, &AC_CHROMA_SYMBOLS),
        };
        let defined = table.define(&counts, symbols);
        debug_assert!(defined.is_ok(), "the standard's tables are sound");
        table
    }
}

/// Calls `note` for every code with every value that may stand behind it, if both fit into [`STEP`] bits: where they
/// stand among the next bits, how many they are, the symbol, the value.
fn each_value(
    counts: &[u8; 16],
    symbols: &[u8; 256],
    mut note: impl FnMut(Range<usize>, u8, u8, i16),
) {
    let (mut code, mut place) = (0usize, 0usize);
    for length in 1..=STEP {
        for _ in 0..counts[length as usize - 1] {
            let symbol = symbols[place];
            let size = u32::from(symbol & 15);
            if size <= LARGEST && length + size <= STEP {
                let first = code << (STEP - length);
                let each = 1usize << (STEP - length - size);
                for bits in 0..1usize << size {
                    let at = first + bits * each;
                    let value = signed(bits as i32, size) as i16;
                    note(at..at + each, (length + size) as u8, symbol, value);
                }
            }
            code += 1;
            place += 1;
        }
        code <<= 1;
    }
}

const DC: [u8; 12] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11];
const DC_LUMA: [u8; 16] = [0, 1, 5, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0];
const DC_CHROMA: [u8; 16] = [0, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0];
const AC_LUMA: [u8; 16] = [0, 2, 1, 3, 3, 2, 4, 3, 5, 5, 4, 4, 0, 0, 1, 0x7d];
const AC_CHROMA: [u8; 16] = [0, 2, 1, 2, 4, 4, 3, 4, 7, 5, 4, 4, 0, 1, 2, 0x77];
const AC_LUMA_SYMBOLS: [u8; 162] = *b"\x01\x02\x03\x00\x04\x11\x05\x12\x21\x31\x41\x06\x13\x51\x61\x07\x22\x71\
\x14\x32\x81\x91\xa1\x08\x23\x42\xb1\xc1\x15\x52\xd1\xf0\x24\x33\x62\x72\x82\x09\x0a\x16\x17\x18\x19\x1a\x25\x26\
\x27\x28\x29\x2a\x34\x35\x36\x37\x38\x39\x3a\x43\x44\x45\x46\x47\x48\x49\x4a\x53\x54\x55\x56\x57\x58\x59\x5a\x63\
\x64\x65\x66\x67\x68\x69\x6a\x73\x74\x75\x76\x77\x78\x79\x7a\x83\x84\x85\x86\x87\x88\x89\x8a\x92\x93\x94\x95\x96\
\x97\x98\x99\x9a\xa2\xa3\xa4\xa5\xa6\xa7\xa8\xa9\xaa\xb2\xb3\xb4\xb5\xb6\xb7\xb8\xb9\xba\xc2\xc3\xc4\xc5\xc6\xc7\
\xc8\xc9\xca\xd2\xd3\xd4\xd5\xd6\xd7\xd8\xd9\xda\xe1\xe2\xe3\xe4\xe5\xe6\xe7\xe8\xe9\xea\xf1\xf2\xf3\xf4\xf5\xf6\
\xf7\xf8\xf9\xfa";
const AC_CHROMA_SYMBOLS: [u8; 162] = *b"\x00\x01\x02\x03\x11\x04\x05\x21\x31\x06\x12\x41\x51\x07\x61\x71\x13\x22\
\x32\x81\x08\x14\x42\x91\xa1\xb1\xc1\x09\x23\x33\x52\xf0\x15\x62\x72\xd1\x0a\x16\x24\x34\xe1\x25\xf1\x17\x18\x19\
\x1a\x26\x27\x28\x29\x2a\x35\x36\x37\x38\x39\x3a\x43\x44\x45\x46\x47\x48\x49\x4a\x53\x54\x55\x56\x57\x58\x59\x5a\
\x63\x64\x65\x66\x67\x68\x69\x6a\x73\x74\x75\x76\x77\x78\x79\x7a\x82\x83\x84\x85\x86\x87\x88\x89\x8a\x92\x93\x94\
\x95\x96\x97\x98\x99\x9a\xa2\xa3\xa4\xa5\xa6\xa7\xa8\xa9\xaa\xb2\xb3\xb4\xb5\xb6\xb7\xb8\xb9\xba\xc2\xc3\xc4\xc5\
\xc6\xc7\xc8\xc9\xca\xd2\xd3\xd4\xd5\xd6\xd7\xd8\xd9\xda\xe2\xe3\xe4\xe5\xe6\xe7\xe8\xe9\xea\xf2\xf3\xf4\xf5\xf6\
\xf7\xf8\xf9\xfa";
