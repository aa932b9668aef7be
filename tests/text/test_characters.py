"""Text that shows something else than it says."""

from __future__ import annotations

import pytest

from pipeline.text.characters import misleads


@pytest.mark.parametrize(
    "text",
    [
        "1\u200b000 mg", "\u202egm 001", "100\u2060 mg", "a\u00adb", "x\U000e0031", "metformin\u0336", "\uff15 mg",
        "\u0661\u0660 mg", "\u0430spirin", "\u2460 mg", "~~aspirin~~ \u00e9", "aspirin \u274c", "1\x002", "\u115f",
        "metformin \u2260 500 mg",
    ],
)  # fmt: skip
def test_what_misleads(text: str) -> None:
    assert misleads(text, "Metformin 1000 mg")


@pytest.mark.parametrize(
    "text",
    [
        "Metformin 500 mg",
        "38 °C, café, 5–10 µg",
        "β-blocker",
        "kg/m²",
        "≥ 5 mg",
        "Müller",
        "می\u200cخواهم",
        "体温 38",
        "Jan’s “note”…",
    ],
)
def test_what_does_not(text: str) -> None:
    assert not misleads(text, "")


def test_digits_and_signs_of_the_note_may_be_repeated() -> None:
    assert misleads("١٠ ملغ", "10 mg")
    assert not misleads("١٠ ملغ", "الجرعة ١٠ ملغ")
