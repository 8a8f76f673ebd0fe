//! Limits of a classifier's good classes from named pictures, by the overkill that is allowed.

use super::Limit;
use crate::cli::args::NewRecipe;
use crate::cli::golden::{self, Looking};
use crate::cli::labels;
use anyhow::{Context, ensure};
use sightline_engine::Bundle;
use sightline_ingest::images::CocoFile;
use std::path::Path;

/// What the model says of one picture.
struct Seen {
    /// The class that the labels name.
    truth: usize,
    /// The likeliest class and its score.
    best: (usize, f32),
}

/// Limits of the classes that pass (`good`), in the classes' order; the others keep the bundle's: whatever the score, a part of
/// theirs does not pass.
///
/// # Errors
/// A picture without a class, or none of a good class.
pub fn measured(
    args: &NewRecipe,
    bundle: &Bundle,
    coco: &Path,
    good: &[bool],
) -> anyhow::Result<Vec<Option<Limit>>> {
    let truth = CocoFile::load(coco, args.images.as_deref())?;
    let seen = look(args, bundle, &truth)?;
    let of_good = |s: &&Seen| good[s.truth];
    let total = seen.iter().filter(of_good).count();
    ensure!(
        total > 0,
        "{}: expected pictures of a class that passes among them, found none; without good parts nobody knows the overkill \
         (`--good CLASS` names the classes that pass)",
        coco.display()
    );
    let limits = limits(&seen, good, args.overkill);
    let passes = |s: &&Seen| {
        let limit = limits[s.best.0].as_ref();
        limit.is_some_and(|l| s.best.1 >= l.score)
    };
    let passed = seen.iter().filter(of_good).filter(passes).count();
    let bad = |s: &&Seen| !good[s.truth];
    let escapes = seen.iter().filter(bad).filter(passes).count();
    super::tell(args, total - passed, total, escapes, seen.len() - total);
    Ok(limits)
}

fn look(args: &NewRecipe, bundle: &Bundle, truth: &CocoFile) -> anyhow::Result<Vec<Seen>> {
    let mut looking = Looking::open(bundle, &args.engine, args.tiles)?;
    let wants = bundle.manifest().input.wants_reference();
    let pictures = truth.pictures.iter().filter(|p| !p.spoiled);
    let one = |picture: &sightline_ingest::images::CocoPicture| {
        let id = picture.class_id.with_context(|| {
            format!(
                "{}: expected a `class_id`, found none; write the id of its category as \"class_id\" into its entry of `images`",
                picture.file_name
            )
        })?;
        let reference = picture.template.as_deref().filter(|_| wants);
        let output = looking.at(&picture.path, reference)?;
        golden::ensure_sound(&picture.path, &output)?;
        let best = output.best_class();
        let (class, score) =
            best.with_context(|| format!("{}: the model said nothing", picture.file_name))?;
        let truth = labels::class_of(bundle.manifest(), truth, id)?;
        let best = (class.index(), score);
        Ok(Seen { truth, best })
    };
    pictures.map(one).collect()
}

/// Of each good class: the good pictures that the model is least sure of are given up, as many as are allowed; the limit lies in
/// the middle between the weakest other one and the surest answer `good` on a picture that is not, never above the former.
fn limits(seen: &[Seen], good: &[bool], overkill: f64) -> Vec<Option<Limit>> {
    let total = seen.iter().filter(|s| good[s.truth]).count();
    let lost = seen
        .iter()
        .filter(|s| good[s.truth] && !good[s.best.0])
        .count();
    let allowed = (overkill * total as f64).floor() as usize;
    let mut right: Vec<&Seen> = (seen.iter())
        .filter(|s| good[s.truth] && good[s.best.0])
        .collect();
    right.sort_by(|a, b| a.best.1.total_cmp(&b.best.1));
    let kept = &right[allowed.saturating_sub(lost).min(right.len())..];
    let one = |class: usize| {
        let weakest = kept.iter().find(|s| s.best.0 == class).map(|s| s.best.1);
        let escaped = seen.iter().filter(|s| !good[s.truth] && s.best.0 == class);
        let surest = escaped.map(|s| s.best.1).fold(0.0_f32, f32::max);
        let Some(weakest) = weakest else {
            let why = "no good picture of this class passes: nothing does".to_owned();
            return Limit { score: 1.0, why };
        };
        let middle = ((weakest + surest) / 2.0).max(surest);
        // two digits, never above the weakest
        let score = (middle.min(weakest) * 100.0).floor() / 100.0;
        let why = format!("weakest good picture {weakest:.2}, surest of the others {surest:.2}");
        Limit { score, why }
    };
    let classes = good.iter().enumerate();
    classes.map(|(i, good)| good.then(|| one(i))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(truth: usize, class: usize, score: f32) -> Seen {
        let best = (class, score);
        Seen { truth, best }
    }

    #[test]
    fn a_limit_of_the_good_class_parts_the_good_pictures_from_the_others() {
        let good = [false, true];
        let score = |seen: &[Seen], overkill| {
            let limits = limits(seen, &good, overkill);
            assert!(limits[0].is_none());
            limits[1].as_ref().expect("a limit").score
        };
        let mut all: Vec<Seen> = (0..8).map(|_| seen(1, 1, 0.9)).collect();
        all.extend([seen(1, 1, 0.8), seen(1, 1, 0.6), seen(0, 0, 0.9)]);
        assert_eq!(score(&all, 0.0), 0.3, "no other picture is called good");
        all.push(seen(0, 1, 0.7));
        assert_eq!(
            score(&all, 0.0),
            0.6,
            "nothing good is stopped, one escapes"
        );
        assert_eq!(score(&all, 0.1), 0.75, "the one at 0.6 is given up");
        all.push(seen(1, 0, 0.9));
        assert_eq!(
            score(&all, 0.1),
            0.6,
            "the one that is allowed is lost already"
        );
    }
}
