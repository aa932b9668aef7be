"""Which encoding bytes that are no UTF-8 may be in: a proposal for a person, who looks at the result.

Decides by what a few encodings make of the bytes beyond ASCII: Chinese, Japanese, Korean by their characters, Russian
by its small letters, Mac and DOS by accents where Windows has marks. Refuses to convert: a wrong choice gives no error
and wrong names.
"""

from __future__ import annotations

import re

WINDOWS = "WINDOWS-1252"
LOOKED_AT_BYTES = 64 * 1024

_OTHERS = ("WINDOWS-1252", "WINDOWS-1250", "WINDOWS-1251", "MACINTOSH", "GB18030")
_HANZI = "[\u4e00-\u9fff\u3000-\u303f\uff00-\uff5e]"
_KANA = "[\u3040-\u30ff\u4e00-\u9fff\u3000-\u303f]"
_EAST_ASIAN = (
    ("SHIFT_JIS", "cp932", re.compile("[\u3040-\u30ff]"), re.compile(_KANA), 0.9),
    ("EUC-JP", "euc_jp", re.compile("[\u3040-\u30ff]"), re.compile(_KANA), 0.9),
    ("CP949", "cp949", re.compile("[\uac00-\ud7a3]"), re.compile("[\uac00-\ud7a3]"), 0.95),
    ("GB18030", "gb18030", re.compile("[\u4e00-\u9fff]"), re.compile(_HANZI), 0.9),
    ("BIG5", "cp950", re.compile("[\u4e00-\u9fff]"), re.compile(_HANZI), 0.9),
)
"""Name for iconv, name in Python, a character that must be there, and the characters that so great a part must be."""

_RUN = re.compile(rb"[\x80-\xff]+")
_BEYOND_ASCII = re.compile("[^\x00-\x7f]")
_IN_A_WORD = rb"(?<=[A-Za-z])[%b](?=[A-Za-z])"
_MAC_ACCENTS = re.compile(_IN_A_WORD % rb"\x87-\x90\x96\x97\x99-\x9f")
_DOS_ACCENTS = re.compile(_IN_A_WORD % rb"\x81-\x85\x94\xa0-\xa4\xe1")
_WINDOWS_ACCENTS = re.compile(_IN_A_WORD % rb"\xc0-\xff")
_CYRILLIC_WORD = re.compile(rb"(?<![A-Za-z])[\xc0-\xff]{3,}")


def likely_encodings(raw: bytes) -> tuple[str, str]:
    """The likeliest encoding by its name for iconv, and the next ones to try."""
    likely = _likely(raw[:LOOKED_AT_BYTES])
    return likely, ", ".join(name for name in _OTHERS if name != likely)


def _likely(raw: bytes) -> str:
    if len(_CYRILLIC_WORD.findall(raw)) > 1 and _mostly_lower_case(raw):
        return "WINDOWS-1251"
    runs = _RUN.findall(raw)
    if sum(len(run) > 1 for run in runs) > 0.7 * len(
        runs
    ):  # an accent mostly stands alone, other scripts do not
        for name, codec, needed, usual, part in _EAST_ASIAN:
            if _is_written(raw.decode(codec, "replace"), needed, usual, part):
                return name
    mac, dos, windows = (len(each.findall(raw)) for each in (_MAC_ACCENTS, _DOS_ACCENTS, _WINDOWS_ACCENTS))
    if max(mac, dos) > windows:
        return "MACINTOSH" if mac >= dos else "CP850"
    return WINDOWS


def _is_written(text: str, needed: re.Pattern[str], usual: re.Pattern[str], part: float) -> bool:
    beyond = _BEYOND_ASCII.findall(text)
    return (
        needed.search(text) is not None
        and "\ufffd" not in text[:-1]
        and sum(map(bool, map(usual.match, beyond))) >= part * len(beyond)
    )


def _mostly_lower_case(raw: bytes) -> bool:
    """Whether the letters are Russian as WINDOWS-1251 has them: small ones are most, and stand at 0xE0 to 0xFF."""
    text = raw.decode("cp1251", "replace")
    letters = [one for one in text if "\u0410" <= one <= "\u044f"]
    return sum(one >= "\u0430" for one in letters) > 0.6 * len(letters)
