//! The network between station and broker, as bad as it is asked to be. It knows of MQTT where a packet ends, which ones
//! carry a result and which acknowledge one, and keeps a record of both.

use crate::now_s;
use serde::Serialize;
use std::collections::HashMap;
use std::io::{BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// A proxy on a port of its own.
pub struct Proxy {
    port: u16,
    wire: Arc<Wire>,
}

/// What happens to the broker's acknowledgements.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Acknowledgements {
    /// They pass.
    Pass,
    /// They are kept back until something else is asked for; publishes go on reaching the broker.
    Delayed,
    /// Every second one is swallowed, so that those that pass leave holes.
    Swallowed,
    /// They say "quota exceeded", although the broker has the message.
    Quota,
    /// The connection is cut right after one.
    ThenCut,
}

/// Type and flags of a PUBACK, the first byte.
const PUBACK: u8 = 0x40;
/// Type of a PUBLISH in the first byte's upper half, and QoS 1 in its lower one.
const PUBLISH: u8 = 0x30;
const QOS_1: u8 = 0x02;
/// A PUBACK's reason: the broker has it, and nobody has subscribed (MQTT 5.0, 3.4.2.1).
const NOBODY: u8 = 0x10;
const QUOTA_EXCEEDED: u8 = 0x97;

#[derive(Default)]
struct Wire {
    /// Closed: connections are taken and dropped at once.
    open: AtomicBool,
    /// Bytes are read and kept back.
    stalled: AtomicBool,
    acknowledgements: AtomicU8,
    /// Acknowledgements that waited, that came where every second one is swallowed, and that were.
    delayed: AtomicU64,
    met: AtomicU64,
    swallowed: AtomicU64,
    /// Acknowledgements that were made a refusal, and those after which the connection was cut.
    refused: AtomicU64,
    then_cut: AtomicU64,
    /// Acknowledgements of results that nobody heard.
    nobody: AtomicU64,
    connections: Mutex<Vec<TcpStream>>,
    carried: Mutex<Vec<Carried>>,
}

/// What the network has seen of one result.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Carried {
    /// Times that the station sent it.
    pub sent: u32,
    /// Times that the broker acknowledged it.
    pub acknowledged: u32,
    /// When it did so last, seconds since 1970.
    pub at_s: f64,
}

impl Wire {
    fn note(&self, seq: u64, change: impl FnOnce(&mut Carried)) {
        let mut carried = lock(&self.carried);
        let place = seq as usize;
        if carried.len() <= place {
            carried.resize(place + 1, Carried::default());
        }
        change(&mut carried[place]);
    }

    fn wait_while_stalled(&self) {
        while self.stalled.load(Ordering::SeqCst) {
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// What becomes of an acknowledgement now, after what it waited.
    fn judge(&self, puback: &[u8]) -> Verdict {
        let asked = |what| self.acknowledgements.load(Ordering::SeqCst) == what as u8;
        if asked(Acknowledgements::Delayed) {
            self.delayed.fetch_add(1, Ordering::SeqCst);
            while asked(Acknowledgements::Delayed) {
                std::thread::sleep(Duration::from_millis(5));
            }
        }
        if asked(Acknowledgements::Quota) {
            self.refused.fetch_add(1, Ordering::SeqCst);
            let refusal = [PUBACK, 4, puback[2], puback[3], QUOTA_EXCEEDED, 0];
            return Verdict::Instead(refusal.into());
        }
        if asked(Acknowledgements::ThenCut) {
            self.then_cut.fetch_add(1, Ordering::SeqCst);
            return Verdict::PassesThenCuts;
        }
        if !asked(Acknowledgements::Swallowed) {
            return Verdict::Passes;
        }
        let met = self.met.fetch_add(1, Ordering::SeqCst);
        if !met.is_multiple_of(2) {
            return Verdict::Passes;
        }
        self.swallowed.fetch_add(1, Ordering::SeqCst);
        Verdict::Swallowed
    }
}

impl Proxy {
    /// Begins closed.
    pub fn start(broker: SocketAddr) -> Self {
        let listener = TcpListener::bind(super::local(0)).expect("a free port");
        let port = listener.local_addr().expect("its address").port();
        let wire = Arc::new(Wire::default());
        let theirs = wire.clone();
        std::thread::spawn(move || {
            for station in listener.incoming().flatten() {
                if theirs.open.load(Ordering::SeqCst)
                    && let Ok(broker) = TcpStream::connect(broker)
                {
                    join(&theirs, station, broker);
                }
            }
        });
        Self { port, wire }
    }

    /// Where the station connects to.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Lets connections through.
    pub fn open(&self) {
        self.wire.stalled.store(false, Ordering::SeqCst);
        self.wire.open.store(true, Ordering::SeqCst);
    }

    /// Cuts every connection and takes no new one.
    pub fn close(&self) {
        self.wire.open.store(false, Ordering::SeqCst);
        self.cut(Shutdown::Both);
    }

    /// Cuts every connection, in both directions or one (a half-closed one).
    pub fn cut(&self, how: Shutdown) {
        for stream in lock(&self.wire.connections).drain(..) {
            // It may be gone already.
            let _ = stream.shutdown(how);
        }
    }

    /// Keeps bytes back until opened again.
    pub fn stall(&self) {
        self.wire.stalled.store(true, Ordering::SeqCst);
    }

    /// From now on this happens to acknowledgements.
    pub fn acknowledgements(&self, what: Acknowledgements) {
        self.wire
            .acknowledgements
            .store(what as u8, Ordering::SeqCst);
    }

    /// What was seen of a result.
    pub fn carried(&self, seq: u64) -> Carried {
        let carried = lock(&self.wire.carried);
        carried.get(seq as usize).copied().unwrap_or_default()
    }

    /// Acknowledgements that were kept back, swallowed, made a refusal, the last before a cut, and those of results that
    /// nobody heard, at which the connection was cut.
    pub fn counts(&self) -> [u64; 5] {
        let wire = &self.wire;
        [
            &wire.delayed,
            &wire.swallowed,
            &wire.refused,
            &wire.then_cut,
            &wire.nobody,
        ]
        .map(|count| count.load(Ordering::SeqCst))
    }
}

fn join(wire: &Arc<Wire>, station: TcpStream, broker: TcpStream) {
    let (Ok(from_station), Ok(from_broker)) = (station.try_clone(), broker.try_clone()) else {
        return;
    };
    if let (Ok(a), Ok(b)) = (station.try_clone(), broker.try_clone()) {
        lock(&wire.connections).extend([a, b]);
    }
    let results = Results::default();
    let (theirs, sent) = (wire.clone(), results.clone());
    carry(wire, from_station, broker, move |bytes, head| {
        if let Some(seq) = note_result(&sent, bytes, head) {
            theirs.note(seq, |carried| carried.sent += 1);
        }
        Verdict::Passes
    });
    let theirs = wire.clone();
    carry(wire, from_broker, station, move |bytes, _| {
        if bytes[0] & 0xf0 != PUBACK {
            return Verdict::Passes;
        }
        if let Some(seq) = lock(&results).remove(&[bytes[2], bytes[3]]) {
            // The subscriber has lost its connection: what is sent meanwhile is nobody's, and no fault of the station's.
            if bytes.get(4) == Some(&NOBODY) {
                theirs.nobody.fetch_add(1, Ordering::SeqCst);
                return Verdict::Cuts;
            }
            theirs.note(seq, |carried| {
                carried.acknowledged += 1;
                carried.at_s = now_s();
            });
        }
        theirs.judge(bytes)
    });
}

/// The results in packets, by the packets' numbers, that the broker has not acknowledged yet.
type Results = Arc<Mutex<HashMap<[u8; 2], u64>>>;

fn lock<T>(what: &Mutex<T>) -> MutexGuard<'_, T> {
    what.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Keeps the number of a PUBLISH that carries a result (MQTT 5.0, 3.3.2), and says which one; `head` is the length of its
/// fixed header.
fn note_result(results: &Results, bytes: &[u8], head: usize) -> Option<u64> {
    if bytes[0] & 0xf0 != PUBLISH || bytes[0] & QOS_1 == 0 {
        return None;
    }
    let long = usize::from(u16::from_be_bytes([bytes[head], bytes[head + 1]]));
    let (topic, rest) = bytes[head + 2..].split_at(long);
    let number = [rest[0], rest[1]];
    let seq = (topic == super::TOPIC.as_bytes())
        .then(|| seq_of(rest))
        .flatten();
    match seq {
        Some(seq) => lock(results).insert(number, seq),
        None => lock(results).remove(&number),
    };
    seq
}

/// The result's number in its payload, without reading the rest.
fn seq_of(payload: &[u8]) -> Option<u64> {
    const NAME: &[u8] = b"\"seq\":";
    let at = payload.windows(NAME.len()).position(|w| w == NAME)?;
    let digits = payload[at + NAME.len()..]
        .iter()
        .take_while(|b| b.is_ascii_digit());
    Some(digits.fold(0, |seq, digit| seq * 10 + u64::from(digit - b'0')))
}

/// What becomes of a packet.
enum Verdict {
    Passes,
    Swallowed,
    /// Another goes in its place.
    Instead(Vec<u8>),
    /// The connection ends behind it.
    PassesThenCuts,
    /// The connection ends with it.
    Cuts,
}

/// One direction, packet by packet.
fn carry(
    wire: &Arc<Wire>,
    from: TcpStream,
    mut to: TcpStream,
    judge: impl Fn(&[u8], usize) -> Verdict + Send + 'static,
) {
    let wire = wire.clone();
    std::thread::spawn(move || {
        let Ok(cut) = from.try_clone() else { return };
        let mut from = BufReader::new(from);
        let mut bytes = Vec::new();
        while let Ok(head) = packet(&mut from, &mut bytes) {
            wire.wait_while_stalled();
            let mut cuts = false;
            match judge(&bytes, head) {
                Verdict::Passes => {}
                Verdict::Swallowed => continue,
                Verdict::Instead(other) => bytes = other,
                Verdict::PassesThenCuts => cuts = true,
                Verdict::Cuts => break,
            }
            if to.write_all(&bytes).is_err() || cuts {
                break;
            }
        }
        let _ = to.shutdown(Shutdown::Both);
        let _ = cut.shutdown(Shutdown::Both);
    });
}

/// Reads one packet, fixed header included (MQTT 5.0, 2.1), and says how long that is.
fn packet(from: &mut impl Read, bytes: &mut Vec<u8>) -> std::io::Result<usize> {
    bytes.resize(1, 0);
    from.read_exact(bytes)?;
    let (mut length, mut shift) = (0_usize, 0);
    loop {
        let mut byte = [0];
        from.read_exact(&mut byte)?;
        bytes.push(byte[0]);
        length |= usize::from(byte[0] & 0x7f) << shift;
        shift += 7;
        if byte[0] & 0x80 == 0 {
            break;
        }
    }
    let head = bytes.len();
    bytes.resize(head + length, 0);
    from.read_exact(&mut bytes[head..])?;
    Ok(head)
}
