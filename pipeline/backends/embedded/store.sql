-- The embedded store: notes, their chunks, the vectors and codes of the chunks, and the words of both.
--
-- RowIDs are never given out twice (AUTOINCREMENT) and a chunk's vector, code, text and note never change under one
-- RowID. So a reader follows the store by two numbers: the last RowID and the last deletion it has seen.

-- name: create_schema_version
CREATE TABLE IF NOT EXISTS SchemaVersion (
    OnlyRow INTEGER PRIMARY KEY CHECK (OnlyRow = 1),
    Version INTEGER NOT NULL
)

-- name: create_embedding_space
CREATE TABLE IF NOT EXISTS EmbeddingSpace (
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

-- name: create_sign_centre
-- What the sign codes are taken around. Version counts its moves; Chunks is how many there were when it was determined.
CREATE TABLE IF NOT EXISTS SignCentre (
    OnlyRow INTEGER PRIMARY KEY CHECK (OnlyRow = 1),
    Version INTEGER NOT NULL,
    Chunks  INTEGER NOT NULL,
    Mean    BLOB NOT NULL,
    Spread  BLOB NOT NULL
)

-- name: create_clinical_notes
-- TextContent is what is shown, TextRest what follows it: together the note as it was handed in. SourcePatient: JSON of
-- what the source says of the patient besides the note.
CREATE TABLE IF NOT EXISTS ClinicalNotes (
    RowID        INTEGER PRIMARY KEY AUTOINCREMENT,
    ResourceID   TEXT NOT NULL UNIQUE,
    PatientID    TEXT NOT NULL,
    DocumentType TEXT NOT NULL,
    Domain       TEXT,
    Author       TEXT,
    EncounterID  TEXT,
    NoteDate     TEXT,
    Metadata     TEXT NOT NULL,
    TextContent  TEXT NOT NULL,
    TextRest     TEXT,
    SourcePatient TEXT
)

-- name: create_index_patient
CREATE INDEX IF NOT EXISTS ClinicalNotesPatient ON ClinicalNotes (PatientID)

-- name: create_index_document_type
CREATE INDEX IF NOT EXISTS ClinicalNotesType ON ClinicalNotes (DocumentType)

-- name: create_index_domain
CREATE INDEX IF NOT EXISTS ClinicalNotesDomain ON ClinicalNotes (Domain)

-- name: create_index_date
CREATE INDEX IF NOT EXISTS ClinicalNotesDate ON ClinicalNotes (NoteDate)

-- name: create_clinical_note_vectors
-- Offsets: JSON pairs [position in ChunkText, position in the note], NULL where the two advance together.
-- Locator: JSON of a place on a page or in an image, NULL for a note that is text.
CREATE TABLE IF NOT EXISTS ClinicalNoteVectors (
    RowID       INTEGER PRIMARY KEY AUTOINCREMENT,
    ChunkID     TEXT NOT NULL UNIQUE,
    ResourceID  TEXT NOT NULL REFERENCES ClinicalNotes (ResourceID),
    Ordinal     INTEGER NOT NULL,
    Section     TEXT,
    ChunkText   TEXT NOT NULL,
    StartOffset INTEGER NOT NULL,
    EndOffset   INTEGER NOT NULL,
    Offsets     TEXT,
    Locator     TEXT
)

-- name: create_index_resource
CREATE UNIQUE INDEX IF NOT EXISTS ClinicalNoteVectorsNote ON ClinicalNoteVectors (ResourceID, ChunkID)

-- name: create_embeddings
-- Little-endian float32, as the embedder gave them.
CREATE TABLE IF NOT EXISTS ClinicalNoteEmbeddings (
    RowID     INTEGER PRIMARY KEY REFERENCES ClinicalNoteVectors (RowID) ON DELETE CASCADE,
    Embedding BLOB NOT NULL
)

-- name: create_signs
-- One bit a dimension, in a table of its own so that reading codes does not read vectors.
CREATE TABLE IF NOT EXISTS ClinicalNoteSigns (
    RowID     INTEGER PRIMARY KEY REFERENCES ClinicalNoteVectors (RowID) ON DELETE CASCADE,
    NoteRowID INTEGER NOT NULL,
    SignCode  BLOB NOT NULL
)

-- name: create_signs_by_note
CREATE INDEX IF NOT EXISTS ClinicalNoteSignsNote ON ClinicalNoteSigns (NoteRowID)

-- name: create_corpus_version
-- A random token: a counter would come back to a number that it had before, once a snapshot is restored.
CREATE TABLE IF NOT EXISTS CorpusVersion (
    OnlyRow INTEGER PRIMARY KEY CHECK (OnlyRow = 1),
    Token   TEXT NOT NULL
)

-- name: create_patient_facts
-- What a note says of whose it is: names, sex, birth date, age, each with its place. NameParts: JSON of a name's parts.
CREATE TABLE IF NOT EXISTS PatientFacts (
    RowID       INTEGER PRIMARY KEY,
    NoteRowID   INTEGER NOT NULL REFERENCES ClinicalNotes (RowID) ON DELETE CASCADE,
    Kind        TEXT NOT NULL,
    Value       TEXT NOT NULL,
    Source      TEXT NOT NULL,
    StartOffset INTEGER,
    EndOffset   INTEGER,
    NameParts   TEXT
)

-- name: create_patient_facts_by_note
CREATE INDEX IF NOT EXISTS PatientFactsNote ON PatientFacts (NoteRowID)

-- name: create_patient_name_words
-- Folded words of the names. By note, so that they go with it; the indexes hold all that a lookup reads.
CREATE TABLE IF NOT EXISTS PatientNameWords (
    NoteRowID INTEGER NOT NULL REFERENCES ClinicalNotes (RowID) ON DELETE CASCADE,
    Word      TEXT NOT NULL,
    Folded    TEXT NOT NULL,
    IsFamily  INTEGER NOT NULL,
    Sound     TEXT NOT NULL,
    PRIMARY KEY (NoteRowID, Word, Folded, IsFamily)
) WITHOUT ROWID

-- name: create_patient_words_by_word
CREATE INDEX IF NOT EXISTS PatientNameWordsWord ON PatientNameWords (Word)

-- name: create_patient_words_by_sound
CREATE INDEX IF NOT EXISTS PatientNameWordsSound ON PatientNameWords (Sound)

-- name: create_patient_register
-- Unread: the highest row of a note that an earlier release wrote and that is not in the register yet; 0 for none.
CREATE TABLE IF NOT EXISTS PatientRegister (
    OnlyRow INTEGER PRIMARY KEY CHECK (OnlyRow = 1),
    Unread  INTEGER NOT NULL
)

-- name: upgrade_source_patient
ALTER TABLE ClinicalNotes ADD COLUMN SourcePatient TEXT

-- name: upgrade_unread
INSERT INTO PatientRegister (OnlyRow, Unread)
SELECT 1, coalesce(MAX(RowID), 0) FROM ClinicalNotes WHERE TRUE ON CONFLICT DO NOTHING

-- name: upgrade_locators
ALTER TABLE ClinicalNoteVectors ADD COLUMN Locator TEXT

-- name: create_deletions
CREATE TABLE IF NOT EXISTS DeletedVectors (
    Sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    RowID    INTEGER NOT NULL
)

-- name: create_words
CREATE VIRTUAL TABLE IF NOT EXISTS ClinicalNoteWords USING fts5(
    Section, ChunkText, content = 'ClinicalNoteVectors', content_rowid = 'RowID', tokenize = '{tokenizer}'
)

-- name: create_terms
CREATE VIRTUAL TABLE IF NOT EXISTS ClinicalNoteTerms USING fts5vocab(ClinicalNoteWords, 'row')

-- name: create_chunk_inserted
CREATE TRIGGER IF NOT EXISTS ClinicalNoteVectorsInserted AFTER INSERT ON ClinicalNoteVectors BEGIN
    INSERT INTO ClinicalNoteWords (rowid, Section, ChunkText) VALUES (new.RowID, new.Section, new.ChunkText);
END

-- name: create_chunk_deleted
CREATE TRIGGER IF NOT EXISTS ClinicalNoteVectorsDeleted AFTER DELETE ON ClinicalNoteVectors BEGIN
    INSERT INTO ClinicalNoteWords (ClinicalNoteWords, rowid, Section, ChunkText)
    VALUES ('delete', old.RowID, old.Section, old.ChunkText);
    INSERT INTO DeletedVectors (RowID) VALUES (old.RowID);
END

-- name: create_chunk_renamed
CREATE TRIGGER IF NOT EXISTS ClinicalNoteVectorsRenamed AFTER UPDATE OF Section ON ClinicalNoteVectors
WHEN old.Section IS NOT new.Section BEGIN
    INSERT INTO ClinicalNoteWords (ClinicalNoteWords, rowid, Section, ChunkText)
    VALUES ('delete', old.RowID, old.Section, old.ChunkText);
    INSERT INTO ClinicalNoteWords (rowid, Section, ChunkText) VALUES (new.RowID, new.Section, new.ChunkText);
END

-- name: drop_terms
DROP TABLE ClinicalNoteTerms

-- name: drop_words
DROP TABLE ClinicalNoteWords

-- name: drop_signs
DROP TABLE ClinicalNoteSigns

-- name: drop_embeddings
DROP TABLE ClinicalNoteEmbeddings

-- name: drop_chunk_deleted
-- First, because dropping a table deletes its rows, and each would be logged.
DROP TRIGGER ClinicalNoteVectorsDeleted

-- name: drop_clinical_note_vectors
DROP TABLE ClinicalNoteVectors

-- name: drop_patient_register
DROP TABLE PatientRegister

-- name: drop_patient_name_words
DROP TABLE PatientNameWords

-- name: drop_patient_facts
DROP TABLE PatientFacts

-- name: drop_clinical_notes
DROP TABLE ClinicalNotes

-- name: drop_deletions
DROP TABLE DeletedVectors

-- name: drop_embedding_space
DROP TABLE EmbeddingSpace

-- name: number_again_from
-- A dropped table forgets which numbers it gave out.
INSERT INTO sqlite_sequence (name, seq) VALUES (:name, :seq)

-- name: fts5_compiled_in
SELECT sqlite_compileoption_used('ENABLE_FTS5')

-- name: has_schema
SELECT COUNT(*) FROM sqlite_master WHERE type = 'table' AND name = 'SchemaVersion'

-- name: schema_version
SELECT Version FROM SchemaVersion

-- name: insert_schema_version
INSERT INTO SchemaVersion (OnlyRow, Version) VALUES (1, ?) ON CONFLICT DO NOTHING

-- name: update_schema_version
UPDATE SchemaVersion SET Version = ?

-- name: corpus_version
SELECT Token FROM CorpusVersion

-- name: change_corpus_version
INSERT INTO CorpusVersion (OnlyRow, Token) VALUES (1, lower(hex(randomblob(16))))
ON CONFLICT (OnlyRow) DO UPDATE SET Token = excluded.Token

-- name: space
SELECT Provider, Model, Dimension, QueryPrefix, PassagePrefix, InputTypes, Normalised, TokensMax, SimilarityFloor
FROM EmbeddingSpace

-- name: version_and_space
-- What every reader asks first, in one statement.
SELECT Version, Provider, Model, Dimension, QueryPrefix, PassagePrefix, InputTypes, Normalised, TokensMax,
       SimilarityFloor
FROM SchemaVersion LEFT JOIN EmbeddingSpace

-- name: insert_space
INSERT INTO EmbeddingSpace
VALUES (1, :provider, :model, :dimension, :query_prefix, :passage_prefix, :input_types, :normalised, :tokens_max,
        :similarity_floor)

-- name: update_space
UPDATE EmbeddingSpace SET SimilarityFloor = ?

-- name: centre
SELECT Version, Chunks, Mean, Spread FROM SignCentre

-- name: move_centre
INSERT INTO SignCentre (OnlyRow, Version, Chunks, Mean, Spread) VALUES (1, 1, :chunks, :mean, :spread)
ON CONFLICT (OnlyRow) DO UPDATE SET
    Version = Version + 1, Chunks = excluded.Chunks, Mean = excluded.Mean, Spread = excluded.Spread

-- name: confirm_centre
INSERT INTO SignCentre (OnlyRow, Version, Chunks, Mean, Spread) VALUES (1, 0, :chunks, :mean, :spread)
ON CONFLICT (OnlyRow) DO UPDATE SET Chunks = excluded.Chunks, Spread = excluded.Spread

-- name: delete_centre
DELETE FROM SignCentre

-- name: upsert_note
INSERT INTO ClinicalNotes (ResourceID, PatientID, DocumentType, Domain, Author, EncounterID, NoteDate, Metadata,
                           TextContent, TextRest, SourcePatient)
VALUES (:resource_id, :patient_id, :document_type, :domain, :author, :encounter_id, :date, :metadata,
        :text_content, :text_rest, :source_patient)
ON CONFLICT (ResourceID) DO UPDATE SET
    PatientID = excluded.PatientID, DocumentType = excluded.DocumentType, Domain = excluded.Domain,
    Author = excluded.Author, EncounterID = excluded.EncounterID, NoteDate = excluded.NoteDate,
    Metadata = excluded.Metadata, TextContent = excluded.TextContent, TextRest = excluded.TextRest,
    SourcePatient = excluded.SourcePatient

-- name: note_rows
SELECT ResourceID, RowID FROM ClinicalNotes WHERE ResourceID IN (SELECT value FROM json_each(?))

-- name: chunks_of_notes
SELECT ResourceID, ChunkID, RowID, ChunkText, Embedding, Ordinal, Section, StartOffset, EndOffset, Offsets, Locator
FROM ClinicalNoteVectors JOIN ClinicalNoteEmbeddings USING (RowID)
WHERE ResourceID IN (SELECT value FROM json_each(?))

-- name: owners_of_chunks
SELECT ChunkID, ResourceID FROM ClinicalNoteVectors WHERE ChunkID IN (SELECT value FROM json_each(?)) LIMIT 1

-- name: move_chunk
UPDATE ClinicalNoteVectors
SET Ordinal = :ordinal, Section = :section, StartOffset = :start, EndOffset = :end, Offsets = :offsets,
    Locator = :locator
WHERE RowID = :row

-- name: insert_chunk
INSERT INTO ClinicalNoteVectors
    (RowID, ChunkID, ResourceID, Ordinal, Section, ChunkText, StartOffset, EndOffset, Offsets, Locator)
VALUES (:row, :chunk_id, :resource_id, :ordinal, :section, :text, :start, :end, :offsets, :locator)

-- name: insert_embedding
INSERT INTO ClinicalNoteEmbeddings (RowID, Embedding) VALUES (?, ?)

-- name: insert_sign
INSERT INTO ClinicalNoteSigns (RowID, NoteRowID, SignCode) VALUES (?, ?, ?)

-- name: update_sign
UPDATE ClinicalNoteSigns SET SignCode = ? WHERE RowID = ?

-- name: delete_chunk
DELETE FROM ClinicalNoteVectors WHERE RowID = ?

-- name: delete_chunks_of_notes
DELETE FROM ClinicalNoteVectors WHERE ResourceID IN (SELECT value FROM json_each(?))

-- name: delete_notes
DELETE FROM ClinicalNotes WHERE ResourceID IN (SELECT value FROM json_each(?))

-- name: forget_old_deletions
DELETE FROM DeletedVectors WHERE Sequence <= ?

-- name: sequences
SELECT name, seq FROM sqlite_sequence WHERE name IN ('ClinicalNotes', 'ClinicalNoteVectors', 'DeletedVectors')

-- name: deletions_since
SELECT RowID FROM DeletedVectors WHERE Sequence > ?

-- name: vectors_since
SELECT RowID, NoteRowID, Embedding FROM ClinicalNoteSigns JOIN ClinicalNoteEmbeddings USING (RowID)
WHERE RowID > ? ORDER BY RowID

-- name: signs_since
SELECT RowID, NoteRowID, SignCode FROM ClinicalNoteSigns WHERE RowID > ? ORDER BY RowID

-- name: embeddings
SELECT RowID, Embedding FROM ClinicalNoteEmbeddings WHERE RowID IN (SELECT value FROM json_each(?)) ORDER BY RowID

-- name: every_nth_embedding
SELECT RowID, Embedding FROM ClinicalNoteEmbeddings WHERE RowID % ? = 0 ORDER BY RowID

-- name: chunk_ids_of_rows
SELECT RowID, ChunkID FROM ClinicalNoteVectors WHERE RowID IN (SELECT value FROM json_each(?))

-- name: vectors_of_chunks
SELECT ChunkID, RowID, Embedding FROM ClinicalNoteVectors JOIN ClinicalNoteEmbeddings USING (RowID)
WHERE ChunkID IN (SELECT value FROM json_each(?))

-- name: document
-- {source_patient}: the column, NULL in a store that has none yet.
SELECT ResourceID, PatientID, DocumentType, TextContent, TextRest, NoteDate, Domain, Author, EncounterID, Metadata,
       {source_patient}
FROM ClinicalNotes WHERE ResourceID = ?

-- name: count_notes
SELECT COUNT(*) FROM ClinicalNotes

-- name: count_chunks
SELECT COUNT(*) FROM ClinicalNoteVectors

-- name: chunk_ids_after
SELECT ResourceID, ChunkID FROM ClinicalNoteVectors WHERE (ResourceID, ChunkID) > (?, ?)
ORDER BY ResourceID, ChunkID LIMIT ?

-- name: hits
-- In the order asked: json_each gives each id its place. {locator}: the column, NULL in a store that has none yet.
SELECT c.ChunkID, c.ResourceID, n.PatientID, n.DocumentType, n.NoteDate, n.Domain, c.Section, c.ChunkText,
       c.StartOffset, c.EndOffset, c.Offsets, {locator}, c.RowID, e.Embedding
FROM json_each(?) AS asked
JOIN ClinicalNoteVectors AS c ON c.ChunkID = asked.value
JOIN ClinicalNotes AS n ON n.ResourceID = c.ResourceID
JOIN ClinicalNoteEmbeddings AS e ON e.RowID = c.RowID
ORDER BY asked.key

-- name: notes_admitted
SELECT RowID FROM ClinicalNotes WHERE {filters}

-- name: count_notes_admitted
SELECT COUNT(*) FROM ClinicalNotes WHERE {filters}

-- name: count_notes_up_to
SELECT COUNT(*) FROM (SELECT 1 FROM ClinicalNotes WHERE {filters} LIMIT :most)

-- name: values_admitted
SELECT DISTINCT {column} FROM ClinicalNotes
WHERE {column} > '' AND {beginning} AND {filters} ORDER BY {column} LIMIT :limit

-- name: value_begins
lower(substr({column}, 1, length(:beginning))) = lower(:beginning)

-- name: count_chunks_admitted
SELECT COUNT(*) FROM ClinicalNoteSigns WHERE NoteRowID IN (SELECT RowID FROM ClinicalNotes WHERE {filters})

-- name: admit_patient_ids
PatientID IN (SELECT value FROM json_each(:patient_ids))

-- name: admit_patients_alone
-- Not what belongs to no patient.
PatientID <> :no_patient

-- name: admit_document_types
DocumentType IN (SELECT value FROM json_each(:document_types))

-- name: admit_domains
Domain IN (SELECT value FROM json_each(:domains))

-- name: admit_since
-- What begins in the period, and the less precise dates around its beginning ("2024" and "2024-03" around 2024-03-10).
-- The index is read from the widest of these that a note has, where any has one: not all of the year for nothing.
NoteDate >= coalesce((
    SELECT MIN(around.NoteDate) FROM ClinicalNotes AS around
    WHERE around.NoteDate IN (substr(:since, 1, 4), substr(:since, 1, 7), substr(:since, 1, 10), substr(:since, 1, 16))
), :since) AND (NoteDate >= :since OR NoteDate = substr(:since, 1, length(NoteDate)))

-- name: admit_until
-- `:until` ends in the last character there is, so that it takes in every moment of its day, month or year.
NoteDate <= :until

-- name: admit_undated
NoteDate IS NULL

-- name: unread
-- The register of patients, from here on. Its rows are a note's: written and removed with it, and seen by whoever may
-- see that. So each statement that reads joins the notes, and {filters} are the conditions on them.
-- The highest row of a note that is not in the register yet; 0 where all are.
SELECT Unread FROM PatientRegister

-- name: insert_unread
INSERT INTO PatientRegister (OnlyRow, Unread) VALUES (1, 0) ON CONFLICT DO NOTHING

-- name: update_unread
UPDATE PatientRegister SET Unread = ?

-- name: notes_up_to
SELECT RowID, ResourceID, PatientID, DocumentType, TextContent, TextRest, NoteDate, Domain, Author, EncounterID, Metadata,
       SourcePatient
FROM ClinicalNotes WHERE RowID <= ? ORDER BY RowID DESC LIMIT ?

-- name: delete_facts
DELETE FROM PatientFacts WHERE NoteRowID IN (SELECT value FROM json_each(?))

-- name: delete_name_words
DELETE FROM PatientNameWords WHERE NoteRowID IN (SELECT value FROM json_each(?))

-- name: insert_fact
INSERT INTO PatientFacts (NoteRowID, Kind, Value, Source, StartOffset, EndOffset, NameParts) VALUES (?, ?, ?, ?, ?, ?, ?)

-- name: insert_name_word
INSERT OR IGNORE INTO PatientNameWords (NoteRowID, Word, Folded, IsFamily, Sound) VALUES (?, ?, ?, ?, ?)

-- name: ids_of_patients
SELECT PatientID FROM ClinicalNotes WHERE PatientID > :after AND {filters}
GROUP BY PatientID ORDER BY PatientID LIMIT :limit

-- name: notes_of_patients
SELECT PatientID, COUNT(*), MIN(NoteDate), MAX(NoteDate) FROM ClinicalNotes
WHERE PatientID IN (SELECT value FROM json_each(:patients)) AND {filters} GROUP BY PatientID

-- name: facts_of_patients
-- What stands beside MAX is of the row that has it.
SELECT PatientID, Kind, Value, Source, NameParts, COUNT(*) AS Notes, MAX(NoteDate), ResourceID, StartOffset, EndOffset,
       fact.RowID AS Place
FROM ClinicalNotes JOIN PatientFacts AS fact ON fact.NoteRowID = ClinicalNotes.RowID
WHERE PatientID IN (SELECT value FROM json_each(:patients)) AND {filters}
GROUP BY PatientID, Kind, Value, Source ORDER BY Notes DESC, Place LIMIT :most

-- name: patients_with_words
-- CROSS: words are looked up, and then the notes that have them.
SELECT DISTINCT PatientID
FROM PatientNameWords AS found CROSS JOIN ClinicalNotes ON ClinicalNotes.RowID = found.NoteRowID
WHERE found.Word IN (SELECT value FROM json_each(:words)) AND found.IsFamily IN (SELECT value FROM json_each(:parts))
  AND NOT EXISTS (
    SELECT 1 FROM json_each(:others) AS other
    WHERE NOT EXISTS (SELECT 1 FROM json_each(other.value) AS form WHERE instr(found.Folded, form.value))
  )
  AND {filters}
ORDER BY PatientID LIMIT :limit

-- name: patients_beginning
-- CROSS as above. A name's words are in small letters, so what begins so lies between two words of the index.
SELECT PatientID FROM (
    SELECT PatientID
    FROM json_each(:first) AS typed CROSS JOIN PatientNameWords AS found
         CROSS JOIN ClinicalNotes ON ClinicalNotes.RowID = found.NoteRowID
    WHERE found.Word >= typed.value AND found.Word < typed.value || :last_character
      AND NOT EXISTS (
        SELECT 1 FROM json_each(:others) AS other
        WHERE NOT EXISTS (SELECT 1 FROM json_each(other.value) AS form WHERE instr(found.Folded, form.value))
      )
      AND {filters}
    UNION
    SELECT PatientID FROM ClinicalNotes
    WHERE lower(substr(PatientID, 1, length(:typed))) = lower(:typed) AND {filters}
) WHERE PatientID > :after ORDER BY PatientID LIMIT :limit

-- name: notes_of_patient
SELECT ResourceID, PatientID, DocumentType, NoteDate, Domain, Author, EncounterID,
       json_extract(Metadata, '$.title')
FROM ClinicalNotes WHERE PatientID = :patient AND {filters}
ORDER BY NoteDate IS NULL, NoteDate DESC, ResourceID LIMIT :limit OFFSET :skip

-- name: words_in_names
SELECT asked.value FROM json_each(:words) AS asked WHERE EXISTS (
    SELECT 1 FROM PatientNameWords AS found CROSS JOIN ClinicalNotes ON ClinicalNotes.RowID = found.NoteRowID
    WHERE found.Word = asked.value AND {filters}
)

-- name: patients_with_sounds
SELECT PatientID, COUNT(DISTINCT found.Sound) AS Alike
FROM PatientNameWords AS found CROSS JOIN ClinicalNotes ON ClinicalNotes.RowID = found.NoteRowID
WHERE found.Sound IN (SELECT value FROM json_each(:sounds)) AND {filters}
GROUP BY PatientID ORDER BY Alike DESC, PatientID LIMIT :limit

-- name: documents_with_terms
-- CROSS: each term is looked up; the other way round the whole vocabulary would be read.
SELECT found.term, found.doc FROM json_each(?) AS asked CROSS JOIN ClinicalNoteTerms AS found
WHERE found.term = asked.value

-- name: search_words
SELECT c.ChunkID, best.Score FROM (
    SELECT rowid AS Row, bm25(ClinicalNoteWords) AS Score FROM ClinicalNoteWords
    WHERE ClinicalNoteWords MATCH :expression ORDER BY Score, rowid LIMIT :k
) AS best JOIN ClinicalNoteVectors AS c ON c.RowID = best.Row ORDER BY best.Score, best.Row

-- name: search_words_of_few
-- The unary plus keeps SQLite from running the whole MATCH once for each admitted row.
SELECT c.ChunkID, best.Score FROM (
    SELECT rowid AS Row, bm25(ClinicalNoteWords) AS Score FROM ClinicalNoteWords
    WHERE ClinicalNoteWords MATCH :expression AND +rowid IN (
        SELECT RowID FROM ClinicalNoteSigns WHERE NoteRowID IN (SELECT RowID FROM ClinicalNotes WHERE {filters})
    ) ORDER BY Score, rowid LIMIT :k
) AS best JOIN ClinicalNoteVectors AS c ON c.RowID = best.Row ORDER BY best.Score, best.Row

-- name: search_words_of_many
SELECT c.ChunkID, best.Score FROM (
    SELECT w.rowid AS Row, bm25(ClinicalNoteWords) AS Score
    FROM ClinicalNoteWords AS w CROSS JOIN ClinicalNoteSigns AS s ON s.RowID = w.rowid
    WHERE ClinicalNoteWords MATCH :expression
      AND s.NoteRowID IN (SELECT RowID FROM ClinicalNotes WHERE {filters})
    ORDER BY Score, w.rowid LIMIT :k
) AS best JOIN ClinicalNoteVectors AS c ON c.RowID = best.Row ORDER BY best.Score, best.Row

-- name: chunks_with
-- By the note's row, which ClinicalNoteSigns has next to the chunk's: reading the chunk would read its text.
SELECT c.ChunkID, n.PatientID, n.NoteDate
FROM (SELECT rowid AS Row FROM ClinicalNoteWords WHERE ClinicalNoteWords MATCH :expression) AS w
JOIN ClinicalNoteSigns AS s ON s.RowID = w.Row
JOIN ClinicalNotes AS n ON n.RowID = s.NoteRowID
JOIN ClinicalNoteVectors AS c ON c.RowID = w.Row
WHERE {admitted}
ORDER BY n.NoteDate DESC, c.RowID LIMIT :limit

-- name: notes_are_admitted
n.RowID IN (SELECT RowID FROM ClinicalNotes WHERE {filters})

-- name: check_file
PRAGMA integrity_check(20)

-- name: check_references
PRAGMA foreign_key_check

-- name: check_words
-- 1: compare with the content table too. Raises where the index does not match.
INSERT INTO ClinicalNoteWords (ClinicalNoteWords, rank) VALUES ('integrity-check', 1)

-- name: check_chunks_without_vector
SELECT COUNT(*) FROM ClinicalNoteVectors AS c
WHERE NOT EXISTS (SELECT 1 FROM ClinicalNoteEmbeddings AS e WHERE e.RowID = c.RowID)
   OR NOT EXISTS (SELECT 1 FROM ClinicalNoteSigns AS s WHERE s.RowID = c.RowID)

-- name: check_vectors_without_chunk
SELECT (SELECT COUNT(*) FROM ClinicalNoteEmbeddings WHERE RowID NOT IN (SELECT RowID FROM ClinicalNoteVectors))
     + (SELECT COUNT(*) FROM ClinicalNoteSigns WHERE RowID NOT IN (SELECT RowID FROM ClinicalNoteVectors))

-- name: check_codes_of_another_note
SELECT COUNT(*) FROM ClinicalNoteSigns AS s
JOIN ClinicalNoteVectors AS c ON c.RowID = s.RowID JOIN ClinicalNotes AS n ON n.ResourceID = c.ResourceID
WHERE n.RowID <> s.NoteRowID

-- name: check_vectors_and_codes
SELECT c.RowID, c.ChunkID, e.Embedding, s.SignCode
FROM ClinicalNoteVectors AS c JOIN ClinicalNoteEmbeddings AS e ON e.RowID = c.RowID
JOIN ClinicalNoteSigns AS s ON s.RowID = c.RowID ORDER BY c.RowID

-- name: merge_words
INSERT INTO ClinicalNoteWords (ClinicalNoteWords) VALUES ('optimize')

-- name: update_statistics
PRAGMA optimize

-- name: truncate_log
PRAGMA wal_checkpoint(TRUNCATE)
