"""What `pip install .` says where a library is missing: its build asks CMake."""

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def test_missing_libraries(tmp_path):
    if shutil.which("cmake") is None:
        pytest.skip("no cmake here: pip brings its own for the build")
    hidden = ["-DCMAKE_IGNORE_PATH=/usr/include", "-DGMQ_BUILD_PYTHON=ON"]
    done = subprocess.run(
        ["cmake", "-S", ROOT, "-B", tmp_path, *hidden], capture_output=True, text=True, check=False
    )
    assert done.returncode != 0
    said = " ".join(done.stderr.split())
    assert "grpc-mqtt needs what is not here: paho.mqtt.c, OpenSSL, zstd, protobuf-c" in said
    assert "sudo apt-get install libpaho-mqtt-dev libssl-dev libzstd-dev libprotobuf-c-dev" in said
