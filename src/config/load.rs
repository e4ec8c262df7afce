//! Where values come from: defaults ← file ← environment ← flags.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

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
        let mut table: Table = DEFAULTS.parse().map_err(|e| {
            ConfigError::one(format!("config/default.toml, compiled in, does not parse: {e}"))
        })?;
        let known = table.clone();
        let mut faults = Vec::new();
        if let Some(path) = &self.file {
            overlay(&mut table, read(path)?);
        }
        // In alphabetical order the established names come first, so that ours win.
        for (name, value) in &self.environment {
            match environment_key(name) {
                Some(path) => set(&mut table, &path, value, name, &mut faults),
                None => faults.extend(almost_a_key(name, &known)),
            }
        }
        for (key, value) in &self.flags {
            let path: Vec<String> = key.split('.').map(str::to_owned).collect();
            set(&mut table, &path, value, &format!("--set {key}"), &mut faults);
        }
        unknown_keys(&known, &table, "", &mut faults);
        if !faults.is_empty() {
            return Err(ConfigError { faults });
        }
        let config: Config = serde_path_to_error::deserialize(table).map_err(|e| {
            ConfigError::one(format!("{}: {}", e.path(), e.inner().to_string().trim()))
        })?;
        let faults = config.faults();
        if faults.is_empty() { Ok(config) } else { Err(ConfigError { faults }) }
    }
}

fn read(path: &Path) -> Result<Table, ConfigError> {
    let text = std::fs::read_to_string(path)
        .map_err(|e| ConfigError::one(format!("cannot read {}: {e}", path.display())))?;
    text.parse().map_err(|e| ConfigError::one(format!("{} is not valid TOML: {e}", path.display())))
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
        && (section == "queues" || section == "kinds")
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
    let numeric = matches!(last.as_str(), "slots" | "weight" | "attempts");
    let value = match at.get(last) {
        Some(Value::Integer(_)) => text.parse().map(Value::Integer).ok(),
        Some(Value::Boolean(_)) => text.parse().map(Value::Boolean).ok(),
        Some(Value::Array(_)) => Some(Value::Array(
            text.split(',').filter(|p| !p.is_empty()).map(|p| Value::String(p.into())).collect(),
        )),
        None if numeric => text.parse().map(Value::Integer).ok(),
        _ => Some(Value::String(text.to_owned())),
    };
    match value {
        Some(value) => {
            at.insert(last.clone(), value);
        }
        None => faults.push(format!("{source}: `{text}` is not a value for {}", path.join("."))),
    }
}

/// Keys that no default knows; queues and kinds are named by the operator.
fn unknown_keys(known: &Table, table: &Table, at: &str, faults: &mut Vec<String>) {
    for (key, value) in table {
        let path = if at.is_empty() { key.clone() } else { format!("{at}.{key}") };
        match (known.get(key), value) {
            (Some(Value::Table(_)), Value::Table(_)) if path == "queues" || path == "kinds" => {}
            (Some(Value::Table(known)), Value::Table(inner)) => {
                unknown_keys(known, inner, &path, faults);
            }
            (Some(_), _) => {}
            (None, _) => faults.push(format!(
                "unknown key `{path}`{}",
                nearest(key, known).map(|n| format!("; did you mean `{n}`?")).unwrap_or_default()
            )),
        }
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
        super::parse_duration(&text).map(Some).map_err(D::Error::custom)
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
