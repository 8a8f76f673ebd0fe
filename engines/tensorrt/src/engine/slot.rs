//! One of the two places a batch can be in: memory and events made at start, graphs a batch size.

use super::sizes::sizes;
use super::{Head, Network, Streams};
use crate::Fault;
use crate::device::{Address, Device, Event, Graph, Host, Stream};
use crate::kernels::{DevicePlacement, findings_bytes};
use sightline_engine::Batch;
use sightline_engine::preprocess::Fit;

/// Page-sized steps for buffers that grow.
const GRAIN: usize = 1 << 16;

/// A batch under way.
pub(crate) struct Flight {
    pub batch: Batch,
    /// Regions of chunks that were already answered.
    pub answered: usize,
    /// Regions of the chunk under way.
    pub count: usize,
}

/// One batch size of one slot.
pub(crate) struct Sized {
    pub batch: usize,
    pub graph: Graph,
}

/// A view of the chunk, on its way to the device.
#[derive(Clone, Copy)]
pub(crate) struct Staged {
    /// Index in the batch.
    pub view: usize,
    pub picture: Address,
    /// Where there is none: the picture's.
    pub reference: Address,
}

/// Memory that a picture is uploaded to.
pub(crate) struct Staging {
    memory: Address,
    bytes: usize,
}

impl Staging {
    const EMPTY: Self = Self {
        memory: Address(0),
        bytes: 0,
    };

    /// Memory for `bytes`; allocates only while pictures grow.
    pub fn room(&mut self, device: &mut impl Device, bytes: usize) -> Result<Address, Fault> {
        if self.bytes < bytes {
            let room = bytes.next_multiple_of(GRAIN);
            self.memory = device.memory(room)?;
            self.bytes = room;
        }
        Ok(self.memory)
    }
}

/// The slot's scratch for decoding; none for a classifier.
pub(crate) struct DecodeMemory {
    pub keys: Address,
    pub boxes: Address,
    pub counts: Address,
    pub placements: Address,
    pub findings: Address,
    pub host_placements: Host,
}

pub(crate) struct Slot {
    pub flight: Option<Flight>,
    pub fits: Vec<Fit>,
    /// The views of the chunk that are on their way, in the order of `pictures` and `references`: one with several
    /// regions is uploaded once.
    pub staged: Vec<Staged>,
    /// Streams of the chunk, a bit each.
    pub cameras: u64,
    pub pictures: Vec<Staging>,
    pub references: Vec<Staging>,
    pub input: Address,
    pub output: Address,
    pub decode: Option<DecodeMemory>,
    /// Findings, or a classifier's scores.
    pub results: Host,
    pub sized: Vec<Sized>,
    /// The first upload begins.
    pub begin: Event,
    /// A camera's uploads and kernels are done, one event a stream.
    pub prepared: Vec<Event>,
    /// The network begins.
    pub ready: Event,
    /// The network is done.
    pub inferred: Event,
    /// Results are in host memory.
    pub done: Event,
    /// Decoding and download, beside the network of the other slot.
    pub after: Stream,
    /// From the first upload to the end of the network before it, microseconds; none: that had ended already.
    pub beside_us: f64,
}

impl Slot {
    pub fn new(
        device: &mut impl Device,
        network: &Network,
        head: &Head,
        streams: &Streams,
        scratch: Address,
    ) -> Result<Self, Fault> {
        let max = network.max_batch;
        let input = device.memory(max * network.input_bytes())?;
        let output = device.memory(max * network.output_bytes())?;
        let decode = match head {
            Head::Device {
                params,
                max_detections,
            } => Some(DecodeMemory {
                keys: device.memory(max * network.rows() * params.class_count as usize * 8)?,
                boxes: device.memory(max * network.rows() * 16)?,
                counts: device.memory(max * 8)?,
                placements: device.memory(max * size_of::<DevicePlacement>())?,
                findings: device.memory(max * findings_bytes(*max_detections))?,
                host_placements: device.host(max * size_of::<DevicePlacement>())?,
            }),
            Head::Host => None,
        };
        let result_bytes = match head {
            Head::Device { max_detections, .. } => findings_bytes(*max_detections),
            Head::Host => network.output_bytes(),
        };
        let sized = sizes(max, network.fixed)
            .into_iter()
            .map(|batch| {
                let context = device.context(batch, input, output, scratch)?;
                // run once first, so that the library has made all it makes at first use
                device.enqueue(context, streams.network)?;
                device.quiesce()?;
                let graph = device.capture(context, streams.network)?;
                Ok(Sized { batch, graph })
            })
            .collect::<Result<_, Fault>>()?;
        Ok(Self {
            flight: None,
            fits: Vec::with_capacity(max),
            staged: Vec::with_capacity(max),
            cameras: 0,
            pictures: (0..max).map(|_| Staging::EMPTY).collect(),
            references: (0..max).map(|_| Staging::EMPTY).collect(),
            input,
            output,
            decode,
            results: device.host(max * result_bytes)?,
            sized,
            begin: device.event()?,
            prepared: (0..streams.cameras.len())
                .map(|_| device.event())
                .collect::<Result<_, _>>()?,
            ready: device.event()?,
            inferred: device.event()?,
            done: device.event()?,
            after: device.stream()?,
            beside_us: 0.0,
        })
    }

    /// The smallest batch size that holds `count` regions.
    pub fn size_for(&self, count: usize) -> &Sized {
        let fits = self.sized.iter().find(|s| s.batch >= count);
        // chunks are never larger than the largest size
        fits.unwrap_or(&self.sized[self.sized.len() - 1])
    }
}
