"""Which part of a list is asked for: what was started or stopped, what is for an illness, or what is planned for it.

Decides it by how a question is built: "What was § started on?", "Which medications does § take for §'s asthma?", "Which
blood pressure medicines?". Refuses to know which drug is for what.
"""

from __future__ import annotations

import re

from pipeline.answering.questions.plan import ListChange, ListPart, ThingKind

_DRUGS = r"(?:medications?|medicines?|meds|drugs?|pills?|prescriptions?|treatments?|tablets?|inhalers?)"
_WHICH = r"(?:(?:what|which)|(?:list|show|name|give|tell)(?:\s+me)?(?:\s+all)?(?:\s+the)?)"
_AUXILIARY = r"(?:is|are|was|were|does|do|did|has|have|had|should|will|must)"
_STARTED = r"(?:started|begun|initiated|placed|put|prescribed|given|added|newly (?:started|prescribed))"
_STOPPED = r"(?:stopped|discontinued|taken off|withdrawn|held|paused)"
_CHANGED = r"(?:changed|adjusted|increased|decreased|reduced|raised|lowered)"
_BY_VERB = (
    re.compile(
        rf"^{_WHICH}(?:\s+(?:new|other))?(?:\s+{_DRUGS})?\s+{_AUXILIARY}\s+§\s+(?:been\s+)?(?:newly\s+)?"
        rf"(?:(?P<start>{_STARTED}(?:\s+on)?|start(?:\s+taking)?)|(?P<stop>{_STOPPED}|told to stop|stop(?:\s+taking)?))"
        r"(?:\s+for\s+(?P<purpose>[^,;?!]+?))?\s*[?.!]*$",
        re.IGNORECASE,
    ),
    re.compile(
        rf"^{_WHICH}(?:\s+of\s+§'s)?(?:\s+§'s)?(?:\s+(?P<new>new))?\s+{_DRUGS}(?:\s+of\s+§)?\s+{_AUXILIARY}\s+(?:been\s+)?(?:newly\s+)?"
        rf"(?:(?P<start>{_STARTED})|(?P<stop>{_STOPPED})|(?P<change>{_CHANGED}))(?:\s+(?:for|to|by|of)\s+§)?"
        r"(?:\s+for\s+(?P<purpose>[^,;?!]+?))?\s*[?.!]*$",
        re.IGNORECASE,
    ),
    re.compile(
        rf"^(?:what|which)(?:\s+{_DRUGS})?\s+(?:is|was|were|has\s+been|have\s+been)\s+(?:newly\s+)?"
        r"(?:(?P<start>started|initiated|prescribed|added)|(?P<stop>stopped|discontinued)"
        r"|(?P<change>changed|adjusted|increased|decreased|reduced))"
        r"(?:\s+(?:(?:at|on|upon)\s+(?:the\s+)?(?:discharge|visit)|when\s+§\s+(?:was|is|got)\s+discharged))?\s*[?.!]*$",
        re.IGNORECASE,
    ),
    re.compile(
        rf"^{_WHICH}\s+(?:(?:is|are|were)\s+)?(?:§'s\s+)?(?P<new>new)\s+{_DRUGS}\b[^,;]*[?.!]*$",
        re.IGNORECASE,
    ),
)
_BY_PURPOSE = (
    re.compile(
        r"^what\s+(?:did|do|have|has)\s+(?:they|we|you|i|§)\s+(?:give|given|prescribe|prescribed|start|started|order|use)"
        r"(?:\s+(?:for\s+)?§)?(?:\s+on)?\s+for\s+(?:the\s+|§'s\s+)?(?P<purpose>[^,;?!]+?)\s*[?.!]*$",
        re.IGNORECASE,
    ),
    re.compile(
        rf"^{_WHICH}(?:\s+{_DRUGS})?\s+{_AUXILIARY}\s+§\s+(?:been\s+)?(?:currently\s+)?(?:on|take|taking|takes|use|using"
        r"|prescribed|given|get|getting|have|treated with)\s+for\s+(?P<purpose>[^,;?!]+?)\s*[?.!]*$",
        re.IGNORECASE,
    ),
    re.compile(
        r"^(?P<purpose>(?!(?:current|new|other|home|active|old|all|list|what|which|any|how|the|discharge|d/c|dc|admission"
        r"|in-?patient|out-?patient|pre-?\s?op\w*|post-?\s?op\w*|usual|regular|daily)\b)[a-z][\w -]{0,30}?)"
        r"\s+"
        rf"{_DRUGS}\s+(?:of\s+|for\s+)?§(?:\s+(?:takes?|is\s+on|uses))?\s*[?.!]*$",
        re.IGNORECASE,
    ),
    re.compile(
        rf"^(?:{_WHICH}\s+)?(?:(?:is|are|were)\s+)?(?:§'s\s+)?{_DRUGS}\s+(?:(?:of|does|is|are)\s+§\s+)?"
        r"(?:(?:take|taking|on)\s+)?for\s+(?P<purpose>(?!§\s*[?.!]*$)[^,;?!]+?)\s*[?.!]*$",
        re.IGNORECASE,
    ),
    re.compile(
        rf"^{_WHICH}\s+(?:(?:is|are|were)\s+)?(?:§'s\s+)?"
        r"(?P<purpose>(?!(?:current|new|other|home|active|old)\b)[a-z][\w -]{2,40}?)\s+"
        rf"{_DRUGS}\s+{_AUXILIARY}\s+§\s+(?:currently\s+)?(?:on|take|taking|takes|use|using|prescribed|given|have|get)"
        r"\s*[?.!]*$",
        re.IGNORECASE,
    ),
)
_TESTS = re.compile(
    r"^(?:what|which)\s+(?:tests?|investigations?|studies|work-?up|labs?|imaging)\s+"
    r"(?:are|were|is|was|will be|have been)\s+"
    r"(?:planned|ordered|recommended|scheduled)(?:\s+(?:for|of|by)\s+§)?\s*[?.!]*$",
    re.IGNORECASE,
)
_OF_PROBLEM = (
    r"(?P<problem>(?!(?:the\s+)?(?:follow-?up|discharge|care|future|now|next|this|that|it)\b)[^,;?!]+?)"
)
_PLAN_FOR = (
    re.compile(
        r"^(?:(?:what(?:['’]s|\s+(?:is|was|were|are))|tell\s+me|show(?:\s+me)?|give(?:\s+me)?)\s+)?(?:the\s+|§'s\s+)?"
        r"(?:current\s+)?(?:plans?|(?:treatment|management|care)(?:\s+plan)?)\s+(?:for|of|regarding|about)\s+"
        rf"(?!§\s*[?.!]*$)§'s\s+{_OF_PROBLEM}\s*[?.!]*$",
        re.IGNORECASE,
    ),
    re.compile(
        r"^(?:what(?:['’]s|\s+(?:is|was|were|are))|tell\s+me|show(?:\s+me)?|give(?:\s+me)?)\s+§'s\s+"
        r"(?:plans?|(?:treatment|management|care)(?:\s+plan)?)\s+"
        rf"(?:for|regarding|about)\s+{_OF_PROBLEM}\s*[?.!]*$",
        re.IGNORECASE,
    ),
    re.compile(
        r"^(?:what(?:['’]s|\s+(?:is|was|are))|tell\s+me)\s+the\s+(?:plans?|(?:treatment|management|care)(?:\s+plan)?)\s+"
        rf"(?:for|of|regarding|about)\s+(?!§){_OF_PROBLEM}\s+(?:of|for|in)\s+§\s*[?.!]*$",
        re.IGNORECASE,
    ),
    re.compile(
        r"^what(?:['’]s|\s+(?:is|was|are\s+(?:we|they|you)|will\s+be|should\s+be))\s+(?:being\s+|going\s+to\s+be\s+)?"
        rf"(?:done|doing|planned|recommended)\s+(?:about|for|with|to\s+treat)\s+§'s\s+{_OF_PROBLEM}\s*[?.!]*$",
        re.IGNORECASE,
    ),
    re.compile(
        r"^what\s+(?:(?:did|do|have|has|are|were)\s+)?(?:we|they|you|was|is)\s+"
        r"(?:decided?|planned|agreed?|plan(?:ning)?|recommend(?:ed)?|doing|going\s+to\s+do)(?:\s+to\s+do)?\s+"
        rf"(?:about|on|for|regarding|with)\s+(?:the\s+|§'s\s+)?{_OF_PROBLEM}(?:\s+(?:of|for|in)\s+§)?\s*[?.!]*$",
        re.IGNORECASE,
    ),
    re.compile(
        rf"^how(?:['’]s|\s+(?:is|was|are|were|should|will))\s+§'s\s+{_OF_PROBLEM}\s+(?:to\s+be\s+|being\s+|be\s+)?"
        r"(?:treated|managed|addressed|handled)\s*[?.!]*$",
        re.IGNORECASE,
    ),
)
_OWN = re.compile(r"^(?:(?:§'s|the|an?|his|her|their)\s+)+", re.IGNORECASE)


def asked_part(text: str) -> tuple[ThingKind, ListPart] | None:
    """The kind that is listed, and which part of it. `text`: framed, without its time."""
    if _TESTS.match(text):
        return ThingKind.PLAN, ListPart(tests=True)
    for pattern in _PLAN_FOR:
        if (found := pattern.match(text)) is not None:
            return ThingKind.PLAN, ListPart(purpose=_purpose(found["problem"]))
    for pattern in _BY_VERB:
        if (found := pattern.match(text)) is not None:
            said = found.groupdict()
            change: ListChange = (
                "stopped" if said.get("stop") else "changed" if said.get("change") else "started"
            )
            return ThingKind.MEDICATION, ListPart(change, _purpose(said.get("purpose")))
    for pattern in _BY_PURPOSE:
        if (found := pattern.match(text)) is not None:
            return ThingKind.MEDICATION, ListPart(purpose=_purpose(found["purpose"]))
    return None


def _purpose(words: str | None) -> str | None:
    return _OWN.sub("", words.strip()) if words else None
