//! Systems of others that the fleet asks.

use std::fmt;

/// A system of somebody else, which has a budget of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Target {
    /// Shows.
    SetlistFm,
    /// Regions, and where a name is.
    Nominatim,
    /// Places of OpenStreetMap.
    Overpass,
    /// Users' photos.
    GoogleDrive,
    /// Mail.
    Smtp,
}

impl Target {
    /// All of them, for metrics.
    pub const ALL: [Self; 5] =
        [Self::SetlistFm, Self::Nominatim, Self::Overpass, Self::GoogleDrive, Self::Smtp];

    /// The label in metrics, and the name on the command line.
    pub const fn label(self) -> &'static str {
        match self {
            Self::SetlistFm => "setlist.fm",
            Self::Nominatim => "nominatim",
            Self::Overpass => "overpass",
            Self::GoogleDrive => "google-drive",
            Self::Smtp => "smtp",
        }
    }
}

/// As people write it.
impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::SetlistFm => "setlist.fm",
            Self::Nominatim => "Nominatim",
            Self::Overpass => "Overpass",
            Self::GoogleDrive => "Google Drive",
            Self::Smtp => "SMTP",
        })
    }
}
