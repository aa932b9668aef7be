"""Which character sets a source may name, and its bytes as text.

Decides by a list: Python also has codecs that change words (punycode, unicode_escape, utf-7), that take hours, or that
are no character sets at all. Refuses to guess: a name that is not on the list is for the caller to refuse.
"""

from __future__ import annotations

import codecs
import re

_ALLOWED = frozenset(
    (
        *(
            "ascii",
            "utf-8",
            "utf-8-sig",
            "utf-16",
            "utf-16-le",
            "utf-16-be",
            "utf-32",
            "utf-32-le",
            "utf-32-be",
        ),
        *(f"iso8859-{part}" for part in (*range(1, 12), *range(13, 17))),
        *(f"cp{page}" for page in (*range(1250, 1259), 437, 850, 852, 855, 858, 866, 874, 932, 949, 950)),
        *("gb2312", "gbk", "gb18030", "big5", "big5hkscs", "shift_jis", "shift_jis_2004", "shift_jisx0213"),
        *("euc_jp", "iso2022_jp", "iso2022_jp_1", "iso2022_jp_2", "euc_kr", "iso2022_kr", "johab"),
        *("koi8-r", "koi8-u", "mac-roman", "mac-latin2", "mac-cyrillic", "mac-greek", "tis-620"),
    )
)
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9 _.:-]{0,39}")
_C1 = re.compile(r"[\x80-\x9f]")


def codec_of(name: str) -> str | None:
    """The codec of a character set's name as headers write it ("UTF-8", "windows-1252"), or None where it is not on
    the list."""
    name = name.strip()
    if not _NAME.fullmatch(name):
        return None
    try:
        known = codecs.lookup(name).name
    except LookupError:
        return None
    return known if known in _ALLOWED else None


def decode(raw: bytes, codec: str) -> str:
    """The text of bytes in a codec that `codec_of` gave, without a byte order mark. Raises UnicodeDecodeError.

    What says ISO 8859-1 and has bytes of 0x80 to 0x9F, which are control characters there, is windows-1252.
    """
    text = raw.decode(codec)
    if codec == "iso8859-1" and _C1.search(text):
        try:
            return raw.decode("cp1252")
        except UnicodeDecodeError:
            return text
    return text.removeprefix("\ufeff")
