//! TLS with a CA of one's own, to a server that asks for a certificate.

use std::sync::Arc;

use serde_json::json;

use super::support::certificates::Certificates;
use super::support::process::{Process, run};
use super::support::redis::{RedisServer, complete, free_port};
use super::support::stage::Stage;

const QUEUE: &str = "rehearsals";

fn server(certificates: &Certificates, port: u16) -> RedisServer {
    let port = port.to_string();
    let file = |name| certificates.file(name);
    let options = [
        ("--tls-port", port),
        ("--tls-ca-cert-file", file("ca.pem")),
        ("--tls-cert-file", file("server.pem")),
        ("--tls-key-file", file("server.key")),
        ("--tls-auth-clients", "yes".to_owned()),
    ];
    let options: Vec<&str> =
        options.iter().flat_map(|(option, value)| [*option, value.as_str()]).collect();
    RedisServer::start(&options).unwrap()
}

/// Everything that a user of this server has to say.
fn trusted(stage: Stage, certificates: &Certificates) -> Stage {
    stage
        .set("redis.ca_file", certificates.file("ca.pem"))
        .set("redis.cert_file", certificates.file("client.pem"))
        .set("redis.key_file", certificates.file("client.key"))
}

#[tokio::test]
async fn jobs_are_added_and_done_over_tls_with_certificates_on_both_sides() {
    need!(complete());
    let folder = tempfile::tempdir().unwrap();
    let certificates = Certificates::write(folder.path());
    let port = free_port();
    let redis = Arc::new(server(&certificates, port));
    let stage = Stage::on(Arc::clone(&redis))
        .set("redis.url", format!("rediss://localhost:{port}"))
        .with_rehearsals(4);
    let stage = trusted(stage, &certificates);
    let said = run(&stage, &["check"]).await;
    assert!(
        said.out.contains(&format!("ok     redis          rediss://localhost:{port};")),
        "{said:?}"
    );
    let mut process = Process::serving(&stage).await;
    let payload = r#"{"act":"steps","steps":2,"stepMs":10}"#;
    let said = run(&stage, &["enqueue", QUEUE, "rehearse", payload, "--watch"]).await;
    assert_eq!(said.code, 0, "{said:?}");
    redis.kill();
    redis.restart();
    let id = stage.add(QUEUE, "rehearse", json!({ "act": "return" })).await;
    stage.completed(QUEUE, &id).await;
    assert!(process.runs(), "{}", process.log());
    process.kill().await;
}

#[tokio::test]
async fn what_is_wrong_with_a_certificate_is_said() {
    need!(complete());
    let (folder, strange) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (certificates, strangers) =
        (Certificates::write(folder.path()), Certificates::write(strange.path()));
    let port = free_port();
    let redis = Arc::new(server(&certificates, port));
    let url = format!("rediss://localhost:{port}");
    let stage = || Stage::on(Arc::clone(&redis)).set("redis.url", &url);
    let good = || trusted(stage(), &certificates);
    for (what, stage, code, named) in [
        ("the usual CAs only", stage(), 1, "UnknownIssuer"),
        ("another CA", trusted(stage(), &strangers), 1, "certificate"),
        (
            "no certificate",
            good().set("redis.cert_file", "").set("redis.key_file", ""),
            1,
            "ertificate",
        ),
        ("a certificate without its key", good().set("redis.key_file", ""), 64, "belong together"),
        (
            "no such file",
            good().set("redis.ca_file", "/no/ca.pem"),
            1,
            "cannot read /no/ca.pem (redis.ca_file)",
        ),
        ("no TLS", good().set("redis.url", "redis://localhost"), 64, "rediss://"),
    ] {
        let said = run(&stage, &["check"]).await;
        assert_eq!(said.code, code, "{what}: {said:?}");
        let text = format!("{}{}", said.out, said.err);
        assert!(text.contains(named), "{what}: {said:?}");
    }
    assert_eq!(run(&good(), &["check"]).await.code, 0);
}
