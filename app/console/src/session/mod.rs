//! One console: who is logged in there, what they ask, and what the station does about it. Roles are held here.
//! Where to start: [`ConsoleSession::act`]; what is longer has a file of its own.

mod models;
mod recipes;
mod review;

use crate::context::ConsoleContext;
use crate::dataset::Dataset;
use crate::history::History;
use crate::station::{ActiveSet, Order};
use crate::support_file;
use sightline_domain::MonoTime;
use sightline_wire::{Answer, Ask, ClientSession, Refusal, Reply, Role, Session};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// The longest an alarm may be put aside.
const LONGEST_SHELF_MINUTES: u32 = 8 * 60;
/// Largest picture sent on demand, pixels each way.
const PICTURE: [u16; 2] = [1_024, 1_024];
/// Rows and parts given at once, at most.
const ROWS: u32 = 200;

/// The station's side of one console.
pub struct ConsoleSession {
    context: Arc<ConsoleContext>,
    login: Mutex<Login>,
}

#[derive(Clone, Default)]
struct Login {
    session: Session,
    last_seen: MonoTime,
}

type Done = Result<Reply, Refusal>;

impl ClientSession for ConsoleSession {
    fn answer(&self, ask: Ask) -> Reply {
        let session = self.session();
        if session.role < ask.needs() {
            return Refusal::Needs(ask.needs()).into();
        }
        self.login().last_seen = self.context.clock.now();
        self.act(ask, &session).unwrap_or_else(Reply::from)
    }

    /// Nobody for a while, or no longer one who may: the operator again.
    fn session(&self) -> Session {
        let now = self.context.clock.now();
        let mut login = self.login();
        if let Some(user) = &login.session.user {
            let idle = now.since(login.last_seen) >= self.context.idle;
            let changed = self.context.users.role_of(user) != Some(login.session.role);
            if idle || changed {
                let why = if idle { "idle" } else { "role changed" };
                self.context.audit(user, "log-out", "", "", why);
                *login = Login::default();
            }
        }
        login.session.clone()
    }
}

impl ConsoleSession {
    pub fn new(context: Arc<ConsoleContext>) -> Self {
        Self {
            context,
            login: Mutex::default(),
        }
    }

    fn login(&self) -> MutexGuard<'_, Login> {
        self.login.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn act(&self, ask: Ask, session: &Session) -> Done {
        let context = &self.context;
        let who = session.user.as_deref().unwrap_or("operator");
        match ask {
            Ask::LogIn { user, pin } => self.log_in(&user, &pin),
            Ask::LogOut => {
                if session.user.is_some() {
                    context.audit(who, "log-out", "", "", "");
                }
                *self.login() = Login::default();
                done()
            }
            Ask::StillHere => done(),
            Ask::Acknowledge { alarm } => self.acknowledge(who, alarm, None, ""),
            Ask::Shelve {
                alarm,
                minutes,
                reason,
            } => {
                let minutes = minutes.clamp(1, LONGEST_SHELF_MINUTES);
                let time = Duration::from_secs(u64::from(minutes) * 60);
                self.acknowledge(who, alarm, Some(time), &needed(&reason)?)
            }
            Ask::Unshelve { alarm } => {
                let action = format!("unshelve-alarm {alarm}");
                self.order(who, &action, Order::UnshelveAlarm { id: alarm }, "")
            }
            Ask::StopLine => self.order(who, "stop-line", Order::Stop, ""),
            Ask::StartLine => self.order(who, "start-line", Order::Start, ""),
            Ask::ChangeRecipe { file, reason } => self.change_recipe(who, &file, &reason),
            Ask::CompareRecipe { file } => self.compare(&file),
            Ask::ActivateModel {
                name,
                version,
                reason,
            } => self.activate_model(who, name, version, &reason),
            Ask::Bundles => self.bundles(),
            Ask::InstallModel {
                stick,
                file,
                reason,
            } => self.install(who, stick, &file, &reason),
            Ask::RollBackModel { reason } => self.roll_back(who, &reason),
            Ask::Rejects(filter) => self.parts(&filter),
            Ask::Picture { seq, view } => self.picture(seq, view),
            Ask::Overrule { seq, good, reason } => self.review(who, seq, good, &reason),
            Ask::Quality { minutes } => self.quality(minutes),
            Ask::Audit { limit } => self.trail(limit),
            Ask::AlarmHistory { limit } => self.alarm_history(limit),
            Ask::ExportReviewed => {
                let list = Dataset::in_exports(self.exports()?).write_list(&self.history()?);
                self.written(who, "export-reviewed", list)
            }
            Ask::ExportSupport => self.written(
                who,
                "export-support",
                support_file::write(context, self.exports()?),
            ),
            Ask::SetUser { name, role, pin } => self.set_user(who, &name, role, &pin),
            Ask::RemoveUser { name } => {
                let before = context.users.remove(&name).map_err(failed)?;
                context.audit(
                    who,
                    &format!("remove-user {name}"),
                    &role_name(before),
                    "",
                    "",
                );
                done()
            }
        }
    }

    fn quality(&self, minutes: u32) -> Done {
        let quality = self.history()?.quality(minutes, self.context.utc());
        Ok(Answer::Quality(Box::new(quality.map_err(failed)?)).into())
    }

    fn trail(&self, limit: u32) -> Done {
        let trail = self.history()?.trail(limit.min(ROWS) as usize);
        Ok(Answer::Audit(trail.map_err(failed)?).into())
    }

    fn alarm_history(&self, limit: u32) -> Done {
        let changes = self.history()?.alarms(limit.min(ROWS) as usize);
        Ok(Answer::AlarmHistory(changes.map_err(failed)?).into())
    }

    /// What happened before.
    fn history(&self) -> Result<History, Refusal> {
        let journal = self.context.journal.as_ref().ok_or(Refusal::NotKept)?;
        History::of(journal).map_err(failed)
    }

    fn exports(&self) -> Result<&Path, Refusal> {
        self.context.exports.as_deref().ok_or(Refusal::NotKept)
    }

    /// Through the one way for commands: carried out on the station's main thread, between parts, and written down there.
    fn order(&self, who: &str, action: &str, order: Order, why: &str) -> Done {
        let said = self.context.handle.order(action, order, who, why);
        said.map_err(Refusal::Failed)?;
        done()
    }

    fn log_in(&self, user: &str, pin: &str) -> Done {
        let now = self.context.clock.now();
        match self.context.users.check(user, pin, now) {
            Ok(role) => {
                let session = Session {
                    user: Some(user.to_owned()),
                    role,
                };
                *self.login() = Login {
                    session,
                    last_seen: now,
                };
                self.context.audit(user, "log-in", "", &role_name(role), "");
                done()
            }
            Err(refusal) => {
                self.context.audit(user, "log-in-refused", "", "", "");
                Err(refusal)
            }
        }
    }

    fn acknowledge(
        &self,
        who: &str,
        alarm: String,
        shelve: Option<Duration>,
        reason: &str,
    ) -> Done {
        if !self.context.handle.has_alarm(&alarm) {
            return Err(Refusal::NotThere);
        }
        let verb = match shelve {
            Some(_) => "shelve-alarm",
            None => "acknowledge-alarm",
        };
        let action = format!("{verb} {alarm}");
        let request = Order::AckAlarm { id: alarm, shelve };
        self.order(who, &action, request, reason)
    }

    fn written(&self, who: &str, action: &str, made: anyhow::Result<(PathBuf, u32)>) -> Done {
        let (path, items) = made.map_err(failed)?;
        let path = path.display().to_string();
        self.context.audit(who, action, "", &path, "");
        Ok(Answer::Written { path, items }.into())
    }

    fn set_user(&self, who: &str, name: &str, role: Role, pin: &str) -> Done {
        let before = self.context.users.set(name, role, pin).map_err(failed)?;
        let before = before.map(role_name).unwrap_or_default();
        let action = format!("set-user {name}");
        self.context
            .audit(who, &action, &before, &role_name(role), "");
        done()
    }

    /// What inspects now.
    fn active(&self) -> Result<ActiveSet, Refusal> {
        let starting = || Refusal::Failed("the station is starting".into());
        self.context.handle.active().ok_or_else(starting)
    }
}

fn role_name(role: Role) -> String {
    format!("{role:?}").to_lowercase()
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
