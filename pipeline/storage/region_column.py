"""The column in which a store keeps where on a page or in an image a passage was read: JSON, or NULL for text.

One form for all stores. Refuses what it cannot read, with the id of the passage: a place that is not understood is
never left out.
"""

from __future__ import annotations

import json

from pipeline.errors import StoreDamaged
from pipeline.locators import Region, locator_record, region_from


def column_of(region: Region | None) -> str | None:
    return None if region is None else json.dumps(locator_record(region))


def region_of(chunk_id: str, column: str | None) -> Region | None:
    """Raises StoreDamaged where it is no place, or one of a kind that this program does not know."""
    if column is None:
        return None
    try:
        return region_from(json.loads(column))
    except (ValueError, TypeError, RecursionError) as error:
        raise StoreDamaged(
            f"The place of chunk {chunk_id!r} cannot be read: {error}.",
            remedy="Use the version of Chartwell that wrote it, or index that note again.",
        ) from None
