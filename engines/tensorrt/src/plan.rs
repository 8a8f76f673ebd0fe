//! Which file a precision means, and the key a plan is kept under.

use crate::derive::{Derivation, REVISION};
use serde::Serialize;
use sightline_engine::{EngineError, Precision};

/// How a precision is made on a version of TensorRT.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Recipe {
    /// What is asked for.
    pub precision: Precision,
    /// The bundle's file that is taken.
    pub file: Precision,
    /// What is derived of it first.
    pub derivation: Option<Derivation>,
    /// Builder flags.
    pub fp16: bool,
    /// Builder flags.
    pub int8: bool,
}

/// What `asked` means. `flags`: the version has builder flags (TensorRT up to 10). `has_fp16`: the bundle carries a file
/// in FP16 itself.
pub fn recipe(asked: Option<Precision>, flags: bool, has_fp16: bool) -> Recipe {
    let precision = asked.unwrap_or(Precision::Fp16);
    let plain = Recipe {
        precision,
        file: precision,
        derivation: None,
        fp16: false,
        int8: false,
    };
    match precision {
        Precision::Fp32 => plain,
        Precision::Fp16 if flags => Recipe {
            file: Precision::Fp32,
            fp16: true,
            ..plain
        },
        Precision::Fp16 if has_fp16 => plain,
        Precision::Fp16 => Recipe {
            file: Precision::Fp32,
            derivation: Some(Derivation::Half { half_input: true }),
            ..plain
        },
        Precision::Int8 => Recipe {
            derivation: Some(Derivation::Signed),
            fp16: flags,
            int8: flags,
            ..plain
        },
    }
}

/// Everything a plan depends on: another box, version, model or wish has another key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PlanKey {
    /// Of the bundle's file.
    pub model_sha256: String,
    /// What was derived of it, and by which rules.
    pub derivation: String,
    /// e.g. `TensorRT 10.3.0`.
    pub library: String,
    /// e.g. `Orin`.
    pub gpu: String,
    /// e.g. 87.
    pub capability: u32,
    /// The driver's CUDA version.
    pub driver: i32,
    /// e.g. `fp16`.
    pub precision: &'static str,
    /// The input of one region: planes, height, width.
    pub input: [usize; 3],
    /// Largest batch of the profile.
    pub max_batch: usize,
    /// The batch kernels are chosen for.
    pub opt_batch: usize,
    /// The DLA core, if one is used.
    pub dla_core: Option<i32>,
}

impl PlanKey {
    /// How a recipe's derivation reads in a key.
    pub fn derivation(recipe: &Recipe) -> String {
        match recipe.derivation {
            None => "none".to_owned(),
            Some(derivation) => format!("{derivation:?} {REVISION}"),
        }
    }
}

/// Largest batch there can be.
const MAX_BATCH: usize = 256;

/// Checks what the settings ask for.
///
/// # Errors
/// [`EngineError::Setting`].
pub fn check_batch(max_batch: usize) -> Result<(), EngineError> {
    if (1..=MAX_BATCH).contains(&max_batch) {
        return Ok(());
    }
    Err(EngineError::Setting {
        field: "max_batch",
        expected: format!("1 to {MAX_BATCH}"),
        found: max_batch.to_string(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{Absent, Store};

    #[test]
    fn old_versions_get_flags_and_new_ones_files() {
        let old = recipe(None, true, false);
        assert_eq!(
            (old.file, old.derivation, old.fp16),
            (Precision::Fp32, None, true)
        );
        let new = recipe(None, false, false);
        let half = Some(Derivation::Half { half_input: true });
        assert_eq!(
            (new.file, new.derivation, new.fp16),
            (Precision::Fp32, half, false)
        );
        let carried = recipe(Some(Precision::Fp16), false, true);
        assert_eq!((carried.file, carried.derivation), (Precision::Fp16, None));
        for flags in [false, true] {
            let int8 = recipe(Some(Precision::Int8), flags, false);
            assert_eq!(
                (int8.derivation, int8.int8),
                (Some(Derivation::Signed), flags)
            );
            let fp32 = recipe(Some(Precision::Fp32), flags, true);
            assert_eq!(
                (fp32.file, fp32.derivation, fp32.fp16, fp32.int8),
                (Precision::Fp32, None, false, false)
            );
        }
    }

    #[test]
    fn a_plan_of_anything_else_is_not_found() {
        let key = PlanKey {
            model_sha256: "ab".repeat(32),
            derivation: PlanKey::derivation(&recipe(None, false, false)),
            library: "TensorRT 10.3.0".into(),
            gpu: "Orin".into(),
            capability: 87,
            driver: 12_060,
            precision: "fp16",
            input: [2, 640, 640],
            max_batch: 8,
            opt_batch: 4,
            dla_core: None,
        };
        let folder = tempfile::tempdir().expect("a temporary folder");
        let store = Store::new(folder.path().to_owned());
        store.put("plan", &key, b"plan").expect("room");
        assert!(store.get("plan", &key).is_ok());
        let k = || key.clone();
        let others = [
            PlanKey {
                model_sha256: "cd".repeat(32),
                ..k()
            },
            PlanKey {
                derivation: "none".into(),
                ..k()
            },
            PlanKey {
                library: "TensorRT 10.4.0".into(),
                ..k()
            },
            PlanKey {
                gpu: "Xavier".into(),
                ..k()
            },
            PlanKey {
                capability: 72,
                ..k()
            },
            PlanKey {
                driver: 12_080,
                ..k()
            },
            PlanKey {
                precision: "int8",
                ..k()
            },
            PlanKey {
                input: [1, 640, 640],
                ..k()
            },
            PlanKey {
                max_batch: 4,
                ..k()
            },
            PlanKey {
                opt_batch: 8,
                ..k()
            },
            PlanKey {
                dla_core: Some(0),
                ..k()
            },
        ];
        for other in others {
            assert_eq!(
                store.get("plan", &other),
                Err(Absent::NotBuilt),
                "{other:?}"
            );
        }
    }

    #[test]
    fn a_batch_out_of_range_is_told_with_the_range() {
        assert!(check_batch(1).is_ok() && check_batch(256).is_ok());
        let words = check_batch(0).expect_err("none").to_string();
        assert!(
            words.contains("1 to 256") && words.contains("found 0"),
            "{words}"
        );
    }
}
