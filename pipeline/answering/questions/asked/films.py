"""Which films a question asks for: of which kind, part of the body and side, with which label, and what else it asks.

Decides by words alone that a film is asked for at all, and what a stored film's own codes say of it: it is such a one,
it is not, or nothing tells. Refuses to know whose films are meant and what is stored.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import cache
from types import MappingProxyType

from pipeline.answering.questions.asked.patients import SUBJECT, framed
from pipeline.answering.questions.asked.time import asked_time
from pipeline.answering.questions.plan import QuestionPlan, ThingKind
from pipeline.answering.questions.understood_parts import kind_id
from pipeline.images import MODALITIES_CALLED, SLICED_MODALITIES
from pipeline.imaging.records import ImageDescription
from pipeline.records import Question
from pipeline.text.answerability.asked_words import AskedWords
from pipeline.text.terms.finding_labels import denied_words, label_kind, plain_label, words_of_label


@dataclass(frozen=True, slots=True)
class FilmKind:
    """A kind of image: how people call it, and its codes."""

    name: str
    codes: tuple[str, ...]


_KINDS: Mapping[FilmKind, str] = MappingProxyType(
    {
        FilmKind(name, MODALITIES_CALLED[name]): words
        for name, words in (
            ("X-ray", r"x[- ]?rays?|cxrs?|radiographs?|plain films?"),
            ("CT", r"cts?|(?:ct|cat)[- ]scans?|computed tomograph\w+"),
            ("MRI", r"mris?|mr(?:i)?[- ]scans?|magnetic resonance \w+"),
            ("ultrasound", r"ultrasounds?|sonograms?"),
            ("mammogram", r"mammogra(?:ms?|ph\w+)"),
            ("PET scan", r"pet[- ](?:scans?|cts?)"),
            ("nuclear medicine scan", r"(?:bone|nuclear(?: medicine)?) scans?|scintigra\w+"),
            ("angiogram", r"angiogra(?:ms?|ph\w+)"),
        )
    }
)
_ANY_SCAN = FilmKind("scan", tuple(sorted(SLICED_MODALITIES)))
_SCAN = re.compile(r"(?<![\w-])scans?(?![\w-])", re.IGNORECASE)
_ANY = r"films?|images|the image|pictures|photos?|photographs?"
_PLAIN = re.compile(rf"(?<![\w-])(?:{_ANY})(?![\w-])", re.IGNORECASE)
_FILM_WORD = re.compile(
    rf"(?<![\w-])(?:{_ANY}|imaging|scans?|{'|'.join(_KINDS.values())})(?![\w-])", re.IGNORECASE
)
_PARTS: Mapping[str, str] = MappingProxyType(
    {
        "chest": r"chest\w*|cxrs?|thorax|lungs?",
        "abdomen": r"abdomen|abdominal|chestabd\w*|abdomenpelvis|kub|belly",
        "pelvis": r"pelvi[sc]|chestabdpelvis|abdomenpelvis",
        "breast": r"breasts?",
        "cervical spine": r"cervical spine|c-?spine|neck",
        "thoracic spine": r"thoracic spine|t-?spine",
        "lumbar spine": r"lumbar(?: spine)?|l-?spine|lower back|low back",
        "spine": r"spine|[ctls]-?spine|vertebra\w*|back",
        "head": r"head|skull|brain|cranial|cranium",
        "heart": r"heart|cardiac",
        "hip": r"hips?",
        "knee": r"knees?",
        "ankle": r"ankles?",
        "foot": r"foot|feet",
        "toe": r"toes?",
        "leg": r"legs?|lower[ _]leg|tibia|fibula",
        "thigh": r"thighs?|femur|upper[ _]leg",
        "shoulder": r"shoulders?",
        "clavicle": r"clavicles?|collar ?bones?",
        "elbow": r"elbows?",
        "forearm": r"forearms?|radius|ulna",
        "upper arm": r"upper[ _]arm|humerus",
        "wrist": r"wrists?",
        "hand": r"hands?",
        "finger": r"fingers?|thumbs?",
        "face": r"face|facial",
        "sinus": r"sinus(?:es)?",
        "jaw": r"jaw|mandible",
        "eye": r"eyes?|retina\w*",
    }
)
_OF_TWO_SIDES = (
    *("breast", "hip", "knee", "ankle", "foot", "toe", "leg", "thigh", "shoulder", "clavicle", "elbow"),
    *("forearm", "upper arm", "wrist", "hand", "finger", "eye"),
)
_SIDES = MappingProxyType({"left": "L", "right": "R"})
_SIDE = re.compile(r"\b(?P<side>left|right)\b", re.IGNORECASE)
_SIDE_OF_FILM = re.compile(
    rf"\b(?:left|right)(?:[- ]sided)?\s+(?:\w+\s+){{0,2}}?"
    rf"(?:{_FILM_WORD.pattern}|(?:{'|'.join(_PARTS[part] for part in _OF_TWO_SIDES)})\b)",
    re.IGNORECASE,
)
"""The side of a film or of a limb, "left knee"; that of "films with a left effusion" is the finding's."""
_SIDED = re.compile(r"(?<=left)[- ]sided?\b|(?<=right)[- ]sided?\b", re.IGNORECASE)
_BOTH_SIDES = re.compile(r"\b(?:bilateral|both)\b", re.IGNORECASE)
_NOTES = re.compile(r"\b(?:notes?|reports?|records?|chart)\b", re.IGNORECASE)
_SHOWN = re.compile(
    r"^\W*(?:(?:and|so|please|can you|could you|let me|now)\s+)*"
    r"(?:show|list|display|open|find|see|get|pull up|search)\b",
    re.IGNORECASE,
)
_THEMSELVES = re.compile(
    rf"^\W*(?:(?:and|so|please)\s+)*(?:(?:which|what|how many|any)\s+(?:\w+\s+){{0,2}}(?:{_ANY})\b"
    rf"|(?:is|are|were) there\b.{{0,30}}\b(?:{_ANY})\b"
    rf"|(?:does|do|did|has|have)\b.{{0,40}}\b(?:{_ANY})\b)",
    re.IGNORECASE,
)
"""Asks for films and not for what they show: "Which films does she have?"."""
_ASKS = re.compile(
    r"\b(?:show|list|display|open|find|get|give|pull up|search|which|what|how many|there|are|is|let|now|so|and|then"
    r"|tell|side by side|together|newest|stored|available|every|each|more|fewer|less|most|than"
    r"|as many|please|list of|by date|we|you|on file|in total|again|picture|imaging history)\b",
    re.IGNORECASE,
)
_SAYS = re.compile(r"\b(?:say|says|said|show|shows|showed|shown|see|seen|found|tell|tells)\b", re.IGNORECASE)
_ON_IT = re.compile(
    r"\b(?:on|in|by|per|according to)\s+(?:(?:the|this|that|these|those|an?|any|all|each|both|her|his"
    r"|their|§\S*|\w+['’]s)\s+"
    r"(?:(?!(?:after|since|before|during|until|while|when|for|to|at)\b)\S+\s+){0,5}?|\w+\s+)?"
    rf"(?:{_ANY}|imaging|scans?|{'|'.join(_KINDS.values())})(?![\w-])",
    re.IGNORECASE,
)
_RESULT = re.compile(
    r"\b(?:results?|findings?|impressions?|normal|abnormal\w*|reveal\w*|demonstrat\w*|visible|looks?|describe|summari[sz]e)\b",
    re.IGNORECASE,
)
_WHAT_IS = re.compile(
    r"^\W*(?:(?:and|so)\s+)*(?:what(?:['’]s|\s+(?:is|was|are|were))|is|are|was|were|has|have|had|do|does|did|any)\b",
    re.IGNORECASE,
)
_ASKS_MORE = re.compile(
    r"^\W*(?:(?:and|so)\s+)*(?:when|why|who|whose|where|how (?:many|often|long)|which patients?)\b"
    r"|\b(?:and|,)\s+(?:what|who|when|why|which|how|is|does|did|has|was)\b",
    re.IGNORECASE,
)
"""Asks for what no report of the film tells, or for something beside it."""
_EARLIER = re.compile(r"\b(?:earlier|previous|prior|older|before|preceding)\b", re.IGNORECASE)
_ONE_BEFORE = re.compile(r"\bthe ones? before\b(?! \d)", re.IGNORECASE)
"""No event that another time is counted from."""
_LIKE = re.compile(r"\b(?:similar|alike|resembl\w+|like (?:this|that|it|the))\b", re.IGNORECASE)
_LABEL = re.compile(
    r"(?:\b(?:about|regarding|concerning|with|showing|labell?ed(?: with| as)?|shows?|mention\w*|reveal\w*"
    r"|demonstrat\w+)"
    r"|^\W*(?:is|are|was|were) there (?:an?|any))\s+(?P<label>[^?.!,;]+)",
    re.IGNORECASE,
)
_NO_LABEL = re.compile(
    r"\b(?:an?|the|any|all|some|me|us|in|on|at|of|for|from|since|until|during|before|after|and|or|which|that|this|like"
    r"|ones?|is|are|was|were|did|does|do|has|have|had|about|with|showing|labell?ed|say|says|said|shows?|showed|shown|see"
    r"|seen|found|notes?|reports?|records?|chart|there|latest|last|first|newest|earlier|previous|prior|older|other"
    r"|change[sd]?|between|compar\w+|differen\w+|anything|something|abnormal\w*|wrong|new|findings?|results?|evidence"
    r"|signs?|but|than|more|fewer|taken|made|what|which|who|when|where|why|how|can|could|please|patients?|her|hers|his|their|him|similar|views?|stored|here)\b"
    r"|§(?:'s)?|(?<!\w)\d[\d-]*(?!\w)",
    re.IGNORECASE,
)


_AND = " and "
_NOT_SO = re.compile(
    r"\b(?:without|not|no|never|or|nor|neither|lack(?:s|ing)?|except\w*|excluding|unless|other than|apart from|but)\b"
    r"|n['’]t\b",
    re.IGNORECASE,
)
_WITHOUT = re.compile(
    r"\b(?:(?:but|and|that|which)\s+)*(?:(?:are|is|were|was)\s+)?"
    r"(?:(?:with|have|has|had|having|show(?:s|ed|ing)?|labell?ed(?:\s+(?:with|as))?)\s+)?"
    r"(?:no|neither|without|free of|negative for|lack(?:s|ing)?|never\s+show(?:s|ed)?"
    r"|(?:(?:do|does|did)(?:\s+not|n['’]t)|not)\s+(?:show(?:ing)?|have|having|labell?ed\s+(?:with|as)))"
    r"\s+(?P<labels>[^?.!;]+?)(?=\s+(?:(?:but|and|that)\s+)?(?:with|without|showing|have|has|labell?ed)\b|[?.!;]|\s*$)",
    re.IGNORECASE,
)
"""What films are asked to be without: "films that do not show an effusion"."""
_OF_SEVERAL = re.compile(r"\s*,\s*|\b(?:and|or|nor)\b", re.IGNORECASE)
_LIKE_A_LABEL = re.compile(r"[^\W\d_][\w'-]*(?: [\w'-]+){0,2}")
_NOTHING_FOUND = re.compile(r"\b(?:findings?|abnormalit(?:y|ies)|abnormal findings?)\b", re.IGNORECASE)
_JUDGED = re.compile(r"\b(?:(?:ab)?normal|wrong|worst|best)\b", re.IGNORECASE)
"""What no label says of a film."""
_ITS_REPORT = re.compile(r"\b(?:report|reading|impression|conclusion|findings?|result)s?\b", re.IGNORECASE)
"""Of a film that is pointed at: "What is the report of this film?" asks what it shows."""
_NO_FILM = re.compile(rf"no\s+(?:\w+\s+){{0,2}}?{_FILM_WORD.pattern}", re.IGNORECASE)
"""Asks whether there are any: "Are there no films of her?"."""
_QUOTE = re.compile(r"(?<![\w§])['‘\"“]|['’\"”](?!\w)")
_WHETHER = re.compile(r"\W*(?:did|does|do|is|are|was|were|has|have|had)\b", re.IGNORECASE)
_COMPARES = re.compile(r"\b(?:more|fewer|less|most|than|compar\w+|as many)\b", re.IGNORECASE)
_FILM_OR_ONE = re.compile(rf"{_FILM_WORD.pattern}|\b(?:ones?|it)\b", re.IGNORECASE)
_OR = re.compile(r"\bor\b", re.IGNORECASE)
_OF_THEM = re.compile(
    rf"(?<![\w-])(?:{_ANY}|scans?|{'|'.join(_KINDS.values())})\s+(?:of {SUBJECT}\s+)?"
    r"(?:with|without|showing|labell?ed|(?:that|which)\s+shows?)\b",
    re.IGNORECASE,
)
"""Films are told apart by what they show: "the last film with an effusion"."""


_POINTED = re.compile(
    r"\b(?:(?:like|than|before) (?:this|that|it)\b|(?:this|that) (?:one\b|(?:\w+ )?(?:film|image|picture|photo"
    r"|radiograph|x[- ]?ray|cxr|scan|ct|mri|ultrasound|mammogram)\b)|similar (?:ones|films|images)\b)",
    re.IGNORECASE,
)
"""Points at a film that the words do not tell: "films like this one", "What did that film show?"."""


_THE_ASKED = re.compile(
    r"\b(?:this|that|the|an?|my|attached|uploaded|enclosed|above|given)\s+(?:\w+\s+){0,3}?(?:film|image|picture"
    r"|photo|photograph|radiograph|x[- ]?ray|cxr|scan|ct|mri|ultrasound|mammogram)\b",
    re.IGNORECASE,
)
"""With an image, that image: "What does the attached film show?"."""
_READS = re.compile(
    r"\b(?:reports?|reading|read|interpret\w*|impressions?|conclusions?|findings?|results?|describe|diagnos\w+|wrong"
    r"|see|seen|visible|shows?(?! me| this| that| the| her| his)"
    r"|say|says|said|(?:ab)?normal|abnormal\w*|summar\w+|radiologist)\b",
    re.IGNORECASE,
)
_IS_THERE = re.compile(
    r"^\W*(?:(?:and|so)\s+)*(?:(?:is|are|was|were)\s+there\b|any\b|(?:do|can|could)\s+you\s+see\b)",
    re.IGNORECASE,
)
"""With an image and no patient in the words, asks of the image: "Is there an effusion?"."""
_NO_OTHER_THING = re.compile(r"\b(?:here|it|me|you|this|tell|radiologist)\b", re.IGNORECASE)


class Fits(Enum):
    """Whether a film is one that is asked for. UNKNOWN: its description does not tell."""

    YES = "yes"
    UNKNOWN = "unknown"
    NO = "no"


@dataclass(frozen=True, slots=True)
class AskedFilms:
    """Films as a question asks for them; what is empty is not asked."""

    kinds: tuple[FilmKind, ...] = ()
    parts: tuple[str, ...] = ()
    side: str = ""
    """L or R."""
    label: str = ""
    """What they are to be labelled with, in the question's words."""
    earlier: bool = False
    """Those before the newest."""
    like_the_asked: bool = False
    themselves: bool = False
    """The films are all that is asked for, and not what notes say."""
    plainly: bool = False
    """They are called films or images, and by no kind that notes tell of as well."""
    rest: str = ""
    """Words that none of this explains: where no patient is known, they may be one's name."""
    shown: bool = False
    """The films are wanted where there are any: "Show the chest X-ray"."""
    without: tuple[str, ...] = ()
    """What they are to be labelled as without, in the question's words."""
    unclear: str = ""
    """A condition of the question that is not understood, in its words: no film is told under it."""
    narrowed: bool = False
    """Films with the label are asked for, and not whether films have it."""
    compared: bool = False
    """How many there are of each patient is asked for."""
    pointed: str = ""
    """The words that point at a film which they do not tell: "this one"."""
    asks_notes: bool = False
    """What notes say is asked for as well."""
    of_the_asked: bool = False
    """With an image, or of the film that is meant: what that one shows is asked for."""
    reading: bool = False
    """What they show is asked for, which their reports say."""
    beside_notes: bool = False
    """What notes say is asked for as well, by that word."""

    @property
    def called(self) -> str:
        """As one such film is called: "left knee MRI", "film"."""
        side = {code: word for word, code in _SIDES.items()}.get(self.side, "")
        words = (
            side,
            self.parts[0] if self.parts else "",
            self.kinds[0].name if len(self.kinds) == 1 else "film",
        )
        return " ".join(word for word in words if word)

    @property
    def of_a_side(self) -> bool:
        """Whether a finding of one side is asked for: "a left effusion"."""
        return _SIDE.search(self.label) is not None

    def fits(self, film: ImageDescription) -> Fits:
        """Whether its codes make it one of kind, part and side; its labels are not looked at."""
        told = {self._fits_kind(film), self._fits_part(film), self._fits_side(film)}
        return next(each for each in (Fits.NO, Fits.UNKNOWN, Fits.YES) if each in told)

    def is_labelled(self, film: ImageDescription) -> bool:
        """Whether each that is asked for is in one of its labels, and none doubts or denies it."""
        return bool(self.label) and {_fits_label(each, film) for each in self.label.split(_AND)} == {Fits.YES}

    def is_doubted(self, film: ImageDescription) -> bool:
        """Whether its labels leave one that is asked for in doubt: "possible nodule", both "nodule" and "no nodule",
        or of "left effusion" no side; and the others are not missing."""
        told = {_fits_label(each, film) for each in self.label.split(_AND)} if self.label else set()
        return Fits.UNKNOWN in told and Fits.NO not in told

    def is_without(self, film: ImageDescription) -> bool:
        """Whether its labels deny each that it is asked to be without, and none of them has it."""
        return all(_is_denied(each, film.findings) for each in self.without)

    def _fits_kind(self, film: ImageDescription) -> Fits:
        codes = _codes_of(film.modality)
        if not self.kinds:
            return Fits.YES
        if not codes:
            return Fits.UNKNOWN
        return Fits.YES if any(not codes.isdisjoint(kind.codes) for kind in self.kinds) else Fits.NO

    def _fits_part(self, film: ImageDescription) -> Fits:
        if not self.parts:
            return Fits.YES
        parts = _every_part_in(film.body_part.replace("_", " ")) or _every_part_in(film.description)
        if not parts and film.modality == "MG":
            parts = ("breast",)
        if not parts:
            return Fits.NO if film.body_part else Fits.UNKNOWN
        if not set(parts).isdisjoint(self.parts):
            return Fits.YES
        some_spine = parts == ("spine",) and any(part.endswith(" spine") for part in self.parts)
        return Fits.UNKNOWN if some_spine else Fits.NO

    def _fits_side(self, film: ImageDescription) -> Fits:
        if not self.side or film.laterality in (self.side, "B"):
            return Fits.YES
        return Fits.NO if film.laterality in _SIDES.values() else Fits.UNKNOWN


@cache
def _kind_words() -> Mapping[FilmKind, re.Pattern[str]]:
    """Compiled by the first question about films: most ask of none."""
    return {
        kind: re.compile(rf"(?<![\w-])(?:{words})(?![\w-])", re.IGNORECASE) for kind, words in _KINDS.items()
    }


@cache
def _part_words() -> Mapping[str, re.Pattern[str]]:
    return {
        name: re.compile(rf"(?<![a-z])(?:{words})(?![a-z])", re.IGNORECASE) for name, words in _PARTS.items()
    }


def may_ask_of_films(question: Question) -> bool:
    """Whether the question may be about films. Touches nothing but its words, those that it carries among them. Not
    where its asker took that part out."""
    if question.image is not None:
        return True
    if kind_id(ThingKind.IMAGING) in question.without:
        return False
    if question.film_id and _POINTED.search(question.text):
        return True
    return any(_FILM_WORD.search(words) for words in (question.text, *question.carried))


def points_at_a_film(text: str) -> bool:
    """Whether a question may mean a film that was shown before it, or those before that one."""
    return bool(_POINTED.search(text) or _EARLIER.search(text)) and _FILM_OR_ONE.search(text) is not None


def asked_films(plan: QuestionPlan) -> AskedFilms:
    """The films that a question asks for."""
    whole = framed(plan.text, plan.patients)
    _, left = asked_time(_ONE_BEFORE.sub("the earlier one", whole))
    text = " ".join(_QUOTE.sub(" ", left).split())
    kinds = tuple(kind for kind, words in _kind_words().items() if words.search(text))
    if not kinds and _SCAN.search(text):
        kinds = (_ANY_SCAN,)
    side = _SIDE.search(text)
    shown = _SHOWN.match(text) is not None
    others = _NOTES.search(text) is not None
    plainly = not kinds and _PLAIN.search(text) is not None
    says = not shown and _SAYS.search(text) is not None
    without, left = _without_in(text)
    label = _label_in(left)
    if not label and plan.finding and not _NOT_SO.search(text):
        label = _as_label(plan.finding)
    if side and any(map(_SIDE.search, (label, *without))):
        side = None
    themselves = shown or (not label and _THEMSELVES.match(text) is not None)
    if not plainly and _WHETHER.match(text):
        without = ()  # whether a film shows none is told by each film's labels
    judged = [found.group() for found in _JUDGED.finditer(left)]
    unexplained = _other_words(
        _SIDE.sub(" ", _as_label(_ASKS.sub(" ", _NO_FILM.sub(" ", left)))), label
    ).split()
    rest = " ".join(dict.fromkeys([*judged, *unexplained]))
    reading = not shown and not _ASKS_MORE.search(whole) and _asks_what_it_shows(whole, label)
    reading = reading or (_POINTED.search(text) is not None and _ITS_REPORT.search(whole) is not None)
    return AskedFilms(
        kinds=kinds,
        parts=_parts_in(text),
        side=_SIDES[side["side"].lower()] if side else "",
        label=label,
        earlier=_EARLIER.search(text) is not None,
        like_the_asked=_LIKE.search(text) is not None,
        themselves=plainly and not others and not says and themselves and not reading,
        plainly=plainly,
        rest=rest,
        shown=shown and not others,
        without=without,
        unclear=_unclear_in(left),
        narrowed=shown or themselves or _OF_THEM.search(text) is not None,
        compared=_COMPARES.search(text) is not None,
        pointed=said.group() if (said := _POINTED.search(text)) else "",
        asks_notes=others or says or bool(label or rest),
        of_the_asked=_is_of_the_asked(plan, label, rest, reading=reading),
        reading=reading,
        beside_notes=others,
    )


def _is_of_the_asked(plan: QuestionPlan, label: str, rest: str, *, reading: bool) -> bool:
    """Whether a question that comes with an image asks what it shows, by its words for it or by naming nothing else."""
    text, time = plan.text, plan.time
    if time.order or time.since or time.until or time.either or _EARLIER.search(text) or _LIKE.search(text):
        return False
    reads = reading or _READS.search(text) is not None
    if plan.patients.whom == "open" and label and _IS_THERE.match(text):
        return True
    if _THE_ASKED.search(text) is not None:
        return reads or _WHAT_IS.match(text) is not None
    other = _NO_OTHER_THING.sub(" ", _READS.sub(" ", f"{label} {rest}"))
    return reads and not re.search(r"\w", other)


def _asks_what_it_shows(text: str, label: str) -> bool:
    says = _SAYS.search(text) is not None or _RESULT.search(text) is not None
    return says or ((bool(label) or _WHAT_IS.match(text) is not None) and _ON_IT.search(text) is not None)


def _parts_in(text: str) -> tuple[str, ...]:
    """The parts of the body that a question names: of "cervical spine" no other spine."""
    found = _every_part_in(text)
    narrow = any(name.endswith(" spine") for name in found)
    return tuple(name for name in found if not (narrow and name == "spine"))


def _every_part_in(text: str) -> tuple[str, ...]:
    return tuple(name for name, words in _part_words().items() if words.search(text))


def _is_in(asked_for: str, labels: Iterable[str]) -> bool:
    asked = AskedWords(asked_for)
    return bool(asked.terms) and any(len(asked.held(label)) == len(asked.terms) for label in labels)


def _codes_of(modality: str) -> frozenset[str]:
    """The codes that a stored modality stands for, be it a code or a word of a table."""
    code = modality.strip().upper()
    if len(code) == 2:
        return frozenset([code])
    return frozenset(
        each for kind, words in _kind_words().items() if words.search(modality) for each in kind.codes
    )


def _without_in(text: str) -> tuple[tuple[str, ...], str]:
    """What films are to be without, and the text that is left. A part that is no such condition stays in the text."""
    found: list[str] = []

    def taken(condition: re.Match[str]) -> str:
        said = [_denied_label(each) for each in _OF_SEVERAL.split(condition["labels"])]
        labels = [each for each in said if each]
        if not labels or not all(map(_LIKE_A_LABEL.fullmatch, labels)):
            return condition.group()
        found.extend(labels)
        return " "

    left = _WITHOUT.sub(taken, text)
    return tuple(found), left


def _denied_label(words: str) -> str:
    return _as_label(words) or ("finding" if _NOTHING_FOUND.search(words) else "")


def _unclear_in(text: str) -> str:
    """The condition of a text that says "not" or "or" of what films are to show, and is not understood."""
    said = _NOT_SO.search(text)
    if said is None:
        return ""
    if said.group().lower() == "or":
        labels = (found["label"] for found in _LABEL.finditer(_SHOWN.sub(" ", text)))
        return next((each for each in labels if len(list(filter(_as_label, _OR.split(each)))) > 1), "")
    if _NO_FILM.match(text, said.start()):
        return ""
    return text[said.start() :].strip(" ?.!").replace(f"{SUBJECT}'s ", "").replace(SUBJECT, "").strip()


def _label_in(text: str) -> str:
    """What films are to be labelled with: "effusion" of "What did the films say about the effusion?"."""
    if _NOT_SO.search(text):
        return ""  # films without it are no films with it
    asked = _SHOWN.sub(" ", text)  # "Show me" is no "shows"
    return next((label for found in _LABEL.finditer(asked) if (label := _as_label(found["label"]))), "")


def _is_denied(asked_for: str, labels: Sequence[str]) -> bool:
    """Whether a label says of this, and of nothing narrower, that it is not there, and none says that it is."""
    return not _is_in(asked_for, _there(labels)) and _is_denied_by(asked_for, labels)


def _is_denied_by(asked_for: str, labels: Sequence[str]) -> bool:
    """Whether a label denies this as a whole: "no effusion" a left effusion too."""
    wanted = {words_of_label(asked_for), words_of_label(_SIDE.sub(" ", asked_for))}
    return not wanted.isdisjoint(map(denied_words, labels))


def _fits_label(asked_for: str, film: ImageDescription) -> Fits:
    """Whether a film is labelled with this; UNKNOWN: its labels doubt it, contradict each other or tell no side."""
    there, said = _there(film.findings), _SIDE.search(asked_for)
    bare = _SIDE.sub(" ", asked_for)
    unsided = [label for label in there if not _SIDE.search(label)]
    if _is_in(asked_for, there) or (said and _is_in(bare, filter(_BOTH_SIDES.search, there))):
        return Fits.UNKNOWN if _is_denied_by(asked_for, film.findings) else Fits.YES
    side = _SIDES[said["side"].lower()] if said else ""
    if said and _is_in(bare, unsided):
        if film.laterality in _SIDES.values():
            return Fits.YES if film.laterality == side else Fits.NO
        return Fits.UNKNOWN
    doubted = [plain_label(label) for label in film.findings if label_kind(label) == "unsure"]
    if said:
        sides = {label: {side.lower() for side in _SIDE.findall(label)} for label in doubted}
        doubted = [label for label in doubted if not sides[label] or said["side"].lower() in sides[label]]
    return Fits.UNKNOWN if _is_in(bare, doubted) else Fits.NO


def _there(labels: Sequence[str]) -> list[str]:
    """The labels that say of something that it is there."""
    return [plain_label(label) for label in labels if label_kind(label) == "there"]


def _other_words(words: str, label: str) -> str:
    """Words but those of a label, and without what is no word."""
    known = set(label.lower().split())
    return " ".join(word for word in re.findall(r"\w[\w'-]*", words) if word.lower() not in known)


def _as_label(words: str) -> str:
    """What is left without words that ask; of two things that are asked for both, parted by "and"."""
    left = _FILM_WORD.sub(" ", _SIDE_OF_FILM.sub(lambda said: _SIDE.sub(" ", said.group()), words))
    left = _SIDED.sub(" ", left)
    for part in _part_words().values():
        left = part.sub(" ", left)
    labels = [" ".join(_NO_LABEL.sub(" ", each).split()) for each in re.split(r"\band\b", left)]
    return _AND.join(label for label in labels if label)
