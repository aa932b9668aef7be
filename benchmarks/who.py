"""Who-questions over 100,000 notes of 10,000 patients, whose truth is known: time, CPU, and whether everyone is found.

The notes are made of a few sentences each: a problem that the patient has, denies or has in the family, a drug, an
allergy, a habit. Embedding costs nothing here (vectors are drawn). Next to each question stands its floor: FTS5's plain
query for the same words, and reading the passages that it finds. `--folder` keeps the store between two runs.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.answering import GivenVectors, QuotingGenerator
from pipeline.answering.flow import Answering, answer
from pipeline.answering.shapes.shaped_answering import ShapedAnswering
from pipeline.answering.shapes.shapes import SHAPES
from pipeline.backends.embedded.store import EmbeddedStore
from pipeline.config import AnsweringSettings, StoreSettings
from pipeline.indexing.chunking import chunk_document
from pipeline.records import Answer, Document, EmbeddedChunk, EmbeddedDocument, EmbeddingSpace, Question
from pipeline.storage.sqlite import Database

NOTES, NOTES_OF_A_PATIENT = 100_000, 10
DIMENSION = 64
SECONDS_MAX = 2.0
SHARES = {
    "diabetes": 0.2,
    "hypertension": 0.3,
    "atrial fibrillation": 0.05,
    "gout": 0.02,
    "kidney failure": 0.01,
    "sarcoidosis": 0.001,
}
"""Problems, and the share of the patients who have each."""
WRITTEN = {
    "diabetes": ("Type 2 diabetes mellitus", "diabetes", "DM"),
    "hypertension": ("hypertension", "HTN", "high blood pressure"),
    "atrial fibrillation": ("atrial fibrillation", "AF", "a-fib"),
    "gout": ("gout", "gout of the left great toe"),
    "kidney failure": ("kidney failure", "acute renal failure", "failure of the kidney"),
    "sarcoidosis": ("sarcoidosis", "pulmonary sarcoidosis"),
}
NEAR_MISSES = ("kidney stones and heart failure", "diabetes insipidus", "portal hypertension", "pseudogout")
DRUGS = ("metformin", "lisinopril", "apixaban", "allopurinol", "omeprazole", "sertraline")


@dataclass(frozen=True)
class Asked:
    question: str
    words: str
    """FTS5's expression of the floor."""
    truth: Callable[[Patient], bool]


@dataclass(frozen=True)
class Patient:
    number: int
    problems: frozenset[str]
    drug: str
    smokes: bool
    penicillin: bool

    @property
    def id(self) -> str:
        return f"P{self.number:06}"


def _has(problem: str) -> Callable[[Patient], bool]:
    return lambda patient: problem in patient.problems


QUESTIONS = (
    Asked("Which patients have diabetes?", "diabetes OR diabetic OR dm OR t2dm", _has("diabetes")),
    Asked(
        "Which patients have hypertension?",
        'hypertension OR htn OR "high blood pressure"',
        _has("hypertension"),
    ),
    Asked(
        "List all patients with atrial fibrillation.",
        '"atrial fibrillation" OR af OR afib OR "a fib"',
        _has("atrial fibrillation"),
    ),
    Asked("Which patients have had gout?", "gout", _has("gout")),
    Asked("Which patients have kidney failure?", "(kidney OR renal) AND failure", _has("kidney failure")),
    Asked("Who has sarcoidosis?", "sarcoidosis", _has("sarcoidosis")),
    Asked("Who takes metformin?", "metformin", lambda patient: patient.drug == "metformin"),
    Asked("Who smokes?", "smokes OR smoker OR smoking OR smoked OR tobacco", lambda patient: patient.smokes),
    Asked("Who is allergic to penicillin?", "penicillin OR pcn", lambda patient: patient.penicillin),
    Asked("How many patients have diabetes?", "diabetes OR diabetic OR dm OR t2dm", _has("diabetes")),
)


def main(arguments: Sequence[str] = ()) -> dict[str, float]:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--folder", type=Path, help="where the store is kept between two runs")
    options.add_argument("--notes", type=int, default=NOTES)
    chosen = options.parse_args(list(arguments))
    patients = list(_patients(chosen.notes // NOTES_OF_A_PATIENT))
    with tempfile.TemporaryDirectory(prefix="chartwell-bench-") as temporary:
        path = (chosen.folder or Path(temporary)) / f"who-{chosen.notes}.sqlite"
        if not path.exists():
            _build(path, patients)
        results = _measure(path, patients)
    for name, value in results.items():
        sys.stdout.write(f"{name:<66} {value:>12,.3f}\n")
    return results


def _patients(number: int) -> Iterator[Patient]:
    chance = random.Random(1)
    for each in range(number):
        problems = frozenset(problem for problem, share in SHARES.items() if chance.random() < share)
        yield Patient(each, problems, chance.choice(DRUGS), chance.random() < 0.2, chance.random() < 0.08)


def _notes(patient: Patient) -> Iterator[Document]:
    chance = random.Random(patient.number)
    told = {problem: chance.randrange(NOTES_OF_A_PATIENT) for problem in SHARES}
    for number in range(NOTES_OF_A_PATIENT):
        said = list(_problems(patient, number, told, chance))
        habit = "She smokes ten cigarettes a day." if patient.smokes else "She has never smoked."
        allergy = "Penicillin (rash)." if patient.penicillin else "No known drug allergies."
        text = (
            f"HISTORY OF PRESENT ILLNESS\n\nSeen for a check-up, number {number}. {' '.join(said)}\n\n"
            f"MEDICATIONS\n\n- {patient.drug} 20 mg daily\n\nALLERGIES\n\n{allergy}\n\nSOCIAL HISTORY\n\n{habit}\n"
        ).replace("\\\n", "\n")
        day = f"{2010 + number}-0{1 + patient.number % 9}-1{patient.number % 10}"
        yield Document(f"{patient.id}-{number}", patient.id, "Visit note", text, day)


def _problems(patient: Patient, note: int, told: dict[str, int], chance: random.Random) -> Iterator[str]:
    """Each problem surely in one note, in others by chance; what the patient has not is denied or a relative's."""
    for problem in SHARES:
        if problem in patient.problems:
            if note == told[problem] or chance.random() < 0.3:
                yield f"She has {chance.choice(WRITTEN[problem])}."
        elif chance.random() < 0.1:
            yield f"She denies {problem}."
        elif chance.random() < 0.03:
            yield f"Her mother had {problem}."
    if chance.random() < 0.05:
        yield f"History of {chance.choice(NEAR_MISSES)}."


def _build(path: Path, patients: Sequence[Patient]) -> None:
    drawn = np.random.default_rng(1)
    with closing(Database(path)) as database:
        store = EmbeddedStore(database, StoreSettings())
        store.prepare(_space())
        for first in range(0, len(patients), 200):
            group = patients[first : first + 200]
            with store.transaction():
                store.upsert([_embedded(note, drawn) for patient in group for note in _notes(patient)])
        store.optimise()


def _embedded(document: Document, drawn: np.random.Generator) -> EmbeddedDocument:
    chunks = chunk_document(
        document, count_tokens=lambda texts: [len(each.split()) for each in texts], tokens_max=160
    )
    vectors = drawn.standard_normal((len(chunks), DIMENSION)).astype(np.float32)
    return EmbeddedDocument(document, tuple(map(EmbeddedChunk, chunks, vectors)))


def _space() -> EmbeddingSpace:
    return EmbeddingSpace("benchmark", "drawn", DIMENSION, "", "", False, False, 512, 0.0)


def _measure(path: Path, patients: Sequence[Patient]) -> dict[str, float]:
    results: dict[str, float] = {}
    vectors = {asked.question: np.ones(DIMENSION, dtype=np.float32) for asked in QUESTIONS}
    embedder = GivenVectors(_space(), vectors)
    with closing(Database(path)) as database:
        store = EmbeddedStore(database, StoreSettings())
        inside = Answering(embedder, store, QuotingGenerator(), AnsweringSettings())
        answering = ShapedAnswering(inside, store, embedder, SHAPES)
        answer(answering, Question(QUESTIONS[-1].question))
        for asked in QUESTIONS:
            began, cpu = time.perf_counter(), time.process_time()
            told = answer(answering, Question(asked.question))
            seconds, used = time.perf_counter() - began, time.process_time() - cpu
            floor = _floor(database, asked.words)
            true = {patient.id for patient in patients if asked.truth(patient)}
            name = asked.question
            results |= {
                f"{name} s (below {SECONDS_MAX})": seconds,
                f"{name} CPU s": used,
                f"{name} plain query and reading, s": floor,
                f"{name} over that": seconds / floor,
                f"{name} patients by the answer": _counted(told),
                f"{name} patients in truth": len(true),
            }
    return results


def _counted(told: Answer) -> int:
    """The number that the answer begins with."""
    first = told.statements[0].text.split()[0].replace(",", "") if told.statements else "0"
    return int(first) if first.isdigit() else 0


def _floor(database: Database, words: str) -> float:
    began = time.perf_counter()
    rows = database.connection.execute(
        "SELECT c.ChunkText FROM ClinicalNoteWords AS w JOIN ClinicalNoteVectors AS c ON c.RowID = w.rowid "
        "WHERE ClinicalNoteWords MATCH ?",
        (words,),
    ).fetchall()
    sum(len(text) for (text,) in rows)
    return time.perf_counter() - began


if __name__ == "__main__":
    main(sys.argv[1:])
