-- Mail: to whom, which, and what became of it. One text for PostgreSQL and SQLite; columns named *_at are
-- Unix milliseconds (UTC).

-- Where a user gets mail; the web tier's. Without a row, no mail goes to the user.
CREATE TABLE mail_recipients (
    user_id BIGINT NOT NULL PRIMARY KEY REFERENCES users (user_id) ON DELETE CASCADE,
    address TEXT   NOT NULL,
    name    TEXT,            -- as mails greet
    locale  TEXT,            -- 'en', 'de-AT' …; one that is not there: English
    tz      TEXT             -- 'Europe/Vienna' …; NULL: UTC
);

-- What users want. Lists: 'milestones' and 'scans' (only with wanted = 1), 'exports' and 'accounts' (unless
-- wanted = 0). The web tier's; workers write what `roadie mail unsubscribe` is told.
CREATE TABLE mail_preferences (
    user_id    BIGINT  NOT NULL REFERENCES users (user_id) ON DELETE CASCADE,
    list       TEXT    NOT NULL,
    wanted     INTEGER NOT NULL,
    decided_at BIGINT  NOT NULL,
    PRIMARY KEY (user_id, list)
);

-- Addresses that get no mail any more, whoever they belong to. They stay when a user goes, so an address is
-- only here as a key of mail.keys hashes it: lower-case hexadecimal HMAC-SHA256, with the secret as it is
-- written, of 'roadie-address-v1', a line feed, and the address in lower case.
CREATE TABLE mail_suppressions (
    address_hash  TEXT   NOT NULL PRIMARY KEY,
    reason        TEXT   NOT NULL, -- 'bad-address' | 'complaint' | 'operator'
    status        TEXT,            -- what a mail server said of it, '550 5.1.1'
    suppressed_at BIGINT NOT NULL
);

-- The ledger: every mail once, written before it is sent. Workers write it.
CREATE TABLE mails (
    user_id     BIGINT  NOT NULL REFERENCES users (user_id) ON DELETE CASCADE,
    template    TEXT    NOT NULL, -- 'milestone' | 'milestone-digest' | 'scan-finished' | 'export-ready' | 'reconnect-needed'
    value       TEXT    NOT NULL, -- what it is about
    facts       TEXT,             -- JSON: what it tells, beside what is looked up
    -- 'reserved': to be sent; 'sending': handed over, no answer yet; 'sent'; 'failed': refused for good;
    -- 'suppressed', 'unwanted': not to be sent; 'unknown': nobody knows whether it was, so it is not sent again
    state       TEXT    NOT NULL,
    reason      TEXT,             -- why it is not sent, without the address
    status      TEXT,             -- what the mail server said last, '451 4.7.1'
    attempts    INTEGER NOT NULL, -- times that a server was asked to take it
    message_id  TEXT,
    reserved_at BIGINT  NOT NULL,
    deferred_at BIGINT,           -- when a server first put it off
    sending_at  BIGINT,
    ended_at    BIGINT,
    PRIMARY KEY (user_id, template, value)
);
CREATE INDEX mails_state ON mails (state, reserved_at);

-- What was celebrated of a user: the highest step of each series, which never becomes lower.
CREATE TABLE milestone_marks (
    user_id    BIGINT  NOT NULL REFERENCES users (user_id) ON DELETE CASCADE,
    series     TEXT    NOT NULL, -- 'nights' | 'venues' | 'artist/' and its id | 'anniversary/' and the night's id
    step       INTEGER NOT NULL,
    reached_at BIGINT  NOT NULL,
    PRIMARY KEY (user_id, series)
);

-- Anniversaries are looked for once a day, for all users.
CREATE INDEX event_nights_date ON event_nights (local_date);
