//! Venues, artists, nights and setlists, which all users share.
//!
//! Concurrent matchers write the same rows: each kind in one statement, in the order of its keys, so that
//! they wait for each other in turn, and each row once, because its key follows from what it is about.

use std::collections::BTreeMap;

use sqlx::{Any, Transaction};

use crate::effects::catalogue::batch::{self, ROWS};
use crate::effects::catalogue::error::{unread, written};
use crate::effects::catalogue::row::TableRow;
use crate::effects::catalogue::text::{LABEL, capped, capped_option, key, sha256_hex};
use crate::effects::catalogue::{Catalogue, CatalogueError};
use crate::matching::{EventNight, Show, SongSet, Venue};
use crate::pixels::Place;

const VENUES: &str = "venues";
const ARTISTS: &str = "artists";
const NIGHTS: &str = "event_nights";
const SETLISTS: &str = "setlists";
/// Songs of one show that are kept.
const MOST_SONGS: usize = 500;

/// The key of a night: its venue and its date.
pub(super) fn night_id(night: &EventNight) -> String {
    format!("{}@{}", key(&night.venue.id), night.date)
}

/// The key of an artist: the `MusicBrainz` id or, for those who have none, a hash of the name.
fn artist_id(show: &Show) -> String {
    show.mbid.clone().unwrap_or_else(|| {
        let name = show.artist.trim().to_lowercase();
        format!("name:{}", &sha256_hex(&[&name])[..32])
    })
}

/// Writes nights with all that belongs to them.
pub(super) async fn store<'n>(
    transaction: &mut Transaction<'static, Any>,
    nights: impl Iterator<Item = &'n EventNight>,
    now_ms: i64,
) -> Result<(), CatalogueError> {
    let nights: BTreeMap<String, &EventNight> =
        nights.map(|night| (night_id(night), night)).collect();
    let venues: BTreeMap<String, &Venue> =
        nights.values().map(|night| (key(&night.venue.id), &night.venue)).collect();
    let shows: BTreeMap<String, (&str, &Show)> = nights
        .iter()
        .flat_map(|(id, night)| {
            night.shows.iter().map(|show| (key(&show.setlist), (id.as_str(), show)))
        })
        .collect();
    let artists: BTreeMap<String, &Show> =
        shows.values().map(|(_, show)| (artist_id(show), *show)).collect();
    store_venues(transaction, &venues, now_ms).await?;
    store_artists(transaction, &artists, now_ms).await?;
    store_nights(transaction, &nights, now_ms).await?;
    store_setlists(transaction, &shows, now_ms).await
}

/// A venue that is called otherwise now keeps the name that it had. Its coordinates are not told by
/// setlist.fm, and a photo's are none.
async fn store_venues(
    transaction: &mut Transaction<'static, Any>,
    venues: &BTreeMap<String, &Venue>,
    now_ms: i64,
) -> Result<(), CatalogueError> {
    let venues: Vec<_> = venues.iter().collect();
    for chunk in venues.chunks(ROWS) {
        let sql = format!(
            "INSERT INTO venue_names (venue_id, name) SELECT venues.venue_id, venues.name \
             FROM venues JOIN (VALUES {}) AS told ON venues.venue_id = told.column1 \
             AND venues.name <> told.column2 WHERE 1 = 1 ON CONFLICT DO NOTHING",
            batch::rows(chunk.len(), 1, 2, "", "")
        );
        let mut query = batch::query(sql, chunk.len() == ROWS);
        for (id, venue) in chunk {
            query = query.bind(id.as_str()).bind(capped(&venue.name, LABEL));
        }
        query.execute(&mut **transaction).await.map_err(written("venue_names"))?;
        let sql = format!(
            "INSERT INTO venues (venue_id, name, city, state, country, created_at, updated_at) \
             VALUES {} ON CONFLICT (venue_id) DO UPDATE SET (name, city, state, country, updated_at) \
             = (excluded.name, excluded.city, excluded.state, excluded.country, excluded.updated_at) \
             WHERE (venues.name, venues.city, venues.state, venues.country) IS DISTINCT FROM \
             (excluded.name, excluded.city, excluded.state, excluded.country)",
            batch::rows(chunk.len(), 2, 5, "", ", $1, $1")
        );
        let mut query = batch::query(sql, chunk.len() == ROWS).bind(now_ms);
        for (id, venue) in chunk {
            let city = venue.city.as_ref();
            query = query
                .bind(id.as_str())
                .bind(capped(&venue.name, LABEL))
                .bind(city.map(|city| capped(&city.name, LABEL)))
                .bind(capped_option(city.and_then(|city| city.state.as_ref()), LABEL))
                .bind(capped_option(city.and_then(|city| city.country.as_ref()), LABEL));
        }
        query.execute(&mut **transaction).await.map_err(written(VENUES))?;
    }
    Ok(())
}

async fn store_artists(
    transaction: &mut Transaction<'static, Any>,
    artists: &BTreeMap<String, &Show>,
    now_ms: i64,
) -> Result<(), CatalogueError> {
    let artists: Vec<_> = artists.iter().collect();
    for chunk in artists.chunks(ROWS) {
        let sql = format!(
            "INSERT INTO artists (artist_id, mbid, name, created_at, updated_at) VALUES {} \
             ON CONFLICT (artist_id) DO UPDATE SET (name, updated_at) \
             = (excluded.name, excluded.updated_at) WHERE artists.name <> excluded.name",
            batch::rows(chunk.len(), 2, 3, "", ", $1, $1")
        );
        let mut query = batch::query(sql, chunk.len() == ROWS).bind(now_ms);
        for (id, show) in chunk {
            query = query.bind(id.as_str()).bind(show.mbid.clone());
            query = query.bind(capped(&show.artist, LABEL));
        }
        query.execute(&mut **transaction).await.map_err(written(ARTISTS))?;
    }
    Ok(())
}

async fn store_nights(
    transaction: &mut Transaction<'static, Any>,
    nights: &BTreeMap<String, &EventNight>,
    now_ms: i64,
) -> Result<(), CatalogueError> {
    let nights: Vec<_> = nights.iter().collect();
    for chunk in nights.chunks(ROWS) {
        let sql = format!(
            "INSERT INTO event_nights (night_id, venue_id, local_date, festival, created_at) VALUES {} \
             ON CONFLICT (night_id) DO UPDATE SET festival = excluded.festival \
             WHERE event_nights.festival <> excluded.festival",
            batch::rows(chunk.len(), 2, 4, "", ", $1")
        );
        let mut query = batch::query(sql, chunk.len() == ROWS).bind(now_ms);
        for (id, night) in chunk {
            query = query.bind(id.as_str()).bind(key(&night.venue.id));
            query = query.bind(night.date.to_string()).bind(i32::from(night.festival()));
        }
        query.execute(&mut **transaction).await.map_err(written(NIGHTS))?;
    }
    Ok(())
}

async fn store_setlists(
    transaction: &mut Transaction<'static, Any>,
    shows: &BTreeMap<String, (&str, &Show)>,
    now_ms: i64,
) -> Result<(), CatalogueError> {
    let shows: Vec<_> = shows.iter().collect();
    for chunk in shows.chunks(ROWS) {
        let sql = format!(
            "INSERT INTO setlists (setlist_id, version, night_id, artist_id, url, songs, tour, \
             sets, created_at, updated_at) VALUES {} ON CONFLICT (setlist_id) DO UPDATE SET \
             (version, night_id, artist_id, url, songs, tour, sets, updated_at) = (excluded.version, \
             excluded.night_id, excluded.artist_id, excluded.url, excluded.songs, excluded.tour, \
             excluded.sets, excluded.updated_at) WHERE (setlists.version, setlists.night_id, setlists.artist_id, \
             setlists.url, setlists.songs, setlists.tour, setlists.sets) IS DISTINCT FROM (excluded.version, \
             excluded.night_id, excluded.artist_id, excluded.url, excluded.songs, excluded.tour, \
             excluded.sets)",
            batch::rows(chunk.len(), 2, 8, "", ", $1, $1")
        );
        let mut query = batch::query(sql, chunk.len() == ROWS).bind(now_ms);
        for (id, (night, show)) in chunk {
            query = query
                .bind(id.as_str())
                .bind(capped_option(show.version.as_ref(), LABEL))
                .bind(*night)
                .bind(artist_id(show))
                .bind(key(&show.url))
                .bind(i32::try_from(show.songs()).unwrap_or(i32::MAX))
                .bind(capped_option(show.tour.as_ref(), LABEL))
                .bind(sets(&show.sets));
        }
        query.execute(&mut **transaction).await.map_err(written(SETLISTS))?;
    }
    Ok(())
}

/// As they are stored: no longer than a record of setlist.fm ever is.
fn sets(sets: &[SongSet]) -> String {
    let mut left = MOST_SONGS;
    let cut = |set: &SongSet| {
        let songs: Vec<String> =
            set.songs.iter().take(left).map(|song| capped(song, LABEL)).collect();
        left -= songs.len();
        SongSet { name: capped_option(set.name.as_ref(), LABEL), songs }
    };
    let sets: Vec<SongSet> = sets.iter().map(cut).collect();
    serde_json::to_string(&sets).expect("text is JSON")
}

/// Notes where a venue is, unless that is known.
pub(super) async fn place_venue(
    transaction: &mut Transaction<'static, Any>,
    venue_id: &str,
    place: Place,
    osm: Option<&str>,
) -> Result<(), CatalogueError> {
    let sql = "UPDATE venues SET lat = $2, lon = $3, place_source = $4, osm = $5 \
               WHERE venue_id = $1 AND place_source IS NULL";
    let query = sqlx::query(sql).bind(key(venue_id)).bind(place.lat).bind(place.lon);
    let query = query.bind(if osm.is_some() { "osm" } else { "known" }).bind(osm);
    query.execute(&mut **transaction).await.map_err(written(VENUES))?;
    Ok(())
}

impl Catalogue {
    /// Further names of these venues, by venue.
    pub(crate) async fn venue_names(
        &self,
        venues: &[&str],
    ) -> Result<Vec<(String, String)>, CatalogueError> {
        self.timed("venue_names", async {
            let mut names = Vec::new();
            for chunk in venues.chunks(batch::KEYS) {
                let sql = format!(
                    "SELECT venue_id, name FROM venue_names WHERE venue_id IN ({})",
                    batch::list(1, chunk.len())
                );
                let mut query = batch::query(sql, chunk.len() == batch::KEYS);
                for venue in chunk {
                    query = query.bind(key(venue));
                }
                let rows = query.fetch_all(self.readers()).await.map_err(unread("venue_names"))?;
                for row in &rows {
                    let row = TableRow { table: "venue_names", row };
                    names.push((row.get("venue_id")?, row.get("name")?));
                }
            }
            Ok(names)
        })
        .await
    }

    /// Where a venue is, as a person says.
    pub(crate) async fn corrected_place(
        &self,
        venue: &str,
    ) -> Result<Option<Place>, CatalogueError> {
        self.timed("corrected_place", async {
            let sql = "SELECT lat, lon FROM venues WHERE venue_id = $1 \
                       AND place_source = 'user' AND lat IS NOT NULL AND lon IS NOT NULL";
            let query = sqlx::query(sql).bind(key(venue)).fetch_optional(self.readers());
            let row = query.await.map_err(unread(VENUES))?;
            let place = |row| {
                let row = TableRow { table: VENUES, row };
                Ok(Place { lat: row.get("lat")?, lon: row.get("lon")? })
            };
            row.as_ref().map(place).transpose()
        })
        .await
    }
}
