//! From a command's bytes to what is asked for, or why it cannot be taken.

use serde::Deserialize;
use serde::de::DeserializeOwned;
use sightline_configs::station::Verb;
use sightline_domain::{MonoTime, UtcMicros};
use sightline_uplink::Command;
use std::path::PathBuf;
use std::time::Duration;

/// Largest payload, bytes.
pub const MAX_PAYLOAD: usize = 16 * 1_024;
/// The version of commands that this program knows.
pub const SCHEMA: &str = "sightline.command.v1";

/// What is asked for.
#[derive(Clone, Debug, PartialEq)]
pub enum Request {
    Trigger {
        part_id: Option<String>,
        /// When the part was at the sensor, by the sender's clock.
        at: Option<UtcMicros>,
    },
    PrepareRecipe {
        external_id: String,
        version: Option<String>,
    },
    Start {
        single: bool,
        job_id: Option<String>,
    },
    Stop,
    AckAlarm {
        id: String,
        shelve: Option<Duration>,
    },
    /// From a console only.
    UnshelveAlarm {
        id: String,
    },
    InstallModel {
        file: String,
        sha256: String,
    },
    /// From a console only: a bundle that it was shown.
    InstallFile {
        path: PathBuf,
    },
    ActivateModel {
        name: String,
        version: String,
    },
    RollbackModel {
        name: String,
    },
    /// Stored results, from the first number to the last.
    Resend {
        first: u64,
        last: u64,
    },
    /// The MES takes note of gaps within these numbers.
    Skip {
        first: u64,
        last: u64,
    },
    /// The next part is this challenge part.
    Challenge {
        part_id: String,
    },
}

/// A request and who asks.
#[derive(Clone, Debug, PartialEq)]
pub struct Asked {
    pub request: Request,
    /// As the command says; the broker knows who really sent it.
    pub by: String,
    /// Answers on the way to the last one are welcome.
    pub progress: bool,
}

/// Why a command is not carried out.
#[derive(Debug, thiserror::Error)]
pub enum Unfit {
    #[error(
        "a retained command is never carried out: it would come again with every connection; publish it without the retain flag, and empty the topic"
    )]
    Retained,
    #[error("expected a payload of at most {MAX_PAYLOAD} bytes, found {found}")]
    TooLarge { found: usize },
    #[error("expected JSON in UTF-8, found bytes that are not: {source}")]
    NotUtf8 { source: std::str::Utf8Error },
    #[error("expected one of {}, found `{found}`", names())]
    UnknownVerb { found: String },
    #[error("expected {expected}, found {source}")]
    Malformed {
        expected: &'static str,
        source: serde_json::Error,
    },
    #[error(
        "expected `schema` to be `{SCHEMA}` or absent, found `{found}`; this program knows no other version"
    )]
    UnknownVersion { found: String },
    #[error("expected a value for `{field}`, found `{found}`; {advice}")]
    Value {
        field: &'static str,
        found: String,
        advice: &'static str,
    },
    #[error("`{verb}` is not allowed here; add it to mqtt.commands, and let only the MES publish to its topic", verb = .0.name())]
    NotAllowed(Verb),
    #[error("it came too late: its message expiry had passed")]
    Expired,
}

fn names() -> String {
    Verb::ALL.map(Verb::name).join(", ")
}

/// Which command it is.
pub fn verb(name: &str) -> Result<Verb, Unfit> {
    let mut all = Verb::ALL.into_iter();
    all.find(|verb| verb.name() == name).ok_or_else(|| {
        let short: String = name.chars().take(40).collect();
        Unfit::UnknownVerb { found: short }
    })
}

/// Reads a command.
///
/// # Errors
/// The first thing that is wrong with it.
pub fn read(command: &Command, allowed: &[Verb], now: MonoTime) -> Result<Asked, Unfit> {
    if command.retained {
        return Err(Unfit::Retained);
    }
    let verb = verb(&command.verb)?;
    let found = command.payload.len();
    if found > MAX_PAYLOAD {
        return Err(Unfit::TooLarge { found });
    }
    let text = std::str::from_utf8(&command.payload).map_err(|source| Unfit::NotUtf8 { source })?;
    let text = if text.trim().is_empty() { "{}" } else { text };
    let head: Head = parse(text, "a JSON object")?;
    if let Some(found) = head.schema.filter(|schema| schema != SCHEMA) {
        let found = found.chars().take(80).collect();
        return Err(Unfit::UnknownVersion { found });
    }
    let request = request(verb, text)?;
    if !allowed.contains(&verb) {
        return Err(Unfit::NotAllowed(verb));
    }
    if command.expires.is_some_and(|end| now >= end) {
        return Err(Unfit::Expired);
    }
    let by = head.by.unwrap_or_else(|| "mes".into());
    Ok(Asked {
        request,
        by,
        progress: head.progress.unwrap_or(true),
    })
}

/// What every command may carry.
#[derive(Deserialize)]
struct Head {
    schema: Option<String>,
    by: Option<String>,
    progress: Option<bool>,
}

/// A command's own fields; those of the head are taken out before, so that an unknown one is an error.
fn body<T: DeserializeOwned>(text: &str, expected: &'static str) -> Result<T, Unfit> {
    let mut object: serde_json::Map<String, serde_json::Value> = parse(text, expected)?;
    object.remove("schema");
    object.remove("by");
    object.remove("progress");
    serde_json::from_value(object.into()).map_err(|source| Unfit::Malformed { expected, source })
}

/// A moment in UTC.
fn time(text: &str) -> Result<UtcMicros, Unfit> {
    UtcMicros::from_rfc3339(text).ok_or_else(|| Unfit::Value {
        field: "at",
        found: text.chars().take(40).collect(),
        advice: "write UTC as 2026-01-31T08:00:00.000Z",
    })
}

fn parse<T: DeserializeOwned>(text: &str, expected: &'static str) -> Result<T, Unfit> {
    serde_json::from_str(text).map_err(|source| Unfit::Malformed { expected, source })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Trigger {
    part_id: Option<String>,
    at: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PrepareRecipe {
    external_id: String,
    version: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Start {
    mode: Option<String>,
    job_id: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Nothing {}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AckAlarm {
    id: String,
    shelve_s: Option<f64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct InstallModel {
    file: String,
    sha256: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ActivateModel {
    name: String,
    version: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RollbackModel {
    name: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Challenge {
    part_id: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Numbers {
    first: u64,
    last: u64,
}

/// Results that one command has sent again, at most.
const MOST_AGAIN: u64 = 100_000;

/// From the first number to the last.
fn numbers(text: &str, most: u64) -> Result<(u64, u64), Unfit> {
    let Numbers { first, last } = body(text, "{\"first\": number, \"last\": number}")?;
    if first == 0 || last < first || last > i64::MAX as u64 || last - first >= most {
        return Err(Unfit::Value {
            field: "first, last",
            found: format!("{first}, {last}"),
            advice: "write numbers of results, the first not above the last; for resend at most 100000 of them",
        });
    }
    Ok((first, last))
}

/// Longest id of a part or job, bytes: a barcode has room in it.
const LONGEST_ID: usize = 256;

fn short(field: &'static str, id: Option<String>) -> Result<Option<String>, Unfit> {
    match id.as_ref().map_or(0, String::len) {
        0..=LONGEST_ID => Ok(id),
        bytes => Err(Unfit::Value {
            field,
            found: format!("{bytes} bytes"),
            advice: "write at most 256 bytes",
        }),
    }
}

/// Longest time an alarm can be put aside.
const LONGEST_SHELF_S: f64 = 24.0 * 3_600.0;

fn request(verb: Verb, text: &str) -> Result<Request, Unfit> {
    Ok(match verb {
        Verb::Trigger => {
            let expected = "{\"part_id\": \"…\", \"at\": \"2026-01-31T08:00:00.000Z\"}, either or both left out, or an empty payload";
            let Trigger { part_id, at } = body(text, expected)?;
            let at = at.map(|at| time(&at)).transpose()?;
            let part_id = short("part_id", part_id)?;
            Request::Trigger { part_id, at }
        }
        Verb::PrepareRecipe => {
            let expected = "{\"external_id\": \"…\", \"version\": \"…\" (optional)}";
            let PrepareRecipe {
                external_id,
                version,
            } = body(text, expected)?;
            Request::PrepareRecipe {
                external_id,
                version,
            }
        }
        Verb::Start => start(text)?,
        Verb::Stop => {
            let Nothing {} = body(text, "an empty payload")?;
            Request::Stop
        }
        Verb::AckAlarm => acknowledge(text)?,
        Verb::InstallModel => install(text)?,
        Verb::ActivateModel => {
            let ActivateModel { name, version } =
                body(text, "{\"name\": \"…\", \"version\": \"…\"}")?;
            Request::ActivateModel { name, version }
        }
        Verb::RollbackModel => {
            let RollbackModel { name } = body(text, "{\"name\": \"…\"}")?;
            Request::RollbackModel { name }
        }
        Verb::Resend => {
            let (first, last) = numbers(text, MOST_AGAIN)?;
            Request::Resend { first, last }
        }
        Verb::Skip => {
            let (first, last) = numbers(text, u64::MAX)?;
            Request::Skip { first, last }
        }
        Verb::Challenge => {
            let Challenge { part_id } = body(
                text,
                "{\"part_id\": \"…\"}, the id of a challenge part of the recipe",
            )?;
            Request::Challenge { part_id }
        }
    })
}

fn start(text: &str) -> Result<Request, Unfit> {
    let expected = "{\"mode\": \"continuous\" or \"single\", \"job_id\": \"…\"}, both optional";
    let Start { mode, job_id } = body(text, expected)?;
    let single = match mode.as_deref() {
        None | Some("continuous") => false,
        Some("single") => true,
        Some(other) => {
            return Err(Unfit::Value {
                field: "mode",
                found: other.into(),
                advice: "write `continuous` or `single`",
            });
        }
    };
    let job_id = short("job_id", job_id)?;
    Ok(Request::Start { single, job_id })
}

fn acknowledge(text: &str) -> Result<Request, Unfit> {
    let AckAlarm { id, shelve_s } =
        body(text, "{\"id\": \"…\", \"shelve_s\": seconds (optional)}")?;
    let good = |s: f64| s > 0.0 && s <= LONGEST_SHELF_S;
    if let Some(s) = shelve_s.filter(|s| !good(*s)) {
        return Err(Unfit::Value {
            field: "shelve_s",
            found: s.to_string(),
            advice: "write more than 0 and at most 86400 seconds",
        });
    }
    let shelve = shelve_s.map(Duration::from_secs_f64);
    Ok(Request::AckAlarm { id, shelve })
}

fn install(text: &str) -> Result<Request, Unfit> {
    let InstallModel { file, sha256 } = body(text, "{\"file\": \"…\", \"sha256\": \"…\"}")?;
    let plain = !file.is_empty() && !file.starts_with('.') && !file.contains(['/', '\\', '\0']);
    if !plain {
        return Err(Unfit::Value {
            field: "file",
            found: file,
            advice: "write the name of a file in the inbox, without folders",
        });
    }
    Ok(Request::InstallModel { file, sha256 })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn command(verb: &str, payload: &[u8]) -> Command {
        Command {
            verb: verb.into(),
            payload: payload.to_vec().into(),
            correlation: None,
            response_topic: None,
            retained: false,
            expires: None,
        }
    }

    fn says(command: &Command) -> String {
        match read(command, &Verb::ALL, MonoTime(10)) {
            Ok(asked) => panic!("taken: {asked:?}"),
            Err(why) => why.to_string(),
        }
    }

    #[test]
    #[expect(clippy::too_many_lines, reason = "one story, told in its order")]
    fn each_command_is_read() {
        let cases: [(&str, &str, Request); 13] = [
            (
                "trigger",
                "",
                Request::Trigger {
                    part_id: None,
                    at: None,
                },
            ),
            (
                "trigger",
                r#"{"part_id":"p1"}"#,
                Request::Trigger {
                    part_id: Some("p1".into()),
                    at: None,
                },
            ),
            (
                "prepare_recipe",
                r#"{"schema":"sightline.command.v1","external_id":"B7","by":"anna"}"#,
                Request::PrepareRecipe {
                    external_id: "B7".into(),
                    version: None,
                },
            ),
            (
                "start",
                "{}",
                Request::Start {
                    single: false,
                    job_id: None,
                },
            ),
            (
                "start",
                r#"{"mode":"single","job_id":"lot 5"}"#,
                Request::Start {
                    single: true,
                    job_id: Some("lot 5".into()),
                },
            ),
            ("stop", "", Request::Stop),
            (
                "ack_alarm",
                r#"{"id":"a","shelve_s":60}"#,
                Request::AckAlarm {
                    id: "a".into(),
                    shelve: Some(Duration::from_secs(60)),
                },
            ),
            (
                "install_model",
                r#"{"file":"m.tar.zst","sha256":"00"}"#,
                Request::InstallModel {
                    file: "m.tar.zst".into(),
                    sha256: "00".into(),
                },
            ),
            (
                "activate_model",
                r#"{"name":"m","version":"2"}"#,
                Request::ActivateModel {
                    name: "m".into(),
                    version: "2".into(),
                },
            ),
            (
                "rollback_model",
                r#"{"name":"m"}"#,
                Request::RollbackModel { name: "m".into() },
            ),
            (
                "resend",
                r#"{"first":5,"last":9}"#,
                Request::Resend { first: 5, last: 9 },
            ),
            (
                "skip",
                r#"{"first":7,"last":7}"#,
                Request::Skip { first: 7, last: 7 },
            ),
            (
                "challenge",
                r#"{"part_id":"C1"}"#,
                Request::Challenge {
                    part_id: "C1".into(),
                },
            ),
        ];
        for (verb, payload, request) in cases {
            let asked = read(&command(verb, payload.as_bytes()), &Verb::ALL, MonoTime(0)).unwrap();
            assert_eq!(asked.request, request, "{verb} {payload}");
            assert_eq!(
                asked.by,
                if payload.contains("anna") {
                    "anna"
                } else {
                    "mes"
                }
            );
        }
    }

    #[test]
    fn each_bad_command_says_why() {
        let huge = vec![b' '; MAX_PAYLOAD + 1];
        let cases: [(&str, &[u8], &str); 15] = [
            ("frobnicate", b"", "found `frobnicate`"),
            ("stop", &huge, "found 16385"),
            ("stop", b"\xff\xfe", "not: invalid utf-8"),
            ("stop", b"{", "expected a JSON object"),
            ("stop", b"[]", "expected a JSON object"),
            ("stop", b"{\"why\":1}", "unknown field `why`"),
            (
                "start",
                b"{\"mode\":\"often\"}",
                "write `continuous` or `single`",
            ),
            (
                "start",
                b"{\"schema\":\"sightline.command.v2\"}",
                "found `sightline.command.v2`",
            ),
            ("prepare_recipe", b"", "missing field `external_id`"),
            (
                "install_model",
                b"{\"file\":\"../x\",\"sha256\":\"\"}",
                "without folders",
            ),
            ("ack_alarm", b"{\"id\":\"a\",\"shelve_s\":1e9}", "86400"),
            (
                "activate_model",
                b"{\"name\":\"m\",\"version\":2}",
                "expected a string",
            ),
            ("resend", b"{\"first\":9,\"last\":5}", "not above the last"),
            ("resend", b"{\"first\":1,\"last\":100001}", "at most 100000"),
            ("skip", b"{\"first\":0,\"last\":5}", "numbers of results"),
        ];
        for (verb, payload, expected) in cases {
            let said = says(&command(verb, payload));
            assert!(
                said.contains(expected),
                "{verb}: expected `{expected}` in: {said}"
            );
        }
        let stop = command("stop", b"");
        assert!(
            says(&Command {
                retained: true,
                ..stop.clone()
            })
            .contains("retain")
        );
        let late = Command {
            expires: Some(MonoTime(10)),
            ..stop.clone()
        };
        assert!(says(&late).contains("too late"));
        let refused = read(&stop, &[Verb::Start], MonoTime(0))
            .unwrap_err()
            .to_string();
        assert!(refused.contains("mqtt.commands"), "{refused}");
    }
}
