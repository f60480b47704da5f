"""grpcio's own tests over MQTT: those that must pass. See grpcio_suite/run.py."""

import copy
import shutil
import sys
from concurrent import futures
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent / "grpcio_suite"))

from known import QUICK, REQUIRED, dialect_of, reason
from suite import Suite

pytestmark = pytest.mark.slow

RUNS = [
    *((module, dialect) for module in REQUIRED for dialect in ("link", "session")),
    *((module, dialect_of(module, "auto")) for module in QUICK),
]


@pytest.fixture(scope="module")
def suite():
    if shutil.which("apt-get") is None:
        pytest.skip("the tests come from Debian's source package: no apt-get here")
    return Suite()


@pytest.fixture(scope="module")
def outcomes(suite, broker):
    """(module, dialect) -> future of its outcome: many wait more than they work."""
    url = broker.url("tests/grpcio_suite")
    with futures.ThreadPoolExecutor(3) as pool:
        yield {
            (module, dialect): pool.submit(suite.run, module, f"{url}/{dialect}?dialect={dialect}")
            for module, dialect in RUNS
        }


@pytest.mark.timeout(600)  # the first one fetches
@pytest.mark.parametrize("module, dialect", RUNS)
def test_module(outcomes, module, dialect):
    outcome = outcomes[module, dialect].result()
    surprises = [test for test in outcome.failed if reason(module, test) is None]
    assert outcome.count > 0 and not surprises, outcome.output


def test_without_us_nothing_passes(suite, tmp_path):
    """Python goes on when a sitecustomize fails, and grpcio would be tried against itself."""
    without = copy.copy(suite)
    without.package = tmp_path
    outcome = without.run("tests.unit._empty_message_test", "loopback://none/port")
    assert outcome.count == 0 and outcome.failed
