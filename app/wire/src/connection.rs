//! One console's seat: a thread that reads what it asks, and one that writes what it should know.

use crate::ask::Reply;
use crate::board::{Board, Sent};
use crate::framing;
use crate::message::{MAGIC, ToConsole, ToStation, VERSION};
use crate::preview::PreviewRequest;
use crate::server::{ClientSession, Host, ServerSettings};
use crate::{Session, WireError};
use std::collections::BTreeMap;
use std::io;
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Who has connected must say hello within so long.
const HELLO_WITHIN: Duration = Duration::from_secs(1);
/// Connections that have not said hello yet, at most: more are closed unheard.
const STRANGERS: usize = 8;
/// A console says something at least every few seconds; one that is silent for so long is gone.
const SILENCE: Duration = Duration::from_secs(30);
/// Previews a console may want at once.
const WISHES: usize = 64;

/// The seats there are, and who sits there.
pub(crate) struct Seats {
    consoles: usize,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    next: u64,
    closed: bool,
    strangers: usize,
    /// Kept to hang up on them.
    streams: BTreeMap<u64, UnixStream>,
}

impl Seats {
    pub(crate) fn new(consoles: usize) -> Self {
        Self {
            consoles,
            state: Mutex::new(State::default()),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place to say hello at, or `None` when too many stand there.
    pub(crate) fn take(self: &Arc<Self>, stream: &UnixStream) -> Option<Connection> {
        let mut state = self.state();
        let full = state.streams.len() >= self.consoles + STRANGERS;
        if state.closed || full || state.strangers >= STRANGERS {
            return None;
        }
        let kept = stream.try_clone().ok()?;
        let id = state.next;
        state.next += 1;
        state.strangers += 1;
        state.streams.insert(id, kept);
        Some(Connection {
            id,
            stranger: true,
            seats: self.clone(),
        })
    }

    /// Consoles that have said hello.
    pub(crate) fn taken(&self) -> usize {
        let state = self.state();
        state.streams.len() - state.strangers
    }

    /// Hangs up on everybody.
    pub(crate) fn close(&self) {
        let mut state = self.state();
        state.closed = true;
        for stream in state.streams.values() {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

/// A place, given back on drop.
pub(crate) struct Connection {
    id: u64,
    stranger: bool,
    seats: Arc<Seats>,
}

impl Connection {
    /// From stranger to console, if there is room.
    fn sit(&mut self) -> bool {
        let mut state = self.seats.state();
        if state.streams.len() - state.strangers >= self.seats.consoles {
            return false;
        }
        state.strangers -= 1;
        self.stranger = false;
        true
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        let mut state = self.seats.state();
        state.strangers -= usize::from(self.stranger);
        if let Some(stream) = state.streams.remove(&self.id) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

/// What reader and writer of a console share: at most one answer, and the wishes.
#[derive(Default)]
struct Desk {
    wishes: Vec<PreviewRequest>,
    answer: Option<(u64, Reply)>,
    closed: bool,
}

#[derive(Default)]
struct Shared {
    desk: Mutex<Desk>,
    changed: Condvar,
}

impl Shared {
    fn desk(&self) -> MutexGuard<'_, Desk> {
        self.desk.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn close(&self) {
        self.desk().closed = true;
        self.changed.notify_all();
    }
}

/// Serves a connection on two threads of its own.
pub(crate) fn serve(
    stream: UnixStream,
    seat: Connection,
    settings: &ServerSettings,
    board: Arc<Board>,
    host: Arc<dyn Host>,
) {
    let settings = settings.clone();
    let reader = std::thread::Builder::new().name("sl-console-in".into());
    let started = reader.spawn(
        move || match talk(&stream, seat, &settings, &board, &host) {
            // Hanging up is how consoles end.
            Ok(()) | Err(WireError::Io(_) | WireError::Silent) => {}
            Err(error) => tracing::warn!(%error, "a console was sent away"),
        },
    );
    if let Err(error) = started {
        tracing::warn!(%error, "no thread for a console");
    }
}

fn talk(
    stream: &UnixStream,
    mut seat: Connection,
    settings: &ServerSettings,
    board: &Arc<Board>,
    host: &Arc<dyn Host>,
) -> Result<(), WireError> {
    stream.set_read_timeout(Some(HELLO_WITHIN))?;
    stream.set_write_timeout(Some(settings.patience))?;
    let mut buffer = Vec::new();
    let (first, _) = framing::read(&mut &*stream, framing::TO_STATION, &mut buffer)?;
    let name = check_hello(stream, first)?;
    if !seat.sit() {
        return Ok(());
    }
    stream.set_read_timeout(Some(SILENCE))?;
    let guest: Arc<dyn ClientSession> = Arc::from(host.welcome(&name));
    let shared = Arc::new(Shared::default());
    let writer = Writer {
        stream: stream.try_clone()?,
        period: settings.period,
        shared: shared.clone(),
        board: board.clone(),
        host: host.clone(),
        guest: guest.clone(),
    };
    let thread = std::thread::Builder::new()
        .name("sl-console-out".into())
        .spawn(move || writer.run())?;
    let read = listen(stream, &mut buffer, &shared, &*guest);
    shared.close();
    let _ = stream.shutdown(Shutdown::Both);
    // The writer ends at once, or after its write timeout; the seat is given back after that.
    let _ = thread.join();
    drop(seat);
    read
}

fn check_hello(mut stream: &UnixStream, first: ToStation) -> Result<String, WireError> {
    match first {
        ToStation::Hello {
            magic: MAGIC,
            version: VERSION,
            name,
        } => {
            let welcome = ToConsole::Welcome {
                magic: MAGIC,
                version: VERSION,
            };
            framing::write(&mut stream, &welcome, &[])?;
            Ok(name.chars().filter(|c| !c.is_control()).take(40).collect())
        }
        other => {
            framing::write(&mut stream, &ToConsole::Refused { version: VERSION }, &[])?;
            let found = match other {
                ToStation::Hello {
                    magic: MAGIC,
                    version,
                    ..
                } => format!("version {version}"),
                _ => "no hello".into(),
            };
            Err(WireError::Version {
                expected: VERSION,
                found,
            })
        }
    }
}

/// Takes what the console says, one thing after the other: the next is read when the last answer is on its way.
fn listen(
    mut stream: &UnixStream,
    buffer: &mut Vec<u8>,
    shared: &Shared,
    guest: &dyn ClientSession,
) -> Result<(), WireError> {
    loop {
        let (message, _) = framing::read(&mut stream, framing::TO_STATION, buffer)?;
        match message {
            ToStation::Hello { .. } => {
                return Err(WireError::Version {
                    expected: VERSION,
                    found: "a second hello".into(),
                });
            }
            ToStation::Alive => {}
            ToStation::Watch(mut wishes) => {
                wishes.truncate(WISHES);
                shared.desk().wishes = wishes;
                shared.changed.notify_all();
            }
            ToStation::Ask { id, ask } => {
                let reply = guest.answer(ask);
                let mut desk = shared.desk();
                desk.answer = Some((id, reply));
                shared.changed.notify_all();
                while desk.answer.is_some() && !desk.closed {
                    desk = shared
                        .changed
                        .wait(desk)
                        .unwrap_or_else(PoisonError::into_inner);
                }
            }
        }
    }
}

struct Writer {
    stream: UnixStream,
    period: Duration,
    shared: Arc<Shared>,
    board: Arc<Board>,
    host: Arc<dyn Host>,
    guest: Arc<dyn ClientSession>,
}

impl Writer {
    fn run(self) {
        if let Err(error) = self.write()
            && !matches!(&error, WireError::Io(e) if e.kind() == io::ErrorKind::BrokenPipe)
        {
            tracing::info!(%error, "a console was let go");
        }
        self.shared.close();
        let _ = self.stream.shutdown(Shutdown::Both);
    }

    fn write(&self) -> Result<(), WireError> {
        let mut to = &self.stream;
        let mut sent = Sent::default();
        let mut session: Option<Session> = None;
        let mut changes = Vec::new();
        let mut shown: BTreeMap<u16, (u64, bool)> = BTreeMap::new();
        let (mut wishes, mut pixels) = (Vec::new(), Vec::new());
        let mut due = Instant::now();
        loop {
            if let Some((id, reply)) = self.wait(due, &mut wishes)? {
                // First the state that the answer speaks of, then the answer.
                self.tell_session(&mut session)?;
                let answer = ToConsole::Answer {
                    id,
                    answer: reply.answer,
                };
                framing::write(&mut to, &answer, &reply.pixels)?;
            }
            if Instant::now() < due {
                continue;
            }
            due = Instant::now() + self.period;
            self.tell_session(&mut session)?;
            self.board.changes(&mut sent, &mut changes);
            for frame in &changes {
                framing::write_encoded(&mut to, frame, &[])?;
            }
            for wish in &wishes {
                let seen = shown.get(&wish.camera).copied();
                if let Some(head) = self.host.preview(wish, seen, &mut pixels) {
                    shown.insert(wish.camera, (head.frame_id, head.judged.is_some()));
                    framing::write(&mut to, &ToConsole::Preview(head), &pixels)?;
                }
            }
        }
    }

    /// Until there is an answer or the next look is due. An error ends the thread.
    fn wait(
        &self,
        due: Instant,
        wishes: &mut Vec<PreviewRequest>,
    ) -> Result<Option<(u64, Reply)>, WireError> {
        let mut desk = self.shared.desk();
        loop {
            if desk.closed {
                return Err(io::Error::from(io::ErrorKind::BrokenPipe).into());
            }
            wishes.clone_from(&desk.wishes);
            if let Some(answer) = desk.answer.take() {
                self.shared.changed.notify_all();
                return Ok(Some(answer));
            }
            let left = due.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(None);
            }
            desk = self
                .shared
                .changed
                .wait_timeout(desk, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
    }

    fn tell_session(&self, told: &mut Option<Session>) -> Result<(), WireError> {
        let now = self.guest.session();
        if told.as_ref() != Some(&now) {
            framing::write(&mut &self.stream, &ToConsole::Session(now.clone()), &[])?;
            *told = Some(now);
        }
        Ok(())
    }
}
