-- Which schema each component of a SQLite file has. (The embedded store numbers its own, where earlier releases look.)

-- name: create_versions
CREATE TABLE IF NOT EXISTS ComponentVersions (Component TEXT PRIMARY KEY, Version INTEGER NOT NULL) WITHOUT ROWID

-- name: version
SELECT Version FROM ComponentVersions WHERE Component = ?

-- name: record_version
INSERT INTO ComponentVersions (Component, Version) VALUES (?, ?)
ON CONFLICT (Component) DO UPDATE SET Version = excluded.Version
