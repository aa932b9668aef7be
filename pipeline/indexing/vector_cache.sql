-- Vectors between the embedder's answer and the store, found by what was embedded and in which space.

-- name: create_spaces
CREATE TABLE IF NOT EXISTS SpooledSpaces (SpaceNumber INTEGER PRIMARY KEY, SpaceID TEXT NOT NULL UNIQUE)

-- name: create_vectors
CREATE TABLE IF NOT EXISTS SpooledVectors (
    SpaceNumber INTEGER NOT NULL REFERENCES SpooledSpaces,
    TextHash    BLOB NOT NULL,
    Checksum    INTEGER NOT NULL,
    Vector      BLOB NOT NULL,
    UNIQUE (SpaceNumber, TextHash)
)

-- name: add_space
INSERT OR IGNORE INTO SpooledSpaces (SpaceID) VALUES (?)

-- name: space_number
SELECT SpaceNumber FROM SpooledSpaces WHERE SpaceID = ?

-- name: keep
INSERT INTO SpooledVectors (SpaceNumber, TextHash, Checksum, Vector) VALUES (?, ?, ?, ?)
ON CONFLICT (SpaceNumber, TextHash) DO UPDATE SET Checksum = excluded.Checksum, Vector = excluded.Vector

-- name: kept
SELECT Checksum, Vector FROM SpooledVectors WHERE SpaceNumber = ? AND TextHash = ?

-- name: drop_space
DELETE FROM SpooledVectors WHERE SpaceNumber = ?

-- name: count
SELECT COUNT(*) FROM SpooledVectors WHERE SpaceNumber = ?
