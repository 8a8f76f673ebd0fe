//! Nothing looks at a part before it has proved itself on this box, and what does not is refused by name, fast, and leaves
//! nothing behind.

use sightline_tests::process::Killed;
use sightline_tests::project;
use sightline_tests::station::{binary, sightline};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

/// The limit of a step in these tests, seconds.
const STEP_S: f64 = 3.0;

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn sha256(file: &Path) -> String {
    let output = Command::new("sha256sum").arg(file).output();
    String::from_utf8_lossy(&output.expect("sha256sum").stdout)[..64].to_owned()
}

fn onnx(name: &str) -> PathBuf {
    let ours = project().join(format!("tests/models/{name}.onnx"));
    match ours.exists() {
        true => ours,
        false => project().join(format!("engines/onnx/tests/models/{name}.onnx")),
    }
}

/// A detector of two classes that scores a picture's brightness, with golden pictures that prove it: one light, one dark.
struct Tiny {
    folder: tempfile::TempDir,
    files: Vec<(String, &'static str)>,
    golden: bool,
}

impl Tiny {
    fn of(model: &str) -> Self {
        let tiny = Self {
            folder: tempfile::tempdir().expect("scratch"),
            files: Vec::new(),
            golden: true,
        };
        tiny.with(model, "fp32")
    }

    fn with(mut self, model: &str, precision: &'static str) -> Self {
        let name = format!("{precision}.onnx");
        std::fs::copy(onnx(model), self.path().join(&name)).expect("a model");
        self.files.push((name, precision));
        self
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn written(self) -> Self {
        let files: String = (self.files.iter())
            .map(|(name, precision)| {
                let path = self.path().join(name);
                let size = path.metadata().expect("a model").len();
                format!(
                    "[[files]]\npath = \"{name}\"\nrole = \"model\"\nprecision = \"{precision}\"\nsha256 = \"{}\"\nsize = {size}\n",
                    sha256(&path)
                )
            })
            .collect();
        let mut manifest = format!(
            "schema = \"sightline.bundle.v1\"\nname = \"tiny\"\nversion = \"1.0.0\"\ntask = \"detect\"\nlicense = \"Apache-2.0\"\nsource = \"make_models.py\"\nmin_app = \"0.1.0\"\n{files}\
             [input]\nname = \"images\"\nwidth = 32\nheight = 32\nlayout = \"nchw\"\ndtype = \"f32\"\ncolor = \"gray\"\nscale = 0.00392156862745098\nmean = [0.0]\nstd = [1.0]\nresize = \"letterbox\"\n\
             [decoder]\nkind = \"yolo-v8\"\nversion = 1\n\
             [[classes]]\nid = 0\ncode = \"light\"\nname = {{ en = \"light\" }}\nseverity = \"major\"\ndefault_limit = 0.3\n\
             [[classes]]\nid = 1\ncode = \"dim\"\nname = {{ en = \"dim\" }}\nseverity = \"major\"\ndefault_limit = 0.3\n"
        );
        if self.golden {
            for (name, level) in [("lit", 204), ("dark", 20)] {
                let picture = image::GrayImage::from_pixel(32, 32, image::Luma([level]));
                picture
                    .save(self.path().join(format!("{name}.png")))
                    .expect("a picture");
                manifest += &format!(
                    "[[golden]]\nimage = \"{name}.png\"\nexpected = \"{name}.json\"\ntolerance = {{ score = 0.03, box_px = 1.0 }}\n"
                );
            }
            let found = |class: &str, score: f64, at: u32, side: u32| {
                format!(
                    r#"{{"class":"{class}","score":{score},"bbox_px":{{"x":{at},"y":{at},"w":{side},"h":{side}}}}}"#
                )
            };
            let lit = format!(
                r#"{{"detections":[{},{}]}}"#,
                found("light", 0.8, 12, 8),
                found("dim", 0.4, 4, 4)
            );
            std::fs::write(self.path().join("lit.json"), lit).expect("written");
            std::fs::write(self.path().join("dark.json"), r#"{"detections":[]}"#).expect("written");
        }
        std::fs::write(self.path().join("manifest.toml"), manifest).expect("written");
        self
    }
}

/// A station with a store that this bundle is installed in; `[models]` says `policy` beside.
fn station(folder: &Path, policy: &str) -> PathBuf {
    let configs = project().join("configs");
    let demo = std::fs::read_to_string(configs.join("demo.toml")).expect("demo.toml");
    let recipe = configs.join("recipes/demo-board.toml");
    let text = demo.replace("recipes/demo-board.toml", recipe.to_str().expect("UTF-8"))
        + &format!("\n[models]\nstore = \"store\"\nprove_step_s = {STEP_S}\n{policy}\n");
    let config = folder.join("station.toml");
    std::fs::write(&config, text).expect("written");
    config
}

/// Installs as a person does at the box; returns what was said, and the largest memory of the process, MB.
fn install(config: &Path, bundle: &Path) -> (Output, u64) {
    let mut child = Command::new(binary())
        .args(["model", "install", "--config"])
        .arg(config)
        .arg(bundle)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("sightline");
    let (begin, mut peak) = (Instant::now(), 0);
    while child.try_wait().expect("its state").is_none() {
        let status = std::fs::read_to_string(format!("/proc/{}/status", child.id()));
        let line = status.unwrap_or_default();
        let rss = line.lines().find_map(|l| l.strip_prefix("VmHWM:"));
        let kb = rss.and_then(|l| l.trim().trim_end_matches(" kB").parse::<u64>().ok());
        peak = peak.max(kb.unwrap_or(0) >> 10);
        assert!(begin.elapsed() < Duration::from_secs(60), "it does not end");
        std::thread::sleep(Duration::from_millis(5));
    }
    (child.wait_with_output().expect("its words"), peak)
}

/// Every file of the store beside its lock.
fn left_behind(store: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(store).into_iter().flatten().flatten();
    let all = entries.map(|e| e.path());
    all.filter(|p| !p.ends_with(".lock")).collect()
}

#[test]
fn every_shipped_bundle_is_proved_by_the_rules_for_all() {
    for entry in std::fs::read_dir(project().join("models")).expect("models") {
        let bundle = entry.expect("an entry").path();
        let output = sightline(&["model", "verify", bundle.to_str().expect("UTF-8")]);
        assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    }
}

#[test]
fn a_sound_model_is_proved_in_every_precision_and_its_failings_are_named() {
    let verify =
        |tiny: &Tiny| sightline(&["model", "verify", tiny.path().to_str().expect("UTF-8")]);
    let good = Tiny::of("sound").with("sound", "int8").written();
    let output = verify(&good);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    assert!(said(&output).contains("onnx-cpu/int8 dark.png: as expected"));

    let refused = |tiny: Tiny, words: &[&str]| {
        let output = verify(&tiny.written());
        assert_eq!(output.status.code(), Some(1), "{}", said(&output));
        for word in [&["not proved"], words].concat() {
            assert!(
                said(&output).contains(word),
                "no {word} in {}",
                said(&output)
            );
        }
    };
    let without = Tiny {
        golden: false,
        ..Tiny::of("sound")
    };
    refused(without, &["expected golden pictures, found none"]);
    let zero = Tiny::of("sound").with("silent", "int8");
    refused(
        zero,
        &[
            "onnx-cpu/fp32 and onnx-cpu/int8 disagree on lit.png",
            "lit.png by onnx-cpu/int8 is not as expected",
        ],
    );
    // Random bytes that call themselves a model of another precision are loaded like any other.
    let random = Tiny::of("sound").with("sound", "fp16");
    let noise: Vec<u8> = (0..5_000_u32)
        .map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8)
        .collect();
    std::fs::write(random.path().join("fp16.onnx"), noise).expect("written");
    refused(random, &["fp16 on onnx"]);
    refused(Tiny::of("v8-nan"), &["dark.png", "NaN"]);
}

#[test]
fn a_model_that_never_ends_or_takes_all_memory_is_stopped_and_the_limit_named() {
    let folder = tempfile::tempdir().expect("scratch");
    let config = station(folder.path(), "allow_unsigned = true");
    for (model, step, limit) in [
        ("forever", "loading fp32 on onnx", "models.prove_step_s"),
        (
            "hang",
            "picture 1 of 2, lit.png by onnx-cpu/fp32",
            "models.prove_step_s",
        ),
        ("large", "fp32 on onnx", "models.prove_memory_mb"),
    ] {
        let tiny = Tiny::of(model).written();
        let begin = Instant::now();
        let (output, _) = install(&config, tiny.path());
        let words = said(&output);
        assert_eq!(output.status.code(), Some(1), "{words}");
        assert!(
            words.contains("not proved") && words.contains(step),
            "{words}"
        );
        assert!(words.contains(limit), "{words}");
        // Six times the limit on the clock, and the way there, however busy the box is.
        let most = Duration::from_secs_f64(6.0 * STEP_S + 12.0);
        assert!(begin.elapsed() < most, "{:?}", begin.elapsed());
        assert_eq!(
            left_behind(&folder.path().join("store")),
            [] as [PathBuf; 0]
        );
    }
}

/// The first core that this test may run on, as `taskset` takes it.
fn a_core() -> String {
    let status = std::fs::read_to_string("/proc/self/status").expect("it");
    let line = status
        .lines()
        .find_map(|l| l.strip_prefix("Cpus_allowed_list:"));
    let first = line.expect("the cores").trim().split([',', '-']).next();
    first.expect("a core").to_owned()
}

/// Children that spin on one core.
fn spinning(core: &str, count: usize) -> Vec<Killed> {
    let spin = || {
        let mut child = Command::new("taskset");
        child.args(["-c", core, "sh", "-c", "while :; do :; done"]);
        Killed(child.spawn().expect("taskset, of util-linux"))
    };
    (0..count).map(|_| spin()).collect()
}

/// Installs on one core beside `others`, with this limit of a step. Returns what was said.
fn install_beside(others: usize, model: &str, step_s: f64) -> Output {
    let folder = tempfile::tempdir().expect("scratch");
    let config = station(folder.path(), "allow_unsigned = true");
    let text = std::fs::read_to_string(&config).expect("it");
    let own = format!("prove_step_s = {STEP_S}");
    let text = text.replace(&own, &format!("prove_step_s = {step_s:?}"));
    std::fs::write(&config, text).expect("written");
    let tiny = Tiny::of(model).written();
    let core = a_core();
    let _others = spinning(&core, others);
    Command::new("taskset")
        .args(["-c", &core])
        .arg(binary())
        .args(["model", "install", "--config"])
        .arg(&config)
        .arg(tiny.path())
        .output()
        .expect("taskset, of util-linux")
}

/// A sixth of a core is left: the picture takes several times its limit on the clock, and less than that of its own.
#[test]
fn on_a_busy_box_a_good_model_is_proved_and_an_endless_one_is_stopped_all_the_same() {
    let output = install_beside(5, "slow", 2.5);
    assert!(output.status.success(), "{}", said(&output));
    let begin = Instant::now();
    let output = install_beside(3, "hang", 1.0);
    let words = said(&output);
    assert_eq!(output.status.code(), Some(1), "{words}");
    assert!(words.contains("picture 1 of 2, lit.png"), "{words}");
    assert!(words.contains("models.prove_step_s"), "{words}");
    assert!(
        begin.elapsed() < Duration::from_secs(40),
        "{:?}",
        begin.elapsed()
    );
}

#[test]
fn what_proves_ends_with_the_process_that_asked() {
    let tiny = Tiny::of("forever").written();
    let mut verify = Command::new(binary());
    verify.args(["model", "verify"]).arg(tiny.path());
    let mut verify = verify.stderr(Stdio::null()).spawn().expect("sightline");
    let children = format!("/proc/{0}/task/{0}/children", verify.id());
    let mut worker = String::new();
    sightline_tests::until("the process that proves", || {
        worker = std::fs::read_to_string(&children)
            .unwrap_or_default()
            .trim()
            .to_owned();
        !worker.is_empty()
    });
    verify.kill().expect("killed");
    verify.wait().expect("its state");
    sightline_tests::until("it ends too", || {
        let state = std::fs::read_to_string(format!("/proc/{worker}/stat")).unwrap_or_default();
        state.is_empty() || state.contains(") Z ")
    });
}

#[test]
#[expect(clippy::too_many_lines, reason = "one story, told in its order")]
fn an_unproved_model_neither_installs_nor_inspects_but_for_commissioning_aloud() {
    let folder = tempfile::tempdir().expect("scratch");
    let bundle = folder.path().join("unproved");
    let copied = Command::new("cp")
        .arg("-r")
        .arg(project().join("models/pcb-detector"))
        .arg(&bundle)
        .status();
    assert!(copied.expect("cp").success());
    let manifest = std::fs::read_to_string(bundle.join("manifest.toml")).expect("a manifest");
    let mut manifest: toml::Table = manifest.parse().expect("TOML");
    manifest.remove("golden");
    std::fs::write(bundle.join("manifest.toml"), manifest.to_string()).expect("written");
    let recipe = std::fs::read_to_string(project().join("configs/recipes/demo-board.toml"))
        .expect("a recipe");
    std::fs::write(
        folder.path().join("recipe.toml"),
        recipe.replace("../../models/pcb-detector", "unproved"),
    )
    .expect("written");
    let configured = |policy: &str| {
        let config = station(folder.path(), policy);
        let text = std::fs::read_to_string(&config).expect("it");
        let own = project().join("configs/recipes/demo-board.toml");
        let port = sightline_tests::free_port();
        let text = text
            .replace(own.to_str().expect("UTF-8"), "recipe.toml")
            .replace("127.0.0.1:1884", &format!("127.0.0.1:{port}"));
        std::fs::write(&config, text).expect("written");
        config
    };
    let config = configured("allow_unsigned = true");
    let path = config.to_str().expect("UTF-8");
    for arguments in [
        &["run", "--config", path][..],
        &["check", "--probe", "--config", path],
    ] {
        let output = sightline(arguments);
        assert_eq!(output.status.code(), Some(2), "{}", said(&output));
        assert!(
            said(&output).contains("is not proved and does not inspect"),
            "{}",
            said(&output)
        );
    }
    let (output, _) = install(&config, &bundle);
    assert!(
        said(&output).contains("expected golden pictures, found none"),
        "{}",
        said(&output)
    );
    assert!(left_behind(&folder.path().join("store")).is_empty());

    let config = configured("allow_unsigned = true\nallow_unproved = true");
    let path = config.to_str().expect("UTF-8");
    let output = sightline(&["check", "--probe", "--config", path]);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    assert!(
        said(&output).contains("UNPROVED MODEL IN USE"),
        "{}",
        said(&output)
    );
    assert!(
        said(&output).contains("warning: models.allow_unproved"),
        "{}",
        said(&output)
    );
    let (output, _) = install(&config, &bundle);
    assert!(output.status.success(), "{}", said(&output));
    let version = manifest["version"].as_str().expect("a version");
    let open = configured("allow_unsigned = true");
    let open = open.to_str().expect("UTF-8");
    let activated = sightline(&[
        "model",
        "activate",
        "--config",
        open,
        "pcb-detector",
        version,
    ]);
    assert_eq!(activated.status.code(), Some(1), "{}", said(&activated));
    assert!(said(&activated).contains("not proved"));
    assert!(
        said(&output).contains("UNPROVED MODEL INSTALLED"),
        "{}",
        said(&output)
    );
}

#[test]
fn only_what_a_trusted_key_signed_is_taken_and_a_version_goes_back_only_by_roll_back() {
    let folder = tempfile::tempdir().expect("scratch");
    let at = |name: &str| folder.path().join(name);
    let config = station(folder.path(), "trusted_keys = \"keys\"");
    let path = |p: &Path| p.to_str().expect("UTF-8").to_owned();
    let done = |arguments: &[&str]| {
        let output = sightline(arguments);
        assert!(output.status.success(), "{arguments:?}: {}", said(&output));
        said(&output)
    };
    let refused = |arguments: &[&str], words: &str| {
        let output = sightline(arguments);
        assert_eq!(
            output.status.code(),
            Some(1),
            "{arguments:?}: {}",
            said(&output)
        );
        assert!(
            said(&output).contains(words),
            "no {words} in {}",
            said(&output)
        );
    };
    for (name, out) in [("plant", "keys"), ("stranger", "elsewhere")] {
        done(&[
            "keys",
            "new",
            name,
            "--no-password",
            "--out",
            &path(&at(out)),
        ]);
    }
    let key = |out: &str, name: &str| path(&at(out).join(format!("{name}.key")));
    let tiny = Tiny::of("sound").written();
    let bundle = path(tiny.path());
    let config = path(&config);
    let install = ["model", "install", "--config", &config, &bundle];
    refused(&install, "expected manifest.toml.minisig in it, found none");
    done(&[
        "keys",
        "sign",
        &bundle,
        "--key",
        &key("elsewhere", "stranger"),
    ]);
    refused(&install, "trusted are: plant");
    done(&["keys", "sign", &bundle, "--key", &key("keys", "plant")]);
    // Signed is the manifest, and by it each file: pictures and answers too.
    let manifest = std::fs::read_to_string(tiny.path().join("manifest.toml")).expect("it");
    assert!(manifest.contains("lit.png") && manifest.matches("role = \"golden\"").count() == 4);
    let words = done(&install);
    assert!(
        words.contains("installed tiny 1.0.0, signed by plant"),
        "{words}"
    );
    std::fs::write(
        tiny.path().join("manifest.toml"),
        manifest.replace("default_limit = 0.3", "default_limit = 0.31"),
    )
    .expect("written");
    refused(&install, "does not fit the manifest");

    std::fs::write(
        tiny.path().join("manifest.toml"),
        manifest.replace("1.0.0", "1.1.0"),
    )
    .expect("written");
    done(&["keys", "sign", &bundle, "--key", &key("keys", "plant")]);
    done(&install);
    let activate = |version| ["model", "activate", "--config", &config, "tiny", version];
    done(&activate("1.0.0"));
    done(&activate("1.1.0"));
    refused(&activate("1.0.0"), "goes back only by a roll-back");
    done(&["model", "rollback", "--config", &config, "tiny"]);
}

#[test]
fn a_store_named_relatively_takes_a_folder() {
    let folder = tempfile::tempdir().expect("scratch");
    let tiny = Tiny::of("sound").written();
    let output = Command::new(binary())
        .args(["model", "install", "--store", "st"])
        .arg(tiny.path())
        .current_dir(folder.path())
        .output()
        .expect("sightline");
    assert!(output.status.success(), "{}", said(&output));
    assert!(folder.path().join("st/tiny/1.0.0/manifest.toml").exists());
}
