//! What there is to celebrate. Pure.
//!
//! Nights count, not photos: how many there are, at how many venues, how often of one artist, and their
//! anniversaries. A link counts when it is a day old, or its owner has confirmed it, so that one that is undone
//! was not celebrated; and a step that was reached once is never celebrated again, however the count changes.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use chrono::{Months, NaiveDate, TimeDelta};
use serde::{Deserialize, Serialize};

use crate::effects::catalogue::{CelebratedNight, Mark, sha256_hex};

/// How old a link has to be.
pub(super) const RIPE: Duration = Duration::from_hours(24);
/// Nights that are longer ago are told of in a digest only, in days.
const RECENT: i64 = 30;
/// So many days after an anniversary it is still one: nobody may have looked on the day.
const BELATED: i64 = 1;

const NIGHTS: [i32; 4] = [1, 10, 25, 50];
/// Beyond those, every so many.
const NIGHTS_EVERY: i32 = 50;
const VENUES: [i32; 3] = [10, 25, 50];
const ARTIST: [i32; 3] = [5, 10, 25];
/// Years.
pub(super) const ANNIVERSARIES: [i32; 3] = [1, 5, 10];

/// What is counted.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub(crate) enum Series {
    /// Nights.
    Nights,
    /// Nights of one artist, by id.
    Artist(String),
    /// Venues.
    Venues,
    /// Years since a night, by id.
    Anniversary(String),
}

impl fmt::Display for Series {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nights => f.write_str("nights"),
            Self::Venues => f.write_str("venues"),
            Self::Artist(id) => write!(f, "artist/{id}"),
            Self::Anniversary(night) => write!(f, "anniversary/{night}"),
        }
    }
}

impl FromStr for Series {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once('/') {
            None if text == "nights" => Ok(Self::Nights),
            None if text == "venues" => Ok(Self::Venues),
            Some(("artist", id)) => Ok(Self::Artist(id.to_owned())),
            Some(("anniversary", night)) => Ok(Self::Anniversary(night.to_owned())),
            _ => Err(format!("`{text}` is no series of milestones")),
        }
    }
}

impl From<Series> for String {
    fn from(series: Series) -> Self {
        series.to_string()
    }
}

impl TryFrom<String> for Series {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

/// A step that was reached.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Milestone {
    /// Of what.
    pub(crate) series: Series,
    /// Which: the 100th.
    pub(crate) step: i32,
    /// The night that it was reached on.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) night: Option<String>,
}

impl Milestone {
    /// What the mail about it is called in the ledger: `nights-100`, or with a hash of whose it is.
    pub(super) fn value(&self) -> String {
        match &self.series {
            Series::Nights | Series::Venues => format!("{}-{}", self.series, self.step),
            Series::Artist(id) => format!("artist-{}-{}", self.step, short(id)),
            Series::Anniversary(night) => format!("anniversary-{}-{}", self.step, short(night)),
        }
    }

    /// From that name alone, as far as it tells: a bare number is one of nights.
    pub(super) fn of_value(value: &str) -> Option<Self> {
        let (series, step) = value.split_once('-').unwrap_or(("nights", value));
        let series =
            [Series::Nights, Series::Venues].into_iter().find(|s| s.to_string() == series)?;
        let step = step.parse().ok().filter(|step| *step > 0)?;
        Some(Self { series, step, night: None })
    }
}

fn short(id: &str) -> String {
    let mut hash = sha256_hex(&[id]);
    hash.truncate(16);
    hash
}

/// What was found out about a user's nights.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Celebration {
    /// What to celebrate, the greatest first.
    pub(super) milestones: Vec<Milestone>,
    /// Whether in a digest: there are several, or they are long ago.
    pub(super) digest: bool,
    /// When all links that are too young now will count, in Unix milliseconds.
    pub(super) look_again_at: Option<i64>,
}

impl Celebration {
    /// What is to be kept of it.
    pub(super) fn marks(&self) -> Vec<Mark> {
        let mark = |each: &Milestone| Mark { series: each.series.to_string(), step: each.step };
        self.milestones.iter().map(mark).collect()
    }
}

/// What to celebrate of nights in the order of their dates, where `marks` were before. `today` is the
/// user's, on which they will read of it.
pub(super) fn celebrate(
    nights: &[CelebratedNight],
    marks: &BTreeMap<String, i32>,
    now_ms: i64,
    today: NaiveDate,
) -> Celebration {
    let ripe_at = |night: &CelebratedNight| {
        night.linked_at + i64::try_from(RIPE.as_millis()).unwrap_or(i64::MAX)
    };
    let counts = |night: &&CelebratedNight| night.confirmed || ripe_at(night) <= now_ms;
    let ripe: Vec<&CelebratedNight> = nights.iter().filter(counts).collect();
    let look_again_at = nights.iter().filter(|night| !counts(night)).map(ripe_at).max();

    let mut reached = counted(&ripe);
    reached.extend(anniversaries(&ripe, today));
    reached.retain(|(milestone, _)| {
        marks.get(&milestone.series.to_string()).is_none_or(|mark| *mark < milestone.step)
    });
    reached.sort_by(|(a, _), (b, _)| (rank(a), b.step).cmp(&(rank(b), a.step)));
    let recent = |day: &NaiveDate| (today - *day).num_days() <= RECENT;
    let digest = reached.len() > 1 || reached.iter().any(|(_, day)| !recent(day));
    let milestones = reached.into_iter().map(|(milestone, _)| milestone).collect();
    Celebration { milestones, digest, look_again_at }
}

fn rank(milestone: &Milestone) -> u8 {
    match milestone.series {
        Series::Nights => 0,
        Series::Artist(_) => 1,
        Series::Venues => 2,
        Series::Anniversary(_) => 3,
    }
}

/// The highest step of each series, and the day that it was reached on.
fn counted(nights: &[&CelebratedNight]) -> Vec<(Milestone, NaiveDate)> {
    let mut venues: Vec<&CelebratedNight> = Vec::new();
    let mut known = BTreeSet::new();
    let mut artists: BTreeMap<&str, Vec<&CelebratedNight>> = BTreeMap::new();
    for night in nights.iter().copied() {
        if known.insert(&night.venue_id) {
            venues.push(night);
        }
        // Nobody sees all artists of a festival.
        for artist in night.artists.iter().filter(|_| !night.festival) {
            artists.entry(artist).or_default().push(night);
        }
    }
    let every = |count| (count / NIGHTS_EVERY) * NIGHTS_EVERY;
    let step = |count| highest(&NIGHTS, count).max(Some(every(count)).filter(|step| *step > 0));
    let of = |series: Series, nights: &[&CelebratedNight], step: Option<i32>| {
        let step = step?;
        let night = nights.get(usize::try_from(step).ok()? - 1)?;
        Some((Milestone { series, step, night: Some(night.night_id.clone()) }, night.date))
    };
    let count = |nights: &[&CelebratedNight]| i32::try_from(nights.len()).unwrap_or(i32::MAX);
    let all = [
        of(Series::Nights, nights, step(count(nights))),
        of(Series::Venues, &venues, highest(&VENUES, count(&venues))),
    ];
    let artists = artists.into_iter().map(|(artist, nights)| {
        of(Series::Artist(artist.to_owned()), &nights, highest(&ARTIST, count(&nights)))
    });
    all.into_iter().chain(artists).flatten().collect()
}

fn highest(steps: &[i32], count: i32) -> Option<i32> {
    steps.iter().copied().rev().find(|step| *step <= count)
}

fn anniversaries(nights: &[&CelebratedNight], today: NaiveDate) -> Vec<(Milestone, NaiveDate)> {
    let mut found = Vec::new();
    for night in nights {
        for years in ANNIVERSARIES {
            let months = Months::new(12 * u32::try_from(years).unwrap_or(0));
            // Of the 29th of February it is the 28th.
            let Some(day) = night.date.checked_add_months(months) else { continue };
            if (TimeDelta::zero()..=TimeDelta::days(BELATED)).contains(&(today - day)) {
                let series = Series::Anniversary(night.night_id.clone());
                let night = Some(night.night_id.clone());
                found.push((Milestone { series, step: years, night }, day));
            }
        }
    }
    found
}

#[cfg(test)]
mod tests;
