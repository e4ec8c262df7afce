-- Places where concerts could be, from extracts of OpenStreetMap, © OpenStreetMap contributors (ODbL).
-- One text for PostgreSQL and SQLite. Look-ups see only extracts whose imported_at is there, so a new
-- import of an extract takes the place of the old one at once, however long it takes to write.

CREATE TABLE osm_extracts (
    import_id   BIGINT NOT NULL PRIMARY KEY,
    name        TEXT   NOT NULL, -- which extract: what its file is called, without date and ending
    begun_at    BIGINT NOT NULL,
    imported_at BIGINT,          -- NULL while it is written, and when another import has taken its place
    data_at     BIGINT,          -- what it knows is from then; NULL where the file does not say
    south       DOUBLE PRECISION NOT NULL,
    north       DOUBLE PRECISION NOT NULL,
    west        DOUBLE PRECISION NOT NULL,
    east        DOUBLE PRECISION NOT NULL,
    places      BIGINT NOT NULL
);
CREATE UNIQUE INDEX osm_extracts_name ON osm_extracts (name) WHERE imported_at IS NOT NULL;

-- The key is type and number of the element, 'way/123'.
CREATE TABLE osm_places (
    import_id BIGINT NOT NULL,
    osm       TEXT   NOT NULL,
    lat       DOUBLE PRECISION NOT NULL,
    lon       DOUBLE PRECISION NOT NULL, -- of ways and relations, the middle of their bounding box
    cell      BIGINT NOT NULL,           -- of a grid of 1/200 degree, numbered row by row
    tags      TEXT   NOT NULL,           -- JSON: those that hold names and say what it is
    PRIMARY KEY (import_id, osm)
);
CREATE INDEX osm_places_cell ON osm_places (cell);

-- What places can be found by within a city.
CREATE TABLE osm_words (
    import_id BIGINT NOT NULL,
    word      TEXT   NOT NULL, -- of a name, as names are compared
    block     BIGINT NOT NULL, -- of a grid of 1/2 degree
    osm       TEXT   NOT NULL,
    PRIMARY KEY (import_id, word, block, osm)
);
