//! When a photo was taken, and how sure that is.
//!
//! A camera writes what its clock shows, mostly without saying where on earth that was, and clocks are
//! wrong: by the hour of summer time, by the zone of home, by years after a battery change. What is
//! asked, in this order: the zone that the camera noted, the time of the position, the UTC of a Takeout
//! export, the same camera's clock error shortly before or after, the zone of the position, and at last the
//! zone of wherever its owner was then. When a file was uploaded is never asked for more than that it
//! cannot have been taken later.

use std::collections::HashMap;

use chrono::{DateTime, Datelike as _, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, Utc};
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};

use super::file_name::day_in_name;
use super::shot::Shot;
use super::zones::{concert_day, instant_of, zone_of};

/// Sources that are further apart do not only round differently.
const TOLERANCE: TimeDelta = TimeDelta::minutes(10);
/// Further apart than any two zones: then one of them has a wrong date.
const ANY_ZONE: TimeDelta = TimeDelta::hours(14);
/// So long before and after, a camera's clock is as wrong as it is now.
const SAME_CLOCK: TimeDelta = TimeDelta::minutes(45);
/// A file name's day begins and ends with the day of some zone.
const NAME_TOLERANCE: TimeDelta = TimeDelta::hours(48);
/// Clocks, zones and uploads by somebody else: nothing is taken later than this after its upload.
const UPLOAD_TOLERANCE: TimeDelta = TimeDelta::days(1);
/// setlist.fm knows shows from then on, and prints of photos have been dated by their owners.
const FIRST_YEAR: i32 = 1950;

/// What told the time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Source {
    /// The camera's clock and the zone that it noted.
    Offset,
    /// The time of the position.
    Gps,
    /// The UTC of a Takeout export.
    Takeout,
    /// The camera's clock, corrected by what it was wrong by shortly before or after.
    SameCamera,
    /// The camera's clock in the zone of the position.
    PlaceZone,
    /// The camera's clock in the zone of where its owner was then.
    OwnersZone,
    /// The camera's clock; nobody knows in which zone.
    Clock,
    /// The file's name, which knows the day only.
    FileName,
}

/// Why a date is not to be trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Doubt {
    /// The camera's clock and the time of the position are days or years apart.
    GpsDisagrees,
    /// The file's name tells another day.
    NameDisagrees,
    /// It was uploaded before.
    UploadedBefore,
    /// New Year's midnight, where cameras begin after a battery change.
    ClockReset,
}

/// When a photo was taken, as far as can be known.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Moment {
    /// `None` when only the day is known.
    pub(crate) at: Option<DateTime<Utc>>,
    /// The zone that it was taken in.
    pub(crate) zone: Option<Tz>,
    pub(crate) source: Source,
    /// The camera's clock was wrong, and has been corrected.
    pub(crate) corrected: bool,
    pub(crate) doubt: Option<Doubt>,
    /// The day in the file's name.
    pub(crate) named: Option<NaiveDate>,
}

impl Moment {
    /// The instant, if its date is beyond doubt.
    pub(crate) fn sure(&self) -> Option<DateTime<Utc>> {
        self.at.filter(|_| self.doubt.is_none())
    }

    /// Where it stands among others in time: its instant, or noon of the likeliest day.
    pub(crate) fn axis(&self) -> Option<DateTime<Utc>> {
        let noon = || self.concert_days().first()?.and_hms_opt(12, 0, 0);
        self.sure().or_else(|| Some(noon()?.and_utc()))
    }

    /// The wall clock at the place.
    pub(crate) fn local(&self) -> Option<NaiveDateTime> {
        Some(self.at?.with_timezone(&self.zone?).naive_local())
    }

    /// The days whose evening it may have been, the likeliest first.
    pub(crate) fn concert_days(&self) -> Vec<NaiveDate> {
        let mut days = Vec::with_capacity(3);
        let by_clock = match (self.at, self.local()) {
            (_, Some(local)) => vec![concert_day(local)],
            // Somewhere on earth.
            (Some(at), None) => {
                vec![
                    concert_day(at.naive_utc()),
                    concert_day((at - TimeDelta::hours(8)).naive_utc()),
                ]
            }
            (None, None) => vec![],
        };
        let by_name = self.named.into_iter().filter(|_| self.at.is_none() || self.doubt.is_some());
        // A clock that is in doubt is less to be trusted than a name.
        days.extend(by_name.clone());
        days.extend(by_clock);
        // What is sent on after midnight has the next day in its name.
        if self.at.is_none() {
            days.extend(by_name.filter_map(|day| day.pred_opt()));
        }
        let mut seen = Vec::with_capacity(days.len());
        days.retain(|day| {
            !seen.contains(day) && {
                seen.push(*day);
                true
            }
        });
        days
    }
}

/// When each of one owner's photos was taken; `None` where nothing tells.
pub(crate) fn moments(shots: &[Shot], now: DateTime<Utc>) -> Vec<Option<Moment>> {
    let mut moments: Vec<Option<Moment>> = shots.iter().map(|shot| by_itself(shot, now)).collect();
    by_same_camera(shots, &mut moments);
    by_owners_zone(shots, &mut moments);
    moments
}

/// What a photo tells alone.
fn by_itself(shot: &Shot, now: DateTime<Utc>) -> Option<Moment> {
    let zone = shot.place.and_then(zone_of);
    let named = day_in_name(&shot.name).filter(|day| sensible(day.and_hms_opt(12, 0, 0), now));
    let local = shot.local.filter(|local| sensible(Some(*local), now));
    let gps = shot.gps_at.filter(|at| sensible(Some(at.naive_utc()), now));
    let takeout = shot.exported_at.filter(|at| sensible(Some(at.naive_utc()), now));
    let by_offset = local
        .zip(shot.offset_minutes)
        .map(|(local, minutes)| local.and_utc() - TimeDelta::minutes(i64::from(minutes)));
    let by_zone = local.zip(zone).and_then(|(local, zone)| instant_of(local, zone));
    // Google takes a clock without a zone for UTC.
    let takeout = takeout
        .filter(|at| by_zone.is_none_or(|by_zone| *at == by_zone || Some(at.naive_utc()) != local));

    let by_clock = by_offset.or(by_zone);
    let apart = |at: DateTime<Utc>| by_clock.map(|clock| (clock - at).abs());
    let mut corrected = false;
    let mut doubt = None;
    let (at, source) = if let Some(gps) = gps {
        if apart(gps).is_some_and(|apart| apart >= ANY_ZONE) {
            doubt = Some(Doubt::GpsDisagrees);
        }
        corrected = apart(gps).is_some_and(|apart| apart > TOLERANCE);
        (Some(gps), Source::Gps)
    } else if by_offset.is_some() {
        (by_offset, Source::Offset)
    } else if takeout.is_some() {
        (takeout, Source::Takeout)
    } else if by_zone.is_some() {
        (by_zone, Source::PlaceZone)
    } else if let Some(local) = local {
        (Some(local.and_utc()), Source::Clock)
    } else {
        named?;
        (None, Source::FileName)
    };
    if let Some(at) = at
        && doubt.is_none()
        && gps.is_none_or(|_| by_clock.is_none())
    {
        doubt = doubtful(shot, at, local, named);
    }
    Some(Moment { at, zone, source, corrected, doubt, named })
}

/// What speaks against a date that only one witness tells.
fn doubtful(
    shot: &Shot,
    at: DateTime<Utc>,
    local: Option<NaiveDateTime>,
    named: Option<NaiveDate>,
) -> Option<Doubt> {
    let reset = local.is_some_and(|local| {
        local.date().ordinal() == 1
            && local.signed_duration_since(local.date().and_time(NaiveTime::MIN))
                < TimeDelta::minutes(1)
    });
    let noon = named.and_then(|day| day.and_hms_opt(12, 0, 0)).map(|noon| noon.and_utc());
    if reset {
        Some(Doubt::ClockReset)
    } else if shot.uploaded_at.is_some_and(|uploaded| at > uploaded + UPLOAD_TOLERANCE) {
        Some(Doubt::UploadedBefore)
    } else if noon.is_some_and(|noon| (noon - at).abs() > NAME_TOLERANCE) {
        Some(Doubt::NameDisagrees)
    } else {
        None
    }
}

/// Dates that no photo has: before there were any, in the future, and where clocks begin.
fn sensible(local: Option<NaiveDateTime>, now: DateTime<Utc>) -> bool {
    local.is_some_and(|local| {
        let epoch = matches!(local.year(), 1970 | 1980) && local.ordinal() == 1
            || local.year() == 2000
                && local.date().ordinal() == 1
                && local.time() == NaiveTime::MIN;
        local.year() >= FIRST_YEAR && local <= now.naive_utc() + TimeDelta::days(1) && !epoch
    })
}

/// Clocks without a zone are read as those of the same camera that GPS or Takeout tell the truth about.
fn by_same_camera(shots: &[Shot], moments: &mut [Option<Moment>]) {
    let mut known: HashMap<&str, Vec<(NaiveDateTime, TimeDelta)>> = HashMap::new();
    for (shot, moment) in shots.iter().zip(moments.iter()) {
        if let (Some(camera), Some(local), Some(moment)) = (&shot.camera, shot.local, moment)
            && let Some(at) = moment.sure()
            && matches!(moment.source, Source::Gps | Source::Takeout)
        {
            known.entry(camera).or_default().push((local, at - local.and_utc()));
        }
    }
    for list in known.values_mut() {
        list.sort_unstable();
    }
    for (shot, moment) in shots.iter().zip(moments.iter_mut()) {
        let Some(moment) = moment else { continue };
        let (Some(camera), Some(local)) = (&shot.camera, shot.local) else { continue };
        if !matches!(moment.source, Source::PlaceZone | Source::Clock) {
            continue;
        }
        let Some(list) = known.get(camera.as_str()) else { continue };
        let after = list.partition_point(|(other, _)| *other < local);
        let around = list[..after].last().into_iter().chain(list.get(after));
        let nearest = around
            .filter(|(other, _)| (*other - local).abs() <= SAME_CLOCK)
            .min_by_key(|(other, _)| (*other - local).abs());
        if let Some((_, error)) = nearest {
            let at = local.and_utc() + *error;
            moment.corrected = moment.source == Source::PlaceZone
                && moment.at.is_some_and(|before| (before - at).abs() > TOLERANCE);
            moment.at = Some(at);
            moment.source = Source::SameCamera;
        }
    }
}

/// Photos without a position were taken in the zone of the photo with one that is nearest in time.
fn by_owners_zone(shots: &[Shot], moments: &mut [Option<Moment>]) {
    let mut located: Vec<(DateTime<Utc>, Tz)> = shots
        .iter()
        .zip(moments.iter())
        .filter(|(shot, _)| shot.place.is_some())
        .filter_map(|(_, moment)| Some((moment.as_ref()?.sure()?, moment.as_ref()?.zone?)))
        .collect();
    located.sort_unstable_by_key(|(at, _)| *at);
    for moment in moments.iter_mut().flatten() {
        let noon =
            moment.named.and_then(|day| day.and_hms_opt(12, 0, 0)).map(|noon| noon.and_utc());
        let Some(at) = moment.at.or(noon).filter(|_| moment.zone.is_none()) else { continue };
        let after = located.partition_point(|(other, _)| *other < at);
        let around = located[..after].last().into_iter().chain(located.get(after));
        let Some((_, zone)) = around.min_by_key(|(other, _)| (*other - at).abs()) else { continue };
        moment.zone = Some(*zone);
        if moment.source == Source::Clock {
            moment.at = instant_of(at.naive_utc(), *zone);
            moment.source = Source::OwnersZone;
        }
    }
}
