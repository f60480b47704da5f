"""Who may include what: base <- wire <- engine; base <- methods; transport/* knows base alone;
runtime alone knows engine and transport; api on top; gateway and proxy use the public headers."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from lint_tree import ROOT, c_files, name_of

MAY_INCLUDE = {
    "base": {"base"},
    "wire": {"base", "wire"},
    "engine": {"base", "wire", "engine"},
    "methods": {"base", "methods"},
    "transport": {"base", "transport"},
    "runtime": {"base", "wire", "engine", "methods", "transport", "runtime"},
    "api": {"base", "wire", "methods", "runtime", "api"},
    "codegen": {"base", "codegen"},
    "gateway": {"gateway"},
    "proxy": {"gateway", "proxy"},
}

# Headers of other projects, and of the system where it matters: prefix -> who may include it.
SYSTEM_ONLY_IN = {
    "protobuf-c/": {"methods", "codegen"},
    "google/": {"methods", "codegen"},
    "zstd": {"wire"},
    "MQTT": {"transport/paho"},
    "mosquitto": {"transport/mosquitto"},
    "grpc/": {"gateway", "proxy"},
    "pthread": {"base", "transport", "runtime", "api", "gateway", "proxy"},
    "sys/socket": {"base", "transport", "runtime", "gateway", "proxy"},
    "netinet/": {"base", "transport", "runtime", "gateway", "proxy"},
    "time.h": {"base", "transport", "runtime", "gateway", "proxy"},
    "poll.h": {"base", "transport", "runtime", "gateway", "proxy"},
    "sys/random": {"base"},
    "threads.h": set(),
}

INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*([<"])([^>"]+)[>"]', re.MULTILINE)


def faults(path: str, source: str) -> list[str]:
    """What is wrong with the includes of csrc/<path>."""
    place = Path(path).parts
    module, transport = place[0], "/".join(place[:2]) if place[0] == "transport" else ""
    found = []
    for mark, header in INCLUDE.findall(source):
        if mark == '"':
            wrong = quoted_fault(module, transport, header)
        else:
            wrong = system_fault(module, transport, header)
        if wrong:
            found.append(f"csrc/{path}: {header}: {wrong}")
    return found


def quoted_fault(module: str, transport: str, header: str) -> str | None:
    target = Path(header).parts
    if len(target) == 1 and module in {"gateway", "proxy"}:
        return None  # beside it
    if len(target) == 1:
        return "say the module too"
    if target[0] not in MAY_INCLUDE[module]:
        return f"{module} may include only {', '.join(sorted(MAY_INCLUDE[module]))}"
    if module == "transport" and len(target) > 2 and "/".join(target[:2]) != transport:
        return "one transport may not know another"
    return None


def system_fault(module: str, transport: str, header: str) -> str | None:
    for prefix, users in SYSTEM_ONLY_IN.items():
        if header.startswith(prefix) and not users & {module, transport}:
            return f"only for {', '.join(sorted(users)) or 'nobody'}"
    return None


def sources() -> list[Path]:
    return [file for file in c_files() if name_of(file).startswith("csrc/")]


def test_every_module_is_in_the_table() -> None:
    modules = {file.relative_to(ROOT / "csrc").parts[0] for file in sources()}
    assert modules, "no sources found"
    assert modules <= set(MAY_INCLUDE)


def test_modules_include_what_they_may() -> None:
    wrong = [
        fault
        for file in sources()
        for fault in faults(str(file.relative_to(ROOT / "csrc")), file.read_text())
    ]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize(
    ("path", "source", "count"),
    [
        ("wire/pb.c", '#include "wire/pb.h"\n#include "base/bytes.h"\n#include <string.h>\n', 0),
        ("wire/pb.c", '#include "engine/engine.h"\n', 1),
        ("engine/call.c", '  #  include "transport/transport.h"\n', 1),
        ("methods/path.c", '#include "wire/pb.h"\n', 1),
        ("methods/path.c", "#include <protobuf-c/protobuf-c.h>\n", 0),
        ("engine/call.c", "#include <pthread.h>\n#include <time.h>\n", 2),
        ("transport/paho/paho.c", '#include "transport/loopback/loopback.h"\n', 1),
        ("transport/paho/paho.c", '#include "transport/transport.h"\n#include <MQTTAsync.h>\n', 0),
        ("runtime/loop.c", '#include <MQTTAsync.h>\n#include "bytes.h"\n', 2),
        ("api/client.c", '#include "engine/engine.h"\n', 1),
        ("gateway/gateway.c", '#include "base/mem.h"\n', 1),
        ("gateway/gateway.c", '#include "gateway.h"\n#include <grpc/grpc.h>\n', 0),
        ("proxy/proxy.c", "#include <grpc_mqtt/gateway.h>\n", 0),
        ("base/mem.c", "#include <grpc/grpc.h>\n", 1),
        ("codegen/model.c", '#include "base/map.h"\n#include "codegen/names.h"\n', 0),
        ("codegen/model.c", '#include "methods/method_map.h"\n#include <time.h>\n', 2),
    ],
)
def test_the_lint_sees(path: str, source: str, count: int) -> None:
    assert len(faults(path, source)) == count
