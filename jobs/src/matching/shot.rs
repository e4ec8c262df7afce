//! What is known of one photo, as far as matching needs it.

use chrono::{DateTime, NaiveDateTime, Utc};

use crate::pixels::Place;

/// One photo.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Shot {
    /// The same in every scan.
    pub(crate) key: String,
    /// The file's name.
    pub(crate) name: String,
    /// Make and model.
    pub(crate) camera: Option<String>,
    /// What the camera's clock showed.
    pub(crate) local: Option<NaiveDateTime>,
    /// The clock's distance from UTC in minutes, east positive, when the camera noted it.
    pub(crate) offset_minutes: Option<i32>,
    /// The time of the position.
    pub(crate) gps_at: Option<DateTime<Utc>>,
    /// When it was taken by an export of Google Takeout.
    pub(crate) exported_at: Option<DateTime<Utc>>,
    /// Where it was taken.
    pub(crate) place: Option<Place>,
    /// How far the position may be off in metres: EXIF `GPSHPositioningError`.
    pub(crate) accuracy: Option<f64>,
    /// When the file came to where it is: an upper bound and nothing else.
    pub(crate) uploaded_at: Option<DateTime<Utc>>,
}
