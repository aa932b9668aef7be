"""Notes from FHIR resources: Bundles, NDJSON, references, histories."""
