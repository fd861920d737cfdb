//! Every statement that is sent, in one place: [`super::check`] has the server prepare each of them against the schema.

macro_rules! statements {
    ($($(#[$doc:meta])* $name:ident = $sql:expr;)+) => {
        $($(#[$doc])* pub(super) const $name: &str = $sql;)+

        /// All of them.
        pub(super) const ALL: &[&str] = &[$($name),+];
    };
}

statements! {
    LIST = "SELECT l.address, l.created, array(SELECT key FROM list_settings s WHERE s.list = l.id ORDER BY key), \
                   array(SELECT value FROM list_settings s WHERE s.list = l.id ORDER BY key) \
            FROM lists l WHERE l.address = $1";
    LISTS = "SELECT l.address, l.created, array(SELECT key FROM list_settings s WHERE s.list = l.id ORDER BY key), \
                    array(SELECT value FROM list_settings s WHERE s.list = l.id ORDER BY key) \
             FROM lists l WHERE l.address > $1 ORDER BY l.address LIMIT $2";
    /// Keeps the list from being removed until the batch is applied; who else writes to it does not wait.
    LOCK_LIST = "SELECT id FROM lists WHERE address = $1 FOR KEY SHARE";
    CREATE_LIST = "INSERT INTO lists (address, created) VALUES ($1, $2) ON CONFLICT DO NOTHING RETURNING id";
    REMOVE_LIST = "DELETE FROM lists WHERE address = $1 RETURNING id";
    REMOVE_ROSTER = "DELETE FROM members WHERE list = $1";
    REMOVE_BANS = "DELETE FROM bans WHERE scope = $1";
    SET = "INSERT INTO list_settings (list, key, value) VALUES ($1, $2, $3) ON CONFLICT (list, key) DO UPDATE SET value = excluded.value";
    UNSET = "DELETE FROM list_settings WHERE list = $1 AND key = $2";

    MEMBER = "SELECT m.key, m.address, name, roles, delivery, moderation, language, preferences, resumes, joined \
              FROM members m JOIN lists l ON l.id = m.list WHERE l.address = $1 AND m.key = $2";
    ROSTER = "SELECT m.key, m.address, name, roles, delivery, moderation, language, preferences, resumes, joined FROM members m \
              WHERE m.list = (SELECT id FROM lists WHERE address = $1) AND m.key > $2 ORDER BY m.key LIMIT $3";
    STAFF = "SELECT m.key, m.address, name, roles, delivery, moderation, language, preferences, resumes, joined FROM members m \
             WHERE m.list = (SELECT id FROM lists WHERE address = $1) AND roles <> 'member' AND roles <> '' \
               AND $2 = ANY (string_to_array(roles, '+')) ORDER BY m.key";
    MEMBER_COUNT = "SELECT coalesce(sum(c.members), 0)::bigint FROM list_counts c JOIN lists l ON l.id = c.list WHERE l.address = $1";
    LOCK_MEMBER = "SELECT m.key, m.address, name, roles, delivery, moderation, language, preferences, resumes, joined \
                   FROM members m WHERE list = $1 AND key = $2 FOR UPDATE";
    ADD_MEMBER = "INSERT INTO members (list, key, address, name, roles, delivery, moderation, language, preferences, resumes, joined) \
                  VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) ON CONFLICT DO NOTHING";
    UPDATE_MEMBER = "UPDATE members SET address = $3, name = $4, roles = $5, delivery = $6, moderation = $7, language = $8, \
                     preferences = $9, resumes = $10, joined = $11 WHERE list = $1 AND key = $2";
    REMOVE_MEMBER = "DELETE FROM members WHERE list = $1 AND key = $2 RETURNING roles";
    IMPORT = "WITH added AS (INSERT INTO members (list, key, address, name, roles, delivery, moderation, language, preferences, resumes, joined) \
                  SELECT $1::bigint, * FROM unnest($2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], \
                                           $9::text[], $10::bigint[], $11::bigint[]) \
                  ON CONFLICT DO NOTHING RETURNING roles) \
              SELECT count(*), count(*) FILTER (WHERE 'member' = ANY (string_to_array(roles, '+'))) FROM added";
    COUNT = "INSERT INTO list_counts (list, shard, people, members) VALUES ($1, pg_backend_pid() % 16, $2, $3) \
             ON CONFLICT (list, shard) DO UPDATE SET people = list_counts.people + excluded.people, \
                                                     members = list_counts.members + excluded.members";

    HELD = "SELECT post FROM held WHERE list = (SELECT id FROM lists WHERE address = $1) AND number > $2 ORDER BY number LIMIT $3";
    HELD_ENTRY = "SELECT h.post, f.file FROM held h JOIN lists l ON l.id = h.list \
                  LEFT JOIN held_files f ON f.list = h.list AND f.number = h.number WHERE l.address = $1 AND h.number = $2";
    HELD_BY_ENTRY = "SELECT post FROM held WHERE entry = $2 AND list = (SELECT id FROM lists WHERE address = $1) ORDER BY number LIMIT 1";
    LAPSED = "SELECT h.post FROM held h JOIN lists l ON l.id = h.list WHERE h.expires <= $1 ORDER BY h.expires, l.address, h.number LIMIT $2";
    NEXT_HELD = "UPDATE lists SET last_held = last_held + 1 WHERE id = $1 RETURNING last_held";
    HOLD = "INSERT INTO held (list, number, entry, expires, post) VALUES ($1, $2, $3, $4, $5)";
    HOLD_FILE = "INSERT INTO held_files (list, number, file) VALUES ($1, $2, $3)";
    UNHOLD = "DELETE FROM held WHERE list = $1 AND number = $2 RETURNING post";
    LOCK_HELD = "SELECT post FROM held WHERE list = $1 AND number = $2 FOR UPDATE";
    POSTPONE = "UPDATE held SET expires = $3, post = $4 WHERE list = $1 AND number = $2";
    KEEP_FILE = "UPDATE held_files SET decided = $3 WHERE list = $1 AND number = $2";
    USE_FILE = "UPDATE held_files SET decided = NULL WHERE list = $1 AND number = $2";
    DROP_FILE = "DELETE FROM held_files WHERE list = $1 AND number = $2";
    DECISION = "SELECT decision FROM decisions WHERE list = (SELECT id FROM lists WHERE address = $1) AND number = $2";
    DECISIONS = "SELECT decision FROM decisions WHERE list = (SELECT id FROM lists WHERE address = $1) AND number > $2 ORDER BY number LIMIT $3";
    LOCK_DECISION = "SELECT d.decision, f.number IS NOT NULL FROM decisions d LEFT JOIN held_files f ON f.list = d.list AND f.number = d.number \
                     WHERE d.list = $1 AND d.number = $2 FOR UPDATE OF d";
    DECIDE = "INSERT INTO decisions (list, number, decided, decision) VALUES ($1, $2, $3, $4)";
    UNDECIDE = "DELETE FROM decisions WHERE list = $1 AND number = $2";

    REQUEST = "SELECT request FROM requests WHERE list = (SELECT id FROM lists WHERE address = $1) AND kind = $2 AND key = $3";
    REQUEST_BY_HANDLE = "SELECT request FROM requests WHERE list = (SELECT id FROM lists WHERE address = $1) AND handle = $2";
    OPEN_REQUEST = "INSERT INTO requests (list, kind, key, opened, handle, expires, request) VALUES ($1, $2, $3, $4, $5, $6, $7) \
                    ON CONFLICT DO NOTHING";
    CLOSE_REQUEST = "DELETE FROM requests WHERE list = $1 AND kind = $2 AND key = $3 AND opened = $4";

    NEED_MEMBER = "SELECT 1 FROM members WHERE list = $1 AND key = $2 FOR KEY SHARE";
    BOUNCES = "SELECT record FROM bounces WHERE list = (SELECT id FROM lists WHERE address = $1) AND key = $2";
    BOUNCES_DUE = "SELECT b.record FROM bounces b JOIN lists l ON l.id = b.list WHERE b.due <= $1 ORDER BY b.due, l.address, b.key LIMIT $2";
    FIRST_BOUNCES = "INSERT INTO bounces (list, key, by, due, record) VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING";
    NEXT_BOUNCES = "UPDATE bounces SET by = $3, due = $4, record = $5 WHERE list = $1 AND key = $2 AND by = $6";
    FORGET_BOUNCES = "DELETE FROM bounces WHERE list = $1 AND key = $2 AND by = $3";
    DROP_BOUNCES = "DELETE FROM bounces WHERE list = $1 AND key = $2";
    TALLY = "SELECT name, count, began, note FROM tallies WHERE list = (SELECT id FROM lists WHERE address = $1) AND name = $2";
    TALLIES = "SELECT name, count, began, note FROM tallies WHERE list = (SELECT id FROM lists WHERE address = $1) AND name > $2 \
               ORDER BY name LIMIT $3";
    LOCK_TALLY = "SELECT count FROM tallies WHERE list = $1 AND name = $2 FOR UPDATE";
    COUNT_ONCE = "INSERT INTO counted_once (list, name, what) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING";
    COUNT_BOUNCE = "INSERT INTO tallies AS t (list, name, count, since, began, note) \
                    SELECT $1::bigint, $2::text, 1, $3::timestamptz, $4::text, $5::text WHERE $6::bigint > 0 \
                    ON CONFLICT (list, name) DO UPDATE SET count = t.count + 1 WHERE t.count < $6::bigint";

    SPENT = "SELECT whose, letters FROM spent WHERE day = $1 AND trust = $2 AND (whose = 'address' AND name = $3 OR whose = 'domain' AND name = $4)";
    SPEND = "INSERT INTO spent AS s (day, trust, whose, name, letters) SELECT $1::bigint, $2::text, $3::text, $4::text, 1 WHERE $5::bigint > 0 \
             ON CONFLICT (day, trust, whose, name) DO UPDATE SET letters = s.letters + 1 WHERE s.letters < $5::bigint";

    BANNED = "SELECT ban FROM bans WHERE scope IN ($1, 'site') AND pattern = ANY ($2) \
              ORDER BY scope = 'site', array_position($2::text[], pattern) LIMIT 1";
    BANS = "SELECT ban FROM bans WHERE scope = $1 ORDER BY pattern";
    BAN = "INSERT INTO bans (scope, pattern, ban) VALUES ($1, $2, $3) ON CONFLICT (scope, pattern) DO UPDATE SET ban = excluded.ban";
    UNBAN = "DELETE FROM bans WHERE scope = $1 AND pattern = $2";

    APPLY = "INSERT INTO applied (id, at) VALUES ($1, $2) ON CONFLICT DO NOTHING";
    APPLIED = "SELECT f.file FROM applied a LEFT JOIN outbox_files f ON f.id = a.id WHERE a.id = $1 ORDER BY f.ordinal";
    PRUNE = "DELETE FROM applied WHERE id IN (SELECT a.id FROM applied a WHERE a.at < $1 AND NOT EXISTS (SELECT FROM outbox o WHERE o.id = a.id) \
             ORDER BY a.at LIMIT 256 FOR UPDATE SKIP LOCKED)";
    OUTBOX_ADD = "INSERT INTO outbox (id, owner) VALUES ($1, $2)";
    OUTBOX_ADD_FILE = "INSERT INTO outbox_files (id, ordinal, file) VALUES ($1, $2, $3)";
    OUTBOX_DONE = "DELETE FROM outbox WHERE id = $1";
    OUTBOX_OWNERS = "SELECT DISTINCT owner FROM outbox WHERE owner <> $1";
    LOCK_OWNER = "SELECT pg_try_advisory_xact_lock($1, $2)";
    OUTBOX_TAKE = "UPDATE outbox SET owner = $2, since = now() WHERE id IN (SELECT id FROM outbox WHERE owner = $1 FOR UPDATE SKIP LOCKED)";
    OUTBOX = "SELECT o.id, f.file FROM (SELECT id FROM outbox WHERE owner = $1 ORDER BY id LIMIT $2) o \
              LEFT JOIN outbox_files f ON f.id = o.id ORDER BY o.id, f.ordinal";

    AUDIT_ADD = "INSERT INTO audit (record) VALUES ($1)";
    AUDIT = "SELECT number, record FROM audit WHERE number > $1 ORDER BY number LIMIT $2";
    AUDIT_IS_WAITING = "SELECT EXISTS (SELECT FROM audit WHERE number IS NULL)";
    LOCK_NUMBERS = "SELECT pg_advisory_xact_lock($1, $2) IS NULL";
    AUDIT_NUMBER = "UPDATE audit a SET number = n.number FROM \
                    (SELECT place, row_number() OVER (ORDER BY place) + (SELECT coalesce(max(number), 0) FROM audit) AS number \
                     FROM audit WHERE number IS NULL) n WHERE a.place = n.place";

    TIDY_REQUESTS = "DELETE FROM requests WHERE (list, kind, key) IN \
                     (SELECT list, kind, key FROM requests WHERE expires <= $1 ORDER BY expires LIMIT 1000 FOR UPDATE SKIP LOCKED)";
    TIDY_FILES = "DELETE FROM held_files WHERE (list, number) IN \
                  (SELECT list, number FROM held_files WHERE decided <= $1 ORDER BY decided LIMIT 1000 FOR UPDATE SKIP LOCKED)";
    TIDY_DECISIONS = "DELETE FROM decisions WHERE (list, number) IN \
                      (SELECT list, number FROM decisions WHERE decided <= $1 ORDER BY decided LIMIT 1000 FOR UPDATE SKIP LOCKED)";
    TIDY_TALLIES = "WITH gone AS (DELETE FROM tallies WHERE (list, name) IN \
                      (SELECT list, name FROM tallies WHERE since <= $1 ORDER BY since LIMIT 1000 FOR UPDATE SKIP LOCKED) RETURNING list, name) \
                    DELETE FROM counted_once c USING gone g WHERE c.list = g.list AND c.name = g.name";
    TIDY_SPENT = "DELETE FROM spent WHERE (day, trust, whose, name) IN \
                  (SELECT day, trust, whose, name FROM spent WHERE day < $1 ORDER BY day LIMIT 1000 FOR UPDATE SKIP LOCKED)";

    KEYS = "SELECT key FROM signing_keys ORDER BY position";
    MAKE_KEY = "INSERT INTO signing_keys (position, key) SELECT 0, $1 WHERE NOT EXISTS (SELECT FROM signing_keys) ON CONFLICT DO NOTHING";
    /// Which transactions of others are seen.
    SEEN = "SELECT txid_current_snapshot()::text";
    EXPORT_LISTS = "SELECT l.address, l.created, array(SELECT key FROM list_settings s WHERE s.list = l.id ORDER BY key), \
                           array(SELECT value FROM list_settings s WHERE s.list = l.id ORDER BY key), l.last_held \
                    FROM lists l WHERE l.address > $1 ORDER BY l.address LIMIT $2";
    /// Those without a number, as they will be numbered: to read is not to write.
    EXPORT_AUDIT_WAITING = "SELECT number, record FROM \
                            (SELECT row_number() OVER (ORDER BY place) + (SELECT coalesce(max(number), 0) FROM audit) AS number, record \
                             FROM audit WHERE number IS NULL) n WHERE number > $1 ORDER BY number LIMIT $2";
    EXPORT_HELD = "SELECT h.post, f.file FROM held h LEFT JOIN held_files f ON f.list = h.list AND f.number = h.number \
                   WHERE h.list = (SELECT id FROM lists WHERE address = $1) AND h.number > $2 ORDER BY h.number LIMIT $3";
    EXPORT_DECISIONS = "SELECT d.decision, f.file FROM decisions d LEFT JOIN held_files f ON f.list = d.list AND f.number = d.number \
                        WHERE d.list = (SELECT id FROM lists WHERE address = $1) AND d.number > $2 ORDER BY d.number LIMIT $3";
    EXPORT_REQUESTS = "SELECT request FROM requests WHERE list = (SELECT id FROM lists WHERE address = $1) AND (kind, key) > ($2, $3) \
                       ORDER BY kind, key LIMIT $4";
    EXPORT_BOUNCES = "SELECT record FROM bounces WHERE list = (SELECT id FROM lists WHERE address = $1) AND key > $2 ORDER BY key LIMIT $3";
    EXPORT_ONCE = "SELECT name, what FROM counted_once WHERE list = (SELECT id FROM lists WHERE address = $1) AND (name, what) > ($2, $3) \
                   ORDER BY name, what LIMIT $4";
    EXPORT_SPENT = "SELECT day, trust, whose, name, letters FROM spent WHERE (day, trust, whose, name) > ($1, $2, $3, $4) \
                    ORDER BY day, trust, whose, name LIMIT $5";
    EXPORT_APPLIED = "SELECT id, at FROM applied WHERE id > $1 ORDER BY id LIMIT $2";
    EXPORT_OUTBOX = "SELECT o.id, f.file FROM (SELECT id FROM outbox WHERE id > $1 ORDER BY id LIMIT $2) o \
                     LEFT JOIN outbox_files f ON f.id = o.id ORDER BY o.id, f.ordinal";
    FORGET_KEYS = "DELETE FROM signing_keys";
    IMPORT_KEY = "INSERT INTO signing_keys (position, key) VALUES ($1, $2)";
    IMPORT_LAST_HELD = "UPDATE lists SET last_held = $2 WHERE id = $1";
    IMPORT_TALLY = "INSERT INTO tallies (list, name, count, since, began, note) VALUES ($1, $2, $3, $4, $5, $6)";
    IMPORT_SPENT = "INSERT INTO spent (day, trust, whose, name, letters) VALUES ($1, $2, $3, $4, $5)";
    IMPORT_AUDIT = "INSERT INTO audit (number, record) VALUES ($1, $2)";

    FIGURES = "SELECT (SELECT count(*) FROM lists), (SELECT coalesce(sum(people), 0)::bigint FROM list_counts), \
                      (SELECT count(*) FROM held), (SELECT count(*) FROM requests), (SELECT count(*) FROM outbox), \
                      (SELECT coalesce(sum(pg_total_relation_size(oid)), 0)::bigint FROM pg_class \
                       WHERE relkind = 'r' AND relnamespace = current_schema()::regnamespace)";
}
