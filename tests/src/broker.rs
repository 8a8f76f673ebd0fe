//! mosquitto and its subscriber.

use crate::process::Killed;
use crate::{PATIENCE, until};
use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, sync_channel};

/// Starts mosquitto on `port`; returns once it listens.
pub fn mosquitto(port: u16, folder: &Path) -> Killed {
    broker_with(port, folder, "")
}

/// The same with more lines in its configuration.
pub fn broker_with(port: u16, folder: &Path, more: &str) -> Killed {
    let config = folder.join("mosquitto.conf");
    std::fs::write(
        &config,
        format!("listener {port} 127.0.0.1\nallow_anonymous true\n{more}"),
    )
    .expect("its configuration");
    // Debian puts the broker where a user's PATH may not look.
    let program = ["/usr/sbin/mosquitto", "/usr/local/sbin/mosquitto"]
        .into_iter()
        .find(|p| Path::new(p).exists());
    let mut command = Command::new(program.unwrap_or("mosquitto"));
    let child = command
        .arg("-c")
        .arg(config)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    let child = Killed(child.expect("mosquitto is installed by `make setup`"));
    until("mosquitto listens", || {
        TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok()
    });
    child
}

/// Topic and payload of each message.
pub type Messages = Receiver<(String, String)>;

/// Starts `mosquitto_sub`; returns once its subscription stands. `version` is `mqttv5` or `mqttv311`.
pub fn subscribe(port: u16, topic: &str, version: &str) -> (Killed, Messages) {
    // Line by line: into a pipe it would keep what it prints to itself.
    let mut child = Command::new("stdbuf")
        .args([
            "-oL",
            "mosquitto_sub",
            "-h",
            "127.0.0.1",
            "-p",
            &port.to_string(),
            "-V",
            version,
        ])
        .args(["-q", "1", "-d", "-F", "MESSAGE %t %p", "-t", topic])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("mosquitto_sub is installed by `make setup`");
    let lines = BufReader::new(child.stdout.take().expect("piped")).lines();
    let child = Killed(child);
    let (tell, hear) = sync_channel(100_000);
    let (ready, standing) = sync_channel(16);
    std::thread::spawn(move || {
        for line in lines.map_while(Result::ok) {
            if let Some(message) = line.strip_prefix("MESSAGE ") {
                let (topic, payload) = message.split_once(' ').unwrap_or((message, ""));
                if tell.send((topic.to_string(), payload.to_string())).is_err() {
                    return;
                }
            } else if line.contains("received SUBACK") {
                // A second subscription acknowledgement tells nothing new.
                let _ = ready.try_send(());
            }
        }
    });
    standing
        .recv_timeout(PATIENCE)
        .expect("the subscription stands");
    (child, hear)
}
