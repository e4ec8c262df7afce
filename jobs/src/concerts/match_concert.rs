//! `match-concert`

use std::time::Duration;

use async_trait::async_trait;
use chrono::{NaiveDate, TimeDelta};
use schemars::{JsonSchema, Schema};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::detect_venue::{ATTEMPTS, BACKOFF, TIMEOUT};
use super::put_off::put_off;
use super::verdicts::{self, evening};
use crate::context::{FollowUp, JobContext};
use crate::effects::World;
use crate::effects::catalogue::{Member, PhotoSession, SessionMatch, catalogue_error};
use crate::email::look_for_milestones;
use crate::job::{Backoff, Job, JobError, Timeout};
use crate::matching::{Decision, Lookups, Moment, Owner, Poi, Session, Show, Venue, match_session};
use crate::metric;
use crate::pixels::Place;
use crate::schema::describe;

/// So long before and after, it matters where somebody was: [`Owner::whereabouts`].
const MEMORY: TimeDelta = TimeDelta::days(60);

/// Links the photos of a session to the night that they were taken at, or leaves candidates for their
/// owner.
///
/// Effects: venues, artists, nights and setlists; which photos are of which night, and why; the web tier's
/// cached concerts of the user are dropped; a job `match-concert` in days, where a show or what was played
/// may yet be written down; a job `celebrate-milestones`, where mail is sent.
/// Safe to repeat because: rows are upserts on what they are about, all in one transaction, and only if
/// the session is still what was decided about. What the user has decided is never changed.
/// Gives up when: a service does not understand the question. That one does not answer, or not properly,
/// never means that there was no concert: the job is postponed or tried again, and nothing is stored.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("examples" = [{ "userId": 7, "sessionId": "9f86d081884c7d65", "reason": "retry" }]))]
pub(crate) struct MatchConcert {
    user_id: i64,
    session_id: String,
    reason: Reason,
}

/// Why it is to be matched. All go the same way, but for a scan, which asks only for what has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) enum Reason {
    /// A scan has found photos.
    Scan,
    /// Somebody wants it.
    Retry,
    /// The user has named a venue.
    Alias,
    /// There is a setlist that was not there.
    NewSetlist,
    /// A show may have been written down meanwhile.
    Recheck,
}

/// What became of a session.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct MatchedSession {
    /// `matched`; `known`: it was already; `changed`: its photos are others by now, and another job comes;
    /// `gone`: it is none any more.
    outcome: &'static str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    evenings: Vec<MatchedEvening>,
}

/// What became of one evening of it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct MatchedEvening {
    decision: Decision,
    reason: crate::matching::Reason,
    score: f64,
    photos: usize,
    linked: usize,
}

impl MatchedSession {
    fn without(outcome: &'static str) -> Self {
        Self { outcome, evenings: Vec::new() }
    }
}

/// The job for a session.
pub(super) fn job(
    user_id: i64,
    session_id: &str,
    reason: Reason,
    id: String,
    delay: Option<Duration>,
) -> FollowUp {
    FollowUp {
        queue: MatchConcert::QUEUE.to_owned(),
        kind: MatchConcert::KIND.to_owned(),
        payload: json!({ "userId": user_id, "sessionId": session_id, "reason": reason }),
        id,
        delay,
    }
}

impl Job for MatchConcert {
    const KIND: &'static str = "match-concert";
    const QUEUE: &'static str = "concert-matching";
    const ATTEMPTS: u32 = ATTEMPTS;
    const BACKOFF: Backoff = BACKOFF;
    const TIMEOUT: Timeout = TIMEOUT;
    type Output = MatchedSession;

    fn payload() -> Schema {
        describe::<Self>()
    }

    async fn run(self, cx: JobContext) -> Result<MatchedSession, JobError> {
        let catalogue = &cx.effects().catalogue;
        let session = catalogue.photo_session(self.user_id, &self.session_id).await;
        let Some(session) = session.map_err(catalogue_error)? else {
            return Ok(MatchedSession::without("gone"));
        };
        if self.reason == Reason::Scan && session.matched {
            // Perhaps by an attempt of this job that was cut off before the rest.
            self.follow(&cx, session.recheck_at).await?;
            return Ok(MatchedSession::without("known"));
        }
        let decided = match self.decide(&cx, &session).await {
            Ok(decided) => decided,
            Err(error) => {
                metrics::counter!(metric::CONCERT_MATCHES, "status" => "unanswered").increment(1);
                return Err(put_off(&cx, self.user_id, &self.session_id, error).await);
            }
        };
        let now = cx.effects().clock.now_ms();
        let recorded = catalogue.record_match(self.user_id, &decided, now).await;
        let Some(nights) = recorded.map_err(catalogue_error)? else {
            return Ok(MatchedSession::without("changed"));
        };
        for evening in &decided.evenings {
            let status = evening.reason.decision().name();
            metrics::counter!(metric::CONCERT_MATCHES, "status" => status).increment(1);
        }
        let linked = !nights.is_empty();
        let nights = nights.into_iter().map(|night| ("nightId", night));
        let changed = [("userId", self.user_id.to_string())].into_iter().chain(nights);
        cx.drop_cached(changed.collect()).await?;
        if linked {
            let confirmed = matches!(self.reason, Reason::Retry | Reason::Alias);
            look_for_milestones(&cx, self.user_id, confirmed).await?;
        }
        self.follow(&cx, decided.recheck_at).await?;
        Ok(told(&decided))
    }
}

fn told(decided: &SessionMatch) -> MatchedSession {
    let evenings = decided.evenings.iter().map(|evening| {
        let linked = evening.photos.iter().filter(|(_, why)| why.decision() == Decision::Auto);
        MatchedEvening {
            decision: evening.reason.decision(),
            reason: evening.reason,
            score: evening.candidates.first().map_or(0.0, |first| first.fit.score),
            photos: evening.photos.len(),
            linked: linked.count(),
        }
    });
    MatchedSession { outcome: "matched", evenings: evenings.collect() }
}

impl MatchConcert {
    /// Looks everything up and decides; stores nothing.
    async fn decide(
        &self,
        cx: &JobContext,
        stored: &PhotoSession,
    ) -> Result<SessionMatch, JobError> {
        let effects = cx.effects();
        let catalogue = &effects.catalogue;
        let members = catalogue.session_members(self.user_id, &stored.id).await;
        let members = members.map_err(catalogue_error)?;
        let said = catalogue.said_of(self.user_id, &stored.id).await.map_err(catalogue_error)?;
        let pois = if stored.venues_known {
            let pois = catalogue.session_venues(self.user_id, &stored.id).await;
            Some(pois.map_err(catalogue_error)?)
        } else {
            None
        };
        let moments: Vec<Option<Moment>> =
            members.iter().map(|member| Some(member.moment.clone())).collect();
        let placed = (0..).zip(&members).map(|(at, member)| (at, member.placed));
        let session = Session { members: placed.collect(), centre: stored.centre };
        let owner = self.owner(cx, &session, &members).await?;
        let around = Around { world: &effects.world, pois: pois.clone() };
        let matched = match_session(&session, &moments, &owner, &around).await?;
        let is_open = |each| verdicts::open(each, stored.centre.is_some(), pois.as_deref());
        let open = matched.iter().any(is_open);
        let rechecks = if self.reason == Reason::Recheck { stored.rechecks + 1 } else { 0 };
        let now = effects.clock.now_ms();
        Ok(SessionMatch {
            session_id: stored.id.clone(),
            inputs: stored.inputs.clone(),
            evenings: matched
                .into_iter()
                .map(|matched| evening(matched, &session, &members, &said))
                .collect(),
            rechecks,
            recheck_at: verdicts::next_recheck(rechecks, now).filter(|_| open),
        })
    }

    async fn owner(
        &self,
        cx: &JobContext,
        session: &Session,
        members: &[Member],
    ) -> Result<Owner, JobError> {
        let catalogue = &cx.effects().catalogue;
        let mut owner = Owner {
            visits: catalogue.visits(self.user_id).await.map_err(catalogue_error)?,
            aliases: catalogue.aliases(self.user_id).await.map_err(catalogue_error)?,
            ..Owner::default()
        };
        let around = members.first().and_then(|member| member.moment.axis());
        if let (None, Some(around)) = (session.centre, around) {
            let path = catalogue.path(self.user_id, around, MEMORY + TimeDelta::days(1)).await;
            owner.path = path.map_err(catalogue_error)?;
        }
        Ok(owner)
    }

    /// Comes back when a show may have been written down.
    async fn follow(&self, cx: &JobContext, recheck_at: Option<i64>) -> Result<(), JobError> {
        let Some(at) = recheck_at else { return Ok(()) };
        let until = u64::try_from(at - cx.effects().clock.now_ms()).unwrap_or(0);
        let id = format!("recheck:{}:{at}", self.session_id);
        let delay = Some(Duration::from_millis(until));
        cx.enqueue(job(self.user_id, &self.session_id, Reason::Recheck, id, delay)).await
    }
}

/// The world, of which the places around a session are known already.
struct Around<'w> {
    world: &'w World,
    pois: Option<Vec<Poi>>,
}

#[async_trait]
impl Lookups for Around<'_> {
    async fn shows(
        &self,
        date: NaiveDate,
        near: Place,
        metres: f64,
    ) -> Result<Vec<Show>, JobError> {
        self.world.shows(date, near, metres).await
    }

    async fn pois(&self, near: Place, metres: f64) -> Result<Vec<Poi>, JobError> {
        match &self.pois {
            Some(pois) => Ok(pois.clone()),
            None => self.world.pois(near, metres).await,
        }
    }

    async fn places_of(&self, venue: &Venue) -> Result<Vec<Place>, JobError> {
        self.world.places_of(venue).await
    }
}
