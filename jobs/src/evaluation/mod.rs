//! How good matching is, measured on labelled photos: the decisions of the daemon, with the services that
//! it is told to ask.

mod files;
mod table;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use anyhow::Context as _;
use chrono::{DateTime, NaiveDate, Utc};
use serde::Serialize;

use crate::effects::web::Online;
use crate::matching::{
    Decision, Evidence, Identity, Lookups, Matched, Moment, Owner, Session, Shot, identities,
    match_session, moments, sessions,
};

/// What was decided about a photo, and why.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Prediction {
    photo_id: String,
    decision: Decision,
    event_date: Option<NaiveDate>,
    setlistfm_venue_id: Option<String>,
    score: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    evidence: Option<Evidence>,
}

impl Prediction {
    /// Whether it was linked, is to be reviewed, or neither.
    pub fn decision(&self) -> &'static str {
        self.decision.name()
    }

    /// Without the reasons.
    #[must_use]
    pub fn briefly(self) -> Self {
        Self { evidence: None, ..self }
    }

    fn new(key: &str, evidence: Option<Evidence>) -> Self {
        let decision = evidence.as_ref().map_or(Decision::None, |evidence| evidence.decision);
        let first = evidence.as_ref().and_then(|evidence| evidence.candidates.first());
        let night = first.filter(|_| decision != Decision::None);
        Self {
            photo_id: key.to_owned(),
            decision,
            event_date: night.map(|night| night.date),
            setlistfm_venue_id: night.map(|night| night.venue_id.clone()),
            score: first.map_or(0.0, |first| first.score),
            evidence,
        }
    }
}

/// Decides about every photo of a file, in the order of its lines: one photo per line, its file's name, what
/// Drive, EXIF and Takeout say of it.
///
/// # Errors
/// The file cannot be read or is not what it should be, or a service gives no answer.
pub async fn matching(
    photos: &Path,
    services: &Online,
    now: DateTime<Utc>,
) -> anyhow::Result<Vec<Prediction>> {
    decide(photos, services, now).await
}

/// The same with the places of a file, which Overpass would answer, in a venue table.
///
/// # Errors
/// As without; and the file of places is not what it should be.
pub async fn matching_with_table(
    photos: &Path,
    pois: &Path,
    services: Online,
    now: DateTime<Utc>,
) -> anyhow::Result<Vec<Prediction>> {
    let (world, _folder) = table::world(pois, services).await?;
    decide(photos, &world, now).await
}

async fn decide(
    photos: &Path,
    lookups: &dyn Lookups,
    now: DateTime<Utc>,
) -> anyhow::Result<Vec<Prediction>> {
    let photos = files::photos(photos)?;
    let mut owners: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (index, photo) in photos.iter().enumerate() {
        owners.entry(&photo.user).or_default().push(index);
    }
    let mut why: Vec<Option<Evidence>> = vec![None; photos.len()];
    for (user, indices) in owners {
        let shots: Vec<Shot> = indices.iter().map(|index| photos[*index].shot()).collect();
        let decided = one_owner(&shots, now, lookups).await;
        for (shot, evidence) in decided.with_context(|| format!("photos of {user}"))? {
            why[indices[shot]] = Some(evidence);
        }
    }
    Ok(photos.iter().zip(why).map(|(photo, why)| Prediction::new(&photo.id, why)).collect())
}

/// Decides about one owner's photos: first those whose place is known, for they tell where the owner
/// goes.
async fn one_owner(
    shots: &[Shot],
    now: DateTime<Utc>,
    lookups: &dyn Lookups,
) -> anyhow::Result<Vec<(usize, Evidence)>> {
    let moments = moments(shots, now);
    let sessions = sessions(shots, &moments);
    let identities = identities(&sessions, shots, &moments, &HashMap::new());
    let mut owner = Owner { path: Owner::path(shots, &moments), ..Owner::default() };
    let known: Vec<(&Session, &Identity)> = sessions.iter().zip(&identities).collect();
    let (placed, unplaced): (Vec<_>, Vec<_>) =
        known.into_iter().partition(|(session, _)| session.centre.is_some());
    let mut decided = Vec::new();
    for sessions in [placed, unplaced] {
        let begin = decided.len();
        for (session, identity) in sessions {
            let matched = match_session(session, &moments, &owner, lookups).await;
            for matched in matched.map_err(|error| anyhow::anyhow!("{error}"))? {
                decided.extend(evidence(&matched, session, identity, &moments));
            }
        }
        for (_, evidence) in &decided[begin..] {
            if let (Decision::Auto, Some(first)) = (evidence.decision, evidence.candidates.first())
            {
                *owner.visits.entry(first.venue_id.clone()).or_default() += 1;
            }
        }
    }
    Ok(decided)
}

fn evidence(
    matched: &Matched,
    session: &Session,
    identity: &Identity,
    moments: &[Option<Moment>],
) -> Vec<(usize, Evidence)> {
    let members = matched.members.iter().map(|member| session.members[*member]);
    let of = |(shot, placed): (usize, _)| {
        Some((shot, Evidence::new(&matched.verdict, identity, moments[shot].as_ref()?, placed)))
    };
    members.filter_map(of).collect()
}
