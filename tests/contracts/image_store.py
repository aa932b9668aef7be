"""What every store of images promises, as tests. Knows `ports.ImageStore`, `ports.Store` and records only.

A back-end's test file subclasses `ImageStoreContract` and supplies `opened`: a callable without arguments that opens
one more pair of handles (notes, images) on this test's own, initially empty store.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, TypeAlias

import numpy as np
import pytest

from pipeline.errors import SpaceMismatch, StoreError, StoreRejectedRow
from pipeline.images import EVERY_IMAGE, EmbeddedImage, ImageCounts, ImageFilters, Thumbnail
from pipeline.imaging.records import ImageDescription
from pipeline.ports import ImageStore, Store
from pipeline.records import EVERYTHING, AccessScope, EmbeddingSpace, StoreCounts, Vector, unit_length
from tests.contracts.store import (
    DIMENSION,
    DOMAINS,
    PATIENTS,
    SPACE,
    any_scope,
    axis,
    leaning,
    note,
)

Pair: TypeAlias = tuple[Store, ImageStore]
Opened: TypeAlias = Callable[[], Pair]

IMAGE_SPACE = EmbeddingSpace("hashing", "images-1", DIMENSION, similarity_floor=0.1)
DAYS = (None, "2023", "2024-01-31", "2024-02-01", "2024-02-02T08:00:00")
NO_ONE = AccessScope(frozenset(), None)
PICTURE = Thumbnail("image/jpeg", bytes(range(256)))


def film(image_id: str, vector: Vector | None = None, /, **fields: Any) -> EmbeddedImage:
    described = ImageDescription(
        image_id,
        patient_id="p1",
        source=f"/films/{image_id}.dcm",
        source_format="dicom",
        content_hash="c" * 64,
    )
    thumbnail = fields.pop("thumbnail", None)
    return EmbeddedImage(replace(described, **fields), axis(0) if vector is None else vector, thumbnail)


FULL = film(
    "1.2.840.1",
    leaning(0.6),
    patient_id="p'7",
    series_id="1.2.3",
    study_id="1.2",
    modality="DX",
    body_part="CHEST",
    view="PA",
    laterality="L",
    description='Thorax "pa", ärmlos 🫁',
    date="2024-05-06T07:08:09",
    rows=3056,
    columns=2544,
    frame=2,
    frames=9,
    findings=("Effusion", "Pneumothorax, left"),
    domain="radiology",
    encounter_id="e1",
    metadata={"Manufacturer": "Überfilm", "k": ""},
    thumbnail=PICTURE,
)


def found(images: ImageStore, vector: Vector, k: int = 10, filters: ImageFilters = EVERY_IMAGE) -> list[str]:
    return [hit.description.image_id for hit in images.search(vector, k, filters)]


def listed(images: ImageStore, **filters: Any) -> list[str]:
    return [each.image_id for each in images.images(ImageFilters(**filters))]


def reports(images: ImageStore, scope: AccessScope = EVERYTHING) -> dict[str, str | None]:
    """The report of every image inside a scope, by each way on which it is told; all ways must agree."""
    filters = ImageFilters(scope=scope)
    told = {each.image_id: each.report_id for each in images.images(filters)}
    assert told == {
        hit.description.image_id: hit.description.report_id for hit in images.search(axis(0), 100, filters)
    }
    for image_id, report in told.items():
        one = images.image(image_id, scope)
        assert one is not None
        assert one.report_id == report
    return told


class ImageStoreContract:
    """Subclass, supply `opened`, and pytest runs every promise."""

    @pytest.fixture
    def opened(self) -> Opened:
        raise NotImplementedError("a back-end's test class supplies opened")

    @pytest.fixture
    def pair(self, opened: Opened) -> Iterator[Pair]:
        notes, images = opened()
        notes.prepare(SPACE)
        images.prepare(IMAGE_SPACE)
        yield notes, images
        images.close()
        notes.close()

    @pytest.fixture
    def images(self, pair: Pair) -> ImageStore:
        return pair[1]

    @pytest.fixture
    def notes(self, pair: Pair) -> Store:
        return pair[0]

    # --- preparing, and the space

    def test_without_notes_store_nothing_is_prepared(self, opened: Opened) -> None:
        _, images = opened()
        assert images.space() is None
        with pytest.raises(StoreError, match="python -m pipeline"):
            images.prepare(IMAGE_SPACE)

    def test_a_store_without_images_has_none(self, opened: Opened) -> None:
        notes, images = opened()
        notes.prepare(SPACE)
        assert images.space() is None
        assert images.counts() == ImageCounts(0, 0, 0)
        assert (found(images, axis(0)), listed(images), list(images.image_ids())) == ([], [], [])
        assert (images.vectors(["i"]), images.descriptions(["i"])) == ({}, {})
        assert images.image("i", EVERYTHING) is images.thumbnail("i", EVERYTHING) is None
        assert (images.delete(["i"]), images.check(), images.foreign_reports()) == (0, [], [])
        images.clear()
        with pytest.raises(StoreError):
            images.upsert([film("i")])

    def test_the_image_space_is_another_than_that_of_the_notes(self, pair: Pair, opened: Opened) -> None:
        notes, images = pair
        images.upsert([film("i")])
        notes2, images2 = opened()
        images2.prepare(replace(IMAGE_SPACE, similarity_floor=0.3))
        assert images.space() == replace(IMAGE_SPACE, similarity_floor=0.3)
        assert notes.space() == SPACE
        with pytest.raises(SpaceMismatch) as refusal:
            images2.prepare(replace(IMAGE_SPACE, model="images-2"))
        assert IMAGE_SPACE.id in str(refusal.value)
        assert "images-2" in str(refusal.value)
        assert listed(images2) == ["i"]
        notes2.close()

    def test_an_image_without_a_picture_is_told(self, images: ImageStore) -> None:
        assert images.without_thumbnail() == []
        images.upsert([film("i", thumbnail=PICTURE), film("j"), film("k")])
        assert images.without_thumbnail() == ["j", "k"]

    def test_after_clear_another_space_may_come_and_notes_stay(self, pair: Pair) -> None:
        notes, images = pair
        notes.upsert([note("n1", ("chest pain", axis(0)))])
        images.upsert([film("i", thumbnail=PICTURE)])
        images.clear()
        assert images.counts() == ImageCounts(0, 0, 0)
        images.prepare(replace(IMAGE_SPACE, model="wide", dimension=16))
        images.upsert([film("j", axis(3, 16))])
        assert found(images, axis(3, 16)) == ["j"]
        assert images.thumbnail("i", EVERYTHING) is None
        assert notes.counts() == StoreCounts(1, 1)
        assert images.check() == []

    def test_clearing_the_notes_leaves_the_images(self, pair: Pair) -> None:
        notes, images = pair
        notes.upsert([note("n1", ("chest pain", axis(0)))])
        images.upsert([film("i", thumbnail=PICTURE)])
        notes.clear()
        notes.prepare(SPACE)
        assert listed(images) == ["i"]
        assert images.thumbnail("i", EVERYTHING) == PICTURE

    # --- writing

    def test_an_image_comes_back_whole(self, images: ImageStore) -> None:
        images.upsert([FULL])
        image_id = FULL.description.image_id
        assert images.image(image_id, EVERYTHING) == FULL.description
        assert images.descriptions([image_id]) == {image_id: FULL.description}
        assert images.thumbnail(image_id, EVERYTHING) == PICTURE
        (hit,) = images.search(axis(0), 5, EVERY_IMAGE)
        assert hit.description == FULL.description
        assert hit.similarity == pytest.approx(0.6, abs=1e-6)
        np.testing.assert_allclose(images.vectors([image_id, "gone"])[image_id], FULL.vector, atol=1e-6)

    def test_fields_may_be_empty_or_absent(self, images: ImageStore) -> None:
        empty = film("empty", domain="", encounter_id="", report_id="", date="")
        images.upsert([film("absent"), empty])
        assert images.descriptions(["absent", "empty"]) == {
            "absent": film("absent").description,
            "empty": empty.description,
        }

    def test_writing_twice_is_writing_once_and_another_handle_sees_it(
        self, images: ImageStore, opened: Opened
    ) -> None:
        images.upsert([FULL, film("j", axis(1))])
        before = (images.counts(), list(images.image_ids()), images.search(axis(0), 5, EVERY_IMAGE))
        images.upsert([FULL, film("j", axis(1))])
        assert (images.counts(), list(images.image_ids()), images.search(axis(0), 5, EVERY_IMAGE)) == before
        _, other = opened()
        assert other.search(axis(0), 5, EVERY_IMAGE) == before[2]
        images.upsert([film("k", axis(2))])
        assert found(other, axis(2), 1) == ["k"]
        images.delete(["k"])
        assert found(other, axis(2), 3) == found(images, axis(2), 3)
        other.close()

    @pytest.mark.parametrize("vector", [axis(0), axis(5)], ids=["the vector stays", "another vector"])
    def test_a_changed_image_replaces_all_of_the_old_one(self, images: ImageStore, vector: Vector) -> None:
        images.upsert([film("i", axis(0), thumbnail=PICTURE, modality="CT"), film("j", axis(1))])
        changed = film("i", vector, patient_id="p2", date="2020-01-01")
        images.upsert([changed])
        assert images.image("i", EVERYTHING) == changed.description
        assert images.thumbnail("i", EVERYTHING) is None
        assert found(images, vector, 1) == ["i"]
        assert (
            listed(images, modalities=("CT",))
            == listed(images, patient_ids=("p1",), modalities=("CT",))
            == []
        )
        assert images.counts() == ImageCounts(2, 2, 0)
        assert images.check() == []

    def test_delete_removes_picture_and_place_in_the_search(self, images: ImageStore) -> None:
        images.upsert([film("i", thumbnail=PICTURE), film("j", axis(1))])
        assert images.delete(["i", "unknown", "i"]) == 1
        assert images.thumbnail("i", EVERYTHING) is images.image("i", EVERYTHING) is None
        assert found(images, axis(0)) == ["j"]
        assert images.check() == []

    @pytest.mark.parametrize(
        "unfit",
        [
            film("bad", axis(0, 9)),
            film("bad", np.full(DIMENSION, np.nan, dtype=np.float32)),
            film("bad", thumbnail=Thumbnail("image/png", b"x" * 60_001)),
        ],
        ids=["width", "not a number", "picture too large"],
    )
    def test_what_cannot_be_stored_is_refused_by_name_and_nothing_is_written(
        self, images: ImageStore, unfit: EmbeddedImage
    ) -> None:
        with pytest.raises(StoreRejectedRow, match="'bad'"):
            images.upsert([film("good"), unfit])
        assert images.counts() == ImageCounts(0, 0, 0)

    def test_a_transaction_is_whole_or_nothing_and_of_both_kinds(self, pair: Pair) -> None:
        notes, images = pair

        def cut_off() -> None:
            with images.transaction():
                images.upsert([film("i")])
                notes.upsert([note("n1", ("chest pain", axis(0)))])
                raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            cut_off()
        assert images.counts() == ImageCounts(0, 0, 0)
        assert notes.counts() == StoreCounts(0, 0)
        assert found(images, axis(0)) == []
        with images.transaction():
            images.upsert([film("i")])
            notes.upsert([note("n1", ("chest pain", axis(0)))])
        assert (images.counts(), notes.counts()) == (ImageCounts(1, 1, 0), StoreCounts(1, 1))

    def test_every_change_makes_another_version_of_the_corpus(self, pair: Pair) -> None:
        notes, images = pair
        seen = [images.version()]
        for change in (
            lambda: images.upsert([film("i")]),
            lambda: images.delete(["i"]),
            lambda: notes.upsert([note("n1", ("chest pain", axis(0)))]),
        ):
            change()
            assert images.version() == notes.version()
            seen.append(images.version())
        assert len(set(seen)) == len(seen)
        images.search(axis(0), 3, EVERY_IMAGE)
        assert images.version() == seen[-1]

    # --- reports

    def test_a_report_is_linked_whichever_comes_first_and_unlinked_when_it_goes(self, pair: Pair) -> None:
        notes, images = pair
        images.upsert([film("i", report_id="r1"), film("j", axis(1), report_id="r1")])
        assert reports(images) == {"i": None, "j": None}
        assert listed(images, report_ids=("r1",)) == []
        notes.upsert([note("r1", ("effusion", axis(0)))])
        assert reports(images) == {"i": "r1", "j": "r1"}
        assert listed(images, report_ids=("r1", "r2")) == ["i", "j"]
        assert found(images, axis(1), 1, ImageFilters(report_ids=("r1",))) == ["j"]
        notes.delete(["r1"])
        assert reports(images) == {"i": None, "j": None}
        assert images.descriptions(["i"])["i"].report_id == "r1"
        notes.upsert([note("r1", ("effusion", axis(0)))])
        images.upsert([film("k", axis(2), report_id="r1")])
        assert reports(images)["k"] == "r1"
        images.upsert([film("k", axis(2))])
        assert reports(images)["k"] is None

    def test_a_note_of_another_patient_is_no_report(self, pair: Pair) -> None:
        notes, images = pair
        images.upsert([film("i", report_id="r1"), film("j", patient_id="p2", report_id="r1")])
        notes.upsert([note("r1", ("effusion", axis(0)), patient_id="p2")])
        assert reports(images) == {"i": None, "j": "r1"}
        assert listed(images, report_ids=("r1",)) == ["j"]
        assert found(images, axis(0), 5, ImageFilters(report_ids=("r1",))) == ["j"]
        assert images.foreign_reports() == ["i"]

    def test_a_report_out_of_sight_is_not_named(self, pair: Pair) -> None:
        notes, images = pair
        notes.upsert([note("r1", ("effusion", axis(0)), domain="oncology"), note("r2", ("x", axis(0)))])
        images.upsert(
            [film("i", domain="radiology", report_id="r1"), film("j", domain="radiology", report_id="r2")]
        )
        assert reports(images) == {"i": "r1", "j": "r2"}
        inside = AccessScope(frozenset({"radiology"}))
        assert reports(images, inside) == {"i": None, "j": None}
        assert listed(images, report_ids=("r1", "r2"), scope=inside) == []
        both = AccessScope(frozenset({"radiology", "oncology"}))
        assert reports(images, both) == {"i": "r1", "j": None}
        assert listed(images, report_ids=("r1", "r2"), scope=both) == ["i"]

    # --- searching and listing

    def test_the_nearest_come_first(self, images: ImageStore) -> None:
        images.upsert([film(f"i{n}", leaning(n / 10)) for n in range(-3, 8)])
        assert found(images, axis(0), 3) == ["i7", "i6", "i5"]
        assert len(found(images, axis(0), 50)) == 11
        assert found(images, axis(0), 0) == []
        with pytest.raises(SpaceMismatch):
            images.search(axis(0, 9), 3, EVERY_IMAGE)

    def test_equal_vectors_are_all_found(self, images: ImageStore) -> None:
        images.upsert([film(f"same{n:03}", axis(1)) for n in range(90)])
        images.upsert([film("best", axis(0))])
        assert found(images, axis(0), 1) == ["best"]
        few = images.search(axis(1), 5, EVERY_IMAGE)
        assert found(images, axis(1), 5) == [hit.description.image_id for hit in few]
        assert set(found(images, axis(1), 90)) == {f"same{n:03}" for n in range(90)}

    @pytest.mark.parametrize(
        ("wish", "expected"),
        [
            ({}, "cabde"),
            ({"patient_ids": ("p1",)}, "cabe"),
            ({"modalities": ("DX", "CR")}, "cad"),
            ({"body_parts": ("CHEST",)}, "cd"),
            ({"study_ids": ("s1",)}, "ca"),
            ({"domains": ("radiology",)}, "ad"),
            ({"since": "2024-02-01"}, "ca"),
            ({"until": "2024-01-31"}, "bd"),
            ({"since": "2023-06", "until": "2024-02-01"}, "abd"),
            ({"patient_ids": ("p2",), "modalities": ("CT",)}, ""),
            ({"patient_ids": ("p1", "p2"), "scope": AccessScope(None, frozenset({"p2", "p9"}))}, "d"),
            ({"scope": AccessScope(frozenset({"radiology"}))}, "ad"),
            ({"scope": AccessScope(frozenset({"radiology"}), frozenset({"p1"}))}, "a"),
            ({"scope": NO_ONE}, ""),
            ({"scope": AccessScope(None, frozenset())}, ""),
            ({"scope": AccessScope(frozenset({""}))}, ""),
        ],
    )
    def test_filters_and_scopes_select_rows(
        self, images: ImageStore, wish: dict[str, Any], expected: str
    ) -> None:
        images.upsert(
            [
                film("a", modality="DX", study_id="s1", domain="radiology", date="2024-02-01"),
                film("b", leaning(0.9), modality="CT", date="2024-01-31"),
                film(
                    "c",
                    leaning(0.8),
                    modality="DX",
                    body_part="CHEST",
                    study_id="s1",
                    date="2024-02-02T08:00:00",
                ),
                film(
                    "d",
                    leaning(0.7),
                    patient_id="p2",
                    modality="CR",
                    body_part="CHEST",
                    domain="radiology",
                    date="2023",
                ),
                film("e", leaning(0.6), domain=""),
            ]
        )
        assert listed(images, **wish) == list(expected)
        assert found(images, axis(0), 10, ImageFilters(**wish)) == sorted(expected)
        assert [each.image_id for each in images.images(ImageFilters(**wish), skip=1, limit=2)] == list(
            expected
        )[1:3]

    def test_the_forbidden_nearest_crowd_out_no_one(self, images: ImageStore) -> None:
        crowd = [film(f"crowd{number:03}", leaning(0.99)) for number in range(150)]
        images.upsert([*crowd, *(film(f"rare{n}", leaning(0.1 * n), patient_id="p9") for n in range(3))])
        mine = ImageFilters(scope=AccessScope(None, frozenset({"p9"})))
        assert found(images, axis(0), 2, mine) == ["rare2", "rare1"]

    def test_a_scope_of_2000_patients(self, images: ImageStore) -> None:
        images.upsert([film("a"), film("b", patient_id="patient, 7's", thumbnail=PICTURE)])
        scope = AccessScope(None, frozenset(f"patient, {number}'s" for number in range(2_000)))
        filters = ImageFilters(scope=scope)
        assert found(images, axis(0), 5, filters) == listed(images, scope=scope) == ["b"]
        assert images.counts(scope) == ImageCounts(1, 1, 0)
        assert images.thumbnail("b", scope) == PICTURE
        assert images.thumbnail("a", scope) is images.image("a", scope) is None

    def test_an_image_that_changes_hands_changes_sides(self, images: ImageStore) -> None:
        mine, theirs = (AccessScope(None, frozenset({name})) for name in ("p1", "p2"))
        images.upsert([film("i", thumbnail=PICTURE)])
        images.upsert([film("i", patient_id="p2", thumbnail=PICTURE)])
        assert images.image("i", mine) is images.thumbnail("i", mine) is None
        assert (listed(images, scope=mine), listed(images, scope=theirs)) == ([], ["i"])
        assert (images.counts(mine).images, images.counts(theirs).images) == (0, 1)

    # --- leaks

    def test_nothing_out_of_sight_is_told(self, pair: Pair) -> None:
        """Every reading, for scopes of any shape, against the rule of `AccessScope` said once more."""
        told, forbidden = leaks(pair, seed=7)
        assert forbidden == []
        assert told > 60

    def test_a_scope_that_is_forgotten_is_found(self, pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
        """The same with a store that forgets the scope in one reading after the other."""
        images = pair[1]
        forgetful = {
            "search": lambda real: (
                lambda vector, k, filters: real(vector, k, replace(filters, scope=EVERYTHING))
            ),
            "images": lambda real: lambda filters, **page: real(replace(filters, scope=EVERYTHING), **page),
            "image": lambda real: lambda image_id, scope: real(image_id, EVERYTHING),
            "thumbnail": lambda real: lambda image_id, scope: real(image_id, EVERYTHING),
            "counts": lambda real: lambda scope: real(EVERYTHING),
        }
        for name, forget in forgetful.items():
            with monkeypatch.context() as patch:
                patch.setattr(images, name, forget(getattr(images, name)))
                _, forbidden = leaks(pair, seed=7, rounds=2)
            assert {channel for channel, _ in forbidden} == {name}

    # --- soundness

    def test_ids_are_ordered(self, images: ImageStore) -> None:
        names = ["10", "9", "a", "B", "1.2.840", "é"]
        images.upsert([film(name) for name in names])
        assert list(images.image_ids()) == sorted(names)

    def test_images_are_found_by_their_bytes(self, images: ImageStore) -> None:
        images.upsert([film("i", content_hash="a" * 64), film("j", content_hash="b" * 64), film("k")])
        assert images.images_of(["b" * 64, "a" * 64, "d" * 64]) == ["i", "j"]
        assert images.images_of([]) == []

    def test_what_a_person_types_is_never_syntax(self, images: ImageStore) -> None:
        images.upsert([film("i")])
        for typed in ("' OR 1=1 --", 'i"', "%", "i\0x", ""):
            wish = (typed,) if typed else ("",)
            assert images.image(typed, EVERYTHING) is images.thumbnail(typed, EVERYTHING) is None
            assert listed(images, modalities=wish, patient_ids=wish) == []
            assert images.delete([typed]) == 0
        assert listed(images) == ["i"]


def leaks(pair: Pair, *, seed: int, rounds: int = 12) -> tuple[int, list[tuple[str, str]]]:
    """(images told, what was told and lies out of sight, by channel) over scopes drawn at random."""
    notes, images = pair
    dice = random.Random(seed)
    stored = []
    for number in range(60):
        vector = unit_length(np.array([dice.gauss(0, 1) for _ in range(DIMENSION)], dtype=np.float32))
        fields = {
            "patient_id": dice.choice(PATIENTS),
            "domain": dice.choice(DOMAINS),
            "date": dice.choice(DAYS),
        }
        report = f"r{number % 20}"
        stored.append(
            film(
                f"own{number:02}",
                vector,
                **fields,
                report_id=report,
                study_id=f"s{number}",
                thumbnail=PICTURE,
            )
        )
    images.upsert(stored)
    for number in range(20):  # reports of the patient of one of the images that name them
        owner = stored[dice.choice([number, number + 20, number + 40])].description
        words = ("report", axis(number % DIMENSION))
        notes.upsert([note(f"r{number}", words, patient_id=owner.patient_id, domain=dice.choice(DOMAINS))])
    told, forbidden = 0, []
    for _ in range(rounds):
        scope = any_scope(dice)
        filters = ImageFilters(scope=scope)
        inside = {each.description.image_id: each.description for each in stored if _sees(scope, each)}
        given = {
            "search": [hit.description for hit in images.search(axis(0), 60, filters)],
            "images": images.images(filters),
            "image": [each for one in stored if (each := images.image(one.description.image_id, scope))],
        }
        for channel, descriptions in given.items():
            assert channel == "search" or len(descriptions) >= len(inside)
            for each in descriptions:
                told += 1
                if each.image_id not in inside or not _report_may_be_told(notes, each, scope):
                    forbidden.append((channel, each.image_id))
        for one in stored:
            key = one.description.image_id
            if images.thumbnail(key, scope) is not None and key not in inside:
                forbidden.append(("thumbnail", key))
        patients = {each.patient_id for each in inside.values()}
        if images.counts(scope) != ImageCounts(len(inside), len(patients), len(inside)):
            forbidden.append(("counts", ""))
    return told, forbidden


def _sees(scope: AccessScope, image: EmbeddedImage) -> bool:
    """The rule once more: this must not be what is tested."""
    patient, domain = image.description.patient_id, image.description.domain
    if scope.patient_ids is not None and patient not in scope.patient_ids:
        return False
    return scope.domains is None or (domain is not None and domain != "" and domain in scope.domains)


def _report_may_be_told(notes: Store, image: ImageDescription, scope: AccessScope) -> bool:
    if image.report_id is None:
        return True
    report = notes.document(image.report_id)
    return (
        report is not None
        and report.patient_id == image.patient_id
        and (scope.domains is None or (bool(report.domain) and report.domain in scope.domains))
    )
