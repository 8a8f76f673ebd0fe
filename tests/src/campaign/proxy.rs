//! The network between station and broker, as bad as it is asked to be.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// A proxy on a port of its own.
pub struct Proxy {
    port: u16,
    wire: Arc<Wire>,
}

#[derive(Default)]
struct Wire {
    /// Closed: connections are taken and dropped at once.
    open: AtomicBool,
    /// Bytes are read and kept back.
    stalled: AtomicBool,
    connections: Mutex<Vec<TcpStream>>,
}

impl Wire {
    fn pairs(&self) -> std::sync::MutexGuard<'_, Vec<TcpStream>> {
        self.connections
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
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
        for stream in self.wire.pairs().drain(..) {
            // It may be gone already.
            let _ = stream.shutdown(how);
        }
    }

    /// Keeps bytes back until opened again.
    pub fn stall(&self) {
        self.wire.stalled.store(true, Ordering::SeqCst);
    }
}

fn join(wire: &Arc<Wire>, station: TcpStream, broker: TcpStream) {
    let (Ok(from_station), Ok(from_broker)) = (station.try_clone(), broker.try_clone()) else {
        return;
    };
    if let (Ok(a), Ok(b)) = (station.try_clone(), broker.try_clone()) {
        wire.pairs().extend([a, b]);
    }
    carry(wire.clone(), from_station, broker);
    carry(wire.clone(), from_broker, station);
}

fn carry(wire: Arc<Wire>, mut from: TcpStream, mut to: TcpStream) {
    std::thread::spawn(move || {
        let mut bytes = [0; 16 << 10];
        while let Ok(n @ 1..) = from.read(&mut bytes) {
            while wire.stalled.load(Ordering::SeqCst) {
                std::thread::sleep(Duration::from_millis(5));
            }
            if to.write_all(&bytes[..n]).is_err() {
                break;
            }
        }
        let _ = to.shutdown(Shutdown::Both);
        let _ = from.shutdown(Shutdown::Both);
    });
}
