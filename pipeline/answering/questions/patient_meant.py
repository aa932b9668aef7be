"""Which patients a question means, before anything is searched: then both searches see only their notes.

Decides by the register of patients that the store keeps, within the asker's scope: a name of one patient is that
patient, a name of several is asked back, and a name that only synthetic records write and no one has is no one's. Where
the register does not know a name that is written like others are, nothing is decided here: the passages are asked
whether it is a person at all (`question_patient`). Refuses to know how a question is searched or answered.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from pipeline.answering.question_patient import asks_of_others_too, of_its_patient, patients_by_id
from pipeline.answering.questions.asked.patients import asked_patients, ids_among
from pipeline.answering.questions.bare_patient import bare_patient, is_a_thing, words_with_a_capital
from pipeline.answering.questions.plan import AskedPatients, WrittenPatient
from pipeline.answering.questions.understood_parts import removed_patients
from pipeline.patients import FEMALE, MALE, RegisteredPatient
from pipeline.ports import Store
from pipeline.records import AccessScope, NearValue, Notice, Question, WhyNothingFound
from pipeline.text.ordinary_words import NAMES_TOO
from pipeline.text.patients.person_name import SEX_OF_TITLE, forms
from pipeline.text.person_names.names import ILLNESSES, is_doubtful
from pipeline.text.person_names.question_names import words_of

NAMES_MAX = 4
"""Names of one question that are looked up."""
CHOICES_MAX = 10
"""Patients of one name that are told apart for the asker."""
_NUMBERED = re.compile(r"[^\W\d_]{2,}\d{1,4}")
_ILLNESS = re.compile(rf"\W*(?:{'|'.join(sorted(ILLNESSES))})\b", re.IGNORECASE)
_CAPITALISED = re.compile(r"(?<![^\W_])[A-Z](?=[a-z]+(?![^\W_]))")
"""How a name begins, and not "BP" or "A1c"."""
_SMALL_PAIRS_MAX = 6


@dataclass(frozen=True, slots=True)
class PatientMeant:
    """A question as it is searched, and why it cannot be, where it cannot."""

    question: Question
    """Limited to the patients that are meant."""
    asked: AskedPatients
    """As it writes them; names that are the register's are sure."""
    topic: str
    """The question without the names that were found in the register."""
    by_name: bool = False
    """Whether names, or several ids, limited it: then whose passages may answer is decided."""
    reason: WhyNothingFound | None = None
    notice: Notice | None = None


def without_patients(question: Question, store: Store) -> str:
    """Its text without the patients whom it writes, for who need not know them; a name that is unsure stays."""
    asked = patient_meant(question, store).asked
    return _without(question.text, [each for each in asked.written if each.is_id or each.sure]).strip()


def patient_meant(question: Question, store: Store, asked: AskedPatients | None = None) -> PatientMeant:
    """Whom `question` means. One whose filters name patients means those. Patients whom the asker removed are not
    meant, whatever names them. `asked`: whom its words mean, where that was read already."""
    asked = _with_bare_patient(asked or asked_patients(question.text), question, store)
    meant = _patient_meant(question, store, asked)
    removed = removed_patients(question.without)
    return _without_removed(meant, removed) if removed else meant


def _with_bare_patient(asked: AskedPatients, question: Question, store: Store) -> AskedPatients:
    """With the one whom a short follow-up consists of, where notes have the id or the register the name."""
    if asked.written or asked.whom == "everyone" or (bare := bare_patient(question.text)) is None:
        return asked
    if bare.is_id:
        known = patients_by_id(question, store, bare.words)
        return replace(asked, whom="id", written=(bare,)) if known else asked
    if not store.has_register() or all(is_a_thing(word) and word.islower() for word in bare.words):
        return asked
    known_words = store.name_words(bare.words, question.filters.scope)
    return replace(asked, written=(bare,)) if known_words.issuperset(bare.words) else asked


def _patient_meant(question: Question, store: Store, asked: AskedPatients) -> PatientMeant:
    if not question.filters.patient_ids and asked.whom != "everyone":
        written = [each.text for each in asked.written if each.is_id]
        if len(written) > 1 and len(ids := patients_by_id(question, store, written)) > 1:  # to be compared
            several = replace(question, filters=replace(question.filters, patient_ids=ids))
            return PatientMeant(several, asked, question.text, by_name=True)
    found = of_its_patient(question, store)
    if not found.filters.patient_ids and asked.whom == "id" and bare_patient(question.text) in asked.written:
        ids = patients_by_id(question, store, asked.written[0].words)
        found = replace(question, filters=replace(question.filters, patient_ids=ids))
    if found.filters.patient_ids or asked.whom == "everyone":
        return PatientMeant(found, _with_names_of_those(found, asked, store), question.text)
    if asks_of_others_too(question.text) and len(asked.written) < 2:
        return PatientMeant(found, asked, question.text)
    names = _looked_up(question, asked, store)
    if not store.has_register():
        return PatientMeant(found, asked, question.text)
    if not names:
        return _of_one_surname(found, asked, store)
    return _by_names(found, asked, names, store)


def _without_removed(meant: PatientMeant, removed: Collection[str]) -> PatientMeant:
    """Where no one is left, no name limits the search any more."""
    filters = meant.question.filters
    left = tuple(each for each in filters.patient_ids if each not in removed)
    if left == filters.patient_ids:
        return meant
    question = replace(meant.question, filters=replace(filters, patient_ids=left))
    if not left:
        text = _without(question.text, [each for each in meant.asked.written if each.is_id or each.sure])
        question = replace(question, text=text)
    return replace(meant, question=question, topic=question.text, by_name=True)


def _with_names_of_those(question: Question, asked: AskedPatients, store: Store) -> AskedPatients:
    """A single word that may be a name is sure to be one where a patient is called so to whom the question is limited:
    "What is Mitchell allergic to?" of the Mitchell who was chosen."""
    limited = question.filters.patient_ids
    told = any(each.is_id or each.sure for each in asked.written)
    if not told and (ids := ids_among(question.text, limited)):
        return replace(asked, whom="id", written=ids)
    if told or not limited or not store.has_register():
        return asked
    theirs = {
        name.start: replace(name, sure=True)
        for name in _looked_up(question, asked, store)
        if any(each.patient_id in limited for each in _called(name, question.filters.scope, store))
    }
    others = [each for each in asked.written if each.start not in theirs]
    written = tuple(sorted([*theirs.values(), *others], key=lambda each: each.start))
    return replace(asked, whom="name", written=written) if theirs else asked


def _of_one_surname(question: Question, asked: AskedPatients, store: Store) -> PatientMeant:
    """Asked back where a word with a capital is the surname of several, wherever it stands: "Has Smith got HIV?". What
    only one is called is not decided here: it may be a thing that has a person's name."""
    words = () if asked.whom != "open" else words_with_a_capital(question.text)[:NAMES_MAX]
    scope = question.filters.scope
    for word in store.name_words(words, scope) if words else ():
        called = store.patients_called((word,), scope, part="family", limit=CHOICES_MAX + 1)
        if len(called) > 1:
            notice = which_patient(word, called)
            return PatientMeant(question, asked, question.text, reason="which_patient", notice=notice)
    return PatientMeant(question, asked, question.text)


def _by_names(
    question: Question, asked: AskedPatients, names: Sequence[WrittenPatient], store: Store
) -> PatientMeant:
    known: list[tuple[WrittenPatient, str]] = []
    for name in names:
        patients = _called(name, question.filters.scope, store)
        if len(patients) > 1:
            notice = which_patient(name.text, patients)
            return PatientMeant(question, asked, question.text, reason="which_patient", notice=notice)
        if patients:
            known.append((name, patients[0].patient_id))
        elif _NUMBERED.search(name.text):
            return PatientMeant(
                question,
                asked,
                question.text,
                reason="name_not_found",
                notice=no_one_called(name, question, store),
            )
        elif name.sure:
            return PatientMeant(question, asked, question.text)
    if not known:
        return PatientMeant(question, asked, question.text)
    limited = replace(question.filters, patient_ids=tuple(dict.fromkeys(each for _, each in known)))
    sure = [replace(name, sure=True) for name, _ in known]
    others = [each for each in asked.written if all(each.start != name.start for name in sure)]
    return PatientMeant(
        replace(question, filters=limited),
        replace(asked, whom="name", written=tuple(sorted([*sure, *others], key=lambda each: each.start))),
        _without(question.text, sure),
        by_name=True,
    )


def which_patient(name: str, patients: Sequence[RegisteredPatient]) -> Notice:
    """That a name is of several patients, and what tells them apart."""
    choices = tuple(
        NearValue(each.patient_id, each.notes, _told_apart(each)) for each in patients[:CHOICES_MAX]
    )
    return Notice("which_patient", "patient_id", name, near=choices)


def no_one_called(name: WrittenPatient, question: Question, store: Store) -> Notice:
    """That no note has a name, and who is called nearly so."""
    near = store.patients_near(name.words, question.filters.scope)
    return Notice(
        "name_not_found",
        "patient_id",
        name.text,
        near=tuple(NearValue(each.patient_id, each.notes, _told_apart(each)) for each in near),
    )


def _told_apart(patient: RegisteredPatient) -> str:
    """What an asker knows a patient by: the name, and the birth date or else the day of the last note."""
    born = f"born {patient.birth_date}" if patient.birth_date else ""
    age = f"{patient.age.value} old" if patient.age and not born else ""
    last = f"last note {patient.last_date[:10]}" if patient.last_date else ""
    return ", ".join(each for each in (patient.name or "", born or age, last) if each)


def _called(name: WrittenPatient, scope: AccessScope, store: Store) -> list[RegisteredPatient]:
    """Those of that name, but for whom a title rules out. A single word without a title is a surname or
    a first name."""
    said = SEX_OF_TITLE.get(name.said)
    return [
        each
        for each in _named(name, scope, store)
        if {each.sex, said} != {FEMALE, MALE} and _has_whole_surname(each, name)
    ]


def _has_whole_surname(patient: RegisteredPatient, name: WrittenPatient) -> bool:
    """Whether no half of a double surname is left out: "Maria Garcia" is not Maria Garcia-Lopez."""
    asked = {form for word in name.words for half in word.split("-") for form in forms(half)}
    return not patient.names or any(_has_all_or_none(asked, own.family) for own in patient.names)


def _has_all_or_none(asked: set[str], family: Sequence[str]) -> bool:
    halves = [half for word in family if "-" in word for half in word.split("-")]
    found = [not asked.isdisjoint(forms(half)) for half in halves]
    return all(found) or not any(found)


def _named(name: WrittenPatient, scope: AccessScope, store: Store) -> list[RegisteredPatient]:
    limit = CHOICES_MAX + 1
    if len(name.words) > 1:
        return store.patients_called(name.words, scope, limit=limit)
    surnamed = store.patients_called(name.words, scope, part="family", limit=limit)
    if name.sure:
        return surnamed
    given = store.patients_called(name.words, scope, part="given", limit=limit)
    return list({each.patient_id: each for each in (*surnamed, *given)}.values())


def _looked_up(question: Question, asked: AskedPatients, store: Store) -> list[WrittenPatient]:
    """The names that are worth asking the register for."""
    found = [
        each
        for each in asked.written
        if not each.is_id
        and (each.sure or _may_be_alone(question.text, each) or _is_registered(question, each, store))
    ]
    return found[:NAMES_MAX] or _small_names(question, store)


def _may_be_alone(question: str, name: WrittenPatient) -> bool:
    """Whether a single word is no other word, and no illness is called after it."""
    word = name.words[-1]
    return word[0].isupper() and not is_doubtful(word) and _ILLNESS.match(question, name.end) is None


def _is_registered(question: Question, name: WrittenPatient, store: Store) -> bool:
    """Whether a word that may be any other is no thing, and in a patient's name: "Does Smith have HIV?".
    In small letters, where it is not all of the question, only to be asked back."""
    word = name.words[-1]
    if _ILLNESS.match(question.text, name.end) or (is_a_thing(word) and not _is_bare(question, name)):
        return False
    scope = question.filters.scope
    if not store.has_register() or word not in store.name_words((word,), scope):
        return False
    if word[0].isupper() or _is_bare(question, name):
        return True
    return len(store.patients_called((word,), scope, part="family", limit=2)) > 1


def _is_bare(question: Question, name: WrittenPatient) -> bool:
    bare = bare_patient(question.text)
    return bare is not None and (bare.start, bare.end) == (name.start, name.end)


def _small_names(question: Question, store: Store) -> list[WrittenPatient]:
    """Two words side by side, one of them no ordinary one, of a question without capitals: "is anna kowalski diabetic".
    Only where one of them stands in a patient's name: most such words are medicine."""
    if _CAPITALISED.search(question.text, 1):
        return []
    words = words_of(question.text)
    pairs = [
        WrittenPatient((one.text, two.text), one.start, two.end, sure=False)
        for one, two in pairwise(words)
        if one.text.isalpha()
        and two.text.isalpha()
        and not one.mark
        and not (is_doubtful(one.text) and is_doubtful(two.text))
        and all(not is_doubtful(each.text) or each.text in NAMES_TOO for each in (one, two))
    ][:_SMALL_PAIRS_MAX]
    if not pairs:
        return []
    written = dict.fromkeys(word for pair in pairs for word in pair.words)
    known = store.name_words(list(written), question.filters.scope)
    return [pair for pair in pairs if not known.isdisjoint(pair.words)]


def _without(question: str, names: Sequence[WrittenPatient]) -> str:
    parts, at = [], 0
    for name in sorted(names, key=lambda each: each.start):
        parts.append(question[at : name.start])
        at = name.end + (2 if question[name.end : name.end + 2] in ("'s", "’s") else 0)
    return "".join([*parts, question[at:]])
