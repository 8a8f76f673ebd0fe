//! A network camera: its settings, which of its streams, and what its errors mean.

use crate::state::Reason;
use gstreamer::{self as gst, glib, prelude::*};
use sightline_configs::station::{Source, StreamChoice};
use std::{
    net::{IpAddr, SocketAddr, TcpStream, ToSocketAddrs},
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

/// How long the first attempt waits for an answer, so that a server that returns is found soon; each further attempt
/// waits twice as long.
const FIRST_ANSWER_MS: u64 = 2_500;
/// How long the search for an error's cause may wait for the server.
const LOOK: Duration = Duration::from_secs(1);

/// The streams that a server offered, for messages.
#[derive(Clone, Debug, Default)]
pub(super) struct Offered(Arc<Mutex<Vec<String>>>);

impl Offered {
    fn list(&self) -> std::sync::MutexGuard<'_, Vec<String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Longest wait for an answer at attempt number `attempt`, from 0, ms.
pub(super) fn answer_ms(attempt: u32, most_ms: u64) -> u64 {
    FIRST_ANSWER_MS
        .saturating_mul(1 << attempt.min(16))
        .min(most_ms)
}

/// Sets `rtspsrc` up. The certificate file is read now, so that a renewed one is taken with the next attempt.
pub(super) fn set_up(
    element: &gst::Element,
    source: &Source,
    base_dir: &Path,
    offered: &Offered,
) -> Result<(), Reason> {
    let Source::Rtsp {
        url,
        latency_ms,
        tcp,
        multicast,
        timeout_ms,
        stream,
        ca_file,
    } = source
    else {
        return Ok(());
    };
    element.set_property("location", url);
    element.set_property("latency", latency_ms);
    let protocols = match (tcp, multicast) {
        (true, _) => "tcp",
        (false, true) => "udp-mcast",
        (false, false) => "udp+udp-mcast+tcp",
    };
    element.set_property_from_str("protocols", protocols);
    set_timeout(element, *timeout_ms);
    element.set_property("drop-on-latency", true);
    if let Some(file) = ca_file {
        let path = base_dir.join(file);
        let authority = gio::TlsFileDatabase::new(&path).map_err(|e| {
            Reason::from(format!(
                "{}: expected certificates in PEM, found: {}",
                path.display(),
                e.message()
            ))
        })?;
        element.set_property("tls-database", authority.upcast::<gio::TlsDatabase>());
    }
    let (wanted, offered) = (stream.clone(), offered.clone());
    element.connect("select-stream", false, move |values| {
        Some(select(values, wanted.as_ref(), &offered).to_value())
    });
    Ok(())
}

pub(super) fn set_timeout(element: &gst::Element, ms: u64) {
    element.set_property("tcp-timeout", ms * 1_000);
    element.set_property("timeout", ms * 1_000);
}

/// Whether a stream that `rtspsrc` offers is the one; sound has nowhere to go, and two streams are one too many.
fn select(values: &[glib::Value], wanted: Option<&StreamChoice>, offered: &Offered) -> bool {
    let caps = values.get(2).and_then(|caps| caps.get::<gst::Caps>().ok());
    let structure = caps.as_ref().and_then(|caps| caps.structure(0));
    let of = |name: &str| structure.and_then(|s| s.get::<&str>(name).ok());
    if of("media").is_some_and(|media| media != "video") {
        return false;
    }
    let encoding = of("encoding-name").unwrap_or("unknown");
    let mut list = offered.list();
    let number = list.len();
    let same = |other: &str| encoding.eq_ignore_ascii_case(other);
    let chosen = match wanted {
        None => number == 0,
        Some(StreamChoice::Number(wanted)) => number as u32 == *wanted,
        Some(StreamChoice::Encoding(wanted)) => {
            same(wanted) && !list.iter().any(|other| other.eq_ignore_ascii_case(wanted))
        }
    };
    list.push(encoding.to_owned());
    chosen
}

/// Finds out what an error of a network camera means. Called where there is no stream, so it may look for itself.
#[derive(Clone, Debug)]
pub(super) struct Explain {
    source: Source,
    offered: Offered,
}

impl Explain {
    pub(super) fn new(source: &Source, offered: &Offered) -> Option<Self> {
        matches!(source, Source::Rtsp { .. }).then(|| Self {
            source: source.clone(),
            offered: offered.clone(),
        })
    }

    /// The same error with its cause, where it can be found.
    pub(super) fn explain(&self, said: Reason) -> Reason {
        let Source::Rtsp {
            url,
            stream,
            timeout_ms,
            ..
        } = &self.source
        else {
            return said;
        };
        let place = without_password(url);
        let is = |words: &[&str]| words.iter().any(|word| said.contains(word));
        let cause = if is(&["(401)", "Unauthorized"]) {
            format!(
                "{place}: expected to be let in, the server asks for another user or password (401); write rtsp://user:password@… as the camera's page says"
            )
        } else if is(&["(404)", "Not Found", "Not found"]) {
            format!(
                "{place}: the server knows no such path (404); look for the stream's address on the camera's page"
            )
        } else if is(&["not-linked", "no supported", "not-negotiated"]) {
            self.no_stream(&place, stream.as_ref())
        } else if is(&[
            "missing a plug-in",
            "missing plugin",
            "No decoder",
            "no suitable",
        ]) {
            let list = self.offered.list().join(", ");
            format!(
                "{place}: the stream ({list}) has no decoder here; install its GStreamer plugin, or choose another `stream` of the camera"
            )
        } else if is(&["Failed to connect", "Could not connect"]) {
            match look(url, &place) {
                Some(cause) => cause,
                None => return said,
            }
        } else if is(&[
            "Could not receive message",
            "Could not read",
            "imeout",
            "imed out",
        ]) {
            format!(
                "{place}: no answer in time (`timeout_ms` = {timeout_ms} at most); is it the right port, and is the camera busy with others?"
            )
        } else {
            return said;
        };
        format!("{cause} [{said}]").into()
    }

    fn no_stream(&self, place: &str, wanted: Option<&StreamChoice>) -> String {
        let list = self.offered.list();
        if list.is_empty() {
            return format!("{place}: expected video, found none among the server's streams");
        }
        let all: Vec<_> = list
            .iter()
            .enumerate()
            .map(|(n, e)| format!("{n}: {e}"))
            .collect();
        let wanted = match wanted {
            None => "its first video stream".to_owned(),
            Some(StreamChoice::Number(n)) => format!("video stream {n}"),
            Some(StreamChoice::Encoding(e)) => format!("a video stream {e}"),
        };
        format!(
            "{place}: expected {wanted} in an encoding that can be decoded here, found {}; set `stream`",
            all.join(", ")
        )
    }
}

/// Why nobody can be connected to: name, address, port, or what comes after.
fn look(url: &str, place: &str) -> Option<String> {
    let (scheme, rest) = url.split_once("://")?;
    let authority = rest.split(['/', '?']).next()?;
    let host = authority
        .rsplit_once('@')
        .map_or(authority, |(_, host)| host);
    let tls = scheme == "rtsps";
    let default = if tls { 322 } else { 554 };
    let (name, port) = match host.rsplit_once(':') {
        Some((name, port)) if !port.contains(']') => (name, port.parse().ok()?),
        _ => (host, default),
    };
    let name = name.trim_matches(['[', ']']);
    let address = match name.parse::<IpAddr>() {
        Ok(ip) => SocketAddr::new(ip, port),
        Err(_) => match (name, port)
            .to_socket_addrs()
            .ok()
            .and_then(|mut all| all.next())
        {
            Some(address) => address,
            None => {
                return Some(format!(
                    "{place}: the name `{name}` is not known; look at the address and at the DNS server"
                ));
            }
        },
    };
    Some(match TcpStream::connect_timeout(&address, LOOK) {
        Err(e) if e.kind() == std::io::ErrorKind::ConnectionRefused => {
            format!(
                "{place}: connection refused by {address}: nothing listens there; look at the port, and whether the camera has started"
            )
        }
        Err(e) => {
            format!("{place}: cannot connect to {address}: {e}; look at cable, address and power")
        }
        Ok(_) if tls => format!(
            "{place}: {address} listens, but TLS fails: its certificate is not signed by `ca_file` (or the system's authorities), is for another name or out of date, or it speaks no TLS"
        ),
        Ok(_) => format!("{place}: {address} listens, but does not answer as an RTSP server"),
    })
}

/// The address as it may be shown.
fn without_password(url: &str) -> String {
    match url.split_once("://") {
        Some((scheme, rest)) => {
            let end = rest.find('/').unwrap_or(rest.len());
            match rest[..end].rfind('@') {
                Some(at) => format!("{scheme}://…@{}", &rest[at + 1..]),
                None => url.to_owned(),
            }
        }
        None => url.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attempts_wait_longer_and_longer_up_to_what_is_set() {
        let waits = [0, 1, 2, 3, 40].map(|n| answer_ms(n, 10_000));
        assert_eq!(waits, [2_500, 5_000, 10_000, 10_000, 10_000]);
        assert_eq!(answer_ms(0, 800), 800);
    }

    #[test]
    fn passwords_are_not_shown() {
        let shown = without_password("rtsp://u:p@ss@10.0.0.5:554/a?b=c@d");
        assert_eq!(shown, "rtsp://…@10.0.0.5:554/a?b=c@d");
        assert_eq!(without_password("rtsp://cam/x@y"), "rtsp://cam/x@y");
    }

    #[test]
    fn the_cause_of_a_failed_connection_is_found() {
        let free = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = free.local_addr().unwrap().port();
        let listens = look(&format!("rtsps://u:p@127.0.0.1:{port}/x"), "P").unwrap();
        assert!(listens.contains("TLS"), "{listens}");
        drop(free);
        let refused = look(&format!("rtsp://127.0.0.1:{port}/x"), "P").unwrap();
        assert!(refused.contains("refused"), "{refused}");
        let unknown = look("rtsp://no-such-host.invalid/x", "P").unwrap();
        assert!(unknown.contains("no-such-host.invalid"), "{unknown}");
    }
}
