"""grpcio's own tests over MQTT: those that must pass. See grpcio_suite/run.py."""

import shutil
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent / "grpcio_suite"))

from known import REQUIRED, reason
from suite import Suite, package_directory

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def suite():
    if shutil.which("apt-get") is None:
        pytest.skip("the tests come from Debian's source package: no apt-get here")
    return Suite()


@pytest.mark.timeout(600)  # the first one fetches
@pytest.mark.parametrize("module", REQUIRED)
def test_module(suite, broker, module):
    outcome = suite.run(module, broker.url("tests/grpcio_suite"), package_directory())
    surprises = [test for test in outcome.failed if reason(module, test) is None]
    assert outcome.count > 0 and not surprises, outcome.output
