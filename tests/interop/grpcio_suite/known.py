"""Which of grpcio's modules of tests must pass; which tests cannot, each with its reason."""

REQUIRED = (
    "tests.unit._rpc_part_1_test",
    "tests.unit._metadata_code_details_test",
    "tests.unit._invalid_metadata_test",
    "tests.unit._channel_close_test",
    "tests_aio.unit.call_test",
    "tests_aio.unit.client_unary_unary_interceptor_test",
)

#: module -> {Class.test or "*": why it cannot pass by nature}
BY_NATURE: dict[str, dict[str, str]] = {}


def reason(module: str, test: str) -> str | None:
    """Why `test` is not expected to pass; None when it is."""
    known = BY_NATURE.get(module, {})
    return known.get(test) or known.get("*")
