"""What the libraries that read images say about a file: nothing.

Decides that their warnings and log lines go nowhere, because they quote the values that they complain of, and a value
may be a patient's name ("Invalid value for VR PN: 'MITCHELL^ANNA'"). What matters is told by our own errors. Refuses to
know which library says what.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

LOGGERS = ("pydicom", "PIL", "nibabel", "nibabel.global", "RapidOCR")


@contextmanager
def silent_libraries() -> Iterator[None]:
    """Around every call of such a library that sees a file's values.

    The filter of warnings belongs to the whole process: images are read in processes of their own, or one at a time.
    """
    for name in LOGGERS:
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
