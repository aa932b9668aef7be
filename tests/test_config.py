"""Settings: all problems together, unknown names caught, secrets never shown, the reference in step."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.config import load_settings, reference, variables
from pipeline.errors import SettingsInvalid

ROOT = Path(__file__).resolve().parents[1]


def test_defaults_need_nothing() -> None:
    settings = load_settings()
    assert settings.store.kind == "embedded"
    assert settings.embedder.provider == "local"
    assert settings.generator.provider == "extractive"


def test_environment_wins_over_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".env").write_text("CHARTWELL_IRIS__PORT=1000\nCHARTWELL_IRIS__HOST=from-file\n")
    monkeypatch.setenv("CHARTWELL_IRIS__PORT", "2000")
    settings = load_settings(tmp_path / ".env")
    assert (settings.iris.port, settings.iris.host) == (2000, "from-file")


def test_options_win_and_leave_the_rest_of_the_group(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHARTWELL_INDEXING__CHUNK_TOKENS_MAX", "99")
    settings = load_settings(indexing={"batch_size": 7})
    assert (settings.indexing.batch_size, settings.indexing.chunk_tokens_max) == (7, 99)


def test_all_problems_are_reported_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHARTWELL_STORE__KIND", "oracle")
    monkeypatch.setenv("CHARTWELL_IRIS__PORT", "99999")
    monkeypatch.setenv("CHARTWELL_EMBEDER__MODEL", "x")
    with pytest.raises(SettingsInvalid) as caught:
        load_settings()
    message = str(caught.value)
    assert "3 settings are wrong" in message
    assert (
        "CHARTWELL_STORE__KIND in the environment is 'oracle'; expected: Input should be 'embedded' or 'iris'"
        in message
    )
    assert "CHARTWELL_IRIS__PORT" in message
    assert "CHARTWELL_EMBEDER__MODEL is no setting; did you mean CHARTWELL_EMBEDDER__MODEL?" in message


def test_a_url_must_be_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHARTWELL_EMBEDDER__URL", "localhost:8001")
    with pytest.raises(SettingsInvalid, match="starts with http"):
        load_settings()


def test_secrets_are_masked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHARTWELL_IRIS__PASSWORD", "swordfish")
    settings = load_settings()
    assert "swordfish" not in repr(settings)
    assert settings.iris.password.get_secret_value() == "swordfish"


def test_the_reference_names_every_variable_and_is_up_to_date() -> None:
    text = (ROOT / ".env.example").read_text(encoding="utf-8")
    assert text == reference(), "run: make docs"
    for variable, field, _ in variables():
        assert f"# {variable}=" in text
        assert field.description, f"{variable} has no description"


def test_the_reference_is_a_valid_env_file(tmp_path: Path) -> None:
    lines = reference().splitlines()
    active = [line.removeprefix("# ") for line in lines if line.startswith("# CHARTWELL_")]
    # An empty value stands for "unset" in the reference.
    (tmp_path / ".env").write_text("\n".join(line for line in active if not line.endswith("=")))
    assert load_settings(tmp_path / ".env") == load_settings(None)
