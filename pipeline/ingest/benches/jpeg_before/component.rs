//! What is known of one colour component of a picture.

use super::{Fault, scan::Band};

/// One colour component.
#[derive(Clone, Debug)]
pub(super) struct Component {
    pub(super) id: u8,
    /// Blocks in a unit of all components, across and down.
    pub(super) h: usize,
    pub(super) v: usize,
    pub(super) table: usize,
    /// Its own blocks, and those of a row with padding.
    pub(super) wide: usize,
    pub(super) high: usize,
    pub(super) stride: usize,
    pub(super) quant: [u16; 64],
    /// Square of the longest block of pixels there is, with what rounding may add.
    pub(super) reach: u64,
    /// The last DC value.
    pub(super) last: i32,
    /// Bits of each value that are still to come; none has come at 255.
    pub(super) left: [u8; 64],
    /// Progressive: which values of each block are not zero.
    pub(super) known: Vec<u64>,
}

impl Component {
    pub(super) fn empty() -> Self {
        Self {
            id: 0,
            h: 1,
            v: 1,
            table: 0,
            wide: 0,
            high: 0,
            stride: 0,
            quant: [0; 64],
            reach: 0,
            last: 0,
            left: [u8::MAX; 64],
            known: Vec::new(),
        }
    }

    /// A scan with this component begins.
    pub(super) fn begin(
        &mut self,
        tables: &[[u16; 64]; 4],
        depth: u32,
        band: Band,
        progressive: bool,
    ) -> Result<(), Fault> {
        for left in &mut self.left[band.from..=band.to] {
            let expected = if band.high == 0 {
                u8::MAX
            } else {
                band.high as u8
            };
            if *left != expected {
                return Err(Fault::Scans);
            }
            *left = band.low as u8;
        }
        if progressive && band.from > 0 && self.left[0] == u8::MAX {
            return Err(Fault::Scans);
        }
        self.quant = tables[self.table];
        if self.quant[0] == 0 {
            return Err(Fault::Tables);
        }
        // Eight by eight pixels of at most half the range each, a half of each step by rounding; a quarter more for
        // encoders that overshoot on purpose.
        let steps: f64 = self.quant.iter().map(|q| f64::from(*q).powi(2)).sum();
        let reach = f64::from(1u32 << (depth - 1)) * 8.0 + steps.sqrt() / 2.0;
        self.reach = (reach * 1.25).powi(2) as u64;
        Ok(())
    }
}
