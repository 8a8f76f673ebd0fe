//! MQTT 3.1.1 by `rumqttc-v4-next`, for brokers that do not know 5: no expiry, no reasons, no correlation data.

use super::trouble::{Kind, Refusal, Trouble};
use super::{
    Dial, KEEP_ALIVE_S, Limits, MAX_INCOMING, Message, Notice, Qos, Received, Signal, Standing,
    Taken, closed, tls, undelayed,
};
use rumqttc_v4::mqttbytes::QoS;
use rumqttc_v4::mqttbytes::v4::{ConnectReturnCode as Code, LastWill, Packet, Publish};
use rumqttc_v4::{
    AsyncClient, ClientError, ConnectionError, Event, EventLoop, MqttOptions, PublishOptions,
    StateError, SubscribeNoticeError, TlsConfiguration, Transport,
};
use std::sync::Arc;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// Begins to connect.
pub(super) fn open(
    dial: &Dial,
    password: Option<String>,
    tls: Option<Arc<rustls::ClientConfig>>,
    will: Message,
    tell: mpsc::Sender<Signal>,
) -> (Sender, JoinHandle<()>) {
    let mut options = MqttOptions::new(dial.client_id.clone(), (dial.host.clone(), dial.port));
    options
        .set_keep_alive(KEEP_ALIVE_S)
        .set_clean_session(true)
        .set_inflight(dial.window)
        .set_request_channel_capacity(usize::from(dial.window) + 64)
        .set_max_request_batch(usize::from(dial.window))
        .set_max_packet_size(MAX_INCOMING as usize, usize::MAX);
    options.set_last_will(LastWill::new(
        will.topic,
        will.payload.to_vec(),
        qos(will.qos),
        will.retain,
    ));
    if let Some(login) = &dial.login {
        match password {
            Some(password) => options.set_credentials(login.username.clone(), password),
            None => options.set_username(login.username.clone()),
        };
    }
    if let Some(config) = tls {
        options.set_transport(Transport::Tls(TlsConfiguration::Rustls(config)));
    }
    let (client, mut events) = AsyncClient::builder(options).build();
    events.set_network_options(undelayed());
    (Sender(client), tokio::spawn(drive(events, tell)))
}

/// Polls the connection until it ends.
async fn drive(mut events: EventLoop, tell: mpsc::Sender<Signal>) {
    loop {
        let signal = match events.poll().await {
            Ok(Event::Incoming(Packet::ConnAck(_))) => Signal::Connected(Limits {
                receive_max: u16::MAX,
                max_packet: None,
            }),
            Ok(Event::Incoming(Packet::Publish(publish))) => Signal::Received(received(&publish)),
            Ok(_) => continue,
            Err(error) => Signal::Ended(trouble(&error)),
        };
        let last = matches!(signal, Signal::Ended(_));
        if tell.send(signal).await.is_err() || last {
            return;
        }
    }
}

fn received(publish: &Publish) -> Box<Received> {
    Box::new(Received {
        topic: String::from_utf8_lossy(&publish.topic).into_owned(),
        payload: publish.payload.clone(),
        retain: publish.retain,
        expires_s: None,
        response_topic: None,
        correlation: None,
    })
}

fn qos(qos: Qos) -> QoS {
    match qos {
        Qos::AtMostOnce => QoS::AtMostOnce,
        Qos::AtLeastOnce => QoS::AtLeastOnce,
    }
}

fn trouble(error: &ConnectionError) -> Trouble {
    // The client's own error does not pass this one on as its source.
    let certificates = match error {
        ConnectionError::MqttState(StateError::Deserialization(inner)) => tls::explain(inner),
        _ => tls::explain(error),
    };
    if let Some(what) = certificates {
        return Trouble::new(Kind::Tls, what);
    }
    let kind = match error {
        ConnectionError::ConnectionRefused(code) => match code {
            Code::RefusedProtocolVersion => Kind::Version,
            Code::BadClientId | Code::BadUserNamePassword | Code::NotAuthorized => {
                Kind::NotAuthorised
            }
            Code::Success | Code::ServiceUnavailable => Kind::Away,
        },
        ConnectionError::MqttState(StateError::ConnectionAborted) => Kind::Closed,
        ConnectionError::Io(io) | ConnectionError::MqttState(StateError::Io(io)) if closed(io) => {
            Kind::Closed
        }
        _ => Kind::Away,
    };
    Trouble::new(kind, error.to_string())
}

/// Where messages are handed over.
pub(super) struct Sender(AsyncClient);

impl Sender {
    pub(super) fn publish(&self, message: Message) -> Result<Notice, Refusal> {
        let mut options = PublishOptions::new(qos(message.qos));
        if message.retain {
            options = options.retained();
        }
        let notice = self
            .0
            .try_publish_tracked(message.topic, message.payload, options)
            .map_err(|error| refused(&error))?;
        Ok(Box::pin(async move {
            notice
                .wait_completion_async()
                .await
                .map(|()| Taken::ForSomebody)
                .map_err(|_| Refusal::Gone)
        }))
    }

    pub(super) fn subscribe(&self, filter: String) -> Result<Standing, Refusal> {
        let notice = self
            .0
            .try_subscribe_tracked(filter, QoS::AtLeastOnce)
            .map_err(|error| refused(&error))?;
        Ok(Box::pin(async move {
            match notice.wait_completion_async().await {
                Ok(_) => Ok(()),
                Err(SubscribeNoticeError::V4SubAckFailure(_)) => Err(Refusal::Said {
                    kind: Kind::NotAuthorised,
                    reason: "the broker says no (MQTT 3.1.1 has no reasons)".into(),
                }),
                Err(_) => Err(Refusal::Gone),
            }
        }))
    }

    pub(super) fn disconnect(&self) {
        if let Err(error) = self.0.try_disconnect() {
            tracing::debug!(%error, "no goodbye to the broker");
        }
    }
}

fn refused(error: &ClientError) -> Refusal {
    match error {
        ClientError::RequestChannelFull(_) => Refusal::Busy,
        ClientError::RequestChannelDisconnected(_) => Refusal::Gone,
        _ => Refusal::Said {
            kind: Kind::Refused,
            reason: format!("not a message that MQTT can carry: {error}"),
        },
    }
}
