"""The gateway in this process: calls from MQTT to gRPC servers."""

from __future__ import annotations

from collections.abc import Mapping

from grpc_mqtt import _reflection, gmq
from grpc_mqtt._descriptors import DescriptorsLike, method_map
from grpc_mqtt._embedded import Embedded, module
from grpc_mqtt._errors import InvalidError
from grpc_mqtt._options import OptionsLike, split


def _bound(targets: Mapping[str, DescriptorsLike]) -> gmq.MethodMap:
    result = gmq.MethodMap()
    for target, descriptors in targets.items():
        if not isinstance(target, str) or not target:
            raise InvalidError(f"targets: a gRPC server's address is a str, not {target!r}")
        methods = method_map(descriptors)
        if methods is None:
            methods = _reflection.method_map(target)
        methods.bind(None, target)
        result = result.merged(methods)
    return result


class Gateway(Embedded):
    """Forwards calls that come over MQTT to gRPC servers, which need to know nothing of it.

    `url` names the broker and the base topic, as for channel(). `targets` is a mapping from the
    address of a gRPC server (``127.0.0.1:50051``, ``unix:/run/x.sock``) to the descriptors of what
    it serves, in any form that channel() takes; None asks the server's reflection service (v1, else
    v1alpha), which must answer now. Where two targets have the same method, the first has it.

    `options` are options of the library, as for channel(). The gateway begins to connect at once
    and works on threads of its own; wait_ready() waits for the broker::

        with grpc_mqtt.Gateway("mqtt://broker/fleet/device42", {"127.0.0.1:50051": None}) as it:
            it.wait()

    Raises InvalidError when there is no method at all, IoError when reflection fails, UrlError,
    OptionError, UnsupportedError when the gateway is not built in.
    """

    _NAME = "gateway"

    def __init__(
        self, url: str, targets: Mapping[str, DescriptorsLike], options: OptionsLike = None
    ) -> None:
        gateway = module().Gateway
        bound = _bound(targets)
        self._methods = tuple(str(bound.path(index)) for index in range(bound.count()))
        queue = gmq.Queue()
        self._begin(gateway(url, split(options, None)[0], bound, queue, 0), queue)

    @property
    def methods(self) -> tuple[str, ...]:
        """Paths of the methods that are forwarded, ``/package.Service/Method``."""
        return self._methods
