//! An S3 server in this process, which remembers what it was asked.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use aws_sdk_s3::Client;
use aws_sdk_s3::config::{BehaviorVersion, Credentials, Region};
use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use s3s::auth::SimpleAuth;
use s3s::service::{S3Service, S3ServiceBuilder};
use s3s_fs::FileSystem;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tower::ServiceExt as _;

use super::stage::Stage;

/// As S3 itself words it.
const NO_CONDITIONS: &str = "<Error><Code>NotImplemented</Code><Message>A header you provided implies \
     functionality that is not implemented</Message></Error>";
const KEY: &str = "AKIATEST";
const SECRET: &str = "secret-of-the-test";

/// One request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Asked {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) query: String,
    /// First and last byte.
    pub(crate) range: Option<(u64, u64)>,
    /// Only where there is none.
    pub(crate) if_none_match: bool,
}

/// Called with every request before it is answered.
type Meddle = dyn Fn(&Asked, &Gate) + Send + Sync;

/// While it is shut no object is handed out.
pub(crate) type Gate = watch::Sender<bool>;

/// What waits until it is let go.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Held {
    pub(crate) puts: bool,
    /// They are done, and nobody is told.
    pub(crate) removals: bool,
}

/// A running server.
pub(crate) struct S3Server {
    root: PathBuf,
    address: SocketAddr,
    asked: Arc<Mutex<Vec<Asked>>>,
    shut: Arc<Gate>,
    held: watch::Sender<Held>,
    /// Whether it answers conditional puts as stores do that do not know them.
    refuses_conditions: Arc<AtomicBool>,
}

impl S3Server {
    /// Serves the buckets below a folder of the stage.
    pub(crate) async fn start(stage: &Stage) -> Self {
        Self::meddled(stage, |_, _| ()).await
    }

    /// The same, with something that happens before each answer.
    pub(crate) async fn meddled(
        stage: &Stage,
        meddle: impl Fn(&Asked, &Gate) + Send + Sync + 'static,
    ) -> Self {
        let root = stage.folder("s3");
        let mut builder = S3ServiceBuilder::new(FileSystem::new(&root).unwrap());
        builder.set_auth(SimpleAuth::from_single(KEY, SECRET));
        let service = builder.build();
        let asked: Arc<Mutex<Vec<Asked>>> = Arc::default();
        let (seen, meddle): (_, Arc<Meddle>) = (Arc::clone(&asked), Arc::new(meddle));
        let shut = Arc::new(Gate::new(false));
        let gate = Arc::clone(&shut);
        let held = watch::Sender::new(Held::default());
        let holding = held.clone();
        let refuses_conditions: Arc<AtomicBool> = Arc::default();
        let refuses = Arc::clone(&refuses_conditions);
        let router = Router::new().fallback(move |request: Request| {
            let asking = Asked::of(&request);
            meddle(&asking, &gate);
            let mut open = gate.subscribe();
            let mut holding = holding.subscribe();
            let (service, read) = (service.clone(), asking.range.is_some());
            let (put, removal) = (asking.method == "PUT", asking.is_removal());
            let strange = asking.if_none_match && refuses.load(Ordering::Relaxed);
            seen.lock().unwrap().push(asking);
            async move {
                if read {
                    open.wait_for(|shut| !shut).await.unwrap();
                }
                holding.wait_for(|held| !(put && held.puts)).await.unwrap();
                if strange {
                    return (StatusCode::NOT_IMPLEMENTED, NO_CONDITIONS).into_response();
                }
                let answer = answer(service, request).await;
                holding.wait_for(|held| !(removal && held.removals)).await.unwrap();
                answer
            }
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { root, address, asked, shut, held, refuses_conditions }
    }

    /// Answers conditional puts as stores do that do not know them.
    pub(crate) fn refuse_conditions(&self) {
        self.refuses_conditions.store(true, Ordering::Relaxed);
    }

    /// Another client than ours.
    pub(crate) fn client(&self) -> Client {
        client_of(self.address)
    }

    /// How many objects were put, or tried to.
    pub(crate) fn puts(&self) -> usize {
        self.asked().iter().filter(|asked| asked.method == "PUT").count()
    }

    /// A stage whose object store this is.
    pub(crate) fn on(&self, stage: Stage) -> Stage {
        at(self.address, stage)
    }

    /// A bucket's folder; made when it is not there.
    pub(crate) fn bucket(&self, name: &str) -> PathBuf {
        let bucket = self.root.join(name);
        std::fs::create_dir_all(&bucket).unwrap();
        bucket
    }

    /// Puts an object.
    pub(crate) fn put(&self, bucket: &str, key: &str, bytes: &[u8]) {
        let file = self.bucket(bucket).join(key);
        std::fs::create_dir_all(file.parent().unwrap_or(Path::new("/"))).unwrap();
        std::fs::write(file, bytes).unwrap();
    }

    /// Shuts or opens the [`Gate`].
    pub(crate) fn shut(&self, shut: bool) {
        self.shut.send_replace(shut);
    }

    /// Holds some requests, or lets them go.
    pub(crate) fn hold(&self, held: Held) {
        self.held.send_replace(held);
    }

    /// What was asked so far.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }
}

/// A client of a store that knows our keys.
pub(crate) fn client_of(address: SocketAddr) -> Client {
    let keys = Credentials::new(KEY, SECRET, None, None, "test");
    let config = aws_sdk_s3::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .endpoint_url(format!("http://{address}"))
        .region(Region::new("us-east-1"))
        .credentials_provider(keys)
        .force_path_style(true)
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .build();
    Client::from_conf(config)
}

/// A stage whose object store is there.
pub(crate) fn at(address: SocketAddr, stage: Stage) -> Stage {
    stage
        .set("objects.endpoint", format!("http://{address}"))
        .set("objects.access_key_id", KEY)
        .set("objects.secret_access_key", SECRET)
}

async fn answer(service: S3Service, request: Request) -> Response {
    match service.oneshot(request).await {
        Ok(answer) => answer.map(Body::new),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

impl Asked {
    /// Whether an object was asked for, not its bucket.
    pub(crate) fn is_object(&self) -> bool {
        let key = self.path.trim_start_matches('/').split_once('/');
        self.method == "GET" && key.is_some_and(|(_, key)| !key.is_empty())
    }

    /// Whether many objects are to be removed at once.
    fn is_removal(&self) -> bool {
        self.method == "POST" && self.query.contains("delete")
    }

    fn of(request: &Request) -> Self {
        let range = request.headers().get(header::RANGE).map(|range| {
            let range = range.to_str().unwrap().strip_prefix("bytes=").unwrap();
            let (first, last) = range.split_once('-').unwrap();
            (first.parse().unwrap(), last.parse().unwrap())
        });
        Self {
            method: request.method().to_string(),
            path: request.uri().path().to_owned(),
            query: request.uri().query().unwrap_or_default().to_owned(),
            range,
            if_none_match: request.headers().contains_key(header::IF_NONE_MATCH),
        }
    }
}
