//! The photos that an evaluation reads.

use std::fs;
use std::path::Path;

use anyhow::Context as _;
use chrono::{DateTime, NaiveDateTime, Utc};
use serde::Deserialize;

use crate::matching::Shot;
use crate::pixels::Place;

/// How EXIF and Drive write a time.
const EXIF_TIME: &str = "%Y:%m:%d %H:%M:%S";

/// One photo, as its sources describe it.
#[derive(Debug, Deserialize)]
pub(super) struct Photo {
    pub(super) id: String,
    pub(super) user: String,
    #[serde(default)]
    name: String,
    #[serde(default)]
    drive: Drive,
    exif: Option<Exif>,
    takeout: Option<Takeout>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Drive {
    created_time: Option<DateTime<Utc>>,
    image_media_metadata: Option<DriveImage>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct DriveImage {
    time: Option<String>,
    camera_make: Option<String>,
    camera_model: Option<String>,
    location: Option<LatLon>,
}

#[derive(Debug, Deserialize)]
struct LatLon {
    latitude: f64,
    longitude: f64,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Exif {
    date_time_original: Option<String>,
    offset_time_original: Option<String>,
    make: Option<String>,
    model: Option<String>,
    #[serde(rename = "GPSLatitude")]
    gps_latitude: Option<f64>,
    #[serde(rename = "GPSLongitude")]
    gps_longitude: Option<f64>,
    #[serde(rename = "GPSDateStamp")]
    gps_date_stamp: Option<String>,
    #[serde(rename = "GPSTimeStamp")]
    gps_time_stamp: Option<String>,
    #[serde(rename = "GPSHPositioningError")]
    gps_h_positioning_error: Option<f64>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Takeout {
    photo_taken_time: Option<TakenTime>,
    geo_data: Option<LatLon>,
}

#[derive(Debug, Deserialize)]
struct TakenTime {
    timestamp: String,
}

impl Photo {
    pub(super) fn shot(&self) -> Shot {
        let exif = self.exif.as_ref();
        let image = self.drive.image_media_metadata.as_ref();
        let takeout = self.takeout.as_ref();
        let text = |text: Option<&String>| NaiveDateTime::parse_from_str(text?, EXIF_TIME).ok();
        let exif_text = |of: fn(&Exif) -> &Option<String>| exif.and_then(|exif| of(exif).as_ref());
        let gps_at = exif.and_then(|exif| {
            let date_time =
                format!("{} {}", exif.gps_date_stamp.as_ref()?, exif.gps_time_stamp.as_ref()?);
            Some(text(Some(&date_time))?.and_utc())
        });
        let camera = [
            exif_text(|exif| &exif.make).or(image.and_then(|image| image.camera_make.as_ref())),
            exif_text(|exif| &exif.model).or(image.and_then(|image| image.camera_model.as_ref())),
        ];
        let camera = camera.into_iter().flatten().cloned().collect::<Vec<_>>().join(" ");
        let told = |place: &LatLon| known(place.latitude, place.longitude);
        Shot {
            key: self.id.clone(),
            name: self.name.clone(),
            camera: Some(camera).filter(|camera| !camera.is_empty()),
            local: text(exif_text(|exif| &exif.date_time_original))
                .or(text(image.and_then(|image| image.time.as_ref()))),
            offset_minutes: exif_text(|exif| &exif.offset_time_original)
                .and_then(|offset| minutes(offset)),
            gps_at,
            exported_at: takeout
                .and_then(|takeout| takeout.photo_taken_time.as_ref())
                .and_then(|time| DateTime::from_timestamp(time.timestamp.parse().ok()?, 0)),
            place: exif
                .and_then(|exif| known(exif.gps_latitude?, exif.gps_longitude?))
                .or_else(|| image.and_then(|image| told(image.location.as_ref()?)))
                .or_else(|| takeout.and_then(|takeout| told(takeout.geo_data.as_ref()?))),
            accuracy: exif.and_then(|exif| exif.gps_h_positioning_error),
            uploaded_at: self.drive.created_time,
        }
    }
}

/// Where nothing is known, cameras write the place in the Atlantic where both are zero.
fn known(lat: f64, lon: f64) -> Option<Place> {
    let real = (lat, lon) != (0.0, 0.0) && lat.abs() <= 90.0 && lon.abs() <= 180.0;
    real.then_some(Place { lat, lon })
}

/// `-07:00` in minutes.
fn minutes(offset: &str) -> Option<i32> {
    let zone: chrono::FixedOffset = offset.parse().ok()?;
    Some(zone.local_minus_utc() / 60)
}

pub(super) fn photos(path: &Path) -> anyhow::Result<Vec<Photo>> {
    let text = fs::read_to_string(path).with_context(|| path.display().to_string())?;
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    lines
        .map(|(number, line)| {
            serde_json::from_str(line)
                .with_context(|| format!("{}, line {}", path.display(), number + 1))
        })
        .collect()
}
