"""The local embedding models: `python -m pipeline.models list | fetch NAME`"""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from pipeline.commands.console import command_line, err, errors_as_exit_codes, out
from pipeline.config import load_settings
from pipeline.wiring import LocalModelState, fetch_model, local_models

app = command_line(__doc__ or "")

JsonOption = Annotated[bool, typer.Option("--json", help="print the models as JSON")]


@app.command("list")
def list_models(json_output: JsonOption = False) -> None:
    """The models that CHARTWELL_EMBEDDER__PROVIDER=local can run, and which of them are here.

    docs/models.md says how good and how fast each is. Exit code 0: listed; 2: could not run.
    """
    with errors_as_exit_codes():
        models = local_models(load_settings())
        if json_output:
            out.print(json.dumps([asdict(model) for model in models], indent=2), markup=False)
        else:
            out.print(_table(models))


@app.command()
def fetch(
    name: Annotated[str, typer.Argument(help="as `list` has it, for example bge-small-en-v1.5")],
    to: Annotated[
        Path | None,
        typer.Option(
            help="folder to put the file in", show_default="the models folder of CHARTWELL_DATA_DIR"
        ),
    ] = None,
    mirror: Annotated[
        str, typer.Option(help="root of a server that has the model hub's paths, to be asked instead of it")
    ] = "",
) -> None:
    """Download a model's file, at the revision and with the SHA-256 that are known of it, and say how it is used.

    Nothing is sent but the request for the file, and a file with another hash is not kept. Exit code 0: it is here; 2:
    it could not be had, for example without a network.
    """
    with errors_as_exit_codes():
        settings = load_settings()
        path = fetch_model(name, (to or settings.data_dir / "models").absolute(), mirror)
        out.print(str(path), markup=False)
        err.print(
            f"use it: CHARTWELL_EMBEDDER__MODEL={name} CHARTWELL_EMBEDDER__MODEL_FILE={path}", markup=False
        )


def _table(models: list[LocalModelState]) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0))
    for heading in ("name", "MB", "dimensions", "tokens", "floor", "here", "licence"):
        table.add_column(
            heading, justify="right" if heading in ("MB", "dimensions", "tokens", "floor") else "left"
        )
    for model in models:
        table.add_row(
            model.name,
            f"{model.file_bytes / 1e6:.0f}",
            str(model.dimension),
            str(model.tokens_max),
            f"{model.similarity_floor:.2f}",
            "yes" if model.here else "no",
            model.licence,
        )
    return table


if __name__ == "__main__":
    app()
