//! What is an answer, and what is none.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Value, json};

use super::*;
use crate::effects::Target;
use crate::job::Decision;
use crate::matching::{City, Lookups as _, Show, Venue};
use crate::pixels::Place;

const CLUB: Place = Place { lat: 38.9179, lon: -77.0237 };

/// Gives these replies, one after the other, and remembers what it was asked.
#[derive(Debug, Default)]
struct Script {
    replies: Mutex<VecDeque<Reply>>,
    asked: Mutex<Vec<Ask>>,
}

#[async_trait]
impl Fetch for Script {
    async fn fetch(&self, ask: &Ask, judge: Judge<'_>) -> Result<(), Unanswered> {
        let service = ask.service;
        self.asked.lock().unwrap().push(ask.clone());
        let reason = "no reply in time".to_owned();
        let reply = self.replies.lock().unwrap().pop_front();
        judge(&reply.ok_or(Unanswered::Failed { service, reason })?).map(drop)
    }
}

impl Script {
    fn new(replies: impl IntoIterator<Item = (u16, String)>) -> Arc<Self> {
        let reply =
            |(status, body): (u16, String)| Reply { status, retry_after: None, body: body.into() };
        Arc::new(Self {
            replies: Mutex::new(replies.into_iter().map(reply).collect()),
            asked: Mutex::default(),
        })
    }

    fn online(self: &Arc<Self>) -> Online {
        let fetch: Arc<dyn Fetch> = Arc::<Self>::clone(self);
        online(&fetch)
    }

    fn urls(&self) -> Vec<String> {
        self.asked.lock().unwrap().iter().map(|ask| ask.url.clone()).collect()
    }
}

fn online(fetch: &Arc<dyn Fetch>) -> Online {
    let services = Services {
        setlist_fm: "http://setlist/rest/1.0/".to_owned(),
        setlist_fm_key: "secret".to_owned(),
        overpass: "http://overpass/api".to_owned(),
        nominatim: "http://nominatim".to_owned(),
    };
    Online::new(fetch, &services)
}

fn wait<T>(answer: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(answer)
}

fn region() -> (u16, String) {
    (200, json!({ "address": { "country_code": "us", "ISO3166-2-lvl4": "US-DC" } }).to_string())
}

fn setlist(number: usize) -> Value {
    json!({ "id": format!("{number:07x}"), "versionId": "g1", "eventDate": "14-06-2019",
        "lastUpdated": "2019-06-15T10:00:00.000+0000",
        "artist": { "mbid": "m", "name": format!("artist {number}"), "sortName": "a", "url": "https://www.setlist.fm/a" },
        "venue": { "id": "3d635a7", "name": "9:30 Club", "url": "https://www.setlist.fm/venue/v",
            "city": { "id": "4140963", "name": "Washington", "state": "Washington, D.C.", "stateCode": "DC",
                "coords": { "lat": 38.895, "long": -77.036 }, "country": { "code": "US", "name": "United States" } } },
        "sets": { "set": [{ "song": [{ "name": "" }] }] }, "url": format!("https://www.setlist.fm/{number}") })
}

fn page(number: usize, total: usize, setlists: impl IntoIterator<Item = usize>) -> Value {
    let setlists: Vec<Value> = setlists.into_iter().map(setlist).collect();
    json!({ "type": "setlists", "itemsPerPage": 20, "page": number, "total": total, "setlist": setlists })
}

fn nothing() -> (u16, String) {
    let real = json!({ "timestamp": 1_507_422_307_666_u64, "status": 404, "error": "Not Found",
        "message": "Not Found", "path": "/1.0/search/artists" });
    (404, real.to_string())
}

/// What is found when the place is in one region, and setlist.fm replies so.
fn shows(
    replies: impl IntoIterator<Item = (u16, String)>,
) -> (Result<Vec<Show>, Decision>, Vec<String>) {
    let script = Script::new(std::iter::repeat_n(region(), 5).chain(replies));
    let date = "2019-06-14".parse().unwrap();
    let shows = wait(script.online().shows(date, CLUB, 30_000.0));
    (shows.map_err(|error| error.decision()), script.urls().split_off(5))
}

fn ok(page: &Value) -> (u16, String) {
    (200, page.to_string())
}

#[test]
fn all_pages_are_read() {
    let (found, urls) =
        shows([ok(&page(1, 45, 0..20)), ok(&page(2, 45, 20..40)), ok(&page(3, 45, 40..45))]);
    let found = found.unwrap();
    assert_eq!((found.len(), found[44].url.as_str()), (45, "https://www.setlist.fm/44"));
    let url = |page| {
        format!(
            "http://setlist/rest/1.0/search/setlists?date=14-06-2019&countryCode=US&p={page}&stateCode=DC"
        )
    };
    assert_eq!(urls, [url(1), url(2), url(3)]);
    assert_eq!(shows([ok(&page(1, 20, 0..20))]).0.unwrap().len(), 20);
}

#[test]
fn only_its_own_404_says_that_there_is_nothing() {
    assert_eq!(shows([nothing()]).0.unwrap().len(), 0);
    let documented = json!({ "code": 404, "status": "Not Found", "message": "unknown mbid", "timestamp": "2016" });
    assert_eq!(shows([(404, documented.to_string())]).0.unwrap().len(), 0);
    for other in ["<html>not here</html>", r#"{"message":"Not Found"}"#, "", "404"] {
        assert!(shows([(404, other.to_owned())]).0.is_err(), "{other}");
    }
    // On a later page it means that the pages have changed.
    assert!(shows([ok(&page(1, 45, 0..20)), nothing()]).0.is_err());
}

/// A page that was kept may be older than the next one: then all are asked for as they are now.
#[test]
fn pages_that_do_not_fit_together_are_asked_for_anew() {
    let script = Script::new(std::iter::repeat_n(region(), 5).chain([
        ok(&page(1, 45, 0..20)),
        nothing(),
        ok(&page(1, 25, 0..20)),
        ok(&page(2, 25, 20..25)),
    ]));
    let date = "2019-06-14".parse().unwrap();
    let found = wait(script.online().shows(date, CLUB, 30_000.0)).unwrap();
    assert_eq!(found.len(), 25);
    let asked = script.asked.lock().unwrap();
    let fresh: Vec<bool> = asked[5..].iter().map(|ask| ask.fresh).collect();
    assert_eq!(fresh, [false, false, true, false]);
    // A later page is one of the first page as it was.
    let editions: Vec<&str> = asked[5..].iter().map(|ask| ask.edition.as_str()).collect();
    assert_eq!((editions[0], editions[2]), ("", ""));
    assert!(editions[1].len() == 64 && editions[3].len() == 64 && editions[1] != editions[3]);
}

#[test]
fn answers_are_what_may_be_kept_and_nothing_else() {
    #[derive(Debug, Default)]
    struct Keeper(Mutex<Vec<Result<Answer, Unanswered>>>, Mutex<VecDeque<Reply>>);

    #[async_trait]
    impl Fetch for Keeper {
        async fn fetch(&self, _: &Ask, judge: Judge<'_>) -> Result<(), Unanswered> {
            let reply = self.1.lock().unwrap().pop_front().unwrap();
            let judged = judge(&reply);
            self.0.lock().unwrap().push(judged.clone());
            judged.map(drop)
        }
    }

    let date = "2019-06-14".parse().unwrap();
    let kept = |replies: Vec<(u16, String)>| {
        let replies = std::iter::repeat_n(region(), 5).chain(replies);
        let reply =
            |(status, body): (u16, String)| Reply { status, retry_after: None, body: body.into() };
        let keeper = Arc::new(Keeper(Mutex::default(), Mutex::new(replies.map(reply).collect())));
        let fetch: Arc<dyn Fetch> = Arc::<Keeper>::clone(&keeper);
        let _ = wait(online(&fetch).shows(date, CLUB, 30_000.0));
        keeper.0.lock().unwrap().split_off(4)
    };
    let found = |found| Ok(Answer::Shows { date, found });
    assert_eq!(kept(vec![ok(&page(1, 20, 0..20))]), [Ok(Answer::Map), found(true)]);
    assert_eq!(kept(vec![nothing()]), [Ok(Answer::Map), found(false)]);
    for (status, body) in [
        (200, "<html>"),
        (200, "{}"),
        (404, "<html>"),
        (429, r#"{"message":"Too Many Requests"}"#),
        (429, r#"{"message":"Limit Exceeded"}"#),
        (403, ""),
        (500, ""),
    ] {
        let judged = kept(vec![(status, body.to_owned())]);
        assert!(judged[1].is_err(), "{status} {body}: {judged:?}");
    }
}

#[test]
fn what_is_no_answer_is_none_and_says_what_to_do() {
    let minute = Duration::from_mins(1);
    let hour = Duration::from_hours(1);
    let later = Decision::Retry { after: None };
    let cut = page(1, 3, 0..3).to_string();
    let cases = [
        ((429, r#"{"message":"Too Many Requests"}"#), Decision::Postpone { after: minute }),
        ((429, r#"{"message":"Limit Exceeded"}"#), Decision::Postpone { after: hour }),
        ((403, r#"{"message":"Forbidden"}"#), Decision::Postpone { after: hour }),
        ((400, ""), Decision::Discard),
        ((500, ""), later),
        ((302, ""), later),
        ((200, "<html>Bandwidth limit exceeded</html>"), later),
        ((200, ""), later),
        ((200, "null"), later),
        ((200, &cut[..cut.len() / 2]), later),
    ];
    for ((status, body), decision) in cases {
        assert_eq!(shows([(status, body.to_owned())]).0.unwrap_err(), decision, "{status} {body}");
    }
    // No reply at all.
    assert_eq!(shows([]).0.unwrap_err(), later);
    // Another page, no page, another day, too many pages.
    let mut other_day = page(1, 1, 0..1);
    other_day["setlist"][0]["eventDate"] = json!("15-06-2019");
    for wrong in [page(2, 45, 0..20), page(1, 45, []), other_day] {
        assert_eq!(shows([ok(&wrong)]).0.unwrap_err(), later);
    }
    let endless = (1..=101).map(|number| ok(&page(number, usize::MAX >> 40, 0..20)));
    assert!(shows(endless).0.is_err());
}

/// Each value of `json` replaced by each of these, one at a time.
fn spoiled(json: &Value) -> Vec<Value> {
    let mut all: Vec<Value> =
        [json!(null), json!("x"), json!(true), json!([{}]), json!({ "x": [] })].into();
    let wrap = |rebuild: &dyn Fn(Value) -> Value, inner: &Value| -> Vec<Value> {
        spoiled(inner).into_iter().map(rebuild).collect()
    };
    match json {
        Value::Array(list) => {
            for index in 0..list.len().min(1) {
                let rebuild = |value: Value| {
                    let mut list = list.clone();
                    list[index] = value;
                    Value::Array(list)
                };
                all.extend(wrap(&rebuild, &list[index]));
            }
        }
        Value::Object(fields) => {
            for key in fields.keys() {
                let rebuild = |value: Value| {
                    let mut fields = fields.clone();
                    fields.insert(key.clone(), value);
                    Value::Object(fields)
                };
                all.extend(wrap(&rebuild, &fields[key]));
            }
        }
        _ => {}
    }
    all
}

/// Wrong types in any field: no answer, or what does not depend on that field. Never: no concerts.
#[test]
fn wrong_types_anywhere_never_say_that_there_is_nothing() {
    let right = page(1, 1, 0..1);
    let spoiled = spoiled(&right);
    assert!(spoiled.len() > 150, "{}", spoiled.len());
    for page in spoiled {
        if let Ok(found) = shows([ok(&page)]).0 {
            // A city without coordinates cannot be placed: all others are the show.
            let placed = page["setlist"][0]["venue"]["city"]["coords"].is_object();
            assert!(found.len() == 1 || !placed, "{page}");
        }
    }
}

#[test]
fn all_regions_within_reach_are_asked_once() {
    let state = |code: &str| {
        (200, json!({ "address": { "country_code": "us", "ISO3166-2-lvl4": code } }).to_string())
    };
    let tokyo = (
        200,
        json!({ "address": { "country_code": "jp", "ISO3166-2-lvl4": "JP-13" } }).to_string(),
    );
    let sea = (200, json!({ "error": "Unable to geocode" }).to_string());
    let script = Script::new([
        state("US-DC"),
        state("US-MD"),
        state("US-VA"),
        tokyo,
        sea,
        nothing(),
        nothing(),
        nothing(),
        nothing(),
    ]);
    wait(script.online().shows("2019-06-14".parse().unwrap(), CLUB, 30_000.0)).unwrap();
    let urls = script.urls();
    assert!(urls[0].ends_with("lat=38.9&lon=-77.0"), "{}", urls[0]);
    let asked: Vec<&str> =
        urls[5..].iter().map(|url| url.split_once("countryCode=").unwrap().1).collect();
    assert_eq!(
        asked,
        ["JP&p=1", "US&p=1&stateCode=DC", "US&p=1&stateCode=MD", "US&p=1&stateCode=VA"]
    );
    // Whatever is wrong with one of them, there is no answer.
    for broken in
        ["<html>", "{}", "[]", r#"{"address":{}}"#, r#"{"address":{"country_code":"usa"}}"#]
    {
        let script = Script::new([
            state("US-DC"),
            (200, broken.to_owned()),
            nothing(),
            nothing(),
            nothing(),
            nothing(),
        ]);
        let found = wait(script.online().shows("2019-06-14".parse().unwrap(), CLUB, 30_000.0));
        assert!(found.is_err(), "{broken}");
    }
}

#[test]
fn places_around_are_read_and_remarks_are_no_answer() {
    let element = json!({ "type": "way", "id": 7, "center": { "lat": 38.9180, "lon": -77.0237 },
        "tags": { "name": "9:30 Club", "amenity": "music_venue" } });
    let far = json!({ "type": "node", "id": 8, "lat": 38.93, "lon": -77.0237, "tags": { "name": "Far" } });
    let nameless = json!({ "type": "node", "id": 9, "lat": 38.9180, "lon": -77.0237, "tags": {} });
    let answer = |remark: Option<&str>| {
        let mut answer = json!({ "version": 0.6, "elements": [element, far, nameless] });
        if let Some(remark) = remark {
            answer["remark"] = json!(remark);
        }
        answer.to_string()
    };
    let around = |status: u16, body: String| {
        let script = Script::new([(status, body)]);
        let found = wait(script.online().pois(CLUB, 500.0));
        let form = script.asked.lock().unwrap()[0].form[0].1.clone();
        // Only the cell is told.
        assert!(form.contains("(around:579,38.918,-77.024)"), "{form}");
        found
            .map(|pois| pois.into_iter().map(|poi| poi.osm).collect::<Vec<_>>())
            .map_err(|error| error.decision())
    };
    assert_eq!(around(200, answer(None)).unwrap(), ["way/7"]);
    let later = Decision::Retry { after: None };
    assert_eq!(around(200, answer(Some("runtime error: Query timed out"))).unwrap_err(), later);
    assert_eq!(
        around(504, "<html>busy</html>".to_owned()).unwrap_err(),
        Decision::Postpone { after: Duration::from_mins(1) }
    );
    assert_eq!(around(400, "<html>parse error</html>".to_owned()).unwrap_err(), Decision::Discard);
    assert_eq!(
        around(200, "<html>banned</html>".to_owned()).unwrap_err(),
        Decision::Postpone { after: Duration::from_hours(1) }
    );
    for broken in [
        "",
        "{}",
        r#"{"elements":null}"#,
        r#"{"elements":[{"type":"way","id":1}]}"#,
        r#"{"elements":[{"type":"way","id":"1"}]}"#,
    ] {
        assert_eq!(around(200, broken.to_owned()).unwrap_err(), later, "{broken}");
    }
}

#[test]
fn a_venue_is_where_its_name_is_near_its_city() {
    let city = City {
        name: "Washington".to_owned(),
        place: Some(Place { lat: 38.895, lon: -77.036 }),
        ..City::default()
    };
    let venue = Venue {
        id: "3d635a7".to_owned(),
        name: "9:30 Club".to_owned(),
        city: Some(city),
        ..Venue::default()
    };
    let found = |name: &str, lat: &str, category: &str| json!({ "lat": lat, "lon": "-77.0237", "category": category, "name": name });
    let places = |body: String| {
        let script = Script::new([(200, body)]);
        let places = wait(script.online().places_of(&venue));
        assert!(
            script.urls()[0].ends_with("q=9%3A30%20Club%2C%20Washington"),
            "{:?}",
            script.urls()
        );
        places.map_err(|error| error.decision())
    };
    let all = json!([
        found("9:30 Club", "38.9179", "amenity"),
        found("9:30 Club", "40.7", "amenity"),
        found("9:30 Club", "38.9", "highway"),
        found("Model Railway Club", "38.9", "club"),
    ]);
    assert_eq!(places(all.to_string()), Ok(vec![CLUB]));
    let twice =
        json!([found("9:30 Club", "38.9179", "amenity"), found("9:30 Club", "38.93", "amenity")]);
    assert_eq!(places(twice.to_string()), Ok(vec![]));
    assert_eq!(places("[]".to_owned()), Ok(vec![]));
    for broken in ["", "{}", "[{}]", r#"[{"lat":"x","lon":"1","category":"a","name":"b"}]"#] {
        assert_eq!(
            places(broken.to_owned()).unwrap_err(),
            Decision::Retry { after: None },
            "{broken}"
        );
    }
}

#[test]
fn errors_tell_neither_places_nor_keys() {
    let script = Script::new([(500, String::new())]);
    let error = wait(script.online().pois(CLUB, 500.0)).unwrap_err().to_string();
    assert_eq!(error, "Overpass failed: status 500");
    let ask = Ask {
        headers: vec![("x-api-key", "secret".to_owned())],
        form: vec![("data", "38.918".to_owned())],
        ..Ask::get(Target::SetlistFm, "http://setlist/x?lat=38.9".to_owned())
    };
    let shown = format!("{ask:?}");
    assert!(!shown.contains("38.9") && !shown.contains("secret"), "{shown}");
}

/// Real answers, from beside the repository.
#[test]
#[expect(clippy::print_stdout, reason = "a skipped test must say so")]
fn real_answers_are_read() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/fixtures/setlistfm");
    let Ok(page) =
        std::fs::read_to_string(format!("{folder}/hond_artist__setlists__200_page1.json"))
    else {
        println!("SKIPPED: ../shared/fixtures/setlistfm is not there");
        return;
    };
    let mut page: Value = serde_json::from_str(&page).unwrap();
    let count = page["setlist"].as_array().unwrap().len();
    for setlist in page["setlist"].as_array_mut().unwrap() {
        setlist["eventDate"] = json!("14-06-2019");
    }
    page["total"] = json!(count);
    // All are real shows of all the world: of none is the city near.
    assert_eq!(shows([ok(&page)]).0.unwrap().len(), 0);
}
