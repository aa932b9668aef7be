"""Steps and containers as plain values, and the commands they become in the whole program."""

from __future__ import annotations

import base64
import hashlib
import io
import itertools
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from infra import stack
from infra.rollout import pipeline, steps
from tests.infra import recording, stacks

STEPS = Path(__file__).resolve().parents[2] / "cloud-init" / "steps"
COMMAND = "command:remote:Command"
COPY = "command:remote:CopyToRemote"


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> recording.Recorded:
    wheel = tmp_path_factory.mktemp("wheel") / "chartwell-0.1.0-py3-none-any.whl"
    wheel.write_bytes(b"a wheel")
    config = stacks.config()
    return recording.record(
        lambda: stack.build(config, stacks.inventory(), wheel=wheel, host_keys=lambda _: stacks.HOST_KEY)
    )


def test_every_step_runs_again_on_another_host_and_leaves_nothing_to_undo(
    recorded: recording.Recorded,
) -> None:
    host = recorded.one("aws:ec2/instance:Instance")
    found = [*recorded.of(COMMAND), *recorded.of(COPY)]
    assert len(found) > 12
    for each in found:
        assert host.id in each.props["triggers"], each.name
        assert "delete" not in each.props, each.name
        assert any("connection" in path for path in each.secret_paths), each.name


def test_steps_run_one_after_the_other_database_first_models_in_plan_order(
    recorded: recording.Recorded,
) -> None:
    commands = recorded.of(COMMAND)
    by_urn = {each.urn: each.name for each in commands}
    for before, after in itertools.pairwise(commands):
        assert before.urn in recorded.reachable(after.urn), f"{after.name} may run before {before.name}"
    names = [name.split("-services-")[-1].split("-job-")[-1] for name in by_urn.values()]
    assert names[:4] == ["boot", "boot-settled", "scripts", "data-volume"]
    assert names.index("iris") < names.index("nim-embedding") < names.index("nim-llm") < names.index("units")
    assert names[-6:] == ["pipeline-settings", "monitor", "front", "service", "ingestion", "validation"]


def test_no_secret_is_in_plain_in_any_step(recorded: recording.Recorded) -> None:
    config = stacks.config()
    password = next(
        each.props["value"] for each in recorded.of("aws:ssm/parameter:Parameter") if "iris" in each.name
    )
    for each in [*recorded.of(COMMAND), *recorded.of(COPY)]:
        for path, value in recording.leaves(each.props):
            holds = any(secret in str(value) for secret in (config.ngc_api_key.reveal(), str(password)))
            covered = any(path.startswith(secret) for secret in each.secret_paths)
            assert covered or not holds, f"{each.name}: {path}"
        create = str(each.props.get("create", ""))
        assert str(password) not in create
        assert config.ngc_api_key.reveal() not in create


@pytest.fixture(scope="module")
def previewed(tmp_path_factory: pytest.TempPathFactory) -> recording.Recorded:
    """The first preview of a new stack: nothing is there, and most values are unknown."""
    wheel = tmp_path_factory.mktemp("wheel") / "chartwell-0.1.0-py3-none-any.whl"
    wheel.write_bytes(b"a wheel")
    config = stacks.config()
    return recording.record(
        lambda: stack.build(config, stacks.inventory(), wheel=wheel, host_keys=lambda _: stacks.HOST_KEY),
        preview=True,
    )


def test_no_list_of_a_step_holds_a_secret_whether_known_yet_or_not(
    previewed: recording.Recorded, recorded: recording.Recorded
) -> None:
    """The engine refuses a list with a secret that has no value yet: "malformed secret: missing value"."""
    unknown = 0
    for each in [step for run in (previewed, recorded) for step in (*run.of(COMMAND), *run.of(COPY))]:
        assert not [path for path in each.secret_paths if "[" in path], each.name
        unknown += recording.UNKNOWN in each.props["triggers"]
    assert unknown > 12, "the preview has no unknown triggers: it proves nothing"


@pytest.mark.parametrize(
    "changes",
    [
        {"serviceCertificate": stacks.CERTIFICATE, "serviceCertificateKey": stacks.CERTIFICATE_KEY},
        {"pauseMode": "snapshot", "spot": True},
        {"checkHostKey": False, "dataRetention": "destroy"},
        {"offHoursStop": "19:30", "offHoursStart": "07:30"},
        {"llmModel": "none", "embeddingDevice": "cpu"},
    ],
)
def test_no_list_of_any_resource_holds_a_secret_in_the_first_preview(
    changes: dict[str, object], tmp_path: Path
) -> None:
    wheel = tmp_path / "chartwell-0.1.0-py3-none-any.whl"
    wheel.write_bytes(b"a wheel")
    if "serviceCertificate" in changes:
        changes = {**changes, "serviceDomain": "chartwell.example.org", "serviceCidrs": '["10.20.0.0/16"]'}
    run = recording.record(
        lambda: stack.build(
            stacks.config(**changes), stacks.inventory(), wheel=wheel, host_keys=lambda _: stacks.HOST_KEY
        ),
        preview=True,
    )
    assert len(run.resources) > 90
    assert [
        f"{each.name} {path}" for each in run.resources for path in each.secret_paths if "[" in path
    ] == []


def test_a_step_runs_again_for_another_secret_and_no_plain_hash_of_it_is_stored(tmp_path: Path) -> None:
    wheel = tmp_path / "chartwell-0.1.0-py3-none-any.whl"
    wheel.write_bytes(b"a wheel")

    def triggers(key: str) -> dict[str, list[str]]:
        config = stacks.config(ngcApiKey=key)
        run = recording.record(
            lambda: stack.build(config, stacks.inventory(), wheel=wheel, host_keys=lambda _: stacks.HOST_KEY)
        )
        return {each.name: each.props["triggers"] for each in run.of(COMMAND)}

    first, second = triggers(stacks.NGC_KEY), triggers("nvapi-" + "n3xt" * 12)
    models = [name for name in first if "nim-llm" in name or "nim-embedding" in name]
    assert len(models) == 2
    assert all(first[name] != second[name] for name in models)
    again = triggers(stacks.NGC_KEY)
    assert all(first[name] == again[name] for name in models)
    plain = hashlib.sha256(stacks.NGC_KEY.encode()).hexdigest()
    assert not any(plain in each for each in first.values())


def test_secret_steps_are_silent(recorded: recording.Recorded) -> None:
    silent = {
        each.name.split("-services-")[-1].split("-job-")[-1]
        for each in recorded.of(COMMAND)
        if each.props.get("logging") == "none"
    }
    assert silent == {"iris-password", "ngc-env", "ngc-login", "pipeline-settings"}


def test_the_archive_of_scripts_is_the_same_for_the_same_files_and_has_no_long_line() -> None:
    packed = steps.packed_scripts()
    assert packed == steps.packed_scripts()
    assert max(map(len, packed.splitlines())) == 76
    with tarfile.open(fileobj=io.BytesIO(base64.b64decode(packed))) as archive:
        names = archive.getnames()
        assert {"steps/lib.sh", "units/chartwell-idle.timer", "watch/idle.sh"} <= set(names)
        assert archive.getmember("steps/iris.sh").mode == 0o755


def test_a_large_host_gives_iris_no_more_cores_than_its_licence_allows() -> None:
    iris = steps.IrisService("x/iris@sha256:1", "secret", 2048, 3.5, 48)
    lines = steps.iris_container(iris).description().splitlines()
    assert "run=--cpuset-cpus=0-19" in lines
    assert "stop_seconds=120" in lines
    small = steps.iris_container(steps.IrisService("x", "secret", 2048, 3.5, 8)).description()
    assert "cpuset" not in small


def test_models_are_told_their_part_of_the_card_in_the_words_of_both_generations() -> None:
    nim = steps.Nim("llm", "x", 8000, 0, 1000, 2, 8192, 16, 0.82)
    lines = steps.nim_container(nim).description().splitlines()
    assert "run=--env=NIM_MAX_MODEL_LEN=8192" in lines
    assert "run=--env=NIM_KVCACHE_PERCENT=0.820" in lines
    assert "run=--env=NIM_PASSTHROUGH_ARGS=--gpu-memory-utilization 0.820 --max-num-seqs 16" in lines
    assert "run=--publish=127.0.0.1:8000:8000" in lines
    assert not any("--user" in line or line.startswith("run=-u") for line in lines)


def test_a_model_on_the_cpu_gets_no_card_and_an_unknown_user_an_open_cache() -> None:
    lines = steps.nim_container(steps.Nim("embedding", "x", 8001, None, None, 1)).description()
    assert "NIM_CPU_ONLY=1" in lines
    assert "--gpus" not in lines
    assert "directory=/data/nim/embedding:1000:1000:0777" in lines


def test_a_value_of_two_lines_cannot_become_a_line_of_its_own() -> None:
    bad = steps.Container("x", "image", (), environment=(("A", "1\nrun=--privileged"),))
    with pytest.raises(ValueError, match="more than one line"):
        bad.description()


# --- IRIS's merge file
# -------------------------------------------------------------------------------------------


def merge(path: Path, password: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(STEPS / "iris_merge.py"), str(path), "2048"],
        input=password + "\n",
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_password_hash_is_the_one_that_the_vendors_tool_prints() -> None:
    """A published line of `intersystems/passwordhash` for the password SYS."""
    hashed = (
        "34e80d2f1ad5135679b3a57a9c4b1611a8a8995e0849ebe954ac1c16ad253d02"
        "74296985fea058a8aaf2a149b88082595e6374b3c2f7d5f0774f05e4311ba52d"
    )
    salt = (
        "124e81ee6bf17fcaf0dfb38a4f8a7f46e9e4b0c8c9a40864bb189d4d200b161b"
        "1451874efcbed63b801cbab592434b93037e90810d96e4ee123ac03b756779e9"
    )
    assert hashlib.pbkdf2_hmac("sha512", b"SYS", bytes.fromhex(salt), 10_000).hex() == hashed
    code = f"import sys; sys.path.insert(0, {str(STEPS)!r}); import iris_merge as m; "
    code += f"print(m.password_hash('SYS', bytes.fromhex('{salt}')))"
    done = subprocess.run([sys.executable, "-B", "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == f"{hashed},{salt},10000,SHA512"


def test_the_merge_file_stays_the_same_for_the_same_password(tmp_path: Path) -> None:
    path = tmp_path / "merge.cpf"
    assert merge(path, "Correct-Horse-7").stdout == "merge.cpf: written\n"
    before = path.read_bytes()
    assert merge(path, "Correct-Horse-7").stdout == "merge.cpf: unchanged\n"
    assert path.read_bytes() == before
    assert b"Correct-Horse" not in before
    assert merge(path, "Another-Horse-8").stdout == "merge.cpf: written\n"
    assert path.read_bytes() != before
    assert path.stat().st_mode & 0o077 == 0


def test_a_short_password_is_refused(tmp_path: Path) -> None:
    done = merge(tmp_path / "merge.cpf", "SYS")
    assert done.returncode == 1
    assert not (tmp_path / "merge.cpf").exists()


def test_namespace_and_account_of_the_merge_file_are_those_of_the_pipelines_settings(tmp_path: Path) -> None:
    merge(tmp_path / "merge.cpf", "Correct-Horse-7")
    text = (tmp_path / "merge.cpf").read_text()
    environment = pipeline.pipeline_environment((), {}, "secret", public_url="https://x")
    assert f"CreateNamespace:Name={environment['CHARTWELL_IRIS__NAMESPACE']}," in text
    assert f"CreateUser:Name={environment['CHARTWELL_IRIS__USERNAME']}," in text


def test_no_model_server_reports_its_use_to_its_maker() -> None:
    nim = steps.Nim("llm", "nvcr.io/nim/x@sha256:0", 8001, 0, 1000, 2)
    arguments = steps.nim_container(nim).description()
    for setting in ("NIM_TELEMETRY_MODE=0", "VLLM_NO_USAGE_STATS=1", "DO_NOT_TRACK=1"):
        assert f"run=--env={setting}\n" in arguments
