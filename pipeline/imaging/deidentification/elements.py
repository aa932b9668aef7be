"""The elements of a DICOM data set, one by one, whatever state they are in.

Decides that an element which cannot be read is as good as not there: what cannot be read cannot be cleaned, so it must
not be given on either. Refuses to know what any element means.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pydicom.dataelem import DataElement
    from pydicom.dataset import Dataset


PER_FRAME = 0x52009230
"""Thousands of items of geometry and times of each frame, of which none is given on and none names anyone."""


def every_group(_group: int) -> bool:
    return True


def readable_elements(
    dataset: Dataset, *, groups: Callable[[int], bool] = every_group
) -> Iterator[DataElement]:
    """Those that pydicom can read, in the order of their tags, without those of each frame; of the groups that
    `groups` lets through."""
    for tag in sorted(dataset.keys()):
        wanted = tag != PER_FRAME and groups(tag.group)
        element = readable_element(dataset, tag) if wanted else None
        if element is not None:
            yield element


def readable_element(dataset: Dataset, tag: int) -> DataElement | None:
    """The element with that tag; None where there is none, or none that can be read."""
    if tag not in dataset:
        return None
    try:
        element = dataset[tag]
        _ = element.value
    except MemoryError:
        raise
    except Exception:  # noqa: BLE001 -- any parser of values may fail on a damaged one: then it is not given on
        return None
    return element


def add_element(dataset: Dataset, element: DataElement, value: Any) -> None:
    """An element with the tag and the kind of `element` and that value; none where it cannot have it."""
    from pydicom import config
    from pydicom.dataelem import DataElement

    try:
        made = DataElement(element.tag, element.VR, value, validation_mode=config.IGNORE)
    except MemoryError:
        raise
    except Exception:  # noqa: BLE001 -- as above: "1A" as a number was read and cannot be written
        return
    dataset.add(made)


def texts_of(element: DataElement) -> list[str]:
    """Its values as text; none of an element that is empty or holds bytes."""
    value = element.value
    if value is None or isinstance(value, bytes):
        return []
    values = value if element.VM > 1 else [value]
    return [text for each in values if (text := str(each).strip("\0 "))]
