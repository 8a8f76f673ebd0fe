//! The bits of one entropy-coded segment: stuffed zeros taken out, nothing read beyond the next marker.

/// The value that `size` bits stand for (F.2.2.1); without a branch, as its sign is anybody's guess.
#[inline]
pub(super) fn signed(bits: i32, size: u32) -> i32 {
    let is_negative = bits < (1 << size) >> 1;
    bits - i32::from(is_negative) * ((1 << size) - 1)
}

/// Reads from `at` on, most significant bit first.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bits<'a> {
    data: &'a [u8],
    at: usize,
    /// No byte from `at` to here is 0xFF.
    clear: usize,
    /// The next bits, at the top. What stands below the first `have` is of the byte at `at`, or zero.
    word: u64,
    /// At most 63.
    have: u32,
    /// Of those, bits that are not there: zeros behind the end.
    made_up: u32,
}

impl<'a> Bits<'a> {
    pub(super) fn new(data: &'a [u8], at: usize) -> Self {
        Self {
            data,
            at,
            clear: at,
            word: 0,
            have: 0,
            made_up: 0,
        }
    }

    /// Makes sure that 56 bits can be taken.
    #[inline]
    pub(super) fn fill(&mut self) {
        let ahead = self.data.get(self.at..self.clear);
        if let Some(next) = ahead.and_then(|ahead| ahead.first_chunk::<8>()) {
            self.word |= u64::from_be_bytes(*next) >> self.have;
            self.at += (63 - self.have as usize) >> 3;
            self.have |= 56;
        } else {
            *self = self.filled_slowly();
        }
    }

    /// By value, so that nobody else has to keep the reader in memory.
    #[cold]
    #[inline(never)]
    fn filled_slowly(mut self) -> Self {
        while self.have < 56 {
            let byte = match self.data.get(self.at..) {
                Some([0xFF, 0, ..]) => {
                    self.at += 2;
                    0xFF
                }
                Some([byte, ..]) if *byte != 0xFF => {
                    self.at += 1;
                    *byte
                }
                _ => {
                    self.made_up += 8;
                    0
                }
            };
            self.word |= u64::from(byte) << (56 - self.have);
            self.have += 8;
        }
        if self.clear < self.at {
            let rest = self.data.get(self.at..).unwrap_or_default();
            self.clear = self.at + memchr::memchr(0xFF, rest).unwrap_or(rest.len());
        }
        self
    }

    /// The next `BITS`, 1 to 16 of them, left where they are.
    #[inline]
    pub(super) fn peek<const BITS: u32>(&self) -> usize {
        (self.word >> (64 - BITS)) as usize
    }

    #[inline]
    pub(super) fn skip(&mut self, bits: u32) {
        self.word <<= bits;
        self.have -= bits;
    }

    /// Takes up to 16 bits.
    #[inline]
    pub(super) fn take(&mut self, bits: u32) -> i32 {
        let value = (self.word >> 32 >> (32 - bits)) as i32;
        self.skip(bits);
        value
    }

    /// A signed value of `size` bits.
    #[inline]
    pub(super) fn signed(&mut self, size: u32) -> i32 {
        signed(self.take(size), size)
    }

    /// More was taken than there is.
    #[inline]
    pub(super) fn overrun(&self) -> bool {
        self.made_up > self.have
    }

    /// Ends the segment: all but the padding of the last byte must have been taken, which is ones (or, with some
    /// encoders, zeros). Where the marker stands.
    pub(super) fn end(self) -> Option<usize> {
        // what was read ahead must be nothing but the rest of a byte
        let all = self.filled_slowly();
        let left = all.have.checked_sub(all.made_up)?;
        let padding = all.word >> 32 >> (32 - left.min(8));
        let is_even = padding == 0 || padding == (1 << left.min(8)) - 1;
        (left < 8 && is_even).then_some(all.at)
    }
}
