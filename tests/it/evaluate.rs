//! What `roadie evaluate matching` reads and writes.

use std::path::Path;

use serde_json::{Value, json};

use super::support::process::run;
use super::support::stage::Stage;

const CLUB: (f64, f64) = (38.9179, -77.0237);

fn write(folder: &Path, name: &str, text: &str) -> String {
    let path = folder.join(name);
    std::fs::write(&path, text).unwrap();
    path.display().to_string()
}

/// A photo by a phone that notes position and local time.
fn photo(id: &str, time: &str) -> Value {
    json!({ "id": id, "user": "u1", "name": format!("{id}.jpg"), "mimeType": "image/jpeg",
        "drive": { "createdTime": "2019-07-01T00:00:00.000Z" }, "takeout": null,
        "exif": { "DateTimeOriginal": time, "Make": "Apple", "Model": "iPhone 8",
            "GPSLatitude": CLUB.0, "GPSLongitude": CLUB.1 } })
}

fn lines(path: &str) -> Vec<Value> {
    let text = std::fs::read_to_string(path).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[tokio::test]
async fn one_line_per_photo_and_why() {
    let stage = need!(Stage::new());
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let photos = [photo("a", "2019:06:15 00:10:00"), photo("b", "2019:06:20 21:00:00")];
    let photos = write(folder, "photos.jsonl", &photos.map(|photo| photo.to_string()).join("\n"));
    let city = json!({ "id": "4140963", "name": "Washington", "stateCode": "DC",
        "coords": { "lat": 38.895, "long": -77.036 }, "country": { "code": "US" } });
    let setlists = json!({ "setlist": [{ "id": "63de4613", "eventDate": "14-06-2019",
        "artist": { "name": "Kraftwerk" }, "url": "https://www.setlist.fm/setlist/63de4613.html",
        "venue": { "id": "3d635a7", "name": "9:30 Club", "city": city } }] });
    let setlists = write(folder, "setlists.json", &setlists.to_string());
    let pois = json!({ "elements": [{ "type": "way", "id": 1, "center": { "lat": CLUB.0, "lon": CLUB.1 },
        "tags": { "name": "9:30 Club", "amenity": "music_venue" } }] });
    let pois = write(folder, "pois.json", &pois.to_string());
    let (out, evidence) = (folder.join("out.jsonl"), folder.join("evidence.jsonl"));
    let (out, evidence) = (out.display().to_string(), evidence.display().to_string());
    let files = ["--photos", &photos, "--setlists", &setlists, "--pois", &pois, "--out", &out];
    let args = [&["evaluate", "matching"], &files[..], &["--evidence", &evidence]].concat();

    let said = run(&stage, &args).await;
    assert_eq!(said.code, 0, "{said:?}");
    assert!(said.out.contains("1 linked, 0 for review, 1 without a show"), "{said:?}");
    let linked = json!({ "photoId": "a", "decision": "auto", "eventDate": "2019-06-14",
        "setlistfmVenueId": "3d635a7", "score": 1.0 });
    let nothing = json!({ "photoId": "b", "decision": "none", "eventDate": null,
        "setlistfmVenueId": null, "score": 0.0 });
    assert_eq!(lines(&out), [linked, nothing]);
    let why = &lines(&evidence)[0]["evidence"];
    assert_eq!(why["instant"], "place-zone");
    assert_eq!(why["zone"], "America/New_York");
    assert_eq!(why["candidates"][0]["basis"], "coordinates");
    assert_eq!(why["candidates"][0]["urls"][0], "https://www.setlist.fm/setlist/63de4613.html");

    // A file that is not what it should be is named.
    std::fs::write(&setlists, r#"{"setlists":[]}"#).unwrap();
    let said = run(&stage, &args).await;
    assert_eq!(said.code, 1, "{said:?}");
    assert!(said.err.contains("setlists.json"), "{said:?}");
}
