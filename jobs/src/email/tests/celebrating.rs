//! From links to congratulations.

use super::*;

/// So many nights of a user, one a week up to 2023-11-10, with one photo each; linked then.
async fn nights(stage: &Stage, from: usize, count: usize, linked_at: i64) {
    let catalogue = &stage.inner.effects.catalogue;
    let last = chrono::NaiveDate::from_ymd_opt(2023, 11, 10).unwrap();
    let mut sql = vec![
        "INSERT INTO venues (venue_id, name, created_at, updated_at) VALUES ('v', 'Club', 1, 1) ON CONFLICT DO NOTHING".to_owned(),
        "INSERT INTO artists (artist_id, name, created_at, updated_at) VALUES ('a', 'Band', 1, 1) ON CONFLICT DO NOTHING".to_owned(),
    ];
    for number in from..from + count {
        let date = last - chrono::TimeDelta::weeks(i64::try_from(number).unwrap());
        sql.extend([
            format!("INSERT INTO event_nights (night_id, venue_id, local_date, festival, created_at) VALUES ('v@{date}', 'v', '{date}', 0, 1)"),
            format!("INSERT INTO photos (user_id, provider, file_id, name, source_rev, created_at, updated_at) VALUES ({USER}, 'folder', '{number}', 'x', '1', 1, 1)"),
            format!("INSERT INTO photo_links (user_id, provider, file_id, night_id, decided_by, linked_at) VALUES ({USER}, 'folder', '{number}', 'v@{date}', 'auto', {linked_at})"),
        ]);
    }
    for sql in sql {
        catalogue.execute(&sql).await;
    }
}

async fn celebrate(stage: &Stage) -> Value {
    stage.run("celebrate-milestones", json!({ "userId": USER })).await.unwrap()
}

const DAY: i64 = 86_400_000;

#[tokio::test]
async fn a_back_fill_is_one_mail_and_the_next_night_is_one_of_its_own() {
    let stage = Stage::new().await;
    nights(&stage, 1, 99, NOW - 2 * DAY).await;
    assert_eq!(celebrate(&stage).await["milestones"], 1);
    assert_eq!(celebrate(&stage).await["milestones"], 0);
    nights(&stage, 0, 1, NOW - 2 * DAY).await;
    let mail = celebrate(&stage).await;
    assert_eq!(mail["mail"], "nights-100");
    let jobs = stage.inner.desk.jobs.lock().unwrap().clone();
    let ids: Vec<&str> = jobs.iter().map(|job| job.id.as_str()).collect();
    assert_eq!(ids[0], format!("mail:{USER}:milestone-digest:{NOW}"));
    assert_eq!(ids.last().unwrap(), &format!("mail:{USER}:milestone:nights-100"));
    for job in &jobs {
        stage.inner.run(job).await.unwrap();
    }
    let subjects: Vec<String> = stage
        .taken()
        .iter()
        .map(|mail| mail.lines().find(|line| line.starts_with("Subject: ")).unwrap().to_owned())
        .collect();
    assert_eq!(
        subjects,
        ["Subject: What there is to celebrate: Your 50th concert", "Subject: Your 100th concert"]
    );
}

#[tokio::test]
async fn a_young_link_waits_and_an_undone_one_is_never_celebrated_again() {
    let mut stage = Stage::new().await;
    nights(&stage, 0, 1, NOW - DAY / 2).await;
    assert_eq!(celebrate(&stage).await["milestones"], 0);
    let job = stage.inner.desk.jobs.lock().unwrap().pop_front().unwrap();
    assert_eq!(job.delay, Some(Duration::from_hours(12)));
    // Its owner says that it is right.
    stage.inner.execute("UPDATE photo_links SET decided_by = 'user'").await;
    assert_eq!(celebrate(&stage).await["mail"], "nights-1");
    stage.inner.execute("DELETE FROM photo_links").await;
    stage.inner.execute("DELETE FROM photos").await;
    stage.inner.execute("DELETE FROM event_nights").await;
    assert_eq!(celebrate(&stage).await["milestones"], 0);
    nights(&stage, 0, 1, NOW).await;
    stage.inner.later(Duration::from_hours(30));
    assert_eq!(celebrate(&stage).await["milestones"], 0);
}

#[tokio::test]
async fn what_was_undone_before_its_mail_went_out_is_not_told() {
    let mut stage = Stage::new().await;
    stage.at("2023-11-15T04:30:00Z");
    nights(&stage, 0, 10, NOW - 2 * DAY).await;
    celebrate(&stage).await;
    let digest = stage.inner.desk.jobs.lock().unwrap().pop_front().unwrap();
    // It is half past eleven in New York; by the morning, one of the nights is gone.
    assert!(outcome(&stage.inner.run(&digest).await).starts_with("in "));
    stage.inner.execute("DELETE FROM photo_links WHERE night_id = 'v@2023-11-10'").await;
    stage.at("2023-11-15T13:00:00Z");
    assert_eq!(outcome(&stage.inner.run(&digest).await), "unwanted");
    assert_eq!(stage.taken(), Vec::<String>::new());
}

#[tokio::test]
async fn what_was_noted_is_asked_for_although_its_worker_died() {
    let stage = Stage::new().await;
    nights(&stage, 0, 1, NOW - 2 * DAY).await;
    celebrate(&stage).await;
    stage.inner.desk.jobs.lock().unwrap().clear();
    celebrate(&stage).await;
    let jobs = stage.inner.desk.jobs.lock().unwrap().clone();
    assert_eq!(jobs.len(), 1, "{jobs:?}");
    stage.inner.run(&jobs[0]).await.unwrap();
    assert_eq!(celebrate(&stage).await["milestones"], 0);
    assert_eq!(stage.inner.desk.jobs.lock().unwrap().len(), 1, "it was tried by now");
}

#[tokio::test]
async fn who_does_not_want_to_hear_of_it_does_not_later_hear_of_all_of_it() {
    let stage = Stage::new().await;
    stage.inner.execute("UPDATE mail_preferences SET wanted = 0").await;
    nights(&stage, 0, 60, NOW - 2 * DAY).await;
    assert_eq!(celebrate(&stage).await.get("mail"), None);
    stage.inner.execute("UPDATE mail_preferences SET wanted = 1").await;
    assert_eq!(celebrate(&stage).await["milestones"], 0);
    assert_eq!(stage.ledger().await, Vec::<String>::new());
}

#[tokio::test]
async fn everybody_with_an_anniversary_is_looked_at_once_a_day() {
    let mut stage = Stage::new().await;
    nights(&stage, 0, 3, NOW - 2 * DAY).await;
    celebrate(&stage).await;
    stage.inner.desk.jobs.lock().unwrap().clear();
    stage.at("2024-11-10T06:00:00Z");
    for _ in 0..2 {
        let found = stage.run("celebrate-milestones", json!({})).await.unwrap();
        assert_eq!(found["users"], 1, "{found}");
    }
    let jobs = stage.inner.desk.jobs.lock().unwrap().clone();
    assert_eq!(jobs[0].id, format!("celebrate:{USER}:2024-11-10"));
    assert_eq!(jobs[0].id, jobs[1].id);
    let found = stage.inner.run(&jobs[0]).await.unwrap();
    assert!(found["mail"].as_str().unwrap().starts_with("anniversary-1-"), "{found}");
    stage.at("2024-11-13T06:00:00Z");
    let found = stage.run("celebrate-milestones", json!({})).await.unwrap();
    assert_eq!(found["users"], 0, "{found}");
}
