//! The client's loop: one thread, one connection, a window of results in flight. Only this file names the client.

use crate::UplinkError;
use crate::payload::{StationState, Status};
use crate::uplink::{CommandHandler, Shared, UplinkSettings};
use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::stream::{FuturesUnordered, StreamExt};
use rumqttc::mqttbytes::QoS;
use rumqttc::mqttbytes::v5::{ConnectReturnCode, LastWill, Packet, Publish, PublishProperties};
use rumqttc::{
    AsyncClient, Event, EventLoop, MqttOptions, NetworkOptions, PublishNoticeError, PublishOptions,
};
use sightline_model::{AlarmSeverity, Clock, UtcMicros};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;

/// Waits between attempts to connect double from here ...
const FIRST_WAIT: Duration = Duration::from_millis(200);
/// ... to here.
const LONGEST_WAIT: Duration = Duration::from_secs(5);
/// Largest packet taken from the broker, bytes.
const MAX_INCOMING: u32 = 1 << 20;

/// A connection's settings, made before the thread starts so that mistakes are reported at start.
pub(crate) struct Link {
    options: MqttOptions,
    root: String,
    session: String,
    window: usize,
    kpi_every: Duration,
    clock: Arc<dyn Clock>,
    since: UtcMicros,
    commands: Option<CommandHandler>,
}

impl Link {
    pub(crate) fn new(
        settings: UplinkSettings,
        host: String,
        port: u16,
    ) -> Result<Self, UplinkError> {
        let UplinkSettings {
            identity,
            mqtt,
            base,
            session,
            clock,
            commands,
        } = settings;
        let root = identity.topic_root();
        let id = mqtt
            .client_id
            .clone()
            .unwrap_or_else(|| format!("sightline-{}", identity.name));
        let mut options = MqttOptions::new(id, (host, port));
        options
            .set_keep_alive(10)
            .set_clean_start(true)
            .set_connect_timeout(Duration::from_secs(3));
        options.set_max_packet_size(Some(MAX_INCOMING));
        // A small packet must not wait 40 ms for the broker's delayed acknowledgement of the one before (Nagle).
        let mut network = NetworkOptions::new();
        network.set_tcp_nodelay(true);
        options.set_network_options(network);
        options.set_request_channel_capacity(usize::from(mqtt.window) + 64);
        let since = clock.utc();
        let will = Status::json(StationState::Offline, since, &session);
        options.set_last_will(LastWill::new(
            format!("{root}/status"),
            will,
            QoS::AtLeastOnce,
            true,
            None,
        ));
        if let Some(user) = &mqtt.username {
            match mqtt.password_file.as_ref().map(|file| base.join(file)) {
                None => options.set_username(user.clone()),
                Some(path) => match std::fs::read_to_string(&path) {
                    Ok(password) => {
                        options.set_credentials(user.clone(), password.trim_end().to_string())
                    }
                    Err(source) => return Err(UplinkError::Password { path, source }),
                },
            };
        }
        let kpi_every = Duration::from_secs_f64(mqtt.kpi_s);
        Ok(Self {
            options,
            root,
            session,
            window: mqtt.window.into(),
            kpi_every,
            clock,
            since,
            commands,
        })
    }
}

/// What the connection's own task tells the loop.
enum Signal {
    Connected,
    Disconnected,
    Command(Box<Publish>),
}

/// Runs until the desk says stop.
pub(crate) fn run(link: Link, shared: &Shared) {
    let runtime = match tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => {
            tracing::error!(%error, "the uplink has no runtime; results stay in the outbox");
            return;
        }
    };
    runtime.block_on(async {
        let (client, events) = AsyncClient::builder(link.options.clone()).build();
        let (tell, hear) = mpsc::channel(64);
        let connection = tokio::spawn(connection(events, tell));
        Session {
            link: &link,
            client,
            shared,
            in_flight: FuturesUnordered::new(),
            state: None,
        }
        .serve(hear)
        .await;
        // Gives the connection a moment to write the last packets; it ends when the broker closes.
        let _ = tokio::time::timeout(Duration::from_millis(500), connection).await;
    });
}

/// Polls the connection and reconnects with growing, jittered waits.
async fn connection(mut events: EventLoop, tell: mpsc::Sender<Signal>) {
    let mut wait = FIRST_WAIT;
    let mut up = false;
    loop {
        match events.poll().await {
            Ok(Event::Incoming(Packet::ConnAck(ack))) if ack.code == ConnectReturnCode::Success => {
                tracing::info!("connected to the MQTT broker");
                (wait, up) = (FIRST_WAIT, true);
                if tell.send(Signal::Connected).await.is_err() {
                    return;
                }
            }
            Ok(Event::Incoming(Packet::Publish(publish))) => {
                if tell.send(Signal::Command(Box::new(publish))).await.is_err() {
                    return;
                }
            }
            Ok(_) => {}
            Err(error) => {
                if std::mem::take(&mut up) && tell.send(Signal::Disconnected).await.is_err()
                    || tell.is_closed()
                {
                    return;
                }
                tracing::warn!(%error, wait_ms = wait.as_millis() as u64, "no MQTT broker; results wait");
                tokio::time::sleep(wait.mul_f64(0.8 + 0.4 * fraction())).await;
                wait = (wait * 2).min(LONGEST_WAIT);
            }
        }
    }
}

/// Jitter in 0..1 from the hasher's random keys; no better randomness is needed here.
fn fraction() -> f64 {
    use std::hash::{BuildHasher, Hasher};
    let bits = std::collections::hash_map::RandomState::new()
        .build_hasher()
        .finish();
    (bits >> 11) as f64 / (1_u64 << 53) as f64
}

type Acknowledgement = (u64, u64, Result<(), PublishNoticeError>);

struct Session<'a> {
    link: &'a Link,
    client: AsyncClient,
    shared: &'a Shared,
    in_flight: FuturesUnordered<BoxFuture<'static, Acknowledgement>>,
    /// What `status` said last on this connection.
    state: Option<StationState>,
}

impl Session<'_> {
    async fn serve(mut self, mut hear: mpsc::Receiver<Signal>) {
        let mut kpi = tokio::time::interval(self.link.kpi_every);
        loop {
            self.send_retained();
            self.send_results();
            if self.shared.desk().stopping {
                self.say_goodbye();
                return;
            }
            tokio::select! {
                signal = hear.recv() => match signal {
                    Some(Signal::Connected) => self.connected(),
                    Some(Signal::Disconnected) => self.disconnected(),
                    Some(Signal::Command(publish)) => self.command(&publish),
                    None => return,
                },
                Some(done) = self.in_flight.next() => self.acknowledged(done),
                () = self.shared.changed.notified() => {}
                _ = kpi.tick() => self.send_kpi(),
            }
        }
    }

    fn connected(&mut self) {
        let mut desk = self.shared.desk();
        desk.outbox.connected = true;
        desk.connections += 1;
        desk.retained
            .values_mut()
            .for_each(|(_, changed)| *changed = true);
        drop(desk);
        self.state = None;
        if let Err(error) = self
            .client
            .try_subscribe(format!("{}/cmd/+", self.link.root), QoS::AtLeastOnce)
        {
            tracing::warn!(%error, "commands cannot be received on this connection");
        }
    }

    fn disconnected(&mut self) {
        self.shared.desk().outbox.disconnected();
        self.in_flight.clear();
    }

    fn acknowledged(&mut self, (connection, seq, result): Acknowledgement) {
        let mut desk = self.shared.desk();
        if connection != desk.connections {
            return;
        }
        match result {
            Ok(()) => desk.outbox.acknowledge(seq),
            Err(error) => {
                tracing::warn!(seq, %error, "the broker did not take a result; everything unacknowledged is sent again");
                desk.outbox.disconnected();
                desk.outbox.connected = true;
                drop(desk);
                self.in_flight.clear();
            }
        }
    }

    fn send_results(&mut self) {
        while self.in_flight.len() < self.link.window {
            let mut desk = self.shared.desk();
            if !desk.outbox.connected {
                return;
            }
            let connection = desk.connections;
            let Some(item) = desk.outbox.next() else {
                return;
            };
            drop(desk);
            let topic = format!("{}/result", self.link.root);
            match self
                .client
                .try_publish_tracked(topic, item.json, PublishOptions::at_least_once())
            {
                Ok(notice) => self.in_flight.push(Box::pin(async move {
                    (connection, item.seq, notice.wait_completion_async().await)
                })),
                Err(error) => {
                    tracing::warn!(seq = item.seq, %error, "a result could not be queued; it is sent again");
                    self.acknowledged((connection, item.seq, Err(PublishNoticeError::Recv)));
                    return;
                }
            }
        }
    }

    /// Sends retained messages that changed, and `status` if it follows from the alarms that it changed.
    fn send_retained(&mut self) {
        let mut desk = self.shared.desk();
        if !desk.outbox.connected || desk.stopping {
            return;
        }
        let changed = desk
            .retained
            .iter_mut()
            .filter(|(_, (_, changed))| *changed);
        let messages: Vec<(String, Bytes)> = changed
            .map(|(suffix, (json, changed))| {
                *changed = false;
                (suffix.clone(), Bytes::copy_from_slice(json))
            })
            .collect();
        let worst = desk.alarms.values().max().copied();
        // A cleared alarm has been emptied on the broker by now; it need not be remembered.
        desk.retained
            .retain(|suffix, (json, _)| !(suffix.starts_with("alarm/") && json.is_empty()));
        drop(desk);
        for (suffix, json) in messages {
            if !self.publish_retained(&suffix, json.clone()) {
                self.shared
                    .desk()
                    .retained
                    .entry(suffix)
                    .or_insert((json.to_vec(), true))
                    .1 = true;
                return;
            }
        }
        let state = if worst >= Some(AlarmSeverity::High) {
            StationState::Degraded
        } else {
            StationState::Online
        };
        if self.state != Some(state) {
            let since = if self.state.is_some() {
                self.link.clock.utc()
            } else {
                self.link.since
            };
            if self.publish_retained(
                "status",
                Status::json(state, since, &self.link.session).into(),
            ) {
                self.state = Some(state);
            }
        }
    }

    fn publish_retained(&self, suffix: &str, json: Bytes) -> bool {
        let topic = format!("{}/{suffix}", self.link.root);
        let sent = self
            .client
            .try_publish(topic, json, PublishOptions::at_least_once().retained());
        sent.inspect_err(|error| tracing::warn!(suffix, %error, "a retained message waits"))
            .is_ok()
    }

    fn send_kpi(&mut self) {
        let mut desk = self.shared.desk();
        let (true, Some(json)) = (desk.outbox.connected, desk.kpi.take()) else {
            return;
        };
        drop(desk);
        let expires = (self.link.kpi_every.as_secs_f64() * 3.0).ceil() as u32;
        let properties = PublishProperties {
            message_expiry_interval: Some(expires),
            ..PublishProperties::default()
        };
        let options = PublishOptions::at_most_once()
            .retained()
            .properties(properties);
        if let Err(error) =
            self.client
                .try_publish(format!("{}/kpi", self.link.root), json, options)
        {
            tracing::debug!(%error, "key figures skipped");
        }
    }

    fn command(&mut self, publish: &Publish) {
        let topic = String::from_utf8_lossy(&publish.topic);
        let Some(verb) = topic
            .strip_prefix(&format!("{}/cmd/", self.link.root))
            .map(str::to_string)
        else {
            return;
        };
        let answer = match &self.link.commands {
            _ if publish.retain => Err(
                "a retained command is never carried out; publish it without the retain flag"
                    .into(),
            ),
            Some(handler) => handler(&verb, &publish.payload),
            None => Err(format!("`{verb}` is not supported by this station")),
        };
        tracing::info!(%verb, ?answer, "command");
        let properties = publish.properties.clone().unwrap_or_default();
        let Some(to) = properties.response_topic else {
            return;
        };
        let (done, text) = match &answer {
            Ok(text) => (true, text),
            Err(text) => (false, text),
        };
        let body = serde_json::json!({"schema": "sightline.answer.v1", "verb": verb, "done": done, "message": text});
        let correlation = PublishProperties {
            correlation_data: properties.correlation_data,
            ..Default::default()
        };
        let options = PublishOptions::at_least_once().properties(correlation);
        if let Err(error) = self.client.try_publish(to, body.to_string(), options) {
            tracing::warn!(%verb, %error, "a command's answer could not be sent");
        }
    }

    fn say_goodbye(&self) {
        let status = Status::json(
            StationState::Offline,
            self.link.clock.utc(),
            &self.link.session,
        );
        self.publish_retained("status", status.into());
        if let Err(error) = self.client.try_disconnect() {
            tracing::debug!(%error, "no goodbye to the broker");
        }
    }
}
