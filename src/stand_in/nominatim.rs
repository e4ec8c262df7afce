//! Nominatim, as far as it is asked.

use std::collections::HashMap;
use std::sync::Arc;

use axum::extract::{Query, State};
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};

use super::{World, metres, place};

/// Further from every city, a place is at sea, in metres.
const AT_SEA: f64 = 150_000.0;
/// So far around a city, names are looked for.
const AROUND: f64 = 40_000.0;

pub(super) fn routes() -> Router<Arc<World>> {
    Router::new().route("/reverse", get(reverse)).route("/search", get(search))
}

/// The cities that setlist.fm knows.
fn cities(world: &World) -> impl Iterator<Item = (&Value, (f64, f64))> {
    let cities = world.setlists.iter().map(|setlist| &setlist["venue"]["city"]);
    let cities = cities.filter(|city| city["country"]["code"].is_string());
    cities.filter_map(|city| Some((city, place(&city["coords"], "lat", "long")?)))
}

async fn reverse(
    State(world): State<Arc<World>>,
    Query(query): Query<HashMap<String, String>>,
) -> Json<Value> {
    let number = |name: &str| query.get(name)?.parse::<f64>().ok();
    let nearest = number("lat").zip(number("lon")).and_then(|here| {
        let apart = cities(&world).map(|(city, at)| (city, metres(here, at)));
        apart.filter(|(_, apart)| *apart <= AT_SEA).min_by(|(_, a), (_, b)| a.total_cmp(b))
    });
    let Some((city, _)) = nearest else {
        return Json(json!({ "error": "Unable to geocode" }));
    };
    let country = city["country"]["code"].as_str().unwrap_or_default();
    let state = city["stateCode"].as_str().unwrap_or_default();
    Json(
        json!({ "osm_type": "relation", "category": "boundary", "address": { "state": city["state"],
        "ISO3166-2-lvl4": format!("{country}-{state}"), "country_code": country.to_lowercase() } }),
    )
}

/// `q` is a name, a comma, and a city.
async fn search(
    State(world): State<Arc<World>>,
    Query(query): Query<HashMap<String, String>>,
) -> Json<Value> {
    let words = query.get("q").map(String::as_str).unwrap_or_default();
    let (name, city) = words.rsplit_once(", ").unwrap_or((words, ""));
    let found = |(lat, lon): (f64, f64), name: &Value| {
        json!({ "osm_type": "way", "osm_id": "1", "lat": lat.to_string(), "lon": lon.to_string(),
            "category": "amenity", "type": "theatre", "name": name })
    };
    let venues = world
        .venues
        .iter()
        .filter(|venue| venue["setlistfm_name"] == name && venue["setlistfm_city"] == city);
    let mut places: Vec<Value> = venues
        .filter_map(|venue| Some(found(place(venue, "lat", "lng")?, &venue["setlistfm_name"])))
        .collect();
    if places.is_empty()
        && let Some((_, centre)) = cities(&world).find(|(known, _)| known["name"] == city)
    {
        let elements = world.elements.iter().filter_map(|element| {
            let at =
                place(element, "lat", "lon").or_else(|| place(&element["center"], "lat", "lon"))?;
            let named = element["tags"]["name"].as_str()?.eq_ignore_ascii_case(name);
            (named && metres(centre, at) <= AROUND).then(|| found(at, &element["tags"]["name"]))
        });
        places = elements.collect();
    }
    places.truncate(5);
    Json(Value::Array(places))
}
