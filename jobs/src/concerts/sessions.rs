//! Which photos are together, kept up to date.
//!
//! A few new photos are put together with what is near them in time and with nothing else: sessions end
//! where nobody took a photo for a while, so what is beyond such a pause stays as it is. For many new
//! ones, all photos are read.

use std::collections::{BTreeMap, HashMap, HashSet};

use chrono::{DateTime, TimeDelta, Utc};

use crate::effects::catalogue::{
    Catalogue, CatalogueError, GroupedPhoto, GroupedSession, Regrouping, SessionPhoto,
};
use crate::matching::{PAUSE, Shot, identities, moments, sessions};

/// New photos for whose sake not all others are read.
const FEW: usize = 500;
/// Times that they may be of, apart from each other.
const PLACES: usize = 40;
/// A camera whose clock turns out to be wrong corrects the photos that it took at the same time by that
/// clock, wherever they stood; clocks are wrong by no more than any two zones and 45 minutes.
const ANY_CLOCK: TimeDelta = TimeDelta::hours(15);

/// A stretch of time, from and to.
type Span = (DateTime<Utc>, DateTime<Utc>);

/// Brings the sessions of a user up to date with the photos. Photos of which nothing has changed cost
/// nothing. `now_ms` is in Unix milliseconds.
pub(crate) async fn regroup(
    catalogue: &Catalogue,
    user_id: i64,
    now_ms: i64,
) -> Result<(), CatalogueError> {
    let new = catalogue.unsessioned(user_id, FEW + 1).await?;
    let shrunk = catalogue.shrunk_sessions(user_id).await?;
    if new.is_empty() && shrunk.is_empty() {
        return Ok(());
    }
    let now = DateTime::from_timestamp_millis(now_ms).unwrap_or_default();
    let near = if new.len() > FEW {
        None
    } else {
        near(catalogue, user_id, new, shrunk.clone(), now).await?
    };
    let photos = match near {
        Some(photos) => photos,
        None => {
            Photos { grouped: catalogue.all_session_photos(user_id).await?, beside: Vec::new() }
        }
    };
    let mut known: HashSet<String> = photos.grouped.iter().filter_map(session_of).collect();
    // Those that have lost all their photos.
    known.extend(shrunk);
    let known: Vec<String> = known.into_iter().collect();
    let stored: HashMap<String, String> =
        catalogue.session_inputs(user_id, &known).await?.into_iter().collect();
    let work = move || regrouping(photos, &stored, now);
    let regrouping = match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        // As if it had panicked here; nobody cancels it.
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    };
    catalogue.regroup(user_id, &regrouping, now_ms).await
}

/// Photos to put together, and some beside them that tell in which zone their owner was.
struct Photos {
    grouped: Vec<SessionPhoto>,
    beside: Vec<SessionPhoto>,
}

fn session_of(photo: &SessionPhoto) -> Option<String> {
    photo.member.as_ref().map(|(session, _)| session.clone())
}

/// The new photos and all sessions that they may belong to or change, whole; none if these are too many.
async fn near(
    catalogue: &Catalogue,
    user_id: i64,
    new: Vec<SessionPhoto>,
    shrunk: Vec<String>,
    now: DateTime<Utc>,
) -> Result<Option<Photos>, CatalogueError> {
    let shots: Vec<Shot> = new.iter().map(|photo| photo.shot.clone()).collect();
    let found = moments(&shots, now);
    let told = found.iter().filter_map(|moment| moment.as_ref()?.axis());
    let before = new.iter().filter_map(|photo| photo.member.as_ref().map(|(_, axis)| *axis));
    let mut spans = merged(told.chain(before).map(|at| (at, at)).collect(), ANY_CLOCK);
    let mut grouped: BTreeMap<_, _> =
        new.into_iter().map(|photo| (photo.key.clone(), photo)).collect();
    let mut loaded: HashSet<String> = HashSet::new();
    let mut missing = shrunk;
    loop {
        if spans.len() > PLACES {
            return Ok(None);
        }
        for (from, to) in &spans {
            missing.extend(catalogue.sessions_between(user_id, *from, *to).await?);
        }
        missing.retain(|session| loaded.insert(session.clone()));
        if missing.is_empty() {
            break;
        }
        let photos = catalogue.photos_of_sessions(user_id, &std::mem::take(&mut missing)).await?;
        let axes = photos.iter().filter_map(|photo| photo.member.as_ref().map(|(_, axis)| *axis));
        let reached = merged(axes.map(|at| (at, at)).collect(), PAUSE);
        spans = merged(spans.into_iter().chain(reached).collect(), TimeDelta::zero());
        grouped.extend(photos.into_iter().map(|photo| (photo.key.clone(), photo)));
    }
    let mut beside = Vec::new();
    for (from, to) in &spans {
        beside.extend(catalogue.located_beside(user_id, *from, *to).await?);
    }
    beside.retain(|photo| !grouped.contains_key(&photo.key));
    Ok(Some(Photos { grouped: grouped.into_values().collect(), beside }))
}

/// Stretches of time, widened to both sides, in their order and none touching another.
fn merged(mut spans: Vec<Span>, widened: TimeDelta) -> Vec<Span> {
    spans.sort_unstable();
    let mut all: Vec<Span> = Vec::new();
    for (from, to) in spans {
        let (from, to) = (from - widened, to + widened);
        match all.last_mut() {
            Some((_, end)) if *end >= from => *end = (*end).max(to),
            _ => all.push((from, to)),
        }
    }
    all
}

/// What changes: `stored` are the inputs of the sessions that these photos are, or were, in.
fn regrouping(photos: Photos, stored: &HashMap<String, String>, now: DateTime<Utc>) -> Regrouping {
    let Photos { grouped, beside } = photos;
    let shots: Vec<Shot> = grouped.iter().chain(&beside).map(|photo| photo.shot.clone()).collect();
    let moments = moments(&shots, now);
    let mut sessions = sessions(&shots, &moments);
    for session in &mut sessions {
        session.members.retain(|(shot, _)| *shot < grouped.len());
    }
    sessions.retain(|session| !session.members.is_empty());
    let previous: HashMap<String, String> = grouped
        .iter()
        .filter_map(|photo| Some((photo.shot.key.clone(), session_of(photo)?)))
        .collect();
    let identities = identities(&sessions, &shots, &moments, &previous);
    let ids: HashSet<&str> = identities.iter().map(|identity| identity.id.as_str()).collect();
    let gone = stored.keys().filter(|id| !ids.contains(id.as_str())).cloned().collect();
    let mut alone: HashMap<usize, _> = (0..)
        .zip(&grouped)
        .filter(|(_, photo)| photo.member.is_some())
        .map(|(at, photo)| (at, photo.key.clone()))
        .collect();
    let mut changed = Vec::new();
    for (session, identity) in sessions.iter().zip(&identities) {
        session.members.iter().for_each(|(shot, _)| drop(alone.remove(shot)));
        if stored.get(&identity.id) == Some(&identity.inputs) {
            continue;
        }
        let members = session.members.iter().filter_map(|(shot, placed)| {
            let moment = moments[*shot].clone()?;
            let (key, axis) = (grouped[*shot].key.clone(), moment.axis()?);
            Some(GroupedPhoto { key, axis, moment, placed: *placed })
        });
        changed.push(GroupedSession {
            id: identity.id.clone(),
            inputs: identity.inputs.clone(),
            centre: session.centre,
            photos: members.collect(),
        });
    }
    let seen = grouped.into_iter().map(|photo| (photo.key, photo.updated_at)).collect();
    Regrouping { sessions: changed, gone, alone: alone.into_values().collect(), seen }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stretches_of_time_that_touch_are_one() {
        let at = |minutes: i64| DateTime::from_timestamp(minutes * 60, 0).unwrap();
        let spans = [30, 0, 11, 70].map(|minutes| (at(minutes), at(minutes)));
        assert_eq!(
            merged(spans.to_vec(), TimeDelta::minutes(10)),
            [(at(-10), at(40)), (at(60), at(80))]
        );
    }
}
