"""Whether documents are about a domain's topic: AUROC and the operating point on 20 topics, beside words and cosine.

    python -m benchmarks.relevance [--vectors FILE]    FILE keeps what was embedded: a minute and a half once
    python -m benchmarks.relevance --fit               the weights of pipeline/library/relevance.py

relevance_topics.json states each topic in a sentence and names its documents, chosen by hand: MedQuAD pages and PubMed
abstracts of the developers' data, related ones, hard neighbours (the same organ, a sister disease, the same drug in
another use) and others. Ten topics are for development, to which the weights are fitted, ten are held; no document is
in both halves. Intervals are 95 % bootstraps over topics and over the documents of each. "8 examples" are 4 accepted
and 4 declined ones, drawn from the topic's own documents, which are then left out.
"""

from __future__ import annotations

import argparse
import json
import math
import random
import re
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import astuple, dataclass, fields, replace
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline.backends.local.onnx_embedder import LocalEmbedder
from pipeline.config import EmbedderSettings
from pipeline.indexing.chunking import chunk_document
from pipeline.library import relevance
from pipeline.library.relevance import (
    DecidedExample,
    EmbeddedTopic,
    RelevanceFigures,
    TopicPassage,
    TopicStatement,
    embed_topic,
    relevance_figures,
    relevance_score,
    whole_vector,
)
from pipeline.ports import Embedder, similarity_scale
from pipeline.records import Document, Vector
from pipeline.text.vocabulary import NEUTRAL
from pipeline.text.wording import canonical

DATA = Path(__file__).resolve().parents[2] / "shared" / "data" / "qa"
TOPICS = Path(__file__).with_name("relevance_topics.json")
TOKENS_MAX = 200
DRAWS = {0: 1, 2: 5, 8: 5}
"""How often examples are drawn, by their number."""
RESAMPLED = 500
KINDS = ("related", "neighbours", "others")

Scores = NDArray[np.float64]
Measure = Callable[["Case"], float]


@dataclass(frozen=True)
class LibraryText:
    """A document as the benchmark has it."""

    id: str
    title: str
    text: str


@dataclass(frozen=True)
class Topic:
    half: str
    name: str
    statement: str
    documents: Mapping[str, tuple[str, ...]]
    """Ids by kind."""


@dataclass(frozen=True)
class Case:
    """One document held against one topic, after one draw of examples."""

    topic: Topic
    draw: int
    document: str
    kind: str
    figures: RelevanceFigures
    nearest: float
    """Cosine of the topic and the nearest passage of all."""
    bm25: float

    @property
    def related(self) -> bool:
        return self.kind == "related"


@dataclass(frozen=True)
class Interval:
    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.3f} ({self.low:.3f} to {self.high:.3f})"


class TopicLibrary:
    """The documents of some topics, embedded, and the topics held against them."""

    def __init__(self, topics: Sequence[Topic], embedder: Embedder, kept: Path | None) -> None:
        self.topics, self._embedder = topics, embedder
        named = {each for topic in topics for ids in topic.documents.values() for each in ids}
        self.texts = {each.id: each for each in read_texts() if each.id in named}
        self.passages = self._embedded(kept)
        self._wholes = {name: whole_vector(passages) for name, passages in self.passages.items()}

    def cases(self, half: str, examples: int) -> list[Case]:
        chosen = [topic for topic in self.topics if topic.half == half]
        return [
            case
            for topic in chosen
            for draw in range(DRAWS[examples])
            for case in self._cases(topic, draw, examples)
        ]

    def _cases(self, topic: Topic, draw: int, examples: int) -> Iterator[Case]:
        decided = _drawn(topic, draw, examples)
        known = tuple(DecidedExample(self._wholes[name], accepted) for name, accepted in decided.items())
        embedded = self._topic(TopicStatement(topic.statement, known))
        for kind in KINDS:
            for name in topic.documents[kind]:
                if name not in decided:
                    figures = relevance_figures(embedded, self.texts[name].title, self.passages[name])
                    nearest = max(float(each.vector @ embedded.vector) for each in self.passages[name])
                    yield Case(topic, draw, name, kind, figures, nearest, self._bm25(topic, embedded, name))

    def strung(self, topic: Topic, names: Sequence[str]) -> tuple[float, float]:
        """The score, and the cosine of the nearest passage, of a document made of several."""
        embedded = self._topic(TopicStatement(topic.statement))
        passages = [passage for name in names for passage in self.passages[name]]
        figures = relevance_figures(embedded, self.texts[names[0]].title, passages)
        return relevance_score(figures), max(float(each.vector @ embedded.vector) for each in passages)

    def _topic(self, statement: TopicStatement) -> EmbeddedTopic:
        return embed_topic(statement, self._embed_kept, similarity_scale(self._embedder).usual)

    def _embed_kept(self, texts: Sequence[str], kind: str) -> Vector:
        for text in set(texts) - self._questions.keys():
            self._questions[text] = self._embedder.embed([text], "query")[0]
        return np.stack([self._questions[text] for text in texts])

    @cached_property
    def _questions(self) -> dict[str, Vector]:
        return {}

    def _embedded(self, kept: Path | None) -> dict[str, list[TopicPassage]]:
        chunks = {
            each.id: chunk_document(
                Document(each.id, "-", "document", f"{each.title}\n\n{each.text}"),
                count_tokens=self._embedder.count_tokens,
                tokens_max=TOKENS_MAX,
            )
            for each in self.texts.values()
        }
        texts = [chunk.embedding_text for found in chunks.values() for chunk in found]
        if kept and kept.exists() and len(np.load(kept)) == len(texts):
            vectors = np.load(kept)
        else:
            vectors = self._embedder.embed(texts, "passage")
            if kept:
                np.save(kept, vectors)
        rows = iter(vectors)
        return {
            name: [TopicPassage(1, chunk.start, chunk.end, chunk.text, next(rows)) for chunk in found]
            for name, found in chunks.items()
        }

    def _bm25(self, topic: Topic, embedded: EmbeddedTopic, name: str) -> float:
        counted, frequencies = self._words[name], self._frequencies[topic.half]
        length = counted.total() / self._mean_length
        number = frequencies.total_documents
        return sum(
            math.log(1 + (number - frequencies.of[key] + 0.5) / (frequencies.of[key] + 0.5))
            * (counted[key] * 1.9 / (counted[key] + 0.9 * (0.6 + 0.4 * length)))
            for key in embedded.keys
        )

    @cached_property
    def _words(self) -> dict[str, Counter[str]]:
        return {each.id: Counter(_keys(f"{each.title} {each.text}")) for each in self.texts.values()}

    @cached_property
    def _mean_length(self) -> float:
        return float(np.mean([counted.total() for counted in self._words.values()]))

    @cached_property
    def _frequencies(self) -> dict[str, _Frequencies]:
        found = {}
        for half in ("development", "held"):
            names = {
                name
                for topic in self.topics
                if topic.half == half
                for ids in topic.documents.values()
                for name in ids
            }
            found[half] = _Frequencies(
                Counter(key for name in names for key in self._words[name]), len(names)
            )
        return found


@dataclass(frozen=True)
class _Frequencies:
    of: Counter[str]
    total_documents: int


def read_topics() -> list[Topic]:
    rows = json.loads(TOPICS.read_text(encoding="utf-8"))
    return [
        Topic(row["half"], row["name"], row["statement"], {kind: tuple(row[kind]) for kind in KINDS})
        for row in rows
    ]


def read_texts() -> list[LibraryText]:
    """Answers of one MedQuAD page are one document, an abstract with its conclusion another."""
    pages: dict[tuple[str, str], list[dict[str, str]]] = {}
    for row in _json_lines(DATA / "medquad.jsonl"):
        pages.setdefault((row["source"], row["url"]), []).append(row)
    found = [
        LibraryText(
            rows[0]["id"].rpartition("-")[0],
            rows[0]["focus"].strip(),
            "\n\n".join(row["answer"] for row in rows),
        )
        for rows in pages.values()
    ]
    return found + [
        LibraryText(row["id"], row["question"], "\n\n".join([*row["contexts"], row["long_answer"]]))
        for row in _json_lines(DATA / "pubmedqa.jsonl")
    ]


def auroc(positive: Scores, negative: Scores) -> float:
    above = positive[:, None] > negative[None]
    return float(above.mean() + (positive[:, None] == negative[None]).mean() / 2)


def fit(cases: Sequence[Case], weights: Scores) -> tuple[float, Scores]:
    """Intercept and weights of a logistic regression, with a ridge of 1 on figures of unit variance."""
    figures = np.array([astuple(case.figures) for case in cases])
    related = np.array([case.related for case in cases], dtype=np.float64)
    spread = figures.std(axis=0) + 1e-9
    design = np.column_stack([np.ones(len(figures)), figures / spread])
    ridge = np.diag([0.0, *np.ones(figures.shape[1])])
    found = np.zeros(design.shape[1])
    for _ in range(30):
        likely = 1 / (1 + np.exp(-design @ found))
        curvature = design.T @ (design * (weights * likely * (1 - likely))[:, None]) + ridge
        found += np.linalg.solve(curvature, design.T @ (weights * (related - likely)) - ridge @ found)
    return float(found[0]), found[1:] / spread


def _drawn(topic: Topic, draw: int, examples: int) -> dict[str, bool]:
    """As many accepted as declined; half of the declined ones are neighbours on average."""
    chance = random.Random(f"{topic.name} {draw}")
    neighbours = topic.documents["neighbours"]
    other = [*neighbours, *topic.documents["others"][: len(neighbours)]]
    accepted = chance.sample(topic.documents["related"], examples // 2)
    return dict.fromkeys(accepted, True) | dict.fromkeys(chance.sample(other, examples // 2), False)


def _keys(text: str) -> Iterator[str]:
    for word in re.findall(r"[^\W\d_]{2,}", text.lower()):
        if word not in NEUTRAL:
            yield from canonical(word)


def _json_lines(path: Path) -> Iterator[dict[str, str]]:
    with path.open(encoding="utf-8") as file:
        for line in file:
            yield json.loads(line)


BASELINES: Mapping[str, Measure] = {
    "regression": lambda case: relevance_score(case.figures),
    "cosine alone, nearest passage": lambda case: case.nearest,
    "cosine alone, whole document": lambda case: case.figures.whole,
    "BM25 alone": lambda case: case.bm25,
    "chance": lambda case: random.Random(case.document + case.topic.name).random(),
}


def topic_auroc(cases: Sequence[Case], measure: Measure, against: Sequence[str]) -> Interval:
    """The mean over topics of the AUROC of related documents against those kinds."""
    groups: dict[str, list[tuple[Scores, Scores]]] = {}
    for drawn in _grouped(cases).values():
        of = {kind: np.array([measure(case) for case in drawn if case.kind == kind]) for kind in KINDS}
        negative = np.concatenate([of[kind] for kind in against])
        groups.setdefault(drawn[0].topic.name, []).append((of["related"], negative))
    return _bootstrap(
        list(groups.values()), lambda of_topics: float(np.mean([_mean_auroc(each) for each in of_topics]))
    )


def _mean_auroc(draws: Sequence[tuple[Scores, Scores]]) -> float:
    return float(np.mean([auroc(positive, negative) for positive, negative in draws]))


def _grouped(cases: Sequence[Case]) -> dict[tuple[str, int], list[Case]]:
    found: dict[tuple[str, int], list[Case]] = {}
    for case in cases:
        found.setdefault((case.topic.name, case.draw), []).append(case)
    return found


def _bootstrap(
    topics: Sequence[list[tuple[Scores, Scores]]],
    figure: Callable[[Sequence[list[tuple[Scores, Scores]]]], float],
) -> Interval:
    drawn = np.random.default_rng(14)
    found = []
    for _ in range(RESAMPLED):
        chosen = [topics[at] for at in drawn.integers(len(topics), size=len(topics))]
        found.append(figure([[_resampled(pair, drawn) for pair in draws] for draws in chosen]))
    low, high = np.quantile([each for each in found if not math.isnan(each)], (0.025, 0.975))
    return Interval(figure(topics), float(low), float(high))


def _resampled(pair: tuple[Scores, Scores], drawn: np.random.Generator) -> tuple[Scores, Scores]:
    positive, negative = (side[drawn.integers(len(side), size=len(side))] for side in pair)
    return positive, negative


def operating_point(cases: Sequence[Case]) -> dict[str, Interval]:
    """What the two thresholds do: probabilities of related and of other documents, pooled."""
    groups: dict[str, list[tuple[Scores, Scores]]] = {}
    for drawn in _grouped(cases).values():
        likely = [(1 / (1 + math.exp(-relevance_score(case.figures))), case.related) for case in drawn]
        related, other = (np.array([p for p, kind in likely if kind is side]) for side in (True, False))
        groups.setdefault(drawn[0].topic.name, []).append((related, other))
    return {name: _bootstrap(list(groups.values()), _pooled(figure)) for name, figure in RATES.items()}


def _pooled(
    figure: Callable[[Scores, Scores], float],
) -> Callable[[Sequence[list[tuple[Scores, Scores]]]], float]:
    def of_all(topics: Sequence[list[tuple[Scores, Scores]]]) -> float:
        related = np.concatenate([pair[0] for draws in topics for pair in draws])
        other = np.concatenate([pair[1] for draws in topics for pair in draws])
        return figure(related, other)

    return of_all


def _relevant(likely: Scores) -> int:
    return int((likely >= relevance.RELEVANT_FROM).sum())


def _irrelevant(likely: Scores) -> int:
    return int((likely < relevance.IRRELEVANT_BELOW).sum())


RATES: Mapping[str, Callable[[Scores, Scores], float]] = {
    "precision of 'relevant'": lambda related, other: (
        _relevant(related) / (_relevant(related) + _relevant(other))
    ),
    "recall of 'relevant'": lambda related, other: _relevant(related) / len(related),
    "related ones called irrelevant": lambda related, other: _irrelevant(related) / len(related),
    "precision of 'irrelevant'": lambda related, other: (
        _irrelevant(other) / (_irrelevant(related) + _irrelevant(other))
    ),
    "share unsure": lambda related, other: (
        1
        - sum(map(_relevant, (related, other)), sum(map(_irrelevant, (related, other))))
        / (len(related) + len(other))
    ),
}


def left_out(cases: Sequence[Case]) -> list[tuple[float, bool]]:
    """The probability of each case by weights fitted to the other topics, and whether it is related."""
    found = []
    for name in dict.fromkeys(case.topic.name for case in cases):
        intercept, weights = fit(*_training([case for case in cases if case.topic.name != name]))
        for case in cases:
            if case.topic.name == name:
                score = intercept + float(np.dot(weights, astuple(case.figures)))
                found.append((1 / (1 + math.exp(-score)), case.related))
    return found


def _training(cases: Sequence[Case]) -> tuple[Sequence[Case], Scores]:
    """Several draws of a topic weigh what one does."""
    draws = Counter((case.topic.name, case.figures.accepted != 0, case.draw) for case in cases)
    number = Counter((name, with_examples) for name, with_examples, _ in draws)
    return cases, np.array([1 / number[case.topic.name, case.figures.accepted != 0] for case in cases])


def _print_fit(library: TopicLibrary) -> None:
    cases = [case for examples in DRAWS for case in library.cases("development", examples)]
    intercept, weights = fit(*_training(cases))
    print(f"INTERCEPT = {intercept:.2f}")
    for field, weight in zip(fields(RelevanceFigures), weights, strict=True):
        print(f"{field.name}={weight:.2f}")
    likely = left_out(library.cases("development", 0))
    related = np.array([p for p, is_related in likely if is_related])
    other = np.array([p for p, is_related in likely if not is_related])
    print(
        "threshold  precision  recall  related below  others below  (each topic by the weights of the others)"
    )
    for threshold in (0.03, 0.05, 0.07, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8):
        above, wrong = (related >= threshold).sum(), (other >= threshold).sum()
        print(
            f"{threshold:9.2f}  {above / (above + wrong):9.3f}  {above / len(related):6.3f}  "
            f"{1 - above / len(related):13.3f}  {1 - wrong / len(other):12.3f}"
        )


def without(cases: Sequence[Case], left_out: Sequence[str]) -> Measure:
    """The regression fitted again to these cases, with some figures taken away."""

    def kept(case: Case) -> Case:
        return replace(case, figures=replace(case.figures, **dict.fromkeys(left_out, 0.0)))

    _, weights = fit(*_training([kept(case) for case in cases]))
    return lambda case: float(np.dot(weights, astuple(kept(case).figures)))


PARTS = {
    "without words and title": ("words", "title"),
    "without other subjects": ("elsewhere",),
    "without opening": ("opening",),
    "without whole document": ("whole",),
}


def _print_parts(library: TopicLibrary) -> None:
    print("\n### what each part adds: fitted to the development topics, AUROC without examples\n")
    development, held = library.cases("development", 0), library.cases("held", 0)
    for name, left_out in {"all": (), **PARTS}.items():
        measure = without(development, left_out)
        of_held = topic_auroc(held, measure, KINDS[1:])
        print(f"{name:<26} development {topic_auroc(development, measure, KINDS[1:])}; held {of_held}")


def long_documents(library: TopicLibrary, half: str) -> dict[str, float]:
    """Texts strung together, 5 related ones against 15 of other kinds: AUROC by the regression, and by the nearest
    passage of all, which is the nearer the more passages there are."""
    by_regression, by_nearest = [], []
    for topic in (each for each in library.topics if each.half == half):
        chance = random.Random(topic.name)
        other = [*topic.documents["neighbours"], *topic.documents["others"]]
        related = [library.strung(topic, chance.sample(topic.documents["related"], 5)) for _ in range(15)]
        unrelated = [library.strung(topic, chance.sample(other, 15)) for _ in range(60)]
        of_related, of_unrelated = np.array(related), np.array(unrelated)
        by_regression.append(auroc(of_related[:, 0], of_unrelated[:, 0]))
        by_nearest.append(auroc(of_related[:, 1], of_unrelated[:, 1]))
    return {"regression": float(np.mean(by_regression)), "nearest passage": float(np.mean(by_nearest))}


def _print_half(library: TopicLibrary, half: str) -> dict[str, float]:
    results = {}
    print(f"\n### {half} topics\n")
    for examples in DRAWS:
        cases = library.cases(half, examples)
        chosen = BASELINES if examples == 0 else {"regression": BASELINES["regression"]}
        for name, measure in chosen.items():
            all_others = topic_auroc(cases, measure, KINDS[1:])
            hard = topic_auroc(cases, measure, ("neighbours",))
            print(f"{examples} examples, {name:<30} AUROC {all_others}; hard neighbours alone {hard}")
            results[f"{half} {examples} {name}"] = all_others.value
        for name, rate in operating_point(cases).items():
            print(f"    {name:<32} {rate}")
    return results


def main(arguments: Sequence[str] = ()) -> dict[str, float]:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.relevance", description=__doc__)
    parser.add_argument("--vectors", type=Path, help="a file that keeps what was embedded")
    parser.add_argument("--fit", action="store_true")
    parser.add_argument("--model", default="", help="another local embedding model, by its name")
    parser.add_argument("--model-file", type=Path, help="its weights")
    given = parser.parse_args(list(arguments))
    if not DATA.is_dir():
        print(f"skipped: the developers' data is not at {DATA}")
        return {}
    settings = EmbedderSettings(model=given.model, model_file=given.model_file)
    library = TopicLibrary(read_topics(), LocalEmbedder(settings), given.vectors)
    print(f"{len(library.texts)} documents, {sum(map(len, library.passages.values()))} passages")
    if given.fit:
        _print_fit(library)
        return {}
    results = _print_half(library, "development") | _print_half(library, "held")
    _print_parts(library)
    for half in ("development", "held"):
        print(f"long documents, {half}: {long_documents(library, half)}")
    return results


if __name__ == "__main__":
    main(sys.argv[1:])
