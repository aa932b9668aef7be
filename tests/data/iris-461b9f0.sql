-- What commit 461b9f0 sent to IRIS to make its tables and to fill them, word for word.

-- name: create_schema_version
CREATE TABLE DEMO.SchemaVersion (
  Component VARCHAR(40) %EXACT NOT NULL,
  Version INTEGER NOT NULL,
  CONSTRAINT SchemaVersionComponent UNIQUE (Component)
)

-- name: create_embedding_space
CREATE TABLE DEMO.EmbeddingSpace (
  Purpose VARCHAR(40) %EXACT NOT NULL,
  SpaceID VARCHAR(1000) %EXACT NOT NULL,
  Dimension INTEGER NOT NULL,
  Definition VARCHAR(10000) NOT NULL,
  CONSTRAINT EmbeddingSpacePurpose UNIQUE (Purpose)
)

-- name: create_clinical_notes
CREATE TABLE DEMO.ClinicalNotes (
  NoteNumber BIGINT IDENTITY PRIMARY KEY,
  ResourceID VARCHAR(200) %EXACT NOT NULL,
  PatientID VARCHAR(200) %EXACT NOT NULL,
  DocumentType VARCHAR(200) %EXACT NOT NULL,
  ClinicalDomain VARCHAR(200) %EXACT,
  Author VARCHAR(1000),
  EncounterID VARCHAR(200) %EXACT,
  NoteDate VARCHAR(40) %SQLSTRING,
  Metadata VARCHAR(100000) NOT NULL,
  BlankFields VARCHAR(200),
  TextContent VARCHAR(10000),
  TextParts INTEGER NOT NULL,
  ChunkCount INTEGER NOT NULL,
  Fingerprint VARCHAR(64) %EXACT NOT NULL,
  CONSTRAINT ClinicalNotesResource UNIQUE (ResourceID)
)

-- name: create_clinical_note_text
CREATE TABLE DEMO.ClinicalNoteText (
  PartNumber BIGINT IDENTITY PRIMARY KEY,
  ResourceID VARCHAR(200) %EXACT NOT NULL,
  Part INTEGER NOT NULL,
  Content VARCHAR(30000) NOT NULL,
  CONSTRAINT ClinicalNoteTextPart UNIQUE (ResourceID, Part),
  CONSTRAINT ClinicalNoteTextNote FOREIGN KEY (ResourceID) REFERENCES DEMO.ClinicalNotes (ResourceID)
)

-- name: create_clinical_note_vectors
CREATE TABLE DEMO.ClinicalNoteVectors (
  VectorNumber BIGINT IDENTITY PRIMARY KEY,
  ChunkID VARCHAR(200) %EXACT NOT NULL,
  ResourceID VARCHAR(200) %EXACT NOT NULL,
  PatientID VARCHAR(200) %EXACT NOT NULL,
  DocumentType VARCHAR(200) %EXACT NOT NULL,
  ClinicalDomain VARCHAR(200) %EXACT,
  NoteDate VARCHAR(40) %SQLSTRING,
  Ordinal INTEGER NOT NULL,
  SectionTitle VARCHAR(2000),
  StartOffset INTEGER NOT NULL,
  EndOffset INTEGER NOT NULL,
  OffsetMap VARCHAR(60000),
  ChunkText VARCHAR(60000) NOT NULL,
  SearchText VARCHAR(60000),
  Embedding VECTOR(DOUBLE, {dimension}) NOT NULL,
  VectorChecksum VARCHAR(64) %EXACT NOT NULL,
  Fingerprint VARCHAR(64) %EXACT NOT NULL,
  CONSTRAINT ClinicalNoteVectorsChunk UNIQUE (ChunkID),
  CONSTRAINT ClinicalNoteVectorsNote FOREIGN KEY (ResourceID) REFERENCES DEMO.ClinicalNotes (ResourceID)
)

-- name: create_medical_image_vectors
CREATE TABLE DEMO.MedicalImageVectors (
  VectorNumber BIGINT IDENTITY PRIMARY KEY,
  ImageID VARCHAR(200) %EXACT NOT NULL,
  ResourceID VARCHAR(200) %EXACT,
  PatientID VARCHAR(200) %EXACT NOT NULL,
  StudyID VARCHAR(200) %EXACT,
  Modality VARCHAR(40) %EXACT,
  ImageDate VARCHAR(40) %SQLSTRING,
  Location VARCHAR(2000) %EXACT NOT NULL,
  Metadata VARCHAR(100000) NOT NULL,
  Embedding VECTOR(DOUBLE, {image_dimension}) NOT NULL,
  VectorChecksum VARCHAR(64) %EXACT NOT NULL,
  CONSTRAINT MedicalImageVectorsImage UNIQUE (ImageID),
  CONSTRAINT MedicalImageVectorsReport FOREIGN KEY (ResourceID) REFERENCES DEMO.ClinicalNotes (ResourceID)
)

-- name: create_index_resource
CREATE INDEX ClinicalNoteVectorsResource ON DEMO.ClinicalNoteVectors (ResourceID)

-- name: create_index_patient
CREATE INDEX ClinicalNoteVectorsPatient ON DEMO.ClinicalNoteVectors (PatientID)

-- name: create_index_document_type
CREATE BITMAP INDEX ClinicalNoteVectorsType ON DEMO.ClinicalNoteVectors (DocumentType)

-- name: create_index_domain
CREATE BITMAP INDEX ClinicalNoteVectorsDomain ON DEMO.ClinicalNoteVectors (ClinicalDomain)

-- name: create_index_date
CREATE INDEX ClinicalNoteVectorsDate ON DEMO.ClinicalNoteVectors (NoteDate)

-- name: create_index_image_report
CREATE INDEX MedicalImageVectorsReport ON DEMO.MedicalImageVectors (ResourceID)

-- name: create_index_words
CREATE INDEX SearchTextFind ON DEMO.ClinicalNoteVectors (SearchText) AS %iFind.Index.Basic(LANGUAGE='en', LOWER=1, INDEXOPTION=0)

-- name: insert_schema_version
INSERT INTO DEMO.SchemaVersion (Version, Component) VALUES (?, ?)

-- name: insert_space
INSERT INTO DEMO.EmbeddingSpace (SpaceID, Dimension, Definition, Purpose) VALUES (?, ?, ?, ?)

-- name: insert_note
INSERT INTO DEMO.ClinicalNotes (PatientID, DocumentType, ClinicalDomain, Author, EncounterID, NoteDate, Metadata, BlankFields, TextContent, TextParts, ChunkCount, Fingerprint, ResourceID)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)

-- name: insert_note_text
INSERT INTO DEMO.ClinicalNoteText (ResourceID, Part, Content) VALUES (?, ?, ?)

-- name: insert_chunk
INSERT INTO DEMO.ClinicalNoteVectors (ResourceID, PatientID, DocumentType, ClinicalDomain, NoteDate, Ordinal, SectionTitle, StartOffset, EndOffset, OffsetMap, ChunkText, SearchText, Fingerprint, Embedding, VectorChecksum, ChunkID)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, TO_VECTOR(?, DOUBLE), ?, ?)
