"""Which of grpcio's modules of tests must pass; which tests cannot, each with its reason."""

REQUIRED = (
    "tests.unit._rpc_part_1_test",
    "tests.unit._metadata_code_details_test",
    "tests.unit._invalid_metadata_test",
    "tests.unit._channel_close_test",
    "tests_aio.unit.call_test",
    "tests_aio.unit.client_unary_unary_interceptor_test",
)

_TLS = "security between client and server: over MQTT it is the broker's affair, in the address"
_PRESENCE = (
    "waits for a channel that is not ready: the session dialect has no presence of servers, so "
    "that a channel is ready when the broker is reached"
)
_BYTES = "counts bytes through a TCP proxy between client and server, or inspects their sockets"
_KIND = "the handler is of another kind than the call: their messages differ in the session dialect"
_HTTP = "reads what only HTTP/2 has: a user agent, an IP address as peer, gRPC's message encodings"
_LATE = "the runner makes its server late, once the port is known; what ours raises comes then"
_ITSELF = "fails with grpcio itself on Python 3.11: asyncio.wait() of calls"
_PORT = "wants a TCP port to be taken: a port is a topic"

#: module -> {Class.test or "*": why it cannot pass by nature}
BY_NATURE: dict[str, dict[str, str]] = {
    "tests.unit._abort_test": {"AbortTest.test_invalid_code": _KIND},
    "tests.unit._auth_context_test": {
        "AuthContextTest.testSecureClientCert": _TLS,
        "AuthContextTest.testSecureNoCert": _TLS,
        "AuthContextTest.testSessionResumption": _TLS,
    },
    "tests.unit._channel_connectivity_test": {"*": _PRESENCE},
    "tests.unit._channel_ready_future_test": {
        "ChannelReadyFutureTest.test_lonely_channel_connectivity": _PRESENCE
    },
    "tests.unit._compression_test": {"*": _BYTES},
    "tests.unit._contextvars_propagation_test": {"*": _TLS},
    "tests.unit._local_credentials_test": {"*": _TLS},
    "tests.unit._metadata_flags_test": {"*": _PRESENCE},
    "tests.unit._metadata_test": {"*": _HTTP},
    "tests.unit._server_test": {
        "ServerTest.test_failed_port_binding_exception": _PORT,
        "ServerTest.test_not_a_generic_rpc_handler_after_construction": _LATE,
        "ServerTest.test_not_a_generic_rpc_handler_at_construction": _LATE,
    },
    "tests.unit._session_cache_test": {"*": _TLS},
    "tests.unit._xds_credentials_test": {"*": _TLS},
    "tests_aio.unit.auth_context_test": {
        "TestAuthContext.test_secure_client_cert": _TLS,
        "TestAuthContext.test_secure_no_cert": _TLS,
        "TestAuthContext.test_session_resumption": _TLS,
    },
    "tests_aio.unit.channel_argument_test": {
        "TestChannelArgument.test_server_so_reuse_port_is_set_properly": _BYTES
    },
    "tests_aio.unit.channel_ready_test": {"*": _PRESENCE},
    "tests_aio.unit.compression_test": {
        "TestCompression.test_channel_level_compression_baned_compression": _HTTP,
        "TestCompression.test_client_call_level_compression_baned_compression": _HTTP,
    },
    "tests_aio.unit.connectivity_test": {
        "TestConnectivityState.test_timeout": _PRESENCE,
        "TestConnectivityState.test_unavailable_backend": _PRESENCE,
    },
    "tests_aio.unit.context_peer_test": {"TestContextPeer.test_peer": _HTTP},
    "tests_aio.unit.secure_call_test": {"*": _TLS},
    "tests_aio.unit.server_test": {
        "TestServer.test_maximum_concurrent_rpcs": _ITSELF,
        "TestServer.test_port_binding_exception": _PORT,
    },
    "tests_aio.unit.wait_for_ready_test": {"*": _PRESENCE},
}


def reason(module: str, test: str) -> str | None:
    """Why `test` is not expected to pass; None when it is."""
    known = BY_NATURE.get(module, {})
    return known.get(test) or known.get("*")
