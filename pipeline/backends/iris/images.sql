-- Images in IRIS, by the rules of store.sql. The table is made for the first image, because its column has the width of
-- the image space; thumbnails need no width and come with the schema.

-- name: create_medical_image_thumbnails
-- A picture as base64: binary streams come back in different ways, as character streams do.
CREATE TABLE DEMO.MedicalImageThumbnails (
  ThumbnailNumber BIGINT IDENTITY PRIMARY KEY,
  ImageID VARCHAR(200) %EXACT NOT NULL,
  MediaType VARCHAR(40) %EXACT NOT NULL,
  Content VARCHAR(100000) %EXACT NOT NULL,
  CONSTRAINT MedicalImageThumbnailsImage UNIQUE (ImageID)
)

-- name: create_image_vectors
-- RelatedReportID: the note that the source names as the report, whether it is here or not.
CREATE TABLE DEMO.MedicalImageVectors (
  ImageNumber BIGINT IDENTITY PRIMARY KEY,
  ImageID VARCHAR(200) %EXACT NOT NULL,
  PatientID VARCHAR(200) %EXACT NOT NULL,
  ClinicalDomain VARCHAR(200) %EXACT,
  EncounterID VARCHAR(200) %EXACT,
  SeriesID VARCHAR(200) %EXACT,
  StudyID VARCHAR(200) %EXACT,
  Modality VARCHAR(40) %EXACT,
  BodyPart VARCHAR(200) %EXACT,
  ViewPosition VARCHAR(200) %EXACT,
  Laterality VARCHAR(40) %EXACT,
  Description VARCHAR(10000),
  ImageDate VARCHAR(40) %SQLSTRING,
  PixelRows INTEGER NOT NULL,
  PixelColumns INTEGER NOT NULL,
  FrameNumber INTEGER NOT NULL,
  FrameCount INTEGER NOT NULL,
  SourcePath VARCHAR(4000) %EXACT NOT NULL,
  SourceFormat VARCHAR(20) %EXACT NOT NULL,
  ContentHash VARCHAR(64) %EXACT NOT NULL,
  RelatedReportID VARCHAR(200) %EXACT,
  Findings VARCHAR(20000) NOT NULL,
  Metadata VARCHAR(100000) NOT NULL,
  BlankFields VARCHAR(200),
  ImageEmbedding VECTOR(DOUBLE, {dimension}) NOT NULL,
  VectorChecksum VARCHAR(64) %EXACT NOT NULL,
  CONSTRAINT MedicalImageVectorsImage UNIQUE (ImageID)
)

-- name: create_image_index_patient
CREATE INDEX MedicalImageVectorsPatient ON DEMO.MedicalImageVectors (PatientID)

-- name: create_image_index_study
CREATE INDEX MedicalImageVectorsStudy ON DEMO.MedicalImageVectors (StudyID)

-- name: create_image_index_report
CREATE INDEX MedicalImageVectorsReport ON DEMO.MedicalImageVectors (RelatedReportID)

-- name: create_image_index_content
CREATE INDEX MedicalImageVectorsContent ON DEMO.MedicalImageVectors (ContentHash)

-- name: columns_of_images
SELECT COLUMN_NAME FROM INFORMATION_SCHEMA.COLUMNS WHERE TABLE_SCHEMA = 'DEMO' AND TABLE_NAME = 'MedicalImageVectors'

-- name: count_images
SELECT COUNT(*) FROM DEMO.MedicalImageVectors

-- name: drop_image_vectors
DROP TABLE DEMO.MedicalImageVectors

-- name: drop_medical_image_thumbnails
DROP TABLE DEMO.MedicalImageThumbnails

-- name: stored_images
SELECT ImageID, VectorChecksum FROM DEMO.MedicalImageVectors WHERE ImageID IN ({marks})

-- name: insert_image
INSERT INTO DEMO.MedicalImageVectors (PatientID, ClinicalDomain, EncounterID, SeriesID, StudyID, Modality, BodyPart, ViewPosition, Laterality, Description, ImageDate, PixelRows, PixelColumns, FrameNumber, FrameCount, SourcePath, SourceFormat, ContentHash, RelatedReportID, Findings, Metadata, BlankFields, ImageEmbedding, VectorChecksum, ImageID)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, TO_VECTOR(?, DOUBLE), ?, ?)

-- name: update_image
UPDATE DEMO.MedicalImageVectors SET PatientID = ?, ClinicalDomain = ?, EncounterID = ?, SeriesID = ?, StudyID = ?, Modality = ?, BodyPart = ?, ViewPosition = ?, Laterality = ?, Description = ?, ImageDate = ?, PixelRows = ?, PixelColumns = ?, FrameNumber = ?, FrameCount = ?, SourcePath = ?, SourceFormat = ?, ContentHash = ?, RelatedReportID = ?, Findings = ?, Metadata = ?, BlankFields = ?
WHERE ImageID = ?

-- name: update_image_vector
UPDATE DEMO.MedicalImageVectors SET ImageEmbedding = TO_VECTOR(?, DOUBLE), VectorChecksum = ? WHERE ImageID = ?

-- name: delete_images
DELETE FROM DEMO.MedicalImageVectors WHERE ImageID IN ({marks})

-- name: delete_thumbnails
DELETE FROM DEMO.MedicalImageThumbnails WHERE ImageID IN ({marks})

-- name: insert_thumbnail
INSERT INTO DEMO.MedicalImageThumbnails (MediaType, Content, ImageID) VALUES (?, ?, ?)

-- name: nearest_images
-- There is no HNSW index on images: every admitted vector is compared, and IRIS sorts.
SELECT TOP {k} ImageID, VECTOR_COSINE(ImageEmbedding, TO_VECTOR(?, DOUBLE)) AS Similarity
FROM DEMO.MedicalImageVectors WHERE {admitted} ORDER BY Similarity DESC

-- name: scan_images
SELECT ImageID, VECTOR_COSINE(ImageEmbedding, TO_VECTOR(?, DOUBLE)) AS Similarity FROM DEMO.MedicalImageVectors WHERE {admitted}

-- name: images_with
SELECT ImageID, PatientID, SourcePath, SourceFormat, ContentHash, SeriesID, StudyID, Modality, BodyPart, ViewPosition, Laterality, Description, ImageDate, PixelRows, PixelColumns, FrameNumber, FrameCount, RelatedReportID, Findings, ClinicalDomain, EncounterID, Metadata, BlankFields
FROM DEMO.MedicalImageVectors WHERE {admitted}

-- name: days_of_images
SELECT ImageID, ImageDate FROM DEMO.MedicalImageVectors WHERE {admitted}

-- name: patients_of_images
SELECT PatientID, StudyID, COUNT(*) FROM DEMO.MedicalImageVectors WHERE {admitted} GROUP BY PatientID, StudyID

-- name: thumbnail
SELECT MediaType, Content FROM DEMO.MedicalImageThumbnails
WHERE ImageID IN (SELECT ImageID FROM DEMO.MedicalImageVectors WHERE {admitted})

-- name: vectors_of_images
SELECT ImageID, ImageEmbedding FROM DEMO.MedicalImageVectors WHERE ImageID IN ({marks})

-- name: image_ids
SELECT ImageID FROM DEMO.MedicalImageVectors

-- name: images_of
SELECT ImageID FROM DEMO.MedicalImageVectors WHERE ContentHash IN ({marks})

-- name: reports_seen
-- The notes that are reports: those that are here and may be seen. Whose they are is compared with the image.
SELECT ResourceID, PatientID FROM DEMO.ClinicalNotes WHERE {admitted}

-- name: admit_image
ImageID IS NOT NULL

-- name: admit_image_ids
ImageID IN ({marks})

-- name: admit_modalities
Modality IN ({marks})

-- name: admit_body_parts
BodyPart IN ({marks})

-- name: admit_study_ids
StudyID IN ({marks})

-- name: admit_related_reports
RelatedReportID IN ({marks})

-- name: admit_resource_ids
ResourceID IN ({marks})

-- name: admit_image_since
ImageDate >= ?

-- name: admit_image_since_or_around
(ImageDate >= ? OR ImageDate IN ({marks}))

-- name: admit_image_until
ImageDate <= ?

-- name: check_image_vectors
SELECT TOP {k} ImageID, ImageEmbedding, VectorChecksum FROM DEMO.MedicalImageVectors ORDER BY ImageNumber DESC

-- name: check_image_thumbnails
SELECT COUNT(*) FROM DEMO.MedicalImageThumbnails WHERE ImageID NOT IN (SELECT ImageID FROM DEMO.MedicalImageVectors)

-- name: images_without_thumbnail
SELECT ImageID FROM DEMO.MedicalImageVectors WHERE ImageID NOT IN (SELECT ImageID FROM DEMO.MedicalImageThumbnails)

-- name: check_image_reports
SELECT i.ImageID FROM DEMO.MedicalImageVectors i JOIN DEMO.ClinicalNotes n ON i.RelatedReportID = n.ResourceID
WHERE i.PatientID <> n.PatientID
