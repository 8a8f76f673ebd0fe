//! A gate driver of one's own: a gate behind a UDP socket, told `REJECT 17` or `PASS 17`, whose sensor answers `BIN`.
//!
//! `cargo run -p sightline-verdict --example socket_gate` plays the gate, too.
//!
//! The gate's thread calls the driver; no call may block for longer than the gate's lead time, so the socket does not.

use sightline_domain::{Disposition, MonoTime, TrackId};
use sightline_verdict::{Confirmation, GateDriver, GateError};
use std::io;
use std::net::{SocketAddr, UdpSocket};

struct SocketGate {
    socket: UdpSocket,
}

impl SocketGate {
    fn connect(gate: SocketAddr) -> io::Result<Self> {
        let socket = UdpSocket::bind("127.0.0.1:0")?;
        socket.connect(gate)?;
        socket.set_nonblocking(true)?;
        Ok(Self { socket })
    }
}

impl GateDriver for SocketGate {
    /// No encoder: the schedule goes by time.
    fn encoder(&mut self, _now: MonoTime) -> Option<i64> {
        None
    }

    fn actuate(
        &mut self,
        track: TrackId,
        disposition: Disposition,
        _now: MonoTime,
    ) -> Result<(), GateError> {
        let word = match disposition {
            Disposition::Pass => "PASS",
            Disposition::Reject => "REJECT",
        };
        // An error here is not lost: the schedule takes the part for rejected, and raises its alarm.
        match self.socket.send(format!("{word} {}", track.0).as_bytes()) {
            Ok(_) => Ok(()),
            Err(source) => Err(GateError::Io { track, source }),
        }
    }

    fn poll_confirmations(&mut self, now: MonoTime, out: &mut Vec<Confirmation>) {
        let mut word = [0; 16];
        while let Ok(n) = self.socket.recv(&mut word) {
            if &word[..n] == b"BIN" {
                // The sensor does not know which part it saw.
                let track = None;
                out.push(Confirmation { track, at: now });
            }
        }
    }

    fn hold(&mut self, on: bool) {
        let word: &[u8] = if on { b"HOLD" } else { b"RUN" };
        // Said again with every change; a gate that does not hear it is found by its missing confirmations.
        let _ = self.socket.send(word);
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let gate = UdpSocket::bind("127.0.0.1:0")?;
    gate.set_read_timeout(Some(std::time::Duration::from_secs(5)))?;
    let mut driver = SocketGate::connect(gate.local_addr()?)?;

    driver.actuate(TrackId(17), Disposition::Reject, MonoTime(0))?;
    let mut word = [0; 16];
    let (n, station) = gate.recv_from(&mut word)?;
    println!("the gate was told {}", String::from_utf8_lossy(&word[..n]));
    assert_eq!(&word[..n], b"REJECT 17");

    gate.send_to(b"BIN", station)?;
    let mut seen = Vec::new();
    while seen.is_empty() {
        driver.poll_confirmations(MonoTime(1_000_000), &mut seen);
        std::thread::yield_now();
    }
    println!("its sensor saw {seen:?}");
    Ok(())
}

#[test]
fn the_gate_is_told_and_heard() {
    main().expect("a socket on this machine");
}
