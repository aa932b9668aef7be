"""Tests of the back-ends, one file a provider."""
