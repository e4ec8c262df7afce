//! Sources, their order, and what is said about faults.

use super::*;
use std::time::Duration;

fn load(environment: &[(&str, &str)], flags: &[(&str, &str)]) -> Result<Config, ConfigError> {
    let pairs = |list: &[(&str, &str)]| {
        list.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect::<Vec<_>>()
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
        ("ROADIE_OBJECTS__SECRET_ACCESS_KEY".to_owned(), "secret".to_owned()),
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
    let error =
        load(&[("ROADIE_WORKER__SLOTZ", "1"), ("DB_POOL_SIZE", "many")], &[("htttp.listen", "x")])
            .unwrap_err();
    let text = error.to_string();
    assert!(text.contains("unknown key `worker.slotz`; did you mean `slots`?"), "{text}");
    assert!(text.contains("DB_POOL_SIZE: `many` is not a value for database.pool_size"), "{text}");
    assert!(text.contains("unknown key `htttp`"), "{text}");
}

#[test]
fn foreign_variables_are_left_alone_and_near_misses_are_named() {
    load(&[("ROADIE_PORT_9464_TCP", "tcp://10.0.0.1:9464"), ("HOME", "/root")], &[]).unwrap();
    let error = load(&[("ROADIE_REDIS_URL", "redis://x")], &[]).unwrap_err().to_string();
    assert_eq!(error, "ROADIE_REDIS_URL is not a key; did you mean ROADIE_REDIS__URL?");
}

#[test]
fn bad_values_name_the_key() {
    let error = load(&[("ROADIE_WORKER__LEASE", "soon")], &[]).unwrap_err().to_string();
    assert!(error.contains("worker.lease") && error.contains("`soon`"), "{error}");
}
