"""What every store promises, as tests. Knows `ports.Store` and records only, no back-end.

A back-end's test file subclasses `StoreContract` and supplies `store_factory`: a callable without arguments that
opens one more handle on this test's own, initially empty store. Where a back-end cannot keep a promise it says so in
`gaps`, test name to reason; such a test must then fail, so that a gap that has closed is noticed.

    class TestEmbeddedStore(StoreContract):
        gaps = {}

        @pytest.fixture
        def store_factory(self, tmp_path): ...
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import ClassVar, TypeAlias

import numpy as np
import pytest

from pipeline.errors import BadRequest, SpaceMismatch, StoreError, StoreRejectedRow
from pipeline.locators import Characters, ImageRegion, PageBox
from pipeline.ports import Store
from pipeline.records import (
    EVERYTHING,
    NO_PATIENT,
    AccessScope,
    Chunk,
    Document,
    EmbeddedChunk,
    EmbeddedDocument,
    EmbeddingSpace,
    Filters,
    StoreCounts,
    Vector,
    unit_length,
)

StoreFactory: TypeAlias = Callable[[], Store]

DIMENSION = 8
SPACE = EmbeddingSpace(provider="hashing", model="contract-1", dimension=DIMENSION, similarity_floor=0.2)
ANY = Filters()


def axis(number: int, dimension: int = DIMENSION) -> Vector:
    """The unit vector along one axis."""
    vector = np.zeros(dimension, dtype=np.float32)
    vector[number] = 1.0
    return vector


def leaning(cosine: float, towards: int = 0, away: int = 1) -> Vector:
    """A unit vector whose cosine with `axis(towards)` is `cosine`."""
    return np.asarray(cosine * axis(towards) + np.sqrt(1.0 - cosine * cosine) * axis(away), dtype=np.float32)


def note(resource_id: str, *passages: tuple[str, Vector], **fields: object) -> EmbeddedDocument:
    """A note whose text is its passages joined by blank lines, each a chunk named `<resource_id>/<ordinal>`."""
    text = "\n\n".join(words for words, _ in passages)
    document = replace(
        Document(resource_id, patient_id="p1", document_type="Progress Note", text_content=text),
        **fields,  # type: ignore[arg-type]  # names and types are the test's own
    )
    chunks, start = [], 0
    for ordinal, (words, vector) in enumerate(passages):
        chunk = Chunk(f"{resource_id}/{ordinal}", resource_id, ordinal, words, start, start + len(words))
        chunks.append(EmbeddedChunk(chunk, vector))
        start += len(words) + 2
    return EmbeddedDocument(document, tuple(chunks))


def found(store: Store, vector: Vector, k: int = 10, filters: Filters = ANY) -> list[str]:
    return [match.chunk_id for match in store.search_vector(vector, k, filters)]


def worded(store: Store, text: str, k: int = 10, filters: Filters = ANY) -> list[str]:
    return [match.chunk_id for match in store.search_words(text, k, filters)]


def chunks_with(
    store: Store, terms: Sequence[Sequence[str]], filters: Filters = ANY, limit: int = 50
) -> list[tuple[str, str, str | None]]:
    found = store.chunks_with(terms, filters, limit=limit)
    return [(each.chunk_id, each.patient_id, each.date) for each in found]


PATIENTS = (
    *(
        "p1",
        "P1",
        "p1 ",
        "1",
        "01",
        "1.0",
        "o'brien",
        'say "x"',
        "a,b",
        "a",
        "b",
        "a|b",
        "%",
        "p_",
        "NULL",
        "\\",
    ),
    *("ünï", "u\u0308ni\u0308", "🫀", "🫁", "患者", "') OR 1=1 --", "p1, p2", "urn:oid:1.2", "x" * 200),
)
"""Ids that stand for each other wherever a list of them is taken apart, folded, cut or counted wrongly."""
DOMAINS = (
    "cardiology",
    "Cardiology",
    "ear, nose",
    "ear",
    "nose",
    "o'r",
    'q"q',
    "心臓",
    "🫀",
    "NULL",
    "",
    None,
)
TYPES = ("Progress Note", "Radiology", "progress note")
DAYS = (None, "2023", "2024-01-31", "2024-02-01", "2024-02-01T12:00:00", "2024-02-02")
VOCABULARY = ("chest", "pain", "fever", "cough", "rash", "nausea")


def scattered(dice: random.Random, notes: int) -> list[EmbeddedDocument]:
    """Notes of any patient, domain, type and day; each chunk with a direction and a word of its own."""
    made = []
    for number in range(notes):
        passages = []
        for part in range(dice.randint(1, 3)):
            vector = np.array([dice.gauss(0, 1) for _ in range(DIMENSION)], dtype=np.float32)
            words = " ".join([*dice.sample(VOCABULARY, dice.randint(0, 3)), f"own{number}x{part}"])
            passages.append((words, unit_length(vector)))
        fields = {
            "patient_id": dice.choice(PATIENTS),
            "domain": dice.choice(DOMAINS),
            "document_type": dice.choice(TYPES),
            "date": dice.choice(DAYS),
        }
        made.append(note(f"n{number:03}", *passages, **fields))
    return made


def any_scope(dice: random.Random) -> AccessScope:
    def some(values: Sequence[str | None]) -> frozenset[str] | None:
        if dice.random() < 0.3:
            return None
        share = dice.choice((0.0, 0.1, 0.5, 0.9, 1.0))
        foreign = {"nobody", "p1\0x", "cardiology\0x"} if dice.random() < 0.5 else set[str]()
        return frozenset({value for value in values if value is not None and dice.random() < share} | foreign)

    return AccessScope(some(DOMAINS), some(PATIENTS))


def any_filters(dice: random.Random, scope: AccessScope) -> Filters:
    def wish(values: Sequence[str]) -> tuple[str, ...]:
        return tuple(dice.sample(values, dice.randint(1, 4))) if dice.random() < 0.3 else ()

    return Filters(
        patient_ids=wish(PATIENTS),
        document_types=tuple(dice.sample(TYPES, 2)) if dice.random() < 0.2 else (),
        domains=wish([domain for domain in DOMAINS if domain]),
        since=dice.choice([None, None, None, "2024-02-01"]),
        until=dice.choice([None, None, None, "2024-02-01"]),
        scope=scope,
    )


def may_be_found(document: Document, filters: Filters) -> bool:
    """The rules of `Filters` and `AccessScope` once more, as plainly as they can be said."""
    scope, day = filters.scope, document.date
    if scope.patient_ids is not None and document.patient_id not in scope.patient_ids:
        return False
    if scope.domains is not None and (not document.domain or document.domain not in scope.domains):
        return False
    if filters.patient_ids and document.patient_id not in filters.patient_ids:
        return False
    if filters.domains and document.domain not in filters.domains:
        return False
    if filters.document_types and document.document_type not in filters.document_types:
        return False
    since, until = filters.since, filters.until
    if (since or until) and day is None:
        return False
    known = min(len(day or ""), len(since or ""))
    if since and (day or "")[:known] < since[:known]:
        return False
    known = min(len(day or ""), len(until or ""))
    return not until or (day or "")[:known] <= until[:known]


HOSTILE_QUESTIONS = (
    '"',
    '"unbalanced',
    "chest pain'; DROP TABLE ClinicalNotes; --",
    "chest AND",
    "NOT pain",
    "OR OR OR",
    "chest NEAR/2 pain",
    "NEAR(chest pain)",
    "che* OR ^pain",
    "section: chest",
    "text:pain {section text}: chest",
    "(chest",
    "pain)",
    "-pain +chest",
    "chest%pain_",
    "chest\x00pain",
    "🫀 胸痛 ÅNGSTRÖM",
    "\u202echest",
    "?1 :name @name $name",
    "a" * 5_000,
    "chest " * 2_000,
)


class StoreContract:
    """Subclass, supply `store_factory`, and pytest runs every promise."""

    gaps: ClassVar[Mapping[str, str]] = {}

    @pytest.fixture(autouse=True)
    def declared_gap(self, request: pytest.FixtureRequest) -> None:
        name = getattr(request.node, "originalname", request.node.name)
        if name in self.gaps:
            request.applymarker(pytest.mark.xfail(reason=self.gaps[name], strict=True))

    @pytest.fixture
    def store_factory(self) -> StoreFactory:
        raise NotImplementedError("a back-end's test class supplies store_factory")

    @pytest.fixture
    def store(self, store_factory: StoreFactory) -> Iterator[Store]:
        store = store_factory()
        store.prepare(SPACE)
        yield store
        store.close()

    # --- preparing, and the space

    def test_gaps_name_real_tests(self) -> None:
        assert [name for name in self.gaps if not hasattr(self, name)] == []

    def test_a_store_never_prepared_has_no_space(self, store_factory: StoreFactory) -> None:
        store = store_factory()
        assert store.space() is None
        store.close()

    def test_prepare_may_be_repeated(self, store: Store, store_factory: StoreFactory) -> None:
        store.upsert([note("n1", ("chest pain", axis(0)))])
        store.prepare(SPACE)
        other = store_factory()
        other.prepare(SPACE)
        assert store.space() == SPACE
        assert other.space() == SPACE
        assert other.counts() == StoreCounts(documents=1, chunks=1)
        other.close()

    def test_another_space_is_refused_by_name(self, store: Store, store_factory: StoreFactory) -> None:
        store.upsert([note("n1", ("chest pain", axis(0)))])
        foreign = replace(SPACE, model="contract-2")
        other = store_factory()
        with pytest.raises(SpaceMismatch) as refusal:
            other.prepare(foreign)
        assert SPACE.id in str(refusal.value)
        assert foreign.id in str(refusal.value)
        assert refusal.value.remedy
        assert other.space() == SPACE
        assert other.counts() == StoreCounts(documents=1, chunks=1)
        other.close()

    @pytest.mark.parametrize(
        "change", [{"query_prefix": "query: "}, {"dimension": 16}, {"normalised": False}]
    )
    def test_whatever_moves_a_vector_makes_another_space(
        self, store: Store, change: Mapping[str, object]
    ) -> None:
        with pytest.raises(SpaceMismatch):
            store.prepare(replace(SPACE, **change))  # type: ignore[arg-type]  # fields of the record

    def test_the_similarity_floor_is_no_part_of_the_identity(self, store: Store) -> None:
        store.prepare(replace(SPACE, similarity_floor=0.5))
        space = store.space()
        assert space is not None
        assert space.similarity_floor == 0.5

    # --- writing

    def test_a_note_comes_back_whole(self, store: Store) -> None:
        embedded = note(
            "n1",
            ("Chief complaint: chest pain, 3/10.", axis(0)),
            ("Plan: naïve T‑cell panel, β-blocker 25 µg 🫀.", axis(1)),
            patient_id="patient-7",
            document_type="Discharge Summary",
            date="2024-05-06T07:08:09",
            domain="cardiology",
            author="Dr. O'Brien",
            encounter_id="e-1",
            metadata={"ward": "3B", "note": 'says "ok"', "ключ": "значение"},
        )
        store.upsert([embedded])
        assert store.document("n1") == embedded.document

    def test_optional_fields_may_be_absent(self, store: Store) -> None:
        embedded = note("n1", ("chest pain", axis(0)))
        store.upsert([embedded])
        assert store.document("n1") == embedded.document

    def test_an_empty_optional_field_stays_empty(self, store: Store) -> None:
        embedded = note("n1", ("chest pain", axis(0)), domain="", author="", encounter_id="")
        store.upsert([embedded])
        assert store.document("n1") == embedded.document

    @pytest.mark.parametrize("characters", [9_999, 10_000, 10_001, 25_000])
    def test_a_long_note_comes_back_whole(self, store: Store, characters: int) -> None:
        text = ("é🫀 \n" * characters)[:characters]
        store.upsert([note("n1", ("opening", axis(0)), text_content=text)])
        document = store.document("n1")
        assert document is not None
        assert document.text_content == text

    def test_an_unknown_note_is_none(self, store: Store) -> None:
        assert store.document("n1") is None

    def test_a_note_without_chunks_is_kept(self, store: Store) -> None:
        store.upsert([note("n1")])
        assert store.counts() == StoreCounts(documents=1, chunks=0)
        assert store.document("n1") is not None

    def test_writing_twice_is_writing_once(self, store: Store) -> None:
        embedded = note("n1", ("chest pain", axis(0)), ("no fever", axis(1)))
        store.upsert([embedded])
        before = (store.counts(), list(store.chunk_ids()), store.search_vector(axis(0), 5, ANY))
        store.upsert([embedded])
        assert (store.counts(), list(store.chunk_ids()), store.search_vector(axis(0), 5, ANY)) == before
        assert worded(store, "chest") == ["n1/0"]

    def test_a_changed_note_replaces_all_of_the_old_one(self, store: Store) -> None:
        store.upsert([note("n1", ("chest pain", axis(0)), ("old finding", axis(1)), patient_id="p1")])
        changed = note("n1", ("chest pain", axis(0)), patient_id="p2", date="2024-01-01")
        fresh = Chunk("n1/fresh", "n1", 1, "new finding", 12, 23)
        changed = replace(changed, chunks=(*changed.chunks, EmbeddedChunk(fresh, axis(2))))
        store.upsert([changed])
        assert store.document("n1") == changed.document
        assert list(store.chunk_ids()) == [("n1", "n1/0"), ("n1", "n1/fresh")]
        assert set(found(store, axis(0))) == {"n1/0", "n1/fresh"}
        assert found(store, axis(2), 1) == ["n1/fresh"]
        assert worded(store, "old") == []
        assert worded(store, "finding") == ["n1/fresh"]
        assert found(store, axis(0), filters=Filters(patient_ids=("p1",))) == []

    def test_a_passage_that_moved_keeps_its_id_and_gets_its_new_place(self, store: Store) -> None:
        chunk = Chunk("c1", "n1", 0, "chest pain", 0, 10, section=None)
        document = Document("n1", "p1", "Progress Note", "chest pain")
        store.upsert([EmbeddedDocument(document, (EmbeddedChunk(chunk, axis(0)),))])
        moved = replace(chunk, ordinal=1, start=9, end=20, section="History", offsets=((0, 9), (5, 15)))
        first = Chunk("c0", "n1", 0, "Preamble", 0, 8)
        document = replace(document, text_content="Preamble chest  pain")
        store.upsert(
            [EmbeddedDocument(document, (EmbeddedChunk(first, axis(1)), EmbeddedChunk(moved, axis(0))))]
        )
        (hit,) = store.hits(["c1"], axis(0))
        assert (hit.start, hit.end, hit.section, hit.offsets) == (9, 20, "History", ((0, 9), (5, 15)))
        assert worded(store, "history") == ["c1"]

    def test_a_place_on_a_page_or_in_an_image_is_kept_and_follows(self, store: Store) -> None:
        chunk = Chunk("c1", "n1", 0, "chest pain", 0, 10)
        document = Document("n1", "p1", "Progress Note", "chest pain")
        box, region = PageBox(3, 0.1, 0.2, 0.9, 0.25), ImageRegion("1.2.3", "1.2.3.4", 1, 0, 5, 20, 30)
        for place in (None, box, region, box, None):
            store.upsert(
                [EmbeddedDocument(document, (EmbeddedChunk(replace(chunk, region=place), axis(0)),))]
            )
            (hit,) = store.hits(["c1"], axis(0))
            assert hit.region == place
            assert hit.locator == (place or Characters(0, 10))
            assert found(store, axis(0)) == worded(store, "chest") == ["c1"]

    def test_each_change_gives_another_version(self, store: Store) -> None:
        seen = [store.version()]

        def is_new() -> bool:
            seen.append(store.version())
            return seen[-1] not in seen[:-1]

        store.upsert([note("n1", ("chest pain", axis(0)))])
        assert is_new()
        found(store, axis(0))
        worded(store, "chest")
        store.document("n1")
        store.counts()
        store.prepare(SPACE)
        assert store.version() == seen[-1]
        store.upsert([note("n1", ("chest pain", axis(0)), date="2024-01-01")])  # no passage of it moves
        assert is_new()
        store.delete(["n1"])
        assert is_new()
        store.prepare(replace(SPACE, similarity_floor=0.5))
        assert is_new()
        store.upsert([note("n2", ("no fever", axis(1)))])
        assert is_new()
        store.clear()
        store.prepare(SPACE)
        assert is_new()
        assert None not in seen

    def test_a_change_that_is_taken_back_leaves_the_version(self, store: Store) -> None:
        store.upsert([note("n1", ("chest pain", axis(0)))])
        before = store.version()

        def fail() -> None:
            with store.transaction():
                store.upsert([note("n2", ("no fever", axis(1)))])
                raise RuntimeError("taken back")

        with pytest.raises(RuntimeError):
            fail()
        assert store.version() == before

    def test_another_handle_sees_the_version(self, store_factory: StoreFactory, store: Store) -> None:
        other = store_factory()
        other.prepare(SPACE)
        store.upsert([note("n1", ("chest pain", axis(0)))])
        assert other.version() == store.version()
        other.close()

    def test_the_last_of_two_versions_in_one_call_stays(self, store: Store) -> None:
        store.upsert([note("n1", ("first version", axis(0))), note("n1", ("second version", axis(1)))])
        assert store.counts() == StoreCounts(documents=1, chunks=1)
        assert worded(store, "version") == ["n1/0"]
        document = store.document("n1")
        assert document is not None
        assert document.text_content == "second version"
        assert worded(store, "first") == []

    def test_ids_differ_by_case(self, store: Store) -> None:
        store.upsert([note("a1", ("lower case", axis(0)), patient_id="p")])
        store.upsert([note("A1", ("upper case", axis(1)), patient_id="P")])
        assert store.counts() == StoreCounts(documents=2, chunks=2)
        assert list(store.chunk_ids()) == [("A1", "A1/0"), ("a1", "a1/0")]
        assert found(store, axis(0), filters=Filters(patient_ids=("P",))) == ["A1/0"]
        assert [hit.resource_id for hit in store.hits(["A1/0", "a1/0"], axis(0))] == ["A1", "a1"]
        assert set(store.vectors(["a1/0"])) == {"a1/0"}
        assert store.delete(["a1"]) == 1
        assert list(store.chunk_ids()) == [("A1", "A1/0")]

    @pytest.mark.parametrize("resource_id", ["it's", 'a "quoted" id', "sp ace/urn:oid:1.2", "ünï", "%_*"])
    def test_ids_are_any_text(self, store: Store, resource_id: str) -> None:
        store.upsert([note(resource_id, ("chest pain", axis(0))), note("plain", ("no fever", axis(1)))])
        assert found(store, axis(0), 1) == [f"{resource_id}/0"]
        assert store.delete([resource_id]) == 1
        assert list(store.chunk_ids()) == [("plain", "plain/0")]

    @pytest.mark.parametrize(
        "vector",
        [
            np.full(DIMENSION, np.nan, dtype=np.float32),
            np.array([np.inf] + [0.0] * (DIMENSION - 1), dtype=np.float32),
            np.array([-np.inf] + [0.0] * (DIMENSION - 1), dtype=np.float32),
            np.ones(DIMENSION - 1, dtype=np.float32),
            np.ones(DIMENSION + 1, dtype=np.float32),
            np.ones((1, DIMENSION), dtype=np.float32),
            np.zeros(0, dtype=np.float32),
        ],
        ids=["nan", "inf", "minus-inf", "narrow", "wide", "two-dimensional", "empty"],
    )
    def test_a_vector_out_of_shape_is_refused_and_nothing_written(self, store: Store, vector: Vector) -> None:
        good = note("good", ("chest pain", axis(0)))
        bad = note("bad", ("sound passage", axis(1)), ("broken passage", vector))
        with pytest.raises(StoreRejectedRow) as refusal:
            store.upsert([good, bad])
        assert "bad/1" in str(refusal.value)
        assert "passage" not in str(refusal.value).replace("bad/1", "")  # note text stays out of messages
        assert store.counts() == StoreCounts(documents=0, chunks=0)
        assert worded(store, "chest") == []

    def test_two_chunks_of_one_id_are_refused(self, store: Store) -> None:
        embedded = note("n1", ("chest pain", axis(0)), ("no fever", axis(1)))
        twin = replace(embedded.chunks[1], chunk=replace(embedded.chunks[1].chunk, chunk_id="n1/0"))
        with pytest.raises(StoreRejectedRow):
            store.upsert([replace(embedded, chunks=(embedded.chunks[0], twin))])
        assert store.counts() == StoreCounts(documents=0, chunks=0)

    def test_delete_counts_what_was_there(self, store: Store) -> None:
        store.upsert([note(f"n{number}", ("chest pain", axis(number))) for number in range(4)])
        assert store.delete(["n0", "n2", "unknown", "n0"]) == 2
        assert store.delete(["n0"]) == 0
        assert store.delete([]) == 0
        assert store.counts() == StoreCounts(documents=2, chunks=2)
        assert set(found(store, axis(0))) == {"n1/0", "n3/0"}
        assert set(worded(store, "chest")) == {"n1/0", "n3/0"}
        assert store.vectors(["n0/0", "n2/0"]) == {}
        assert store.document("n0") is None

    def test_a_deleted_note_may_return(self, store: Store) -> None:
        embedded = note("n1", ("chest pain", axis(0)))
        store.upsert([embedded])
        store.delete(["n1"])
        store.upsert([embedded])
        assert found(store, axis(0)) == ["n1/0"]
        assert worded(store, "chest") == ["n1/0"]

    def test_many_ids_at_once(self, store: Store) -> None:
        store.upsert([note(f"n{number:04}", (f"word{number}", axis(number % 8))) for number in range(1_200)])
        ids = [f"n{number:04}" for number in range(1_200)]
        assert len(store.vectors([f"{resource_id}/0" for resource_id in ids])) == 1_200
        assert len(store.hits([f"{resource_id}/0" for resource_id in ids], axis(0))) == 1_200
        assert len(found(store, axis(0), 2_000, Filters(patient_ids=(*ids, "p1")))) == 1_200
        assert store.delete(ids) == 1_200
        assert store.counts() == StoreCounts(documents=0, chunks=0)

    def test_clear_forgets_everything_and_the_space(self, store: Store, store_factory: StoreFactory) -> None:
        reader = store_factory()
        store.upsert([note("n1", ("chest pain", axis(0))), note("n2", ("no fever", axis(1)))])
        assert found(reader, axis(0)) == ["n1/0", "n2/0"]
        store.clear()
        assert store.space() is None
        another = replace(SPACE, model="contract-2", dimension=3)
        store.prepare(another)
        assert store.space() == another
        assert store.counts() == StoreCounts(documents=0, chunks=0)
        store.upsert([note("n3", ("chest film", axis(2, 3)))])
        for handle in (store, reader):
            assert found(handle, axis(2, 3)) == ["n3/0"]
            assert worded(handle, "pain") == []
            assert worded(handle, "chest") == ["n3/0"]
            assert handle.document("n1") is None
        assert store.check() == []
        reader.close()

    def test_clear_of_a_store_never_prepared_does_nothing(self, store_factory: StoreFactory) -> None:
        store = store_factory()
        store.clear()
        assert store.space() is None
        store.close()

    def test_a_clear_may_be_undone(self, store: Store) -> None:
        store.upsert([note("n1", ("chest pain", axis(0)))])

        def fail() -> None:
            with store.transaction():
                store.clear()
                raise RuntimeError

        with pytest.raises(RuntimeError):
            fail()
        assert store.space() == SPACE
        assert found(store, axis(0)) == ["n1/0"]
        assert worded(store, "chest") == ["n1/0"]

    # --- transactions and other readers

    def test_a_failed_transaction_leaves_nothing(self, store: Store) -> None:
        store.upsert([note("kept", ("chest pain", axis(0)))])

        def fail() -> None:
            with store.transaction():
                store.upsert([note("n1", ("lost finding", axis(1)))])
                store.delete(["kept"])
                raise RuntimeError("the ledger said no")

        with pytest.raises(RuntimeError, match="the ledger said no"):
            fail()
        assert list(store.chunk_ids()) == [("kept", "kept/0")]
        assert found(store, axis(1)) == ["kept/0"]
        assert worded(store, "lost") == []
        assert worded(store, "chest") == ["kept/0"]

    def test_an_inner_transaction_joins_the_outer(self, store: Store) -> None:
        def fail() -> None:
            with store.transaction():
                with store.transaction():
                    store.upsert([note("n1", ("chest pain", axis(0)))])
                raise RuntimeError("after the inner one had ended")

        with pytest.raises(RuntimeError):
            fail()
        assert store.counts() == StoreCounts(documents=0, chunks=0)
        with store.transaction(), store.transaction():
            store.upsert([note("n1", ("chest pain", axis(0)))])
        assert store.counts() == StoreCounts(documents=1, chunks=1)

    def test_a_search_after_a_rollback_shows_no_ghosts(self, store: Store) -> None:
        """A derived index that was refreshed inside the transaction must forget what was undone."""

        def fail() -> None:
            with store.transaction():
                store.upsert([note("ghost", ("ghost finding", axis(0)))])
                found(store, axis(0))
                raise RuntimeError

        with pytest.raises(RuntimeError):
            fail()
        store.upsert([note("n1", ("chest pain", axis(1)))])
        assert found(store, axis(0)) == ["n1/0"]

    def test_another_handle_sees_what_was_committed(self, store: Store, store_factory: StoreFactory) -> None:
        reader = store_factory()
        assert found(reader, axis(0)) == []
        store.upsert([note("n1", ("chest pain", axis(0))), note("n2", ("no fever", axis(1)))])
        assert found(reader, axis(0)) == ["n1/0", "n2/0"]
        assert worded(reader, "chest") == ["n1/0"]
        store.delete(["n1"])
        assert found(reader, axis(0)) == ["n2/0"]
        assert worded(reader, "chest") == []
        store.upsert([note("n2", ("fever now", axis(0)))])
        (match,) = reader.search_vector(axis(0), 5, ANY)
        assert match.score == pytest.approx(1.0, abs=1e-5)
        reader.close()

    # --- searching by vector

    def test_nearest_first_with_cosines(self, store: Store) -> None:
        cosines = {"n1": 0.2, "n2": 0.9, "n3": -0.5, "n4": 0.6}
        store.upsert([note(name, (name, leaning(cosine))) for name, cosine in cosines.items()])
        matches = store.search_vector(axis(0), 3, ANY)
        assert [match.chunk_id for match in matches] == ["n2/0", "n4/0", "n1/0"]
        assert [match.score for match in matches] == pytest.approx([0.9, 0.6, 0.2], abs=1e-5)

    def test_agrees_with_brute_force(self, store: Store) -> None:
        generator = np.random.default_rng(7)
        vectors = unit_length(generator.normal(size=(300, DIMENSION)).astype(np.float32))
        store.upsert([note(f"n{row:03}", ("words", vector)) for row, vector in enumerate(vectors)])
        for question in unit_length(generator.normal(size=(10, DIMENSION)).astype(np.float32)):
            expected = vectors @ question
            matches = store.search_vector(question, 10, ANY)
            best = np.sort(expected)[::-1][:10]
            assert [match.score for match in matches] == pytest.approx(best.tolist(), abs=1e-5)
            rows = [int(match.chunk_id[1:4]) for match in matches]
            assert expected[rows].tolist() == pytest.approx(best.tolist(), abs=1e-5)
            assert len(set(rows)) == 10

    def test_a_question_of_any_length_is_a_direction(self, store: Store) -> None:
        store.upsert([note("n1", ("chest pain", leaning(0.6)))])
        (match,) = store.search_vector(np.asarray(7.5 * axis(0), dtype=np.float32), 1, ANY)
        assert match.score == pytest.approx(0.6, abs=1e-5)

    def test_vectors_that_are_not_of_unit_length_are_compared_by_cosine(
        self, store_factory: StoreFactory
    ) -> None:
        store = store_factory()
        store.prepare(replace(SPACE, normalised=False))
        long, short = np.asarray(20 * leaning(0.5), np.float32), np.asarray(0.1 * leaning(0.9), np.float32)
        store.upsert([note("long", ("a", long)), note("short", ("b", short))])
        matches = store.search_vector(axis(0), 2, ANY)
        assert [match.chunk_id for match in matches] == ["short/0", "long/0"]
        assert [match.score for match in matches] == pytest.approx([0.9, 0.5], abs=1e-5)
        hits = store.hits(["long/0"], np.asarray(3 * axis(0), np.float32))
        assert hits[0].similarity == pytest.approx(0.5, abs=1e-5)
        np.testing.assert_allclose(store.vectors(["long/0"])["long/0"], long, rtol=1e-6)
        store.close()

    def test_equal_scores_keep_one_order(self, store: Store) -> None:
        store.upsert([note(f"n{number}", ("same", axis(0))) for number in (3, 1, 4, 2, 0)])
        store.upsert([note("far", ("other", axis(1)))])
        everything = found(store, axis(0), 6)
        assert sorted(everything[:5]) == [f"n{number}/0" for number in range(5)]
        assert everything[5] == "far/0"
        assert found(store, axis(0), 6) == everything
        assert found(store, axis(0), 2) == everything[:2]

    @pytest.mark.parametrize("k", [1, 3, 4, 1_000])
    def test_k_may_exceed_the_corpus(self, store: Store, k: int) -> None:
        store.upsert([note(f"n{number}", ("words", leaning(0.1 * number))) for number in range(3)])
        assert found(store, axis(0), k) == ["n2/0", "n1/0", "n0/0"][:k]

    def test_nothing_asked_or_nothing_there_finds_nothing(self, store: Store) -> None:
        assert found(store, axis(0)) == []
        assert worded(store, "chest") == []
        store.upsert([note("n1", ("chest pain", axis(0)))])
        assert found(store, axis(0), 0) == []
        assert worded(store, "chest", 0) == []

    @pytest.mark.parametrize(
        "vector",
        [np.ones(DIMENSION + 1, np.float32), np.ones((1, DIMENSION), np.float32), np.full(DIMENSION, np.nan)],
        ids=["wide", "two-dimensional", "nan"],
    )
    def test_a_question_out_of_shape_is_refused(self, store: Store, vector: Vector) -> None:
        store.upsert([note("n1", ("chest pain", axis(0)))])
        with pytest.raises(StoreError):
            store.search_vector(vector, 1, ANY)
        with pytest.raises(StoreError):
            store.hits(["n1/0"], vector)

    # --- filters

    @pytest.fixture
    def ward(self, store: Store) -> Store:
        """Six notes of one direction, each with a word of its own besides "finding"."""
        rows: tuple[tuple[str, dict[str, object]], ...] = (
            ("a", {"patient_id": "p1", "document_type": "Progress Note", "date": "2024-01-31"}),
            ("b", {"patient_id": "p1", "document_type": "Radiology", "date": "2024-02-01T00:00:00"}),
            ("c", {"patient_id": "p2", "document_type": "Radiology", "date": "2024-02-01T23:59:59"}),
            ("d", {"patient_id": "p2", "document_type": "Progress Note", "date": "2024-02-02"}),
            ("e", {"patient_id": "p3", "document_type": "Radiology", "date": None}),
            ("f", {"patient_id": "p3", "document_type": "Discharge", "date": "2025-01-01T08:00:00"}),
        )
        domains = {"a": "cardiology", "b": "cardiology", "c": "radiology"}
        store.upsert(
            [
                note(
                    name,
                    (f"finding {name}{name}", leaning(0.9 - 0.1 * rank)),
                    domain=domains.get(name),
                    **row,
                )
                for rank, (name, row) in enumerate(rows)
            ]
        )
        return store

    @pytest.mark.parametrize(
        ("filters", "admitted"),
        [
            (Filters(), "abcdef"),
            (Filters(patient_ids=("p1",)), "ab"),
            (Filters(patient_ids=("p1", "p3")), "abef"),
            (Filters(patient_ids=("nobody",)), ""),
            (Filters(document_types=("Radiology",)), "bce"),
            (Filters(document_types=("Radiology", "Discharge")), "bcef"),
            (Filters(document_types=("radiology",)), ""),
            (Filters(domains=("cardiology",)), "ab"),
            (Filters(domains=("cardiology", "radiology")), "abc"),
            (Filters(since="2024-02-01"), "bcdf"),
            (Filters(since="2024-02-01T00:00:01"), "cdf"),
            (Filters(until="2024-02-01"), "abc"),
            (Filters(until="2024-01-31"), "a"),
            (Filters(until="2024-02-01T00:00:00"), "ab"),
            (Filters(since="2024-02-01", until="2024-02-01"), "bc"),
            (Filters(since="2024-02-02", until="2024-12-31"), "d"),
            (Filters(since="1900-01-01"), "abcdf"),
            (Filters(until="2999-12-31"), "abcdf"),
            (Filters(since="2025-01-02"), ""),
            (Filters(patient_ids=("p1", "p2"), document_types=("Radiology",)), "bc"),
            (Filters(patient_ids=("p2",), document_types=("Radiology",), domains=("radiology",)), "c"),
            (
                Filters(patient_ids=("p1",), domains=("cardiology",), since="2024-02-01", until="2024-02-01"),
                "b",
            ),
            (Filters(patient_ids=("p3",), since="2024-01-01"), "f"),
            (Filters(patient_ids=("p1' OR '1'='1",)), ""),
        ],
        ids=str,
    )
    def test_a_filter_admits_exactly_what_it_says(self, ward: Store, filters: Filters, admitted: str) -> None:
        expected = [f"{name}/0" for name in admitted]
        assert found(ward, axis(0), 10, filters) == expected
        assert found(ward, axis(0), 2, filters) == expected[:2]
        assert sorted(worded(ward, "finding", 10, filters)) == expected
        assert len(worded(ward, "finding", 2, filters)) == min(2, len(expected))

    @pytest.mark.parametrize(
        ("since", "until", "admitted"),
        [
            ("2024-03-01", "2024-03-31", "ymdnzo"),
            ("2024-03-10", "2024-03-10", "ymdnzo"),
            ("2024-03-11", None, "ym"),
            ("2024-01-01", "2024-12-31", "ymdnzo"),
            (None, "2024-02-28", "y"),
            (None, "2023-12-31", ""),
            ("2025-01-01", None, ""),
            ("2024", "2024", "ymdnzo"),
            ("2024-03", "2024-03", "ymdnzo"),
            ("2024-04", None, "y"),
            ("2024-03-10T12:00:00", None, "ymdnz"),
            ("2024-03-10T12:00", "2024-03-10T12:00", "ymdnz"),
            ("2024-03-10T12:00:00.250Z", "2024-03-10 12:00:00+02:00", "ymdnz"),
            ("2024-03-10T12:00:01", None, "ymd"),
            (None, "2024-03-10T11:59:59", "ymdo"),
        ],
    )
    def test_a_period_admits_every_note_that_may_be_of_it(
        self, store: Store, since: str | None, until: str | None, admitted: str
    ) -> None:
        """Of some notes only the year, the month or the day is known; times compare as written."""
        dates = {
            "y": "2024",
            "m": "2024-03",
            "d": "2024-03-10",
            "n": "2024-03-10T12:00:00",
            "z": "2024-03-10T12:00:00+02:00",
            "o": "2024-03-10T00:15:00-05:00",
            "u": None,
        }
        store.upsert([note(name, ("finding", axis(0)), date=noted) for name, noted in dates.items()])
        filters = Filters(since=since, until=until)
        assert sorted(found(store, axis(0), 10, filters)) == sorted(f"{name}/0" for name in admitted)
        assert sorted(worded(store, "finding", 10, filters)) == sorted(f"{name}/0" for name in admitted)

    @pytest.mark.parametrize(
        ("since", "until"), [("2024-03-02", "2024-03-01"), ("yesterday", None), (None, "2024-02-31")]
    )
    def test_a_period_that_is_none_is_refused(
        self, ward: Store, since: str | None, until: str | None
    ) -> None:
        with pytest.raises(BadRequest):
            ward.search_words("finding", 10, Filters(since=since, until=until))

    def test_a_filter_is_no_reason_for_fewer_results(self, store: Store) -> None:
        """The nearest hundred belong to others: a filter applied after the search would leave nothing."""
        crowd = [note(f"crowd{number:03}", ("finding", leaning(0.99))) for number in range(100)]
        rare = [note(f"rare{n}", ("finding", leaning(0.1 * n)), patient_id="p9") for n in range(3)]
        store.upsert([*crowd, *rare])
        wanted = Filters(patient_ids=("p9",))
        assert found(store, axis(0), 3, wanted) == ["rare2/0", "rare1/0", "rare0/0"]
        assert sorted(worded(store, "finding", 3, wanted)) == ["rare0/0", "rare1/0", "rare2/0"]

    # --- who may see what

    @pytest.mark.parametrize("seed", range(4))
    def test_no_search_leaves_the_scope_and_none_falls_short_of_it(self, store: Store, seed: int) -> None:
        dice = random.Random(seed)
        notes = scattered(dice, 90)
        store.upsert(notes)
        for _ in range(30):
            filters = any_filters(dice, any_scope(dice))
            chunks = [c for n in notes if may_be_found(n.document, filters) for c in n.chunks]
            question = unit_length(np.array([dice.gauss(0, 1) for _ in range(DIMENSION)], dtype=np.float32))
            asked = dice.sample(VOCABULARY, 2)
            near = sorted(chunks, key=lambda c: -float(c.vector @ question))
            meant = {c.chunk.chunk_id for c in chunks if set(asked) & set(c.chunk.text.split())}
            for k in (1, 5, 400):
                assert found(store, question, k, filters) == [c.chunk.chunk_id for c in near[:k]], filters
                words = worded(store, " ".join(asked), k, filters)
                assert set(words) <= meant, filters
                if not filters.scope.unrestricted:  # else a store may leave out some of many matches
                    assert len(words) == len(set(words)) == min(k, len(meant)), filters

    def test_counts_are_of_what_may_be_seen(self, store: Store) -> None:
        dice = random.Random(5)
        notes = scattered(dice, 60)
        store.upsert(notes)
        for scope in [EVERYTHING, *(any_scope(dice) for _ in range(20))]:
            seen = [n for n in notes if may_be_found(n.document, Filters(scope=scope))]
            assert store.counts(scope) == StoreCounts(len(seen), sum(len(n.chunks) for n in seen)), scope

    def test_values_are_of_what_may_be_seen(self, store: Store) -> None:
        dice = random.Random(6)
        notes = scattered(dice, 60)
        store.upsert(notes)
        for scope in [EVERYTHING, *(any_scope(dice) for _ in range(20))]:
            seen = [n.document for n in notes if may_be_found(n.document, Filters(scope=scope))]
            for field in ("patient_id", "document_type", "domain"):
                expected = sorted({getattr(document, field) or "" for document in seen} - {""})
                assert store.values(field, scope) == expected, (field, scope)

    def test_values_begin_as_asked_and_are_no_more_than_asked(self, store: Store) -> None:
        assert store.values("patient_id", EVERYTHING) == []
        store.upsert([note(f"n{n}", ("finding", axis(0)), patient_id=f"Ward-{n}") for n in range(5)])
        store.upsert([note("other", ("finding", axis(0)), patient_id="ward", domain=None)])
        assert store.values("patient_id", EVERYTHING, beginning="wARD-") == [f"Ward-{n}" for n in range(5)]
        assert store.values("patient_id", EVERYTHING, beginning="ward", limit=2) == ["Ward-0", "Ward-1"]
        for nothing in ("%", "_", "' OR '1'='1", "Ward-5", "\0", "ward\0"):
            assert store.values("patient_id", EVERYTHING, beginning=nothing) == []
        mine = AccessScope(None, frozenset({"ward"}))
        assert store.values("patient_id", mine, beginning="w") == ["ward"]

    @pytest.mark.parametrize(
        "scope",
        [AccessScope(frozenset(), None), AccessScope(None, frozenset()), AccessScope(frozenset({""}), None)],
        ids=["no domain", "no patient", "the blank domain"],
    )
    def test_an_empty_scope_admits_nothing(self, ward: Store, scope: AccessScope) -> None:
        ward.upsert([note("blank", ("finding", axis(0)), domain="")])
        filters = Filters(scope=scope)
        assert not filters.empty
        assert found(ward, axis(0), 10, filters) == []
        assert worded(ward, "finding", 10, filters) == []
        assert ward.counts(scope) == StoreCounts(0, 0)

    @pytest.mark.parametrize(
        ("filters", "admitted"),
        [
            (Filters(scope=AccessScope(frozenset({"cardiology", "radiology"}))), "abc"),
            (Filters(scope=AccessScope(None, frozenset({"p2", "p3"}))), "cdef"),
            (Filters(scope=AccessScope(frozenset({"radiology"}), frozenset({"p1", "p2"}))), "c"),
            (Filters(patient_ids=("p1",), scope=AccessScope(None, frozenset({"p2"}))), ""),
            (Filters(patient_ids=("p1", "p2"), scope=AccessScope(None, frozenset({"p2", "p3"}))), "cd"),
            (Filters(domains=("radiology",), scope=AccessScope(frozenset({"cardiology"}))), ""),
            (Filters(document_types=("Radiology",), scope=AccessScope(None, frozenset({"p3"}))), "e"),
        ],
        ids=[
            "domains",
            "patients",
            "both",
            "another patient wished",
            "patients in common",
            "another domain wished",
            "type and patient",
        ],
    )
    def test_a_wish_narrows_the_scope_and_never_widens_it(
        self, ward: Store, filters: Filters, admitted: str
    ) -> None:
        expected = [f"{name}/0" for name in admitted]
        assert found(ward, axis(0), 10, filters) == expected
        assert sorted(worded(ward, "finding", 10, filters)) == expected

    @pytest.mark.parametrize(
        ("filters", "admitted"),
        [
            (Filters(), {"n1/0", "n2/0", "library:g/0", "library:h/0"}),
            (Filters(scope=AccessScope(None, frozenset({"p1"}))), {"n1/0", "library:g/0", "library:h/0"}),
            (Filters(scope=AccessScope(frozenset({"pain"}), frozenset({"p1"}))), {"library:g/0"}),
            (Filters(scope=AccessScope(frozenset({"pain"}), frozenset())), set()),
            (Filters(patient_ids=("p1",)), {"n1/0"}),
            (Filters(patient_ids=("p1",), scope=AccessScope(None, frozenset({"p1", "p2"}))), {"n1/0"}),
            (Filters(domains=("heart",), scope=AccessScope(None, frozenset({"p1"}))), {"library:h/0"}),
        ],
        ids=[
            "all",
            "a patient",
            "patient and domain",
            "no patient",
            "wished",
            "wished in a scope",
            "wished domain",
        ],
    )
    def test_a_library_document_is_seen_by_its_domain_and_is_nobodys(
        self, store: Store, filters: Filters, admitted: set[str]
    ) -> None:
        store.upsert(
            [
                note("n1", ("finding", axis(0)), patient_id="p1", domain="ward"),
                note("n2", ("finding", axis(0)), patient_id="p2", domain="ward"),
                note("library:g", ("finding", axis(0)), patient_id=NO_PATIENT, domain="pain"),
                note("library:h", ("finding", axis(0)), patient_id=NO_PATIENT, domain="heart"),
            ]
        )
        assert set(found(store, axis(0), 10, filters)) == admitted
        assert set(worded(store, "finding", 10, filters)) == admitted
        assert {each for each, *_ in chunks_with(store, [["finding"]], filters)} == admitted
        if not filters.patient_ids and not filters.domains:
            seen = {each.partition("/")[0] for each in admitted}
            assert store.counts(filters.scope) == StoreCounts(len(seen), len(admitted))
            patients = {each.replace("n", "p") for each in seen if each.startswith("n")}
            assert set(store.values("patient_id", filters.scope)) == patients
            assert {each.patient_id for each in store.patients(filters.scope)} == patients
            assert {each.patient_id for each in store.patients_beginning("", filters.scope)} == patients
            assert store.patients_beginning("libr", filters.scope) == []
        assert store.patients(filters.scope, ids=[NO_PATIENT]) == []
        assert store.notes_of(NO_PATIENT, filters.scope) == []

    def test_a_scope_of_20000_patients(self, ward: Store) -> None:
        patients = frozenset({"p2", *(f"patient, {number}'s" for number in range(20_000))})
        filters = Filters(scope=AccessScope(None, patients))
        assert found(ward, axis(0), 10, filters) == ["c/0", "d/0"]
        assert found(ward, axis(0), 1, filters) == ["c/0"]
        assert sorted(worded(ward, "finding", 10, filters)) == ["c/0", "d/0"]
        assert ward.counts(filters.scope) == StoreCounts(2, 2)

    def test_the_forbidden_nearest_crowd_out_nobody(self, store: Store) -> None:
        crowd = [note(f"crowd{number:03}", ("finding", leaning(0.99))) for number in range(100)]
        rare = [note(f"rare{n}", ("finding", leaning(0.1 * n)), patient_id="p9") for n in range(3)]
        store.upsert([*crowd, *rare])
        filters = Filters(scope=AccessScope(None, frozenset({"p9"})))
        assert found(store, axis(0), 3, filters) == ["rare2/0", "rare1/0", "rare0/0"]
        assert sorted(worded(store, "finding", 3, filters)) == ["rare0/0", "rare1/0", "rare2/0"]

    def test_a_word_that_only_a_forbidden_note_holds_changes_nothing(self, store: Store) -> None:
        """With 300 matches the embedded store's short cut begins: the rare word would select, and none be left."""
        many = [note(f"n{number:03}", ("common finding", axis(number % 8))) for number in range(300)]
        hidden = note("hidden", ("zebrafish common", axis(0)), patient_id="p9")
        store.upsert([*many, hidden])
        filters = Filters(scope=AccessScope(None, frozenset({"p1"})))
        before = store.search_words("common", 400, filters)
        assert len(before) == 300
        assert store.search_words("common zebrafish", 400, filters) == before
        assert store.search_words("zebrafish", 400, filters) == []

    def test_a_note_that_changes_hands_changes_sides(self, ward: Store) -> None:
        mine, theirs = (Filters(scope=AccessScope(None, frozenset({name}))) for name in ("p1", "p3"))
        assert found(ward, axis(0), 10, mine) == ["a/0", "b/0"]
        ward.upsert([note("a", ("finding aa", leaning(0.9)), patient_id="p3", date="2024-01-31")])
        assert found(ward, axis(0), 10, mine) == ["b/0"]
        assert worded(ward, "aa", 10, mine) == []
        assert worded(ward, "aa", 10, theirs) == ["a/0"]
        assert found(ward, axis(0), 1, theirs) == ["a/0"]

    # --- chunks with all words

    def test_chunks_have_every_term_in_one_of_its_spellings(self, store: Store) -> None:
        store.upsert(
            [
                note("n1", ("acute renal failure", axis(0)), date="2020-01-01"),
                note("n2", ("failure of the kidney", axis(1)), patient_id="p2", date="2021-01-01"),
                note("n3", ("heart failure", axis(2)), date="2022-01-01"),
                note("n4", ("CHF", axis(3)), date=None),
            ]
        )
        kidney = [["kidney", "renal"], ["failure"]]
        assert chunks_with(store, kidney) == [("n2/0", "p2", "2021-01-01"), ("n1/0", "p1", "2020-01-01")]
        assert chunks_with(store, kidney, limit=1) == [("n2/0", "p2", "2021-01-01")]
        heart = [["heart failure", "chf"]]
        assert {each for each, *_ in chunks_with(store, heart)} >= {"n3/0", "n4/0"}
        assert chunks_with(store, [["kidney"], []]) == chunks_with(store, []) == []
        assert {each for each, *_ in chunks_with(store, [['") OR heart NOT ("', "*"]])} <= {"n3/0"}

    def test_chunks_with_words_are_those_inside_the_scope_and_the_filters(self, ward: Store) -> None:
        for patient in ("p1", "p3"):
            filters = Filters(scope=AccessScope(None, frozenset({patient})))
            seen = chunks_with(ward, [["finding"]], filters)
            assert {each for _, each, _ in seen} == {patient}
            assert {each for each, *_ in seen} == set(worded(ward, "finding", 50, filters))
        assert chunks_with(ward, [["finding"]], Filters(scope=AccessScope(frozenset(), None))) == []

    # --- searching by words

    def test_more_of_the_words_is_better(self, store: Store) -> None:
        store.upsert(
            [
                note("n1", ("sudden chest pain at rest today", axis(0))),
                note("n2", ("chest film without any change today", axis(1))),
                note("n3", ("routine visit with nothing to report", axis(2))),
            ]
        )
        matches = store.search_words("chest pain", 10, ANY)
        assert [match.chunk_id for match in matches] == ["n1/0", "n2/0"]
        assert matches[0].score > matches[1].score
        assert worded(store, "chest pain", 1) == ["n1/0"]

    def test_case_does_not_matter(self, store: Store) -> None:
        store.upsert([note("n1", ("Myocardial INFARCTION", axis(0)))])
        assert worded(store, "MYOCARDIAL") == ["n1/0"]
        assert worded(store, "infarction") == ["n1/0"]

    def test_numbers_and_hyphens_are_words(self, store: Store) -> None:
        store.upsert([note("n1", ("troponin 37 after beta-blocker", axis(0))), note("n2", ("calm", axis(1)))])
        assert worded(store, "37") == ["n1/0"]
        assert worded(store, "beta-blocker") == ["n1/0"]

    def test_a_section_heading_is_searched_too(self, store: Store) -> None:
        chunk = Chunk("c1", "n1", 0, "none known", 11, 21, section="Allergies")
        document = Document("n1", "p1", "Progress Note", "Allergies:\nnone known")
        store.upsert([EmbeddedDocument(document, (EmbeddedChunk(chunk, axis(0)),))])
        assert worded(store, "allergies") == ["c1"]

    @pytest.mark.parametrize("text", ["", " \n\t", "?!… -- ***", '""', "()", "—", "\x00"])
    def test_a_question_without_words_finds_nothing(self, store: Store, text: str) -> None:
        store.upsert([note("n1", ("chest pain", axis(0)))])
        assert worded(store, text) == []

    @pytest.mark.parametrize("text", HOSTILE_QUESTIONS, ids=range(len(HOSTILE_QUESTIONS)))
    def test_what_a_person_types_is_never_syntax(self, store: Store, text: str) -> None:
        store.upsert([note("n1", ("chest pain", axis(0))), note("n2", ("no fever", axis(1)))])
        expected = {"n1/0"} if {"chest", "pain"} & set(_plain_words(text)) else set()
        assert set(worded(store, text)) - {"n2/0"} == expected
        assert store.counts() == StoreCounts(documents=2, chunks=2)

    def test_words_of_other_scripts(self, store: Store) -> None:
        store.upsert(
            [note("n1", ("Пациент жалуется на боль", axis(0))), note("n2", ("dor torácica", axis(1)))]
        )
        assert worded(store, "боль") == ["n1/0"]
        assert worded(store, "torácica") == ["n2/0"]

    # --- hits, vectors, ids

    def test_hits_come_in_the_order_asked_with_cosines(self, store: Store) -> None:
        embedded = note(
            "n1",
            ("chest pain", leaning(0.3)),
            ("no fever", leaning(0.8)),
            patient_id="p7",
            document_type="Radiology",
            date="2024-05-06",
            domain="cardiology",
        )
        store.upsert([embedded, note("n2", ("calm", leaning(-0.4)))])
        hits = store.hits(["n2/0", "gone", "n1/0", "n1/1"], axis(0))
        assert [hit.chunk_id for hit in hits] == ["n2/0", "n1/0", "n1/1"]
        assert [hit.similarity for hit in hits] == pytest.approx([-0.4, 0.3, 0.8], abs=1e-5)
        last = hits[2]
        assert (last.resource_id, last.patient_id, last.document_type) == ("n1", "p7", "Radiology")
        assert (last.date, last.domain, last.section) == ("2024-05-06", "cardiology", None)
        assert (last.text, last.start, last.end, last.offsets) == ("no fever", 12, 20, None)
        assert embedded.document.text_content[last.start : last.end] == last.text
        assert store.hits([], axis(0)) == []

    def test_vectors_come_back_as_they_were(self, store: Store) -> None:
        generator = np.random.default_rng(3)
        vectors = unit_length(generator.normal(size=(5, DIMENSION)).astype(np.float32))
        store.upsert([note(f"n{row}", ("words", vector)) for row, vector in enumerate(vectors)])
        stored = store.vectors([f"n{row}/0" for row in range(5)] + ["gone"])
        assert set(stored) == {f"n{row}/0" for row in range(5)}
        for row, vector in enumerate(vectors):
            assert stored[f"n{row}/0"].dtype == np.float32
            assert stored[f"n{row}/0"].shape == (DIMENSION,)
            np.testing.assert_allclose(stored[f"n{row}/0"], vector, rtol=1e-6)
        assert store.vectors([]) == {}

    def test_chunk_ids_are_ordered_by_note_then_chunk(self, store: Store) -> None:
        first = Chunk("z", "n1", 0, "chest pain", 0, 10)
        second = Chunk("a", "n1", 1, "no fever", 12, 20)
        document = Document("n1", "p1", "Progress Note", "chest pain\n\nno fever")
        store.upsert([note("n2", ("calm", axis(2)))])
        store.upsert(
            [EmbeddedDocument(document, (EmbeddedChunk(first, axis(0)), EmbeddedChunk(second, axis(1))))]
        )
        assert list(store.chunk_ids()) == [("n1", "a"), ("n1", "z"), ("n2", "n2/0")]

    # --- soundness

    def test_a_sound_store_has_no_problems(self, store: Store) -> None:
        assert store.check() == []
        store.upsert([note("n1", ("chest pain", axis(0)), ("no fever", axis(1))), note("n2", ("x", axis(2)))])
        store.upsert([note("n1", ("chest pain", axis(0)), ("now fever", axis(3)))])
        store.delete(["n2"])
        assert store.check() == []

    def test_close_may_be_repeated(self, store_factory: StoreFactory) -> None:
        store = store_factory()
        store.prepare(SPACE)
        store.close()
        store.close()


def _plain_words(text: str) -> list[str]:
    return "".join(character if character.isalnum() else " " for character in text).lower().split()
