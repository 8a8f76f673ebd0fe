//! MQTT 5 by `rumqttc-v5-next`.

use super::trouble::{Kind, Refusal, Trouble};
use super::{
    CONNECT_WITHIN, Dial, KEEP_ALIVE_S, Limits, MAX_INCOMING, Message, Notice, Qos, Received,
    Signal, Standing, Taken, closed, tls, undelayed,
};
use rumqttc::mqttbytes::v5::{
    ConnAck, ConnectReturnCode as Code, DisconnectReasonCode as Bye, LastWill, Packet,
    PubAckReason, Publish, PublishProperties, SubscribeFilter, SubscribeReasonCode,
};
use rumqttc::mqttbytes::{Error as MqttError, QoS};
use rumqttc::{
    AsyncClient, ClientError, ConnectionError, Event, EventLoop, MqttOptions, PublishNoticeError,
    PublishOptions, PublishResult, StateError, SubscribeNoticeError, TlsConfiguration, Transport,
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
        .set_clean_start(true)
        .set_connect_timeout(CONNECT_WITHIN)
        .set_request_channel_capacity(usize::from(dial.window) + 64)
        .set_max_request_batch(usize::from(dial.window))
        .set_max_packet_size(Some(MAX_INCOMING))
        .set_network_options(undelayed());
    options.set_last_will(LastWill::new(
        will.topic,
        will.payload.to_vec(),
        qos(will.qos),
        will.retain,
        None,
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
    let (client, events) = AsyncClient::builder(options).build();
    (Sender(client), tokio::spawn(drive(events, tell)))
}

/// Polls the connection until it ends.
async fn drive(mut events: EventLoop, tell: mpsc::Sender<Signal>) {
    let mut connected = false;
    loop {
        let signal = match events.poll().await {
            Ok(Event::Incoming(Packet::ConnAck(ack))) => {
                connected = true;
                Signal::Connected(limits(&ack))
            }
            Ok(Event::Incoming(Packet::Publish(publish))) => Signal::Received(received(publish)),
            Ok(_) => continue,
            Err(error) => Signal::Ended(trouble(&error, connected)),
        };
        let last = matches!(signal, Signal::Ended(_));
        if tell.send(signal).await.is_err() || last {
            return;
        }
    }
}

fn limits(ack: &ConnAck) -> Limits {
    let said = ack.properties.as_ref();
    Limits {
        receive_max: said.and_then(|p| p.receive_max).unwrap_or(u16::MAX),
        max_packet: said.and_then(|p| p.max_packet_size),
    }
}

fn received(publish: Publish) -> Box<Received> {
    let said = publish.properties.unwrap_or_default();
    Box::new(Received {
        topic: String::from_utf8_lossy(&publish.topic).into_owned(),
        payload: publish.payload,
        retain: publish.retain,
        expires_s: said.message_expiry_interval,
        response_topic: said.response_topic,
        correlation: said.correlation_data,
    })
}

fn qos(qos: Qos) -> QoS {
    match qos {
        Qos::AtMostOnce => QoS::AtMostOnce,
        Qos::AtLeastOnce => QoS::AtLeastOnce,
    }
}

fn trouble(error: &ConnectionError, connected: bool) -> Trouble {
    let state = match error {
        ConnectionError::MqttState(state) => Some(state),
        _ => None,
    };
    // The client's own error does not pass this one on as its source.
    let certificates = match state {
        Some(StateError::Deserialization(inner)) => tls::explain(inner),
        _ => tls::explain(error),
    };
    if let Some(what) = certificates {
        return Trouble::new(Kind::Tls, what);
    }
    let kind = match (error, state) {
        (ConnectionError::ConnectionRefused(code), _)
        | (_, Some(StateError::ConnFail { reason: code })) => match code {
            Code::RefusedProtocolVersion | Code::UnsupportedProtocolVersion => Kind::Version,
            Code::BadUserNamePassword
            | Code::NotAuthorized
            | Code::Banned
            | Code::BadAuthenticationMethod
            | Code::BadClientId
            | Code::ClientIdentifierNotValid => Kind::NotAuthorised,
            Code::QuotaExceeded | Code::ConnectionRateExceeded => Kind::Quota,
            Code::PacketTooLarge => Kind::TooLarge,
            Code::ServerUnavailable | Code::ServiceUnavailable | Code::ServerBusy => Kind::Away,
            _ => Kind::Refused,
        },
        (_, Some(StateError::ServerDisconnect { reason_code, .. })) => match reason_code {
            Bye::NotAuthorized => Kind::NotAuthorised,
            Bye::QuotaExceeded | Bye::MessageRateTooHigh | Bye::ReceiveMaximumExceeded => {
                Kind::Quota
            }
            Bye::PacketTooLarge => Kind::TooLarge,
            Bye::SessionTakenOver => Kind::TakenOver,
            Bye::ServerShuttingDown | Bye::ServerBusy => Kind::Away,
            _ => Kind::Refused,
        },
        (_, Some(StateError::ConnectionAborted)) => Kind::Closed,
        (ConnectionError::Io(io), _) | (_, Some(StateError::Io(io))) if closed(io) => Kind::Closed,
        (_, Some(StateError::Deserialization(MqttError::Io(io)))) if closed(io) => Kind::Closed,
        // Also how a broker of the older protocol answers; whether it is one is asked of its bytes.
        (_, Some(StateError::Deserialization(_))) => Kind::Refused,
        _ => Kind::Away,
    };
    let what = match kind {
        Kind::Closed if !connected => "closed by the broker without an answer".into(),
        Kind::Refused if !connected && matches!(state, Some(StateError::Deserialization(_))) => {
            format!("what answers there does not speak MQTT 5 ({error})")
        }
        _ => error.to_string(),
    };
    Trouble::new(kind, what)
}

/// Where messages are handed over.
pub(super) struct Sender(AsyncClient);

impl Sender {
    pub(super) fn publish(&self, message: Message) -> Result<Notice, Refusal> {
        let properties = PublishProperties {
            message_expiry_interval: message.expires_s,
            correlation_data: message.correlation,
            ..PublishProperties::default()
        };
        let mut options = PublishOptions::new(qos(message.qos)).properties(properties);
        if message.retain {
            options = options.retained();
        }
        let notice = self
            .0
            .try_publish_tracked(message.topic, message.payload, options)
            .map_err(|error| refused(&error))?;
        Ok(Box::pin(async move {
            match notice.wait_async().await {
                Ok(PublishResult::Qos1(ack)) => match ack.reason {
                    PubAckReason::Success => Ok(Taken::ForSomebody),
                    PubAckReason::NoMatchingSubscribers => Ok(Taken::ForNobody),
                    reason => Err(not_taken(PublishNoticeError::V5PubAck(reason))),
                },
                Ok(_) => Ok(Taken::ForSomebody),
                Err(error) => Err(not_taken(error)),
            }
        }))
    }

    pub(super) fn subscribe(&self, filter: String) -> Result<Standing, Refusal> {
        let mut filter = SubscribeFilter::new(filter, QoS::AtLeastOnce);
        // A retained command is known as one also while the connection stands.
        filter.preserve_retain = true;
        let notice = self
            .0
            .try_subscribe_many_tracked([filter])
            .map_err(|error| refused(&error))?;
        Ok(Box::pin(async move {
            notice.wait_completion_async().await.map_err(not_standing)
        }))
    }

    pub(super) fn disconnect(&self) {
        if let Err(error) = self.0.try_disconnect() {
            tracing::debug!(%error, "no goodbye to the broker");
        }
    }
}

/// A reason code of the broker, by its name in the specification.
fn said(reason: &PubAckReason) -> String {
    format!("the broker says {reason:?}")
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

fn not_standing(error: SubscribeNoticeError) -> Refusal {
    let SubscribeNoticeError::V5SubAckFailure(codes) = &error else {
        return Refusal::Gone;
    };
    let kind = match codes.first() {
        Some(SubscribeReasonCode::NotAuthorized) => Kind::NotAuthorised,
        Some(SubscribeReasonCode::QuotaExceeded) => Kind::Quota,
        _ => Kind::Refused,
    };
    let reason = codes.first().map_or_else(String::new, |c| format!("{c:?}"));
    Refusal::Said { kind, reason }
}

fn not_taken(error: PublishNoticeError) -> Refusal {
    use PublishNoticeError::{RetainNotSupported, V5PubAck};
    let (kind, reason) = match &error {
        V5PubAck(reason @ PubAckReason::NotAuthorized) => (Kind::NotAuthorised, said(reason)),
        V5PubAck(reason @ PubAckReason::QuotaExceeded) => (Kind::Quota, said(reason)),
        V5PubAck(reason) => (Kind::Refused, said(reason)),
        RetainNotSupported => (Kind::Refused, error.to_string()),
        _ => return Refusal::Gone,
    };
    Refusal::Said { kind, reason }
}
