//! An S3 server in this process, which remembers what it was asked.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

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
}

/// Called with every request before it is answered.
type Meddle = dyn Fn(&Asked, &Gate) + Send + Sync;

/// While it is shut no object is handed out.
pub(crate) type Gate = watch::Sender<bool>;

/// A running server.
pub(crate) struct S3Server {
    root: PathBuf,
    address: SocketAddr,
    asked: Arc<Mutex<Vec<Asked>>>,
    shut: Arc<Gate>,
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
        let router = Router::new().fallback(move |request: Request| {
            let asking = Asked::of(&request);
            meddle(&asking, &gate);
            let mut open = gate.subscribe();
            let (service, read) = (service.clone(), asking.range.is_some());
            seen.lock().unwrap().push(asking);
            async move {
                if read {
                    open.wait_for(|shut| !shut).await.unwrap();
                }
                answer(service, request).await
            }
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { root, address, asked, shut }
    }

    /// A stage whose object store this is.
    pub(crate) fn on(&self, stage: Stage) -> Stage {
        stage
            .set("objects.endpoint", format!("http://{}", self.address))
            .set("objects.access_key_id", KEY)
            .set("objects.secret_access_key", SECRET)
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

    /// What was asked so far.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }
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
        }
    }
}
