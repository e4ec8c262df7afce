//! What dashboards and probes read.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use bullmq::{JobOptions, JobState};
use serde_json::json;

use super::support::http::{counted, get, ready, sample};
use super::support::process::Process;
use super::support::redis::RedisServer;
use super::support::stage::{Stage, user};
use super::support::{eventually, photos};

const SCANS: &str = "photo-processing";
const REHEARSALS: &str = "rehearsals";

/// Everything that a dashboard may build on.
pub(super) const FAMILIES: &[(&str, &str)] = &[
    ("bullmq_job_completed_total", "counter"),
    ("bullmq_job_count", "untyped"),
    ("bullmq_job_failed_total", "counter"),
    ("concert_match_total", "counter"),
    ("photo_scan_duration_seconds", "histogram"),
    ("process_cpu_seconds_total", "counter"),
    ("process_resident_memory_bytes", "gauge"),
    ("roadie_breaker_state", "gauge"),
    ("roadie_budget_day_left", "gauge"),
    ("roadie_budget_tokens", "gauge"),
    ("roadie_budget_wait_seconds", "histogram"),
    ("roadie_budget_waiting", "gauge"),
    ("roadie_cache_requests_total", "counter"),
    ("roadie_db_pool_connections", "gauge"),
    ("roadie_db_query_seconds", "histogram"),
    ("roadie_db_slow_queries_total", "counter"),
    ("roadie_dead_letters", "gauge"),
    ("roadie_dead_letters_total", "counter"),
    ("roadie_external_request_seconds", "histogram"),
    ("roadie_job_run_seconds", "histogram"),
    ("roadie_job_wait_seconds", "histogram"),
    ("roadie_jobs_active", "gauge"),
    ("roadie_jobs_finished_total", "counter"),
    ("roadie_jobs_recovered_total", "counter"),
    ("roadie_jobs_started_total", "counter"),
    ("roadie_mail_alerts_total", "counter"),
    ("roadie_mails_total", "counter"),
    ("roadie_memory_budget_bytes", "gauge"),
    ("roadie_photos_scanned_total", "counter"),
    ("roadie_queue_jobs", "gauge"),
    ("roadie_queue_moving", "gauge"),
    ("roadie_queue_oldest_age_seconds", "gauge"),
    ("roadie_queue_paused", "gauge"),
    ("roadie_redis_rtt_seconds", "gauge"),
    ("roadie_retention_removed_total", "counter"),
    ("roadie_slots", "gauge"),
    ("roadie_stale_results_rejected_total", "counter"),
];

/// The families of which a scrape has samples.
fn sampled(scrape: &str) -> BTreeSet<&str> {
    let histogram = |name: &str| scrape.contains(&format!("# TYPE {name} histogram"));
    let samples = scrape.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
    samples
        .map(|line| {
            let name = line.split(['{', ' ']).next().unwrap();
            ["_bucket", "_sum", "_count"]
                .iter()
                .filter_map(|part| name.strip_suffix(part))
                .find(|family| histogram(family))
                .unwrap_or(name)
        })
        .collect()
}

#[tokio::test]
async fn a_scrape_after_a_scan_holds_every_family_explained() {
    let stage = need!(Stage::new()).with_rehearsals(1);
    let folder = stage.folder("photos");
    photos::write_many(&folder, 30);
    std::fs::write(folder.join("words.jpg"), b"no picture").unwrap();
    let stage = stage.set("folders.roots", folder.display());
    let process = Process::serving(&stage).await;
    let (_, scrape) = get(process.http(), "/metrics").await;
    // Zero before the first event, so that its rate is right.
    for name in [
        "roadie_jobs_started_total{queue=\"photo-processing\",kind=\"scan-folder\"}",
        "roadie_jobs_finished_total{queue=\"photo-processing\",kind=\"scan-s3\",outcome=\"dead\"}",
        "roadie_photos_scanned_total{result=\"clean\"}",
        "roadie_dead_letters_total{queue=\"photo-processing\",reason=\"crash-loop\"}",
        "roadie_stale_results_rejected_total{queue=\"photo-processing\"}",
        "roadie_retention_removed_total{queue=\"photo-processing\",state=\"failed\",reason=\"age\"}",
        "roadie_jobs_recovered_total{queue=\"photo-processing\",reason=\"lease_expired\"}",
        "roadie_job_wait_seconds_count{queue=\"photo-processing\"}",
        "roadie_job_run_seconds_bucket{kind=\"scan-folder\",le=\"+Inf\"}",
        "photo_scan_duration_seconds_count",
        "bullmq_job_completed_total{queue=\"photo-processing\"}",
        "roadie_breaker_state{target=\"setlist.fm\"}",
        "roadie_budget_waiting{target=\"overpass\"}",
        "roadie_external_request_seconds_count{target=\"nominatim\",result=\"limited\"}",
        "roadie_cache_requests_total{cache=\"setlist.fm\",result=\"hit\"}",
    ] {
        assert_eq!(sample(&scrape, name), Some(0.0), "{name}\n{scrape}");
    }

    let payload = json!({ "userId": user(), "path": folder });
    let id = stage.add(SCANS, "scan-folder", payload).await;
    stage.completed(SCANS, &id).await;
    let dead = stage.add(REHEARSALS, "rehearse", json!({ "act": "discard" })).await;
    stage.failed(REHEARSALS, &dead).await;
    let (status, scrape) = get(process.http(), "/metrics").await;
    assert_eq!(status, 200);
    for family in sampled(&scrape) {
        let help = scrape.lines().filter(|line| line.starts_with(&format!("# HELP {family} ")));
        assert_eq!(help.count(), 1, "{family} is not explained");
    }
    let expected: BTreeSet<&str> = FAMILIES.iter().map(|(name, _)| *name).collect();
    assert_eq!(sampled(&scrape), expected);
    for (family, kind) in FAMILIES {
        assert!(scrape.contains(&format!("# TYPE {family} {kind}\n")), "{family}: {kind}");
    }
    for bound in ["1", "5", "10", "30", "60", "120", "+Inf"] {
        let bucket = format!("photo_scan_duration_seconds_bucket{{le=\"{bound}\"}}");
        assert_eq!(sample(&scrape, &bucket), Some(1.0), "{bucket}");
    }
    let buckets =
        scrape.lines().filter(|line| line.starts_with("photo_scan_duration_seconds_bucket"));
    assert_eq!(buckets.count(), 7);
    for (name, value) in [
        ("roadie_photos_scanned_total{result=\"clean\"}", 30.0),
        ("roadie_photos_scanned_total{result=\"refused\"}", 1.0),
        (
            "roadie_jobs_finished_total{queue=\"photo-processing\",kind=\"scan-folder\",outcome=\"completed\"}",
            1.0,
        ),
        (
            "roadie_jobs_finished_total{queue=\"rehearsals\",kind=\"rehearse\",outcome=\"dead\"}",
            1.0,
        ),
        ("roadie_dead_letters_total{queue=\"rehearsals\",reason=\"discarded\"}", 1.0),
        ("roadie_dead_letters{queue=\"rehearsals\",reason=\"discarded\"}", 1.0),
        ("roadie_job_run_seconds_count{kind=\"scan-folder\"}", 1.0),
        ("bullmq_job_completed_total{queue=\"photo-processing\"}", 1.0),
        ("bullmq_job_failed_total{queue=\"rehearsals\"}", 1.0),
        ("bullmq_job_count{queue=\"photo-processing\",state=\"completed\"}", 1.0),
        ("roadie_jobs_active{queue=\"photo-processing\"}", 0.0),
        ("roadie_budget_day_left{target=\"setlist.fm\"}", 1_440.0),
        ("roadie_budget_tokens{target=\"setlist.fm\"}", 1.0),
    ] {
        counted(process.http(), name, |now| now == Some(value)).await;
    }
    process.kill().await;
}

#[tokio::test]
async fn depth_and_age_of_a_queue_are_those_of_this_moment() {
    let stage = need!(Stage::new()).with_rehearsals(1);
    let process = Process::serving(&stage).await;
    let hang = stage.add(REHEARSALS, "rehearse", json!({ "act": "hang" })).await;
    stage.reached(REHEARSALS, &hang, JobState::Active).await;
    let now = u64::try_from(roadie_jobs::effects::Clock::System.now_ms()).unwrap();
    let minutes_ago = |minutes: u64| Some(now - minutes * 60_000);
    for options in [
        JobOptions { timestamp: minutes_ago(5), ..JobOptions::default() },
        JobOptions::default(),
        JobOptions { priority: Some(1), ..JobOptions::default() },
        // The least urgent one is the one that starves.
        JobOptions { priority: Some(9), timestamp: minutes_ago(30), ..JobOptions::default() },
        JobOptions { delay: Some(3_600_000), timestamp: minutes_ago(50), ..JobOptions::default() },
    ] {
        stage.add_with(REHEARSALS, "rehearse", json!({ "act": "return" }), options).await;
    }
    let (_, scrape) = get(process.http(), "/metrics").await;
    for (state, jobs) in [
        ("waiting", 2.0),
        ("active", 1.0),
        ("prioritized", 2.0),
        ("delayed", 1.0),
        ("completed", 0.0),
        ("failed", 0.0),
    ] {
        for family in ["roadie_queue_jobs", "bullmq_job_count"] {
            let name = format!("{family}{{queue=\"rehearsals\",state=\"{state}\"}}");
            assert_eq!(sample(&scrape, &name), Some(jobs), "{name}\n{scrape}");
        }
    }
    let age = sample(&scrape, "roadie_queue_oldest_age_seconds{queue=\"rehearsals\"}").unwrap();
    assert!((1_800.0..1_900.0).contains(&age), "{age}");
    let idle = sample(&scrape, "roadie_queue_oldest_age_seconds{queue=\"photo-processing\"}");
    assert_eq!(idle, Some(0.0));
    let busy = sample(&scrape, "roadie_jobs_active{queue=\"rehearsals\"}");
    assert_eq!(busy, Some(1.0));
    process.kill().await;
}

#[tokio::test]
async fn a_process_is_alive_but_not_ready_while_redis_is_down() {
    let redis = Arc::new(need!(RedisServer::start(&[])));
    let stage = Stage::on(Arc::clone(&redis));
    let process = Process::serving(&stage).await;
    let address = process.http();
    let body = ready(address).await;
    assert!(body.contains("\"ready\":true"), "{body}");
    redis.kill();
    eventually("not ready, with the reason", async || {
        let (status, body) = get(address, "/readyz").await;
        let answer: serde_json::Value = serde_json::from_str(&body).unwrap();
        let named = answer["checks"].as_array().unwrap().iter().any(|check| {
            check["name"] == "redis" && check["ok"] == false && check["reason"].is_string()
        });
        if status == 503 && named { Ok(()) } else { Err(format!("{status} {body}")) }
    })
    .await;
    assert_eq!(get(address, "/livez").await.0, 200);
    // A scrape is not lost just when it matters.
    let scrape = tokio::time::timeout(Duration::from_secs(8), get(address, "/metrics")).await;
    assert_eq!(scrape.expect("a scrape is given up after 10 s").0, 200);
    redis.restart();
    ready(address).await;
    process.kill().await;
}
