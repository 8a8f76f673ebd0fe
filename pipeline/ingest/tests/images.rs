//! Picture sources through the public API: order, losslessness, references, bad pictures.

mod support;

use image::{GrayImage, Luma};
use sightline_configs::station::{Camera, Source};
use sightline_domain::{FrameId, Health, MissReason, PixelFormat};
use sightline_ingest::{CameraState, IngestError, start};
use std::{path::Path, sync::Arc, time::Duration};
use support::{Notes, camera, context, is, wait};

const LONG: Duration = Duration::from_secs(20);

fn images(path: &str, rate_hz: Option<f64>, repeat: bool) -> Camera {
    camera(Source::Images {
        watch: false,
        path: path.into(),
        rate_hz,
        repeat,
    })
}

fn picture(level: u8) -> GrayImage {
    GrayImage::from_fn(40, 30, |x, _| Luma([level + (x % 5) as u8]))
}

fn folder_of(levels: &[u8]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (i, level) in levels.iter().enumerate() {
        picture(*level)
            .save(folder.path().join(format!("p{i:02}.png")))
            .unwrap();
    }
    folder
}

#[test]
fn a_folder_is_shown_once_in_order_without_losing_one_though_slots_are_few() {
    let levels: Vec<u8> = (20..50).collect();
    let folder = folder_of(&levels);
    let notes = Notes::keeping();
    let mut config = images(".", None, false);
    config.slots = 2;
    let cam = start(context(config, Arc::clone(&notes), folder.path())).unwrap();
    // Nobody lets go of a lease: the source waits with two pictures out.
    wait(&cam, LONG, |c| c.status().counts.frames == 2);
    std::thread::sleep(Duration::from_millis(30));
    assert_eq!(notes.views().len(), 2);
    assert_eq!(cam.status().state, CameraState::Live);
    while !cam.done() {
        notes.kept.lock().unwrap().as_mut().unwrap().clear();
        std::thread::sleep(Duration::from_millis(1));
    }
    let views = notes.views();
    assert_eq!(
        views.iter().map(|m| m.frame_id.0).collect::<Vec<_>>(),
        (0..30).collect::<Vec<_>>()
    );
    assert!(notes.misses().is_empty());
    assert!(
        views.iter().all(|m| m.health == Health::Ok
            && m.host_copies == 0
            && (m.width, m.height) == (40, 30))
    );
    assert!(views.windows(2).all(|w| w[0].captured <= w[1].captured));
    let index = Arc::clone(cam.images().unwrap());
    assert_eq!(index.entry(FrameId(7)).unwrap().name, "p07.png");
    assert_eq!(cam.status().state, CameraState::Ended);
    assert_eq!(cam.status().counts.missed_no_slot, 0);
    cam.stop().unwrap();
}

#[test]
fn bad_pictures_are_missed_with_their_number_and_the_line_goes_on() {
    let folder = folder_of(&[10, 20, 30, 40, 50]);
    let at = |name: &str| folder.path().join(name);
    std::fs::write(at("p01.png"), b"no picture").unwrap();
    let whole = std::fs::read(at("p02.png")).unwrap();
    std::fs::write(at("p02.png"), &whole[..whole.len() / 2]).unwrap();
    GrayImage::new(1, 1).save(at("p03.png")).unwrap();
    let notes = Arc::new(Notes::default());
    let cam = start(context(
        images("*.png", None, false),
        Arc::clone(&notes),
        folder.path(),
    ))
    .unwrap();
    wait(&cam, LONG, |c| c.done());
    assert_eq!(
        notes
            .views()
            .iter()
            .map(|m| m.frame_id.0)
            .collect::<Vec<_>>(),
        [0, 4]
    );
    let undecodable = [1, 2, 3].map(|id| (Some(id), MissReason::Undecodable));
    assert_eq!(notes.misses(), undecodable);
    let counts = cam.status().counts;
    assert_eq!((counts.undecodable, counts.lost, counts.frames), (3, 0, 2));
    cam.stop().unwrap();
}

#[test]
fn a_coco_file_gives_pictures_in_its_order_with_their_golden_ones() {
    let folder = folder_of(&[10, 90, 30, 70]);
    std::fs::create_dir(folder.path().join("annotations")).unwrap();
    std::fs::create_dir(folder.path().join("images")).unwrap();
    for i in 0..4 {
        let name = format!("p{i:02}.png");
        std::fs::rename(
            folder.path().join(&name),
            folder.path().join("images").join(&name),
        )
        .unwrap();
    }
    let coco = r#"{"images":[
        {"id":5,"file_name":"p03.png","width":40,"height":30,"template_file_name":"p02.png"},
        {"id":9,"file_name":"p01.png","width":40,"height":30,"template_file_name":"gone.png"},
        {"id":7,"file_name":"p00.png","width":40,"height":30}],
        "annotations":[{"id":1,"image_id":9,"category_id":1,"bbox":[1,2,3,4]}],"categories":[{"id":1,"name":"open"}]}"#;
    std::fs::write(folder.path().join("annotations/test.json"), coco).unwrap();
    let notes = Notes::keeping();
    let mut ctx = context(
        images("annotations/test.json", None, false),
        Arc::clone(&notes),
        folder.path(),
    );
    ctx.wants_reference = true;
    let cam = start(ctx).unwrap();
    wait(&cam, LONG, |c| c.done());
    assert_eq!(
        notes.misses(),
        [(Some(1), MissReason::Undecodable)],
        "a golden picture that is gone is a miss"
    );
    let kept = notes.kept.lock().unwrap().take().unwrap();
    let sightline_frames::Tapped::View(first) = &kept[0] else {
        panic!("{:?}", kept[0])
    };
    assert_eq!(
        (
            first.lease.bytes()[0],
            first.reference.as_ref().unwrap().bytes()[0]
        ),
        (70, 30)
    );
    let names: Vec<_> = cam
        .images()
        .unwrap()
        .entries()
        .iter()
        .map(|e| e.name.as_str())
        .collect();
    assert_eq!(names, ["p03.png", "p01.png", "p00.png"]);
    assert_eq!(
        cam.images().unwrap().entry(FrameId(1)).unwrap().coco_id,
        Some(9)
    );
    drop(kept);
    cam.stop().unwrap();
}

#[test]
fn at_a_rate_it_behaves_like_a_camera_and_repeats() {
    let folder = folder_of(&[10, 20, 30]);
    let notes = Notes::keeping();
    let mut config = images(".", Some(200.0), true);
    config.slots = 3;
    let cam = start(context(config, Arc::clone(&notes), folder.path())).unwrap();
    wait(&cam, LONG, |c| c.status().counts.missed_no_slot >= 3);
    assert_eq!(notes.views().len(), 3, "every slot is out");
    notes.kept.lock().unwrap().as_mut().unwrap().clear();
    wait(&cam, LONG, |c| c.status().counts.frames >= 5);
    assert!(
        notes
            .misses()
            .iter()
            .all(|(_, why)| *why == MissReason::NoFreeSlot)
    );
    let fps = cam.status().fps;
    assert!((20.0..=400.0).contains(&fps), "{fps}");
    cam.stop().unwrap();
}

#[test]
fn what_can_never_work_is_said_at_the_start() {
    let empty = tempfile::tempdir().unwrap();
    let refuse = |config: Camera, base: &Path| {
        start(context(config, Arc::new(Notes::default()), base))
            .err()
            .expect("it must not start")
    };
    assert!(matches!(
        refuse(images(".", None, false), empty.path()),
        IngestError::Pictures { .. }
    ));
    let message = refuse(images("absent.json", None, false), empty.path()).to_string();
    assert!(
        message.contains("absent.json") && message.contains("COCO"),
        "{message}"
    );
    let folder = folder_of(&[1]);
    let mut config = images(".", None, false);
    config.format = PixelFormat::Nv12;
    let message = refuse(config, folder.path()).to_string();
    assert!(
        message.contains("NV12") && message.contains("GRAY8, RGB or BGR"),
        "{message}"
    );
    let mut config = images(".", None, false);
    config.core = Some(999);
    assert!(matches!(
        refuse(config, folder.path()),
        IngestError::NoSuchCore { core: 999, .. }
    ));
    assert!(matches!(
        refuse(camera(Source::Simulated { face: None }), folder.path()),
        IngestError::NoLine { .. }
    ));
}

#[test]
fn stopping_does_not_wait_for_slots_or_pictures_to_come() {
    let folder = folder_of(&[10, 20, 30]);
    let notes = Notes::keeping();
    let mut config = images(".", None, true);
    config.slots = 1;
    let cam = start(context(config, Arc::clone(&notes), folder.path())).unwrap();
    wait(&cam, LONG, is(CameraState::Live));
    let begun = std::time::Instant::now();
    cam.stop().unwrap();
    assert!(begun.elapsed() < Duration::from_secs(2));
}

#[test]
fn a_hot_folder_shows_each_whole_picture_once_and_none_that_lay_there_before() {
    let folder = folder_of(&[10]);
    let notes = Arc::new(Notes::default());
    let config = camera(Source::Images {
        path: ".".into(),
        rate_hz: None,
        repeat: false,
        watch: true,
    });
    let cam = start(context(config, Arc::clone(&notes), folder.path())).unwrap();
    wait(&cam, LONG, is(CameraState::Live));
    let whole = |name: &str| folder.path().join(name);
    // closed by who wrote it
    picture(40).save(whole("closed.png")).unwrap();
    // written elsewhere and renamed into its place
    let bytes = std::fs::read(whole("p00.png")).unwrap();
    std::fs::write(whole(".half"), &bytes).unwrap();
    std::fs::rename(whole(".half"), whole("renamed.png")).unwrap();
    // written slowly: taken when it is closed, and not before
    let mut slow = std::fs::File::create(whole("slow.png")).unwrap();
    std::io::Write::write_all(&mut slow, &bytes[..20]).unwrap();
    wait(&cam, LONG, |_| notes.views().len() >= 2);
    std::thread::sleep(Duration::from_millis(150));
    assert_eq!((notes.views().len(), notes.misses().len()), (2, 0));
    std::io::Write::write_all(&mut slow, &bytes[20..]).unwrap();
    drop(slow);
    wait(&cam, LONG, |_| notes.views().len() == 3);
    // another name for the same file, and a file that is no picture
    std::fs::rename(whole("slow.png"), whole("done.png")).unwrap();
    std::fs::write(whole("notes.txt"), "hello").unwrap();
    std::thread::sleep(Duration::from_millis(200));
    assert_eq!((notes.views().len(), notes.misses().len()), (3, 0));
    // silence is no fault of a folder
    assert_eq!(cam.status().state, CameraState::Live);
    cam.stop().unwrap();
}

#[test]
fn a_hot_folder_that_goes_away_is_waited_for() {
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join("in");
    std::fs::create_dir(&folder).unwrap();
    let notes = Arc::new(Notes::default());
    let config = camera(Source::Images {
        path: "in".into(),
        rate_hz: None,
        repeat: false,
        watch: true,
    });
    let cam = start(context(config, Arc::clone(&notes), parent.path())).unwrap();
    wait(&cam, LONG, is(CameraState::Live));
    std::fs::remove_dir(&folder).unwrap();
    wait(&cam, LONG, is(CameraState::Retrying));
    std::fs::create_dir(&folder).unwrap();
    wait(&cam, LONG, is(CameraState::Live));
    picture(40).save(folder.join("a.png")).unwrap();
    wait(&cam, LONG, |_| notes.views().len() == 1);
    cam.stop().unwrap();
}

#[test]
fn a_labelled_box_that_is_none_is_refused_with_its_annotations_id() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("labels.json");
    let load = |annotation: &str| {
        let text = format!(
            r#"{{"images":[{{"id":1,"file_name":"NaN \"Infinity.png"}}],"categories":[],"annotations":[
               {{"id":6,"image_id":1,"category_id":1,"bbox":[-0.5,0,3.5,4]}},{{{annotation},"image_id":1,"category_id":1}}]}}"#
        );
        std::fs::write(&path, text).unwrap();
        sightline_ingest::CocoFile::load(&path, None).map_err(|e| e.to_string())
    };
    let good = load(r#""id":7,"bbox":[1,2,3,4]"#).unwrap();
    assert_eq!(good.pictures[0].boxes.len(), 2);
    assert_eq!(good.pictures[0].file_name, "NaN \"Infinity.png");
    for bbox in [
        "NaN,0,1,1",
        "0,Infinity,1,1",
        "0,-Infinity,1,1",
        "0,0,-3,4",
        "0,0,3,-1e-9",
        "0,0,0,4",
        "1e300,0,1,1",
        "0,0,1e39,1",
        "null,0,1,1",
    ] {
        let said = load(&format!(r#""id":4711,"bbox":[{bbox}]"#)).expect_err(bbox);
        assert!(
            said.contains("id 4711") && said.contains("expected"),
            "{bbox}: {said}"
        );
    }
    let said = load(r#""bbox":[0,0,-3,4]"#).expect_err("negative");
    assert!(said.contains("annotations[1]"), "{said}");
    // not a number at all is no COCO file, and says where
    let said = load(r#""id":4711,"bbox":[1e999,0,1,1]"#).expect_err("no f64");
    assert!(said.contains("line 2"), "{said}");
}
