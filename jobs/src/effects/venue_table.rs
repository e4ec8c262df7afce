//! What the venue table answers of what matching asks.
//!
//! It answers only for what its extracts cover. Their rectangles say too much: an extract is cut along a
//! border, and beyond it there is nothing. So an empty answer counts only where the table knows at least
//! some place further around.

use super::catalogue::{Catalogue, CatalogueError, OsmPlace};
use crate::matching::{Name, Poi, Venue, metres, similarity};
use crate::pixels::Place;

/// Where people live, some bar, church or park is nearer than so many metres.
const INHABITED: f64 = 2_500.0;
/// No venue is further away from the centre of its city, in metres.
const REGION: f64 = 30_000.0;
/// Names that are so alike are of one venue.
const SAME_NAME: f64 = 0.8;
/// A bar or a church is taken for a venue only if it has the venue's very name.
const VERY_NAME: f64 = 0.95;
/// A venue may be drawn twice, as a point and as an area, so far apart in metres.
const ONE_PLACE: f64 = 100.0;

/// Looks places and venues up in the catalogue.
#[derive(Clone, Copy, Debug)]
pub(super) struct VenueTable<'a>(pub(super) &'a Catalogue);

impl VenueTable<'_> {
    /// Places where concerts could be, at most so many metres from a place; `None` where no extract covers it.
    pub(super) async fn pois(
        self,
        near: Place,
        reach: f64,
    ) -> Result<Option<Vec<Poi>>, CatalogueError> {
        let found = self.0.osm_around(near.lat, near.lon, reach).await?;
        if found.extracts.is_empty() {
            return Ok(None);
        }
        if found.places.is_empty() {
            let further = self.0.osm_around(near.lat, near.lon, reach.max(INHABITED)).await?;
            return Ok((!further.places.is_empty()).then(Vec::new));
        }
        let pois = found.places.iter().filter_map(|(_, place)| place.poi());
        Ok(Some(pois.filter(|poi| poi.is_around(near, reach)).collect()))
    }

    /// Where a venue is: the one place near its city that has its name; `None` if there is none of it. Of
    /// several nobody knows which one it is.
    pub(super) async fn places_of(
        self,
        venue: &Venue,
    ) -> Result<Option<Vec<Place>>, CatalogueError> {
        let Some((city, centre)) = venue.city.as_ref().and_then(|city| Some((city, city.place?)))
        else {
            return Ok(None);
        };
        let city = Name::new(&city.name);
        let called = std::iter::once(&venue.name).chain(&venue.also);
        let called: Vec<Name> = called.map(|name| Name::new(name)).collect();
        let named = self.0.osm_named(&called, &city, centre, REGION).await?;
        let mut alike: Vec<(Poi, f64)> = Vec::new();
        for poi in named.iter().filter_map(OsmPlace::poi) {
            let pairs = poi.names.iter().flat_map(|own| called.iter().map(move |name| (own, name)));
            let best = pairs.map(|(own, name)| similarity(own, name, &city)).fold(0.0, f64::max);
            if best >= if poi.is_venue() { SAME_NAME } else { VERY_NAME } {
                alike.push((poi, best));
            }
        }
        if alike.is_empty() {
            return Ok(None);
        }
        // A concert venue before a bar, the very name before one that is alike.
        let rank = |(poi, alike): &(Poi, f64)| (poi.is_venue(), *alike >= VERY_NAME);
        let best = alike.iter().map(rank).max();
        let mut places: Vec<Place> = Vec::new();
        for (poi, _) in alike.iter().filter(|one| Some(rank(one)) == best) {
            if places.iter().all(|known| metres(*known, poi.place) > ONE_PLACE) {
                places.push(poi.place);
            }
        }
        Ok(Some(if places.len() == 1 { places } else { Vec::new() }))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use async_trait::async_trait;
    use tempfile::TempDir;

    use super::*;
    use crate::effects::World;
    use crate::effects::catalogue::{CatalogueOptions, OsmArea};
    use crate::effects::web::{Ask, Fetch, Judge, Online, Services, Unanswered};
    use crate::matching::{City, Lookups as _};

    const CLUB: Place = Place { lat: 38.9179, lon: -77.0237 };

    /// Counts questions, and answers none.
    #[derive(Debug, Default)]
    struct Silence(AtomicUsize);

    #[async_trait]
    impl Fetch for Silence {
        async fn fetch(&self, ask: &Ask, _: Judge<'_>) -> Result<(), Unanswered> {
            self.0.fetch_add(1, Ordering::Relaxed);
            Err(Unanswered::Failed { service: ask.service, reason: "no reply in time".to_owned() })
        }
    }

    /// Element, place, tags.
    type Told<'a> = (&'a str, Place, &'a [(&'a str, &'a str)]);

    /// A world whose table has these places, and who is asked for what it does not know.
    async fn world(places: &[Told<'_>]) -> (World, Arc<Silence>, TempDir) {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", folder.path().join("catalogue.db").display());
        let options = CatalogueOptions { url, ..CatalogueOptions::default() };
        let catalogue = Catalogue::connect(options).await.unwrap();
        catalogue.migrate().await.unwrap();
        let tags = |tags: &[(&str, &str)]| -> BTreeMap<String, String> {
            tags.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
        };
        let places = places.iter().map(|(osm, at, told)| OsmPlace {
            osm: (*osm).to_owned(),
            lat: at.lat,
            lon: at.lon,
            tags: tags(told),
        });
        let import = catalogue.begin_osm_import("dc", 1).await.unwrap();
        catalogue.add_osm_places(&import, &places.collect::<Vec<_>>()).await.unwrap();
        let area = OsmArea { south: 38.0, north: 39.5, west: -78.0, east: -76.0 };
        catalogue.finish_osm_import(&import, area, None, 1).await.unwrap();
        let silence = Arc::new(Silence::default());
        let fetch: Arc<dyn Fetch> = Arc::<Silence>::clone(&silence);
        let base = || "http://nowhere".to_owned();
        let services = Services {
            setlist_fm: base(),
            setlist_fm_key: base(),
            overpass: base(),
            nominatim: base(),
        };
        (World::new(catalogue, Some(Online::new(&fetch, &services))), silence, folder)
    }

    fn north(metres: f64) -> Place {
        Place { lat: CLUB.lat + metres / 111_195.0, ..CLUB }
    }

    const STAGE: &[(&str, &str)] = &[("amenity", "music_venue"), ("name", "9:30 Club")];
    const BAR: &[(&str, &str)] = &[("amenity", "bar"), ("name", "Bar")];

    #[tokio::test]
    async fn what_an_extract_covers_nobody_else_is_asked_for() {
        let (world, asked, _folder) = world(&[
            ("way/1", CLUB, STAGE),
            ("node/1", north(190.0), BAR),
            ("node/2", north(210.0), BAR),
        ])
        .await;
        let pois = world.pois(CLUB, 500.0).await.unwrap();
        let osm: Vec<&str> = pois.iter().map(|poi| poi.osm.as_str()).collect();
        // Bars are everywhere: only near ones count, as with Overpass.
        assert_eq!(osm, ["way/1", "node/1"]);
        // Nothing is around, but people live there: nothing is an answer.
        assert_eq!(world.pois(north(1_500.0), 500.0).await.unwrap().len(), 0);
        assert_eq!(asked.0.load(Ordering::Relaxed), 0);
    }

    #[tokio::test]
    async fn what_no_extract_covers_is_asked_for_and_silence_is_no_answer() {
        let (world, asked, _folder) = world(&[("way/1", CLUB, STAGE)]).await;
        // Beyond the extract; and within its rectangle, where it knows nobody: beyond a border.
        for place in [Place { lat: 40.0, lon: -77.0 }, north(20_000.0)] {
            assert!(world.pois(place, 500.0).await.is_err());
        }
        assert_eq!(asked.0.load(Ordering::Relaxed), 2);
    }

    #[tokio::test]
    async fn a_venue_is_where_the_one_place_is_that_has_its_name() {
        let hall = |name| [("amenity", "theatre"), ("name", name)];
        let (lincoln, howard) = (hall("Lincoln Theatre"), hall("Howard Theatre"));
        let bar = [("amenity", "bar"), ("name", "Lincoln's Waffle Bar")];
        let church = [("amenity", "place_of_worship"), ("name", "Sixth & I Historic Synagogue")];
        let (world, asked, _folder) = world(&[
            ("node/1", CLUB, STAGE),
            // Drawn twice.
            ("way/9", north(50.0), STAGE),
            ("way/2", north(900.0), &lincoln),
            ("node/3", north(2_000.0), &bar),
            ("way/4", north(3_000.0), &howard),
            ("way/5", north(9_000.0), &howard),
            ("way/6", north(4_000.0), &church),
        ])
        .await;
        let venue = |name: &str| Venue {
            id: "v".to_owned(),
            name: name.to_owned(),
            also: Vec::new(),
            city: Some(City {
                name: "Washington".to_owned(),
                state: None,
                country: None,
                place: Some(north(-2_000.0)),
            }),
        };
        for (name, places) in [
            ("9:30 Club", &[CLUB][..]),
            ("The Lincoln Theatre", &[north(900.0)]),
            // Two places of one name: nobody knows which.
            ("Howard Theatre", &[]),
            ("Sixth & I Historic Synagogue", &[north(4_000.0)]),
        ] {
            assert_eq!(world.places_of(&venue(name)).await.unwrap(), places, "{name}");
        }
        // What it was called before, as users say.
        let renamed = Venue { also: vec!["9:30 Club".to_owned()], ..venue("The Anthem Annex") };
        assert_eq!(world.places_of(&renamed).await.unwrap(), [CLUB]);
        assert_eq!(asked.0.load(Ordering::Relaxed), 0);
        // A church is not taken for what is called nearly so, nor anything for what is not there.
        for name in ["Sixth Street", "Black Cat"] {
            assert!(world.places_of(&venue(name)).await.is_err(), "{name}");
        }
        assert_eq!(asked.0.load(Ordering::Relaxed), 2);
    }
}
