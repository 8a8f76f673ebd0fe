//! What the engine asks of a GPU: the result layer. Every call can fail; nothing here waits but what says so.
//!
//! [`cuda`] is the real one. The tests have a scripted one (`scripted.rs`) that keeps each stream's work in a queue of its
//! own and runs it in any order that streams and events allow.

pub mod cuda;
pub mod nvrtc;
#[cfg(test)]
pub(crate) mod scripted;

use crate::Fault;

/// An address the device can read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Address(pub u64);

impl Address {
    /// So many bytes further.
    #[must_use]
    pub fn plus(self, bytes: usize) -> Self {
        Self(self.0 + bytes as u64)
    }
}

/// Work in order; one of the device's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stream(pub usize);
/// A moment in a stream; one of the device's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event(pub usize);
/// Page-locked memory of the host; one of the device's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Host(pub usize);
/// The network for one batch size over fixed memory; one of the device's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Context(pub usize);
/// A captured run of a [`Context`]; one of the device's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Graph(pub usize);

/// Our kernels (`kernels/`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kernel {
    /// Pixels to tensor.
    Preprocess,
    /// What is above the floor.
    Candidates,
    /// To the best, suppressed, in view pixels.
    Suppress,
}

impl Kernel {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Preprocess, Self::Candidates, Self::Suppress];

    /// Its name in the source.
    pub fn name(self) -> &'static str {
        match self {
            Self::Preprocess => "sl_preprocess",
            Self::Candidates => "sl_candidates",
            Self::Suppress => "sl_suppress",
        }
    }
}

/// A kernel's size: blocks and threads of a block, each across and down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grid {
    /// Blocks.
    pub blocks: [u32; 2],
    /// Threads of a block.
    pub threads: [u32; 2],
}

/// A GPU with one network on it. Streams, events, memory, contexts and graphs live as long as the device.
pub trait Device: Send {
    /// Makes the device current on the calling thread; the others act on the current one.
    fn bind(&mut self) -> Result<(), Fault>;
    /// A new stream.
    fn stream(&mut self) -> Result<Stream, Fault>;
    /// A new event that keeps time.
    fn event(&mut self) -> Result<Event, Fault>;
    /// Device memory, all zeros.
    fn memory(&mut self, bytes: usize) -> Result<Address, Fault>;
    /// Page-locked host memory, all zeros.
    fn host(&mut self, bytes: usize) -> Result<Host, Fault>;
    /// Host memory to read; what a download brings is there once an event after it was waited for.
    fn host_bytes(&self, host: Host) -> &[u8];
    /// Host memory to write, while no copy of it is under way.
    fn host_bytes_mut(&mut self, host: Host) -> &mut [u8];
    /// Where the device reads page-locked bytes of a frame in place (integrated GPUs), or `None`: upload them.
    fn mapped(&mut self, bytes: &[u8]) -> Result<Option<Address>, Fault>;

    /// Copies to the device.
    ///
    /// # Safety
    /// `from` stays alive and unchanged until an event after it was waited for, or [`Device::quiesce`] returned.
    unsafe fn upload(&mut self, to: Address, from: &[u8], on: Stream) -> Result<(), Fault>;
    /// Copies the first bytes of host memory to the device.
    fn upload_host(
        &mut self,
        to: Address,
        from: Host,
        bytes: usize,
        on: Stream,
    ) -> Result<(), Fault>;
    /// Copies to the first bytes of host memory.
    fn download(&mut self, to: Host, from: Address, bytes: usize, on: Stream) -> Result<(), Fault>;
    /// Runs a kernel, whose only parameter is a structure of these bytes.
    ///
    /// # Safety
    /// The parameters name memory that is as large as the kernel will read and write.
    unsafe fn launch(
        &mut self,
        kernel: Kernel,
        grid: Grid,
        params: &[u8],
        on: Stream,
    ) -> Result<(), Fault>;

    /// The event becomes the moment when all that is in the stream now is done.
    fn record(&mut self, event: Event, on: Stream) -> Result<(), Fault>;
    /// What comes into the stream later waits for the event as last recorded.
    fn wait(&mut self, on: Stream, event: Event) -> Result<(), Fault>;
    /// Blocks the calling thread until the event as last recorded. The only call that waits in steady state.
    fn synchronize(&mut self, event: Event) -> Result<(), Fault>;
    /// Whether the event as last recorded has happened; does not wait.
    fn happened(&mut self, event: Event) -> Result<bool, Fault>;
    /// Microseconds between two events that have happened.
    fn elapsed_us(&mut self, from: Event, to: Event) -> Result<f64, Fault>;
    /// Blocks until nothing is under way, or nothing can be any more.
    fn quiesce(&mut self) -> Result<(), Fault>;

    /// The network for `batch` regions over these tensors, activations in `scratch`.
    fn context(
        &mut self,
        batch: usize,
        input: Address,
        output: Address,
        scratch: Address,
    ) -> Result<Context, Fault>;
    /// Runs the network. Used to warm up before [`Device::capture`].
    fn enqueue(&mut self, context: Context, on: Stream) -> Result<(), Fault>;
    /// Captures one run into a graph.
    fn capture(&mut self, context: Context, on: Stream) -> Result<Graph, Fault>;
    /// Runs a graph.
    fn replay(&mut self, graph: Graph, on: Stream) -> Result<(), Fault>;
}
