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

-- name: columns
SELECT name FROM pragma_table_info('VectorizationState')

-- name: add_file
-- The file that the note was read from; NULL where an earlier release stored it.
ALTER TABLE VectorizationState ADD COLUMN File TEXT

-- name: add_patient
-- NULL where an earlier release stored the note and no one has looked at it since.
ALTER TABLE VectorizationState ADD COLUMN PatientID TEXT

-- name: add_resource_type
-- Of a FHIR resource that the first release stored under its bare id.
ALTER TABLE VectorizationState ADD COLUMN ResourceType TEXT

-- name: add_updated
ALTER TABLE VectorizationState ADD COLUMN VersionUpdated TEXT

-- name: add_number
ALTER TABLE VectorizationState ADD COLUMN VersionNumber INTEGER

-- name: add_replaces
-- The bare id under which the same resource is stored until this row is done.
ALTER TABLE VectorizationState ADD COLUMN Replaces TEXT

-- name: create_withdrawn
-- What a source took back: an older version of it that is read again stays away.
CREATE TABLE IF NOT EXISTS WithdrawnNotes (
    ResourceID     TEXT PRIMARY KEY,
    PatientID      TEXT,
    File           TEXT NOT NULL,
    VersionUpdated TEXT,
    VersionNumber  INTEGER
)

-- name: create_authorities
-- Who gave a patient's bare number: two hospitals give the same one to two people.
CREATE TABLE IF NOT EXISTS PatientAuthorities (
    PatientID TEXT NOT NULL,
    Naming    TEXT NOT NULL,
    Name      TEXT NOT NULL,
    PRIMARY KEY (PatientID, Naming)
) WITHOUT ROWID

-- name: authorities
SELECT PatientID, Naming, Name FROM PatientAuthorities WHERE PatientID IN (SELECT value FROM json_each(?))

-- name: all_authorities
SELECT PatientID, Naming, Name FROM PatientAuthorities

-- name: remember_authority
INSERT OR REPLACE INTO PatientAuthorities (PatientID, Naming, Name) VALUES (?, ?, ?)

-- name: forget_all_authorities
DELETE FROM PatientAuthorities

-- name: patients_held
SELECT DISTINCT PatientID FROM VectorizationState WHERE PatientID IN (SELECT value FROM json_each(?))

-- name: withdrawn
SELECT ResourceID, PatientID, File, VersionUpdated, VersionNumber FROM WithdrawnNotes
WHERE ResourceID IN (SELECT value FROM json_each(?))

-- name: any_withdrawn
SELECT 1 FROM WithdrawnNotes LIMIT 1

-- name: all_withdrawn
SELECT ResourceID, PatientID, File, VersionUpdated, VersionNumber FROM WithdrawnNotes

-- name: withdraw
INSERT INTO WithdrawnNotes (ResourceID, PatientID, File, VersionUpdated, VersionNumber) VALUES (?, ?, ?, ?, ?)
ON CONFLICT (ResourceID) DO UPDATE SET
    PatientID = excluded.PatientID, File = excluded.File,
    VersionUpdated = excluded.VersionUpdated, VersionNumber = excluded.VersionNumber

-- name: restore
DELETE FROM WithdrawnNotes WHERE ResourceID = ?

-- name: forget_all_withdrawn
DELETE FROM WithdrawnNotes

-- name: unidentified
SELECT ResourceID FROM VectorizationState WHERE PatientID IS NULL ORDER BY Sequence LIMIT ?

-- name: identify
UPDATE VectorizationState SET PatientID = ?, ResourceType = ? WHERE ResourceID = ? AND PatientID IS NULL

-- name: any_bare
SELECT 1 FROM VectorizationState WHERE ResourceType IS NOT NULL LIMIT 1

-- name: bare
SELECT ResourceID, ResourceType, PatientID FROM VectorizationState
WHERE ResourceType IS NOT NULL AND ResourceID IN (SELECT value FROM json_each(?))

-- name: bare_parts
SELECT ResourceID FROM VectorizationState
WHERE ResourceType = :type AND (ResourceID = :id OR (ResourceID > :id || '#' AND ResourceID < :id || '$'))

-- name: place
UPDATE VectorizationState
SET Source = :source, File = :file, VersionUpdated = :updated, VersionNumber = :number
WHERE ResourceID = :resource_id

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
SELECT ResourceID, Fingerprint, Status, Attempts, Source, COALESCE(File, ''), PatientID, VersionUpdated, VersionNumber
FROM VectorizationState WHERE ResourceID IN (SELECT value FROM json_each(?))

-- name: of_patients
SELECT ResourceID, Fingerprint, Status, Attempts, Source, COALESCE(File, ''), PatientID, VersionUpdated, VersionNumber
FROM VectorizationState WHERE PatientID IN (SELECT value FROM json_each(?))

-- name: stage_state
INSERT INTO VectorizationState (
    ResourceID, Source, File, PatientID, VersionUpdated, VersionNumber, Replaces, Fingerprint, Status, CreatedAt,
    UpdatedAt
)
VALUES (
    :resource_id, :source, :file, :patient_id, :updated, :number, :replaces, :fingerprint, 'pending', :now, :now
)
ON CONFLICT (ResourceID) DO UPDATE SET
    Source = excluded.Source, File = excluded.File, PatientID = excluded.PatientID,
    VersionUpdated = excluded.VersionUpdated, VersionNumber = excluded.VersionNumber,
    Replaces = COALESCE(excluded.Replaces, Replaces),
    Fingerprint = excluded.Fingerprint, Status = 'pending', Attempts = 0, LastError = NULL,
    Owner = NULL, LeaseUntil = NULL, UpdatedAt = excluded.UpdatedAt, CompletedAt = NULL

-- name: stage_note
INSERT INTO StagedNotes (ResourceID, Note) VALUES (:resource_id, :note)
ON CONFLICT (ResourceID) DO UPDATE SET Note = excluded.Note

-- name: retry
UPDATE VectorizationState SET Status = 'pending', UpdatedAt = ? WHERE ResourceID = ? AND Status = 'failed'

-- name: expired
-- "Status <> 'completed'" says nothing new, but only with it does SQLite use the index of open notes.
SELECT VectorizationState.ResourceID, Fingerprint, Attempts, Note, Replaces
FROM VectorizationState JOIN StagedNotes USING (ResourceID)
WHERE Status <> 'completed' AND Status = 'processing' AND (LeaseUntil < ? OR LeaseUntil > ?) AND Owner <> ?
ORDER BY Sequence LIMIT ?

-- name: pending
SELECT VectorizationState.ResourceID, Fingerprint, Attempts, Note, Replaces
FROM VectorizationState JOIN StagedNotes USING (ResourceID)
WHERE Status <> 'completed' AND Status = 'pending' ORDER BY Sequence LIMIT ?

-- name: claim
UPDATE VectorizationState
SET Status = 'processing', Attempts = Attempts + 1, Owner = ?, LeaseUntil = ?, UpdatedAt = ?
WHERE ResourceID = ?

-- name: owners
SELECT DISTINCT Owner FROM VectorizationState WHERE Status <> 'completed' AND Status = 'processing'

-- name: elsewhere
SELECT COUNT(*), MIN(Owner), MAX(LeaseUntil) FROM VectorizationState WHERE Status <> 'completed' AND Status = 'processing' AND Owner <> ?

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
SET Status = 'completed', Chunks = ?, Replaces = NULL, LastError = NULL, Owner = NULL, LeaseUntil = NULL, UpdatedAt = ?, CompletedAt = ?
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
-- By the source or the very file, or of a file that may lie below ('0' follows '/'). What is being replaced under another
-- id is not missing.
SELECT ResourceID, Source, COALESCE(File, '') FROM VectorizationState
WHERE EXISTS (
    SELECT 1 FROM json_each(?)
    WHERE value IN (Source, File) OR (File > rtrim(value, '/') || '/' AND File < rtrim(value, '/') || '0')
)
AND ResourceID NOT IN (SELECT ResourceID FROM temp.SeenNotes)
AND (
    ResourceType IS NULL
    OR ResourceID NOT IN (SELECT Replaces FROM VectorizationState WHERE Replaces IS NOT NULL)
)
ORDER BY ResourceID

-- name: outdated
-- Rows that were not seen, of files that were seen to hold another one.
SELECT old.ResourceID, MIN(new.ResourceID)
FROM VectorizationState AS old JOIN VectorizationState AS new ON new.File = old.File
WHERE old.File <> '' AND old.ResourceID NOT IN (SELECT ResourceID FROM temp.SeenNotes)
AND new.ResourceID IN (SELECT ResourceID FROM temp.SeenNotes)
GROUP BY old.ResourceID

-- name: unseen_parts
-- Texts of resources that have several: those that were not seen.
SELECT ResourceID FROM VectorizationState
WHERE instr(ResourceID, '#') AND ResourceID NOT IN (SELECT ResourceID FROM temp.SeenNotes)

-- name: seen_parts
SELECT ResourceID FROM temp.SeenNotes WHERE instr(ResourceID, '#')

-- name: seen
SELECT ResourceID FROM temp.SeenNotes WHERE ResourceID IN (SELECT value FROM json_each(?))

-- name: condemn
-- Without a fingerprint no claim on it holds, and no version of it counts as known.
UPDATE VectorizationState
SET Status = 'failed', Fingerprint = '', LastError = ?, Owner = NULL, LeaseUntil = NULL, UpdatedAt = ?
WHERE ResourceID = ?

-- name: condemned
SELECT ResourceID FROM VectorizationState WHERE Status <> 'completed' AND Status = 'failed' AND Fingerprint = ''

-- name: forget_note
DELETE FROM VectorizationState WHERE ResourceID = ?

-- name: forget_all_states
DELETE FROM VectorizationState

-- name: forget_all_staged
DELETE FROM StagedNotes

-- name: counts
SELECT Status, COUNT(*) FROM VectorizationState GROUP BY Status

-- name: failures
SELECT ResourceID, Attempts, LastError, COALESCE(File, '') FROM VectorizationState WHERE Status = 'failed' ORDER BY Sequence LIMIT ?

-- name: failure_reasons
SELECT LastError, COUNT(*) FROM VectorizationState WHERE Status = 'failed' GROUP BY LastError ORDER BY 2 DESC, 1 LIMIT ?

-- name: recent
SELECT COUNT(*), MAX(CompletedAt) - MIN(CompletedAt), MAX(CompletedAt) FROM VectorizationState
WHERE CompletedAt > (SELECT MAX(CompletedAt) FROM VectorizationState) - ?

-- name: staged_note
SELECT Note FROM StagedNotes WHERE ResourceID = ?

-- name: completed
SELECT ResourceID, Chunks FROM VectorizationState WHERE Status = 'completed' ORDER BY ResourceID
