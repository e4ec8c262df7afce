//! Where values come from: defaults ← file ← environment ← flags.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use bytesize::ByteSize;
use roadie_jobs::Registry;
use serde::{Deserialize as _, Deserializer};
use toml::{Table, Value};

use super::Config;

const DEFAULTS: &str = include_str!("../../config/default.toml");

/// Names that deployments have already, and the key that each sets.
const ESTABLISHED: [(&str, &[&str]); 7] = [
    ("REDIS_URL", &["redis", "url"]),
    ("DATABASE_URL", &["database", "url"]),
    ("READ_REPLICA_URL", &["database", "read_replica_url"]),
    ("DB_POOL_SIZE", &["database", "pool_size"]),
    ("QUEUE_CONCURRENCY", &["worker", "queue_slots"]),
    ("QUEUE_ATTEMPTS", &["defaults", "attempts"]),
    ("QUEUE_TIMEOUT", &["defaults", "timeout"]),
];

/// A configuration that cannot be used, with every fault that was found.
#[derive(Debug, thiserror::Error)]
#[error("{}", .faults.join("\n"))]
pub struct ConfigError {
    /// One line each.
    pub faults: Vec<String>,
}

impl ConfigError {
    fn one(fault: impl Into<String>) -> Self {
        Self { faults: vec![fault.into()] }
    }
}

/// The sources above the compiled-in defaults, lowest first.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    /// A configuration file.
    pub file: Option<PathBuf>,
    /// Environment variables.
    pub environment: BTreeMap<String, String>,
    /// `section.key` → value, from flags.
    pub flags: Vec<(String, String)>,
}

impl Sources {
    /// Merges all sources and validates the result.
    ///
    /// # Errors
    ///
    /// Names every unknown key and every bad value, not only the first.
    pub fn load(&self) -> Result<Config, ConfigError> {
        self.load_with(|_| Vec::new())
    }

    /// The same for a process that runs these kinds: settings for others are faults.
    ///
    /// # Errors
    ///
    /// As [`Sources::load`].
    pub fn load_for(&self, registry: &Registry) -> Result<Config, ConfigError> {
        self.load_with(|config| {
            let mut faults = config.unknown_kinds(registry);
            faults.extend(config.unrunnable_schedules(registry));
            faults
        })
    }

    fn load_with(&self, more: impl Fn(&Config) -> Vec<String>) -> Result<Config, ConfigError> {
        let known: Table = DEFAULTS.parse().map_err(|e| {
            ConfigError::one(format!("config/default.toml, compiled in, does not parse: {e}"))
        })?;
        let mut table = known.clone();
        let mut faults = Vec::new();
        let file = match self.file.as_deref().map(read).transpose() {
            Ok(file) => file.unwrap_or_default(),
            Err(error) => {
                faults.extend(error.faults);
                Table::new()
            }
        };
        let variables = self.variables(&known, &mut faults);
        let flags: Vec<(Vec<String>, &str, String)> = self
            .flags
            .iter()
            .map(|(key, value)| {
                let path = key.split('.').map(str::to_owned).collect();
                (path, value.as_str(), format!("--set {key}"))
            })
            .collect();
        let texts = variables.iter().chain(&flags);
        let names_queues = |path: &[String]| path.first().is_some_and(|s| s == "queues");
        if file.get("queues").is_some_and(names_any) || texts.clone().any(|t| names_queues(&t.0)) {
            // The default's list is for those who have none: otherwise its queue could never be
            // left out.
            table.insert("queues".to_owned(), Value::Table(Table::new()));
        }
        overlay(&mut table, file);
        for (path, value, source) in texts {
            set(&mut table, path, value, source, &mut faults);
        }
        drop_strangers(&known, &mut table, "", &mut faults);
        if let Some(mut config) = deserialize(table, &known, &mut faults) {
            config.schedule_anniversaries();
            faults.extend(config.faults());
            faults.extend(more(&config));
            if faults.is_empty() {
                return Ok(config);
            }
        }
        Err(ConfigError { faults })
    }

    /// What the environment sets. In alphabetical order the established names come first, so that
    /// ours win.
    fn variables(
        &self,
        known: &Table,
        faults: &mut Vec<String>,
    ) -> Vec<(Vec<String>, &str, String)> {
        let mut variables = Vec::new();
        for (name, value) in &self.environment {
            match environment_key(name) {
                // `REDIS_URL=`, as compose files pass on what is not set.
                Some(path) if value.is_empty() && (established(name) || !is_text(known, &path)) => {
                }
                Some(path) => variables.push((path, value.as_str(), name.clone())),
                None => faults.extend(almost_a_key(name, known)),
            }
        }
        variables
    }
}

/// The configuration, with the default wherever a value is of a wrong type, so that all such values
/// are named at once.
fn deserialize(mut table: Table, known: &Table, faults: &mut Vec<String>) -> Option<Config> {
    loop {
        let error = match serde_path_to_error::deserialize::<_, Config>(table.clone()) {
            Ok(config) => return Some(config),
            Err(error) => error,
        };
        faults.push(format!("{}: {}", error.path(), error.inner().message()));
        let path: Vec<&str> = error
            .path()
            .iter()
            .map_while(|segment| match segment {
                serde_path_to_error::Segment::Map { key } => Some(key.as_str()),
                _ => None,
            })
            .collect();
        let before = table.clone();
        reset(&mut table, known, &path);
        if table == before {
            return None;
        }
    }
}

/// Puts the default in place of a value, or removes it where there is none.
fn reset(table: &mut Table, known: &Table, path: &[&str]) {
    let Some((last, parents)) = path.split_last() else {
        return;
    };
    let default = parents.iter().try_fold(known, |at, part| at.get(*part)?.as_table());
    let default = default.and_then(|at| at.get(*last)).cloned();
    let at = parents.iter().try_fold(table, |at, part| at.get_mut(*part)?.as_table_mut());
    if let Some(at) = at {
        match default {
            Some(default) => at.insert((*last).to_owned(), default),
            None => at.remove(*last),
        };
    }
}

/// An empty `[queues]` names none.
fn names_any(queues: &Value) -> bool {
    queues.as_table().is_none_or(|queues| !queues.is_empty())
}

fn read(path: &Path) -> Result<Table, ConfigError> {
    let text = std::fs::read_to_string(path)
        .map_err(|e| ConfigError::one(format!("cannot read {}: {e}", path.display())))?;
    text.parse().map_err(|e| ConfigError::one(format!("{} is not valid TOML: {e}", path.display())))
}

fn established(name: &str) -> bool {
    ESTABLISHED.iter().any(|(known, _)| *known == name)
}

/// What keys of queues and kinds hold, which have no default to tell.
fn without_default(path: &[String], text: &str) -> Option<Value> {
    match path.iter().rev().map(String::as_str).collect::<Vec<_>>()[..] {
        ["slots" | "weight" | "attempts" | "limit" | "priority", ..] => {
            text.parse().map(Value::Integer).ok()
        }
        ["fair", ..] => text.parse().map(Value::Boolean).ok(),
        ["fair_share", ..] | [_, "user_weights", ..] => text.parse().map(Value::Float).ok(),
        _ => Some(Value::String(text.to_owned())),
    }
}

/// Whether a key holds text, of which nothing is a value too.
fn is_text(known: &Table, path: &[String]) -> bool {
    let Some((last, parents)) = path.split_last() else {
        return true;
    };
    let at = parents.iter().try_fold(known, |at, part| at.get(part)?.as_table());
    match at.and_then(|at| at.get(last)) {
        Some(value) => value.is_str(),
        None => matches!(without_default(path, ""), Some(Value::String(_))),
    }
}

/// The table key that an environment variable sets, if it sets one.
fn environment_key(name: &str) -> Option<Vec<String>> {
    if let Some((_, path)) = ESTABLISHED.iter().find(|(known, _)| *known == name) {
        return Some(path.iter().map(|&part| part.to_owned()).collect());
    }
    // Without the double underscore it is not ours: Kubernetes sets ROADIE_PORT and the like in
    // every pod beside a service named roadie.
    let mut path: Vec<String> = name
        .strip_prefix("ROADIE_")
        .filter(|rest| rest.contains("__"))?
        .split("__")
        .map(str::to_lowercase)
        .collect();
    // Variables cannot hold the dashes of queue and kind names.
    if let [section, key, ..] = path.as_mut_slice()
        && matches!(section.as_str(), "queues" | "kinds" | "schedules")
    {
        *key = key.replace('_', "-");
    }
    Some(path)
}

/// `ROADIE_REDIS_URL`: a key but for one underscore, which would be ignored silently.
fn almost_a_key(name: &str, known: &Table) -> Option<String> {
    let rest = name.strip_prefix("ROADIE_")?.to_lowercase();
    let (section, key) = rest.split_once('_')?;
    known.get(section)?.get(key)?;
    let meant = format!("ROADIE_{}__{}", section.to_uppercase(), key.to_uppercase());
    Some(format!("{name} is not a key; did you mean {meant}?"))
}

fn overlay(base: &mut Table, over: Table) {
    for (key, value) in over {
        match (base.get_mut(&key), value) {
            (Some(Value::Table(base)), Value::Table(over)) => overlay(base, over),
            (_, value) => {
                base.insert(key, value);
            }
        }
    }
}

/// Sets one key from text, in the type that the default has.
fn set(table: &mut Table, path: &[String], text: &str, source: &str, faults: &mut Vec<String>) {
    let Some((last, parents)) = path.split_last() else {
        return;
    };
    let mut at = table;
    for part in parents {
        let entry = at.entry(part.clone()).or_insert_with(|| Value::Table(Table::new()));
        let Value::Table(inner) = entry else {
            faults.push(format!("{source}: `{part}` is not a section"));
            return;
        };
        at = inner;
    }
    let value = match at.get(last) {
        Some(Value::Integer(_)) => text.parse().map(Value::Integer).ok(),
        Some(Value::Boolean(_)) => text.parse().map(Value::Boolean).ok(),
        Some(Value::Float(_)) => text.parse().map(Value::Float).ok(),
        Some(Value::Array(now)) => {
            let numbers = now.first().is_some_and(Value::is_integer);
            let value = |part: &str| {
                if numbers {
                    part.trim().parse().map(Value::Integer).ok()
                } else {
                    Some(Value::String(part.to_owned()))
                }
            };
            let parts = text.split(',').filter(|part| !part.is_empty());
            parts.map(value).collect::<Option<_>>().map(Value::Array)
        }
        None => without_default(path, text),
        _ => Some(Value::String(text.to_owned())),
    };
    match value {
        Some(value) => {
            at.insert(last.clone(), value);
        }
        None => faults.push(format!("{source}: `{text}` is not a value for {}", path.join("."))),
    }
}

/// Names and removes keys that no default knows; queues and kinds are named by the operator.
fn drop_strangers(known: &Table, table: &mut Table, at: &str, faults: &mut Vec<String>) {
    let mut strangers = Vec::new();
    for (key, value) in table.iter_mut() {
        let path = if at.is_empty() { key.clone() } else { format!("{at}.{key}") };
        match (known.get(key), value) {
            (Some(Value::Table(_)), Value::Table(_))
                if matches!(path.as_str(), "queues" | "kinds" | "intake.apalis" | "schedules") => {}
            (Some(Value::Table(known)), Value::Table(inner)) => {
                drop_strangers(known, inner, &path, faults);
            }
            (Some(_), _) => {}
            (None, _) => {
                let meant = nearest(key, known).map(|n| format!("; did you mean `{n}`?"));
                faults.push(format!("unknown key `{path}`{}", meant.unwrap_or_default()));
                strangers.push(key.clone());
            }
        }
    }
    for key in strangers {
        table.remove(&key);
    }
}

/// The known key that looks most like a mistyped one.
fn nearest<'a>(key: &str, known: &'a Table) -> Option<&'a str> {
    let common = |other: &str| {
        key.chars().zip(other.chars()).take_while(|(a, b)| a == b).count()
            + key.chars().rev().zip(other.chars().rev()).take_while(|(a, b)| a == b).count()
    };
    known
        .keys()
        .map(|other| (common(other), other.as_str()))
        .filter(|(score, other)| *score * 2 >= other.len())
        .max()
        .map(|(_, other)| other)
}

/// `"15s"`; a bare number is milliseconds, as in BullMQ.
fn parse_duration(text: &str) -> Result<std::time::Duration, String> {
    if let Ok(ms) = text.parse() {
        return Ok(std::time::Duration::from_millis(ms));
    }
    humantime::parse_duration(text)
        .map_err(|_| format!("`{text}` is not a duration such as \"500ms\", \"15s\", \"10m\""))
}

/// `"256MiB"`.
fn parse_size<E: serde::de::Error>(text: &str) -> Result<u64, E> {
    text.parse::<ByteSize>()
        .map(|size| size.as_u64())
        .map_err(|_| E::custom(format!("`{text}` is not a size such as \"256MiB\"")))
}

/// `"256MiB"`.
pub(super) fn size<'de, D: Deserializer<'de>>(d: D) -> Result<u64, D::Error> {
    parse_size(&String::deserialize(d)?)
}

/// `"256MiB"`, or empty for none.
pub(super) fn optional_size<'de, D: Deserializer<'de>>(d: D) -> Result<Option<u64>, D::Error> {
    let text = String::deserialize(d)?;
    if text.is_empty() { Ok(None) } else { parse_size(&text).map(Some) }
}

pub(super) mod duration {
    use serde::{Deserialize, Deserializer, de::Error};

    pub(in crate::config) fn deserialize<'de, D: Deserializer<'de>>(
        d: D,
    ) -> Result<std::time::Duration, D::Error> {
        super::parse_duration(&String::deserialize(d)?).map_err(D::Error::custom)
    }
}

pub(super) mod optional_duration {
    use serde::{Deserialize, Deserializer, de::Error};

    pub(in crate::config) fn deserialize<'de, D: Deserializer<'de>>(
        d: D,
    ) -> Result<Option<std::time::Duration>, D::Error> {
        let text = String::deserialize(d)?;
        if text.is_empty() {
            return Ok(None);
        }
        // `0` leaves it to what stands behind, and is no limit of 0 s.
        super::parse_duration(&text)
            .map(|duration| (!duration.is_zero()).then_some(duration))
            .map_err(D::Error::custom)
    }
}

pub(super) mod optional_address {
    use serde::{Deserialize, Deserializer, de::Error};

    pub(in crate::config) fn deserialize<'de, D: Deserializer<'de>>(
        d: D,
    ) -> Result<Option<std::net::SocketAddr>, D::Error> {
        let text = String::deserialize(d)?;
        if text.is_empty() {
            return Ok(None);
        }
        text.parse().map(Some).map_err(|_| {
            D::Error::custom(format!("`{text}` is not an address such as 127.0.0.1:9464"))
        })
    }
}

#[cfg(test)]
mod tests;
