//! What was written is what is read, and damage is named.

use super::fields::{HEALTHS, REASONS, health_number, reason_number};
use super::*;
use sightline_domain::{
    CameraId, FrameId, FrameMeta, Health, MissReason, MonoTime, PixelFormat, TimeSource, Timing,
    TrackId, Trigger, UtcMicros,
};
use sightline_frames::{FramePool, Lease, MemoryWish, Missed, PoolConfig, Tapped, View};

const SHAPE: CameraShape = CameraShape {
    slots: 2,
    slot_bytes: 64,
};

fn lease(pool: &FramePool, id: u64) -> Lease {
    let mut slot = pool.open().unwrap();
    slot.bytes_mut()[..32].copy_from_slice(&[id as u8; 32]);
    let meta = FrameMeta {
        camera: CameraId(0),
        frame_id: FrameId(id),
        captured: MonoTime(7),
        captured_utc: UtcMicros(-8),
        timing: Timing {
            uncertainty: std::time::Duration::from_millis(3),
            source: TimeSource::Rtp,
        },
        numbered: false,
        width: 8,
        height: 4,
        format: PixelFormat::Gray8,
        levels: sightline_domain::Levels::default(),
        layout: PixelFormat::Gray8.default_layout(8, 4),
        health: Health::TooDark,
        host_copies: 1,
    };
    slot.seal(meta).unwrap()
}

/// One of each kind, and what they are.
fn recording() -> (Vec<u8>, Vec<(MonoTime, Recorded)>) {
    let pool = FramePool::new(PoolConfig {
        name: "cam".into(),
        slots: 2,
        slot_bytes: 64,
        memory: MemoryWish::Plain,
    })
    .unwrap();
    let trigger = Trigger {
        track_id: TrackId(9),
        part_id: Some("Ä-1".into()),
        at: MonoTime(3),
        at_utc: UtcMicros(-4),
        encoder: Some(-77),
        timing: Timing::default(),
    };
    let missed = Missed {
        camera: CameraId(0),
        frame_id: None,
        at: MonoTime(11),
        reason: MissReason::Undecodable,
    };
    let view = View {
        lease: lease(&pool, 5),
        reference: Some(lease(&pool, 6)),
    };
    let frame = RecordedFrame {
        meta: *view.lease.meta(),
        pixels: vec![5; 32],
        reference: Some((*view.reference.as_ref().unwrap().meta(), vec![6; 32])),
    };
    let mut to = Recorder::new(Vec::new(), &[SHAPE]).unwrap();
    to.trigger(MonoTime(1), &trigger);
    to.write().unwrap();
    to.tapped(MonoTime(2), &Tapped::View(view));
    to.write().unwrap();
    to.tapped(MonoTime(3), &Tapped::Missed(missed));
    to.write().unwrap();
    to.camera_down(MonoTime(4), CameraId(0));
    to.write().unwrap();
    let records = vec![
        (MonoTime(1), Recorded::Trigger(trigger)),
        (MonoTime(2), Recorded::Frame(frame)),
        (MonoTime(3), Recorded::Missed(missed)),
        (MonoTime(4), Recorded::CameraDown(CameraId(0))),
    ];
    (to.finish(MonoTime(5)).unwrap(), records)
}

#[test]
fn what_was_written_is_read() {
    let (bytes, records) = recording();
    let mut from = Recording::open(bytes.as_slice()).unwrap();
    assert_eq!(from.cameras(), [SHAPE]);
    for expected in records {
        assert_eq!(from.next_record().unwrap(), Some(expected));
    }
    assert_eq!(from.next_record().unwrap(), None);
    assert_eq!(from.ended(), Some(MonoTime(5)));
}

#[test]
fn wherever_it_is_cut_the_records_before_are_read_and_the_cut_is_told() {
    let (bytes, records) = recording();
    for cut in 0..bytes.len() {
        let Ok(mut from) = Recording::open(&bytes[..cut]) else {
            continue;
        };
        let mut read = 0;
        let error = loop {
            match from.next_record() {
                Ok(Some(record)) => {
                    assert_eq!(record, records[read]);
                    read += 1;
                }
                Ok(None) => panic!("a recording cut at {cut} of {} ended well", bytes.len()),
                Err(error) => break error,
            }
        };
        assert!(
            matches!(error, RecordingError::CutShort { records } if records == read as u64),
            "{error}"
        );
    }
}

#[test]
fn any_damaged_byte_gives_an_error_or_other_records_but_never_a_panic() {
    let (bytes, _) = recording();
    for at in 0..bytes.len() {
        let mut bytes = bytes.clone();
        bytes[at] ^= 0xff;
        if let Ok(mut from) = Recording::open(bytes.as_slice()) {
            while let Ok(Some(_)) = from.next_record() {}
        }
    }
    let error = Recording::open(&b"RIFF....WAVE"[..]).err().unwrap();
    assert!(error.to_string().contains("SLFLOW01"), "{error}");
}

#[test]
fn tables_and_numbers_agree() {
    for (i, f) in PixelFormat::ALL.iter().enumerate() {
        assert_eq!(*f as usize, i);
    }
    for (i, h) in HEALTHS.iter().enumerate() {
        assert_eq!(usize::from(health_number(*h)), i);
    }
    for (i, r) in REASONS.iter().enumerate() {
        assert_eq!(usize::from(reason_number(*r)), i);
    }
}
