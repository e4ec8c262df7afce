-- What scans have seen of users' Google Drives, and where they go on. One text for PostgreSQL and SQLite;
-- columns named *_at are Unix milliseconds (UTC). Written by workers only.

-- What is scanned: the whole Drive of a user, or one folder of it and all below.
CREATE TABLE drive_scopes (
    user_id    BIGINT NOT NULL REFERENCES users (user_id) ON DELETE CASCADE,
    scope      TEXT   NOT NULL, -- '' : everything; else the id of the folder
    generation BIGINT NOT NULL, -- counts full listings: what the last one has not seen is gone
    listed_at  BIGINT,          -- when it ended; NULL: it is under way
    PRIMARY KEY (user_id, scope)
);

-- One row per drive that a scope reaches into.
CREATE TABLE drive_cursors (
    user_id      BIGINT  NOT NULL,
    scope        TEXT    NOT NULL,
    drive_id     TEXT    NOT NULL, -- '' : the user's own; else a shared drive
    change_token TEXT    NOT NULL, -- where the changes feed goes on; taken before anything was listed
    generation   BIGINT  NOT NULL, -- the full listing that it was taken for
    listing      INTEGER NOT NULL, -- 1: the drive is listed as a whole, and not to its end yet
    page_token   TEXT,             -- where that goes on; NULL: at the beginning
    PRIMARY KEY (user_id, scope, drive_id),
    FOREIGN KEY (user_id, scope) REFERENCES drive_scopes (user_id, scope) ON DELETE CASCADE
);

-- Folders, photos, Takeout files and shortcuts.
CREATE TABLE drive_items (
    user_id    BIGINT  NOT NULL,
    scope      TEXT    NOT NULL,
    item_id    TEXT    NOT NULL,
    kind       TEXT    NOT NULL, -- 'folder' | 'photo' | 'sidecar'; 'shortcut': where to is not known yet; 'alias': to another item
    file_id    TEXT    NOT NULL, -- of a shortcut: what it leads to; else item_id
    drive_id   TEXT    NOT NULL,
    parent_id  TEXT    NOT NULL, -- '' : nobody knows
    depth      INTEGER NOT NULL, -- folders between it and the scope's
    name       TEXT    NOT NULL,
    facts      TEXT    NOT NULL, -- JSON, what Drive tells of a photo or Takeout file; else ''
    base_rev   TEXT    NOT NULL, -- changes with anything that Drive tells
    sidecar_id TEXT,             -- the Takeout file of a photo
    source_rev TEXT    NOT NULL, -- base_rev, and that of the Takeout file
    paired     INTEGER NOT NULL, -- 0: whose Takeout file is whose has to be looked at again
    generation BIGINT  NOT NULL, -- the last listing that has seen it
    listed     BIGINT  NOT NULL, -- of a folder: the last listing that has seen what is in it; 0: none
    page_token TEXT,             -- of a folder: where its listing goes on
    PRIMARY KEY (user_id, scope, item_id),
    FOREIGN KEY (user_id, scope) REFERENCES drive_scopes (user_id, scope) ON DELETE CASCADE
);
CREATE INDEX drive_items_file ON drive_items (user_id, file_id);
CREATE INDEX drive_items_parent ON drive_items (user_id, scope, parent_id);
CREATE INDEX drive_items_kind ON drive_items (user_id, scope, kind, file_id);
CREATE INDEX drive_items_unpaired ON drive_items (user_id, scope, parent_id) WHERE paired = 0;
