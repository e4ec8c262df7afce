//! The world that the samples were taken in: real venues, and shows of artists that nobody has heard of.

use serde_json::{Value, json};

use super::{PER_EVENING, Sample, VENUES, small};

/// What setlist.fm and `OpenStreetMap` know of it, as they write it.
#[derive(Clone, Debug)]
pub struct World {
    /// Setlists.
    pub setlists: Vec<Value>,
    /// Places, as Overpass answers them.
    pub elements: Vec<Value>,
}

/// A place of [`VENUES`], in its order.
struct Venue {
    name: &'static str,
    amenity: &'static str,
    city: City,
}

struct City {
    name: &'static str,
    state_code: &'static str,
    country: (&'static str, &'static str),
    centre: (f64, f64),
}

const fn venue(name: &'static str, amenity: &'static str, city: City) -> Venue {
    Venue { name, amenity, city }
}

const fn city(
    name: &'static str,
    state_code: &'static str,
    country: (&'static str, &'static str),
    centre: (f64, f64),
) -> City {
    City { name, state_code, country, centre }
}

const KNOWN: [Venue; VENUES.len()] = [
    venue(
        "Ziggo Dome",
        "events_venue",
        city("Amsterdam", "07", ("NL", "Netherlands"), (52.374, 4.89)),
    ),
    venue(
        "Red Rocks Amphitheatre",
        "theatre",
        city("Morrison", "CO", ("US", "United States"), (39.6536, -105.1911)),
    ),
    venue(
        "Sydney Opera House",
        "theatre",
        city("Sydney", "02", ("AU", "Australia"), (-33.868, 151.207)),
    ),
    venue(
        "Estadio Monumental",
        "events_venue",
        city("Buenos Aires", "07", ("AR", "Argentina"), (-34.613, -58.377)),
    ),
    venue("Waldbühne", "theatre", city("Berlin", "16", ("DE", "Germany"), (52.524, 13.411))),
    venue("Nippon Budokan", "events_venue", city("Tokyo", "40", ("JP", "Japan"), (35.69, 139.692))),
    venue(
        "Parliament Lawn",
        "park",
        city("Wellington", "G2", ("NZ", "New Zealand"), (-41.287, 174.776)),
    ),
    venue(
        "The O2",
        "events_venue",
        city("London", "ENG", ("GB", "United Kingdom"), (51.509, -0.126)),
    ),
];

/// Here the show of the night was at another place of the city, of which the map knows nothing.
const ELSEWHERE: usize = 2;
/// And here there was none.
const NO_SHOW: usize = 6;

const ARTISTS: [&str; 7] = [
    "The Placeholders",
    "Lorem & the Ipsums",
    "Null Island Orchestra",
    "Soft Launch",
    "The Rubber Ducks",
    "Offset by One",
    "Twelve Angry Bytes",
];

/// What is known of the evenings of so many samples.
pub fn world(count: usize) -> World {
    let evenings = count.div_ceil(PER_EVENING);
    let elements =
        VENUES.iter().zip(&KNOWN).enumerate().map(|(number, ((north, east, _), venue))| {
            json!({ "type": "way", "id": number + 1, "center": { "lat": north, "lon": east },
            "tags": { "name": venue.name, "amenity": venue.amenity } })
        });
    let shows = (0..evenings).filter(|evening| evening % VENUES.len() != NO_SHOW);
    let setlists = shows.flat_map(|evening| [setlist(evening, 0), setlist(evening, 1)]);
    World { setlists: setlists.collect(), elements: elements.collect() }
}

/// The title act plays songs, the opener's setlist is still empty.
fn setlist(evening: usize, act: usize) -> Value {
    let place = evening % VENUES.len();
    let (venue, date) = (&KNOWN[place], Sample::new(evening * PER_EVENING).taken);
    let name = if place == ELSEWHERE { "Enmore Theatre" } else { venue.name };
    let artist = (evening + 3 * act) % ARTISTS.len();
    let songs: Vec<Value> = (1..=if act == 0 { 14 } else { 0 })
        .map(|song| json!({ "name": format!("Song {song}") }))
        .collect();
    let (code, country) = venue.city.country;
    let (lat, long) = venue.city.centre;
    let page = |what: &str, id: String| format!("https://example.org/{what}/{id}.html");
    let id = format!("{:07x}", evening * 2 + act + 1);
    json!({
        "id": id, "versionId": format!("g{id}"), "eventDate": date.format("%d-%m-%Y").to_string(),
        "lastUpdated": date.format("%Y-%m-%dT23:59:00.000+0000").to_string(),
        "artist": { "mbid": format!("00000000-0000-4000-8000-{artist:012}"), "name": ARTISTS[artist],
            "sortName": ARTISTS[artist], "disambiguation": "", "url": page("artist", artist.to_string()) },
        "venue": { "id": format!("{:08x}", small(place) + 1), "name": name,
            "city": { "id": (2_600_000 + place).to_string(), "name": venue.city.name,
                "state": venue.city.name, "stateCode": venue.city.state_code,
                "coords": { "lat": lat, "long": long }, "country": { "code": code, "name": country } },
            "url": page("venue", place.to_string()) },
        "sets": { "set": if songs.is_empty() { json!([]) } else { json!([{ "song": songs }]) } },
        "url": page("setlist", id.clone()),
    })
}
