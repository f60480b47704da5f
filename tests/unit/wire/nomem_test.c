/* Every encoder and decoder with its n-th allocation failing, for every n: says so, leaks nothing,
 * leaves what it was given usable. */
#include <string.h>

#include "cmocka_all.h"
#include "unit/wire/fixture_util.h"
#include "wire/chunk.h"
#include "wire/packet.h"
#include "wire/request.h"
#include "wire/topic.h"
#include "wire/zstd.h"

static gmq_status done(gmq__bytes *out)
{
    bool failed = out->failed;
    gmq__bytes_free(out);
    return failed ? GMQ_E_NOMEM : GMQ_OK;
}

static gmq_status fill(gmq_metadata *md)
{
    gmq_status status = GMQ_OK;
    for (int i = 0; i < 30 && status == GMQ_OK; i++) {
        size_t before = gmq_metadata_count(md);
        status = gmq_metadata_add(md, i % 2 ? "key-a" : "key-b", "a value", 7);
        assert_int_equal(gmq_metadata_count(md), before + (status == GMQ_OK));
    }
    return status;
}

/* After a failed addition the list takes the next one. */
static gmq_status op_metadata(void)
{
    gmq_metadata *md = NULL, *copy = NULL;
    gmq_status status = gmq_metadata_new(&md);
    if (status != GMQ_OK)
        return status;
    status = fill(md);
    if (status != GMQ_OK)
        assert_int_equal(gmq_metadata_add(md, "again", "", 0), GMQ_OK);
    else
        status = gmq__metadata_copy(&copy, md);
    gmq_metadata_free(copy);
    gmq_metadata_free(md);
    return status;
}

static gmq_status op_metadata_encode(void)
{
    gmq_metadata *md = NULL;
    gmq__bytes out = {0};
    gmq_status status = gmq_metadata_new(&md);
    if (status == GMQ_OK)
        status = fill(md);
    if (status == GMQ_OK) {
        gmq__metadata_encode(&out, 1, md);
        status = done(&out);
    }
    gmq_metadata_free(md);
    return status;
}

static gmq_status op_metadata_decode(void)
{
    static const uint8_t bytes[] =
        "\x0a\x06\x0a\x01\x62\x12\x01\x31\x0a\x09\x0a\x01\x61\x12\x01\x32\x12\x01\x33";
    gmq_metadata *md = NULL;
    gmq_status status = gmq__metadata_decode(gmq__span_of(bytes, sizeof bytes - 1), 1000, &md);
    assert_true((status == GMQ_OK) == (md != NULL));
    gmq_metadata_free(md);
    return status;
}

static gmq_status op_request_encode(void)
{
    gmq__request r = {.message = gmq__span_str("a message that needs room"), .timeout_s = 1};
    gmq__bytes out = {0};
    gmq_status status = gmq_metadata_new(&r.metadata);
    if (status == GMQ_OK)
        status = gmq_metadata_add(r.metadata, "k", "v", 1);
    if (status == GMQ_OK) {
        gmq__request_encode(&out, &r);
        status = done(&out);
    }
    gmq_metadata_free(r.metadata);
    return status;
}

static gmq_status op_request_decode(void)
{
    static const uint8_t bytes[] = "\x12\x03\x00\x00\x00\x18\x0a\x22\x06\x0a\x01\x6b\x12\x01\x76";
    gmq__request r;
    gmq_status status = gmq__request_decode(gmq__span_of(bytes, sizeof bytes - 1), 1000, &r);
    assert_true((status == GMQ_OK) == (r.metadata != NULL));
    gmq_metadata_free(r.metadata);
    return status;
}

static gmq_status op_response_encode(void)
{
    gmq__response r = {.has_body = true,
                       .body = gmq__span_str("hi"),
                       .code = 5,
                       .details = gmq__span_str("\xff no")};
    gmq__bytes out = {0};
    gmq_status status = gmq_metadata_new(&r.trailing);
    if (status == GMQ_OK)
        status = gmq_metadata_add(r.trailing, "k", "v", 1);
    if (status == GMQ_OK) {
        gmq__response_encode(&out, &r, GMQ__RESPONSE_WITH_BODY);
        status = done(&out);
    }
    gmq__response_clear(&r);
    return status;
}

/* Both maps, the second one in two parts. */
static gmq_status op_response_decode(void)
{
    static const uint8_t bytes[] =
        "\x0a\x1e\x12\x08\x0a\x06\x0a\x01\x6b\x12\x01\x76\x1a\x08\x0a\x06\x0a\x01\x6b\x12\x01"
        "\x76\x1a\x08\x0a\x06\x0a\x01\x6c\x12\x01\x76";
    gmq__response r;
    gmq_status status = gmq__response_decode(gmq__span_of(bytes, sizeof bytes - 1), 1000, &r);
    assert_true((status == GMQ_OK) == (r.trailing != NULL));
    if (status == GMQ_OK)
        assert_int_equal(gmq_metadata_count(r.trailing), 2);
    gmq__response_clear(&r);
    return status;
}

static gmq_status op_error_encode(void)
{
    const gmq__remote_error e = {
        .type = 23, .message = gmq__span_str("\xff bad"), .has_status = true, .status = 14};
    gmq__bytes out = {0};
    gmq__response_encode_error(&out, &e);
    return done(&out);
}

static gmq_status op_error_status(void)
{
    const gmq__remote_error e = {
        .type = 5, .message = gmq__span_str("\xff bad"), .has_status = true, .status = 12};
    gmq__bytes out = {0};
    assert_int_equal(gmq__remote_error_status(&e, &out),
                     GMQ_CODE_UNIMPLEMENTED); /* whatever becomes of the text */
    return done(&out);
}

static gmq_status op_chunk(void)
{
    gmq__bytes elems = {0}, out = {0};
    static const uint8_t data[100];
    for (int i = 0; i < 5; i++)
        gmq__chunk_put_elem(&elems, gmq__span_of(data, sizeof data));
    gmq_status status = GMQ_OK;
    if (!elems.failed)
        gmq__chunk_encode(&out, gmq__bytes_span(&elems));
    const gmq__remote_error e = {.type = 27};
    gmq__chunk_encode_error(&out, &e);
    if (done(&elems) != GMQ_OK)
        status = GMQ_E_NOMEM;
    return done(&out) != GMQ_OK ? GMQ_E_NOMEM : status;
}

static gmq_status op_packet_and_topics(void)
{
    gmq__bytes out = {0};
    const gmq__span base = gmq__span_str("base"), sid = gmq__span_str("sid"),
                    path = gmq__span_str("/pkg.Svc/Method");
    static const uint8_t data[100];
    for (int i = 0; i < 20; i++) {
        gmq__packet_encode(&out, gmq__span_of(data, sizeof data), 0, 1);
        gmq__control_encode(&out, GMQ__CONTROL_ALIVE);
        gmq__topic_request(&out, base, sid, path);
        gmq__topic_control_filter(&out, base);
    }
    return done(&out);
}

static gmq_status op_zstd(void)
{
    static const uint8_t data[3000];
    gmq__bytes frame = {0}, plain = {0};
    gmq_status status = gmq__zstd_compress(&frame, gmq__span_of(data, sizeof data), 3);
    if (status == GMQ_OK)
        status = gmq__zstd_decompress(&plain, gmq__bytes_span(&frame), sizeof data);
    if (status == GMQ_OK)
        assert_int_equal(plain.len, sizeof data);
    gmq__bytes_free(&frame);
    gmq__bytes_free(&plain);
    return status;
}

static const struct {
    const char *name;
    gmq_status (*run)(void);
} ops[] = {
    {"metadata", op_metadata},
    {"metadata encode", op_metadata_encode},
    {"metadata decode", op_metadata_decode},
    {"request encode", op_request_encode},
    {"request decode", op_request_decode},
    {"response encode", op_response_encode},
    {"response decode", op_response_decode},
    {"error encode", op_error_encode},
    {"error status", op_error_status},
    {"chunk", op_chunk},
    {"packet and topics", op_packet_and_topics},
    {"zstd", op_zstd},
};

static void every_allocation_fails_once(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof ops / sizeof *ops; i++) {
        size_t n = 0;
        for (bool hit = true; hit; n++) {
            nomem_on(n);
            gmq_status status = ops[i].run();
            hit = nomem_off();
            if (status != (hit ? GMQ_E_NOMEM : GMQ_OK))
                fail_msg("%s, allocation %zu: %s", ops[i].name, n, gmq_status_name(status));
        }
        if (n < 2)
            fail_msg("%s never allocated", ops[i].name);
    }
}

/* Packets and chunks are read without any memory. */
static void reading_packets_allocates_nothing(void **state)
{
    (void)state;
    gmq__span packet = hex_decode("0a02686915000000001d01000000"),
              chunk = hex_decode("0a040a026869"), elem;
    gmq__packet p;
    gmq__chunk c;
    nomem_on(0);
    assert_int_equal(gmq__packet_decode(packet, &p), GMQ_OK);
    assert_int_equal(gmq__chunk_decode(chunk, &c), GMQ_OK);
    assert_true(gmq__chunk_next(&c, &elem));
    assert_false(nomem_off());
    hex_free(packet);
    hex_free(chunk);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_allocation_fails_once),
        cmocka_unit_test(reading_packets_allocates_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
