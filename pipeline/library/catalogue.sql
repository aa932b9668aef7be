-- The catalogue of the library. A version's state is the whole gate: what is not approved is handed to no search.
-- `:domains` is a JSON array of names, or NULL where the asker is not restricted.

-- name: create_domains
CREATE TABLE LibraryDomains (
    Name           TEXT PRIMARY KEY,
    Description    TEXT NOT NULL,
    Owner          TEXT NOT NULL,
    Topic          TEXT NOT NULL,
    ApprovesItself INTEGER NOT NULL CHECK (ApprovesItself IN (0, 1)),
    RetentionDays  INTEGER CHECK (RetentionDays > 0),
    Prompt         TEXT NOT NULL
)

-- name: create_versions
CREATE TABLE LibraryVersions (
    VersionID      TEXT PRIMARY KEY,
    DocumentID     TEXT NOT NULL,
    Number         INTEGER NOT NULL CHECK (Number > 0),
    ContentHash    TEXT NOT NULL,
    Domain         TEXT NOT NULL REFERENCES LibraryDomains,
    State          TEXT NOT NULL CHECK (State IN (
        'uploaded', 'unreadable', 'read', 'waiting', 'approved', 'rejected', 'superseded', 'withdrawn')),
    FileName       TEXT NOT NULL,
    SizeBytes      INTEGER NOT NULL,
    UploadedAt     TEXT NOT NULL,
    UploadedBy     TEXT NOT NULL,
    SourceFormat   TEXT,
    Pages          INTEGER,
    Metadata       TEXT NOT NULL,
    Findings       TEXT NOT NULL DEFAULT '[]',
    Relevance      TEXT,
    NearDuplicates TEXT NOT NULL DEFAULT '[]',
    Refusal        TEXT,
    DecidedAt      TEXT,
    DecidedBy      TEXT,
    DecidedWhy     TEXT,
    Words          TEXT NOT NULL,
    UNIQUE (DocumentID, Number)
)

-- name: create_one_approved
CREATE UNIQUE INDEX OneApprovedVersion ON LibraryVersions (DocumentID) WHERE State = 'approved'

-- name: create_by_domain
CREATE INDEX LibraryVersionsByDomain ON LibraryVersions (Domain, State, VersionID)

-- name: create_by_content
CREATE INDEX LibraryVersionsByContent ON LibraryVersions (ContentHash)

-- name: create_decisions
CREATE TABLE LibraryDecisions (
    Number    INTEGER PRIMARY KEY AUTOINCREMENT,
    VersionID TEXT NOT NULL,
    Domain    TEXT NOT NULL,
    Before    TEXT,
    After     TEXT NOT NULL,
    By        TEXT NOT NULL,
    Why       TEXT NOT NULL,
    At        TEXT NOT NULL,
    Audited   INTEGER NOT NULL DEFAULT 0
)

-- name: create_decisions_by_version
CREATE INDEX LibraryDecisionsByVersion ON LibraryDecisions (VersionID, Number)

-- name: create_unaudited
CREATE INDEX LibraryDecisionsUnaudited ON LibraryDecisions (Number) WHERE Audited = 0

-- name: create_revision
CREATE TABLE LibraryRevision (Only INTEGER PRIMARY KEY CHECK (Only = 1), Revision INTEGER NOT NULL)

-- name: first_revision
INSERT INTO LibraryRevision VALUES (1, 0)

-- name: create_signatures
CREATE TABLE LibrarySignatures (
    VersionID TEXT PRIMARY KEY REFERENCES LibraryVersions ON DELETE CASCADE,
    Signature BLOB NOT NULL
)

-- name: raise_revision
UPDATE LibraryRevision SET Revision = Revision + 1

-- name: revision
SELECT Revision FROM LibraryRevision

-- name: put_domain
INSERT INTO LibraryDomains (Name, Description, Owner, Topic, ApprovesItself, RetentionDays, Prompt)
VALUES (:name, :description, :owner, :topic, :approves_itself, :retention_days, :prompt)
ON CONFLICT (Name) DO UPDATE SET Description = :description, Owner = :owner, Topic = :topic,
    ApprovesItself = :approves_itself, RetentionDays = :retention_days, Prompt = :prompt

-- name: domains
SELECT Name, Description, Owner, Topic, ApprovesItself, RetentionDays, Prompt FROM LibraryDomains
WHERE (:domains IS NULL OR Name IN (SELECT value FROM json_each(:domains))) ORDER BY Name

-- name: domain_in_use
SELECT 1 FROM LibraryVersions WHERE Domain = ? LIMIT 1

-- name: remove_domain
DELETE FROM LibraryDomains WHERE Name = ?

-- name: add_version
INSERT INTO LibraryVersions (VersionID, DocumentID, Number, ContentHash, Domain, State, FileName, SizeBytes, UploadedAt,
    UploadedBy, Metadata, Words)
VALUES (:version_id, :document_id, :number, :content_hash, :domain, 'uploaded', :file_name, :size, :at, :by, :metadata,
    :words)

-- name: newest_of_document
SELECT MAX(Number) FROM LibraryVersions WHERE DocumentID = :document_id AND Domain = :domain

-- name: version
SELECT * FROM LibraryVersions
WHERE VersionID = :version_id AND (:domains IS NULL OR Domain IN (SELECT value FROM json_each(:domains)))

-- name: versions
SELECT * FROM LibraryVersions
WHERE (:domains IS NULL OR Domain IN (SELECT value FROM json_each(:domains)))
  AND (:states IS NULL OR State IN (SELECT value FROM json_each(:states)))
  AND (:domain = '' OR Domain = :domain)
  AND (:document_id = '' OR DocumentID = :document_id)
  AND NOT EXISTS (SELECT 1 FROM json_each(:words) WHERE instr(Words, value) = 0)
  AND VersionID > :after
ORDER BY VersionID LIMIT :limit

-- name: counts
SELECT State, COUNT(*) FROM LibraryVersions
WHERE (:domains IS NULL OR Domain IN (SELECT value FROM json_each(:domains))) GROUP BY State

-- name: approved_of_document
SELECT * FROM LibraryVersions WHERE DocumentID = ? AND State = 'approved'

-- name: approved_now
SELECT VersionID FROM LibraryVersions
WHERE State = 'approved' AND VersionID IN (SELECT value FROM json_each(?))

-- name: content_in_use
SELECT 1 FROM LibraryVersions WHERE ContentHash = ? LIMIT 1

-- name: set_read
UPDATE LibraryVersions SET State = :state, SourceFormat = :source_format, Pages = :pages, Metadata = :metadata,
    Findings = :findings, Relevance = :relevance, NearDuplicates = :near_duplicates, Refusal = NULL, Words = :words
WHERE VersionID = :version_id

-- name: keep_signature
INSERT INTO LibrarySignatures (VersionID, Signature) VALUES (:version_id, :signature)
ON CONFLICT (VersionID) DO UPDATE SET Signature = :signature

-- name: signatures_beside
SELECT Other.VersionID, Other.ContentHash, Signature
FROM LibraryVersions Own
JOIN LibraryVersions Other ON Other.Domain = Own.Domain AND Other.VersionID <> Own.VersionID
JOIN LibrarySignatures ON LibrarySignatures.VersionID = Other.VersionID
WHERE Own.VersionID = :version_id ORDER BY Other.VersionID

-- name: set_unreadable
UPDATE LibraryVersions SET State = 'unreadable', Refusal = :refusal WHERE VersionID = :version_id

-- name: set_state
UPDATE LibraryVersions SET State = :state WHERE VersionID = :version_id

-- name: set_decided
UPDATE LibraryVersions SET State = :state, DecidedAt = :at, DecidedBy = :by, DecidedWhy = :why
WHERE VersionID = :version_id

-- name: set_metadata
UPDATE LibraryVersions SET Metadata = :metadata, Words = :words WHERE VersionID = :version_id

-- name: remove_version
DELETE FROM LibraryVersions WHERE VersionID = ?

-- name: past_retention
SELECT LibraryVersions.* FROM LibraryVersions JOIN LibraryDomains ON Name = Domain
WHERE RetentionDays IS NOT NULL AND julianday(:at) - julianday(UploadedAt) > RetentionDays
ORDER BY UploadedAt, VersionID LIMIT :limit

-- name: add_decision
INSERT INTO LibraryDecisions (VersionID, Domain, Before, After, By, Why, At)
VALUES (:version_id, :domain, :before, :after, :by, :why, :at)

-- name: decisions
SELECT Number, VersionID, Domain, Before, After, By, Why, At FROM LibraryDecisions
WHERE VersionID = :version_id AND (:domains IS NULL OR Domain IN (SELECT value FROM json_each(:domains)))
ORDER BY Number

-- name: was_put_out_of_use
SELECT 1 FROM LibraryDecisions
WHERE VersionID = ? AND After IN ('rejected', 'superseded', 'withdrawn') LIMIT 1

-- name: unaudited
SELECT Number, VersionID, Domain, Before, After, By, Why, At FROM LibraryDecisions
WHERE Audited = 0 ORDER BY Number LIMIT ?

-- name: mark_audited
UPDATE LibraryDecisions SET Audited = 1 WHERE Number IN (SELECT value FROM json_each(?))
