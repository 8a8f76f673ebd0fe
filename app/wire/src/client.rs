//! The console's half: connects, keeps connecting, and holds the newest of everything for the screen.

use crate::ask::{Ask, Reply, Session};
use crate::framing;
use crate::message::{MAGIC, ToConsole, ToStation, VERSION};
use crate::preview::{Preview, PreviewRequest};
use crate::snapshot::Snapshot;
use crate::{Answer, WireError};
use std::collections::BTreeMap;
use std::io;
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Between two attempts to connect.
const RETRY: Duration = Duration::from_millis(300);
/// Said when there is nothing else to say.
const ALIVE_EVERY: Duration = Duration::from_secs(5);
/// A station that is silent for so long is gone, even if its socket is there.
const SILENCE: Duration = Duration::from_secs(5);
/// Asks that wait to be sent, at most.
const ASKS: usize = 32;

/// How it stands with the station.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Link {
    /// Not reachable, and why; it is tried again.
    Down {
        /// In words.
        reason: String,
    },
    /// Connected.
    Up,
    /// It speaks another version of the protocol.
    OtherVersion {
        /// Theirs.
        station: u16,
    },
}

/// What the screen reads.
struct Held {
    link: Link,
    snapshot: Snapshot,
    session: Session,
    /// When the last heart beat came.
    beat: Option<Instant>,
    previews: BTreeMap<u16, Preview>,
    answers: Vec<(u64, Reply)>,
    wishes: Vec<PreviewRequest>,
    next_ask: u64,
    stop: bool,
    stream: Option<UnixStream>,
}

struct Shared {
    held: Mutex<Held>,
    wake: Box<dyn Fn() + Send + Sync>,
}

impl Shared {
    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A connection that keeps itself up. Dropping it ends it.
pub struct Client {
    shared: Arc<Shared>,
    outgoing: Option<SyncSender<ToStation>>,
    threads: Vec<JoinHandle<()>>,
}

impl Client {
    /// Connects to the station at `path` and goes on doing so. `wake` is called when there is something new.
    ///
    /// # Errors
    /// No thread.
    pub fn start(
        path: &Path,
        name: &str,
        wake: impl Fn() + Send + Sync + 'static,
    ) -> Result<Self, WireError> {
        let held = Held {
            link: Link::Down {
                reason: String::new(),
            },
            snapshot: Snapshot::default(),
            session: Session::default(),
            beat: None,
            previews: BTreeMap::new(),
            answers: Vec::new(),
            wishes: Vec::new(),
            next_ask: 1,
            stop: false,
            stream: None,
        };
        let shared = Arc::new(Shared {
            held: Mutex::new(held),
            wake: Box::new(wake),
        });
        let (outgoing, from_screen) = sync_channel(ASKS);
        let (theirs, path, name) = (shared.clone(), path.to_path_buf(), name.to_owned());
        let reader = spawn("sl-wire-in", move || read(&path, &name, &theirs))?;
        let theirs = shared.clone();
        let writer = spawn("sl-wire-out", move || write(&from_screen, &theirs))?;
        Ok(Self {
            shared,
            outgoing: Some(outgoing),
            threads: vec![reader, writer],
        })
    }

    /// How it stands with the station.
    pub fn link(&self) -> Link {
        self.shared.held().link.clone()
    }

    /// Looks at the newest state, who is logged in, and when the station's heart last beat.
    pub fn look<T>(&self, f: impl FnOnce(&Snapshot, &Session, Option<Instant>) -> T) -> T {
        let held = self.shared.held();
        f(&held.snapshot, &held.session, held.beat)
    }

    /// Previews that came since the last call, the newest of each camera.
    pub fn take_previews(&self) -> BTreeMap<u16, Preview> {
        std::mem::take(&mut self.shared.held().previews)
    }

    /// Answers that came since the last call.
    pub fn take_answers(&self) -> Vec<(u64, Reply)> {
        std::mem::take(&mut self.shared.held().answers)
    }

    /// Wants these previews from now on.
    pub fn watch(&self, wishes: Vec<PreviewRequest>) {
        let mut held = self.shared.held();
        if held.wishes != wishes {
            held.wishes.clone_from(&wishes);
            drop(held);
            self.send(ToStation::Watch(wishes));
        }
    }

    /// Asks the station; the answer comes under the number returned. `None`: too much is waiting, or it is not there.
    pub fn ask(&self, ask: Ask) -> Option<u64> {
        let mut held = self.shared.held();
        if held.link != Link::Up {
            return None;
        }
        let id = held.next_ask;
        held.next_ask += 1;
        drop(held);
        self.send(ToStation::Ask { id, ask }).then_some(id)
    }

    fn send(&self, message: ToStation) -> bool {
        self.outgoing
            .as_ref()
            .is_some_and(|to| to.try_send(message).is_ok())
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        {
            let mut held = self.shared.held();
            held.stop = true;
            if let Some(stream) = &held.stream {
                let _ = stream.shutdown(Shutdown::Both);
            }
        }
        self.outgoing = None;
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

fn spawn(
    name: &'static str,
    run: impl FnOnce() + Send + 'static,
) -> Result<JoinHandle<()>, WireError> {
    std::thread::Builder::new()
        .name(name.into())
        .spawn(run)
        .map_err(|source| WireError::Thread { name, source })
}

fn read(path: &PathBuf, name: &str, shared: &Shared) {
    while !shared.held().stop {
        let ended = session(path, name, shared);
        let mut held = shared.held();
        held.stream = None;
        held.session = Session::default();
        // What was asked of a station that is gone is not answered by the next.
        held.answers.clear();
        held.link = match ended {
            Err(Ended::Version(station)) => Link::OtherVersion { station },
            Err(Ended::Wire(error)) => Link::Down {
                reason: format!("{}: {error}", path.display()),
            },
        };
        drop(held);
        (shared.wake)();
        std::thread::sleep(RETRY);
    }
}

enum Ended {
    Wire(WireError),
    Version(u16),
}

impl<E: Into<WireError>> From<E> for Ended {
    fn from(error: E) -> Self {
        Self::Wire(error.into())
    }
}

/// One connection from hello to its end.
fn session(path: &PathBuf, name: &str, shared: &Shared) -> Result<std::convert::Infallible, Ended> {
    let stream = UnixStream::connect(path)?;
    stream.set_read_timeout(Some(SILENCE))?;
    stream.set_write_timeout(Some(SILENCE))?;
    framing::write(&mut &stream, &ToStation::hello(name), &[])?;
    let mut buffer = Vec::new();
    match framing::read(&mut &stream, framing::TO_CONSOLE, &mut buffer)?.0 {
        ToConsole::Welcome { magic: MAGIC, .. } => {}
        ToConsole::Refused { version } => return Err(Ended::Version(version)),
        _ => {
            return Err(Ended::Wire(WireError::Version {
                expected: VERSION,
                found: "no welcome".into(),
            }));
        }
    }
    {
        let mut held = shared.held();
        if held.stop {
            return Err(io::Error::from(io::ErrorKind::Interrupted).into());
        }
        framing::write(&mut &stream, &ToStation::Watch(held.wishes.clone()), &[])?;
        held.stream = Some(stream.try_clone()?);
        held.link = Link::Up;
    }
    loop {
        let (message, tail) = framing::read(&mut &stream, framing::TO_CONSOLE, &mut buffer)?;
        if take(shared, message, &buffer[tail..]) {
            (shared.wake)();
        }
    }
}

/// Takes a message in; true if the screen should look.
fn take(shared: &Shared, message: ToConsole, tail: &[u8]) -> bool {
    let mut held = shared.held();
    match message {
        ToConsole::Welcome { .. } | ToConsole::Refused { .. } => return false,
        ToConsole::Section(section) => {
            let beats = matches!(section, crate::Section::Pulse(_));
            if beats {
                held.beat = Some(Instant::now());
            }
            held.snapshot.apply(section);
        }
        ToConsole::Session(session) => held.session = session,
        ToConsole::Answer { id, answer } => {
            let fits = !matches!(&answer, Answer::Picture(head) if head.bytes() != tail.len());
            if fits {
                held.answers.push((
                    id,
                    Reply {
                        answer,
                        pixels: tail.to_vec(),
                    },
                ));
            }
        }
        ToConsole::Preview(head) => {
            if head.bytes() == tail.len() {
                let preview = held.previews.remove(&head.camera);
                let mut bytes = preview.map(|p| p.bytes).unwrap_or_default();
                bytes.clear();
                bytes.extend_from_slice(tail);
                held.previews.insert(head.camera, Preview { head, bytes });
            }
        }
    }
    true
}

/// Sends what the screen wants; while there is nothing, a sign of life.
fn write(from_screen: &Receiver<ToStation>, shared: &Shared) {
    loop {
        let message = match from_screen.recv_timeout(ALIVE_EVERY) {
            Ok(message) => message,
            Err(RecvTimeoutError::Timeout) => ToStation::Alive,
            Err(RecvTimeoutError::Disconnected) => return,
        };
        let stream = shared
            .held()
            .stream
            .as_ref()
            .and_then(|s| s.try_clone().ok());
        if let Some(stream) = stream
            && framing::write(&mut &stream, &message, &[]).is_err()
        {
            // Half a frame may be out: only a new connection can follow. The reader sees it and makes one.
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}
