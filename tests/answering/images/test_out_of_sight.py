"""No question, with an image or without, tells of a film out of sight: its words, its id, its report, or its number.

A seeded corpus in both stores: each film has words that stand nowhere else. Askers of different scopes ask by name, id,
label and picture; a generator that tells all that it was given stands in for a language model.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from pydantic import SecretStr

from pipeline.answering.flow import answer
from pipeline.backends.iris.store import IrisStore
from pipeline.backends.local.hashing import HashingEmbedder
from pipeline.backends.local.image_embedder import LocalImageEmbedder
from pipeline.config import EmbedderSettings, ImageEmbedderSettings, IrisSettings, Settings, load_settings
from pipeline.errors import BadRequest
from pipeline.images import EmbeddedImage
from pipeline.imaging.records import ImageDescription
from pipeline.ports import Generator, Store
from pipeline.records import (
    EVERYTHING,
    AccessScope,
    Answer,
    AskedImage,
    DraftPiece,
    Filters,
    GeneratorModel,
    Prompt,
    Question,
    Usage,
)
from pipeline.wiring import (
    compose_answerer,
    ledger_database,
    open_generator,
    open_image_store,
    open_store,
)
from tests.answering.images.conftest import asked_image, picture
from tests.backends.iris_driver import Server
from tests.contracts.store import note

WORD = re.compile("zq[a-z]{9}")
NAMES = ("Anna Mitchell", "Ben Okafor", "Cara Lindqvist", "Dara Novak")
DOMAINS = ("radiology", "psychiatry", None)
FILMS, ROUNDS = 24, 25
_COUNTED = re.compile(r"\A(\d+) (?:earlier )?films?\b.* stored here")


@dataclass
class Planted:
    """Descriptions of films, and which words belong to which."""

    films: list[ImageDescription] = field(default_factory=list)
    notes: dict[str, tuple[str, str | None]] = field(default_factory=dict)
    """Patient and domain of each report, by its id."""

    def words_of(self, film: ImageDescription, scope: AccessScope) -> set[str]:
        """What an asker who sees the film may read of it."""
        patient, domain = self.notes.get(film.report_id or "", ("", None))
        shown = film
        if not (patient == film.patient_id and scope.admits(domain, patient)):
            shown = replace(film, report_id=None)
        return set(WORD.findall(repr(shown)))

    def seen(self, scope: AccessScope) -> list[ImageDescription]:
        return [film for film in self.films if scope.admits(film.domain, film.patient_id)]

    def forbidden(self, scope: AccessScope) -> set[str]:
        every = {word for film in self.films for word in WORD.findall(repr(film))}
        allowed = {word for film in self.seen(scope) for word in self.words_of(film, scope)}
        for (
            film
        ) in self.films:  # a report may be seen although its film is not: it has its own id and the label
            if film.report_id and scope.admits(self.notes[film.report_id][1], film.patient_id):
                allowed |= set(WORD.findall(f"{film.report_id} {film.findings}"))
        return every - allowed


class Gossip:
    """Says all that it was given, and remembers it."""

    model = GeneratorModel("scripted", "gossip")

    def __init__(self) -> None:
        self.given: list[str] = []

    def stream(self, prompt: Prompt) -> Iterator[DraftPiece]:
        self.given.append(prompt.user)
        for number, hit in enumerate(prompt.passages, start=1):
            yield DraftPiece(f'"{hit.text}" [{number}]\n')
        yield DraftPiece("", Usage(1, 1), "stop")

    def check(self) -> None:
        return None


def plant(store: Store, embedder: HashingEmbedder, dice: random.Random) -> Planted:
    planted = Planted()

    def word() -> str:
        return "zq" + "".join(dice.choices("bcdfghjklm", k=9))

    def written(resource_id: str, text: str, patient: str, domain: str | None) -> None:
        (vector,) = embedder.embed([text], "passage")
        store.upsert(
            [note(resource_id, (text, vector), patient_id=patient, domain=domain, date="2020-01-01")]
        )

    for number, name in enumerate(NAMES):
        for domain in DOMAINS[:2]:
            written(f"n{number}-{domain}", f"Patient: {name}\n\nASSESSMENT\n\nCough.", f"P{number}00", domain)
    for number in range(FILMS):
        patient, report = f"P{dice.randrange(4)}00", f"report-{word()}" if dice.random() < 0.6 else None
        label = word()
        if report:
            planted.notes[report] = (patient, dice.choice(DOMAINS))
            written(report, f"REPORT\n\nThe film shows {label}.", *planted.notes[report])
        planted.films.append(
            ImageDescription(
                f"film-{word()}",
                patient,
                f"{word()}.dcm",
                "dicom",
                f"{number:064}",
                series_id=word(),
                study_id=word(),
                modality="DX",
                body_part="CHEST",
                description=word(),
                date=f"20{dice.randint(10, 24)}-01-{dice.randint(1, 28):02}",
                rows=96,
                columns=80,
                report_id=report,
                findings=(label,),
                domain=dice.choice(DOMAINS),
            )
        )
    return planted


@dataclass
class Hospital:
    settings: Settings
    store: Store
    embedder: HashingEmbedder
    planted: Planted

    def ask(self, question: Question, generator: Generator | None) -> Answer:
        made = compose_answerer(
            self.embedder,
            self.store,
            generator or open_generator(self.settings, self.embedder),
            self.settings,
            images=open_image_store(self.store),
            image_embedder=LocalImageEmbedder(ImageEmbedderSettings()),
        )
        return answer(made, question)


@pytest.fixture(scope="module", params=["embedded", "iris"])
def hospital(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hospital]:
    folder: Path = tmp_path_factory.mktemp(request.param)
    settings = load_settings(None, data_dir=folder, embedder={"provider": "hashing"})
    server = Server()
    with closing(server), closing(ledger_database(settings)) as database:
        stores: dict[str, Callable[[], Store]] = {
            "embedded": lambda: open_store(settings, database),
            "iris": lambda: IrisStore(IrisSettings(password=SecretStr("correct horse")), server.connect),
        }
        with closing(stores[request.param]()) as store:
            embedder = HashingEmbedder(EmbedderSettings(provider="hashing"))
            store.prepare(embedder.space)
            planted = plant(store, embedder, random.Random(7))
            images, looks = open_image_store(store), LocalImageEmbedder(ImageEmbedderSettings())
            images.prepare(looks.space)
            vectors = looks.embed_images([picture(seed % 3) for seed in range(FILMS)])
            films = zip(planted.films, vectors, strict=True)
            images.upsert([EmbeddedImage(film, vector) for film, vector in films])
            yield Hospital(settings, store, embedder, planted)


def question_of(planted: Planted, scope: AccessScope, dice: random.Random) -> Question:
    film = dice.choice(planted.films)
    name = NAMES[int(film.patient_id[1])]
    (label,) = film.findings
    text = dice.choice(
        [
            "Show films",
            f"Which films does {name} have?",
            f"Show films with {label}",
            f"Does {name} have films with {label}?",
            f"What do the films and the notes say about {label}?",
            f"Show {name}'s latest film",
            f"How many chest X-rays has patient {film.patient_id} had?",
            f"Which patients have a film with {label}?",
            f"What does {name}'s chest X-ray show?",
            f"Tell me in a sentence what the report of {name}'s film says of {label}",
            "Is there a cough?",
            "",
        ]
    )
    image: AskedImage | None = None
    if not text or dice.random() < 0.4:
        other = dice.choice([film, dice.choice(planted.films)])
        known = dice.choice([{}, {"content_hash": other.content_hash}, {"patient_id": other.patient_id}])
        image = asked_image(dice.randrange(3), **known)
    return Question(text, Filters(scope=scope), image=image)


def scopes(dice: random.Random) -> list[AccessScope]:
    people = ["P000", "P100", "P200", "P300"]
    return [
        EVERYTHING,
        AccessScope(domains=frozenset(["radiology"])),
        AccessScope(domains=frozenset(["psychiatry"]), patient_ids=frozenset(dice.sample(people, 2))),
        AccessScope(patient_ids=frozenset(dice.sample(people, 2))),
        AccessScope(patient_ids=frozenset()),
    ]


def test_no_answer_tells_of_a_film_out_of_sight(hospital: Hospital) -> None:
    dice, gossip, told, counted = random.Random(11), Gossip(), 0, 0
    refusals: list[str] = []
    planted = hospital.planted
    for scope in scopes(dice):
        forbidden = planted.forbidden(scope)
        for _ in range(ROUNDS):
            question = question_of(planted, scope, dice)
            gossip.given.clear()
            try:
                found = hospital.ask(question, dice.choice([None, gossip]))
            except BadRequest as refused:
                refusals.append(str(refused))
                continue
            own = set(WORD.findall(question.text))
            assert set(WORD.findall(repr(replace(found, question="")))) & forbidden <= own
            assert set(WORD.findall("\n".join(gossip.given))) & forbidden <= own
            seen = {film.image_id: film for film in planted.seen(scope)}
            assert {image.image_id for image in found.images} <= seen.keys()
            told += len(found.images)
            if question.text == "Show films" and question.image is None:
                number = _COUNTED.match(found.text)
                assert (int(number[1]) if number else 0) == len(seen)
                counted += len(seen)
            of_patients = {each.patient_id for each in found.citations if each.region is not None}
            if question.filters.patient_ids or "'s" in question.text:
                assert len(of_patients) < 2
    assert refusals
    assert not WORD.search("".join(refusals))
    assert told > 100
    assert counted > 0


def test_a_film_that_moved_to_another_patient_meanwhile_is_told_of_neither(hospital: Hospital) -> None:
    film = max(hospital.planted.films, key=lambda each: each.date or "")
    images = open_image_store(hospital.store)
    vector = images.vectors([film.image_id])[film.image_id]
    name = NAMES[int(film.patient_id[1])]
    moved = replace(film, patient_id="P900")

    class Moving:
        """Hands the film to another patient once it was found."""

        def __getattr__(self, method: str) -> object:
            return getattr(images, method)

        def images(self, *arguments: object, **named: object) -> object:
            found = images.images(*arguments, **named)  # type: ignore[arg-type]  # as they came
            images.upsert([EmbeddedImage(moved, vector)])
            return found

    made = compose_answerer(
        hospital.embedder,
        hospital.store,
        open_generator(hospital.settings, hospital.embedder),
        hospital.settings,
        images=Moving(),  # type: ignore[arg-type]  # every other method is the store's
    )
    try:
        found = answer(made, Question(f"Show {name}'s latest film"))
    finally:
        images.upsert([EmbeddedImage(film, vector)])
    assert film.image_id not in found.text + repr(found.citations) + repr(found.images)
    assert film.findings[0] not in found.text
