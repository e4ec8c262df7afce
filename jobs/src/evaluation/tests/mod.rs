//! The labelled photos beside the repository, from places alone and with the venues' coordinates.

mod world;

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use serde_json::Value;

use self::world::World;
use super::{Prediction, decide};

/// What has to be reached: precision, and recall without and with the venues' coordinates.
const PRECISION: f64 = 0.995;
const RECALL: [f64; 2] = [0.84, 0.95];
/// Of what could be linked and was not, the first candidate is right so often.
const REVIEW: f64 = 0.8;

fn shared() -> PathBuf {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/fixtures/bench")).to_owned()
}

fn decided(venues: Option<&Path>) -> Vec<Prediction> {
    let bench = shared();
    let (setlists, pois) =
        (bench.join("setlists_world.json"), bench.join("pois_overpass_shaped.json"));
    let world = World::read(&setlists, &pois, venues).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let now = "2026-01-01T00:00:00Z".parse().unwrap();
    runtime.block_on(decide(&bench.join("photos.jsonl"), &world, now)).unwrap()
}

/// The night and the venue, if there are both.
fn night(date: &Value, venue: &Value) -> Option<(String, String)> {
    Some((date.as_str()?.to_owned(), venue.as_str()?.to_owned()))
}

/// Precision, recall, and how often the first candidate of what was missed is right.
fn figures(labels: &serde_json::Map<String, Value>, predictions: &[Prediction]) -> [f64; 3] {
    let said: HashMap<String, Value> = predictions
        .iter()
        .map(|prediction| (prediction.photo_id.clone(), serde_json::to_value(prediction).unwrap()))
        .collect();
    let (mut auto, mut right, mut linkable, mut found, mut hits) = (0.0, 0.0, 0.0, 0.0, 0.0);
    for (photo, label) in labels {
        let (event, said) = (&label["event"], &said[photo]);
        let truth = night(&event["date"], &event["setlistfm_venue_id"]);
        let agrees =
            truth.is_some() && truth == night(&said["eventDate"], &said["setlistfmVenueId"]);
        let linked = said["decision"] == "auto";
        auto += f64::from(u8::from(linked));
        right += f64::from(u8::from(linked && agrees));
        let expected = label["expected"].as_str().unwrap();
        if truth.is_some() && ["auto_event", "auto_or_review", "review_or_auto"].contains(&expected)
        {
            linkable += 1.0;
            found += f64::from(u8::from(linked && agrees));
            hits += f64::from(u8::from(said["decision"] == "review" && agrees));
        }
    }
    [right / auto, found / linkable, if linkable > found { hits / (linkable - found) } else { 1.0 }]
}

#[test]
#[expect(clippy::print_stdout, reason = "a skipped test must say so")]
fn labelled_photos_are_linked_and_none_wrongly() {
    let Ok(labels) = std::fs::read_to_string(shared().join("labels.json")) else {
        println!("SKIPPED: ../shared/fixtures/bench is not there");
        return;
    };
    let labels: Value = serde_json::from_str(&labels).unwrap();
    let labels = labels["labels"].as_object().unwrap();
    for (venues, wanted) in [None, Some(shared().join("venues_truth.json"))].into_iter().zip(RECALL)
    {
        let [precision, recall, review] = figures(labels, &decided(venues.as_deref()));
        println!("precision {precision:.4}, recall {recall:.4}, first candidate right {review:.4}");
        assert!(precision >= PRECISION && recall >= wanted && review >= REVIEW);
    }
}
