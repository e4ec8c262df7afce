-- The right to be forgotten: whose data was erased, and receipts of it. One text for PostgreSQL and SQLite;
-- columns named *_at are Unix milliseconds (UTC). Written by workers only.

-- Tombstones. While a user has one, the database itself refuses every row of theirs: each table that holds
-- things of one user has a trigger, so that no writer, a web tier's included, can forget to look. A
-- transaction that began to write before the tombstone was there holds the user's row in `users`, whose
-- removal ends the erasure: it waits for that transaction, and takes with it what it has written.
CREATE TABLE erased_users (
    request_id TEXT   NOT NULL PRIMARY KEY,
    user_id    BIGINT NOT NULL,
    erased_at  BIGINT NOT NULL
);
CREATE INDEX erased_users_user ON erased_users (user_id);

-- Receipts. Nothing in them is about a person; only the tombstone tells whose request it was.
CREATE TABLE erasures (
    request_id TEXT   NOT NULL PRIMARY KEY,
    begun_at   BIGINT NOT NULL,
    done_at    BIGINT,           -- NULL while it is under way
    swept_at   BIGINT            -- when it was looked again for what late writers had left
);

-- What was removed.
CREATE TABLE erasure_counts (
    request_id TEXT    NOT NULL REFERENCES erasures (request_id) ON DELETE CASCADE,
    pass       INTEGER NOT NULL, -- 1: the erasure | 2: the second look, which should find nothing
    store      TEXT    NOT NULL, -- 'catalogue' | 'objects' | 'queues' | 'redis' | 'accounts' | 'mails'
    name       TEXT    NOT NULL, -- table, prefix, queue, …
    items      BIGINT  NOT NULL,
    PRIMARY KEY (request_id, pass, store, name)
);
