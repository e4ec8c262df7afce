//! Concerts of a user, as matching would have written them.

use serde_json::json;
use sqlx::{AnyConnection, AssertSqlSafe, Connection as _};

use super::photos::PHONE;
use super::stage::Stage;

/// The key of what [`starred`] answers.
pub(crate) const PICTURE: &str = "v/1.jpg";

/// Names that make trouble somewhere: formulas, marks of direction, control characters, sequences that are one
/// picture, scripts that run from right to left or are put together, and one that is long.
pub(crate) const HOSTILE: [&str; 14] = [
    "=LOVE",
    "+44",
    "-M-",
    "@onefive",
    "  =HYPERLINK(\"http://evil.example\";\"x\")",
    "＝1+1",
    "\u{202e}rtl \u{2066}iso",
    "tab\there\r\nand \"quotes\", 'more'; \u{1}\u{7f}",
    "👩\u{200d}👩\u{200d}👧\u{200d}👦 🤘🏽 🇩🇪 ❤\u{fe0f}",
    "فيروز و محمد عبده",
    "นาว ทู เดย์ที่รัก",
    "भारतीय लोक संगीत क्षत्रिय",
    "椎名林檎と東京事変 방탄소년단",
    "Аквариум & Ψαραντώνης & Motörhead Ł Ő",
];

/// Writes a user's nights into the catalogue: `nights` ordinary ones, several a year from 1975 on, with two
/// artists each, and one for every hostile name, which everything of it is called.
pub(crate) async fn concerts(stage: &Stage, user: i64, nights: u32) {
    // With its schema.
    drop(stage.catalogue().await);
    sqlx::any::install_default_drivers();
    let mut to = AnyConnection::connect(&stage.config().database_url()).await.unwrap();
    let mut run = async |sql: String| {
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut to).await.unwrap();
    };
    run("BEGIN".into()).await;
    run(format!("INSERT INTO users (user_id, created_at) VALUES ({user}, 1)")).await;
    let numbers = format!(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {nights})"
    );
    // Numbers with so many digits; text in all databases.
    let digits = |value: &str, count: usize| {
        format!("SUBSTR(CAST(1{} + ({value}) AS TEXT), 2)", "0".repeat(count))
    };
    let date = format!(
        "CAST(1975 + i / 1000 AS TEXT) || '-' || {} || '-' || {}",
        digits("1 + (i / 28) % 12", 2),
        digits("1 + i % 28", 2)
    );
    let night = format!("'{user}v' || CAST(i AS TEXT) || '@' || {date}");
    let song = |number: u32| format!("'\"Song {number} of night ' || CAST(i AS TEXT) || '\"'");
    let songs: Vec<String> = (1..=12).map(song).collect();
    let sets = format!("'[{{\"name\":null,\"songs\":[' || {} || ']}}]'", songs.join(" || ',' || "));
    if nights > 0 {
        for (into, select) in [
            (
                "venues (venue_id, name, city, state, country, created_at, updated_at)",
                format!(
                    "'{user}v' || CAST(i AS TEXT), 'Venue ' || CAST(i AS TEXT), 'City ' || CAST(i % 97 AS TEXT), 'Region', 'Country', 1, 1"
                ),
            ),
            (
                "artists (artist_id, name, created_at, updated_at)",
                format!("'{user}a' || CAST(i AS TEXT), 'Artist ' || CAST(i AS TEXT), 1, 1"),
            ),
            (
                "artists (artist_id, name, created_at, updated_at)",
                format!("'{user}b' || CAST(i AS TEXT), 'Opener ' || CAST(i AS TEXT), 1, 1"),
            ),
            (
                "event_nights (night_id, venue_id, local_date, festival, created_at)",
                format!("{night}, '{user}v' || CAST(i AS TEXT), {date}, 0, 1"),
            ),
            (
                "setlists (setlist_id, night_id, artist_id, url, songs, tour, sets, created_at, updated_at)",
                format!(
                    "'{user}s' || CAST(i AS TEXT), {night}, '{user}a' || CAST(i AS TEXT), 'https://www.setlist.fm/setlist/' || CAST(i AS TEXT) || '.html', 12, 'Tour ' || CAST(i % 9 AS TEXT), {sets}, 1, 1"
                ),
            ),
            (
                "setlists (setlist_id, night_id, artist_id, url, songs, tour, sets, created_at, updated_at)",
                format!(
                    "'{user}o' || CAST(i AS TEXT), {night}, '{user}b' || CAST(i AS TEXT), 'https://www.setlist.fm/setlist/o' || CAST(i AS TEXT) || '.html', 0, NULL, NULL, 1, 1"
                ),
            ),
            (
                "photos (user_id, provider, file_id, name, source_rev, created_at, updated_at, lat, lon)",
                format!(
                    "{user}, 'folder', CAST(i AS TEXT), 'p.jpg', 'r', 1, 1, 12.345678, 98.765432"
                ),
            ),
            (
                "photo_links (user_id, provider, file_id, night_id, decided_by, linked_at)",
                format!(
                    "{user}, 'folder', CAST(i AS TEXT), {night}, CASE WHEN i % 3 = 0 THEN 'user' ELSE 'auto' END, 1"
                ),
            ),
        ] {
            // SQLite has the list before INSERT, PostgreSQL takes it there, too.
            run(format!("{numbers} INSERT INTO {into} SELECT {select} FROM n")).await;
        }
    }
    hostile(&mut run, user).await;
    run("COMMIT".into()).await;
    to.close().await.unwrap();
}

async fn hostile(run: &mut impl AsyncFnMut(String), user: i64) {
    for (at, name) in HOSTILE.iter().enumerate() {
        let name = name.replace('\'', "''");
        let songs = json!([{ "name": null, "songs": [name] }]).to_string();
        for sql in [
            format!(
                "INSERT INTO venues (venue_id, name, city, created_at, updated_at) VALUES ('{user}h{at}', '{name}', '{name}', 1, 1)"
            ),
            format!(
                "INSERT INTO artists (artist_id, name, created_at, updated_at) VALUES ('{user}h{at}', '{name}', 1, 1)"
            ),
            format!(
                "INSERT INTO event_nights (night_id, venue_id, local_date, festival, created_at) VALUES ('{user}h{at}', '{user}h{at}', '2030-01-{:02}', 0, 1)",
                at + 1
            ),
            format!(
                "INSERT INTO setlists (setlist_id, night_id, artist_id, url, songs, tour, sets, created_at, updated_at) VALUES ('{user}h{at}', '{user}h{at}', '{user}h{at}', 'https://www.setlist.fm/h{at}', 1, '{name}', '{songs}', 1, 1)"
            ),
            format!(
                "INSERT INTO photos (user_id, provider, file_id, name, source_rev, created_at, updated_at) VALUES ({user}, 's3', '{at}', 'p.jpg', 'r', 1, 1)"
            ),
            format!(
                "INSERT INTO photo_links (user_id, provider, file_id, night_id, decided_by, linked_at) VALUES ({user}, 's3', '{at}', '{user}h{at}', 'user', 1)"
            ),
        ] {
            run(sql).await;
        }
    }
}

/// Stars the first photo that [`concerts`] has written, as optimize-photo would leave it. Answers the JPEG that has to
/// be in the bucket `images` under [`PICTURE`].
pub(crate) async fn starred(stage: &Stage, user: i64) -> Vec<u8> {
    let jpeg = PHONE.photo();
    let variant = json!({ "format": "jpeg", "type": "image/jpeg", "width": 160, "height": 120,
                          "bytes": jpeg.len(), "key": PICTURE, "url": "/v/1.jpg" });
    let manifest = json!({ "photoId": "p", "sourceRev": "r", "thumbHash": "", "bucket": "images",
                           "variants": [variant], "srcset": {} });
    let mut to = AnyConnection::connect(&stage.config().database_url()).await.unwrap();
    for sql in [
        format!("UPDATE photos SET starred_at = 1 WHERE user_id = {user} AND file_id = '1'"),
        format!(
            "INSERT INTO photo_variants (user_id, provider, file_id, source_rev, recipe, manifest, \
             created_at) VALUES ({user}, 'folder', '1', 'r', '', '{manifest}', 1)"
        ),
    ] {
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut to).await.unwrap();
    }
    to.close().await.unwrap();
    jpeg
}
