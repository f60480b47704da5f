/* The link dialect's packets and frames: the byte vectors of docs/design/protocol.md, and what is
 * refused. */
#include <stdlib.h>
#include <string.h>

#include "cmocka_all.h"
#include "wire/link_frame.h"
#include "wire/link_packet.h"
#include "wire/metadata.h"
#include "wire/presence.h"

static const char *const LINK = "0123456789abcdef";

static size_t from_hex(const char *hex, uint8_t *out)
{
    size_t n = 0;
    for (; hex[0]; hex++) {
        if (*hex == ' ')
            continue;
        char pair[3] = {hex[0], hex[1], 0};
        out[n++] = (uint8_t)strtoul(pair, NULL, 16);
        hex++;
    }
    return n;
}

static void assert_bytes(const gmq__bytes *have, const char *hex)
{
    uint8_t want[256];
    size_t len = from_hex(hex, want);
    assert_false(have->failed);
    assert_int_equal(have->len, len);
    assert_memory_equal(have->data, want, len);
}

static gmq__link_packet packet(uint64_t seq, uint64_t ack)
{
    gmq__link_packet p = {.seq = seq, .ack = ack, .link = gmq__span_of(LINK, 16)};
    return p;
}

/* Encodes, compares, decodes again. */
static void vector(const gmq__link_packet *p, const char *hex)
{
    gmq__bytes out = {0};
    gmq__link_packet again;
    gmq__link_packet_encode(&out, p);
    assert_int_equal(out.len, gmq__link_packet_head_len(p));
    assert_bytes(&out, hex);
    assert_int_equal(gmq__link_packet_decode(gmq__bytes_span(&out), &again), GMQ__LINK_PACKET_OK);
    assert_int_equal(again.seq, p->seq);
    assert_int_equal(again.ack, p->ack);
    assert_int_equal(again.ngaps, p->ngaps);
    assert_memory_equal(again.gaps, p->gaps, p->ngaps * sizeof *p->gaps);
    assert_true(gmq__span_equal(again.link, p->link));
    assert_true(gmq__span_equal(again.instance, p->instance));
    assert_int_equal(again.frames.len, 0);
    gmq__bytes_free(&out);
}

static void heads(void **state)
{
    (void)state;
    gmq__link_packet p = packet(1, 0);
    vector(&p, "10 00 30313233343536373839616263646566 01 00");
    p = packet(0, 300);
    p.instance = gmq__span_of("INSTANCE", 8);
    vector(&p, "10 01 30313233343536373839616263646566 494e5354414e4345 00 ac02");
    p = packet(7, 4);
    p.flags = GMQ__LINK_ACK_WANTED;
    p.ngaps = 2;
    p.gaps[0].count = 1;
    p.gaps[1].skip = 3;
    p.gaps[1].count = 200;
    vector(&p, "10 06 30313233343536373839616263646566 07 04 02 0001 03c801");
}

static void every_cut_of_a_head_is_refused(void **state)
{
    (void)state;
    gmq__bytes out = {0};
    gmq__link_packet p = packet(900, 80), again;
    p.instance = gmq__span_of("INSTANCE", 8);
    p.ngaps = 2;
    p.gaps[0].count = p.gaps[1].skip = p.gaps[1].count = 500;
    gmq__link_packet_encode(&out, &p);
    for (size_t len = 0; len < out.len; len++)
        assert_int_equal(gmq__link_packet_decode(gmq__span_of(out.data, len), &again),
                         GMQ__LINK_PACKET_MALFORMED);
    gmq__bytes_free(&out);
}

static void too_many_gaps_and_numbers_beyond_the_end_are_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "10 02 30313233343536373839616263646566 07 04 21",
        "10 02 30313233343536373839616263646566 07 04 01 ffffffffffffffffff01 01",
        "10 02 30313233343536373839616263646566 07 ffffffffffffffffff01 01 00 01",
        "10 00 30313233343536373839616263646566 ffffffffffffffffffff01 00",
    };
    for (size_t at = 0; at < sizeof bad / sizeof *bad; at++) {
        uint8_t bytes[64];
        gmq__link_packet p;
        assert_int_equal(gmq__link_packet_decode(gmq__span_of(bytes, from_hex(bad[at], bytes)), &p),
                         GMQ__LINK_PACKET_MALFORMED);
    }
}

static void m5_another_major_version_is_told_apart(void **state)
{
    (void)state;
    uint8_t bytes[64];
    gmq__link_packet p;
    size_t len = from_hex("20 00 30313233343536373839616263646566", bytes);
    assert_int_equal(gmq__link_packet_decode(gmq__span_of(bytes, len), &p),
                     GMQ__LINK_PACKET_VERSION);
    assert_int_equal(p.version, 0x20);
    assert_memory_equal(p.link.data, LINK, 16);
    bytes[0] = 0x1f; /* another minor one is read */
    len += from_hex("01 00", bytes + len);
    assert_int_equal(gmq__link_packet_decode(gmq__span_of(bytes, len), &p), GMQ__LINK_PACKET_OK);
}

/* ---- Frames ---- */

static void frame_vector(gmq__link_type type, uint8_t flags, uint64_t call, const gmq__bytes *body,
                         const char *hex)
{
    gmq__bytes out = {0};
    gmq__link_frame f = {(uint8_t)type, flags, call, gmq__bytes_span(body)}, again;
    gmq__link_frame_put(&out, &f);
    assert_int_equal(out.len, gmq__link_frame_head_len(call, body->len) + body->len);
    assert_bytes(&out, hex);
    gmq__span in = gmq__bytes_span(&out);
    assert_int_equal(gmq__link_frame_next(&in, &again), 1);
    assert_int_equal(again.type, type);
    assert_int_equal(again.flags, flags);
    assert_int_equal(again.call, call);
    assert_true(gmq__span_equal(again.body, f.body));
    assert_int_equal(gmq__link_frame_next(&in, &again), 0);
    for (size_t len = 1; len < out.len; len++) {
        in = gmq__span_of(out.data, len);
        assert_int_equal(gmq__link_frame_next(&in, &again), -1);
    }
    gmq__bytes_free(&out);
}

static void open_and_accept(void **state)
{
    (void)state;
    gmq__bytes body = {0};
    gmq__link_open open = {.inbox = gmq__span_str("in/c1"),
                           .features = 1,
                           .call_window = 262144,
                           .link_window = 4194304,
                           .timeout_ms = 30000},
                   o;
    gmq__link_open_encode(&body, &open);
    frame_vector(GMQ__LINK_OPEN, 0, 0, &body,
                 "01 00 00 11 05 696e2f6331 01 808010 80808002 b0ea01");
    assert_true(gmq__link_open_decode(gmq__bytes_span(&body), &o));
    assert_int_equal(o.server.len, 0);
    gmq__bytes_clear(&body);
    open.server = gmq__span_str("s1");
    open.instance = gmq__span_str("INSTANCE");
    gmq__link_open_encode(&body, &open);
    frame_vector(GMQ__LINK_OPEN, 0, 0, &body,
                 "01 00 00 1c 05 696e2f6331 01 808010 80808002 b0ea01 02 7331 494e5354414e4345");
    assert_false(gmq__link_open_decode(gmq__span_of(body.data, body.len - 1), &o));
    gmq__bytes_put_str(&body, "of a later version");
    assert_true(gmq__link_open_decode(gmq__bytes_span(&body), &o));
    assert_true(gmq__span_equal(o.server, open.server));
    assert_true(gmq__span_equal(o.instance, open.instance));
    assert_true(gmq__span_equal(o.inbox, open.inbox));
    assert_int_equal(o.features, 1);
    assert_int_equal(o.call_window, 262144);
    assert_int_equal(o.link_window, 4194304);
    assert_int_equal(o.timeout_ms, 30000);
    gmq__bytes_clear(&body);
    gmq__link_accept accept = {gmq__span_str("s1"),
                               gmq__span_of("INSTANCE", 8),
                               1,
                               262144,
                               4194304,
                               4194304,
                               8192},
                     a;
    gmq__link_accept_encode(&body, &accept);
    frame_vector(GMQ__LINK_ACCEPT, 0, 0, &body,
                 "02 00 00 19 02 7331 494e5354414e4345 01 808010 80808002 80808002 8040");
    assert_true(gmq__link_accept_decode(gmq__bytes_span(&body), &a));
    assert_true(gmq__span_equal(a.server, accept.server));
    assert_true(gmq__span_equal(a.instance, accept.instance));
    assert_int_equal(a.metadata_limit, 8192);
    for (size_t len = 0; len < body.len; len++)
        assert_false(gmq__link_accept_decode(gmq__span_of(body.data, len), &a));
    gmq__bytes_free(&body);
}

static void headers_and_metadata(void **state)
{
    (void)state;
    gmq__bytes body = {0};
    gmq_metadata *md = NULL, *again = NULL;
    gmq_metadata_new(&md);
    gmq_metadata_add(md, "k", "v", 1);
    gmq_metadata_add(md, "b-bin", "\0\1", 2);
    gmq_metadata_add(md, "k", "w", 1);
    gmq__link_headers in = {.path = gmq__span_str("/p.S/M"),
                            .kind = 3,
                            .timeout_ms = 1500,
                            .batched = 1,
                            .level = 3},
                      out;
    gmq__link_headers_encode(&body, &in, md);
    frame_vector(GMQ__LINK_HEADERS, 0, 1, &body,
                 "03 00 01 1e 06 2f702e532f4d 03 dd0b 01 03 03 01 6b 01 76 05 622d62696e 02 0001 "
                 "01 6b 01 77");
    assert_true(gmq__link_headers_decode(gmq__bytes_span(&body), &out));
    assert_int_equal(out.timeout_ms, 1500);
    assert_int_equal(out.kind, 3);
    assert_int_equal(out.level, 3);
    assert_int_equal(gmq__link_metadata_decode(out.metadata, 8192, &again), GMQ_OK);
    assert_int_equal(gmq_metadata_count(again), 3);
    assert_true(gmq__span_equal_str(gmq__metadata_value(again, 2), "w"));
    gmq_metadata_free(again);
    assert_int_equal(gmq__link_metadata_decode(out.metadata, 100, &again), GMQ_E_TOO_LARGE);
    for (size_t len = 0; len < body.len; len++)
        assert_false(gmq__link_headers_decode(gmq__span_of(body.data, len), &out));
    body.data[7] = GMQ__LINK_KIND_ANY;
    assert_true(gmq__link_headers_decode(gmq__bytes_span(&body), &out));
    body.data[7] = 5; /* no such kind */
    assert_false(gmq__link_headers_decode(gmq__bytes_span(&body), &out));
    gmq_metadata_free(md);
    gmq__bytes_clear(&body);
    in.timeout_ms = -1;
    gmq__link_headers_encode(&body, &in, NULL);
    assert_true(gmq__link_headers_decode(gmq__bytes_span(&body), &out));
    assert_int_equal(out.timeout_ms, -1);
    assert_int_equal(gmq__link_metadata_decode(out.metadata, 0, &again), GMQ_OK);
    assert_null(again);
    gmq__bytes_free(&body);
}

static void the_small_ones(void **state)
{
    (void)state;
    gmq__bytes body = {0};
    gmq__link_end end;
    uint64_t number;
    gmq__bytes_put_str(&body, "abc");
    frame_vector(GMQ__LINK_MESSAGE, GMQ__LINK_COMPRESSED | GMQ__LINK_ENDS, 200, &body,
                 "04 06 c801 03 616263");
    frame_vector(GMQ__LINK_MESSAGE, GMQ__LINK_MORE, 1, &body, "04 01 01 03 616263");
    gmq__bytes_clear(&body);
    frame_vector(GMQ__LINK_HALF_CLOSE, 0, 1, &body, "05 00 01 00");
    frame_vector(GMQ__LINK_CANCEL, 0, 1, &body, "07 00 01 00");
    gmq__link_end_encode(&body, 5, gmq__span_str("gone"));
    gmq__link_metadata_encode(&body, NULL);
    frame_vector(GMQ__LINK_STATUS, 0, 1, &body, "06 00 01 07 05 04 676f6e65 00");
    gmq__span in = gmq__bytes_span(&body);
    assert_true(gmq__link_end_decode(&in, &end));
    assert_int_equal(end.number, 5);
    assert_true(gmq__span_equal_str(end.text, "gone"));
    assert_int_equal(in.len, 1);
    gmq__bytes_clear(&body);
    gmq__bytes_put_str(&body, "\x90\x4e");
    frame_vector(GMQ__LINK_CREDIT, 0, 0, &body, "08 00 00 02 904e");
    assert_true(gmq__link_number_decode(gmq__bytes_span(&body), &number));
    assert_int_equal(number, 10000);
    gmq__bytes_free(&body);
}

static void presence(void **state)
{
    (void)state;
    static const char *const dialects[] = {"link", "session", NULL};
    static const char *const services[] = {"p.S", NULL};
    gmq__bytes out = {0};
    gmq__presence p = {.server = gmq__span_str("s1"),
                       .instance = gmq__span_of("INSTANCE", 8),
                       .version = gmq__span_str("1.0"),
                       .features = 3,
                       .receive_limit = 4194304,
                       .since_unix_s = 1700000000},
                  again;
    gmq__presence_encode(&out, &p, dialects, services);
    assert_bytes(&out,
                 "0a 02 7331 12 08 494e5354414e4345 1a 04 6c696e6b 1a 07 73657373696f6e 20 03 "
                 "2a 03 702e53 30 80808002 38 80e2cfaa06 42 03 312e30");
    assert_true(gmq__presence_decode(gmq__bytes_span(&out), &again));
    assert_true(gmq__span_equal(again.server, p.server));
    assert_true(gmq__presence_has(&again, GMQ__PRESENCE_DIALECTS, "session"));
    assert_true(gmq__presence_has(&again, GMQ__PRESENCE_SERVICES, "p.S"));
    assert_false(gmq__presence_has(&again, GMQ__PRESENCE_SERVICES, "link"));
    assert_int_equal(again.since_unix_s, 1700000000);
    assert_int_equal(again.load, 0);
    assert_false(gmq__presence_decode(gmq__span_of(out.data, 4), &again)); /* no instance */
    assert_false(gmq__presence_decode(gmq__span_of(out.data, out.len - 1), &again));
    gmq__bytes_free(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(heads),
        cmocka_unit_test(every_cut_of_a_head_is_refused),
        cmocka_unit_test(too_many_gaps_and_numbers_beyond_the_end_are_refused),
        cmocka_unit_test(m5_another_major_version_is_told_apart),
        cmocka_unit_test(open_and_accept),
        cmocka_unit_test(headers_and_metadata),
        cmocka_unit_test(the_small_ones),
        cmocka_unit_test(presence),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
