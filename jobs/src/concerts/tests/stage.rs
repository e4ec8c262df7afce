//! What a test runs on: a catalogue, services that say what it says, and a desk that jobs are put on.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use chrono::NaiveDateTime;
use serde_json::{Value, json};

use crate::context::{
    Cancel, ChildFailure, Children, FollowUp, Forgotten, JobInfo, JobPort, Progress, Traces,
};
use crate::effects::catalogue::{
    Catalogue, CatalogueOptions, PhotoFacts, Provider, ScannedFile, Verdict,
};
use crate::effects::web::{Ask, Fetch, Judge, Online, Reply, Services, Unanswered};
use crate::effects::{
    Clock, Effects, Erasing, ExportSettings, Folders, ImageUrls, Objects, PhotoLimits, PixelPool,
    Qualities, Target, VariantSettings, World,
};
use crate::pixels::Place;
use crate::{JobContext, JobError};

pub(crate) const USER: i64 = 7;
pub(crate) const NOW: i64 = 1_700_000_000_000;
pub(crate) const CLUB: Place = Place { lat: 38.9179, lon: -77.0237 };
pub(crate) const CITY: Place = Place { lat: 38.895, lon: -77.036 };

/// What goes wrong with a service.
#[derive(Clone, Debug)]
pub(crate) enum Trouble {
    NoReply,
    Status(u16, &'static str),
    /// Instead of the right body.
    Body(String),
}

/// Answers as the three services do.
#[derive(Debug, Default)]
pub(crate) struct Answers {
    shows: Mutex<Vec<Value>>,
    pois: Mutex<Vec<Value>>,
    asked: Mutex<Vec<Target>>,
    trouble: Mutex<Option<(Target, Trouble)>>,
}

#[async_trait]
impl Fetch for Answers {
    async fn fetch(&self, ask: &Ask, judge: Judge<'_>) -> Result<(), Unanswered> {
        self.asked.lock().unwrap().push(ask.service);
        let trouble = self.trouble.lock().unwrap().clone();
        let (status, body) = match trouble {
            Some((service, trouble)) if service == ask.service => match trouble {
                Trouble::NoReply => {
                    let reason = "no reply in time".to_owned();
                    return Err(Unanswered::Failed { service, reason });
                }
                Trouble::Status(status, body) => (status, body.to_owned()),
                Trouble::Body(body) => (200, body),
            },
            _ => self.right(ask),
        };
        judge(&Reply { status, retry_after: None, body: body.into() }).map(drop)
    }
}

impl Answers {
    /// From now on these are all shows.
    pub(crate) fn shows_again(&self, shows: Vec<Value>) {
        *self.shows.lock().unwrap() = shows;
    }

    /// The right answer.
    pub(crate) fn right(&self, ask: &Ask) -> (u16, String) {
        match ask.service {
            Target::SetlistFm => {
                let date = ask.url.split("date=").nth(1).unwrap().split('&').next().unwrap();
                let all = self.shows.lock().unwrap();
                let on: Vec<_> = all.iter().filter(|show| show["eventDate"] == date).collect();
                if on.is_empty() {
                    let none =
                        json!({ "code": 404, "status": "Not Found", "message": "not found" });
                    return (404, none.to_string());
                }
                let page = json!({ "type": "setlists", "itemsPerPage": 20, "page": 1,
                    "total": on.len(), "setlist": on });
                (200, page.to_string())
            }
            Target::Overpass => {
                let elements = self.pois.lock().unwrap().clone();
                (200, json!({ "version": 0.6, "elements": elements }).to_string())
            }
            _ if ask.url.contains("/reverse") => {
                let address = json!({ "country_code": "us", "ISO3166-2-lvl4": "US-DC" });
                (200, json!({ "address": address }).to_string())
            }
            _ => (200, "[]".to_owned()),
        }
    }
}

/// A show at a venue, whose id is its name.
pub(crate) fn show(date: &str, venue: &str, artist: &str, songs: usize) -> Value {
    let day: chrono::NaiveDate = date.parse().unwrap();
    let songs: Vec<Value> =
        (0..songs).map(|song| json!({ "name": format!("song {song}") })).collect();
    json!({ "id": format!("{artist} {date}"), "versionId": "v1",
        "eventDate": day.format("%d-%m-%Y").to_string(),
        "artist": { "mbid": format!("mbid of {artist}"), "name": artist },
        "venue": { "id": venue, "name": venue, "city": { "name": "Washington",
            "state": "Washington, D.C.", "country": { "code": "US", "name": "United States" },
            "coords": { "lat": CITY.lat, "long": CITY.lon } } },
        "sets": { "set": [{ "song": songs }] }, "url": format!("https://www.setlist.fm/{artist}") })
}

/// A music venue of OpenStreetMap.
pub(crate) fn poi(number: u64, name: &str, place: Place) -> Value {
    json!({ "type": "node", "id": number, "lat": place.lat, "lon": place.lon,
        "tags": { "name": name, "amenity": "music_venue" } })
}

/// Photos `number` of an evening, a few minutes apart, by a phone that notes zone and place.
pub(crate) fn photo(number: u32, taken: &str, place: Option<Place>) -> ScannedFile {
    let local: NaiveDateTime = taken.parse().unwrap();
    ScannedFile {
        file_id: format!("/photos/{number}.jpg"),
        name: format!("DSC_{number:04}.jpg"),
        source_rev: "1".to_owned(),
        content: None,
        verdict: Verdict::Clean(Box::new(PhotoFacts {
            taken_local: Some(local),
            taken_offset_minutes: Some(-240),
            taken_at: Some(local.and_utc() + chrono::TimeDelta::hours(4)),
            place: place.map(|place| (place.lat, place.lon)),
            camera_make: Some("Google".to_owned()),
            camera_model: Some("Pixel 3".to_owned()),
            ..PhotoFacts::default()
        })),
    }
}

/// Six photos from nine o'clock on.
pub(crate) fn evening(first: u32, date: &str, place: Place) -> Vec<ScannedFile> {
    let taken = |number: u32| format!("{date}T21:{:02}:00", 5 * number);
    (0..6).map(|number| photo(first + number, &taken(number), Some(place))).collect()
}

/// What a job leaves behind.
#[derive(Debug, Default)]
pub(crate) struct Desk {
    pub(crate) jobs: Mutex<VecDeque<FollowUp>>,
    pub(crate) dropped: Mutex<Vec<String>>,
    pub(crate) reports: Mutex<Vec<Value>>,
    checkpoint: Mutex<Option<Value>>,
}

#[async_trait]
impl JobPort for Desk {
    fn report(&self, progress: Progress) {
        self.reports.lock().unwrap().push(progress.value);
    }

    async fn load_checkpoint(&self) -> anyhow::Result<Option<Value>> {
        Ok(self.checkpoint.lock().unwrap().clone())
    }

    async fn save_checkpoint(&self, checkpoint: Value) -> anyhow::Result<()> {
        *self.checkpoint.lock().unwrap() = Some(checkpoint);
        Ok(())
    }

    async fn claim(&self, _: &str) -> anyhow::Result<Result<(), String>> {
        Ok(Ok(()))
    }

    async fn enqueue(&self, follow_up: FollowUp) -> anyhow::Result<()> {
        self.jobs.lock().unwrap().push_back(follow_up);
        Ok(())
    }

    async fn enqueue_child(&self, _: FollowUp, _: ChildFailure) -> anyhow::Result<()> {
        anyhow::bail!("nobody has children here")
    }

    async fn children(&self) -> anyhow::Result<Children> {
        Ok(Children::default())
    }

    async fn drop_cached(&self, changed: &[(&'static str, String)]) -> anyhow::Result<()> {
        let named = changed.iter().map(|(name, value)| format!("{name}={value}"));
        self.dropped.lock().unwrap().extend(named);
        Ok(())
    }

    async fn forget_user(&self, _: &Traces) -> anyhow::Result<Forgotten> {
        anyhow::bail!("nobody is erased here")
    }

    async fn end_forgetting(&self, _: &str) -> anyhow::Result<()> {
        anyhow::bail!("nobody is erased here")
    }

    async fn log(&self, _: &str) -> anyhow::Result<()> {
        Ok(())
    }
}

pub(crate) struct Stage {
    pub(crate) effects: Effects,
    pub(crate) desk: Arc<Desk>,
    pub(crate) world: Arc<Answers>,
    _folder: tempfile::TempDir,
}

impl Stage {
    pub(crate) async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", folder.path().join("catalogue.db").display());
        let options = CatalogueOptions { url, ..CatalogueOptions::default() };
        let catalogue = Catalogue::connect(options).await.unwrap();
        catalogue.migrate().await.unwrap();
        let world = Arc::new(Answers::default());
        let fetch: Arc<dyn Fetch> = Arc::<Answers>::clone(&world);
        let services = Services {
            setlist_fm: "http://setlist/rest/1.0".to_owned(),
            setlist_fm_key: "secret".to_owned(),
            overpass: "http://overpass/api".to_owned(),
            nominatim: "http://nominatim".to_owned(),
        };
        let quality = Qualities { jpeg: 80, webp: 80, webp_effort: 2, avif: 60, avif_speed: 9 };
        let variants = VariantSettings {
            bucket: "images".to_owned(),
            prefix: String::new(),
            cache_control: String::new(),
            widths: vec![400],
            formats: Vec::new(),
            quality,
            urls: ImageUrls::new("", Vec::new()),
            link_lasts: Duration::from_mins(1),
        };
        let exports = ExportSettings {
            bucket: "exports".to_owned(),
            prefix: String::new(),
            keep: Duration::from_mins(1),
            link_lasts: Duration::from_mins(1),
            urls: None,
            fonts: Vec::new(),
            pictures: 0,
        };
        let effects = Effects {
            drive: crate::effects::google::GoogleDrive::default(),
            mail: crate::effects::mail::Mail::default(),
            world: World::new(catalogue.clone(), Some(Online::new(&fetch, &services))),
            catalogue,
            objects: Objects::folder(folder.path().join("objects")),
            folders: Folders::open(&[]).unwrap(),
            pixels: PixelPool::new(1 << 20, 1),
            clock: Clock::Fixed(NOW),
            photos: PhotoLimits { max_pixels: 1, read_ahead: 1, verify_files: false },
            variants: Arc::new(variants),
            exports: Arc::new(exports),
            erasing: Erasing {
                wait: Duration::ZERO,
                revoke_within: Duration::ZERO,
                sweep_after: Duration::ZERO,
            },
        };
        Self { effects, desk: Arc::default(), world, _folder: folder }
    }

    /// With one show at the club, on one evening.
    pub(crate) async fn with_a_show() -> Self {
        let stage = Self::new().await;
        stage.show(show("2019-06-14", "9:30 Club", "The Band", 3));
        stage.poi(poi(1, "9:30 Club", CLUB));
        stage
    }

    pub(crate) fn show(&self, show: Value) {
        self.world.shows.lock().unwrap().push(show);
    }

    pub(crate) fn poi(&self, poi: Value) {
        self.world.pois.lock().unwrap().push(poi);
    }

    pub(crate) fn trouble(&self, trouble: Option<(Target, Trouble)>) {
        *self.world.trouble.lock().unwrap() = trouble;
    }

    /// Which services were asked since the last call.
    pub(crate) fn asked(&self) -> Vec<Target> {
        std::mem::take(&mut self.world.asked.lock().unwrap())
    }

    /// So much later.
    pub(crate) fn later(&mut self, pause: Duration) {
        let pause = i64::try_from(pause.as_millis()).unwrap();
        self.effects.clock = Clock::Fixed(self.effects.clock.now_ms() + pause);
    }

    pub(crate) async fn add(&self, photos: &[ScannedFile]) {
        self.add_for(USER, photos).await;
    }

    pub(crate) async fn add_for(&self, user: i64, photos: &[ScannedFile]) {
        let now = self.effects.clock.now_ms();
        for page in photos.chunks(100) {
            let page =
                self.effects.catalogue.record_page(user, Provider::Folder, page, "scan", now);
            page.await.unwrap();
        }
    }

    pub(crate) fn context(&self, id: &str, attempt: u32) -> JobContext {
        let info = JobInfo {
            id: id.to_owned(),
            queue: "concert-matching".to_owned(),
            kind: String::new(),
            attempt,
            max_attempts: 8,
            trace: None,
        };
        let port: Arc<dyn JobPort> = Arc::<Desk>::clone(&self.desk);
        JobContext::new(Arc::new(info), self.effects.clone(), Cancel::default(), port)
    }

    /// Hands over what is to be matched; answers the ids of the jobs.
    pub(crate) async fn ask(&self) -> Vec<String> {
        self.ask_for(USER).await
    }

    pub(crate) async fn ask_for(&self, user: i64) -> Vec<String> {
        let cx = self.context("scan", 1);
        super::super::ask(&cx, user, self.effects.clock.now_ms(), |_, _| {}).await.unwrap();
        self.desk.jobs.lock().unwrap().iter().map(|job| job.id.clone()).collect()
    }

    /// Runs a job as the engine does.
    pub(crate) async fn run(&self, job: &FollowUp) -> Result<Value, JobError> {
        let registry = crate::registry();
        let entry = registry.get(&job.kind).unwrap();
        entry.run(&job.payload.to_string(), self.context(&job.id, 1)).unwrap().await
    }

    /// Runs all jobs that are due, and those that follow from them.
    pub(crate) async fn work(&self) -> Vec<Value> {
        let mut results = Vec::new();
        loop {
            let job = {
                let mut jobs = self.desk.jobs.lock().unwrap();
                let due = jobs.iter().position(|job| job.delay.is_none());
                due.and_then(|due| jobs.remove(due))
            };
            let Some(job) = job else { return results };
            results.push(self.run(&job).await.unwrap());
        }
    }

    /// The jobs that wait for their time, and how many days from now that is.
    pub(crate) fn delayed(&self) -> Vec<(FollowUp, u64)> {
        let jobs = self.desk.jobs.lock().unwrap();
        let days = |job: &FollowUp| Some(job.delay?.as_secs() / 86_400);
        jobs.iter().filter_map(|job| Some((job.clone(), days(job)?))).collect()
    }

    /// A table as text, `|` between columns.
    pub(crate) async fn rows(&self, sql: &str) -> Vec<String> {
        self.effects.catalogue.rows(sql).await
    }

    pub(crate) async fn execute(&self, sql: &str) {
        self.effects.catalogue.execute(sql).await;
    }

    /// Which night each photo is of, and who says so.
    pub(crate) async fn links(&self) -> Vec<String> {
        let sql = "SELECT file_id || ' ' || COALESCE(night_id, '-') || ' ' || decided_by AS row \
                   FROM photo_links ORDER BY file_id";
        self.rows(sql).await
    }
}
