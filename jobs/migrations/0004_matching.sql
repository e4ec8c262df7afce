-- From photos to concerts: what was taken in one go, which shows there were, and which photos are of
-- which night. One text for PostgreSQL and SQLite; columns named *_at are Unix milliseconds (UTC).
-- Workers write all of it but for what is marked as the web tier's.

-- How far off the position may be in metres, as the camera says.
ALTER TABLE photos ADD COLUMN accuracy DOUBLE PRECISION;
-- What updated_at was when the photo was last put into a session; another one: it has changed since.
ALTER TABLE photos ADD COLUMN sessioned_at BIGINT;
CREATE INDEX photos_unsessioned ON photos (user_id)
    WHERE sessioned_at IS NULL OR sessioned_at <> updated_at;

-- When the user's last scan began: it is the one whose progress is shown.
ALTER TABLE users ADD COLUMN scan_began_at BIGINT;

-- What one camera took at one place in one go.
CREATE TABLE photo_sessions (
    user_id        BIGINT  NOT NULL REFERENCES users (user_id) ON DELETE CASCADE,
    session_id     TEXT    NOT NULL, -- stays while most of the photos stay together
    inputs         TEXT    NOT NULL, -- the same as long as matching it anew would ask the same question
    photos         INTEGER NOT NULL,
    lat            DOUBLE PRECISION, -- its middle; NULL: nobody knows where it was
    lon            DOUBLE PRECISION,
    uncertainty    DOUBLE PRECISION, -- metres
    venues_for     TEXT,             -- the inputs that session_venues are about; NULL: nobody has asked yet
    asked_at       BIGINT,           -- the scan, by its time, that has handed it to matching
    put_off_until  BIGINT,           -- when matching goes on; past: not by itself; NULL: soon, or it is done
    matched_inputs TEXT,             -- the inputs that it was matched for; another one than inputs: to do
    algorithm      INTEGER,          -- which version matched it
    matched_at     BIGINT,
    rechecks       INTEGER NOT NULL DEFAULT 0, -- how often it was looked at again
    recheck_at     BIGINT,           -- when it will be; NULL: never
    PRIMARY KEY (user_id, session_id)
);

-- A photo is in one session at most: those of which not even the day is known are in none.
CREATE TABLE session_photos (
    user_id         BIGINT  NOT NULL,
    provider        TEXT    NOT NULL,
    file_id         TEXT    NOT NULL,
    session_id      TEXT    NOT NULL,
    axis_at         BIGINT  NOT NULL, -- taken_at, or noon of the likeliest day
    taken_at        BIGINT,           -- when it was taken, as far as can be found out
    zone            TEXT,             -- the time zone of where that was
    time_source     TEXT    NOT NULL, -- 'offset' | 'gps' | 'takeout' | 'same-camera' | …
    clock_corrected INTEGER NOT NULL, -- 1: the camera's clock was wrong
    doubt           TEXT,             -- why the date is not to be trusted
    named_day       TEXT,             -- the day in the file's name, 'YYYY-MM-DD'
    placed          TEXT    NOT NULL, -- 'own' | 'same-camera' | 'perhaps' | 'nowhere'
    evening         TEXT,             -- which of match_evidence is about it; NULL: not matched yet
    decision        TEXT,             -- 'auto' | 'review' | 'none'
    reason          TEXT,             -- 'fits', or why it was not linked: 'two-venues' | 'no-show' | …
    PRIMARY KEY (user_id, provider, file_id),
    FOREIGN KEY (user_id, provider, file_id)
        REFERENCES photos (user_id, provider, file_id) ON DELETE CASCADE,
    FOREIGN KEY (user_id, session_id)
        REFERENCES photo_sessions (user_id, session_id) ON DELETE CASCADE
);
CREATE INDEX session_photos_session ON session_photos (user_id, session_id);
CREATE INDEX session_photos_axis ON session_photos (user_id, axis_at);
CREATE INDEX session_photos_own ON session_photos (user_id, axis_at) WHERE placed = 'own';

-- Places of OpenStreetMap around a session where a concert could have been, as detect-venue found them.
CREATE TABLE session_venues (
    user_id    BIGINT NOT NULL,
    session_id TEXT   NOT NULL,
    osm        TEXT   NOT NULL, -- 'way/123'
    names      TEXT   NOT NULL, -- JSON array of text: today's name first, then others and former ones
    fitness    DOUBLE PRECISION NOT NULL, -- how likely concerts are at such a place, 0 to 1
    lat        DOUBLE PRECISION NOT NULL,
    lon        DOUBLE PRECISION NOT NULL,
    metres     INTEGER NOT NULL, -- from the middle of the session
    PRIMARY KEY (user_id, session_id, osm),
    FOREIGN KEY (user_id, session_id)
        REFERENCES photo_sessions (user_id, session_id) ON DELETE CASCADE
);

-- Shared by all users, and staying when one goes: venues, artists, nights, setlists.

CREATE TABLE venues (
    venue_id     TEXT   NOT NULL PRIMARY KEY, -- setlist.fm's id
    name         TEXT   NOT NULL,             -- as setlist.fm calls it today
    city         TEXT,
    state        TEXT,
    country      TEXT,
    lat          DOUBLE PRECISION, -- of the venue itself; never a photo's
    lon          DOUBLE PRECISION,
    place_source TEXT,             -- 'osm' | 'known'; 'user' is the web tier's, and stays
    osm          TEXT,             -- 'way/123'
    created_at   BIGINT NOT NULL,
    updated_at   BIGINT NOT NULL
);

-- Names that venues had before, and further ones; the web tier may add some.
CREATE TABLE venue_names (
    venue_id TEXT NOT NULL REFERENCES venues (venue_id) ON DELETE CASCADE,
    name     TEXT NOT NULL,
    PRIMARY KEY (venue_id, name)
);

-- What a user calls a venue; the web tier's.
CREATE TABLE venue_aliases (
    user_id  BIGINT NOT NULL REFERENCES users (user_id) ON DELETE CASCADE,
    venue_id TEXT   NOT NULL REFERENCES venues (venue_id) ON DELETE CASCADE,
    alias    TEXT   NOT NULL,
    PRIMARY KEY (user_id, venue_id, alias)
);

CREATE TABLE artists (
    artist_id  TEXT   NOT NULL PRIMARY KEY, -- the MusicBrainz id, or 'name:' and a hash of the name
    mbid       TEXT,                        -- the MusicBrainz id, where there is one
    name       TEXT   NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);

-- All that happened at one venue on one date.
CREATE TABLE event_nights (
    night_id   TEXT    NOT NULL PRIMARY KEY, -- venue_id, '@' and local_date
    venue_id   TEXT    NOT NULL REFERENCES venues (venue_id),
    local_date TEXT    NOT NULL,             -- 'YYYY-MM-DD', the day that it began on
    festival   INTEGER NOT NULL,             -- 1: a festival, or a day of one
    created_at BIGINT  NOT NULL
);
CREATE INDEX event_nights_venue ON event_nights (venue_id, local_date);

-- What one artist played on a night: several of one artist are several shows. The url is to be linked to
-- wherever a setlist is shown (setlist.fm's terms of use).
CREATE TABLE setlists (
    setlist_id TEXT    NOT NULL PRIMARY KEY, -- setlist.fm's id
    version    TEXT,                         -- changes with each edit there
    night_id   TEXT    NOT NULL REFERENCES event_nights (night_id),
    artist_id  TEXT    NOT NULL REFERENCES artists (artist_id),
    url        TEXT    NOT NULL,
    songs      INTEGER NOT NULL,             -- 0: nobody has written them down yet
    tour       TEXT,
    created_at BIGINT  NOT NULL,
    updated_at BIGINT  NOT NULL
);
CREATE INDEX setlists_night ON setlists (night_id);
CREATE INDEX setlists_artist ON setlists (artist_id);

-- Which photo is of which night. A row with decided_by = 'user' is the web tier's, and no worker changes
-- or removes it.
CREATE TABLE photo_links (
    user_id    BIGINT NOT NULL,
    provider   TEXT   NOT NULL,
    file_id    TEXT   NOT NULL,
    night_id   TEXT   REFERENCES event_nights (night_id), -- NULL: its owner says that it is of no show
    decided_by TEXT   NOT NULL, -- 'auto' | 'user'
    linked_at  BIGINT NOT NULL,
    PRIMARY KEY (user_id, provider, file_id),
    FOREIGN KEY (user_id, provider, file_id)
        REFERENCES photos (user_id, provider, file_id) ON DELETE CASCADE
);
CREATE INDEX photo_links_user_night ON photo_links (user_id, night_id, linked_at);
CREATE INDEX photo_links_user_time ON photo_links (user_id, linked_at);
CREATE INDEX photo_links_night ON photo_links (night_id);

-- Why the photos of one evening of a session were decided about as they were. No coordinates.
CREATE TABLE match_evidence (
    user_id    BIGINT  NOT NULL,
    session_id TEXT    NOT NULL,
    evening    TEXT    NOT NULL, -- the days that it may have been, the likeliest first, by '/'
    algorithm  INTEGER NOT NULL,
    inputs     TEXT    NOT NULL, -- what the session was then
    decision   TEXT    NOT NULL,
    reason     TEXT    NOT NULL,
    photos     INTEGER NOT NULL,
    score      DOUBLE PRECISION NOT NULL, -- of the first candidate, 0 to 1
    margin     DOUBLE PRECISION NOT NULL, -- how much better it fits than any other
    candidates TEXT    NOT NULL, -- JSON: the five likeliest nights with distances, names and records
    decided_at BIGINT  NOT NULL,
    PRIMARY KEY (user_id, session_id, evening),
    FOREIGN KEY (user_id, session_id)
        REFERENCES photo_sessions (user_id, session_id) ON DELETE CASCADE
);
