//! `roadie health`: what health checks of containers and scripts that restart processes ask.

use std::sync::Arc;

use super::support::process::{Process, run};
use super::support::redis::{RedisServer, free_port};
use super::support::stage::Stage;

#[tokio::test]
async fn health_says_whether_the_process_on_this_host_works() {
    let redis = Arc::new(need!(RedisServer::start(&[])));
    let port = free_port();
    let stage = Stage::on(Arc::clone(&redis)).set("http.listen", format!("0.0.0.0:{port}"));
    let stage = stage.set("http.api", false);
    let nobody = run(&stage, &["health"]).await;
    assert_eq!(nobody.code, 1, "{nobody:?}");
    assert!(nobody.err.contains("does not answer; is roadie running here?"), "{nobody:?}");

    // Whoever restarts a process asks before it listens.
    let (process, waited) =
        tokio::join!(Process::serving(&stage), run(&stage, &["health", "--wait", "25s"]));
    assert_eq!((waited.code, waited.out.as_str()), (0, "ready\n"), "{waited:?}");

    redis.kill();
    let down = run(&stage, &["health"]).await;
    assert_eq!(down.code, 1, "{down:?}");
    assert!(down.err.contains("not ready: redis: "), "{down:?}");
    redis.restart();
    let again = run(&stage, &["health", "--wait", "25s"]).await;
    assert_eq!(again.code, 0, "{again:?}");
    process.kill().await;
}
