-- Exports of users' histories. One text for PostgreSQL and SQLite; columns named *_at are Unix
-- milliseconds (UTC). Written by workers only.

-- What was played, where it was written down: JSON, an array of {"name": text or null, "songs": [text]}, one
-- per set and encore, in order. NULL: read by a build that only counted songs, until it is read again.
ALTER TABLE setlists ADD COLUMN sets TEXT;

-- One row per export that was asked for. Object and row are made by export-history, and removed by upkeep.
CREATE TABLE exports (
    user_id    BIGINT  NOT NULL REFERENCES users (user_id) ON DELETE CASCADE,
    export_id  TEXT    NOT NULL, -- the web tier's
    format     TEXT    NOT NULL, -- 'csv' | 'json' | 'pdf'
    state      TEXT    NOT NULL, -- 'making' | 'ready' | 'removed': the file has gone
    bucket     TEXT    NOT NULL, -- where the file is, or will be
    object_key TEXT    NOT NULL,
    bytes      BIGINT,           -- NULL, as the two that follow, until it is ready
    sha256     TEXT,             -- of the file, hexadecimal
    shows      BIGINT,           -- rows of a CSV: one per event night and setlist
    created_at BIGINT  NOT NULL,
    ready_at   BIGINT,
    expires_at BIGINT  NOT NULL, -- when the file is removed
    PRIMARY KEY (user_id, export_id)
);
CREATE INDEX exports_expiry ON exports (expires_at) WHERE state <> 'removed';
