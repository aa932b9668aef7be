"""Who the persons here are, by the register of patients; and by the passages where the register knows no one.

Decides how a name of a question meets names of the register: the surname must be the same, and so must the first name
where both have one. A patient whom notes call "Ms. Hill" alone may be Anna Hill, but no man is. Reads the register
within the scope of who asks: a name out of their sight is no one's. Refuses to know questions.
"""

from __future__ import annotations

from collections.abc import Iterable

from pipeline.patients import FEMALE, MALE, PersonName, RegisteredPatient
from pipeline.ports import Store
from pipeline.records import AccessScope
from pipeline.text.names import Name
from pipeline.text.patients.person_name import forms
from pipeline.text.persons import Persons

PATIENTS_MAX = 200
"""Patients of one name that are read. Where there are more, the question has to say which."""
_SEX_OF_TITLE = {"he": MALE, "she": FEMALE}


def persons_here(store: Store, scope: AccessScope, passages: Persons) -> Persons:
    """Register first, passages as fallback; the passages alone where the store has no whole register."""
    return EitherPersons(RegisteredPersons(store, scope), passages) if store.has_register() else passages


class RegisteredPersons:
    """`Persons` as the register has them."""

    def __init__(self, store: Store, scope: AccessScope) -> None:
        self._store = store
        self._scope = scope

    def may_know(self, word: str) -> bool:
        return bool(self._store.name_words([word], self._scope))

    def has_surname(self, word: str) -> bool:
        return bool(self._store.patients_called([word], self._scope, part="family", limit=1))

    def goes_by(self, word: str) -> bool:
        return bool(self._store.patients_called([word], self._scope, limit=1))

    def is_another(self, word: str) -> bool:
        """Never: the register has patients alone."""
        return False

    def has_in_full(self, first: str, surname: str) -> bool:
        asked = Name((first, surname), "", False, True, 0, 0)
        found = self._store.patients_called([first, surname], self._scope, limit=PATIENTS_MAX)
        return any(name.given and _may_be(asked, name) for patient in found for name in patient.names)

    def called(self, name: Name) -> frozenset[str]:
        """Of those with the surname, the ones who have most of the name."""
        if name.title == "staff":
            return frozenset()
        family = self._with(name.words[-1], name)
        full = [each for each in family if any(_has_all(name, own) for own in each.names)]
        if not family and len(name.words) == 1 and not name.titled:
            full = self._store.patients_called(name.words, self._scope, limit=PATIENTS_MAX)
        return frozenset(patient.patient_id for patient in full or family)

    def _with(self, surname: str, name: Name) -> list[RegisteredPatient]:
        found = self._store.patients_called([surname], self._scope, part="family", limit=PATIENTS_MAX)
        wanted = _SEX_OF_TITLE.get(name.title)
        return [
            patient
            for patient in found
            if (wanted is None or patient.sex in (wanted, None))
            and any(_may_be(name, own) for own in patient.names)
        ]


class EitherPersons:
    """`Persons` of the first, and of the second where the first knows no one."""

    def __init__(self, first: Persons, second: Persons) -> None:
        self._first = first
        self._second = second

    def may_know(self, word: str) -> bool:
        return self._first.may_know(word) or self._second.may_know(word)

    def has_surname(self, word: str) -> bool:
        return self._first.has_surname(word) or self._second.has_surname(word)

    def goes_by(self, word: str) -> bool:
        return self._first.goes_by(word) or self._second.goes_by(word)

    def is_another(self, word: str) -> bool:
        return self._first.is_another(word) or self._second.is_another(word)

    def has_in_full(self, first: str, surname: str) -> bool:
        return self._first.has_in_full(first, surname) or self._second.has_in_full(first, surname)

    def called(self, name: Name) -> frozenset[str]:
        return self._first.called(name) or self._second.called(name)


def _may_be(asked: Name, own: PersonName) -> bool:
    """Whether nothing of a name that both have is different."""
    if asked.generation and own.generation and asked.generation != own.generation.lower():
        return False
    family, given = _forms(own.family), _forms(own.given)
    if not _forms(asked.words[-1:]) & family:
        return False
    first = [word for word in asked.words[:-1] if not _forms([word]) & family]
    return not first or not given or all(_stands_in(word, given) for word in first[:1])


def _has_all(asked: Name, own: PersonName) -> bool:
    """Whether the name has every word that was asked for."""
    words = _forms(own.given) | _forms(own.family)
    return _may_be(asked, own) and all(_stands_in(word, words) for word in asked.words)


def _stands_in(word: str, words: frozenset[str]) -> bool:
    """A word among others, an initial for what begins with it."""
    return any(
        form == other or (min(len(form), len(other)) == 1 and form[0] == other[0])
        for form in forms(word)
        for other in words
    )


def _forms(words: Iterable[str]) -> frozenset[str]:
    return frozenset(form for word in words for form in forms(word))
