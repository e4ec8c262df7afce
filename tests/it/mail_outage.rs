//! Whatever goes wrong between a worker and a mail server ends as documented, and other mails go on.

use serde_json::{Value, json};

use super::support::process::{Process, run};
use super::support::smtp::{MAILS, MailServer, Speaks, plain, recipient, standing, tried};
use super::support::stage::{Stage, user};
use super::support::worker::Worker;
use super::support::{SOON, eventually, http};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_reply_ends_as_documented_and_the_others_go_on() {
    let stage = need!(Stage::new());
    let server = need!(MailServer::start(&stage, Speaks::Tls));
    let stage = server.serve(stage).set("mail.answer_timeout", "5s").set("mail.give_up", "1s");
    let worker = Worker::start(&stage).await;
    let table = [
        ("r-550-5.1.1", "suppressed", "suppressed 550 5.1.1"),
        ("d-550-5.1.1", "suppressed", "suppressed 550 5.1.1"),
        ("r-552-5.2.2", "failed", "failed 552 5.2.2"),
        ("r-550-5.7.1", "dead", "failed 550 5.7.1"),
        ("d-554-5.7.1", "dead", "failed 554 5.7.1"),
        ("d-550-5.6.0", "dead", "failed 550 5.6.0"),
        // Greylisted for longer than we wait.
        ("r-451-4.7.1", "dead", "failed 451 4.7.1"),
        ("d-450-4.2.0", "dead", "failed 450 4.2.0"),
        ("hangup", "dead", "failed -"),
        ("cut", "unknown", "unknown -"),
        ("sleep", "unknown", "unknown -"),
    ];
    let mut jobs = Vec::new();
    for (name, became, entry) in table {
        let one = user();
        recipient(&stage, one, &format!("{name}@example.org"), "Ann", "en").await;
        jobs.push((stage.add(MAILS, "send-email", plain(one)).await, one, became, entry));
    }
    let fine = user();
    recipient(&stage, fine, "fine@example.org", "Ann", "en").await;
    let id = stage.add(MAILS, "send-email", plain(fine)).await;
    assert_eq!(stage.returned(MAILS, &id).await["outcome"], "sent");
    for (id, user, became, entry) in jobs {
        if became == "dead" {
            let letter = stage.letter(&id).await;
            assert!(!letter.error.contains('@'), "{letter:?}");
        } else {
            assert_eq!(stage.returned(MAILS, &id).await["outcome"], became, "{entry}");
        }
        standing(&stage, user, entry).await;
    }
    let (_, text) = http::get(worker.http, "/metrics").await;
    for reason in ["policy", "unknown"] {
        let sample = format!("roadie_mail_alerts_total{{reason=\"{reason}\"}}");
        assert!(http::sample(&text, &sample).is_some_and(|alerts| alerts >= 1.0), "{reason}");
    }
    // No address is anywhere but in the catalogue's table of recipients.
    let mails = stage.catalogue().await.ledger(None, None, 100).await.unwrap();
    assert!(mails.iter().all(|mail| !format!("{mail:?}").contains("example.org")), "{mails:?}");
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_outage_loses_nothing_and_counts_no_attempt() {
    let stage = need!(Stage::new());
    let server = need!(MailServer::start(&stage, Speaks::Plain));
    // Each is greeted anew.
    let stage = server
        .serve(stage)
        .set("budgets.trip_after", 1000)
        .set("mail.idle_connections", 0)
        .set("mail.timeout", "1s");
    let worker = Worker::start(&stage).await;
    for faults in [
        json!({ "greeting": "554 5.3.2 not now" }),
        json!({ "greeting": "421 4.3.2 busy" }),
        json!({ "sender": "451 4.3.0 database" }),
        json!({ "recipient": "450 4.7.1 greylisted" }),
        json!({ "data": "451 4.3.0 queue" }),
        json!({ "hold": true }),
    ] {
        server.faults(&faults);
        let one = user();
        let address = format!("outage-{one}@example.org");
        recipient(&stage, one, &address, "Ann", "en").await;
        let id = stage.add(MAILS, "send-email", plain(one)).await;
        standing(&stage, one, "reserved").await;
        tried(&stage, one).await;
        server.faults(&json!({}));
        // A server that turned us away is asked again after an hour, or when an operator says so.
        let said = run(&stage, &["budget", "resume", "smtp"]).await;
        assert_eq!(said.code, 0, "{said:?}");
        let job = stage.completed(MAILS, &id).await;
        assert_eq!(job.attempts_made(), 1, "{faults}");
        server.only(&address);
    }
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_configuration_loses_nothing_and_is_told() {
    let stage = need!(Stage::new());
    let encrypted = need!(MailServer::start(&stage, Speaks::StartTls));
    let open = need!(MailServer::start(&stage, Speaks::Plain));
    let other = need!(MailServer::start(&stage, Speaks::Tls));
    let redis = |wrong: fn(Stage) -> Stage, server: &MailServer| {
        Stage::new().map(|stage| wrong(server.serve(stage)))
    };
    let stages = [
        // Signed by somebody whom nobody trusts.
        (
            need!(redis(|stage| stage.set("mail.ca_file", ""), &encrypted)),
            "invalid peer certificate",
        ),
        (need!(redis(|stage| stage.set("mail.ca_file", ""), &other)), "invalid peer certificate"),
        (need!(redis(|stage| stage.set("mail.starttls", true), &open)), "offers no STARTTLS"),
        (
            need!(redis(
                |stage| {
                    let url = stage.config().mail.url.reveal().replace("se%3A", "wrong");
                    stage.set("mail.url", url)
                },
                &encrypted
            )),
            "535 5.7.8 to the login (mail.username, mail.password)",
        ),
    ];
    for (stage, told) in stages {
        let worker = Worker::start(&stage).await;
        let one = user();
        recipient(&stage, one, "ann@example.org", "Ann", "en").await;
        let id = stage.add(MAILS, "send-email", plain(one)).await;
        let catalogue = stage.catalogue().await;
        eventually("it is told what is wrong", async || {
            let mails = catalogue.ledger(None, Some(one), 1).await.unwrap();
            let reason = mails.first().and_then(|mail| mail.reason.clone()).unwrap_or_default();
            if reason.contains(told) { Ok(()) } else { Err(format!("{reason}: {mails:?}")) }
        })
        .await;
        worker.counted("roadie_mail_alerts_total{reason=\"configuration\"}", 1).await;
        // Nobody else asks that server, either: the mail waits, with all its attempts.
        let said = run(&stage, &["budget", "--json"]).await;
        assert!(said.out.contains("refused"), "{said:?}");
        let said = run(&stage, &["check"]).await;
        let fault = said.out.lines().find(|line| line.starts_with("FAULT  mail"));
        assert!(said.code == 1 && fault.is_some_and(|fault| fault.contains(told)), "{said:?}");
        assert_eq!(stage.field(MAILS, &id, "atm").await.unwrap_or_default(), "");
        worker.stop().await;
    }
    assert_eq!(encrypted.taken().len() + open.taken().len() + other.taken().len(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_fails_behind_the_server_for_one_recipient_stops_no_other() {
    let stage = need!(Stage::new());
    let server = need!(MailServer::start(&stage, Speaks::Plain));
    let stage = server.serve(stage).set("budgets.trip_after", 1);
    let worker = Worker::start(&stage).await;
    for name in ["r-451-4.3.0", "r-452-4.3.1", "r-451-4.4.1", "d-451-4.3.0", "hangup"] {
        let one = user();
        recipient(&stage, one, &format!("{name}@example.org"), "Ann", "en").await;
        stage.add(MAILS, "send-email", plain(one)).await;
        tried(&stage, one).await;
        let said = run(&stage, &["budget", "--json"]).await;
        let budgets: Vec<Value> = serde_json::from_str(&said.out).unwrap();
        let smtp = budgets.iter().find(|budget| budget["target"] == "smtp").unwrap();
        assert_eq!(smtp["breaker"], "closed", "{name}: {smtp}");
    }
    let fine = user();
    recipient(&stage, fine, "fine@example.org", "Ann", "en").await;
    let id = stage.add(MAILS, "send-email", plain(fine)).await;
    assert_eq!(stage.returned(MAILS, &id).await["outcome"], "sent");
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_mail_is_handed_over_by_a_process_that_has_no_time_for_the_answer() {
    let stage = need!(Stage::new());
    let server = need!(MailServer::start(&stage, Speaks::Plain));
    let stage =
        server.serve(stage).set("worker.grace_period", "100ms").set("worker.stop_within", "20s");
    server.faults(&json!({ "hold": true }));
    let mut process = Process::serving(&stage).await;
    let one = user();
    recipient(&stage, one, "ann@example.org", "Ann", "en").await;
    let id = stage.add(MAILS, "send-email", plain(one)).await;
    server.holds().await;
    process.signal("TERM");
    process.logged("grace period over").await;
    server.faults(&json!({}));
    assert_eq!(process.exit(SOON).await, 75);
    assert!(server.taken().is_empty(), "it was handed over");
    standing(&stage, one, "reserved").await;
    let second = Worker::start(&stage).await;
    assert_eq!(stage.completed(MAILS, &id).await.attempts_made(), 1);
    server.only("ann@example.org");
    second.stop().await;
}
