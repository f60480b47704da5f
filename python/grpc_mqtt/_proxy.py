"""The proxy in this process: calls of gRPC clients onto MQTT."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import Any

from grpc_mqtt import gmq
from grpc_mqtt._descriptors import DescriptorsLike, method_map
from grpc_mqtt._embedded import Embedded, module
from grpc_mqtt._options import OptionsLike, split

_Path = str | os.PathLike[str] | None


def _file(path: _Path) -> str | None:
    return None if path is None else os.fspath(path)


class Proxy(Embedded):
    """Takes calls of gRPC clients, which need to know nothing of MQTT, and carries them to servers
    and gateways there.

    `url` names the broker, and as its path the base topic of the calls that say no other; it may
    have none. `listen` is an address for gRPC clients (``127.0.0.1:50051``; port 0: any, see
    `ports`; ``unix:/run/x.sock``) or several.

    `authorities` maps patterns of the authority that is called to base topics
    (``{"{device}.fleet.mqtt": "fleet/{device}"}``). `allow` are topic filters of the base topics
    that callers may choose (``["fleet/+"]``) with the metadata key ``grpc-mqtt-base``.
    `descriptors` tell the methods' kinds, in any form that channel() takes; others are asked for by
    reflection.

    `cert_file` and `key_file` (PEM; the key may be in the same file) make it TLS, `client_ca_file`
    asks clients for certificates. At most `max_calls` calls are open and `max_bases` base topics
    connected at a time; a base is left when it was not called for `base_idle` seconds::

        with grpc_mqtt.Proxy("mqtt://broker/fleet/device42", "127.0.0.1:50051") as proxy:
            proxy.wait()

    Raises IoError when an address is in use or a certificate does not serve; InvalidError,
    UrlError, OptionError; UnsupportedError when the proxy is not built in.
    """

    _NAME = "proxy"

    def __init__(
        self,
        url: str,
        listen: str | Iterable[str],
        options: OptionsLike = None,
        *,
        descriptors: DescriptorsLike = None,
        authorities: Mapping[str, str] | None = None,
        allow: Iterable[str] = (),
        cert_file: _Path = None,
        key_file: _Path = None,
        client_ca_file: _Path = None,
        max_calls: int | None = None,
        max_bases: int | None = None,
        base_idle: float | None = None,
    ) -> None:
        proxy = module().Proxy
        addresses = [listen] if isinstance(listen, str) else list(listen)
        files = _file(cert_file), _file(key_file), _file(client_ca_file)
        config = _config(descriptors, authorities, allow, (max_calls, max_bases, base_idle))
        for address in addresses:
            config.listen(address, *files)
        queue = gmq.Queue()
        self._begin(proxy(url, split(options, None)[0], config, queue, 0), queue)
        self._ports = tuple(self._object.port(index) for index in range(len(addresses)))

    @property
    def ports(self) -> tuple[int, ...]:
        """The port of each address, in order; 0 for a Unix socket."""
        return self._ports

    def configure(
        self,
        *,
        descriptors: DescriptorsLike = None,
        authorities: Mapping[str, str] | None = None,
        allow: Iterable[str] = (),
        max_calls: int | None = None,
        max_bases: int | None = None,
        base_idle: float | None = None,
    ) -> None:
        """Other rules for the calls that come from now on, all of them; calls in progress go on."""
        limits = (max_calls, max_bases, base_idle)
        self._object.configure(_config(descriptors, authorities, allow, limits))


def _config(
    descriptors: DescriptorsLike,
    authorities: Mapping[str, str] | None,
    allow: Iterable[str],
    limits: tuple[int | None, int | None, float | None],
) -> Any:
    config = module().ProxyConfig()
    for pattern, base in (authorities or {}).items():
        config.authority(pattern, base)
    for topic_filter in [allow] if isinstance(allow, str) else allow:
        config.allow(topic_filter)
    config.methods(method_map(descriptors))
    calls, bases, idle = limits
    idle_ms = -1 if idle is None else max(int(idle * 1000), 0)
    config.limits(-1 if calls is None else calls, -1 if bases is None else bases, idle_ms)
    return config
