//! What we depend on may be shipped: `deny.toml` holds the terms and the bans, this reads them without cargo-deny.

mod cargo_tree;

use serde_json::Value;
use spdx::{Expression, LicenseItem, ParseMode};
use std::collections::BTreeSet;

#[test]
fn every_dependency_has_terms_we_can_ship() {
    let terms = Terms::read();
    let metadata = cargo_tree::metadata(&["--locked", "--filter-platform", &cargo_tree::host()]);
    let packages = metadata["packages"].as_array().expect("packages");
    assert!(packages.len() > 20, "only {} packages", packages.len());
    let complaints: Vec<String> = packages.iter().filter_map(|p| terms.judge(p)).collect();
    assert!(
        complaints.is_empty(),
        "\n{}\nTake another crate; if the terms are fine, add them to deny.toml with the reason.",
        complaints.join("\n")
    );
}

/// What `deny.toml` allows and bans.
struct Terms {
    allowed: BTreeSet<String>,
    banned: Vec<(String, String)>,
}

impl Terms {
    fn read() -> Self {
        let path = cargo_tree::root().join("deny.toml");
        let text = std::fs::read_to_string(&path).expect("deny.toml lies at the root");
        let table: toml::Table = text.parse().expect("deny.toml is TOML");
        let allowed = table["licenses"]["allow"].as_array().expect("allow");
        let banned = table["bans"]["deny"].as_array().expect("deny");
        let word = |v: &toml::Value| v.as_str().expect("a string").to_owned();
        Self {
            allowed: allowed.iter().map(word).collect(),
            banned: banned
                .iter()
                .map(|b| (word(&b["crate"]), word(&b["reason"])))
                .collect(),
        }
    }

    fn judge(&self, package: &Value) -> Option<String> {
        let name = package["name"].as_str().expect("name");
        let version = &package["version"];
        if let Some((_, reason)) = self.banned.iter().find(|(banned, _)| banned == name) {
            return Some(format!("{name} {version} is banned: {reason}"));
        }
        let Some(licence) = package["license"].as_str() else {
            return Some(format!("{name} {version} names no licence"));
        };
        match Expression::parse_mode(licence, ParseMode::LAX) {
            Err(error) => Some(format!(
                "{name} {version}: cannot read its licence '{licence}': {}",
                error.reason
            )),
            Ok(expression) if expression.evaluate(|req| self.allows(req)) => None,
            Ok(_) => Some(format!(
                "{name} {version} is under '{licence}': deny.toml allows no way through"
            )),
        }
    }

    fn allows(&self, requirement: &spdx::LicenseReq) -> bool {
        let known = matches!(requirement.license, LicenseItem::Spdx { .. });
        known && self.allowed.contains(&requirement.to_string())
    }
}

#[test]
fn bad_terms_are_recognised() {
    let terms = Terms::read();
    let says = |name: &str, licence: Value| {
        terms.judge(&serde_json::json!({ "name": name, "version": "1.0.0", "license": licence }))
    };
    assert_eq!(says("a", "MIT OR Apache-2.0".into()), None);
    assert_eq!(says("a", "MIT/Apache-2.0".into()), None);
    assert_eq!(says("a", "AGPL-3.0-only OR MIT".into()), None);
    assert!(says("a", "AGPL-3.0-only".into()).is_some());
    assert!(says("a", "MIT AND GPL-2.0-or-later".into()).is_some());
    assert!(says("a", "LicenseRef-ours".into()).is_some());
    assert!(says("a", Value::Null).is_some());
    assert!(says("rumqttc", "MIT".into()).is_some());
}
