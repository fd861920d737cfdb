-- The store, schema 1. What is asked for has a column; a record that is only shown is JSON, in the type `json`, which keeps it as it was
-- written (`jsonb` refuses U+0000). Text with U+0000 in other columns is escaped: see types.rs.

CREATE TABLE lists (
    id        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    address   text COLLATE "C" NOT NULL UNIQUE,
    created   text NOT NULL,                      -- RFC 3339, to the nanosecond; nobody asks by it
    last_held bigint NOT NULL DEFAULT 0           -- the last number that a held post was given
);

CREATE TABLE list_settings (
    list  bigint NOT NULL REFERENCES lists ON DELETE CASCADE,
    key   text COLLATE "C" NOT NULL,
    value text NOT NULL,
    PRIMARY KEY (list, key)
);

-- A roster is read in pages along its primary key. No foreign key: its check of each row would halve the speed of an import, and each
-- writer holds the list's row while it writes here.
CREATE TABLE members (
    list        bigint NOT NULL,
    key         text COLLATE "C" NOT NULL,        -- by which addresses are compared
    address     text,                             -- as it was written; null where that is the key
    name        text NOT NULL DEFAULT '',
    roles       text NOT NULL DEFAULT 'member',
    delivery    text NOT NULL DEFAULT 'each',
    moderation  text NOT NULL DEFAULT 'default',
    language    text,
    preferences text NOT NULL DEFAULT '',
    resumes     bigint,                           -- seconds since 1970
    joined      bigint NOT NULL,
    PRIMARY KEY (list, key)
);
CREATE INDEX members_staff ON members (list, key) WHERE roles <> 'member' AND roles <> '';

-- How many people are on a list, in several rows, so that those who change it at the same time do not wait for each other: their sum counts.
CREATE TABLE list_counts (
    list    bigint NOT NULL REFERENCES lists ON DELETE CASCADE,
    shard   integer NOT NULL,
    people  bigint NOT NULL,
    members bigint NOT NULL,                      -- those with the role `member`
    PRIMARY KEY (list, shard)
) WITH (fillfactor = 50);

CREATE TABLE held (
    list    bigint NOT NULL REFERENCES lists ON DELETE CASCADE,
    number  bigint NOT NULL,
    entry   uuid NOT NULL,
    expires timestamptz NOT NULL,
    post    json NOT NULL,
    PRIMARY KEY (list, number)
);
CREATE INDEX held_by_entry ON held (entry, list, number);
CREATE INDEX held_by_time ON held (expires);

-- Message files of held posts, and of those that can come back.
CREATE TABLE held_files (
    list    bigint NOT NULL REFERENCES lists ON DELETE CASCADE,
    number  bigint NOT NULL,
    decided timestamptz,                          -- since when it is kept for a decision that is taken back; null while it is held
    file    bytea NOT NULL,
    PRIMARY KEY (list, number)
);
ALTER TABLE held_files ALTER file SET STORAGE EXTERNAL;
CREATE INDEX held_files_by_time ON held_files (decided) WHERE decided IS NOT NULL;

CREATE TABLE decisions (
    list     bigint NOT NULL REFERENCES lists ON DELETE CASCADE,
    number   bigint NOT NULL,
    decided  timestamptz NOT NULL,
    decision json NOT NULL,
    PRIMARY KEY (list, number)
);
CREATE INDEX decisions_by_time ON decisions (decided);

CREATE TABLE requests (
    list    bigint NOT NULL REFERENCES lists ON DELETE CASCADE,
    kind    text COLLATE "C" NOT NULL,
    key     text COLLATE "C" NOT NULL,            -- of the address
    opened  uuid NOT NULL,
    handle  text COLLATE "C" NOT NULL,
    expires timestamptz NOT NULL,
    request json NOT NULL,
    PRIMARY KEY (list, kind, key),
    UNIQUE (list, handle)
);
CREATE INDEX requests_by_time ON requests (expires);

-- What is known of the failed deliveries of a member. It goes with the member.
CREATE TABLE bounces (
    list   bigint NOT NULL REFERENCES lists ON DELETE CASCADE,
    key    text COLLATE "C" NOT NULL,             -- of the address
    by     uuid NOT NULL,                         -- the entry that wrote it last
    due    timestamptz NOT NULL,
    record json NOT NULL,
    PRIMARY KEY (list, key)
);
CREATE INDEX bounces_by_time ON bounces (due);

CREATE TABLE tallies (
    list  bigint NOT NULL REFERENCES lists ON DELETE CASCADE,
    name  text COLLATE "C" NOT NULL,
    count bigint NOT NULL,
    since timestamptz NOT NULL,
    began text NOT NULL,                          -- the same, RFC 3339, to the nanosecond
    note  text NOT NULL,
    PRIMARY KEY (list, name)
);
CREATE INDEX tallies_by_time ON tallies (since);

-- What a tally has counted once.
CREATE TABLE counted_once (
    list bigint NOT NULL REFERENCES lists ON DELETE CASCADE,
    name text COLLATE "C" NOT NULL,
    what text COLLATE "C" NOT NULL,
    PRIMARY KEY (list, name, what)
);

CREATE TABLE spent (
    day     bigint NOT NULL,                      -- since 1970, UTC
    trust   text COLLATE "C" NOT NULL,
    whose   text COLLATE "C" NOT NULL,            -- address, domain
    name    text COLLATE "C" NOT NULL,
    letters bigint NOT NULL,
    PRIMARY KEY (day, trust, whose, name)
);

CREATE TABLE bans (
    scope   text COLLATE "C" NOT NULL,            -- a list's address, or site
    pattern text COLLATE "C" NOT NULL,
    ban     json NOT NULL,
    PRIMARY KEY (scope, pattern)
);

-- Batches that were applied, and what of them is still to be sent.
CREATE TABLE applied (
    id uuid PRIMARY KEY,
    at timestamptz NOT NULL
);
CREATE INDEX applied_by_time ON applied (at);

CREATE TABLE outbox (
    id    uuid PRIMARY KEY,
    owner integer NOT NULL,                       -- the process that is to send it: see presence.rs
    since timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE outbox_files (
    id      uuid NOT NULL REFERENCES outbox ON DELETE CASCADE,
    ordinal integer NOT NULL,
    file    bytea NOT NULL,
    PRIMARY KEY (id, ordinal)
);
ALTER TABLE outbox_files ALTER file SET STORAGE EXTERNAL;

-- A record gets its number when somebody reads the log: see audit.rs.
CREATE TABLE audit (
    place  bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    number bigint UNIQUE,
    record json NOT NULL
);
CREATE INDEX audit_without_number ON audit (place) WHERE number IS NULL;

CREATE TABLE signing_keys (
    position integer PRIMARY KEY,                 -- the newest first
    key      bytea NOT NULL
);
