"""What became of a thing that a sentence names: struck out, answered with no, not done, not started, no more taken.

Decides by the words of the same clause and by boxes and signs of forms. `is_not_done` and `is_stopped` hold for what is
done or given to a patient: "recommended" next to an illness is something else. Refuses to know which of them a thing
is, and what happened after the note was written.
"""

from __future__ import annotations

import re

_BOX = re.compile(r"\[(?P<mark>[ _xX✓✔+]?)\]|(?P<empty>[☐□◻])|[☑☒✓✔]")
_BOX_SIGN = re.compile(r"[\[☐□◻☑☒✓✔]")
"""Looked for first: few sentences are of a form."""
_SIGN = re.compile(r"\s*(?:-|–|\(\s*[-–]\s*\)|neg\.?)(?=\s*(?:$|[.,;)\n]))", re.IGNORECASE)
_PLUS = re.compile(r"\s*(?:\+|\(\s*\+\s*\))(?=\s*(?:$|[.,;)\n]))")
_LABEL = r"\s*[:=?]\s*"
_NEXT_LABEL = r"(?=\s*(?:$|[.,;)/|\n]|[A-Z][\w' /-]{0,30}[:=?]))"
_ANSWERED_NO = re.compile(rf"{_LABEL}(?i:n|no|none|neg|negative|never|denies|absent|-){_NEXT_LABEL}")
_ANSWERED_YES = re.compile(rf"{_LABEL}(?i:y|yes|pos|positive|present|\+){_NEXT_LABEL}")
_STRUCK_OUT = re.compile(
    r"\A[^.;]{0,60}?\b(?:(?:in error|erroneous(?:ly)?|by mistake|mistaken(?:ly)?|incorrectly)\b"
    r"|(?:is|was) (?:an? )?(?:error|mistake|incorrect)\b"
    r"|(?:excluded|ruled out|disproved|disproven|refuted|not confirmed|not borne out|unconfirmed)"
    r"(?=\W*(?:by|with|on|after|via|through|based|in|following|$|[.,;])))",
    re.IGNORECASE,
)
_STRIKING = (
    "error",
    "errone",
    "mistake",
    "incorrect",
    "exclud",
    "ruled out",
    "dispro",
    "refut",
    "confirmed",
    "borne",
)
_SPEAKING = ("about ", "regarding ", "if ", "whether ")
"""Looked for first: mostly none is there."""
_NOT_IT = re.compile(r"\b(?:treated|managed|administered|given|not|never)\s+\Z", re.IGNORECASE)
_IN_ERROR = re.compile(
    r"\b(?:error|mistake|erroneous\w*|mistaken\w*|incorrect\w*)\b[^.;]{0,25}?(?:\bof|:)\s[^.;,]{0,20}\Z",
    re.IGNORECASE,
)
_SPOKEN_OF = re.compile(
    r"\b(?:read|reads|reading|heard|googled|googling|researched|researching|watched|saw (?:a|an|the) \w+|learned"
    r"|wonder(?:s|ed|ing)?|curious|inquir\w+|articles?|brochures?|pamphlets?|handouts?|booklets?|leaflets?|videos?|websites?)"
    r" (?:up )?(?:about|regarding|if|whether)\b(?! (?:her|his|their|the))[^.;]{0,40}\Z",
    re.IGNORECASE,
)
_BY_ITSELF = r"\A(?:,\s*|[^.;,]{0,50}?\b)"
_WAS = r"(?:(?:has|have|had|was|were|is|are|be|been|being|will|and|but|then|still|again|only|to)\s+)*"
_NOT_DONE = re.compile(
    rf"{_BY_ITSELF}(?:"
    r"(?:not|never|n['’]t|yet to|unable to|failed to)(?:\s+(?:yet|been|be|ever|actually|currently|have|get|got"
    r"|it|them))*\s+(?:done|performed|given"
    r"|started|filled|fill|start|begun|initiated|obtained|carried out|completed|taken|picked up|approved|administered"
    r"|received|undertaken|indicated|required|pursued|undergone|covered|authorized|available|recommended|advised|needed)"
    rf"|{_WAS}(?:withheld|cancel+ed|deferred|delayed|postponed|declined|refused|rejected|rescheduled|aborted|abandoned"
    r"|recommended|advised|suggested|offered|proposed|contemplated|considered|discussed|awaited|planned|denied|requested"
    r"|overdue|due|upcoming|outstanding|anticipated|contraindicated|mentioned|encouraged|awaiting|under consideration)"
    r"|(?:would|should|could|may|might|will) be\b|to be (?:done|performed|started|given|arranged|scheduled"
    r"|considered|booked)"
    r"|next (?:step|visit|week|month|year|spring|summer|fall|autumn|winter|\w+day|appointment|time)"
    r"|tomorrow|prior authori[sz]ation)\b",
    re.IGNORECASE,
)
_NOT_YET_DONE = re.compile(
    rf"{_BY_ITSELF}(?:pending|scheduled|booked|ordered|arranged|referr\w+|set (?:up )?for)\b", re.IGNORECASE
)
"""Of a test or operation; a drug that is ordered or scheduled is given."""
_WAS_DONE = re.compile(
    r"\b(?<!not )(?<!not yet )(?<!never )(?:done|performed|completed|showed|shows|revealed|demonstrated|normal|negative"
    r"|positive|results?|patholog\w+|cultures?|report|tolerated|last|ago|since|because|history|(?:19|20)\d\d|who|with|for|daily)\b",
    re.IGNORECASE,
)
"""Between a thing and the cue: then the cue is of something else."""
_TO_START = re.compile(
    r"\b(?:start|begin|add|initiate|try|trial of|prescribe|switch to)\s[^.;,]*\Z", re.IGNORECASE
)
_CONDITION = re.compile(
    r"\A[^.;]{0,60}?\b(?:if|when|once(?! (?:an?|per|each|every|daily|nightly|weekly|monthly|at|in the)\b)"
    r"|unless|should|next (?:visit|week|month|time)|at (?:the )?(?:next|follow)|tomorrow"
    r"|after (?:surgery|labs?|discharge|the)|pending|as soon as)\b",
    re.IGNORECASE,
)
_MEANT = re.compile(
    r"\b(?:plan(?:s|ned|ning)?(?: is)?(?: to|:)? (?:start|begin|add|initiate|try)"
    r"|(?:may|might|could|would) (?:start|begin|add|try|need|benefit)|awaiting|waiting (?:for|on)"
    r"|prior authori[sz]ation for"
    r"|(?:never|not|n['’]t)(?: yet)? (?:start|fill|pick|t[ao]k|begin|begun|receiv|got|prescrib)\w*(?: up)?)"
    r"\b[^.;,]{0,40}\Z",
    re.IGNORECASE,
)
_STOPPED_BEFORE = re.compile(
    r"\b(?:off(?: of)?|finished|completed|ceased|d/?c(?:'?e?d)?|weaned (?:off|from)"
    r"|(?:last|previously|formerly) (?:took|on|used)"
    r"|tolerates?|(?:switch|chang|transition|convert)(?:e?d|ing|e)? from|in place of|instead of|rather than)"
    r"(?: (?:a|an|the|her|his|their|all|any|course|of|taking))*\s+\Z",
    re.IGNORECASE,
)
_STOPPED_AFTER = re.compile(
    r"\A[^.;]{0,40}?\b(?:any ?more|any longer|poorly|badly|(?:was |were |is |has been |been )?(?:d/?c'?d"
    r"|discontinued|stopped|ceased|finished|weaned off|replaced (?:by|with)|(?:switched|changed) to|withdrawn|held))\b",
    re.IGNORECASE,
)
_NOT_POORLY = re.compile(r"(?:tolerates?)(?: (?:a|an|the|her|his))*\s+\Z", re.IGNORECASE)
_POORLY = re.compile(r"\A[^.;,]{0,30}?\b(?:poorly|badly|not)\b", re.IGNORECASE)


def is_answered_no(sentence: str, start: int, end: int) -> bool:
    """Whether a form says that it is not there: "[ ] gout", "Gout: N", "CHF -"."""
    if _ANSWERED_NO.match(sentence, end) or _SIGN.match(sentence, end):
        return True
    box = _box_of(sentence, start, end)
    return box is not None and (box["empty"] is not None or box["mark"] in ("", " ", "_"))


def is_answered_yes(sentence: str, start: int, end: int) -> bool:
    """ "Gout: Y": what denies the item before it does not deny it."""
    if _ANSWERED_YES.match(sentence, end) or _PLUS.match(sentence, end):
        return True
    box = _box_of(sentence, start, end)
    return box is not None and not (box["empty"] is not None or box["mark"] in ("", " ", "_"))


def _box_of(sentence: str, start: int, end: int) -> re.Match[str] | None:
    """The box of it: before it where the first one opens the line or follows a colon, else behind it."""
    if _BOX_SIGN.search(sentence) is None:
        return None
    boxes = list(_BOX.finditer(sentence))
    if not boxes:
        return None
    if not sentence[: boxes[0].start()].strip(" \t-*•") or sentence[: boxes[0].start()].rstrip().endswith(
        ":"
    ):
        return next((box for box in reversed(boxes) if box.end() <= start), None)
    return next((box for box in boxes if box.start() >= end), None)


def is_struck_out(sentence: str, start: int, end: int) -> bool:
    """ "Diagnosis of lymphoma entered in error", "varicella excluded by serology"."""
    lower = sentence.lower()
    if not any(cue in lower for cue in _STRIKING):
        return False
    found = _STRUCK_OUT.search(sentence[end:])
    if found is not None and _NOT_IT.search(sentence[: end + found.end()].rpartition(" ")[0] + " ") is None:
        return True
    return _IN_ERROR.search(sentence, 0, start) is not None


def is_spoken_of(sentence: str, start: int) -> bool:
    """ "She read about Cushing syndrome"."""
    before = sentence[:start]
    return any(cue in before for cue in _SPEAKING) and _SPOKEN_OF.search(before) is not None


def is_not_done(sentence: str, start: int, end: int, *, drug: bool = False) -> bool:
    """Whether a treatment or test was not done, not started, or is only meant. `drug`: what is ordered is given."""
    after = sentence[end:]
    for cue in (_NOT_DONE, *(() if drug else (_NOT_YET_DONE,))):
        found = cue.search(after)
        if found is not None and _WAS_DONE.search(_before_cue(found.group())) is None:
            return True
    before = sentence[:start]
    return drug and (
        _MEANT.search(before) is not None
        or (_TO_START.search(before) is not None and _CONDITION.search(after) is not None)
    )


def _before_cue(found: str) -> str:
    """What stands before the last word of a cue, without that word."""
    return re.split(r"\b(?:not|never|yet to)\b|n['’]t\b", found, maxsplit=1)[0].rpartition(" ")[0]


def is_stopped(sentence: str, start: int, end: int) -> bool:
    """Whether a drug is taken no more: "off fluoxetine since April"."""
    before, after = sentence[:start], sentence[end:]
    if _NOT_POORLY.search(before):
        return _POORLY.search(after) is not None
    return _STOPPED_BEFORE.search(before) is not None or _STOPPED_AFTER.search(after) is not None
