//! What `check --probe` asks of the broker: it logs in, subscribes and publishes as the station would, and goes.
//!
//! With a client id of its own, so that a station at work stays connected, and so that nobody hears what it publishes.

use crate::client::Link;
use crate::mqtt::{Connection, Kind, Message, Refusal, Signal, Trouble, Version, rights};
use crate::settings::UplinkSettings;
use crate::{EmbeddedBroker, thread};
use sightline_configs::station::Protocol;
use std::time::Duration;

/// Longest wait for the broker, per step.
const WITHIN: Duration = Duration::from_secs(10);
const GOODBYE: Duration = Duration::from_millis(500);
/// What the station publishes to, below its root.
const TOPICS: [&str; 10] = [
    "result",
    "status",
    "state",
    "alarm/probe",
    "kpi",
    "recipe/active",
    "model/active",
    "audit",
    "review",
    "gap/probe",
];

/// Tries everything that the station needs of its broker, and says what is good.
///
/// # Errors
/// Everything that is not, each with what to do.
pub fn probe(settings: UplinkSettings) -> Result<String, Vec<String>> {
    if settings.mqtt.broker == "embedded" {
        EmbeddedBroker::check(&settings.mqtt, &settings.base).map_err(|e| vec![e.to_string()])?;
        let listen = &settings.mqtt.listen;
        return Ok(format!(
            "embedded: mosquitto is installed, {listen} is free"
        ));
    }
    let address = settings.mqtt.address();
    let (host, port) = address.map_err(|found| vec![format!("mqtt.broker: {found}")])?;
    let own = settings.mqtt.client_id.is_some();
    let link = thread::link(settings, host, port).map_err(|error| vec![error.to_string()])?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| vec![error.to_string()])?;
    runtime.block_on(through(link, own))
}

async fn through(mut link: Link, own_id: bool) -> Result<String, Vec<String>> {
    let id = link.dial.client_id.clone();
    link.dial.client_id = format!("{id}-probe");
    let mut logged_in = log_in(&link).await;
    if let Err(trouble) = &logged_in
        && trouble.kind == Kind::NotAuthorised
        && own_id
    {
        // Some brokers know their clients by their ids.
        link.dial.client_id = id;
        logged_in = log_in(&link).await;
    }
    let (connection, version) = logged_in.map_err(|trouble| vec![in_words(&link, &trouble)])?;
    let mut problems = subscriptions(&link, connection).await;
    let mut said = format!(
        "{}:{} lets this station in and takes its subscriptions",
        link.dial.host, link.dial.port
    );
    if version == Version::Three {
        said.push_str("; it speaks MQTT 3.1.1, which cannot say what may be published");
    } else {
        let mut topics: Vec<String> = TOPICS.iter().map(|t| link.topic(t)).collect();
        let face = link.sparkplug.as_ref();
        topics.extend(face.into_iter().flat_map(|face| face.topics()));
        let n = topics.len();
        match rights::missing(&link.dial, &topics) {
            Ok(missing) => problems.extend(missing.into_iter().map(|(topic, reason)| {
                format!(
                    "expected the broker to take {topic}: {reason}; give {} the right to write there",
                    link.who
                )
            })),
            Err(error) => problems.push(format!("the rights to publish: {error}")),
        }
        said.push_str(&format!(", and messages on all of its {n} topics"));
    }
    match problems.is_empty() {
        true => Ok(said),
        false => Err(problems),
    }
}

/// A standing connection, with the will that the station would leave.
async fn log_in(link: &Link) -> Result<(Connection, Version), Trouble> {
    let mut version = Version::first(link.protocol);
    loop {
        let will = link.status(crate::payload::StationState::Offline, link.since);
        match connect(link, version, will).await {
            Ok(connection) => return Ok((connection, version)),
            Err(trouble) if version == Version::Five => {
                let trouble = Connection::explain(&link.dial, trouble).await;
                if !version.falls_back(link.protocol, &trouble, false) {
                    return Err(trouble);
                }
                version = Version::Three;
            }
            Err(trouble) => return Err(trouble),
        }
    }
}

async fn connect(link: &Link, version: Version, will: Message) -> Result<Connection, Trouble> {
    let mut connection = Connection::open(&link.dial, version, will)?;
    match tokio::time::timeout(WITHIN, connection.signal()).await {
        Ok(Some(Signal::Connected(_))) => Ok(connection),
        Ok(Some(Signal::Ended(trouble))) => Err(trouble),
        Ok(_) => Err(Trouble::new(Kind::Away, "no CONNACK came")),
        Err(_) => Err(Trouble::new(
            Kind::Away,
            format!("no answer within {} s", WITHIN.as_secs()),
        )),
    }
}

/// Asks for every subscription of the station, and leaves. Those that the broker does not take.
async fn subscriptions(link: &Link, mut connection: Connection) -> Vec<String> {
    let mut filters: Vec<String> = ["cmd/+", "alarm/+", "gap/+"]
        .map(|f| link.topic(f))
        .to_vec();
    let face = link.sparkplug.as_ref();
    filters.extend(face.into_iter().flat_map(|face| face.filters()));
    let mut problems = Vec::new();
    for filter in filters {
        let why = match connection.subscribe(filter.clone()) {
            Ok(standing) => answer(&mut connection, standing).await,
            Err(refusal) => Err(refusal),
        };
        match why {
            Ok(()) => {}
            Err(Refusal::Said { reason, .. }) => problems.push(format!(
                "expected the broker to take the subscription {filter}: {reason}; give {} the right to read there",
                link.who
            )),
            Err(other) => {
                problems.push(format!(
                    "expected the broker to take the subscription {filter}: {other}; see its log"
                ));
                return problems;
            }
        }
    }
    connection.close(GOODBYE).await;
    problems
}

/// The answer to a subscription; what the broker sends meanwhile is passed over.
async fn answer(
    connection: &mut Connection,
    standing: crate::mqtt::Standing,
) -> Result<(), Refusal> {
    let mut standing = standing;
    let end = tokio::time::Instant::now() + WITHIN;
    loop {
        tokio::select! {
            answer = &mut standing => return answer,
            signal = connection.signal() => match signal {
                Some(Signal::Ended(_)) | None => return Err(Refusal::Gone),
                Some(_) => {}
            },
            () = tokio::time::sleep_until(end) => return Err(Refusal::Gone),
        }
    }
}

fn in_words(link: &Link, trouble: &Trouble) -> String {
    let (at, what) = (format!("{}:{}", link.dial.host, link.dial.port), trouble);
    match trouble.kind {
        Kind::Tls => format!("{at}: {what}"),
        Kind::NotAuthorised => format!(
            "{at}: expected the broker to let this station in: {what}; correct user name, password file or client id, or the broker's list"
        ),
        Kind::Version if link.protocol == Protocol::Five => {
            format!("{at}: {what}; write mqtt.protocol = \"auto\"")
        }
        Kind::Closed => format!(
            "{at}: {what}; see the broker's log; is it the port for mqtt:// or for mqtts://?"
        ),
        _ => format!("{at}: {what}; start the broker, or correct mqtt.broker"),
    }
}
