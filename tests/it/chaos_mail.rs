//! Workers are killed, mails put off and connections cut while mails go out: nobody gets one twice, and every one
//! that was not sent is in the ledger, with why.
//!
//! `CHAOS=full` runs it at full length.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use roadie_jobs::effects::catalogue::MailState;
use serde_json::json;
use tokio::time::Instant;

use super::support::fleet::{Fleet, Recovery, Storm, figures, full, now_ms};
use super::support::redis::RedisServer;
use super::support::smtp::{MAILS, MailServer, Speaks};
use super::support::stage::Stage;

const WORKERS: usize = 3;
const FIRST: u32 = 1_000_000;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_storm_of_kills_and_cuts_sends_no_mail_twice() {
    let (mails, kill_every): (u32, u64) = if full() { (2_000, 2_000) } else { (300, 1_000) };
    let recovery = Recovery::of_this_run();
    let redis = Arc::new(need!(RedisServer::start(&[])));
    let stage = Stage::on(redis);
    let server = need!(MailServer::start(&stage, Speaks::Plain));
    // A breaker that opens at each cut would only make it longer.
    let stage = recovery.set(server.serve(stage)).set("budgets.trip_after", 1_000);
    server.faults(&json!({ "later": 0.15, "cut": 0.05, "sleep": 0.3 }));
    let catalogue = stage.catalogue().await;
    let users: Vec<u32> = (FIRST..FIRST + mails).collect();
    let rows = |row: &dyn Fn(&u32) -> String| users.iter().map(row).collect::<Vec<_>>().join(", ");
    let sql = rows(&|user| format!("({user}, 1)"));
    stage.execute(&format!("INSERT INTO users (user_id, created_at) VALUES {sql}")).await;
    let sql = rows(&|user| format!("({user}, 'u{user}@example.org')"));
    stage.execute(&format!("INSERT INTO mail_recipients (user_id, address) VALUES {sql}")).await;
    let mail =
        |user: &u32| json!({ "userId": user, "template": "reconnect-needed", "value": "drive-1" });
    stage.add_many(MAILS, "send-email", users.iter().map(mail)).await;

    let mut fleet = Fleet::serving(&stage, WORKERS).await;
    let (started, queues) = (Instant::now(), stage.queues().await);
    let all = u64::from(mails);
    let limit = Duration::from_millis(all * 300) + 3 * recovery.promised();
    let mut storm = Storm::new(Duration::from_millis(kill_every), all / 100);
    let mut kills = 0;
    loop {
        let depth = queues.depth(MAILS, now_ms()).await.unwrap();
        let ended = depth.of("completed") + depth.of("failed");
        if ended == all {
            break;
        }
        assert!(started.elapsed() < limit, "not done within {limit:?}: {depth:?}");
        kills += usize::from(fleet.strike(&mut storm, ended).await.is_some());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let took = started.elapsed();
    fleet.end().await;

    let mut taken: BTreeMap<String, usize> = BTreeMap::new();
    for (address, _) in server.taken() {
        *taken.entry(address).or_default() += 1;
    }
    let twice: Vec<_> = taken.iter().filter(|(_, times)| **times > 1).collect();
    assert!(twice.is_empty(), "sent twice: {twice:?}");
    let ledger = catalogue.ledger(None, None, mails + 1).await.unwrap();
    assert_eq!(ledger.len(), users.len());
    let mut states: BTreeMap<&str, usize> = BTreeMap::new();
    for mail in &ledger {
        *states.entry(mail.state.as_str()).or_default() += 1;
        let taken = taken.contains_key(&format!("u{}@example.org", mail.user_id));
        match mail.state {
            MailState::Sent => assert!(taken, "said to be sent: {mail:?}"),
            // Of one whose job was given up on, since it took three workers down, that is all that is known.
            MailState::Unknown | MailState::Sending => {
                assert!(mail.reason.is_some(), "without a reason: {mail:?}");
            }
            _ => panic!("it was to be sent: {mail:?}"),
        }
    }
    let lost = users.len() - taken.len();
    let unknown = users.len() - states["sent"];
    assert!(kills > 2 && unknown > 0 && lost <= unknown, "no storm: {kills} kills, {states:?}");
    figures(&format!(
        "mail storm: {mails} mails in {took:.1?}, {kills} kills; {states:?}; of those of which nobody knows, \
         {lost} were not sent; none twice"
    ));
}
