//! What the screens are drawn from: the newest of everything, and the ways to ask.

use crate::texts::Texts;
use crate::tokens::Tokens;
use eframe::egui::TextureHandle;
use sightline_domain::UtcMicros;
use sightline_wire::ask::{AlarmRow, AuditRow, BundleFile, PartFilter, QualityFacts};
use sightline_wire::snapshot::PartCard;
use sightline_wire::{
    Answer, Ask, Client, Link, PreviewHead, PreviewRequest, Reply, Session, Snapshot,
};
use std::collections::BTreeMap;
use std::time::Duration;

/// The screens, in the order of the rail.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Screen {
    /// The line.
    #[default]
    Line,
    /// One camera.
    Camera,
    /// What was rejected.
    Rejects,
    /// Figures.
    Quality,
    /// Recipes.
    Recipe,
    /// Models.
    Models,
    /// Alarms.
    Alarms,
    /// I/O and timing.
    Timing,
    /// The way to the MES.
    Connectivity,
    /// The audit trail.
    Audit,
    /// The box.
    System,
    /// Users, language, theme.
    Users,
}

impl Screen {
    /// All of them.
    pub const ALL: [Self; 12] = [
        Self::Line,
        Self::Camera,
        Self::Rejects,
        Self::Quality,
        Self::Recipe,
        Self::Models,
        Self::Alarms,
        Self::Timing,
        Self::Connectivity,
        Self::Audit,
        Self::System,
        Self::Users,
    ];

    /// Its name, lower case: the key of its texts.
    pub fn name(self) -> String {
        format!("{self:?}").to_lowercase()
    }
}

/// The station as the console reaches it.
pub trait Station {
    /// How it stands with it.
    fn link(&self) -> Link;
    /// The newest state, who is logged in, and the age of the last heart beat.
    fn look(&self) -> (Snapshot, Session, Option<Duration>);
    /// Previews that came since the last call.
    fn take_previews(&self) -> BTreeMap<u16, sightline_wire::Preview>;
    /// Answers that came since the last call.
    fn take_answers(&self) -> Vec<(u64, Reply)>;
    /// Wants these previews.
    fn watch(&self, wishes: Vec<PreviewRequest>);
    /// Asks; `None`: it cannot be asked now.
    fn ask(&self, ask: Ask) -> Option<u64>;
}

impl Station for Client {
    fn link(&self) -> Link {
        Client::link(self)
    }
    fn look(&self) -> (Snapshot, Session, Option<Duration>) {
        Client::look(self, |snapshot, session, beat| {
            (snapshot.clone(), session.clone(), beat.map(|b| b.elapsed()))
        })
    }
    fn take_previews(&self) -> BTreeMap<u16, sightline_wire::Preview> {
        Client::take_previews(self)
    }
    fn take_answers(&self) -> Vec<(u64, Reply)> {
        Client::take_answers(self)
    }
    fn watch(&self, wishes: Vec<PreviewRequest>) {
        Client::watch(self, wishes);
    }
    fn ask(&self, ask: Ask) -> Option<u64> {
        Client::ask(self, ask)
    }
}

/// A picture on the screen.
pub struct Shown {
    /// What it shows.
    pub head: PreviewHead,
    /// Its pixels.
    pub texture: TextureHandle,
    /// Grey levels in 32 steps.
    pub histogram: [u32; 32],
    /// Mean difference of neighbours in a row: grows with sharpness.
    pub focus: f32,
}

/// Answers that screens show.
#[derive(Default)]
pub struct Answers {
    /// The last rejected parts.
    pub rejects: Vec<PartCard>,
    /// Pictures of rejected parts by result number and view; `None`: none is kept.
    pub pictures: BTreeMap<(u64, u16), Option<Shown>>,
    /// Figures.
    pub quality: Option<QualityFacts>,
    /// The audit trail.
    pub audit: Option<Vec<AuditRow>>,
    /// Changes of alarms.
    pub alarm_history: Vec<AlarmRow>,
    /// Bundles that could be installed.
    pub bundles: Option<Vec<BundleFile>>,
    /// How another recipe differs.
    pub difference: Option<Vec<(char, String)>>,
}

/// What a screen chose, kept while others are shown.
#[derive(Default)]
pub struct Chosen {
    /// Camera of the camera screen.
    pub camera: usize,
    /// Its picture is kept still.
    pub paused: bool,
    /// Magnification of its picture.
    pub zoom: f32,
    /// Overlays are hidden.
    pub no_overlay: bool,
    /// Part of the rejects' screen.
    pub reject: Option<u64>,
    /// Which parts are listed there.
    pub filter: PartFilter,
    /// Minutes the figures are of.
    pub minutes: u32,
    /// Alarms: the history.
    pub history: bool,
    /// Recipe looked at.
    pub recipe: Option<String>,
    /// Model looked at: name and version.
    pub model: Option<(String, String)>,
}

/// What came of an act.
#[derive(Clone, Debug, PartialEq)]
pub struct Notice {
    /// In words.
    pub text: String,
    /// It was done.
    pub done: bool,
    /// Shown since, by egui's clock, s.
    pub since: Option<f64>,
}

/// Everything screens need.
pub struct View {
    /// How it stands with the station.
    pub link: Link,
    /// Its state.
    pub snapshot: Snapshot,
    /// Who is logged in.
    pub session: Session,
    /// Age of the last heart beat.
    pub age: Option<Duration>,
    /// Pictures by camera.
    pub pictures: BTreeMap<u16, Shown>,
    /// Answers.
    pub answers: Answers,
    /// What screens chose.
    pub chosen: Chosen,
    /// Texts.
    pub texts: Texts,
    /// Colours and sizes.
    pub tokens: Tokens,
    /// Which screen.
    pub screen: Screen,
    /// Previews the screen wants.
    pub wishes: Vec<PreviewRequest>,
    /// What was asked and is to be sent.
    pub asks: Vec<Ask>,
    /// The dialog over the screen.
    pub dialog: Option<crate::dialogs::Dialog>,
    /// What came of the last act, until it has been read.
    pub notice: Option<Notice>,
}

impl View {
    /// Nothing known yet.
    pub fn new(texts: Texts, tokens: Tokens) -> Self {
        Self {
            link: Link::Down {
                reason: String::new(),
            },
            snapshot: Snapshot::default(),
            session: Session::default(),
            age: None,
            pictures: BTreeMap::new(),
            answers: Answers::default(),
            chosen: Chosen {
                zoom: 1.0,
                minutes: 60,
                ..Chosen::default()
            },
            texts,
            tokens,
            screen: Screen::default(),
            wishes: Vec::new(),
            asks: Vec::new(),
            dialog: None,
            notice: None,
        }
    }

    /// The text of a key.
    pub fn t(&self, key: &str) -> String {
        self.texts.t(key).to_owned()
    }

    /// A class's name in the console's language, where a bundle says it.
    pub fn class<'a>(&'a self, name: &'a str) -> &'a str {
        if self.texts.language() == crate::texts::Language::English {
            return name;
        }
        let models = &self.snapshot.models;
        let cards = models.active.iter().chain(&models.installed);
        let classes = cards.flat_map(|m| &m.classes);
        let mut named = classes.filter_map(|(en, zh)| (en == name).then_some(zh.as_deref()?));
        named.next().unwrap_or(name)
    }

    /// What parts fail for: a class, a view that is missing or unfit.
    pub fn cause(&self, name: &str) -> String {
        let word = |kind: &str, value: &str| self.t(&format!("{kind}.{}", value.replace('_', "")));
        match name.split_once(':') {
            Some((kind @ ("missed" | "health"), value)) => word(kind, value),
            _ => self.class(name).to_owned(),
        }
    }

    /// Clock time of a moment, UTC.
    pub fn clock(at: UtcMicros) -> String {
        let text = at.to_rfc3339();
        text.get(11..19).unwrap_or_default().to_owned()
    }

    /// The same; of another day than the station's today, day and time.
    pub fn when(&self, at: UtcMicros) -> String {
        let (text, today) = (at.to_rfc3339(), self.snapshot.pulse.at.to_rfc3339());
        if text.get(..10) == today.get(..10) {
            return Self::clock(at);
        }
        let part = |range| text.get(range).unwrap_or_default();
        format!("{} {}", part(5..10), part(11..16))
    }

    fn say(&mut self, text: String, done: bool) {
        self.notice = Some(Notice {
            text,
            done,
            since: None,
        });
    }

    /// Takes an answer in; `asked` is what it answers.
    pub fn take(
        &mut self,
        asked: &Ask,
        reply: Reply,
        picture: impl FnOnce(Reply) -> Option<Shown>,
    ) {
        if let Ask::Picture { seq, view } = *asked {
            self.answers.pictures.insert((seq, view), picture(reply));
            return;
        }
        match reply.answer {
            Answer::Parts(parts) => self.answers.rejects = parts,
            Answer::Quality(quality) => self.answers.quality = Some(*quality),
            Answer::Audit(rows) => self.answers.audit = Some(rows),
            Answer::AlarmHistory(rows) => self.answers.alarm_history = rows,
            Answer::Written { path, items } => {
                self.say(self.texts.with("notice.written", &[&items, &path]), true);
            }
            Answer::Bundles(bundles) => self.answers.bundles = Some(bundles),
            Answer::Difference(lines) => self.answers.difference = Some(lines),
            Answer::Done if matches!(asked, Ask::InstallModel { .. }) => {
                self.say(self.t("notice.begun"), true);
            }
            Answer::Done if crate::dialogs::is_act(asked) => {
                self.say(self.t("notice.done"), true);
            }
            Answer::Refused(refusal) => {
                self.say(self.refusal(&refusal), false);
            }
            Answer::Done | Answer::Picture(_) => {}
        }
    }

    fn refusal(&self, refusal: &sightline_wire::Refusal) -> String {
        use sightline_wire::Refusal as R;
        match refusal {
            R::Needs(role) => {
                let role = self.t(&format!("role.{}", format!("{role:?}").to_lowercase()));
                self.texts.with("notice.needs", &[&role])
            }
            R::WrongPin => self.t("notice.wrong_pin"),
            R::Locked { wait_s } => self.texts.with("notice.locked", &[wait_s]),
            R::NotThere => self.t("notice.not_there"),
            R::NeedsReason => self.t("notice.needs_reason"),
            R::NotKept => self.t("notice.not_kept"),
            R::Failed(why) => self.texts.with("notice.failed", &[why]),
        }
    }
}
