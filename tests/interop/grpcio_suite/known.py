"""Which of grpcio's modules of tests are run; which tests cannot pass, each with its reason.

Tried and not listed as anything else: all of unit/, tests_aio/unit/ and the packages beside them.
Left out are unit/_cython, unit/beta, unit/framework and testing, which test parts of grpcio itself,
fork, whose children go on with channels of their parent, and those that want servers of Google's.
"""

from __future__ import annotations

import fnmatch

#: What must pass in any case, over both dialects.
REQUIRED = (
    "tests.unit._rpc_part_1_test",
    "tests.unit._metadata_code_details_test",
    "tests.unit._invalid_metadata_test",
    "tests.unit._channel_close_test",
    "tests_aio.unit.call_test",
    "tests_aio.unit.client_unary_unary_interceptor_test",
)

#: Not run over the session dialect alone, in which a server is found to be gone by a call only, a
#: call to nobody ends sooner than one of these can cancel it, and kinds of calls must agree.
NOT_SESSION = (
    "tests.unit._abort_test",
    "tests.unit._channel_connectivity_test",
    "tests_aio.unit.client_stream_unary_interceptor_test",
)

#: Quick ones (a second or so), which CI runs too.
QUICK = (
    "tests.interop._insecure_intraop_test",
    "tests.reflection._reflection_client_test",
    "tests.reflection._reflection_servicer_test",
    "tests.status._grpc_status_test",
    "tests.unit._abort_test",
    "tests.unit._api_test",
    "tests.unit._auth_test",
    "tests.unit._channel_args_test",
    "tests.unit._channel_connectivity_test",
    "tests.unit._channel_ready_future_test",
    "tests.unit._empty_message_test",
    "tests.unit._error_message_encoding_test",
    "tests.unit._interceptor_test",
    "tests.unit._invocation_defects_test",
    "tests.unit._metadata_flags_test",
    "tests.unit._metadata_test",
    "tests.unit._resource_exhausted_test",
    "tests.unit._server_shutdown_test",
    "tests.unit._server_test",
    "tests.unit._signal_handling_test",
    "tests_aio.interop.local_interop_test",
    "tests_aio.reflection.reflection_servicer_test",
    "tests_aio.status.grpc_status_test",
    "tests_aio.unit._metadata_test",
    "tests_aio.unit.abort_test",
    "tests_aio.unit.aio_rpc_error_test",
    "tests_aio.unit.channel_argument_test",
    "tests_aio.unit.channel_ready_test",
    "tests_aio.unit.channel_test",
    "tests_aio.unit.client_stream_stream_interceptor_test",
    "tests_aio.unit.client_stream_unary_interceptor_test",
    "tests_aio.unit.client_unary_stream_interceptor_test",
    "tests_aio.unit.close_channel_test",
    "tests_aio.unit.compatibility_test",
    "tests_aio.unit.compression_test",
    "tests_aio.unit.connectivity_test",
    "tests_aio.unit.metadata_test",
    "tests_aio.unit.outside_init_test",
    "tests_aio.unit.server_interceptor_test",
    "tests_aio.unit.server_time_remaining_test",
    "tests_aio.unit.wait_for_connection_test",
    "tests_aio.unit.wait_for_ready_test",
)

#: What --all stands for.
ALL = (
    "tests/unit/*_test",
    "tests_aio/unit/*_test",
    "tests_py3_only/unit/*_test",
    "tests/channelz/*_test",
    "tests/health_check/*_test",
    "tests/interop/_insecure_intraop_test",
    "tests/protoc_plugin/*_test",
    "tests/reflection/*_test",
    "tests/status/*_test",
    "tests_aio/channelz/*_test",
    "tests_aio/health_check/*_test",
    "tests_aio/interop/*_test",
    "tests_aio/reflection/*_test",
    "tests_aio/status/*_test",
)

_TLS = "security between client and server: over MQTT it is the broker's affair, in the address"
_BYTES = "counts bytes through a TCP proxy between client and server, or inspects their sockets"
_HTTP = "reads what only HTTP/2 has: an IP address as peer, gRPC's message encodings"
_ITSELF = "fails with grpcio itself on Python 3.11: asyncio.wait() of calls"
_PORT = "wants a TCP port to be taken: a port is a topic"
_CHANNELZ = "channelz shows the sockets and calls of gRPC's core; here it carries none"

#: Modules without a test that could pass, which wait long for that.
NOT_RUN = {
    "tests_py3_only.unit._simple_stubs_test": f"its channels are made with credentials; {_TLS}",
    "tests.unit._contextvars_propagation_test": f"call credentials; {_TLS}",
    "tests.unit._local_credentials_test": _TLS,
    "tests.unit._server_ssl_cert_config_test": _TLS,
    "tests.unit._xds_credentials_test": _TLS,
}

#: module -> {Class.test, also a pattern: why it cannot pass by nature}
BY_NATURE: dict[str, dict[str, str]] = {
    "tests.channelz._channelz_servicer_test": {
        "ChannelzServicerTest.test_failed_request": _CHANNELZ,
        "ChannelzServicerTest.test_get_*": _CHANNELZ,
        "ChannelzServicerTest.test_many_*": _CHANNELZ,
        "ChannelzServicerTest.test_server_*": _CHANNELZ,
        "ChannelzServicerTest.test_streaming_rpc": _CHANNELZ,
        "ChannelzServicerTest.test_successful_request": _CHANNELZ,
    },
    "tests.unit._auth_context_test": {
        "AuthContextTest.testSecureClientCert": _TLS,
        "AuthContextTest.testSecureNoCert": _TLS,
        "AuthContextTest.testSessionResumption": _TLS,
    },
    "tests.unit._compression_test": {
        "CompressionTest.testDisableNextCompressionStreaming*": _BYTES,
        "CompressionTest.test*Channel*Multicallable*Server*ServerCall*": _BYTES,
    },
    "tests.unit._server_test": {
        "ServerTest.test_failed_port_binding_exception": _PORT,
    },
    "tests.unit._session_cache_test": {"SSLSessionCacheTest.testSSLSessionCacheLRU": _TLS},
    "tests_aio.channelz.channelz_servicer_test": {
        "ChannelzServicerTest.test_failed_request": _CHANNELZ,
        "ChannelzServicerTest.test_many_*": _CHANNELZ,
        "ChannelzServicerTest.test_server_*": _CHANNELZ,
        "ChannelzServicerTest.test_streaming_rpc": _CHANNELZ,
        "ChannelzServicerTest.test_successful_request": _CHANNELZ,
    },
    "tests_aio.interop.local_interop_test": {"SecureLocalInteropTest.*": _TLS},
    "tests_aio.unit.auth_context_test": {
        "TestAuthContext.test_secure_client_cert": _TLS,
        "TestAuthContext.test_secure_no_cert": _TLS,
        "TestAuthContext.test_session_resumption": _TLS,
    },
    "tests_aio.unit.channel_argument_test": {
        "TestChannelArgument.test_server_so_reuse_port_is_set_properly": _BYTES
    },
    "tests_aio.unit.compression_test": {
        "TestCompression.test_channel_level_compression_baned_compression": _HTTP,
        "TestCompression.test_client_call_level_compression_baned_compression": _HTTP,
    },
    "tests_aio.unit.context_peer_test": {"TestContextPeer.test_peer": _HTTP},
    "tests_aio.unit.secure_call_test": {
        "TestStreamStreamSecureCall.test_async_generator_secure_channel": _TLS,
        "TestUnaryStreamSecureCall.test_unary_stream_async_generator_secure": _TLS,
        "TestUnaryUnarySecureCall.test_call_ok_over_secure_channel": _TLS,
        "TestUnaryUnarySecureCall.test_call_with_credentials": f"call credentials; {_TLS}",
    },
    "tests_aio.unit.server_test": {
        "TestServer.test_maximum_concurrent_rpcs": _ITSELF,
        "TestServer.test_port_binding_exception": _PORT,
    },
}


def reason(module: str, test: str) -> str | None:
    """Why `test` is not expected to pass; None when it is."""
    for pattern, why in BY_NATURE.get(module, {}).items():
        if fnmatch.fnmatchcase(test, pattern):
            return why
    return None


def dialect_of(module: str, wanted: str) -> str:
    """The dialect that a module is run over when `wanted` is asked for."""
    return "auto" if module in NOT_SESSION and wanted == "session" else wanted
