"""Whether a sentence says a finding of someone else than the patient: a relative, a stranger, another chart.

Decides by who is named before the finding and what they are said to do, by whom it is for, and by a pronoun that cannot
be the patient's: "her husband is here; he has gout". `statements.facts` reads the plain cases, for verification as
well; here stands what only withholds. Refuses to know the patient: no name is compared.
"""

from __future__ import annotations

import re

_MALE = (
    r"(?:(?:step|grand|great-?|half-?|god)*-?(?:father|son|brother|dad|grandpa)|husband|uncle|nephew|boyfriend|papa"
    r"|ex-?husband)(?:s?-in-law)?"
)
_FEMALE = (
    r"(?:(?:step|grand|great-?|half-?|god)*-?(?:mother|daughter|sister|mom|mum|grandma)|wife|aunt|niece"
    r"|girlfriend|mama"
    r"|ex-?wife)(?:s?-in-law)?"
)
_EITHER = (
    r"(?:spouse|(?:domestic |life )?partner|ex|fianc[ée]e?|cousin|sibling|in-laws?|(?:identical |fraternal |co-?)?twin"
    r"|(?:co-?|room|flat|house|class|bed|team)-?(?:mate|worker)|colleague|boss|neighbou?r|friend|caregiver"
    r"|caretaker|carer"
    r"|donor|guardian|landlord|babysitter|nanny|visitor|relative|(?:foster |birth |step)?parent|pet|dog|cat)"
)
PERSON = rf"(?:{_MALE}|{_FEMALE}|{_EITHER})"
_NEIGHBOUR = (
    r"(?:(?:next|neighbou?ring|adjacent|adjoining|opposite|other) (?:bed|room|bay|cubicle|stall|door)"
    r"|bed (?:next|opposite|beside)|across the (?:hall|room|ward)"
    r"|(?:another|other|different|wrong|source|index) (?:patient|person|case)s?)"
)
_DOES = (
    r"(?:uses?|used|using|takes?|took|taking|needs?|receives?|received|gets?|got|underwent|wears?|on|has|had|have|with"
    r"|suffers?|suffered|developed|caught|contracted|is|was|are|were|died|smokes?|smoked|drinks?|carries|tested"
    r"|lives with|lived with|recently|started|stopped|diagnosed|treated|allergic)"
)
_PATIENT = re.compile(
    r"\b(?:he|she|him|pt|patient|they|them|himself|herself|i|we|mr|mrs|ms)\b", re.IGNORECASE
)
_SUBJECT = re.compile(
    rf"\b(?<!-){PERSON}s?\b(?![-'’]s?)(?P<who>, who [^,;]*,|,? (?:who|that))?"
    r"(?:[ \t]+(?:also|still|now|currently|once|only|both|recently|just|reportedly|apparently))*"
    rf"[ \t]+{_DOES}\b(?P<rest>[^;]*)\Z",
    re.IGNORECASE,
)
_LED_BY = re.compile(
    r"(?:\A|\s)(?:(?:her|his|their|the|a|an|my|one|patient['’]s|pt['’]s)[ \t]+)?(?:(?:older|younger|elder|late|oldest"
    r"|youngest|maternal|paternal|own|former|deceased|first|twin|best)[ \t]+)*\Z",
    re.IGNORECASE,
)
LED_BY_CHARACTERS = 60
_WITH_THEM = re.compile(
    r"\b(?:with|by|from|to|per|via|and|for|of|that|told|unlike|like)\Z",
    re.IGNORECASE,
)
_OWNER = re.compile(
    rf"(?P<since>\b(?:since|after|because of|due to|following|by|with|per|at|over|about|from|to|given) )?"
    rf"(?:\b(?:her|his|their|the|my|patient['’]s) )?(?:\w+ )?\b{PERSON}s?['’]s?[ \t]+"
    r"(?!(?:death|house|home|wedding|funeral|passing|illness|birth|report|account|recollection|request|concerns?"
    r"|insurance|arrival|help|support|side)\b)(?P<rest>[^;,]*)\Z",
    re.IGNORECASE,
)
_LABELLED = re.compile(
    rf"(?:^|[.;(] ?)\W*(?:{PERSON})s?(?:['’]s? [\w ]{{2,40}})?(?: \([^)]*\))?\s*:[^;]*\Z", re.IGNORECASE
)
_HERSELF = re.compile(rf"\b{PERSON}\b[^.;]*\b(?:he|she) (?:himself|herself)\b[^.;]*\Z", re.IGNORECASE)
_FOR_THEM = re.compile(
    rf"\A[^.;,:]{{0,40}}?\b(?:for|in|belong(?:s|ed|ing) to|prescribed (?:to|for)|given to) "
    rf"(?:(?:her|his|their|the|a|an|my|patient['’]s|pt['’]s) )?(?:(?:\w+) )?{PERSON}s?\b(?!['’-])\W*(?:\Z|[.;,(])",
    re.IGNORECASE,
)
_THEIRS = re.compile(
    rf"\A[^.;,]{{0,30}}?\b(?:is|are|was|were) (?:her|his|their|the|a) (?:\w+ )?{PERSON}s?['’]", re.IGNORECASE
)
_NEAR_PATIENT = re.compile(
    r"\b(?:with|by|of|for|loss|death|care|caring|cares)\b[^.;]*\Z",
    re.IGNORECASE,
)
_IN_THE_NEXT_BED = re.compile(
    rf"\b{_NEIGHBOUR}\b(?! (?:told|asked|pushed|hit|who (?:hit|pushed)))[^.;]*\Z", re.IGNORECASE
)
_OF_ANOTHER_CHART = re.compile(
    r"\b(?:by mistake|mis-?fil\w+|mis-?directed|erroneously (?:filed|received|entered|placed|scanned)"
    r"|wrong (?:patient|chart|record)"
    r"|(?:filed|scanned|placed|sent|received|uploaded|routed) (?:to us |here )?in error"
    r"|(?:copied|pasted|taken|imported|carried)(?: over| forward)? from (?:the )?(?:chart|record|note|file)s? of"
    r"|(?:chart|record|note|file|results?|labs?|report|letter)s? (?:of|belong(?:s|ing) to|for|meant for|intended for)"
    r" (?:another|a different|the other|some other)"
    r"|(?:belong(?:s|ing)?|meant|intended) (?:to|for) (?:another|a different|the other))\b",
    re.IGNORECASE,
)
_IN_THE_FAMILY = re.compile(
    r"\A(?:(?!\b(?:but|however|although|she|he|they|has|have|had|denies|because|due|since|after|death"
    r"|stress|support)\b)[^.;])*?"
    r"\b(?:in|on|throughout|within) (?:(?:her|his|their|the|both|either|mother['’]s|father['’]s|maternal"
    r"|paternal|immediate"
    r"|extended|side|sides?|of) ){0,5}family\b(?! (?:doctor|physician|practice|medicine|room|meeting))",
    re.IGNORECASE,
)
"""Behind it: "cancer, hypertension, and depression in her family"."""
_SAID_APART = re.compile(
    r",\s*(?:although|though|while|because|since|who|whom|age[sd]?|now)\b[^,;]{0,60},", re.IGNORECASE
)
"""Between a relative and what is said of that one: "His brother, although he is thin, has gout"."""
_BOTH_WITH = re.compile(
    rf"\b{PERSON}s\b(?:[^.;]{{0,40}},)?\s+(?:(?:both|all|one|two|each)\s+(?:of\s+(?:whom|them)\s+)?)?(?:with"
    rf"|have|had|has)\s[^.;]*\Z",
    re.IGNORECASE,
)
_PRONOUN = re.compile(r"\b(he|she)\b", re.IGNORECASE)
_OPENING = re.compile(r"\W*(he|she)\b", re.IGNORECASE)
_HER_MAN = re.compile(rf"\b(?:her (?:[\w-]+ )?{_MALE}|(?:ex-?)?husband|boyfriend)\b", re.IGNORECASE)
_HIS_WOMAN = re.compile(rf"\b(?:his (?:[\w-]+ )?{_FEMALE}|(?:ex-?)?wife|girlfriend)\b", re.IGNORECASE)
_ANY = re.compile(
    r"\b(?:husband|wife|wives|spouse|partner|domestic|life|father|mother|brother|sister|uncle|aunt|nephew|niece|cousin"
    r"|sibling|in-law|identical|fraternal|twin|co-?(?:twin|work|mate)|room|flat|house|class|bed|team|work"
    r"|colleague|boss"
    r"|neighb|friend|caregiver|caretaker|carer|donor|guardian|landlord|babysit|nanny|visitor|relative"
    r"|parent|foster|birth"
    r"|ex\b|ex-|fianc|son|daughter|mom|dad|mum|mama|papa|girlfriend|boyfriend|grand|great|step|half|god"
    r"|dogs?\b|cats?\b"
    r"|pets?\b|next|adjoin|adjacent|opposite|across|another|other|differ|wrong|mistake|mis-?(?:fil|direct)|erron|error"
    r"|copied|pasted|imported|carried|taken|by mistake|family|families|source|index)"
)
"""Looked for first: mostly nothing is found."""
PRONOUN_SENTENCES_MAX = 4
"""Sentences before one that begins with "he" or "she" in which a relative is looked for."""


def names_another(title: str) -> bool:
    """Whether a heading names whose it is: "Husband's medications"."""
    return _TITLE.match(title) is not None


_TITLE = re.compile(rf"\W*(?:{PERSON})s?(?:['’]s?\b|\W*\Z)", re.IGNORECASE)


def is_of_another(sentence: str, start: int, end: int) -> bool:
    """Whether `sentence` says the finding at `[start, end)` of someone else."""
    if _ANY.search(sentence.lower()) is None:
        return False
    before, after = _SAID_APART.sub("", sentence[:start]), sentence[end:]
    return (
        _OF_ANOTHER_CHART.search(sentence) is not None
        or _IN_THE_NEXT_BED.search(before) is not None
        or _LABELLED.search(before) is not None
        or ("self" in before and _HERSELF.search(before) is not None)
        or _is_had(before)
        or _is_owned(before)
        or (_FOR_THEM.match(after) is not None and _NEAR_PATIENT.search(before) is None)
        or _THEIRS.match(after) is not None
        or _IN_THE_FAMILY.match(after) is not None
        or _are_several(before)
        or _is_his_or_hers(before)
    )


def _is_had(before: str) -> bool:
    """Whether the last person named before it has, takes or is it: "his uncle uses infliximab"."""
    for match in _SUBJECT.finditer(before):
        if _PATIENT.search(match["rest"]) is None and (match["who"] or not _is_led(before, match.start())):
            return True
    return False


def _are_several(before: str) -> bool:
    """ "She has two daughters, both with asthma"."""
    found = _BOTH_WITH.search(before)
    return found is not None and _PATIENT.search(found.group()) is None and not _is_led(before, found.start())


def _is_led(before: str, start: int) -> bool:
    """Whether the person at `start` is with the patient, or told by: "lives with her sister"."""
    near = before[max(0, start - LED_BY_CHARACTERS) : start]
    own = _LED_BY.search(near)
    return own is not None and _WITH_THEM.search(near[: own.start()]) is not None


def _is_owned(before: str) -> bool:
    match = _OWNER.search(before) if "'" in before or "’" in before else None
    return match is not None and match["since"] is None and _PATIENT.search(match["rest"]) is None


def _is_his_or_hers(before: str) -> bool:
    """Whether the pronoun before it is of the other sex than the patient, whose relative is named first."""
    said = list(_PRONOUN.finditer(before))
    if not said:
        return False
    earlier = before[: said[-1].start()]
    return (_HER_MAN if said[-1][1].lower() == "he" else _HIS_WOMAN).search(earlier) is not None


def opens_with_pronoun(sentence: str) -> str:
    """The pronoun that a sentence begins with, in small letters; "" where there is none."""
    match = _OPENING.match(sentence)
    return match[1].lower() if match else ""


def goes_on(sentence: str, before: str) -> bool:
    """Whether "He also had gout." is of the relative that the sentence before it is of: "His father has died."."""
    also = _ALSO.match(sentence)
    return also is not None and _OPENS[also[1].lower()].match(before) is not None


_ALSO = re.compile(r"\W*(he|she) also\b", re.IGNORECASE)
_OPENS = {
    pronoun: re.compile(rf"\W*(?:(?:his|her|the patient['’]s|the) )?{person}\b(?!['’])", re.IGNORECASE)
    for pronoun, person in (("he", _MALE), ("she", _FEMALE))
}


def brings_in(sentence: str, pronoun: str) -> bool:
    """Whether a sentence names a relative who is that "he" or "she", as the patient cannot be: "Her husband came."."""
    return (_HER_MAN if pronoun == "he" else _HIS_WOMAN).search(sentence) is not None
