/* What the reference's decoders make of given bytes: ours refuse the same, and mean the same.
 * Meanings are compared as the text that the reference prints. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmocka_all.h"
#include "unit/wire/fixture_util.h"
#include "wire/chunk.h"
#include "wire/packet.h"
#include "wire/request.h"
#include "wire/zstd.h"

#define LIMIT 8192

static void put(gmq__bytes *out, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void put(gmq__bytes *out, const char *format, ...)
{
    char text[512];
    va_list args;
    va_start(args, format);
    int len = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    assert_in_range(len, 0, sizeof text - 1);
    gmq__bytes_put(out, text, (size_t)len);
}

static void put_string(gmq__bytes *out, gmq__span s) /* printable text only */
{
    put(out, "\"%.*s\"", (int)s.len, (const char *)s.data);
}

static const char *bool_name(bool b, const char *yes, const char *no) { return b ? yes : no; }

static gmq_status show_packet(gmq__span in, gmq__bytes *out)
{
    gmq__packet p;
    gmq_status status = gmq__packet_decode(in, &p);
    if (status != GMQ_OK)
        return status;
    put(out, "Packet {payload = ");
    put_string(out, p.payload);
    put(out, ", position = %" PRIu32 ", npackets = %" PRIu32 "}", p.position, p.npackets);
    return GMQ_OK;
}

static bool same_key(const gmq_metadata *md, size_t a, size_t b)
{
    return gmq__span_equal(gmq__metadata_key(md, a), gmq__metadata_key(md, b));
}

static void put_map(gmq__bytes *out, const gmq_metadata *md)
{
    size_t n = gmq_metadata_count(md);
    put(out, "fromList [");
    for (size_t i = 0; i < n; i++) {
        bool first = i == 0 || !same_key(md, i - 1, i),
             last = i + 1 == n || !same_key(md, i, i + 1);
        put(out, "%s", first && i ? "," : "");
        put(out, "%s", first ? "(" : ",");
        if (first) {
            put_string(out, gmq__metadata_key(md, i));
            put(out, ",[");
        }
        put_string(out, gmq__metadata_value(md, i));
        put(out, "%s", last ? "])" : "");
    }
    put(out, "]");
}

static void put_level(gmq__bytes *out, const char *name, int8_t level)
{
    put(out, ", %s = ", name);
    if (level)
        put(out, "Just (CLevel %d)", level);
    else
        put(out, "Nothing");
}

static gmq_status show_request(gmq__span in, gmq__bytes *out)
{
    gmq__request r;
    gmq_status status = gmq__request_decode(in, LIMIT, &r);
    if (status != GMQ_OK)
        return status;
    put(out, "Request {message = ");
    put_string(out, r.message);
    put(out, ", options = ProtoOptions {rpcBatchStream = %s",
        bool_name(r.options.batched, "Batched", "Unbatched"));
    put_level(out, "rpcServerCLevel", r.options.server_level);
    put_level(out, "rpcClientCLevel", r.options.client_level);
    put(out, "}, timeout = %" PRId64 ", metadata = ", r.timeout_s);
    put_map(out, r.metadata);
    put(out, "}");
    gmq_metadata_free(r.metadata);
    return GMQ_OK;
}

static gmq_status show_metadata(gmq__span in, gmq__bytes *out)
{
    gmq_metadata *md;
    gmq_status status = gmq__metadata_decode(in, LIMIT, &md);
    if (status != GMQ_OK)
        return status;
    put_map(out, md);
    gmq_metadata_free(md);
    return GMQ_OK;
}

static gmq_status show_chunk(gmq__span in, gmq__bytes *out)
{
    gmq__chunk chunk;
    gmq_status status = gmq__chunk_decode(in, &chunk);
    if (status != GMQ_OK)
        return status;
    assert_int_not_equal(chunk.kind, GMQ__CHUNK_ERROR); /* none was recorded on its own */
    if (chunk.kind == GMQ__CHUNK_END) {
        put(out, "Nothing");
        return GMQ_OK;
    }
    gmq__span elem;
    put(out, "Just [");
    for (const char *comma = ""; gmq__chunk_next(&chunk, &elem); comma = ",") {
        put(out, "%s", comma);
        put_string(out, elem);
    }
    put(out, "]");
    return GMQ_OK;
}

static void put_optional_map(gmq__bytes *out, const gmq_metadata *md)
{
    assert_int_equal(gmq_metadata_count(md), 0); /* none was recorded with entries */
    put(out, "%s", md ? "Just (MetadataMap {metadataMapFields = []})" : "Nothing");
}

static void put_response(gmq__bytes *out, const gmq__response *r)
{
    put(out, "WrappedResponseOrErrorResponse (MQTTResponse {mqttresponseBody = ");
    if (r->has_body) {
        put(out, "Just (ResponseBody {responseBodyValue = ");
        put_string(out, r->body);
        put(out, "})");
    } else {
        put(out, "Nothing");
    }
    put(out, ", mqttresponseInitMetamap = ");
    put_optional_map(out, r->initial);
    put(out, ", mqttresponseTrailMetamap = ");
    put_optional_map(out, r->trailing);
    put(out, ", mqttresponseResponseCode = %" PRId32 ", mqttresponseDetails = ", r->code);
    put_string(out, r->details);
    put(out, "})");
}

static void put_error(gmq__bytes *out, const gmq__remote_error *e)
{
    assert_true(e->type > 27); /* only an unknown one was recorded */
    put(out,
        "WrappedResponseOrErrorError (RemoteError {remoteErrorErrorType = Enumerated {enumerated = "
        "Left %" PRId32 "}, remoteErrorMessage = ",
        e->type);
    put_string(out, e->message);
    assert_false(e->has_status || e->embedded.len);
    put(out, ", remoteErrorExtra = Nothing})");
}

static gmq_status show_response(gmq__span in, gmq__bytes *out)
{
    gmq__response r;
    gmq_status status = gmq__response_decode(in, LIMIT, &r);
    if (status != GMQ_OK)
        return status;
    put(out, "WrappedResponse {wrappedResponseOrError = %s", r.empty ? "Nothing" : "Just (");
    if (r.is_error)
        put_error(out, &r.error);
    else if (!r.empty)
        put_response(out, &r);
    put(out, "%s", r.empty ? "}" : ")}");
    gmq__response_clear(&r);
    return GMQ_OK;
}

static gmq_status show_control(gmq__span in, gmq__bytes *out)
{
    static const char *const names[] = {"Unknown", "Alive", "Terminate"};
    int32_t control;
    gmq_status status = gmq__control_decode(in, &control);
    if (status != GMQ_OK)
        return status;
    put(out, "AuxControlMessage {auxControlMessageValue = Enumerated {enumerated = ");
    if (control >= 0 && control < 3)
        put(out, "Right AuxControl%s}}", names[control]);
    else
        put(out, "Left %" PRId32 "}}", control);
    return GMQ_OK;
}

static gmq_status show_zstd(gmq__span in, gmq__bytes *out)
{
    gmq__bytes plain = {0};
    gmq_status status = gmq__zstd_decompress(&plain, in, 1024);
    if (status == GMQ_OK)
        put_string(out, gmq__bytes_span(&plain));
    gmq__bytes_free(&plain);
    return status;
}

static const struct {
    const char *prefix;
    gmq_status (*show)(gmq__span in, gmq__bytes *out);
} readers[] = {
    {"packet ", show_packet}, {"request ", show_request},          {"metadata ", show_metadata},
    {"chunk ", show_chunk},   {"wrappedresponse ", show_response}, {"control ", show_control},
    {"zstd ", show_zstd},
};

static gmq_status show(const char *name, gmq__span in, gmq__bytes *out)
{
    for (size_t i = 0; i < sizeof readers / sizeof *readers; i++)
        if (strncmp(name, readers[i].prefix, strlen(readers[i].prefix)) == 0)
            return readers[i].show(in, out);
    fail_msg("nothing reads %s", name);
    return GMQ_E_INVALID;
}

static void check_row(const char *name, const char *hex, const char *result)
{
    gmq__span in = hex_decode(hex);
    gmq__bytes out = {0};
    bool right = strncmp(result, "RIGHT ", 6) == 0;
    const char *want = right ? result + 6 : "";
    if (strcmp(name, "zstd empty file frame") == 0)
        want = "\"\""; /* the reference takes a frame of nothing for no frame; to us it holds
                          nothing */
    gmq_status status = show(name, in, &out);
    gmq__bytes_put_u8(&out, 0);
    if ((status == GMQ_OK) != right)
        fail_msg("%s: %s, %s", name, gmq_status_name(status), result);
    if (right)
        assert_string_equal((const char *)out.data, want);
    else
        assert_int_equal(status, GMQ_E_PARSE);
    gmq__bytes_free(&out);
    hex_free(in);
}

static void every_decoding(void **state)
{
    (void)state;
    table t = table_load("decodings", 3);
    for (size_t i = 0; i < t.nrows; i++)
        check_row(table_cell(&t, i, 0), table_cell(&t, i, 1), table_cell(&t, i, 2));
    table_free(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_decoding)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
