//! The listener: `/livez`, `/readyz`, `/metrics`, and the API if there is one.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use metrics_exporter_prometheus::PrometheusHandle;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::{health, metrics};
use crate::worker::Engine;

#[derive(Clone)]
struct Shared {
    engine: Arc<Engine>,
    metrics: PrometheusHandle,
    draining: CancellationToken,
}

/// Serves until `stop`; answers the address that it listens on.
pub(crate) async fn serve(
    listen: SocketAddr,
    engine: Arc<Engine>,
    metrics: PrometheusHandle,
    draining: CancellationToken,
    stop: CancellationToken,
    api: Option<Router>,
) -> std::io::Result<SocketAddr> {
    let listener = TcpListener::bind(listen).await?;
    let address = listener.local_addr()?;
    let control = engine.control.clone();
    let router = Router::new()
        .route("/livez", get(|| async { "alive\n" }))
        .route("/readyz", get(ready))
        .route("/metrics", get(render))
        .with_state(Shared { engine, metrics, draining })
        .merge(api.unwrap_or_default());
    control.spawn(async move {
        let served = axum::serve(listener, router).with_graceful_shutdown(stop.cancelled_owned());
        if let Err(error) = served.await {
            tracing::error!(%error, "the HTTP listener ended");
        }
    });
    Ok(address)
}

async fn ready(State(shared): State<Shared>) -> Response {
    let checks = health::ready(&shared.engine, shared.draining.is_cancelled()).await;
    let ok = checks.iter().all(|check| check.ok);
    let status = if ok { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, axum::Json(serde_json::json!({ "ready": ok, "checks": checks }))).into_response()
}

async fn render(State(shared): State<Shared>) -> Response {
    metrics::refresh(&shared.engine).await;
    let text = metrics::render(&shared.metrics);
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text).into_response()
}
