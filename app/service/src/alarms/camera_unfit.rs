//! Pictures that cannot be judged, as alarms: raised by several, ended by healthy ones (see `ingest`'s `fitness`).

use sightline_domain::AlarmKind;
use sightline_ingest::{CameraHandle, Unfit};

/// What there is to say of each kind.
fn words(kind: Unfit) -> Option<(AlarmKind, &'static str, &'static str)> {
    Some(match kind {
        Unfit::Frozen => (
            AlarmKind::CameraFrozen,
            "expected a new picture each time, found the same one again",
            "restart the camera; if the scene is artificial and really the same, see health.frozen_after and health.still_pictures",
        ),
        Unfit::Dark => (
            AlarmKind::CameraDark,
            "expected pictures brighter than health.dark_below, found them too dark",
            "look at lamp, lens cap and exposure",
        ),
        Unfit::Bright => (
            AlarmKind::CameraBright,
            "expected pictures darker than health.bright_above, with less white than health.white_share, found them too bright",
            "look at lamp, exposure and gain",
        ),
        Unfit::Blurred => (
            AlarmKind::CameraBlurred,
            "expected pictures as sharp as the first ones, found them blurred",
            "look at focus, lens and dirt; restart the station if it is meant to be so",
        ),
        Unfit::Flat => (
            AlarmKind::CameraFlat,
            "expected something to be seen, found less contrast than health.flat_below",
            "look at lens cap, lamp and what stands before the lens",
        ),
        Unfit::Corrupt => (
            AlarmKind::CameraCorrupt,
            "expected whole pictures, found them damaged",
            "look at cable, network and the camera's bit rate",
        ),
        Unfit::Undecodable => (
            AlarmKind::CameraUndecodable,
            "expected pictures that can be read, found frames that cannot",
            "compare the camera's format and size with its settings here",
        ),
        // told together with views of another size
        Unfit::Size => return None,
    })
}

/// The camera's alarms of this kind, raised or not.
pub fn unfit(camera: &CameraHandle) -> Vec<(AlarmKind, Option<String>)> {
    let (name, raised) = (camera.name(), camera.status().unfit);
    let alarms = Unfit::ALL.into_iter().filter_map(|kind| {
        let (alarm, found, advice) = words(kind)?;
        let cause = raised.iter().find(|(raised, _)| *raised == kind);
        let told = cause.map(|(_, cause)| {
            format!("camera {name}: {found} ({cause}); its parts are rejected. To do: {advice}")
        });
        Some((alarm, told))
    });
    alarms.collect()
}
