"""Which list without a section of its own a question asks for: referrals, advice, what was tried, tests to be done.

Decides by how such a question is built. Refuses to know which sentences of a note say it.
"""

from __future__ import annotations

import re
from functools import cache

from pipeline.answering.questions.plan import ListPart, ListTopic

_WHICH = r"(?:(?:what|which)|(?:list|show|name|give|tell)(?:\s+(?:me|us))?(?:\s+(?:all|the|§'s))*|all|any)"
_IS = r"(?:is|are|was|were|has|have|had|does|did|do|will|should|must)"
_FOR = r"(?:\s+(?:for|of|on|in|to|by)\s+§)?"
_MORE = r"(?:(?:further|additional|other|new|more|any|blood|follow-?up)\s+)*"
_TESTS = r"(?:tests?|testing|investigations?|studies|work-?up)"
_LABS = r"(?:labs?(?:\s+tests?)?|laborator(?:y|ies)(?:\s+tests?)?|blood\s*(?:work|tests?)|bloods)"
_IMAGING = r"(?:imaging(?:\s+tests?)?|scans?|radiology)"
_ANY_TEST = rf"(?P<tests>(?P<labs>{_LABS})|(?P<imaging>{_IMAGING})|{_TESTS})"
_ORDERED = (
    r"(?:planned|ordered|recommended|scheduled|requested|drawn|needed|required|arranged|outstanding|pending"
    r"|sent\s+off)"
)
_WHY = (
    r"(?:\s+(?:for|to\s+(?:work\s+up|evaluate|investigate|assess|look\s+into|check|monitor))\s+"
    r"(?:the\s+|§'s\s+)?(?P<purpose>(?!§)[^,;?!]+?))?"
)
_END = r"(?:\s+(?:so\s+far|already|today|yet|(?:at|after|during)\s+(?:the|this|that|§'s|last)\s+visit))*\s*[?.!]*$"
_ORDERED_TESTS = (
    (
        rf"^(?:{_WHICH}\s+)?{_MORE}{_ANY_TEST}\s+(?:(?:is|are|was|were|will|have|has|to|be|been|being"
        rf"|still)\s+)*{_ORDERED}"
        rf"{_FOR}{_WHY}{_FOR}{_END}"
    ),
    (
        rf"^(?:{_WHICH}\s+)?{_MORE}{_ANY_TEST}\s+to\s+be\s+(?:done|obtained|ordered|drawn|taken|performed"
        rf"|run){_FOR}{_WHY}{_END}"
    ),
    (
        rf"^{_WHICH}\s+{_MORE}{_ANY_TEST}\s+(?:should|must|does|do|did|will)\s+(?:§|we|they|you|the\s+doctor)\s+"
        rf"(?:still\s+)?(?:need|order|require|plan|recommend|request|(?<=should § )have|(?<=will § )have"
        rf"|(?<=should § )get)"
        rf"(?:\s+(?:to\s+have|done))?{_FOR}{_WHY}{_END}"
    ),
)
_SPECIALIST = r"(?:specialists?|consultants?|speciali[sz]ed\s+doctors|specialties)"
_GIVEN = r"(?:given|administered|received|get|got|receive)"
_AT_PLACE = (
    r"(?:\s+(?:in|at|by|during)\s+(?:the\s+)?(?:ed|er|a&e|emergency(?:\s+(?:room|department))?|hospital|clinic|ward"
    r"|icu|visit))"
)
_PLACE = rf"{_AT_PLACE}?"
_DRUGS = r"(?:drugs?|medications?|medicines?|meds)"
_DOCTOR = (
    r"(?:the\s+|§'s\s+)?"
    r"(?:doctor|doc|dr|physician|provider|clinician|surgeon|nurse|pharmacist|dietitian|they|we|you|i|team)"
)
_ABOUT = (
    r"(?:\s+(?:about|for|regarding|re|on|concerning|to\s+help(?:\s+with)?)\s+"
    r"(?:(?:the|§'s|his|her)\s+)*(?P<purpose>(?!§)[^,;?!]+?))"
)
_AVOID = (
    r"(?:avoid|stay\s+away\s+from|cut\s+(?:down|back)(?:\s+on)?|stop(?:\s+(?:taking|using|doing))?|limit"
    r"|not\s+(?:do|eat|take|drink))"
)
_LISTS: tuple[tuple[ListTopic, tuple[str, ...]], ...] = (
    (
        "referrals",
        (
            (
                rf"^(?:{_WHICH}\s+)?(?:new\s+)?(?:specialist\s+)?referrals?(?:\s+(?:{_IS}|been|made|placed"
                rf"|given|ordered"
                rf"|provided|there|§))*{_FOR}{_END}"
            ),
            (
                rf"^(?:(?:to\s+)?who(?:m)?|where|to\s+which\s+{_SPECIALIST})\s+{_IS}\s+§\s+(?:being\s+|been\s+)?"
                rf"(?:referred|sent)(?:\s+to)?{_END}"
            ),
            (
                rf"^{_WHICH}\s+(?:{_SPECIALIST}|doctors?|services?|clinics?)\s+{_IS}\s+§\s+(?:being\s+"
                rf"|been\s+|to\s+be\s+)?"
                rf"(?:referred|sent)\s+to{_END}"
            ),
        ),
    ),
    (
        "specialists",
        (
            (
                rf"^(?:{_WHICH}\s+)?{_SPECIALIST}\s+(?:(?:{_IS}|that)\s+)?§\s+(?:(?:has|have|is|been|being"
                rf"|already)\s+)*"
                rf"(?:seen|saw|sees?|seeing|visited|under|followed\s+by|consulted)(?:\s+(?:by|with))?{_END}"
            ),
            (
                rf"^(?:by\s+)?who(?:m|\s+all|\s+else)?\s+has\s+§\s+(?:already\s+)?been\s+(?:seen|followed"
                rf"|evaluated)(?:\s+by)?{_END}"
            ),
            rf"^{_WHICH}\s+{_SPECIALIST}\s+(?:have|has)\s+(?:seen|evaluated|treated)\s+§{_END}",
            rf"^{_WHICH}\s+{_SPECIALIST}\s+(?:are|is)\s+(?:involved|looking\s+after\s+§|following\s+§){_END}",
        ),
    ),
    (
        "advice",
        (
            (
                r"^what\s+(?:did|does|has|have)\s+(?:the\s+|§'s\s+)?(?:doctor|physician|provider|clinician"
                r"|surgeon|nurse|they"
                rf"|we|you|i|team)\s+(?:advised?|tell|told|recommend(?:ed)?|suggest(?:ed)?|counsel(?:l?ed)?)(?:\s+§)?"
                rf"(?:\s+to\s+do)?{_END}"
            ),
            (
                rf"^{_WHICH}\s+(?:lifestyle\s+|home\s+)?(?:advice|counsel?ling|recommendations?|education"
                rf"|instructions?)\s+(?:(?:was|were"
                rf"|is|are|did|has|have|been|§|the\s+doctor|they|we)\s+)*(?:given|give|gave|provided|get"
                rf"|receive|received|offered)"
                rf"(?:\s+(?:to\s+)?§)?{_END}"
            ),
            (
                rf"^(?:{_WHICH}\s+)?(?:{_IS}\s+)?(?:the\s+|§'s\s+)?(?:advice|counsel?ling"
                rf"|patient\s+education)\s+(?:to|for|given\s+to)\s+§{_END}"
            ),
            (
                rf"^what\s+(?:was|is|has)\s+§\s+(?:been\s+)?(?:advised|told|asked|instructed|encouraged|counsel?led)"
                rf"(?:\s+(?:to\s+do|on|about|to))?{_END}"
            ),
            rf"^what\s+should\s+§\s+do(?:\s+at\s+home)?{_END}",
            (
                rf"^(?:§[,:]?\s+)?what\s+(?:did|does|has|have)\s+{_DOCTOR}\s+(?:advised?|tell|told|recommend(?:ed)?|suggest(?:ed)?"
                rf"|counsel(?:l?ed)?|say|said)(?:\s+(?:to\s+)?§)?(?:\s+to\s+do)?{_ABOUT}{_END}"
            ),
            (
                rf"^what\s+(?:was|is|has)\s+§\s+(?:been\s+)?(?:advised|told|asked|instructed|encouraged|counsel?led)"
                rf"(?:\s+to\s+do)?{_ABOUT}{_END}"
            ),
            (
                rf"^{_WHICH}\s+(?:lifestyle\s+|home\s+)?(?:advice|counsel?ling|instructions?|recommendations?)\s+(?:(?:was|were|is|are"
                rf"|did|has|have|been|§|given|give|gave|provided|get|got|receive|received|offered|to)"
                rf"(?=\s)\s*)*{_ABOUT.replace('s+', 's*', 1)}{_END}"
            ),
            rf"^what\s+should\s+§\s+do(?:\s+at\s+home)?{_ABOUT}{_END}",
            (
                r"^what\s+(?:(?:was|is|has)\s+§\s+(?:been\s+)?(?:advised|told|asked|instructed|encouraged|counsel?led|supposed)\s+to"
                rf"|(?:should|must)\s+§|does\s+§\s+(?:need|have)\s+to)\s+(?P<avoid>{_AVOID}(?:\s+or\s+{_AVOID})?){_END}"
            ),
        ),
    ),
    (
        "denied symptoms",
        (
            (
                rf"^(?:what|which)(?:\s+(?:symptoms?|complaints?|problems?))?\s+(?:does|did|do"
                rf"|has)\s+§\s+(?:deny|denied|not\s+have){_END}"
            ),
            rf"^(?:{_WHICH}\s+)?(?:denied\s+symptoms|pertinent\s+negatives){_FOR}{_END}",
        ),
    ),
    (
        "reported symptoms",
        (
            (
                r"^(?:what|which)(?:\s+(?:symptoms?|complaints?))\s+(?:does|did|do|has|is|was)\s+§\s+(?:currently\s+)?"
                r"(?:report|have|describe|complain\s+of|present\s+with|come\s+in\s+with|come\s+with|mention"
                r"|having|experiencing"
                rf"|experience|reporting|had|reported){_END}"
            ),
            rf"^(?:{_WHICH}\s+)?(?:{_IS}\s+)?(?:the\s+|§'s\s+)?(?:presenting\s+|current\s+)?symptoms{_FOR}{_END}",
        ),
    ),
    (
        "drugs given",
        (
            (
                rf"^what(?:\s+{_DRUGS})?\s+(?:was|were|did|has"
                rf"|had)\s+(?:§\s+)?(?:been\s+)?{_GIVEN}(?:\s+to\s+§)?{_PLACE}"
                rf"(?:\s+to\s+§)?(?:\W*{_DRUGS}\s+only)?\W*$"
            ),
            (
                rf"^(?:what|which)\s+{_DRUGS}\s+(?:was|were|did|has|had)\s+(?:§\s+)?(?:been\s+)?{_GIVEN}(?:\s+to\s+§)?"
                rf"{_AT_PLACE}(?:\s+to\s+§)?{_END}"
            ),
        ),
    ),
    (
        "treatments tried",
        (
            (
                rf"^(?:what|which)(?:\s+(?:treatments?|therap(?:y|ies)|remedies|things|{_DRUGS}"
                rf"|measures))?\s+(?:has|have|did|had)\s+§\s+"
                rf"(?:already\s+|previously\s+|been\s+)?(?:tried|try|trying)(?:\s+for\s+(?:the\s+"
                rf"|§'s\s+)?[^,;?!]+?)?{_END}"
            ),
            rf"^(?:treatments?|therap(?:y|ies)|{_DRUGS})\s+(?:already\s+)?tried(?:\s+(?:by|in)\s+§)?{_END}",
        ),
    ),
    (
        "medication changes",
        (
            (
                rf"^(?:{_WHICH}\s+)?(?:{_DRUGS}|medication|drug|treatment)\s+(?:changes?|adjustments?)"
                rf"(?:\s+(?:were|was|have|has|been|did|made|make|we|they|the\s+doctor))*{_FOR}{_END}"
            ),
            rf"^what\s+changes\s+(?:were|have\s+been)\s+made\s+to\s+§'s\s+{_DRUGS}{_END}",
        ),
    ),
)


def _compiled(patterns: tuple[str, ...]) -> tuple[re.Pattern[str], ...]:
    return tuple(re.compile(each, re.IGNORECASE) for each in patterns)


@cache
def _topics() -> tuple[tuple[ListTopic, tuple[re.Pattern[str], ...]], ...]:
    """Compiled by the first question that may ask for such a list: most ask for none."""
    return tuple((topic, _compiled(patterns)) for topic, patterns in _LISTS)


@cache
def _tested() -> tuple[re.Pattern[str], ...]:
    return _compiled(_ORDERED_TESTS)


TO_AVOID = "what to avoid"
"""The part of advice that says what not to do."""
_OWN = re.compile(r"^(?:(?:§'s|the|an?|his|her|their)\s+)+", re.IGNORECASE)
_MAY_ASK = (
    *(
        "refer",
        "sent",
        "speciali",
        "consultant",
        "seen",
        "advi",
        "counsel",
        "recommend",
        "education",
        "instruct",
        "told",
    ),
    *(
        "tell",
        "suggest",
        "should",
        "den",
        "negatives",
        "symptom",
        "complaint",
        "given",
        "administer",
        "receive",
        "get",
    ),
    *(
        "got",
        "tried",
        "try",
        "chang",
        "adjust",
        "order",
        "plan",
        "draw",
        "schedul",
        "request",
        "need",
        "require",
    ),
    *("arrang", "pending", "outstanding", "to be"),
)
"""Looked for first: most questions have none of it."""


def asked_topic(text: str) -> ListPart | None:
    """Which list is asked for. `text`: framed, without its time."""
    small = text.lower()
    if not any(cue in small for cue in _MAY_ASK):
        return None
    for pattern in _tested():
        if (found := pattern.match(text)) is not None:
            return ListPart(tests=True, topic=_tests_of(found), purpose=_purpose_of(found))
    return next(
        (
            ListPart(topic=topic, purpose=_purpose_of(found))
            for topic, patterns in _topics()
            for each in patterns
            if (found := each.match(text)) is not None
        ),
        None,
    )


def _purpose_of(found: re.Match[str]) -> str | None:
    """What a list is to be for, where it is asked for a part of it."""
    parts = found.groupdict()
    if parts.get("avoid"):
        return TO_AVOID
    return _OWN.sub("", parts.get("purpose") or "") or None


def _tests_of(found: re.Match[str]) -> ListTopic | None:
    if found["labs"]:
        return "labs ordered"
    return "imaging ordered" if found["imaging"] else None
