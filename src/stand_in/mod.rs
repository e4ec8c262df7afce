//! Stand-ins for the services that are asked: they answer as the real ones do, on loopback, and misbehave as the real ones do when they are told to. For evaluations, demos and tests.
//!
//! - `setlist_fm`: pages of 20, 404 on nothing, a key;
//! - `overpass`: reads the query and answers what it asks for, no more;
//! - `nominatim`: in which region a place is, and where a name is;
//! - [`drive`]: Google Drive, with whatever a test puts into it;
//! - `trouble`: what goes wrong with real ones;
//! - `tally`: what they count of those who ask.

pub mod drive;
mod nominatim;
mod overpass;
mod setlist_fm;
mod tally;
mod trouble;

use std::net::Ipv4Addr;
use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;
use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse as _, Response};
use roadie_jobs::effects::web::Services;
use roadie_jobs::samples;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

pub use tally::Tally;
pub use trouble::{Trouble, Troubles};

/// The key that the stand-in of setlist.fm wants.
const KEY: &str = "stand-in";

/// What they know.
#[derive(Debug)]
struct World {
    /// As setlist.fm writes them.
    setlists: Vec<Value>,
    /// As Overpass writes them.
    elements: Vec<Value>,
    /// `{setlistfm_name, setlistfm_city, lat, lng}`.
    venues: Vec<Value>,
}

/// One of the three.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Service {
    /// Shows.
    SetlistFm,
    /// Places.
    Overpass,
    /// Regions and names.
    Nominatim,
}

/// Running stand-ins; they end when this is dropped.
#[derive(Debug)]
pub struct StandIns {
    services: Services,
    doors: [Arc<Door>; 3],
    task: JoinHandle<std::io::Result<()>>,
}

/// What is counted and broken before a service answers.
#[derive(Debug, Default)]
struct Door {
    tally: Tally,
    troubles: Troubles,
}

impl StandIns {
    /// Starts them with what these files know. Without coordinates of venues Nominatim knows the names
    /// that the places have.
    ///
    /// # Errors
    /// A file cannot be read, or has another shape; or there is no free port.
    pub async fn start(
        setlists: &Path,
        pois: &Path,
        venues: Option<&Path>,
    ) -> anyhow::Result<Self> {
        let list = |path: &Path, field: &str| -> anyhow::Result<Vec<Value>> {
            let text = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
            let mut file: Value =
                serde_json::from_str(&text).with_context(|| path.display().to_string())?;
            let list = if field.is_empty() { file.take() } else { file[field].take() };
            serde_json::from_value(list)
                .with_context(|| format!("{}: no list `{field}`", path.display()))
        };
        Self::knowing(World {
            setlists: list(setlists, "setlist")?,
            elements: list(pois, "elements")?,
            venues: venues.map(|venues| list(venues, "")).transpose()?.unwrap_or_default(),
        })
        .await
    }

    /// Starts them with what there is in a world of samples.
    ///
    /// # Errors
    /// There is no free port.
    pub async fn of_samples(world: samples::World) -> anyhow::Result<Self> {
        let samples::World { setlists, elements } = world;
        Self::knowing(World { setlists, elements, venues: Vec::new() }).await
    }

    async fn knowing(world: World) -> anyhow::Result<Self> {
        let world = Arc::new(world);
        let doors: [Arc<Door>; 3] = Default::default();
        let guarded = |service: Service, routes: Router<Arc<World>>| {
            let door = Arc::clone(&doors[service as usize]);
            routes.layer(middleware::from_fn_with_state((service, door), enter))
        };
        let router = Router::new()
            .nest("/rest/1.0", guarded(Service::SetlistFm, setlist_fm::routes()))
            .nest("/api", guarded(Service::Overpass, overpass::routes()))
            .nest("/nominatim", guarded(Service::Nominatim, nominatim::routes()))
            .with_state(world);
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let base = format!("http://{}", listener.local_addr()?);
        let task = tokio::spawn(async { axum::serve(listener, router).await });
        let services = Services {
            setlist_fm: format!("{base}/rest/1.0"),
            setlist_fm_key: KEY.to_owned(),
            overpass: format!("{base}/api"),
            nominatim: format!("{base}/nominatim"),
        };
        Ok(Self { services, doors, task })
    }

    /// Where they are.
    pub fn services(&self) -> &Services {
        &self.services
    }

    /// How often one was asked, trouble included.
    pub fn asked(&self, service: Service) -> usize {
        self.tally(service).asked()
    }

    /// When one was asked.
    pub fn tally(&self, service: Service) -> &Tally {
        &self.doors[service as usize].tally
    }

    /// What goes wrong with one.
    pub fn troubles(&self, service: Service) -> &Troubles {
        &self.doors[service as usize].troubles
    }
}

impl Drop for StandIns {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn enter(
    State((service, door)): State<(Service, Arc<Door>)>,
    request: Request,
    next: Next,
) -> Response {
    let _under_way = door.tally.enter();
    match door.troubles.next() {
        None => next.run(request).await,
        Some(trouble) => {
            trouble::instead(trouble, service, next.run(request)).await.into_response()
        }
    }
}

/// A place of a JSON object.
fn place(object: &Value, lat: &str, lon: &str) -> Option<(f64, f64)> {
    Some((object[lat].as_f64()?, object[lon].as_f64()?))
}

/// Metres between two places, for short distances.
fn metres(a: (f64, f64), b: (f64, f64)) -> f64 {
    let east = (b.1 - a.1) * a.0.to_radians().cos();
    111_195.0 * (b.0 - a.0).hypot(east)
}
