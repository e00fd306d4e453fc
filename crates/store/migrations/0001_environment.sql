-- Saved working directories. Times are microseconds since 1970-01-01T00:00:00Z, sizes are bytes.
CREATE TABLE environment (
    id BLOB NOT NULL PRIMARY KEY CHECK (length(id) = 16), -- UUID
    blob BLOB NOT NULL CHECK (length(blob) = 32), -- SHA-256 of the archive
    size INTEGER NOT NULL CHECK (size >= 0),
    created INTEGER NOT NULL,
    expires INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX environment_by_expiry ON environment (expires);
CREATE INDEX environment_by_blob ON environment (blob);
