//! What the list of parts is filtered by, and what there is to choose from.

use crate::view::View;
use sightline_wire::ask::PartFilter;

/// Spans of time, minutes; 0: any.
pub const SPANS: [u32; 5] = [0, 60, 8 * 60, 24 * 60, 7 * 24 * 60];

/// One of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// Rejected or passed.
    Disposition,
    /// When.
    Time,
    /// What was found.
    Cause,
    /// Where.
    Camera,
    /// Judged by a person or not.
    Reviewed,
}

impl By {
    /// All, in the order of the screen.
    pub const ALL: [Self; 5] = [
        Self::Disposition,
        Self::Time,
        Self::Cause,
        Self::Camera,
        Self::Reviewed,
    ];

    /// Its name and what is chosen.
    pub fn label(self, view: &View) -> String {
        let name = view.t(&format!("filter.{}", format!("{self:?}").to_lowercase()));
        let filter = &view.chosen.filter;
        let options = self.options(view);
        let chosen = options.into_iter().find(|(_, option)| option == filter);
        format!(
            "{name}: {}",
            chosen.map_or_else(String::new, |(text, _)| text)
        )
    }

    /// Whether it leaves something out.
    pub fn is_set(self, filter: &PartFilter) -> bool {
        match self {
            Self::Disposition => filter.passed,
            Self::Time => filter.minutes > 0,
            Self::Cause => filter.cause.is_some(),
            Self::Camera => filter.camera.is_some(),
            Self::Reviewed => filter.reviewed.is_some(),
        }
    }

    /// What can be chosen, each with the filter that it makes of the present one.
    pub fn options(self, view: &View) -> Vec<(String, PartFilter)> {
        let now = &view.chosen.filter;
        let all = || view.t("filter.all");
        let with = |text: String, change: &dyn Fn(&mut PartFilter)| {
            let mut filter = now.clone();
            change(&mut filter);
            (text, filter)
        };
        match self {
            Self::Disposition => [("filter.rejected", false), ("filter.passed", true)]
                .map(|(key, passed)| {
                    // Causes and cameras are known of rejected parts only.
                    with(view.t(key), &|f| {
                        f.passed = passed;
                        if passed {
                            (f.cause, f.camera) = (None, None);
                        }
                    })
                })
                .to_vec(),
            Self::Time => SPANS
                .map(|minutes| with(span(view, minutes), &|f| f.minutes = minutes))
                .to_vec(),
            Self::Cause => {
                let classes = classes(view).into_iter();
                let each = classes.map(|c| {
                    let cause = Some(c.clone());
                    with(view.cause(&c), &|f| f.cause.clone_from(&cause))
                });
                std::iter::once(with(all(), &|f| f.cause = None))
                    .chain(each)
                    .collect()
            }
            Self::Camera => {
                let cameras = view.snapshot.cameras.iter();
                let each = cameras.map(|c| {
                    let camera = Some(c.name.clone());
                    with(c.name.clone(), &|f| f.camera.clone_from(&camera))
                });
                std::iter::once(with(all(), &|f| f.camera = None))
                    .chain(each)
                    .collect()
            }
            Self::Reviewed => [
                ("filter.all", None),
                ("filter.open", Some(false)),
                ("filter.judged", Some(true)),
            ]
            .map(|(key, reviewed)| with(view.t(key), &|f| f.reviewed = reviewed))
            .to_vec(),
        }
    }
}

/// A span of time in words.
pub fn span(view: &View, minutes: u32) -> String {
    match minutes {
        0 => view.t("filter.all"),
        1..120 => view.texts.with("filter.minutes", &[&minutes]),
        120..2_880 => view.texts.with("filter.hours", &[&(minutes / 60)]),
        _ => view.texts.with("filter.days", &[&(minutes / 1_440)]),
    }
}

/// Classes of the models that look, and the one that is chosen.
fn classes(view: &View) -> Vec<String> {
    let models = view.snapshot.models.active.iter();
    let mut all: Vec<String> = models
        .flat_map(|m| m.classes.iter().map(|(en, _)| en.clone()))
        .chain(view.chosen.filter.cause.clone())
        .collect();
    all.sort();
    all.dedup();
    all
}
