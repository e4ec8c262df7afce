-- Accounts of users at providers of photos. One text for PostgreSQL and SQLite; columns named *_at are
-- Unix milliseconds (UTC).
--
-- Tokens are sealed, never plain: enc:v1:{key}:{base64}, with a key of tokens.keys. In Node:
--   const nonce = randomBytes(12)
--   const c = createCipheriv('aes-256-gcm', Buffer.from(keyInHex, 'hex'), nonce)
--   c.setAAD(Buffer.from(`${userId}/drive/refresh_token`))     // user / provider / column
--   `enc:v1:${keyName}:` + Buffer.concat([nonce, c.update(token), c.final(), c.getAuthTag()]).toString('base64')
-- A web tier connects an account, for the first time or again, with
--   INSERT INTO users (user_id, created_at) VALUES (…) ON CONFLICT DO NOTHING;
--   INSERT INTO provider_accounts (user_id, provider, refresh_token, state, state_at) VALUES (…, 'drive', …, 'connected', …)
--   ON CONFLICT (user_id, provider) DO UPDATE SET refresh_token = excluded.refresh_token, access_token = NULL,
--     access_expires_at = NULL, refreshed_by = NULL, refreshing_until = NULL, state = 'connected', reason = NULL,
--     state_at = excluded.state_at;
-- and disconnects it by deleting the row. All else is written by workers only.
CREATE TABLE provider_accounts (
    user_id           BIGINT NOT NULL REFERENCES users (user_id) ON DELETE CASCADE,
    provider          TEXT   NOT NULL, -- 'drive'
    refresh_token     TEXT   NOT NULL, -- sealed
    access_token      TEXT,            -- sealed; what the refresh token was last exchanged for
    access_expires_at BIGINT,
    refreshed_by      TEXT,            -- who exchanges the refresh token just now
    refreshing_until  BIGINT,          -- until then nobody else does
    state             TEXT   NOT NULL, -- 'connected' | 'needs_reconnect': its owner has to sign in again
    reason            TEXT,            -- why it has to be connected again, in the provider's word
    state_at          BIGINT NOT NULL, -- since when it has been in this state
    PRIMARY KEY (user_id, provider)
);
