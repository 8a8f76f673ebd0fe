//! `docs/mes.md` followed to the letter: its broker, its rights, its subscriber and its SQL give back the journal.

use serde_json::Value;
use sightline_tests::broker::mosquitto_with;
use sightline_tests::process::Killed;
use sightline_tests::python::python;
use sightline_tests::station::{Station, json_lines, sightline};
use sightline_tests::{free_port, project, until};
use std::path::Path;
use std::process::Command;

const STATION: &str = "sightline/demo/assembly/line1/demo/vision/station1";

/// The guide's code block that has `mark` in it.
fn block(guide: &str, mark: &str) -> String {
    let mut blocks = guide.split("```").skip(1).step_by(2);
    let block = blocks.find(|b| b.contains(mark));
    let block = block.unwrap_or_else(|| panic!("no block with `{mark}` in docs/mes.md"));
    let (_language, text) = block.split_once('\n').expect("lines");
    text.to_string()
}

/// The guide's broker with its rights, on `port`; a log in `folder` beside it.
fn broker(guide: &str, port: u16, folder: &Path) -> Killed {
    let here = format!("{}/", folder.display());
    let rights = block(guide, "user station1")
        .replace("acme/north/smt/l1/aoi/vision/station1", STATION)
        .replace(
            "acme/north/smt/l1/aoi",
            "sightline/demo/assembly/line1/demo",
        );
    std::fs::write(folder.join("sightline.acl"), rights).expect("written");
    for (flags, user) in [(&["-b", "-c"][..], "station1"), (&["-b"], "mes")] {
        let made = Command::new("mosquitto_passwd")
            .args(flags)
            .arg(folder.join("passwords"))
            .args([user, "a password"])
            .status();
        assert!(made.expect("mosquitto_passwd").success());
    }
    let settings = block(guide, "password_file /etc")
        .replace("listener 1883\n", "")
        .replace("/etc/mosquitto/", &here)
        .replace("/var/lib/mosquitto/", &here);
    let log = format!("log_type all\nlog_dest file {here}log\n");
    mosquitto_with(port, folder, &format!("{settings}{log}"))
}

/// The guide's subscriber, logged in as the guide says; returns once its subscription stands.
fn subscriber(guide: &str, python: &Path, port: u16, folder: &Path) -> Killed {
    let login = "client.username_pw_set(\"mes\", \"a password\")\nclient.connect(";
    let script = block(guide, "import json, sqlite3").replace("client.connect(", login);
    std::fs::write(folder.join("subscriber.py"), script).expect("written");
    let log = || std::fs::read_to_string(folder.join("log")).unwrap_or_default();
    let standing = || log().matches("mes-1 1 +/+/+/+/+/vision/+/result").count();
    let before = standing();
    let child = Command::new(python)
        .args(["subscriber.py", "127.0.0.1", &port.to_string()])
        .current_dir(folder)
        .spawn();
    let child = Killed(child.expect("python"));
    until("the subscription stands", || standing() > before);
    child
}

/// The rows that a query gives, as JSON arrays.
fn query(python: &Path, folder: &Path, sql: &str) -> Vec<Value> {
    let script = "import json, sqlite3, sys\n\
        for row in sqlite3.connect('parts.db').execute(sys.argv[1]): print(json.dumps(row))";
    let output = Command::new(python)
        .args(["-c", script, sql])
        .current_dir(folder)
        .output()
        .expect("python");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    json_lines(&output)
}

/// A result but for how it was sent.
fn as_made(mut result: Value) -> Value {
    result["replayed"] = false.into();
    result
}

#[test]
fn the_documented_broker_and_subscriber_reproduce_the_journal() {
    let Some(python) = python() else { return };
    let guide = std::fs::read_to_string(project().join("docs/mes.md")).expect("the guide");
    let scratch = tempfile::tempdir().expect("scratch");
    let (folder, port) = (scratch.path(), free_port());
    let _broker = broker(&guide, port, folder);
    let first = subscriber(&guide, &python, port, folder);

    std::fs::write(folder.join("password"), "a password\n").expect("written");
    let configs = project().join("configs");
    let recipe = configs.join("recipes/demo-board.toml");
    let mqtt = format!(
        "\"mqtt://127.0.0.1:{port}\"\nusername = \"station1\"\npassword_file = \"password\""
    );
    let text = std::fs::read_to_string(configs.join("demo.toml"))
        .expect("demo.toml")
        .replace("recipes/demo-board.toml", &recipe.display().to_string())
        .replace("\"embedded\"", &mqtt);
    let config = folder.join("station.toml");
    std::fs::write(
        &config,
        format!("{text}\n[journal]\nfolder = \"journal\"\n"),
    )
    .expect("written");

    let mut station = Station::run(&config);
    let (_, parts) = station.wait_for("five parts", 0, |r| r["seq"] == 5);
    drop(first);
    station.wait_for("parts while the MES is away", parts, |r| {
        r["seq"].as_u64() >= Some(parts as u64 + 5)
    });
    let _second = subscriber(&guide, &python, port, folder);
    station.wait_for("parts after it came back", parts, |r| {
        r["seq"].as_u64() >= Some(parts as u64 + 10)
    });
    assert_eq!(station.interrupt(), 0, "{}", station.log());

    let path = config.to_str().expect("UTF-8");
    let kept = sightline(&["journal", "export", "--format", "jsonl", "--config", path]);
    let kept: Vec<Value> = json_lines(&kept).into_iter().map(as_made).collect();
    assert_eq!(kept.len(), station.results().len());
    let rows = "SELECT body FROM part_result ORDER BY seq";
    until("every part has its row", || {
        query(&python, folder, rows).len() >= kept.len()
    });
    let bodies = query(&python, folder, rows).into_iter().map(|row| {
        let body = row[0].as_str().expect("text");
        as_made(serde_json::from_str(body).expect("JSON"))
    });
    assert_eq!(bodies.collect::<Vec<_>>(), kept);

    let sql = block(&guide, "CREATE TABLE part_result (\n");
    let (_, missing) = sql.split_once("-- What is missing").expect("the query");
    let missing = missing.split_once('\n').expect("lines").1.trim();
    assert_eq!(query(&python, folder, missing), Vec::<Value>::new());
    let without = "SELECT * FROM part_result WHERE seq <> 3";
    let missing = missing.replace("part_result", &format!("({without})"));
    let found = query(&python, folder, &missing);
    assert_eq!(
        found,
        [serde_json::json!(["station1", 3])],
        "the query finds a gap"
    );
}

/// The guide's broker in the distribution's own place, in a namespace of its own: its files as they stand, beside those
/// that the package installed.
const AS_INSTALLED: &str = r#"
set -e
cp -a /etc/mosquitto etc
rm -f etc/conf.d/* etc/passwords
mkdir varlib log run
[ "$(id -u mosquitto 2>/dev/null)" ] && chown mosquitto: varlib log run 2>/dev/null || echo "user root" >> etc/mosquitto.conf
mount --bind etc /etc/mosquitto
mount --bind varlib /var/lib/mosquitto
mkdir -p /run/mosquitto /var/log/mosquitto
mount --bind log /var/log/mosquitto
mount --bind run /run/mosquitto
ip link set lo up
cp sightline.conf /etc/mosquitto/conf.d/
cp sightline.acl /etc/mosquitto/
while read -r line; do
  case "$line" in
    mosquitto_passwd*) bash -c "mosquitto_passwd -b ${line#mosquitto_passwd} secret" ;;
    chown*) $line 2>/dev/null || true ;;
  esac
done < passwords.sh
/usr/sbin/mosquitto -c /etc/mosquitto/mosquitto.conf &
broker=$!
root=acme/north/smt/l1/aoi/vision/station1
for _ in $(seq 50); do mosquitto_pub -u station1 -P secret -r -q 1 -t $root/state -m good 2>/dev/null && break; kill -0 $broker; sleep 0.1; done
heard=$(mosquitto_sub -u mes -P secret -t $root/state -C 1 -W 5)
kill $broker
[ "$heard" = good ]
"#;

#[test]
fn the_documented_broker_starts_as_written_beside_the_distributions_own_file() {
    let guide = std::fs::read_to_string(project().join("docs/mes.md")).expect("the guide");
    let scratch = tempfile::tempdir().expect("scratch");
    let folder = scratch.path();
    let everybody = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(folder, everybody).expect("opened");
    for (file, mark) in [
        ("sightline.conf", "password_file /etc"),
        ("sightline.acl", "user station1"),
        ("passwords.sh", "mosquitto_passwd -c"),
    ] {
        std::fs::write(folder.join(file), block(&guide, mark)).expect("written");
    }
    if !Path::new("/etc/mosquitto/mosquitto.conf").exists() {
        eprintln!("SKIPPED: no mosquitto of a distribution is installed here");
        return;
    }
    let namespaces = ["-mn", "-Urmn"].into_iter().find(|flags| {
        let mut command = Command::new("unshare");
        command
            .args([flags, "ip", "link", "set", "lo", "up"])
            .output()
            .is_ok_and(|o| o.status.success())
    });
    let Some(namespaces) = namespaces else {
        eprintln!(
            "SKIPPED: this machine allows no namespaces, the guide's broker is tried in another place only"
        );
        return;
    };
    let output = Command::new("unshare")
        .args([namespaces, "bash", "-c", AS_INSTALLED])
        .current_dir(folder)
        .output()
        .expect("unshare");
    let log = std::fs::read_to_string(folder.join("log/mosquitto.log")).unwrap_or_default();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}\n{log}");
}
