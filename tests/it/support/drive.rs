//! A Google Drive of which every photo is known.

use std::collections::BTreeMap;

use bytes::Bytes;
use roadie::stand_in::drive::{CLIENT, DriveStandIn, DriveWorld, NewFile};
use roadie_jobs::effects::catalogue::{Catalogue, Provider};
use roadie_jobs::effects::{Column, TokenKeys};
use serde_json::{Value, json};

use super::photos::{PHONE, Shot};
use super::stage::{Stage, user};

const KEY: &str = "k1:000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";

/// A stage whose Google Drive this is.
pub(crate) fn on(stand_in: &DriveStandIn, stage: Stage) -> Stage {
    // Another test may have been first.
    let _ = rustls::crypto::ring::default_provider().install_default();
    stage
        .set("google.drive", stand_in.drive_url())
        .set("google.token_url", stand_in.token_url())
        .set("google.thumbnails", stand_in.thumbnails_url())
        .set("google.revoke_url", stand_in.revoke_url())
        .set("google.client_id", CLIENT.0)
        .set("google.client_secret", CLIENT.1)
        .set("tokens.keys", KEY)
        .set("budgets.google_drive.rate", 0)
        .set("kinds.scan-drive.backoff_base", "50ms")
}

/// Connects a user, as a web tier does.
pub(crate) async fn connect(stand_in: &DriveStandIn, catalogue: &Catalogue, user: i64) {
    let token = stand_in.world(|world| world.connect(user));
    let keys = TokenKeys::new(vec![KEY.parse().unwrap()]);
    let column = Column { user_id: user, provider: Provider::Drive, name: "refresh_token" };
    let sealed = keys.seal(column, &token).unwrap();
    catalogue.connect_account(user, Provider::Drive, &sealed, 1).await.unwrap();
}

/// A Drive, a stage whose it is, and a user who is connected to it.
pub(crate) async fn of_one(stage: Stage) -> (DriveStandIn, Stage, Catalogue, i64) {
    let drive = DriveStandIn::start().await.unwrap();
    let stage = on(&drive, stage);
    let catalogue = stage.catalogue().await;
    let user = user();
    connect(&drive, &catalogue, user).await;
    (drive, stage, catalogue, user)
}

/// What Drive tells of a complete photo; `number` makes it another one.
pub(crate) fn told(number: usize) -> Value {
    json!({ "width": 4_032, "height": 3_024, "rotation": 1, "cameraMake": "Google",
        "cameraModel": "Pixel 3",
        "time": format!("2019:07:{:02} {:02}:{:02}:{:02}", 1 + number / 86_400, number / 3_600 % 24,
            number / 60 % 60, number % 60),
        "location": { "latitude": 52.25, "longitude": 4.5, "altitude": 3.0 } })
}

/// What must be in the catalogue of a photo: name, wall clock, width.
pub(crate) type Truth = BTreeMap<String, (String, Option<String>, Option<u32>)>;

/// The catalogue, as [`Truth`] has it.
pub(crate) async fn catalogued(catalogue: &Catalogue, user: i64) -> Truth {
    let photos = catalogue.photos(user, None, 100_000).await.unwrap();
    let clock = |photo: &roadie_jobs::effects::catalogue::CataloguedPhoto| {
        photo.facts.taken_local.map(|at| at.format("%Y:%m:%d %H:%M:%S").to_string())
    };
    photos
        .into_iter()
        .map(|photo| {
            let told = (photo.name.clone(), clock(&photo), photo.facts.width);
            (photo.key.file_id, told)
        })
        .collect()
}

/// Some of what is in one and not in the other.
pub(crate) fn differences(found: &Truth, truth: &Truth) -> Vec<String> {
    let missing = truth.iter().filter(|(id, _)| !found.contains_key(*id));
    let missing = missing.map(|(_, told)| format!("missing {told:?}"));
    let strange = found.iter().filter(|(id, _)| !truth.contains_key(*id));
    let strange = strange.map(|(_, told)| format!("strange {told:?}"));
    let other = found.iter().filter(|(id, told)| truth.get(*id).is_some_and(|it| it != *told));
    let other = other.map(|(id, told)| format!("{told:?} instead of {:?}", truth[id]));
    missing.chain(strange).chain(other).take(9).collect()
}

/// A Drive that is being filled.
pub(crate) struct Library<'w> {
    pub(crate) world: &'w mut DriveWorld,
    pub(crate) truth: Truth,
    /// Questions that cannot be done without, but for pages.
    pub(crate) fetches: u64,
    head: Bytes,
    number: usize,
}

impl<'w> Library<'w> {
    pub(crate) fn new(world: &'w mut DriveWorld) -> Self {
        let shot = Shot { bytes: 300, ..PHONE };
        let head = Bytes::from(shot.jpeg());
        Self { world, truth: Truth::new(), fetches: 0, head, number: 0 }
    }

    /// A photo of which Drive tells everything; answers its id.
    pub(crate) fn photo(&mut self, parent: &str) -> String {
        let number = self.next();
        let name = format!("IMG_{number:05}.jpg");
        let told = told(number);
        let time = told["time"].as_str().map(str::to_owned);
        let file = NewFile::of(&name, parent, "image/jpeg", number.to_string()).telling(told);
        let id = self.world.make(file);
        self.truth.insert(id.clone(), (name, time, Some(4_032)));
        id
    }

    /// A photo of which Drive tells its size only: the rest is in its head.
    pub(crate) fn untold(&mut self, parent: &str) -> String {
        let number = self.next();
        let name = format!("IMG_{number:05}.jpg");
        let told = json!({ "width": 4_032, "height": 3_024, "rotation": 2 });
        let file = NewFile::of(&name, parent, "image/jpeg", self.head.clone()).telling(told);
        let id = self.world.make(file);
        let time = PHONE.taken.map(str::to_owned);
        self.truth.insert(id.clone(), (name, time, Some(4_032)));
        self.fetches += 1;
        id
    }

    /// A photo of which only its Takeout file tells when it was taken.
    pub(crate) fn exported(&mut self, parent: &str) -> (String, String) {
        let number = self.next();
        let name = format!("IMG_{number:05}.jpg");
        let told = json!({ "width": 4_032, "height": 3_024 });
        let bare = Shot { size: (4_032, 3_024), ..Shot::default() };
        let file = NewFile::of(&name, parent, "image/jpeg", bare.jpeg()).telling(told);
        let id = self.world.make(file);
        let sidecar = json!({ "title": name, "photoTakenTime": { "timestamp": "1696573800" },
            "geoData": { "latitude": 48.858_373, "longitude": 2.291_901 } });
        let sidecar = NewFile::of(
            &format!("{name}.supplemental-metadata.json"),
            parent,
            "application/json",
            sidecar.to_string(),
        );
        let sidecar = self.world.make(sidecar);
        self.truth.insert(id.clone(), (name, None, Some(4_032)));
        self.fetches += 1;
        (id, sidecar)
    }

    pub(crate) fn folder(&mut self, name: &str, parent: &str) -> String {
        self.world.make(NewFile::folder(name, parent))
    }

    fn next(&mut self) -> usize {
        self.number += 1;
        self.number
    }
}
