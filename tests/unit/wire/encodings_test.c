/* Every encoding that was recorded from the reference, built from its meaning. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmocka_all.h"
#include "unit/wire/fixture_util.h"
#include "wire/chunk.h"
#include "wire/packet.h"
#include "wire/request.h"
#include "wire/zstd.h"

static void add(gmq_metadata *md, const char *key, const char *value)
{
    assert_int_equal(gmq__metadata_add_raw(md, gmq__span_str(key), gmq__span_str(value)), GMQ_OK);
}

static gmq_metadata *metadata(const char *key, const char *value)
{
    gmq_metadata *md;
    assert_int_equal(gmq_metadata_new(&md), GMQ_OK);
    if (key)
        add(md, key, value);
    return md;
}

/* ---- Packets ---- */

static bool build_packet(const char *name, gmq__bytes *out)
{
    char many[128];
    memset(many, 'a', sizeof many);
    if (strcmp(name, "packet_empty_0_1") == 0)
        gmq__packet_encode(out, gmq__span_of(NULL, 0), 0, 1);
    else if (strcmp(name, "packet_hi_0_1") == 0)
        gmq__packet_encode(out, gmq__span_str("hi"), 0, 1);
    else if (strcmp(name, "packet_hi_2_3") == 0)
        gmq__packet_encode(out, gmq__span_str("hi"), 2, 3);
    else if (strcmp(name, "packet_len128") == 0)
        gmq__packet_encode(out, gmq__span_of(many, sizeof many), 0, 1);
    else
        return false;
    return true;
}

/* ---- Requests ---- */

static bool build_request(const char *name, gmq__bytes *out)
{
    gmq__request r = {.message = gmq__span_str("hi"), .timeout_s = 5};
    static const char prefix[] = "request_timeout_";
    if (strncmp(name, prefix, sizeof prefix - 1) == 0) {
        r.timeout_s = strtoll(name + sizeof prefix - 1, NULL, 10);
    } else if (strcmp(name, "request_empty_all") == 0) {
        r.message.len = 0;
        r.timeout_s = 0;
    } else if (strcmp(name, "request_opts_batched") == 0) {
        r.options.batched = 1;
    } else if (strcmp(name, "request_opts_b_s22_c1") == 0) {
        r.options = (gmq__rpc_options){1, 22, 1};
    } else if (strcmp(name, "request_md1") == 0) {
        r.metadata = metadata("k", "v");
    } else {
        return false;
    }
    gmq__request_encode(out, &r);
    gmq_metadata_free(r.metadata);
    return true;
}

/* The reference's helper writes the packed options alone, under a field number of 0. */
static bool build_options(const char *name, gmq__bytes *out)
{
    gmq__request r = {.message = gmq__span_of(NULL, 0)};
    if (strcmp(name, "options_b_s22_c1") == 0)
        r.options = (gmq__rpc_options){1, 22, 1};
    else if (strcmp(name, "options_default") != 0)
        return false;
    gmq__bytes request = {0};
    gmq__request_encode(&request, &r);
    assert_int_equal(request.data[2], 0x12);
    gmq__bytes_put_u8(out, 0x02);
    gmq__bytes_put(out, request.data + 3, 4);
    gmq__bytes_free(&request);
    return true;
}

static bool build_metadata(const char *name, gmq__bytes *out)
{
    gmq_metadata *md = NULL;
    bool multi = strcmp(name, "metadata_multi") == 0;
    if (strcmp(name, "metadata_1") == 0) {
        md = metadata("k", "v");
    } else if (multi) {
        md = metadata("c", "");
        add(md, "a", "2");
        assert_int_equal(
            gmq__metadata_add_raw(md, gmq__span_str("b-bin"), gmq__span_of("\0\377", 2)), GMQ_OK);
        add(md, "a", "1");
        add(md, "", "x");
    } else {
        return false;
    }
    gmq__metadata_encode(out, 1, md);
    if (multi) /* "d" without values: a list of pairs cannot say it */
        gmq__bytes_put(out, "\x0a\x03\x0a\x01\x64", 5);
    gmq_metadata_free(md);
    return true;
}

static bool build_control(const char *name, gmq__bytes *out)
{
    if (strcmp(name, "control_AuxControlTerminate") == 0)
        gmq__control_encode(out, GMQ__CONTROL_TERMINATE);
    else if (strcmp(name, "control_AuxControlAlive") == 0)
        gmq__control_encode(out, GMQ__CONTROL_ALIVE);
    else if (strcmp(name, "control_AuxControlUnknown") == 0)
        gmq__control_encode(out, GMQ__CONTROL_UNKNOWN);
    else
        return false;
    return true;
}

/* ---- Responses ---- */

static bool response_code(const char *name, gmq__response *r)
{
    static const char *const codes[] = {
        "Ok",
        "Cancelled",
        "Unknown",
        "InvalidArgument",
        "DeadlineExceeded",
        "NotFound",
        "AlreadyExists",
        "PermissionDenied",
        "ResourceExhausted",
        "FailedPrecondition",
        "Aborted",
        "OutOfRange",
        "Unimplemented",
        "Internal",
        "Unavailable",
        "DataLoss",
        "Unauthenticated",
    };
    static const char prefix[] = "response_code_Status";
    if (strncmp(name, prefix, sizeof prefix - 1) != 0)
        return false;
    for (int32_t i = 0; i <= 16; i++)
        if (strcmp(name + sizeof prefix - 1, codes[i]) == 0) {
            r->code = i;
            r->details = gmq__span_str("d");
            return true;
        }
    return false;
}

static bool response_stream(const char *name, gmq__response *r)
{
    r->has_body = false;
    if (strcmp(name, "response_reader") == 0) {
        r->trailing = metadata("t", "1");
        r->details = gmq__span_str("done");
        return true;
    }
    return strcmp(name, "response_reader_min") == 0;
}

static bool response_body(const char *name, gmq__response *r)
{
    if (strcmp(name, "response_ok_empty_body") == 0) {
        r->body.len = 0;
    } else if (strcmp(name, "response_ok_full") == 0) {
        r->initial = metadata("i", "1");
        r->trailing = metadata("t", "2");
        add(r->trailing, "t", "3");
        r->details = gmq__span_str("all good");
    } else if (strcmp(name, "response_details_badutf8") == 0) {
        r->details = gmq__span_str("\xff\xfe");
    } else if (strcmp(name, "response_writer_nobody") == 0) {
        r->has_body = false;
    } else {
        return strcmp(name, "response_writer_body") == 0 ||
               strcmp(name, "response_z_ok_min") == 0 || response_code(name, r);
    }
    return true;
}

static bool build_response(const char *name, gmq__bytes *out)
{
    gmq__response r = {.has_body = true, .body = gmq__span_str("hi")};
    bool stream = strncmp(name, "response_reader", 15) == 0;
    bool known = stream ? response_stream(name, &r) : response_body(name, &r);
    if (known)
        gmq__response_encode(out, &r, stream ? GMQ__RESPONSE_OF_STREAM : GMQ__RESPONSE_WITH_BODY);
    gmq__response_clear(&r);
    return known;
}

static const struct named_error {
    const char *name;
    int32_t type;
    const char *message;
    int32_t status; /* -1 = none */
} named_errors[] = {
    {"error_timeout", 20, "", -1},
    {"error_shutdown_failure", 22, "", -1},
    {"error_unknown", 0, "", -1},
    {"error_bad_status_ok", 23, "", 0},
    {"error_decode", 24, "dd", -1},
    {"error_handler_exc", 26, "h", -1},
    {"error_status_zero", 5, "m", 0},
    {"error_unknown_method", 5, "/golden.v1.Golden/Nope", 12},
    {"error_call_CallOk", 4, "", -1},
    {"error_call_CallErrorNotOnServer", 6, "", -1},
    {"error_call_CallErrorNotOnClient", 7, "", -1},
    {"error_call_CallErrorAlreadyInvoked", 9, "", -1},
    {"error_call_CallErrorNotInvoked", 10, "", -1},
    {"error_call_CallErrorTooManyOperations", 12, "", -1},
    {"error_call_CallErrorInvalidFlags", 13, "", -1},
    {"error_call_CallErrorInvalidMessage", 15, "", -1},
    {"error_call_CallErrorNotServerCompletionQueue", 16, "", -1},
    {"error_call_CallErrorPayloadTypeMismatch", 18, "", -1},
    {"error_call_CallErrorCompletionQueueShutdown", 19, "", -1},
};

static bool build_error(const char *name, gmq__bytes *out)
{
    for (size_t i = 0; i < sizeof named_errors / sizeof *named_errors; i++) {
        const struct named_error *e = &named_errors[i];
        if (strcmp(name, e->name) != 0)
            continue;
        gmq__remote_error error = {.type = e->type, .message = gmq__span_str(e->message)};
        error.has_status = e->status >= 0;
        error.status = error.has_status ? e->status : 0;
        gmq__response_encode_error(out, &error);
        return true;
    }
    return false;
}

static bool build_chunk(const char *name, gmq__bytes *out)
{
    gmq__bytes elems = {0};
    const gmq__remote_error error = {.type = GMQ__RERROR_MQTT_FAILURE,
                                     .message = gmq__span_str("e")};
    if (strcmp(name, "chunk_z_final") == 0)
        return gmq__zstd_compress(out, gmq__span_of(NULL, 0), 3) == GMQ_OK;
    if (strcmp(name, "chunk_error") == 0) {
        gmq__chunk_encode_error(out, &error);
        return true;
    }
    if (strcmp(name, "chunk_1") == 0) {
        gmq__chunk_put_elem(&elems, gmq__span_str("hi"));
    } else if (strcmp(name, "chunk_3") == 0) {
        gmq__chunk_put_elem(&elems, gmq__span_str("a"));
        gmq__chunk_put_elem(&elems, gmq__span_str(""));
        gmq__chunk_put_elem(&elems, gmq__span_str("bb"));
    } else if (strcmp(name, "chunk_no_elems") != 0) {
        return false;
    }
    gmq__chunk_encode(out, gmq__bytes_span(&elems));
    gmq__bytes_free(&elems);
    return true;
}

/* zstd's bytes depend on its version: what the frame holds is compared. Our frame of the same level
 * takes the way too. */
static bool build_zstd(const char *name, gmq__bytes *out)
{
    char many[300];
    memset(many, 'b', sizeof many);
    bool hi = strcmp(name, "zstd_3_hi") == 0;
    gmq__span plain = hi ? gmq__span_str("hi") : gmq__span_of(many, sizeof many);
    gmq__bytes frame = {0};
    assert_int_equal(gmq__zstd_compress(&frame, plain, atoi(name + sizeof "zstd_" - 1)), GMQ_OK);
    assert_true(gmq__zstd_is_frame(gmq__bytes_span(&frame)));
    assert_int_equal(gmq__zstd_decompress(out, gmq__bytes_span(&frame), plain.len), GMQ_OK);
    gmq__bytes_free(&frame);
    return true;
}

static const struct {
    const char *prefix;
    bool (*build)(const char *name, gmq__bytes *out);
} builders[] = {
    {"packet_", build_packet},     {"request_", build_request},   {"options_", build_options},
    {"metadata_", build_metadata}, {"response_", build_response}, {"error_", build_error},
    {"chunk_", build_chunk},       {"control_", build_control},   {"zstd_", build_zstd},
};

static bool build(const char *name, gmq__bytes *out)
{
    for (size_t i = 0; i < sizeof builders / sizeof *builders; i++)
        if (strncmp(name, builders[i].prefix, strlen(builders[i].prefix)) == 0)
            return builders[i].build(name, out);
    return false;
}

static char *plain_hex(const char *hex)
{
    gmq__span bytes = hex_decode(hex);
    gmq__bytes plain = {0};
    if (gmq__zstd_is_frame(bytes))
        assert_int_equal(gmq__zstd_decompress(&plain, bytes, 1024), GMQ_OK);
    else
        gmq__bytes_put(&plain, bytes.data, bytes.len);
    char *result = hex_encode(gmq__bytes_span(&plain));
    gmq__bytes_free(&plain);
    hex_free(bytes);
    return result;
}

static void every_encoding(void **state)
{
    (void)state;
    table t = table_load("encodings", 3);
    for (size_t i = 0; i < t.nrows; i++) {
        const char *name = table_cell(&t, i, 0);
        gmq__bytes out = {0};
        if (!build(name, &out))
            fail_msg("nothing builds %s: %s", name, table_cell(&t, i, 2));
        char *want = plain_hex(table_cell(&t, i, 1));
        expect_hex(&out, want, name);
        free(want);
    }
    table_free(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_encoding)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
