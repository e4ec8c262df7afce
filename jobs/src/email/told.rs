//! From ids and numbers to what a mail says in words.

use chrono::DateTime;
use chrono_tz::Tz;

use super::facts::Facts;
use super::milestones::{Milestone, Series};
use super::page::{Filling, ToldMilestone};
use super::template::Template;
use super::words::Language;
use crate::effects::catalogue::{Catalogue, MailKey, NightTold, catalogue_error};
use crate::effects::mail::one_line;
use crate::job::JobError;

/// Artists of one night that are named.
const ARTISTS: usize = 4;

/// Text of others, on one line.
pub(super) fn clean(text: &str) -> String {
    one_line(text)
}

/// What there is to say; nights, artists and venues as they are called today.
pub(super) async fn filling(
    catalogue: &Catalogue,
    language: Language,
    key: &MailKey,
    facts: Facts,
    zone: Tz,
) -> Result<Filling, JobError> {
    let mut milestones = Vec::new();
    let mut known = facts.milestones;
    if known.is_empty() && key.template == Template::Milestone.name() {
        known.extend(Milestone::of_value(&key.value));
    }
    for milestone in known {
        let night = match &milestone.night {
            Some(night) => catalogue.night_told(night).await.map_err(catalogue_error)?,
            None => None,
        };
        milestones.push(told(language, &milestone, night));
    }
    let empty = [Template::Milestone, Template::MilestoneDigest].map(Template::name);
    if milestones.is_empty() && empty.contains(&key.template) {
        let told =
            anyhow::anyhow!("there is no milestone `{}`; nights-100 would be one", key.value);
        return Err(JobError::discard(told));
    }
    let number = |number: Option<u64>| {
        let number = number.and_then(|number| i64::try_from(number).ok());
        number.map(|number| language.number(number)).unwrap_or_default()
    };
    let expires = facts.expires_at.and_then(DateTime::from_timestamp_millis);
    Ok(Filling {
        milestones,
        more: facts.more,
        photos: number(facts.photos),
        linked: number(facts.linked),
        // Nothing new is no news.
        new_concerts: number(facts.new_concerts.filter(|new| *new > 0)),
        unmatched: number(facts.unmatched),
        format: facts.format.map(|format| clean(&format).to_uppercase()).unwrap_or_default(),
        concerts: number(facts.concerts),
        size: facts.bytes.map(|bytes| size(language, bytes)).unwrap_or_default(),
        link: facts.link.filter(|link| link.starts_with("http")).unwrap_or_default(),
        expires: expires
            .map(|at| language.date(at.with_timezone(&zone).date_naive()))
            .unwrap_or_default(),
        provider: match facts.provider.as_deref().unwrap_or("drive") {
            "drive" => "Google Drive".to_owned(),
            other => clean(other),
        },
        ..Filling::default()
    })
}

fn told(language: Language, milestone: &Milestone, night: Option<NightTold>) -> ToldMilestone {
    let step = milestone.step;
    let ordinal = language.ordinal(step);
    let told = ToldMilestone { step, ordinal, ..ToldMilestone::default() };
    let (kind, wanted) = match &milestone.series {
        Series::Nights => ("nights", None),
        Series::Venues => ("venues", None),
        Series::Artist(id) => ("artist", Some(id)),
        Series::Anniversary(_) => ("anniversary", None),
    };
    let Some(night) = night else { return ToldMilestone { kind, ..told } };
    let names: Vec<String> = night.artists.iter().map(|(_, name)| clean(name)).collect();
    let of_series = night.artists.iter().find(|(id, _)| Some(id) == wanted);
    let artist = of_series.or(night.artists.first().filter(|_| wanted.is_none()));
    let others = if names.len() > ARTISTS { ", …" } else { "" };
    let place = [Some(&night.venue), night.city.as_ref()].into_iter().flatten();
    ToldMilestone {
        kind,
        artist: artist.map(|(_, name)| clean(name)).unwrap_or_default(),
        artists: format!("{}{others}", names[..names.len().min(ARTISTS)].join(", ")),
        venue: place.map(|part| clean(part)).collect::<Vec<_>>().join(", "),
        date: language.date(night.date),
        ..told
    }
}

/// As people write it.
fn size(language: Language, bytes: u64) -> String {
    let (unit, tenths) = match bytes {
        ..1_000_000 => ("kB", (bytes / 100).max(1)),
        _ => ("MB", bytes / 100_000),
    };
    let point = if language == Language::German { ',' } else { '.' };
    format!("{}{point}{} {unit}", tenths / 10, tenths % 10)
}
