//! The blocks of one scan, walked symbol by symbol; nothing is transformed.

use super::{Fault, bits::Bits, component::Component, huffman::Table};

/// Steps that a filled reader has the bits for, beside a DC difference.
const STEPS: usize = 4;

/// Longer than any block of pixels.
const MOST: u64 = 1 << 62;

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
    bits.fill();
    let difference = walk.dc.difference(bits);
    if difference.bits > 0 {
        bits.skip(u32::from(difference.bits));
        part.last += i32::from(difference.value);
    } else {
        let value;
        (*bits, value) = difference_slowly(walk, *bits)?;
        part.last += value;
        bits.fill();
    }
    let quant = &part.quant;
    let mut square = length(part.last, quant[0]);
    let mut at = 1usize;
    'block: while at < 64 {
        for _ in 0..STEPS {
            let step = walk.ac.step(bits);
            let next = at + usize::from(step.places);
            if next > 63 {
                let found;
                (*bits, found) = value_slowly(walk, *bits, at)?;
                let Some((past, value)) = found else {
                    break 'block;
                };
                // more than any reach, and room for what the steps add
                square = square
                    .saturating_add(length(value, quant[(past - 1) & 63]))
                    .min(MOST);
                at = past;
                break;
            }
            bits.skip(u32::from(step.bits));
            let first = (at + usize::from(step.first)).wrapping_sub(1) & 63;
            let last = next.wrapping_sub(1) & 63;
            let a = u32::from(step.values[0]) * u32::from(quant[first]);
            let b = u32::from(step.values[1]) * u32::from(quant[last]);
            square += u64::from(a) * u64::from(a) + u64::from(b) * u64::from(b);
            if step.ends {
                break 'block;
            }
            at = next;
        }
        bits.fill();
    }
    match () {
        () if bits.overrun() => Err(Fault::Short),
        () if square > part.reach => Err(Fault::Value),
        () => Ok(()),
    }
}

/// The DC difference of a block.
#[cold]
#[inline(never)]
fn difference_slowly<'a>(walk: &Walk<'_>, mut bits: Bits<'a>) -> Result<(Bits<'a>, i32), Fault> {
    let size = u32::from(walk.dc.symbol(&mut bits)?);
    if size > walk.deepest + 1 {
        return Err(Fault::Value);
    }
    let value = bits.signed(size);
    Ok((bits, value))
}

/// The square of a value's length in pixels.
#[inline]
fn length(value: i32, quant: u16) -> u64 {
    let value = i64::from(value) * i64::from(quant);
    (value * value) as u64
}

/// The next AC value from place `at` on and the place past it, or a run of zeros; `None`: the block ends.
#[cold]
#[inline(never)]
fn value_slowly<'a>(
    walk: &Walk<'_>,
    mut bits: Bits<'a>,
    at: usize,
) -> Result<(Bits<'a>, Option<(usize, i32)>), Fault> {
    let symbol = walk.ac.symbol(&mut bits)?;
    let (run, size) = (usize::from(symbol >> 4), u32::from(symbol & 15));
    let past = match (run, size) {
        (0, 0) => return Ok((bits, None)),
        (1..15, 0) => return Err(Fault::Code),
        _ => at + run + 1,
    };
    // behind sixteen zeros something comes
    if past > 64 || (size == 0 && past > 63) {
        return Err(Fault::Run);
    }
    if size > walk.deepest {
        return Err(Fault::Value);
    }
    let value = bits.signed(size);
    Ok((bits, Some((past, value))))
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
