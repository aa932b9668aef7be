"""Every format that is read: the one list that a new reader is added to.

The order is that of the sentence that messages list them in. What a source is, its beginning and its name decide, never
this order.
"""

from __future__ import annotations

from pipeline.readers.cda.notes import CdaReader
from pipeline.readers.fhir.stream import FhirResources
from pipeline.readers.format_choice import Registry
from pipeline.readers.hl7v2.notes import Hl7v2Reader
from pipeline.readers.json.records import JsonLinesReader, JsonReader
from pipeline.readers.plain_text.notes import HtmlReader, PlainTextReader
from pipeline.readers.tables.records import TableReader

FORMATS = Registry(
    (
        JsonReader(),
        JsonLinesReader(),
        TableReader(),
        FhirResources(),
        CdaReader(),
        Hl7v2Reader(),
        PlainTextReader(),
        HtmlReader(),
    ),
    vague_suffixes=(".dat",),
)
