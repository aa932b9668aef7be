"""Providers of models and stores, one a file or folder. Vendors and their exceptions end here; only `pipeline.wiring`
names one of these."""
