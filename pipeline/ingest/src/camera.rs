//! Starting, watching and stopping one camera.

use crate::{
    IngestError, assemble,
    driver::Driver,
    images::ImagesIndex,
    link::Told,
    proof::Proof,
    session::{Source, thread_name},
    shared_tap::SharedTap,
    state::CameraState,
    status::{Board, CameraStatus, Stats},
    supervisor::Supervisor,
    tap::Tap,
};
use sightline_configs::station;
use sightline_domain::{CameraId, Clock};
use sightline_frames::{FramePool, MemoryWish, PoolSnapshot, TapSink};
use sightline_queue::{Receiver, Sender, bounded};
use sightline_threads::{Place, Urgency};
use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    thread::JoinHandle,
    time::Duration,
};

/// How long stopping may take before the threads are left to themselves.
const STOP_WITHIN: Duration = Duration::from_secs(5);
/// Words waiting for the supervisor; the first of a kind says what the later ones repeat.
const TOLD: usize = 64;

/// Everything a camera needs.
pub struct CameraContext {
    /// Its place in the configuration.
    pub id: CameraId,
    /// Its settings.
    pub config: station::Camera,
    /// Kind of memory for its slots.
    pub memory: MemoryWish,
    /// Where its views go.
    pub sink: Arc<dyn TapSink>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// The source itself; `None`: the one its settings describe.
    pub source: Option<Box<dyn Source>>,
    /// What relative paths of the configuration are relative to.
    pub base_dir: PathBuf,
    /// A model on this camera takes a reference, so sources that have golden pictures bring one with each view.
    pub wants_reference: bool,
    /// Its threads run before other programs' ([`sightline_threads::may_raise`]).
    pub raised: bool,
}

impl CameraContext {
    /// Where the camera's own threads run.
    pub fn place(&self) -> Place {
        Place {
            core: self.config.core,
            urgency: self.raised.then_some(Urgency::Compute),
        }
    }
}

fn check_core(camera: &str, core: Option<usize>) -> Result<(), IngestError> {
    let allowed = sightline_threads::allowed_cores();
    match core {
        Some(core) if !allowed.contains(&core) => Err(IngestError::NoSuchCore {
            camera: camera.into(),
            core,
            allowed,
        }),
        _ => Ok(()),
    }
}

/// A running camera. Dropped, it stops like [`CameraHandle::stop`], but without a word about hanging threads.
pub struct CameraHandle {
    name: Arc<str>,
    id: CameraId,
    pool: FramePool,
    stats: Arc<Stats>,
    board: Arc<Board>,
    tell: Sender<Told>,
    stop: Arc<AtomicBool>,
    ended: Receiver<()>,
    thread: Option<JoinHandle<()>>,
    images: Option<Arc<ImagesIndex>>,
}

/// Allocates the camera's memory and starts its supervisor. Never waits for the camera: it may be absent.
///
/// # Errors
/// What can never work: memory, a core that is not there, pictures that cannot be listed, a format the source has not.
pub fn start(mut ctx: CameraContext) -> Result<CameraHandle, IngestError> {
    check_core(&ctx.config.name, ctx.config.core)?;
    let name: Arc<str> = ctx.config.name.as_str().into();
    let pool = assemble::pool(&ctx)?;
    let limits = assemble::limits(&ctx);
    let stats = Arc::new(Stats::default());
    let (source, images) = assemble::source(&mut ctx)?;
    if Proof::expected(&ctx.config.source) == Proof::Files {
        stats.saw_proof(Proof::Files);
    }
    let shared_tap = SharedTap::new(Tap::new(
        ctx.id,
        pool.clone(),
        Arc::clone(&ctx.sink),
        Arc::clone(&ctx.clock),
        Arc::clone(&stats),
        &ctx.config.health,
    ));
    let machine = Supervisor::new(limits, ctx.clock.now());
    let board = Arc::new(Board::new(machine.standing().clone()));
    let (tell, told) = bounded(format!("ingest.{name}.supervisor"), TOLD);
    let stop = Arc::new(AtomicBool::new(false));
    let driver = Driver {
        name: Arc::clone(&name),
        camera: ctx.id,
        clock: ctx.clock,
        sink: ctx.sink,
        stats: Arc::clone(&stats),
        board: Arc::clone(&board),
        shared_tap,
        source,
        machine,
        told,
        tell: tell.clone(),
        session: None,
        sessions: 0,
        stop: Arc::clone(&stop),
        untold: None,
    };
    let (thread, ended) = spawn(driver)?;
    Ok(CameraHandle {
        name,
        id: ctx.id,
        pool,
        stats,
        board,
        tell,
        stop,
        ended,
        thread: Some(thread),
        images,
    })
}

fn spawn(driver: Driver) -> Result<(JoinHandle<()>, Receiver<()>), IngestError> {
    let name = Arc::clone(&driver.name);
    let (end, ended) = bounded::<()>(format!("ingest.{name}.ended"), 1);
    std::thread::Builder::new()
        .name(thread_name("sup", &name))
        .spawn(move || {
            driver.run();
            drop(end);
        })
        .map(|thread| (thread, ended))
        .map_err(|source| IngestError::Thread {
            what: format!("camera `{name}`"),
            source,
        })
}

impl CameraHandle {
    /// Its place in the configuration.
    pub fn id(&self) -> CameraId {
        self.id
    }

    /// Its name.
    pub fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// State, reason and counters now.
    pub fn status(&self) -> CameraStatus {
        self.board.status(&self.stats)
    }

    /// Its slots now.
    pub fn gauge(&self) -> PoolSnapshot {
        self.pool.gauge()
    }

    /// Its slots.
    pub fn pool(&self) -> &FramePool {
        &self.pool
    }

    /// The pictures of an `images` source, by frame number.
    pub fn images(&self) -> Option<&Arc<ImagesIndex>> {
        self.images.as_ref()
    }

    /// A finite source gave its last frame, or the camera was given up.
    pub fn done(&self) -> bool {
        matches!(self.board.state(), CameraState::Ended | CameraState::Failed)
    }

    /// Closes the source and ends the camera's threads.
    ///
    /// # Errors
    /// The source hangs: its threads are left to themselves after five seconds.
    pub fn stop(mut self) -> Result<(), IngestError> {
        self.end()
    }

    fn end(&mut self) -> Result<(), IngestError> {
        let Some(thread) = self.thread.take() else {
            return Ok(());
        };
        self.stop.store(true, Relaxed);
        // With the queue full it is awake anyway.
        let _ = self.tell.try_send(Told::Look);
        // The queue closes when the thread lets go of its end.
        if matches!(
            self.ended.recv_timeout(STOP_WITHIN),
            Err(sightline_queue::RecvTimeout::Timeout)
        ) {
            return Err(IngestError::StopTimedOut {
                camera: self.name.to_string(),
                within_ms: STOP_WITHIN.as_millis(),
            });
        }
        if thread.join().is_err() {
            tracing::error!(camera = &*self.name, "the camera's supervisor panicked");
        }
        Ok(())
    }
}

impl Drop for CameraHandle {
    fn drop(&mut self) {
        if let Err(error) = self.end() {
            tracing::error!(%error, "stopping a camera");
        }
    }
}
