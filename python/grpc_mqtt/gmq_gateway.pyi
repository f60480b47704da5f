# The SWIG module of libgrpc_mqtt_gateway; there only where the gateway was built.
from grpc_mqtt.gmq import MethodMap, Options, Queue

class Gateway:
    def __init__(
        self, url: str, options: Options | None, map: MethodMap, queue: Queue, tag: int, /
    ) -> None: ...
    def close(self, grace_ms: int, /) -> None: ...
