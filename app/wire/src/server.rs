//! The station's half: listens, gives each console a seat with two threads, and turns away whoever does not behave.

use crate::ask::{Ask, Reply, Session};
use crate::connection::{self, Seats};
use crate::preview::{PreviewHead, PreviewRequest};
use crate::{Board, WireError};
use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

/// Between two looks for a console that wants to connect.
const LOOK: Duration = Duration::from_millis(20);

/// What consoles are told and asked on behalf of the station. Called on the consoles' own threads, never on a camera's.
pub trait Host: Send + Sync {
    /// A console has come; what it may is kept with its guest until it goes.
    fn welcome(&self, name: &str) -> Box<dyn ClientSession>;

    /// The newest picture for a wish that is not the one `seen` (its camera's frame number and whether it was judged):
    /// its pixels go into `pixels`.
    fn preview(
        &self,
        wish: &PreviewRequest,
        seen: Option<(u64, bool)>,
        pixels: &mut Vec<u8>,
    ) -> Option<PreviewHead>;
}

/// The station's side of one console.
pub trait ClientSession: Send + Sync {
    /// Answers. May take its time; only this console waits.
    fn answer(&self, ask: Ask) -> Reply;
    /// Who is logged in.
    fn session(&self) -> Session;
}

/// Where and how to listen.
#[derive(Clone, Debug)]
pub struct ServerSettings {
    /// The socket.
    pub path: PathBuf,
    /// Its permissions: only who may write to it may connect.
    pub mode: u32,
    /// Consoles at once.
    pub consoles: usize,
    /// Time between two looks for previews and changes.
    pub period: Duration,
    /// A console that does not read for so long is let go; it connects again when it wakes.
    pub patience: Duration,
}

impl ServerSettings {
    /// Four consoles, 12 previews a second, for the owner and the group.
    pub fn at(path: PathBuf) -> Self {
        Self {
            path,
            mode: 0o660,
            consoles: 4,
            period: Duration::from_millis(80),
            patience: Duration::from_secs(2),
        }
    }
}

/// Listening; dropping it ends every connection and takes the socket away.
pub struct Server {
    path: PathBuf,
    stop: Arc<AtomicBool>,
    seats: Arc<Seats>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Listens.
    ///
    /// # Errors
    /// The socket's folder is not there or not ours, or another station listens there.
    pub fn start(
        settings: ServerSettings,
        board: Arc<Board>,
        host: Arc<dyn Host>,
    ) -> Result<Self, WireError> {
        let listener = listen(&settings)?;
        let stop = Arc::new(AtomicBool::new(false));
        let seats = Arc::new(Seats::new(settings.consoles));
        let path = settings.path.clone();
        let (stopped, theirs) = (stop.clone(), seats.clone());
        let thread = std::thread::Builder::new()
            .name("sl-console".into())
            .spawn(move || accept(&listener, &settings, &stopped, &theirs, &board, &host))
            .map_err(|source| WireError::Thread {
                name: "sl-console",
                source,
            })?;
        Ok(Self {
            path,
            stop,
            seats,
            thread: Some(thread),
        })
    }

    /// Consoles connected now.
    pub fn consoles(&self) -> usize {
        self.seats.taken()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        if self.thread.take().is_some_and(|t| t.join().is_err()) {
            tracing::error!("the thread that listens for consoles panicked");
        }
        self.seats.close();
        let _ = fs::remove_file(&self.path);
    }
}

/// Binds beside the final name and moves there with the permissions set, so that nobody connects before.
fn listen(settings: &ServerSettings) -> Result<UnixListener, WireError> {
    let path = &settings.path;
    if UnixStream::connect(path).is_ok() {
        return Err(WireError::Taken { path: path.clone() });
    }
    let bind = || -> io::Result<UnixListener> {
        let fresh = path.with_extension(format!("{}.new", std::process::id()));
        let _ = fs::remove_file(&fresh);
        let listener = UnixListener::bind(&fresh)?;
        fs::set_permissions(&fresh, fs::Permissions::from_mode(settings.mode))?;
        fs::rename(&fresh, path)?;
        // The thread looks for consoles and for the end in turn: it must end also where somebody took the socket away.
        listener.set_nonblocking(true)?;
        Ok(listener)
    };
    bind().map_err(|source| WireError::Listen {
        path: path.clone(),
        source,
    })
}

fn accept(
    listener: &UnixListener,
    settings: &ServerSettings,
    stop: &AtomicBool,
    seats: &Arc<Seats>,
    board: &Arc<Board>,
    host: &Arc<dyn Host>,
) {
    while !stop.load(Ordering::SeqCst) {
        match listener.accept() {
            // Nobody gets a thread for whom there is no room.
            Ok((stream, _)) => {
                if let Some(seat) = seats.take(&stream) {
                    connection::serve(stream, seat, settings, board.clone(), host.clone());
                }
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => std::thread::sleep(LOOK),
            // Out of descriptors, most likely: others' fault, and over when they go.
            Err(error) => {
                tracing::warn!(%error, "a console could not connect");
                std::thread::sleep(LOOK);
            }
        }
    }
}
