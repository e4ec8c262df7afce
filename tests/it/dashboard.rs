//! The dashboard, the alerts and the autoscalers of `deploy/` ask for what there is: a real Prometheus that
//! scrapes a fleet at work has an answer to each of their queries.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

use super::matching::{CLUB, asking, take};
use super::stand_ins::world;
use super::support::fleet::Fleet;
use super::support::prometheus::Prometheus;
use super::support::stage::{Stage, user};
use super::support::{eventually, within};

const DASHBOARD: &str = include_str!("../../deploy/grafana/dashboard.json");
const AUTOSCALER: &str = include_str!("../../deploy/kubernetes/keda.yaml");
const REHEARSALS: &str = "rehearsals";
/// Two scans with their matches come first, between many other tests.
const LIMIT: Duration = Duration::from_secs(90);

/// A panel, and one of its queries as Grafana would send it.
fn panels() -> Vec<(String, String)> {
    let dashboard: Value = serde_json::from_str(DASHBOARD).unwrap();
    let panels = dashboard["panels"].as_array().unwrap().clone();
    let mut found = Vec::new();
    for panel in panels.iter().filter(|panel| panel["type"] != "row") {
        let title = panel["title"].as_str().unwrap();
        for target in panel["targets"].as_array().unwrap() {
            let query = target["expr"].as_str().unwrap();
            // All that there was since the start.
            let query = query.replace("$__rate_interval", "10m").replace("$queue", ".*");
            assert!(!query.contains('$'), "{title}: {query}");
            found.push((title.to_owned(), query));
        }
    }
    found
}

/// What the autoscaler asks.
fn triggers() -> Vec<(String, String)> {
    let queries = AUTOSCALER.lines().filter_map(|line| line.trim().strip_prefix("query: "));
    let queries: Vec<_> =
        queries.map(|query| ("the autoscaler".to_owned(), query.to_owned())).collect();
    assert_eq!(queries.len(), 2);
    queries
}

/// The families and series that an expression names.
fn names(expression: &str) -> BTreeSet<String> {
    // Labels' values are in quotation marks.
    let code: Vec<&str> = expression.split('"').step_by(2).collect();
    let code = code.join(" ");
    let words = code.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_');
    let ours = ["roadie_", "process_", "photo_", "concert_", "bullmq_"];
    let known = |word: &&str| *word == "up" || ours.iter().any(|prefix| word.starts_with(prefix));
    words.filter(known).map(str::to_owned).collect()
}

/// Scans that lead to matches, tasks of another producer, and jobs that succeed, fail once, and die.
async fn work(stage: &Stage, photos: &Path) {
    for _ in 0..2 {
        let payload = json!({ "userId": user(), "path": photos });
        let scan = stage.add("photo-processing", "scan-folder", payload).await;
        stage.completed("photo-processing", &scan).await;
    }
    loop {
        let acts = (0..40).map(|number| match number {
            0 => json!({ "act": "discard" }),
            1 => json!({ "act": "return", "failures": 1 }),
            _ => json!({ "act": "return", "sleepMs": 5 }),
        });
        stage.add_many(REHEARSALS, "rehearse", acts).await;
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_panel_alert_and_autoscaler_finds_what_it_asks_for() {
    let stage = need!(Stage::new());
    let (stand_ins, _) = world(&stage.folder("world")).await;
    let photos = stage.folder("photos");
    (0..6).for_each(|number| take(&photos, 14, 5 * number, CLUB));
    let namespace = format!("{}-tasks", stage.prefix);
    let stage = asking(stage, &stand_ins)
        .with_rehearsals(8)
        .set("folders.roots", photos.display())
        .set("budgets.setlist_fm.per_day", 10_000)
        .set("intake.apalis.drills.namespace", namespace)
        .set("intake.apalis.drills.kind", "rehearse");
    let fleet = Fleet::serving(&stage, 2).await;
    let prometheus = need!(Prometheus::scraping(&fleet.http()).await);
    // From here on, so that it sees every counter rise from zero.
    eventually("both processes are scraped", async || match prometheus.value("sum(up)").await {
        Some(2.0) => Ok(()),
        other => Err(format!("{other:?}")),
    })
    .await;

    let look = async {
        let open: Vec<_> = panels().into_iter().chain(triggers()).collect();
        assert!(open.len() > 40, "{}", open.len());
        let open = RefCell::new(open);
        within(LIMIT, "every query has data", async || {
            let mut still = Vec::new();
            for (title, query) in open.take() {
                let values = prometheus.values(&query).await;
                if values.iter().all(|value| value.is_nan()) {
                    still.push((title, query));
                }
            }
            let answered = still.is_empty();
            let said = format!("no data: {still:#?}");
            open.replace(still);
            if answered { Ok(()) } else { Err(said) }
        })
        .await;
        alerts(&prometheus).await;
    };
    tokio::select! {
        () = look => {}
        () = work(&stage, &photos) => {}
    }
    fleet.end().await;
}

/// All of them could be evaluated, and name nothing that is not there.
async fn alerts(prometheus: &Prometheus) {
    let rules = eventually("every alert was evaluated", async || {
        let found = prometheus.api("rules").await;
        let groups = found["groups"].as_array().unwrap();
        let rules: Vec<Value> =
            groups.iter().flat_map(|group| group["rules"].as_array().unwrap().clone()).collect();
        let ill = rules.iter().find(|rule| rule["health"] != "ok");
        ill.map_or(Ok(rules.clone()), |rule| Err(rule.to_string()))
    })
    .await;
    assert!(rules.len() > 20, "{}", rules.len());
    for rule in rules {
        let query = rule["query"].as_str().unwrap();
        let named = names(query);
        assert!(!named.is_empty(), "{query}");
        for name in named {
            // A scrape that came too late leaves a gap.
            let series = prometheus.values(&format!("last_over_time({name}[5m])")).await;
            assert!(!series.is_empty(), "{}: there is no {name}", rule["name"]);
        }
    }
}

#[test]
fn names_are_told_from_labels_functions_and_values() {
    let expression = r#"sum by (queue) (rate(roadie_x_total{reason=~"roadie_no"}[5m])) > up"#;
    let found: Vec<String> = names(expression).into_iter().collect();
    assert_eq!(found, ["roadie_x_total", "up"]);
}
