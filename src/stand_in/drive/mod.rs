//! Google Drive, as far as it is asked: folders, shared drives, shortcuts, pages, changes, media with
//! ranges, tokens, limits, and what goes wrong with the real one.
//!
//! - `world`: whose files there are, and what becomes of them;
//! - `query`: the part of Drive's query language that is used;
//! - `answers`: the API; `oauth`: tokens; `fault`: what goes wrong.

mod answers;
mod fault;
mod oauth;
mod query;
mod world;

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::{self, Next};
use axum::response::Response;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

pub use fault::DriveFault;
pub use world::{DriveWorld, NewFile};

/// What the addresses of thumbnails begin with, behind the host.
const THUMBNAILS: &str = "/thumbnails/";

/// The application that the stand-in knows.
pub const CLIENT: (&str, &str) = ("stand-in-client", "stand-in-secret");

/// A running Drive; it ends when this is dropped.
#[derive(Debug)]
pub struct DriveStandIn {
    shared: Arc<Shared>,
    base: String,
    task: JoinHandle<std::io::Result<()>>,
}

#[derive(Debug)]
struct Shared {
    world: Mutex<DriveWorld>,
    door: Mutex<Door>,
}

/// What is counted, delayed and broken.
#[derive(Debug, Default)]
struct Door {
    calls: BTreeMap<&'static str, u64>,
    all: u64,
    under_way: u64,
    most_at_once: u64,
    latency: Duration,
    faults: fault::Plan,
    quota: fault::Quota,
    /// What was asked, in order: kind and path with parameters.
    asked: Vec<(&'static str, String)>,
}

impl Shared {
    fn world(&self) -> MutexGuard<'_, DriveWorld> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn door(&self) -> MutexGuard<'_, Door> {
        self.door.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl DriveStandIn {
    /// Starts it with nothing in it.
    ///
    /// # Errors
    /// There is no free port.
    pub async fn start() -> anyhow::Result<Self> {
        let shared = Arc::new(Shared { world: Mutex::default(), door: Mutex::default() });
        let router = Router::new()
            .merge(answers::routes())
            .merge(oauth::routes())
            .layer(middleware::from_fn_with_state(Arc::clone(&shared), enter))
            .with_state(Arc::clone(&shared));
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let base = format!("http://{}", listener.local_addr()?);
        shared.world().thumbnails = format!("{base}{THUMBNAILS}");
        let task = tokio::spawn(async { axum::serve(listener, router).await });
        Ok(Self { shared, base, task })
    }

    /// For `google.drive`.
    pub fn drive_url(&self) -> String {
        format!("{}/drive/v3", self.base)
    }

    /// For `google.token_url`.
    pub fn token_url(&self) -> String {
        format!("{}/token", self.base)
    }

    /// For `google.thumbnails`.
    pub fn thumbnails_url(&self) -> &str {
        &self.base
    }

    /// For `google.revoke_url`.
    pub fn revoke_url(&self) -> String {
        format!("{}/revoke", self.base)
    }

    /// Looks at the world, or changes it.
    pub fn world<T>(&self, look: impl FnOnce(&mut DriveWorld) -> T) -> T {
        look(&mut self.shared.world())
    }

    /// How often it was asked, by kind: `token`, `revoke`, `files`, `file`, `media`, `thumbnail`, `changes`,
    /// `startPageToken`, `drives`. Faults included.
    pub fn calls(&self) -> BTreeMap<&'static str, u64> {
        self.shared.door().calls.clone()
    }

    /// How often the API was asked, tokens apart.
    pub fn asked(&self) -> u64 {
        self.shared.door().all
    }

    /// Kind, path and parameters of everything that was asked, in order.
    pub fn questions(&self) -> Vec<(&'static str, String)> {
        self.shared.door().asked.clone()
    }

    /// The most questions that were under way at once.
    pub fn most_at_once(&self) -> u64 {
        self.shared.door().most_at_once
    }

    /// How long every answer takes.
    pub fn set_latency(&self, latency: Duration) {
        self.shared.door().latency = latency;
    }

    /// Every `every`th question to the API meets the next of these faults, over and over.
    pub fn break_every(&self, every: u64, faults: Vec<DriveFault>) {
        self.shared.door().faults.every(every, faults);
    }

    /// The API answers no more questions than so many in any `window`.
    pub fn set_quota(&self, most: usize, window: Duration) {
        self.shared.door().quota = fault::Quota::new(most, window);
    }

    /// The next question of a kind meets this fault, after those that were told before.
    pub fn break_next(&self, kind: &'static str, fault: DriveFault) {
        self.shared.door().faults.once(kind, fault);
    }
}

impl Drop for DriveStandIn {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// The kind of a question.
fn kind(path: &str, query: &str) -> &'static str {
    match path.trim_start_matches("/drive/v3") {
        "/token" => "token",
        "/revoke" => "revoke",
        "/files" => "files",
        "/changes" => "changes",
        "/changes/startPageToken" => "startPageToken",
        "/drives" => "drives",
        path if path.starts_with(THUMBNAILS) => "thumbnail",
        _ if query.contains("alt=media") => "media",
        _ => "file",
    }
}

async fn enter(State(shared): State<Arc<Shared>>, request: Request, next: Next) -> Response {
    let uri = request.uri();
    let kind = kind(uri.path(), uri.query().unwrap_or_default());
    let (latency, fault) = {
        let mut door = shared.door();
        *door.calls.entry(kind).or_default() += 1;
        door.asked.push((kind, uri.to_string()));
        let fault = if matches!(kind, "token" | "revoke") {
            door.faults.next(kind, 0)
        } else {
            door.all += 1;
            let number = door.all;
            let within = door.quota.takes(Instant::now());
            let planned = door.faults.next(kind, number);
            let limit = DriveFault::Forbidden("rateLimitExceeded");
            if within { planned } else { Some(limit) }
        };
        door.under_way += 1;
        door.most_at_once = door.most_at_once.max(door.under_way);
        (door.latency, fault)
    };
    if !latency.is_zero() {
        tokio::time::sleep(latency).await;
    }
    let response = match fault {
        None => next.run(request).await,
        Some(fault) => fault::instead(fault, next.run(request)).await,
    };
    shared.door().under_way -= 1;
    response
}
