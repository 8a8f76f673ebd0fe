//! CUDA behind the result layer: the driver's own calls (cudarc, loaded at run time), each checked.

use super::{Address, Context, Device, Event, Graph, Grid, Host, Kernel, Stream};
use crate::Fault;
use cudarc::driver::{result, sys};
use std::ffi::{CString, c_void};

/// What a GPU is.
#[derive(Clone, Debug, PartialEq)]
pub struct Facts {
    /// e.g. `Orin`.
    pub name: String,
    /// Compute capability, e.g. 87.
    pub capability: u32,
    /// Its memory is the host's.
    pub integrated: bool,
    /// Of the driver, as CUDA counts: 12060 is 12.6.
    pub driver: i32,
}

/// A network that TensorRT, or anything else, runs on a stream of ours.
pub trait Network: Send {
    /// For `batch` regions over these tensors; `scratch` is as large as the network said. Returns its number.
    ///
    /// # Errors
    /// What the library said.
    fn context(
        &mut self,
        batch: usize,
        input: Address,
        output: Address,
        scratch: Address,
    ) -> Result<usize, Fault>;

    /// Puts one run into the stream.
    ///
    /// # Errors
    /// What the library said.
    ///
    /// # Safety
    /// A stream of the current context, alive.
    unsafe fn enqueue(&mut self, context: usize, stream: *mut c_void) -> Result<(), Fault>;
}

/// Device 0's primary context, kept: the same that frames were pinned in.
pub struct Gpu {
    device: sys::CUdevice,
    context: sys::CUcontext,
    facts: Facts,
}

// SAFETY: both handles are the driver's own numbers, which any thread may use.
unsafe impl Send for Gpu {}

/// A driver's error as a fault of `call`.
pub(crate) fn said(call: &'static str) -> impl Fn(result::DriverError) -> Fault {
    move |error| {
        let words = error.error_string().map(|w| w.to_string_lossy());
        Fault::new(
            call,
            words.unwrap_or_else(|_| "an error without words".into()),
        )
    }
}

impl Gpu {
    /// Device 0, opened and current on this thread.
    ///
    /// # Errors
    /// No driver library, no device, or one that does not open.
    pub fn open() -> Result<Self, Fault> {
        // SAFETY: loads and closes a shared library by the driver's own name.
        if !unsafe { sys::is_culib_present() } {
            let reason = "no NVIDIA driver: libcuda.so.1 is not on the loader's path";
            return Err(Fault::new("dlopen", reason));
        }
        result::init().map_err(said("cuInit"))?;
        let device = result::device::get(0).map_err(said("cuDeviceGet"))?;
        let attribute = |which| {
            // SAFETY: the driver is initialised and gave the device.
            unsafe { result::device::get_attribute(device, which) }
                .map_err(said("cuDeviceGetAttribute"))
        };
        use sys::CUdevice_attribute_enum as A;
        let major = attribute(A::CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR)?;
        let minor = attribute(A::CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR)?;
        let integrated = attribute(A::CU_DEVICE_ATTRIBUTE_INTEGRATED)? != 0;
        let name = result::device::get_name(device).map_err(said("cuDeviceGetName"))?;
        let mut driver = 0;
        // SAFETY: writes one number to a local.
        unsafe { sys::cuDriverGetVersion(&mut driver) }
            .result()
            .map_err(said("cuDriverGetVersion"))?;
        // SAFETY: the device is the driver's; released once, on drop.
        let context = unsafe { result::primary_ctx::retain(device) }
            .map_err(said("cuDevicePrimaryCtxRetain"))?;
        let gpu = Self {
            device,
            context,
            facts: Facts {
                name,
                capability: (major * 10 + minor) as u32,
                integrated,
                driver,
            },
        };
        gpu.bind()?;
        Ok(gpu)
    }

    /// What it is.
    pub fn facts(&self) -> &Facts {
        &self.facts
    }

    /// Makes it current on this thread.
    ///
    /// # Errors
    /// The driver's word.
    pub fn bind(&self) -> Result<(), Fault> {
        // SAFETY: the context is retained for as long as `self` lives.
        unsafe { result::ctx::set_current(self.context) }.map_err(said("cuCtxSetCurrent"))
    }
}

impl Drop for Gpu {
    fn drop(&mut self) {
        // SAFETY: retained once by `open`. A failure only means that the process is going down with the driver.
        let _ = unsafe { result::primary_ctx::release(self.device) };
    }
}

struct Pinned {
    base: *mut u8,
    bytes: usize,
}

/// Loads machine code into the current context, and finds its kernels by name.
pub(crate) fn load<const N: usize>(
    cubin: &[u8],
    names: [&str; N],
) -> Result<(sys::CUmodule, [sys::CUfunction; N]), Fault> {
    // SAFETY: a whole image in memory, which the driver checks and copies.
    let module = unsafe { result::module::load_data(cubin.as_ptr().cast()) }
        .map_err(said("cuModuleLoadData"))?;
    let mut functions = [std::ptr::null_mut(); N];
    for (function, name) in functions.iter_mut().zip(names) {
        let name = CString::new(name).unwrap_or_default();
        // SAFETY: the module was just loaded.
        *function = unsafe { result::module::get_function(module, name) }
            .map_err(said("cuModuleGetFunction"))?;
    }
    Ok((module, functions))
}

/// A GPU with a network on it.
pub struct Cuda<N> {
    // before the network's own memory and the context go
    graphs: Vec<sys::CUgraphExec>,
    network: N,
    streams: Vec<sys::CUstream>,
    events: Vec<sys::CUevent>,
    memory: Vec<sys::CUdeviceptr>,
    hosts: Vec<Pinned>,
    module: sys::CUmodule,
    functions: [sys::CUfunction; Kernel::ALL.len()],
    /// Calls that made device or page-locked memory, for those who hold that none is made in steady state.
    pub allocations: usize,
    gpu: Gpu,
}

// SAFETY: handles of the driver and of page-locked memory, none bound to a thread; `bind` makes the context current on
// whichever thread the engine moved to, and `&mut self` keeps two from calling at once.
unsafe impl<N: Send> Send for Cuda<N> {}

impl<N: Network> Cuda<N> {
    /// Loads the kernels' machine code (from [`super::nvrtc`]) on `gpu`, which is to be current.
    ///
    /// # Errors
    /// The driver does not take it.
    pub fn new(gpu: Gpu, network: N, cubin: &[u8]) -> Result<Self, Fault> {
        gpu.bind()?;
        let (module, functions) = load(cubin, Kernel::ALL.map(Kernel::name))?;
        Ok(Self {
            graphs: Vec::new(),
            network,
            streams: Vec::new(),
            events: Vec::new(),
            memory: Vec::new(),
            hosts: Vec::new(),
            module,
            functions,
            allocations: 0,
            gpu,
        })
    }

    /// The network.
    pub fn network(&self) -> &N {
        &self.network
    }

    /// The GPU.
    pub fn gpu(&self) -> &Gpu {
        &self.gpu
    }
}

impl<N: Network> Device for Cuda<N> {
    fn bind(&mut self) -> Result<(), Fault> {
        self.gpu.bind()
    }

    fn stream(&mut self) -> Result<Stream, Fault> {
        let stream = result::stream::create(result::stream::StreamKind::NonBlocking)
            .map_err(said("cuStreamCreate"))?;
        self.streams.push(stream);
        Ok(Stream(self.streams.len() - 1))
    }

    fn event(&mut self) -> Result<Event, Fault> {
        // the waiting thread sleeps: a core is worth more than a few microseconds
        let event = result::event::create(sys::CUevent_flags::CU_EVENT_BLOCKING_SYNC)
            .map_err(said("cuEventCreate"))?;
        self.events.push(event);
        Ok(Event(self.events.len() - 1))
    }

    fn memory(&mut self, bytes: usize) -> Result<Address, Fault> {
        self.allocations += 1;
        // SAFETY: the context is current; freed on drop.
        let address = unsafe { result::malloc_sync(bytes) }.map_err(said("cuMemAlloc"))?;
        self.memory.push(address);
        // SAFETY: just allocated, so many bytes.
        unsafe { result::memset_d8_sync(address, 0, bytes) }.map_err(said("cuMemsetD8"))?;
        Ok(Address(address))
    }

    fn host(&mut self, bytes: usize) -> Result<Host, Fault> {
        self.allocations += 1;
        // SAFETY: the context is current; freed on drop.
        let base = unsafe { result::malloc_host(bytes, sys::CU_MEMHOSTALLOC_PORTABLE) }
            .map_err(said("cuMemHostAlloc"))?
            .cast::<u8>();
        // SAFETY: just allocated, so many bytes.
        unsafe { base.write_bytes(0, bytes) };
        self.hosts.push(Pinned { base, bytes });
        Ok(Host(self.hosts.len() - 1))
    }

    fn host_bytes(&self, host: Host) -> &[u8] {
        let Pinned { base, bytes } = self.hosts[host.0];
        // SAFETY: ours, initialised, alive as long as `self`; the device writes it only between a download and the
        // event that the caller waits for before it reads.
        unsafe { std::slice::from_raw_parts(base, bytes) }
    }

    fn host_bytes_mut(&mut self, host: Host) -> &mut [u8] {
        let Pinned { base, bytes } = self.hosts[host.0];
        // SAFETY: as above, and `&mut self` makes it the only view.
        unsafe { std::slice::from_raw_parts_mut(base, bytes) }
    }

    fn mapped(&mut self, bytes: &[u8]) -> Result<Option<Address>, Fault> {
        if !self.gpu.facts.integrated {
            return Ok(None);
        }
        let mut address = 0;
        // SAFETY: asks the driver about an address; it answers with an error if it did not pin it.
        unsafe {
            sys::cuMemHostGetDevicePointer_v2(&mut address, bytes.as_ptr().cast_mut().cast(), 0)
        }
        .result()
        .map_err(said("cuMemHostGetDevicePointer"))?;
        Ok(Some(Address(address)))
    }

    unsafe fn upload(&mut self, to: Address, from: &[u8], on: Stream) -> Result<(), Fault> {
        // SAFETY: the caller keeps `from`; `to` is ours and as large, by the caller.
        unsafe { result::memcpy_htod_async(to.0, from, self.streams[on.0]) }
            .map_err(said("cuMemcpyHtoDAsync"))
    }

    fn upload_host(
        &mut self,
        to: Address,
        from: Host,
        bytes: usize,
        on: Stream,
    ) -> Result<(), Fault> {
        let from = &self.host_bytes(from)[..bytes];
        // SAFETY: our own page-locked memory, alive as long as the device.
        unsafe { result::memcpy_htod_async(to.0, from, self.streams[on.0]) }
            .map_err(said("cuMemcpyHtoDAsync"))
    }

    fn download(&mut self, to: Host, from: Address, bytes: usize, on: Stream) -> Result<(), Fault> {
        let stream = self.streams[on.0];
        let to = &mut self.host_bytes_mut(to)[..bytes];
        // SAFETY: our own page-locked memory, alive as long as the device; nobody reads it before an event says so.
        unsafe { result::memcpy_dtoh_async(to, from.0, stream) }.map_err(said("cuMemcpyDtoHAsync"))
    }

    unsafe fn launch(
        &mut self,
        kernel: Kernel,
        grid: Grid,
        params: &[u8],
        on: Stream,
    ) -> Result<(), Fault> {
        let mut arguments = [params.as_ptr().cast_mut().cast::<c_void>()];
        let ([bx, by], [tx, ty]) = (grid.blocks, grid.threads);
        let function = self.functions[kernel as usize];
        // SAFETY: the kernel takes one structure, whose bytes these are by the caller's word; the driver copies them.
        unsafe {
            result::launch_kernel(
                function,
                (bx, by, 1),
                (tx, ty, 1),
                0,
                self.streams[on.0],
                &mut arguments,
            )
        }
        .map_err(said("cuLaunchKernel"))
    }

    fn record(&mut self, event: Event, on: Stream) -> Result<(), Fault> {
        // SAFETY: both are ours and alive.
        unsafe { result::event::record(self.events[event.0], self.streams[on.0]) }
            .map_err(said("cuEventRecord"))
    }

    fn wait(&mut self, on: Stream, event: Event) -> Result<(), Fault> {
        let flags = sys::CUevent_wait_flags::CU_EVENT_WAIT_DEFAULT;
        // SAFETY: both are ours and alive.
        unsafe { result::stream::wait_event(self.streams[on.0], self.events[event.0], flags) }
            .map_err(said("cuStreamWaitEvent"))
    }

    fn synchronize(&mut self, event: Event) -> Result<(), Fault> {
        // SAFETY: ours and alive.
        unsafe { result::event::synchronize(self.events[event.0]) }
            .map_err(said("cuEventSynchronize"))
    }

    fn happened(&mut self, event: Event) -> Result<bool, Fault> {
        // SAFETY: ours and alive.
        match unsafe { result::event::query(self.events[event.0]) } {
            Ok(()) => Ok(true),
            Err(result::DriverError(sys::CUresult::CUDA_ERROR_NOT_READY)) => Ok(false),
            Err(error) => Err(said("cuEventQuery")(error)),
        }
    }

    fn elapsed_us(&mut self, from: Event, to: Event) -> Result<f64, Fault> {
        // SAFETY: ours and alive; the driver refuses events that did not happen.
        unsafe { result::event::elapsed(self.events[from.0], self.events[to.0]) }
            .map(|ms| f64::from(ms) * 1e3)
            .map_err(said("cuEventElapsedTime"))
    }

    fn quiesce(&mut self) -> Result<(), Fault> {
        result::ctx::synchronize().map_err(said("cuCtxSynchronize"))
    }

    fn context(
        &mut self,
        batch: usize,
        input: Address,
        output: Address,
        scratch: Address,
    ) -> Result<Context, Fault> {
        self.network
            .context(batch, input, output, scratch)
            .map(Context)
    }

    fn enqueue(&mut self, context: Context, on: Stream) -> Result<(), Fault> {
        // SAFETY: ours and alive.
        unsafe { self.network.enqueue(context.0, self.streams[on.0].cast()) }
    }

    fn capture(&mut self, context: Context, on: Stream) -> Result<Graph, Fault> {
        let stream = self.streams[on.0];
        let mode = sys::CUstreamCaptureMode::CU_STREAM_CAPTURE_MODE_THREAD_LOCAL;
        // SAFETY: ours and alive, nothing in it.
        unsafe { result::stream::begin_capture(stream, mode) }
            .map_err(said("cuStreamBeginCapture"))?;
        // SAFETY: ours and alive.
        let enqueued = unsafe { self.network.enqueue(context.0, stream.cast()) };
        // SAFETY: the capture began above; it ends also where the network refused, so that the stream is usable.
        let graph =
            unsafe { result::stream::end_capture(stream) }.map_err(said("cuStreamEndCapture"));
        enqueued?;
        let graph = graph?;
        // SAFETY: the graph was just captured; the executable one is a copy and outlives it.
        let executable = unsafe {
            let flags = sys::CUgraphInstantiate_flags(0);
            let made = result::graph::instantiate(graph, flags);
            let destroyed = result::graph::destroy(graph);
            made.and_then(|made| destroyed.map(|()| made))
        }
        .map_err(said("cuGraphInstantiate"))?;
        self.graphs.push(executable);
        Ok(Graph(self.graphs.len() - 1))
    }

    fn replay(&mut self, graph: Graph, on: Stream) -> Result<(), Fault> {
        // SAFETY: both are ours and alive, and so is all memory that was captured: the network's and this device's.
        unsafe { result::graph::launch(self.graphs[graph.0], self.streams[on.0]) }
            .map_err(said("cuGraphLaunch"))
    }
}

impl<N> Drop for Cuda<N> {
    fn drop(&mut self) {
        // Nothing can be done here about a driver that is going down; its memory goes with the process.
        if self.gpu.bind().is_err() || result::ctx::synchronize().is_err() {
            return;
        }
        // SAFETY: each handle is ours, is released once, and nothing runs any more. The primary context is the last to
        // go, with `gpu`; the network's contexts hold no stream, event or graph of ours, and its scratch is not used again.
        unsafe {
            for graph in self.graphs.drain(..) {
                let _ = result::graph::exec_destroy(graph);
            }
            for stream in self.streams.drain(..) {
                let _ = result::stream::destroy(stream);
            }
            for event in self.events.drain(..) {
                let _ = result::event::destroy(event);
            }
            for address in self.memory.drain(..) {
                let _ = result::free_sync(address);
            }
            for host in self.hosts.drain(..) {
                let _ = result::free_host(host.base.cast());
            }
            let _ = result::module::unload(self.module);
        }
    }
}
