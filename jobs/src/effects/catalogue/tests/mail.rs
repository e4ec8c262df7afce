//! Mails: to whom, which, and what became of them.

use std::collections::BTreeMap;

use chrono::NaiveDate;

use super::databases::Database;
use super::*;
use crate::effects::catalogue::{
    LedgerCount, MailKey, MailState, Mark, NewMail, NightTold, NotSent, Recipient,
};

on_both!(
    the_ledger_has_each_mail_once,
    one_of_many_hands_a_mail_over,
    who_finds_a_mail_handed_over_may_be_corrected,
    preferences_and_suppressions_are_kept,
    marks_only_rise,
    nights_are_told,
    everything_of_a_user_goes_with_the_user,
);

fn key(value: &str) -> MailKey {
    MailKey { user_id: USER, template: "milestone", value: value.to_owned() }
}

async fn with_user(database: &Database) -> Catalogue {
    let catalogue = database.catalogue().await;
    catalogue.execute(&format!("INSERT INTO users (user_id, created_at) VALUES ({USER}, 1)")).await;
    catalogue
}

async fn reserve(
    catalogue: &Catalogue,
    value: &str,
    facts: Option<&str>,
) -> crate::effects::catalogue::LedgerMail {
    let key = key(value);
    catalogue.reserve_mail(NewMail { key: &key, facts }, NOW).await.unwrap().unwrap()
}

fn became(state: MailState, deferred: bool) -> NotSent<'static> {
    NotSent { state, reason: "why", status: Some("451 4.7.1".to_owned()), asked: true, deferred }
}

async fn the_ledger_has_each_mail_once(database: Database) {
    let catalogue = database.catalogue().await;
    let nobody = key("1");
    let none = catalogue.reserve_mail(NewMail { key: &nobody, facts: None }, NOW).await.unwrap();
    assert_eq!(none, None, "there is no such user");
    let catalogue = {
        drop(catalogue);
        with_user(&database).await
    };
    let mail = reserve(&catalogue, "1", Some("{}")).await;
    assert_eq!((mail.state, mail.attempts, mail.reserved_at), (MailState::Reserved, 0, NOW));
    let again = reserve(&catalogue, "1", Some("other")).await;
    assert_eq!(again.facts.as_deref(), Some("{}"));
    reserve(&catalogue, "2", None).await;
    let open = catalogue.mails_to_ask_for(USER, ["milestone", "milestone-digest"]).await.unwrap();
    assert_eq!(
        open,
        [("milestone".to_owned(), "1".to_owned()), ("milestone".to_owned(), "2".to_owned())]
    );
    catalogue
        .mail_not_sent(&key("1"), 0, &became(MailState::Reserved, true), NOW + 5)
        .await
        .unwrap();
    let later = became(MailState::Failed, true);
    catalogue.mail_not_sent(&key("1"), 1, &later, NOW + 9).await.unwrap();
    let mail = reserve(&catalogue, "1", None).await;
    assert_eq!((mail.state, mail.attempts, mail.ended_at), (MailState::Failed, 2, Some(NOW + 9)));
    assert_eq!((mail.deferred_at, mail.status.as_deref()), (Some(NOW + 5), Some("451 4.7.1")));
    let failed = catalogue.ledger(Some(MailState::Failed), None, 9).await.unwrap();
    assert_eq!(failed, [mail]);
    assert_eq!(catalogue.ledger(None, Some(USER), 9).await.unwrap().len(), 2);
    assert_eq!(catalogue.ledger(None, Some(USER + 1), 9).await.unwrap(), []);
    let count = |state| LedgerCount { template: "milestone".to_owned(), state, mails: 1 };
    let counts = [count(MailState::Failed), count(MailState::Reserved)];
    assert_eq!(catalogue.ledger_counts().await.unwrap(), counts);
}

async fn one_of_many_hands_a_mail_over(database: Database) {
    let catalogue = with_user(&database).await;
    reserve(&catalogue, "1", None).await;
    let begin = |_: usize| {
        let catalogue = catalogue.clone();
        async move { catalogue.begin_sending(&key("1"), 0, "<m>", NOW).await.unwrap() }
    };
    let answers = futures::future::join_all((0..8).map(begin)).await;
    assert_eq!(answers.iter().filter(|first| **first).count(), 1, "{answers:?}");
    let mail = reserve(&catalogue, "1", None).await;
    assert_eq!((mail.state, mail.attempts), (MailState::Sending, 1));
    assert!(mail.reason.is_some(), "whoever looks at it now sees why it is not sent yet");
    // Who was slower has nothing to say of it.
    catalogue.mail_not_sent(&key("1"), 0, &became(MailState::Failed, false), NOW).await.unwrap();
    assert_eq!(reserve(&catalogue, "1", None).await.state, MailState::Sending);
    catalogue.mail_sent(&key("1"), 1, "250 2.0.0", NOW + 1).await.unwrap();
    let mail = reserve(&catalogue, "1", None).await;
    assert_eq!((mail.state, mail.reason), (MailState::Sent, None));
    assert!(!catalogue.begin_sending(&key("1"), 1, "<m>", NOW).await.unwrap());
    assert_eq!(catalogue.mail_again(&key("1"), NOW).await.unwrap(), None);
}

async fn who_finds_a_mail_handed_over_may_be_corrected(database: Database) {
    let catalogue = with_user(&database).await;
    reserve(&catalogue, "1", None).await;
    assert!(catalogue.begin_sending(&key("1"), 0, "<m>", NOW).await.unwrap());
    assert_eq!(catalogue.mail_again(&key("1"), NOW - 1).await.unwrap(), None, "it is under way");
    catalogue.mail_not_taken(&key("1"), 1, &became(MailState::Unknown, false), NOW).await.unwrap();
    assert!(!catalogue.begin_sending(&key("1"), 1, "<m>", NOW).await.unwrap());
    let again = catalogue.mail_again(&key("1"), NOW - 1).await.unwrap().unwrap();
    assert_eq!(again.state, MailState::Reserved);
    assert!(catalogue.begin_sending(&key("1"), 1, "<m>", NOW).await.unwrap());
    // The first one is answered after all; the second one counts.
    catalogue.mail_sent(&key("1"), 1, "250", NOW).await.unwrap();
    assert_eq!(reserve(&catalogue, "1", None).await.state, MailState::Sending);
}

async fn preferences_and_suppressions_are_kept(database: Database) {
    let catalogue = with_user(&database).await;
    assert_eq!(catalogue.mail_recipient(USER).await.unwrap(), None);
    let sql = format!(
        "INSERT INTO mail_recipients (user_id, address, tz) VALUES ({USER}, 'a@b.c', 'UTC')"
    );
    catalogue.execute(&sql).await;
    let recipient =
        Recipient { address: "a@b.c".into(), name: None, locale: None, tz: Some("UTC".into()) };
    assert_eq!(catalogue.mail_recipient(USER).await.unwrap(), Some(recipient));
    assert_eq!(catalogue.mail_wanted(USER, "scans").await.unwrap(), None);
    for wanted in [true, false] {
        assert!(catalogue.set_mail_wanted(USER, "scans", wanted, NOW).await.unwrap());
        assert_eq!(catalogue.mail_wanted(USER, "scans").await.unwrap(), Some(wanted));
    }
    assert!(!catalogue.set_mail_wanted(USER + 1, "scans", true, NOW).await.unwrap());
    let hashes = ["new".to_owned(), "old".to_owned()];
    assert_eq!(catalogue.mail_suppression(&hashes).await.unwrap(), None);
    catalogue.suppress_mail("old", "complaint", None, NOW).await.unwrap();
    catalogue.suppress_mail("old", "bad-address", Some("550"), NOW).await.unwrap();
    assert_eq!(catalogue.mail_suppression(&hashes).await.unwrap().as_deref(), Some("complaint"));
    assert_eq!(catalogue.mail_suppression(&hashes[..1]).await.unwrap(), None);
    assert!(catalogue.allow_mail(&hashes).await.unwrap());
    assert!(!catalogue.allow_mail(&hashes).await.unwrap());
}

async fn marks_only_rise(database: Database) {
    let catalogue = with_user(&database).await;
    let mark = |step| [Mark { series: "nights".to_owned(), step }];
    let digest = MailKey { user_id: USER, template: "milestone-digest", value: "1".to_owned() };
    assert!(catalogue.celebrate(USER, &mark(10), Some((&digest, "{}")), NOW).await.unwrap());
    assert!(
        !catalogue.celebrate(USER, &mark(10), Some((&key("nights-10"), "{}")), NOW).await.unwrap()
    );
    assert!(!catalogue.celebrate(USER, &mark(1), None, NOW).await.unwrap());
    assert!(catalogue.celebrate(USER, &mark(25), None, NOW).await.unwrap());
    assert!(!catalogue.celebrate(USER + 1, &mark(1), None, NOW).await.unwrap(), "nobody");
    let marks = catalogue.milestone_marks(USER).await.unwrap();
    assert_eq!(marks, BTreeMap::from([("nights".to_owned(), 25)]));
    assert_eq!(catalogue.ledger(None, None, 9).await.unwrap().len(), 1, "both or neither");
}

async fn nights_are_told(database: Database) {
    let catalogue = with_user(&database).await;
    let day = NaiveDate::from_ymd_opt(2019, 6, 14).unwrap();
    for sql in [
        "INSERT INTO venues (venue_id, name, city, created_at, updated_at) VALUES ('v', 'Club', 'Köln', 1, 1)".to_owned(),
        "INSERT INTO artists (artist_id, name, created_at, updated_at) VALUES ('a', 'Band', 1, 1), ('b', 'Opener', 1, 1)".to_owned(),
        "INSERT INTO event_nights (night_id, venue_id, local_date, festival, created_at) VALUES ('n', 'v', '2019-06-14', 0, 1)".to_owned(),
        "INSERT INTO setlists (setlist_id, night_id, artist_id, url, songs, created_at, updated_at) \
         VALUES ('1', 'n', 'b', 'u', 1, 1, 1), ('2', 'n', 'a', 'u', 9, 1, 1), ('3', 'n', 'a', 'u', 2, 1, 1)".to_owned(),
        format!("INSERT INTO photos (user_id, provider, file_id, name, source_rev, created_at, updated_at) \
         VALUES ({USER}, 'folder', '1', 'x', '1', 1, 1), ({USER}, 'folder', '2', 'x', '1', 1, 1)"),
        format!("INSERT INTO photo_links (user_id, provider, file_id, night_id, decided_by, linked_at) \
         VALUES ({USER}, 'folder', '1', 'n', 'user', 9), ({USER}, 'folder', '2', 'n', 'auto', 5)"),
    ] {
        catalogue.execute(&sql).await;
    }
    let nights = catalogue.nights_of(USER).await.unwrap();
    let [night] = &nights[..] else { panic!("{nights:?}") };
    assert_eq!(
        (night.date, night.linked_at, night.confirmed, night.festival),
        (day, 5, true, false)
    );
    let mut artists = night.artists.clone();
    artists.sort();
    assert_eq!(artists, ["a", "b"]);
    let told = NightTold {
        date: day,
        venue: "Club".into(),
        city: Some("Köln".into()),
        artists: vec![("a".into(), "Band".into()), ("b".into(), "Opener".into())],
    };
    assert_eq!(catalogue.night_told("n").await.unwrap(), Some(told));
    assert_eq!(catalogue.night_told("m").await.unwrap(), None);
    let dates = [day, day.succ_opt().unwrap(), day.pred_opt().unwrap()];
    assert_eq!(catalogue.users_with_nights_on(&dates, i64::MIN, 9).await.unwrap(), [0; 0]);
    assert!(catalogue.set_mail_wanted(USER, "milestones", true, NOW).await.unwrap());
    assert_eq!(catalogue.users_with_nights_on(&dates, i64::MIN, 9).await.unwrap(), [USER]);
    assert_eq!(catalogue.users_with_nights_on(&dates, USER, 9).await.unwrap(), [0; 0]);
}

async fn everything_of_a_user_goes_with_the_user(database: Database) {
    let catalogue = with_user(&database).await;
    reserve(&catalogue, "1", None).await;
    assert!(catalogue.set_mail_wanted(USER, "scans", true, NOW).await.unwrap());
    let mark = [Mark { series: "nights".to_owned(), step: 1 }];
    assert!(catalogue.celebrate(USER, &mark, None, NOW).await.unwrap());
    let sql = format!("INSERT INTO mail_recipients (user_id, address) VALUES ({USER}, 'a@b.c')");
    catalogue.execute(&sql).await;
    catalogue.execute("DELETE FROM users").await;
    for table in ["mails", "mail_preferences", "mail_recipients", "milestone_marks"] {
        let left = catalogue.rows(&format!("SELECT CAST(user_id AS TEXT) FROM {table}")).await;
        assert!(left.is_empty(), "{table}");
    }
    assert!(!catalogue.begin_sending(&key("1"), 0, "<m>", NOW).await.unwrap());
}
