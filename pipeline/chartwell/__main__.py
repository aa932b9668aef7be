"""The command `chartwell`; from a checkout `python -m pipeline.chartwell`."""

from __future__ import annotations

from .command import app

if __name__ == "__main__":
    app(prog_name="chartwell")
