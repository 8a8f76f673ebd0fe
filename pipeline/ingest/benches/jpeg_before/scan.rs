//! The blocks of one scan, walked symbol by symbol; nothing is transformed.

use super::{Fault, bits::Bits, component::Component, huffman::Table};

/// What of the spectrum a scan carries (progressive; all of it otherwise).
#[derive(Clone, Copy, Debug)]
pub(super) struct Band {
    pub(super) from: usize,
    pub(super) to: usize,
    /// Bits that earlier scans had left, and that this one leaves.
    pub(super) high: u32,
    pub(super) low: u32,
}

/// The state of the walk through one component's blocks.
pub(super) struct Walk<'a> {
    pub(super) dc: &'a Table,
    pub(super) ac: &'a Table,
    pub(super) band: Band,
    /// Largest value of a DC difference and of an AC value, in bits.
    pub(super) deepest: u32,
}

/// A picture's block, whole (sequential). The transform keeps lengths: no block of pixels is longer than `reach`.
#[inline]
pub(super) fn whole(
    walk: &Walk<'_>,
    bits: &mut Bits<'_>,
    part: &mut Component,
) -> Result<(), Fault> {
    let size = u32::from(walk.dc.symbol(bits)?);
    if size > walk.deepest + 1 {
        return Err(Fault::Value);
    }
    part.last += bits.signed(size);
    let quant = &part.quant;
    let length = |value: i32, at: usize| {
        let value = i64::from(value) * i64::from(quant[at]);
        (value * value) as u64
    };
    let mut square = length(part.last, 0);
    let mut at = 1usize;
    while at < 64 {
        let symbol = walk.ac.symbol(bits)?;
        let (run, size) = (usize::from(symbol >> 4), u32::from(symbol & 15));
        if size == 0 {
            match run {
                0 => break,
                15 => at += 16,
                _ => return Err(Fault::Code),
            }
            if at > 63 {
                return Err(Fault::Run);
            }
            continue;
        }
        at += run;
        if at > 63 {
            return Err(Fault::Run);
        }
        if size > walk.deepest {
            return Err(Fault::Value);
        }
        // 12 bits a sample and coarse tables can run over
        square = square.saturating_add(length(bits.signed(size), at));
        at += 1;
    }
    if square > part.reach || bits.overrun() {
        return Err(if bits.overrun() {
            Fault::Short
        } else {
            Fault::Value
        });
    }
    Ok(())
}

/// The DC value of a block, or one more bit of it (progressive).
pub(super) fn first_value(
    walk: &Walk<'_>,
    bits: &mut Bits<'_>,
    part: &mut Component,
) -> Result<(), Fault> {
    if walk.band.high > 0 {
        bits.fill();
        bits.skip(1);
    } else {
        let size = u32::from(walk.dc.symbol(bits)?);
        if size > walk.deepest + 1 {
            return Err(Fault::Value);
        }
        part.last += bits.signed(size);
        let value = (i64::from(part.last) << walk.band.low) * i64::from(part.quant[0]);
        if (value * value) as u64 > part.reach {
            return Err(Fault::Value);
        }
    }
    if bits.overrun() {
        return Err(Fault::Short);
    }
    Ok(())
}

/// The band of a block, or one more bit of it (progressive). `known` are the places whose value is not zero;
/// `ended` counts the blocks whose band has ended already.
pub(super) fn band(
    walk: &Walk<'_>,
    bits: &mut Bits<'_>,
    known: &mut u64,
    ended: &mut u32,
) -> Result<(), Fault> {
    let Band { from, to, high, .. } = walk.band;
    let refining = high > 0;
    let mut at = from;
    while *ended == 0 && at <= to {
        let symbol = walk.ac.symbol(bits)?;
        let (run, size) = (usize::from(symbol >> 4), u32::from(symbol & 15));
        if size == 0 && run < 15 {
            // behind this block's rest, so many more have none
            *ended = (1 << run) + bits.take(run as u32).cast_unsigned();
            break;
        }
        if size > walk.deepest || (refining && size > 1) {
            return Err(Fault::Value);
        }
        bits.take(size);
        at = if refining {
            refine(bits, known, at, to, Some(run))?
        } else {
            at + run
        };
        if at > to {
            return Err(Fault::Run);
        }
        if size > 0 {
            *known |= 1 << at;
        }
        at += 1;
    }
    if *ended > 0 {
        if refining {
            refine(bits, known, at, to, None)?;
        }
        *ended -= 1;
    }
    if bits.overrun() {
        return Err(Fault::Short);
    }
    Ok(())
}

/// Takes a bit for every known value from `at` on, over `zeros` unknown ones (or to the end); where that leads.
fn refine(
    bits: &mut Bits<'_>,
    known: &u64,
    mut at: usize,
    to: usize,
    zeros: Option<usize>,
) -> Result<usize, Fault> {
    let mut left = zeros;
    while at <= to {
        if known >> at & 1 == 1 {
            bits.fill();
            bits.skip(1);
        } else if let Some(zeros) = &mut left {
            if *zeros == 0 {
                return Ok(at);
            }
            *zeros -= 1;
        }
        at += 1;
    }
    match left {
        Some(_) => Err(Fault::Run),
        None => Ok(at),
    }
}
