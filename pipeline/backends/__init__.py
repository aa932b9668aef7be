"""One provider a file. Vendors and their exceptions end here; only `pipeline.wiring` names one of these."""
