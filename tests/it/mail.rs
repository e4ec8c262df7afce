//! Mails reach a mail server of somebody else's as RFC 5322, 2047 and 8058 want them, each once; whatever goes wrong
//! there ends as documented, and the others go on.

use serde_json::{Value, json};

use super::support::process::run;
use super::support::smtp::{MAILS, MailServer, Speaks, read, recipient, standing, with_mail};
use super::support::stage::{Stage, user};
use super::support::worker::Worker;
use super::support::{eventually, http};

fn mail(user: i64, template: &str, value: &str) -> Value {
    json!({ "userId": user, "template": template, "value": value })
}

/// A mail that goes out whatever its user has subscribed to.
fn plain(user: i64) -> Value {
    mail(user, "reconnect-needed", "drive-1")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mail_is_what_another_parser_reads() {
    let stage = need!(Stage::new());
    let server = need!(MailServer::start(&stage, Speaks::StartTls));
    let stage = server.serve(stage);
    let worker = Worker::start(&stage).await;
    let endless = "Donaudampfschifffahrtsgesellschaftskapitänsmützenfabrikantin";
    let names = ["梶浦由記 & Kalafina 🎸", endless, "Ann\r\nBcc: eve@example.net", "Ann"];
    for (at, name) in names.into_iter().enumerate() {
        let user = user();
        let address = format!("reader-{at}@example.org");
        recipient(&stage, user, &address, name, "de-AT").await;
        for value in ["nights-100", "nights-100"] {
            let id = stage.add(MAILS, "send-email", mail(user, "milestone", value)).await;
            let told = stage.returned(MAILS, &id).await;
            assert_eq!(told["outcome"], "sent", "{told}");
            assert_eq!(told["status"], "250 2.0.0");
        }
        let read = server.only(&address);
        assert_eq!(read.defects, Vec::<String>::new());
        assert_eq!(read.kind, "multipart/alternative");
        let kinds: Vec<_> = read.parts.iter().map(|part| part.kind.as_str()).collect();
        assert_eq!(kinds, ["text/plain", "text/html"]);
        assert!(read.parts.iter().all(|part| part.charset.as_deref() == Some("utf-8")));
        assert!((read.longest, read.bare) <= (998, 0), "{} {}", read.longest, read.bare);
        assert_eq!(read.header("Subject"), "Dein 100. Konzert");
        assert_eq!(read.header("From"), "Concerts <mail@example.com>");
        assert!(!read.has("Bcc"), "{:?}", read.headers);
        let shown = name.replace("\r\n", " ");
        assert!(read.header("To").contains(&shown.replace(['&'], "&")), "{:?}", read.headers);
        assert!(read.header("To").ends_with(&format!("<{address}>")), "{:?}", read.headers);
        assert!(read.parts[0].text.contains(&format!("Hallo {shown},")), "{}", read.parts[0].text);
        assert!(read.parts[1].text.contains(&format!("Hallo {},", shown.replace('&', "&amp;"))));
        let id = read.header("Message-ID");
        assert!(id.starts_with("<m.") && id.ends_with("@example.com>") && id.len() == 48, "{id}");
        assert_eq!(read.header("Auto-Submitted"), "auto-generated");
        assert_eq!(read.header("List-Unsubscribe-Post"), "List-Unsubscribe=One-Click");
        chrono::DateTime::parse_from_rfc2822(read.header("Date")).unwrap();
        let list = read.header("List-Unsubscribe");
        let (url, mailto) = list.split_once(", ").unwrap();
        let token = url.strip_prefix("<https://concerts.example.com/u/").unwrap();
        let token = token.strip_suffix('>').unwrap();
        assert_eq!(mailto, format!("<mailto:leave@example.com?subject={token}>"));
        // One click, as the web tier hands it on.
        let said = run(&stage, &["mail", "unsubscribe", token]).await;
        assert_eq!(said.code, 0, "{said:?}");
        let id = stage.add(MAILS, "send-email", mail(user, "milestone", "nights-150")).await;
        assert_eq!(stage.returned(MAILS, &id).await["outcome"], "unwanted");
        // What is needed comes all the same, and cannot be unsubscribed from.
        let id = stage.add(MAILS, "send-email", plain(user)).await;
        assert_eq!(stage.returned(MAILS, &id).await["outcome"], "sent");
        let needed = server
            .taken()
            .into_iter()
            .rfind(|(to, mail)| *to == address && String::from_utf8_lossy(mail).contains("Google"));
        assert!(!super::support::smtp::read(&needed.unwrap().1).has("List-Unsubscribe"));
    }
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_reply_ends_as_documented_and_the_others_go_on() {
    let stage = need!(Stage::new());
    let server = need!(MailServer::start(&stage, Speaks::Tls));
    let stage = server.serve(stage).set("mail.answer_timeout", "1s").set("mail.give_up", "1s");
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
    let stage = server.serve(stage).set("budgets.trip_after", 1000).set("mail.idle_connections", 0);
    let worker = Worker::start(&stage).await;
    for faults in [
        json!({ "greeting": "554 5.3.2 not now" }),
        json!({ "greeting": "421 4.3.2 busy" }),
        json!({ "sender": "451 4.3.0 database" }),
        json!({ "recipient": "450 4.7.1 greylisted" }),
        json!({ "data": "451 4.3.0 queue" }),
    ] {
        server.faults(&faults);
        let one = user();
        let address = format!("outage-{one}@example.org");
        recipient(&stage, one, &address, "Ann", "en").await;
        let id = stage.add(MAILS, "send-email", plain(one)).await;
        standing(&stage, one, "reserved").await;
        eventually("it was tried", async || {
            let mails = stage.catalogue().await.ledger(None, Some(one), 1).await.unwrap();
            if mails[0].attempts > 0 { Ok(()) } else { Err(format!("{mails:?}")) }
        })
        .await;
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
            "535",
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
        assert_eq!(stage.field(MAILS, &id, "atm").await.unwrap_or_default(), "");
        worker.stop().await;
    }
    assert_eq!(encrypted.taken().len() + open.taken().len() + other.taken().len(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn operators_see_and_send_again_what_nobody_knows_of() {
    let stage = need!(Stage::new());
    let server = need!(MailServer::start(&stage, Speaks::Plain));
    let stage = server.serve(stage);
    let worker = Worker::start(&stage).await;
    let one = user();
    let address = "cut@example.org";
    recipient(&stage, one, address, "Ann", "en").await;
    let id = stage.add(MAILS, "send-email", plain(one)).await;
    assert_eq!(stage.returned(MAILS, &id).await["outcome"], "unknown");
    let said = run(&stage, &["mail"]).await;
    assert!(said.out.contains("reconnect-needed") && said.out.contains("unknown"), "{said:?}");
    let said = run(&stage, &["mail", "list", "--state", "unknown"]).await;
    assert!(said.out.contains("drive-1") && !said.out.contains('@'), "{said:?}");
    // Its owner has moved.
    stage.execute("UPDATE mail_recipients SET address = 'new@example.org'").await;
    let again = [one.to_string(), "reconnect-needed".to_owned(), "drive-1".to_owned()];
    let again = ["mail", "resend", &again[0], &again[1], &again[2]];
    let said = run(&stage, &again).await;
    assert_eq!(said.code, 0, "{said:?}");
    standing(&stage, one, "sent 250 2.0.0").await;
    assert_eq!(
        server.only(address).header("Message-ID"),
        server.only("new@example.org").header("Message-ID")
    );
    let said = run(&stage, &again).await;
    assert!(said.code == 1 && said.err.contains("was sent"), "{said:?}");
    // A provider tells of a complaint.
    let said = run(&stage, &["mail", "suppress", "New@Example.org", "--reason", "complaint"]).await;
    assert_eq!(said.code, 0, "{said:?}");
    let id = stage.add(MAILS, "send-email", mail(one, "export-ready", "e1")).await;
    let told = stage.returned(MAILS, &id).await;
    assert_eq!(
        (&told["outcome"], &told["reason"]),
        (&json!("suppressed"), &json!("the address gets no mail: complaint"))
    );
    assert_eq!(run(&stage, &["mail", "allow", "new@example.org"]).await.code, 0);
    let id = stage.add(MAILS, "send-email", mail(one, "export-ready", "e1")).await;
    assert_eq!(stage.returned(MAILS, &id).await["outcome"], "sent");
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mails_can_be_files_and_what_cannot_be_meant_is_a_fault() {
    let stage = with_mail(need!(Stage::new()));
    let folder = stage.folder("mails");
    let stage = stage.set("mail.folder", folder.display());
    let worker = Worker::start(&stage).await;
    let one = user();
    recipient(&stage, one, "ann@example.org", "Ann", "en").await;
    let id = stage.add(MAILS, "send-email", mail(one, "milestone", "nights-1")).await;
    assert_eq!(stage.returned(MAILS, &id).await["outcome"], "sent");
    let files: Vec<_> = folder.join(one.to_string()).read_dir().unwrap().collect();
    let [Ok(file)] = &files[..] else { panic!("{files:?}") };
    if std::env::var_os("ROADIE_TEST_SMTP").is_some() {
        let read = read(&std::fs::read(file.path()).unwrap());
        assert_eq!(read.header("Subject"), "Your first concert");
    }
    worker.stop().await;
    let wrong = need!(Stage::new())
        .set("mail.url", "smtp://mail.example.com")
        .set("mail.starttls", false)
        .set("mail.from", "nobody");
    let said = run(&wrong, &["check"]).await;
    assert_eq!(said.code, 64, "{said:?}");
    for fault in ["mail.from", "mail.keys", "mail.unsubscribe_url", "mail.allow_plaintext"] {
        assert!(said.err.contains(fault), "{fault}: {said:?}");
    }
}
