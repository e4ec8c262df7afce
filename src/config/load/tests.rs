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
fn the_files_to_start_from_are_valid() {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let secrets = [
        ("ROADIE_OBJECTS__ACCESS_KEY_ID".to_owned(), "id".to_owned()),
        ("ROADIE_OBJECTS__SECRET_ACCESS_KEY".to_owned(), "secret".to_owned()),
    ];
    for name in ["config/demo.toml", "config/production.toml", "deploy/kubernetes/roadie.toml"] {
        let sources = Sources {
            file: Some(root.join(name)),
            environment: secrets.clone().into_iter().collect(),
            flags: Vec::new(),
        };
        let config = sources.load().unwrap();
        // One that is named there would be the only one.
        assert!(config.queues.keys().eq(load(&[], &[]).unwrap().queues.keys()), "{name}");
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
    assert_eq!(config.defaults.timeout, Some(Duration::from_secs(45)));
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

#[test]
fn faults_of_all_sorts_are_named_at_once_and_in_one_line_each() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("roadie.toml");
    let text = "[redis]\nurl = 5\nprefix = \"\"\n[worker]\nslots = \"many\"\nlease = \"soon\"\n\
                slotz = 1\nqueue_slots = 99999\n[http]\nlisten = \"here\"\n[folders]\nroots = [1]\n\
                [queues.a]\nweigth = 1\nslots = 0\n[kinds.scan-floppy]\nattempts = -1\n\
                [log]\nlevel = \"roadie=loudly\"\nformat = \"xml\"\n";
    std::fs::write(&file, text).unwrap();
    let sources = Sources { file: Some(file), ..Sources::default() };
    let faults = sources.load_for(&roadie_jobs::registry()).unwrap_err().faults;
    for start in [
        "redis.url: ",
        "redis.prefix must not be empty",
        "worker.slots: invalid type: string \"many\", expected usize",
        "worker.lease: `soon` is not a duration",
        "unknown key `worker.slotz`",
        "worker.queue_slots is 99999; at most 10000",
        "http.listen: `here` is not an address",
        "folders.roots[0]: ",
        "queues.a.weigth: unknown field",
        "queues.a.slots must be at least 1",
        "kinds.scan-floppy.attempts: ",
        "kinds.scan-floppy is configured, but there is no such kind",
        "log.level `roadie=loudly` is not a filter",
        "log.format: ",
    ] {
        assert!(faults.iter().any(|fault| fault.starts_with(start)), "{start}: {faults:#?}");
    }
    assert_eq!(faults.len(), 14, "{faults:#?}");
    assert!(faults.iter().all(|fault| fault.lines().count() == 1), "{faults:#?}");
}

#[test]
fn a_file_that_cannot_be_read_does_not_hide_other_faults() {
    let sources = Sources {
        file: Some("/nowhere/roadie.toml".into()),
        flags: vec![("worker.slotz".to_owned(), "1".to_owned())],
        ..Sources::default()
    };
    assert_eq!(sources.load().unwrap_err().faults.len(), 2);
}

#[test]
fn no_number_is_so_large_that_something_breaks() {
    for key in ["slots", "queue_slots", "io_slots", "cpu_slots", "heavy_slots", "handler_threads"] {
        let key = format!("worker.{key}");
        let error = load(&[], &[(&key, "9223372036854775807")]).unwrap_err().to_string();
        assert!(error.starts_with(&key) && error.contains("at most 10000"), "{error}");
    }
    let error = load(&[("QUEUE_TIMEOUT", "18446744073709551615")], &[]).unwrap_err().to_string();
    assert_eq!(error, "defaults.timeout is longer than a year");
}

#[test]
fn empty_variables_are_not_set() {
    let environment = [
        ("REDIS_URL", ""),
        ("DB_POOL_SIZE", ""),
        ("QUEUE_TIMEOUT", ""),
        ("ROADIE_WORKER__SLOTS", ""),
        ("ROADIE_WORKER__REHEARSALS", ""),
        ("ROADIE_QUEUES__SHOWS__SLOTS", ""),
        ("ROADIE_HTTP__LISTEN", ""),
    ];
    let config = load(&environment, &[]).unwrap();
    assert_eq!(config.redis.url.reveal(), "redis://127.0.0.1:6379");
    assert_eq!(config.database.pool_size, 10);
    assert_eq!(
        config.queues.keys().collect::<Vec<_>>(),
        [
            "concert-matching",
            "exports",
            "image-optimization",
            "notifications",
            "photo-processing",
            "privacy"
        ]
    );
    // Of text, nothing is a value.
    assert_eq!(config.http.listen, None);
}

#[test]
fn no_time_limit_is_not_a_limit_of_nothing() {
    let kinds = [("kinds.scan-s3.timeout", "0"), ("kinds.scan-s3.attempts", "0")];
    for general in ["0", "0s", ""] {
        let config = load(&[("QUEUE_TIMEOUT", general)], &kinds).unwrap();
        assert_eq!(config.defaults.timeout, None);
        assert_eq!(config.kinds["scan-s3"].timeout, None);
        assert_eq!(config.attempts("scan-s3", 3), 3);
    }
}

#[test]
fn whoever_names_queues_names_them_all() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("roadie.toml");
    std::fs::write(&file, "[queues.mail]\nslots = 2\n").unwrap();
    let names = |sources: &Sources| {
        sources.load().unwrap().queues.keys().cloned().collect::<Vec<_>>().join(" ")
    };
    let mut sources = Sources { file: Some(file.clone()), ..Sources::default() };
    assert_eq!(names(&sources), "mail");
    sources.environment.insert("ROADIE_QUEUES__GIGS__SLOTS".to_owned(), "3".to_owned());
    assert_eq!(names(&sources), "gigs mail");
    sources.file = None;
    assert_eq!(names(&sources), "gigs");
    std::fs::write(&file, "[queues]\n").unwrap();
    let defaults = names(&Sources { file: Some(file), ..Sources::default() });
    assert_eq!(
        defaults,
        "concert-matching exports image-optimization notifications photo-processing privacy"
    );
}

#[test]
fn a_data_folder_of_any_name_becomes_a_url() {
    let config = load(&[], &[("data.dir", "/a b/50% #1?/ö")]).unwrap();
    let url = "sqlite:///a%20b/50%25%20%231%3F/%C3%B6/catalogue.db";
    assert_eq!(config.database_url(), url);
}

#[test]
fn an_intake_needs_no_more_than_a_kind() {
    let kind = [("intake.apalis.scans.kind", "scan-folder")];
    let config = load(&[], &kind).unwrap();
    let scans = &config.intake.apalis["scans"];
    assert_eq!((scans.namespace("scans"), scans.queue.as_deref()), ("scans", None));
    assert_eq!((scans.poll, scans.keep), (Duration::from_millis(200), Duration::from_hours(1)));
    let environment = [
        ("ROADIE_INTAKE__APALIS__SCANS__KIND", "scan-folder"),
        ("ROADIE_INTAKE__APALIS__SCANS__NAMESPACE", "photos::Scan"),
    ];
    let config = load(&environment, &[]).unwrap();
    assert_eq!(config.intake.apalis["scans"].namespace("scans"), "photos::Scan");
}

#[test]
fn faults_of_intakes_are_named() {
    let base = [("intake.apalis.a.kind", "scan-folder"), ("queues.photo-processing.weight", "1")];
    for (key, value, named) in [
        ("intake.apalis.a.kind", "", "intake.apalis.a.kind must not be empty"),
        ("intake.apalis.a.queue", "a:b", "intake.apalis.a.queue: BullMQ allows no `:`"),
        ("intake.apalis.a.namespace", "", "intake.apalis.a.namespace must not be empty"),
        (
            "intake.apalis.a.namespace",
            "bull:photo-processing",
            "where the keys of queue photo-processing are",
        ),
        ("intake.apalis.a.poll", "0ms", "intake.apalis.a.poll must be at least 1ms"),
        ("intake.apalis.a.keep", "9000h", "intake.apalis.a.keep is longer than a year"),
        ("intake.apalis.a.kin", "x", "unknown field `kin`"),
        ("intake.apalis.b.queue", "x", "missing field `kind`"),
        ("intake.apalis.ä.kind", "x", "holds only letters, digits, - and _"),
    ] {
        let flags: Vec<_> = base.into_iter().chain([(key, value)]).collect();
        let error = load(&[], &flags).unwrap_err().to_string();
        assert!(error.contains(named), "{key}={value}: {error}");
    }
    let apart = [("redis.cluster_nodes", "r:6379"), ("redis.prefix", "{bull}"), base[0]];
    let error = load(&[], &apart).unwrap_err().to_string();
    assert!(error.contains("intake.apalis.a.namespace must hold the hash tag"), "{error}");
    load(&[], &[&apart[..], &[("intake.apalis.a.namespace", "{bull}:a")]].concat()).unwrap();
    let twice = [
        ("intake.apalis.a.kind", "scan-folder"),
        ("intake.apalis.b.kind", "scan-folder"),
        ("intake.apalis.b.namespace", "a"),
    ];
    let error = load(&[], &twice).unwrap_err().to_string();
    assert_eq!(
        error,
        "intake.apalis.b takes from apalis' queue `a`, as intake.apalis.a does already"
    );
}

#[test]
fn an_intake_for_a_kind_that_nobody_here_handles_is_a_fault_unless_others_serve_its_queue() {
    let sources = |queue: &[(&str, &str)]| {
        let kind = ("intake.apalis.a.kind".to_owned(), "sing".to_owned());
        let queue = queue.iter().map(|&(key, value)| (key.to_owned(), value.to_owned()));
        Sources { flags: std::iter::once(kind).chain(queue).collect(), ..Sources::default() }
    };
    let registry = roadie_jobs::registry();
    for queue in [&[][..], &[("intake.apalis.a.queue", "photo-processing")]] {
        let error = sources(queue).load_for(&registry).unwrap_err().to_string();
        assert!(
            error.contains("intake.apalis.a.kind is `sing`, but there is no such kind"),
            "{error}"
        );
    }
    sources(&[("intake.apalis.a.queue", "songs")]).load_for(&registry).unwrap();
}

#[test]
fn lists_of_numbers_come_from_flags_too() {
    let config = load(&[("ROADIE_IMAGES__WIDTHS", "320, 640")], &[]).unwrap();
    assert_eq!(config.images.widths, [320, 640]);
    let error = load(&[], &[("images.widths", "320,wide")]).unwrap_err().to_string();
    assert_eq!(error, "--set images.widths: `320,wide` is not a value for images.widths");
}

#[test]
fn faults_of_images_are_named() {
    let key = "k1:0123456789abcdef0123456789abcdef";
    for (flag, value, told) in [
        ("images.bucket", "a/b", "not the name of a bucket"),
        ("images.prefix", "variants", "end with /"),
        ("images.prefix", "../", "end with /"),
        ("images.public_url", "img.example.com", "not an address such as"),
        ("images.widths", "0", "0 is not between 1 and 16383"),
        ("images.widths", "", "at least one width"),
        ("images.formats", "gif", "unknown variant `gif`"),
        ("images.jpeg_quality", "101", "101; it goes from 1 to 100"),
        ("images.avif_speed", "11", "11; it goes from 0 to 10"),
        ("images.cache_control", "", "cache_control is empty"),
        (
            "images.signing_keys",
            "0123456789abcdef0123456789abcdef",
            "number 1 is not written as name:secret",
        ),
        ("images.signing_keys", "k1:short", "shorter than 32 characters"),
        ("images.signing_keys", "k 1:0123456789abcdef0123456789abcdef", "only letters"),
        ("worker.memory_budget", "much", "not a size such as"),
        ("worker.memory_budget", "1KiB", "no picture would fit"),
    ] {
        let error = load(&[], &[(flag, value)]).unwrap_err().to_string();
        assert!(error.contains(told), "{flag}={value}: {error}");
        assert!(!error.contains("0123456789abcdef"), "{error}");
    }
    let config = load(&[("ROADIE_IMAGES__SIGNING_KEYS", key)], &[]).unwrap();
    assert!(config.images.urls().can_sign());
    assert!(!format!("{config:?}").contains("0123456789abcdef"));
}

#[test]
fn faults_of_google_are_named() {
    let key = format!("k1:{}", "0f".repeat(32));
    for (flags, told) in [
        (
            vec![("google.drive", "googleapis.com")],
            "google.drive: `googleapis.com` is not an address",
        ),
        (vec![("google.client_id", "x"), ("tokens.keys", &key)], "google.client_secret is not"),
        (vec![("google.client_id", "x"), ("google.client_secret", "y")], "no key that opens"),
    ] {
        let error = load(&[], &flags).unwrap_err().to_string();
        assert!(error.contains(told), "{error}");
    }
    let flags =
        [("google.client_id", "x"), ("google.client_secret", "hunter2"), ("tokens.keys", &key)];
    let config = load(&[], &flags).unwrap();
    assert!(config.google.settings().is_some());
    assert!(!format!("{config:?}").contains("hunter2"));
}

#[test]
fn faults_of_token_keys_are_named_and_keys_are_not_printed() {
    let good = "0f".repeat(32);
    for (value, told) in [
        (good.clone(), "number 1 is not written as name:key"),
        (format!("k1:{good}00"), "number 1 is not 64 hexadecimal digits"),
        (format!("k1:{good},k1:{good}"), "number 2 is called `k1` like another one"),
    ] {
        let error = load(&[], &[("tokens.keys", &value)]).unwrap_err().to_string();
        assert!(error.contains(told) && !error.contains("0f0f"), "{error}");
    }
    let config = load(&[("ROADIE_TOKENS__KEYS", &format!("k2:{good},k1:{good}"))], &[]).unwrap();
    assert_eq!(config.tokens.keys().sealing(), Some("k2"));
    assert!(!format!("{config:?}").contains("0f0f"));
}

#[test]
fn public_servers_are_asked_by_nobody_unknown() {
    let key = ("services.setlist_fm_key", "0123456789");
    let error = load(&[], &[key]).unwrap_err().to_string();
    assert!(error.starts_with("services.contact is empty"), "{error}");
    assert!(!error.contains("0123456789"), "{error}");
    let config = load(&[], &[key, ("services.contact", "ops@example.com")]).unwrap();
    let version = env!("CARGO_PKG_VERSION");
    assert_eq!(config.services.user_agent(), format!("roadie/{version} (ops@example.com)"));
    assert!(config.services.clients().is_some());
    let own = [
        key,
        ("services.overpass", "http://overpass/api"),
        ("services.nominatim", "http://10.0.0.7"),
    ];
    load(&[], &own).unwrap();
    // Nothing is asked.
    assert!(load(&[], &[]).unwrap().services.clients().is_none());
}

#[test]
fn faults_of_budgets_are_named() {
    for (flag, value, told) in [
        ("services.nominatim", "nominatim", "services.nominatim: `nominatim` is not an address"),
        ("services.contact", "\u{1}", "services.contact holds what no header can"),
        ("budgets.trip_after", "0", "budgets.trip_after must be at least 1"),
        ("budgets.setlist_fm.rate", "-1", "budgets.setlist_fm.rate must be between"),
        ("budgets.setlist_fm.rate", "fast", "`fast` is not a value"),
        ("budgets.nominatim.burst", "0", "budgets.nominatim.burst must be between 1"),
        ("budgets.google_drive.reserve", "1", "budgets.google_drive.reserve must be less"),
        ("budgets.setlist_fm.reserve", "1440", "budgets.setlist_fm.reserve must be less"),
        ("cache.shows", "0s", "cache.shows must not be 0"),
        ("cache.max_bytes", "much", "not a size such as"),
    ] {
        let error = load(&[], &[(flag, value)]).unwrap_err().to_string();
        assert!(error.contains(told), "{flag}={value}: {error}");
    }
    let config = load(&[("ROADIE_BUDGETS__SETLIST_FM__RATE", "16")], &[]).unwrap();
    assert!((config.budgets.setlist_fm.rate - 16.0).abs() < f64::EPSILON);
}
