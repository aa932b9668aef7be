"""Scopes: what they admit, and which covers which."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pipeline.records import EVERYTHING, NO_PATIENT, AccessScope, Filters, ImageReference

SOME = st.none() | st.frozensets(st.sampled_from(["a", "b", "c"]))
SCOPES = st.builds(AccessScope, SOME, SOME)


@given(SCOPES, SCOPES)
def test_a_scope_covers_another_where_it_admits_all_that_the_other_does(
    wide: AccessScope, narrow: AccessScope
) -> None:
    # "d" stands for whatever no set names.
    pairs = [
        (domain, patient) for domain in ("a", "b", "c", "d") for patient in ("a", "b", "c", "d", NO_PATIENT)
    ]
    admits_all = all(wide.admits(*pair) for pair in pairs if narrow.admits(*pair))
    assert wide.covers(narrow) == admits_all


@given(SCOPES, st.sets(st.sampled_from(["a", "b", "x"])))
def test_a_wish_never_widens(scope: AccessScope, wished: set[str]) -> None:
    filters = Filters(patient_ids=tuple(sorted(wished)), scope=scope)
    if scope.patient_ids is not None:
        of_none = set() if wished or not scope.patient_ids else {NO_PATIENT}
        assert set(filters.admitted_patients or ()) <= scope.patient_ids | of_none
        assert filters.admitted_patients is not None
    assert filters.empty == (not wished and scope == EVERYTHING)


def test_a_note_without_a_domain_is_nobodys_but_of_those_who_see_all_domains() -> None:
    assert EVERYTHING.admits(None, "p")
    assert not AccessScope(domains=frozenset({"a", ""})).admits(None, "p")
    assert not AccessScope(domains=frozenset({"a", ""})).admits("", "p")


def test_an_images_fingerprint_stays() -> None:
    """Another one would have every stored image read again."""
    reference = ImageReference("/films/a.png", "0" * 64, "png", "a.png", "p1", {"findings": ("mass",)})
    assert ImageReference.of_json(reference.as_json()).fingerprint() == reference.fingerprint()
    assert reference.fingerprint() == "a92aeadc1123afa3c9b63635cbed134a7040ea8b49b833a776b705aa5198a484"


@given(SCOPES, st.sets(st.sampled_from(["a", NO_PATIENT]), min_size=1))
def test_a_wish_for_patients_leaves_the_library_out(scope: AccessScope, wished: set[str]) -> None:
    admitted = Filters(patient_ids=tuple(sorted(wished)), scope=scope).admitted_patients
    assert admitted is not None, "no wish for every patient"
    assert NO_PATIENT not in admitted


def test_tens_of_thousands_of_patients_are_not_copied_for_every_search() -> None:
    scope = AccessScope(None, frozenset(map(str, range(20_000))))
    assert Filters(scope=scope).admitted_patients is Filters(scope=scope).admitted_patients
