"""What notes say of a patient's person and life, and in which words: age, insurance, schooling, smoking, work, home.

Decides by lists that a person can read which question asks for one, and which sentence has one: "Patient currently has
Medicare" says an insurance without that word. A denial is a value here ("has never smoked"), advice is none. Refuses to
know whose it is (`structure.assertion`) and what it should be.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from types import MappingProxyType

_FIGURE_OF_AGE = (
    r"\b(?:\d{1,3}|(?:twenty|thirty|forty|fifty|sixty|seventy|eighty|ninety)(?:[- ]\w+)?)[\s-]*"
    r"(?:years?|yrs?|months?|weeks?|days?|y)[\s/.-]*(?:old|o\b|of age)|\baged? (?:of )?\d{1,3}\b|\bage: ?\d{1,3}\b"
)
_INSURERS = (
    r"insur\w+|uninsured|insured|health plan|payers?|payors?|coverage (?:is|by|through|with)|self[- ]pay"
    r"|private pay|dual[- ]eligible"
    r"|medicare|medicaid|tricare|medi-cal|aetna|anthem|blue ?cross|blue ?shield|bcbs|cigna|humana|united ?health\w*"
    r"|kaiser|molina|centene|wellcare|highmark|ambetter|amerigroup|health ?net|oscar health|bupa|axa|nhs"
    r"|workers['’]? comp\w*"
    r"|veterans? (?:affairs|benefits)"
)


@dataclass(frozen=True, slots=True)
class PersonalFact:
    """One kind of thing that is true of a person at a time."""

    name: str
    asked: re.Pattern[str]
    """Words of a question for it."""
    said: re.Pattern[str]
    """Words of a sentence that says it."""
    unless: re.Pattern[str] | None = None
    """Words next to which a sentence says something else: "patient education", "counseled on smoking"."""


def _fact(name: str, asked: str, said: str, unless: str = "") -> PersonalFact:
    return PersonalFact(
        name,
        re.compile(rf"\b(?:{asked})\b", re.IGNORECASE),
        re.compile(said if name == "age" else rf"\b(?:{said})\b", re.IGNORECASE),
        re.compile(rf"\b(?:{unless})\b", re.IGNORECASE) if unless else None,
    )


_ADVICE = (
    r"counsel\w*|cessation|encourag\w+|advis\w+|recommend\w*|discuss\w*|should|resources"
    r"|nicotine (?:patch|gum|replacement)\w*"
)
PERSONAL_FACTS = MappingProxyType(
    {
        each.name: each
        for each in (
            _fact(
                "age",
                r"ages?|how old|older|younger",
                _FIGURE_OF_AGE,
                r"at (?:the )?age|when (?:he|she) was|since (?:the )?age",
            ),
            _fact(
                "insurance",
                r"(?:health |medical )?insur(?:ances?|ers?|ed)(?: (?:plans?|company|companies|coverage"
                r"|providers?|status|carriers?))?"
                r"|health plans?|payers?|payors?|insurance coverage|covered by",
                _INSURERS,
            ),
            _fact(
                "education",
                r"(?:level of |highest )?education(?:al)?(?: (?:level|background|attainment|status))?|schooling"
                r"|how far (?:did|has) § (?:get|got|go|gone) (?:at|in|with) school|highest (?:degree|grade)|degrees?",
                r"school|college|university|degree|graduat\w+|diploma|ged|education|bachelor\w*|master['’]?s|doctorate"
                r"|(?:\d+(?:th|st|nd|rd)|first|\w+th) grade|schooling",
                r"patient education|counsel\w*|educat(?:ed|ion) (?:on|about|regarding|provided|given)|health education",
            ),
            _fact(
                "smoking",
                r"smok(?:es?|ed|ing|ers?)(?: (?:status|history|habits?|behaviou?r))?|tobacco(?: (?:use|status"
                r"|history))?|cigarettes?"
                r"|packs?(?: (?:a|per) day)?",
                r"smok\w+|tobacco|cigarettes?|packs? (?:a|per) day|pack[- ]years?|quit (?:approximately|about"
                r"|around|over|in|at|since|\d+)|vap(?:es|ed|ing)|nicotine",
                _ADVICE,
            ),
            _fact(
                "alcohol",
                r"alcohol(?: (?:use|intake|consumption|status|history|habits?))?|drinking(?: (?:habits?"
                r"|status))?|etoh(?: use)?"
                r"|drinks?",
                r"alcohol\w*|drink(?:s|ing|er)?|drank|etoh|beers?|wine|liquor|sober|sobriety",
                _ADVICE + r"|(?:energy|soft|sports) drinks?|fluids|water",
            ),
            _fact(
                "marital status",
                r"marital status|marriage|married|relationship status|civil status",
                r"married|single|divorced|widow(?:ed|er)?|separated|engaged|unmarried|domestic partner\w*",
                r"single (?:view|dose|episode|agent|lesion|digit|leg|lumen|chamber|vessel)",
            ),
            _fact(
                "occupation",
                r"occupations?|jobs?|profession|employment(?: status)?|for a living|work as|employed|employer",
                r"works? (?:as|at|for|in|full|part|from)|working (?:as|at|for|full|part)|worked (?:as|at|for"
                r"|in)|employ(?:ed|ment|er)"
                r"|unemployed|retired|occupation|jobs?|on disability|homemaker|student|self-employed",
            ),
            _fact(
                "living situation",
                r"living (?:situation|arrangements?|conditions?)|housing(?: (?:situation|status))?|home situation",
                r"lives?|living (?:with|alone|in|at|independently)|resides?|homeless\w*|nursing home"
                r"|assisted living|apartment"
                r"|housing",
                r"live (?:births?|vaccines?)|quality of life|vaccine",
            ),
            _fact(
                "socioeconomic background",
                r"socio-?economic (?:background|status|class)|economic background|social class",
                r"socio-?economic|low[- ]income|middle[- ]class|poverty",
            ),
        )
    }
)


def asked_personal_fact(question: str) -> PersonalFact | None:
    """The one that a question's words name; None where it names none or several. `question`: framed ("§")."""
    found = [fact for fact in PERSONAL_FACTS.values() if fact.asked.search(question)]
    return found[0] if len(found) == 1 else None
