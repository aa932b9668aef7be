"""Judges one answer against the truth of its question, without a model: by what is cited and what is said.

Decides which of six things an answer is. Values, units, dates and words are compared as `text.facts` reads them, so
that "1,000 mg BID" is "1 g twice daily". A citation proves a thing where it covers half of the place that holds it;
what is said and cited nowhere proves nothing. Refuses to reward luck: of a question with one answer, the first
statement that cites a note must carry it. The worst is looked for first: a statement that cites a note of another
patient than those asked about is that, whatever else the answer holds.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, TypeAlias, get_args

from pipeline.evaluation.answer_set import People, PosedQuestion, TruthItem, TruthSpan, Wordings
from pipeline.records import Answer, Citation, Statement
from pipeline.text.statements.facts import Token, read

Verdict: TypeAlias = Literal["right", "incomplete", "wrong", "wrong_patient", "false_silence", "false_answer"]
"""incomplete: right in part, or after statements that do not answer. false_silence: nothing is said, and notes answer
the question. false_answer: something is said, and no note answers it."""
VERDICTS: tuple[Verdict, ...] = get_args(Verdict)

SINGLE = frozenset({"fact", "yes_no", "latest", "first"})
"""Shapes with one answer, which must come first."""
SEVERAL = frozenset({"list", "who", "trend", "compare", "summarise"})
"""Shapes that recall and precision are told of."""
COVERED = 0.5
"""Share of a place of the truth, or of the citation where that is shorter, that both have."""
LIST_PRECISION = 0.8
WHO_RECALL, WHO_PRECISION = 0.95, 0.9
SUMMARY_RECALL = 0.8

_YES_OR_NO = re.compile(r"\W*(yes|no)\s*(?:[.,:;—–-]|$)", re.IGNORECASE)
_SAYS_NOTHING = re.compile(
    r"\W*(?:not stated|none\b|nothing\b|no one\b|no (?:patients?|notes?|sentences?|such)\b|no relevant\b"
    r"|no [\w -]{1,60} (?:is |are )?(?:stated|recorded|noted|documented|mentioned|found)"
    r"|the notes? (?:do|does) not\b|(?:his|her|their) notes? (?:do|does) not\b|[\w' -]{1,60}: not stated)",
    re.IGNORECASE,
)
_QUOTED = re.compile(r"[\"“].*[\"”]|\[\d+\]", re.DOTALL)
"""Words of a note, and the numbers of citations: neither counts anything."""
_CITED = re.compile(r"\[\d+\]")
_APART = (
    r"(?:den(?:y|ies|ied)|negated|ruled out|famil(?:y|ial)|relatives?|comes? near|nearest|history alone)\b"
)
_SETS_APART = re.compile(rf"[^;.]*\b{_APART}[^;.]*:\s*", re.IGNORECASE)
"""A line of one clause without a citation: what follows it is shown as something else than an answer. "12 patients; 3
more mention it as denied" is none."""
_LABELLED_APART = re.compile(rf"\W*{_APART}[^;.:]*:", re.IGNORECASE)
"""The same of one statement: "Denied: ..."."""


@dataclass(frozen=True, slots=True)
class Judgement:
    verdict: Verdict
    recall: float | None = None
    """Share of the things that a whole answer says; None where that is not asked of the shape."""
    precision: float | None = None
    """Share of what is listed that answers; None where nothing is listed."""


def judge(question: PosedQuestion, answer: Answer | None, people: People) -> Judgement:
    """`answer`: None where the question was refused. `people`: everyone in the notes, to see whom a statement
    names."""
    claims = [] if answer is None else list(_claims(answer, of_family=question.kind == "family"))
    recall, precision = _recall(question, claims), _precision(question, claims)
    verdict = _verdict(question, answer, claims, people, recall, precision)
    several = question.expected == "answer" and question.shape in SEVERAL
    return Judgement(verdict, recall if several else None, precision if several and claims else None)


def _verdict(
    question: PosedQuestion,
    answer: Answer | None,
    claims: Sequence[Statement],
    people: People,
    recall: float,
    precision: float,
) -> Verdict:
    if answer is not None and _shows_another(question, answer, people):
        return "wrong_patient"
    silent = answer is None or says_nothing(answer) or not (claims or _number(answer))
    if question.expected != "answer":
        return "right" if silent else "false_answer"
    if answer is None or silent:
        return "false_silence"
    if question.shape in SINGLE:
        return _single(question, answer, claims, recall)
    if question.shape == "count":
        return _count(question, answer, recall)
    return _several(question, recall, precision)


def says_nothing(answer: Answer) -> bool:
    """Whether an answer says that the notes have none, whatever it shows as coming near."""
    if answer.outcome != "answered" or not answer.statements:
        return True
    lead = answer.statements[0]
    return not lead.citations and _SAYS_NOTHING.match(lead.text) is not None


def _claims(answer: Answer, *, of_family: bool) -> Iterator[Statement]:
    """The statements that cite a note and stand as an answer. `of_family`: the family is asked for, and what is said of
    it is not apart."""
    apart = False
    for statement in answer.statements:
        if not statement.citations:
            apart = _SETS_APART.fullmatch(statement.text) is not None
            apart = apart and not (of_family and "family" in statement.text.lower())
        elif not apart and not _LABELLED_APART.match(statement.text):
            yield statement


def _shows_another(question: PosedQuestion, answer: Answer, people: People) -> bool:
    """Whether a note of another patient is cited, or a statement names one patient and cites another."""
    return any(
        (question.patients and citation.patient_id not in question.patients)
        or _names_another(statement.text, citation.patient_id, people)
        for statement in answer.statements
        for citation in statement.citations
    )


def _names_another(text: str, patient_id: str, people: People) -> bool:
    """Whether a statement is about someone else than the patient whose note it cites. Two people may share a name."""
    named = {each for each, names in people.items() if any(_is_written(name, text) for name in names)}
    return bool(named) and patient_id not in named


def _single(question: PosedQuestion, answer: Answer, claims: Sequence[Statement], recall: float) -> Verdict:
    said = _YES_OR_NO.match(answer.statements[0].text)
    if question.verdict and said and said[1].lower() != question.verdict:
        return "wrong"
    if _carries_any(question, claims[0]):
        return "right" if recall == 1 else "incomplete"
    misled = any(_says(statement.text, ((each,),)) for each in question.wrong for statement in claims)
    return "incomplete" if recall and not misled else "wrong"


def _count(question: PosedQuestion, answer: Answer, recall: float) -> Verdict:
    number = _number(answer)
    if number is not None:
        return "right" if number == question.count else "wrong"
    return "incomplete" if recall == 1 else "wrong"


def _several(question: PosedQuestion, recall: float, precision: float) -> Verdict:
    if question.shape == "who":
        enough = recall >= WHO_RECALL and precision >= WHO_PRECISION
    elif question.shape == "list":
        enough = recall == 1 and precision >= LIST_PRECISION
    else:
        enough = recall >= (SUMMARY_RECALL if question.shape == "summarise" else 1)
    if enough:
        return "right"
    return "incomplete" if recall else "wrong"


def _number(answer: Answer) -> int | None:
    """The number of things that an answer says there are: the first one without a unit outside of quotations."""
    for statement in answer.statements:
        if any(statement.text in citation.quote for citation in statement.citations):
            continue
        for token in read(_QUOTED.sub("", statement.text)).of("figure"):
            if token.figure and token.figure.kind == "amount" and not token.figure.unit:
                return int(str(token.figure.value[0]).partition(".")[0])
    return None


def _recall(question: PosedQuestion, claims: Sequence[Statement]) -> float:
    found = [any(_carries(item, statement) for statement in claims) for item in question.items]
    return sum(found) / len(found) if found else 0.0


def _precision(question: PosedQuestion, claims: Sequence[Statement]) -> float:
    if question.shape == "who":
        proved = [item.patients for item in question.items if any(_carries(item, each) for each in claims)]
        listed = [statement for statement in claims if not _is_aside(question, statement)]
        shown = {citation.patient_id for statement in listed for citation in statement.citations}
        return len(shown & frozenset[str]().union(*proved)) / len(shown) if shown else 0.0
    good = [_carries_any(question, statement) or _is_aside(question, statement) for statement in claims]
    return sum(good) / len(good) if good else 0.0


def _carries_any(question: PosedQuestion, statement: Statement) -> bool:
    return any(_carries(item, statement) for item in question.items)


def _is_aside(question: PosedQuestion, statement: Statement) -> bool:
    return any(_covers(citation, span) for citation in statement.citations for span in question.asides)


def _carries(item: TruthItem, statement: Statement) -> bool:
    """Whether a statement says the item and cites a place that holds it."""
    if not _says(statement.text, item.say):
        return False
    return any(_proves(citation, item) for citation in statement.citations)


def _proves(citation: Citation, item: TruthItem) -> bool:
    if any(_covers(citation, span) for span in item.spans):
        return True
    elsewhere = bool(item.about) and citation.patient_id in item.patients
    return elsewhere and _says(citation.quote, (*item.say, *item.about))


def _covers(citation: Citation, span: TruthSpan) -> bool:
    if citation.resource_id != span.resource_id:
        return False
    both = min(citation.end, span.end) - max(citation.start, span.start)
    return both >= COVERED * min(citation.end - citation.start, span.end - span.start) and both > 0


def _says(text: str, wordings: Wordings) -> bool:
    """Whether a text has one wording at least of each group."""
    text = _CITED.sub("", text)
    words = _words(text)
    return all(
        any(_stands_in(_words(each), words) or _is_written(each, text) for each in group)
        for group in wordings
    )


def _is_written(wording: str, text: str) -> bool:
    """Whether the text has the very words: "from 20 mg to 60 mg" is one figure, and says 60 mg."""
    written = r"\s+".join(map(re.escape, wording.split()))
    return re.search(rf"(?<![\w.,]){written}(?![\w]|[.,]\d)", text, re.IGNORECASE) is not None


@lru_cache(maxsize=20_000)
def _words(text: str) -> tuple[Token, ...]:
    """What a text says: words in one form and figures, without marks and without words that say nothing."""
    tokens = read(text).tokens
    words = tuple(each for each in tokens if each.kind not in ("break", "comma", "neutral"))
    return words or tuple(each for each in tokens if each.kind == "neutral")


def _stands_in(wanted: Sequence[Token], words: Sequence[Token]) -> bool:
    last = len(words) - len(wanted)
    return bool(wanted) and any(
        all(_same(one, other) for one, other in zip(wanted, words[at:], strict=False))
        for at in range(last + 1)
    )


def _same(wanted: Token, said: Token) -> bool:
    if wanted.figure is None or said.figure is None:
        return wanted.figure is said.figure and wanted.key == said.key
    one, other = wanted.figure, said.figure
    return one.value == other.value and (one.unit == other.unit or not (one.unit and other.unit))
