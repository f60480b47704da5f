"""Runs cases of grpcio's interop client, each on a channel of its own; one JSON line a case.

    interop_client.py TARGET CASE...

As `python -m tests.interop.client`, but all cases in one process; run with the suite's Python
and path.
"""

import json
import sys
import traceback
import types

import grpc
from src.proto.grpc.testing import test_pb2_grpc

# Imported for the cases with Google's credentials, which are not run here, and wants more packages.
sys.modules["google.auth.transport.requests"] = types.ModuleType("requests")

from tests.interop import methods  # noqa: E402


def run(target: str, name: str) -> str | None:
    """What went wrong."""
    service = name == "unimplemented_service"
    stub = test_pb2_grpc.UnimplementedServiceStub if service else test_pb2_grpc.TestServiceStub
    try:
        with grpc.insecure_channel(target) as channel:
            methods.TestCase(name).test_interoperability(stub(channel), None)
    except Exception:
        return traceback.format_exc()
    return None


def main() -> None:
    for name in sys.argv[2:]:
        print(json.dumps([name, run(sys.argv[1], name)]), flush=True)


if __name__ == "__main__":
    main()
