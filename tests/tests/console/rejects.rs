//! A reject is looked at and overruled, before and after a restart; wrong PINs wait.

use crate::plant::*;
use serde_json::{Value, json};
use sightline_tests::broker::subscribe;
use sightline_tests::requester::ROOT;
use sightline_tests::{PATIENCE, until};
use sightline_wire::snapshot::PartCard;
use sightline_wire::{Answer, Ask, Refusal, Role};
use std::path::{Path, PathBuf};

#[test]
#[expect(clippy::too_many_lines, reason = "one story, told in its order")]
fn a_reject_is_looked_at_and_overruled_and_wrong_pins_wait() {
    let plant = Plant::build("");
    let (mut station, client) = plant.start();
    let (_subscriber, heard) = subscribe(plant.port, &format!("{ROOT}/review"), "mqttv5");
    let rejects = || parts(&client, |_| {});
    let has_picture =
        |p: &sightline_wire::snapshot::PartCard| p.views.iter().position(|v| v.has_picture);
    until("a reject with a picture", || {
        rejects().iter().any(|p| has_picture(p).is_some())
    });
    let part = rejects()
        .into_iter()
        .rfind(|p| has_picture(p).is_some())
        .expect("one");
    let view = has_picture(&part).expect("it has one") as u16;
    let picture_of = |seq, view| Ask::Picture { seq, view };
    let picture = ask(&client, picture_of(part.seq, view));
    let Answer::Picture(head) = picture else {
        panic!("{picture:?}");
    };
    let judged = head.judged.clone();
    let judged = judged.expect("findings of the same frame");
    assert_eq!(judged.findings, part.views[usize::from(view)].findings);
    assert_eq!(judged.track, part.track);

    for pin in ["0000", "0001"] {
        let wrong = Ask::LogIn {
            user: "Sun".into(),
            pin: pin.into(),
        };
        assert_eq!(ask(&client, wrong), Answer::Refused(Refusal::WrongPin));
    }
    let guess = Ask::LogIn {
        user: "Sun".into(),
        pin: "0002".into(),
    };
    let locked = |a: &Answer| matches!(a, Answer::Refused(Refusal::Locked { .. }));
    assert!(locked(&ask(&client, guess)));
    let right = Ask::LogIn {
        user: "Sun".into(),
        pin: PIN.into(),
    };
    assert!(locked(&ask(&client, right)), "also the right one waits");

    log_in(&client, "Eng");
    let judge = |seq, good| Ask::Overrule {
        seq,
        good,
        reason: why(),
    };
    until("a second reject with a picture", || {
        rejects()
            .iter()
            .any(|p| p.seq != part.seq && has_picture(p).is_some())
    });
    let second = rejects()
        .into_iter()
        .find(|p| p.seq != part.seq && has_picture(p).is_some())
        .expect("one");
    assert_eq!(ask(&client, judge(part.seq, true)), Answer::Done);
    assert_eq!(ask(&client, judge(second.seq, false)), Answer::Done);
    let passed = parts(&client, |f| f.passed = true);
    assert_eq!(ask(&client, judge(passed[0].seq, false)), Answer::Done);
    let nobody = Answer::Refused(Refusal::NotThere);
    assert_eq!(ask(&client, judge(u64::from(u32::MAX), true)), nobody);

    let reviewed = parts(&client, |f| f.reviewed = Some(true));
    let told: Vec<_> = reviewed.iter().map(|p| (p.seq, p.overruled)).collect();
    let mut expected = [(part.seq, Some(true)), (second.seq, Some(false))];
    expected.sort_by_key(|e| std::cmp::Reverse(e.0));
    assert_eq!(told, expected);
    assert!(
        parts(&client, |f| f.reviewed = Some(false))
            .iter()
            .all(|p| p.seq != part.seq)
    );
    let class = part.causes()[0].1.class.clone();
    let camera = part.views[usize::from(view)].camera.clone();
    let narrow = parts(&client, |f| {
        (f.cause, f.camera, f.minutes) = (Some(class.clone()), Some(camera.clone()), 60);
    });
    assert!(narrow.iter().any(|p| p.seq == part.seq));
    assert!(parts(&client, |f| f.camera = Some("none".into())).is_empty());

    let (topic, review) = heard.recv_timeout(PATIENCE).expect("the MES hears of it");
    let review: Value = serde_json::from_str(&review).expect("JSON");
    assert!(topic.ends_with("/review"));
    assert_eq!(review["event_id"], part.event_id);
    assert_eq!(
        (&review["evaluation"], &review["by"]),
        (&json!("OK"), &json!("Eng"))
    );

    let list = match ask(&client, Ask::ExportReviewed) {
        Answer::Written { path, items } if items >= 2 => PathBuf::from(path),
        other => panic!("{other:?}"),
    };
    coco_is_right(&list, &part, &second);
    let Answer::Written { path: support, .. } = ask(&client, Ask::ExportSupport) else {
        panic!("no file for support");
    };
    assert!(support.starts_with(plant.folder.path().join("exports").to_str().expect("UTF-8")));
    let packed = std::fs::read(&support).expect("it is there");
    assert_eq!(packed[..4], [0x28, 0xb5, 0x2f, 0xfd], "zstd");

    assert_eq!(ask(&client, Ask::LogOut), Answer::Done);
    assert_eq!(
        ask(&client, Ask::Audit { limit: 1 }),
        Answer::Refused(Refusal::Needs(Role::Supervisor))
    );
    assert_eq!(station.interrupt(), 0, "{}", station.log());
    let links = written(&plant);
    let action = format!("review {}", part.event_id);
    stands(&links, "Eng", &action, "rejected", "good", WHY);

    // What was seen before is seen after the station has ended and begun again, pictures too.
    let (mut station, client) = plant.start();
    let again = parts(&client, |f| f.reviewed = Some(true));
    assert_eq!(
        again
            .iter()
            .map(|p| (p.seq, p.overruled))
            .collect::<Vec<_>>(),
        expected
    );
    let pictured = again
        .iter()
        .find(|p| p.seq == part.seq)
        .and_then(has_picture);
    assert_eq!(pictured, Some(usize::from(view)));
    let Answer::Picture(again) = ask(&client, picture_of(part.seq, view)) else {
        panic!("its picture is gone");
    };
    assert_eq!(
        (again.frame_id, again.judged),
        (head.frame_id, Some(judged))
    );
    let nothing = ask(&client, picture_of(part.seq, 99));
    assert_eq!(nothing, Answer::Refused(Refusal::NotKept));
    sees("how many are kept", &client, |s| {
        let kept = s.system.pictures.clone().unwrap_or_default();
        kept.parts >= 2 && kept.bytes.0 > 0 && kept.left_out == 0
    });
    let Answer::Quality(quality) = ask(&client, Ask::Quality { minutes: 60 }) else {
        panic!("no figures");
    };
    assert_eq!(
        (quality.rejects_reviewed, quality.passes_reviewed),
        ((2, 1), (1, 1))
    );
    assert!(quality.pareto.iter().any(|(c, n)| *c == class && *n > 0));
    log_in(&client, "Sun");
    assert!(trail(&client).iter().any(|r| r[0] == action));
    assert_eq!(station.interrupt(), 0, "{}", station.log());
}

/// The list names existing pictures of both parts; only the one that is bad has annotations, inside its pictures.
fn coco_is_right(list: &Path, good: &PartCard, bad: &PartCard) {
    let coco: Value = serde_json::from_slice(&std::fs::read(list).expect("list")).expect("JSON");
    let array = |key: &str| coco[key].as_array().expect("an array").clone();
    let images = array("images");
    for image in &images {
        let file = list
            .parent()
            .expect("a folder")
            .join(image["file_name"].as_str().expect("name"));
        let size = image::image_dimensions(&file).expect("a picture");
        assert_eq!(
            (&image["width"], &image["height"]),
            (&json!(size.0), &json!(size.1))
        );
    }
    let of = |part: &PartCard| {
        images
            .iter()
            .filter(|i| i["seq"] == part.seq)
            .cloned()
            .collect::<Vec<_>>()
    };
    assert!(!of(good).is_empty() && !of(bad).is_empty(), "{coco:#}");
    assert!(
        of(good).iter().all(|i| i["good"] == true) && of(bad).iter().all(|i| i["good"] == false)
    );
    let ids: Vec<Value> = of(bad).iter().map(|i| i["id"].clone()).collect();
    let annotations = array("annotations");
    assert!(!annotations.is_empty());
    for annotation in annotations {
        assert!(ids.contains(&annotation["image_id"]), "{annotation}");
        let bbox: Vec<f64> = annotation["bbox"]
            .as_array()
            .expect("bbox")
            .iter()
            .filter_map(Value::as_f64)
            .collect();
        let image = images
            .iter()
            .find(|i| i["id"] == annotation["image_id"])
            .expect("its image");
        let edge = |key: &str| image[key].as_f64().expect("a size") + 1.0;
        assert!(
            bbox[0] + bbox[2] <= edge("width") && bbox[1] + bbox[3] <= edge("height"),
            "{annotation}"
        );
        assert!(
            array("categories")
                .iter()
                .any(|c| c["id"] == annotation["category_id"])
        );
    }
}
