//! One mail, at most once.

use super::*;

#[tokio::test]
async fn a_mail_is_sent_once() {
    let stage = Stage::new().await;
    for _ in 0..3 {
        let sent = stage.send("export-ready", "e1").await.unwrap();
        assert_eq!(sent["outcome"], "sent", "{sent}");
        assert!(sent["messageId"].as_str().unwrap().starts_with("<m."), "{sent}");
    }
    assert_eq!(stage.taken().len(), 1);
    assert_eq!(stage.ledger().await, ["e1 sent 250 2.0.0 (1)"]);
}

#[tokio::test]
async fn whatever_a_server_says_has_one_outcome() {
    use At::{Content, Recipient, Sender};
    let unreachable = Undelivered::Unreachable("no answer in time".to_owned());
    let broken_off = Undelivered::BrokenOff("it hung up".to_owned());
    let cut = Undelivered::Unanswered("it hung up".to_owned());
    #[rustfmt::skip]
    let table = [
        (Says::Instead(replies(Recipient, 451, Some((4, 7, 1)))), "in 1 min", "reserved 451 4.7.1 (1)"),
        (Says::AtTheEnd(replies(Content, 450, None)), "in 1 min", "reserved 450 (1)"),
        (Says::Instead(replies(Sender, 421, None)), "in 1 min", "reserved 421 (1)"),
        (Says::Instead(unreachable.clone()), "in 1 min", "reserved (1)"),
        (Says::AtTheEnd(unreachable), "in 1 min", "reserved (1)"),
        (Says::Instead(broken_off.clone()), "in 1 min", "reserved (1)"),
        (Says::AtTheEnd(broken_off), "in 1 min", "reserved (1)"),
        (Says::Instead(Undelivered::Misconfigured("TLS".to_owned())), "in 1 min", "reserved (1)"),
        (Says::Instead(Undelivered::Resting { why: "busy".to_owned(), after: Duration::from_mins(7) }), "in 5 min", "reserved (0)"),
        (Says::Instead(replies(Recipient, 552, Some((5, 2, 2)))), "failed", "failed 552 5.2.2 (1)"),
        (Says::Instead(Undelivered::AddressNotTaken), "failed", "failed (1)"),
        (Says::AtTheEnd(replies(Content, 554, Some((5, 7, 1)))), "Discard", "failed 554 5.7.1 (1)"),
        (Says::AtTheEnd(cut), "unknown", "unknown (1)"),
    ];
    for (says, expected, entry) in table {
        let stage = Stage::new().await;
        stage.says([says.clone()]);
        let result = stage.send("export-ready", "e1").await;
        assert_eq!(outcome(&result), expected, "{says:?}: {result:?}");
        let ledger = stage.ledger().await;
        assert!(ledger[0].starts_with(&format!("e1 {entry} ")), "{says:?}: {ledger:?}");
        assert!(!ledger[0].contains("ann@"), "{ledger:?}");
        // Asked again, it is sent unless it may have been.
        let again = stage.send("export-ready", "e1").await;
        let expected = if expected == "unknown" { "unknown" } else { "sent" };
        assert_eq!(outcome(&again), expected, "{says:?}");
    }
}

#[tokio::test]
async fn an_address_that_does_not_exist_gets_no_mail_any_more_whoever_has_it() {
    let stage = Stage::new().await;
    stage.says([Says::Instead(replies(At::Recipient, 550, Some((5, 1, 1))))]);
    assert_eq!(outcome(&stage.send("export-ready", "e1").await), "suppressed");
    assert_eq!(outcome(&stage.send("export-ready", "e2").await), "suppressed");
    stage.user(8, " ANN@example.org", "UTC").await;
    let payload = json!({ "userId": 8, "template": "export-ready", "value": "e3" });
    assert_eq!(outcome(&stage.run("send-email", payload).await), "suppressed");
    let kept = stage.inner.rows("SELECT address_hash FROM mail_suppressions").await;
    assert!(kept.len() == 1 && kept[0].len() == 64, "{kept:?}");
    let allowed = stage.inner.effects.catalogue.allow_mail(&kept).await.unwrap();
    assert!(allowed);
    assert_eq!(outcome(&stage.send("export-ready", "e2").await), "sent");
}

#[tokio::test]
async fn who_does_not_want_it_or_has_no_address_gets_none() {
    let stage = Stage::new().await;
    stage.inner.execute("UPDATE mail_preferences SET wanted = 0").await;
    assert_eq!(outcome(&stage.send("milestone", "nights-100").await), "unwanted");
    assert_eq!(outcome(&stage.send("export-ready", "e1").await), "sent", "nobody has said no");
    assert!(
        stage.inner.effects.catalogue.set_mail_wanted(USER, "exports", false, NOW).await.unwrap()
    );
    assert_eq!(outcome(&stage.send("export-ready", "e2").await), "unwanted");
    stage.inner.execute("DELETE FROM mail_preferences").await;
    assert_eq!(
        outcome(&stage.send("milestone", "nights-50").await),
        "unwanted",
        "nobody has said yes"
    );
    stage.inner.execute("UPDATE mail_recipients SET address = 'nowhere'").await;
    assert_eq!(outcome(&stage.send("reconnect-needed", "drive-1").await), "failed");
    stage.inner.execute("DELETE FROM mail_recipients").await;
    assert_eq!(outcome(&stage.send("reconnect-needed", "drive-2").await), "unwanted");
    stage.inner.execute("DELETE FROM users").await;
    assert_eq!(outcome(&stage.send("reconnect-needed", "drive-3").await), "gone");
    assert_eq!(stage.ledger().await, Vec::<String>::new());
}

#[tokio::test]
async fn whoever_dies_while_a_mail_is_handed_over_has_noted_it_before() {
    let stage = Stage::new().await;
    stage.says([Says::Nothing]);
    tokio::select! {
        ended = stage.send("export-ready", "e1") => panic!("{ended:?}"),
        () = stage.server.handed_over.notified() => {}
    }
    let ledger = stage.ledger().await;
    assert!(ledger[0].starts_with("e1 sending (1) "), "{ledger:?}");
    assert_eq!(outcome(&stage.send("export-ready", "e1").await), "unknown");
    assert_eq!(stage.taken(), Vec::<String>::new());
}

#[tokio::test]
async fn a_worker_that_died_while_it_handed_a_mail_over_leaves_it_unsent() {
    let stage = Stage::new().await;
    stage.send("export-ready", "e1").await.unwrap();
    stage.inner.execute("UPDATE mails SET state = 'sending'").await;
    assert_eq!(outcome(&stage.send("export-ready", "e1").await), "unknown");
    assert_eq!(outcome(&stage.send("export-ready", "e1").await), "unknown");
    assert_eq!(stage.taken().len(), 1);
    // Its first worker was only slow, and is answered now.
    let catalogue = &stage.inner.effects.catalogue;
    let key = crate::effects::catalogue::MailKey {
        user_id: USER,
        template: "export-ready",
        value: "e1".to_owned(),
    };
    catalogue.mail_sent(&key, 1, "250", NOW).await.unwrap();
    assert_eq!(stage.ledger().await, ["e1 sent 250 (1)"]);
    assert_eq!(catalogue.mail_again(&key, NOW).await.unwrap(), None, "what was sent stays so");
}

#[tokio::test]
async fn greylisting_is_waited_out_for_a_day_and_an_outage_for_longer() {
    let mut stage = Stage::new().await;
    let later = || Says::Instead(replies(At::Recipient, 450, Some((4, 2, 0))));
    let mut pauses = Vec::new();
    // A day of pauses of half an hour, the shortest that an hour is spread to, are 48 and the first few.
    for _ in 0..60 {
        stage.says([later()]);
        let result = stage.send("export-ready", "e1").await;
        let Err(error) = &result else { panic!("{result:?}") };
        match error.decision() {
            Decision::Postpone { after } => {
                pauses.push(after.as_secs());
                stage.inner.later(after);
            }
            decision => {
                assert_eq!(decision, Decision::Discard);
                break;
            }
        }
    }
    let all: u64 = pauses.iter().sum();
    assert!((86_400..=86_400 + 3_600).contains(&all), "{pauses:?}");
    assert!(pauses[0] <= 60 && pauses.iter().all(|pause| *pause <= 3_600), "{pauses:?}");
    let ledger = stage.ledger().await;
    assert!(ledger[0].contains("failed 450 4.2.0") && ledger[0].contains("put off for too long"));
    // A server that was down for a week has put nothing off.
    stage.says([Says::Instead(Undelivered::Unreachable("refused".to_owned()))]);
    assert_eq!(outcome(&stage.send("export-ready", "e2").await), "in 1 min");
    stage.inner.later(Duration::from_hours(24 * 7));
    stage.says([later()]);
    let result = stage.send("export-ready", "e2").await;
    let put_off = result.as_ref().is_err_and(|error| {
        matches!(error.decision(), Decision::Postpone { after } if (60..=120).contains(&after.as_secs()))
    });
    assert!(put_off, "{result:?}");
}

#[tokio::test]
async fn nobody_is_congratulated_at_night() {
    let mut stage = Stage::new().await;
    stage.at("2026-11-20T04:30:00Z");
    // It is half past eleven in New York.
    assert_eq!(outcome(&stage.send("milestone", "nights-100").await), "in 510 min");
    assert_eq!(outcome(&stage.send("export-ready", "e1").await), "sent");
    stage.at("2026-11-20T13:00:00Z");
    assert_eq!(outcome(&stage.send("milestone", "nights-100").await), "sent");
}

#[tokio::test]
async fn a_payload_that_means_nothing_is_refused() {
    let stage = Stage::new().await;
    for (template, value) in
        [("milestone", "artist-5-x"), ("milestone-digest", "2026"), ("milestone", "-1")]
    {
        assert_eq!(outcome(&stage.send(template, value).await), "Discard", "{template} {value}");
    }
    let registry = crate::registry();
    let entry = registry.get("send-email").unwrap();
    for payload in [
        json!({ "userId": 7, "template": "newsletter", "value": "1" }),
        json!({ "userId": 7, "template": "milestone", "value": "" }),
        json!({ "userId": 7, "template": "milestone", "value": "a\nb" }),
        json!({ "userId": 7, "template": "milestone", "value": "x".repeat(201) }),
        json!({ "userId": 7, "template": "milestone" }),
    ] {
        assert!(entry.check(&payload).is_err(), "{payload}");
    }
    entry.check(&json!({ "userId": 7, "template": "milestone", "value": 100 })).unwrap();
}
