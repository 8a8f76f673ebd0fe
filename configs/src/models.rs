//! Where model bundles are kept, and what they must show before they inspect.

use crate::check::Report;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// Where model bundles are kept, and what they must show before they inspect.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Models {
    /// The folder of the store, relative to this file. The station's user writes there.
    pub store: PathBuf,
    /// The folder that `install_model` takes bundles from; absent: only the command line installs.
    #[serde(default)]
    pub inbox: Option<PathBuf>,
    /// The folder of public keys (`*.pub`, minisign's format) whose signatures are trusted; absent: none are, and nothing
    /// can be installed unless `allow_unsigned`.
    #[serde(default)]
    pub trusted_keys: Option<PathBuf>,
    /// FOR COMMISSIONING ONLY: bundles that no trusted key has signed are installed and activated too. An alarm stays as
    /// long as this is on.
    #[serde(default)]
    pub allow_unsigned: bool,
    /// FOR COMMISSIONING ONLY: models inspect although their golden pictures do not prove them. An alarm stays as long as
    /// this is on.
    #[serde(default)]
    pub allow_unproved: bool,
    /// Memory that the process which proves a model may take, MB, 128 to 65536.
    #[serde(default = "prove_memory_mb")]
    pub prove_memory_mb: u64,
    /// Longest time that loading a model, or one golden picture, may take while it is proved, seconds, 1 to 7200; 180
    /// times that where TensorRT makes a plan.
    #[serde(default = "prove_step_s")]
    pub prove_step_s: f64,
}

fn prove_memory_mb() -> u64 {
    2_048
}

fn prove_step_s() -> f64 {
    10.0
}

impl Models {
    /// A store and no more: nothing is trusted, nothing is open.
    pub fn at(store: PathBuf) -> Self {
        Self {
            store,
            inbox: None,
            trusted_keys: None,
            allow_unsigned: false,
            allow_unproved: false,
            prove_memory_mb: prove_memory_mb(),
            prove_step_s: prove_step_s(),
        }
    }

    /// What is open for commissioning, in words; empty on a station that is ready for work.
    pub fn commissioning(&self) -> Vec<String> {
        let unproved = "models.allow_unproved: models inspect that their golden pictures do not prove; remove it when commissioning ends";
        let unsigned = "models.allow_unsigned: bundles are taken that no trusted key has signed; remove it when commissioning ends";
        let open = [
            (self.allow_unproved, unproved),
            (self.allow_unsigned, unsigned),
        ];
        let open = open.into_iter().filter(|(is_on, _)| *is_on);
        open.map(|(_, words)| words.to_owned()).collect()
    }
}

pub(crate) fn check(r: &mut Report<'_>, models: &Models) {
    r.within(
        "models.prove_memory_mb",
        models.prove_memory_mb,
        128..=65_536,
        "MB",
    );
    r.within(
        "models.prove_step_s",
        models.prove_step_s,
        1.0..=7_200.0,
        "s",
    );
}
