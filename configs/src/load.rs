//! From a path to a cross-checked station and recipe.

use crate::check::{check_recipe, check_station};
use crate::read::{Source, read};
use crate::{Problem, Problems, Recipe, Station};
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};
use std::path::{Path, PathBuf};

/// A file that was read and checked.
#[derive(Clone, Debug)]
pub struct Loaded<T> {
    /// Its content.
    pub value: T,
    /// Where its fields were written.
    pub source: Source,
    /// SHA-256 of the file, hex.
    pub hash: String,
    /// The folder that relative paths in it start from.
    pub base: PathBuf,
}

/// Loads a configuration and its recipe.
///
/// # Errors
/// Everything that is wrong in both files, at once.
pub fn load(path: &Path) -> Result<(Loaded<Station>, Loaded<Recipe>), Problems> {
    let station: Loaded<Station> = load_file(path)?;
    let mut problems = check_station(&station.value, &station.source);
    let recipe_path = station.base.join(&station.value.recipe);
    match load_recipe(&recipe_path, &station.value) {
        Ok(recipe) if problems.is_empty() => return Ok((station, recipe)),
        Ok(_) => {}
        Err(more) if recipe_path.exists() => problems.extend(more.0),
        Err(_) => {
            let message = format!(
                "expected a recipe file at {}, found nothing there",
                recipe_path.display()
            );
            problems.push(station.source.problem("recipe", message));
        }
    }
    Err(Problems(problems))
}

/// Loads one recipe for `station`.
///
/// # Errors
/// Everything that is wrong in it, at once.
pub fn load_recipe(path: &Path, station: &Station) -> Result<Loaded<Recipe>, Problems> {
    let recipe: Loaded<Recipe> = load_file(path)?;
    let problems = check_recipe(&recipe.value, &recipe.source, station);
    if problems.is_empty() {
        Ok(recipe)
    } else {
        Err(Problems(problems))
    }
}

/// External id and version that a recipe file says it has, whatever else is wrong with it.
pub fn recipe_id(path: &Path) -> Option<(String, String)> {
    #[derive(serde::Deserialize)]
    struct Head {
        external_id: String,
        version: String,
    }
    let head: Head = toml::from_str(&std::fs::read_to_string(path).ok()?).ok()?;
    Some((head.external_id, head.version))
}

fn load_file<T: DeserializeOwned>(path: &Path) -> Result<Loaded<T>, Problems> {
    let text = std::fs::read_to_string(path).map_err(|e| {
        let message = format!("expected a readable TOML file: {e}");
        Problems(vec![Problem {
            file: path.into(),
            line: None,
            field: String::new(),
            message,
        }])
    })?;
    let (value, source) = read(path, &text)?;
    let hash = Sha256::digest(text.as_bytes())
        .iter()
        .map(|b| format!("{b:02x}"))
        .collect();
    let base = path.parent().map(Path::to_path_buf).unwrap_or_default();
    Ok(Loaded {
        value,
        source,
        hash,
        base,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shipped() -> (Station, Recipe) {
        let (station, recipe) =
            load(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/demo.toml"))).expect("demo.toml");
        (station.value, recipe.value)
    }

    fn fields(problems: &[Problem]) -> Vec<&str> {
        problems.iter().map(|p| p.field.as_str()).collect()
    }

    #[test]
    fn the_demo_station_is_good() {
        let (station, recipe) = shipped();
        assert_eq!(station.cameras.len(), recipe.views.len());
        assert_eq!(
            station.station.topic_root(),
            "sightline/demo/assembly/line1/demo/vision/station1"
        );
    }

    #[test]
    #[expect(clippy::too_many_lines, reason = "one story, told in its order")]
    fn every_rule_between_fields_is_held() {
        use crate::station::{Arrangement, Fault, FaultKind, GateAt, Sparkplug, Tls, Trigger};
        fn sparkplug(group: &str) -> Sparkplug {
            Sparkplug {
                group: group.into(),
                node: None,
                primary_host: None,
                aliases: false,
                buffer: 1,
            }
        }
        let (good, recipe) = shipped();
        let source = Source::default();
        let station = |change: fn(&mut Station)| {
            let mut bad = good.clone();
            change(&mut bad);
            check_station(&bad, &source)
        };
        type Break = fn(&mut Station);
        let cases: [(Break, &str); 19] = [
            (|s| s.station.line = "a b".into(), "station.line"),
            (|s| s.station.name = "a/b".into(), "station.name"),
            (|s| s.cameras[1].name = "cam1".into(), "cameras[1].name"),
            (|s| s.cameras[0].slots = 1, "cameras[0].slots"),
            (|s| s.cameras[0].height = None, "cameras[0].width"),
            (
                |s| s.cameras[0].health.dark_below = 250.0,
                "cameras[0].health.dark_below",
            ),
            (
                |s| {
                    s.trigger = Trigger::EveryFrame {
                        camera: "cam9".into(),
                    }
                },
                "trigger.camera",
            ),
            (
                |s| s.engine.batch_wait_ms = f64::NAN,
                "engine.batch_wait_ms",
            ),
            (
                |s| {
                    s.engine.arrangement = Arrangement::Fixed {
                        instances: 0,
                        threads: 1,
                    }
                },
                "engine.arrangement",
            ),
            (|s| s.gate.at = GateAt::DelayMs(-1.0), "gate.at.delay_ms"),
            (
                |s| s.mqtt.as_mut().unwrap().broker = "http://x".into(),
                "mqtt.broker",
            ),
            (
                |s| s.mqtt.as_mut().unwrap().listen = "nowhere".into(),
                "mqtt.listen",
            ),
            (
                |s| {
                    let mut journal = crate::journal::Journal::at("journal".into());
                    journal.max_mb = 1;
                    s.journal = Some(journal);
                },
                "journal.max_mb",
            ),
            (
                |s| s.mqtt.as_mut().unwrap().broker = "mqtts://mes".into(),
                "mqtt.tls",
            ),
            (
                |s| {
                    let mqtt = s.mqtt.as_mut().unwrap();
                    mqtt.tls = Some(Tls {
                        ca_file: "ca.pem".into(),
                        cert_file: Some("own.pem".into()),
                        key_file: None,
                    });
                },
                "mqtt.tls.cert_file",
            ),
            (|s| s.sparkplug = Some(sparkplug("a/b")), "sparkplug.group"),
            (
                |s| {
                    s.sparkplug = Some(sparkplug("acme"));
                    s.mqtt = None;
                },
                "sparkplug",
            ),
            (
                |s| s.simulation.as_mut().unwrap().spacing_max_mm = 1.0,
                "simulation.spacing_max_mm",
            ),
            (
                |s| {
                    let fault = Fault {
                        kind: FaultKind::Dark,
                        camera: Some("cam".into()),
                        at_s: 0.0,
                        for_s: 1.0,
                    };
                    s.simulation.as_mut().unwrap().faults.push(fault);
                },
                "simulation.faults[0].camera",
            ),
        ];
        for (change, field) in cases {
            assert!(
                fields(&station(change)).contains(&field),
                "{field}: {:?}",
                station(change)
            );
        }
        assert!(check_recipe(&recipe, &source, &good).is_empty());
        let mut bad = recipe.clone();
        bad.views[0].camera = "camm1".into();
        bad.views[1].window_ms = 900.0;
        bad.deadline_ms = 2_000.0;
        bad.combine = crate::recipe::Combine::AtLeast { views: 9 };
        let found = check_recipe(&bad, &source, &good);
        assert_eq!(
            fields(&found),
            ["views[0].camera", "combine.views", "deadline_ms"],
            "{found:?}"
        );
        assert!(
            found[0].message.ends_with("did you mean `cam1`?"),
            "{}",
            found[0].message
        );
    }

    #[test]
    fn a_broker_address_is_host_and_port() {
        let (station, _) = shipped();
        let address = |broker: &str| {
            let mut mqtt = station.mqtt.clone().unwrap();
            mqtt.broker = broker.into();
            mqtt.address()
        };
        assert_eq!(address("mqtt://mes"), Ok(("mes".into(), 1883)));
        assert_eq!(address("mqtt://[::1]:99"), Ok(("::1".into(), 99)));
        assert_eq!(address("mqtts://mes"), Ok(("mes".into(), 8883)));
        assert!(address("mqtt://mes:99999").is_err());
        assert!(address("mqtt://").is_err());
    }
}
