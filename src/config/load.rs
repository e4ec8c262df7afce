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
        Self {
            faults: vec![fault.into()],
        }
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
            ConfigError::one(format!(
                "config/default.toml, compiled in, does not parse: {e}"
            ))
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
            set(
                &mut table,
                &path,
                value,
                &format!("--set {key}"),
                &mut faults,
            );
        }
        unknown_keys(&known, &table, "", &mut faults);
        if !faults.is_empty() {
            return Err(ConfigError { faults });
        }
        let config: Config = serde_path_to_error::deserialize(table).map_err(|e| {
            ConfigError::one(format!("{}: {}", e.path(), e.inner().to_string().trim()))
        })?;
        let faults = config.faults();
        if faults.is_empty() {
            Ok(config)
        } else {
            Err(ConfigError { faults })
        }
    }
}

fn read(path: &Path) -> Result<Table, ConfigError> {
    let text = std::fs::read_to_string(path)
        .map_err(|e| ConfigError::one(format!("cannot read {}: {e}", path.display())))?;
    text.parse()
        .map_err(|e| ConfigError::one(format!("{} is not valid TOML: {e}", path.display())))
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
        let entry = at
            .entry(part.clone())
            .or_insert_with(|| Value::Table(Table::new()));
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
            text.split(',')
                .filter(|p| !p.is_empty())
                .map(|p| Value::String(p.into()))
                .collect(),
        )),
        None if numeric => text.parse().map(Value::Integer).ok(),
        _ => Some(Value::String(text.to_owned())),
    };
    match value {
        Some(value) => {
            at.insert(last.clone(), value);
        }
        None => faults.push(format!(
            "{source}: `{text}` is not a value for {}",
            path.join(".")
        )),
    }
}

/// Keys that no default knows; queues and kinds are named by the operator.
fn unknown_keys(known: &Table, table: &Table, at: &str, faults: &mut Vec<String>) {
    for (key, value) in table {
        let path = if at.is_empty() {
            key.clone()
        } else {
            format!("{at}.{key}")
        };
        match (known.get(key), value) {
            (Some(Value::Table(_)), Value::Table(_)) if path == "queues" || path == "kinds" => {}
            (Some(Value::Table(known)), Value::Table(inner)) => {
                unknown_keys(known, inner, &path, faults);
            }
            (Some(_), _) => {}
            (None, _) => faults.push(format!(
                "unknown key `{path}`{}",
                nearest(key, known)
                    .map(|n| format!("; did you mean `{n}`?"))
                    .unwrap_or_default()
            )),
        }
    }
}

/// The known key that looks most like a mistyped one.
fn nearest<'a>(key: &str, known: &'a Table) -> Option<&'a str> {
    let common = |other: &str| {
        key.chars()
            .zip(other.chars())
            .take_while(|(a, b)| a == b)
            .count()
            + key
                .chars()
                .rev()
                .zip(other.chars().rev())
                .take_while(|(a, b)| a == b)
                .count()
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
        super::parse_duration(&text)
            .map(Some)
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
mod tests {
    use super::*;
    use std::time::Duration;

    fn load(environment: &[(&str, &str)], flags: &[(&str, &str)]) -> Result<Config, ConfigError> {
        let pairs = |list: &[(&str, &str)]| {
            list.iter()
                .map(|(a, b)| ((*a).to_owned(), (*b).to_owned()))
                .collect::<Vec<_>>()
        };
        Sources {
            file: None,
            environment: pairs(environment).into_iter().collect(),
            flags: pairs(flags),
        }
        .load()
    }

    #[test]
    fn the_defaults_are_valid() {
        let config = load(&[], &[]).unwrap();
        assert_eq!(config.worker.lease, Duration::from_secs(15));
        assert_eq!(config.database_url(), "sqlite://roadie-data/catalogue.db");
    }

    #[test]
    fn the_files_beside_the_defaults_are_valid() {
        let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("config");
        let secrets = [
            ("ROADIE_OBJECTS__ACCESS_KEY_ID".to_owned(), "id".to_owned()),
            (
                "ROADIE_OBJECTS__SECRET_ACCESS_KEY".to_owned(),
                "secret".to_owned(),
            ),
        ];
        for name in ["demo.toml", "production.toml"] {
            let sources = Sources {
                file: Some(folder.join(name)),
                environment: secrets.clone().into_iter().collect(),
                flags: Vec::new(),
            };
            sources.load().unwrap();
        }
    }

    #[test]
    fn established_names_are_understood() {
        let config = load(
            &[
                ("REDIS_URL", "redis://r"),
                ("DATABASE_URL", "postgres://d"),
                ("DB_POOL_SIZE", "20"),
                ("QUEUE_CONCURRENCY", "12"),
                ("QUEUE_ATTEMPTS", "7"),
                ("QUEUE_TIMEOUT", "45000"),
            ],
            &[],
        )
        .unwrap();
        assert_eq!(config.redis.url.reveal(), "redis://r");
        assert_eq!(config.database.pool_size, 20);
        assert_eq!(config.queue_slots("photo-processing"), 12);
        assert_eq!(config.attempts("scan-folder", 3), 7);
        assert_eq!(config.timeout("scan-folder"), Some(Duration::from_secs(45)));
    }

    #[test]
    fn own_variables_and_flags_win_in_order() {
        let environment = [
            ("REDIS_URL", "redis://established"),
            ("ROADIE_REDIS__URL", "redis://own"),
            ("ROADIE_QUEUES__PHOTO_PROCESSING__SLOTS", "3"),
            ("ROADIE_FOLDERS__ROOTS", "/a,/b"),
        ];
        let config = load(&environment, &[("queues.photo-processing.slots", "5")]).unwrap();
        assert_eq!(config.redis.url.reveal(), "redis://own");
        assert_eq!(config.queue_slots("photo-processing"), 5);
        assert_eq!(config.folders.roots.len(), 2);
    }

    #[test]
    fn every_fault_is_named_not_only_the_first() {
        let error = load(
            &[("ROADIE_WORKER__SLOTZ", "1"), ("DB_POOL_SIZE", "many")],
            &[("htttp.listen", "x")],
        )
        .unwrap_err();
        let text = error.to_string();
        assert!(
            text.contains("unknown key `worker.slotz`; did you mean `slots`?"),
            "{text}"
        );
        assert!(
            text.contains("DB_POOL_SIZE: `many` is not a value for database.pool_size"),
            "{text}"
        );
        assert!(text.contains("unknown key `htttp`"), "{text}");
    }

    #[test]
    fn foreign_variables_are_left_alone_and_near_misses_are_named() {
        load(
            &[
                ("ROADIE_PORT_9464_TCP", "tcp://10.0.0.1:9464"),
                ("HOME", "/root"),
            ],
            &[],
        )
        .unwrap();
        let error = load(&[("ROADIE_REDIS_URL", "redis://x")], &[])
            .unwrap_err()
            .to_string();
        assert_eq!(
            error,
            "ROADIE_REDIS_URL is not a key; did you mean ROADIE_REDIS__URL?"
        );
    }

    #[test]
    fn bad_values_name_the_key() {
        let error = load(&[("ROADIE_WORKER__LEASE", "soon")], &[])
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("worker.lease") && error.contains("`soon`"),
            "{error}"
        );
    }
}
