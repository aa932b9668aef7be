"""Labels of films: what is doubted is never counted, and what contradicts itself is found."""

import pytest

from pipeline.text.terms.finding_labels import contradictions, denied_words, label_in_words, label_kind


@pytest.mark.parametrize(
    ("label", "kind"),
    [
        ("effusion", "there"),
        ("Pleural_Thickening", "there"),
        ("large effusion", "there"),
        ("no nodule", "denied"),
        ("effusion absent", "denied"),
        ("atelectasis: no", "denied"),
        ("without mass", "denied"),
        ("pneumonia ruled out", "denied"),
        ("?nodule", "unsure"),
        ("nodule?", "unsure"),
        ("possible pneumonia", "unsure"),
        ("probably oedema", "unsure"),
        ("r/o fracture", "unsure"),
        ("rule out fracture", "unsure"),
        ("query mass", "unsure"),
        ("suspected TB", "unsure"),
        ("suspicious nodule", "unsure"),
        ("pneumothorax cannot be excluded", "unsure"),
        ("pneumothorax not excluded", "unsure"),
        ("nodule, uncertain", "unsure"),
        ("unable to exclude mass", "unsure"),
        ("concern for PE", "unsure"),
        ("evaluate for nodule", "unsure"),
        ("effusion resolved", "unsure"),
        ("effusion none", "denied"),
        ("right no effusion", "denied"),
        ("free air", "there"),
        ("non-displaced fracture", "there"),
    ],
)
def test_what_a_label_says(label: str, kind: str) -> None:
    assert label_kind(label) == kind


@pytest.mark.parametrize(
    ("labels", "pairs"),
    [
        (["nodule", "no nodule"], [("nodule", "no nodule")]),
        (["Effusions", "effusion absent"], [("Effusions", "effusion absent")]),
        (["effusion", "no large effusion"], []),
        (["large effusion", "no effusion"], []),
        (["?nodule", "no nodule"], []),
        (["nodule", "no mass"], []),
    ],
)
def test_labels_that_contradict_each_other(labels: list[str], pairs: list[tuple[str, str]]) -> None:
    assert list(contradictions(labels)) == pairs


def test_what_is_denied_as_a_whole() -> None:
    assert denied_words("no evidence of effusion") == {"effusion"}
    assert denied_words("right no effusion") == {"right", "effusion"}
    assert denied_words("effusion: none") == denied_words("effusion not seen") == {"effusion"}
    assert denied_words("effusion") is None
    assert denied_words("effusion cannot be excluded") is None


@pytest.mark.parametrize(
    ("label", "said"),
    [
        ("?nodule", "possible nodule"),
        ("COPD (?)", "possible COPD"),
        ("nodule not excluded", "possible nodule not excluded"),
        ("nodule: no", "no nodule"),
        ("right effusion absent", "no right effusion"),
        ("query nodule", "query nodule"),
        ("concern for PE", "concern for PE"),
        ("no nodule", "no nodule"),
        ("effusion resolved", "effusion resolved"),
        ("effusion", "effusion"),
    ],
)
def test_doubt_and_denial_stand_before_what_a_label_names(label: str, said: str) -> None:
    assert label_in_words(label) == said
