//! A broker that the station runs itself, for plants that have none: the distribution's mosquitto, as a child.
//!
//! Why not a library: `docs/decisions/001-embedded-broker.md`. `configuration.rs` writes what it is told, `child.rs` runs
//! it: made anew when it ends, and ended with the station, however that ends. Nothing that a client does to it reaches
//! the inspection: it has its own memory, descriptors and priority.

mod child;
mod configuration;

use crate::UplinkError;
use crate::shared::Shared;
use child::Program;
use configuration::Listeners;
use sightline_configs::station::Mqtt;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Longest wait for it to listen, at start.
const START_WITHIN: Duration = Duration::from_secs(5);

/// A running broker. It ends when dropped.
pub struct EmbeddedBroker {
    address: SocketAddr,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
    /// Its configuration.
    _folder: tempfile::TempDir,
}

impl EmbeddedBroker {
    /// Listens on `mqtt.listen` (port 0 takes a free one), set up by `mqtt.embedded`, whose files start from `base`.
    ///
    /// # Errors
    /// mosquitto is not installed; an address is in use; it did not come up, with what it said.
    pub fn start(mqtt: &Mqtt, base: &Path) -> Result<Self, UplinkError> {
        Self::start_telling(mqtt, base, None)
    }

    /// The same, telling `shared` when it ends and comes back.
    pub(crate) fn start_telling(
        mqtt: &Mqtt,
        base: &Path,
        shared: Option<Arc<Shared>>,
    ) -> Result<Self, UplinkError> {
        let program = Program::find()?;
        let listeners = Listeners::of(mqtt)?;
        let folder = tempfile::Builder::new()
            .prefix("sightline-broker-")
            .tempdir()
            .map_err(|source| UplinkError::BrokerFolder { source })?;
        let file = folder.path().join("mosquitto.conf");
        let text = configuration::text(&mqtt.embedded, &listeners, base)?;
        std::fs::write(&file, text)
            .and_then(|()| open_to_read(folder.path()))
            .map_err(|source| UplinkError::BrokerFolder { source })?;
        let rights = [&mqtt.embedded.password_file, &mqtt.embedded.acl_file].into_iter();
        let stop = Arc::new(AtomicBool::new(false));
        let supervisor = child::Supervisor {
            program,
            file,
            stop: stop.clone(),
            shared,
            address: listeners.plain,
            keeps: mqtt.embedded.folder.is_some(),
            rights: rights.flatten().map(|file| base.join(file)).collect(),
        };
        // The child's end is tied to this thread's: it must live as long.
        let (up, is_up) = std::sync::mpsc::sync_channel(1);
        let name = "sl-broker";
        let thread = std::thread::Builder::new()
            .name(name.into())
            .spawn(move || {
                sightline_threads::deliver();
                supervisor.run(&up);
            })
            .map_err(|source| UplinkError::Thread { name, source })?;
        let broker = Self {
            address: listeners.reached(),
            stop,
            thread: Some(thread),
            _folder: folder,
        };
        match is_up.recv_timeout(2 * START_WITHIN) {
            Ok(Ok(())) => Ok(broker),
            Ok(Err(said)) => Err(UplinkError::Broker { said }),
            Err(_) => Err(UplinkError::Broker {
                said: "nothing".into(),
            }),
        }
    }

    /// Where clients on this machine connect.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What a check can find out without starting it: mosquitto is there, the addresses are free, the files can be read.
    ///
    /// # Errors
    /// As [`EmbeddedBroker::start`].
    pub fn check(mqtt: &Mqtt, base: &Path) -> Result<(), UplinkError> {
        Program::find()?;
        let listeners = Listeners::of(mqtt)?;
        configuration::text(&mqtt.embedded, &listeners, base).map(drop)
    }
}

impl Drop for EmbeddedBroker {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            if thread.join().is_err() {
                tracing::error!("the embedded broker's thread panicked");
            }
        }
    }
}

/// The broker may run as another user than the station. There is no secret in the folder.
fn open_to_read(folder: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o755))?;
    let file = folder.join("mosquitto.conf");
    std::fs::set_permissions(file, std::fs::Permissions::from_mode(0o644))
}

/// Waits until somebody listens on `address`, or `gone` says that nobody will.
fn wait_for(address: SocketAddr, mut gone: impl FnMut() -> bool) -> bool {
    let start = Instant::now();
    while start.elapsed() < START_WITHIN && !gone() {
        if std::net::TcpStream::connect_timeout(&address, Duration::from_millis(500)).is_ok() {
            // It may be somebody else who listens there.
            std::thread::sleep(Duration::from_millis(20));
            return !gone();
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    false
}

/// The loopback address where `listen` means every address.
fn local(listen: SocketAddr) -> SocketAddr {
    match listen {
        SocketAddr::V4(v4) if v4.ip().is_unspecified() => {
            SocketAddr::from((Ipv4Addr::LOCALHOST, v4.port()))
        }
        SocketAddr::V6(v6) if v6.ip().is_unspecified() => {
            SocketAddr::from((std::net::Ipv6Addr::LOCALHOST, v6.port()))
        }
        other => other,
    }
}

/// Whether `listen` is free now; for port 0, a free one.
fn free(listen: SocketAddr) -> Result<SocketAddr, UplinkError> {
    TcpListener::bind(listen)
        .and_then(|listener| listener.local_addr())
        .map_err(|source| UplinkError::Listen { listen, source })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_in_use_is_an_error_that_names_it() {
        let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = taken.local_addr().unwrap().to_string();
        let mqtt = Mqtt {
            listen: address.clone(),
            ..Mqtt::to("embedded")
        };
        let Err(error) = EmbeddedBroker::start(&mqtt, Path::new(".")) else {
            panic!("two listeners on {address}")
        };
        assert!(error.to_string().contains(&address), "{error}");
    }
}
