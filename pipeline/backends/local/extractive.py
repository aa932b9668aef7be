"""The answerer without a language model: it quotes the sentences that answer, verbatim, and invents nothing.

Decides which sentences of the passages answer the question, or that none does. A sentence counts by its similarity
to the question, by how many of the question's rarer words it holds, by its passage, and by whether it has what was
asked for: a number for "how much", a time for "when". Reads the question without the names in it: whose passages may
answer was decided before, and the sentence that introduces a person would answer everything about them. Refuses to
rephrase, combine or conclude; what two sentences say together it cannot say. The weights are measured in
docs/models.md.

The draft is one sentence a line, `"<the sentence as it stands in the passage>" [n]`, best first. White space inside a
sentence is a single space; list bullets before it are left out. Double quotes inside are kept: the quotation reaches
from the first to the last one of its line.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.config import GeneratorSettings
from pipeline.ports import Embedder, SimilarityScale, similarity_scale
from pipeline.records import DraftPiece, GeneratorModel, Hit, Prompt, Usage
from pipeline.text.answerability.asked_words import AskedWords, may_answer, share_held
from pipeline.text.answerability.values import ValueKind, find_value
from pipeline.text.sentences import BULLETS, is_heading, passage_sentences
from pipeline.text.statements.facts import signature
from pipeline.text.structure.line_above import with_line_above
from pipeline.text.vocabulary import NEGATIONS

MODEL = GeneratorModel(provider="extractive", model="sentence-selection", thinks="never")

COVERAGE_WEIGHT, COVERAGE_USUAL = 0.15, 0.5
"""Share of the question's words, the rare ones counting more, that the sentence holds; at the usual one, no effect."""
PASSAGE_WEIGHT, PASSAGE_USUAL = 0.10, 0.4
"""Similarity of the whole passage, which knows what "it" and "the pain" in its sentences stand for."""
KIND_WEIGHT = 0.12
"""For a sentence that has the kind of thing asked for; against one that lacks it."""
TITLE_WEIGHT = 0.08
"""For a sentence of a section whose title has a word of the question: "Penicillin." under "Allergies"."""
TOPIC_PENALTY = 0.20
"""Against "Left shoulder pain." as answer to "When did the shoulder pain begin?": it says only what was asked about."""
SCORE_MARGIN = 0.15
"""A further sentence this much worse than the best is no answer next to it."""
SAME_WORDS_SHARE = 0.8
FRAGMENT_WORDS = 4
"""A piece of fewer words is quoted with the title it stands under, or not at all."""
FRAGMENT_CHARACTERS_MAX = 160

_STOP_WORDS = frozenset(
    "a about an and any are as at be been but by can could did do does for from had has have he her his how i if in "
    "into is it its may me my of on or our she should so such than that the their them then there these they this "
    "those to was we were what when where which who whom whose why will with would you your".split()
)
# Words that ask and say nothing of the matter; the kinds below hear them.
_ASKING_WORDS = frozenset(
    "patient show result level dose dosage much many long often old high find found reveal done get go give given take "
    "taken taking use used happen mean kind type information new last next".split()
)
# Stems of words that titles have whatever stands under them.
_TITLE_WORDS = frozenset(
    "assessment data discharge exam examination finding history illnes impression list medical note past patient plan "
    "present problem reason report review summary system visit".split()
)
_WORD = re.compile(r"[^\W_]+")
_BULLET = re.compile(rf"^[{BULLETS}]\s+")
_LIST_NUMBER = re.compile(r"^\(?\d{1,2}[.)]\s*")
_YES_OR_NO = re.compile(
    r"\s*(?:is|are|was|were|do|does|did|has|have|had|can|could|will|would|should|any)\b", re.IGNORECASE
)
_KINDS = (
    (re.compile(r"\b(?:when|how long|what (?:date|day|time)|at what age)\b", re.IGNORECASE), ValueKind.TIME),
    (
        re.compile(
            r"\b(?:how (?:many|much|high|low|old|often|severe|large|big|tall|heavy|frequently)|level|value"
            r"|weight|temperature|pressure|rate|score|count|size)\b",
            re.IGNORECASE,
        ),
        ValueKind.AMOUNT,
    ),
    (re.compile(r"\bdos(?:e|es|age)\b", re.IGNORECASE), ValueKind.DOSE),
    (re.compile(r"^\s*why\b|\b(?:reason|caus\w+)\b", re.IGNORECASE), ValueKind.REASON),
)
"""What a question asks for."""
_MUST_HAVE = (
    (re.compile(r"^\s*who\b", re.IGNORECASE), (ValueKind.PERSON,)),
    (re.compile(r"\bhow (?:large|big|tall|wide|deep|thick)\b", re.IGNORECASE), (ValueKind.SIZE,)),
    (
        re.compile(r"\bhow (?:many|much|high|low|old|heavy)\b|\bdos(?:e|es|age)\b", re.IGNORECASE),
        (ValueKind.AMOUNT, ValueKind.DOSE),
    ),
)
"""What asks for a person or a number, and the kinds of which one must be there."""


@dataclass(frozen=True, slots=True)
class _Sentence:
    text: str
    """As quoted."""
    number: int
    """Of its passage, counting from 1."""
    words: frozenset[str]
    """Its own, and those of its section's title where the question has one of them."""
    read: str
    """What the embedder reads: under such a title, the title and the sentence."""
    titled: bool
    """Whether its section's title has a word of the question."""
    patient_id: str
    resource_id: str


@dataclass(frozen=True, slots=True)
class _Scored:
    sentence: _Sentence
    evidence: float
    """Whether it answers at all: the similarity, corrected; compared with `sentence_similarity_min`."""
    score: float
    """Its place among those that do."""


class ExtractiveGenerator:
    """Implements ports.Generator with an embedder instead of a language model. Raises what the embedder raises."""

    def __init__(self, embedder: Embedder, settings: GeneratorSettings) -> None:
        self._embedder = embedder
        self._settings = settings

    @property
    def model(self) -> GeneratorModel:
        return MODEL

    def stream(self, prompt: Prompt) -> Iterator[DraftPiece]:
        """One piece a quoted sentence; none of them where nothing in the passages answers. Ends with an empty piece."""
        question = prompt.topic or prompt.question
        sentences = self._readable(_sentences(question, prompt.passages))
        found = False
        for chosen in self._choose(self._scored(question, prompt.passages, sentences)):
            found = True
            yield DraftPiece(text=f'"{chosen.text}" [{chosen.number}]\n')
        yield DraftPiece(usage=Usage(), finish_reason="stop" if found else "abstained")

    def check(self) -> None:
        self._embedder.check()

    def _readable(self, sentences: Sequence[_Sentence]) -> list[_Sentence]:
        """Those within the embedder's limit. A longer one is a list or a table run together, and no quotation."""
        room = self._embedder.space.tokens_max - 2
        counts = self._embedder.count_tokens([sentence.read for sentence in sentences])
        return [sentence for sentence, count in zip(sentences, counts, strict=True) if count <= room]

    def _scored(
        self, question: str, passages: Sequence[Hit], sentences: Sequence[_Sentence]
    ) -> list[_Scored]:
        if not sentences:
            return []
        vector = self._embedder.embed([question], "query")[0]
        scale = similarity_scale(self._embedder)
        cosines = self._embedder.embed([sentence.read for sentence in sentences], "passage") @ vector
        similarities = scale.usual(cosines)
        asked = _Asked(question, passages, sentences, scale)
        return [
            asked.score(sentence, similarity)
            for sentence, similarity in zip(sentences, np.asarray(similarities).tolist(), strict=True)
        ]

    def _choose(self, scored: Sequence[_Scored]) -> list[_Sentence]:
        """The best few that answer, each saying something that those before it do not. Where one goes on after another
        of its note has ended, it stands in that one's place."""
        answering = [each for each in scored if each.evidence >= self._settings.sentence_similarity_min]
        answering.sort(key=lambda each: each.score, reverse=True)
        chosen: list[_Sentence] = []
        for each in answering:
            if each.score < answering[0].score - SCORE_MARGIN or len(chosen) == self._settings.sentences_max:
                break
            begun = next((at for at, other in enumerate(chosen) if _begins(other, each.sentence)), None)
            if begun is not None:
                chosen[begun] = each.sentence
            elif not any(
                _say_the_same(each.sentence, other) or _begins(each.sentence, other) for other in chosen
            ):
                chosen.append(each.sentence)
        return chosen


class _Asked:
    """What one question asks, against these passages."""

    def __init__(
        self,
        question: str,
        passages: Sequence[Hit],
        sentences: Sequence[_Sentence],
        scale: SimilarityScale,
    ) -> None:
        self._words = _content_words(question)
        self._about = AskedWords(question)
        self._kinds = [kind for asks, kind in _KINDS if asks.search(question)]
        self._must_have = [kinds for asks, kinds in _MUST_HAVE if asks.search(question)]
        self._yes_or_no = _YES_OR_NO.match(question) is not None
        self._passages = [
            (_content_words(passage.text), scale.usual(passage.similarity)) for passage in passages
        ]
        self._held = [frozenset(self._about.held(passage.text)) for passage in passages]
        self._weights = self._about.weights([self._about.held(sentence.read) for sentence in sentences])
        self._rarity = {
            word: math.log((len(sentences) + 1) / (sum(word in each.words for each in sentences) + 0.5))
            for word in self._words - _ASKING_WORDS
        }

    def score(self, sentence: _Sentence, similarity: float) -> _Scored:
        evidence = (
            similarity
            + COVERAGE_WEIGHT * (self._coverage(sentence) - COVERAGE_USUAL)
            + PASSAGE_WEIGHT * (self._passages[sentence.number - 1][1] - PASSAGE_USUAL)
        )
        if self._only_names_the_topic(sentence):
            evidence -= TOPIC_PENALTY
        share = self._share(sentence)
        if not (share is None or may_answer(share, likened=True)) or self._lacks_its_value(sentence):
            evidence = -1.0
        # A number or a title alone makes nothing an answer: it orders those that are.
        place = TITLE_WEIGHT if sentence.titled else 0.0
        if not self._kinds:
            return _Scored(sentence, evidence, evidence + place)
        if any(find_value(kind, sentence.text, 0, len(sentence.text)) for kind in self._kinds):
            return _Scored(sentence, evidence, evidence + place + KIND_WEIGHT)
        return _Scored(sentence, evidence - KIND_WEIGHT, evidence + place - KIND_WEIGHT)

    def _lacks_its_value(self, sentence: _Sentence) -> bool:
        text = sentence.text
        return any(
            not any(find_value(kind, text, 0, len(text)) for kind in kinds) for kinds in self._must_have
        )

    def _share(self, sentence: _Sentence) -> float | None:
        """How much of what the question is about it holds; None of a question that only asks."""
        if not self._weights:
            return None
        here = self._about.held(sentence.read)
        return share_held(self._weights, here, elsewhere=self._held[sentence.number - 1])

    def _coverage(self, sentence: _Sentence) -> float:
        """Share of the question's words in the sentence, by rarity; half a word where only its passage has it."""
        total = sum(self._rarity.values())
        if total <= 0:
            return COVERAGE_USUAL
        around = self._passages[sentence.number - 1][0]
        found = sum(
            rarity * (1.0 if word in sentence.words else 0.5 if word in around else 0.0)
            for word, rarity in self._rarity.items()
        )
        return found / total

    def _only_names_the_topic(self, sentence: _Sentence) -> bool:
        """A fragment with at most one word beyond the question's. To a yes-or-no question even that is an answer."""
        new = sentence.words - self._words
        return not self._yes_or_no and len(new) <= 1 and not any(map(str.isdigit, sentence.text))


def _sentences(question: str, passages: Sequence[Hit]) -> list[_Sentence]:
    found = []
    asked = _content_words(question) - _ASKING_WORDS - _TITLE_WORDS
    yes_or_no = _YES_OR_NO.match(question) is not None
    for number, passage in enumerate(passages, start=1):
        title, title_at = _title(passage.section or ""), None
        titled = not asked.isdisjoint(_content_words(title))
        spans = passage_sentences(passage.text)
        for start, end in spans:
            written = passage.text[start:end]
            if is_heading(written):
                title, title_at = _title(written), start
                titled = not asked.isdisjoint(_content_words(title))
                continue
            text = _quotable(written)
            above, _ = with_line_above(passage.text, start, end)
            if text is not None and above < start:
                text = _under_title(passage.text, above, end)
            elif text is not None and len(spans) > 1 and _is_fragment(text):
                text = _under_title(passage.text, title_at, end) or (text if yes_or_no else None)
            if text is not None:
                read = f"{title}: {text}" if titled and title not in text else text
                found.append(
                    _Sentence(
                        text,
                        number,
                        _content_words(read),
                        read,
                        titled,
                        passage.patient_id,
                        passage.resource_id,
                    )
                )
    return found


def _title(heading: str) -> str:
    return " ".join(heading.strip("#*_:, \n").split())


def _is_fragment(text: str) -> bool:
    """Whether it says nothing by itself, as "2. Diabetes" does. A labelled value does: "Pulse: 72"."""
    bare = _LIST_NUMBER.sub("", text)
    return len(_WORD.findall(bare)) < FRAGMENT_WORDS and ":" not in bare and not any(map(str.isdigit, bare))


def _under_title(text: str, title_at: int | None, end: int) -> str | None:
    """A fragment with all that stands between it and its section's title: "Allergies Penicillin.", or the line that
    changes it: "Denies: - fever". None where the passage does not have the title, or where that is long."""
    if title_at is None or end - title_at > FRAGMENT_CHARACTERS_MAX:
        return None
    return " ".join(text[title_at:end].split())


def _quotable(text: str) -> str | None:
    """The sentence, which is no heading, on one line and without its bullet; None where that makes it a heading, for
    questions and for lines without words."""
    line = _BULLET.sub("", " ".join(text.split()))
    if line.endswith((".,", ":,")):
        line = line[:-1]  # the comma stood for a line break
    if line.endswith("?") or not _WORD.search(line) or (line != text and is_heading(line)):
        return None
    return line


def _begins(one: _Sentence, other: _Sentence) -> bool:
    """Whether the other one, of the same note, has all of this one's words and goes on. Alone it might be read for
    more than is meant: "Metformin 500 mg" of "Metformin 500 mg was stopped"."""
    return (
        one.resource_id == other.resource_id
        and len(one.text) < len(other.text)
        and other.text.startswith(one.text)
        and not (one.text[-1].isalnum() and other.text[len(one.text)].isalnum())
    )


def _say_the_same(one: _Sentence, other: _Sentence) -> bool:
    """Whether two sentences differ by little. Another figure, side, denial or order is never little; the same of two
    patients is two findings."""
    if one.patient_id != other.patient_id:
        return False
    shared = len(one.words & other.words)
    if shared < SAME_WORDS_SHARE * min(len(one.words), len(other.words)):
        return False
    return signature(one.text) == signature(other.text)


def _content_words(text: str) -> frozenset[str]:
    return frozenset(_stem(word) for word in _WORD.findall(text.lower()) if word not in _STOP_WORDS)


def _stem(word: str) -> str:
    """The word without a common ending, so that "shows" meets "show"."""
    if word in NEGATIONS:
        return word
    for ending in ("ing", "ed", "es", "s", "ly"):
        if word.endswith(ending) and len(word) - len(ending) >= 4:
            return word[: -len(ending)]
    return word
