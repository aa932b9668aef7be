"""A double of the provider `command` 1.2.1 (`command:remote:Command`, `CopyToRemote`), over the OpenSSH client.

The real one is not served by the Go module proxy. What it does, and each contract test states where that was seen:
a list that holds an unknown secret comes back from Check without its value; update runs `update`, else `create` again;
only `triggers` replaces; a copy is made again only when file or path differ, whatever the host; a failure tells the
whole command and its output; no keepalive and no timeout. It refuses what the program does not use and the double does
not do: `environment`, a proxy, an output of before in the environment, archives.

Without a host (ENGINE_SCRIPT names a file) nothing is dialled: each step gets the answer that the file has for it.
Its lines are objects with `step` (the end of the resource's name) and any of `exit`, `stdout`, `stderr`, `seconds`,
`times`.
ENGINE_JOURNAL names a file that gets a line for each step that ran, in both ways.
"""

from __future__ import annotations

import json
import os
import secrets
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import grpc
from google.protobuf import empty_pb2, json_format, struct_pb2
from pulumi.runtime.proto import engine_pb2, engine_pb2_grpc, plugin_pb2, provider_pb2, provider_pb2_grpc

from tests.engine.language_host import serve, server
from tests.engine.ssh import SshError, dialled

VERSION: Final = "1.2.1"
SIGNATURE: Final = "4dabf18193072939515e22adb298388d"
SECRET: Final = "1b47061264138c4ac30d75fd1eb44270"
UNKNOWN: Final = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
COMMAND: Final = "command:remote:Command"
COPY: Final = "command:remote:CopyToRemote"
ALWAYS_SECRET: Final = ("connection",)


class CommandError(Exception):
    """The command failed. Its text is the whole command and what it printed."""


class CommandProvider(provider_pb2_grpc.ResourceProviderServicer):
    """`engine` is the address that lines are logged to."""

    def __init__(self, engine: str) -> None:
        self._engine = engine
        self._log: Any = None

    def GetPluginInfo(self, request: Any, context: Any) -> Any:
        return plugin_pb2.PluginInfo(version=VERSION)

    def CheckConfig(self, request: Any, context: Any) -> Any:
        return provider_pb2.CheckResponse(inputs=request.news)

    def DiffConfig(self, request: Any, context: Any) -> Any:
        return provider_pb2.DiffResponse(changes=provider_pb2.DiffResponse.DIFF_NONE)

    def Configure(self, request: Any, context: Any) -> Any:
        return provider_pb2.ConfigureResponse(acceptSecrets=True, supportsPreview=True)

    def Cancel(self, request: Any, context: Any) -> Any:
        return empty_pb2.Empty()

    def Check(self, request: Any, context: Any) -> Any:
        inputs = plain(request.news)
        failures = [
            provider_pb2.CheckFailure(property=name, reason=reason)
            for name, reason in _refused(_kind(request.urn), opened(inputs)).items()
        ]
        return provider_pb2.CheckResponse(inputs=struct(_without_unknown_secrets(inputs)), failures=failures)

    def Diff(self, request: Any, context: Any) -> Any:
        old, new = opened(plain(request.old_inputs)), opened(plain(request.news))
        changed = sorted(name for name in old.keys() | new.keys() if old.get(name) != new.get(name))
        changed = [name for name in changed if name not in request.ignoreChanges]
        kinds = provider_pb2.PropertyDiff
        detail = {}
        for name in changed:
            known = (name in old, name in new)
            kind = {(True, True): "UPDATE", (False, True): "ADD", (True, False): "DELETE"}[known]
            replaced = "_REPLACE" if name == "triggers" else ""
            detail[name] = provider_pb2.PropertyDiff(kind=kinds.Kind.Value(kind + replaced), inputDiff=True)
        some = provider_pb2.DiffResponse.DIFF_SOME if changed else provider_pb2.DiffResponse.DIFF_NONE
        return provider_pb2.DiffResponse(
            changes=some,
            replaces=[name for name in changed if name == "triggers"],
            diffs=changed,
            detailedDiff=detail,
            hasDetailedDiff=True,
        )

    def Create(self, request: Any, context: Any) -> Any:
        inputs = plain(request.properties)
        outputs = {"stdout": UNKNOWN, "stderr": UNKNOWN} if _kind(request.urn) == COMMAND else {}
        if request.preview:
            return provider_pb2.CreateResponse(id="", properties=_outputs(inputs, outputs))
        outputs = self._done(request.urn, inputs, opened(inputs).get("create"), context)
        return provider_pb2.CreateResponse(id=secrets.token_hex(4), properties=_outputs(inputs, outputs))

    def Update(self, request: Any, context: Any) -> Any:
        inputs, old, state = plain(request.news), plain(request.old_inputs), plain(request.olds)
        outputs = {name: state[name] for name in ("stdout", "stderr") if name in state}
        new = opened(inputs)
        if request.preview:
            changed = [name for name in ("create", "update") if new.get(name) != opened(old).get(name)]
            outputs = {name: UNKNOWN if changed else value for name, value in outputs.items()}
        elif _kind(request.urn) == COMMAND:
            outputs = self._done(request.urn, inputs, new.get("update", new.get("create")), context)
        elif _copied(new) != _copied(opened(old)):
            self._done(request.urn, inputs, None, context)
        return provider_pb2.UpdateResponse(properties=_outputs(inputs, outputs))

    def Read(self, request: Any, context: Any) -> Any:
        return provider_pb2.ReadResponse(id=request.id, properties=request.properties, inputs=request.inputs)

    def Delete(self, request: Any, context: Any) -> Any:
        state = plain(request.properties)
        if command := opened(state).get("delete"):
            self._done(request.urn, state, command, context)
        return empty_pb2.Empty()

    def _done(self, urn: str, inputs: Mapping[str, Any], command: str | None, context: Any) -> dict[str, Any]:
        """Outputs of the command or the copy; ends the call with the error's text where there is one."""
        try:
            if _kind(urn) == COPY:
                _copy(urn, opened(inputs))
                return {}
            return self._run(urn, inputs, command)
        except (CommandError, SshError) as error:
            context.abort(grpc.StatusCode.UNKNOWN, str(error))
            raise

    def _run(self, urn: str, inputs: Mapping[str, Any], command: str | None) -> dict[str, Any]:
        given = opened(inputs)
        if command is None:
            return {"stdout": "", "stderr": ""}
        printed: list[str] = []

        def say(line: str) -> None:
            printed.append(line)
            if given.get("logging") != "none":
                self._tell(urn, line)

        began = time.monotonic()
        if script := os.environ.get("ENGINE_SCRIPT"):
            code, out, error = _scripted(Path(script), urn, say)
        else:
            with dialled(given["connection"]) as session:
                code, out, error = session.run(command, given.get("stdin") or "", say)
        _journal(urn, code, time.monotonic() - began)
        if code:
            why = f"Process exited with status {code}" if code != 255 else NO_STATUS
            lines = "\n".join(printed)
            raise CommandError(f"{why}: running {json.dumps(command)}:\n{lines}")
        hidden = is_secret(inputs.get("create")) or is_secret(inputs.get("update"))
        return {"stdout": sealed(out) if hidden else out, "stderr": sealed(error) if hidden else error}

    def _tell(self, urn: str, line: str) -> None:
        if self._log is None:
            self._log = engine_pb2_grpc.EngineStub(grpc.insecure_channel(self._engine))
        severity = engine_pb2.LogSeverity.Value("INFO")
        self._log.Log(engine_pb2.LogRequest(severity=severity, urn=urn, message=line, ephemeral=True))


NO_STATUS: Final = "wait: remote command exited without exit status or exit signal"


def plain(message: Any) -> dict[str, Any]:
    return dict(json_format.MessageToDict(message))


def struct(value: Mapping[str, Any]) -> Any:
    made = struct_pb2.Struct()
    made.update(dict(value))
    return made


def is_secret(value: Any) -> bool:
    return isinstance(value, dict) and value.get(SIGNATURE) == SECRET


def sealed(value: Any) -> Any:
    return value if is_secret(value) else {SIGNATURE: SECRET, "value": value}


def opened(value: Any) -> Any:
    """The value with its secrets in the clear."""
    if is_secret(value):
        return opened(value.get("value"))
    if isinstance(value, dict):
        return {name: opened(each) for name, each in value.items()}
    return [opened(each) for each in value] if isinstance(value, list) else value


def _without_unknown_secrets(value: Any, *, listed: bool = False) -> Any:
    """The fault of the real Check: in a list, a secret that is not known yet loses its value."""
    if is_secret(value):
        return {SIGNATURE: SECRET} if listed and opened(value) == UNKNOWN else value
    if isinstance(value, dict):
        return {name: _without_unknown_secrets(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_without_unknown_secrets(each, listed=True) for each in value]
    return value


def _refused(kind: str, inputs: Mapping[str, Any]) -> dict[str, str]:
    found = {}
    if "connection" not in inputs:
        found["connection"] = "Missing required property 'connection'"
    if kind == COMMAND and inputs.get("addPreviousOutputInEnv") is not False:
        found["addPreviousOutputInEnv"] = "the double of this provider does it only without (false)"
    for name in ("environment", "archivePaths"):
        if inputs.get(name):
            found[name] = "the double of this provider does not do it"
    if kind == COPY and "source" not in inputs:
        found["source"] = "Missing required property 'source'"
    return found


def _kind(urn: str) -> str:
    return urn.split("::")[2].rsplit("$", 1)[-1]


def _outputs(inputs: Mapping[str, Any], outputs: Mapping[str, Any]) -> Any:
    made = {**inputs, **outputs}
    return struct({name: sealed(each) if name in ALWAYS_SECRET else each for name, each in made.items()})


def _copied(inputs: Mapping[str, Any]) -> tuple[Any, Any]:
    return inputs["source"].get("hash"), inputs["remotePath"]


def _copy(urn: str, inputs: Mapping[str, Any]) -> None:
    began = time.monotonic()
    if not os.environ.get("ENGINE_SCRIPT"):
        with dialled(inputs["connection"]) as session:
            session.copy(Path(inputs["source"]["path"]), inputs["remotePath"])
    _journal(urn, 0, time.monotonic() - began)


_WRITING = threading.Lock()


def _journal(urn: str, code: int, seconds: float) -> None:
    if path := os.environ.get("ENGINE_JOURNAL"):
        line = json.dumps({"step": urn.rsplit("::", 1)[1], "exit": code, "seconds": round(seconds, 2)})
        with _WRITING, Path(path).open("a", encoding="utf-8") as journal:
            journal.write(line + "\n")


def _scripted(path: Path, urn: str, say: Any) -> tuple[int, str, str]:
    """What the script has for this step: the first line that fits and is not used up. None: it succeeds in silence."""
    name = urn.rsplit("::", 1)[1]
    with _WRITING:
        lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
        fit = next((each for each in lines if name.endswith(each["step"]) and each.get("times", 1)), {})
        if "times" in fit:
            fit["times"] -= 1
            path.write_text("".join(json.dumps(each) + "\n" for each in lines), encoding="utf-8")
    time.sleep(fit.get("seconds", 0))
    out, error = fit.get("stdout", ""), fit.get("stderr", "")
    for line in [*out.splitlines(), *error.splitlines()]:
        say(line)
    return fit.get("exit", 0), out, error


def main() -> None:
    made = server()
    provider_pb2_grpc.add_ResourceProviderServicer_to_server(CommandProvider(sys.argv[-1]), made)
    serve(made)


if __name__ == "__main__":
    main()
