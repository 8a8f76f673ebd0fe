//! A GPU for tests. Calls only queue work; it runs when somebody waits, stream by stream in an order that a seed draws
//! from all that streams and events allow. Kernels are the real ones, compiled for the host; the network is a function.
//! Any call can be told to fail.

use super::{Address, Context, Device, Event, Graph, Grid, Host, Kernel, Stream};
use crate::Fault;
use crate::engine::Network;
use crate::kernels::{DecodeParams, PreprocessParams};
use crate::plain::{PlainKernel, PlainParams};
use libloading::Library;
use std::collections::VecDeque;
use std::path::Path;
use std::process::Command;
use std::sync::{Mutex, OnceLock};

/// The network: `count` inputs to `count` outputs.
pub type Function = fn(&Network, usize, &[u8], &mut [f32]);

/// What the device did, in the order in which it did it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Did {
    Upload,
    Kernel(Kernel),
    Network,
    Download,
}

enum Work {
    Copy(u64, u64, usize, Did),
    Launch(Kernel, Grid, Vec<u8>),
    Record(usize, u64),
    Wait(usize, u64),
    Network(usize),
}

#[derive(Clone, Copy)]
struct Bound {
    batch: usize,
    input: u64,
    output: u64,
}

pub struct Scripted {
    network: Network,
    function: Function,
    streams: Vec<VecDeque<Work>>,
    /// Times recorded, and times that happened, an event.
    events: Vec<(u64, u64)>,
    happened_at: Vec<f64>,
    // boxed words: addresses stay where they are, and are aligned
    memory: Vec<Box<[u64]>>,
    hosts: Vec<Box<[u64]>>,
    contexts: Vec<Bound>,
    graphs: Vec<usize>,
    random: u64,
    clock: f64,
    /// Calls so far.
    pub calls: usize,
    /// The call that fails.
    pub fail_at: Option<usize>,
    /// Calls that made memory, streams, events, contexts or graphs.
    pub made: usize,
    /// Calls that waited.
    pub waits: usize,
    /// What was done.
    pub did: Vec<Did>,
    /// Work of this stream runs last whatever the seed says.
    pub last: Option<Stream>,
}

impl Scripted {
    pub fn new(network: Network, function: Function, seed: u64) -> Self {
        Self {
            network,
            function,
            streams: Vec::new(),
            events: Vec::new(),
            happened_at: Vec::new(),
            memory: Vec::new(),
            hosts: Vec::new(),
            contexts: Vec::new(),
            graphs: Vec::new(),
            random: seed | 1,
            clock: 0.0,
            calls: 0,
            fail_at: None,
            made: 0,
            waits: 0,
            did: Vec::new(),
            last: None,
        }
    }

    fn call(&mut self, name: &'static str) -> Result<(), Fault> {
        self.calls += 1;
        if self.fail_at == Some(self.calls) {
            return Err(Fault::new(name, "fails by script"));
        }
        Ok(())
    }

    fn queue(&mut self, on: Stream, work: Work) {
        self.streams[on.0].push_back(work);
    }

    fn can_run(&self, stream: usize) -> bool {
        match self.streams[stream].front() {
            None => false,
            Some(Work::Wait(event, ticket)) => self.events[*event].1 >= *ticket,
            Some(_) => true,
        }
    }

    /// Runs one piece of work of a stream that can; `false` when nothing is left.
    fn step(&mut self) -> bool {
        let mut ready: Vec<usize> = (0..self.streams.len())
            .filter(|&s| self.can_run(s))
            .collect();
        if let (Some(last), true) = (self.last, ready.len() > 1) {
            ready.retain(|&s| s != last.0);
        }
        if ready.is_empty() {
            let stuck = self.streams.iter().any(|s| !s.is_empty());
            assert!(
                !stuck,
                "work waits for an event that nobody will make happen"
            );
            return false;
        }
        self.random = self
            .random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        let stream = ready[(self.random >> 33) as usize % ready.len()];
        if let Some(work) = self.streams[stream].pop_front() {
            self.clock += 1.0;
            self.run(work);
        }
        true
    }

    fn run(&mut self, work: Work) {
        match work {
            Work::Copy(to, from, bytes, did) => {
                // SAFETY: both sides were handed out by this device, or are a lease's bytes that the engine keeps.
                unsafe {
                    std::ptr::copy_nonoverlapping(from as *const u8, to as *mut u8, bytes);
                }
                self.did.push(did);
            }
            Work::Launch(kernel, grid, params) => {
                host_kernels().launch(kernel, grid, &params);
                self.did.push(Did::Kernel(kernel));
            }
            Work::Record(event, ticket) => {
                self.events[event].1 = ticket;
                self.happened_at[event] = self.clock;
            }
            Work::Wait(..) => {}
            Work::Network(context) => {
                let bound = self.contexts[context];
                let n = &self.network;
                let input = bound.batch * n.input_bytes();
                let output = bound.batch * n.output_bytes() / 4;
                // SAFETY: the engine made both for at least the context's batch, and both are aligned to 8.
                let (input, output) = unsafe {
                    (
                        std::slice::from_raw_parts(bound.input as *const u8, input),
                        std::slice::from_raw_parts_mut(bound.output as *mut f32, output),
                    )
                };
                (self.function)(n, bound.batch, input, output);
                self.did.push(Did::Network);
            }
        }
    }
}

impl Device for Scripted {
    fn bind(&mut self) -> Result<(), Fault> {
        self.call("bind")
    }

    fn stream(&mut self) -> Result<Stream, Fault> {
        self.call("stream")?;
        self.made += 1;
        self.streams.push(VecDeque::new());
        Ok(Stream(self.streams.len() - 1))
    }

    fn event(&mut self) -> Result<Event, Fault> {
        self.call("event")?;
        self.made += 1;
        self.events.push((0, 0));
        self.happened_at.push(0.0);
        Ok(Event(self.events.len() - 1))
    }

    fn memory(&mut self, bytes: usize) -> Result<Address, Fault> {
        self.call("memory")?;
        self.made += 1;
        let block = vec![0_u64; bytes.div_ceil(8)].into_boxed_slice();
        let address = block.as_ptr() as u64;
        self.memory.push(block);
        Ok(Address(address))
    }

    fn host(&mut self, bytes: usize) -> Result<Host, Fault> {
        self.call("host")?;
        self.made += 1;
        self.hosts
            .push(vec![0_u64; bytes.div_ceil(8)].into_boxed_slice());
        Ok(Host(self.hosts.len() - 1))
    }

    fn host_bytes(&self, host: Host) -> &[u8] {
        bytemuck::cast_slice(&self.hosts[host.0])
    }

    fn host_bytes_mut(&mut self, host: Host) -> &mut [u8] {
        bytemuck::cast_slice_mut(&mut self.hosts[host.0])
    }

    fn mapped(&mut self, _: &[u8]) -> Result<Option<Address>, Fault> {
        self.call("mapped")?;
        Ok(None)
    }

    unsafe fn upload(&mut self, to: Address, from: &[u8], on: Stream) -> Result<(), Fault> {
        self.call("upload")?;
        let work = Work::Copy(to.0, from.as_ptr() as u64, from.len(), Did::Upload);
        self.queue(on, work);
        Ok(())
    }

    fn upload_host(
        &mut self,
        to: Address,
        from: Host,
        bytes: usize,
        on: Stream,
    ) -> Result<(), Fault> {
        self.call("upload_host")?;
        let from = self.hosts[from.0].as_ptr() as u64;
        self.queue(on, Work::Copy(to.0, from, bytes, Did::Upload));
        Ok(())
    }

    fn download(&mut self, to: Host, from: Address, bytes: usize, on: Stream) -> Result<(), Fault> {
        self.call("download")?;
        let to = self.hosts[to.0].as_mut_ptr() as u64;
        self.queue(on, Work::Copy(to, from.0, bytes, Did::Download));
        Ok(())
    }

    unsafe fn launch(
        &mut self,
        kernel: Kernel,
        grid: Grid,
        params: &[u8],
        on: Stream,
    ) -> Result<(), Fault> {
        self.call("launch")?;
        self.queue(on, Work::Launch(kernel, grid, params.to_vec()));
        Ok(())
    }

    fn record(&mut self, event: Event, on: Stream) -> Result<(), Fault> {
        self.call("record")?;
        self.events[event.0].0 += 1;
        let ticket = self.events[event.0].0;
        self.queue(on, Work::Record(event.0, ticket));
        Ok(())
    }

    fn wait(&mut self, on: Stream, event: Event) -> Result<(), Fault> {
        self.call("wait")?;
        let ticket = self.events[event.0].0;
        self.queue(on, Work::Wait(event.0, ticket));
        Ok(())
    }

    fn synchronize(&mut self, event: Event) -> Result<(), Fault> {
        self.call("synchronize")?;
        self.waits += 1;
        while self.events[event.0].1 < self.events[event.0].0 {
            assert!(self.step(), "the event was recorded in no stream");
        }
        Ok(())
    }

    fn happened(&mut self, event: Event) -> Result<bool, Fault> {
        self.call("query")?;
        let (recorded, happened) = self.events[event.0];
        Ok(recorded == happened)
    }

    fn elapsed_us(&mut self, from: Event, to: Event) -> Result<f64, Fault> {
        self.call("elapsed")?;
        for event in [from, to] {
            let (recorded, happened) = self.events[event.0];
            assert!(
                recorded == happened && recorded > 0,
                "the time of an event that did not happen yet is asked for"
            );
        }
        Ok(self.happened_at[to.0] - self.happened_at[from.0])
    }

    fn quiesce(&mut self) -> Result<(), Fault> {
        self.call("quiesce")?;
        self.waits += 1;
        while self.step() {}
        Ok(())
    }

    fn context(
        &mut self,
        batch: usize,
        input: Address,
        output: Address,
        _: Address,
    ) -> Result<Context, Fault> {
        self.call("context")?;
        self.made += 1;
        self.contexts.push(Bound {
            batch,
            input: input.0,
            output: output.0,
        });
        Ok(Context(self.contexts.len() - 1))
    }

    fn enqueue(&mut self, context: Context, on: Stream) -> Result<(), Fault> {
        self.call("enqueue")?;
        self.queue(on, Work::Network(context.0));
        Ok(())
    }

    fn capture(&mut self, context: Context, _: Stream) -> Result<Graph, Fault> {
        self.call("capture")?;
        self.made += 1;
        self.graphs.push(context.0);
        Ok(Graph(self.graphs.len() - 1))
    }

    fn replay(&mut self, graph: Graph, on: Stream) -> Result<(), Fault> {
        self.call("replay")?;
        let context = self.graphs[graph.0];
        self.queue(on, Work::Network(context));
        Ok(())
    }
}

/// The kernels, compiled for the host.
pub struct HostKernels {
    library: Library,
    /// Blocks share their static memory.
    one_block: Mutex<()>,
}

/// Compiles them once a test process, with the C++ compiler that Rust's linker comes with.
pub fn host_kernels() -> &'static HostKernels {
    static KERNELS: OnceLock<HostKernels> = OnceLock::new();
    KERNELS.get_or_init(|| {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let folder = tempfile::tempdir().expect("a temporary folder");
        let file = folder.path().join("libkernels.so");
        let done = Command::new("c++")
            .args(["-std=c++20", "-O2", "-fPIC", "-shared", "-pthread"])
            .args(["-ffp-contract=off", "-w", "-I"])
            .arg(root.join("kernels"))
            .arg(root.join("tests/host/host.cpp"))
            .arg("-o")
            .arg(&file)
            .output()
            .expect("a C++ compiler (`make setup` installs one)");
        let words = String::from_utf8_lossy(&done.stderr);
        assert!(
            done.status.success(),
            "the kernels do not compile for the host:\n{words}"
        );
        HostKernels {
            // SAFETY: our own file, without initialisers.
            library: unsafe { Library::new(&file) }.expect("what was just compiled"),
            one_block: Mutex::new(()),
        }
    })
}

impl HostKernels {
    /// Runs a kernel of [`crate::plain`], likewise.
    pub fn plain(&self, kernel: PlainKernel, params: &PlainParams, groups: u32) {
        let _one = self
            .one_block
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner());
        // SAFETY: as below.
        unsafe {
            let run: libloading::Symbol<'_, unsafe extern "C" fn(u32, *const PlainParams, u32)> =
                self.library.get(b"host_plain").expect("its name");
            run(kernel as u32, params, groups);
        }
    }

    /// Runs a kernel whose addresses are those of this process; `blocks` down are regions.
    pub fn launch(&self, kernel: Kernel, grid: Grid, params: &[u8]) {
        self.launch_with(kernel, grid, params, 1);
    }

    /// The same with so many threads in a suppressing block.
    pub fn launch_with(&self, kernel: Kernel, grid: Grid, params: &[u8], threads: u32) {
        let _one = self
            .one_block
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner());
        // SAFETY: the symbols are those of tests/host/host.cpp, the parameters the structures they take, and the
        // addresses in them were made for what the kernel reads and writes.
        unsafe {
            match kernel {
                Kernel::Preprocess => {
                    let params: PreprocessParams = bytemuck::pod_read_unaligned(params);
                    let run: libloading::Symbol<'_, unsafe extern "C" fn(*const PreprocessParams)> =
                        self.library.get(b"host_preprocess").expect("its name");
                    run(&params);
                }
                Kernel::Candidates => {
                    let params: DecodeParams = bytemuck::pod_read_unaligned(params);
                    let run: libloading::Symbol<
                        '_,
                        unsafe extern "C" fn(*const DecodeParams, u32),
                    > = self.library.get(b"host_candidates").expect("its name");
                    run(&params, grid.blocks[1]);
                }
                Kernel::Suppress => {
                    let params: DecodeParams = bytemuck::pod_read_unaligned(params);
                    let run: libloading::Symbol<
                        '_,
                        unsafe extern "C" fn(*const DecodeParams, u32, u32),
                    > = self.library.get(b"host_suppress").expect("its name");
                    run(&params, grid.blocks[1], threads);
                }
            }
        }
    }
}
