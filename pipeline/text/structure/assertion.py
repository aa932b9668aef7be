"""How a note asserts a finding: as present, absent, possible, of the past, of a relative, or not (yet) so.

The classes and their cues are those of ConText (Harkema et al. 2009; ATTRIBUTION.md). What is denied, doubted, ended or
a relative's is not judged here: `statements.facts` reads it, for verification as for this, and `labels` says what
the headings add. Added are the past ("history of") and what has not come about ("if", "risk of", "as needed for").
Refuses to know what a finding is, and whether a condition of the past still is: "history of diabetes" is of the past.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Collection, Sequence, Set
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import lru_cache

from pipeline.text.sentences import passage_sentences
from pipeline.text.statements.facts import Over, doubts_over, may_stand_over, places_of, read
from pipeline.text.structure.bystander_facts import (
    PRONOUN_SENTENCES_MAX,
    brings_in,
    goes_on,
    is_of_another,
    names_another,
    opens_with_pronoun,
)
from pipeline.text.structure.labels import over_labels
from pipeline.text.structure.list_items import opens_an_item
from pipeline.text.structure.outcomes import (
    is_answered_no,
    is_answered_yes,
    is_spoken_of,
    is_struck_out,
)
from pipeline.text.structure.section_kinds import SectionKind
from pipeline.text.structure.sections import Section, section_at, sections_of


class AssertionKind(StrEnum):
    """Values are stored and shown: they do not change."""

    PRESENT = "present"
    ABSENT = "absent"
    POSSIBLE = "possible"
    HISTORICAL = "historical"
    FAMILY = "family"
    PLANNED = "planned"
    """Planned, to be watched for, or under a condition: not so, or not yet."""


@dataclass(frozen=True, slots=True)
class Assertion:
    """What stands over one mention of a finding; several may."""

    denied: bool = False
    family: bool = False
    """Said of a relative or another person than the patient."""
    planned: bool = False
    doubted: bool = False
    past: bool = False

    @property
    def kind(self) -> AssertionKind:
        """The one class of it: whose it is before whether it is, and that before when."""
        if self.family:
            return AssertionKind.FAMILY
        if self.denied:
            return AssertionKind.ABSENT
        if self.planned:
            return AssertionKind.PLANNED
        if self.doubted:
            return AssertionKind.POSSIBLE
        return AssertionKind.HISTORICAL if self.past else AssertionKind.PRESENT


PAST_SECTIONS = frozenset([SectionKind.PAST_HISTORY, SectionKind.SURGICAL_HISTORY])

_NOT_YET = frozenset(
    "if risk prevent prevents preventing goal goals target screening screened vaccinated vaccination vaccine vaccines "
    "immunized immunization prophylaxis educated education call calls return go seek come report facilitate "
    "exposed exposure contact".split()
)
"""Doubts under which a thing has not come about."""
_OF_TREATMENTS = frozenset(
    "failed fails forgot forgets missed naive offered supposed deferred postponed canceled cancelled request requests "
    "requested requesting intolerant intolerance facilitate loss".split()
)
"""What these doubt is what was to be done; a finding next to them is there: "failed treatment and has arthritis"."""


def _cues(listed: str, before: str = r"\b", after: str = r"\b") -> re.Pattern[str]:
    """Any of the cues, one a line: words, with what may stand between them."""
    return re.compile(f"{before}(?:{'|'.join(listed.strip().split(chr(10)))}){after}", re.IGNORECASE)


_CONDITION = _cues(r"""
should (?:he|she|they|it|there|the patient|symptoms|any|your?)
(?:as[ -]needed|prn|p\.r\.n\.?|if needed|needed)(?: and| or| only)?(?: \w+){0,4}? for
(?<!\bwe )(?<!\bi )(?:can|could|may|might|will|would)(?: \w+)? (?:cause|lead|result|trigger|precipitate|worsen|increase)
(?:lead(?:s|ing)?|predispos\w+|predisposition) (?:to|for)
(?:likelihood|chances?|odds|possibility|probability|danger) of
risks?\b[^.;]*?\b(?:of|includ\w+|associated with)
complications?\b[^.;]*?\b(?:includ\w+|associated with)
working on
to (?:avoid|prevent|watch for|monitor for|screen for)
in case of
in the event (?:that|of)
unless
""")
"""What follows, up to the end of the sentence, has not come about."""
_WHETHER = _cues(r"(?:determine|see|assess|know|find out|unsure|sure|say|clear|tell) if")
_DOUBT = _cues(r"""
(?:could|may|might|what appears? to) be
etiolog(?:y|ies)\b[^.;]*\b(?:is|are|includes?)
not (?:able to say|sure|certain|clear) (?:if|whether)
unsure (?:if|whether)
(?:concern(?:ed|s)? (?:about|for|that)|worr(?:ied|ies|y) about|afraid of|worrisome for)(?! the| her| his)
determine (?:if|whether)
to (?:further )?(?:evaluate|assess|check|test|look)(?: (?:him|her|them|the patient|further))? for
""")
_EVIDENCE = _cues("due to|because of|given|based on")
"""What follows is why it is thought, and no doubt about that."""
_PAST_BEFORE = _cues(r"""
history of
hx of
h/o
s/p
status post
history(?= ?(?:$|:|is|was|includ|signif|notable|remark|positive|with|consist|apart))
previous(?:ly)?
prior
former(?:ly)?
remote
childhood
used to have
had had
""")
_LASTING = re.compile(r"\b(?:(?:hour|day|week|month|year)s?'?|long|longstanding|known) $", re.IGNORECASE)
"""What has a history of so long is there: "a three-day history of cough"."""
_OF_ANOTHER = _cues("(?:for|of|with|to|in)\\b|,", after="")
"""What was before is then another thing: "previous treatment for acne"."""
_PAST_AFTER = _cues(
    r"""
in the past(?! \d| few| several| couple)
(?:\d+|two|three|four|five|six|seven|eight|nine|ten|several|many|a few|a couple of)\s+(?:years|decades) ago
as a (?:child|teenager|kid)
in (?:19|20)\d\d
""",
    before=r"^[^.;]{0,40}?\b",
)
_BEGAN = _cues(r"start\w*|began|begun|onset|since|diagnosed|first noticed")
_NOW_BEFORE = _cues(r"""
present(?:s|ed|ing)?
who
complain\w*
report\w*
today
now
currently
but
however
although
comes? in
came in
seen
denies
endorses
has
have
he
she
we
underwent
recent(?:ly)?
""")
"""Where what a history lists ends."""
_ENDED_AFTER = _cues(
    "resolved|subsided|went away|gone away|is gone|no longer present",
    before=r"^[^.;]{0,90}?(?<!not )(?<!not yet )(?<!if )(?<!will )(?<!to )\b",
)
_OF_ANOTHER_ITEM = re.compile(r",[^()]*\(")
"""Before what a bracket says of the last item of a list alone: "asthma, gastric ulcer (resolved)"."""
_NOT_ENDED = _cues("not|n't|never|until|if|once|when|after")
_NO_DENIAL = _cues(r"""
(?:not|never|n't)(?: yet| completely| fully| entirely| really| been)* (?:resolv|improv|subsid|chang|worsen)\w+
(?:not|never|n't)(?: yet)? (?:gone|respond\w*|(?:well |adequately |under )?control\w*|only)
no (?:\w+ )?(?:change|improvement|increase|decrease|worsening|relief|resolution|progression)
""")
"""Denies something of the finding, and not the finding (ConText's pseudo-negations)."""
_OTHER_THAN, _EXCEPT = " other than ", " except     "
"""Of one length: "no medications other than aspirin"."""
_NOT_RULED_OUT = _cues(r"""
(?:can(?:no|')t|could not|can not|not|unable to)(?: be| been| yet| completely| entirely)* (?:rul\w+ out|exclud\w+)
""")
_APART = re.compile(r"[;,]|\b(?:although|but|however|though)\b", re.IGNORECASE)
_WORDS_OF_IT = r"(?:(?!is\b|are\b|was\b|were\b|has\b|had\b|and\b|or\b)[\w-]+ ){0,2}"
_WHOSE = _cues(
    rf"(?:for|of|in|with|from|regarding|to) (?:her|his|their|my|(?:the )?patient's) {_WORDS_OF_IT}", after="$"
)
"""Whose it is goes before it: "denies treatment for her acne" denies the treatment."""
_LONG = ("chronic", "known", "long")
_GIVEN_FOR = _cues(
    rf"(?:on|off|taking|takes) [\w-]+(?: [\w-]+){{0,2}} for (?:her |his )?(?:chronic|known"
    rf"|long-?standing) {_WORDS_OF_IT}",
    after="$",
)
"""It is there whatever is said of the drug: "unclear why she is off Coumadin for chronic AFib"."""
_TREATED = _cues(
    r"(?:tak(?:es?|ing)|us(?:es?|ing)|treat(?:ment|ed)|medications?|medicines?|therapy|surgery"
    r"|hospitali[sz]ed|admitted"
    r"|seen) (?:[\w-]+ ){0,3}for (?:(?:the|an?) )?",
    after="$",
)
"""What is denied is the treatment: "no medication for hypertension"."""
_ANSWERED = re.compile(
    r"\s*(?:use|status|history|abuse|exposure|products?)?(?: status| history)?\s*[:=]\s*"
    r"(?:(?P<denied>no|none|nil|never|non|denies|denied|negative|neg|n)\b(?=-?\s*(?:$|[.,;)\n]|smok|us(?:e"
    r"|er|ed)\b|drink"
    r"|drank|abus|history\b|hx\b|tobacco|alcohol))|(?P<past>former|ex|quit)\b)",
    re.IGNORECASE,
)
"""A title's answer: "Tobacco use: never smoker"."""
_OTHERS = _cues(
    r"(?:any|some|no ?)(?:one|body)(?: else)?"
    r"|(?:people|persons|others|friends?|co-?workers?|(?:room|house|flat|class)mates?|neighbou?rs?|members?|contacts?)"
    r" (?:[\w'’-]+ ){0,2}?(?:who|that|with)",
    after=r"(?: (?!and\b|but\b|he\b|she\b|his\b|her\b|their\b)[\w'’-]+)* $",
)
"""What follows is said of them: "lives with people who smoke", "no one at home smokes"."""
_ANSWER = re.compile(
    r"(?<=\?)\s*(?:no|never|none|denies|negative|(?P<yes>yes))\s*(?:[.,;\n]|\Z)", re.IGNORECASE
)
"""What follows a question: "Chest pain? No."."""
_OWNERS = (" her ", " his ", " their ", " my ", "patient's ")
_RULING_OUT = ("rul", "exclud")
_NOT_DENIED = (
    *(
        "resol",
        "improv",
        "subsid",
        "chang",
        "worsen",
        "gone",
        "respond",
        "control",
        "only",
        "increase",
        "decrease",
    ),
    *("relief", "progression"),
)
_ENDING = ("resolved", "subsided", "gone", "away", "longer")
_SOMEONE = (
    "one",
    "body",
    "people",
    "person",
    "other",
    "friend",
    "worker",
    "mate",
    "neighbo",
    "member",
    "contact",
)
"""Without any of these the patterns of whom or what something is said find nothing."""
_LIST_SENTENCES_MAX = 20
SENTENCES_KEPT = 4096
"""Sentences whose assertion is remembered: notes repeat what they deny."""


@lru_cache(maxsize=SENTENCES_KEPT)
def assertion_in_sentence(
    sentence: str, start: int, end: int, *, over: Over | None = None, past: bool = False
) -> Assertion:
    """How `sentence` asserts the finding at `[start, end)` of it. `over`, `past`: what its headings say of it."""
    undecided = _is_undecided(sentence, start, end)
    sentence = _without_pseudo_denials(sentence)
    above, doubts = _above(sentence, start, end, over or Over())
    before, after = sentence[:start], sentence[end:]
    doubted = above.doubted and not (doubts and doubts <= _OF_TREATMENTS)
    theirs = (_has_any(before, _OWNERS) and _WHOSE.search(before) is not None) or (
        _has_any(before, _LONG) and _GIVEN_FOR.search(before) is not None
    )
    not_yet = not theirs and (_is_not_yet(before, doubts) or above.order == "avoid")
    remission = "remission" in doubts
    answer = _ANSWERED.match(after)
    return Assertion(
        denied=not is_answered_yes(sentence, start, end)
        and (
            (answer is not None and answer["denied"] is not None)
            or (above.denied % 2 == 1 and not theirs and _TREATED.search(before) is None)
            or "rather" in doubts
            or is_answered_no(sentence, start, end)
            or is_struck_out(sentence, start, end)
        ),
        family=above.relatives or _is_of_others(before) or is_of_another(sentence, start, end),
        planned=not_yet,
        doubted=undecided
        or before.rstrip().endswith("?")
        or is_spoken_of(sentence, start)
        or (not theirs and _is_doubted(before, doubted and not (not_yet or remission))),
        past=past
        or remission
        or (answer is not None and answer["past"] is not None)
        or above.order in ("stop", "hold")
        or _is_past(before, after)
        or _has_ended(after),
    )


def _has_any(text: str, cues: Collection[str]) -> bool:
    """Whether one of the cues, in small letters, stands in a text: cheap to ask before a pattern is tried."""
    lower = text.lower()
    return any(cue in lower for cue in cues)


def _without_pseudo_denials(sentence: str) -> str:
    """The sentence with blanks for what denies something else than the finding."""
    if _OTHER_THAN in sentence:
        sentence = sentence.replace(_OTHER_THAN, _EXCEPT)
    if _has_any(sentence, _RULING_OUT):
        sentence = _NOT_RULED_OUT.sub(_blank, sentence)
    return _NO_DENIAL.sub(_blank, sentence) if _has_any(sentence, _NOT_DENIED) else sentence


def _is_of_others(before: str) -> bool:
    return _has_any(before, _SOMEONE) and _OTHERS.search(before) is not None


def _is_undecided(sentence: str, start: int, end: int) -> bool:
    """Whether it could not be ruled out: what stands after the cue, or before it in the same part of the sentence."""
    if not _has_any(sentence, _RULING_OUT):
        return False
    for cue in _NOT_RULED_OUT.finditer(sentence):
        if cue.end() <= start:
            return ";" not in sentence[cue.end() : start]
        if cue.start() >= end:
            return _APART.search(sentence, end, cue.start()) is None
    return False


def _is_not_yet(before: str, doubts: Set[str]) -> bool:
    if _CONDITION.search(before) is not None:
        return True
    return not doubts.isdisjoint(_NOT_YET) and _WHETHER.search(before) is None


def _is_doubted(before: str, above: bool) -> bool:
    if above:
        return True
    doubt = _DOUBT.search(before)
    return doubt is not None and _EVIDENCE.search(before, doubt.end()) is None


def _above(sentence: str, start: int, end: int, over: Over) -> tuple[Over, set[str]]:
    """What stands over the last word of the finding, "pain" of "abdominal pain", and the words that doubt it."""
    if not may_stand_over(sentence):
        return over, set()
    reading = read(sentence, over=over)
    places = places_of(sentence, start, end)
    said = [
        place
        for place in places
        if place < len(reading.tokens) and reading.tokens[place].kind in ("word", "figure", "relative")
    ]
    place = said[-1] if said else min(places.start, len(reading.tokens) - 1)
    if place < 0:
        return over, set()
    above = reading.over[place]
    return above, {token.word for token in doubts_over(reading, place)} if above.doubted else set()


def _is_past(before: str, after: str) -> bool:
    cue = None
    for cue in _PAST_BEFORE.finditer(before):  # noqa: B007  # the last one
        pass
    lasting = cue is not None and _LASTING.search(before, 0, cue.start()) is not None
    if cue is not None and not lasting and not re.search(r"[.;]", between := before[cue.end() :]):
        listed = cue.group().lower().endswith(("of", "history", "h/o"))
        if _NOW_BEFORE.search(between) is None and (listed or _OF_ANOTHER.search(between) is None):
            return True
    ago = _PAST_AFTER.search(after)
    return ago is not None and _BEGAN.search(before + ago.group()) is None


def _blank(match: re.Match[str]) -> str:
    return " " * len(match.group())


def _has_ended(after: str) -> bool:
    """Whether the rest of the sentence says that it ended: "was severe but resolved"."""
    ended = _ENDED_AFTER.search(after) if _has_any(after, _ENDING) else None
    if ended is None or _NOT_ENDED.search(ended.group()) is not None:
        return False
    return _OF_ANOTHER_ITEM.search(ended.group()) is None


class NoteAssertions:
    """Asks about the findings of one note; its sections and sentences are found once. Offsets are of its text."""

    def __init__(
        self, text: str, sections: Sequence[Section] | None = None, *, within: str | None = None
    ) -> None:
        """`within`: as for `sections_of`, where the text is a passage and its sections are not known."""
        self.text = text
        self.sections = sections_of(text, within=within) if sections is None else sections
        self._spans = passage_sentences(text)
        self._starts = [start for start, _ in self._spans]

    def of(self, start: int, end: int) -> Assertion:
        """How the note asserts the finding at `[start, end)`."""
        number = max(0, bisect_right(self._starts, start) - 1)
        begin, stop = self._spans[number]
        section = section_at(self.sections, start)
        labels = [section.title] if section and section.title else []
        if section is not None and begin < section.text_start <= start:
            begin = section.text_start  # "PMH: asthma" is one sentence
        hung = self._line_it_hangs_on(number)
        over = over_labels(tuple([*labels, hung] if hung else labels))
        kinds = section.kinds if section else ()
        if kinds == (SectionKind.FAMILY_HISTORY,) or any(map(names_another, labels)):
            over = over._replace(relatives=True)
        past = bool(kinds) and PAST_SECTIONS.issuperset(kinds)
        asserted = assertion_in_sentence(
            self.text[begin : max(stop, end)], start - begin, end - begin, over=over, past=past
        )
        if self._goes_on_about_another(number):
            return replace(asserted, family=True)
        if answer := _ANSWER.match(self.text, stop):
            no = answer["yes"] is None
            return replace(asserted, denied=no, doubted=False)
        return asserted

    def _goes_on_about_another(self, number: int) -> bool:
        """Whether the sentence begins with a pronoun that is a relative's: "Her husband is here. He has gout."."""
        pronoun = opens_with_pronoun(self.text[slice(*self._spans[number])])
        for start, end in reversed(
            self._spans[max(0, number - PRONOUN_SENTENCES_MAX) : number] if pronoun else ()
        ):
            sentence = self.text[start:end]
            if goes_on(self.text[slice(*self._spans[number])], sentence):
                return True
            if opens_with_pronoun(sentence) != pronoun:
                return brings_in(sentence, pronoun)
        return False

    def _line_it_hangs_on(self, number: int) -> str | None:
        """The line with a colon above a list of bullets or numbers."""
        if not opens_an_item(self.text, *self._spans[number]):
            return None
        for start, end in reversed(self._spans[max(0, number - _LIST_SENTENCES_MAX) : number]):
            if not opens_an_item(self.text, start, end):
                line = self.text[start:end]
                return line if line.endswith(":") else None
        return None
