"""Which character sets a source may name."""

from __future__ import annotations

import codecs

import pytest

from pipeline.readers.plain_text import charsets


@pytest.mark.parametrize(
    ("name", "codec"),
    [
        ("UTF-8", "utf-8"),
        ("us-ascii", "ascii"),
        (" windows-1252 ", "cp1252"),
        ("ISO-8859-15", "iso8859-15"),
        ("GBK", "gbk"),
        ("KOI8-R", "koi8-r"),
        ("utf-16", "utf-16"),
    ],
)
def test_character_sets_of_notes_are_read(name: str, codec: str) -> None:
    assert charsets.codec_of(name) == codec


@pytest.mark.parametrize(
    "name",
    [
        *(
            "punycode",
            "unicode_escape",
            "raw_unicode_escape",
            "utf-7",
            "idna",
            "undefined",
            "rot13",
            "hex",
            "zip",
        ),
        *("", "no such", "../utf-8", "x" * 1000, "utf-8\0", "base64", "mbcs", "cp037"),
    ],
)
def test_everything_else_is_not(name: str) -> None:
    assert charsets.codec_of(name) is None


def test_the_list_holds_what_python_has() -> None:
    for name in charsets._ALLOWED:
        assert codecs.lookup(name).name in charsets._ALLOWED


def test_latin_1_with_windows_quotation_marks_is_windows_1252() -> None:
    assert charsets.decode(b"\x93caf\xe9\x94", "iso8859-1") == "“café”"
    assert charsets.decode(b"caf\xe9", "iso8859-1") == "café"
    assert charsets.decode(b"\x81", "iso8859-1") == "\x81"  # neither


def test_a_byte_order_mark_is_no_text() -> None:
    assert charsets.decode("\ufeffa".encode(), "utf-8") == "a"
