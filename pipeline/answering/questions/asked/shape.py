"""What an answer must look like, and which finding, drug or act it is about, by how a question is built.

Decides it by frames: "Has § had X?", "Which patients take X?", "What X is § on?". A question that fits none has no
shape, and one with more in it than a frame takes ("… and how is the kidney doing?") has words left over, which are
told. Refuses to know what X is.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from pipeline.answering.questions.asked.count import asked_count
from pipeline.answering.questions.asked.kinds import PATTERNS, asked_kinds, without_kinds
from pipeline.answering.questions.asked.of_people import asked_of_people, without_again
from pipeline.answering.questions.asked.part import asked_part
from pipeline.answering.questions.asked.topic import asked_topic
from pipeline.answering.questions.people_clauses import Clauses, clauses_of
from pipeline.answering.questions.people_question import PeopleQuestion, people_question
from pipeline.answering.questions.plan import (
    ANY_AGE,
    EVERYONE,
    AnswerShape,
    AskedCondition,
    AskedGroup,
    ListPart,
    ThingKind,
    Whom,
)


@dataclass(frozen=True, slots=True)
class AskedShape:
    """What the frame of a question says."""

    shape: AnswerShape | None
    finding: str | None = None
    kind: ThingKind | None = None
    """That its verb implies: a medication for "take", an allergy for "allergic to"."""
    rest: tuple[str, ...] = ()
    negated: bool = False
    is_attribute: bool = False
    """Whether the patient is the finding ("are married") and does not have it."""
    part: ListPart | None = None
    also: tuple[AskedCondition, ...] = ()
    any_of: bool = False
    group: AskedGroup = EVERYONE
    kinds: tuple[ThingKind, ...] | None = None
    """Those that the words of the finding name, where others name other kinds."""


TESTS = (
    r"(?:x-?rays?|films?|radiographs?|cts?|ct scans?|mris?|scans?|imaging|ultrasounds?|sonograms?"
    r"|echo(?:cardiograms?)?"
    r"|mammograms?|ekgs?|ecgs?|electrocardiograms?|labs?|blood ?work|biops(?:y|ies)|colonoscop(?:y|ies)"
    r"|endoscop(?:y|ies)|(?:physical )?exam(?:ination)?)"
)
"""What shows a finding."""
_PEOPLE = r"(?:patients?|people|persons?|men|women|children|adults|cases)"
_ADVERB = r"(?:ever|still|also|already|currently|now|been|previously|recently|yet|never|not|actually|all)"
_TAKE = (
    r"(?:(?:take|takes|taking|took|taken|use|uses|using|used)|(?:is|are|was|were|been|be)?\s*(?:on|"
    r"(?:started on|prescribed|treated with|put on))|(?:get|gets|receive|receives|received|receiving|need|needs))"
)
_ALLERGIC = (
    r"(?:(?:is|are|was|were|be)?\s*allergic to|(?:has|have|had|with) (?:an? )?(?:\w+ )?allerg(?:y|ies) to)"
)
_HAVE = (
    r"(?:(?:has|have|had|having|with|got|get|shows?|reports?|reported|complains? of|develop(?:s|ed)?|underwent|undergo"
    r"|(?:(?:is|are|was|were|been)\s+)?given|suffer(?:s|ed|ing)? from"
    r"|(?:is|are|was|were|been)?\s*(?:diagnosed with|treated for|known (?:to have|for)))"
    r"(?: (?:had|got|have|been diagnosed with|a history of|history of|undergone))*)"
)
_DENY = r"(?:deny|denies|denied)"
_NOT = r"(?:do not|does not|did not|don['’]t|doesn['’]t|didn['’]t|have not|has not|haven['’]t|hasn['’]t|is not|are not)"
_VERB = rf"(?:(?P<take>{_TAKE})|(?P<allergic>{_ALLERGIC})|(?P<have>{_HAVE})|(?P<deny>{_DENY})|(?P<without>without))"
_ANY_VERB = rf"(?:{_TAKE}|{_ALLERGIC}|{_HAVE}|{_DENY}|without)"
_FINDING = r"(?P<finding>[^,;?!]+?)"
_END = r"\s*[?.!]*\s*$"

_ASKING = re.compile(
    r"^(?:(?:please|and|so|now|ok|okay|then|could you|can you|would you|will you|i want to know|i need to know"
    r"|tell me|do you know)[,\s]+)+",
    re.IGNORECASE,
)
_SUMMARY = re.compile(
    r"^(?:give|show|write|make)?\s*(?:me\s+)?(?:an?\s+|the\s+)?(?:short\s+|brief\s+|quick\s+|concise\s+|clinical\s+)*"
    r"(?:summari[sz]e|summary|overview|sum up|synopsis)\b"
    r"|^(?:(?:can|could|may) (?:i|we|you) (?:please )?(?:get|have|see|give me|write|make)|(?:i|we) (?:need"
    r"|want)(?: to see)?)"
    r"\s+(?:me\s+)?(?:an?\s+|the\s+)?(?:(?:short|brief|quick|concise|clinical)\s+)*"
    r"(?:summary|overview|synopsis|recap|rundown|run-?through)\b"
    r"|^(?:give|tell|show)?\s*(?:me\s+)?(?:(?:what are|the|a|an|some|quick|short|brief)\s+)*"
    r"(?:(?:key|main|salient|important|take-?home|bullet)\s+(?:points?|facts|messages?|issues|things|findings)"
    r"|rundown|recap|run-?through|highlights|gist|lowdown|tl;?\s?dr|bottom line|nutshell)"
    rf"(?:\s+(?:for|of|on|about|from)\s+(?:§(?:'s\s+(?:case|chart|visit|notes?))?|(?:the|this)\s+(?:case"
    rf"|chart|visit|note)))?{_END}"
    rf"|^(?:tell me about|brief me on|fill me in on|catch me up on|update me on|bring me up to (?:speed|date) on"
    rf"|what(?:['’]s| is) (?:the story (?:with|of|on)|going on with)) §{_END}"
    rf"|^about §{_END}"
    rf"|^what do (?:i|we) need to know(?: about §)?{_END}"
    rf"|^what is §'s (?:situation|story|case)(?: in (?:a nutshell|short|brief))?{_END}"
    r"|^what happened (?:with|to) §(?:,? (?:in short|in brief|briefly|overall|in a nutshell))?\s*[?.!]*$"
    r"|^what happened (?:at|during|in|on)\b|^describe\b.*\bvisit\b|^what was done (?:at|during)\b.*\bvisit\b",
    re.IGNORECASE,
)
_COMPARE = re.compile(
    r"^(?:compar(?:e|ison)|contrast|changes?)\b|\bdiffer(?:ent|ence)?s?\b.*\b(?:between|from)\b"
    r"|\bcompared (?:to|with)\b"
    r"|\b(?:compare|differ)\s*[?.!]*$|\b(?:versus|vs\.?)\s|\bside by side\b|\bput § (?:next to|against|beside) §",
    re.IGNORECASE,
)
_TREND = re.compile(
    r"^how (?:has|have|had|did|was|were|is)\b.*\b(?:chang\w*|develop\w*|evolv\w*|trend\w*|progress\w*)\b|\bover time\b"
    r"|\bover the (?:visits|years|months)\b|\btrend\b",
    re.IGNORECASE,
)
_TREND_OF_VALUES = re.compile(
    r"\b(?:trajectory|time ?line|evolution|progression|course|development|history) of\b"
    r"|\b(?:serial|track|fluctuat\w+|varied)\b"
    r"|\bat (?:each|every) (?:visit|appointment|encounter)\b"
    r"|\bover the (?:(?:last|past|previous|recent)\s+)?(?:\w+\s+)?(?:visits|years|months|notes)\b"
    r"|^what (?:changes\b.*\bin|(?:has )?happened to)\b|^how (?:has|have|did)\b.*\bmoved?\b"
    r"|^(?:has|have|did|does|do|is|are|was|were)\b.*\b(?:chang(?:e|ed|ing)|improv\w+|wors\w+"
    r"|go(?:ne|ing)? (?:up|down)|ris(?:e|en|ing)|fall(?:en|ing)?|increas\w+|decreas\w+|drop\w*"
    r"|gain\w*|los(?:e|t|ing))\b"
    r"|\ball (?:of )?(?:the |§'s )?.*\b(?:values|readings|results|measurements|levels|weights|pressures)\b",
    re.IGNORECASE,
)
"""How values of a measure over time are asked for: of other things these words ask for something else."""
_COMPARING = ("compar", "contrast", "change", "differ", "versus", "vs", "side by side", "put §")
_TRENDING = ("chang", "develop", "evolv", "trend", "progress", "over time", "over the")
"""Words without any of which a question neither compares nor asks for a trend."""
_COUNT_PEOPLE = re.compile(
    rf"^(?:how many|number of|count)\s+(?:(?:of\s+)?(?:the|our|them)\s+)?(?:{_PEOPLE}\b(?!\s+(?:does|do|did"
    rf"|has|have|had|is|was)\s+§)\s*"
    r"|(?=(?:have|had|are|were|take|took|need|use|smoke|drink)\b(?! (?:there|§))))",
    re.IGNORECASE,
)
_COUNT = re.compile(
    r"^(?:how many\s+(?:times|visits|notes|encounters)|how often\s+(?:was|is|has|had|did)|number of\s+visits)\b",
    re.IGNORECASE,
)
_WHO = re.compile(
    rf"^(?:(?:list|show|name|find|give|tell|identify|report|me|an?|which|what|are there|is there|all|any|of|the|other"
    r"|every|each|our)\s+)+"
    rf"{_PEOPLE}\b\s*|^who(?:\s+(?:all|else))?\s+(?=(?!(?:is|was|are|were) (?:the\b|§))[a-z])"
    rf"|^{_PEOPLE}\b\s+(?=with|who|on)"
    r"|^(?:(?:list|show|name|find|give|tell|me)\s+)*(?:everyone|everybody|anyone|anybody|all)\s+(?=with\b|who\b|on\b)"
    r"|^(?:is|are|was|were|do|does|did|has|have|had)\s+(?:there\s+)?"
    rf"(?:anyone|anybody|any\s+(?:of\s+(?:the|our)\s+)?(?:other\s+)?{_PEOPLE})\b\s*",
    re.IGNORECASE,
)
_BY_NOUN = re.compile(
    r"^(?:(?:list|show|name|find|give|tell|me|which|who|what|are|all|of|the|our|every|known)\s+)*"
    r"(?P<noun>(?:(?:current|former|ex-?|active|heavy|known)\s+)?(?:smokers|non-?smokers|drinkers|alcoholics|diabetics"
    rf"|asthmatics|hypertensives|epileptics|veterans|widows|widowers|retirees)){_END}",
    re.IGNORECASE,
)
"""People by what they are."""
_OF_THEM = re.compile(
    rf"^(?:who|that)?\s*(?:(?:{_ADVERB})\s+)*(?P<no>{_NOT}\s+)?(?:(?:do|does|did|have|has|had|are|is|were"
    rf"|was)\s+(?={_ADVERB}\s+|"
    rf"{_ANY_VERB}\b))?"
    rf"(?:{_ADVERB}\s+)*{_VERB}\s+(?:{_ADVERB}\s+)*{_FINDING}{_END}",
    re.IGNORECASE,
)
_YES_NO = re.compile(
    r"^(?:is|are|was|were|do|does|did|has|have|had|can|could|should|will|would|any)\b", re.IGNORECASE
)
_OF_SUBJECT = re.compile(
    rf"^(?:is|are|was|were|do|does|did|has|have|had)\s+§\s+(?P<no>not\s+)?(?:{_ADVERB}\s+)*{_VERB}\s+(?:{_ADVERB}\s+)*"
    rf"{_FINDING}{_END}",
    re.IGNORECASE,
)
_HAS_SUBJECT = re.compile(
    rf"^(?P<have>has|have|had)\s+§\s+(?!(?:a|an|the)?\s*(?:been|gone|started|stopped"
    rf"|changed)\b)(?:(?:{_ADVERB}|got|had)\s+)*"
    rf"{_FINDING}{_END}",
    re.IGNORECASE,
)
_RULED_OUT = re.compile(
    rf"^(?:(?:was|were|is|has|have|had)\s+)?(?:(?:an?|the|any)\s+)?{_FINDING}\s+(?:been\s+)?(?:ruled[ -]out"
    rf"|r/o(?:'?d)?"
    rf"|excluded)(?:\s+(?:in|for)\s+§)?{_END}",
    re.IGNORECASE,
)
_IS_THERE = re.compile(
    rf"^(?:(?:is|are|was|were)\s+there|any)\s+(?:(?:known|signs? of|evidence of|history of)\s+)?{_FINDING}"
    rf"(?:\s+(?:in|for|of)\s+§(?:'s (?:notes?|chart|record))?)?{_END}",
    re.IGNORECASE,
)
_SHOWN_BY = re.compile(
    rf"^(?:did|does|do)\s+(?:the\s+|§'s\s+|this\s+|that\s+)?(?P<test>(?:[\w-]+\s+){{0,3}}?{TESTS})"
    rf"(?:\s+(?:of|for|on|in)\s+§)?\s+(?:show|reveal|find|demonstrate|confirm)\s+{_FINDING}(?:\s+in\s+§)?{_END}",
    re.IGNORECASE,
)
_ON_ONE_TEST = re.compile(
    rf"^(?P<finding>(?!(?:what|which|when|where|why|how|who|list|show|give|tell|find|results?|history)\b)[a-z][\w -]*?"
    rf"\s+(?:on|by)\s+(?:the\s+)?(?:[\w-]+\s+){{0,2}}?{TESTS})(?:\s+(?:of|for|in)\s+§)?{_END}",
    re.IGNORECASE,
)
"""A finding and the test alone: "fracture on the films?"."""
_OWN_TEST = re.compile(rf"(?<= )§'s (?=(?:[\w-]+ ){{0,3}}{TESTS}$)", re.IGNORECASE)
_ALLERGY_TO = re.compile(
    rf"^(?:known )?(?:drug )?allerg(?:y|ies|ic)(?: reactions?)? to {_FINDING}{_END}", re.IGNORECASE
)
_OF_ALLERGY = re.compile(
    r"^(?:documented |known |reported )*(?P<finding>(?!drug\b|food\b|medication\b|any\b|no\b)[^,;?!]+?)"
    rf" allerg(?:y|ies){_END}",
    re.IGNORECASE,
)
_DRUGS = re.compile(r"(?<=\w) (?:drugs?|medications?|medicines?|products?)$", re.IGNORECASE)
_LIST_VERB = re.compile(
    r"^(?:what|which)(?P<what>(?:\s+[\w-]+){0,4}?)\s+(?:is|are|was|were|does|do|did|has|have|had|should|will)\s+§\s*"
    r"(?:(?:currently|still|now|also|been)\s+)*(?P<verb>on|taking|take|takes|allergic to|prescribed|using|use|have|had"
    r"|got|get|received|receive|started on|given|to take)?\s*(?P<more>[^?.!]*)" + _END,
    re.IGNORECASE,
)
_LIST_NOUN = re.compile(
    r"^(?:(?:what|which)\s+(?:(?:are|were|is|was)\s+)?|(?:list|show|name|give"
    r"|tell)\s+(?:me\s+)?)(?:all\s+)?(?P<what>[^?.!]*)" + _END,
    re.IGNORECASE,
)
_BARE = re.compile(r"^(?:any\s+|and\s+)?(?P<what>[^?.!]*)" + _END, re.IGNORECASE)
_FACT = re.compile(
    r"^(?:what|which|when|where|why|how|at what|on what|from which|for how long|who|whose)\b", re.IGNORECASE
)
_DIAGNOSED = re.compile(
    rf"^(?:what|which)(?:\s+(?:illness(?:es)?|conditions?))?\s+(?:is|was|has"
    rf"|did)\s+§\s+(?:been\s+)?(?:just\s+|newly\s+)?"
    rf"(?:diagnosed\s+with|found\s+to\s+have){_END}"
    rf"|^(?:(?:what|which)\s+)?diagnos[ei]s\s+(?:(?:was|were)\s+)?(?:made|given|reached"
    rf"|established)\s+(?:for|in|of)\s+§{_END}",
    re.IGNORECASE,
)
_EVERYTHING = re.compile(
    rf"^(?:(?:list|show|tell|give)\s+(?:me\s+|us\s+)?)?everything\s+(?:that\s+)?§\s+(?:is\s+|currently\s+)*"
    rf"(?:takes?|taking|on|prescribed|(?P<allergic>allergic\s+to)"
    rf"|(?P<operated>(?:has\s+)?(?:ever\s+)?had\s+(?:operated(?:\s+on)?|removed|taken\s+out"
    rf"|done\s+surgically))){_END}",
    re.IGNORECASE,
)
_MEASURED = frozenset([ThingKind.VITAL, ThingKind.LABORATORY])
_WHAT_VALUE = re.compile(
    rf"^what(?:['’]s| is| was| were| are)\s+(?:the\s+|§'s\s+)*{_FINDING}"
    rf"(?:\s+(?:level|value|result)s?)?(?:\s+(?:of|for|in)\s+§)?{_END}",
    re.IGNORECASE,
)
_FAMILY_ILLS = re.compile(
    r"^(?:what|which|are there any|any)\s+"
    r"(?:(?:kinds? of )?(?:illness(?:es)?|diseases?|conditions?|problems?|disorders?)\s+)?"
    rf"(?:runs?|running|are|is|are there)\s+in\s+(?:§'s\s+family|the\s+family(?:\s+of\s+§)?){_END}"
    r"|^what\s+(?:did|does|has)\s+§\s+(?:report|reported|say|said|mention|tell"
    r"|told\s+us)\s+(?:in\s+terms\s+of|about|of|regarding)"
    rf"\s+(?:the\s+|any\s+|§'s\s+)?family\s+(?:illness(?:es)?|history|diseases?|problems?|conditions?){_END}",
    re.IGNORECASE,
)
_TO_A_PLACE = (
    r"(?:\s+(?:in|into|to|at|up|by|here|us|the|an?|our|your|be|seen|clinic|office|hospital|department"
    r"|emergency|room|er|ed"
    r"|doctor|practice|visit))*"
)
_NOT_BORNE = re.compile(
    r"^(?:(?:are|is) there )?(?:what|which|any)\s+(?:(?:other|else)\s+)?"
    r"(?:drugs?|medications?|medicines?|meds"
    r"|antibiotics?)\b[^?]*\ballerg\w+[^?]*\?*(?:\s*(?:and\s+)?(?:which|what)(?:\s+ones?)?)?\s*[?.!]*$",
    re.IGNORECASE,
)
"""Asks which drugs someone is allergic to."""
_REASON_FOR_VISIT = re.compile(
    rf"^(?:(?:why|what)\s+(?:did|does|do|has|have|was|were|is|are)\s+§\s+(?:come|came|coming|visit|seen|here|brought)"
    rf"{_TO_A_PLACE}(?:\s+(?:for|with))?"
    rf"|what(?:['’]s)?\s+(?:has\s+)?(?:brought|brings|made|bringing)\s+§(?:'s)?(?:\s+come)?{_TO_A_PLACE}"
    r"|(?:what(?:['’]s|\s+(?:is|was|were|are))\s+)?(?:the\s+|§'s\s+)?(?:main\s+)?"
    r"(?:reasons?\s+(?:for|of)\s+(?:the\s+|§'s\s+)?(?:visit|consultation|appointment|encounter)"
    r"|(?:chief|main|presenting)\s+(?:complaints?|concerns?))(?:\s+(?:of|for)\s+§)?"
    rf"){_END}",
    re.IGNORECASE,
)
_EXAM = r"(?:physical\s+)?exam(?:ination)?"
_LABS = r"(?:lab(?:oratory)?|blood)\s+(?:results?|tests?|values?|findings?|work)"
_WHOLE_RESULT = re.compile(
    rf"^what\s+(?:did|does|do)\s+(?:the\s+|§'s\s+)?(?:(?P<exam>{_EXAM})|labs|{_LABS})(?:\s+of\s+§)?"
    rf"\s+(?:show|reveal|find)(?:\s+on\s+§)?{_END}"
    r"|^(?:what(?:['’]s|\s+(?:are|were|is|was))\s+)?(?:the\s+|§'s\s+)?"
    rf"(?:(?P<findings>{_EXAM}\s+findings?)|{_LABS})(?:\s+(?:of|for|on)\s+§)?{_END}",
    re.IGNORECASE,
)
"""What all of an examination, or all tests, showed."""
_ARTICLES = re.compile(r"^(?:(?:an?|the|any|some|all|known|§'s|of)\s+)+", re.IGNORECASE)
_TAIL = re.compile(
    r"\s+(?:(?:at|during|in)\s+(?:their|the|this|that|§'s)\s+(?:(?:last|latest|recent)\s+)?"
    r"(?:visit|appointment|consultation)"
    r"|(?:in|according to|by)\s+(?:the|§'s)\s+notes?|at all|as well|too|yet|ever|recently|lately|before|previously"
    r"|in the past)$",
    re.IGNORECASE,
)
_NEVER = re.compile(r"\b(?:never|not|no longer)\b|n['’]t\b", re.IGNORECASE)
_SEVERAL_THINGS = re.compile(
    r"\b(?:and|or|but|who|which|that|because|if|when|while|than|before|again|anything|something|everything|anyone"
    r"|(?<!do )not|are|is|was|were|takes?|taking)\b|§",
    re.IGNORECASE,
)
_SMALL_WORDS = frozenset(
    "a an the of for in on at to by with from is are was were do does did has have had be been § §'s all any current "
    "currently known list there me what which please and also still now full complete every s this that notes "
    "note".split()
)
_WORD = re.compile(r"§|[^\W_]+(?:['’-][^\W_]+)*")
_DONE = frozenset("done performed undergone underwent carried out previous prior past earlier old".split())
"""What every procedure is."""
_LISTED = frozenset(
    [
        *(ThingKind.MEDICATION, ThingKind.ALLERGY, ThingKind.PROBLEM, ThingKind.PROCEDURE, ThingKind.VITAL),
        *(ThingKind.LABORATORY, ThingKind.IMAGING, ThingKind.PLAN, ThingKind.INSTRUCTIONS, ThingKind.HISTORY),
        *(
            ThingKind.IMMUNIZATION,
            ThingKind.SOCIAL,
            ThingKind.FAMILY,
            ThingKind.EXAMINATION,
            ThingKind.REASON_FOR_VISIT,
        ),
    ]
)
_PLURAL_ONLY = re.compile(
    r"\b(?:vitals|vital signs|labs|lab(?:oratory)? (?:values|results|tests)|diagnos[ei]s|problems|allerg\w+|"
    r"medications?|medicines?|meds|med list|med rec|problem list|drugs|prescriptions|"
    r"conditions|illnesses|diseases|procedures?|surger\w+|operations?|ops?|"
    r"pmhx?|(?:\w+ )?hx|"
    r"immuni\w+|vaccin\w+|shots|plans?|recommendations?|instructions|imaging|(?:\w+ )?history|reason|complaints?"
    r"|next steps?"
    r"|follow-?up|"
    r"comorbidities|disorders|examination|exam)\b",
    re.IGNORECASE,
)
"""What is listed as a whole: not "blood pressure" or "creatinine", which are one fact."""


def asked_shape(question: str, whom: Whom, kinds: tuple[ThingKind, ...]) -> AskedShape:
    """`question`: framed, and without its time."""
    text = _ASKING.sub("", question.strip()).strip()
    if (of_time := _of_time(text, kinds)) is not None:
        return of_time
    if (counted_or_listed := _of_people_or_times(text, whom)) is not None:
        return counted_or_listed
    if whom == "everyone":
        return AskedShape(None)
    if _NOT_BORNE.match(text):
        return AskedShape(AnswerShape.LIST, None, ThingKind.ALLERGY, kinds=(ThingKind.ALLERGY,))
    if (listed := asked_topic(text)) is not None and not _SEVERAL_THINGS.search(listed.purpose or ""):
        own = (ThingKind.PLAN,) if listed.topic is None else ()
        return AskedShape(AnswerShape.LIST, part=listed, kinds=own)
    if _YES_NO.match(text) or _RULED_OUT.match(text):
        return _yes_no(text, kinds)
    return _list_or_fact(text, kinds)


def _of_time(text: str, kinds: tuple[ThingKind, ...]) -> AskedShape | None:
    """A summary, a comparison or a trend."""
    small = text.lower()
    if _SUMMARY.match(text):
        return _with_rest(AnswerShape.SUMMARY, _SUMMARY, text)
    if any(cue in small for cue in _COMPARING) and _COMPARE.search(text):
        return _with_rest(AnswerShape.COMPARE, _COMPARE, text)
    if any(cue in small for cue in _TRENDING) and _TREND.search(text):
        return _with_rest(AnswerShape.TREND, _TREND, text)
    if not _MEASURED.isdisjoint(kinds) and _TREND_OF_VALUES.search(text):
        return _with_rest(AnswerShape.TREND, _TREND_OF_VALUES, text)
    return None


def _with_rest(shape: AnswerShape, pattern: re.Pattern[str], text: str) -> AskedShape:
    return AskedShape(shape, rest=_rest(without_kinds(pattern.sub(" ", text))))


def _of_people_or_times(text: str, whom: Whom) -> AskedShape | None:
    """Which patients, how many of them, or how many times."""
    of_people = whom in ("everyone", "open")
    several = people_question(text) if of_people else None
    if several is not None and (read := _of_several(several)) is not None:
        return read
    if (people := _COUNT_PEOPLE.match(text)) is not None:
        return _of_them(AnswerShape.COUNT, text[people.end() :])
    if (counted := asked_count(text)) is not None:
        visits = None if counted.what else ThingKind.WHOLE_VISIT
        rest = tuple(_SEVERAL_THINGS.findall(counted.what or ""))
        return AskedShape(AnswerShape.COUNT, counted.what, visits, rest)
    if _COUNT.match(text):
        return AskedShape(AnswerShape.COUNT, rest=_rest(text))
    if of_people and (who := _WHO.match(text)) is not None:
        return _of_them(AnswerShape.WHO, text[who.end() :])
    if of_people and (people := _BY_NOUN.match(text)) is not None:
        return AskedShape(AnswerShape.WHO, people["noun"], is_attribute=True)
    return None


def _of_several(question: PeopleQuestion) -> AskedShape | None:
    """What is asked of several patients; with words left over where one of its clauses is not understood."""
    shape = AnswerShape.COUNT if question.counts else AnswerShape.WHO
    said = clauses_of(without_again(question.asked)[0])
    read = [(_of_them(shape, clause), clause) for clause in said.clauses]
    if not read or not all(each.finding for each, _ in read):
        return None
    first, words = read[0]
    return replace(
        first,
        rest=tuple(word for each, _ in read for word in each.rest),
        also=tuple(_condition(each, clause) for each, clause in read[1:]),
        any_of=said.any_of,
        group=_group(question, said),
        kinds=asked_kinds(words),
    )


def _condition(read: AskedShape, clause: str) -> AskedCondition:
    kinds = asked_kinds(clause)
    kind = read.kind or (kinds[0] if kinds else None)
    return AskedCondition(read.finding or "", kind, read.negated, read.is_attribute)


def _group(question: PeopleQuestion, said: Clauses) -> AskedGroup:
    return AskedGroup(question.sex, said.ages or ANY_AGE)


def _of_them(shape: AnswerShape, text: str) -> AskedShape:
    text, _ = without_again(text.strip().rstrip("?.! "))
    found = _OF_THEM.match(text)
    if found is None:
        return _of_people(shape, text)
    negated = bool(
        found["no"] or found["deny"] or found["without"] or _NEVER.search(text, 0, found.start("finding"))
    )
    return _with_finding(shape, found, negated=negated)


def _of_people(shape: AnswerShape, text: str) -> AskedShape:
    asked = asked_of_people(text)
    if asked is None:
        return AskedShape(shape, rest=_rest(text))
    rest = tuple(_SEVERAL_THINGS.findall(asked.words)) or (
        () if asked.words[:1].isalnum() else (asked.words,)
    )
    return AskedShape(shape, _TAIL.sub("", asked.words), None, rest, asked.negated, asked.is_attribute)


def _yes_no(text: str, kinds: tuple[ThingKind, ...]) -> AskedShape:
    if (listed := _whole_kind(text, kinds)) is not None and re.match(
        r"(?:does|do|has|have|any|are)\b", text, re.IGNORECASE
    ):
        return listed
    if (found := _RULED_OUT.match(text)) is not None:
        return _with_finding(AnswerShape.YES_NO, found)
    found = _OF_SUBJECT.match(text)
    if found is not None:
        return _with_finding(
            AnswerShape.YES_NO, found, negated=bool(found["no"] or found["deny"] or found["without"])
        )
    if (shown := _SHOWN_BY.match(text)) is not None:
        finding = f"{_ARTICLES.sub('', shown['finding'])} on the {shown['test']}"
        return AskedShape(AnswerShape.YES_NO, finding, None, tuple(_SEVERAL_THINGS.findall(finding)))
    found = _HAS_SUBJECT.match(text) or _IS_THERE.match(text)
    if found is not None:
        return _with_finding(AnswerShape.YES_NO, found)
    return AskedShape(AnswerShape.YES_NO, rest=_rest(text))


def _with_finding(shape: AnswerShape, found: re.Match[str], *, negated: bool = False) -> AskedShape:
    parts = found.groupdict()
    kind = ThingKind.MEDICATION if parts.get("take") else ThingKind.ALLERGY if parts.get("allergic") else None
    finding = _TAIL.sub("", _ARTICLES.sub("", _OWN_TEST.sub("the ", found["finding"].strip())))
    if (allergy := _ALLERGY_TO.match(finding) or _OF_ALLERGY.match(finding)) is not None:
        kind, finding = ThingKind.ALLERGY, _ARTICLES.sub("", allergy["finding"])
    if shape in (AnswerShape.WHO, AnswerShape.COUNT):
        finding = finding.replace("§'s", "their")
    if kind is ThingKind.ALLERGY:
        finding = _DRUGS.sub("", finding)
    rest = tuple(_SEVERAL_THINGS.findall(finding))
    return AskedShape(shape, finding or None, kind, rest, negated)


def _list_or_fact(text: str, kinds: tuple[ThingKind, ...]) -> AskedShape:
    if (shown := _ON_ONE_TEST.match(text)) is not None:
        finding = _ARTICLES.sub("", shown["finding"])
        return AskedShape(AnswerShape.YES_NO, finding, None, tuple(_SEVERAL_THINGS.findall(finding)))
    if (part := asked_part(text)) is not None and not _SEVERAL_THINGS.search(part[1].purpose or ""):
        return AskedShape(AnswerShape.LIST, None, part[0], part=part[1])
    if _REASON_FOR_VISIT.match(text):
        return AskedShape(AnswerShape.LIST, None, ThingKind.REASON_FOR_VISIT)
    if (whole := _WHOLE_RESULT.match(text)) is not None:
        of_exam = whole["exam"] or whole["findings"]
        return AskedShape(AnswerShape.LIST, None, ThingKind.EXAMINATION if of_exam else ThingKind.LABORATORY)
    if _FAMILY_ILLS.match(text):
        return AskedShape(AnswerShape.LIST, None, ThingKind.FAMILY)
    if (listed := _by_verb(text)) is not None:
        return listed
    if (listed := _whole_kind(text, kinds)) is not None:
        return listed
    if re.match(r"(?:list|show|name|give)\b", text, re.IGNORECASE):
        return AskedShape(AnswerShape.LIST, rest=_rest(without_kinds(text)))
    rest = _rest(without_kinds(text))
    measured = kinds and kinds[0] in _MEASURED and len(kinds) == 1 and not rest
    value = _WHAT_VALUE.match(text) if measured else None
    return AskedShape(
        AnswerShape.FACT if _FACT.match(text) else None, value["finding"] if value else None, rest=rest
    )


def _by_verb(text: str) -> AskedShape | None:
    """ "What does § take?", "What is § allergic to?", "Which medications has § had?"."""
    if (every := _EVERYTHING.match(text)) is not None:
        return AskedShape(
            AnswerShape.LIST, None, ThingKind.ALLERGY if every["allergic"] else ThingKind.MEDICATION
        )
    if _DIAGNOSED.match(text):
        return AskedShape(AnswerShape.LIST, None, ThingKind.PROBLEM)
    found = _LIST_VERB.match(text)
    if found is None:
        return None
    verb = (found["verb"] or "").lower()
    kind = (
        ThingKind.ALLERGY
        if verb == "allergic to"
        else ThingKind.MEDICATION
        if verb in ("on", "taking", "take", "takes", "prescribed", "using", "to take", "started on")
        else None
    )
    what, more = without_kinds(found["what"]), without_kinds(found["more"])
    named = found["what"].strip() != ""
    if kind is None and not (named and _PLURAL_ONLY.search(found["what"])):
        return None
    if verb in ("on", "using", "started on", "prescribed", "given") and not named and more.strip():
        return None
    done = any(PATTERNS[kind].search(found["what"]) for kind in (ThingKind.IMMUNIZATION, ThingKind.PROCEDURE))
    narrowed = verb if verb in ("started on", "prescribed", "given") and not done else ""
    return AskedShape(AnswerShape.LIST, None, kind, _rest(f"{what} {narrowed} {more}"))


def _whole_kind(text: str, kinds: tuple[ThingKind, ...]) -> AskedShape | None:
    """ "What are §'s allergies?", "Medications of §?", "Does § have allergies?": a kind, and nothing else."""
    if len(kinds) != 1 or kinds[0] not in _LISTED or not _PLURAL_ONLY.search(text):
        return None
    found = _LIST_NOUN.match(text) or _BARE.match(text)
    rest = _rest(without_kinds(found["what"] if found else text))
    if kinds[0] is ThingKind.PROCEDURE:
        rest = tuple(word for word in rest if word.lower() not in _DONE)
    return None if rest else AskedShape(AnswerShape.LIST, None, kinds[0])


def names_a_list(text: str) -> bool:
    """Whether a question names what is listed as a whole: "vitals", "labs", "medications"."""
    return _PLURAL_ONLY.search(text) is not None


def meaning_words(text: str) -> tuple[str, ...]:
    """The words of a question that ask for something: neither "please" nor "is there"."""
    return _rest(_ASKING.sub("", text.strip()))


def _rest(text: str) -> tuple[str, ...]:
    return tuple(word for word in _WORD.findall(text) if word.lower() not in _SMALL_WORDS)
