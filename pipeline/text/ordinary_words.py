"""Which words are no one's name, and which ordinary words are a person's too.

Decides by two lists whether a capital may be that of a name. An ordinary word is one that clinical notes write small
and that stands in no register of names: "Infection", "Undergoing", "With". "Brown", "Long" and "Grace" are names as
well, so that they are in the other list and never in the first. A word of neither list is unknown: it may be a name.
English only. Refuses to know who is named; `patient_names` does.
"""

from __future__ import annotations

import re
from functools import lru_cache
from importlib.resources import files

NAMES_TOO = frozenset(
    """
    ahmed amber angle april aria art august autumn bacon baker ball banks beach bean beard beautiful beauty bee
    beloved berry best bill bird bishop black bland blessing block blood blue bone boston branch brand bright
    brilliant brook brooks brothers brown bud burns burr bush cadence camp candy carpenter carter case cash
    chambers champagne champion chance charity chase cheek cherry chin clever combs comfort confidence constance
    cook cooper cope cotton courage crane crook cross crystal daisy dale darling dawn day deal dean decent
    delight desire destiny diamond do drake drew driver duke dye earl east echo essence everjoy excellent fair
    faith faithful farmer favor favour fern field fields finch fish fisher flint flood foley forest forgive
    forgiveness fortunate fortune foster fox frank french friday friend frost gamble gay gene genesis gentle
    genuine gift gill gladness glass glen glory goldman good goodness goodwill gout grace graceful gracious
    grant gray green gross guy hammer hand handsome happiness harden hardlife harmony hatch hawk hay hazel head
    heart heath heather heaven herb hill holly honest honesty honor honour hood hope hopeful horn house hunt
    hunter independence innocent iris ivy jackson jasmine jean journey joy joyful june justice kessler key king
    kit knight knowledge lady lake lamb lancaster lance law leach lean learnmore legend lemon liberty light lily
    little lively long love lovely loyalty luck lucky major man march mark marks marsh marvellous marvelous
    mason may melody memory mercy messiah miles miller minor miracle misery monday moon moss nail ned nick noble
    nomatter north obedience ocean olive pace pack page pain painter palmer parish parker parks passion pat
    patience peace peaceful pearl peg pierce piper polite pool poppy porter potter praise prayer precious pretty
    price pride priest prince princess privilege promise prosper prudence purity queen quick rain ray reed reign
    rejoice reward rice rich righteous river rivers rob robinson rock rod rose royal ruby rush russell sage
    saint salvation savage scarlet seal serenity sharp shaver shepherd short silence silver sincere singer sky
    small smart smith snow son sorrow south spring star stone storm story strange street strong sue summer
    sunday sunny surprise swan sweet swift talent tanner taylor thankful tolerance treasure trinity
    triumph trust truth trymore unity urban valentine van vera victory violet virtue walker ward wealth weaver
    weeks welcome west white will willow wing winner winnie winter wisdom wise wish witness wolf wonder
    wonderful wood woods worry worship yearning young
    """.split()
)
"""First names and surnames that notes write small as well: a note with "brown stool" says nothing of Sophia Brown."""

_RARELY_A_NAME = frozenset(
    """
    able age american among are area areas as asks author basic been began below better body both breath bring
    broad brought bumps cancer care cases center central certain check common convey cord cough counter course
    current daily date days delay doing dose double during each every factor feeling felt filter finger first
    flow folds form found freely from gain general getting given glasses going grade grow gums heal hearing high
    human infant keep kidney kinds knee knows labs lack large larger later layer left level levels life limb
    lips living look loss made males manner marrow mass meals mean means medicine members milder morning narrow
    necessary needle needles needs never nose notice number older oral organ other overall parents part parts
    patches patient people person persons plan pulse pump rash reason reasons records reveal right risk runny safe
    scale school second section seven severe shape shoulder shows sides signs simple single sister smaller smoke
    smoker space spine sports stable stage stairs standard standing start state states stay stem strain strength
    study surface surgeon takes talk tear test the times tobacco tone tongue topic touch trunk unknown unnamed
    valid valves vein vessel vessels walk walking warmer wearing weight went were while women works worst yellow
    """.split()
)
"""Ordinary words that few people in the registers have: no name of other ordinary words, but the end of another."""
_ENDED_MIN = 8
_OF_MEDICINE = re.compile(
    r"(?:olog(?:y|ies)|path(?:y|ies)|(?:ec|o)tom(?:y|ies)|graph(?:y|ies)|plast(?:y|ies)|scop(?:y|ies)|otypes?|markers?"
    r"|gnostic|iasis|carcinomas?)$"
)
"""Endings of long words that no surname and no first name of those registers has."""


def is_ordinary(word: str) -> bool:
    """Whether a word, written in any case, is no one's name, or so rarely that it makes no name of ordinary words."""
    return is_no_name(word) or word.lower() in _RARELY_A_NAME


@lru_cache(maxsize=16_384)
def is_no_name(word: str) -> bool:
    """Whether no one in the registers has it: then a name goes on without it. Not so "Center": Ms. Linda Center is
    not Ms. Linda."""
    folded = word.lower()
    return folded in _ordinary() or (len(folded) >= _ENDED_MIN and bool(_OF_MEDICINE.search(folded)))


@lru_cache(maxsize=1)
def _ordinary() -> frozenset[str]:
    """The list; how it was made: words/ATTRIBUTION.md."""
    return frozenset(files("pipeline.text").joinpath("words/ordinary.txt").read_text("ascii").split())
