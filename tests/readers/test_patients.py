"""One patient's number from two authorities."""

from __future__ import annotations

from pipeline.readers.patients import PatientAuthorities


def test_a_second_authority_for_a_number_is_a_clash() -> None:
    run = PatientAuthorities()
    assert run.clash("7", "oid", "1.2.3") is None
    assert run.clash("7", "oid", "1.2.3") is None
    assert run.clash("7", "oid", "1.2.4") == "1.2.3"
    assert run.clash("7", "oid", "1.2.3") is None  # the first one keeps the number
    assert run.clash("8", "oid", "1.2.4") is None


def test_names_of_different_kinds_say_nothing_of_each_other() -> None:
    run = PatientAuthorities()
    assert run.clash("7", "oid", "1.2.3") is None
    assert run.clash("7", "name", "GENHOSP") is None


def test_memory_is_bounded_by_the_numbers_last_seen() -> None:
    run = PatientAuthorities(numbers_max=2)
    for number in ("1", "2", "1", "3"):
        assert run.clash(number, "name", "A") is None
    assert run.clash("1", "name", "B") == "A"  # seen again, so 2 was forgotten
    assert run.clash("2", "name", "B") is None
