//! A broker inside the station, for plants that have none.
//!
//! One port takes MQTT 3.1.1 and 5: the broker library wants a port for each, so a door reads the protocol level in
//! the first packet and passes the connection on. Limits: nothing is kept on disk, retained messages are lost with the
//! process, no TLS, no user names; a session that is resumed gets no retained messages again. For more, use mosquitto.

use crate::UplinkError;
use rumqttd::{Broker, Config, ConnectionSettings, RouterConfig, ServerSettings};
use std::collections::HashMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::time::{Duration, Instant};
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::sync::oneshot;

/// Longest wait for the broker's own ports at start.
const START_WITHIN: Duration = Duration::from_secs(3);
/// Longest wait for a client's first packet.
const HELLO_WITHIN: Duration = Duration::from_secs(5);
/// Largest payload taken, bytes.
const MAX_PAYLOAD: usize = 1 << 20;

/// A running broker. The door closes on drop; the library's own threads have no stop and end with the process.
pub struct EmbeddedBroker {
    address: SocketAddr,
    close: Option<oneshot::Sender<()>>,
}

impl EmbeddedBroker {
    /// Listens on `listen` (address:port; port 0 takes a free one).
    ///
    /// # Errors
    /// The port is in use, or the broker did not come up.
    pub fn start(listen: &str) -> Result<Self, UplinkError> {
        let listen: SocketAddr = listen.parse().map_err(|_| UplinkError::Address {
            found: format!("mqtt.listen expected address:port, found `{listen}`"),
        })?;
        let in_use = |source| UplinkError::Listen { listen, source };
        let door = TcpListener::bind(listen).map_err(in_use)?;
        door.set_nonblocking(true).map_err(in_use)?;
        let address = door.local_addr().map_err(in_use)?;
        let (v4, v5) = (free_port().map_err(in_use)?, free_port().map_err(in_use)?);
        let spawn = |name: &'static str, body: Box<dyn FnOnce() + Send>| {
            let thread = std::thread::Builder::new().name(name.into()).spawn(body);
            thread
                .map(drop)
                .map_err(|source| UplinkError::Thread { name, source })
        };
        let mut broker = Broker::new(config(v4, v5));
        spawn(
            "sl-broker",
            Box::new(move || {
                if let Err(error) = broker.start() {
                    tracing::error!(%error, "the embedded broker ended");
                }
            }),
        )?;
        wait_for(v4)?;
        wait_for(v5)?;
        let (close, closed) = oneshot::channel();
        spawn(
            "sl-broker-door",
            Box::new(move || keep_door(door, v4, v5, closed)),
        )?;
        Ok(Self {
            address,
            close: Some(close),
        })
    }

    /// Where clients connect.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for EmbeddedBroker {
    fn drop(&mut self) {
        self.close.take().map(|close| close.send(()));
    }
}

fn free_port() -> io::Result<SocketAddr> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()
}

fn wait_for(address: SocketAddr) -> Result<(), UplinkError> {
    let start = Instant::now();
    while std::net::TcpStream::connect(address).is_err() {
        if start.elapsed() > START_WITHIN {
            return Err(UplinkError::Broker {
                waited_ms: START_WITHIN.as_millis() as u64,
            });
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    Ok(())
}

fn config(v4: SocketAddr, v5: SocketAddr) -> Config {
    let server = |name: &str, listen| {
        let connections = ConnectionSettings {
            connection_timeout_ms: 5_000,
            max_payload_size: MAX_PAYLOAD,
            max_inflight_count: 200,
            auth: None,
            external_auth: None,
            dynamic_filters: true,
        };
        let settings = ServerSettings {
            name: name.into(),
            listen,
            tls: None,
            next_connection_delay_ms: 1,
            connections,
        };
        Some(HashMap::from([(name.to_string(), settings)]))
    };
    let router = RouterConfig {
        max_connections: 200,
        max_outgoing_packet_count: 200,
        max_segment_size: 8 << 20,
        max_segment_count: 4,
        ..RouterConfig::default()
    };
    Config {
        id: 0,
        router,
        v4: server("mqtt3", v4),
        v5: server("mqtt5", v5),
        ..Config::default()
    }
}

fn keep_door(door: TcpListener, v4: SocketAddr, v5: SocketAddr, mut closed: oneshot::Receiver<()>) {
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
    else {
        tracing::error!("the embedded broker has no runtime and takes no clients");
        return;
    };
    runtime.block_on(async {
        let Ok(door) = tokio::net::TcpListener::from_std(door) else {
            return;
        };
        loop {
            tokio::select! {
                _ = &mut closed => return,
                Ok((client, _)) = door.accept() => {
                    tokio::spawn(async move {
                        if let Err(error) = pass_on(client, v4, v5).await {
                            tracing::debug!(%error, "a client of the embedded broker left");
                        }
                    });
                }
            }
        }
    });
}

/// Reads the client's first packet as far as its protocol level, then connects it to the port for that level.
async fn pass_on(mut client: TcpStream, v4: SocketAddr, v5: SocketAddr) -> io::Result<()> {
    client.set_nodelay(true)?;
    let mut hello = Vec::with_capacity(64);
    let level = tokio::time::timeout(HELLO_WITHIN, async {
        loop {
            if let Some(level) = protocol_level(&hello)? {
                return Ok::<u8, io::Error>(level);
            }
            if client.read_buf(&mut hello).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    })
    .await??;
    let mut broker = TcpStream::connect(if level >= 5 { v5 } else { v4 }).await?;
    broker.set_nodelay(true)?;
    tokio::io::AsyncWriteExt::write_all(&mut broker, &hello).await?;
    tokio::io::copy_bidirectional(&mut client, &mut broker)
        .await
        .map(drop)
}

/// The protocol level of a CONNECT packet (MQTT 3.1.1 and 5.0, section 3.1), `None` while too little was read.
fn protocol_level(hello: &[u8]) -> io::Result<Option<u8>> {
    let wrong = || {
        io::Error::new(
            io::ErrorKind::InvalidData,
            "expected an MQTT CONNECT packet",
        )
    };
    if hello.first().is_some_and(|b| *b != 0x10) {
        return Err(wrong());
    }
    let rest = hello.get(1..).unwrap_or_default();
    let Some(length_bytes) = rest.iter().take(4).position(|b| b & 0x80 == 0) else {
        return if rest.len() >= 4 {
            Err(wrong())
        } else {
            Ok(None)
        };
    };
    let body = &rest[length_bytes + 1..];
    let [high, low, name @ ..] = body else {
        return Ok(None);
    };
    let name_length = usize::from(u16::from_be_bytes([*high, *low]));
    if name_length > 6 {
        return Err(wrong());
    }
    Ok(name.get(name_length).copied())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_protocol_level_is_read_from_the_first_bytes() {
        let v5 = b"\x10\x0d\x00\x04MQTT\x05\x02\x00\x3c";
        let v311 = b"\x10\x80\x01\x00\x04MQTT\x04\x02";
        assert_eq!(protocol_level(v5).unwrap(), Some(5));
        assert_eq!(protocol_level(v311).unwrap(), Some(4));
        for cut in 0..8 {
            assert_eq!(protocol_level(&v5[..cut]).unwrap(), None, "{cut}");
        }
        assert!(protocol_level(b"GET / HTTP/1.1").is_err());
        assert!(protocol_level(b"\x10\xff\xff\xff\xff\xff").is_err());
    }

    #[test]
    fn a_port_in_use_is_an_error_that_names_it() {
        let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = taken.local_addr().unwrap().to_string();
        let Err(error) = EmbeddedBroker::start(&address) else {
            panic!("two listeners on {address}")
        };
        assert!(error.to_string().contains(&address), "{error}");
    }
}
