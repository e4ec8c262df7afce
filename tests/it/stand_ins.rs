//! Whatever goes wrong with the services that matching asks: nothing is decided, and once they answer
//! again the same is decided as if nothing had been.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use roadie::stand_in::{Service, StandIns, Trouble};
use roadie_jobs::effects::Target;
use roadie_jobs::effects::web::{Answer, Ask, Fetch, Online, Reply, Web};
use roadie_jobs::{evaluation, samples};
use serde_json::{Value, json};

use super::support::{Missing, skip};

const CLUB: (f64, f64) = (38.9179, -77.0237);
const SERVICES: [Service; 3] = [Service::SetlistFm, Service::Overpass, Service::Nominatim];

fn write(folder: &Path, name: &str, text: &str) -> PathBuf {
    let path = folder.join(name);
    std::fs::write(&path, text).unwrap();
    path
}

fn show(number: usize, venue: &str) -> Value {
    let city = json!({ "id": "4140963", "name": "Washington", "state": "Washington, D.C.", "stateCode": "DC",
        "coords": { "lat": 38.895, "long": -77.036 }, "country": { "code": "US", "name": "United States" } });
    json!({ "id": format!("{number:07x}"), "eventDate": "14-06-2019", "artist": { "name": format!("artist {number}") },
        "url": "https://www.setlist.fm/x", "venue": { "id": venue, "name": venue, "city": city } })
}

/// One evening of one photo, with 45 shows in the city: the one at the club is on the last page.
pub(super) async fn world(folder: &Path) -> (StandIns, PathBuf) {
    let photo = json!({ "id": "a", "user": "u", "name": "a.jpg", "drive": {}, "takeout": null,
        "exif": { "DateTimeOriginal": "2019:06:14 21:00:00", "GPSLatitude": CLUB.0, "GPSLongitude": CLUB.1 } });
    let photos = write(folder, "photos.jsonl", &photo.to_string());
    let shows: Vec<Value> = (0..44)
        .map(|number| show(number, &format!("venue {number}")))
        .chain([show(44, "9:30 Club")])
        .collect();
    let setlists = write(folder, "setlists.json", &json!({ "setlist": shows }).to_string());
    let pois = json!({ "elements": [{ "type": "way", "id": 1, "center": { "lat": CLUB.0, "lon": CLUB.1 },
        "tags": { "name": "9:30 Club", "amenity": "music_venue" } }] });
    let pois = write(folder, "pois.json", &pois.to_string());
    (StandIns::start(&setlists, &pois, None).await.unwrap(), photos)
}

fn online(stand_ins: &StandIns) -> Online {
    // Another test may have been first.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let fetch: Arc<dyn Fetch> = Arc::new(Web::new("roadie-tests/0").unwrap());
    Online::new(&fetch, stand_ins.services())
}

/// What is said of the photo, or that nothing is.
async fn decided(stand_ins: &StandIns, photos: &Path) -> Option<Value> {
    let now = "2026-01-01T00:00:00Z".parse().unwrap();
    let predictions = evaluation::matching(photos, &online(stand_ins), now).await.ok()?;
    Some(serde_json::to_value(predictions[0].clone().briefly()).unwrap())
}

#[tokio::test]
async fn all_pages_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let (stand_ins, photos) = world(folder.path()).await;
    let found = decided(&stand_ins, &photos).await.unwrap();
    assert_eq!(
        (&found["decision"], &found["setlistfmVenueId"]),
        (&json!("auto"), &json!("9:30 Club"))
    );
    assert_eq!(stand_ins.asked(Service::SetlistFm), 3);
}

#[tokio::test]
async fn no_trouble_links_anything_or_says_that_there_was_no_concert() {
    let folder = tempfile::tempdir().unwrap();
    let (stand_ins, photos) = world(folder.path()).await;
    let right = decided(&stand_ins, &photos).await;
    assert!(right.is_some());
    let troubles = [
        Trouble::TooMany(None),
        Trouble::TooMany(Some(120)),
        Trouble::Forbidden,
        Trouble::Busy,
        Trouble::Broken,
        Trouble::BanPage,
        Trouble::Remark,
        Trouble::CutOff,
        Trouble::HangUp,
    ];
    for service in SERVICES {
        for trouble in &troubles {
            // From the beginning, and from the second question on.
            for before in [false, true] {
                let door = stand_ins.troubles(service);
                if before {
                    door.once(Trouble::Slow(Duration::from_millis(1)));
                }
                door.always(Some(trouble.clone()));
                let found = decided(&stand_ins, &photos).await;
                door.always(None);
                // Overpass is asked once, so nothing was wrong with it.
                let expected = if before && service == Service::Overpass { &right } else { &None };
                assert_eq!(&found, expected, "{service:?} {trouble:?}");
            }
        }
    }
    assert_eq!(decided(&stand_ins, &photos).await, right);
}

/// The whole answer to a question.
async fn asked(ask: Ask) -> Value {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let web = Web::new("roadie-tests/0").unwrap();
    let mut body = Vec::new();
    let mut judge = |reply: &Reply| {
        body.clone_from(&reply.body);
        Ok(Answer::Map)
    };
    web.fetch(&ask, &mut judge).await.unwrap();
    serde_json::from_slice(&body).unwrap()
}

/// The type of a value, with numbers apart from texts.
fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "text",
        Value::Array(_) => "list",
        Value::Object(_) => "object",
    }
}

/// Types by path; all elements of a list are one.
fn shape(value: &Value, path: &str, found: &mut BTreeMap<String, BTreeSet<&'static str>>) {
    found.entry(path.to_owned()).or_default().insert(kind(value));
    match value {
        Value::Array(list) => list.iter().for_each(|one| shape(one, &format!("{path}[]"), found)),
        Value::Object(fields) => {
            for (name, field) in fields {
                shape(field, &format!("{path}.{name}"), found);
            }
        }
        _ => {}
    }
}

#[tokio::test]
async fn answers_have_the_shape_of_recorded_ones() {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/fixtures");
    if !fixtures.exists() {
        return skip(&Missing { what: "../shared/fixtures", why: "it is not there".to_owned() });
    }
    let recorded = |name: &str| -> Value {
        serde_json::from_str(&std::fs::read_to_string(fixtures.join(name)).unwrap()).unwrap()
    };
    let stand_ins = StandIns::of_samples(samples::world(240)).await.unwrap();
    let services = stand_ins.services();
    let date = "06-01-2017";
    let search = |page: u32| {
        let url =
            format!("{}/search/setlists?date={date}&countryCode=NL&p={page}", services.setlist_fm);
        let headers = vec![("x-api-key", services.setlist_fm_key.clone())];
        Ask { headers, ..Ask::get(Target::SetlistFm, url) }
    };
    let around =
        "[out:json];(nwr(around:500,52.314,4.937)[\"amenity\"=\"events_venue\"];);out center tags;";
    let overpass = Ask {
        form: vec![("data", around.to_owned())],
        ..Ask::get(Target::Overpass, format!("{}/interpreter", services.overpass))
    };
    let nominatim =
        |query: &str| Ask::get(Target::Nominatim, format!("{}/{query}", services.nominatim));
    for (ask, name, newer) in [
        (search(1), "setlistfm/zsch_search_setlists_foo_fighters.json", &[][..]),
        (search(2), "setlistfm/hond_search__artists__404.json", &[]),
        // A way that was recorded has nodes instead of a centre.
        (overpass, "osm/overpy_way-02.json", &[".elements[].center"]),
        (
            nominatim("search?format=jsonv2&q=Ziggo%20Dome%2C%20Amsterdam"),
            "osm/geocoder_nominatim_madison_square_garden.json",
            // Of the second version of the format, which calls a class a category.
            &["[].category", "[].name"],
        ),
        (
            nominatim("reverse?format=jsonv2&lat=52.3&lon=4.9"),
            "osm/nominatim_doc_reverse_jsonv2.json",
            &[".address.ISO3166-2-lvl4"],
        ),
    ] {
        let (mut ours, mut real) = (BTreeMap::new(), BTreeMap::new());
        let answer = asked(ask).await;
        shape(&answer, "", &mut ours);
        shape(&recorded(name), "", &mut real);
        assert!(ours.len() > 4, "{name}: {answer}");
        ours.retain(|path, _| {
            newer.iter().all(|newer| !path.starts_with(newer)) && !path.contains(".tags.")
        });
        for (path, kinds) in ours {
            let known = real.get(&path);
            assert!(
                known.is_some_and(|known| kinds.is_subset(known)),
                "{name}: {path} is {kinds:?}, not {known:?}"
            );
        }
    }
}
