"""Runs a Pulumi program in this process, as `pulumi-language-python-exec` of the real language host does.

An error that the user can cure (pulumi.RunError) is logged as one line and ends with 1; any other with the
program's own part of the traceback and 32. Source: pulumi/pulumi, sdk/python/cmd/pulumi-language-python-exec.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import runpy
import sys
import traceback
from concurrent.futures import ThreadPoolExecutor

import pulumi
import pulumi.runtime

TOLD = 32


def main() -> int:
    options = _options()
    pulumi.runtime.set_all_config(
        pulumi.runtime.get_config_env(), pulumi.runtime.get_config_secret_keys_env()
    )
    pulumi.runtime.configure(
        pulumi.runtime.Settings(
            project=options.project,
            stack=options.stack,
            organization=options.organization,
            monitor=options.monitor,
            engine=options.engine,
            parallel=options.parallel,
            dry_run=options.preview,
        )
    )
    os.chdir(options.folder)
    sys.argv = [options.folder]
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    loop.set_default_executor(ThreadPoolExecutor(max_workers=max(options.parallel, 1)))
    return _run(loop, options.folder)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    for name in ("project", "stack", "organization", "monitor", "engine", "folder"):
        parser.add_argument(f"--{name}")
    parser.add_argument("--parallel", type=int)
    parser.add_argument("--preview", action="store_true")
    return parser.parse_args()


def _run(loop: asyncio.AbstractEventLoop, folder: str) -> int:
    try:
        loop.run_until_complete(
            pulumi.runtime.run_in_stack(lambda: runpy.run_path(folder, run_name="__main__"))
        )
    except pulumi.RunError as problem:
        pulumi.log.error(str(problem))
        return 1
    except Exception:  # noqa: BLE001 (whatever the program raises is told, as the real one does)
        pulumi.log.error("Program failed with an unhandled exception:\n" + _own_part(folder))
        return TOLD
    finally:
        loop.close()
        sys.stdout.flush()
        sys.stderr.flush()
    return 0


def _own_part(folder: str) -> str:
    """The traceback from the program's main file on; all of it where that does not show."""
    frames = traceback.extract_tb(sys.exc_info()[2])
    main_file = os.path.join(os.path.abspath(folder), "__main__.py")  # noqa: PTH118, PTH100 (as the real one)
    for index, frame in enumerate(frames):
        if os.path.abspath(frame.filename) == main_file:  # noqa: PTH100
            return traceback.format_exc(limit=index - len(frames))
    return traceback.format_exc()


if __name__ == "__main__":
    sys.exit(main())
