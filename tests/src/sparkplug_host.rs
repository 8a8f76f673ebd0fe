//! An independent Sparkplug host, `srad-app`, over the MQTT client. It orders by `seq`, compares `bdSeq`, refuses metrics
//! that no birth named, and asks for a rebirth when any of that does not fit.

use async_trait::async_trait;
use rumqttc::mqttbytes::QoS;
use rumqttc::mqttbytes::v5::{LastWill, Packet};
use rumqttc::{AsyncClient, Event, MqttOptions, PublishOptions};
use srad_app::generic_app::{ApplicationBuilder, MetricStore, StateUpdateError};
use srad_app::{AppClient, MetricBirthDetails, MetricDetails, SubscriptionConfig};
use srad_client::{
    Client, Event as Heard, EventLoop, LastWill as Will, StatePayload, topic_and_payload_to_event,
};
use srad_types::MetricId;
use srad_types::payload::{Message as _, Payload};
use srad_types::topic::{DeviceTopic, NodeTopic, StateTopic, TopicFilter};
use std::collections::HashMap;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;

/// What the host learnt of the device, in its order.
#[derive(Clone, Debug, PartialEq)]
pub enum Learnt {
    /// A birth with so many metrics.
    Birth(usize),
    /// `Result/Seq` of a datum, and whether it is history.
    Data(u64, bool),
    /// What was known is no longer true.
    Stale,
}

/// A running host.
pub struct Host {
    /// What it learns.
    pub learnt: Receiver<Learnt>,
    client: AppClient,
    runtime: tokio::runtime::Runtime,
}

impl Host {
    /// Starts host `id` for a group.
    pub fn start(port: u16, id: &str, group: &str) -> Self {
        let runtime = tokio::runtime::Runtime::new().expect("a runtime");
        let (tell, learnt) = sync_channel(100_000);
        let mut options = MqttOptions::new(format!("host-{id}"), ("127.0.0.1", port));
        options.set_request_channel_capacity(1_000);
        let (client, events) = AsyncClient::builder(options).build();
        let subscription = SubscriptionConfig::SingleGroup {
            group_id: group.into(),
        };
        let builder = ApplicationBuilder::new(id, Events(events), Bridge(client), subscription);
        let builder = builder.on_node_created(move |node| {
            let tell = tell.clone();
            node.on_device_created(move |device| {
                device.register_metric_store(Store {
                    tell: tell.clone(),
                    seq: None,
                })
            });
        });
        let (application, client) = builder.build();
        runtime.spawn(application.run());
        Self {
            learnt,
            client,
            runtime,
        }
    }

    /// Asks a node for a rebirth.
    pub fn rebirth(&self, group: &str, node: &str) {
        let asked = self
            .runtime
            .block_on(self.client.publish_node_rebirth(group, node));
        asked.expect("the command is sent");
    }

    /// Says that the host is offline, and ends.
    pub fn stop(self) {
        self.runtime.block_on(self.client.cancel());
        self.runtime.shutdown_timeout(Duration::from_secs(2));
    }
}

struct Store {
    tell: SyncSender<Learnt>,
    /// How data name `Result/Seq`.
    seq: Option<MetricId>,
}

impl MetricStore for Store {
    fn set_stale(&mut self) {
        let _ = self.tell.send(Learnt::Stale);
    }

    fn update_from_birth(
        &mut self,
        details: Vec<(MetricBirthDetails, MetricDetails)>,
    ) -> Result<(), StateUpdateError> {
        let mut births = details.iter().map(|(birth, _)| birth);
        self.seq = births
            .find(|birth| birth.name == "Result/Seq")
            .map(MetricBirthDetails::get_metric_id);
        let _ = self.tell.send(Learnt::Birth(details.len()));
        Ok(())
    }

    fn update_from_data(
        &mut self,
        details: Vec<(MetricId, MetricDetails)>,
    ) -> Result<(), StateUpdateError> {
        let details: HashMap<_, _> = details.into_iter().collect();
        let seq = self.seq.as_ref().and_then(|id| details.get(id));
        let seq = seq.ok_or(StateUpdateError::UnknownMetric)?;
        let value = seq.value.clone().ok_or(StateUpdateError::InvalidValue)?;
        let number = u64::try_from(value).map_err(|_| StateUpdateError::InvalidValue)?;
        let _ = self.tell.send(Learnt::Data(number, seq.is_historical));
        Ok(())
    }
}

struct Events(rumqttc::EventLoop);

#[async_trait]
impl EventLoop for Events {
    async fn poll(&mut self) -> Heard {
        loop {
            match self.0.poll().await {
                Ok(Event::Incoming(Packet::ConnAck(_))) => return Heard::Online,
                Ok(Event::Incoming(Packet::Publish(publish))) => {
                    let (topic, payload) = (publish.topic.to_vec(), publish.payload.to_vec());
                    return topic_and_payload_to_event(topic, payload);
                }
                Ok(_) => {}
                Err(_) => {
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    return Heard::Offline;
                }
            }
        }
    }

    fn set_last_will(&mut self, will: Will) {
        self.0.options.set_last_will(LastWill::new(
            will.topic,
            will.payload,
            QoS::AtLeastOnce,
            will.retain,
            None,
        ));
    }
}

struct Bridge(AsyncClient);

impl Bridge {
    fn send(&self, topic: String, payload: Vec<u8>, retain: bool) -> Result<(), ()> {
        let options = PublishOptions::at_least_once().retain(retain);
        self.0.try_publish(topic, payload, options).map_err(drop)
    }
}

#[async_trait]
impl Client for Bridge {
    async fn disconnect(&self) -> Result<(), ()> {
        self.0.disconnect().await.map_err(drop)
    }

    async fn publish_state_message(
        &self,
        topic: StateTopic,
        payload: StatePayload,
    ) -> Result<(), ()> {
        self.send(topic.topic, payload.into(), true)
    }

    async fn try_publish_state_message(
        &self,
        topic: StateTopic,
        payload: StatePayload,
    ) -> Result<(), ()> {
        self.publish_state_message(topic, payload).await
    }

    async fn publish_node_message(&self, topic: NodeTopic, payload: Payload) -> Result<(), ()> {
        self.send(topic.topic, payload.encode_to_vec(), false)
    }

    async fn try_publish_node_message(&self, topic: NodeTopic, payload: Payload) -> Result<(), ()> {
        self.publish_node_message(topic, payload).await
    }

    async fn publish_device_message(&self, topic: DeviceTopic, payload: Payload) -> Result<(), ()> {
        self.send(topic.topic, payload.encode_to_vec(), false)
    }

    async fn try_publish_device_message(
        &self,
        topic: DeviceTopic,
        payload: Payload,
    ) -> Result<(), ()> {
        self.publish_device_message(topic, payload).await
    }

    async fn subscribe_many(&self, topics: Vec<TopicFilter>) -> Result<(), ()> {
        for filter in topics {
            let topic = String::from(filter.topic);
            self.0
                .try_subscribe(topic, QoS::AtLeastOnce)
                .map_err(drop)?;
        }
        Ok(())
    }
}
