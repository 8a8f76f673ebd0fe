//! The engine over a [`Device`]: two slots, so that the uploads of one batch run beside the network of the other; one
//! thread that waits for results only.
//!
//! A slot owns its batch, and with it the leases, from `submit` until the device is done with their bytes. Where a call
//! fails the device is made quiet first, then the batch goes back; the engine takes no other until it is built again.

mod chunk;
pub mod picture;
mod sizes;
mod slot;

#[cfg(test)]
mod tests;

use crate::Fault;
use crate::device::{Device, Event, Stream};
use crate::kernels::{DecodeParams, Finding, Header, findings_bytes, head_number};
use chunk::Enqueue;
use sightline_domain::{BoxView, ClassId, Detection};
use sightline_engine::bundle::{DecoderKind, InputSpec, Manifest};
use sightline_engine::decode::Decoder;
use sightline_engine::preprocess::Affine;
use sightline_engine::{
    Batch, Engine, EngineError, EngineInfo, EngineTimes, RegionOutput, Rejected,
};
use slot::{Flight, Slot};
use std::collections::VecDeque;

/// Batches in flight.
pub const SLOTS: usize = 2;
/// Streams for uploads and preprocessing; cameras beyond share them.
pub const CAMERA_STREAMS: usize = 16;

/// The network as the engine sees it.
#[derive(Clone, Debug)]
pub struct Network {
    /// What goes in.
    pub input: InputSpec,
    affine: Vec<Affine>,
    /// The input's elements are 16-bit floats.
    pub half_input: bool,
    /// Sizes of one region's output, 32-bit floats.
    pub output_dims: Vec<usize>,
    /// Regions at once at most.
    pub max_batch: usize,
    /// The file knows this batch only.
    pub fixed: bool,
    /// Device memory of its activations.
    pub scratch_bytes: usize,
}

impl Network {
    /// Of its parts.
    pub fn new(
        input: InputSpec,
        half_input: bool,
        output_dims: Vec<usize>,
        (max_batch, fixed): (usize, bool),
        scratch_bytes: usize,
    ) -> Self {
        Self {
            affine: Affine::of(&input),
            input,
            half_input,
            output_dims,
            max_batch,
            fixed,
            scratch_bytes,
        }
    }

    /// Bytes of one plane of one region's input.
    pub fn plane_bytes(&self) -> usize {
        let element = if self.half_input { 2 } else { 4 };
        self.input.width as usize * self.input.height as usize * element
    }

    /// Bytes of one region's input.
    pub fn input_bytes(&self) -> usize {
        self.plane_bytes() * self.input.planes()
    }

    /// Bytes of one region's output.
    pub fn output_bytes(&self) -> usize {
        4 * self.output_dims.iter().product::<usize>()
    }

    /// Rows of a detecting head, whichever axis they are on.
    fn rows_of(&self, kind: DecoderKind) -> usize {
        match kind {
            DecoderKind::YoloV8 => self.output_dims[1],
            _ => self.output_dims[0],
        }
    }

    /// The most rows that scratch is made for.
    pub(crate) fn rows(&self) -> usize {
        self.output_dims.iter().copied().max().unwrap_or(0)
    }
}

/// Where outputs are read.
pub(crate) enum Head {
    /// On the device; addresses are the slot's.
    Device {
        params: Box<DecodeParams>,
        max_detections: usize,
    },
    /// On the host, from the few numbers of a classifier.
    Host,
}

impl Head {
    fn of(manifest: &Manifest, network: &Network) -> Self {
        let spec = &manifest.decoder;
        let Some(head) = head_number(spec.kind) else {
            return Self::Host;
        };
        let iou_threshold = match spec.kind {
            DecoderKind::YoloV10 => 1.0,
            _ => spec.iou_threshold,
        };
        Self::Device {
            params: Box::new(DecodeParams {
                rows: network.rows_of(spec.kind) as u32,
                class_count: manifest.classes.len() as u32,
                head,
                max_detections: spec.max_detections as u32,
                floor: spec.score_floor,
                iou_threshold,
                merge: spec.merge.into(),
                tensor_size: [manifest.input.width as i32, manifest.input.height as i32],
                ..DecodeParams::default()
            }),
            max_detections: spec.max_detections,
        }
    }
}

/// The device's streams that both slots use.
pub(crate) struct Streams {
    pub cameras: Vec<Stream>,
    pub network: Stream,
}

/// When a chunk's parts happened, microseconds on the device's clock since the engine was built.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Timeline {
    /// The first upload began.
    pub begin_us: f64,
    /// The last picture was a tensor.
    pub prepared_us: f64,
    /// The network began.
    pub ready_us: f64,
    /// It was done.
    pub inferred_us: f64,
    /// Results were in host memory.
    pub done_us: f64,
}

/// A bundle on a device.
pub struct GpuEngine<D: Device> {
    info: EngineInfo,
    network: Network,
    head: Head,
    decoder: Decoder,
    streams: Streams,
    slots: Vec<Slot>,
    /// Slots with a batch, oldest first.
    order: VecDeque<usize>,
    /// When the engine was built; times count from here.
    origin: Event,
    /// The slot that was collected last.
    last: usize,
    /// What broke it.
    broken: Option<Fault>,
    /// Last, so that it outlives what was made by it.
    device: D,
}

impl<D: Device> GpuEngine<D> {
    /// Makes memory, streams, events and graphs; runs every batch size once.
    ///
    /// # Errors
    /// What the device said.
    pub fn new(
        mut device: D,
        network: Network,
        manifest: &Manifest,
        mut info: EngineInfo,
    ) -> Result<Self, Fault> {
        device.bind()?;
        let head = Head::of(manifest, &network);
        let streams = Streams {
            cameras: (0..CAMERA_STREAMS)
                .map(|_| device.stream())
                .collect::<Result<_, _>>()?,
            network: device.stream()?,
        };
        // both slots' networks run on one stream, one after the other: one scratch is enough
        let scratch = device.memory(network.scratch_bytes.max(1))?;
        let slots = (0..SLOTS)
            .map(|_| Slot::new(&mut device, &network, &head, &streams, scratch))
            .collect::<Result<_, _>>()?;
        let origin = device.event()?;
        device.record(origin, streams.network)?;
        info.max_batch = network.max_batch;
        info.preferred_batch = network.max_batch;
        info.depth = SLOTS;
        Ok(Self {
            decoder: Decoder::new(manifest),
            order: VecDeque::with_capacity(SLOTS),
            last: 0,
            broken: None,
            info,
            network,
            head,
            streams,
            slots,
            origin,
            device,
        })
    }

    /// Of the chunk that was collected last, before the next batch is submitted. For measurements in the first minutes:
    /// the driver counts in 32-bit milliseconds.
    ///
    /// # Errors
    /// What the device said.
    pub fn timeline(&mut self) -> Result<Timeline, Fault> {
        let slot = &self.slots[self.last];
        let device = &mut self.device;
        Ok(Timeline {
            begin_us: device.elapsed_us(self.origin, slot.begin)?,
            prepared_us: chunk::prepared_us(device, slot, self.origin)?,
            ready_us: device.elapsed_us(self.origin, slot.ready)?,
            inferred_us: device.elapsed_us(self.origin, slot.inferred)?,
            done_us: device.elapsed_us(self.origin, slot.done)?,
        })
    }

    /// The network as it was agreed on.
    pub fn network(&self) -> &Network {
        &self.network
    }

    /// The device.
    pub fn device(&mut self) -> &mut D {
        &mut self.device
    }

    /// Microseconds that `runs` replays of the graph for `batch` regions take one after the other, and nothing else:
    /// the ceiling of any line on this engine. No batch may be in flight.
    ///
    /// # Errors
    /// [`EngineError::Full`]; what the device said.
    pub fn replay_us(&mut self, batch: usize, runs: usize) -> Result<f64, EngineError> {
        if !self.order.is_empty() {
            return Err(EngineError::Full { depth: 0 });
        }
        Ok(self.replays(batch, runs)?)
    }

    fn replays(&mut self, batch: usize, runs: usize) -> Result<f64, Fault> {
        self.device.bind()?;
        let (slot, on) = (&self.slots[0], self.streams.network);
        let graph = slot.size_for(batch).graph;
        self.device.record(slot.ready, on)?;
        for _ in 0..runs {
            self.device.replay(graph, on)?;
        }
        self.device.record(slot.inferred, on)?;
        self.device.synchronize(slot.inferred)?;
        self.device.elapsed_us(slot.ready, slot.inferred)
    }

    /// Starts the next chunk of the slot's batch.
    fn start(&mut self, at: usize, mut flight: Flight) -> Result<(), Rejected> {
        let slot = &mut self.slots[at];
        let left = flight.batch.regions.len() - flight.answered;
        flight.count = left.min(self.network.max_batch);
        let (first, count) = (flight.answered, flight.count);
        if let Err(error) = chunk::fit(&self.network, slot, &flight.batch, first, count) {
            return Err(flight.batch.rejected(error));
        }
        if count > 0 {
            let mut enqueue = Enqueue {
                device: &mut self.device,
                network: &self.network,
                head: &self.head,
                streams: &self.streams,
            };
            if let Err(fault) = enqueue.chunk(slot, &flight) {
                let error = self.break_down(fault);
                return Err(flight.batch.rejected(error));
            }
        }
        self.slots[at].flight = Some(flight);
        Ok(())
    }

    /// No copy reads the batches' bytes after this.
    fn break_down(&mut self, fault: Fault) -> EngineError {
        // a context that is lost answers with an error, and runs nothing any more
        if let Err(also) = self.device.quiesce() {
            tracing::error!(%fault, %also, engine = self.info.name, "the GPU failed and did not come to rest in good order");
        } else {
            tracing::error!(%fault, engine = self.info.name, "the GPU failed");
        }
        let error = fault.clone().into();
        self.broken.get_or_insert(fault);
        error
    }

    /// Waits for the slot's chunk and reads its answers.
    fn finish(&mut self, at: usize, flight: &mut Flight) -> Result<(), EngineError> {
        self.device.synchronize(self.slots[at].done)?;
        self.read_times(at, flight)?;
        let slot = &self.slots[at];
        let outputs = &mut flight.batch.outputs[flight.answered..flight.answered + flight.count];
        let bytes = self.device.host_bytes(slot.results);
        match &self.head {
            Head::Device { max_detections, .. } => {
                let each = findings_bytes(*max_detections);
                for (bytes, output) in bytes.chunks_exact(each).zip(outputs) {
                    read_findings(bytes, output)?;
                }
            }
            Head::Host => {
                let values = bytes.chunks_exact(self.network.output_bytes());
                for ((values, output), fit) in values.zip(outputs).zip(&slot.fits) {
                    let values = bytemuck::cast_slice(values);
                    let dims = &self.network.output_dims;
                    let read = self.decoder.decode(values, dims, &fit.placement(), output);
                    read.map_err(|e| EngineError::Run {
                        reason: e.to_string(),
                    })?;
                }
            }
        }
        flight.answered += flight.count;
        Ok(())
    }

    /// Each time is of two events that are near: the driver's 32-bit milliseconds are coarse over hours.
    fn read_times(&mut self, at: usize, flight: &mut Flight) -> Result<(), Fault> {
        let slot = &self.slots[at];
        let prepared = chunk::prepared_us(&mut self.device, slot, slot.begin)?;
        let inferred = self.device.elapsed_us(slot.ready, slot.inferred)?;
        let done = self.device.elapsed_us(slot.inferred, slot.done)?;
        let beside = slot.beside_us.clamp(0.0, prepared.max(0.0));
        let busy = |n: &usize| self.slots[*n].flight.as_ref().is_some_and(|f| f.count > 0);
        if let Some(next) = self.order.front().copied().filter(busy) {
            let begin = self.slots[next].begin;
            self.slots[next].beside_us = match self.device.happened(begin)? {
                true => self.device.elapsed_us(begin, self.slots[at].inferred)?,
                false => 0.0,
            };
        }
        self.slots[at].beside_us = 0.0;
        let times = &mut flight.batch.times;
        times.overlap_us += beside as u64;
        times.preprocess_us += prepared.max(0.0) as u64;
        times.infer_us += inferred.max(0.0) as u64;
        times.postprocess_us += done.max(0.0) as u64;
        self.last = at;
        Ok(())
    }

    /// The slot's batch to its end: the chunk under way, then any that are left.
    fn drain(&mut self, at: usize, mut flight: Flight) -> Result<Batch, Rejected> {
        loop {
            if let Some(fault) = &self.broken {
                return Err(flight.batch.rejected(fault.clone().into()));
            }
            if let Err(error) = self.bound_finish(at, &mut flight) {
                return Err(flight.batch.rejected(error));
            }
            if flight.answered == flight.batch.regions.len() {
                return Ok(flight.batch);
            }
            self.start(at, flight)?;
            let Some(next) = self.slots[at].flight.take() else {
                unreachable!("started above")
            };
            flight = next;
        }
    }

    fn bound_finish(&mut self, at: usize, flight: &mut Flight) -> Result<(), EngineError> {
        if flight.count == 0 {
            return Ok(());
        }
        if let Err(fault) = self.device.bind() {
            return Err(self.break_down(fault));
        }
        self.finish(at, flight).inspect_err(|error| {
            self.break_down(Fault::new("collect", error.to_string()));
        })
    }
}

impl<D: Device> Engine for GpuEngine<D> {
    fn info(&self) -> &EngineInfo {
        &self.info
    }

    fn submit(&mut self, mut batch: Batch) -> Result<(), Rejected> {
        if let Some(fault) = &self.broken {
            let reason = format!("the engine broke before ({fault}) and must be built again");
            return Err(batch.rejected(EngineError::Run { reason }));
        }
        let free = (0..SLOTS).find(|at| !self.order.contains(at));
        let Some(at) = free else {
            return Err(batch.rejected(EngineError::Full { depth: SLOTS }));
        };
        if let Err(error) = batch.check(self.info.wants_reference) {
            return Err(batch.rejected(error));
        }
        batch.outputs.reset(batch.regions.len());
        batch.times = EngineTimes::default();
        if let Err(fault) = self.device.bind() {
            let error = self.break_down(fault);
            return Err(batch.rejected(error));
        }
        let flight = Flight {
            batch,
            answered: 0,
            count: 0,
        };
        self.start(at, flight)?;
        self.order.push_back(at);
        Ok(())
    }

    fn keep_warm(&mut self) {
        if self.broken.is_some() || !self.order.is_empty() {
            return;
        }
        let graph = self.slots[0].sized[0].graph;
        let ran = self.device.bind();
        if let Err(fault) = ran.and_then(|()| self.device.replay(graph, self.streams.network)) {
            self.break_down(fault);
        }
    }

    fn collect(&mut self) -> Option<Result<Batch, Rejected>> {
        let at = self.order.pop_front()?;
        let flight = self.slots[at].flight.take()?;
        Some(self.drain(at, flight))
    }
}

impl<D: Device> Drop for GpuEngine<D> {
    fn drop(&mut self) {
        // batches of slots are dropped after this: nothing may read their bytes then
        if !self.order.is_empty() && self.device.bind().is_ok() {
            let _ = self.device.quiesce();
        }
    }
}

/// One region's findings as the kernel wrote them.
fn read_findings(bytes: &[u8], output: &mut RegionOutput) -> Result<(), EngineError> {
    let (header, findings) = bytes.split_at(size_of::<Header>());
    let header: &Header = bytemuck::from_bytes(header);
    let findings: &[Finding] = bytemuck::cast_slice(findings);
    let Some(findings) = findings.get(..header.count as usize) else {
        return Err(EngineError::Run {
            reason: format!(
                "the GPU reports {} findings where at most {} fit",
                header.count,
                findings.len()
            ),
        });
    };
    output.dropped_nonfinite = header.nonfinite;
    output.dropped_excess = header.excess;
    output.detections.extend(findings.iter().map(|f| {
        let [x, y, w, h] = f.bbox_view;
        Detection {
            class: ClassId(f.class_id as u16),
            score: f.score,
            bbox_view: BoxView { x, y, w, h },
            area: None,
            verifier: None,
        }
    }));
    Ok(())
}
