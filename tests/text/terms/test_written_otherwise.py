"""A word that notes write otherwise is told from a word that is another one."""

from __future__ import annotations

import pytest

from pipeline.text.terms.written_otherwise import as_written, is_variant


@pytest.mark.parametrize(
    ("typed", "written"),
    [
        ("doxy", "doxycycline"),
        ("regurg", "regurgitation"),
        ("temperture", "temperature"),
        ("stenossis", "stenosis"),
        ("ejeciton", "ejection"),
        ("losarten", "losartan"),
        ("hydroxyzne", "hydroxyzine"),
        ("haemorrhoids", "hemorrhoids"),
        ("oedematous", "edema"),
        ("anaemic", "anemia"),
        ("stenotic", "stenosis"),
        ("odour", "odor"),
        ("titre", "titer"),
        ("catheterised", "catheterized"),
    ],
)
def test_a_word_that_notes_write_otherwise(typed: str, written: str) -> None:
    assert as_written(typed, {written, "pain", "knee", "daily"}) == written


@pytest.mark.parametrize(
    ("typed", "written"),
    [
        ("hydroxyzine", ["hydralazine"]),
        ("peroneal", ["perineal"]),
        ("dysphasia", ["dysphagia"]),
        ("arteritis", ["arthritis"]),
        ("hydro", ["hydrocodone"]),
        ("levo", ["levothyroxine"]),
        ("hypo", ["hypothyroidism"]),
        ("hyperthyroidism", ["hypothyroidism"]),
        ("nephrosis", ["nephritis"]),
        ("novolin", ["novolog"]),
        ("prednisolone", ["prednisone"]),
        ("sulfadiazin", ["sulfasalazine"]),
        ("pain", ["painkiller"]),
        ("card", ["cardiac", "cardizem"]),
        ("ther", ["therapy", "thermometer"]),
    ],
)
def test_a_word_that_may_be_another_one_is_left(typed: str, written: list[str]) -> None:
    assert as_written(typed, {*written, "daily"}) is None


def test_what_is_cut_or_mistyped_is_no_variant() -> None:
    assert is_variant("haemorrhoids", "hemorrhoids")
    assert is_variant("anaemic", "anemia")
    assert not is_variant("doxy", "doxycycline")
    assert not is_variant("temperture", "temperature")
