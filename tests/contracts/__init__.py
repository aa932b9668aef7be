"""Suites that every back-end of a port must pass. A back-end's test file subclasses one and supplies a fixture."""

import pytest

pytest.register_assert_rewrite("tests.contracts.store")
