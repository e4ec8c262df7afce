//! The made-up library again, this time in a catalogue.

use std::time::{Duration, Instant};

use super::library::World;
use crate::concerts::{regroup, stored_evening};
use crate::effects::catalogue::{
    Catalogue, CatalogueOptions, PhotoFacts, Provider, ScannedFile, SessionMatch, Verdict,
};
use crate::matching::{Moment, Owner, Session, Shot, match_session};
use anyhow::anyhow;

const USER: i64 = 1;
const NOW: i64 = 1_800_000_000_000;

/// Does with so many photos of one owner what jobs do, in an empty database that the URL names.
///
/// Stores them, puts them into sessions, matches all sessions with look-ups answered from memory, and adds
/// one photo more; answers how long each part took.
///
/// # Errors
/// The database cannot be used.
pub async fn store_library(
    url: &str,
    photos: usize,
) -> anyhow::Result<Vec<(&'static str, Duration)>> {
    let options = CatalogueOptions { url: url.to_owned(), ..CatalogueOptions::default() };
    let catalogue = Catalogue::connect(options).await?;
    catalogue.migrate().await?;
    let world = World::new();
    let mut took = Vec::new();
    let mut begun = Instant::now();
    let mut done = |part| {
        took.push((part, begun.elapsed()));
        begun = Instant::now();
    };
    let files: Vec<ScannedFile> = (0..photos).map(|number| file(&world.shot(number))).collect();
    for page in files.chunks(500) {
        catalogue.record_page(USER, Provider::Folder, page, "bench", NOW).await?;
    }
    done("rows of photos");
    regroup(&catalogue, USER, NOW).await?;
    done("sessions of all photos");
    let asked = catalogue.ask_to_match(USER, NOW).await?;
    let failed = |error| anyhow!("{error}");
    for (id, _) in &asked {
        let Some(stored) = catalogue.photo_session(USER, id).await? else { continue };
        let members = catalogue.session_members(USER, id).await?;
        let said = catalogue.said_of(USER, id).await?;
        let owner = Owner { visits: catalogue.visits(USER).await?, ..Owner::default() };
        let moments: Vec<Option<Moment>> =
            members.iter().map(|member| Some(member.moment.clone())).collect();
        let placed = (0..).zip(&members).map(|(at, member)| (at, member.placed));
        let session = Session { members: placed.collect(), centre: stored.centre };
        let matched = match_session(&session, &moments, &owner, &world).await.map_err(failed)?;
        let evenings =
            matched.into_iter().map(|each| stored_evening(each, &session, &members, &said));
        let decided = SessionMatch {
            session_id: stored.id,
            inputs: stored.inputs,
            evenings: evenings.collect(),
            rechecks: 0,
            recheck_at: None,
        };
        catalogue.record_match(USER, &decided, NOW).await?;
    }
    done("matching all sessions");
    let mut more = file(&world.shot(photos / 2));
    more.file_id.push_str(" again");
    catalogue.record_page(USER, Provider::Folder, &[more], "bench", NOW + 1).await?;
    done("a row of one photo more");
    regroup(&catalogue, USER, NOW + 1).await?;
    done("sessions of one more");
    let asked = catalogue.ask_to_match(USER, NOW + 1).await?;
    anyhow::ensure!(asked.len() == 1, "{} sessions are to be matched again", asked.len());
    catalogue.match_tally(USER, NOW, NOW).await?;
    done("asking and counting");
    catalogue.close().await;
    Ok(took)
}

fn file(shot: &Shot) -> ScannedFile {
    ScannedFile {
        file_id: format!("/photos/{}", shot.key),
        name: shot.name.clone(),
        source_rev: "1".to_owned(),
        content: None,
        verdict: Verdict::Clean(Box::new(PhotoFacts {
            taken_local: shot.local,
            place: shot.place.map(|place| (place.lat, place.lon)),
            camera_model: shot.camera.clone(),
            ..PhotoFacts::default()
        })),
    }
}
