"""What kind of document a library document is: guideline, protocol, letter, leaflet, report, article or form.

Decides by cues that a person can read and lengthen: words of the title, which weigh most, and what the first pages of
each kind are full of. English, German, French, Spanish and Portuguese. Where two kinds come as near as each other, or
none has cues, it says nothing. Refuses to know what is written in the document beyond that.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal, TypeAlias

DocumentType: TypeAlias = Literal["guideline", "protocol", "letter", "leaflet", "report", "article", "form"]

_TITLES: dict[DocumentType, str] = {
    "guideline": r"guidelines?|guidance|recommendations?|consensus statement|position statement|guide to|leitlinien?|"
    r"empfehlung(?:en)?|recommandations?|guías?(?: de práctica)?|diretriz(?:es)?|recomendaç(?:ão|ões)|recomendaciones",
    "protocol": r"protocols?|standard operating procedures?|sops?|procedures?|(?:clinical|care|treatment) pathways?|"
    r"protokoll|verfahrensanweisung|arbeitsanweisung|protocole|procédure|protocolos?|procedimientos?|"
    r"procedimentos?|pop",
    "letter": r"letter to|open letter|referral letter|clinic letter|arztbrief|entlassbrief|lettre|courrier|carta",
    "leaflet": r"patient information|information for (?:patients|parents|carers|families)|information leaflet|leaflet|"
    r"patient education|your guide to|what (?:i|you) need to know|fact ?sheet|factsheet|patienteninformation|"
    r"merkblatt|aufklärungsbogen|information patients?|notice d'information|informa(?:ção|ções) (?:ao|para o) paciente|"
    r"información para (?:el )?pacientes?|folheto|folleto",
    "report": r"(?:annual|audit|incident|progress|final|radiology|pathology|operative|surveillance|case) reports?|"
    r"reporting year|report of|report on|discharge summary|befundbericht|befund|jahresbericht|bericht|"
    r"rapport|compte rendu|informe|relatório|laudo",
    "article": r"randomi[sz]ed|systematic review|meta-analysis|cohort study|case series|original article|a review of",
    "form": r"forms?|questionnaire|checklist|application for|consent form|formular|fragebogen|antrag|formulaire|"
    r"formulario|formulário|questionário|cuestionario",
}
_BODIES: dict[DocumentType, tuple[str, ...]] = {
    "guideline": (
        r"\bwe (?:strongly )?(?:recommend|suggest)\b|\b(?:is|are) (?:strongly )?recommended\b",
        r"\b(?:grade|level|strength|class) (?:of (?:evidence|recommendation)|[1-4][a-c]?\b|[A-D]\b|I{1,3}\b)",
        r"\bevidence[- ]based\b|\bquality of evidence\b",
        r"\bguideline (?:group|panel|committee|development)\b",
        r"\bempfohlen\b|\bempfehlungsgrad\b|\bse recomienda\b|\brecomenda-se\b|\bil est recommandé\b",
    ),
    "protocol": (
        r"^[^\w\n]{0,9}(?:step \d|\d+[.)]) ",
        r"^[^\w\n]{0,9}(?:purpose|scope|responsibilit(?:y|ies)|equipment|indications?|contraindications?)\b",
        r"\b(?:effective|review) date\b|\bapproved by\b|\bdocument owner\b",
        r"\bzweck\b|\bgeltungsbereich\b|\bobjetivo\b|\balcance\b|\bobjectif\b",
    ),
    "letter": (
        r"^[^\w\n]{0,9}(?:dear\b|sehr geehrte|liebe[r]? |cher|chère|estimad[oa]|prezad[oa]|querid[oa])",
        r"^[^\w\n]{0,9}(?:yours (?:sincerely|faithfully|truly)|(?:kind|best|warm) regards|sincerely)",
        r"^[^\w\n]{0,9}(?:mit freundlichen grüßen|cordialement|veuillez agréer|atentamente|atenciosamente)",
        r"^[^\w\n]{0,9}(?:re|subject|betreff|objet|asunto|assunto)\s*:",
        r"\bthank you for (?:referring|seeing|your letter)\b|\bi (?:am writing|reviewed|saw)\b",
    ),
    "leaflet": (
        r"\b(?:ask|tell|call|contact|speak to|talk to) (?:your|the) (?:doctor|nurse|gp|pharmacist|midwife)",
        r"^[^\w\n]{0,9}what (?:is|are|causes?)\b[^\n]{0,80}\?",
        r"\byou (?:may|should|can|will|might)\b[^\n]{0,99}\byour?\b",
        r"\bpeople with this condition\b|\baffected (?:people|individuals)\b|\bhealth care provider\b",
        r"\bihr(?:e[nm]?)? arzt\b|\bvotre médecin\b|\bsu médico\b|\bseu médico\b",
    ),
    "report": (
        r"^[^\w\n]{0,9}(?:clinical (?:history|information)|technique|comparison|fragestellung|técnica)\s*:",
        r"^[^\w\n]{0,9}(?:findings?|befund|résultats?|hallazgos|achados)\s*:",
        r"^[^\w\n]{0,9}(?:impression|beurteilung|conclusion|impresión|conclusão)\s*:",
        r"^[^\w\n]{0,9}(?:executive summary|methodology|key findings)\b",
        r"^[^\w\n]{0,9}(?:admission|discharge) (?:date|diagnosis)\b",
    ),
    "article": (
        r"^[^\w\n]{0,9}(?:abstract|summary|zusammenfassung|résumé|resumen|resumo)\b",
        r"^[^\w\n]{0,9}(?:background|introduction|objectives?)\b",
        r"^[^\w\n]{0,9}(?:materials? and methods?|methods?|patients and methods)\b",
        r"^[^\w\n]{0,9}(?:results?|conclusions?|discussion)\b",
        r"\bdoi\s*:|doi\.org/|\bet al\b|^[^\w\n]{0,9}key ?words?\b|\bp\s*[<=]\s*0?\.\d",
    ),
    "form": (
        r"[☐☑☒□]|\[ \]|_{5,}|\.{8,}",
        r"\bplease (?:complete|tick|fill in|return|print|sign)\b|\btick (?:the|one|all)\b",
        r"^[^\w\n]{0,9}(?:signature|signed|unterschrift|firma|assinatura)\b",
        r"^[^\w\n]{0,9}(?:(?:first |last |full )?name|date of birth|birthday|gender|address)\s*:?[^\w\n]{0,40}$",
        r"\bchoose as many\b|\bi (?:agree|consent)\b|\bagree to\b",
    ),
}
TITLE_WEIGHT, SCORE_MIN, LEAD_MIN = 3, 2, 1
"""What words of the title weigh beside one cue of the text, how many points a kind needs, and how many more than the
next."""

_TITLE_CUES = {
    kind: re.compile(rf"(?<!\w)(?:{words})(?!\w)", re.IGNORECASE) for kind, words in _TITLES.items()
}
_BODY_CUES = {
    kind: tuple(re.compile(each, re.IGNORECASE | re.MULTILINE) for each in cues)
    for kind, cues in _BODIES.items()
}


@dataclass(frozen=True, slots=True)
class TypeCues:
    """What speaks for one kind."""

    document_type: DocumentType
    in_title: bool
    places: tuple[tuple[int, int], ...]
    """Where the text has its cues, the first place of each."""

    @property
    def score(self) -> int:
        return TITLE_WEIGHT * self.in_title + len(self.places)


def type_cues(title: str, text: str) -> TypeCues | None:
    """Of a document with this title and this first page; None where its kind is not plain."""
    found = sorted((_cues(kind, title, text) for kind in _TITLE_CUES), key=lambda each: -each.score)
    best, following = found[0], found[1]
    return best if best.score >= SCORE_MIN and best.score - following.score >= LEAD_MIN else None


def _cues(kind: DocumentType, title: str, text: str) -> TypeCues:
    matches = (pattern.search(text) for pattern in _BODY_CUES[kind])
    places = tuple(match.span() for match in matches if match)
    return TypeCues(kind, bool(_TITLE_CUES[kind].search(title)), places)
