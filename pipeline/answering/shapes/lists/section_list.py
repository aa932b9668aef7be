"""Lists what the sections of a kind hold: medications, allergies, problems, plan, of one patient.

Decides which sections a kind is written in, which notes are read (the newest that has any), and that a thing is listed
once. Where no section has it, sentences that say a drug is taken, or that speak of allergies, are what there is. A list
of which nothing is said anywhere in the notes is not stated. Refuses to answer for several patients at once, and what
asks for a part of a list ("for COPD").
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from itertools import zip_longest
from types import MappingProxyType

from pipeline.answering.questions.asked.examination import examination_in
from pipeline.answering.questions.asked.patients import framed
from pipeline.answering.questions.asked.time import asked_time
from pipeline.answering.questions.plan import AnswerShape, QuestionPlan, ThingKind
from pipeline.answering.shapes.lists.kinds_in_prose import (
    NOT_STATED_KINDS,
    SAID_IN,
    is_of_one_operation,
    may_be_stated,
    prose_mentions,
)
from pipeline.answering.shapes.patient_notes import PatientNote, PatientNotes, ReadPassage, patient_notes
from pipeline.answering.shapes.reply import NOT_STATED, Lead, PlannedQuestion, Quotation, Reply, ReplyLine
from pipeline.text.answerability.asked_words import AskedWords
from pipeline.text.sentences import is_heading, passage_sentences
from pipeline.text.structure.bystander_facts import is_of_another, names_another
from pipeline.text.structure.line_above import with_line_above
from pipeline.text.structure.list_items import items_of
from pipeline.text.structure.section_kinds import SectionKind
from pipeline.text.structure.sections import Section, section_at

_K = SectionKind
SECTIONS = MappingProxyType(
    {
        ThingKind.MEDICATION: frozenset([_K.MEDICATIONS]),
        ThingKind.ALLERGY: frozenset([_K.ALLERGIES]),
        ThingKind.PROBLEM: frozenset(
            [_K.PROBLEMS, _K.DIAGNOSES, _K.ASSESSMENT, _K.ASSESSMENT_AND_PLAN, _K.PAST_HISTORY]
        ),
        ThingKind.PROCEDURE: frozenset([_K.PROCEDURES, _K.SURGICAL_HISTORY]),
        ThingKind.IMMUNIZATION: frozenset([_K.IMMUNIZATIONS]),
        ThingKind.VITAL: frozenset([_K.VITAL_SIGNS]),
        ThingKind.LABORATORY: frozenset([_K.LABORATORY]),
        ThingKind.IMAGING: frozenset([_K.IMAGING]),
        ThingKind.EXAMINATION: frozenset([_K.PHYSICAL_EXAM]),
        ThingKind.PLAN: frozenset([_K.PLAN, _K.ASSESSMENT_AND_PLAN]),
        ThingKind.INSTRUCTIONS: frozenset([_K.INSTRUCTIONS]),
        ThingKind.HISTORY: frozenset([_K.PAST_HISTORY, _K.SURGICAL_HISTORY]),
        ThingKind.SOCIAL: frozenset([_K.SOCIAL_HISTORY]),
        ThingKind.FAMILY: frozenset([_K.FAMILY_HISTORY]),
        ThingKind.REASON_FOR_VISIT: frozenset([_K.REASON_FOR_VISIT]),
    }
)
"""The sections that a kind of thing is listed in."""
_HELD_IN_PROSE = frozenset([ThingKind.MEDICATION, ThingKind.ALLERGY])
_EVENTS = frozenset([ThingKind.PROCEDURE, ThingKind.IMMUNIZATION])
"""What a note lists because it happened then: each note is read for its own."""
ASSESSED = frozenset([_K.ASSESSMENT, _K.ASSESSMENT_AND_PLAN])
_OF_THE_PATIENT = frozenset([*_HELD_IN_PROSE, *_EVENTS, ThingKind.PROBLEM])
LINES_MAX = 60
PROBLEM_WORDS_MAX = 14
FRAGMENT_WORDS_MAX = 8
_OF_SENTENCES = frozenset(
    "is are was were will has have had we i she he patient they should can it this".split()
)
"""No headline has one of these words."""
_LABEL = re.compile(r"\s*(?:[-*•]\s*)?[A-Z][A-Za-z ]{2,40}:")
REASONING = re.compile(r"\s*(?:[-*•]\s*)?(?:Medical Reasoning|Reasoning|Patient Agreements)\b", re.IGNORECASE)
_LOOKED_AFTER = (
    r"(?:routine )?(?:health ?care|health) maintenance|hm\b|f/?u\b|dispo\b|preventive care|follow-?up"
    r"|disposition|code status|prophylaxis|return"
)
_NO_PROBLEM = re.compile(
    rf"\W*(?:{_LOOKED_AFTER}|(?:(?:re)?stop|start|continue|hold|discontinue|increase|decrease|resume|taper|refill|order"
    r"|repeat|check|refer|schedule|recommend|consider|obtain|give|take|avoid|add|switch|change"
    r"|prescribe)\b(?! ?(?:and|-)))",
    re.IGNORECASE,
)
"""A headline that is no illness: what is to be done, or what is looked after."""
_ENDS_PROBLEM = re.compile(rf"\W*(?:\d+[.)]\s*)?(?:{_LOOKED_AFTER}|patient agreements?\b)", re.IGNORECASE)
_SAY_NOTHING = frozenset(["also", "and", "other", "others", "none other", "as above", "see above"])
_NO_ALLERGY = re.compile(r"\s*(?:no\b.*\ballerg\w+|none(?: known)?|nkd?a)\W*", re.IGNORECASE)
_SAYS_NONE = re.compile(r"\W*(?:none|nil|unknown|negative|non-?contributory|unremarkable)\W*", re.IGNORECASE)
_MEDICAL_HISTORY = re.compile(r"\b(?:pmhx?|(?:past )?medical (?:history|hx))\b", re.IGNORECASE)
_LASTING = re.compile(
    r"\b(?:chronic|long-?\s?term|long-?\s?standing|underlying|pre-?existing|background)\s+(?:(?:medical|health)\s+)?"
    r"(?:problems?|conditions?|illness(?:es)?|diseases?|diagnos[ei]s|disorders?)\b",
    re.IGNORECASE,
)
_PASSES = re.compile(
    r"(?<!chronic )\b(?:acute|strain|sprain|fracture|contusion|laceration|injury|bite|tear|pain|cough|sore throat"
    r"|pharyngitis|upper respiratory|uri|pneumonia|bronchitis|infection|sinusitis|stones?)\b(?![^.;]*\bchronic)",
    re.IGNORECASE,
)
"""An illness that lasts no longer than weeks, or a complaint."""
_PAST_MEDICAL = frozenset([_K.PAST_HISTORY])
_WITH_NONE = frozenset([ThingKind.PROBLEM, ThingKind.HISTORY])
_CHANGE = (
    r"(?:(?:re)?stop(?:ped|ping)?|discontinu(?:e|ed|ing)|d/c(?:'?d)?|hold(?:ing)?|held|no longer(?: tak(?:es|ing))?"
    r"|increase[ds]?|decrease[ds]?|reduce[ds]?|chang(?:e|ed)|quit|off)"
)
_NOT_CHANGED_IN = frozenset([_K.MEDICATIONS, _K.ALLERGIES, _K.FAMILY_HISTORY])
_DONE_ABOUT = re.compile(r"\s+[-–—]+\s+|[.;:]\s+(?=[A-Z])")
_DOSE = re.compile(
    r"\d\s?(?:m?g|mcg|units?|ml|puffs?|tablets?)\b|\b(?:daily|bid|tid|prn|nightly)\b", re.IGNORECASE
)
_OTHER_LABEL = re.compile(
    r"\W*(?:smok\w+|tobacco|alcohol|drink\w*|drugs? use|substance\w*|diet|exercise|sleep|social|occupation|job|work"
    r"|lives?|living|family|weight|height|bp|blood pressure|pulse|vitals?|labs?|follow-?up|plan|assessment|exam|pain"
    r"|mood)\b",
    re.IGNORECASE,
)
"""A label of what no list of drugs, allergies or operations goes on with."""
_CHANGES_DRUG = re.compile(rf"\b{_CHANGE}\b", re.IGNORECASE)
_SENTENCE_END = re.compile(r"[^\s\d][.]\s")
_TELLS = re.compile(
    r"\b(?:she|he|they|patient|is|was|were|has|had|shows?|showed|given|follow(?:ed|s)?|returns?|returned|discharged|seen"
    r"|came|refer\w*|schedul\w*)\b",
    re.IGNORECASE,
)
_OWN_WORDS = MappingProxyType(
    {
        ThingKind.MEDICATION: re.compile(rf"{_DOSE.pattern}|{_CHANGES_DRUG.pattern}", re.IGNORECASE),
        ThingKind.ALLERGY: SAID_IN[ThingKind.ALLERGY],
        ThingKind.PROCEDURE: SAID_IN[ThingKind.PROCEDURE],
    }
)
_HAS_ILLNESS = re.compile(
    r"\s*(?:(?:she|he|they|the patient|patient|pt)\s+(?:also\s+)?(?:has|have)\b"
    r"(?!\s+(?:also\s+)?(?:had|undergone|been))"
    r"|also,)",
    re.IGNORECASE,
)
_LETTER = re.compile(r"[^\W_]+")
_DRUG = re.compile(r"[^\W\d_][\w-]{2,}")
_NO_DRUG = frozenset(
    "patient reports taking takes tablet capsule oral solution injection daily once twice hcl with and".split()
)


class SectionList:
    """Implements shapes.reply.ShapeAnswerer."""

    def takes(self, plan: QuestionPlan, patients: Sequence[str]) -> bool:
        return (
            (plan.shape is AnswerShape.LIST or _is_of_family_alone(plan))
            and plan.part is None
            and len(patients) == 1
            and (len(plan.kinds) == 1 or _examination(plan) != "")
            and plan.kind in SECTIONS
            and (_is_of_family_alone(plan) or not (plan.negated or plan.finding))
            and (_is_of_family_alone(plan) or not plan.rest or _examination(plan) != "")
            and not (plan.time.relative or plan.time.stay or plan.time.order == "first")
        )

    def reply(self, asked: PlannedQuestion) -> Reply | None:
        kind = asked.plan.kinds[0]
        read = patient_notes(asked)
        if examination := _examination(asked.plan):
            read = replace(read, notes=read.of(AskedWords(examination)))
        if asked.plan.shape is not AnswerShape.LIST:
            return _nowhere(read, kind)
        lines: list[ReplyLine] = []
        sections = _PAST_MEDICAL if _MEDICAL_HISTORY.search(asked.plan.text) else SECTIONS[kind]
        told = _Told()
        for notes in _by_day(read.notes):
            for note in notes:
                lines += _of_sections(note, kind, told, sections)
            if lines and kind not in _EVENTS and not (kind is ThingKind.ALLERGY and _says_none(lines)):
                break
        lines = _without_none(lines) if kind in _WITH_NONE else lines
        lines = _lasting(lines) if _LASTING.search(asked.plan.text) else lines
        drugs = _drugs(lines) if kind is ThingKind.MEDICATION else frozenset[str]()
        for note in _with_prose(read.notes, lines, kind):
            lines += _changes(note, drugs, told)
            lines += _of_prose(note, kind, told)
        if lines:
            return Reply(tuple(lines[:LINES_MAX]))
        return _nowhere(read, kind)


def _examination(plan: QuestionPlan) -> str:
    """The examination or operation that a list is of, where nothing else narrows it: "drugs at the stress test"."""
    if not plan.rest and len(plan.kinds) < 2:
        return ""
    named, _ = examination_in(asked_time(framed(plan.text, plan.patients))[1])
    words = {word.lower() for word in named.split()}
    return named if words and words.issuperset(word.lower() for word in plan.rest) else ""


def _is_of_family_alone(plan: QuestionPlan) -> bool:
    """ "What did her mother die of?": where no note speaks of any relative, that is not stated."""
    return plan.shape in (AnswerShape.FACT, AnswerShape.YES_NO) and plan.kinds == (ThingKind.FAMILY,)


def _nowhere(read: PatientNotes, kind: ThingKind) -> Reply | None:
    """That it is not stated, where no note has a word of the kind."""
    said = kind not in NOT_STATED_KINDS or any(may_be_stated(note, kind) for note in read.notes)
    return None if said or not (read.complete and read.notes) else NOT_STATED


class _Told:
    """What is listed already."""

    def __init__(self) -> None:
        self._texts: set[str] = set()
        self.words: set[str] = set()

    def is_new(self, text: str) -> bool:
        folded = " ".join(_LETTER.findall(text.lower()))
        new = folded not in self._texts and folded not in _SAY_NOTHING
        self._texts.add(folded)
        self.words |= {word.lower() for word in _DRUG.findall(text)} - _NO_DRUG
        return new and bool(folded)


def _by_day(notes: Sequence[PatientNote]) -> Iterator[list[PatientNote]]:
    """Notes of one day together, the newest day first."""
    days: dict[str, list[PatientNote]] = {}
    for note in notes:
        days.setdefault(note.day, []).append(note)
    yield from days.values()


def _with_prose(
    notes: Sequence[PatientNote], lines: Sequence[ReplyLine], kind: ThingKind
) -> Sequence[PatientNote]:
    """The notes whose sentences are read: of a list that there is, its own notes and newer ones, for what has changed
    since it was written down; else those of the newest day that have any."""
    if kind in _EVENTS:
        return notes
    if kind not in _HELD_IN_PROSE:
        return () if lines else notes
    listed = {line.hit.resource_id for line in lines if isinstance(line, Quotation)}
    if listed:
        since = max(note.day for note in notes if note.first.resource_id in listed)
        return [
            note
            for note in notes
            if (note.day > since and since)
            or (kind is ThingKind.MEDICATION and note.first.resource_id in listed)
        ]
    return next((day for day in _by_day(notes) if any(any(prose_mentions(note, kind)) for note in day)), ())


def _of_sections(
    note: PatientNote, kind: ThingKind, told: _Told, sections: frozenset[SectionKind]
) -> Iterator[ReplyLine]:
    for passage, section in note.of_kinds(sections):
        if kind is ThingKind.PROCEDURE and is_of_one_operation(passage.hit.text, section):
            continue
        quoted = list(_under_their_lines(passage, items_in(passage, section, kind), told))
        if quoted:
            yield Lead(f"{section.title or kind.value.capitalize()} ({note.called}):")
            yield from quoted


def _under_their_lines(
    passage: ReadPassage, items: Iterator[tuple[int, int]], told: _Told
) -> Iterator[Quotation]:
    """Each item that is new; those under a line that changes them in one quotation with it."""
    text = passage.hit.text
    joined: dict[int, int] = {}
    for start, end in items:
        above, _ = with_line_above(text, start, end)
        line = "" if above == start else text[above:start].partition("\n")[0]
        if told.is_new(f"{line} {text[start:end]}"):
            joined[above] = end
    for start, end in joined.items():
        yield Quotation(passage.hit, start, end)


def _without_none(lines: Sequence[ReplyLine]) -> list[ReplyLine]:
    """Without "None." of one section, where another has something."""
    none = [
        each
        for each in lines
        if isinstance(each, Quotation) and _SAYS_NONE.fullmatch(each.hit.text, each.start, each.end)
    ]
    something = any(isinstance(each, Quotation) and each not in none for each in lines)
    return [each for each in lines if each not in none] if something else list(lines)


def _lasting(lines: Sequence[ReplyLine]) -> list[ReplyLine]:
    """Without what passes, where long-term conditions are asked for."""
    kept = [
        each
        for each in lines
        if not isinstance(each, Quotation) or not _PASSES.search(each.hit.text, each.start, each.end)
    ]
    return [
        each
        for each, after in zip_longest(kept, kept[1:])
        if isinstance(each, Quotation) or isinstance(after, Quotation)
    ]


def _says_none(lines: Sequence[ReplyLine]) -> bool:
    """Whether all that is listed is that there are none."""
    return all(
        _NO_ALLERGY.fullmatch(line.hit.text, line.start, line.end) is not None
        for line in lines
        if isinstance(line, Quotation)
    )


def items_in(passage: ReadPassage, section: Section, kind: ThingKind) -> Iterator[tuple[int, int]]:
    text = passage.hit.text
    if kind is not ThingKind.FAMILY and names_another(section.title or ""):
        return
    if not ASSESSED.isdisjoint(section.kinds):
        yield from _of_assessment(text, section, kind)
        return
    for item in items_of(text, section.text_start, section.end):
        if not _LETTER.search(text, item.start, item.end) or text[item.end - 1] == ":":
            continue
        if _runs_on(text, section, item.start, item.end, kind):
            continue
        if _is_of_another_line(text, section, item.start, item.end, kind):
            return
        if not _is_of_another_kind(text, item.start, item.end, kind):
            yield item.start, item.end


def _is_of_another_kind(text: str, start: int, end: int, kind: ThingKind) -> bool:
    """Whether an item stands in a section of its kind and is none: "Stop amoxicillin" among problems, an illness that a
    sentence adds to operations, a relative's."""
    if kind in _OF_THE_PATIENT and is_of_another(text[start:end], end - start, end - start):
        return True
    if kind is ThingKind.PROBLEM:
        return _NO_PROBLEM.match(text, start) is not None
    if kind is not ThingKind.PROCEDURE or SAID_IN[kind].search(text, start, end):
        return False
    line = text[text.rfind("\n", 0, start) + 1 : start]
    sentence = line[max(line.rfind(". "), line.rfind(".  ")) + 1 :] + text[start:end]
    return _HAS_ILLNESS.match(sentence) is not None


def _of_assessment(text: str, section: Section, kind: ThingKind) -> Iterator[tuple[int, int]]:
    """Of an assessment its headlines, or what is done: not what is thought."""
    if kind is ThingKind.PROBLEM and not _has_headlines(text, section):
        yield from list(_numbered(text, section)) or _named_at_first(text, section)
        return
    for start, end in passage_sentences(text[section.text_start : section.end]):
        a, b = start + section.text_start, end + section.text_start
        if is_heading(text[a:b]) and kind is not ThingKind.PROBLEM:
            continue
        problem = is_problem(text, a, b)
        if problem is (kind is ThingKind.PROBLEM) and not REASONING.match(text, a):
            yield a, b


def _runs_on(text: str, section: Section, start: int, end: int, kind: ThingKind) -> bool:
    """Whether an item is a later sentence of a section that begins on the line of its title, and tells of something
    else: "Medications: aspirin. Colonoscopy in March showed a polyp."."""
    between = text[section.text_start : start]
    inline = "\n" not in text[section.start : section.text_start]
    if not inline or _SENTENCE_END.search(between) is None or _TELLS.search(text, start, end) is None:
        return False
    own = _OWN_WORDS.get(kind)
    return own is None or own.search(text, start, end) is None


def _is_of_another_line(text: str, section: Section, start: int, end: int, kind: ThingKind) -> bool:
    """Whether another labelled line begins after a section that stands in the line of its title: "Smoking: quit"."""
    inline = "\n" not in text[section.start : section.text_start]
    opens = text[section.text_start : start].rpartition("\n")[2].strip(" \t-*•") == ""
    if not inline or not opens or "\n" not in text[section.text_start : start]:
        return False
    if _LABEL.match(text, start, end) is None or kind not in _OWN_WORDS:
        return False
    own = _DOSE if kind is ThingKind.MEDICATION else _OWN_WORDS[kind]
    return _OTHER_LABEL.match(text, start, end) is not None or own.search(text, start, end) is None


def _has_headlines(text: str, section: Section) -> bool:
    spans = passage_sentences(text[section.text_start : section.end])
    return any(is_problem(text, a + section.text_start, b + section.text_start) for a, b in spans)


def _numbered(text: str, section: Section) -> Iterator[tuple[int, int]]:
    """The numbered problems of an assessment that runs on, each up to what is done about it: "1. Asthma - start"."""
    for item in items_of(text, section.text_start, section.end):
        cut = _DONE_ABOUT.search(text, item.start, item.end)
        end = cut.start() if cut else item.end
        if (
            item.number is not None
            and len(text[item.start : end].split()) <= PROBLEM_WORDS_MAX
            and not _NO_PROBLEM.match(text, item.start)
        ):
            yield item.start, end


def _named_at_first(text: str, section: Section) -> Iterator[tuple[int, int]]:
    """The illnesses that an assessment begins with, each named and no more: "Ankle sprain. Rest for a week."."""
    for start, end in passage_sentences(text[section.text_start : section.end]):
        a, b = section.text_start + start, section.text_start + end
        words = [word.strip(".,").lower() for word in text[a:b].split()]
        if (
            len(words) > FRAGMENT_WORDS_MAX
            or not _OF_SENTENCES.isdisjoint(words)
            or _NO_PROBLEM.match(text, a)
        ):
            return
        yield a, b


def is_problem(text: str, start: int, end: int) -> bool:
    """Whether a sentence of an assessment is a headline of an illness: "2. Hypertension", alone on its line."""
    return is_headline(text, start, end) and not _NO_PROBLEM.match(text, start)


def ends_problem(text: str, start: int, end: int) -> bool:
    """Whether what comes below a sentence is no more of the illness above it: another's headline, or "Follow-up"."""
    other = _ENDS_PROBLEM.match(text, start) is not None
    return other or is_problem(text, start, end)


def is_headline(text: str, start: int, end: int) -> bool:
    """Whether a sentence stands alone on its line, and is none."""
    line_start = text.rfind("\n", 0, start) + 1
    line_end = text.find("\n", end)
    rest = text[end : line_end if line_end >= 0 else len(text)]
    alone = not (text[line_start:start] + rest).strip(" \t-*•0123456789.)#") and "\n" not in text[start:end]
    words = text[start:end].split()
    said = {word.strip(".,").lower() for word in words}
    return (
        alone
        and (start > 0 or len(words) <= FRAGMENT_WORDS_MAX)
        and len(words) <= PROBLEM_WORDS_MAX
        and said.isdisjoint(_OF_SENTENCES)
        and not _LABEL.match(text, start)
    )


def _changes(note: PatientNote, drugs: Collection[str], told: _Told) -> Iterator[ReplyLine]:
    """Sentences that stop or change what is listed."""
    if not drugs:
        return
    named = rf"(?:{'|'.join(map(re.escape, sorted(drugs)))})\b"
    changed = re.compile(
        rf"\b{_CHANGE}\s+(?:(?:taking|her|his|their|the|of|all|home|dose)\s+)*{named}"
        rf"|\b{named}(?:\s+[^\s.;]+){{0,4}}\s+{_CHANGE}\b",
        re.IGNORECASE,
    )
    quoted = []
    for passage in note.passages:
        text = passage.hit.text
        for start, end in passage_sentences(text):
            if changed.search(text, start, end) is None:
                continue
            section = section_at(passage.sections, start)
            listed = section is not None and not _NOT_CHANGED_IN.isdisjoint(section.kinds)
            if not listed and told.is_new(text[start:end]):
                quoted.append(Quotation(passage.hit, start, end))
    if quoted:
        yield Lead(f"Stopped or changed, as sentences say it ({note.called}):")
        yield from quoted


def _drugs(lines: Sequence[ReplyLine]) -> frozenset[str]:
    """The first word of what is listed, which is the drug's name."""
    items = [line for line in lines if isinstance(line, Quotation)]
    firsts = (_DRUG.search(line.hit.text, line.start, line.end) for line in items)
    return frozenset(first.group().lower() for first in firsts if first is not None) - _NO_DRUG


def _of_prose(note: PatientNote, kind: ThingKind, told: _Told) -> Iterator[ReplyLine]:
    quoted = []
    for mention in prose_mentions(note, kind):
        known = {each.lower() for each in _DRUG.findall(mention.word)}
        if mention.word and known and known <= told.words:
            continue
        hit, start, end = mention.passage.hit, mention.start, mention.end
        section = section_at(mention.passage.sections, start)
        if kind in _EVENTS and section is not None and not SECTIONS[kind].isdisjoint(section.kinds):
            continue  # its items are listed
        if told.is_new(hit.text[start:end]):
            quoted.append(Quotation(hit, start, end))
    if quoted:
        what = (
            "Taken or ordered, as sentences say it" if kind is ThingKind.MEDICATION else "As sentences say it"
        )
        yield Lead(f"{what} ({note.called}):")
        yield from quoted
