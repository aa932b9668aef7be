"""Words for what the service has as codes: why there is no answer, what a job did, what a user sees.

Decides wording and nothing else. The reader is a clinician: no name of a class, a table or a setting without need.
"""

from __future__ import annotations

import math
import re
import string
from collections.abc import Mapping, Sequence
from types import MappingProxyType

from pipeline.answering.endings import NO_ANSWER, UNKNOWN_WHETHER
from pipeline.patients import RegisteredPatient
from pipeline.records import AccessScope, FoundBy
from pipeline.service.access.groups import Group
from pipeline.service.access.visibility import Visibility
from pipeline.service.schemas.ask import ModelOut
from pipeline.service.schemas.jobs import JobOut

QUOTES_ONLY = "extractive"
"""The provider of answers that is no language model."""
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
ID_SHOWN_MAX = 24
PACE_SECONDS_MIN = 5.0
"""Before that a job has no pace yet."""
_DAY = re.compile(r"(\d{4})(?:-(\d{2})(?:-(\d{2}))?)?(?![\d-])")
FENCE_MAX = 64
"""Longest run of backticks that every Markdown parser takes for the end of a code span."""
_BACKTICKS = re.compile("`+")
_PUNCTUATION = re.compile(f"[{re.escape(string.punctuation)}]")

REASONS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "no_documents": (
            "There are no notes yet",
            "Nothing that you can see has been indexed. An administrator can start indexing or widen your access.",
        ),
        "filters_match_nothing": (
            "No note matches these filters",
            "Correct the filters or take some away; nothing was asked of any note.",
        ),
        "below_floor": (
            "No note is close enough to this question",
            "Use the words that the notes would use, choose the patient in the filters, or remove filters.",
        ),
        "name_not_found": (
            "The notes that were found are of other people",
            "Choose the patient with the filter: a note that never says the name is not found by it.",
        ),
        "not_stated": (
            "Not stated in this patient's notes",
            "No passage of them has it in these words. Ask in the words that the notes would use, if there are others.",
        ),
        "no_images": (
            "No such image",
            "None that you can see is stored. Name another kind or time, or ask what the notes say.",
        ),
        "which_patient": (
            "Several patients have that name",
            "Choose the one that is meant; nothing was looked for.",
        ),
        "generator_abstained": (
            "The notes that were found do not answer this question",
            "They are about something similar. Ask more precisely, or choose the patient in the filters.",
        ),
    }
)
UNKNOWN_REASON = ("No relevant information found", "Rephrase the question, or remove filters.")

ROLES = (
    ("reader", "asks and reads"),
    ("contributor", "also starts indexing"),
    ("reviewer", "also reads the audit log"),
    ("administrator", "also manages people"),
)
FEEDBACK_REASONS = (
    ("wrong", "Something in it is wrong"),
    ("incomplete", "Something is missing"),
    ("citation", "A citation does not support its statement"),
    ("old", "A later note says otherwise"),
    ("unclear", "It is hard to understand"),
    ("slow", "It took too long"),
    ("other", "Something else"),
)
DEPENDENCIES: Mapping[str, str] = MappingProxyType(
    {
        "models": "Models and notes loaded",
        "embedder": "Embedding model",
        "ranker": "Reranking model",
        "generator": "Language model",
        "store": "Note store",
        "state": "Service database",
    }
)
ENDINGS: Mapping[str, str] = MappingProxyType(
    {
        "done": "Finished.",
        "cancelled": "Cancelled. What it had stored is kept; starting again continues there.",
        "lost": "The service stopped while it was running. Starting again continues there.",
    }
)


_CHOOSE_A_FILM = "Choose an X-ray, a slice or a photograph as DICOM, PNG, JPEG or NIfTI."
_EXPORT_AGAIN = "Export it again from where it came, as PNG or JPEG if it can be, and choose that file."
_ONE_PICTURE = "Export one picture of it, smaller, as PNG or JPEG."
_NOTHING_TO_COMPARE = "Choose the film itself: this one shows nothing to compare."
REFUSED_FILMS: Mapping[str, str] = MappingProxyType(
    {
        **dict.fromkeys(("other-format", "not-an-image", "empty"), _CHOOSE_A_FILM),
        **dict.fromkeys(
            ("truncated", "damaged", "header", "hung", "died", "transfer-syntax", "unopened", "fault"),
            _EXPORT_AGAIN,
        ),
        **dict.fromkeys(("too-large", "colours", "animated", "video", "whole-slide"), _ONE_PICTURE),
        **dict.fromkeys(("too-small", "blank", "mask", "segmentation", "surface"), _NOTHING_TO_COMPARE),
        "text-in-pixels": "It shows text that may be someone's name. Export it without names, and choose that file.",
        "text-not-read": "Whether it shows a name cannot be told here. Ask an administrator to switch that reading on.",
    }
)
"""What to do about a film that is not taken, by the kind of the refusal; others say it well themselves."""
ALIKE: Sequence[tuple[float, str]] = ((0.9, "very alike"), (0.75, "alike"), (0.6, "somewhat alike"))
"""From which cosine on two films are called so."""
HARDLY_ALIKE = "hardly alike"


def why_nothing(reason: str | None) -> tuple[str, str]:
    """A heading and what to do, for an answer that is none."""
    heading, advice = {**REASONS, **NO_ANSWER}.get(reason or "", UNKNOWN_REASON)
    return (heading, f"{UNKNOWN_WHETHER} {advice}") if reason in NO_ANSWER else (heading, advice)


def job_words(job: JobOut) -> str:
    """How a job ended."""
    if job.state == "failed":
        return f"{job.error or 'It failed.'} Code {job.error_code or 'CW-INTERNAL'}."
    report = job.report or {}
    reasons = report.get("reasons") or {}
    worst = sorted(reasons.items(), key=lambda each: -each[1])[:3]
    unread = report.get("unread_files") or 0
    counted = (
        (report.get("rejected") or 0, "notes rejected"),
        (unread, "file could not be read" if unread == 1 else "files could not be read"),
        (report.get("withdrawals") or 0, "notes withdrawn by their source"),
        (report.get("older") or 0, "older versions passed over"),
    )
    counts = "; ".join(f"{number:,} {what}" for number, what in counted if number)
    why = "; ".join(f"{count:,} times: {reason}" for reason, count in worst)
    parts = (ENDINGS.get(job.state, "In progress."), counts and f"{counts}.", why)
    return " ".join(part for part in parts if part)


def sees_words(sees: Visibility, groups: Sequence[Group]) -> str:
    """Which notes exist for a person."""
    if sees.domains is None and sees.group_ids is None:
        return "every note"
    if sees.domains == frozenset() or sees.group_ids == frozenset():
        return "no note"
    names = {group.id: group.name for group in groups}
    parts = []
    if sees.group_ids is not None:
        parts.append(", ".join(sorted(names.get(each, "a group") for each in sees.group_ids)))
    if sees.domains is not None:
        parts.append(", ".join(sorted(sees.domains)))
    return "; only ".join(parts) if len(parts) > 1 else parts[0]


def scope_words(scope: AccessScope) -> str:
    """Which notes exist for oneself."""
    if scope.unrestricted:
        return "every note"
    parts = []
    if scope.patient_ids is not None:
        number = len(scope.patient_ids)
        parts.append(f"notes of the {number} patient{'s' if number != 1 else ''} in your groups")
    if scope.domains is not None:
        parts.append("in the domains " + (", ".join(sorted(scope.domains)) or "(none)"))
    return " ".join(parts)


def dependency_words(name: str, model: ModelOut | None) -> str:
    """What a dependency is. Where answers only quote, no language model works: none is configured."""
    if name == "generator" and model is not None and model.provider == QUOTES_ONLY:
        return "Quotations (no language model is configured)"
    return DEPENDENCIES.get(name, name)


def similarity_words(similarity: float | None, found_by: FoundBy) -> str:
    """How alike two films are, with the number; of words and a film the number alone: it is low for good ones, too."""
    if similarity is None:
        return ""
    number = f"{math.floor(similarity * 100) / 100:.2f}"  # 1.00 is the same picture alone
    if found_by != "image":
        return f"similarity {number}"
    words = next((words for least, words in ALIKE if similarity >= least), HARDLY_ALIKE)
    return f"{words}, {number}"


def age_words(patient: RegisteredPatient) -> str:
    """How old a patient is: the birth date, or else what the newest note says; empty where nothing is said."""
    if patient.birth_date:
        return f"born {day_words(patient.birth_date)}"
    if patient.age is None:
        return ""
    on = f" on {day_words(patient.age.last_date)}" if patient.age.last_date else ""
    return f"{patient.age.value}{on}"


def day_words(written: str) -> str:
    """The day, month or year of a note, as people write it; as it stands where it is none."""
    found = _DAY.match(written)
    if found is None:
        return written
    year, month, day = found.groups()
    if month is None:
        return year
    if not 1 <= int(month) <= len(MONTHS):
        return written
    return " ".join(part for part in (str(int(day)) if day else "", MONTHS[int(month) - 1], year) if part)


def part_words(part_id: str) -> str:
    """What a question was understood to ask, by the id of the part: "kind:vital-sign" is "vital sign"."""
    name, _, value = part_id.partition(":")
    if name == "patient":
        return f"patient {value}"
    return value.replace("-", " ") if name in ("kind", "shape", "time") and value else value or name


def short_id(text: str) -> str:
    """A note's id, its middle left out where it is long. Never a patient's: two must not look alike."""
    return text if len(text) <= ID_SHOWN_MAX else f"{text[:12]}…{text[-6:]}"


def time_left(done: int, total: int, seconds: float) -> str:
    """How long the rest of a job takes at the pace so far; empty before that can be told."""
    if not 0 < done < total or seconds < PACE_SECONDS_MIN:
        return ""
    left = (total - done) * seconds / done
    return f", about {hours(left) if left >= 60 else f'{left:.0f} s'} left"


def hours(seconds: float) -> str:
    """A length of time as people say it."""
    minutes = int(seconds // 60)
    if minutes < 60:
        return f"{minutes} min"
    if minutes < 48 * 60:
        return f"{minutes // 60} h {minutes % 60} min"
    return f"{minutes // 1440} days"


def verbatim(text: str) -> str:
    """Someone else's words in Markdown, to the letter, on one line: as a code span, in which nothing is a link, a
    picture, markup or a heading, whatever program shows it."""
    line = " ".join(str(text).split())
    runs = {len(run) for run in _BACKTICKS.findall(line)}
    fence = next((length for length in range(1, FENCE_MAX) if length not in runs), None)
    if fence is None:
        return _PUNCTUATION.sub(r"\\\g<0>", line)
    space = " " if line.startswith("`") or line.endswith("`") else ""  # a parser takes one off at each end
    return f"{'`' * fence}{space}{line}{space}{'`' * fence}" if line else ""
