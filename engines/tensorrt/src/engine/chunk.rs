//! A chunk of regions onto the device: uploads and preprocessing on the cameras' streams, the network on its own, decoding
//! on the slot's, events between them. Nothing here waits.

use super::slot::{Flight, Slot, Staged, Staging};
use super::{Head, Network, Streams};
use crate::device::{Address, Device, Event, Grid, Kernel, Stream};
use crate::kernels::{self, DecodeParams, DevicePlacement, PreprocessParams};
use crate::{Fault, engine::picture};
use sightline_domain::PictureRef;
use sightline_engine::bundle::Channel;
use sightline_engine::preprocess::plan;
use sightline_engine::{Batch, BatchView, EngineError};
use sightline_frames::MemoryKind;

/// Threads of a preprocessing block, across and down.
const TILE: [u32; 2] = [32, 8];
/// Threads of a candidates block.
const ROW_THREADS: u32 = 256;

pub(super) struct Enqueue<'e, D> {
    pub device: &'e mut D,
    pub network: &'e Network,
    pub head: &'e Head,
    pub streams: &'e Streams,
}

/// How the regions `first..first + count` are fitted; refuses before the device has heard of any.
pub(super) fn fit(
    network: &Network,
    slot: &mut Slot,
    batch: &Batch,
    first: usize,
    count: usize,
) -> Result<(), EngineError> {
    slot.fits.clear();
    for region in &batch.regions[first..first + count] {
        let view = &batch.views[region.view];
        let reference = view.reference.as_ref().map(|r| r.picture());
        let fit = plan(
            &network.input,
            &view.lease.picture(),
            reference.as_ref(),
            region.crop,
        );
        slot.fits.push(fit.map_err(|e| EngineError::Picture {
            view: region.view,
            reason: e.to_string(),
        })?);
    }
    Ok(())
}

impl<D: Device> Enqueue<'_, D> {
    /// Starts what [`fit`] fitted.
    pub fn chunk(&mut self, slot: &mut Slot, flight: &Flight) -> Result<(), Fault> {
        self.pictures(slot, flight)?;
        self.network(slot, flight.count)?;
        self.results(slot, flight.count)
    }

    fn pictures(&mut self, slot: &mut Slot, flight: &Flight) -> Result<(), Fault> {
        slot.staged.clear();
        slot.cameras = 0;
        for place in 0..flight.count {
            let region = flight.batch.regions[flight.answered + place];
            let view = &flight.batch.views[region.view];
            let camera = view.lease.meta().camera.index() % self.streams.cameras.len();
            let on = self.streams.cameras[camera];
            if slot.cameras == 0 {
                self.device.record(slot.begin, on)?;
            }
            slot.cameras |= 1 << camera;
            let staged = match slot.staged.iter().find(|s| s.view == region.view) {
                Some(staged) => *staged,
                None => self.stage(slot, region.view, view, on)?,
            };
            for (index, channel) in self.network.input.channels.iter().enumerate() {
                let (picture, address) = match (channel, &view.reference) {
                    (Channel::Reference, Some(reference)) => {
                        (reference.picture(), staged.reference)
                    }
                    _ => (view.lease.picture(), staged.picture),
                };
                let planes = self.network.input.color.channels() * index;
                let output = slot
                    .input
                    .plus(place * self.network.input_bytes() + planes * self.network.plane_bytes());
                let mut params = picture::params(self.network, &picture, &slot.fits[place]);
                params.planes = picture.layout.offsets.map(|o| address.plus(o).0);
                params.output = output.0;
                self.preprocess(&params, on)?;
            }
        }
        for (camera, &on) in self.streams.cameras.iter().enumerate() {
            if slot.cameras >> camera & 1 == 1 {
                self.device.record(slot.prepared[camera], on)?;
                self.device
                    .wait(self.streams.network, slot.prepared[camera])?;
            }
        }
        Ok(())
    }

    /// Sends a view on its way.
    fn stage(
        &mut self,
        slot: &mut Slot,
        index: usize,
        view: &BatchView,
        on: Stream,
    ) -> Result<Staged, Fault> {
        let place = slot.staged.len();
        let pinned = view.lease.memory() == MemoryKind::CudaPinned;
        let room = &mut slot.pictures[place];
        let picture = self.locate(room, &view.lease.picture(), pinned, on)?;
        let reference = match &view.reference {
            Some(reference) if self.network.input.wants_reference() => {
                let room = &mut slot.references[place];
                self.locate(room, &reference.picture(), false, on)?
            }
            _ => picture,
        };
        let staged = Staged {
            view: index,
            picture,
            reference,
        };
        slot.staged.push(staged);
        Ok(staged)
    }

    /// Where the device finds the picture: in place, or in `room` once the upload is through.
    fn locate(
        &mut self,
        room: &mut Staging,
        picture: &PictureRef<'_>,
        pinned: bool,
        on: Stream,
    ) -> Result<Address, Fault> {
        let bytes = &picture.bytes[..picture.layout.len];
        if pinned && let Some(address) = self.device.mapped(bytes)? {
            return Ok(address);
        }
        let address = room.room(self.device, bytes.len())?;
        // SAFETY: the bytes are of a batch that the slot keeps until `done` was waited for, or the device is quiet.
        unsafe { self.device.upload(address, bytes, on) }?;
        Ok(address)
    }

    fn preprocess(&mut self, params: &PreprocessParams, on: Stream) -> Result<(), Fault> {
        let [width, height] = params.tensor_size.map(|n| n as u32);
        let grid = Grid {
            blocks: [width.div_ceil(TILE[0]), height.div_ceil(TILE[1])],
            threads: TILE,
        };
        // SAFETY: `plan` checked that the planes lie in the picture, which lies at the addresses, and the output is the
        // region's place in a tensor made for `max_batch` of them.
        unsafe {
            self.device
                .launch(Kernel::Preprocess, grid, bytemuck::bytes_of(params), on)
        }
    }

    fn network(&mut self, slot: &Slot, count: usize) -> Result<(), Fault> {
        let on = self.streams.network;
        self.device.record(slot.ready, on)?;
        let sized = slot.size_for(count);
        self.device.replay(sized.graph, on)?;
        self.device.record(slot.inferred, on)
    }

    fn results(&mut self, slot: &mut Slot, count: usize) -> Result<(), Fault> {
        let on = slot.after;
        self.device.wait(on, slot.inferred)?;
        match (self.head, &slot.decode) {
            (
                Head::Device {
                    params,
                    max_detections,
                },
                Some(memory),
            ) => {
                let placements = slot
                    .fits
                    .iter()
                    .map(|f| DevicePlacement::from(&f.placement()));
                let host = self.device.host_bytes_mut(memory.host_placements);
                for (at, placement) in host
                    .chunks_exact_mut(size_of::<DevicePlacement>())
                    .zip(placements)
                {
                    at.copy_from_slice(bytemuck::bytes_of(&placement));
                }
                let bytes = count * size_of::<DevicePlacement>();
                self.device
                    .upload_host(memory.placements, memory.host_placements, bytes, on)?;
                let params = DecodeParams {
                    values: slot.output.0,
                    keys: memory.keys.0,
                    boxes: memory.boxes.0,
                    counts: memory.counts.0,
                    placements: memory.placements.0,
                    findings: memory.findings.0,
                    ..**params
                };
                self.decode(&params, count, on)?;
                let bytes = count * kernels::findings_bytes(*max_detections);
                self.device
                    .download(slot.results, memory.findings, bytes, on)?;
            }
            _ => {
                let bytes = count * self.network.output_bytes();
                self.device.download(slot.results, slot.output, bytes, on)?;
            }
        }
        self.device.record(slot.done, on)
    }

    fn decode(&mut self, params: &DecodeParams, count: usize, on: Stream) -> Result<(), Fault> {
        let rows = Grid {
            blocks: [params.rows.div_ceil(ROW_THREADS), count as u32],
            threads: [ROW_THREADS, 1],
        };
        let regions = Grid {
            blocks: [1, count as u32],
            threads: [kernels::SUPPRESS_THREADS, 1],
        };
        let bytes = bytemuck::bytes_of(params);
        // SAFETY: every buffer was made for `max_batch` regions of `rows` rows, and `count` is at most that.
        unsafe {
            self.device.launch(Kernel::Candidates, rows, bytes, on)?;
            self.device.launch(Kernel::Suppress, regions, bytes, on)
        }
    }
}

/// When the last of the chunk's pictures was a tensor.
pub(super) fn prepared_us(
    device: &mut impl Device,
    slot: &Slot,
    since: Event,
) -> Result<f64, Fault> {
    let mut last = 0.0_f64;
    for (camera, event) in slot.prepared.iter().enumerate() {
        if slot.cameras >> camera & 1 == 1 {
            last = last.max(device.elapsed_us(since, *event)?);
        }
    }
    Ok(last)
}
