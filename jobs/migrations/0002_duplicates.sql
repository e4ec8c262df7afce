-- What photos look like, and which of them are proposed as duplicates of each other. One text for
-- PostgreSQL and SQLite; 64-bit words are BIGINT with the same bits.

-- One row per photo that was fingerprinted, also where its pixels could not be read.
CREATE TABLE photo_fingerprints (
    user_id      BIGINT  NOT NULL,
    provider     TEXT    NOT NULL,
    file_id      TEXT    NOT NULL,
    source_rev   TEXT    NOT NULL, -- the content that it is about; older than photos.source_rev: of no use
    version      INTEGER NOT NULL, -- of the algorithm; only equal ones can be compared
    content_hash TEXT    NOT NULL, -- SHA-256 of the file, hexadecimal
    gradient     BIGINT,           -- NULL, as all that follow, where the pixels could not be read
    dct_0        BIGINT,
    dct_1        BIGINT,
    dct_2        BIGINT,
    dct_3        BIGINT,
    detail       INTEGER,          -- clear gradients, of 64; a flat picture has few
    sharpness    INTEGER,          -- in thousandths
    exposure     INTEGER,          -- samples that are not clipped, in thousandths
    band_0       INTEGER,          -- the gradient in four parts, to be searched for
    band_1       INTEGER,
    band_2       INTEGER,
    band_3       INTEGER,
    taken_millis INTEGER,          -- of the second in which it was taken, where the camera noted it
    compared_at  BIGINT,           -- NULL until dedup-photos has looked for its duplicates
    PRIMARY KEY (user_id, provider, file_id),
    FOREIGN KEY (user_id, provider, file_id)
        REFERENCES photos (user_id, provider, file_id) ON DELETE CASCADE
);
CREATE INDEX photo_fingerprints_content ON photo_fingerprints (user_id, content_hash);
CREATE INDEX photo_fingerprints_band_0 ON photo_fingerprints (user_id, band_0);
CREATE INDEX photo_fingerprints_band_1 ON photo_fingerprints (user_id, band_1);
CREATE INDEX photo_fingerprints_band_2 ON photo_fingerprints (user_id, band_2);
CREATE INDEX photo_fingerprints_band_3 ON photo_fingerprints (user_id, band_3);
CREATE INDEX photo_fingerprints_pending ON photo_fingerprints (user_id) WHERE compared_at IS NULL;

-- A proposal that these photos are one. Nothing is ever deleted because of it. Workers change it only
-- while nobody has decided.
CREATE TABLE duplicate_groups (
    user_id       BIGINT  NOT NULL REFERENCES users (user_id) ON DELETE CASCADE,
    group_id      TEXT    NOT NULL,
    kind          TEXT    NOT NULL, -- 'exact': the same bytes | 'near': the same picture
    best_provider TEXT    NOT NULL, -- the member to keep
    best_file_id  TEXT    NOT NULL,
    best_reason   TEXT    NOT NULL, -- why, in plain words
    members       INTEGER NOT NULL,
    revision      INTEGER NOT NULL, -- counts up with each change: who decides names the one that they saw
    decision      TEXT,             -- written by the web tier only: NULL, 'duplicates' (all but the best are
                                    -- left out of later proposals) | 'distinct' (never proposed together again)
    decided_at    BIGINT,           -- written by the web tier only
    created_at    BIGINT  NOT NULL,
    updated_at    BIGINT  NOT NULL,
    PRIMARY KEY (user_id, group_id)
);

-- A photo is in one undecided group at most.
CREATE TABLE duplicate_members (
    user_id      BIGINT  NOT NULL,
    group_id     TEXT    NOT NULL,
    provider     TEXT    NOT NULL,
    file_id      TEXT    NOT NULL,
    content_hash TEXT    NOT NULL, -- what the file was then: a decision holds for this content
    distance     INTEGER NOT NULL, -- bits, of 256, by which it differs from the best; 0 for the same bytes
    PRIMARY KEY (user_id, group_id, provider, file_id),
    FOREIGN KEY (user_id, group_id)
        REFERENCES duplicate_groups (user_id, group_id) ON DELETE CASCADE,
    FOREIGN KEY (user_id, provider, file_id)
        REFERENCES photos (user_id, provider, file_id) ON DELETE CASCADE
);
CREATE INDEX duplicate_members_photo ON duplicate_members (user_id, provider, file_id);
