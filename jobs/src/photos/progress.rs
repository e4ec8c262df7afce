//! What the web tier polls while a scan runs.

use std::time::Duration;

use serde::Serialize;

use super::scan_result::Counts;
use crate::context::Progress;
use crate::effects::catalogue::MatchTally;

/// The key lives this long after the last report.
const LIFETIME: Duration = Duration::from_hours(1);

/// The key that web tiers poll for a user's scan.
pub(crate) fn progress_key(user_id: i64) -> String {
    format!("scan:progress:{user_id}")
}

/// The fields of `scan:progress:{userId}`, exactly as the web application reads them.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ScanProgress {
    pub(super) user_id: i64,
    pub(super) is_scanning: bool,
    /// Files dealt with so far, skipped ones included.
    pub(super) current_photo: u64,
    /// Files that the scan will deal with.
    pub(super) total_photos: u64,
    /// Files that were read.
    pub(super) processed: u64,
    pub(super) linked: u64,
    /// Files that had not changed since an earlier scan.
    pub(super) skipped: u64,
    pub(super) new_concerts: u64,
    pub(super) unmatched: u64,
    /// Unix milliseconds.
    pub(super) started_at: i64,
    pub(super) current_file_name: String,
    pub(super) current_city: Option<String>,
    pub(super) current_state: Option<String>,
    pub(super) current_country: Option<String>,
    pub(super) current_artist: Option<String>,
    pub(super) current_venue: Option<String>,
    /// What is going on, for people.
    pub(super) current_status: String,
    /// Milliseconds since the start.
    pub(super) elapsed_time: i64,
    /// Another scan of the user is shown.
    #[serde(skip)]
    pub(super) hidden: bool,
}

impl ScanProgress {
    /// Shows how many files were dealt with.
    pub(super) fn counted(&mut self, counts: &Counts) {
        self.processed = counts.processed;
        self.skipped = counts.skipped;
        self.current_photo = counts.processed + counts.skipped;
        // Files may have been added since they were counted.
        self.total_photos = self.total_photos.max(self.current_photo);
    }

    /// Shows how far matching has come.
    pub(super) fn matched(&mut self, tally: &MatchTally) {
        let tally = tally.clone();
        let done = tally.asked - tally.open;
        self.current_status =
            format!("matching photos to shows: {done} of {} sessions", tally.asked);
        (self.linked, self.unmatched) = (tally.linked, tally.unmatched);
        self.new_concerts = tally.new_nights;
        (self.current_artist, self.current_venue) = (tally.artist, tally.venue);
        (self.current_city, self.current_state) = (tally.city, tally.state);
        self.current_country = tally.country;
    }

    pub(super) fn report(&self) -> Progress {
        Progress {
            // A struct of numbers and text always has a JSON form.
            value: serde_json::to_value(self).unwrap_or_default(),
            mirror: (!self.hidden).then(|| (progress_key(self.user_id), LIFETIME)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fields_are_those_that_the_web_tier_reads() {
        let report = ScanProgress { user_id: 7, ..ScanProgress::default() }.report();
        let mut fields: Vec<&String> = report.value.as_object().unwrap().keys().collect();
        fields.sort();
        let mut expected: Vec<&str> =
            "userId isScanning currentPhoto totalPhotos processed linked \
            skipped newConcerts unmatched startedAt currentFileName currentCity currentState \
            currentCountry currentArtist currentVenue currentStatus elapsedTime"
                .split_whitespace()
                .collect();
        expected.sort_unstable();
        assert_eq!(fields, expected);
        assert_eq!(report.mirror, Some(("scan:progress:7".to_owned(), Duration::from_hours(1))));
    }
}
