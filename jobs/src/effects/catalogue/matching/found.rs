//! What there is to tell of a user's concerts.

use serde::Deserialize;

use super::{LINKS, MEMBERS};
use crate::effects::catalogue::error::unread;
use crate::effects::catalogue::row::TableRow;
use crate::effects::catalogue::{Catalogue, CatalogueError};

/// Nights with photos; artists stand in a row each.
const NIGHTS: &str = "SELECT n.night_id, n.local_date, v.name AS venue, v.city, a.name AS artist, \
    p.photos FROM (SELECT night_id, COUNT(*) AS photos FROM photo_links \
    WHERE user_id = $1 AND night_id IS NOT NULL GROUP BY night_id) p \
    JOIN event_nights n ON n.night_id = p.night_id JOIN venues v ON v.venue_id = n.venue_id \
    JOIN setlists s ON s.night_id = n.night_id JOIN artists a ON a.artist_id = s.artist_id \
    ORDER BY n.local_date, n.night_id, s.songs DESC, a.name";

const REVIEWS: &str = "SELECT e.candidates, COUNT(*) AS photos FROM session_photos m \
    JOIN match_evidence e ON e.user_id = m.user_id AND e.session_id = m.session_id \
    AND e.evening = m.evening WHERE m.user_id = $1 AND m.decision = 'review' \
    GROUP BY e.session_id, e.evening, e.candidates ORDER BY e.evening, e.session_id";

const WITHOUT: &str = "SELECT COUNT(*) AS photos FROM session_photos \
    WHERE user_id = $1 AND decision = 'none'";

/// A night of which a user has photos, or may have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Concert {
    /// The day that it began on.
    pub date: String,
    /// As setlist.fm calls it.
    pub venue: String,
    /// Where the venue is, if that is known.
    pub city: Option<String>,
    /// Those of whom most is written down first.
    pub artists: Vec<String>,
    /// How many photos.
    pub photos: i64,
}

/// All concerts of a user.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Concerts {
    /// Nights that photos are linked to, by date.
    pub linked: Vec<Concert>,
    /// The likeliest night of photos that their owner is to be asked about.
    pub for_review: Vec<Concert>,
    /// Photos that were matched to nothing.
    pub without: i64,
}

/// What is read of a candidate of the evidence.
#[derive(Debug, Deserialize)]
struct Candidate {
    date: String,
    venue: String,
    artists: Vec<String>,
}

impl Catalogue {
    /// What was found out about a user's photos.
    ///
    /// # Errors
    /// [`CatalogueError::Read`] or [`CatalogueError::Decode`].
    pub async fn concerts(&self, user_id: i64) -> Result<Concerts, CatalogueError> {
        self.timed("concerts", async {
            let asked = |sql| sqlx::query(sql).bind(user_id);
            let nights = asked(NIGHTS).fetch_all(self.readers()).await.map_err(unread(LINKS))?;
            let mut found = Concerts::default();
            let mut night = String::new();
            for row in &nights {
                let row = TableRow { table: LINKS, row };
                let artist: String = row.get("artist")?;
                let id: String = row.get("night_id")?;
                if let Some(last) = found.linked.last_mut().filter(|_| id == night) {
                    last.artists.push(artist);
                    continue;
                }
                night = id;
                found.linked.push(Concert {
                    date: row.get("local_date")?,
                    venue: row.get("venue")?,
                    city: row.get("city")?,
                    artists: vec![artist],
                    photos: row.get("photos")?,
                });
            }
            let reviews = asked(REVIEWS).fetch_all(self.readers()).await;
            for row in &reviews.map_err(unread(MEMBERS))? {
                let row = TableRow { table: MEMBERS, row };
                let candidates: Vec<Candidate> =
                    row.parse("candidates", |text| serde_json::from_str(text))?;
                let Some(first) = candidates.into_iter().next() else { continue };
                let (date, venue, artists) = (first.date, first.venue, first.artists);
                let photos = row.get("photos")?;
                found.for_review.push(Concert { date, venue, city: None, artists, photos });
            }
            let without = asked(WITHOUT).fetch_one(self.readers()).await;
            let row = &without.map_err(unread(MEMBERS))?;
            found.without = TableRow { table: MEMBERS, row }.get("photos")?;
            Ok(found)
        })
        .await
    }
}
