-- Images in the embedded store: descriptions with vectors, thumbnails, and the space of the vectors. A file next to
-- store.sql, because they are cleared, checked and counted apart from the notes.
--
-- A vector never changes under one RowID, and RowIDs are never given out twice: a reader follows the images by the last
-- RowID and the last deletion it has seen, as it follows the notes.

-- name: create_image_space
CREATE TABLE IF NOT EXISTS ImageSpace (
    OnlyRow         INTEGER PRIMARY KEY CHECK (OnlyRow = 1),
    Provider        TEXT NOT NULL,
    Model           TEXT NOT NULL,
    Dimension       INTEGER NOT NULL,
    QueryPrefix     TEXT NOT NULL,
    PassagePrefix   TEXT NOT NULL,
    InputTypes      INTEGER NOT NULL,
    Normalised      INTEGER NOT NULL,
    TokensMax       INTEGER NOT NULL,
    SimilarityFloor REAL NOT NULL
)

-- name: create_medical_image_vectors
-- RelatedReportID: the note that the source names as the report, whether it is here or not. Source says where the
-- original lies, which is never copied into this file. Embedding: little-endian float32, as the embedder gave them.
CREATE TABLE IF NOT EXISTS MedicalImageVectors (
    RowID           INTEGER PRIMARY KEY AUTOINCREMENT,
    ImageID         TEXT NOT NULL UNIQUE,
    PatientID       TEXT NOT NULL,
    Domain          TEXT,
    EncounterID     TEXT,
    SeriesID        TEXT NOT NULL,
    StudyID         TEXT NOT NULL,
    Modality        TEXT NOT NULL,
    BodyPart        TEXT NOT NULL,
    ViewPosition    TEXT NOT NULL,
    Laterality      TEXT NOT NULL,
    Description     TEXT NOT NULL,
    ImageDate       TEXT,
    PixelRows       INTEGER NOT NULL,
    PixelColumns    INTEGER NOT NULL,
    FrameNumber     INTEGER NOT NULL,
    FrameCount      INTEGER NOT NULL,
    Source          TEXT NOT NULL,
    SourceFormat    TEXT NOT NULL,
    ContentHash     TEXT NOT NULL,
    RelatedReportID TEXT,
    Findings        TEXT NOT NULL,
    Metadata        TEXT NOT NULL,
    Embedding       BLOB NOT NULL
)

-- name: create_index_image_patient
CREATE INDEX IF NOT EXISTS MedicalImageVectorsPatient ON MedicalImageVectors (PatientID)

-- name: create_index_image_study
CREATE INDEX IF NOT EXISTS MedicalImageVectorsStudy ON MedicalImageVectors (StudyID)

-- name: create_index_image_report
CREATE INDEX IF NOT EXISTS MedicalImageVectorsReport ON MedicalImageVectors (RelatedReportID)

-- name: create_index_image_content
CREATE INDEX IF NOT EXISTS MedicalImageVectorsContent ON MedicalImageVectors (ContentHash)

-- name: create_medical_image_thumbnails
-- In a table of its own, so that reading vectors does not read pictures.
CREATE TABLE IF NOT EXISTS MedicalImageThumbnails (
    ImageID   TEXT PRIMARY KEY REFERENCES MedicalImageVectors (ImageID) ON DELETE CASCADE,
    MediaType TEXT NOT NULL,
    Content   BLOB NOT NULL
) WITHOUT ROWID

-- name: create_image_deletions
CREATE TABLE IF NOT EXISTS DeletedImages (
    Sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    RowID    INTEGER NOT NULL
)

-- name: create_image_deleted
CREATE TRIGGER IF NOT EXISTS MedicalImageVectorsDeleted AFTER DELETE ON MedicalImageVectors BEGIN
    INSERT INTO DeletedImages (RowID) VALUES (old.RowID);
END

-- name: space
SELECT Provider, Model, Dimension, QueryPrefix, PassagePrefix, InputTypes, Normalised, TokensMax, SimilarityFloor
FROM ImageSpace

-- name: insert_space
INSERT INTO ImageSpace
VALUES (1, :provider, :model, :dimension, :query_prefix, :passage_prefix, :input_types, :normalised, :tokens_max,
        :similarity_floor)

-- name: update_space
UPDATE ImageSpace SET SimilarityFloor = ?

-- name: delete_space
DELETE FROM ImageSpace

-- name: sequences
SELECT name, seq FROM sqlite_sequence WHERE name IN ('MedicalImageVectors', 'DeletedImages')

-- name: vectors_since
SELECT RowID, RowID, Embedding FROM MedicalImageVectors WHERE RowID > ? ORDER BY RowID

-- name: deletions_since
SELECT RowID FROM DeletedImages WHERE Sequence > ?

-- name: forget_old_deletions
DELETE FROM DeletedImages WHERE Sequence <= ?

-- name: stored_images
SELECT ImageID, RowID, Embedding FROM MedicalImageVectors WHERE ImageID IN (SELECT value FROM json_each(?))

-- name: insert_image
INSERT INTO MedicalImageVectors (
    ImageID, PatientID, Domain, EncounterID, SeriesID, StudyID, Modality, BodyPart, ViewPosition, Laterality, Description,
    ImageDate, PixelRows, PixelColumns, FrameNumber, FrameCount, Source, SourceFormat, ContentHash, RelatedReportID,
    Findings, Metadata, Embedding
)
VALUES (
    :image_id, :patient_id, :domain, :encounter_id, :series_id, :study_id, :modality, :body_part, :view, :laterality,
    :description, :date, :rows, :columns, :frame, :frames, :source, :source_format, :content_hash, :report_id,
    :findings, :metadata, :embedding
)

-- name: update_image
UPDATE MedicalImageVectors SET
    PatientID = :patient_id, Domain = :domain, EncounterID = :encounter_id, SeriesID = :series_id, StudyID = :study_id,
    Modality = :modality, BodyPart = :body_part, ViewPosition = :view, Laterality = :laterality,
    Description = :description, ImageDate = :date, PixelRows = :rows, PixelColumns = :columns, FrameNumber = :frame,
    FrameCount = :frames, Source = :source, SourceFormat = :source_format, ContentHash = :content_hash,
    RelatedReportID = :report_id, Findings = :findings, Metadata = :metadata
WHERE ImageID = :image_id

-- name: delete_images
DELETE FROM MedicalImageVectors WHERE ImageID IN (SELECT value FROM json_each(?))

-- name: delete_all_images
DELETE FROM MedicalImageVectors

-- name: delete_thumbnails
DELETE FROM MedicalImageThumbnails WHERE ImageID IN (SELECT value FROM json_each(?))

-- name: insert_thumbnail
INSERT INTO MedicalImageThumbnails (ImageID, MediaType, Content) VALUES (?, ?, ?)

-- name: rows_admitted
SELECT image.RowID FROM MedicalImageVectors AS image WHERE {admitted}

-- name: images_at
-- {report_seen}: the conditions on the note, which is the report only where it is this patient's and may be seen. So it
-- is linked when it comes later, and no longer when it goes.
SELECT image.RowID, image.ImageID, image.PatientID, image.Source, image.SourceFormat, image.ContentHash, image.SeriesID,
       image.StudyID, image.Modality, image.BodyPart, image.ViewPosition, image.Laterality, image.Description,
       image.ImageDate, image.PixelRows, image.PixelColumns, image.FrameNumber, image.FrameCount, report.ResourceID,
       image.Findings, image.Domain, image.EncounterID, image.Metadata
FROM MedicalImageVectors AS image
LEFT JOIN ClinicalNotes AS report
    ON report.ResourceID = image.RelatedReportID AND report.PatientID = image.PatientID AND {report_seen}
WHERE image.RowID IN (SELECT value FROM json_each(:rows))

-- name: rows_in_order
-- The newest first, those without a date last.
SELECT image.RowID FROM MedicalImageVectors AS image WHERE {admitted}
ORDER BY image.ImageDate IS NULL, image.ImageDate DESC, image.ImageID LIMIT :limit OFFSET :skip

-- name: descriptions
SELECT RowID, ImageID, PatientID, Source, SourceFormat, ContentHash, SeriesID, StudyID, Modality, BodyPart, ViewPosition,
       Laterality, Description, ImageDate, PixelRows, PixelColumns, FrameNumber, FrameCount, RelatedReportID, Findings,
       Domain, EncounterID, Metadata
FROM MedicalImageVectors WHERE ImageID IN (SELECT value FROM json_each(?))

-- name: thumbnail
SELECT picture.MediaType, picture.Content
FROM MedicalImageVectors AS image JOIN MedicalImageThumbnails AS picture USING (ImageID)
WHERE image.ImageID = :image_id AND {admitted}

-- name: counts
SELECT COUNT(*), COUNT(DISTINCT image.PatientID), COUNT(DISTINCT NULLIF(image.StudyID, ''))
FROM MedicalImageVectors AS image WHERE {admitted}

-- name: image_ids_after
SELECT ImageID FROM MedicalImageVectors WHERE ImageID > ? ORDER BY ImageID LIMIT ?

-- name: images_of
SELECT ImageID FROM MedicalImageVectors WHERE ContentHash IN (SELECT value FROM json_each(?)) ORDER BY ImageID

-- name: admit_image_ids
image.ImageID IN (SELECT value FROM json_each(:image_ids))

-- name: admit_patient_ids
image.PatientID IN (SELECT value FROM json_each(:patient_ids))

-- name: admit_domains
image.Domain IN (SELECT value FROM json_each(:domains))

-- name: admit_modalities
image.Modality IN (SELECT value FROM json_each(:modalities))

-- name: admit_body_parts
image.BodyPart IN (SELECT value FROM json_each(:body_parts))

-- name: admit_study_ids
image.StudyID IN (SELECT value FROM json_each(:study_ids))

-- name: admit_since
-- And the less precise dates around the beginning: "2024" and "2024-03" around 2024-03-10.
(image.ImageDate >= :since OR image.ImageDate = substr(:since, 1, length(image.ImageDate)))

-- name: admit_until
image.ImageDate <= :until

-- name: admit_report_ids
EXISTS (
    SELECT 1 FROM ClinicalNotes AS report
    WHERE report.ResourceID = image.RelatedReportID AND report.PatientID = image.PatientID AND {report_seen}
      AND report.ResourceID IN (SELECT value FROM json_each(:report_ids))
)

-- name: report_seen_in_domains
report.Domain IN (SELECT value FROM json_each(:seen_domains))

-- name: check_images
SELECT RowID, ImageID, Embedding FROM MedicalImageVectors WHERE RowID > ? ORDER BY RowID LIMIT ?

-- name: check_thumbnails
SELECT COUNT(*) FROM MedicalImageThumbnails WHERE ImageID NOT IN (SELECT ImageID FROM MedicalImageVectors)

-- name: without_thumbnail
SELECT ImageID FROM MedicalImageVectors WHERE ImageID NOT IN (SELECT ImageID FROM MedicalImageThumbnails) ORDER BY ImageID

-- name: check_reports
-- Reports of another patient are never shown; they are a fault of the source.
SELECT image.ImageID FROM MedicalImageVectors AS image
JOIN ClinicalNotes AS report ON report.ResourceID = image.RelatedReportID
WHERE report.PatientID <> image.PatientID ORDER BY image.ImageID
