"""The line above a list that changes what its items say: "Denies:", "Discontinued:", "Ruled out:".

Decides how far up it is looked for, and which words change an item: without that line "warfarin 5 mg" under
"Discontinued:" reads as taken. Refuses to know what is asked.
"""

from __future__ import annotations

import re

from pipeline.text.sentences import BULLETS, is_heading
from pipeline.text.structure.list_items import without_mark

LINES_MAX = 200
_CHANGES = re.compile(
    r"\b(?:den(?:y|ies|ied)|negative|no|not|non|none|never|without|rul(?:ed|e) out|resolved|inactive|discontinu\w*"
    r"|stop\w*|held|hold|ceas\w+|former\w*|previous\w*|past|old|prior|avoid\w*|family|mother|father|sister|brother|wife"
    r"|husband|spouse|parents?|relatives?|cancel\w*|remov\w*|expired|error|possible|suspected|consider|differential|if)\b",
    re.IGNORECASE,
)


def with_line_above(text: str, start: int, end: int) -> tuple[int, int]:
    """A stretch of a text from the line above that changes it; the stretch itself where none does."""
    line_start = text.rfind("\n", 0, start) + 1
    if without_mark(text, line_start, end)[0] < start and text[line_start:start].strip(f" \t{BULLETS}"):
        return start, end  # more than a list's item stands on its line
    marked = _is_marked(text[line_start:end])
    blank = False
    for _ in range(LINES_MAX):
        if line_start == 0:
            break
        above_start = text.rfind("\n", 0, line_start - 1) + 1
        written = text[above_start : line_start - 1]
        above = written.strip()
        if above.endswith(":"):
            return (above_start if _CHANGES.search(above) else start), end
        if above and not (_is_marked(above) or written[0].isspace() if marked else not blank):
            break
        if (
            above
            and not marked
            and (_is_marked(above) or above.endswith((".", "?", "!")) or is_heading(above))
        ):
            break
        blank = blank or not above
        line_start = above_start
    return start, end


def _is_marked(line: str) -> bool:
    line = line.strip()
    return without_mark(line, 0, len(line))[0] > 0
