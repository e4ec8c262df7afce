//! `detect-venue`

use std::time::Duration;

use schemars::{JsonSchema, Schema};
use serde::{Deserialize, Serialize};

use super::match_concert::{self, Reason};
use super::put_off::put_off;
use crate::context::JobContext;
use crate::effects::catalogue::{PhotoSession, catalogue_error};
use crate::job::{Backoff, Job, JobError, Timeout};
use crate::matching::{Lookups as _, reach};
use crate::schema::describe;

/// Services are away for minutes at times, rarely for hours.
pub(super) const ATTEMPTS: u32 = 8;
pub(super) const BACKOFF: Backoff =
    Backoff { base: Duration::from_secs(5), cap: Duration::from_mins(30) };
/// One look-up may take 40 s, and there are several.
pub(super) const TIMEOUT: Timeout = Timeout::Total(Duration::from_mins(5));

/// Looks up which places of OpenStreetMap are around a photo session, as far as concerts could be there.
///
/// Effects: the places around the session, replaced as a whole; a job `match-concert`.
/// Safe to repeat because: places are stored under the session as it was, and are not asked for again
/// while it stays that; the follow-up's id follows from this job's.
/// Gives up when: the service does not understand the question. That it does not answer, or not properly,
/// never means that there is no place: the job is postponed or tried again.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("examples" = [{ "userId": 7, "sessionId": "9f86d081884c7d65" }]))]
pub(crate) struct DetectVenue {
    user_id: i64,
    session_id: String,
}

/// What came out.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Detected {
    /// Places around; none where nobody knows where the session was, or it is none any more.
    candidates: Option<usize>,
}

impl Job for DetectVenue {
    const KIND: &'static str = "detect-venue";
    const QUEUE: &'static str = "concert-matching";
    const ATTEMPTS: u32 = ATTEMPTS;
    const BACKOFF: Backoff = BACKOFF;
    const TIMEOUT: Timeout = TIMEOUT;
    type Output = Detected;

    fn payload() -> Schema {
        describe::<Self>()
    }

    async fn run(self, cx: JobContext) -> Result<Detected, JobError> {
        let (user_id, id) = (self.user_id, self.session_id);
        let session = cx.effects().catalogue.photo_session(user_id, &id).await;
        let Some(session) = session.map_err(catalogue_error)? else {
            return Ok(Detected { candidates: None });
        };
        let candidates = match detect(&cx, user_id, &session).await {
            Ok(candidates) => candidates,
            Err(error) => return Err(put_off(&cx, user_id, &id, error).await),
        };
        let own = cx.info().id.rsplit(':').next().unwrap_or_default();
        let job = format!("match:{id}:{own}");
        cx.enqueue(match_concert::job(user_id, &id, Reason::Scan, job, None)).await?;
        Ok(Detected { candidates })
    }
}

async fn detect(
    cx: &JobContext,
    user_id: i64,
    session: &PhotoSession,
) -> Result<Option<usize>, JobError> {
    let effects = cx.effects();
    let Some(centre) = session.centre else { return Ok(None) };
    if session.venues_known {
        let known = effects.catalogue.session_venues(user_id, &session.id).await;
        return Ok(Some(known.map_err(catalogue_error)?.len()));
    }
    let pois = effects.world.pois(centre.place, reach(&centre)).await?;
    let stored = effects.catalogue.store_session_venues(user_id, session, &pois).await;
    stored.map_err(catalogue_error)?;
    Ok(Some(pois.len()))
}
