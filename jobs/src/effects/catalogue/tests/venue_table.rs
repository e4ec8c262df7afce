//! The venue table.

use std::collections::BTreeMap;

use super::databases::Database;
use super::{NOW, on_both};
use crate::effects::catalogue::{Catalogue, OsmArea, OsmImport, OsmPlace};
use crate::matching::{Name, metres};
use crate::pixels::Place;

on_both!(
    around_is_what_counting_finds,
    a_new_import_takes_the_place_of_the_old_one_at_once,
    of_two_imports_at_once_the_later_one_counts,
    names_are_found_within_a_city,
    an_import_that_is_dropped_leaves_nothing,
);

const EVERYWHERE: OsmArea = OsmArea { south: -90.0, north: 90.0, west: -180.0, east: 180.0 };
const WASHINGTON: Place = Place { lat: 38.895, lon: -77.036 };

fn place(osm: &str, lat: f64, lon: f64, name: &str) -> OsmPlace {
    let tags = [("amenity", "bar"), ("name", name)];
    let tags = tags.map(|(key, value)| (key.to_owned(), value.to_owned()));
    OsmPlace { osm: osm.to_owned(), lat, lon, tags: BTreeMap::from(tags) }
}

async fn begun(catalogue: &Catalogue, name: &str, places: &[OsmPlace]) -> OsmImport {
    let import = catalogue.begin_osm_import(name, NOW).await.unwrap();
    catalogue.add_osm_places(&import, places).await.unwrap();
    import
}

async fn finish(catalogue: &Catalogue, import: &OsmImport, data_at: Option<i64>) -> Option<i64> {
    catalogue.finish_osm_import(import, EVERYWHERE, data_at, NOW).await.unwrap()
}

async fn imported(catalogue: &Catalogue, name: &str, data_at: i64, places: &[OsmPlace]) {
    let import = begun(catalogue, name, places).await;
    assert_eq!(finish(catalogue, &import, Some(data_at)).await, i64::try_from(places.len()).ok());
}

async fn around(catalogue: &Catalogue, at: Place, reach: f64) -> Vec<String> {
    let found = catalogue.osm_around(at.lat, at.lon, reach).await.unwrap();
    found
        .places
        .into_iter()
        .map(|(_, place)| format!("{} {}", place.osm, place.tags["name"]))
        .collect()
}

async fn named(catalogue: &Catalogue, name: &str) -> Vec<String> {
    let (names, city) = ([Name::new(name)], Name::new("Washington"));
    let found = catalogue.osm_named(&names, &city, WASHINGTON, 30_000.0).await.unwrap();
    found.into_iter().map(|place| place.osm).collect()
}

/// Rows of all three tables.
async fn rows(catalogue: &Catalogue) -> [i64; 3] {
    let count = async |sql| sqlx::query_scalar(sql).fetch_one(&catalogue.primary).await.unwrap();
    [
        count("SELECT COUNT(*) FROM osm_extracts").await,
        count("SELECT COUNT(*) FROM osm_places").await,
        count("SELECT COUNT(*) FROM osm_words").await,
    ]
}

async fn around_is_what_counting_finds(database: Database) {
    let catalogue = database.catalogue().await;
    let mut random = fastrand::Rng::with_seed(11);
    // A crowded town, a town on the date line, and some places at the end of the world.
    let towns = [(52.5, 13.4, 0.05), (-17.0, 180.0, 0.05), (89.99, 0.0, 180.0), (0.0, 0.0, 0.05)];
    let mut somewhere = |number: u32| {
        let (lat, lon, spread) = towns[random.usize(..towns.len())];
        let lat = lat + (random.f64() - 0.5) * 0.05;
        let lon = lon + (random.f64() - 0.5) * 2.0 * spread;
        let lon = (lon + 540.0).rem_euclid(360.0) - 180.0;
        place(&format!("node/{number}"), lat.min(90.0), lon, "bar")
    };
    let places: Vec<OsmPlace> = (0..1_500).map(&mut somewhere).collect();
    // Two extracts overlap; what the newer one knows of a place counts.
    let mut newer: Vec<OsmPlace> = places[1_000..].to_vec();
    for place in &mut newer {
        place.tags.insert("name".to_owned(), "new".to_owned());
    }
    imported(&catalogue, "old", 1, &places).await;
    imported(&catalogue, "new", 2, &newer).await;
    let mut seen = 0;
    for number in 0..120 {
        let centre = somewhere(number).place();
        let reach = [50.0, 500.0, 3_000.0, 40_000.0][number as usize % 4];
        let mut expected: Vec<(f64, &str, &str)> = Vec::new();
        for (index, place) in places.iter().enumerate() {
            let name = if index < 1_000 { "bar" } else { "new" };
            expected.push((metres(centre, place.place()), &place.osm, name));
        }
        expected.retain(|(metres, ..)| *metres <= reach);
        expected.sort_by(|a, b| a.0.total_cmp(&b.0).then_with(|| a.1.cmp(b.1)));
        let expected: Vec<String> =
            expected.into_iter().map(|(_, osm, name)| format!("{osm} {name}")).collect();
        seen += expected.len();
        assert_eq!(
            around(&catalogue, centre, reach).await,
            expected,
            "{reach} m around {centre:?}"
        );
    }
    assert!(seen > 5_000, "{seen}");
}

async fn a_new_import_takes_the_place_of_the_old_one_at_once(database: Database) {
    let catalogue = database.catalogue().await;
    let at = |number: u32| 38.9 + f64::from(number) * 1e-7;
    let bars = |numbers: std::ops::Range<u32>, name: &str| -> Vec<OsmPlace> {
        numbers.map(|number| place(&format!("node/{number}"), at(number), -77.0, name)).collect()
    };
    let here = Place { lat: 38.9, lon: -77.0 };
    imported(&catalogue, "us", 1, &bars(0..120, "Old Bar")).await;
    imported(&catalogue, "other", 1, &[place("node/7", 10.0, 10.0, "Far")]).await;
    let import = begun(&catalogue, "us", &bars(60..180, "New Bar")).await;
    // Until it has ended, everybody sees the old ones.
    let seen = around(&catalogue, here, 500.0).await;
    assert!(seen.len() == 120 && seen.iter().all(|place| place.ends_with("Old Bar")), "{seen:?}");
    assert_eq!(named(&catalogue, "New Bar").await.len(), 0);
    assert_eq!(finish(&catalogue, &import, Some(2)).await, Some(120));
    let seen = around(&catalogue, here, 500.0).await;
    assert!(seen.len() == 120 && seen.iter().all(|place| place.ends_with("New Bar")), "{seen:?}");
    assert_eq!(named(&catalogue, "Old Bar").await.len(), 0);
    assert_eq!(named(&catalogue, "New Bar").await.len(), 120);
    let extracts = catalogue.osm_extracts().await.unwrap();
    let known: Vec<_> = extracts
        .iter()
        .map(|extract| (extract.name.as_str(), extract.places, extract.data_at))
        .collect();
    assert_eq!(known, [("other", 1, Some(1)), ("us", 120, Some(2))]);
    assert!(catalogue.remove_osm_extract("us").await.unwrap());
    assert!(!catalogue.remove_osm_extract("us").await.unwrap());
    assert_eq!(around(&catalogue, here, 500.0).await.len(), 0);

    assert_eq!(rows(&catalogue).await, [1, 1, 1]);
}

async fn of_two_imports_at_once_the_later_one_counts(database: Database) {
    let catalogue = database.catalogue().await;
    let first = begun(&catalogue, "us", &[place("node/1", 1.0, 1.0, "first")]).await;
    let second = begun(&catalogue, "us", &[place("node/2", 1.0, 1.0, "second")]).await;
    // It does not know yet.
    catalogue.add_osm_places(&first, &[place("node/3", 1.0, 1.0, "first")]).await.unwrap();
    assert_eq!(finish(&catalogue, &first, None).await, None);
    assert_eq!(finish(&catalogue, &second, None).await, Some(1));
    let here = Place { lat: 1.0, lon: 1.0 };
    assert_eq!(around(&catalogue, here, 10.0).await, ["node/2 second"]);
    assert_eq!(rows(&catalogue).await, [1, 1, 1]);
}

async fn names_are_found_within_a_city(database: Database) {
    let catalogue = database.catalogue().await;
    let mut anthem = place("way/1", 38.88, -77.02, "The Anthem");
    anthem.tags.insert("alt_name".to_owned(), "Wharf Hall;Anthem DC".to_owned());
    let places = [
        anthem,
        place("node/2", 38.9179, -77.0237, "9:30 Club"),
        place("node/3", 38.93, -77.03, "The Club"),
        place("node/4", 40.7, -74.0, "Anthem Bar"),
        place("node/5", 38.9, -77.03, "Hall of Washington"),
    ];
    imported(&catalogue, "us", 1, &places).await;
    for (name, found) in [
        ("Anthem", &["way/1"][..]),
        ("The Wharf", &["way/1"]),
        ("9:30 Club", &["node/2"]),
        ("Club", &["node/3"]),
        ("Washington Hall", &[]),
        ("Nowhere", &[]),
        ("", &[]),
    ] {
        assert_eq!(named(&catalogue, name).await, found, "{name}");
    }
}

async fn an_import_that_is_dropped_leaves_nothing(database: Database) {
    let catalogue = database.catalogue().await;
    let import = begun(&catalogue, "us", &[place("node/1", 1.0, 1.0, "bar none")]).await;
    catalogue.drop_osm_import(&import).await.unwrap();
    assert_eq!(rows(&catalogue).await, [0, 0, 0]);
    // One whose process died goes with the next one.
    begun(&catalogue, "us", &[place("node/1", 1.0, 1.0, "bar none")]).await;
    imported(&catalogue, "us", 1, &[place("node/2", 1.0, 1.0, "one")]).await;
    assert_eq!(rows(&catalogue).await, [1, 1, 1]);
}
