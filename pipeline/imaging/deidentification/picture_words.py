"""Which sentences of a model's text about a picture may be shown: those that name no one and repeat nothing written in
the picture.

Decides sentence by sentence, because half of one may say the opposite. A model writes prose: words that radiology and
notes write small stay in small letters although someone is called so ("the upper lobe", "white"); a capital inside a
sentence is held to what names no one, and a sentence that speaks of a name, a text, an id or a birth goes whole.
English only. Refuses to know which model wrote it, and whether it is true.
"""

from __future__ import annotations

import re

from pipeline.imaging.deidentification.free_text import judged_words
from pipeline.imaging.deidentification.identifiers import Identifiers
from pipeline.text.characters import misleads
from pipeline.text.ordinary_words import is_ordinary
from pipeline.text.sentences import sentence_spans

_SAYS_WHO = re.compile(
    r"\b(?:nam(?:e|es|ed|ing)|surnames?|call(?:ed|s)|label(?:s|l?ed)?|texts?|written|writ(?:es?|ing)|letter(?:s|ing)?"
    r"|words?|inscri\w+|initials?|identif(?:ier|ication)s?|ids?|mrn|dob|born|birth\w*|accession|hospital|clinic|institution\w*"
    r"|doctors?|dr|mr|mrs|ms|miss|physician|stamp(?:s|ed)?|annotat\w+|dated?|tags?|captions?|https?|www)\b",
    re.IGNORECASE,
)
_SMALL = frozenset(
    """
    a about above across aerated all along also although alveolar an and angle angles another any are around as at
    away axillary back base be because been being below best better between black blunt blunted blunting border both
    bottom bright bronchogram bronchograms but by calcified can canal carina case cases catheter center centre chest
    clear clip clips close cm common compared corner could cuff dark deep degree dense densities density displaced
    displacing down due each ectasia edge edges either else end ends even every fairly few field fields film fine flat
    floor for from glass good gray grey had hand has have he head heart hemidiaphragm hemidiaphragms her here hiatal
    hilar hilum him his hole how hyperexpanded i if in inner into is it its itself just large last least left less
    light like likely line linear lines lobe lobes long look loop loops lower main major male many mass matter may me
    middle minor mm more most much my near neither no nor normal not of off on one only onto opacities or other our
    out outer outline over overall pacer per picture place plain plane pneumothoraces point points possible prior
    rather red redemonstrated right rim ring root round same see seem seems seen several shape sharp she shift shifted
    short should show side sides slight small so solid some stent still straight such suture sutures than that the
    their them then there there's these they this thoracentesis those though three through tip to top toward towards
    tubes two under unlike until up upper us very via view views wall was way we well were what when where whether
    which while white whole whose wide will wire wires with within without would yet you zone zones
    """.split()
)
"""Words of prose about pictures that some people are called as well, and those that nothing is said without."""
_OPENS = frozenset(
    """
    a all although an and another any are as at because both but by can compared due each either every few for from
    here how however i if in it its many most near neither no nor not of on one only or other our over overall some
    still such that the their then there there's these they this those though three through to two under we what when
    where while with within without you
    """.split()
)
"""With a capital, where a sentence begins."""
_OF_ANATOMY = re.compile(
    r"[a-z]{5,}(?:al|ar|ic|ous|oid|sis|ense|itis|omas?|opsy|graphs?|iform|it(?:y|ies)|ive|ations?|ments?|phrenic|pathy)"
)
"""Long words in small letters with an ending that hardly any name has."""
_LONG = 9
_CAPITALISED = re.compile(r"[^\W\d_a-z][a-z]{2}")
"""As a name is written, and not "X" or "T2"."""
_MARKUP = re.compile(r"^[\s#>*•-]+|\*+|`+", re.MULTILINE)
_NO_ONE = Identifiers()


def keep_harmless_sentences(text: str) -> tuple[str, int]:
    """The sentences that may be shown, in one paragraph, and how many may not."""
    plain = "\n".join(_MARKUP.sub("", line).strip() for line in text.splitlines())
    sentences = [" ".join(plain[start:end].split()) for start, end in sentence_spans(plain)]
    kept = [sentence for sentence in sentences if _is_harmless(sentence)]
    return " ".join(kept), len(sentences) - len(kept)


def _is_harmless(sentence: str) -> bool:
    if misleads(sentence, "") or _SAYS_WHO.search(sentence):
        return False
    return all(
        _stays(piece.group(), harmless, opens=not re.search(r"\w", sentence[: piece.start()]))
        for piece, harmless in judged_words(sentence, _NO_ONE)
    )


def _stays(word: str, harmless: bool, *, opens: bool) -> bool:
    """`harmless`: by the lists of descriptions. They have terms that some people are called, too: with a capital inside
    a sentence "Hand" is no part of the body."""
    if not opens and _CAPITALISED.match(word) and not is_ordinary(word):
        return False
    return harmless or _is_prose(word, opens=opens)


def _is_prose(word: str, *, opens: bool) -> bool:
    """Whether a word that no list of harmless ones has is one of a sentence's own, as it is written there."""
    if word.islower():
        return word in _SMALL or (len(word) >= _LONG and _OF_ANATOMY.fullmatch(word) is not None)
    return opens and word.lower() in _OPENS
