//! A made-up library: evenings at concerts and days elsewhere, over ten years, in thirty cities.

use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use chrono::{DateTime, NaiveDate, NaiveDateTime, TimeDelta};

use crate::job::JobError;
use crate::matching::{
    City, Decision, Evidence, Lookups, Owner, Poi, Shot, Show, Venue, identities, match_session,
    moments, sessions,
};
use crate::pixels::Place;

const CITIES: usize = 30;
const VENUES: usize = 20;
/// Places around each venue that are no venues.
const OTHERS: usize = 20;
/// Shows in each city on each night.
const SHOWS: usize = 8;
/// Photos of one evening.
const PHOTOS: usize = 10;
const DAYS: usize = 3_650;

/// How long each part took, and what came of it.
#[derive(Debug)]
pub struct Matched {
    /// Name and duration of each part, in their order.
    pub took: Vec<(&'static str, Duration)>,
    /// How many sessions there were.
    pub sessions: usize,
    /// How many photos were linked.
    pub linked: usize,
}

/// Decides about so many photos of one owner, with all look-ups answered from memory.
///
/// # Errors
/// None; look-ups in memory do not fail.
pub async fn match_library(photos: usize) -> Result<Matched, JobError> {
    let world = World::new();
    let shots: Vec<Shot> = (0..photos).map(|number| world.shot(number)).collect();
    let mut took = Vec::new();
    let mut begun = Instant::now();
    let mut done = |part| {
        took.push((part, begun.elapsed()));
        begun = Instant::now();
    };
    let moments = moments(&shots, DateTime::from_timestamp(1_800_000_000, 0).unwrap_or_default());
    done("instants");
    let sessions = sessions(&shots, &moments);
    done("sessions");
    let identities = identities(&sessions, &shots, &moments, &HashMap::new());
    done("identities");
    let owner = Owner { path: Owner::path(&shots, &moments), ..Owner::default() };
    let mut linked = 0;
    for (session, identity) in sessions.iter().zip(&identities) {
        for matched in match_session(session, &moments, &owner, &world).await? {
            let members = matched.members.iter().map(|member| session.members[*member]);
            let decided = members.filter_map(|(shot, placed)| {
                Some(Evidence::new(&matched.verdict, identity, moments[shot].as_ref()?, placed))
            });
            linked += decided.filter(|evidence| evidence.decision == Decision::Auto).count();
        }
    }
    done("scores and decisions");
    Ok(Matched { took, sessions: sessions.len(), linked })
}

pub(super) struct World {
    /// By city.
    pois: Vec<Vec<Poi>>,
    first: NaiveDateTime,
}

/// Numbers that look like chance.
fn mixed(number: usize) -> usize {
    let mixed =
        (number as u64).wrapping_add(0x9e37_79b9_7f4a_7c15).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    usize::try_from((mixed ^ (mixed >> 29)) >> 33).unwrap_or(0)
}

fn float(number: usize) -> f64 {
    u32::try_from(number).map_or(0.0, f64::from)
}

fn centre(city: usize) -> Place {
    Place { lat: 30.0 + float(city), lon: -120.0 + 2.0 * float(city) }
}

fn venue_place(city: usize, venue: usize) -> Place {
    let centre = centre(city);
    Place { lat: centre.lat + 0.005 * float(venue % 5), lon: centre.lon + 0.006 * float(venue / 5) }
}

fn venue_name(city: usize, venue: usize) -> String {
    let words = ["Aurora", "Bluebird", "Cobalt", "Dynamo", "Ember", "Foxglove", "Granite"];
    let kinds = ["Theatre", "Club", "Hall", "Arena", "Ballroom"];
    format!("{} {} {}", words[venue % 7], words[(venue / 7 + city) % 7], kinds[venue % 5])
}

impl World {
    pub(super) fn new() -> Self {
        let tags = |name: String, amenity: &str| {
            BTreeMap::from([("name".to_owned(), name), ("amenity".to_owned(), amenity.to_owned())])
        };
        let pois = (0..CITIES).map(|city| {
            let mut pois = Vec::new();
            for venue in 0..VENUES {
                let place = venue_place(city, venue);
                let named = tags(venue_name(city, venue), "theatre");
                pois.extend(Poi::new(format!("way/{venue}"), place, &named));
                for other in 0..OTHERS {
                    let number = mixed(venue * OTHERS + other);
                    let place = Place {
                        lat: place.lat + float(number % 1_000) / 300_000.0,
                        lon: place.lon + float(number / 1_000 % 1_000) / 300_000.0,
                    };
                    let named = tags(format!("Corner {other} Tavern"), "bar");
                    pois.extend(Poi::new(format!("node/{number}"), place, &named));
                }
            }
            pois
        });
        let first = NaiveDate::from_ymd_opt(2012, 1, 1).unwrap_or_default();
        Self { pois: pois.collect(), first: first.and_hms_opt(20, 0, 0).unwrap_or_default() }
    }

    /// Each evening in one city at one venue, or far from all of them.
    pub(super) fn shot(&self, number: usize) -> Shot {
        let (evening, photo) = (number / PHOTOS, number % PHOTOS);
        let (city, venue) = (mixed(evening) % CITIES, mixed(evening + 7) % VENUES);
        let away = if evening.is_multiple_of(3) { 0.1 } else { 0.0 };
        let place = venue_place(city, venue);
        let noise = float(mixed(number) % 100) / 200_000.0;
        let days = i64::try_from(evening % DAYS).unwrap_or(0);
        // With more evenings than days, later ones are with other cameras.
        let camera = format!("camera {}", evening / DAYS);
        Shot {
            key: number.to_string(),
            name: format!("DSC_{photo:04}.JPG"),
            camera: Some(camera),
            local: Some(
                self.first
                    + TimeDelta::days(days)
                    + TimeDelta::minutes(10 * i64::try_from(photo).unwrap_or(0)),
            ),
            place: Some(Place { lat: place.lat + noise + away, lon: place.lon + noise })
                .filter(|_| photo != 5),
            ..Shot::default()
        }
    }
}

/// Cities are a degree apart.
fn city_at(place: Place) -> usize {
    (0..CITIES).find(|city| (centre(*city).lat - place.lat).abs() < 0.5).unwrap_or(0)
}

#[async_trait]
impl Lookups for World {
    async fn shows(&self, date: NaiveDate, near: Place, _: f64) -> Result<Vec<Show>, JobError> {
        let city = city_at(near);
        let night = usize::try_from((date - self.first.date()).num_days()).unwrap_or(0);
        let shows = (0..SHOWS).map(|show| {
            let venue = (mixed(night * CITIES + city) + show * 3) % VENUES;
            Show {
                setlist: format!("{night} {city} {show}"),
                url: String::new(),
                date,
                artist: format!("artist {show}"),
                venue: Venue {
                    id: format!("{city} {venue}"),
                    name: venue_name(city, venue),
                    city: Some(City {
                        name: format!("city {city}"),
                        place: Some(centre(city)),
                        ..City::default()
                    }),
                    ..Venue::default()
                },
                ..Show::default()
            }
        });
        Ok(shows.collect())
    }

    async fn pois(&self, near: Place, metres: f64) -> Result<Vec<Poi>, JobError> {
        let around = metres / 111_195.0;
        let pois = self.pois[city_at(near)].iter();
        Ok(pois.filter(|poi| (poi.place.lat - near.lat).abs() <= around).cloned().collect())
    }

    async fn places_of(&self, _: &Venue) -> Result<Vec<Place>, JobError> {
        Ok(Vec::new())
    }
}
