"""Whether a document is about the topic of its domain: relevant, irrelevant, or not sure.

Decides by a few figures with names (`RelevanceFigures`): how near the document's passages and the document as a whole
come to the topic's sentence, how near it comes to any other subject of a hospital, how often it has the topic's words,
and how near it is to documents that were decided before. A logistic regression makes one probability of them; between
two thresholds it is not sure, and a person decides. The passages that spoke for it are named.

Refuses to know a store, a model and who may decide. Vectors come from the caller; cosines are read on the scale of
all-MiniLM-L6-v2 (`ports.SimilarityScale.usual`). Words are compared in English (`text.wording`).
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import astuple, dataclass
from typing import TypeAlias

import numpy as np

from pipeline.library.versions import RelevanceVerdict, StoredRelevance
from pipeline.records import TextKind, Vector, unit_length
from pipeline.text.vocabulary import NEUTRAL
from pipeline.text.wording import canonical

EmbedTexts: TypeAlias = Callable[[Sequence[str], TextKind], Vector]
"""`ports.Embedder.embed`."""
CosineScale: TypeAlias = Callable[[Vector], Vector]
"""`ports.SimilarityScale.usual`."""

SUBJECTS = (
    "Cardiology: diseases of the heart",
    "Neurology: diseases of the brain and nerves",
    "Psychiatry and mental health",
    "Oncology: cancer and its treatment",
    "Respiratory medicine: diseases of the lungs",
    "Gastroenterology: diseases of the stomach and bowel",
    "Nephrology and urology: kidney and urinary tract",
    "Gynaecology and obstetrics",
    "Paediatrics and newborns",
    "Orthopaedics: bones, joints and injuries",
    "Rheumatology and autoimmune disease",
    "Dermatology: diseases of the skin",
    "Ophthalmology: diseases of the eye",
    "Ear, nose and throat",
    "Dentistry and the mouth",
    "Endocrinology: hormones, diabetes and metabolism",
    "Haematology: diseases of the blood",
    "Infectious diseases",
    "Genetic syndromes and birth defects",
    "Surgery and anaesthesia",
    "Intensive care and emergency medicine",
    "Radiology and imaging",
    "Pharmacy and drugs",
    "Laboratory tests",
    "Public health, prevention and nutrition",
    "Medical education and health services",
    "Letters, forms and appointments",
    "Computers, finance and law",
)
"""What else a document of a hospital may be about. A text near to every subject says little by being near to one."""

RELEVANT_FROM = 0.5
"""Of the probability. On the development topics, each judged by weights fitted to the others, a precision of 0.85 and a
recall of 0.79 without examples."""
IRRELEVANT_BELOW = 0.05
"""Sets aside 2 of 100 related documents there, and 76 of 100 others. Lower than where both errors would weigh the same:
what is set aside no one reads again, and what is taken is still approved by a person."""
OPENING_PASSAGES = 3
"""A page and a half: a cover or a table of contents alone says less than what follows."""
EXAMPLES_WEIGHED = 2.0
"""With as many examples of a side, that side counts half of what it would count with very many."""
EXAMPLE_COSINE = 0.25
"""Of two documents of a hospital that have nothing in common."""
EVIDENCE_MAX = 3
EVIDENCE_COSINE = 0.35
"""A passage below it speaks for nothing, unless it has a word of the topic."""

_GENERAL = frozenset(
    key
    for word in (
        "adult adults care cause causes child children complications control detection disease diseases disorder "
        "disorders follow illness illnesses management other prevention related spread such surgery type types"
    ).split()
    for key in canonical(word)
)
"""Words of a topic that say nothing of what it is about, besides those of `vocabulary.NEUTRAL`."""
_WORD = re.compile(r"[^\W\d_]{2,}")


@dataclass(frozen=True, slots=True)
class DecidedExample:
    """A document about which a person has decided whether it belongs to the domain."""

    vector: Vector
    """Its `whole_vector`."""
    accepted: bool


@dataclass(frozen=True, slots=True)
class TopicStatement:
    """What a domain is about, in a sentence, and documents that were decided before."""

    text: str
    examples: tuple[DecidedExample, ...] = ()


@dataclass(frozen=True, slots=True)
class TopicPassage:
    """A stretch of one page, with its vector."""

    page: int
    start: int
    end: int
    text: str
    vector: Vector


@dataclass(frozen=True, slots=True)
class RelevantPassage:
    """A passage that spoke for a document, the nearest first."""

    page: int
    start: int
    end: int
    text: str
    similarity: float
    """Of the passage and the topic, on the usual scale."""
    words: tuple[str, ...]
    """Words of the topic that it has, as the passage writes them."""


@dataclass(frozen=True, slots=True)
class RelevanceFigures:
    """What speaks for a document and against it, each 0 where nothing does."""

    opening: float
    """Cosine of the topic and the nearest of the first `OPENING_PASSAGES`. The nearest of all would be the nearer the
    longer a document is."""
    whole: float
    """Cosine of the topic and the document's `whole_vector`."""
    elsewhere: float
    """The highest cosine of the whole and one of `SUBJECTS`."""
    words: float
    """Square root of the share of the document's words that are the topic's."""
    title: float
    """1 where the title has a word of the topic."""
    accepted: float
    """How near the document is to accepted examples, above `EXAMPLE_COSINE`; less where they are few."""
    declined: float
    """The same of declined examples."""


@dataclass(frozen=True, slots=True)
class Relevance:
    """What became of a document and why."""

    verdict: RelevanceVerdict
    score: float
    """The regression's sum: above 0 more likely relevant than not."""
    probability: float
    """Of being relevant, where a fifth of what is uploaded is, as in the development topics."""
    evidence: tuple[RelevantPassage, ...]
    """Empty where no passage speaks for it."""
    by_model: bool = False
    """Whether a language model moved it out of "unsure"."""


WEIGHTS = RelevanceFigures(
    opening=14.98, whole=2.39, elsewhere=-4.63, words=2.77, title=1.18, accepted=5.25, declined=-7.68
)
INTERCEPT = -6.34
"""Fitted to the development half of benchmarks/relevance_topics.json: `python -m benchmarks.relevance --fit`."""


@dataclass(frozen=True, slots=True)
class EmbeddedTopic:
    """A topic as documents are held against it. Made once for many documents, by `embed_topic`."""

    statement: TopicStatement
    vector: Vector
    subjects: Vector
    """Shape (subjects, dimension)."""
    keys: frozenset[str]
    """Canonical words of the statement that say what it is about."""
    scale: CosineScale


def embed_topic(
    statement: TopicStatement, embed: EmbedTexts, scale: CosineScale = lambda it: it
) -> EmbeddedTopic:
    """Asks the embedder once, for the topic and `SUBJECTS`. Raises ValueError for a statement without a word."""
    if not _WORD.search(statement.text):
        raise ValueError("A topic is stated in words.")
    vectors = embed([statement.text, *SUBJECTS], "query")
    keys = frozenset(key for word in _content_words(statement.text) for key in canonical(word)) - _GENERAL
    return EmbeddedTopic(statement, vectors[0], vectors[1:], keys, scale)


def whole_vector(passages: Sequence[TopicPassage]) -> Vector:
    """The mean of a document's passages at unit length, shape (dimension,). There must be one."""
    return np.asarray(
        unit_length(np.stack([each.vector for each in passages]).mean(axis=0)[None])[0], dtype=np.float32
    )


def judge_relevance(topic: EmbeddedTopic, title: str, passages: Sequence[TopicPassage]) -> Relevance:
    """A document without a passage is "unsure": nothing of it was read that could be judged."""
    if not passages:
        return Relevance("unsure", 0.0, 0.5, ())
    score = relevance_score(relevance_figures(topic, title, passages))
    probability = 1 / (1 + math.exp(-score))
    return Relevance(_verdict(probability), score, probability, _evidence(topic, passages))


def stored_relevance(found: Relevance) -> StoredRelevance:
    """As the catalogue keeps it."""
    evidence = tuple((each.page, each.text) for each in found.evidence)
    return StoredRelevance(found.verdict, found.probability, evidence, found.by_model)


def relevance_score(figures: RelevanceFigures) -> float:
    """The logarithm of the odds that a document with these figures is relevant."""
    weighed: list[float] = [w * f for w, f in zip(astuple(WEIGHTS), astuple(figures), strict=True)]
    return INTERCEPT + sum(weighed)


def relevance_figures(topic: EmbeddedTopic, title: str, passages: Sequence[TopicPassage]) -> RelevanceFigures:
    """There must be a passage."""
    whole = whole_vector(passages)
    title_keys = {key for word in _content_words(title) for key in canonical(word)}
    return RelevanceFigures(
        opening=float(_similarities(topic, passages[:OPENING_PASSAGES]).max()),
        whole=float(topic.scale(np.asarray(whole @ topic.vector))),
        elsewhere=float(topic.scale(topic.subjects @ whole).max()),
        words=math.sqrt(_share_of_words(topic, passages)),
        title=float(not topic.keys.isdisjoint(title_keys)),
        accepted=_nearness(topic, whole, accepted=True),
        declined=_nearness(topic, whole, accepted=False),
    )


def _verdict(probability: float) -> RelevanceVerdict:
    if probability >= RELEVANT_FROM:
        return "relevant"
    return "irrelevant" if probability < IRRELEVANT_BELOW else "unsure"


def _similarities(topic: EmbeddedTopic, passages: Sequence[TopicPassage]) -> Vector:
    return topic.scale(np.stack([each.vector for each in passages]) @ topic.vector)


def _share_of_words(topic: EmbeddedTopic, passages: Sequence[TopicPassage]) -> float:
    counted = Counter(
        key for each in passages for word in _content_words(each.text) for key in canonical(word)
    )
    return sum(counted[key] for key in topic.keys) / max(counted.total(), 1)


def _nearness(topic: EmbeddedTopic, whole: Vector, *, accepted: bool) -> float:
    """Half of it is the nearest example's, half all of theirs: a domain may hold several kinds of documents."""
    chosen = [each.vector for each in topic.statement.examples if each.accepted is accepted]
    if not chosen:
        return 0.0
    cosines = topic.scale(np.stack(chosen) @ whole)
    known = len(chosen) / (len(chosen) + EXAMPLES_WEIGHED)
    return known * (float(cosines.max() + cosines.mean()) / 2 - EXAMPLE_COSINE)


def _evidence(topic: EmbeddedTopic, passages: Sequence[TopicPassage]) -> tuple[RelevantPassage, ...]:
    cosines = _similarities(topic, passages)
    found = [
        RelevantPassage(
            each.page, each.start, each.end, each.text, float(cosine), _topic_words(topic, each.text)
        )
        for each, cosine in zip(passages, cosines, strict=True)
    ]
    speaking = [each for each in found if each.words or each.similarity >= EVIDENCE_COSINE]
    return tuple(sorted(speaking, key=lambda each: -each.similarity)[:EVIDENCE_MAX])


def _topic_words(topic: EmbeddedTopic, text: str) -> tuple[str, ...]:
    words = (word for word in _content_words(text) if not topic.keys.isdisjoint(canonical(word)))
    return tuple(dict.fromkeys(words))


def _content_words(text: str) -> list[str]:
    return [word for word in _WORD.findall(text.lower()) if word not in NEUTRAL]
