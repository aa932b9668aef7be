"""How one passage says of its patient what a question asks for, and how surely.

Decides what the sentence, the line above it and the section make of a mention: there, of the past, denied, possible, a
relative's. Refuses to know other passages and who else is listed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pipeline.answering.questions.plan import QuestionPlan, ThingKind
from pipeline.answering.shapes.kind_of_mention import is_of_kind, title_of
from pipeline.answering.shapes.lists.kinds_in_prose import SAID_IN
from pipeline.answering.shapes.reply import Quotation
from pipeline.records import Hit
from pipeline.text.statements.predicate import is_said_of_person
from pipeline.text.structure.assertion import AssertionKind, NoteAssertions, assertion_in_sentence
from pipeline.text.structure.bystander_facts import PERSON
from pipeline.text.structure.drug_orders import is_taken_on, of_one_drug
from pipeline.text.structure.line_above import with_line_above
from pipeline.text.structure.list_items import items_of
from pipeline.text.structure.outcomes import is_not_done, is_stopped
from pipeline.text.structure.section_kinds import SectionKind
from pipeline.text.structure.sections import Section, section_at, sections_of
from pipeline.text.terms.drug_classes import class_members
from pipeline.text.terms.finding import Finding, Mention
from pipeline.text.terms.illness_groups import group_members
from pipeline.text.vocabulary import SPELLINGS

FRAGMENT_WORDS_MAX = 4
"""A piece of so few words is shown with the title that it stands under."""
_STOPPED = re.compile(
    r"\b(?:stop(?:ped|ping)?|discontinu\w+|no longer|used to|held|hold|quit|formerly|previously)\b",
    re.IGNORECASE,
)
_TAKEN_BACK = re.compile(
    r"\b(?:ruled out|in error|not allergic|not a true|de-?label\w*|removed)\b"
    r"|\btolerat(?:ed|es)\b(?!\s+(?!it\b|this\b|well\b|fine\b|since\b|now\b|in\b|without\b|again\b|the\b|and\b)[a-z])",
    re.IGNORECASE,
)
"""What was tolerated is the drug, unless another one is named."""
_NOT_TAKEN = re.compile(
    r"\b(?:declin\w+|refus\w+|discuss\w*|consider\w*|offer(?:ed|s)?|reluctant|hesitant|contraindicated"
    r"|candidate for|talk(?:ed|ing) about)\b",
    re.IGNORECASE,
)
_UNDER_CONDITION = re.compile(
    r"\W*(?:[\w /]{3,40}:\s*)?(?:if|should|in case|in the event)\b[^.;]*,"
    r"[^.;]*\b(?:will|would|can|could|may|might|should|consider)\b",
    re.IGNORECASE,
)
"""A sentence that says what will be done if something else is so."""
_NOT_ORDERED = re.compile(
    r"\b(?:if|should|consider\w*|discuss\w*|declin\w*|refus\w*|may|might|could|not)\b|n['’]t\b", re.IGNORECASE
)
_ADVISES = re.compile(
    r"\b(?:advis\w+|encourag\w+|recommend\w*|counsel\w*|instruct\w+|urged|educated|reminded|told (?:him|her"
    r"|them|the patient|to)"
    r"|was told|asked (?:him|her|them|the patient|to))\b",
    re.IGNORECASE,
)
_PROBLEM = re.compile(
    r"\b(?:pains?|painful|tears?|torn|repair\w*|surg\w+|injur\w+|\w+itis|\w+opathy|strain\w*|disease|issues?|problems?"
    r"|enlarge\w*|cancer|replac\w+|abnormal\w*|weak\w*|swell\w*|swollen|fractur\w+|infect\w+|disorders?"
    r"|nodules?|mass(?:es)?"
    r"|impinge\w*|trouble|difficult\w+|blurr\w+|loss|bleed\w*|sore\w*|stiff\w*|burning|retention"
    r"|obstruct\w+|hyperplasia)\b",
    re.IGNORECASE,
)
_LABEL = re.compile(r"\A\s*(?:[-*•]\s*)?[A-Z][A-Za-z ]{2,40}:")
_IS_VACCINATED = re.compile(
    r"\b(?:is|was|has been|been|fully|already)\s+(?:fully\s+)?(?:vaccinated|immuni[sz]ed)\s+(?:for|against"
    r"|with)\b[^.;]*\Z",
    re.IGNORECASE,
)
_TO_BE_DONE = re.compile(
    r"\b(?:(?:over)?due for|will (?:be )?\w+|needs?|recommend\w*|refer(?:red|ral)?|schedul\w+|plan(?:s|ned|ning)?"
    r"|consider\w*|candidate for|eligible for|offer(?:ed|s)?|discuss\w*|declin\w+|refus\w+|pending|awaiting|should"
    r"|order(?:ed)?|going to|send|set (?:him|her|them) up|next visit|advised|encouraged|would like|want(?:s|ed)? to"
    r"|interested in|hop(?:es|ing) (?:to|for)|wish(?:es)? to)\b",
    re.IGNORECASE,
)
"""What is to be done, or was only spoken of."""
_TEST = re.compile(
    r"\b(?:\w+(?:gram|graphy|therapy|scan|metry|centesis)s?|scans?|(?:\w+ )?tests?|mri|ct|x-?rays?|ultrasounds?|echo"
    r"|(?:physical|occupational|speech|radiation) therapy|chemo|infusions?|intubat\w+|screening|rehab\w*)\b",
    re.IGNORECASE,
)
_DONE_THING = SAID_IN[ThingKind.PROCEDURE]
_OVER = re.compile(r"\b(?:resolution of|resolved|no longer (?:seen|present)|cleared)\b", re.IGNORECASE)
_BRACKET = re.compile(r"\([^()]*\)")
_NO_KNOWN = re.compile(
    r"\bNK(?:D|F)?A\b|\bno known (?:(?:drug|food|medication|environmental)(?:,| and| or|/)?\s*)*allerg(?:y|ies)\b"
)
_IS_PROSE = re.compile(
    r"\b(?:she|he|they|patient|takes?|taking|has|have|was|were|is|presents?|came|lives?|works?)\b",
    re.IGNORECASE,
)
"""A sentence that runs on after what is listed; what it says of allergies is found by its words."""
_NAMES_A_PERSON = re.compile(rf"\b{PERSON}s?\b", re.IGNORECASE)
_NO_OTHER = re.compile(
    r"\W*no\s+(?!known|drug|medic|food|environ|allerg|other|any|active|current|history)[a-z]", re.IGNORECASE
)
"""Denies something else among allergies: "No psoriasis"."""
_NO_ALLERGY = re.compile(
    r"\W*(?:no\b|none\b|nkd?a\b|nil\b|denies\b|negative\b|not\b)",
    re.IGNORECASE,
)
_ONE_KIND = re.compile(
    r"\b(?:seasonal|nasal|pollen|skin|contact|pet|insect|environmental|food)\s+allerg"
    r"|\ballergic (?:rhinitis|conjunctivitis)\b",
    re.IGNORECASE,
)
_OF_DRUGS = re.compile(r"\b(?:drugs?|medications?|medicines?)\b", re.IGNORECASE)
"""Who is denied one kind of allergy may have others."""
_DENYING = re.compile(
    r"\b(?:rul\w+ out|den\w+|negative|no|not|non|none|never|without|error|remov\w+)\b", re.IGNORECASE
)
_ENDED = re.compile(r"\b(?:resolved|inactive|past|old|prior|previous\w*|former\w*)\b", re.IGNORECASE)
_OF_A_RELATIVE = re.compile(
    r"\b(?:husband|wife|spouse|partner|mother|father|mom|dad|sister|brother|son|daughter)['’]s\b",
    re.IGNORECASE,
)
LIKE_REACH = 60
_ONLY_LIKE = re.compile(
    r"\b(?:(?:felt|feels|feel|feeling|look(?:s|ed)?|seem(?:s|ed)?|much) like|similar to|as if|resembl\w+"
    r"|reminiscent of"
    r"|thought (?:it|that|she|he|they)[\w ]{0,20}"
    r"|(?:he|she|they|patient|mother|father|wife|husband|family|daughter|son)\s+(?:thinks?|believes?|suspects?)"
    r"[\w ]{0,20}"
    r"|(?:worried|concerned|afraid) (?:about|of|for|that)[\w ]{0,20}"
    r"|fear(?:s|ed)? of)\s+(?:an?\s+|the\s+)?(?:having\s+)?\Z",
    re.IGNORECASE,
)
"""What it was like, or was feared to be, is not there."""
_NO_RELATIVE = re.compile(
    r"\b(?:no|not|denies|denied|deny|negative|without|nor|unaware|unremarkable)\b(?![^.;]{0,80}\b(?:but"
    r"|however|except|although"
    r"|had|has|have|with|died|mother|father|brother|sister|aunt|uncle|grand\w+|cousin)\b)[^.;]*\Z",
    re.IGNORECASE,
)
"""Before what no relative has."""
_OF_ANOTHER_CLAUSE = re.compile(r"\bwith(?:out| no)\s+(?:\w+\s+){0,2}\w+,[^;]*\Z", re.IGNORECASE)
"""Between a procedure and what another one went without: "colectomy with no recurrence, appendectomy"."""
_RUN_ON_TITLE = re.compile(r"\b[A-Z]{4}[A-Z /&]*:[\s,]*")
"""Where a section begins in the middle of a line."""
_GIVEN_UP = re.compile(
    r"\b(?:quit|stopped|former(?:ly)?|ex|used to|previous(?:ly)?|no longer|gave up|remote|ceased)\b"
    r"|\b(?:smoked|drank)\b[^.;]*\b(?:years|decades|months) ago\b",
    re.IGNORECASE,
)
_TO_GIVE_UP = re.compile(
    r"\b(?:try\w*|tries|wants?|ready|motivat\w+|attempt\w*|plan\w*|like|help\w*|encourag\w*|advis\w*"
    r"|counsel\w*|discuss\w*|need\w*|would|should|importance|urged?|work\w*)\b[^.;]{0,30}\b(?:quit|stop|ceas)",
    re.IGNORECASE,
)
_NON = re.compile(r"\bnon-?\s?(?:[a-z]+[\s-])?\Z", re.IGNORECASE)
"""Before a habit, of one who has it not: "a non-cigarette smoker"."""
_ABSTAINS = re.compile(r"\b(?:abstain\w*|refrain\w*|stay(?:ing)? away) from\b[^.;]*\Z", re.IGNORECASE)
_K = AssertionKind
HAS = (_K.PRESENT, _K.HISTORICAL)
RANK = (_K.PRESENT, _K.HISTORICAL, _K.POSSIBLE, _K.PLANNED, _K.ABSENT, _K.FAMILY)


@dataclass(frozen=True)
class AskedThing:
    """What a question asks of patients."""

    finding: Finding
    kind: ThingKind | None = None
    is_attribute: bool = False
    """Whether it must be said of the patient: "single", which may be said of a dose."""
    wanted: AssertionKind = AssertionKind.PRESENT
    """ABSENT: those are asked for of whom it is denied; FAMILY: those with a relative who has it."""
    is_done: bool = False
    """Whether it is something that is done to a patient: then what is planned does not count."""
    over_counts: bool = True
    """Whether one that is over counts: "had", "ever"."""
    is_ordered: bool = False
    """Whether it need only be ordered: "sent for an MRI"."""
    is_advised: bool = False
    """Whether it must be advised: "told to lose weight"."""
    is_problem_of_part: bool = False
    """Whether any problem of a part of the body is asked for: "rotator cuff problems"."""
    relative: str = ""
    """The one relative who must have it: "mother"; "" where it may be any."""
    now: bool = False
    """Whether what was and is no more does not count: a drug that is taken, a habit."""

    @property
    def is_habit(self) -> bool:
        return _is_habit(self.finding)

    @property
    def is_any_allergy(self) -> bool:
        return self.kind is ThingKind.ALLERGY and self.finding.keys == ("allergy",)

    @property
    def is_drug_allergy(self) -> bool:
        """Whether an allergy to any drug is asked for, and no other."""
        return self.is_any_allergy and _OF_DRUGS.search(self.finding.text) is not None

    @property
    def search_terms(self) -> tuple[tuple[str, ...], ...]:
        """What a passage must have that may say it."""
        terms = self.finding.search_terms
        return ((*terms[0], "nkda", "nka", "nkfa"),) if self.is_any_allergy else terms

    @classmethod
    def of(cls, plan: QuestionPlan) -> AskedThing:
        words = plan.finding or ""
        advised = _ADVISED_TO.match(words)
        words, ordered = _without_order(words[advised.end() :] if advised else words)
        if plan.kind is not ThingKind.MEDICATION and (before_now := _BEFORE_NOW.match(words)):
            words = words[before_now.end() :]
        ordered = ordered or _OR_ABOUT_TO.search(plan.text) is not None
        words = _SMOKES.sub(r"\g<smoke>", words)
        none, family, former = _NONE_OF.match(words), _FAMILY_OF.match(words), _FORMER.match(words)
        before = none or family or former
        words_left = words[before.end() :] if before else words
        allergy = plan.kind is ThingKind.ALLERGY
        drugs = class_members(words_left, allergy=allergy)
        kind = ThingKind.MEDICATION if drugs and not allergy else plan.kind
        members = drugs or group_members(words_left)
        if not members and (levels := _at_that_level(words_left)):
            words_left, members = levels[0], levels
        finding = Finding(words_left, members)
        negated = plan.negated is not bool(none)
        unknown = finding.keys in _WORK or (len(finding.keys) == 1 and finding.keys[0] not in SPELLINGS)
        return cls(
            finding,
            None if family else kind,
            plan.is_attribute and unknown,
            _wanted(negated=negated, of_family=family is not None, former=former is not None),
            not ordered
            and (
                plan.kind in (ThingKind.PROCEDURE, ThingKind.IMAGING)
                or finding.is_vaccine
                or _DONE_THING.search(f"{words} {' '.join(finding.keys)}") is not None
                or (_TEST.search(words) is not None and not words.lower().startswith("refer"))
                or (bool(members) and _OPERATION.search(words) is not None)
            ),
            _EVER.search(plan.text) is not None,
            ordered,
            advised is not None,
            not members and _PROBLEM_OF_A_PART.search(words) is not None,
            _one_relative(family),
            plan.kind is ThingKind.MEDICATION
            or (_is_habit(finding) and not _EVER.search(plan.text))
            or plan.time.order == "latest",
        )


_SMOKES = re.compile(r"(?P<smoke>\bsmok\w*) (?:cigarettes?|tobacco)\b", re.IGNORECASE)
_PROBLEM_OF_A_PART = re.compile(r"\w \b(?:problems?|issues?|troubles?)$", re.IGNORECASE)
_ADVISED_TO = re.compile(
    r"(?:been\s+)?(?:advised|told|instructed|encouraged|counsel?led|asked|urged)\s+(?:to|on|about|against|that)\s+"
    r"(?:(?:stop|quit|avoid|start|continue|take|have|get|do)\s+)?",
    re.IGNORECASE,
)
_BEFORE_NOW = re.compile(
    r"(?:prior|previous|past)\s+(?!smok|drink|alcohol|tobacco|drug|us)(?=\w)", re.IGNORECASE
)
_FAMILY_OF = re.compile(
    r"(?:an? )?(?:positive )?"
    r"(?:family|(?P<relative>mother|father|mom|dad|sister|brother|parents?|siblings?|relatives?)) history of ",
    re.IGNORECASE,
)
_CALLED = {
    "mother": "mother|mom|mum|maternal history",
    "father": "father|dad|paternal history",
    "sister": "sisters?",
    "brother": "brothers?",
    "parent": "parents?|mother|father|mom|mum|dad",
    "sibling": "siblings?|sisters?|brothers?",
}
_SAME_RELATIVE = {"mom": "mother", "dad": "father", "parents": "parent", "siblings": "sibling"}
_FORMER = re.compile(
    r"(?:(?:former(?:ly)?|ex|past|previous(?:ly)?)[\s-]+|(?:quit|stopped|gave up|used to|discontinued|came off)"
    r"\s+(?:taking\s+)?)(?=\w)",
    re.IGNORECASE,
)
_NONE_OF = re.compile(r"no (?:known )?|non-?\s*(?=smok|drink|diabetic|allergic)", re.IGNORECASE)
_EVER = re.compile(
    r"\b(?:ever|(?:have|has)\s+(?:ever\s+)?(?:had|been|taken|\w+ed)|had|history|used to|former\w*|ex-?smok\w*|did"
    r"|smoked|drank|in the past)\b",
    re.IGNORECASE,
)
_WORK = (("nurse",), ("doctor",), ("specialist",), ("counselor",))
"""What others are as well who stand in a note."""
_HABITS = frozenset(["smoke", "tobacco", "drink", "alcohol", "illicit"])


_DONE = re.compile(
    r"\s+(?:put in|placed|inserted|implanted|fitted|done|performed|carried out|undertaken)$", re.IGNORECASE
)
"""What every operation is."""
_ORDERED = re.compile(
    r"^(?:been\s+)?(?:sent\s+for|ordered)\s+(?:(?:an?|the|his|her|their)\s+)?|\s+(?:ordered|requested)$",
    re.IGNORECASE,
)
_OR_ABOUT_TO = re.compile(
    r"\bor (?:is|are) (?:about|going|scheduled|due|planning|waiting|booked)\b", re.IGNORECASE
)
_SENT_TO = re.compile(r"^(?:been\s+)?sent to\b", re.IGNORECASE)
_OPERATION = re.compile(r"\b(?:surg|operat|replac|transplant)", re.IGNORECASE)


def _without_order(words: str) -> tuple[str, bool]:
    """What is asked for without that it was ordered or done, and whether it need only be ordered."""
    words = _SENT_TO.sub("referred to", words)
    left = _ORDERED.sub("", words)
    return (left, True) if left and left != words else (_DONE.sub("", words), False)


_LEVELS = (("low", "reduced", "decreased", "diminished"), ("high", "elevated", "raised", "increased"))
"""Words for one direction, of which the first may name an illness: "high blood pressure"."""


def _at_that_level(words: str) -> tuple[str, ...]:
    """ "low ejection fraction", and its other words, of "reduced ejection fraction"; empty where that is an illness."""
    level, _, measure = words.lower().partition(" ")
    same = next((each for each in _LEVELS if level in each), ())
    if not measure or _IS_ILLNESS.search(measure) is not None:
        return ()
    return tuple(f"{each} {measure}" for each in same)


_IS_ILLNESS = re.compile(r"\b(?:pressure|bp|back|neck|cholesterol|lipids?|risk|fever)\b", re.IGNORECASE)


def _one_relative(family: re.Match[str] | None) -> str:
    said = (family["relative"] or "").lower() if family else ""
    said = _SAME_RELATIVE.get(said, said)
    return said if said in _CALLED else ""


def _wanted(*, negated: bool, of_family: bool, former: bool) -> AssertionKind:
    if negated:
        return _K.ABSENT
    return _K.FAMILY if of_family else _K.HISTORICAL if former else _K.PRESENT


def _is_habit(finding: Finding) -> bool:
    return not _HABITS.isdisjoint(finding.keys)


@dataclass(frozen=True, slots=True)
class Said:
    kind: AssertionKind
    quotation: Quotation
    over: bool = False
    """Whether the sentence says that it is there no more."""
    words: str = ""
    """What says it, as the note has it."""

    def kind_for(self, thing: AskedThing) -> AssertionKind:
        """How it is said where what is over, and asked for as of now, is of the past."""
        over = self.over and thing.wanted is _K.PRESENT and not thing.over_counts
        return _K.HISTORICAL if over and self.kind in HAS else self.kind

    def counts(self, thing: AskedThing) -> bool:
        """Whether the patient is one of those asked for."""
        if thing.now or thing.wanted is not _K.PRESENT:
            return self.kind_for(thing) is thing.wanted
        gone = self.over and not thing.over_counts
        return self.kind in HAS and not gone

    def settles(self, thing: AskedThing) -> bool:
        """Whether no older note changes it."""
        if thing.wanted is not _K.PRESENT:
            return self.kind is thing.wanted
        if thing.now and thing.kind is ThingKind.MEDICATION and self.kind is _K.ABSENT:
            return True
        return self.kind in HAS if thing.now else self.kind is _K.PRESENT

    def replaces(self, before: Said, thing: AskedThing) -> bool:
        """Whether it stands for the patient in place of what was read before it, in a note as new or newer. What was
        stopped or given up is not so again because an older note, or the same note's list, has it."""
        another = thing.finding.is_class and self.words.lower() != before.words.lower()
        if thing.now and not another and {self.kind, before.kind} == set(HAS):
            return self.kind is _K.HISTORICAL and self.quotation.hit.date == before.quotation.hit.date
        rank = (thing.wanted, *RANK)
        return rank.index(self.kind) < rank.index(before.kind)


def said_in(hit: Hit, thing: AskedThing) -> Iterator[Said]:
    """Each mention of it in a passage. Of any allergy at all also what is listed as one."""
    if thing.is_any_allergy:
        yield from _listed_allergies(hit)
    mentions = list(thing.finding.mentions(hit.text))
    if not mentions:
        return
    assertions = NoteAssertions(hit.text, _sections_up_to(hit, mentions[-1].sentence_end))
    for mention in mentions:
        if not is_of_kind(hit.text, mention, assertions.sections, thing.kind):
            continue
        section = section_at(assertions.sections, mention.start)
        if section is not None and section.kinds and mention.start < section.text_start:
            continue  # the title alone
        if hit.text.startswith(":", mention.end) and hit.text[mention.start : mention.end].isupper():
            continue  # the title of a section that begins in the line
        if thing.is_attribute and not is_said_of_person(
            hit.text,
            mention.start,
            mention.end,
            in_social_history=section is not None and SectionKind.SOCIAL_HISTORY in section.kinds,
        ):
            continue
        title = section.title if section is not None and section.title else ""
        yield _said(hit, mention, _asserted(hit.text, mention, assertions), thing, title)


def _asserted(text: str, mention: Mention, assertions: NoteAssertions) -> AssertionKind:
    """How it is said where it stands; what is denied before a section that begins in the same line is not this."""
    said = assertions.of(mention.start, mention.end).kind
    if said is not _K.ABSENT or text.find(":", mention.sentence_start, mention.start) < 0:
        return said
    titles = list(_RUN_ON_TITLE.finditer(text, mention.sentence_start, mention.start))
    if not titles:
        return said
    start = titles[-1].start()
    return NoteAssertions(text[start:]).of(mention.start - start, mention.end - start).kind


def _sections_up_to(hit: Hit, end: int) -> Sequence[Section]:
    """The sections as far as the line of `end`: what comes after it does not change them."""
    line_end = hit.text.find("\n", end)
    return sections_of(hit.text if line_end < 0 else hit.text[:line_end], within=title_of(hit))


def _listed_allergies(hit: Hit) -> Iterator[Said]:
    for known in _NO_KNOWN.finditer(hit.text):
        yield Said(_K.ABSENT, Quotation(hit, *known.span(), names_patient=True))
    for section in sections_of(hit.text, within=title_of(hit)):
        if SectionKind.ALLERGIES not in section.kinds:
            continue
        for item in items_of(hit.text, section.text_start, section.end):
            if _NO_OTHER.match(hit.text, item.start, item.end):
                continue
            if _IS_PROSE.search(hit.text, item.start, item.end) or _NAMES_A_PERSON.search(
                hit.text, item.start, item.end
            ):
                continue
            start, end = with_line_above(hit.text, item.start, item.end)
            line = hit.text[start : item.start].partition("\n")[0]
            none = _NO_ALLERGY.match(hit.text, item.start, item.end) is not None
            said = _put_right(_K.PRESENT, line, hit.text[item.start : end], ThingKind.ALLERGY)
            in_line = "\n" not in hit.text[section.start : item.start]
            if none and in_line and section.start < section.text_start:
                start = section.start  # "None" alone says nothing
            under = (section.title or "") if start == item.start else ""
            quotation = Quotation(hit, start, end, names_patient=True, under=under)
            yield Said(_K.ABSENT if none else said, quotation)


def _said(hit: Hit, mention: Mention, said: AssertionKind, thing: AskedThing, title: str) -> Said:
    start, end = with_line_above(hit.text, mention.sentence_start, mention.sentence_end)
    sentence = hit.text[mention.sentence_start : end]
    before = hit.text[mention.sentence_start : mention.start]
    in_sentence = (sentence, len(before), mention.end - mention.sentence_start)
    line = hit.text[start : mention.sentence_start].partition("\n")[0]
    said = _in_its_words(said, thing, before, sentence)
    if thing.is_advised:
        said = _as_advised(said, sentence)
    elif thing.finding.is_vaccine and said is _K.PLANNED and _IS_VACCINATED.search(before):
        said = _K.PRESENT
    elif thing.kind is ThingKind.MEDICATION:
        said = _of_drug(said, line, *in_sentence)
    elif said in HAS:
        said = _put_right(said, line, sentence, thing.kind)
    if said in HAS and thing.is_ordered and _NOT_ORDERED.search(sentence):
        said = _K.PLANNED
    if said in HAS and thing.is_done and (_TO_BE_DONE.search(before) or is_not_done(*in_sentence)):
        said = _K.PLANNED
    over = said in HAS and _is_over(*in_sentence)
    fragment = start == mention.sentence_start and len(hit.text[start:end].split()) <= FRAGMENT_WORDS_MAX
    quotation = Quotation(hit, start, end, names_patient=True, under=title if fragment else "")
    return Said(said, quotation, over, hit.text[mention.start : mention.end])


def _in_its_words(said: AssertionKind, thing: AskedThing, before: str, sentence: str) -> AssertionKind:
    """How it is said where the words before it, of whatever kind it is, say it otherwise."""
    if said is _K.FAMILY and _NO_RELATIVE.search(before):
        return _K.ABSENT
    if (
        said is _K.FAMILY
        and thing.relative
        and not re.search(rf"\b(?:{_CALLED[thing.relative]})\b", sentence, re.I)
    ):
        return _K.POSSIBLE
    if said is _K.ABSENT and thing.is_done and _OF_ANOTHER_CLAUSE.search(before):
        return _K.PRESENT
    if _is_near(said, thing, before, sentence):
        return _K.POSSIBLE
    return _of_habit(before, sentence) if said in HAS and thing.is_habit else said


def _names(relative: str, sentence: str) -> bool:
    return re.search(rf"\b(?:{_CALLED[relative]})\b", sentence, re.IGNORECASE) is not None


def _as_advised(said: AssertionKind, sentence: str) -> AssertionKind:
    """How an advice is given: what is there without it is no advice."""
    if said is _K.FAMILY:
        return said
    return _K.PRESENT if _ADVISES.search(_LABEL.sub("", sentence)) is not None else _K.POSSIBLE


def _is_near(said: AssertionKind, thing: AskedThing, before: str, sentence: str) -> bool:
    """Whether it is only near: what it was like, or a denial of one kind of allergy where any is asked for."""
    if said is _K.ABSENT or (said in HAS and thing.is_drug_allergy):
        return thing.is_any_allergy and _ONE_KIND.search(sentence) is not None
    if said in HAS and thing.is_problem_of_part and _PROBLEM.search(sentence) is None:
        return True
    return said in HAS and _ONLY_LIKE.search(before[-LIKE_REACH:]) is not None


def _of_drug(said: AssertionKind, line: str, sentence: str, start: int, end: int) -> AssertionKind:
    """How a drug is said to be taken: what the sentence says of other drugs is not said of it."""
    if said is _K.ABSENT and is_stopped(sentence, start, end):
        return _K.HISTORICAL
    own = of_one_drug(sentence, start, end)
    if said is _K.HISTORICAL and own != sentence:
        said = assertion_in_sentence(own, start, end).kind
    if said is _K.POSSIBLE and is_taken_on(sentence, start, end):
        said = _K.PRESENT
    if said not in HAS:
        return said
    if _UNDER_CONDITION.match(own):
        return _K.PLANNED
    said = _put_right(said, line, own, ThingKind.MEDICATION)
    if said in HAS and is_not_done(own, start, end, drug=True):
        return _K.PLANNED
    return _K.HISTORICAL if said in HAS and is_stopped(own, start, end) else said


def _is_over(sentence: str, start: int, end: int) -> bool:
    """Whether its sentence says that it is over: a bracket says so of its own item alone."""
    own = re.match(r"[^,;()]*\(", sentence[end:])
    kept = end + own.end() if own else -1
    return any(
        bracket is None or bracket.start() + 1 == kept
        for over in _OVER.finditer(sentence)
        for bracket in (_bracket_of(sentence, over.start()),)
    )


def _bracket_of(sentence: str, at: int) -> re.Match[str] | None:
    """The bracket that `at` stands in."""
    return next((each for each in _BRACKET.finditer(sentence) if each.start() < at < each.end()), None)


def _of_habit(before: str, sentence: str) -> AssertionKind:
    """How a habit is said that is not denied: whoever has "a history of smoking" may still smoke."""
    if _NON.search(before):
        return _K.ABSENT
    if _ABSTAINS.search(before):
        return _K.PLANNED
    given_up = _GIVEN_UP.search(sentence) and not _TO_GIVE_UP.search(sentence)
    return _K.HISTORICAL if given_up else _K.PRESENT


def _put_right(said: AssertionKind, line: str, sentence: str, kind: ThingKind | None) -> AssertionKind:
    """How it is said where the line above, or the sentence, takes back what the words next to it say."""
    if kind is ThingKind.MEDICATION:
        if _OF_A_RELATIVE.search(sentence):
            return _K.FAMILY
        if _NOT_TAKEN.search(sentence):
            return _K.PLANNED
        return _K.HISTORICAL if line or _STOPPED.search(sentence) else said
    if kind is ThingKind.ALLERGY and _TAKEN_BACK.search(sentence):
        return _K.ABSENT
    if not line or (_ENDED.search(line) and kind is not ThingKind.ALLERGY):
        return said
    return _K.ABSENT if _DENYING.search(line) else _K.POSSIBLE
