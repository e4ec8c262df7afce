//! One of two users is erased: nothing of the one remains anywhere, everything of the other is as it was.

use serde_json::{Value, json};

use super::matching::MATCHING;
use super::support::eventually;
use super::support::neighbours::{Neighbours, PRIVACY, SCANS, SHELF, rows_of};
use super::support::process::run;
use super::support::stage::Stage;
use super::support::traces::{names, objects, tables};
use super::support::worker::Worker;

on_both_databases!(nothing_of_one_user_remains_and_all_of_the_other);

async fn nothing_of_one_user_remains_and_all_of_the_other(stage: Stage) {
    let scene = Neighbours::new(stage).await;
    let (stage, one, other) = (&scene.stage, scene.one, scene.other);
    let worker = Worker::start(stage).await;
    for user in [one, other] {
        scene.lives(user).await;
    }
    scene.rests().await;
    let before = tables(stage).await;
    let (of_one, of_other) = (rows_of(&before, one), rows_of(&before, other));
    for table in [
        "photos",
        "photo_links",
        "photo_variants",
        "session_photos",
        "provider_accounts",
        "photo_fingerprints",
        "dead_letters",
        "exports",
        "mails",
        "mail_recipients",
        "mail_preferences",
        "users",
    ] {
        assert!(!of_one[table].is_empty(), "{table} holds nothing, and proves nothing");
    }
    let (mails_of_one, mails_of_other) = (scene.mails(one), scene.mails(other));
    assert!(!mails_of_one.is_empty());
    let objects_before = objects(&scene.server, "images").await;
    let (jobs_of_one, jobs_of_other) = (scene.jobs(one).await, scene.jobs(other).await);
    assert_eq!(jobs_of_one[SHELF], 5, "{jobs_of_one:?}");
    assert!(!scene.left_of(one).await.is_empty());

    let id = scene.erase("r-1", one).await;
    let receipt = stage.returned(PRIVACY, &id).await;

    assert_eq!(scene.left_of(one).await, Vec::<String>::new());
    let after = tables(stage).await;
    assert_eq!(rows_of(&after, other), of_other);
    for table in ["venues", "venue_names", "artists", "event_nights", "setlists"] {
        assert_eq!(after[table], before[table], "{table} is everybody's");
    }
    let objects_after = objects(&scene.server, "images").await;
    let others: Vec<String> =
        objects_before.iter().filter(|key| names(key, other)).cloned().collect();
    assert_eq!((objects_after.len(), &objects_after), (6, &others));
    assert_eq!(objects(&scene.server, "exports").await, [format!("exports/{other}/all.csv")]);
    assert_eq!(scene.mails(other), mails_of_other);
    assert_eq!(scene.jobs(other).await, jobs_of_other);
    let queue = stage.queues().await.queue(SHELF).await.unwrap();
    assert_eq!(queue.get_job_schedulers(0, -1, true).await.unwrap().len(), 1);

    // The receipt tells what was counted before, and of nobody.
    for (table, rows) in &of_one {
        let told = receipt["removed"]["catalogue"][table].as_u64().unwrap_or(0);
        assert_eq!(told, rows.len() as u64, "{table}: {receipt}");
    }
    let objects_of_one = objects_before.len() - others.len();
    assert_eq!(receipt["removed"]["objects"]["variants"], objects_of_one, "{receipt}");
    assert_eq!(receipt["removed"]["objects"]["exports"], 1, "{receipt}");
    assert_eq!(receipt["removed"]["mails"]["files"], mails_of_one.len(), "{receipt}");
    assert_eq!(receipt["removed"]["queues"], json!(jobs_of_one), "{receipt}");
    assert_eq!(receipt["removed"]["redis"]["schedules"], 1, "{receipt}");
    assert_eq!(receipt["removed"]["accounts"], json!({ "drive: revoked": 1 }));
    assert!(!receipt.to_string().contains(&one.to_string()), "{receipt}");
    assert_eq!(scene.drive.calls()["revoke"], 1);

    // Whoever asks for something of the user now gets nothing of it, and leaves nothing.
    let late = json!({ "userId": one, "path": stage.folder(&format!("photos/of-{one}")) });
    let late = stage.add(SCANS, "scan-folder", late).await;
    stage.gone(SCANS, &late).await;
    assert_eq!(scene.left_of(one).await, Vec::<String>::new());

    // The same request again answers the same receipt.
    stage.queues().await.queue(PRIVACY).await.unwrap().remove(&id).await.unwrap();
    scene.erase("r-1", one).await;
    assert_eq!(stage.returned(PRIVACY, &id).await, receipt);
    let payload = json!({ "requestId": "r-1", "userId": other });
    let wrong = stage.add(PRIVACY, "delete-user", payload).await;
    let failed = stage.failed(PRIVACY, &wrong).await;
    assert_eq!(failed.failed_reason(), "request r-1 was about another user; use a new id");
    assert_eq!(rows_of(&tables(stage).await, other)["photos"], of_other["photos"]);

    sweep_and_restore(&scene).await;
    worker.stop().await;
}

/// What a late writer has left is found by the second look; somebody may come back.
async fn sweep_and_restore(scene: &Neighbours) {
    let (stage, one) = (&scene.stage, scene.one);
    let key = format!("variants/{one}/p/48-x.webp");
    scene.server.put("images", &key, b"late");
    let sweep = "erase:r-1:sweep";
    let queue = stage.queues().await.queue(PRIVACY).await.unwrap();
    let job = queue.get_job(sweep).await.unwrap().unwrap();
    job.promote().await.unwrap();
    let receipt = stage.returned(PRIVACY, sweep).await;
    assert_eq!(receipt["swept"]["objects"]["variants"], 1, "{receipt}");
    let swept = &receipt["swept"]["catalogue"];
    assert!(swept.as_object().unwrap().values().all(|rows| rows == 0), "{receipt}");
    assert_eq!(objects(&scene.server, "images").await.len(), 6);
    // Only the second look itself still knows whom it was about.
    let shown = run(stage, &["privacy", "show", "r-1"]).await;
    assert_eq!(serde_json::from_str::<Value>(&shown.out).unwrap(), receipt, "{}", shown.err);
    let listed = run(stage, &["privacy", "receipts"]).await;
    assert!(listed.out.contains("r-1") && !listed.out.contains(&one.to_string()), "{}", listed.out);

    let user = one.to_string();
    let restored = run(stage, &["privacy", "restore", &user]).await;
    assert_eq!(restored.code, 0, "{}", restored.err);
    assert_eq!(run(stage, &["privacy", "restore", &user]).await.code, 1);
    let back = json!({ "userId": one, "path": stage.folder(&format!("photos/of-{one}")) });
    let id = stage.add(SCANS, "scan-folder", back).await;
    assert_eq!(stage.returned(SCANS, &id).await["linked"], 6);
    eventually("the second scan has no jobs left", async || {
        let queue = stage.queues().await.queue(MATCHING).await.unwrap();
        match queue.get_active_count().await.unwrap() {
            0 => Ok(()),
            more => Err(more.to_string()),
        }
    })
    .await;
}
