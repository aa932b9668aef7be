"""What is taken out of an image before anything leaves the reading: names, ids, dates, and text in the pixels.

Holds the rules of DICOM PS3.15's basic profile and the deployment's choices among its options. Knows datasets, texts,
paths and renderings; knows no store, no model and no command.
"""
