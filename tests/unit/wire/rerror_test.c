#include <stdio.h>
#include <string.h>

#include "base/prng.h"
#include "base/text.h"
#include "cmocka_all.h"
#include "unit/wire/fixture_util.h"
#include "wire/response.h"

static void expect_status(const gmq__remote_error *error, int32_t code, const char *text)
{
    gmq__bytes details = {0};
    int32_t got = gmq__remote_error_status(error, &details);
    gmq__bytes_put_u8(&details, 0);
    assert_false(details.failed);
    if (got != code)
        fail_msg("type %d: %s, not %s", (int)error->type, gmq_code_name(got), gmq_code_name(code));
    assert_string_equal((const char *)details.data, text);
    gmq__bytes_free(&details);
}

static const struct {
    const char *name;
    gmq_code code;
} all[] = {
    {"UnknownError", GMQ_CODE_UNKNOWN},
    {"NoParseWireType", GMQ_CODE_INTERNAL},
    {"NoParseBinary", GMQ_CODE_INTERNAL},
    {"NoParseEmbedded", GMQ_CODE_INTERNAL},
    {"IOGRPCCallOk", GMQ_CODE_INTERNAL},
    {"IOGRPCCallError", GMQ_CODE_INTERNAL},
    {"IOGRPCCallNotOnServer", GMQ_CODE_INTERNAL},
    {"IOGRPCCallNotOnClient", GMQ_CODE_INTERNAL},
    {"IOGRPCCallAlreadyAccepted", GMQ_CODE_INTERNAL},
    {"IOGRPCCallAlreadyInvoked", GMQ_CODE_INTERNAL},
    {"IOGRPCCallNotInvoked", GMQ_CODE_INTERNAL},
    {"IOGRPCCallAlreadyFinished", GMQ_CODE_INTERNAL},
    {"IOGRPCCallTooManyOperations", GMQ_CODE_INTERNAL},
    {"IOGRPCCallInvalidFlags", GMQ_CODE_INTERNAL},
    {"IOGRPCCallInvalidMetadata", GMQ_CODE_INVALID_ARGUMENT},
    {"IOGRPCCallInvalidMessage", GMQ_CODE_INTERNAL},
    {"IOGRPCCallNotServerCompletionQueue", GMQ_CODE_INTERNAL},
    {"IOGRPCCallBatchTooBig", GMQ_CODE_INTERNAL},
    {"IOGRPCCallPayloadTypeMismatch", GMQ_CODE_INTERNAL},
    {"IOGRPCCallCompletionQueueShutdown", GMQ_CODE_UNAVAILABLE},
    {"IOGRPCTimeout", GMQ_CODE_DEADLINE_EXCEEDED},
    {"IOGRPCShutdown", GMQ_CODE_UNAVAILABLE},
    {"IOGRPCShutdownFailure", GMQ_CODE_UNAVAILABLE},
    {"IOGRPCBadStatusCode", GMQ_CODE_UNKNOWN},
    {"IOGRPCDecode", GMQ_CODE_INTERNAL},
    {"IOGRPCInternalUnexpectedRecv", GMQ_CODE_INTERNAL},
    {"IOGRPCHandlerException", GMQ_CODE_UNKNOWN},
    {"MQTTFailure", GMQ_CODE_UNAVAILABLE},
};

static void all_28_types(void **state)
{
    (void)state;
    assert_int_equal(sizeof all / sizeof *all, 28);
    for (int32_t type = 0; type < 28; type++) {
        gmq__remote_error error = {.type = type, .message = gmq__span_str("text")};
        expect_status(&error, (int32_t)all[type].code, "text");
        assert_string_equal(gmq__rerror_name(type), all[type].name);
        error.message.len = 0;
        expect_status(&error, (int32_t)all[type].code,
                      type == GMQ__RERROR_BAD_STATUS_CODE ? "" : all[type].name);
        error.has_status = true;
        error.status = 9;
        error.message = gmq__span_str("told");
        expect_status(&error, GMQ_CODE_FAILED_PRECONDITION, "told");
    }
}

/* The names that the reference prints beside the numbers it takes. */
static void recorded_names(void **state)
{
    (void)state;
    table t = table_load("rerrors", 3);
    size_t seen = 0;
    for (size_t i = 0; i < t.nrows; i++) {
        int type;
        const char *right = strstr(table_cell(&t, i, 1), "enumerated = Right RError");
        if (sscanf(table_cell(&t, i, 0), "rerror %d", &type) != 1 || !right)
            continue;
        right += strlen("enumerated = Right RError");
        assert_int_equal(strcspn(right, "}"), strlen(gmq__rerror_name(type)));
        assert_memory_equal(right, gmq__rerror_name(type), strlen(gmq__rerror_name(type)));
        seen++;
    }
    assert_int_equal(seen, 19);
    table_free(&t);
}

static void unknown_types_and_codes(void **state)
{
    (void)state;
    const int32_t types[] = {28, 99, INT32_MAX, -1, INT32_MIN};
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        gmq__remote_error error = {.type = types[i], .message = gmq__span_str("m")}, got;
        expect_status(&error, GMQ_CODE_UNKNOWN, "m");
        gmq__bytes out = {0};
        gmq__remote_error_encode(&out, &error);
        assert_int_equal(gmq__remote_error_decode(gmq__bytes_span(&out), &got), GMQ_OK);
        assert_int_equal(got.type, types[i]);
        gmq__bytes_free(&out);
    }
    const int32_t codes[] = {0, 17, -1, INT32_MAX};
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++) {
        const gmq__remote_error error = {
            .type = GMQ__RERROR_BAD_STATUS_CODE, .has_status = true, .status = codes[i]};
        expect_status(&error, GMQ_CODE_UNKNOWN, "");
    }
    const gmq__remote_error unimplemented = {.type = GMQ__RERROR_CALL_ERROR,
                                             .message = gmq__span_str("/a/b"),
                                             .has_status = true,
                                             .status = 12};
    expect_status(&unimplemented, GMQ_CODE_UNIMPLEMENTED, "/a/b");
}

/* `depth` errors, each inside the one before. */
static void nest(gmq__bytes *out, int depth)
{
    gmq__bytes inner = {0};
    for (; depth; depth--) {
        const gmq__remote_error error = {.type = GMQ__RERROR_NO_PARSE_BINARY,
                                         .message = gmq__span_str("m"),
                                         .embedded = gmq__bytes_span(&inner)};
        gmq__bytes_clear(out);
        gmq__remote_error_encode(out, &error);
        gmq__bytes_clear(&inner);
        gmq__bytes_put(&inner, out->data, out->len);
    }
    gmq__bytes_free(&inner);
}

static void embedded_errors(void **state)
{
    (void)state;
    gmq__bytes out = {0};
    gmq__remote_error error;
    nest(&out, 3);
    assert_int_equal(gmq__remote_error_decode(gmq__bytes_span(&out), &error), GMQ_OK);
    expect_status(&error, GMQ_CODE_INTERNAL, "m: m: m");
    nest(&out, 17);
    assert_int_equal(gmq__remote_error_decode(gmq__bytes_span(&out), &error), GMQ_OK);
    nest(&out, 18);
    assert_int_equal(gmq__remote_error_decode(gmq__bytes_span(&out), &error), GMQ_E_PARSE);
    gmq__bytes_free(&out);
}

static void of_status_and_embedded_the_status_wins(void **state)
{
    (void)state;
    gmq__span bytes = hex_decode("2202ffff"
                                 "1805"); /* what it beats may be rubbish */
    gmq__remote_error error;
    assert_int_equal(gmq__remote_error_decode(bytes, &error), GMQ_OK);
    assert_true(error.has_status && error.status == 5 && error.embedded.len == 0);
    hex_free(bytes);
    bytes = hex_decode("2202ffff");
    assert_int_equal(gmq__remote_error_decode(bytes, &error), GMQ_E_PARSE);
    hex_free(bytes);
}

static void unknown_fields_are_skipped(void **state)
{
    (void)state;
    gmq__span bytes = hex_decode("280108054a0161"
                                 "12016d"
                                 "9d0600000000"),
              wrapped;
    gmq__remote_error error;
    assert_int_equal(gmq__remote_error_decode(bytes, &error), GMQ_OK);
    assert_true(error.type == GMQ__RERROR_CALL_ERROR && gmq__span_equal_str(error.message, "m"));
    hex_free(bytes);
    wrapped = hex_decode("1801"
                         "12020814"
                         "4a0161"); /* and beside the error */
    gmq__response response;
    assert_int_equal(gmq__response_decode(wrapped, 100, &response), GMQ_OK);
    assert_true(response.is_error && response.error.type == GMQ__RERROR_TIMEOUT);
    hex_free(wrapped);
}

/* Made by hand rather than read: what is embedded may be rubbish, the status stands. */
static void rubbish_embedded_by_hand(void **state)
{
    (void)state;
    const gmq__remote_error error = {.type = GMQ__RERROR_TIMEOUT,
                                     .message = gmq__span_str("late"),
                                     .embedded = gmq__span_str("\xff\xff")};
    expect_status(&error, GMQ_CODE_DEADLINE_EXCEEDED, "late");
}

static void text_is_made_valid(void **state)
{
    (void)state;
    const gmq__remote_error error = {.message = gmq__span_str("a\xff"
                                                              "b")};
    gmq__bytes out = {0};
    gmq__remote_error_encode(&out, &error);
    expect_hex(&out, "120561efbfbd62", "bad byte in a message");
    expect_status(&error, GMQ_CODE_UNKNOWN,
                  "a\xef\xbf\xbd"
                  "b");
}

static void scrubbing(void **state)
{
    (void)state;
    const struct {
        const char *in;
        const char *hex;
    } rows[] = {
        {"", ""},
        {"abc", "616263"},
        {"\xc3\xbc", "c3bc"},
        {"\xf0\x9f\x98\x80", "f09f9880"},
        {"\xff\xfe", "efbfbdefbfbd"},
        {"\xc3", "efbfbd"},
        {"\xe2\x82", "efbfbdefbfbd"},
        {"\xe2\x82z", "efbfbdefbfbd7a"},
        {"\xc0\x80", "efbfbdefbfbd"},
        {"\xed\xa0\x80", "efbfbdefbfbdefbfbd"},
        {"\xf4\x90\x80\x80", "efbfbdefbfbdefbfbdefbfbd"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        gmq__bytes out = {0};
        gmq__utf8_scrub(&out, gmq__span_str(rows[i].in));
        expect_hex(&out, rows[i].hex, rows[i].in);
    }
    gmq__prng rng = {17};
    for (int i = 0; i < 2000; i++) {
        uint8_t bytes[16];
        for (size_t k = 0; k < sizeof bytes; k++)
            bytes[k] = (uint8_t)(gmq__prng_next(&rng) | 0x80 * gmq__prng_below(&rng, 2));
        gmq__bytes out = {0};
        gmq__utf8_scrub(&out, gmq__span_of(bytes, sizeof bytes));
        assert_true(gmq__utf8_valid(gmq__bytes_span(&out)));
        gmq__bytes_free(&out);
    }
}

/* Fields 1001 and 1002, of ours; what the reference writes has neither. */
static void metadata_of_our_own(void **state)
{
    (void)state;
    gmq__remote_error error = {.type = GMQ__RERROR_BAD_STATUS_CODE,
                               .has_status = true,
                               .status = 5},
                      got;
    gmq__bytes plain = {0}, out = {0};
    gmq__remote_error_encode(&plain, &error);
    error.initial = gmq__span_str("ab");
    error.trailing = gmq__span_str("cde");
    gmq__remote_error_encode(&out, &error);
    static const char tail[] = "\xca\x3e\x02"
                               "ab"
                               "\xd2\x3e\x03"
                               "cde";
    assert_int_equal(out.len, plain.len + sizeof tail - 1);
    assert_memory_equal(out.data, plain.data, plain.len);
    assert_memory_equal(out.data + plain.len, tail, sizeof tail - 1);
    assert_int_equal(gmq__remote_error_decode(gmq__bytes_span(&out), &got), GMQ_OK);
    assert_int_equal(got.status, 5);
    assert_true(gmq__span_equal_str(got.initial, "ab"));
    assert_true(gmq__span_equal_str(got.trailing, "cde"));
    assert_int_equal(gmq__remote_error_decode(gmq__span_str("\xc8\x3e\x02"), &got), GMQ_OK);
    assert_int_equal(got.initial.len, 0); /* of another wire type */
    gmq__bytes_free(&plain);
    gmq__bytes_free(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_28_types),
        cmocka_unit_test(recorded_names),
        cmocka_unit_test(unknown_types_and_codes),
        cmocka_unit_test(embedded_errors),
        cmocka_unit_test(of_status_and_embedded_the_status_wins),
        cmocka_unit_test(unknown_fields_are_skipped),
        cmocka_unit_test(metadata_of_our_own),
        cmocka_unit_test(rubbish_embedded_by_hand),
        cmocka_unit_test(text_is_made_valid),
        cmocka_unit_test(scrubbing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
