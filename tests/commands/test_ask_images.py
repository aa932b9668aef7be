"""`ask --image` as it is typed: similar films, their lines, JSON, the conversation, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from pipeline import ask as ask_module
from pipeline.ask import app, process_query
from pipeline.commands.console import as_json
from pipeline.commands.conversation import TerminalConversation, take
from pipeline.config import load_settings
from pipeline.imaging import libraries
from pipeline.records import Question
from pipeline.vectorize import app as vectorize
from pipeline.wiring import prepare_asked_image
from tests.images import png, rings
from tests.indexing.images.films import write_films, write_table

NOTE = {
    "resource_id": "r1",
    "patient_id": "P100",
    "patient_name": "Anna Mitchell",
    "document_type": "Radiology report",
    "date": "2019-03-04",
    "text_content": "CHEST X-RAY\n\nSmall left pleural effusion.",
}


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, arguments)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, kept_reading_pools: None) -> Path:
    """A store of one note and two films of its patient, and one of another's."""
    folder = tmp_path_factory.mktemp("asked")
    paths = write_films(folder / "films", 3)
    chest = {"modality": "DX", "body_part": "CHEST", "view": "PA"}
    rows = [
        {
            "image": paths[0].name,
            "patient": "P100",
            "date": "2019-03-04",
            "findings": "Effusion",
            "report": "r1",
            **chest,
        },
        {"image": paths[1].name, "patient": "P100", "date": "2017-01-02", **chest},
        {"image": paths[2].name, "patient": "P200", "date": "2020-01-02", **chest},
    ]
    write_table(folder / "said.csv", rows)
    (folder / "notes.jsonl").write_text(json.dumps(NOTE))
    with pytest.MonkeyPatch.context() as patch:
        _settings(patch, folder)
        for arguments in (
            ["notes", str(folder / "notes.jsonl")],
            ["images", str(folder / "films"), "--metadata", str(folder / "said.csv")],
        ):
            indexed = CliRunner().invoke(vectorize, arguments)
            assert indexed.exit_code == 0, indexed.output
    return folder


def _settings(patch: pytest.MonkeyPatch, folder: Path) -> None:
    patch.setenv("CHARTWELL_DATA_DIR", str(folder / "data"))
    patch.setenv("CHARTWELL_EMBEDDER__PROVIDER", "hashing")
    patch.setenv("CHARTWELL_IMAGE_READING__PROCESSES", "1")
    patch.setenv("CHARTWELL_DEIDENTIFICATION__PIXEL_TEXT", "keep")


@pytest.fixture(autouse=True)
def settings(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    _settings(monkeypatch, folder)


def test_an_image_alone_shows_what_looks_like_it(folder: Path) -> None:
    asked = run("--image", str(folder / "films" / "film000.png"))
    assert asked.exit_code == 0, asked.output
    shown = " ".join(asked.output.split())
    assert "2 images of the patient that look like it, the most alike first" in shown
    assert "The film of 4 March 2019 is labelled with: effusion. [1]" in shown
    assert "patient P100 Chest X-ray, PA view 2019-03-04 similarity 1.00 found by its look report r1" in shown
    assert str(folder) not in asked.output


def test_a_question_with_an_image_is_answered_of_its_patient(folder: Path) -> None:
    asked = run("--image", str(folder / "films" / "film000.png"), "Is there an effusion?", "--stream")
    assert asked.exit_code == 0, asked.output
    assert '"Small left pleural effusion." [1]' in asked.output
    assert "Understood: effusion of Anna Mitchell" in asked.output


def test_films_are_asked_about_without_an_image() -> None:
    asked = run("Which films does Anna Mitchell have?")
    assert asked.exit_code == 0, asked.output
    assert "2 films of this patient stored here:" in asked.output
    none = run("Show films of patient P300")
    assert none.exit_code == 3
    assert "No patient P300 is known here, and no film is shown." in none.output
    assert process_query("Show films of patient P100").images[0].report_id == "r1"


@pytest.mark.parametrize(
    ("name", "settings", "said"),
    [
        ("said.csv", {}, "CW-IMAGE"),
        ("films/film000.png", {"CHARTWELL_IMAGE_EMBEDDER__PROVIDER": "none"}, "No image embedder is set."),
    ],
)
def test_what_cannot_be_asked_with_is_told(
    folder: Path, monkeypatch: pytest.MonkeyPatch, name: str, settings: dict[str, str], said: str
) -> None:
    for variable, value in settings.items():
        monkeypatch.setenv(variable, value)
    asked = run("--image", str(folder / name))
    assert asked.exit_code == 2
    assert said in " ".join(asked.stderr.split())


def test_without_the_extra_it_says_what_to_install(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    libraries._load.cache_clear()
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    asked = run("--image", str(folder / "films" / "film000.png"))
    libraries._load.cache_clear()
    assert asked.exit_code == 2
    assert "chartwell[images]" in asked.stderr


def test_where_no_image_is_stored_it_says_how_to_index_one(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CHARTWELL_DATA_DIR", str(tmp_path / "data"))
    assert CliRunner().invoke(vectorize, ["notes", str(folder / "notes.jsonl")]).exit_code == 0
    asked = run("--image", str(folder / "films" / "film000.png"))
    assert asked.exit_code == 3
    assert "No image is stored here." in asked.output
    assert "pipeline.vectorize images FOLDER" in asked.output


def test_a_conversation_asks_the_next_question_with_an_image(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = load_settings(None)
    with ask_module.open_answering(settings) as answering:
        talk = TerminalConversation(
            answering, Question(""), str.strip, prepared=lambda path: prepare_asked_image(path, settings)
        )
        take(talk, f"/image {folder / 'films' / 'film001.png'}")
        assert "of the patient that look like it" in capsys.readouterr().out
        take(talk, "Is there an effusion?")
        assert "Small left pleural effusion." in capsys.readouterr().out
        assert talk.image is None
        take(talk, "show her films")
        assert "2 films of this patient stored here:" in capsys.readouterr().out
        take(talk, "/image nowhere.png")
        assert "CW-IMAGE" in capsys.readouterr().err
        take(talk, "/image")
        assert "/image FILE" in capsys.readouterr().out


def test_bytes_are_asked_with_from_python(folder: Path) -> None:
    told = json.loads(as_json(process_query("", image=png(rings(48, 40, seed=0)))))
    assert told["images"][0]["similarity"] == pytest.approx(1.0, abs=1e-3)
    assert (told["images"][0]["patient_id"], told["images"][0]["number"]) == ("P100", 1)
    assert told["citations"][0]["locator"]["kind"] == "image_region"
    assert told["question"] == ""


def test_this_film_means_the_one_asked_with_or_shown_last(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = load_settings()
    with ask_module.open_answering(settings) as answering:
        conversation = TerminalConversation(
            answering, Question(""), str, prepared=lambda path: prepare_asked_image(path, settings)
        )

        def told(line: str) -> str:
            capsys.readouterr()
            take(conversation, line)
            printed = capsys.readouterr()
            return printed.out + printed.err

        first = sorted((folder / "films").iterdir())[0]
        assert "4 March 2019" in told(f"/image {first}")
        told("Is there an effusion?")
        earlier = told("Show me earlier films like this one")
        assert "2 January 2017" in earlier
        assert "4 March 2019" not in earlier
        told("/new")
        assert "4 March 2019" in told("Show the latest film of Anna Mitchell")
        assert "Earlier than the film of 2019-03-04" in told("Show earlier films like this one")
        told("Which films does Anna Mitchell have?")
        assert "Which film is meant?" in told("Show earlier films like this one")
