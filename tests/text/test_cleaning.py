"""Cleaning: what changes, what never does, and that every character keeps its place in the original."""

from __future__ import annotations

import re
import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pipeline.records import original_span
from pipeline.text.cleaning import CleanText, clean, is_blank

# Characters that meet each other in notes, and those that trip naive cleaning.
AWKWARD = st.text(
    alphabet=st.sampled_from(
        "ab1 .|?\t\n\r\x00\x0b\x0c\x1c\x85\x92\u00a0\u2009\u3000\u00ad\u200b\u200d\u2028\ufeffe\u0301\u0323\u0344"
        "Ãƒ©â€™éà¢Â\u1112\u1161\u11ab\uac00\u0958\u09c7\u09be\u212b\u0f73—µ"
    ),
    max_size=40,
)
ANY = st.one_of(AWKWARD, st.text(max_size=60), st.text(alphabet="ab \t\n|", max_size=60))


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("one\r\ntwo\rthree", "one\ntwo\nthree"),
        ("page one\x0cpage two", "page one\npage two"),
        ("Cafe\u0301", "Café"),
        ("5\u00a0mg\u2009b.i.d.", "5 mg b.i.d."),
        ("met\u00adformin \u200bdaily\ufeff", "metformin daily"),
        ("nul\x00 and bell\x07", "nul and bell"),
        ("trailing  \t\nnext", "trailing\nnext"),
        ("a\n\n\n\n\nb", "a\n\nb"),
        ("\n\n  first\n\n\n", "  first"),
        ("too   many blanks", "too many blanks"),
        ("  indented   item", "  indented item"),
        ("Sodium   138   mmol/L", "Sodium   138   mmol/L"),
        ("Sodium | 138  mmol/L", "Sodium | 138  mmol/L"),
        ("Sodium\t138  mmol/L", "Sodium\t138  mmol/L"),
        ("dÃ©jÃ\u00a0 vu", "déjà vu"),
        ("the patientâ€™s Â½ tablet", "the patient’s ½ tablet"),
        ("donÃ¢â‚¬â„¢t", "don’t"),
        ("µg and Å and ½ stay", "µg and Å and ½ stay"),
        ("", ""),
        (" \u200b\n\t", ""),
    ],
)
def test_cleans(before: str, after: str) -> None:
    assert clean(before).text == after


def test_clean_text_has_no_offsets() -> None:
    text = "CHIEF COMPLAINT\n\nChest pain — 3 days.\n\nNa   138   mmol/L\n"
    assert clean(text.rstrip()) == CleanText(text.rstrip(), None)


def test_a_slice_carries_what_a_chunk_needs() -> None:
    original = "History:\r\n\r\n\r\n\r\n  Patient   denies\u00a0pain.  \r\nPlan: rest."
    cleaned = clean(original)
    start = cleaned.text.index("Patient")
    end = cleaned.text.index("\nPlan")
    origin, offsets = cleaned.slice_offsets(start, end)
    chunk = cleaned.text[start:end]
    assert chunk == "Patient denies pain."
    assert origin == original.index("Patient")
    for word in ("Patient", "denies", "pain."):
        at = chunk.index(word)
        left, right = original_span(at, at + len(word), offsets, origin)
        assert original[left:right] == word
    left, right = original_span(0, len(chunk), offsets, origin)
    assert original[left:right] == "Patient   denies\u00a0pain."


def test_a_slice_inside_one_run_has_no_offsets() -> None:
    cleaned = clean("a  b\r\nplain words")
    start = cleaned.text.index("plain")
    origin, offsets = cleaned.slice_offsets(start, start + 5)
    assert (origin, offsets) == (6, None)


def test_mojibake_of_another_script_keeps_exact_places() -> None:
    russian = "Пациент жалуется на боль в груди. BP 120/80."
    original = russian.encode().decode("latin-1")
    cleaned = clean(original)
    assert cleaned.text == russian
    for position, character in enumerate(russian):
        at = cleaned.original_position(position)
        assert original[at : at + len(character.encode())].encode("latin-1").decode() == character


@given(ANY)
@example("Ã\u0083")
@example("a\u200b\u0301")
def test_cleaning_twice_is_cleaning_once(text: str) -> None:
    once = clean(text)
    assert clean(once.text) == CleanText(once.text, None)


@given(ANY)
def test_places_ascend_within_the_original(text: str) -> None:
    cleaned = clean(text)
    places = [cleaned.original_position(position) for position in range(len(cleaned.text))]
    assert places == sorted(places)
    assert all(0 <= place < len(text) for place in places)
    if cleaned.offsets is not None:
        assert [after for after, _ in cleaned.offsets] == sorted({after for after, _ in cleaned.offsets})
        assert cleaned.offsets[0][0] == 0


WITHOUT_MOJIBAKE = st.text(
    alphabet="ab1 .|\t\n\r\x00\u00a0\u3000\u00ad\u200b\u2028e\u0301\u0323\u1112\u1161\uac00", max_size=40
)


@given(WITHOUT_MOJIBAKE)
def test_every_character_stands_where_it_came_from(text: str) -> None:
    cleaned = clean(text)
    for position, character in enumerate(cleaned.text):
        source = text[cleaned.original_position(position) :]
        if character == "\n":
            assert source[0] in "\n\r\u2028"
        elif character == " ":
            assert source[0] in " \u00a0\u3000"
        else:
            without_invisible = re.sub("[\x00\u00ad\u200b]", "", source)
            assert character in (source[0], *unicodedata.normalize("NFC", without_invisible)[:1]) or (
                # the second mark of a cluster whose marks were put in canonical order
                unicodedata.combining(character) and unicodedata.combining(source[0])
            )


@given(ANY, st.data())
def test_the_span_of_a_slice_contains_the_spans_of_its_parts(text: str, data: st.DataObject) -> None:
    cleaned = clean(text)
    start = data.draw(st.integers(0, len(cleaned.text)))
    end = data.draw(st.integers(start, len(cleaned.text)))
    left, right = cleaned.original_span(start, end)
    assert 0 <= left <= right <= len(text)
    origin, offsets = cleaned.slice_offsets(start, end)
    for position in range(start, end):
        at = cleaned.original_position(position)
        assert left <= at < right
        assert original_span(position - start, position - start + 1, offsets, origin) == (at, at + 1)


@given(ANY)
def test_nothing_untidy_stays(text: str) -> None:
    cleaned = clean(text).text
    assert unicodedata.is_normalized("NFC", cleaned)
    assert not re.search("[\x00\r\u00a0\u200b\u00ad]|[ \t]\n|\n\n\n|[ \t]\\Z", cleaned)


@given(st.text(alphabet=[chr(code) for code in range(128)], max_size=80))
def test_no_visible_character_is_lost(text: str) -> None:
    assert re.findall("[!-~]", clean(text).text) == re.findall("[!-~]", text)


@given(st.text(alphabet=" \t\n\r\x00\u00a0\u200b\ufeffa", max_size=8))
def test_blank_means_that_nothing_is_left(text: str) -> None:
    assert is_blank(text) == (clean(text).text.strip() == "")
