//! A broker that does what a test says, packet by packet: to acknowledge twice, out of order, never, or with errors.
//! Just enough of MQTT 3.1.1 and 5 for that.

use crate::PATIENCE;
use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

/// No packet came in the time given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NothingCame;

/// A packet from the client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Packet {
    /// Protocol level 4 or 5.
    Connect(u8),
    /// Topic, packet id (0 for QoS 0), payload.
    Publish(String, u16, Vec<u8>),
    /// Packet id.
    Subscribe(u16),
    /// A keep-alive.
    Ping,
    /// The end of the connection.
    Disconnect,
    /// Any other packet, by its type.
    Other(u8),
}

/// Listens, and lets one client at a time in.
pub struct Scripted(TcpListener);

impl Scripted {
    /// On a free port.
    pub fn start() -> (Self, u16) {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        let port = listener.local_addr().expect("its address").port();
        (Self(listener), port)
    }

    /// The next client and its CONNECT's protocol level.
    pub fn accept(&self) -> (Peer, u8) {
        let (stream, _) = self.0.accept().expect("a client");
        stream.set_nodelay(true).expect("nodelay");
        let mut peer = Peer { stream, level: 5 };
        match peer.packet() {
            Some(Packet::Connect(level)) => {
                peer.level = level;
                (peer, level)
            }
            other => panic!("expected CONNECT, found {other:?}"),
        }
    }
}

impl Scripted {
    /// Answers each CONNECT of MQTT 5 as a 3.1.1 broker does (unacceptable protocol version, without properties) until one
    /// of 3.1.1 comes.
    pub fn refuse_five(&self) -> Peer {
        for _ in 0..4 {
            match self.accept() {
                (peer, 4) => return peer,
                (mut peer, _) => peer.connack_3(1),
            }
        }
        panic!("expected CONNECT of MQTT 3.1.1");
    }
}

/// One connection, seen from the broker.
pub struct Peer {
    stream: TcpStream,
    level: u8,
}

impl Peer {
    /// Answers CONNECT; `properties` are MQTT 5's, raw.
    pub fn connack(&mut self, code: u8, properties: &[u8]) {
        let mut body = vec![0, code];
        if self.level == 5 {
            body.push(properties.len() as u8);
            body.extend(properties);
        }
        self.write(0x20, &body);
    }

    /// Answers CONNECT as a broker of 3.1.1 does, whatever was asked for.
    pub fn connack_3(&mut self, code: u8) {
        self.write(0x20, &[0, code]);
    }

    /// Acknowledges a publish; the reason is MQTT 5's.
    pub fn puback(&mut self, id: u16, reason: u8) {
        let [high, low] = id.to_be_bytes();
        match self.level {
            5 => self.write(0x40, &[high, low, reason, 0]),
            _ => self.write(0x40, &[high, low]),
        }
    }

    /// Answers a subscription; the code is MQTT 5's.
    pub fn suback(&mut self, id: u16, code: u8) {
        let [high, low] = id.to_be_bytes();
        match self.level {
            5 => self.write(0x90, &[high, low, 0, code]),
            _ => self.write(0x90, &[high, low, code]),
        }
    }

    /// Ends the connection with a reason (MQTT 5).
    pub fn disconnect(mut self, reason: u8) {
        self.write(0xe0, &[reason, 0]);
    }

    /// Passes a command without a body on to the client (MQTT 5, QoS 0): `expires_s` are left of its time, the answer is
    /// wanted at `answer`.
    pub fn command(&mut self, topic: &str, expires_s: u32, answer: &str) {
        let text = |t: &str| [&(t.len() as u16).to_be_bytes(), t.as_bytes()].concat();
        let expiry = [&[0x02], &expires_s.to_be_bytes()[..]].concat();
        let properties = [&expiry[..], &[0x08], &text(answer)].concat();
        let body = [&text(topic)[..], &[properties.len() as u8], &properties].concat();
        self.write(0x30, &body);
    }

    fn write(&mut self, first: u8, body: &[u8]) {
        let packet = [&[first, body.len() as u8][..], body].concat();
        // The client may have left; what follows tells.
        let _ = self.stream.write_all(&packet);
    }

    /// The next packet; `None` when the client has gone.
    pub fn packet(&mut self) -> Option<Packet> {
        self.packet_within(PATIENCE).expect("a packet in time")
    }

    /// The next packet; the error is that none came in time.
    pub fn packet_within(&mut self, time: Duration) -> Result<Option<Packet>, NothingCame> {
        self.stream.set_read_timeout(Some(time)).expect("a timeout");
        let mut first = [0];
        match self.stream.read(&mut first) {
            Ok(0) => return Ok(None),
            Ok(_) => {}
            Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                return Err(NothingCame);
            }
            Err(_) => return Ok(None),
        }
        Ok(self.rest(first[0]))
    }

    fn rest(&mut self, first: u8) -> Option<Packet> {
        self.stream
            .set_read_timeout(Some(PATIENCE))
            .expect("a timeout");
        let (mut length, mut shift) = (0_usize, 0);
        loop {
            let mut byte = [0];
            self.stream.read_exact(&mut byte).ok()?;
            length |= usize::from(byte[0] & 0x7f) << shift;
            shift += 7;
            if byte[0] & 0x80 == 0 {
                break;
            }
        }
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body).ok()?;
        Some(self.parse(first, &body))
    }

    fn parse(&self, first: u8, body: &[u8]) -> Packet {
        let number = |at: usize| u16::from_be_bytes([body[at], body[at + 1]]);
        match first >> 4 {
            1 => Packet::Connect(body[2 + usize::from(number(0))]),
            3 => {
                let mut at = 2 + usize::from(number(0));
                let topic = String::from_utf8(body[2..at].to_vec()).expect("a topic");
                let mut id = 0;
                if first & 0x06 != 0 {
                    id = number(at);
                    at += 2;
                }
                if self.level == 5 {
                    at += 1 + usize::from(body[at]);
                }
                Packet::Publish(topic, id, body[at..].to_vec())
            }
            8 => Packet::Subscribe(number(0)),
            12 => Packet::Ping,
            14 => Packet::Disconnect,
            other => Packet::Other(other),
        }
    }

    /// Publishes to `/result` until there are `count`, everything else acknowledged meanwhile: packet id and payload.
    pub fn results(&mut self, count: usize) -> Vec<(u16, String)> {
        let mut results = Vec::new();
        while results.len() < count {
            let packet = self.packet().expect("the client stays");
            results.extend(self.pass(packet));
        }
        results
    }

    /// Acknowledges what is no result, and gives a result back.
    pub fn pass(&mut self, packet: Packet) -> Option<(u16, String)> {
        match packet {
            Packet::Publish(topic, id, payload) if topic.ends_with("/result") => {
                return Some((id, String::from_utf8(payload).expect("JSON")));
            }
            Packet::Publish(_, id @ 1.., _) => self.puback(id, 0),
            Packet::Subscribe(id) => self.suback(id, 1),
            Packet::Ping => self.write(0xd0, &[]),
            _ => {}
        }
        None
    }

    /// Serves until `done`, acknowledging everything; returns the results that came.
    pub fn serve(&mut self, done: impl Fn() -> bool) -> Vec<String> {
        let start = Instant::now();
        let mut results = Vec::new();
        while !done() {
            assert!(start.elapsed() < PATIENCE, "{results:?}");
            match self.packet_within(Duration::from_millis(20)) {
                Ok(Some(packet)) => {
                    if let Some((id, json)) = self.pass(packet) {
                        self.puback(id, 0);
                        results.push(json);
                    }
                }
                Ok(None) => break,
                Err(NothingCame) => {}
            }
        }
        results
    }
}
