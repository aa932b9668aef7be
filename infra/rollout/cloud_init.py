"""Renders the user data of a host from the files in cloud-init/.

Decides what may stand in user data: a template, plain values, files of the template's folder, under 16 KB.
Knows nothing of Pulumi, of where the values come from, or of what the scripts do. User data is readable by
anyone who can describe the instance, so whatever looks like a secret is refused.
"""

import base64
import gzip
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from infra.policy import SECRET_TEXT

TEMPLATE = Path(__file__).resolve().parents[2] / "cloud-init" / "user-data.yaml"

# https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/user-data.html: 16 KB before base64.
USER_DATA_BYTES_MAX = 16_384
_HEADER = "#cloud-config\n"
_PLACEHOLDER = re.compile(r"\$\{([^}]*)\}")
_VALUE = re.compile(r"[A-Za-z0-9._:/@,+=-]*")
_SECRET_NAME = re.compile(r"key|password|secret|token|credential", re.IGNORECASE)


class UserDataError(ValueError):
    """The template, its files and the values do not make valid user data. Not worth a retry."""


def render(template: Path, values: Mapping[str, str]) -> str:
    """Cloud-config text made of `template` and `values`. The same files and values always give the same text.

    `!file name` becomes the content of that file next to the template, shell scripts without their comment
    lines, and `!packed name` the same as base64 of gzip (cloud-init's `encoding: gz+b64`); `${name}` becomes
    a value. Placeholders are looked for in the template only, never in the files, where `${}` belongs to the
    shell. Every value must be used and every placeholder must have a value.

    Raises:
        UserDataError: for the first rule that is broken, with the name of the value or file.
    """
    _check_values(values)
    text = template.read_text(encoding="utf-8")
    if not text.startswith(_HEADER):
        raise UserDataError(f"{template.name}: the first line must be '#cloud-config'.")
    document = yaml.load(text, Loader=_loader(template.parent))  # noqa: S506 (a SafeLoader with one more tag)
    used: set[str] = set()
    rendered = _HEADER + yaml.dump(
        _fill(document, values, used), Dumper=_Dumper, sort_keys=False, width=1000, allow_unicode=True
    )
    if unused := sorted(set(values) - used):
        raise UserDataError(f"{template.name} has no place for the value(s) {', '.join(unused)}.")
    size_bytes = len(rendered.encode())
    if size_bytes >= USER_DATA_BYTES_MAX:
        raise UserDataError(
            f"User data is {size_bytes} bytes; EC2 takes less than {USER_DATA_BYTES_MAX}."
            " Ship a file after the boot instead (infra/rollout/steps.py)."
        )
    return rendered


def _check_values(values: Mapping[str, str]) -> None:
    for name, value in values.items():
        if _SECRET_NAME.search(name) or SECRET_TEXT.search(value):
            raise UserDataError(
                f"The value {name} looks like a secret. Secrets go by stdin, never by user data."
            )
        if not _VALUE.fullmatch(value):
            raise UserDataError(f"The value {name} has characters that would need quotes in a settings file.")


class _File(str):
    """Content of a file: taken as it is, no placeholders in it."""


def _loader(folder: Path) -> type[yaml.SafeLoader]:
    class Loader(yaml.SafeLoader):
        pass

    def include(_: yaml.SafeLoader, node: yaml.Node) -> _File:
        return _File(content_of(node))

    def pack(_: yaml.SafeLoader, node: yaml.Node) -> _File:
        packed = base64.b64encode(gzip.compress(content_of(node).encode(), mtime=0)).decode()
        return _File(packed)

    def content_of(node: yaml.Node) -> str:
        path = (folder / str(node.value)).resolve()
        if not path.is_relative_to(folder.resolve()):
            raise UserDataError(f"!file {node.value} lies outside {folder.name}/.")
        if not path.is_file():
            raise UserDataError(f"!file {node.value} does not exist in {folder.name}/.")
        content = path.read_text(encoding="utf-8")
        if SECRET_TEXT.search(content):
            raise UserDataError(f"!file {node.value} contains what looks like a secret.")
        return without_comments(content, path.name) if path.suffix == ".sh" else content

    Loader.add_constructor("!file", include)
    Loader.add_constructor("!packed", pack)
    return Loader


def without_comments(script: str, name: str) -> str:
    """The shell script without comment lines and blank lines; its first line stays.

    Raises:
        UserDataError: the script has a here-document, in which a line with # may be content.
    """
    if re.search(r"<<-?\s*['\"\\]?[A-Za-z_]", script):
        raise UserDataError(f"{name} has a here-document; its comment lines cannot be told from content.")
    first, *rest = script.splitlines()
    kept = [line for line in rest if line.strip() and not line.lstrip().startswith("#")]
    return "\n".join([first, *kept]) + "\n"


def _fill(node: Any, values: Mapping[str, str], used: set[str]) -> Any:
    if isinstance(node, _File) or not isinstance(node, (str, list, dict)):
        return node
    if isinstance(node, list):
        return [_fill(item, values, used) for item in node]
    if isinstance(node, dict):
        return {key: _fill(item, values, used) for key, item in node.items()}

    def value_of(match: re.Match[str]) -> str:
        name = match.group(1)
        if name not in values:
            raise UserDataError(f"The template asks for ${{{name}}}, which has no value.")
        used.add(name)
        return values[name]

    return _PLACEHOLDER.sub(value_of, node)


class _Dumper(yaml.SafeDumper):
    """Block style for text of several lines, so that a person can read what the host gets."""


def _text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", str(value), style="|" if "\n" in value else None)


_Dumper.add_representer(str, _text)
_Dumper.add_representer(_File, _text)
