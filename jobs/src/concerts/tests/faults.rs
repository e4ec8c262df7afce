//! Whatever is wrong with an answer: nothing is linked, nobody is told that there was no concert, and once
//! the service answers well again all is as if nothing had been.

use serde_json::{Value, json};

use super::stage::*;
use crate::context::FollowUp;
use crate::effects::Target;
use crate::effects::web::Ask;
use crate::job::Decision;

/// Each value of `json` replaced by each other kind of value, or missing, one at a time.
fn spoiled(json: &Value) -> Vec<Value> {
    let others = [json!(null), json!("x"), json!(-7), json!(true), json!([[]]), json!({ "x": {} })];
    let mut all: Vec<Value> =
        others.into_iter().filter(|other| kind(other) != kind(json)).collect();
    match json {
        Value::Array(list) => {
            if let Some(first) = list.first() {
                let put = |value| {
                    let mut list = list.clone();
                    list[0] = value;
                    Value::Array(list)
                };
                all.extend(spoiled(first).into_iter().map(put));
            }
        }
        Value::Object(fields) => {
            for (name, inner) in fields {
                let put = |value| {
                    let mut fields = fields.clone();
                    fields.insert(name.clone(), value);
                    Value::Object(fields)
                };
                all.extend(spoiled(inner).into_iter().map(put));
                let mut without = fields.clone();
                without.remove(name);
                all.push(Value::Object(without));
            }
        }
        _ => {}
    }
    all
}

fn kind(json: &Value) -> std::mem::Discriminant<Value> {
    std::mem::discriminant(json)
}

/// A session to match, its jobs, and the right body of each answer.
async fn at_work() -> (Stage, [FollowUp; 2], Vec<(Target, Value)>) {
    let stage = Stage::with_a_show().await;
    stage.add(&evening(0, "2019-06-14", CLUB)).await;
    stage.ask().await;
    let venue = stage.desk.jobs.lock().unwrap().pop_front().unwrap();
    let session = venue.payload["sessionId"].as_str().unwrap();
    let scan = super::super::match_concert::Reason::Retry;
    let job = super::super::match_concert::job(USER, session, scan, "by hand".to_owned(), None);
    let right = |service, url: &str| {
        let (_, body) = stage.world.right(&Ask::get(service, url.to_owned()));
        (service, serde_json::from_str(&body).unwrap())
    };
    let answers = vec![
        right(Target::SetlistFm, "http://setlist?date=14-06-2019&p=1"),
        right(Target::Overpass, "http://overpass"),
        right(Target::Nominatim, "http://nominatim/reverse?"),
    ];
    (stage, [venue, job], answers)
}

/// What a job leaves when a service says this; answers whether it has failed.
async fn withstands(stage: &Stage, job: &FollowUp, service: Target, trouble: Trouble) -> bool {
    stage.trouble(Some((service, trouble.clone())));
    let ended = stage.run(job).await;
    stage.trouble(None);
    let none = "SELECT evening FROM match_evidence WHERE decision = 'none'";
    assert!(stage.rows(none).await.is_empty(), "no concert: {service} {trouble:?}");
    let Err(error) = ended else { return false };
    assert!(stage.links().await.is_empty(), "{service} {trouble:?}");
    let known = "SELECT session_id FROM photo_sessions WHERE venues_for IS NOT NULL \
                 OR matched_inputs IS NOT NULL";
    assert!(stage.rows(known).await.is_empty(), "{service} {trouble:?}");
    let again = matches!(error.decision(), Decision::Retry { .. } | Decision::Postpone { .. });
    assert!(again, "{service} {trouble:?}: {error}");
    true
}

/// As if nothing had been.
async fn clear(stage: &Stage) {
    stage.desk.jobs.lock().unwrap().clear();
    stage.execute("DELETE FROM photo_links").await;
    stage.execute("DELETE FROM match_evidence").await;
    stage.execute("DELETE FROM session_venues").await;
    stage.execute("UPDATE photo_sessions SET venues_for = NULL, matched_inputs = NULL").await;
}

#[tokio::test]
async fn no_trouble_of_a_service_is_an_answer() {
    let (stage, [venue, job], answers) = at_work().await;
    for (service, right) in &answers {
        let right = right.to_string();
        let mut remark: Value = serde_json::from_str(&right).unwrap();
        remark["remark"] = "runtime error: Query timed out in \"query\" at line 1".into();
        let mut troubles = vec![
            Trouble::NoReply,
            Trouble::Status(429, r#"{"message":"Too Many Requests"}"#),
            Trouble::Status(403, r#"{"message":"Forbidden"}"#),
            Trouble::Status(500, ""),
            Trouble::Status(504, "<html>busy</html>"),
            Trouble::Status(404, "<html>not here</html>"),
            Trouble::Body("<html><title>Bandwidth limit exceeded</title></html>".to_owned()),
            Trouble::Body(String::new()),
            Trouble::Body(right[..right.len() / 2].to_owned()),
            Trouble::Body(right[..right.len() - 1].to_owned()),
        ];
        if *service == Target::Overpass {
            troubles.push(Trouble::Body(remark.to_string()));
        }
        for trouble in troubles {
            let asks_it = if *service == Target::Overpass { &venue } else { &job };
            let failed = withstands(&stage, asks_it, *service, trouble.clone()).await;
            assert!(failed, "{service} {trouble:?}");
            assert!(stage.desk.jobs.lock().unwrap().is_empty(), "nothing follows from it");
        }
    }
    stage.run(&venue).await.unwrap();
    stage.work().await;
    assert_eq!(stage.links().await.len(), 6);
}

#[tokio::test]
async fn wrong_types_in_any_field_are_no_answer() {
    let (stage, [venue, job], answers) = at_work().await;
    for (service, right) in &answers {
        let spoiled = spoiled(right);
        assert!(spoiled.len() > 15, "{service}: {}", spoiled.len());
        let (mut failed, all) = (0, spoiled.len());
        for body in spoiled {
            let asks_it = if *service == Target::Overpass { &venue } else { &job };
            let trouble = Trouble::Body(body.to_string());
            if withstands(&stage, asks_it, *service, trouble).await {
                failed += 1;
            } else {
                // What is not needed for a decision does not hinder it: all is as it should be.
                stage.work().await;
                let none = "SELECT evening FROM match_evidence WHERE decision = 'none'";
                assert!(stage.rows(none).await.is_empty(), "{service} {body}");
                clear(&stage).await;
            }
        }
        assert!(failed * 2 > all, "{service}: {failed} of {all}");
    }
    stage.run(&venue).await.unwrap();
    stage.work().await;
    assert_eq!(stage.links().await.len(), 6);
}
