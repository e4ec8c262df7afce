//! What a real Prometheus makes of the metrics of a process at work.

use bullmq::queue::BulkJob;
use serde_json::json;

use super::metrics::FAMILIES;
use super::support::eventually;
use super::support::http::get;
use super::support::process::Process;
use super::support::prometheus::{Prometheus, lint};
use super::support::stage::Stage;

const QUEUE: &str = "rehearsals";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn prometheus_reads_every_family_of_a_process_under_load() {
    let stage = need!(Stage::new()).with_rehearsals(8);
    let process = Process::serving(&stage).await;
    let prometheus = need!(Prometheus::scraping(&[process.http()]).await);
    let queue = stage.queues().await.queue(QUEUE).await.unwrap();
    let load = tokio::spawn(async move {
        loop {
            let jobs = (0..500).map(|i| {
                let act = if i % 50 == 0 { "discard" } else { "return" };
                BulkJob::new("rehearse", json!({ "act": act }))
            });
            queue.add_bulk(jobs.collect()).await.unwrap();
            tokio::time::sleep(std::time::Duration::from_millis(200)).await;
        }
    });
    let completed = format!("bullmq_job_completed_total{{queue=\"{QUEUE}\"}}");
    eventually("Prometheus sees jobs completing", async || {
        let rate = prometheus.value(&format!("rate({completed}[30s])")).await;
        if rate.is_some_and(|rate| rate > 10.0) {
            Ok(())
        } else {
            Err(format!("{rate:?} a second"))
        }
    })
    .await;
    for (family, kind) in FAMILIES {
        let sample =
            if *kind == "histogram" { format!("{family}_count") } else { (*family).to_owned() };
        let series = prometheus.value(&format!("count(last_over_time({sample}[1m]))")).await;
        assert!(series.is_some_and(|series| series > 0.0), "{family}: {series:?}");
    }
    // A busy machine may miss a scrape; what comes is whole.
    eventually("scrapes come", async || {
        let target = prometheus.api("targets").await["activeTargets"][0].clone();
        let well = (&target["health"], &target["lastError"]) == (&json!("up"), &json!(""));
        if well { Ok(()) } else { Err(target.to_string()) }
    })
    .await;
    eventually("the queue moves", async || {
        let moving = format!("roadie_queue_moving{{queue=\"{QUEUE}\"}}");
        match prometheus.value(&moving).await {
            Some(1.0) => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await;
    for expression in [
        format!("sum(roadie_dead_letters{{queue=\"{QUEUE}\"}})"),
        format!(
            "histogram_quantile(0.99, rate(roadie_job_wait_seconds_bucket{{queue=\"{QUEUE}\"}}[30s]))"
        ),
        "histogram_quantile(0.5, sum by (le) (rate(roadie_job_run_seconds_bucket[30s])))"
            .to_owned(),
        "sum(rate(roadie_jobs_finished_total[30s])) by (outcome)".to_owned(),
    ] {
        eventually(&expression, async || match prometheus.value(&expression).await {
            Some(value) if value >= 0.0 => Ok(()),
            other => Err(format!("{other:?}")),
        })
        .await;
    }
    let (_, scrape) = get(process.http(), "/metrics").await;
    assert_eq!(need!(lint(&scrape)), "", "{scrape}");
    load.abort();
    process.kill().await;
}
