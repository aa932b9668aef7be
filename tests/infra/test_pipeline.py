"""The post-deploy job: wheel, environment, settings, and the ingestion under a stand-in for systemd."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pip
import pulumi
import pytest

from infra.plan.config import HostedVision, SecretText
from infra.rollout import pipeline, steps

CHECKOUT = Path(__file__).resolve().parents[2]
SCRIPTS = CHECKOUT / "cloud-init" / "steps"
NIMS = (
    steps.Nim("embedding", "x", 8001, 0, 1000, 1),
    steps.Nim("image", "x", 8002, 0, None, 1),
    steps.Nim("llm", "x", 8000, 0, 1000, 2, 8192, 16, 0.8),
)
NAMES = {
    "embedding": "nvidia/nv-embedqa-e5-v5",
    "image": "nvidia/nvclip",
    "llm": "meta/llama-3.1-8b-instruct",
}


def test_every_variable_is_a_setting_of_the_pipeline() -> None:
    """By subprocess: infrastructure and pipeline share this test, not an import."""
    if not (CHECKOUT / "pipeline" / "config.py").exists():
        pytest.skip("the pipeline is not in this checkout")
    environment = pipeline.pipeline_environment(NIMS, NAMES, "Correct-Horse-7", public_url="https://x")
    environment |= pipeline.vision_environment(HostedVision("https://v.example/v1", "m", SecretText("")))
    code = "from pipeline.config import load_settings as l; s = l(); print(s.iris.namespace, s.generator.url)"
    plain = {key: str(value) for key, value in environment.items()}
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(CHECKOUT), **plain},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout == "DEMO http://127.0.0.1:8000/v1\n", done.stderr


def test_a_role_that_does_not_run_leaves_the_local_default() -> None:
    names = set(pipeline.pipeline_environment(NIMS[:1], NAMES, "x", public_url="https://x"))
    assert not any("GENERATOR" in name or "IMAGE" in name for name in names)
    assert "CHARTWELL_EMBEDDER__URL" in names


def test_nv_clip_is_three_settings_more() -> None:
    without = pipeline.pipeline_environment((NIMS[0], NIMS[2]), NAMES, "x", public_url="https://x")
    found = pipeline.pipeline_environment(NIMS, NAMES, "x", public_url="https://x")
    assert {name: found[name] for name in found.keys() - without.keys()} == {
        "CHARTWELL_IMAGE_EMBEDDER__PROVIDER": "nim",
        "CHARTWELL_IMAGE_EMBEDDER__MODEL": "nvidia/nvclip",
        "CHARTWELL_IMAGE_EMBEDDER__URL": "http://127.0.0.1:8002/v1",
    }


def test_a_vision_model_elsewhere_is_told_to_the_pipeline_alone() -> None:
    assert pipeline.vision_environment(None) == {}
    url = "https://vision.hospital.example/v1"
    found = pipeline.vision_environment(HostedVision(url, "some/vlm", SecretText("")))
    assert found == {
        "CHARTWELL_VISION__PROVIDER": "openai",
        "CHARTWELL_VISION__URL": url,
        "CHARTWELL_VISION__MODEL": "some/vlm",
    }
    keyed = pipeline.vision_environment(HostedVision(url, "some/vlm", SecretText("a-secret-key")))
    assert isinstance(keyed["CHARTWELL_VISION__API_KEY"], pulumi.Output)


def test_the_checks_are_told_what_the_stack_made() -> None:
    found = pipeline.pipeline_environment(
        NIMS, NAMES, "x", gpu=True, volume_id="vol-0a1b2c3d4e5f67890", public_url="https://x"
    )
    checks = {name.rpartition("__")[2]: value for name, value in found.items() if "CHECKS" in name}
    assert checks == {
        "GPU": "required",
        "VOLUME": "/data",
        "VOLUME_ID": "vol-0a1b2c3d4e5f67890",
        "SERVICE_ADDRESS": "127.0.0.1:443",
    }
    assert (
        pipeline.pipeline_environment((), {}, "x", gpu=False, public_url="https://x")["CHARTWELL_CHECKS__GPU"]
        == "none"
    )


def test_the_settings_file_is_a_secret_of_plain_lines() -> None:
    text = pipeline.environment_text({"B": "2", "A": pulumi.Output.secret("1")})
    assert isinstance(text, pulumi.Output)


@pytest.mark.parametrize(
    ("printed", "state"),
    [
        ('ingestion: started\n{"state":"finished","exit":0}\n', "finished"),
        ("", "unknown"),
        (None, "unknown"),
    ],
)
def test_the_status_is_the_last_object_printed(printed: str | None, state: str) -> None:
    assert pipeline.last_status(printed)["state"] == state


def small_checkout(folder: Path) -> Path:
    (folder / "pipeline").mkdir(parents=True)
    (folder / "pipeline" / "__init__.py").write_text("")
    (folder / "pipeline" / "vectorize.py").write_text("print('indexing')\n")
    (folder / "pyproject.toml").write_text(
        '[build-system]\nrequires = ["setuptools"]\nbuild-backend = "setuptools.build_meta"\n'
        '[project]\nname = "chartwell"\nversion = "0.1.0"\n'
        '[tool.setuptools.packages.find]\ninclude = ["pipeline*"]\n'
    )
    return folder


def needs_builder() -> None:
    if not pipeline.isolation_flags():
        pytest.skip(f"setuptools {pipeline.SETUPTOOLS_MIN} is not installed: pip would download one")


def hand_made_wheel(folder: Path) -> Path:
    """The smallest wheel with a package named pipeline."""
    folder.mkdir(parents=True)
    path = folder / "chartwell-0.1.0-py3-none-any.whl"
    info = "chartwell-0.1.0.dist-info"
    files = {
        "pipeline/__init__.py": "",
        "pipeline/vectorize.py": "print('indexing')\n",
        f"{info}/METADATA": "Metadata-Version: 2.1\nName: chartwell\nVersion: 0.1.0\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
        archive.writestr(f"{info}/RECORD", "".join(f"{name},,\n" for name in [*files, f"{info}/RECORD"]))
    return path


@pytest.mark.long
def test_the_wheel_is_built_once_for_the_same_sources(tmp_path: Path) -> None:
    needs_builder()
    first = pipeline.build_wheel(tmp_path / "out", small_checkout(tmp_path / "checkout"))
    made = first.stat().st_mtime_ns
    assert "pipeline/vectorize.py" in zipfile.ZipFile(first).namelist()
    checkout = tmp_path / "checkout"
    (checkout / "pipeline" / "__pycache__").mkdir(exist_ok=True)
    (checkout / "pipeline" / "__pycache__" / "x.pyc").write_text("noise")
    assert pipeline.build_wheel(tmp_path / "out", checkout) == first
    assert first.stat().st_mtime_ns == made
    (checkout / "pipeline" / "vectorize.py").write_text("print('other')\n")
    assert pipeline.sources_hash(checkout) not in str(first)


def test_a_wheel_that_does_not_build_says_why(tmp_path: Path) -> None:
    needs_builder()
    checkout = small_checkout(tmp_path / "checkout")
    (checkout / "pyproject.toml").write_text("[project\n")
    with pytest.raises(pipeline.WheelError, match=r"docs/troubleshooting-aws\.md#job"):
        pipeline.build_wheel(tmp_path / "out", checkout)


# --- on the host
# -------------------------------------------------------------------------------------------------

SYSTEMCTL = """#!/bin/bash
state={root}/unit
case "$1 $2" in
  "show -P") case $3 in
    ActiveState)
      [ -s $state ] || {{ echo inactive; exit; }}
      head -n 1 $state
      [ $(wc -l <$state) -lt 2 ] || sed -i 1d $state ;;
    ExecMainStatus) cat {root}/code ;;
  esac ;;
  "start "*) cp {root}/script $state ;;
esac
echo "$@" >>{root}/asked
"""


class Host:
    """A host whose unit goes through given states after `start`."""

    def __init__(self, root: Path, states: str, code: int) -> None:
        self.root = root
        self.python = Path(sys.executable)
        (root / "bin").mkdir()
        (root / "script").write_text(states.replace(" ", "\n") + "\n")
        (root / "code").write_text(str(code))
        # One state a question; the last one stays.
        self.program("systemctl", SYSTEMCTL.format(root=root))
        self.program("journalctl", "#!/bin/bash\nprintf 'note 17 failed: %070000d\\n' 0\n")

    def program(self, name: str, text: str) -> None:
        (self.root / "bin" / name).write_text(text)
        (self.root / "bin" / name).chmod(0o755)

    def run(self, script: str, *arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        environment = {
            "PATH": f"{self.root}/bin:{os.environ['PATH']}",
            "HOST_ETC": str(self.root / "etc"),
            "HOST_UNITS": str(self.root / "units"),
            "HOST_RUN": str(self.root / "run"),
            "HOST_MOUNT_POINT": str(self.root / "data"),
            "HOST_POLL_SECONDS": "0.05",
            "HOST_USER": subprocess.run(
                ["id", "-un"], capture_output=True, text=True, check=True
            ).stdout.strip(),
            "HOST_PYTHON": str(self.python),
            "PIP_NO_INDEX": "1",
        }
        return subprocess.run(
            ["bash", str(SCRIPTS / script), *arguments],
            input=stdin,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=100,
        )

    @property
    def asked(self) -> str:
        return (self.root / "asked").read_text()


def last_object(done: subprocess.CompletedProcess[str]) -> dict[str, object]:
    return pipeline.last_status(done.stdout)


def test_a_job_that_ends_well_is_finished(tmp_path: Path) -> None:
    host = Host(tmp_path, "active active activating active inactive", 0)
    done = host.run("job.sh", "s3://bucket/documents/", "60", "eu-west-1")
    assert done.returncode == 0, done.stdout + done.stderr
    assert last_object(done) | {"seconds": 0} == {
        "state": "finished",
        "exit": 0,
        "source": "s3://bucket/documents/",
        "seconds": 0,
    }
    assert (tmp_path / "etc" / "job.env").read_text() == (
        "JOB_SOURCE=s3://bucket/documents/\nAWS_DEFAULT_REGION=eu-west-1\n"
    )
    assert "enable -q chartwell-vectorize.service" in host.asked


def test_a_job_that_takes_longer_than_the_wait_goes_on(tmp_path: Path) -> None:
    host = Host(tmp_path, "active", 0)
    done = host.run("job.sh", "s3://bucket/documents/", "1", "eu-west-1")
    assert done.returncode == 0
    assert last_object(done)["state"] == "running"
    assert "stop" not in host.asked


def test_a_job_that_runs_already_is_not_started_again(tmp_path: Path) -> None:
    host = Host(tmp_path, "active", 0)
    shutil.copy(tmp_path / "script", tmp_path / "unit")
    host.run("job.sh", "s3://bucket/documents/", "0", "eu-west-1")
    assert "start chartwell" not in host.asked


def test_rejected_notes_do_not_fail_the_deployment_but_are_said(tmp_path: Path) -> None:
    host = Host(tmp_path, "active failed", 1)
    done = host.run("job.sh", "s3://bucket/documents/", "60", "eu-west-1")
    assert done.returncode == 0
    assert last_object(done)["state"] == "incomplete"
    assert "note 17 failed" in done.stdout


def test_a_job_that_fails_fails_the_step_with_short_lines_and_its_code(tmp_path: Path) -> None:
    host = Host(tmp_path, "active failed", 3)
    done = host.run("job.sh", "s3://bucket/documents/", "60", "eu-west-1")
    assert done.returncode == 1
    assert last_object(done)["exit"] == 3
    assert "ended with 3" in done.stdout
    assert max(map(len, done.stdout.splitlines())) < 400


@pytest.mark.parametrize("source", ["s3://bucket/a b", "s3://bucket/$(id)", "s3://bucket/%n", 's3://b/"x"'])
def test_a_source_that_a_unit_file_would_misread_is_refused(tmp_path: Path, source: str) -> None:
    host = Host(tmp_path, "inactive", 0)
    done = host.run("job.sh", source, "60", "eu-west-1")
    assert done.returncode == 1
    assert "character" in done.stdout


def quick_python(root: Path) -> Path:
    """A Python whose environments borrow this one's pip: installing pip again takes longer than all the rest."""
    borrowed = root / "borrowed"
    borrowed.mkdir()
    (borrowed / "pip").symlink_to(Path(pip.__file__).parent)
    program = root / "python"
    program.write_text(
        "#!/bin/bash\nset -e\n"
        f'[ "$1 $2" = "-m venv" ] || exec {sys.executable} "$@"\n'
        f'{sys.executable} -m venv --without-pip "$3"\n'
        f'echo {borrowed} >"$(echo "$3"/lib/python3.*/site-packages)/borrowed.pth"\n'
    )
    program.chmod(0o755)
    return program


@pytest.mark.long
def test_the_environment_is_made_once_and_replaced_when_the_lock_changes(tmp_path: Path) -> None:
    wheel = hand_made_wheel(tmp_path / "build")
    lock = tmp_path / "host.txt"
    lock.write_text("# nothing locked\n")
    host = Host(tmp_path, "inactive", 0)
    host.python = quick_python(tmp_path)
    first = host.run("pipeline.sh", "install", str(wheel), str(lock))
    assert first.returncode == 0, first.stdout + first.stderr
    assert "installed" in first.stdout
    python = tmp_path / "data" / "app" / "current" / "bin" / "python"
    done = subprocess.run(
        [str(python), "-m", "pipeline.vectorize"], capture_output=True, text=True, check=False, cwd=tmp_path
    )
    assert done.stdout == "indexing\n", done.stderr
    assert "unchanged" in host.run("pipeline.sh", "install", str(wheel), str(lock)).stdout
    lock.write_text("# another\n")
    assert "installed" in host.run("pipeline.sh", "install", str(wheel), str(lock)).stdout
    assert len(list((tmp_path / "data" / "app").glob("venv-*"))) == 1


def test_a_package_without_a_hash_is_not_installed_and_the_old_environment_stays(tmp_path: Path) -> None:
    wheel = hand_made_wheel(tmp_path / "build")
    lock = tmp_path / "host.txt"
    lock.write_text(f"chartwell @ file://{wheel}\n")
    host = Host(tmp_path, "inactive", 0)
    host.python = quick_python(tmp_path)
    current = tmp_path / "data" / "app" / "current"
    current.parent.mkdir(parents=True)
    current.symlink_to("venv-before")
    done = host.run("pipeline.sh", "install", str(wheel), str(lock))
    assert done.returncode == 1
    assert "hash" in done.stdout.lower()
    assert current.readlink() == Path("venv-before")


def test_the_settings_file_is_private_and_refuses_what_needs_quotes(tmp_path: Path) -> None:
    host = Host(tmp_path, "inactive", 0)
    good = "CHARTWELL_IRIS__PASSWORD=Correct-Horse_7\nCHARTWELL_EMBEDDER__URL=http://127.0.0.1:8001/v1\n"
    done = host.run("pipeline.sh", "settings", stdin=good)
    assert done.returncode == 0, done.stdout + done.stderr
    path = tmp_path / "data" / "app" / "chartwell.env"
    assert path.read_text() == good
    assert path.stat().st_mode & 0o777 == 0o600
    bad = host.run("pipeline.sh", "settings", stdin='CHARTWELL_IRIS__PASSWORD=a"b$c\n')
    assert bad.returncode == 1
    assert 'a"b' not in bad.stdout


# --- the last step: does it work?

RUNUSER = """#!/bin/bash
echo "$@" >{root}/asked
while [ "$1" != -- ]; do shift; done
shift
[ -z "$CHARTWELL_CHECKS__TRUST_FILE" ] || cp "$CHARTWELL_CHECKS__TRUST_FILE" {root}/trusted
exec "$@"
"""


class CheckedHost(Host):
    """A host whose pipeline is this checkout's, with the embedded store and the embedder without weights."""

    def __init__(self, root: Path, **changes: str) -> None:
        super().__init__(root, "inactive", 0)
        self.python = root / "python"
        self.python.write_text(f'#!/bin/sh\nPYTHONPATH={CHECKOUT} exec {sys.executable} "$@"\n')
        self.python.chmod(0o755)
        self.program("runuser", RUNUSER.format(root=root))
        (root / "data" / "app" / "state").mkdir(parents=True)
        settings = {
            "CHARTWELL_DATA_DIR": str(root / "data" / "app" / "state"),
            "CHARTWELL_EMBEDDER__PROVIDER": "hashing",
            "CHARTWELL_IRIS__PASSWORD": "Correct-Horse-7",
            **changes,
        }
        text = "".join(f"{name}={value}\n" for name, value in settings.items())
        (root / "data" / "app" / "chartwell.env").write_text(text)

    @property
    def reports(self) -> Path:
        return self.root / "data" / "app" / "state" / "validation"


def test_the_deployment_ends_with_a_verdict_and_its_report_is_on_the_volume(tmp_path: Path) -> None:
    host = CheckedHost(tmp_path)
    done = host.run("validate.sh")
    assert done.returncode == 0, done.stdout + done.stderr
    verdict = pipeline.last_status(done.stdout, "verdict")
    assert verdict["verdict"] == "warn"  # nothing is indexed on this host
    assert verdict["failed"] == []
    assert json.loads((host.reports / "latest.json").read_text())["verdict"] == "warn"
    assert (host.reports / "latest.xml").exists()
    assert "-m pipeline.validate --keep" in host.asked
    assert "Correct-Horse-7" not in host.asked + done.stdout + done.stderr


def test_the_checks_are_handed_the_services_certificate_and_not_its_key(tmp_path: Path) -> None:
    host = CheckedHost(tmp_path)
    pem = tmp_path / "etc" / "front" / "tls.pem"
    pem.parent.mkdir(parents=True)
    parts = {
        name: f"-----BEGIN {name}-----\nAAAA\n-----END {name}-----\n"
        for name in ("PRIVATE KEY", "CERTIFICATE")
    }
    pem.write_text("names=DNS:localhost\n" + "".join(parts.values()))
    host.run("validate.sh")
    assert (tmp_path / "trusted").read_text() == parts["CERTIFICATE"]


def test_a_failed_check_fails_the_deployment_with_its_cure(tmp_path: Path) -> None:
    host = CheckedHost(tmp_path, CHARTWELL_CHECKS__VOLUME=str(tmp_path / "elsewhere"))
    done = host.run("validate.sh")
    assert done.returncode == 1
    assert "volume_check: Nothing is mounted at" in done.stdout
    assert "What to do: Stop the containers" in done.stdout
    assert "docs/troubleshooting.md#cw-check-volume" in done.stdout
    assert done.stdout.splitlines()[-1].startswith("FAILED: A check failed")
    assert pipeline.last_status(done.stdout, "verdict")["failed"] == ["volume_check"]
    assert max(map(len, done.stdout.splitlines())) < 400
    assert "Correct-Horse-7" not in done.stdout + done.stderr


def test_a_wrong_setting_is_told_as_such_without_its_value(tmp_path: Path) -> None:
    done = CheckedHost(tmp_path, CHARTWELL_IRIS__PORT="Correct-Horse-8").run("validate.sh")
    assert done.returncode == 1
    assert "CHARTWELL_IRIS__PORT" in done.stdout
    assert "could not run (2)" in done.stdout


def test_a_host_without_the_pipeline_says_so(tmp_path: Path) -> None:
    host = Host(tmp_path, "inactive", 0)
    done = host.run("validate.sh")
    assert done.returncode == 1
    assert "no settings yet" in done.stdout


@pytest.mark.parametrize(
    ("printed", "verdict"),
    [('ok\n{"verdict":"pass","failed":[]}\n', "pass"), ("", "unknown"), (None, "unknown")],
)
def test_the_verdict_is_the_last_object_printed(printed: str | None, verdict: str) -> None:
    assert pipeline.last_status(printed, "verdict")["verdict"] == verdict


def test_the_unit_runs_the_command_that_the_documentation_names() -> None:
    text = (CHECKOUT / "cloud-init" / "units" / "chartwell-vectorize.service").read_text()
    assert "steps/index.sh ${JOB_SOURCE}" in text
    assert "NoNewPrivileges=yes" in text
    assert "-m pipeline.vectorize notes" in (SCRIPTS / "index.sh").read_text()
