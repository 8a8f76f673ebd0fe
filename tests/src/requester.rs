//! A MES that sends commands, by `mosquitto_rr`: MQTT 5 with response topic and correlation data.

use serde_json::Value;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::process::Command;

/// The demo station's topics.
pub const ROOT: &str = "sightline/demo/assembly/line1/demo/vision/station1";

/// How a command is sent.
#[derive(Clone, Copy, Default)]
pub struct Manner<'a> {
    /// Correlation data.
    pub id: Option<&'a str>,
    /// Message expiry, seconds.
    pub expires_s: Option<u32>,
    /// The first answer is wanted, also when it says that the command goes on.
    pub progress: bool,
}

/// Sends `cmd/{verb}` and returns the answer; `None`: none came.
pub fn ask(port: u16, verb: &str, payload: &[u8], manner: Manner<'_>) -> Option<Value> {
    let mut command = Command::new("mosquitto_rr");
    command
        .args([
            "-V",
            "mqttv5",
            "-h",
            "127.0.0.1",
            "-p",
            &port.to_string(),
            "-q",
            "1",
            "-W",
            "60",
        ])
        .args([
            "-t",
            &format!("{ROOT}/cmd/{verb}"),
            "-e",
            &format!("mes/answers/{verb}"),
        ]);
    // `mosquitto_rr` takes one answer: the last one, then.
    let quiet: Vec<u8>;
    let payload = match payload.strip_prefix(b"{\"") {
        Some(rest) if !manner.progress => {
            quiet = [b"{\"progress\":false,\"", rest].concat();
            &quiet
        }
        _ => payload,
    };
    // As an argument: `-f` and `-s` of version 2.0.11 send nothing.
    match payload {
        [] => command.arg("-n"),
        bytes => command.arg("-m").arg(OsStr::from_bytes(bytes)),
    };
    if let Some(id) = manner.id {
        command.args(["-D", "publish", "correlation-data", id]);
    }
    if let Some(s) = manner.expires_s {
        command.args(["-D", "publish", "message-expiry-interval", &s.to_string()]);
    }
    let output = command
        .output()
        .expect("mosquitto_rr is installed by `make setup`");
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    let line = text.lines().next()?;
    Some(serde_json::from_str(line).unwrap_or_else(|e| panic!("not JSON ({e}): {text}")))
}
