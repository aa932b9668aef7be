"""Whose notes a question in a conversation is about.

"What is she allergic to?", asked after an answer about one patient, would by itself be answered from anybody's notes.
Decides that such a question keeps to the patient of
the answer before, unless it names a person or asks about several, and that "she", where nothing says who that is, is
refused, as are a word that is in the notes the name of others alone, and "And allergies?" after a question about
a person of whom nothing was found. Knows no conversation but what it is given.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from pipeline.answering.question_patient import of_its_patient, writes_an_id
from pipeline.answering.questions.asked.patients import PRONOUN, asked_patients
from pipeline.answering.questions.bare_patient import (
    OF_THE_CALENDAR,
    bare_patient,
    is_a_thing,
    words_with_a_capital,
)
from pipeline.answering.questions.carried_parts import asks_of_several, carried_parts, may_carry
from pipeline.answering.questions.interpretation import plan_of
from pipeline.answering.questions.patient_meant import PatientMeant, patient_meant
from pipeline.answering.questions.plan import AskedPatients, ThingKind
from pipeline.answering.questions.subject import PERSON, About, subject_of
from pipeline.answering.questions.understood_parts import (
    FINDING,
    kind_id,
    patient_id_part,
    plan_parts,
    removed_patients,
)
from pipeline.errors import BadRequest
from pipeline.patients import FEMALE, MALE, NamePart
from pipeline.ports import Embedder, Store
from pipeline.records import NO_PATIENT, AccessScope, Filters, Question, UnderstoodPart
from pipeline.text.person_names.names import is_doubtful
from pipeline.text.person_names.question_names import lone_names, words_of
from pipeline.text.vocabulary import RELATIVES

_ANOTHER = re.compile(
    rf"\b(?:the (?:other|next)|another) {PERSON}\b|\ban? (?:\w+ )?{PERSON}\b|\b\d+[ -]?year[ -]?old\b"
    r"|\bpatient (?:who|whose|named|called|in (?:room|bed|ward)|with (?:an?|the))\b|\b(?:mrn|patient (?:id|number))\b",
    re.IGNORECASE,
)
"""A person other than the patient of the answer before."""
_MAY_BE_A_NAME = re.compile(
    r"(?<=[\w,] )[A-Z][^\W\d_]{2,}|^[A-Z][^\W\d_]{2,}(?=[:,]| (?:has|had|is|was|takes)\b)"
)
_GOES_ON = re.compile(r"(?:and|also|any|what about|how about|what else)\b", re.IGNORECASE)
"""How a question begins that is none without the one before."""
_INTRODUCED = (
    r"(?:\b(?:Mr|Mrs|Ms|Miss|Mx)\.? (?:[A-Z][\w'’-]+ ){{0,2}}{name}\b"
    r"|\b{name}(?: [A-Z][\w'’-]+){{0,2}},? (?:is|was) an?\b[^.\n]{{0,40}}"
    r"\b(?:year|male|female|man|woman|gentleman|lady|boy|girl|infant)\b)"
)
"""How a note says who a person is."""
_SEX_SAID = {
    **dict.fromkeys(("she", "her", "hers", "woman", "lady", "girl"), FEMALE),
    **dict.fromkeys(("he", "him", "his", "man", "gentleman", "boy"), MALE),
}
PASSAGES_WITH_A_NAME = 20
_BESIDE_A_RELATIVE = (
    rf"\b(?:{'|'.join(sorted(RELATIVES))}|twins?)\b[^.\n]{{{{0,30}}}}\b{{name}}\b"
    rf"|\b{{name}}\b[^.\n]{{{{0,15}}}}\b(?:{'|'.join(sorted(RELATIVES))}|twins?)\b"
)
PARTS_OF_A_NAME: tuple[NamePart, ...] = ("family", "given")
ABBREVIATION_MAX = 5
"""Letters of a word in capitals that is short for something."""
SMALL_NAME_MIN = 4
"""Letters of a surname in small letters."""
_MEASURED_BY = {"weigh": "weight", "weighed": "weight", "heavy": "weight", "tall": "height"}
_MEASURING = re.compile(rf"\b(?:{'|'.join(_MEASURED_BY)})\b", re.IGNORECASE)
_CHOOSE = "choose one: among the filters of the page, with --patient-id, or in patient_ids over HTTP"


class PatientUnclear(BadRequest):
    """A question about "she" where nothing tells who that is: `what` asks back."""

    asks_back = True


@dataclass(frozen=True, slots=True)
class QuestionContext:
    """A question as it is asked, and the patient it keeps to although its filters name none."""

    question: Question
    kept_patient: str | None = None
    is_unclear: bool = False
    """The register knows several whom it may mean, or no one: nobody is the patient of the next question."""


class EarlierTurns(Protocol):
    """The conversation that a question goes on."""

    def patients(self) -> tuple[str, ...]:
        """The patients of its last answer."""

    def last_question(self) -> str: ...

    def is_unclear(self) -> bool:
        """Whether a question after its last answer was refused or asked back: then no one is "she"."""

    def understood(self) -> Sequence[UnderstoodPart]:
        """What its last question was understood to ask; empty where that is not known."""


@dataclass(frozen=True, slots=True)
class LastTurn:
    """Implements EarlierTurns for a conversation that is kept by whoever leads it."""

    question: str
    about: tuple[str, ...]
    parts: tuple[UnderstoodPart, ...] = ()
    unclear: bool = False

    def patients(self) -> tuple[str, ...]:
        return self.about

    def last_question(self) -> str:
        return self.question

    def understood(self) -> tuple[UnderstoodPart, ...]:
        return self.parts

    def is_unclear(self) -> bool:
        return self.unclear


def needs_no_lookup(question: Question, about: About, *, goes_on: bool) -> bool:
    """Whether the question is asked as it is, whatever the notes and the conversation say: most are. `goes_on`: it
    belongs to a conversation that has begun. Touches nothing."""
    if question.filters.patient_ids:
        return not (goes_on and may_carry(question.text))
    return not goes_on and about not in ("pronoun", "named") and not writes_an_id(question)


def in_conversation(
    question: Question,
    about: About,
    earlier: EarlierTurns | None,
    store: Store | None,
    embedder: Embedder | None,
) -> QuestionContext:
    """The question, limited to the patient whose id it writes, or to that of the answer before.

    `earlier`: None where it begins a conversation. `store` and `embedder`: None while no note can be read; then nothing
    is refused that only notes can tell, and asking says that none can be read. Raises PatientUnclear where the question
    says "she" or the like and nothing tells who that is, or the patient before is a man,
    BadRequest where it seems to name someone other than the
    patient before.
    """
    asked = asked_patients(question.text)
    things: tuple[str, ...] = ()
    if earlier is not None and may_carry(question.text, asked):
        written = asked if store is None else patient_meant(question, store, asked).asked
        things = _with_verb(carried_parts(question, written, earlier.understood), earlier.last_question())
    about = "several" if asks_of_several(things) else about
    context = _of_whom(question, asked, about, earlier, store, embedder)
    limited = _without_removed(context.question)
    return replace(context, question=replace(limited, carried=(*limited.carried, *things)))


def _with_verb(things: tuple[str, ...], before: str) -> tuple[str, ...]:
    """What is carried, with the finding that only a verb of the question before says: "What does he weigh?"."""
    verb = _MEASURING.search(before)
    if verb is None or kind_id(ThingKind.VITAL) not in things or any(map(_is_finding, things)):
        return things
    return (*things, f"{FINDING}{_MEASURED_BY[verb.group().lower()]}")


def _is_finding(part: str) -> bool:
    return part.startswith(FINDING)


def _of_whom(
    question: Question,
    asked: AskedPatients,
    about: About,
    earlier: EarlierTurns | None,
    store: Store | None,
    embedder: Embedder | None,
) -> QuestionContext:
    """The question with its patient, whoever says so."""
    if store is not None and (about == "several" or asked.whom == "id"):
        question = of_its_patient(question, store)
    elif store is not None:
        meant = patient_meant(question, store, asked)  # also by a name in small letters
        question = meant.question
        if meant.reason == "which_patient" and _is_the_one_before(meant, earlier, store):
            return _of_patient_before(question, _before(earlier)[0], store, None)
        if meant.reason is not None:
            # The search says which of several, or that no one is called so.
            return QuestionContext(question, is_unclear=True)
    if question.filters.patient_ids or about in ("several", "named"):
        kept = (
            asked.whom == "open" and about != "several" and question.filters.patient_ids == _before(earlier)
        )
        return QuestionContext(question, question.filters.patient_ids[0] if kept else None)
    if earlier is not None and not _ANOTHER.search(question.text):
        patients = _before(earlier)
        if len(patients) == 1 and patients[0] not in removed_patients(question.without):
            return _of_patient_before(question, patients[0], store, embedder)
        about = "pronoun" if earlier.is_unclear() else about
        if not patients and _GOES_ON.match(question.text):
            about = "pronoun" if subject_of(earlier.last_question()) in ("named", "pronoun") else about
    unclear = about == "pronoun" and question.image is None  # with an image, its header may tell who she is
    if unclear and store is not None and not _one_patient(store, question.filters.scope):
        raise _unclear(question)
    return QuestionContext(question)


def _is_the_one_before(meant: PatientMeant, earlier: EarlierTurns | None, store: Store) -> bool:
    """Whether a question asks by a first name that the patient before has among others: "Is Anna in pain?". Not where
    it is no more than the name: then another may be meant."""
    before = _before(earlier)
    if meant.notice is None or meant.notice.value is None or len(before) != 1:
        return False
    scope = meant.question.filters.scope
    word = meant.notice.value.split()
    bare = bare_patient(meant.question.text)
    if (
        len(word) != 1
        or (bare is not None and bare.words == tuple(word))
        or store.patients_called(word, scope, part="family", limit=1)
    ):
        return False
    return any(each.value == before[0] for each in meant.notice.near)


def _before(earlier: EarlierTurns | None) -> tuple[str, ...]:
    """The patients whom "she" may be: none where it is not clear any more."""
    return () if earlier is None or earlier.is_unclear() else earlier.patients()


def _unclear(question: Question) -> PatientUnclear:
    return PatientUnclear(
        f"{_whose(question)} The question says {_pronoun_of(question)}, and nothing tells which patient that is.",
        remedy=f"Name the patient in the question, or {_CHOOSE}.",
    )


def _is_of_other_sex(question: Question, patient: str, store: Store) -> bool:
    """Whether the question says "she" of whom the register has as a man, or "he" of a woman."""
    said = PRONOUN.search(question.text)
    sex = _SEX_SAID.get(said.group().lower().split()[-1]) if said else None
    if sex is None or subject_of(question.text) != "pronoun" or not store.has_register():
        return False
    known = store.patients(question.filters.scope, ids=[patient])
    return any({each.sex, sex} == {FEMALE, MALE} for each in known)


def _of_patient_before(
    question: Question, patient: str, store: Store | None, embedder: Embedder | None
) -> QuestionContext:
    """The question, limited to the patient of the answer before. Raises BadRequest where it seems to name another,
    PatientUnclear where it says "she" of a man."""
    if store is not None and _is_of_other_sex(question, patient, store):
        raise _unclear(question)
    if store is not None and embedder is not None and names_someone_else(question, patient, store, embedder):
        raise BadRequest(
            "The question seems to name someone other than the patient of the answer before.",
            remedy=f"Give the full name, or {_CHOOSE}.",
        )
    filters = replace(question.filters, patient_ids=(patient,))
    carried = (patient_id_part(patient),)
    return QuestionContext(replace(question, filters=filters, carried=carried), patient)


def _without_removed(question: Question) -> Question:
    removed = removed_patients(question.without)
    left = tuple(each for each in question.filters.patient_ids if each not in removed)
    return replace(question, filters=replace(question.filters, patient_ids=left)) if removed else question


def _pronoun_of(question: Question) -> str:
    said = PRONOUN.search(question.text)
    return f'"{said.group().lower()}"' if said else "he, she, they or this patient"


def _whose(question: Question) -> str:
    kinds = [each.text for each in plan_parts(plan_of(question.text)) if each.part == "kind"]
    return f"Whose {' and '.join(kinds)}?" if kinds else "Who is meant?"


def patients_of(limited_to: Sequence[str], cited: Iterable[str]) -> tuple[str, ...]:
    """The patients an answer is about: those that its question was limited to, else those of the notes it quotes."""
    return tuple(limited_to) or tuple(sorted(set(cited) - {NO_PATIENT}))


def names_someone_else(question: Question, patient: str, store: Store, embedder: Embedder) -> bool:
    """Whether a single word of the question, a first name for example, is in the notes the name of others alone, or
    stands where only a person can and is in no note at all."""
    if _names_another(question, patient, store) or _is_unknown(question, patient, store, embedder):
        return True
    alone = [word for name in lone_names(question.text) for word in name.words if word[0].isupper()]
    words = dict.fromkeys([*_MAY_BE_A_NAME.findall(question.text), *alone])
    if not words:
        return False
    # `hits` wants a direction, and how near they are is not asked: any will do. The search embeds the question.
    direction = np.eye(1, embedder.space.dimension, dtype=np.float32)[0]
    for word in words:
        matches = store.search_words(word, PASSAGES_WITH_A_NAME, Filters(scope=question.filters.scope))
        if not matches and word in alone and not is_doubtful(word):
            return True
        hits = store.hits([match.chunk_id for match in matches], direction)
        name = re.compile(_INTRODUCED.format(name=word.capitalize()))
        if patient not in {hit.patient_id for hit in hits} and any(name.search(hit.text) for hit in hits):
            return True
    return False


def _is_unknown(question: Question, patient: str, store: Store, embedder: Embedder) -> bool:
    """Whether a short follow-up is a name that the register does not know: "And Evan?". Not where it is a word of
    medicine, or stands in notes as no relative does."""
    bare = bare_patient(question.text)
    if bare is not None and bare.is_id:
        return _is_unknown_id(question, bare.words[0], patient, store)
    if bare is None or len(bare.words) > 1 or not store.has_register():
        return False
    word = bare.words[0]
    if not word[0].isupper() or (word.isupper() and len(word) <= ABBREVIATION_MAX) or is_a_thing(word):
        return False
    if word.lower() in OF_THE_CALENDAR:
        return False
    scope = question.filters.scope
    direction = np.eye(1, embedder.space.dimension, dtype=np.float32)[0]
    own, all_notes = Filters(patient_ids=(patient,), scope=scope), Filters(scope=scope)
    matches = store.search_words(word, PASSAGES_WITH_A_NAME, own) or store.search_words(
        word, PASSAGES_WITH_A_NAME, all_notes
    )
    texts = [hit.text for hit in store.hits([match.chunk_id for match in matches], direction)]
    if any(re.search(rf"\b{re.escape(word.lower())}", text) for text in texts):
        return False
    relative = re.compile(_BESIDE_A_RELATIVE.format(name=re.escape(word)), re.IGNORECASE)
    return not texts or any(relative.search(text) for text in texts)


def _is_unknown_id(question: Question, word: str, patient: str, store: Store) -> bool:
    """Whether a word is written as ids of notes are, is none, and stands in no note of the patient: "And K9?"."""
    own = Filters(patient_ids=(patient,), scope=question.filters.scope)
    if is_a_thing(word) or store.search_words(word, 1, own):
        return False
    return bool(of_its_patient(replace(question, text=f"patient {word}"), store).filters.patient_ids)


def _names_another(question: Question, patient: str, store: Store) -> bool:
    """Whether a word with a capital, or in small letters one that no ordinary word is, is the name of other patients
    than the one before: "and collins?"."""
    scope = question.filters.scope
    words = [each.text for each in words_of(question.text) if each.text.isalpha() and each.text.islower()]
    alone = [word for word in words if len(word) >= SMALL_NAME_MIN and not is_doubtful(word)]
    alone += [word for name in lone_names(question.text) for word in name.words if not is_a_thing(word)]
    alone += words_with_a_capital(question.text)
    if not alone or not store.has_register():
        return False
    for word in store.name_words(alone, scope):
        called = {
            each.patient_id
            for part in PARTS_OF_A_NAME
            for each in store.patients_called((word,), scope, part=part, limit=PASSAGES_WITH_A_NAME)
        }
        if called and patient not in called:
            return True
    return False


def _one_patient(store: Store, scope: AccessScope) -> bool:
    """Whether all notes that exist for a person are of one patient."""
    return len(store.values("patient_id", scope, limit=2)) < 2
