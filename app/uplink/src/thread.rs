//! The uplink's thread: made ready where mistakes can still be told, then everything that speaks to brokers.

use crate::UplinkError;
use crate::client::{self, Link};
use crate::client_id;
use crate::mqtt::{Dial, Login, TlsFiles};
use crate::settings::UplinkSettings;
use crate::shared::Shared;
use crate::sparkplug;
use std::sync::Arc;
use std::time::Duration;

/// What outlives a connection. Files are read once here, so that a wrong one is told at start.
pub(crate) fn link(settings: UplinkSettings, host: String, port: u16) -> Result<Link, UplinkError> {
    let UplinkSettings {
        identity,
        mqtt,
        sparkplug,
        base,
        session,
        clock,
        commands,
        patience,
        inspecting,
        state,
    } = settings;
    let login = mqtt.username.map(|username| Login {
        username,
        password_file: mqtt.password_file.map(|file| base.join(file)),
    });
    login.as_ref().map(Login::password).transpose()?;
    let tls = mqtt.tls.map(|tls| TlsFiles {
        ca: base.join(tls.ca_file),
        own: tls
            .cert_file
            .zip(tls.key_file)
            .map(|(cert, key)| (base.join(cert), base.join(key))),
    });
    tls.as_ref().map(TlsFiles::read).transpose()?;
    let client_id = mqtt
        .client_id
        .unwrap_or_else(|| client_id::default(&identity));
    let user = login
        .as_ref()
        .map(|login| format!("user `{}`, ", login.username));
    let who = format!("{}client id `{client_id}`", user.unwrap_or_default());
    let dial = |client_id: String| Dial {
        client_id,
        host: host.clone(),
        port,
        login: login.clone(),
        tls: tls.clone(),
        window: mqtt.window,
    };
    let face = sparkplug.map(|s| {
        let names = sparkplug::Names {
            group: s.group,
            node: s.node.unwrap_or_else(|| identity.cell.clone()),
            device: identity.name.clone(),
            primary_host: s.primary_host,
        };
        let dial = dial(format!("{client_id}-sparkplug"));
        let seconds = (clock.utc().0.max(0) / 1_000_000) as u64;
        let bd_seq = sparkplug::BdSeq::read(state.as_deref(), seconds);
        Arc::new(sparkplug::Face::new(
            dial, names, s.aliases, s.buffer, bd_seq,
        ))
    });
    Ok(Link {
        dial: dial(client_id),
        sparkplug: face,
        root: identity.topic_root(),
        session,
        window: mqtt.window.into(),
        kpi_every: Duration::from_secs_f64(mqtt.kpi_s),
        since: clock.utc(),
        clock,
        commands,
        protocol: mqtt.protocol,
        who,
        patience,
        inspecting,
    })
}

/// The thread's body: everything that speaks to brokers, until it is told to stop.
pub(crate) fn run(link: &Link, shared: &Arc<Shared>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    match runtime {
        Ok(runtime) => runtime.block_on(async {
            let json = client::attend(link, shared);
            match &link.sparkplug {
                Some(face) => {
                    tokio::join!(json, sparkplug::attend(face, link, shared));
                }
                None => json.await,
            }
        }),
        Err(error) => {
            tracing::error!(%error, "the uplink has no runtime; results stay in the outbox");
        }
    }
}
