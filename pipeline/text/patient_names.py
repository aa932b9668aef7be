"""Who a question names, and whose passages may answer it.

Notes of many patients lie side by side. Decides that a question about one of them is not answered from another's note.
First it asks who the persons here are (`persons`): words of the question that are such a person name them, whatever
their case and order. What is left is judged by its shape (`question_names`) and by how the passages write those words:
"Ehlers-Danlos syndrome" is no one's where they have it verbatim. Better no one than the wrong person.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import islice

from pipeline.text.names import PARTICLES, THINGS, Name, keys
from pipeline.text.ordinary_words import NAMES_TOO, is_ordinary
from pipeline.text.persons import Passage, PassagePersons, PassageText, Token
from pipeline.text.question_names import names

_NAMED_AFTER_PEOPLE = THINGS | {"fever", "position"}
"""What follows a name that stands for a thing where a passage has it verbatim; a patient may have a fever, too."""
_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")


def resolve_named_patients(question: str, passages: Sequence[Passage]) -> tuple[str, frozenset[str]]:
    """The question without the name, and the patients whose passages may answer it: all, unless it names a person.

    A name is one or more capitalised words after a title, or two or more in a row that the passages never write small
    ("Atrial fibrillation" is none). It means the patients whose passages have its last word as a name of a person whom
    it can be, and of these the ones that have most of it; no one where no passage has it. The name itself is not asked
    about: else the sentence that introduces a person would answer everything about them.
    """
    everyone = frozenset(passage.patient_id for passage in passages)
    question = question if question.isascii() else unicodedata.normalize("NFC", question)
    asked = names(question)
    if not asked:
        return question, everyone
    texts = [PassageText(passage) for passage in passages]
    persons, words = PassagePersons(texts), _PassageWords(texts)
    meant, left, at = everyone, [], 0
    for name in asked:
        proper = words.without_small_words(name)
        if not proper:
            continue
        called = persons.called(replace(name, words=proper))
        if not (called or name.sure) or (not called and words.is_a_thing(name, question)):
            continue
        meant &= called
        left.append(question[at : name.start])
        at = name.end
    return "".join([*left, question[at:]]), meant


def names_in(question: str) -> str:
    """The names of a question, as they stand there without titles; "" where it names no one."""
    return ", ".join(" ".join(name.words) for name in names(question) if name.sure)


class _PassageWords:
    """How the passages write words."""

    def __init__(self, texts: Sequence[PassageText]) -> None:
        self._texts = texts

    def without_small_words(self, name: Name) -> tuple[str, ...]:
        """The words of a name: none where the passages write it small as a whole ("Atrial fibrillation"), or each of
        its words; without those at its end that they write small, while two are left."""
        words = name.words
        if name.titled:
            return () if self._small_after_title(words[-1]) else words
        if self._ordinary_here(words) or self._together_small(words):
            return ()
        while len(words) > 2 and self.small(words[-1]):
            words = words[:-1]
        return words

    def _small_after_title(self, surname: str) -> bool:
        return surname.islower() and surname not in NAMES_TOO and self.small(surname)

    def _ordinary_here(self, words: Sequence[str]) -> bool:
        """Whether each is no one's name or written small by the passages, and not as they write "brown" and "grace"."""
        names_too = [word.lower() in NAMES_TOO for word in words]
        if any(names_too):
            return not all(names_too) and all(map(self.small, words))
        return all(is_ordinary(word) or self.small(word) for word in words)

    def _together_small(self, words: Sequence[str]) -> bool:
        """Whether the last of these words begins with a small letter where they stand together."""
        wanted = [keys(word) for word in words]
        return any(
            text.tokens[at].text[0].islower() and _end_together(wanted, text.tokens[: at + 1])
            for text in self._texts
            for at in text.places(wanted[-1])
        )

    def is_a_thing(self, name: Name, question: str) -> bool:
        """Whether question and passages alike write it before a word for a thing ("Ehlers-Danlos syndrome"). Both must:
        "Anna Smith disease progression" names a person."""
        if name.titled:
            return False
        words = [*name.words, *_following(question[name.end :])]
        for at, word in enumerate(words[1:], start=1):
            if word.lower() in _NAMED_AFTER_PEOPLE:
                wanted = [keys(each) for each in words[: at + 1]]
                return any(_stand_together(wanted, text.tokens) for text in self._texts)
        return False

    def small(self, word: str) -> bool:
        """Whether the passages write it small anywhere: then it is no name by itself."""
        return any(text.writes_small(keys(word)) for text in self._texts)


def _following(text: str) -> Iterator[str]:
    """The first words of a text, at most three, up to a mark between them: "Hemorrhagic Fever" of "Crimean-Congo"."""
    at = 0
    for word in islice(_WORD.finditer(text), 3):
        if text[at : word.start()].strip():
            return
        yield word.group()
        at = word.end()


def _stand_together(wanted: Sequence[frozenset[str]], tokens: Sequence[Token]) -> bool:
    """Whether words follow each other somewhere, particles between them or not."""
    written = [keys(token.text) for token in tokens if token.text not in PARTICLES]
    return any(
        all(not one.isdisjoint(other) for one, other in zip(wanted, written[at:], strict=False))
        for at in range(len(written) - len(wanted) + 1)
    )


def _end_together(wanted: Sequence[frozenset[str]], tokens: Sequence[Token]) -> bool:
    """Whether the last of these tokens are those words."""
    last = tokens[-len(wanted) :]
    return len(last) == len(wanted) and all(
        not one.isdisjoint(keys(token.text)) for one, token in zip(wanted, last, strict=True)
    )
