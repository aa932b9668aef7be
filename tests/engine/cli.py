"""A checkout in a temporary folder, and the `pulumi` command in it as a user types it.

Decides what of the checkout the program needs, and that nothing of the machine is read or changed: a home of its own,
state in a file beside it, a passphrase, dummy credentials, every address of AWS the given endpoint, and no way out to
the internet. Knows nothing of what the program builds.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

CHECKOUT: Final = Path(__file__).resolve().parents[2]
PLUGINS: Final = CHECKOUT / "tests" / "engine" / "plugins"
COPIED: Final = ("Pulumi.yaml", "Pulumi.dev.yaml", "__main__.py", "infra", "cloud-init")
LINKED: Final = (".venv", "pipeline", "pyproject.toml", "README.md", "LICENSE", "requirements")
"""What the program reads to build the pipeline's wheel, and the environment that Pulumi.yaml names."""
NOWHERE: Final = "http://127.0.0.1:9"  # the discard port: whoever asks the internet is refused immediately
SECONDS_MAX: Final = 600.0
FROM_PATH: Final = re.compile(r"warning: using pulumi-\S+ from \$PATH at ")


def engine(*, build: bool = False) -> Path | None:
    """The `pulumi` to use: of PATH, or of the cache; None where there is neither. `build` makes it first."""
    words = [str(CHECKOUT / "tools" / "engine" / "build.sh"), *([] if build else ["--cached"])]
    done = subprocess.run(
        words, check=False, stdout=subprocess.PIPE, stderr=None if build else subprocess.DEVNULL, text=True
    )
    return Path(done.stdout.strip()) if done.returncode == 0 else None


@dataclass(frozen=True)
class Ended:
    """One command that has ended: exit code (negative: the signal), everything printed, the engine's events."""

    words: tuple[str, ...]
    code: int
    printed: str
    seconds: float
    events: tuple[Mapping[str, Any], ...] = field(repr=False)

    def steps(self, *operations: str) -> list[tuple[str, str]]:
        """(operation, URN) of each step that the engine began, in that order; of the preview before it none."""
        found = [each["resourcePreEvent"] for each in self.events if "resourcePreEvent" in each]
        return [
            (each["metadata"]["op"], each["metadata"]["urn"])
            for each in found
            if not each.get("planning") and (not operations or each["metadata"]["op"] in operations)
        ]

    def names(self, *operations: str) -> list[str]:
        """Names of the resources with such a step."""
        return [urn.rsplit("::", 1)[1] for _, urn in self.steps(*operations)]

    def messages(self, *severities: str) -> list[str]:
        """What was said, of the whole command or of a resource."""
        found = [each["diagnosticEvent"] for each in self.events if "diagnosticEvent" in each]
        wanted = severities or ("error", "warning")
        told = [each["message"] for each in found if each["severity"] in wanted]
        return [each for each in told if not FROM_PATH.search(each)]

    @property
    def changes(self) -> dict[str, int]:
        """Resources by what was done to them, without those that stay."""
        summaries = [each["summaryEvent"] for each in self.events if "summaryEvent" in each]
        last = summaries[-1]["resourceChanges"] if summaries else {}
        return {kind: count for kind, count in last.items() if kind != "same"}


class Running:
    """A command on its way. Its plugins are of one session, so that a power cut ends them all."""

    def __init__(self, words: Sequence[str], workspace: Workspace) -> None:
        self._words = tuple(words)
        self._log = workspace.folder / f"events-{time.monotonic_ns()}.jsonl"
        self._printed = self._log.with_suffix(".txt")
        self._began = time.monotonic()
        extra = ["--event-log", str(self._log)] if words[0] in LOGGED else []
        with self._printed.open("wb") as printed:
            self._process = subprocess.Popen(
                [str(workspace.pulumi), *words, *extra],
                cwd=workspace.checkout,
                env=workspace.environment,
                stdin=subprocess.DEVNULL,
                stdout=printed,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def printed(self) -> str:
        """Without the lines that only a plugin on PATH causes: a user's lie beside `pulumi`."""
        text = self._printed.read_text(encoding="utf-8", errors="replace")
        return "".join(line for line in text.splitlines(keepends=True) if not FROM_PATH.search(line))

    def events(self) -> Iterator[Mapping[str, Any]]:
        """What the engine has told so far."""
        if self._log.exists():
            for line in self._log.read_text(encoding="utf-8").splitlines():
                try:
                    yield json.loads(line)
                except ValueError:
                    return

    def wait(self, seconds_max: float = SECONDS_MAX) -> Ended:
        try:
            code = self._process.wait(seconds_max)
        except subprocess.TimeoutExpired:
            self.cut_power()
            raise AssertionError(
                f"pulumi {' '.join(self._words)} has not ended in {seconds_max:.0f} s:\n{self.printed()}"
            ) from None
        seconds = time.monotonic() - self._began
        return Ended(self._words, code, self.printed(), seconds, tuple(self.events()))

    @property
    def session(self) -> int:
        return self._process.pid

    def cut_power(self) -> None:
        """SIGKILL to the engine, its language host, its providers and the program, all in the same moment."""
        for pid in members(self.session):
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._process.wait()

    def interrupt(self) -> None:
        """Ctrl-C."""
        self._process.send_signal(signal.SIGINT)

    def kill_when(self, moment: Callable[[], bool], seconds_max: float = SECONDS_MAX) -> Ended:
        """Cut the power as soon as `moment` is true; if that never happens, the command's end."""
        while self._process.poll() is None and time.monotonic() - self._began < seconds_max:
            if moment():
                self.cut_power()
                break
            time.sleep(0.02)
        return self.wait(seconds_max)


KEPT: Final = ("LANG", "TMPDIR", "PYTHONPYCACHEPREFIX", "PYTHONDONTWRITEBYTECODE")
LOGGED: Final = ("preview", "up", "destroy", "refresh")


@dataclass(frozen=True)
class Workspace:
    """One user's machine: checkout, home, state. `pulumi` is the command, `endpoint` where AWS answers."""

    folder: Path
    pulumi: Path
    endpoint: str
    stack: str = "dev"
    more_environment: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def made(cls, folder: Path, pulumi: Path, endpoint: str, **more: Any) -> Workspace:
        """Copy what may be changed, link what is only read, make the home and the state's folder."""
        made = cls(folder, pulumi, endpoint, **more)
        for name in ("checkout", "home", "state", "bin"):
            (folder / name).mkdir(parents=True)
        (folder / "bin" / "pulumi").symlink_to(pulumi)
        for name in COPIED:
            source = CHECKOUT / name
            if source.is_dir():
                ignored = shutil.ignore_patterns("__pycache__")
                shutil.copytree(source, made.checkout / name, ignore=ignored)
            else:
                shutil.copy(source, made.checkout / name)
        for name in LINKED:
            (made.checkout / name).symlink_to(CHECKOUT / name)
        return made

    @property
    def checkout(self) -> Path:
        return self.folder / "checkout"

    @property
    def environment(self) -> dict[str, str]:
        kept = {name: os.environ[name] for name in KEPT if name in os.environ}
        path = os.pathsep.join(
            (str(self.folder / "bin"), str(PLUGINS), str(CHECKOUT / ".venv" / "bin"), os.environ["PATH"])
        )
        return {
            **kept,
            "PATH": path,
            "HOME": str(self.folder / "home"),
            "PULUMI_HOME": str(self.folder / "home" / ".pulumi"),
            "PULUMI_BACKEND_URL": f"file://{self.folder / 'state'}",
            "PULUMI_CONFIG_PASSPHRASE": "correct horse battery staple",
            "PULUMI_SKIP_UPDATE_CHECK": "true",
            "PULUMI_DEBUG_COMMANDS": "true",  # the option --event-log
            "ENGINE_PYTHON": str(CHECKOUT / ".venv" / "bin" / "python"),
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_EC2_METADATA_DISABLED": "true",
            "HTTPS_PROXY": NOWHERE,
            "HTTP_PROXY": NOWHERE,
            "NO_PROXY": "127.0.0.0/8,127.0.0.1,localhost",
            **self.more_environment,
        }

    def start(self, *words: str) -> Running:
        """`pulumi WORDS…`, on its way."""
        return Running(words, self)

    def run(self, *words: str) -> Ended:
        return self.start(*words).wait()

    def python(self, *words: str) -> Ended:
        """`python WORDS…` in the checkout, such as `-m infra.orphans`."""
        began = time.monotonic()
        command = [str(CHECKOUT / ".venv" / "bin" / "python"), *words]
        done = subprocess.run(
            command,
            cwd=self.checkout,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=SECONDS_MAX,
        )
        return Ended(words, done.returncode, done.stdout, time.monotonic() - began, ())

    def init(self, values: Mapping[str, str], *, secrets: frozenset[str] = frozenset()) -> None:
        """A new stack with this configuration, written as `pulumi config set` writes it."""
        self.must("stack", "init", self.stack)
        for secret, flag in ((False, "--plaintext"), (True, "--secret")):
            pairs = [f"{name}={value}" for name, value in values.items() if (name in secrets) is secret]
            if pairs:
                self.must("config", "set-all", *(word for pair in pairs for word in (flag, pair)))

    def set(self, name: str, value: str) -> None:
        self.must("config", "set", name, value)

    def unset(self, name: str) -> None:
        self.must("config", "rm", name)

    def must(self, *words: str) -> Ended:
        done = self.run(*words)
        if done.code:
            raise AssertionError(f"pulumi {' '.join(words[:2])} ended with {done.code}:\n{done.printed}")
        return done

    def preview(self, *more: str) -> Ended:
        return self.run("preview", *more)

    def up(self, *more: str) -> Ended:
        return self.run("up", "--yes", *more)

    def destroy(self, *more: str) -> Ended:
        return self.run("destroy", "--yes", *more)

    def refresh(self, *more: str) -> Ended:
        return self.run("refresh", "--yes", *more)

    def cancel(self) -> Ended:
        return self.run("cancel", "--yes")

    def state(self) -> dict[str, Any]:
        """The deployment as `pulumi stack export` prints it."""
        return dict(json.loads(self.must("stack", "export").printed)["deployment"])

    def resources(self) -> list[dict[str, Any]]:
        return list(self.state().get("resources", ()))

    def pending(self) -> list[dict[str, Any]]:
        return list(self.state().get("pending_operations", ()))

    def outputs(self) -> dict[str, Any]:
        """Secrets shown."""
        return dict(json.loads(self.must("stack", "output", "--json", "--show-secrets").printed))

    def lose_state(self) -> None:
        """What a lost laptop leaves: the account. The stack begins anew under the same name."""
        shutil.rmtree(self.folder / "state")
        (self.folder / "state").mkdir()
        self.must("stack", "init", self.stack)


def members(session: int) -> list[int]:
    """Processes of a session that live. A plugin is in a group of its own, but stays in the session."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                fields = (entry / "stat").read_text().rsplit(")", 1)[1].split()
                if int(fields[3]) == session and fields[0] != "Z":
                    found.append(int(entry.name))
    return found
