"""What a question about values or events in time is of: "the trend of her creatinine", "when was she last given …".

Decides it by what is left of a question once the words that ask are taken away: those that ask when, that say how a
value moved, that someone has or was given it. A personal fact is known by its words ("how old"). What is left and reads
as more than one thing is no thing. Refuses to know what the thing is.
"""

from __future__ import annotations

import re

from pipeline.answering.questions.plan import AskedThing, Change
from pipeline.text.structure.personal_facts import asked_personal_fact

WORDS_MAX = 6
_WHEN = re.compile(
    r"\bwhen\b|\b(?:on )?(?:what|which) (?:date|day|year|month)\b|\bsince when\b|\bdates?\b|\bhow long ago\b",
    re.IGNORECASE,
)
_START = re.compile(
    r"\b(?:start(?:ed|ing|s)?|beg[aiu]n\w*|initiat\w+|commenc\w+|introduced|put on|prescribed)\b",
    re.IGNORECASE,
)
_STOP = re.compile(
    r"\b(?:stop(?:ped|ping|s)?|discontinu\w+|ceas\w+|come off|came off|taken off|quit|end(?:ed)?)\b",
    re.IGNORECASE,
)
_PHRASES = re.compile(
    r"\bhow (?:old|high|low|much|many|often|fast|heavy|tall|bad|severe|far|long ago|is|was|has|have|did|do"
    r"|does|are|were)\b"
    r"|\bover (?:the )?(?:course of )?(?:time|years|months|visits|weeks|notes)\b|\bacross (?:the "
    r"|all )?(?:visits|notes|time)\b"
    r"|\b(?:at|from|of|in|on|by|for|across|according to|between) (?:the |§'s |all (?:the )?)?"
    r"(?:visits?|notes?|records?|chart|encounters?|appointments?|file|history)\b"
    r"|\bon record\b|\bas of\b|\bside by side\b|\bthe course of\b|\bwith (?:that|those|the one|the same) of\b"
    r"|\bto (?:that|those) of\b|\b(?:put|come|taken|take) (?:on|off)\b|\bsince when\b|\bwhat happened (?:to|with)\b"
    r"|\b(?:more|less|higher|lower|better|worse) or (?:more|less|higher|lower|better|worse)\b",
    re.IGNORECASE,
)
_ASKING = frozenset(
    """
    what what's whats when when's where which who whom whose how did do does was were is are am be been being has have
    had having can could would should will may § §'s s a an the any some all each every both of for in on at to with by
    from into as between against versus vs among than that this these those it its me my we our you please
    show tell give list find name print plot graph chart display want need know see look check like let
    date dates day days year month time times ever yet most recent recently latest last first earliest newest current
    currently now so far previous previously prior next then still already lately again once initial initially
    given give gave gives got get gets getting received receive receives underwent undergo undergone undergoing done do
    performed perform conducted made taken take took takes taking use used using uses administered obtained
    measured measure measures measurement measurements recorded record records noted note notes documented document
    mentioned mention checked tested seen see saw shown showed found find reported report diagnosed diagnose presented
    present presenting occur occurred happen happened stated said written
    value values level levels result results reading readings number numbers figure figures status count
    trend trends trending change changed changes changing develop developed develops development evolve evolved
    evolution progress progressed progression progressing vary varied varies variation move moved course trajectory
    history compare compared compares comparing comparison comparisons contrast differ differs differed difference
    differences different improve improved improving worsen worsened rise risen rising fall fallen falling drop
    dropped increase increased decrease decreased go gone went going come came run ran
    higher lower more less bigger smaller better worse gained gain lost lose
    known discovered adjusted implanted placed inserted initial i us anything everything something one ones two three
    2 3 serial track timeline trajectory up down over past there side next put
    greater highest lowest same peak worst best maximum minimum severity intensity
    new dose doses dosage dosages strength amount start started starting starts begin began begun initiate initiated
    introduced commenced stop stopped stopping stops discontinue discontinued discontinuing prescribed put off quit
    end ended ceased resumed
    visit visits encounter encounters appointment appointments consultation consultations note notes chart file
    patient patients pt he she him her his hers they them their doctor
    """.split()
)
"""Words of a question that say what is wanted of the thing, and not which thing."""
COMES_BACK = re.compile(
    r"(?<=§)'s (?:next|follow-?\s?up) (?:appointment|visit|follow-?up)\s*[?.!]*$"
    r"|(?<=§)\s+(?:(?:due|supposed|scheduled|going|to|need|have|be)\s+)*(?:come|coming|be|get|go)?\s*"
    r"(?:back|return\w*|seen again|follow-?\s?up)"
    r"(?:\s+(?:in|to|at|again|for|the|an?|clinic|office|visit|follow-?up|with us))*\s*[?.!]*$",
    re.IGNORECASE,
)
"""Asks for the next visit, which is no value in time."""
_TO_COME = re.compile(r"\b(?:next|due|upcoming)\b", re.IGNORECASE)
"""What is to come has no value in time."""
_WHITE_CELLS = re.compile(r"\bwhite (?:blood )?cells?(?: counts?)?\b", re.IGNORECASE)
_OF_A_COMPARATIVE = {"heavier": "weight", "lighter": "weight", "taller": "height", "shorter": "height"}
_UNREAD_DATE = re.compile(r"\b(?:on )?\d{1,2}[/.-]\d{1,2}[/.-]\d{2,4}\b")
_SEVERAL = frozenset("and or but if because while who than before after until without not no nor".split())
_LETTERED = re.compile(
    r"\b(hepatitis|vitamin|influenza|group|type|hemoglobin|factor|apolipoprotein) a\b", re.IGNORECASE
)
"""Where "A" is no article."""
_WORD = re.compile(r"[^\W_]+(?:[-'’/.][^\W_]+)*")


def asked_thing(question: str) -> AskedThing | None:
    """What `question` is of; None where it cannot be told. `question`: framed, and without its time."""
    when = _WHEN.search(question) is not None
    change = _change(question)
    if when and (COMES_BACK.search(question) or _TO_COME.search(question)):
        return None
    fact = asked_personal_fact(question)
    left = _words(fact.asked.sub(" ", question) if fact else question)
    if left is None or (fact is not None and left):
        return None
    left = [_OF_A_COMPARATIVE.get(word.lower(), word) for word in left]
    return AskedThing(fact.name if fact else " ".join(left), when, change)


def _change(question: str) -> Change | None:
    if _STOP.search(question):
        return "stop"
    return "start" if _START.search(question) else None


def _words(question: str) -> list[str] | None:
    question = _WHITE_CELLS.sub("WBC", question)
    bare = _LETTERED.sub(r"\1.A", _PHRASES.sub(" ", _UNREAD_DATE.sub(" ", question)).replace("’", "'"))
    words = [
        word.removesuffix("'s").replace(".A", " A")
        for word in _WORD.findall(bare.replace("§'s", " ").replace("§", " "))
    ]
    left = [word for word in words if word.lower() not in _ASKING]
    while left and left[-1].lower() in ("and", "or"):
        left.pop()
    while left and left[0].lower() in ("and", "or"):
        left.pop(0)
    for place, word in enumerate(left):
        if word.lower() in ("and", "or") and left[:place] == left[place + 1 :]:
            return left[:place]  # "the pulse of § and the pulse of §"
    if len(left) > WORDS_MAX or any(word.lower() in _SEVERAL for word in left):
        return None
    return left
