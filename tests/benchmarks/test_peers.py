"""The peer comparison's own arithmetic: notes that differ, damage as it is, figures from the server and not from us."""

from __future__ import annotations

import re
from collections import Counter
from itertools import pairwise
from pathlib import Path

import pytest

from benchmarks.peers import corpus, report
from benchmarks.peers.measure import CONTENDERS, Damage, Served, Server, compare, full_run, tokens_served


def test_no_two_notes_share_an_id_or_a_passage() -> None:
    made = list(corpus.notes(400))
    assert len({note["resource_id"] for note in made}) == 400
    # Passages of twenty words, at every place: an ingestion that recognises equal texts must find next to none.
    passages: Counter[tuple[str, ...]] = Counter()
    for note in made:
        words = note["text_content"].split()
        passages.update({tuple(words[at : at + 20]) for at in range(0, len(words) - 20, 20)})
    repeated = sum(times - 1 for times in passages.values())
    assert repeated / passages.total() < 0.05


def test_the_same_count_gives_the_same_notes_and_a_smaller_one_their_beginning() -> None:
    assert list(corpus.notes(50)) == list(corpus.notes(50))
    assert list(corpus.notes(300))[:50] == list(corpus.notes(50))


def test_a_made_note_reads_like_the_shipped_one() -> None:
    made, shipped = next(corpus.notes(1)), corpus.shipped()[0]
    assert len(made["text_content"].split()) == len(shipped["text_content"].split())
    same = sum(
        a == b for a, b in zip(made["text_content"].split(), shipped["text_content"].split(), strict=True)
    )
    assert 0.7 < same / len(made["text_content"].split()) < 0.97
    assert re.sub(r"\w+", "", made["text_content"]) == re.sub(r"\w+", "", shipped["text_content"])


def test_damage_counts_entries_and_the_notes_they_belong_to() -> None:
    undisturbed = Counter({("a", "1"): 1, ("a", "2"): 1, ("b", "3"): 2})
    assert compare(undisturbed, undisturbed) == Damage(0, 0, 0)
    assert compare(undisturbed, Counter()) == Damage(notes_lost=2, entries_lost=4, entries_doubled=0)
    found = Counter({("a", "1"): 2, ("b", "3"): 1, ("b", "other"): 1})
    assert compare(undisturbed, found) == Damage(notes_lost=2, entries_lost=2, entries_doubled=2)


def test_the_share_of_the_ceiling_is_one_where_every_slot_is_always_busy() -> None:
    server = Server(slots=4)
    # Four slots that serve 1,000 tokens a request at 10,000 tokens a second each: 0.02 + 0.1 s a request.
    served = Served(requests=400, texts=400, distinct=400, tokens=400_000)
    assert server.share(served, seconds=400 / 4 * 0.12) == pytest.approx(1.0)
    assert server.share(served, seconds=400 * 0.12) == pytest.approx(0.25)


def test_the_ceiling_in_tokens_does_not_depend_on_the_slots() -> None:
    rates = [server.slots / server.seconds_per_token for server in (Server(1), Server(2), Server(8))]
    assert all(one == pytest.approx(other) for one, other in pairwise(rates))


def test_tokens_are_read_from_the_metrics() -> None:
    assert tokens_served("# TYPE prompt_tokens_total counter\nprompt_tokens_total 123\nother 4\n") == 123


def test_ratios_name_the_best_default_and_the_best_tuned_peer() -> None:
    rates = {"Chartwell": 60.0, "A": 20.0, "B": 15.0, "A, tuned": 30.0, "B, tuned": 40.0}
    assert report.ratios(rates) == [
        "Chartwell over the best peer with default settings (A): 3.00",
        "Chartwell over the best peer tuned (B): 1.50",
    ]
    assert report.ratios(rates | {"Chartwell, tuned": 80.0})[2:] == [
        "Chartwell, tuned over the best peer tuned (B): 2.00"
    ]


@pytest.mark.long
def test_an_undisturbed_run_leaves_an_entry_for_each_text_that_the_server_embedded(tmp_path: Path) -> None:
    corpus.write(tmp_path / "notes.jsonl", 20)
    found = full_run(CONTENDERS[0], tmp_path / "notes.jsonl", tmp_path / "corpus", Server(slots=8))
    assert (
        20 < found.served.texts <= found.entries.total()
    )  # equal passages are embedded once and stored twice
    assert len({note for note, _ in found.entries}) == 20
    assert found.served.again == 0
    assert 0 < found.share < 1
    assert found.run.peak_bytes > 20 * 2**20
