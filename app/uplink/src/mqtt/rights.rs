//! Where a client may publish, found out without anybody hearing it: a message of QoS 2 is answered with the broker's word
//! about the right, and what is never released is not passed on. MQTT 5 only: 3.1.1 has no word for no. And whether a
//! broker knows 5 at all, from the bytes of its answer, which the client's crate cannot read.

use super::{Dial, Login, MAX_INCOMING, TlsFiles};
use bytes::{Bytes, BytesMut};
use rumqttc::mqttbytes::v5::{
    Connect, ConnectAuth, ConnectReturnCode, Disconnect, DisconnectReasonCode, Packet,
    PubRecReason, Publish,
};
use rumqttc::mqttbytes::{Error as MqttError, QoS};
use std::io::{Error, ErrorKind, Read, Result, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

/// Longest wait for any answer.
const WITHIN: Duration = Duration::from_secs(5);
/// Messages that are not released on one connection: fewer than any broker takes.
const OPEN: u16 = 8;

/// The topics that the broker does not let this client publish to, with what it says.
///
/// # Errors
/// The broker could not be reached, or does not let this client in.
pub(crate) fn missing(dial: &Dial, topics: &[String]) -> Result<Vec<(String, String)>> {
    let mut missing = Vec::new();
    let mut connection: Option<Raw> = None;
    for topic in topics {
        let fresh = connection.is_none();
        let mut raw = match connection.take() {
            Some(raw) => raw,
            None => Raw::open(dial)?,
        };
        let mut answer = raw.may_publish(topic);
        if answer.is_err() && !fresh {
            // Its end may be about what was asked before.
            raw = Raw::open(dial)?;
            answer = raw.may_publish(topic);
        }
        match answer {
            Ok(None) if raw.open < OPEN => connection = Some(raw),
            Ok(None) => raw.close(),
            // Some brokers end the connection over a refusal, with the next packet.
            Ok(Some(reason)) => missing.push((topic.clone(), reason)),
            Err(error) => {
                let reason = format!("the broker ended the connection over it ({error})");
                missing.push((topic.clone(), reason));
            }
        }
    }
    if let Some(raw) = connection {
        raw.close();
    }
    Ok(missing)
}

/// Whether the broker answers as one of 3.1.1 does that does not know this version: CONNACK with return code 1.
///
/// # Errors
/// It could not be reached, or has not answered.
pub(crate) fn refuses_version_5(dial: &Dial) -> Result<bool> {
    let mut raw = Raw::connect(dial)?;
    raw.say_hello(dial)?;
    let mut answer = [0; 4];
    raw.stream.read_exact(&mut answer)?;
    Ok(matches!(answer, [0x20, 2, _, 1]))
}

trait Stream: Read + Write {}
impl<T: Read + Write> Stream for T {}

/// A connection on which nothing happens by itself.
struct Raw {
    stream: Box<dyn Stream>,
    read: BytesMut,
    open: u16,
}

impl Raw {
    fn open(dial: &Dial) -> Result<Self> {
        let mut raw = Self::connect(dial)?;
        raw.log_in(dial)?;
        Ok(raw)
    }

    fn connect(dial: &Dial) -> Result<Self> {
        let mut last = Error::new(ErrorKind::NotFound, "the host has no address");
        let mut connected = None;
        for address in (dial.host.as_str(), dial.port).to_socket_addrs()? {
            match TcpStream::connect_timeout(&address, WITHIN) {
                Ok(stream) => {
                    connected = Some(stream);
                    break;
                }
                Err(error) => last = error,
            }
        }
        let stream = connected.ok_or(last)?;
        stream.set_read_timeout(Some(WITHIN))?;
        stream.set_write_timeout(Some(WITHIN))?;
        Ok(Self {
            stream: secured(dial, stream)?,
            read: BytesMut::new(),
            open: 0,
        })
    }

    fn say_hello(&mut self, dial: &Dial) -> Result<()> {
        let connect = Connect {
            keep_alive: 30,
            client_id: dial.client_id.clone(),
            clean_start: true,
            properties: None,
        };
        self.write(Packet::Connect(connect, None, login(dial.login.as_ref())?))
    }

    fn log_in(&mut self, dial: &Dial) -> Result<()> {
        self.say_hello(dial)?;
        match self.packet()? {
            Packet::ConnAck(ack) if ack.code == ConnectReturnCode::Success => Ok(()),
            other => Err(Error::new(
                ErrorKind::PermissionDenied,
                format!("expected CONNACK with success, found {other:?}"),
            )),
        }
    }

    /// `None`: it may; else what the broker says.
    fn may_publish(&mut self, topic: &str) -> Result<Option<String>> {
        self.open += 1;
        let mut publish = Publish::new(topic, QoS::ExactlyOnce, Bytes::new(), None);
        publish.pkid = self.open;
        self.write(Packet::Publish(publish))?;
        loop {
            match self.packet()? {
                Packet::PubRec(answer) if answer.pkid == self.open => {
                    use PubRecReason::{NoMatchingSubscribers, Success};
                    return Ok(match answer.reason {
                        Success | NoMatchingSubscribers => None,
                        reason => Some(format!("the broker says {reason:?}")),
                    });
                }
                Packet::Disconnect(why) => {
                    let why = format!("{:?}", why.reason_code);
                    return Err(Error::new(ErrorKind::ConnectionAborted, why));
                }
                _ => {}
            }
        }
    }

    /// What was not released is forgotten with the session, which ends here.
    fn close(mut self) {
        let goodbye = Disconnect::new(DisconnectReasonCode::NormalDisconnection);
        if let Err(error) = self.write(Packet::Disconnect(goodbye)) {
            tracing::debug!(%error, "no goodbye to the broker");
        }
    }

    fn write(&mut self, packet: Packet) -> Result<()> {
        let mut bytes = BytesMut::new();
        packet.write(&mut bytes, None).map_err(Error::other)?;
        self.stream.write_all(&bytes)?;
        self.stream.flush()
    }

    fn packet(&mut self) -> Result<Packet> {
        loop {
            match Packet::read(&mut self.read, Some(MAX_INCOMING)) {
                Ok(packet) => return Ok(packet),
                Err(MqttError::InsufficientBytes(_)) => {}
                Err(error) => return Err(Error::new(ErrorKind::InvalidData, error.to_string())),
            }
            let mut part = [0; 4_096];
            match self.stream.read(&mut part)? {
                0 => return Err(ErrorKind::UnexpectedEof.into()),
                n => self.read.extend_from_slice(&part[..n]),
            }
        }
    }
}

fn login(login: Option<&Login>) -> Result<ConnectAuth> {
    let Some(login) = login else {
        return Ok(ConnectAuth::None);
    };
    let username = login.username.clone();
    Ok(match login.password().map_err(Error::other)? {
        Some(password) => ConnectAuth::UsernamePassword {
            username,
            password: password.into(),
        },
        None => ConnectAuth::Username { username },
    })
}

fn secured(dial: &Dial, stream: TcpStream) -> Result<Box<dyn Stream>> {
    let Some(files) = &dial.tls else {
        return Ok(Box::new(stream));
    };
    let config = TlsFiles::read(files).map_err(Error::other)?;
    let name = rustls::pki_types::ServerName::try_from(dial.host.clone()).map_err(Error::other)?;
    let connection = rustls::ClientConnection::new(config, name).map_err(Error::other)?;
    Ok(Box::new(rustls::StreamOwned::new(connection, stream)))
}
