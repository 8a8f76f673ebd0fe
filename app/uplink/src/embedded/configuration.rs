//! What the broker is told: mosquitto's configuration, from ours.

use super::{free, local};
use crate::UplinkError;
use crate::mqtt::MAX_INCOMING;
use sightline_configs::station::{Embedded, Mqtt};
use std::fmt::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

/// Messages in flight to one client without its acknowledgement.
const IN_FLIGHT: u16 = 200;
/// What waits for one slow client, bytes, at most.
const QUEUED_BYTES: u64 = 64 << 20;
/// A client that was away for so long is forgotten with what waits for it.
const FORGET_AFTER: &str = "14d";
/// Seconds between writings of sessions and queues to the disk.
const WRITE_EVERY_S: u32 = 10;

/// Addresses, all of them free a moment ago.
#[derive(Clone, Copy, Debug)]
pub(super) struct Listeners {
    pub plain: SocketAddr,
    pub tls: Option<SocketAddr>,
    pub websockets: Option<SocketAddr>,
}

impl Listeners {
    pub(super) fn of(mqtt: &Mqtt) -> Result<Self, UplinkError> {
        let address = |field: &str, text: &String| {
            let wrong = |_| UplinkError::Address {
                found: format!("mqtt.{field} expected address:port, found `{text}`"),
            };
            text.parse().map_err(wrong).and_then(free)
        };
        let optional = |field, text: &Option<String>| {
            let text = text.as_ref();
            text.map(|text| address(field, text)).transpose()
        };
        let embedded = &mqtt.embedded;
        Ok(Self {
            plain: address("listen", &mqtt.listen)?,
            tls: optional("embedded.tls_listen", &embedded.tls_listen)?,
            websockets: optional("embedded.websockets_listen", &embedded.websockets_listen)?,
        })
    }

    /// Where the station itself connects.
    pub(super) fn reached(&self) -> SocketAddr {
        local(self.plain)
    }
}

/// The configuration file's text.
///
/// # Errors
/// A file that is named cannot be read, or has a name that cannot be written there.
pub(super) fn text(
    embedded: &Embedded,
    listeners: &Listeners,
    base: &Path,
) -> Result<String, UplinkError> {
    let file = |field, path: &Option<PathBuf>| {
        let path = path.as_ref();
        path.map(|path| readable(field, &base.join(path)))
            .transpose()
    };
    let memory = u64::from(embedded.memory_mb) << 20;
    let mut lines = vec![
        "log_dest stderr".to_string(),
        "log_timestamp false".into(),
        "log_type error".into(),
        "log_type warning".into(),
        "connection_messages false".into(),
        "sys_interval 0".into(),
        "set_tcp_nodelay true".into(),
        format!("max_inflight_messages {IN_FLIGHT}"),
        format!("max_queued_messages {}", embedded.max_queued),
        format!("max_queued_bytes {QUEUED_BYTES}"),
        format!("max_packet_size {}", MAX_INCOMING + 65_536),
        format!("memory_limit {memory}"),
        format!("persistent_client_expiration {FORGET_AFTER}"),
    ];
    lines.push(match embedded.password_file {
        Some(_) => "allow_anonymous false".into(),
        None => "allow_anonymous true".into(),
    });
    if let Some(path) = file("password_file", &embedded.password_file)? {
        lines.push(format!("password_file {path}"));
    }
    if let Some(path) = file("acl_file", &embedded.acl_file)? {
        lines.push(format!("acl_file {path}"));
    }
    match &embedded.folder {
        Some(folder) => {
            let folder = plain("folder", &base.join(folder))?;
            lines.push("persistence true".into());
            lines.push(format!("persistence_location {folder}/"));
            lines.push(format!("autosave_interval {WRITE_EVERY_S}"));
        }
        None => lines.push("persistence false".into()),
    }
    let most = embedded.max_connections;
    let listener =
        |at: SocketAddr| format!("listener {} {}\nmax_connections {most}", at.port(), at.ip());
    lines.push(listener(listeners.plain));
    if let Some(at) = listeners.tls {
        lines.push(listener(at));
        for (word, field, path) in [
            ("certfile", "cert_file", &embedded.cert_file),
            ("keyfile", "key_file", &embedded.key_file),
            ("cafile", "client_ca_file", &embedded.client_ca_file),
        ] {
            if let Some(path) = file(field, path)? {
                lines.push(format!("{word} {path}"));
            }
        }
        if embedded.client_ca_file.is_some() {
            lines.push("require_certificate true".into());
        }
    }
    if let Some(at) = listeners.websockets {
        lines.push(listener(at));
        lines.push("protocol websockets".into());
    }
    let mut text = String::new();
    for line in lines {
        // Writing into a string cannot fail.
        let _ = writeln!(text, "{line}");
    }
    Ok(text)
}

/// A path that can be opened, as the configuration says it.
fn readable(field: &'static str, path: &Path) -> Result<String, UplinkError> {
    std::fs::File::open(path).map_err(|source| UplinkError::BrokerFile {
        field,
        path: path.into(),
        source,
    })?;
    plain(field, path)
}

/// An absolute path without line ends, which mosquitto could not read back.
fn plain(field: &'static str, path: &Path) -> Result<String, UplinkError> {
    let wrong = |why: &str| UplinkError::BrokerFile {
        field,
        path: path.into(),
        source: std::io::Error::new(std::io::ErrorKind::InvalidInput, why.to_string()),
    };
    let path = std::path::absolute(path).map_err(|source| UplinkError::BrokerFile {
        field,
        path: path.into(),
        source,
    })?;
    let text = path.to_str().ok_or_else(|| wrong("not UTF-8"))?;
    if text.contains(['\n', '\r']) || text.trim() != text {
        return Err(wrong(
            "mosquitto cannot read a name with line ends or outer spaces",
        ));
    }
    Ok(text.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_that_are_not_there_are_told_with_their_field() {
        let listeners = Listeners {
            plain: SocketAddr::from(([127, 0, 0, 1], 1883)),
            tls: None,
            websockets: None,
        };
        let embedded = Embedded {
            acl_file: Some("nowhere.acl".into()),
            ..Embedded::default()
        };
        let error = text(&embedded, &listeners, Path::new("/etc")).unwrap_err();
        let said = error.to_string();
        assert!(
            said.contains("mqtt.embedded.acl_file") && said.contains("/etc/nowhere.acl"),
            "{said}"
        );
    }

    #[test]
    fn every_limit_is_said() {
        let listeners = Listeners {
            plain: SocketAddr::from(([127, 0, 0, 1], 1883)),
            tls: None,
            websockets: Some(SocketAddr::from(([0, 0, 0, 0], 9001))),
        };
        let said = text(&Embedded::default(), &listeners, Path::new("/")).unwrap();
        for line in [
            "listener 1883 127.0.0.1\nmax_connections 200\n",
            "listener 9001 0.0.0.0\nmax_connections 200\nprotocol websockets\n",
            "memory_limit 268435456\n",
            "max_queued_messages 10000\n",
            "persistence false\n",
        ] {
            assert!(said.contains(line), "{line} in {said}");
        }
    }
}
