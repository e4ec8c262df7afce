//! The connection to Redis replaces itself, also the one that blocks.

use std::sync::Arc;
use std::time::{Duration, Instant};

use roadie::queue::Link;
use roadie::queue::link::fault::Fault;

use super::support::redis::{RedisServer, free_port};
use super::support::stage::Stage;
use super::support::{eventually, within};

/// `redis.answer_timeout`, short enough to be waited for.
const ANSWER: Duration = Duration::from_secs(1);
const BLOCK: Duration = Duration::from_secs(1);
/// For the machine to notice.
const SLACK: Duration = Duration::from_secs(20);

async fn link() -> (Arc<RedisServer>, Link, String) {
    let port = free_port();
    let redis = Arc::new(RedisServer::start(&["--port", &port.to_string()]).unwrap());
    let stage = Stage::on(Arc::clone(&redis))
        .set("redis.url", format!("redis://127.0.0.1:{port}"))
        .set("redis.answer_timeout", format!("{}ms", ANSWER.as_millis()));
    (redis, stage.queues().await.redis(), stage.prefix.clone())
}

async fn pop(
    mut link: Link,
    key: &str,
) -> Result<Option<(String, String, f64)>, redis::RedisError> {
    redis::cmd("BZPOPMIN").arg(key).arg(BLOCK.as_secs()).query_async(&mut link).await
}

async fn name_is_known(redis: &RedisServer, name: &str) {
    eventually("the connection has its name", async || {
        let clients: String = redis.ask("CLIENT LIST").unwrap();
        if clients.contains(&format!("name={name} ")) { Ok(()) } else { Err(clients) }
    })
    .await;
}

#[tokio::test]
async fn a_frozen_server_hangs_no_command_for_ever() {
    need!(super::support::redis::shared());
    let (redis, link, key) = link().await;
    let dedicated = link.dedicated("waits");
    assert_eq!(pop(dedicated.clone(), &key).await.unwrap(), None);
    let generation = link.generation();
    redis.signal("STOP");
    let asked = Instant::now();
    let get = async |mut link: Link| redis::cmd("GET").arg(&key).exec_async(&mut link).await;
    let (blocked, answered) = tokio::join!(pop(dedicated.clone(), &key), get(link.clone()));
    for error in [blocked.unwrap_err(), answered.unwrap_err()] {
        assert_eq!(Fault::of(&error), Fault::Broken, "{error}");
    }
    assert!(asked.elapsed() < BLOCK + ANSWER + SLACK, "{:?}", asked.elapsed());
    redis.signal("CONT");
    within(SLACK, "both answer again", async || {
        redis::cmd("ZADD")
            .arg(&key)
            .arg(0)
            .arg("a job")
            .query_async::<()>(&mut link.clone())
            .await
            .map_err(|e| e.to_string())?;
        let popped = pop(dedicated.clone(), &key).await.map_err(|e| e.to_string())?;
        popped.map(drop).ok_or_else(|| "nothing".to_owned())
    })
    .await;
    assert!(link.changed(generation).await > generation);
}

#[tokio::test]
async fn a_connection_that_is_cut_is_replaced_at_once_and_keeps_its_name() {
    need!(super::support::redis::shared());
    let (redis, link, key) = link().await;
    let dedicated = link.dedicated("waits");
    name_is_known(&redis, "waits").await;
    let before = (link.generation(), dedicated.generation());
    let waiting = tokio::spawn({
        let (dedicated, key) = (dedicated.clone(), key.clone());
        async move {
            loop {
                if let Err(error) = pop(dedicated.clone(), &key).await {
                    return error;
                }
            }
        }
    });
    eventually("it blocks", async || {
        let clients: String = redis.ask("INFO clients").unwrap();
        if clients.contains("blocked_clients:1") { Ok(()) } else { Err(clients) }
    })
    .await;
    redis.ask::<i64>("CLIENT KILL TYPE normal").unwrap();
    let cut = Instant::now();
    assert_eq!(Fault::of(&waiting.await.unwrap()), Fault::Broken);
    // It may take the idle one a heartbeat to notice.
    within(SLACK, "both are new", async || {
        let now = (link.generation(), dedicated.generation());
        if now.0 > before.0 && now.1 > before.1 { Ok(()) } else { Err(format!("{now:?}")) }
    })
    .await;
    assert_eq!(pop(dedicated, &key).await.unwrap(), None);
    assert!(cut.elapsed() < SLACK + BLOCK + ANSWER, "{:?}", cut.elapsed());
    name_is_known(&redis, "waits").await;
}

#[tokio::test]
async fn without_a_server_commands_fail_soon_and_say_why() {
    need!(super::support::redis::shared());
    let (redis, link, key) = link().await;
    redis.kill();
    let asked = Instant::now();
    let said = eventually("there is no connection", async || {
        let reply = redis::cmd("GET").arg(&key).query_async::<()>(&mut link.clone()).await;
        let error = reply.unwrap_err().to_string();
        if error.contains("no connection to Redis") { Ok(error) } else { Err(error) }
    })
    .await;
    assert!(said.contains("refused"), "{said}");
    assert!(asked.elapsed() < SLACK + SLACK, "{:?}", asked.elapsed());
}
