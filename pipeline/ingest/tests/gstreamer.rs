//! Real GStreamer pipelines through the public API.

mod support;

use sightline_configs::station::{Camera, Source};
use sightline_domain::{Health, MissReason, PixelFormat};
use sightline_ingest::{CameraHandle, CameraState, IngestError, probe, start};
use std::{path::Path, sync::Arc, time::Duration};
use support::{Notes, camera, context, is, painted::gst_run, wait};

const LONG: Duration = Duration::from_secs(20);

fn pipeline(description: &str) -> Camera {
    camera(Source::Pipeline {
        description: description.into(),
        ends: true,
    })
}

fn run(config: Camera, notes: &Arc<Notes>) -> CameraHandle {
    start(context(config, Arc::clone(notes), Path::new(""))).unwrap()
}

/// A short H.264 file, 160x120, 25 frames a second.
fn h264_file(folder: &Path, frames: u32) -> std::path::PathBuf {
    let path = folder.join("clip.h264");
    gst_run(&format!(
        "videotestsrc pattern=ball num-buffers={frames} ! video/x-raw,format=I420,width=160,height=120,framerate=25/1 ! \
         x264enc key-int-max=8 bframes=0 ! video/x-h264,stream-format=byte-stream ! filesink location={}",
        path.display()
    ));
    path
}

#[test]
fn every_frame_of_a_test_source_lies_in_our_slots_without_a_copy() {
    for format in [PixelFormat::Gray8, PixelFormat::Nv12, PixelFormat::Rgb] {
        let notes = Arc::new(Notes::default());
        let mut config = pipeline(
            "videotestsrc num-buffers=60 ! video/x-raw,width=320,height=240,framerate=200/1",
        );
        config.format = format;
        let cam = run(config, &notes);
        wait(&cam, LONG, |c| c.done());
        let views = notes.views();
        assert_eq!(
            views.iter().map(|m| m.frame_id.0).collect::<Vec<_>>(),
            (0..60).collect::<Vec<_>>()
        );
        assert!(
            views
                .iter()
                .all(|m| m.host_copies == 0 && (m.width, m.height, m.format) == (320, 240, format))
        );
        let counts = cam.status().counts;
        assert_eq!(
            (
                counts.host_copies,
                counts.foreign,
                counts.lost,
                counts.missed_no_slot
            ),
            (0, 0, 0, 0)
        );
        assert_eq!(cam.status().state, CameraState::Ended);
        cam.stop().unwrap();
    }
}

#[test]
fn a_converter_and_a_scaler_write_into_our_slots_too() {
    let notes = Arc::new(Notes::default());
    let mut config =
        pipeline("videotestsrc num-buffers=30 ! video/x-raw,format=I420,width=320,height=240");
    (config.width, config.height) = (Some(160), Some(120));
    let cam = run(config, &notes);
    wait(&cam, LONG, |c| c.done());
    assert!(
        notes
            .views()
            .iter()
            .all(|m| m.host_copies == 0 && (m.width, m.height) == (160, 120))
    );
    assert_eq!(cam.status().counts.frames, 30);
    cam.stop().unwrap();
}

#[test]
fn a_bayer_camera_keeps_its_mosaic() {
    let notes = Arc::new(Notes::default());
    let mut config =
        pipeline("videotestsrc num-buffers=5 ! video/x-bayer,format=grbg,width=64,height=48");
    config.format = PixelFormat::BayerGrbg;
    let cam = run(config, &notes);
    wait(&cam, LONG, |c| c.done());
    assert_eq!(notes.views().len(), 5);
    assert!(
        notes
            .views()
            .iter()
            .all(|m| m.format == PixelFormat::BayerGrbg && m.layout.strides[0] == 64)
    );
    cam.stop().unwrap();
}

#[test]
fn a_live_camera_never_waits_for_slots_and_gives_the_newest_when_there_is_one_again() {
    let notes = Notes::keeping();
    let cam = run(
        pipeline("videotestsrc is-live=true ! video/x-raw,width=64,height=48,framerate=100/1"),
        &notes,
    );
    wait(&cam, LONG, |c| c.status().counts.missed_no_slot > 10);
    assert_eq!(
        cam.status().state,
        CameraState::Live,
        "missing slots are no stall"
    );
    let last_held = notes.views().last().unwrap().frame_id.0;
    notes.kept.lock().unwrap().take();
    wait(&cam, LONG, |c| c.status().counts.frames > 12);
    let next = notes
        .views()
        .iter()
        .map(|m| m.frame_id.0)
        .find(|id| *id > last_held)
        .unwrap();
    assert!(
        next > last_held + 10,
        "{last_held} then {next}: an old frame waited"
    );
    assert!(
        notes
            .misses()
            .iter()
            .all(|(_, why)| *why == MissReason::NoFreeSlot)
    );
    let copies: u64 = notes
        .views()
        .iter()
        .rev()
        .take(5)
        .map(|m| u64::from(m.host_copies))
        .sum();
    assert_eq!(copies, 0, "slots are used again once they are free");
    cam.stop().unwrap();
}

#[test]
fn a_new_size_is_taken_when_it_fits_and_named_when_it_does_not() {
    let two_sizes = |second: &str| {
        pipeline(&format!(
            "concat name=c videotestsrc num-buffers=10 ! video/x-raw,width=64,height=48 ! c. \
             videotestsrc num-buffers=10 ! video/x-raw,{second} ! c. c."
        ))
    };
    let notes = Arc::new(Notes::default());
    let cam = run(two_sizes("width=96,height=80"), &notes);
    wait(&cam, LONG, |c| c.done());
    let sizes: Vec<_> = notes.views().iter().map(|m| (m.width, m.height)).collect();
    assert_eq!((sizes[9], sizes[10], sizes.len()), ((64, 48), (96, 80), 20));
    // While the pool for the old size still has its slots, the new one may be short of them once or twice.
    assert!(cam.status().counts.host_copies <= 2);
    cam.stop().unwrap();

    let mut config = two_sizes("width=640,height=480");
    config.slot_bytes = Some(64 * 48);
    config.retry.give_up_after = Some(1);
    config.retry.first_ms = 10_000;
    config.retry.max_ms = 10_000;
    let notes = Arc::new(Notes::default());
    let cam = run(config, &notes);
    wait(&cam, LONG, is(CameraState::Retrying));
    let reason = cam.status().reason;
    assert!(
        reason.contains("3072") && reason.contains("640x480") && reason.contains("slot_bytes"),
        "{reason}"
    );
    assert_eq!(notes.views().len(), 10);
    wait(&cam, LONG, |_| {
        notes.misses().contains(&(None, MissReason::CameraDown))
    });
    cam.stop().unwrap();
}

#[test]
fn a_file_plays_as_fast_as_slots_come_free_without_losing_a_frame_and_begins_again_when_told() {
    let folder = tempfile::tempdir().unwrap();
    let path = h264_file(folder.path(), 40);
    let video = |repeat| {
        let mut config = camera(Source::Video {
            path: path.file_name().unwrap().into(),
            paced: false,
            repeat,
        });
        config.slots = 6;
        config
    };
    let notes = Notes::keeping();
    let cam = start(context(video(false), Arc::clone(&notes), folder.path())).unwrap();
    while !cam.done() {
        notes.kept.lock().unwrap().as_mut().unwrap().clear();
        std::thread::sleep(Duration::from_millis(1));
        assert_ne!(cam.status().state, CameraState::Failed);
    }
    assert_eq!(
        notes
            .views()
            .iter()
            .map(|m| m.frame_id.0)
            .collect::<Vec<_>>(),
        (0..40).collect::<Vec<_>>()
    );
    let counts = cam.status().counts;
    assert_eq!((counts.missed_no_slot, counts.lost), (0, 0), "{counts:?}");
    cam.stop().unwrap();

    let notes = Arc::new(Notes::default());
    let cam = start(context(video(true), Arc::clone(&notes), folder.path())).unwrap();
    wait(&cam, LONG, |c| c.status().counts.frames > 130);
    assert_eq!(cam.status().state, CameraState::Live);
    let counts = cam.status().counts;
    assert_eq!((counts.lost, counts.host_copies), (0, 0), "{counts:?}");
    cam.stop().unwrap();
}

#[test]
fn a_paced_file_takes_its_time() {
    let folder = tempfile::tempdir().unwrap();
    let path = h264_file(folder.path(), 20);
    let notes = Arc::new(Notes::default());
    let config = camera(Source::Video {
        path,
        paced: true,
        repeat: false,
    });
    let cam = start(context(config, Arc::clone(&notes), folder.path())).unwrap();
    wait(&cam, LONG, |c| c.done());
    let views = notes.views();
    let took = views[19].captured.since(views[0].captured);
    assert!(
        (600..2_000).contains(&took.as_millis()),
        "20 frames of 40 ms took {took:?}"
    );
    cam.stop().unwrap();
}

#[test]
fn damaged_h264_is_counted_or_marked_and_never_ends_the_process() {
    let folder = tempfile::tempdir().unwrap();
    let path = h264_file(folder.path(), 60);
    let mut bytes = std::fs::read(&path).unwrap();
    let len = bytes.len();
    for i in (len / 4..len * 3 / 4).step_by(61) {
        bytes[i] ^= 0x55;
    }
    std::fs::write(&path, bytes).unwrap();
    let notes = Arc::new(Notes::default());
    let mut config = camera(Source::Video {
        path,
        paced: false,
        repeat: false,
    });
    config.retry.give_up_after = Some(1);
    let cam = start(context(config, Arc::clone(&notes), folder.path())).unwrap();
    wait(&cam, LONG, |c| c.done());
    let counts = cam.status().counts;
    assert!(counts.frames > 5, "the whole parts still play: {counts:?}");
    let noticed = counts.unhealthy.corrupt + counts.warnings + counts.lost;
    assert!(noticed > 0, "{counts:?}");
    cam.stop().unwrap();
}

#[test]
fn damaged_jpegs_between_good_ones_do_not_stop_the_camera() {
    let folder = tempfile::tempdir().unwrap();
    let pattern = folder.path().join("%02d.jpg");
    gst_run(&format!(
        "videotestsrc pattern=smpte num-buffers=9 ! video/x-raw,width=160,height=120,framerate=30/1 ! jpegenc ! \
         multifilesink location={}",
        pattern.display()
    ));
    let spoil = |i: usize, change: &dyn Fn(&mut Vec<u8>)| {
        let path = folder.path().join(format!("{i:02}.jpg"));
        let mut bytes = std::fs::read(&path).unwrap();
        change(&mut bytes);
        std::fs::write(path, bytes).unwrap();
    };
    spoil(3, &|b| b.truncate(b.len() / 2));
    spoil(5, &|b| b.fill(0));
    let notes = Arc::new(Notes::default());
    let mut config = pipeline(&format!(
        "multifilesrc location={} caps=image/jpeg,framerate=30/1 ! jpegdec",
        pattern.display()
    ));
    config.retry.give_up_after = Some(1);
    let cam = start(context(config, Arc::clone(&notes), folder.path())).unwrap();
    wait(&cam, LONG, |c| c.done());
    let views = notes.views();
    assert!(views.len() >= 7, "{:?}", cam.status());
    let counts = cam.status().counts;
    assert!(
        counts.warnings + counts.unhealthy.corrupt > 0 || views.len() < 9,
        "{counts:?}"
    );
    assert!(views.iter().filter(|m| m.health == Health::Ok).count() >= 6);
    cam.stop().unwrap();
}

#[test]
fn what_is_missing_is_said_and_tried_again() {
    let config = pipeline("nosuchelement ! videoconvert");
    let error = start(context(config, Arc::new(Notes::default()), Path::new("")))
        .err()
        .unwrap();
    assert!(matches!(error, IngestError::Elements { .. }));
    assert!(error.to_string().contains("nosuchelement"), "{error}");

    let mut config = camera(Source::Video {
        path: "absent.mp4".into(),
        paced: true,
        repeat: false,
    });
    config.retry.give_up_after = Some(3);
    let cam = run(config, &Arc::new(Notes::default()));
    wait(&cam, LONG, is(CameraState::Failed));
    let reason = cam.status().reason;
    assert!(
        reason.contains("3 attempts") && reason.contains("absent.mp4"),
        "{reason}"
    );
    cam.stop().unwrap();

    let mut config = camera(Source::V4l2 {
        device: "/dev/video-that-is-not-there".into(),
        fps: Some(30),
    });
    config.retry.give_up_after = Some(1);
    let cam = run(config, &Arc::new(Notes::default()));
    wait(&cam, LONG, is(CameraState::Failed));
    assert!(
        cam.status().reason.contains("/dev/video-that-is-not-there"),
        "{}",
        cam.status().reason
    );
    cam.stop().unwrap();
}

/// Notes the cores the delivering thread may run on.
#[derive(Default)]
struct Cores(std::sync::Mutex<Vec<usize>>);

impl sightline_frames::TapSink for Cores {
    fn deliver(&self, _: sightline_frames::Tapped) -> Result<(), sightline_frames::Tapped> {
        *self.0.lock().unwrap() = sightline_threads::allowed_cores();
        Ok(())
    }
}

#[test]
fn the_streaming_thread_runs_on_its_core() {
    let core = *sightline_threads::allowed_cores().last().unwrap();
    let cores = Arc::new(Cores::default());
    let mut config = pipeline("videotestsrc num-buffers=3 ! video/x-raw,width=64,height=48");
    config.core = Some(core);
    let mut ctx = context(config, Arc::new(Notes::default()), Path::new(""));
    ctx.sink = Arc::clone(&cores) as Arc<dyn sightline_frames::TapSink>;
    let cam = start(ctx).unwrap();
    wait(&cam, LONG, |c| c.done());
    assert_eq!(*cores.0.lock().unwrap(), [core]);
    cam.stop().unwrap();
}

#[test]
fn a_probe_tells_what_a_camera_gives_or_why_it_does_not() {
    let ctx = |description: &str| {
        context(
            pipeline(description),
            Arc::new(Notes::default()),
            Path::new(""),
        )
    };
    let good = ctx("videotestsrc is-live=true ! video/x-raw,width=320,height=240");
    let report = probe(good, LONG).unwrap();
    assert_eq!(
        (
            report.width,
            report.height,
            report.format,
            report.host_copies
        ),
        (320, 240, PixelFormat::Gray8, 0)
    );
    let silent = ctx("appsrc ! video/x-raw,format=GRAY8,width=64,height=48,framerate=1/1");
    let error = probe(silent, Duration::from_millis(100))
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("cam1") && error.contains("connecting"),
        "{error}"
    );
}
