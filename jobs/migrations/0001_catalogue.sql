-- The catalogue. One text for PostgreSQL and SQLite, so only types that both know.
-- Columns named *_at are Unix milliseconds (UTC). Wall-clock time that knows no zone is text,
-- 'YYYY-MM-DDTHH:MM:SS'. JSON is text.

-- Whose things they are. Everything of one user goes with this row.
CREATE TABLE users (
    user_id    BIGINT NOT NULL PRIMARY KEY,
    created_at BIGINT NOT NULL
);

-- One row per photo that could be read. The key is where the file is, so that a repeated scan
-- finds its own rows again.
CREATE TABLE photos (
    user_id              BIGINT NOT NULL REFERENCES users (user_id) ON DELETE CASCADE,
    provider             TEXT   NOT NULL, -- 'folder' | 's3' | 'drive'
    file_id              TEXT   NOT NULL, -- absolute path, bucket/key, or Drive id
    name                 TEXT   NOT NULL, -- file name, for people
    format               TEXT,
    mime_type            TEXT,
    bytes                BIGINT,
    width                BIGINT,
    height               BIGINT,
    taken_local          TEXT,            -- wall clock where it was taken
    taken_offset_minutes INTEGER,         -- its offset from UTC, east is positive
    taken_at             BIGINT,          -- only when the instant is certain
    taken_source         TEXT,            -- 'exif' | 'takeout' | 'gps' | …
    gps_at               BIGINT,
    lat                  DOUBLE PRECISION,
    lon                  DOUBLE PRECISION,
    place_source         TEXT,
    orientation          INTEGER,         -- EXIF, 1 to 8
    camera_make          TEXT,
    camera_model         TEXT,
    source_rev           TEXT   NOT NULL, -- identifies the content: size and mtime, or ETag
    created_at           BIGINT NOT NULL,
    updated_at           BIGINT NOT NULL, -- equals created_at until something changes
    PRIMARY KEY (user_id, provider, file_id)
);
CREATE INDEX photos_user_taken_local ON photos (user_id, taken_local);
CREATE INDEX photos_user_taken_at ON photos (user_id, taken_at);

-- One row per file that a scan has dealt with, whatever the outcome.
CREATE TABLE processed_files (
    user_id      BIGINT NOT NULL REFERENCES users (user_id) ON DELETE CASCADE,
    provider     TEXT   NOT NULL,
    file_id      TEXT   NOT NULL,
    source_rev   TEXT   NOT NULL,
    processed_at BIGINT NOT NULL, -- when this revision was first dealt with
    PRIMARY KEY (user_id, provider, file_id)
);

-- What there is to say about a file. A later clean pass removes the row.
CREATE TABLE photo_outcomes (
    user_id  BIGINT NOT NULL REFERENCES users (user_id) ON DELETE CASCADE,
    provider TEXT   NOT NULL,
    file_id  TEXT   NOT NULL,
    name     TEXT   NOT NULL,
    status   TEXT   NOT NULL, -- 'flawed' | 'refused' | 'failed'
    reason   TEXT   NOT NULL, -- what is wrong, in plain words
    hint     TEXT,            -- what its owner can do about it
    job_id   TEXT   NOT NULL, -- the job that found out
    at       BIGINT NOT NULL, -- milliseconds; when it found out
    PRIMARY KEY (user_id, provider, file_id)
);

-- Jobs that were given up on. It outlives the queue's own trimmed list.
CREATE TABLE dead_letters (
    id             TEXT    NOT NULL PRIMARY KEY, -- derived from queue and job_id
    queue          TEXT    NOT NULL,
    job_id         TEXT    NOT NULL,
    kind           TEXT    NOT NULL,
    payload        TEXT    NOT NULL, -- JSON, as the producer wrote it
    reason         TEXT    NOT NULL,
    error          TEXT    NOT NULL,
    error_chain    TEXT    NOT NULL, -- JSON array of text, outermost first
    fingerprint    TEXT    NOT NULL, -- the same for failures with the same cause
    attempts       INTEGER NOT NULL,
    timeline       TEXT    NOT NULL, -- JSON array of {attempt, at, error}
    worker         TEXT    NOT NULL,
    worker_version TEXT    NOT NULL,
    first_seen_at  BIGINT  NOT NULL,
    last_seen_at   BIGINT  NOT NULL,
    times          INTEGER NOT NULL, -- how often this job has died
    retried_at     BIGINT,           -- NULL while it waits for somebody
    UNIQUE (queue, job_id)
);
CREATE INDEX dead_letters_last_seen ON dead_letters (last_seen_at);
CREATE INDEX dead_letters_queue_reason ON dead_letters (queue, reason);
CREATE INDEX dead_letters_fingerprint ON dead_letters (fingerprint);
