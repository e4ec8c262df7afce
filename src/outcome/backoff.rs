//! How long a failed job rests before its next attempt. Pure: randomness comes in.

use std::time::Duration;

use roadie_jobs::Backoff;

use crate::queue::transition::{ProducerBackoff, RetryOptions};

/// No pause is longer, whatever options say: a month.
const LONGEST: Duration = Duration::from_hours(24 * 30);

/// The pause before attempt `failed + 1`, where `failed` (1 is the first) attempts have failed.
///
/// The failing system's own wish (`Retry-After`) comes first, then the producer's options as
/// `BullMQ` documents them, then the kind's backoff. `None` is at once: what a producer gets that
/// asks for `attempts` without `backoff`. `random` lies in `[0, 1)`.
pub fn pause(
    asked: Option<Duration>,
    producer: &RetryOptions,
    kind: Backoff,
    failed: u32,
    random: f64,
) -> Option<Duration> {
    if let Some(asked) = asked {
        return Some(asked.min(LONGEST));
    }
    let pause = match (&producer.backoff, producer.attempts) {
        (Some(ProducerBackoff::Fixed(ms, jitter)), _) => {
            spread(Duration::from_millis(*ms), *jitter, random)
        }
        (Some(ProducerBackoff::Exponential(ms, jitter)), _) => {
            spread(doubled(Duration::from_millis(*ms), failed), *jitter, random)
        }
        (None, Some(_)) => return None,
        (Some(ProducerBackoff::Custom), _) | (None, None) => {
            spread(doubled(kind.base, failed).min(kind.cap), 1.0, random)
        }
    };
    Some(pause.min(LONGEST))
}

/// `base × 2^(failed − 1)`, saturating.
fn doubled(base: Duration, failed: u32) -> Duration {
    2_u32
        .checked_pow(failed.saturating_sub(1))
        .and_then(|factor| base.checked_mul(factor))
        .unwrap_or(Duration::MAX)
        .min(LONGEST)
}

/// BullMQ's jitter: a random time between `(1 − jitter) × pause` and `pause`.
fn spread(pause: Duration, jitter: f64, random: f64) -> Duration {
    pause.mul_f64(1.0 - jitter + jitter * random)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: fn(u64) -> Duration = Duration::from_millis;

    #[test]
    fn pauses() {
        let fixed = |jitter| Some(ProducerBackoff::Fixed(1_000, jitter));
        let exponential = |jitter| Some(ProducerBackoff::Exponential(1_000, jitter));
        let table = [
            // asked, attempts, backoff, failed, random, expected
            (Some(MS(7_000)), Some(5), fixed(0.0), 1, 0.5, Some(MS(7_000))),
            (None, Some(5), fixed(0.0), 3, 0.5, Some(MS(1_000))),
            (None, Some(5), fixed(0.5), 3, 0.0, Some(MS(500))),
            (None, Some(5), exponential(0.0), 1, 0.5, Some(MS(1_000))),
            (None, Some(5), exponential(0.0), 4, 0.5, Some(MS(8_000))),
            (None, Some(5), exponential(1.0), 4, 0.25, Some(MS(2_000))),
            (None, Some(200), exponential(0.0), 150, 0.5, Some(LONGEST)),
            (None, Some(5), None, 1, 0.5, None),
            (None, None, None, 1, 0.5, Some(MS(1_000))),
            (None, None, None, 1, 0.0, Some(MS(0))),
            (None, None, None, 3, 0.5, Some(MS(4_000))),
            (None, None, None, 30, 0.5, Some(MS(300_000))),
            (None, Some(5), Some(ProducerBackoff::Custom), 1, 0.5, Some(MS(1_000))),
        ];
        for (asked, attempts, backoff, failed, random, expected) in table {
            let producer = RetryOptions { attempts, backoff };
            let got = pause(asked, &producer, Backoff::DEFAULT, failed, random);
            assert_eq!(got, expected, "{producer:?}, {failed} failed");
        }
    }
}
