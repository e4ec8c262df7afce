//! Extracts of OpenStreetMap, written by osmium (another program than ours reads them with), in the venue
//! table of both databases.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use super::support::Missing;
use super::support::process::{Said, run};
use super::support::stage::Stage;

on_both_databases!(an_extract_becomes_places, what_is_around_is_what_counting_finds);

/// Around Washington: what is a place for concerts, and what is not.
const EXTRACT: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<osm version="0.6"><bounds minlat="38.8" minlon="-77.2" maxlat="39.0" maxlon="-76.9"/>
<node id="1" lat="38.9179" lon="-77.0237"><tag k="amenity" v="music_venue"/><tag k="name" v="9:30 Club"/>
  <tag k="old_name" v="WUST Radio Music Hall"/><tag k="wheelchair" v="yes"/></node>
<node id="2" lat="38.9180" lon="-77.0230"><tag k="amenity" v="bar"/></node>
<node id="3" lat="38.9181" lon="-77.0231"><tag k="amenity" v="bar"/><tag k="name" v="Bär &amp; Söhne"/></node>
<node id="4" lat="38.9182" lon="-77.0232"><tag k="shop" v="books"/><tag k="name" v="Books"/></node>
<node id="5" lat="38.9183" lon="-77.0233"><tag k="shop" v="music"/><tag k="live_music" v="yes"/><tag k="name" v="DJ Hut"/></node>
<node id="10" lat="38.91" lon="-77.02"/><node id="11" lat="38.92" lon="-77.02"/>
<node id="12" lat="38.92" lon="-77.01"/><node id="13" lat="38.905" lon="-77.01"/>
<way id="20"><nd ref="10"/><nd ref="11"/><nd ref="12"/><nd ref="10"/><tag k="leisure" v="park"/><tag k="name" v="Meridian Hill"/></way>
<way id="21"><nd ref="12"/><nd ref="13"/><nd ref="10"/></way>
<way id="22"><nd ref="90"/><nd ref="91"/><tag k="leisure" v="park"/><tag k="name" v="Elsewhere"/></way>
<relation id="30"><member type="way" ref="21" role="outer"/><member type="node" ref="11" role="label"/>
  <tag k="type" v="multipolygon"/><tag k="building" v="stadium"/><tag k="name" v="日本武道館"/><tag k="name:en" v="Budokan"/></relation>
<relation id="31"><member type="way" ref="21" role="outer"/><tag k="type" v="multipolygon"/><tag k="name" v="Forest"/></relation>
</osm>"#;

/// An independent tool for OpenStreetMap's files.
fn osmium() -> Result<String, Missing> {
    let program = std::env::var("ROADIE_TEST_OSMIUM").unwrap_or_else(|_| "osmium".to_owned());
    match Command::new(&program).arg("--version").output() {
        Ok(said) if said.status.success() => Ok(program),
        other => Err(Missing { what: "osmium", why: format!("{program} does not run: {other:?}") }),
    }
}

/// Writes a text in one of OpenStreetMap's formats as `.osm.pbf`.
fn extract(osmium: &str, folder: &Path, name: &str, format: &str, text: &str) -> String {
    let (source, made) = (folder.join(format!("source.{format}")), folder.join(name));
    std::fs::write(&source, text).unwrap();
    let said = Command::new(osmium)
        .args(["sort", "--overwrite", "-f", "pbf", "-o"])
        .args([&made, &source])
        .arg("--output-header=osmosis_replication_timestamp=2026-11-19T20:21:02Z")
        .output()
        .unwrap();
    assert!(said.status.success(), "{said:?}");
    made.display().to_string()
}

async fn done(stage: &Stage, command: &[&str]) -> String {
    let Said { code, out, err } = run(stage, command).await;
    assert_eq!(code, 0, "{command:?}: {err}");
    out
}

async fn answer(stage: &Stage, command: &[&str]) -> Value {
    serde_json::from_str(&done(stage, &[command, &["--json"]].concat()).await).unwrap()
}

/// Places around a position, by element.
async fn around(stage: &Stage, lat: &str, lon: &str, radius: &str) -> BTreeMap<String, Value> {
    let found = answer(stage, &["venues", "near", lat, lon, "--radius", radius]).await;
    let places = found["places"].as_array().unwrap().iter();
    places.map(|place| (place["osm"].as_str().unwrap().to_owned(), place.clone())).collect()
}

async fn an_extract_becomes_places(stage: Stage) {
    let osmium = need!(osmium());
    let folder = stage.folder("extracts");
    let file = extract(&osmium, &folder, "dc-latest.osm.pbf", "osm", EXTRACT);

    let said = done(&stage, &["venues", "import", &file]).await;
    assert!(said.starts_with("dc: 5 places as of 2026-11-19 in "), "{said}");
    assert!(
        said.contains("1 are left out") && said.contains("© OpenStreetMap contributors"),
        "{said}"
    );
    assert!(said.contains("MB/s") && said.contains("of memory at the peak"), "{said}");
    let extracts = answer(&stage, &["venues"]).await;
    let known = &extracts["extracts"][0];
    assert_eq!((&known["name"], &known["places"]), (&json!("dc"), &json!(5)));
    assert_eq!(known["dataAt"], 1_795_119_662_000_u64);
    assert_eq!(
        [&known["south"], &known["north"], &known["west"], &known["east"]],
        [38.8, 39.0, -77.2, -76.9]
    );
    let places = around(&stage, "38.9179", "-77.0237", "3000").await;
    let told: Vec<(&str, f64, f64, Value)> = places
        .iter()
        .map(|(osm, place)| {
            let degrees = |key: &str| (place[key].as_f64().unwrap() * 1e7).round() / 1e7;
            (osm.as_str(), degrees("lat"), degrees("lon"), place["tags"].clone())
        })
        .collect();
    // Of ways and relations, the middle of their bounding box; of tags, names and what it is.
    let expected = [
        (
            "node/1",
            38.9179,
            -77.0237,
            json!({ "amenity": "music_venue", "name": "9:30 Club", "old_name": "WUST Radio Music Hall" }),
        ),
        ("node/3", 38.9181, -77.0231, json!({ "amenity": "bar", "name": "Bär & Söhne" })),
        ("node/5", 38.9183, -77.0233, json!({ "live_music": "yes", "name": "DJ Hut" })),
        (
            "relation/30",
            38.9125,
            -77.015,
            json!({ "building": "stadium", "name": "日本武道館", "name:en": "Budokan" }),
        ),
        ("way/20", 38.915, -77.015, json!({ "leisure": "park", "name": "Meridian Hill" })),
    ];
    assert_eq!(told, expected);

    // The next month: a club is gone, a bar is new, and the file is called otherwise.
    let newer = EXTRACT
        .replace(r#"v="9:30 Club""#, r#"v="The Atlantis""#)
        .replace(
            r#"<node id="2" lat="38.9180" lon="-77.0230">"#,
            r#"<node id="2" lat="38.9180" lon="-77.0230"><tag k="name" v="Backbar"/>"#,
        )
        .replace(r#"v="live_music""#, "")
        .replace(r#"k="live_music""#, r#"k="note""#);
    let file = extract(&osmium, &folder, "dc-261220.osm.pbf", "osm", &newer);
    done(&stage, &["venues", "import", &file]).await;
    let places = around(&stage, "38.9179", "-77.0237", "3000").await;
    assert_eq!(
        places.keys().collect::<Vec<_>>(),
        ["node/1", "node/2", "node/3", "relation/30", "way/20"]
    );
    assert_eq!(places["node/1"]["tags"]["name"], "The Atlantis");

    // What is no extract changes nothing, and does not keep others away.
    let whole = std::fs::read(&file).unwrap();
    let cut = folder.join("dc.osm.pbf");
    std::fs::write(&cut, &whole[..whole.len() - 7]).unwrap();
    let cut = cut.display().to_string();
    let other = extract(
        &osmium,
        &folder,
        "other.osm.pbf",
        "osm",
        &EXTRACT.replace("id=\"1\"", "id=\"1001\""),
    );
    let said = run(&stage, &["venues", "import", &cut, "nothing.osm.pbf", &other]).await;
    assert_eq!(said.code, 1, "{said:?}");
    assert!(
        said.err
            .contains("dc.osm.pbf is not imported, nothing was changed: it is cut off: 7 bytes"),
        "{said:?}"
    );
    assert!(said.err.contains("nothing.osm.pbf is not imported"), "{said:?}");
    assert!(said.out.contains("other: 5 places"), "{said:?}");
    // Whatever is in both extracts is one place.
    let both = around(&stage, "38.9179", "-77.0237", "3000").await;
    assert_eq!(both.len(), 7);
    done(&stage, &["venues", "remove", "other"]).await;
    assert_eq!(around(&stage, "38.9179", "-77.0237", "3000").await, places);
    let said = run(&stage, &["venues", "remove", "other"]).await;
    assert!(said.code == 1 && said.err.contains("no extract `other`"), "{said:?}");
    for args in [["91", "0"], ["0", "181"], ["x", "0"]] {
        let said = run(&stage, &[&["venues", "near"], &args[..]].concat()).await;
        assert!(said.code == 2 && said.err.contains("degrees are from"), "{said:?}");
    }
}

async fn what_is_around_is_what_counting_finds(stage: Stage) {
    let osmium = need!(osmium());
    let folder = stage.folder("extracts");
    let mut random = fastrand::Rng::with_seed(3);
    let mut text = String::new();
    // Nodes by the date line; every third belongs to a way, of which it is a corner.
    let mut nodes: Vec<(f64, f64)> = Vec::new();
    for id in 1..=600 {
        let (lat, lon) = (random.f64() * 0.2 - 17.0, 179.9 + random.f64() * 0.2);
        let lon = if lon > 180.0 { lon - 360.0 } else { lon };
        let round = |degrees: f64| (degrees * 1e7).round() / 1e7;
        nodes.push((round(lat), round(lon)));
        let _ = writeln!(
            text,
            "n{id} v1 Tamenity=bar,name=bar x{:.7} y{:.7}",
            nodes[id - 1].1,
            nodes[id - 1].0
        );
    }
    let _ = writeln!(text, "w1 v1 Tleisure=park,name=round Nn1,n2,n3,n4,n5,n6,n1");
    let file = extract(&osmium, &folder, "fiji.osm.pbf", "opl", &text);
    done(&stage, &["venues", "import", &file]).await;
    let mut seen = 0;
    for (lat, lon, radius) in
        [(-16.9, 180.0, 500.0), (-16.85, -179.95, 4_000.0), (-16.9, 179.999, 9_000.0)]
    {
        let found = around(&stage, &lat.to_string(), &lon.to_string(), &radius.to_string()).await;
        let apart = |(north, east): (f64, f64)| -> f64 {
            let half = |degrees: f64| (degrees.to_radians() / 2.0).sin().powi(2);
            let cosines = f64::to_radians(lat).cos() * north.to_radians().cos();
            2.0 * 6_371_009.0 * (half(north - lat) + cosines * half(east - lon)).sqrt().asin()
        };
        let expected: Vec<usize> = (1..=600).filter(|id| apart(nodes[id - 1]) <= radius).collect();
        let mut bars: Vec<usize> =
            found.keys().filter_map(|osm| osm.strip_prefix("node/")?.parse().ok()).collect();
        bars.sort_unstable();
        assert_eq!(bars, expected, "{radius} m around {lat}, {lon}");
        seen += bars.len();
    }
    assert!(seen > 100, "{seen}");
    // The way's middle lies by the date line too, not on the other side of the globe.
    let corners = &nodes[..6];
    let round = |lon: f64| if lon < 0.0 { lon + 360.0 } else { lon };
    let west = corners.iter().map(|at| round(at.1)).fold(f64::MAX, f64::min);
    let east = corners.iter().map(|at| round(at.1)).fold(f64::MIN, f64::max);
    let found = around(&stage, "-16.9", "180", "30000").await;
    let middle = round(found["way/1"]["lon"].as_f64().unwrap());
    assert!(
        (middle - f64::midpoint(west, east)).abs() < 1e-6,
        "{middle} is not between {west} and {east}"
    );
}
