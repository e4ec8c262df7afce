//! What becomes of extracts, as they are and as they should not be. A file of an independent program is
//! imported in the tests of the command line.

mod pbf;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tempfile::TempDir;

use self::pbf::{Block, Message, block, header};
use super::file::{ExtractError, ExtractFile};
use super::{ImportError, Progress, import, places};
use crate::effects::Clock;
use crate::effects::catalogue::{Catalogue, CatalogueOptions};

const SCHEMA: [&str; 2] = ["OsmSchema-V0.6", "DenseNodes"];
const CLUB: pbf::Tags<'_> = &[("amenity", "nightclub"), ("name", "Club")];
const HALL: pbf::Tags<'_> = &[("amenity", "theatre"), ("name", "Hall")];

/// Places by element, in ten-millionths of a degree; and how many are nowhere.
type Places = (BTreeMap<String, (i64, i64)>, u64);

fn file(folder: &TempDir, parts: &[Vec<u8>]) -> PathBuf {
    let path = folder.path().join("x.osm.pbf");
    std::fs::write(&path, parts.concat()).unwrap();
    path
}

fn read(path: &Path) -> Result<Places, ExtractError> {
    let file = ExtractFile::open(path)?;
    let mut found = BTreeMap::new();
    let nowhere = places::read(&file, &Progress::default(), |place| {
        #[expect(clippy::cast_possible_truncation, reason = "as the format has it")]
        let units = |degrees: f64| (degrees * 1e7).round() as i64;
        let twice = found.insert(place.osm, (units(place.lat), units(place.lon)));
        assert_eq!(twice, None);
        true
    })?;
    Ok((found, nowhere))
}

fn written(parts: &[Vec<u8>]) -> Result<Places, ExtractError> {
    let folder = tempfile::tempdir().unwrap();
    read(&file(&folder, parts))
}

/// What the blocks of [`small`] hold.
fn expected() -> Places {
    let places = [
        ("node/1", (380_000_000, -770_000_000)),
        ("node/7", (390_000_000, 100)),
        ("way/10", (15, 20)),
        ("way/14", (500, 600)),
        ("relation/20", (20, 25)),
        ("relation/21", (0, 1_799_999_950)),
    ];
    (places.map(|(osm, at)| (osm.to_owned(), at)).into(), 2)
}

/// Nodes, ways, relations, each in a block of its own.
fn small() -> [Vec<u8>; 3] {
    let square = [(2, (0, 0)), (3, (10, 40)), (4, (30, 10)), (5, (40, 50))];
    let square = square.map(|(id, at)| (id, at, &[("highway", "crossing")][..]));
    let nodes = Block::new()
        .node(1, (380_000_000, -770_000_000), CLUB)
        .dense(&square)
        // On both sides of the date line.
        .dense(&[(6, (-10, 1_799_999_800), &[]), (7, (390_000_000, 100), HALL), (8, (10, -1_799_999_900), &[])]);
    let ways = Block::new()
        .way(10, &[2, 3, 4, 2], &[("leisure", "park"), ("name", "Park"), ("access", "yes")])
        .way(11, &[4, 5], &[("building", "yes")])
        .way(12, &[6, 8], &[])
        .way(13, &[90, 91], HALL)
        .located_way(14, &[90, 91], &[(400, 500), (600, 700)], HALL);
    let relations = Block::new()
        .relation(20, &[(1, 11), (0, 2), (2, 21), (1, 99)], &[("building", "stadium"), ("name", "Dome")])
        .relation(21, &[(1, 12)], HALL)
        .relation(22, &[(1, 99)], HALL)
        // Without a name, or no place for concerts.
        .relation(23, &[(1, 11)], &[("amenity", "theatre")])
        .relation(24, &[(1, 11)], &[("type", "multipolygon"), ("name", "Forest")]);
    [nodes.written(), ways.written(), relations.written()]
}

#[test]
fn nodes_ways_and_relations_are_where_overpass_says() {
    let [nodes, ways, relations] = small();
    let sorted = [header(&SCHEMA, true), nodes.clone(), ways.clone(), relations.clone()];
    assert_eq!(written(&sorted).unwrap(), expected());
    let unsorted = [header(&SCHEMA, false), relations, ways, nodes];
    assert_eq!(written(&unsorted).unwrap(), expected());
}

#[test]
fn the_order_of_many_blocks_is_used_and_nothing_is_overlooked() {
    // Two kinds of elements in one block, and many blocks of each.
    let mut parts = vec![header(&SCHEMA, true)];
    for id in 1..40 {
        parts.push(Block::new().dense(&[(id, (id * 10, 0), CLUB)]).written());
    }
    parts.push(Block::new().node(40, (400, 0), CLUB).way(1, &[40, 1], CLUB).written());
    parts.push(Block::new().way(2, &[39, 40], CLUB).relation(1, &[(1, 1)], HALL).written());
    for id in 2..20 {
        parts.push(Block::new().relation(id, &[(1, 2)], HALL).written());
    }
    let (found, nowhere) = written(&parts).unwrap();
    assert_eq!((found.len(), nowhere), (40 + 2 + 19, 0));
    assert_eq!((found["way/1"], found["relation/1"]), ((205, 0), (205, 0)));
    assert_eq!((found["way/2"], found["relation/19"]), ((395, 0), (395, 0)));
}

#[test]
fn a_file_that_ends_anywhere_else_is_cut_off() {
    let folder = tempfile::tempdir().unwrap();
    let [nodes, ways, relations] = small();
    let parts = [header(&SCHEMA, true), nodes, ways, relations];
    let whole = parts.concat();
    let mut ends = Vec::new();
    for length in 0..whole.len() {
        let path = folder.path().join("cut.osm.pbf");
        std::fs::write(&path, &whole[..length]).unwrap();
        match read(&path) {
            // Nothing in the format says that something should follow.
            Ok(_) => ends.push(length),
            Err(
                ExtractError::CutOff { .. }
                | ExtractError::NoExtract(_)
                | ExtractError::Damaged { at: Some(_), .. },
            ) => {}
            Err(error) => panic!("{length} bytes: {error}"),
        }
    }
    let mut end = 0;
    let boundaries = parts[..3].iter().map(|part| {
        end += part.len();
        end
    });
    assert_eq!(ends, boundaries.collect::<Vec<_>>());
}

#[test]
fn what_is_no_extract_is_told_so() {
    let folder = tempfile::tempdir().unwrap();
    let nodes = Block::new().node(1, (0, 0), CLUB).written();
    let broken = block("OSMData", &Message::default().bytes(1, b"\xff\xff\xff"));
    let future = header(&["OsmSchema-V0.6", "HistoricalInformation"], true);
    let odd_member = Block::new().relation(1, &[(9, 1)], HALL).written();
    let no_order = header(&SCHEMA, false);
    let huge = {
        let header = Message::default().bytes(1, b"OSMData").number(3, 1 << 30);
        let header = header.into_bytes();
        let length = u32::try_from(header.len()).unwrap().to_be_bytes();
        [&length[..], &header].concat()
    };
    for (parts, why) in [
        (vec![], "it is empty"),
        (vec![b"<?xml version='1.0'?><osm/>".to_vec()], "it does not begin as one"),
        (vec![vec![0; 4096]], "it does not begin"),
        (vec![nodes.clone(), no_order.clone()], "it does not begin with one header"),
        (
            vec![no_order.clone(), nodes.clone(), no_order.clone()],
            "it does not begin with one header",
        ),
        (vec![future, nodes.clone()], "needs `HistoricalInformation`"),
        (vec![no_order.clone(), broken], "is damaged at byte"),
        (vec![no_order.clone(), odd_member], "it is damaged"),
        (vec![no_order.clone(), huge], "impossible size"),
    ] {
        let error = read(&file(&folder, &parts)).unwrap_err().to_string();
        assert!(error.contains(why), "{error} instead of {why}");
    }
    let error = read(folder.path()).unwrap_err().to_string();
    assert!(error.contains("it is not a file"), "{error}");
    assert!(matches!(read(&folder.path().join("none")), Err(ExtractError::Io(_))));
}

#[test]
fn places_off_the_globe_and_endless_names_are_left_out() {
    let long = "x".repeat(256);
    let nodes = Block::new()
        .node(1, (900_000_001, 0), CLUB)
        .node(2, (0, i64::MAX / 100), CLUB)
        .node(3, (0, 0), &[("amenity", "bar"), ("name", &long)])
        .node(4, (0, 0), &[("amenity", "bar"), ("name", " ")])
        .node(5, (900_000_000, -1_800_000_000), CLUB)
        .written();
    let (found, nowhere) = written(&[header(&SCHEMA, true), nodes]).unwrap();
    let expected = [("node/5".to_owned(), (900_000_000, -1_800_000_000))];
    assert_eq!((found, nowhere), (expected.into(), 0));
}

#[tokio::test]
async fn what_goes_wrong_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}", folder.path().join("catalogue.db").display());
    let catalogue =
        Catalogue::connect(CatalogueOptions { url, ..Default::default() }).await.unwrap();
    catalogue.migrate().await.unwrap();
    let import = async |parts: &[Vec<u8>]| {
        let progress = Arc::new(Progress::default());
        import(&catalogue, Clock::Fixed(5), &file(&folder, parts), "x", &progress).await
    };
    let [nodes, ways, relations] = small();
    let good = [header(&SCHEMA, true), nodes.clone(), ways, relations];
    let imported = import(&good).await.unwrap();
    assert_eq!((imported.places, imported.without_nodes), (6, 2));
    // No header says what it covers: its places do.
    let area = imported.area;
    assert_eq!((area.south, area.north, area.west, area.east), (0.0, 39.0, -77.0, 179.999_995));
    let before = catalogue.osm_extracts().await.unwrap();
    let broken = block("OSMData", &Message::default().bytes(1, b"\xff\xff\xff"));
    let error = import(&[header(&SCHEMA, false), nodes, broken]).await.unwrap_err();
    assert!(matches!(error, ImportError::Extract(ExtractError::Damaged { .. })), "{error}");
    let roads = Block::new().way(1, &[1, 2], &[("highway", "primary"), ("name", "Road")]);
    let error = import(&[header(&SCHEMA, true), roads.written()]).await.unwrap_err();
    assert!(matches!(error, ImportError::NoPlaces), "{error}");
    assert_eq!(catalogue.osm_extracts().await.unwrap(), before);
    assert_eq!(catalogue.osm_around(38.0, -77.0, 10.0).await.unwrap().places.len(), 1);
}
