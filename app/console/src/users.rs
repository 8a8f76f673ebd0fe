//! Who may log in at a console, and how wrong PINs are slowed down.

use anyhow::{Context, bail};
use argon2::Argon2;
use argon2::password_hash::{PasswordHasher, PasswordVerifier, phc::PasswordHash};
use serde::{Deserialize, Serialize};
use sightline_domain::MonoTime;
use sightline_wire::ask::UserFacts;
use sightline_wire::{Refusal, Role};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Wrong PINs until the first wait.
const FREE_TRIES: u32 = 3;
/// The first wait; it doubles with every further wrong PIN.
const FIRST_WAIT: Duration = Duration::from_secs(10);
/// The longest wait.
const LONGEST_WAIT: Duration = Duration::from_secs(15 * 60);
/// A PIN's length, so that nobody makes the station hash a book.
const LONGEST_PIN: usize = 32;

/// The file of users.
#[derive(Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    users: Vec<User>,
}

/// One of them.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct User {
    /// Name.
    pub name: String,
    /// Role.
    pub role: Role,
    /// Argon2 in PHC form, as `sightline user` writes it.
    pub pin_hash: String,
}

#[derive(Clone, Copy, Default)]
struct Tries {
    wrong: u32,
    wait_until: MonoTime,
}

/// The users and their tries.
#[derive(Default)]
pub struct Users {
    /// Their file; absent: nobody may log in, and nobody can be added.
    path: Option<PathBuf>,
    list: Mutex<Vec<User>>,
    tries: Mutex<BTreeMap<String, Tries>>,
}

/// Argon2id of a PIN with a salt of its own.
pub fn hash(pin: &str) -> anyhow::Result<String> {
    if !(4..=LONGEST_PIN).contains(&pin.len()) || !pin.bytes().all(|b| b.is_ascii_digit()) {
        bail!("expected a PIN of 4 to {LONGEST_PIN} digits");
    }
    let hash = Argon2::default()
        .hash_password(pin.as_bytes())
        .map_err(|e| anyhow::anyhow!("cannot hash the PIN: {e}"))?;
    Ok(hash.to_string())
}

/// Adds a user to the file, or gives one another role and PIN.
pub fn set(path: &Path, name: &str, role: Role, pin: &str) -> anyhow::Result<()> {
    let mut list = match path.exists() {
        true => read(path)?.users,
        false => Vec::new(),
    };
    put(&mut list, user(name, role, pin)?);
    write(path, list)
}

fn user(name: &str, role: Role, pin: &str) -> anyhow::Result<User> {
    let plain = |c: char| c.is_alphanumeric() || " .-_".contains(c);
    if name.trim() != name || !(1..=20).contains(&name.chars().count()) || !name.chars().all(plain)
    {
        bail!("expected a name of 1 to 20 letters, digits, ` `, `.`, `-` and `_`, found `{name}`");
    }
    Ok(User {
        name: name.to_owned(),
        role,
        pin_hash: hash(pin)?,
    })
}

fn put(list: &mut Vec<User>, user: User) {
    match list.iter_mut().find(|u| u.name == user.name) {
        Some(known) => *known = user,
        None => list.push(user),
    }
}

fn write(path: &Path, users: Vec<User>) -> anyhow::Result<()> {
    let text = toml::to_string(&File { users })?;
    let fresh = path.with_extension("new");
    write_private(&fresh, &text).with_context(|| format!("cannot write {}", fresh.display()))?;
    std::fs::rename(&fresh, path).with_context(|| format!("cannot write {}", path.display()))
}

/// Writes a file of users who all have the same PIN.
pub fn set_all(path: &Path, users: &[(&str, Role)], pin: &str) -> anyhow::Result<()> {
    let pin_hash = hash(pin)?;
    let user = |(name, role): &(&str, Role)| User {
        name: (*name).to_owned(),
        role: *role,
        pin_hash: pin_hash.clone(),
    };
    let file = File {
        users: users.iter().map(user).collect(),
    };
    write_private(path, &toml::to_string(&file)?)
        .with_context(|| format!("cannot write {}", path.display()))
}

fn write_private(path: &Path, text: &str) -> std::io::Result<()> {
    use std::io::Write;
    use std::os::unix::fs::OpenOptionsExt;
    let mut options = std::fs::OpenOptions::new();
    let options = options.write(true).create(true).truncate(true).mode(0o600);
    options.open(path)?.write_all(text.as_bytes())
}

fn read(path: &Path) -> anyhow::Result<File> {
    let text = std::fs::read_to_string(path)
        .with_context(|| format!("expected the consoles' users in {}", path.display()))?;
    toml::from_str(&text).with_context(|| format!("{}", path.display()))
}

impl Users {
    /// Reads the file.
    pub fn load(path: &Path) -> anyhow::Result<Self> {
        let list = read(path)?.users;
        for user in &list {
            if PasswordHash::new(&user.pin_hash).is_err() {
                bail!(
                    "{}: pin_hash of `{}`: expected what `sightline user` writes ($argon2id$…)",
                    path.display(),
                    user.name
                );
            }
        }
        Ok(Self {
            path: Some(path.to_owned()),
            list: Mutex::new(list),
            tries: Mutex::default(),
        })
    }

    /// Nobody may log in.
    pub fn nobody() -> Self {
        Self::default()
    }

    fn list(&self) -> MutexGuard<'_, Vec<User>> {
        self.list.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What `name` may do, if there is such a user.
    pub fn role_of(&self, name: &str) -> Option<Role> {
        let list = self.list();
        list.iter().find(|u| u.name == name).map(|u| u.role)
    }

    /// Adds a user, or gives one another role and PIN. Returns the role they had.
    ///
    /// # Errors
    /// Nobody would be left who may do this; the file cannot be written; the name or PIN is not one.
    pub fn set(&self, name: &str, role: Role, pin: &str) -> anyhow::Result<Option<Role>> {
        let before = self.role_of(name);
        let user = user(name, role, pin)?;
        self.change(|list| put(list, user))?;
        self.tries().remove(name);
        Ok(before)
    }

    /// Takes a user away. Returns the role they had.
    ///
    /// # Errors
    /// As [`Users::set`].
    pub fn remove(&self, name: &str) -> anyhow::Result<Role> {
        let before = self.role_of(name);
        let before = before.with_context(|| format!("expected a user, found no `{name}`"))?;
        self.change(|list| list.retain(|u| u.name != name))?;
        Ok(before)
    }

    fn change(&self, change: impl FnOnce(&mut Vec<User>)) -> anyhow::Result<()> {
        let path = self.path.as_deref();
        let path = path.context("expected console.users_file in the configuration, found none")?;
        let mut list = self.list();
        let mut after = list.clone();
        change(&mut after);
        if !after.iter().any(|u| u.role == Role::Administrator) {
            bail!("expected an administrator to be left, found none; name another one first");
        }
        write(path, after.clone())?;
        *list = after;
        Ok(())
    }

    fn tries(&self) -> MutexGuard<'_, BTreeMap<String, Tries>> {
        self.tries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Names and roles.
    pub fn facts(&self) -> Vec<UserFacts> {
        let fact = |u: &User| UserFacts {
            name: u.name.clone(),
            role: u.role,
        };
        self.list().iter().map(fact).collect()
    }

    /// The role of `name`, if the PIN is theirs. One PIN is looked at at a time, whichever console it comes from.
    pub fn check(&self, name: &str, pin: &str, now: MonoTime) -> Result<Role, Refusal> {
        let mut tries = self.tries();
        let user = self.list().iter().find(|u| u.name == name).cloned();
        // Names are no secret, the console lists them; unknown ones are not remembered.
        let user = user.ok_or(Refusal::WrongPin)?;
        let tried = tries.entry(name.to_owned()).or_default();
        let left = tried.wait_until.since(now);
        if !left.is_zero() {
            let wait_s = left.as_secs_f64().ceil() as u32;
            return Err(Refusal::Locked { wait_s });
        }
        if pin.len() <= LONGEST_PIN && is_right(&user, pin) {
            *tried = Tries::default();
            return Ok(user.role);
        }
        tried.wrong += 1;
        if tried.wrong < FREE_TRIES {
            return Err(Refusal::WrongPin);
        }
        let wait = FIRST_WAIT * 2u32.saturating_pow((tried.wrong - FREE_TRIES).min(10));
        let wait = wait.min(LONGEST_WAIT);
        tried.wait_until = now + wait;
        Err(Refusal::Locked {
            wait_s: wait.as_secs() as u32,
        })
    }
}

fn is_right(user: &User, pin: &str) -> bool {
    PasswordHash::new(&user.pin_hash).is_ok_and(|hash| {
        Argon2::default()
            .verify_password(pin.as_bytes(), &hash)
            .is_ok()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn users() -> Users {
        Users {
            list: Mutex::new(vec![user("ann", Role::Engineer, "4711").unwrap()]),
            ..Users::default()
        }
    }

    #[test]
    fn the_right_pin_gives_the_role_and_a_wrong_one_does_not() {
        let users = users();
        let now = MonoTime(0);
        assert_eq!(users.check("ann", "4711", now), Ok(Role::Engineer));
        assert_eq!(users.check("ann", "4712", now), Err(Refusal::WrongPin));
        assert_eq!(users.check("bob", "4711", now), Err(Refusal::WrongPin));
        assert_eq!(users.check("ann", "", now), Err(Refusal::WrongPin));
    }

    #[test]
    fn guessing_gets_slower_and_even_the_right_pin_waits() {
        let users = users();
        let at = |s: u64| MonoTime(s * 1_000_000_000);
        for _ in 1..FREE_TRIES {
            assert_eq!(users.check("ann", "0000", at(0)), Err(Refusal::WrongPin));
        }
        assert_eq!(
            users.check("ann", "0000", at(0)),
            Err(Refusal::Locked { wait_s: 10 })
        );
        assert_eq!(
            users.check("ann", "4711", at(9)),
            Err(Refusal::Locked { wait_s: 1 })
        );
        assert_eq!(
            users.check("ann", "0000", at(10)),
            Err(Refusal::Locked { wait_s: 20 })
        );
        assert_eq!(users.check("ann", "4711", at(31)), Ok(Role::Engineer));
        assert_eq!(users.check("ann", "0000", at(32)), Err(Refusal::WrongPin));
    }

    #[test]
    fn a_user_is_written_and_read_and_the_file_is_private() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("users.toml");
        set(&path, "ann", Role::Operator, "1234").unwrap();
        set(&path, "ann", Role::Supervisor, "5678").unwrap();
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let users = Users::load(&path).unwrap();
        assert_eq!(users.facts().len(), 1);
        assert_eq!(
            users.check("ann", "5678", MonoTime(0)),
            Ok(Role::Supervisor)
        );
        assert!(!std::fs::read_to_string(&path).unwrap().contains("5678"));
        assert!(set(&path, "bob", Role::Operator, "12").is_err());
    }

    #[test]
    fn an_administrator_changes_users_and_one_always_stays() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("users.toml");
        set(&path, "root", Role::Administrator, "1111").unwrap();
        let users = Users::load(&path).unwrap();
        assert_eq!(users.set("bob", Role::Operator, "2222").unwrap(), None);
        let before = users.set("bob", Role::Engineer, "3333").unwrap();
        assert_eq!(before, Some(Role::Operator));
        assert_eq!(
            users.check("bob", "3333", MonoTime(0)),
            Ok(Role::Engineer),
            "at once"
        );
        for gone in [
            users.remove("root").map(|_| ()),
            users.set("root", Role::Engineer, "1111").map(|_| ()),
            users.set("../x", Role::Operator, "1111").map(|_| ()),
            users.remove("nobody").map(|_| ()),
        ] {
            assert!(gone.is_err());
        }
        let again = Users::load(&path).unwrap();
        assert_eq!(again.role_of("bob"), Some(Role::Engineer));
        assert_eq!(users.remove("bob").unwrap(), Role::Engineer);
        assert_eq!(Users::load(&path).unwrap().facts().len(), 1);
        assert!(
            Users::nobody()
                .set("ann", Role::Administrator, "1111")
                .is_err()
        );
    }
}
