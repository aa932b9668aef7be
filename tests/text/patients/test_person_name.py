"""Names taken apart, and the words by which they are found."""

from __future__ import annotations

import pytest

from pipeline.patients import PersonName
from pipeline.text.patients.person_name import name_words, named, parse_name, same_person, sound


@pytest.mark.parametrize(
    ("written", "given", "family", "generation"),
    [
        ("Eva Nowak", ("Eva",), ("Nowak",), ""),
        ("NOWAK, EVA", ("EVA",), ("NOWAK",), ""),
        ("Nowak,Eva M.", ("Eva", "M"), ("Nowak",), ""),
        ("Mr. John Q. Smith, Jr.", ("John", "Q"), ("Smith",), "Jr"),
        ("Smith, John, III", ("John",), ("Smith",), "III"),
        ("Ludwig van der Berg", ("Ludwig",), ("van", "der", "Berg"), ""),
        ("Anna Smith-Jones", ("Anna",), ("Smith-Jones",), ""),
        ("Nguyen", (), ("Nguyen",), ""),
    ],
)
def test_both_orders_are_read(
    written: str, given: tuple[str, ...], family: tuple[str, ...], generation: str
) -> None:
    assert parse_name(written) == PersonName(given, family, generation)


@pytest.mark.parametrize(
    "written",
    ["", "54", "Anna Smith MD", "chest pain", "XXXX", "Anna Smith Brown White Green Jones Miller", "A, B"],
)
def test_what_is_no_name(written: str) -> None:
    assert parse_name(written) is None


def test_a_name_in_parts() -> None:
    assert named("Linh Thi", "Nguyen", "Jr.") == PersonName(("Linh", "Thi"), ("Nguyen",), "Jr")
    assert named("", "Nguyen") == PersonName((), ("Nguyen",))
    assert named("", "") is None


@pytest.mark.parametrize(
    ("name", "words"),
    [
        (PersonName(("Jürgen",), ("Müller-O'Brien",)), {"jurgen", "juergen", "muller", "mueller", "obrien"}),
        (PersonName(("Assunta351",), ("Dickens475",)), {"assunta351", "assunta", "dickens475", "dickens"}),
        (PersonName(("J",), ("SMITH",), "Jr"), {"j", "smith"}),
    ],
)
def test_the_words_of_a_name(name: PersonName, words: set[str]) -> None:
    assert {each.word for each in name_words(name)} == words


def test_which_words_are_the_surname_s() -> None:
    found = {each.word: each.is_family for each in name_words(PersonName(("Eva",), ("Nowak",)))}
    assert found == {"eva": False, "nowak": True}


@pytest.mark.parametrize(
    ("one", "other", "alike"),
    [
        ("collins", "colins", True),
        ("martha", "marta", True),
        ("nguyen", "nguen", True),
        ("smith", "smyth", True),
        ("robert", "rupert", True),  # the code of the textbooks: R163
        ("collins", "kowalski", False),
        ("anna", "eva", False),
    ],
)
def test_what_sounds_alike(one: str, other: str, alike: bool) -> None:
    assert (sound(one) == sound(other)) == alike


def test_soundex() -> None:
    assert [sound(word) for word in ("robert", "ashcraft", "tymczak", "pfister", "honeyman", "患者")] == [
        "r163",
        "a261",
        "t522",
        "p236",
        "h555",
        "患",
    ]


@pytest.mark.parametrize(
    ("one", "other", "may_be"),
    [
        ("Eva Nowak", "NOWAK, EVA", True),
        ("Eva Nowak", "Nowak", True),
        ("Eva Nowak", "E. Nowak", True),
        ("Eva Nowak", "Eva Kowalski", True),
        ("Eva Nowak", "Anna Nowak", False),
        ("Eva Nowak", "John Perry", False),
        ("John Smith Jr.", "John Smith Sr.", False),
        ("John Smith Jr.", "John Smith", True),
    ],
)
def test_whether_two_names_may_be_one_person_s(one: str, other: str, may_be: bool) -> None:
    first, second = parse_name(one), parse_name(other)
    assert first is not None
    assert second is not None
    assert same_person(first, second) == same_person(second, first) == may_be
