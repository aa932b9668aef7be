"""Prints which models fit which host, and what each host costs: `python -m infra.sizing`."""

from __future__ import annotations

from infra.plan.sizing import main

if __name__ == "__main__":
    raise SystemExit(main())
