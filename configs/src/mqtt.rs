//! How the station speaks with the factory: broker, certificates, commands, Sparkplug, and the store that commands
//! change.

use crate::check::Report;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// Where results go.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Mqtt {
    /// `mqtt://host:port`, `mqtts://host:port` for TLS, or `embedded` for a broker that the station runs itself.
    pub broker: String,
    /// Address the embedded broker listens on.
    #[serde(default = "default_listen")]
    pub listen: String,
    /// Client id; absent: one of its own, from all topic levels and the machine's id.
    #[serde(default)]
    pub client_id: Option<String>,
    /// User name.
    #[serde(default)]
    pub username: Option<String>,
    /// File that holds the password.
    #[serde(default)]
    pub password_file: Option<PathBuf>,
    /// Without `[journal]`: results in memory that may wait for the broker; then an alarm, and results are lost to it.
    #[serde(default = "default_outbox")]
    pub outbox: usize,
    /// Publishes in flight at once.
    #[serde(default = "default_window")]
    pub window: u16,
    /// Seconds between `kpi` messages.
    #[serde(default = "default_kpi_s")]
    pub kpi_s: f64,
    /// Commands that are taken from `cmd/{verb}`; who may publish there is the broker's affair.
    #[serde(default = "default_commands")]
    pub commands: Vec<Verb>,
    /// The protocol's version.
    #[serde(default)]
    pub protocol: Protocol,
    /// Certificates, for `mqtts://`.
    #[serde(default)]
    pub tls: Option<Tls>,
    /// The embedded broker, for `embedded`.
    #[serde(default)]
    pub embedded: Embedded,
}

/// The protocol's version.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Protocol {
    /// 5; 3.1.1 where the broker answers that it does not know 5.
    #[default]
    #[serde(rename = "auto")]
    Auto,
    /// 5 alone.
    #[serde(rename = "5")]
    Five,
    /// 3.1.1 alone: the broker cannot say what it does not take.
    #[serde(rename = "3.1.1")]
    Three,
}

/// The broker that the station runs itself: the distribution's mosquitto. Files are relative to this file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Embedded {
    /// Users, a file of `mosquitto_passwd`; the station itself logs in as `mqtt.username`. Absent: everybody is let in.
    #[serde(default)]
    pub password_file: Option<PathBuf>,
    /// Rights, an `acl_file` of mosquitto. Absent: everybody has all.
    #[serde(default)]
    pub acl_file: Option<PathBuf>,
    /// A second address, with TLS.
    #[serde(default)]
    pub tls_listen: Option<String>,
    /// The broker's certificate (with its chain), PEM.
    #[serde(default)]
    pub cert_file: Option<PathBuf>,
    /// Its private key, PEM.
    #[serde(default)]
    pub key_file: Option<PathBuf>,
    /// Certificates that sign the clients', PEM; absent: clients need none.
    #[serde(default)]
    pub client_ca_file: Option<PathBuf>,
    /// An address for browsers, by WebSocket, where this mosquitto has that.
    #[serde(default)]
    pub websockets_listen: Option<String>,
    /// Folder for sessions, queues and retained messages; absent: they end with the process.
    #[serde(default)]
    pub folder: Option<PathBuf>,
    /// Clients at once, on each address.
    #[serde(default = "default_connections")]
    pub max_connections: u16,
    /// Messages that wait for one client that is slow or away; then it loses what follows.
    #[serde(default = "default_queued")]
    pub max_queued: u32,
    /// Memory for clients, queues and retained messages, MB; then nothing more is taken.
    #[serde(default = "default_memory_mb")]
    pub memory_mb: u32,
}

impl Default for Embedded {
    fn default() -> Self {
        Self {
            password_file: None,
            acl_file: None,
            tls_listen: None,
            cert_file: None,
            key_file: None,
            client_ca_file: None,
            websockets_listen: None,
            folder: None,
            max_connections: default_connections(),
            max_queued: default_queued(),
            memory_mb: default_memory_mb(),
        }
    }
}

fn default_connections() -> u16 {
    200
}
fn default_queued() -> u32 {
    10_000
}
fn default_memory_mb() -> u32 {
    256
}

/// Certificates for a connection with TLS 1.3. Renewed files are taken without a restart.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Tls {
    /// Certificates of the authority that signed the broker's, PEM.
    pub ca_file: PathBuf,
    /// The station's own certificate (with its chain), PEM; absent: the broker asks for none.
    #[serde(default)]
    pub cert_file: Option<PathBuf>,
    /// Its private key, PEM.
    #[serde(default)]
    pub key_file: Option<PathBuf>,
}

/// A command from outside.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Verb {
    /// Opens a part, where `trigger.kind = "command"`.
    Trigger,
    /// Lets another recipe take over.
    PrepareRecipe,
    /// Begins to take parts.
    Start,
    /// Ends taking parts.
    Stop,
    /// A person has seen an alarm.
    AckAlarm,
    /// Brings a bundle from the inbox into the store.
    InstallModel,
    /// Lets an installed bundle look.
    ActivateModel,
    /// Goes back to the bundle before.
    RollbackModel,
    /// Sends stored results again.
    Resend,
    /// The MES takes note of numbers whose results will not come.
    Skip,
    /// Announces that the next part is a challenge part.
    Challenge,
}

impl Verb {
    /// Every verb, in the order of the documentation.
    pub const ALL: [Self; 11] = [
        Self::Trigger,
        Self::PrepareRecipe,
        Self::Start,
        Self::Stop,
        Self::AckAlarm,
        Self::InstallModel,
        Self::ActivateModel,
        Self::RollbackModel,
        Self::Resend,
        Self::Skip,
        Self::Challenge,
    ];

    /// Its name, the last level of its topic.
    pub fn name(self) -> &'static str {
        match self {
            Self::Trigger => "trigger",
            Self::PrepareRecipe => "prepare_recipe",
            Self::Start => "start",
            Self::Stop => "stop",
            Self::AckAlarm => "ack_alarm",
            Self::InstallModel => "install_model",
            Self::ActivateModel => "activate_model",
            Self::RollbackModel => "rollback_model",
            Self::Resend => "resend",
            Self::Skip => "skip",
            Self::Challenge => "challenge",
        }
    }
}

/// The same events as Sparkplug B 3.0: the box is an edge node, the station its device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Sparkplug {
    /// The group, a topic level.
    pub group: String,
    /// The edge node, a topic level; absent: the station's cell.
    #[serde(default)]
    pub node: Option<String>,
    /// The host application whose presence is waited for; absent: none, births go out at once.
    #[serde(default)]
    pub primary_host: Option<String>,
    /// Metrics carry a number instead of their name after the birth.
    #[serde(default)]
    pub aliases: bool,
    /// Results kept in memory while the host is away; then the oldest go, counted and with an alarm.
    #[serde(default = "default_buffer")]
    pub buffer: usize,
}

fn default_buffer() -> usize {
    10_000
}

impl Mqtt {
    /// Host and port of an outside broker.
    ///
    /// # Errors
    /// What was expected and found, when `broker` is neither `mqtt://host[:port]` nor `mqtts://host[:port]`.
    pub fn address(&self) -> Result<(String, u16), String> {
        let wrong = || {
            format!(
                "expected `embedded`, mqtt://host[:port] or mqtts://host[:port], found `{}`",
                self.broker
            )
        };
        let (rest, usual) = match self.broker.strip_prefix("mqtts://") {
            Some(rest) => (rest, 8883),
            None => (self.broker.strip_prefix("mqtt://").ok_or_else(wrong)?, 1883),
        };
        // A bracketed IPv6 address holds colons of its own.
        let (host, port) = match rest.rsplit_once(':') {
            Some((host, port)) if !port.contains(']') => (host, port.parse().map_err(|_| wrong())?),
            _ => (rest, usual),
        };
        let host = host.trim_start_matches('[').trim_end_matches(']');
        if host.is_empty() || host.contains(['/', '@', ' ']) {
            Err(wrong())
        } else {
            Ok((host.to_string(), port))
        }
    }

    /// Whether the connection is encrypted.
    pub fn is_tls(&self) -> bool {
        self.broker.starts_with("mqtts://")
    }
}

impl Mqtt {
    /// The broker at an address and every other field at its default, to be changed by struct update.
    pub fn to(broker: &str) -> Self {
        Self {
            broker: broker.into(),
            listen: default_listen(),
            client_id: None,
            username: None,
            password_file: None,
            outbox: default_outbox(),
            window: default_window(),
            kpi_s: default_kpi_s(),
            commands: default_commands(),
            protocol: Protocol::default(),
            tls: None,
            embedded: Embedded::default(),
        }
    }
}

fn default_commands() -> Vec<Verb> {
    vec![Verb::Trigger]
}

fn default_listen() -> String {
    "127.0.0.1:1883".into()
}
fn default_outbox() -> usize {
    100_000
}
fn default_window() -> u16 {
    64
}
fn default_kpi_s() -> f64 {
    5.0
}

pub(crate) fn check(r: &mut Report<'_>, mqtt: &Mqtt) {
    if mqtt.broker == "embedded" {
        check_embedded(r, mqtt);
    } else if let Err(why) = mqtt.address() {
        r.add("mqtt.broker", why);
    }
    r.within("mqtt.window", mqtt.window, 1..=10_000, "publishes");
    r.within("mqtt.outbox", mqtt.outbox, 1..=10_000_000, "results");
    r.within("mqtt.kpi_s", mqtt.kpi_s, 0.1..=86_400.0, "s");
    r.require(
        mqtt.password_file.is_none() || mqtt.username.is_some(),
        "mqtt.password_file",
        || "a password without a user name; write mqtt.username".into(),
    );
    let tls = mqtt.tls.as_ref();
    r.require(mqtt.is_tls() == tls.is_some(), "mqtt.tls", || {
        "expected [mqtt.tls] with mqtts://, and only there: certificates are of no use without encryption".into()
    });
    r.require(
        tls.is_none_or(|t| t.cert_file.is_some() == t.key_file.is_some()),
        "mqtt.tls.cert_file",
        || "a certificate and its key go together; write both cert_file and key_file".into(),
    );
    r.require(
        mqtt.broker == "embedded" || mqtt.embedded == Embedded::default(),
        "mqtt.embedded",
        || format!("expected mqtt.broker = \"embedded\", found `{}`: [mqtt.embedded] is about the station's own broker", mqtt.broker),
    );
}

fn check_embedded(r: &mut Report<'_>, mqtt: &Mqtt) {
    let e = &mqtt.embedded;
    let listeners = [
        ("mqtt.listen", Some(&mqtt.listen)),
        ("mqtt.embedded.tls_listen", e.tls_listen.as_ref()),
        (
            "mqtt.embedded.websockets_listen",
            e.websockets_listen.as_ref(),
        ),
    ];
    for (field, listen) in listeners {
        let Some(listen) = listen else { continue };
        r.require(
            listen.parse::<std::net::SocketAddr>().is_ok(),
            field,
            || format!("expected address:port, for example 127.0.0.1:1883, found `{listen}`"),
        );
    }
    let tls = e.tls_listen.is_some();
    let files = e.cert_file.is_some() && e.key_file.is_some();
    let any = e.cert_file.is_some() || e.key_file.is_some() || e.client_ca_file.is_some();
    r.require(
        if tls { files } else { !any },
        "mqtt.embedded.tls_listen",
        || "tls_listen, cert_file and key_file go together; write all three, or none".into(),
    );
    r.require(
        e.password_file.is_none() || mqtt.username.is_some(),
        "mqtt.embedded.password_file",
        || {
            "the station logs in at its own broker, too; write mqtt.username and mqtt.password_file"
                .into()
        },
    );
    r.require(
        (8..=10_000).contains(&e.max_connections),
        "mqtt.embedded.max_connections",
        || format!("expected 8 to 10000, found {}", e.max_connections),
    );
    r.require(
        (100..=10_000_000).contains(&e.max_queued),
        "mqtt.embedded.max_queued",
        || format!("expected 100 to 10000000, found {}", e.max_queued),
    );
    r.require(
        (16..=4_096).contains(&e.memory_mb),
        "mqtt.embedded.memory_mb",
        || format!("expected 16 to 4096, found {}", e.memory_mb),
    );
}
