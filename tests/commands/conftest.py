"""What tests of commands share: processes that read images, kept between the commands of one file."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, nullcontext

import pytest

from pipeline.imaging import reading_pool
from pipeline.imaging.reading_pool import PoolOptions, ReadingPool


@pytest.fixture(scope="module")
def kept_reading_pools() -> Iterator[None]:
    """To start a process takes longer than to read a film: what is opened with the same options is the same pool."""
    kept: dict[bytes, ReadingPool] = {}
    with ExitStack() as stack, pytest.MonkeyPatch.context() as patch:

        def opened(options: PoolOptions) -> AbstractContextManager[ReadingPool]:
            key = pickle.dumps(options)
            if key not in kept:
                kept[key] = stack.enter_context(ReadingPool(options))
            return nullcontext(kept[key])

        patch.setattr(reading_pool, "ReadingPool", opened)
        yield
