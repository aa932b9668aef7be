"""The engine's tests share what the infrastructure's are given: the AWS package loaded quietly, service models once."""

from tests.infra.conftest import _light_account  # noqa: F401 (a fixture for every test here)
