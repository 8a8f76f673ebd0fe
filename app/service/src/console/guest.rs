//! One console: who is logged in there, what they ask, and what the station does about it. Roles are held here.

use super::house::House;
use super::installed;
use super::{difference, house::Deeds};
use sightline_model::{Disposition, MonoTime};
use sightline_wire::ask::QualityFacts;
use sightline_wire::{Answer, Ask, Guest, Refusal, Reply, Session};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The longest an alarm may be put aside.
const LONGEST_SHELF_MINUTES: u32 = 8 * 60;
/// Largest picture sent on demand, pixels each way.
const PICTURE: [u16; 2] = [1_024, 1_024];
/// Rows and parts given at once, at most.
const ROWS: u32 = 200;

/// The station's side of one console.
pub struct Visitor {
    house: Arc<House>,
    login: Mutex<Login>,
}

#[derive(Clone, Default)]
struct Login {
    session: Session,
    last_seen: MonoTime,
}

type Done = Result<Reply, Refusal>;

impl Guest for Visitor {
    fn answer(&self, ask: Ask) -> Reply {
        let session = self.session();
        if session.role < ask.needs() {
            return Refusal::Needs(ask.needs()).into();
        }
        self.login().last_seen = self.house.clock.now();
        self.act(ask, &session).unwrap_or_else(Reply::from)
    }

    /// Nobody for a while: the operator again.
    fn session(&self) -> Session {
        let now = self.house.clock.now();
        let mut login = self.login();
        if let Some(user) = &login.session.user
            && now.since(login.last_seen) >= self.house.idle
        {
            self.house.audit(user, "log-out", "", "", "idle");
            *login = Login::default();
        }
        login.session.clone()
    }
}

impl Visitor {
    pub fn new(house: Arc<House>) -> Self {
        Self {
            house,
            login: Mutex::default(),
        }
    }

    fn login(&self) -> MutexGuard<'_, Login> {
        self.login.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn act(&self, ask: Ask, session: &Session) -> Done {
        let house = &self.house;
        let who = session.user.as_deref().unwrap_or("operator");
        match ask {
            Ask::LogIn { user, pin } => self.log_in(&user, &pin),
            Ask::LogOut => {
                if session.user.is_some() {
                    house.audit(who, "log-out", "", "", "");
                }
                *self.login() = Login::default();
                done()
            }
            Ask::StillHere => done(),
            Ask::Acknowledge { alarm } => self.acknowledge(who, &alarm),
            Ask::Shelve {
                alarm,
                minutes,
                reason,
            } => self.shelve(who, &alarm, minutes, &reason),
            Ask::Unshelve { alarm } => {
                house
                    .alarms(|book| book.shelve(&alarm, None, who))
                    .map_err(|_| Refusal::NotThere)?;
                house.audit(who, "unshelve-alarm", "shelved", "active", &alarm);
                done()
            }
            Ask::StopLine => self.hold(who, true),
            Ask::StartLine => self.hold(who, false),
            Ask::ChangeRecipe { file, reason } => self.change_recipe(who, &file, &reason),
            Ask::CompareRecipe { file } => self.compare(&file),
            Ask::ActivateModel {
                name,
                version,
                reason,
            } => self.activate_model(who, &name, &version, &reason),
            Ask::RollBackModel { reason } => self.roll_back(who, &reason),
            Ask::Rejects { limit } => {
                let parts = house.parts().rejects(limit.min(ROWS) as usize);
                Ok(Answer::Parts(parts).into())
            }
            Ask::Picture { seq, view } => self.picture(seq, view),
            Ask::Overrule { seq, good, reason } => self.overrule(who, seq, good, &reason),
            Ask::Quality { minutes } => {
                let quality: QualityFacts = house.parts().quality(minutes, house.utc());
                Ok(Answer::Quality(Box::new(quality)).into())
            }
            Ask::Audit { limit } => Ok(Answer::Audit(house.trail(limit.min(ROWS) as usize)).into()),
            Ask::AlarmHistory { limit } => {
                let limit = limit.min(ROWS) as usize;
                let history = house.alarms(|book| book.history(limit));
                Ok(Answer::AlarmHistory(history).into())
            }
        }
    }

    fn log_in(&self, user: &str, pin: &str) -> Done {
        let now = self.house.clock.now();
        match self.house.users.check(user, pin, now) {
            Ok(role) => {
                let session = Session {
                    user: Some(user.to_owned()),
                    role,
                };
                *self.login() = Login {
                    session,
                    last_seen: now,
                };
                let role = format!("{role:?}").to_lowercase();
                self.house.audit(user, "log-in", "", &role, "");
                done()
            }
            Err(refusal) => {
                self.house.audit(user, "log-in-refused", "", "", "");
                Err(refusal)
            }
        }
    }

    fn acknowledge(&self, who: &str, alarm: &str) -> Done {
        self.house
            .alarms(|book| book.acknowledge(alarm, who))
            .map_err(|_| Refusal::NotThere)?;
        if alarm.starts_with("gate-")
            && let Some(deeds) = self.house.deeds()
        {
            deeds.acknowledge_gate();
        }
        self.house.audit(
            who,
            "acknowledge-alarm",
            "unacknowledged",
            "acknowledged",
            alarm,
        );
        done()
    }

    fn shelve(&self, who: &str, alarm: &str, minutes: u32, reason: &str) -> Done {
        let reason = needed(reason)?;
        let minutes = minutes.clamp(1, LONGEST_SHELF_MINUTES);
        let until =
            sightline_model::UtcMicros(self.house.utc().0 + i64::from(minutes) * 60_000_000);
        self.house
            .alarms(|book| book.shelve(alarm, Some(until), who))
            .map_err(|_| Refusal::NotThere)?;
        let new = format!("shelved for {minutes} min");
        self.house.audit(who, "shelve-alarm", alarm, &new, &reason);
        done()
    }

    fn hold(&self, who: &str, on: bool) -> Done {
        let deeds = self.deeds()?;
        let hold = deeds.hold.as_ref().ok_or(Refusal::NotKept)?;
        let was = hold.by_person(on);
        let name = |stopped| if stopped { "stopped" } else { "running" };
        let action = if on { "stop-line" } else { "start-line" };
        self.house.audit(who, action, name(was), name(on), "");
        done()
    }

    fn change_recipe(&self, who: &str, file: &str, reason: &str) -> Done {
        let reason = needed(reason)?;
        let path = self.recipe_path(file)?;
        let changeover = &self.deeds()?.changeover;
        let describe = || {
            let active = changeover.active();
            let recipe = &active.plan.recipe;
            format!("{} {}", recipe.external_id, recipe.version)
        };
        let before = describe();
        changeover.to_recipe(&path, who).map_err(failed)?;
        self.house
            .audit(who, "change-recipe", &before, &describe(), &reason);
        done()
    }

    fn compare(&self, file: &str) -> Done {
        let path = self.recipe_path(file)?;
        let active = self.deeds()?.changeover.active().file;
        let read = |p: &Path| std::fs::read_to_string(p).map_err(|e| failed(e.into()));
        let lines = difference::lines(&read(&active)?, &read(&path)?);
        Ok(Answer::Difference(lines).into())
    }

    /// Only a file of the recipes' folder, by its bare name.
    fn recipe_path(&self, file: &str) -> Result<PathBuf, Refusal> {
        let bare = Path::new(file).file_name().is_some_and(|name| name == file);
        let path = self.house.recipes.join(file);
        (bare && file.ends_with(".toml") && path.is_file())
            .then_some(path)
            .ok_or(Refusal::NotThere)
    }

    fn activate_model(&self, who: &str, name: &str, version: &str, reason: &str) -> Done {
        let reason = needed(reason)?;
        let deeds = self.deeds()?;
        let folder = self.house.bundles.as_ref().ok_or(Refusal::NotKept)?;
        let (path, _) = installed::models(folder)
            .into_iter()
            .find(|(_, card)| card.name == name && card.version == version)
            .ok_or(Refusal::NotThere)?;
        let before = deeds.models();
        deeds.changeover.to_model(&path, who).map_err(failed)?;
        self.house
            .audit(who, "activate-model", &before, &deeds.models(), &reason);
        done()
    }

    fn roll_back(&self, who: &str, reason: &str) -> Done {
        let reason = needed(reason)?;
        let deeds = self.deeds()?;
        let before = deeds.models();
        deeds.changeover.back(who).map_err(failed)?;
        self.house
            .audit(who, "roll-back-model", &before, &deeds.models(), &reason);
        done()
    }

    fn picture(&self, seq: u64, view: u16) -> Done {
        let parts = self.house.parts();
        let kept = parts.picture(seq, view.into()).ok_or(Refusal::NotKept)?;
        let (head, pixels) = kept.fitting(PICTURE).ok_or(Refusal::NotKept)?;
        Ok(Reply {
            answer: Answer::Picture(head),
            pixels,
        })
    }

    fn overrule(&self, who: &str, seq: u64, good: bool, reason: &str) -> Done {
        let reason = needed(reason)?;
        let before = self.house.parts().overrule(seq, good);
        let before = before.ok_or(Refusal::NotThere)?;
        let name = |good| if good { "good" } else { "bad" };
        let old = match (before.overruled, before.disposition) {
            (Some(good), _) => name(good),
            (None, Disposition::Pass) => "passed",
            (None, Disposition::Reject) => "rejected",
        };
        let action = format!("review {}", before.event_id);
        self.house.audit(who, &action, old, name(good), &reason);
        done()
    }

    fn deeds(&self) -> Result<&Deeds, Refusal> {
        let starting = || Refusal::Failed("the station is starting".into());
        self.house.deeds().ok_or_else(starting)
    }
}

impl Deeds {
    /// A person has seen to the gate.
    fn acknowledge_gate(&self) {
        if let Some(hold) = &self.hold {
            hold.gate_was_seen_to();
        }
        self.flow.acknowledge_gate();
    }

    /// The models that look, for the trail.
    fn models(&self) -> String {
        let active = self.changeover.active();
        let refs = active.plan.models.iter().flat_map(|m| &m.refs);
        Vec::from_iter(refs.map(|r| format!("{} {}", r.name, r.version))).join(", ")
    }
}

fn done() -> Done {
    Ok(Answer::Done.into())
}

fn failed(error: anyhow::Error) -> Refusal {
    Refusal::Failed(format!("{error:#}"))
}

/// What was said, if anything was said.
fn needed(reason: &str) -> Result<String, Refusal> {
    let reason: String = reason.trim().chars().take(200).collect();
    if reason.is_empty() {
        return Err(Refusal::NeedsReason);
    }
    Ok(reason)
}
