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

from pipeline.text.ordinary_words import NAMES_TOO, is_ordinary
from pipeline.text.person_names.known_names import known_names
from pipeline.text.person_names.names import PARTICLES, THINGS, Name, is_doubtful, keys, may_be_a_name
from pipeline.text.person_names.persons import Passage, PassagePersons, PassageTexts, Persons, Token
from pipeline.text.person_names.question_names import QuestionNames, lone_names, names

_NAMED_AFTER_PEOPLE = THINGS | {"fever", "position"}
"""What follows a name that stands for a thing where a passage has it verbatim; a patient may have a fever, too."""
_AT_A_PLACE = re.compile(r"\b(?:at|in|near)\s+$", re.IGNORECASE)
_ASKED_OF = re.compile(r"\b(?:does|did|is|was|has|had|will|can|how|about)\s+$", re.IGNORECASE)
"""What stands before a name written small that is surely one."""
_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")


def resolve_named_patients(
    question: str, passages: Sequence[Passage], written: QuestionNames | None = None
) -> tuple[str, frozenset[str]]:
    """The question without the name, and the patients whose passages may answer it: all, unless it names a person.

    It names the persons of the passages whose names stand in it, in any case and order. Otherwise a name is one or more
    capitalised words after a title, two or more in a row that the passages never write small ("Atrial fibrillation" is
    none), or a single one where only a person can stand. It means the patients whose passages have its last word as a
    name of a person whom it can be, and of these the ones that have most of it; no one where no passage has it. The
    name itself is not asked about: else the sentence that introduces a person would answer everything about them.

    `written`: the names of the question by their shape, where they were read already.
    """
    everyone = frozenset(passage.patient_id for passage in passages)
    question = question if question.isascii() else unicodedata.normalize("NFC", question)
    if written is None or written.question != question:
        written = QuestionNames.of(question)
    texts = PassageTexts(passages)
    persons, words = PassagePersons(texts), _PassageWords(texts)
    meant, left, at = everyone, [], 0
    found = [
        (name, called)
        for name in _names(written, persons)
        if (called := _called(name, question, persons, words)) is not None
    ]
    patients = any(name.title != "staff" for name, _ in found)
    for name, called in found:
        if called or not patients or name.title != "staff":  # the doctor whom a patient saw may be in no note
            meant &= called
        if name.start >= at and _is_left_out(name, question, persons):
            left.append(question[at : name.start])
            at = name.end
    return "".join([*left, question[at:]]), meant


def names_in(question: str) -> str:
    """The names of a question, as they stand there without titles; "" where it names no one."""
    found = [name for name in names(question) if name.sure] or list(lone_names(question))
    return ", ".join(" ".join(name.words) for name in found)


def _names(written: QuestionNames, persons: Persons) -> list[Name]:
    """The names of persons here, and what else may be one, in order; no word belongs to two."""
    found = list(known_names(written.question, persons))
    for name in (
        *(name for name in written.shaped if name.sure),
        *written.alone,
        *(name for name in written.shaped if not name.sure),
    ):
        if not any(name.overlaps(other) for other in found):
            found.append(name)
    return sorted(found, key=lambda name: name.start)


def _called(name: Name, question: str, persons: Persons, words: _PassageWords) -> frozenset[str] | None:
    """The patients whom a name can mean; None where it is no one's name."""
    if len(name.words) == 1 and not name.titled:
        return _called_by_one_word(name, question, persons, words)
    if not name.known:
        proper = words.without_small_words(name)
        if not proper:
            return None
        name = replace(name, words=proper, joined=min(name.joined, len(proper)))
    if name.unusual and not persons.has_surname(name.words[-1]) and words.have_all(name.words):
        return None
    called = persons.called(name)
    return None if not called and words.is_a_thing(name, question) else called


def _called_by_one_word(
    name: Name, question: str, persons: Persons, words: _PassageWords
) -> frozenset[str] | None:
    """The same of "Kowalski's", which may be "Crohn's". Where no person is called so, it is no one's name if a passage
    has the word, or if it may stand for a thing as well."""
    if words.is_a_thing(name, question):
        return None
    called = persons.called(name)
    (word,) = name.words
    if name.known or persons.has_surname(word) or persons.goes_by(word):
        return called
    if not name.in_place:
        return called or None
    if not may_be_a_name(word) or (word[0].islower() and words.small(word)):
        return None
    if called:
        return called
    if word[0].islower() and not name.has_particle:
        return called if name.only_of_people and not is_doubtful(word) and not words.have(word) else None
    is_a_person = is_doubtful(word) or name.has_particle or persons.is_another(word)
    return called if is_a_person or not words.have(word) else None


def _is_left_out(name: Name, question: str, persons: Persons) -> bool:
    """Whether the rest of the question is asked about the person: not where the name may be a thing's after all."""
    if name.in_place:
        return persons.has_surname(name.words[0]) or persons.goes_by(name.words[0])
    if not name.known or name.titled or name.words[-1][0].isupper():
        return True
    return question[: name.end].endswith(("'s", "’s")) or bool(_ASKED_OF.search(question[: name.start]))


class _PassageWords:
    """How the passages write words."""

    def __init__(self, texts: PassageTexts) -> None:
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
            not token.capital and _stand_together(wanted[:-1], *self._texts.around(token), step=-1)
            for token in self._texts.places(wanted[-1])
        )

    def is_a_thing(self, name: Name, question: str) -> bool:
        """Whether question and passages alike write it before a word for a thing ("Ehlers-Danlos syndrome"). Both must:
        "Anna Smith disease progression" names a person."""
        if name.titled:
            return False
        if (
            len(name.words) > 1
            and _AT_A_PLACE.search(question[: name.start])
            and self._have_together(name.words)
        ):
            return True
        words = [*name.words, *_following(question[name.end :])]
        for at, word in enumerate(words[1:], start=1):
            if word.lower() in _NAMED_AFTER_PEOPLE:
                return self._have_together(words[: at + 1])
        return False

    def _have_together(self, words: Sequence[str]) -> bool:
        first, *others = [keys(word) for word in words]
        return any(_stand_together(others, *self._texts.around(token)) for token in self._texts.places(first))

    def have(self, word: str) -> bool:
        """Whether any passage has it, in any case."""
        return bool(self._texts.places(keys(word)))

    def have_all(self, words: Sequence[str]) -> bool:
        """Whether the passages have the words, of which one at least can be nothing but a name or a thing."""
        return not all(map(is_doubtful, words)) and all(map(self.have, words))

    def small(self, word: str) -> bool:
        """Whether the passages write it small anywhere: then it is no name by itself."""
        return self._texts.writes_small(keys(word))


def _following(text: str) -> Iterator[str]:
    """The first words of a text, at most three, up to a mark between them: "Hemorrhagic Fever" of "Crimean-Congo"."""
    at = 0
    for word in islice(_WORD.finditer(text), 3):
        if text[at : word.start()].strip():
            return
        yield word.group()
        at = word.end()


def _stand_together(
    wanted: Sequence[frozenset[str]], tokens: Sequence[Token], at: int, step: int = 1
) -> bool:
    """Whether those words follow the token at `at`, or stand before it, particles between them or not."""
    beside = tokens[at + 1 :] if step > 0 else tokens[:at]
    written = [keys(token.text) for token in beside if token.text not in PARTICLES or step < 0]
    near = written[: len(wanted)] if step > 0 else written[len(written) - len(wanted) :]
    return len(near) == len(wanted) and all(
        not one.isdisjoint(other) for one, other in zip(wanted, near, strict=True)
    )
