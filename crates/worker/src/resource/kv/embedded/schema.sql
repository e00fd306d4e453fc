CREATE TABLE kv (
    sandbox_id TEXT NOT NULL,
    key TEXT NOT NULL,
    -- JSON.
    value BLOB NOT NULL,
    -- Milliseconds since 1970; null is never.
    expires INTEGER,
    PRIMARY KEY (sandbox_id, key)
) STRICT, WITHOUT ROWID;

CREATE INDEX kv_expires ON kv (expires) WHERE expires IS NOT NULL;

-- How many rows a tenant has in kv, those included that have expired and are not yet removed.
CREATE TABLE tenant (
    sandbox_id TEXT NOT NULL PRIMARY KEY,
    keys INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TRIGGER kv_added AFTER INSERT ON kv BEGIN
    INSERT INTO tenant (sandbox_id, keys) VALUES (new.sandbox_id, 1)
    ON CONFLICT (sandbox_id) DO UPDATE SET keys = keys + 1;
END;

CREATE TRIGGER kv_removed AFTER DELETE ON kv BEGIN
    UPDATE tenant SET keys = keys - 1 WHERE sandbox_id = old.sandbox_id;
    DELETE FROM tenant WHERE sandbox_id = old.sandbox_id AND keys <= 0;
END;
