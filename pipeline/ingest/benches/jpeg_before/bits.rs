//! The bits of one entropy-coded segment: stuffed zeros taken out, nothing read beyond the next marker.

/// Reads from `at` on, most significant bit first.
#[derive(Debug)]
pub(super) struct Bits<'a> {
    data: &'a [u8],
    at: usize,
    /// The next bits, at the top.
    word: u64,
    have: u32,
    /// Of those, bits that are not there: zeros behind the end.
    made_up: u32,
}

impl<'a> Bits<'a> {
    pub(super) fn new(data: &'a [u8], at: usize) -> Self {
        Self {
            data,
            at,
            word: 0,
            have: 0,
            made_up: 0,
        }
    }

    /// Makes sure that 32 bits can be taken: a code and what follows it.
    #[inline]
    pub(super) fn fill(&mut self) {
        if self.have >= 32 {
            return;
        }
        if let Some(next) = self.data[self.at..].first_chunk::<4>() {
            let next = u32::from_be_bytes(*next);
            // no byte is 0xFF: none of their complements is zero
            let none = !next;
            if none.wrapping_sub(0x0101_0101) & next & 0x8080_8080 == 0 {
                self.word |= u64::from(next) << (32 - self.have);
                self.have += 32;
                self.at += 4;
                return;
            }
        }
        self.fill_slowly();
    }

    fn fill_slowly(&mut self) {
        while self.have <= 56 {
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
    }

    /// The next 16 bits, left where they are.
    #[inline]
    pub(super) fn peek16(&self) -> usize {
        (self.word >> 48) as usize
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

    /// A signed value of `size` bits (F.2.2.1).
    #[inline]
    pub(super) fn signed(&mut self, size: u32) -> i32 {
        if size == 0 {
            return 0;
        }
        let value = self.take(size);
        if value < 1 << (size - 1) {
            value - (1 << size) + 1
        } else {
            value
        }
    }

    /// More was taken than there is.
    #[inline]
    pub(super) fn overrun(&self) -> bool {
        self.made_up > self.have
    }

    /// Ends the segment: all but the padding of the last byte must have been taken, which is ones (or, with some
    /// encoders, zeros). Where the marker stands.
    pub(super) fn end(&mut self) -> Option<usize> {
        // what was read ahead must be nothing but the rest of a byte
        self.fill_slowly();
        let left = self.have.checked_sub(self.made_up)?;
        let padding = self.word >> 32 >> (32 - left.min(8));
        let is_even = padding == 0 || padding == (1 << left.min(8)) - 1;
        (left < 8 && is_even).then_some(self.at)
    }
}
