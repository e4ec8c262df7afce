-- What photos are called outside the catalogue, which ones their owners like best, and what is shown
-- instead of their originals.

-- Derived from the key, so that a photo has the same one after every scan. Photos that an older build
-- has written get theirs when a process starts.
ALTER TABLE photos ADD COLUMN photo_id TEXT;
-- When its owner starred it; written by web tiers, never by a scan. NULL: not starred.
ALTER TABLE photos ADD COLUMN starred_at BIGINT;
CREATE UNIQUE INDEX photos_photo_id ON photos (photo_id);

-- One row per photo of which variants were made. It is written when all objects that it names are there.
CREATE TABLE photo_variants (
    user_id    BIGINT NOT NULL,
    provider   TEXT   NOT NULL,
    file_id    TEXT   NOT NULL,
    source_rev TEXT   NOT NULL, -- of the photo that they were made from
    recipe     TEXT   NOT NULL, -- what was asked for: the same for the same widths, formats and qualities
    manifest   TEXT   NOT NULL, -- JSON: the objects, srcset and placeholder
    created_at BIGINT NOT NULL,
    PRIMARY KEY (user_id, provider, file_id),
    FOREIGN KEY (user_id, provider, file_id)
        REFERENCES photos (user_id, provider, file_id) ON DELETE CASCADE
);
