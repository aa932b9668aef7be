"""The figures of docs/models.md and of the similarity floors: how fast, how good, and where each gives up.

python -m benchmarks.local_models speed
python -m benchmarks.local_models answers          76 questions over notes that ship with the project
python -m benchmarks.local_models floors FOLDER    needs the development data (retrieval/, injection/)
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline.answering.question_patient import of_named_patients
from pipeline.backends.local.extractive import ExtractiveGenerator
from pipeline.backends.local.hashing import HashingEmbedder
from pipeline.backends.local.onnx_embedder import LocalEmbedder
from pipeline.config import EmbedderSettings, GeneratorSettings
from pipeline.indexing.chunking import chunk_document
from pipeline.ports import Embedder, Generator
from pipeline.records import Document, Hit, Prompt, Question, Vector

QUESTIONS = Path(__file__).with_name("questions.jsonl")
NOTES = Path(__file__).resolve().parents[1] / "pipeline/demo/notes"
SETS = ("medquad", "mtsamples_description", "pubmedqa")
CHUNK_TOKENS_MAX = 160
PASSAGES_MAX = 10
REPEATS = 3


@dataclass(frozen=True, slots=True)
class Case:
    """A question over one note, and the words of which one must appear in an answer; none: the note cannot answer."""

    resource_id: str
    question: str
    answers: tuple[str, ...]

    def answered_by(self, line: str) -> bool:
        return any(wanted.casefold() in line.casefold() for wanted in self.answers)


def cases() -> list[Case]:
    """All questions, in the order of the file."""
    rows = _json_lines(QUESTIONS)
    return [Case(str(row["resource_id"]), str(row["question"]), tuple(row["answers"])) for row in rows]


def passages(case: Case, embedder: Embedder) -> tuple[Hit, ...]:
    """The note's nearest passages above the floor, as retrieval restricted to that note would give them."""
    note = _notes()[case.resource_id]
    chunks = chunk_document(note, count_tokens=embedder.count_tokens, tokens_max=CHUNK_TOKENS_MAX)
    vectors = embedder.embed([chunk.embedding_text for chunk in chunks], "passage")
    similarities = (vectors @ embedder.embed([case.question], "query")[0]).tolist()
    hits = [
        Hit(
            chunk_id=chunk.chunk_id,
            resource_id=note.resource_id,
            patient_id=note.patient_id,
            document_type=note.document_type,
            date=note.date,
            domain=note.domain,
            section=chunk.section,
            text=chunk.text,
            start=chunk.start,
            end=chunk.end,
            similarity=similarity,
            offsets=chunk.offsets,
        )
        for chunk, similarity in zip(chunks, similarities, strict=True)
        if similarity >= embedder.space.similarity_floor
    ]
    return tuple(sorted(hits, key=lambda hit: hit.similarity, reverse=True)[:PASSAGES_MAX])


def draft_lines(generator: Generator, question: str, found: Sequence[Hit]) -> list[str]:
    """The lines that `generator` writes about these passages."""
    topic, admitted = of_named_patients(Question(question), found)
    prompt = Prompt(question, tuple(admitted), system="", user="", version="benchmark@0", topic=topic)
    return "".join(piece.text for piece in generator.stream(prompt)).splitlines()


def answers() -> None:
    """Right sentence first, right sentence among those quoted, rightly silent."""
    embedder = LocalEmbedder(EmbedderSettings())
    generator = ExtractiveGenerator(embedder, GeneratorSettings())
    first = among = silent = quoted = right = 0
    seconds = []
    for case in cases():
        found = passages(case, embedder)
        started = time.perf_counter()
        lines = draft_lines(generator, case.question, found)
        seconds.append(time.perf_counter() - started)
        good = [case.answered_by(line) for line in lines]
        first += bool(good and good[0])
        among += any(good)
        silent += not case.answers and not lines
        quoted += len(lines) if case.answers else 0
        right += sum(good)
        print(f"{_mark(case, good):5} {case.question}", *lines, sep="\n        " if lines else "")
    answerable = sum(bool(case.answers) for case in cases())
    print(f"\nanswer quoted first {first}/{answerable}, among the quotes {among}/{answerable}, quotes right "
          f"{right}/{quoted}, silent where the note is {silent}/{len(cases()) - answerable}")  # fmt: skip
    print(
        f"milliseconds a question: p50 {1e3 * np.median(seconds):.0f}, p95 {1e3 * np.percentile(seconds, 95):.0f}"
    )


def _mark(case: Case, good: Sequence[bool]) -> str:
    if not case.answers:
        return "WRONG" if good else "none"
    return "first" if good and good[0] else "among" if any(good) else "MISS"


def speed() -> None:
    """Texts and tokens a second over passages of the notes that ship with the project, best of three."""
    for embedder in (
        LocalEmbedder(EmbedderSettings()),
        HashingEmbedder(EmbedderSettings(provider="hashing")),
    ):
        chunks = [
            chunk.embedding_text
            for note in _notes().values()
            for chunk in chunk_document(note, count_tokens=embedder.count_tokens, tokens_max=CHUNK_TOKENS_MAX)
        ]
        questions = [case.question for case in cases()]
        tokens = sum(embedder.count_tokens(chunks)) + 2 * len(chunks)
        wall, cpu = min(_timed(embedder, chunks) for _ in range(REPEATS))
        singly = [_timed(embedder, [question])[0] for question in questions]
        print(
            f"{embedder.space.model}: {len(chunks) / wall:.0f} passages/s of {tokens / len(chunks):.0f} tokens, "
            f"{tokens / wall:.0f} tokens/s, {tokens / cpu:.0f} tokens a CPU second; "
            f"one question p50 {1e3 * np.median(singly):.1f} ms"
        )


def _timed(embedder: Embedder, texts: Sequence[str]) -> tuple[float, float]:
    wall, cpu = time.perf_counter(), time.process_time()
    embedder.embed(texts, "passage")
    return time.perf_counter() - wall, time.process_time() - cpu


def floors(data: Path) -> None:
    """For each floor: questions whose own passage it keeps, and everyday questions that it stops, by corpus."""
    for embedder in (
        LocalEmbedder(EmbedderSettings()),
        HashingEmbedder(EmbedderSettings(provider="hashing")),
    ):
        everyday = embedder.embed(_everyday(data), "query")
        kept: dict[str, NDArray[np.float64]] = {"notes": _own_note(embedder)}
        stopped = {"notes": _best(everyday, _vectors(list(_notes().values()), embedder)[1])}
        for name in SETS:
            owners, vectors = _vectors(_beir_documents(data / "retrieval" / name), embedder)
            kept[name] = _own_passage(data / "retrieval" / name, owners, vectors, embedder)
            stopped[name] = _best(everyday, vectors)
        print(f"\n{embedder.space.model}: kept of " + ", ".join(f"{len(v)} {k}" for k, v in kept.items())
              + f"; stopped of {len(everyday)} everyday questions")  # fmt: skip
        for floor in (0.05, 0.10, 0.15, 0.20, 0.25, 0.30, 0.35, 0.40, 0.45):
            keeps = "  ".join(f"{name} {np.mean(values >= floor):6.1%}" for name, values in kept.items())
            stops = "  ".join(f"{name} {np.mean(values < floor):4.0%}" for name, values in stopped.items())
            print(f"  {floor:.2f}  keeps {keeps}   stops {stops}")


def _own_note(embedder: Embedder) -> NDArray[np.float64]:
    """Best similarity of a passage that holds the answer, for each answerable question over the shipped notes."""
    best = []
    for case in cases():
        if case.answers:
            note = [_notes()[case.resource_id]]
            texts = _texts(note, embedder)
            holding = [text for _, text in texts if case.answered_by(" ".join(text.split()))]
            best.append(
                _best(embedder.embed([case.question], "query"), embedder.embed(holding, "passage"))[0]
            )
    return np.array(best)


def _own_passage(
    folder: Path, owners: Sequence[str], vectors: Vector, embedder: Embedder
) -> NDArray[np.float64]:
    relevant: dict[str, set[str]] = {}
    for line in (folder / "qrels.tsv").read_text(encoding="utf-8").splitlines()[1:]:
        query, document, grade = line.split("\t")[:3]
        if int(grade) > 0:
            relevant.setdefault(query, set()).add(document)
    queries = {str(row["_id"]): str(row["text"]) for row in _json_lines(folder / "queries.jsonl")}
    asked = embedder.embed([queries[query] for query in relevant], "query")
    own = np.array(owners)
    return np.array(
        [
            (vectors[np.isin(own, list(documents))] @ vector).max()
            for vector, documents in zip(asked, relevant.values(), strict=True)
        ]
    )


def _best(questions: Vector, vectors: Vector) -> NDArray[np.float64]:
    return np.asarray((questions @ vectors.T).max(axis=1), dtype=np.float64)


def _vectors(documents: Sequence[Document], embedder: Embedder) -> tuple[list[str], Vector]:
    texts = _texts(documents, embedder)
    return [owner for owner, _ in texts], embedder.embed([text for _, text in texts], "passage")


def _texts(documents: Sequence[Document], embedder: Embedder) -> list[tuple[str, str]]:
    return [
        (document.resource_id, chunk.embedding_text)
        for document in documents
        for chunk in chunk_document(document, count_tokens=embedder.count_tokens, tokens_max=CHUNK_TOKENS_MAX)
    ]


def _everyday(data: Path) -> list[str]:
    """Harmless questions and requests about anything but medicine: NotInject and the safe half of XSTest."""
    rows = _json_lines(data / "injection" / "prompts.jsonl")
    return [
        str(row["text"])
        for row in rows
        if row["source"] == "NotInject" or (row["source"] == "XSTest" and row["kind"] == "overrefusal_safe")
    ]


def _beir_documents(folder: Path) -> list[Document]:
    return [
        Document(str(row["_id"]), "-", "passage", f"{row['title']}\n{row['text']}".strip())
        for row in _json_lines(folder / "corpus.jsonl")
    ]


@cache
def _notes() -> dict[str, Document]:
    rows = [row for file in sorted(NOTES.glob("*.jsonl")) for row in _json_lines(file)]
    return {
        str(row["resource_id"]): Document(
            str(row["resource_id"]),
            str(row["patient_id"]),
            str(row["document_type"]),
            str(row["text_content"]),
        )
        for row in rows
    }


def _json_lines(path: Path) -> Iterator[dict[str, str]]:
    with path.open(encoding="utf-8") as file:
        for line in file:
            yield json.loads(line)


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["speed"]:
            speed()
        case ["answers"]:
            answers()
        case ["floors", folder]:
            floors(Path(folder))
        case _:
            sys.exit(__doc__)
