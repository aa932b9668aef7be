-- The VectorizationState ledger. Status tells where a note stands; StagedNotes holds the note itself from the moment it
-- was read until its vectors are stored, so that a run can go on without its source.

-- name: create_state
CREATE TABLE IF NOT EXISTS VectorizationState (
    Sequence    INTEGER PRIMARY KEY AUTOINCREMENT,
    ResourceID  TEXT NOT NULL UNIQUE,
    Source      TEXT NOT NULL,
    Fingerprint TEXT NOT NULL,
    Status      TEXT NOT NULL CHECK (Status IN ('pending', 'processing', 'completed', 'failed')),
    Attempts    INTEGER NOT NULL DEFAULT 0,
    LastError   TEXT,
    Chunks      INTEGER,
    Owner       TEXT,
    LeaseUntil  REAL,
    CreatedAt   REAL NOT NULL,
    UpdatedAt   REAL NOT NULL,
    CompletedAt REAL
)

-- name: create_open_index
CREATE INDEX IF NOT EXISTS VectorizationStateOpen ON VectorizationState (Status, Sequence) WHERE Status <> 'completed'

-- name: create_staged
CREATE TABLE IF NOT EXISTS StagedNotes (ResourceID TEXT PRIMARY KEY, Note TEXT NOT NULL)

-- name: create_seen
CREATE TEMP TABLE IF NOT EXISTS SeenNotes (ResourceID TEXT PRIMARY KEY) WITHOUT ROWID

-- name: forget_seen
DELETE FROM temp.SeenNotes

-- name: mark_seen
INSERT OR IGNORE INTO temp.SeenNotes (ResourceID) VALUES (?)

-- name: known
SELECT ResourceID, Fingerprint, Status, Attempts, Source FROM VectorizationState
WHERE ResourceID IN (SELECT value FROM json_each(?))

-- name: stage_state
INSERT INTO VectorizationState (ResourceID, Source, Fingerprint, Status, CreatedAt, UpdatedAt)
VALUES (:resource_id, :source, :fingerprint, 'pending', :now, :now)
ON CONFLICT (ResourceID) DO UPDATE SET
    Source = excluded.Source, Fingerprint = excluded.Fingerprint, Status = 'pending', Attempts = 0, LastError = NULL,
    Owner = NULL, LeaseUntil = NULL, UpdatedAt = excluded.UpdatedAt, CompletedAt = NULL

-- name: stage_note
INSERT INTO StagedNotes (ResourceID, Note) VALUES (:resource_id, :note)
ON CONFLICT (ResourceID) DO UPDATE SET Note = excluded.Note

-- name: move_source
UPDATE VectorizationState SET Source = ? WHERE ResourceID = ?

-- name: retry
UPDATE VectorizationState SET Status = 'pending', UpdatedAt = ? WHERE ResourceID = ? AND Status = 'failed'

-- name: expired
-- "Status <> 'completed'" says nothing new, but only with it does SQLite use the index of open notes.
SELECT VectorizationState.ResourceID, Fingerprint, Attempts, Note
FROM VectorizationState JOIN StagedNotes USING (ResourceID)
WHERE Status <> 'completed' AND Status = 'processing' AND LeaseUntil < ? AND Owner <> ?
ORDER BY Sequence LIMIT ?

-- name: pending
SELECT VectorizationState.ResourceID, Fingerprint, Attempts, Note
FROM VectorizationState JOIN StagedNotes USING (ResourceID)
WHERE Status <> 'completed' AND Status = 'pending' ORDER BY Sequence LIMIT ?

-- name: claim
UPDATE VectorizationState
SET Status = 'processing', Attempts = Attempts + 1, Owner = ?, LeaseUntil = ?, UpdatedAt = ?
WHERE ResourceID = ?

-- name: owners
SELECT DISTINCT Owner FROM VectorizationState WHERE Status <> 'completed' AND Status = 'processing'

-- name: elsewhere
SELECT COUNT(*) FROM VectorizationState WHERE Status <> 'completed' AND Status = 'processing' AND Owner <> ?

-- name: held
SELECT ResourceID, Fingerprint FROM VectorizationState
WHERE ResourceID IN (SELECT value FROM json_each(?)) AND Status = 'processing' AND Owner = ?

-- name: again
UPDATE VectorizationState
SET Status = 'pending', Owner = NULL, LeaseUntil = NULL, UpdatedAt = ?, CompletedAt = NULL
WHERE ResourceID = ?

-- name: release
UPDATE VectorizationState SET Status = 'pending', Owner = NULL, LeaseUntil = NULL, UpdatedAt = ?
WHERE Status <> 'completed' AND Status = 'processing' AND Owner = ?

-- name: give_back
UPDATE VectorizationState
SET Status = 'pending', Attempts = Attempts - 1, Owner = NULL, LeaseUntil = NULL, UpdatedAt = ?
WHERE ResourceID = ? AND Status = 'processing' AND Owner = ?

-- name: extend
UPDATE VectorizationState SET LeaseUntil = ?
WHERE Status <> 'completed' AND Status = 'processing' AND Owner = ?

-- name: complete
UPDATE VectorizationState
SET Status = 'completed', Chunks = ?, LastError = NULL, Owner = NULL, LeaseUntil = NULL, UpdatedAt = ?, CompletedAt = ?
WHERE ResourceID = ? AND Fingerprint = ? AND Owner = ?

-- name: fail
UPDATE VectorizationState
SET Status = 'failed', LastError = ?, Owner = NULL, LeaseUntil = NULL, UpdatedAt = ?
WHERE ResourceID = ? AND Fingerprint = ? AND Owner = ?

-- name: unstage
DELETE FROM StagedNotes WHERE ResourceID = ?

-- name: parts
-- '$' follows '#': a range that the index of ids knows.
SELECT ResourceID FROM VectorizationState
WHERE ResourceID > :resource_id || '#' AND ResourceID < :resource_id || '$'

-- name: missing
SELECT ResourceID FROM VectorizationState
WHERE Source IN (SELECT value FROM json_each(?)) AND ResourceID NOT IN (SELECT ResourceID FROM temp.SeenNotes)
ORDER BY ResourceID

-- name: condemn
-- Without a fingerprint no claim on it holds, and no version of it counts as known.
UPDATE VectorizationState
SET Status = 'failed', Fingerprint = '', LastError = ?, Owner = NULL, LeaseUntil = NULL, UpdatedAt = ?
WHERE ResourceID = ?

-- name: forget_note
DELETE FROM VectorizationState WHERE ResourceID = ?

-- name: forget_all_states
DELETE FROM VectorizationState

-- name: forget_all_staged
DELETE FROM StagedNotes

-- name: counts
SELECT Status, COUNT(*) FROM VectorizationState GROUP BY Status

-- name: failures
SELECT ResourceID, Attempts, LastError FROM VectorizationState WHERE Status = 'failed' ORDER BY Sequence LIMIT ?

-- name: failure_reasons
SELECT LastError, COUNT(*) FROM VectorizationState WHERE Status = 'failed' GROUP BY LastError ORDER BY 2 DESC, 1 LIMIT ?

-- name: recent
SELECT COUNT(*), MAX(CompletedAt) - MIN(CompletedAt), MAX(CompletedAt) FROM VectorizationState
WHERE CompletedAt > (SELECT MAX(CompletedAt) FROM VectorizationState) - ?

-- name: staged_note
SELECT Note FROM StagedNotes WHERE ResourceID = ?

-- name: completed
SELECT ResourceID, Chunks FROM VectorizationState WHERE Status = 'completed' ORDER BY ResourceID
