//! When a mail is tried again. Pure.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, TimeZone as _, Timelike as _};
use chrono_tz::Tz;

use crate::effects::mail::MailSettings;

/// Pause after a mail was offered for the `attempts`th time in vain: it doubles, and is spread by `random`
/// (0 to 1) over its second half, so that mails that were put off together do not come back together.
pub(super) fn pause(settings: &MailSettings, attempts: i32, random: f64) -> Duration {
    let doubled = u32::try_from(attempts.clamp(1, 20) - 1).unwrap_or(0);
    let most = settings.first_pause.saturating_mul(1 << doubled).min(settings.longest_pause);
    most.mul_f64(0.5 + random.clamp(0.0, 1.0) / 2.0)
}

/// How long a user sleeps from now on, who is not to be woken between two hours of the day; none: not now.
pub(super) fn asleep(now_ms: i64, zone: Tz, (from, to): (u32, u32)) -> Option<Duration> {
    let now = DateTime::from_timestamp_millis(now_ms)?.with_timezone(&zone);
    let hour = now.hour();
    let over_midnight = from > to && (hour >= from || hour < to);
    let quiet = over_midnight || (from..to).contains(&hour);
    if !quiet {
        return None;
    }
    let day = if hour < to { now.date_naive() } else { now.date_naive().succ_opt()? };
    // An hour that the clocks skip begins with the next one.
    let morning = (0..3)
        .filter_map(|later| {
            let wall = day.and_hms_opt(to, 0, 0)? + TimeDelta::hours(later);
            zone.from_local_datetime(&wall).earliest()
        })
        .find(|morning| *morning > now)?;
    (morning - now).to_std().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_woken() {
        let at = |text: &str| DateTime::parse_from_rfc3339(text).unwrap().timestamp_millis();
        for (now, zone, quiet, hours) in [
            ("2026-11-20T21:59:00Z", "UTC", (22, 8), None),
            ("2026-11-20T22:00:00Z", "UTC", (22, 8), Some(10.0)),
            ("2026-11-21T07:30:00Z", "UTC", (22, 8), Some(0.5)),
            ("2026-11-21T08:00:00Z", "UTC", (22, 8), None),
            ("2026-11-20T21:30:00Z", "Europe/Vienna", (22, 8), Some(9.5)),
            ("2026-11-20T05:00:00Z", "America/Los_Angeles", (22, 8), None),
            ("2026-11-20T06:00:00Z", "America/Los_Angeles", (22, 8), Some(10.0)),
            ("2026-11-20T13:00:00Z", "UTC", (12, 14), Some(1.0)),
            ("2026-11-20T13:00:00Z", "UTC", (0, 0), None),
            // The night in which clocks are put forward.
            ("2026-03-28T22:00:00Z", "Europe/Vienna", (22, 8), Some(8.0)),
            ("2026-03-28T23:00:00Z", "Europe/Vienna", (22, 2), Some(2.0)),
        ] {
            let asleep = asleep(at(now), zone.parse().unwrap(), quiet);
            let expected = hours.map(|hours: f64| Duration::from_secs_f64(hours * 3_600.0));
            assert_eq!(asleep, expected, "{now} {zone}");
        }
    }
}
