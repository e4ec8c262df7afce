//! Answers are kept for the whole fleet, asked for once, and nothing else is ever kept.

use std::sync::Arc;
use std::time::Duration;

use redis::AsyncCommands as _;
use roadie::stand_in::{Service, Trouble};
use roadie_jobs::effects::web::Unanswered;
use tokio::task::JoinSet;

use super::support::eventually;
use super::support::questions::{asker, put, question, stand_ins};
use super::support::stage::Stage;

/// A budget that is not what is tested.
fn stage() -> Result<Stage, super::support::Missing> {
    Ok(Stage::new()?
        .set("budgets.setlist_fm.rate", 1_000)
        .set("budgets.setlist_fm.burst", 1_000)
        .set("budgets.trip_after", 1_000))
}

async fn keys(stage: &Stage, part: &str) -> Vec<String> {
    let mut redis = stage.queues().await.redis();
    redis::cmd("KEYS")
        .arg(format!("{}:roadie:{part}", stage.prefix))
        .query_async(&mut redis)
        .await
        .unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_that_ask_the_same_at_once_ask_once() {
    let stage = need!(stage());
    let stand_ins = Arc::new(stand_ins(&stage).await);
    stand_ins.troubles(Service::SetlistFm).once(Trouble::Slow(Duration::from_millis(300)));
    let mut asking = JoinSet::new();
    for _ in 0..8 {
        let fetch = asker(&stage).await;
        for _ in 0..7 {
            let (fetch, ask) = (Arc::clone(&fetch), question(&stand_ins, 1));
            asking.spawn(async move {
                // Who waits for another's answer is told after a while to come again.
                while let Err(unanswered) = put(&*fetch, &ask).await {
                    let Unanswered::Resting { after, .. } = unanswered else {
                        panic!("{unanswered:?}")
                    };
                    tokio::time::sleep(after).await;
                }
            });
        }
    }
    while let Some(answered) = asking.join_next().await {
        answered.unwrap();
    }
    assert_eq!(stand_ins.asked(Service::SetlistFm), 1);
    // Nobody reads in Redis where somebody was, or a key.
    let kept = keys(&stage, "answers:*").await;
    assert!(kept.iter().all(|key| !key.contains("2019") && !key.contains("stand-in")), "{kept:?}");
    let answer = kept.iter().find(|key| !key.ends_with(":sizes")).unwrap();
    let lasts: i64 = stage.queues().await.redis().ttl(answer).await.unwrap();
    assert!((29 * 86_400..=30 * 86_400).contains(&lasts), "{lasts}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_asks_may_die() {
    let stage = need!(stage());
    let stand_ins = Arc::new(stand_ins(&stage).await);
    let (one, other) = (asker(&stage).await, asker(&stage).await);
    let begin = || {
        stand_ins.troubles(Service::SetlistFm).once(Trouble::Slow(Duration::from_mins(1)));
        let (fetch, ask) = (Arc::clone(&one), question(&stand_ins, 1));
        tokio::spawn(async move { put(&*fetch, &ask).await })
    };
    let asked = async |times: usize| {
        eventually("it is asked", async || match stand_ins.asked(Service::SetlistFm) {
            asked if asked == times => Ok(()),
            asked => Err(format!("{asked}")),
        })
        .await;
    };
    // A job that is cut off lets go of it at once.
    let job = begin();
    asked(1).await;
    job.abort();
    eventually("nobody asks", async || match keys(&stage, "claim:ask:*").await {
        held if held.is_empty() => Ok(()),
        held => Err(format!("{held:?}")),
    })
    .await;
    // A process that dies keeps it until its lease runs out, and others are told to come later.
    let job = begin();
    asked(2).await;
    let waits = put(&*other, &question(&stand_ins, 1)).await.unwrap_err();
    assert!(matches!(waits, Unanswered::Resting { .. }), "{waits:?}");
    let held = keys(&stage, "claim:ask:*").await.remove(0);
    let mut redis = stage.queues().await.redis();
    let lease: i64 = redis.pttl(&held).await.unwrap();
    assert!((1..=47_000).contains(&lease), "{lease}");
    let _: () = redis.pexpire(&held, 1).await.unwrap();
    eventually("another one asks", async || {
        put(&*other, &question(&stand_ins, 1)).await.map_err(|error| error.to_string())
    })
    .await;
    assert_eq!(stand_ins.asked(Service::SetlistFm), 3);
    job.abort();
}

#[tokio::test]
async fn what_is_no_answer_is_never_kept() {
    let stage = need!(stage());
    let stand_ins = stand_ins(&stage).await;
    let fetch = asker(&stage).await;
    let budgets = super::support::questions::budgets(&stage).await;
    for trouble in [
        Trouble::TooMany(None),
        Trouble::TooMany(Some(120)),
        Trouble::Forbidden,
        Trouble::Busy,
        Trouble::Broken,
        Trouble::BanPage,
        Trouble::Remark,
        Trouble::CutOff,
    ] {
        stand_ins.troubles(Service::SetlistFm).once(trouble.clone());
        // Cut in the middle, it still begins as an answer does.
        let answered = put(&*fetch, &question(&stand_ins, 1)).await;
        if trouble != Trouble::CutOff {
            answered.unwrap_err();
            assert_eq!(keys(&stage, "answers:*").await, [] as [String; 0], "{trouble:?}");
        }
        budgets.resume(roadie_jobs::effects::Target::SetlistFm, "test").await.unwrap();
    }
}

#[tokio::test]
async fn what_is_kept_has_a_limit() {
    let stage = need!(stage()).set("cache.max_bytes", "1KB");
    let stand_ins = stand_ins(&stage).await;
    let fetch = asker(&stage).await;
    for number in 0..60 {
        put(&*fetch, &question(&stand_ins, number)).await.unwrap();
    }
    let mut redis = stage.queues().await.redis();
    let mut bytes = 0;
    let answers = keys(&stage, "answers:*").await;
    let answers: Vec<&String> = answers.iter().filter(|key| !key.ends_with(":sizes")).collect();
    for key in &answers {
        bytes += redis.strlen::<_, usize>(key).await.unwrap();
    }
    assert!((2..60).contains(&answers.len()) && (500..=1_000).contains(&bytes), "{bytes}");
    // The latest one is there, the first one is not.
    put(&*fetch, &question(&stand_ins, 59)).await.unwrap();
    assert_eq!(stand_ins.asked(Service::SetlistFm), 60);
    put(&*fetch, &question(&stand_ins, 0)).await.unwrap();
    assert_eq!(stand_ins.asked(Service::SetlistFm), 61);
    // One that is too large is asked for each time.
    let stage = Stage::joining(&stage).set("cache.max_entry", "1B");
    let fetch = asker(&stage).await;
    for _ in 0..2 {
        put(&*fetch, &question(&stand_ins, 99)).await.unwrap();
    }
    assert_eq!(stand_ins.asked(Service::SetlistFm), 63);
}
