-- Every statement that Chartwell sends to InterSystems IRIS. Values are always bound (?). Braces are filled by
-- pipeline/backends/iris/store.py with nothing but digits, question marks and the conditions `admit_...` of this file. DEMO
-- stands for the schema of the settings; while an embedding space is changed, a second one holds the new vectors.
--
-- What IRIS asks for, and this file keeps to:
--   * VARCHAR compares without regard to case unless it says %EXACT. Dates say %SQLSTRING: under %EXACT a bare year
--     ("2023") is a number and sorts before every text.
--   * The type in TO_VECTOR is never quoted, and its length argument is never used: it pads or cuts in silence.
--   * TOP with ORDER BY ... DESC on the vector function is the one shape that the HNSW index serves. FETCH FIRST and
--     LIMIT have crashed drivers. A trailing semicolon is refused.
--   * DOMAIN, SECTION and LANGUAGE are reserved words: the columns are ClinicalDomain and SectionTitle.
--   * An empty text arrives as NULL: BlankFields names the optional fields that were empty and not absent.
--   * No character streams: LIKE finds nothing in them and drivers disagree about how they come back. A long note's
--     text continues in ClinicalNoteText, in parts.

-- name: ping
SELECT 1

-- name: read_committed
SET TRANSACTION ISOLATION LEVEL READ COMMITTED

-- name: read_uncommitted
SET TRANSACTION ISOLATION LEVEL READ UNCOMMITTED

-- name: tables
-- Asked before anything else: a SELECT from a missing table has crashed drivers.
SELECT TABLE_NAME FROM INFORMATION_SCHEMA.TABLES WHERE TABLE_SCHEMA = 'DEMO'

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

-- name: create_corpus_version
-- One row: a random token for every change that an answer could show. Written last in a transaction, because its row
-- stays locked until the end of that.
CREATE TABLE DEMO.CorpusVersion (
  Component VARCHAR(40) %EXACT NOT NULL,
  Token VARCHAR(40) %EXACT NOT NULL,
  CONSTRAINT CorpusVersionComponent UNIQUE (Component)
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
  SourcePatient VARCHAR(20000) %EXACT,
  CONSTRAINT ClinicalNotesResource UNIQUE (ResourceID)
)

-- name: create_patient_register
-- One row: the highest number of a note that an earlier release wrote and that is not in the register of patients yet;
-- 0 for none.
CREATE TABLE DEMO.PatientRegister (
  Component VARCHAR(40) %EXACT NOT NULL,
  Unread BIGINT NOT NULL,
  CONSTRAINT PatientRegisterComponent UNIQUE (Component)
)

-- name: create_patient_facts
-- What a note says of whose it is, with the note's patient, domain and date, by which a scope admits it.
CREATE TABLE DEMO.PatientFacts (
  FactNumber BIGINT IDENTITY PRIMARY KEY,
  ResourceID VARCHAR(200) %EXACT NOT NULL,
  PatientID VARCHAR(200) %EXACT NOT NULL,
  ClinicalDomain VARCHAR(200) %EXACT,
  NoteDate VARCHAR(40) %SQLSTRING,
  Kind VARCHAR(20) %EXACT NOT NULL,
  FactValue VARCHAR(400) %EXACT NOT NULL,
  FactSource VARCHAR(20) %EXACT NOT NULL,
  NameParts VARCHAR(2000) %EXACT,
  StartOffset INTEGER,
  EndOffset INTEGER,
  CONSTRAINT PatientFactsNote FOREIGN KEY (ResourceID) REFERENCES DEMO.ClinicalNotes (ResourceID)
)

-- name: create_patient_name_words
CREATE TABLE DEMO.PatientNameWords (
  WordNumber BIGINT IDENTITY PRIMARY KEY,
  ResourceID VARCHAR(200) %EXACT NOT NULL,
  PatientID VARCHAR(200) %EXACT NOT NULL,
  ClinicalDomain VARCHAR(200) %EXACT,
  NameWord VARCHAR(100) %EXACT NOT NULL,
  Folded VARCHAR(800) %EXACT NOT NULL,
  IsFamily INTEGER NOT NULL,
  Sound VARCHAR(10) %EXACT NOT NULL,
  CONSTRAINT PatientNameWordsNote FOREIGN KEY (ResourceID) REFERENCES DEMO.ClinicalNotes (ResourceID)
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
  Locator VARCHAR(2000) %EXACT,
  ChunkText VARCHAR(60000) NOT NULL,
  SearchText VARCHAR(60000),
  Embedding VECTOR(DOUBLE, {dimension}) NOT NULL,
  VectorChecksum VARCHAR(64) %EXACT NOT NULL,
  Fingerprint VARCHAR(64) %EXACT NOT NULL,
  CONSTRAINT ClinicalNoteVectorsChunk UNIQUE (ChunkID),
  CONSTRAINT ClinicalNoteVectorsNote FOREIGN KEY (ResourceID) REFERENCES DEMO.ClinicalNotes (ResourceID)
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

-- name: create_index_facts_resource
CREATE INDEX PatientFactsResource ON DEMO.PatientFacts (ResourceID)

-- name: create_index_facts_patient
CREATE INDEX PatientFactsPatient ON DEMO.PatientFacts (PatientID)

-- name: create_index_name_words_resource
CREATE INDEX PatientNameWordsResource ON DEMO.PatientNameWords (ResourceID)

-- name: create_index_name_words
CREATE INDEX PatientNameWordsWord ON DEMO.PatientNameWords (NameWord)

-- name: create_index_name_sounds
CREATE INDEX PatientNameWordsSound ON DEMO.PatientNameWords (Sound)

-- name: create_index_words
-- SQL Search parts words at spaces only ("x-ray," would be one word), so it indexes SearchText: our own words.
CREATE INDEX SearchTextFind ON DEMO.ClinicalNoteVectors (SearchText) AS %iFind.Index.Basic(LANGUAGE='en', LOWER=1, INDEXOPTION=0)

-- name: create_index_vectors
-- Built by optimise(), after the bulk load: it builds immediately and is then kept up to date row by row.
CREATE INDEX EmbeddingNearest ON DEMO.ClinicalNoteVectors (Embedding) AS HNSW(Distance='Cosine')

-- name: drop_index_vectors
DROP INDEX EmbeddingNearest ON DEMO.ClinicalNoteVectors

-- name: columns
SELECT COLUMN_NAME FROM INFORMATION_SCHEMA.COLUMNS WHERE TABLE_SCHEMA = 'DEMO' AND TABLE_NAME = 'ClinicalNoteVectors'

-- name: columns_of_notes
SELECT COLUMN_NAME FROM INFORMATION_SCHEMA.COLUMNS WHERE TABLE_SCHEMA = 'DEMO' AND TABLE_NAME = 'ClinicalNotes'

-- name: upgrade_source_patient
ALTER TABLE DEMO.ClinicalNotes ADD COLUMN SourcePatient VARCHAR(20000) %EXACT

-- name: newest_note
SELECT MAX(NoteNumber) FROM DEMO.ClinicalNotes

-- name: upgrade_locators
ALTER TABLE DEMO.ClinicalNoteVectors ADD COLUMN Locator VARCHAR(2000) %EXACT

-- name: upgrade_part_with_images
-- The first schema made a table for images that nothing filled. Without this key a row that someone put there keeps no
-- note from being removed.
ALTER TABLE DEMO.MedicalImageVectors DROP CONSTRAINT MedicalImageVectorsReport

-- name: upgrade_drop_images
DROP TABLE DEMO.MedicalImageVectors

-- name: drop_corpus_version
DROP TABLE DEMO.CorpusVersion

-- name: drop_patient_register
DROP TABLE DEMO.PatientRegister

-- name: drop_patient_facts
DROP TABLE DEMO.PatientFacts

-- name: drop_patient_name_words
DROP TABLE DEMO.PatientNameWords

-- name: drop_clinical_note_vectors
DROP TABLE DEMO.ClinicalNoteVectors

-- name: drop_clinical_note_text
DROP TABLE DEMO.ClinicalNoteText

-- name: drop_clinical_notes
DROP TABLE DEMO.ClinicalNotes

-- name: drop_embedding_space
DROP TABLE DEMO.EmbeddingSpace

-- name: drop_schema_version
DROP TABLE DEMO.SchemaVersion

-- name: update_statistics
TUNE TABLE DEMO.ClinicalNoteVectors

-- name: schema_version
SELECT Version FROM DEMO.SchemaVersion WHERE Component = ?

-- name: insert_schema_version
INSERT INTO DEMO.SchemaVersion (Version, Component) VALUES (?, ?)

-- name: update_schema_version
UPDATE DEMO.SchemaVersion SET Version = ? WHERE Component = ? AND Version < ?

-- name: corpus_version
SELECT Token FROM DEMO.CorpusVersion WHERE Component = ?

-- name: insert_corpus_version
INSERT INTO DEMO.CorpusVersion (Token, Component) VALUES (?, ?)

-- name: update_corpus_version
UPDATE DEMO.CorpusVersion SET Token = ? WHERE Component = ?

-- name: space
SELECT SpaceID, Dimension, Definition FROM DEMO.EmbeddingSpace WHERE Purpose = ?

-- name: insert_space
INSERT INTO DEMO.EmbeddingSpace (SpaceID, Dimension, Definition, Purpose) VALUES (?, ?, ?, ?)

-- name: rename_space
UPDATE DEMO.EmbeddingSpace SET Purpose = ? WHERE Purpose = ?

-- name: delete_space
DELETE FROM DEMO.EmbeddingSpace WHERE Purpose = ?

-- name: update_space
UPDATE DEMO.EmbeddingSpace SET Definition = ? WHERE Purpose = ?

-- name: note_states
SELECT ResourceID, Fingerprint, ChunkCount, SourcePatient FROM DEMO.ClinicalNotes WHERE ResourceID IN ({marks})

-- name: insert_note
INSERT INTO DEMO.ClinicalNotes (PatientID, DocumentType, ClinicalDomain, Author, EncounterID, NoteDate, Metadata, BlankFields, TextContent, TextParts, ChunkCount, Fingerprint, SourcePatient, ResourceID)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)

-- name: update_note
UPDATE DEMO.ClinicalNotes SET PatientID = ?, DocumentType = ?, ClinicalDomain = ?, Author = ?, EncounterID = ?, NoteDate = ?, Metadata = ?, BlankFields = ?, TextContent = ?, TextParts = ?, ChunkCount = ?, Fingerprint = ?, SourcePatient = ?
WHERE ResourceID = ?

-- name: delete_notes
DELETE FROM DEMO.ClinicalNotes WHERE ResourceID IN ({marks})

-- name: insert_note_text
INSERT INTO DEMO.ClinicalNoteText (ResourceID, Part, Content) VALUES (?, ?, ?)

-- name: delete_note_text
DELETE FROM DEMO.ClinicalNoteText WHERE ResourceID IN ({marks})

-- name: unread
SELECT Unread FROM DEMO.PatientRegister WHERE Component = ?

-- name: insert_unread
INSERT INTO DEMO.PatientRegister (Unread, Component) VALUES (?, ?)

-- name: update_unread
UPDATE DEMO.PatientRegister SET Unread = ? WHERE Component = ?

-- name: notes_up_to
SELECT TOP {k} NoteNumber, ResourceID, PatientID, DocumentType, ClinicalDomain, Author, EncounterID, NoteDate, Metadata, BlankFields, TextContent, TextParts, SourcePatient
FROM DEMO.ClinicalNotes WHERE NoteNumber <= ? ORDER BY NoteNumber DESC

-- name: texts_of_notes
SELECT ResourceID, Part, Content FROM DEMO.ClinicalNoteText WHERE ResourceID IN ({marks})

-- name: insert_fact
INSERT INTO DEMO.PatientFacts (PatientID, ClinicalDomain, NoteDate, Kind, FactValue, FactSource, NameParts, StartOffset, EndOffset, ResourceID)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)

-- name: insert_name_word
INSERT INTO DEMO.PatientNameWords (PatientID, ClinicalDomain, NameWord, Folded, IsFamily, Sound, ResourceID)
VALUES (?, ?, ?, ?, ?, ?, ?)

-- name: delete_facts
DELETE FROM DEMO.PatientFacts WHERE ResourceID IN ({marks})

-- name: delete_name_words
DELETE FROM DEMO.PatientNameWords WHERE ResourceID IN ({marks})

-- name: ids_of_patients
-- No TOP: IRIS orders ids that look like numbers before others, and the page is cut by the order of text.
SELECT DISTINCT PatientID FROM DEMO.ClinicalNotes WHERE {admitted}

-- name: notes_of_patients
SELECT PatientID, COUNT(*), MIN(NoteDate), MAX(NoteDate) FROM DEMO.ClinicalNotes WHERE {admitted} GROUP BY PatientID

-- name: facts_of_patients
SELECT PatientID, Kind, FactValue, FactSource, COUNT(*), MAX(NoteDate), MIN(FactNumber) FROM DEMO.PatientFacts
WHERE {admitted} GROUP BY PatientID, Kind, FactValue, FactSource

-- name: places_of_facts
SELECT FactNumber, NameParts, ResourceID, StartOffset, EndOffset FROM DEMO.PatientFacts WHERE FactNumber IN ({marks})

-- name: patients_with_words
SELECT DISTINCT PatientID FROM DEMO.PatientNameWords WHERE {admitted}

-- name: notes_of_patient
SELECT ResourceID, PatientID, DocumentType, NoteDate, ClinicalDomain, Author, EncounterID, Metadata, BlankFields FROM DEMO.ClinicalNotes WHERE {admitted}

-- name: words_in_names
SELECT DISTINCT NameWord FROM DEMO.PatientNameWords WHERE {admitted}

-- name: patients_with_sounds
SELECT PatientID, COUNT(DISTINCT Sound) FROM DEMO.PatientNameWords WHERE {admitted} GROUP BY PatientID

-- name: admit_name_words
NameWord IN ({marks})

-- name: admit_name_parts
IsFamily IN ({marks})

-- name: admit_name_sounds
Sound IN ({marks})

-- name: admit_name_beginnings
(NameWord LIKE ? OR NameWord LIKE ? OR NameWord LIKE ? OR NameWord LIKE ?)

-- name: admit_folded
(Folded LIKE ? OR Folded LIKE ? OR Folded LIKE ? OR Folded LIKE ?)

-- name: chunks_of_notes
SELECT ChunkID, ResourceID, Fingerprint, VectorChecksum FROM DEMO.ClinicalNoteVectors WHERE ResourceID IN ({marks})

-- name: insert_chunk
INSERT INTO DEMO.ClinicalNoteVectors (ResourceID, PatientID, DocumentType, ClinicalDomain, NoteDate, Ordinal, SectionTitle, StartOffset, EndOffset, OffsetMap, ChunkText, SearchText, Locator, Fingerprint, Embedding, VectorChecksum, ChunkID)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, TO_VECTOR(?, DOUBLE), ?, ?)

-- name: update_chunk
UPDATE DEMO.ClinicalNoteVectors SET ResourceID = ?, PatientID = ?, DocumentType = ?, ClinicalDomain = ?, NoteDate = ?, Ordinal = ?, SectionTitle = ?, StartOffset = ?, EndOffset = ?, OffsetMap = ?, ChunkText = ?, SearchText = ?, Locator = ?, Fingerprint = ?
WHERE ChunkID = ?

-- name: update_vector
UPDATE DEMO.ClinicalNoteVectors SET Embedding = TO_VECTOR(?, DOUBLE), VectorChecksum = ? WHERE ChunkID = ?

-- name: delete_chunks
DELETE FROM DEMO.ClinicalNoteVectors WHERE ChunkID IN ({marks})

-- name: delete_chunks_of_notes
DELETE FROM DEMO.ClinicalNoteVectors WHERE ResourceID IN ({marks})

-- name: document
SELECT PatientID, DocumentType, ClinicalDomain, Author, EncounterID, NoteDate, Metadata, BlankFields, TextContent, TextParts, SourcePatient FROM DEMO.ClinicalNotes WHERE ResourceID = ?

-- name: document_without_source
-- For tables of earlier schemas, which may not be changed by a question.
SELECT PatientID, DocumentType, ClinicalDomain, Author, EncounterID, NoteDate, Metadata, BlankFields, TextContent, TextParts, NULL AS SourcePatient FROM DEMO.ClinicalNotes WHERE ResourceID = ?

-- name: document_text
SELECT Part, Content FROM DEMO.ClinicalNoteText WHERE ResourceID = ?

-- name: vectors_of_chunks
SELECT ChunkID, Embedding FROM DEMO.ClinicalNoteVectors WHERE ChunkID IN ({marks})

-- name: count_notes
SELECT COUNT(*) FROM DEMO.ClinicalNotes

-- name: count_chunks
SELECT COUNT(*) FROM DEMO.ClinicalNoteVectors

-- name: resource_ids
SELECT ResourceID FROM DEMO.ClinicalNotes

-- name: chunk_ids
SELECT ResourceID, ChunkID FROM DEMO.ClinicalNoteVectors WHERE ResourceID IN ({marks})

-- name: hits
SELECT ChunkID, ResourceID, PatientID, DocumentType, NoteDate, ClinicalDomain, SectionTitle, ChunkText, StartOffset, EndOffset, OffsetMap, Locator, VECTOR_COSINE(Embedding, TO_VECTOR(?, DOUBLE)) AS Similarity
FROM DEMO.ClinicalNoteVectors WHERE ChunkID IN ({marks})

-- name: hits_without_locators
-- For tables of schema 1, which may not be changed by a question.
SELECT ChunkID, ResourceID, PatientID, DocumentType, NoteDate, ClinicalDomain, SectionTitle, ChunkText, StartOffset, EndOffset, OffsetMap, NULL AS Locator, VECTOR_COSINE(Embedding, TO_VECTOR(?, DOUBLE)) AS Similarity
FROM DEMO.ClinicalNoteVectors WHERE ChunkID IN ({marks})

-- name: search_vector
-- The only shape that the HNSW index serves. Without the index it is an exact scan.
SELECT TOP {k} ChunkID, PatientID, DocumentType, ClinicalDomain, NoteDate, VECTOR_COSINE(Embedding, TO_VECTOR(?, DOUBLE)) AS Similarity
FROM DEMO.ClinicalNoteVectors ORDER BY Similarity DESC

-- name: scan_vectors
-- No TOP and no ORDER BY, so that the HNSW index is not used: every admitted row, ranked by the caller.
SELECT ChunkID, VECTOR_COSINE(Embedding, TO_VECTOR(?, DOUBLE)) AS Similarity FROM DEMO.ClinicalNoteVectors WHERE {admitted}

-- name: scan_all_vectors
SELECT ChunkID, VECTOR_COSINE(Embedding, TO_VECTOR(?, DOUBLE)) AS Similarity FROM DEMO.ClinicalNoteVectors

-- name: count_notes_admitted
SELECT COUNT(*) FROM DEMO.ClinicalNotes WHERE {admitted}

-- name: values_patient_id
SELECT DISTINCT TOP {k} PatientID FROM DEMO.ClinicalNotes WHERE {admitted} ORDER BY PatientID

-- name: values_document_type
SELECT DISTINCT TOP {k} DocumentType FROM DEMO.ClinicalNotes WHERE {admitted} ORDER BY DocumentType

-- name: values_domain
SELECT DISTINCT TOP {k} ClinicalDomain FROM DEMO.ClinicalNotes WHERE {admitted} ORDER BY ClinicalDomain

-- name: admit_any_patient_id
PatientID IS NOT NULL

-- name: admit_beginning_patient_id
LOWER(SUBSTRING(PatientID, 1, {k})) = LOWER(?)

-- name: admit_any_document_type
DocumentType IS NOT NULL

-- name: admit_beginning_document_type
LOWER(SUBSTRING(DocumentType, 1, {k})) = LOWER(?)

-- name: admit_any_domain
ClinicalDomain IS NOT NULL

-- name: admit_beginning_domain
LOWER(SUBSTRING(ClinicalDomain, 1, {k})) = LOWER(?)

-- name: count_chunks_admitted
SELECT COUNT(*) FROM DEMO.ClinicalNoteVectors WHERE {admitted}

-- name: search_words
SELECT TOP {k} ChunkID, CAST(DEMO.ClinicalNoteVectors_SearchTextFindRank(%ID, ?) AS DOUBLE) AS WordRank
FROM DEMO.ClinicalNoteVectors WHERE {admitted} ORDER BY WordRank DESC

-- name: scan_words
-- For builds whose rank procedure is missing: the newest matches, ranked by the caller.
SELECT TOP {k} ChunkID, SearchText FROM DEMO.ClinicalNoteVectors WHERE {admitted} ORDER BY VectorNumber DESC

-- name: chunks_with
SELECT TOP {k} ChunkID, PatientID, NoteDate FROM DEMO.ClinicalNoteVectors WHERE {admitted} ORDER BY NoteDate DESC

-- name: admit_words
%ID %FIND search_index(SearchTextFind, ?)

-- name: admit_patient_ids
PatientID IN ({marks})

-- name: admit_document_types
DocumentType IN ({marks})

-- name: admit_domains
ClinicalDomain IN ({marks})

-- name: admit_since
NoteDate >= ?

-- name: admit_since_or_around
-- The less precise dates around the beginning: "2024" and "2024-03" around 2024-03-10.
(NoteDate >= ? OR NoteDate IN ({marks}))

-- name: admit_until
NoteDate <= ?

-- name: admit_undated
NoteDate IS NULL

-- name: check_orphans
SELECT COUNT(*) FROM DEMO.ClinicalNoteVectors WHERE ResourceID NOT IN (SELECT ResourceID FROM DEMO.ClinicalNotes)

-- name: check_filter_columns
SELECT COUNT(*) FROM DEMO.ClinicalNoteVectors v JOIN DEMO.ClinicalNotes n ON v.ResourceID = n.ResourceID
WHERE v.PatientID <> n.PatientID OR v.DocumentType <> n.DocumentType

-- name: check_notes
SELECT ResourceID, ChunkCount, TextParts FROM DEMO.ClinicalNotes

-- name: check_chunks
SELECT ResourceID, COUNT(*) FROM DEMO.ClinicalNoteVectors GROUP BY ResourceID

-- name: check_text
SELECT ResourceID, COUNT(*) FROM DEMO.ClinicalNoteText GROUP BY ResourceID

-- name: check_vectors
SELECT TOP {k} ChunkID, Embedding, VectorChecksum FROM DEMO.ClinicalNoteVectors ORDER BY VectorNumber DESC

-- name: explain_search
-- The plan of search_vector, as rows of XML text. Whether every build takes it with a bound vector is not known: where
-- it is refused, the time of a search is all there is to go by.
EXPLAIN SELECT TOP {k} ChunkID, PatientID, DocumentType, ClinicalDomain, NoteDate, VECTOR_COSINE(Embedding, TO_VECTOR(?, DOUBLE)) AS Similarity
FROM DEMO.ClinicalNoteVectors ORDER BY Similarity DESC
