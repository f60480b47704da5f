/* Every PUBLISH that the reference was recorded to make: topics and packets are read, messages put
 * together, read for what their place in the call says they are, and written again to the same
 * bytes. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmocka_all.h"
#include "unit/wire/fixture_util.h"
#include "wire/chunk.h"
#include "wire/packet.h"
#include "wire/request.h"
#include "wire/topic.h"
#include "wire/zstd.h"

#define LIMIT (1024 * 1024)

enum { RUN, DIRECTION, TOPIC, INDEX, PAYLOAD, NCELLS };

static const char base[] = "base/dev1";

/* Messages of one topic, in the making. Key: topic and run, looked up by walking; a row is made by
 * its first packet. */
typedef struct stream {
    const char *run, *topic;
    gmq__bytes message;      /* slices joined; position -> offset holds because the recordings sort
                                within a message */
    gmq__span slices[256];   /* by position */
    uint32_t have, npackets; /* of the message in the making */
    size_t nmessages;
    gmq_rpc_kind kind;
    bool client, ended;
    bool seen[1024]; /* by `i` */
} stream;

typedef struct walk {
    table t;
    stream streams[512];
    size_t nstreams;
    size_t packets, requests, metadata, chunks, ends, responses, errors, controls, compressed,
        refused;
} walk;

static gmq__topic_parts parse(const char *topic)
{
    gmq__topic_parts parts = gmq__topic_parse(gmq__span_str(base), gmq__span_str(topic));
    assert_int_not_equal(parts.kind, GMQ__TOPIC_OTHER);
    return parts;
}

static bool contains(gmq__span text, const char *part)
{
    for (size_t i = 0; i + strlen(part) <= text.len; i++)
        if (memcmp(text.data + i, part, strlen(part)) == 0)
            return true;
    return false;
}

/* The recorded service names its methods by their kind. */
static gmq_rpc_kind kind_of(gmq__span rpc)
{
    return contains(rpc, "Bidi")           ? GMQ_RPC_BIDI_STREAMING
           : contains(rpc, "ServerStream") ? GMQ_RPC_SERVER_STREAMING
           : contains(rpc, "ClientStream") ? GMQ_RPC_CLIENT_STREAMING
                                           : GMQ_RPC_UNARY;
}

static gmq_rpc_kind kind_of_session(const walk *w, gmq__span sid)
{
    for (size_t i = 0; i < w->t.nrows; i++) {
        gmq__topic_parts parts = parse(table_cell(&w->t, i, TOPIC));
        if (parts.kind == GMQ__TOPIC_REQUEST && gmq__span_equal(parts.sid, sid))
            return kind_of(parts.rpc);
    }
    fail_msg("no request of session %.*s", (int)sid.len, (const char *)sid.data);
    return GMQ_RPC_UNARY;
}

static stream *stream_of(walk *w, size_t row)
{
    const char *run = table_cell(&w->t, row, RUN), *topic = table_cell(&w->t, row, TOPIC);
    for (size_t i = 0; i < w->nstreams; i++)
        if (strcmp(w->streams[i].run, run) == 0 && strcmp(w->streams[i].topic, topic) == 0)
            return &w->streams[i];
    assert_true(w->nstreams < sizeof w->streams / sizeof *w->streams);
    gmq__topic_parts parts = parse(topic);
    stream *s = &w->streams[w->nstreams++];
    *s = (stream){.run = run, .topic = topic, .client = parts.kind == GMQ__TOPIC_REQUEST};
    s->kind = kind_of_session(w, parts.sid);
    return s;
}

/* Topics are written again to the same text. */
static void check_topic(const char *text)
{
    gmq__topic_parts parts = parse(text);
    gmq__bytes again = {0}, path = {0};
    if (parts.kind == GMQ__TOPIC_REQUEST) {
        gmq__topic_path(&path, &parts);
        assert_int_equal(gmq__topic_check_path(gmq__bytes_span(&path)), GMQ_OK);
        gmq__topic_request(&again, gmq__span_str(base), parts.sid, gmq__bytes_span(&path));
    } else if (parts.kind == GMQ__TOPIC_SESSION) {
        gmq__topic_session(&again, gmq__span_str(base), parts.sid);
    } else {
        gmq__topic_control(&again, gmq__span_str(base), parts.sid);
    }
    assert_true(gmq__span_equal_str(gmq__bytes_span(&again), text));
    gmq__bytes_free(&again);
    gmq__bytes_free(&path);
}

static void expect_same(gmq__bytes *again, gmq__span message, const char *what)
{
    char *want = hex_encode(message);
    expect_hex(again, want, what);
    free(want);
}

static void read_request(walk *w, gmq__span message, bool crafted)
{
    gmq__request r;
    gmq_status status = gmq__request_decode(message, LIMIT, &r);
    if (crafted && status == GMQ_E_PARSE) {
        w->refused++;
        return;
    }
    assert_int_equal(status, GMQ_OK);
    gmq__bytes again = {0};
    gmq__request_encode(&again, &r);
    expect_same(&again, message, "request");
    gmq_metadata_free(r.metadata);
    w->requests++;
}

static void read_metadata(walk *w, gmq__span message)
{
    gmq_metadata *md;
    gmq__bytes again = {0};
    assert_int_equal(gmq__metadata_decode(message, LIMIT, &md), GMQ_OK);
    gmq__metadata_encode(&again, 1, md);
    expect_same(&again, message, "metadata");
    gmq_metadata_free(md);
    w->metadata++;
}

/* false: the end of the stream. */
static bool read_chunk(walk *w, gmq__span message)
{
    gmq__chunk chunk;
    assert_int_equal(gmq__chunk_decode(message, &chunk), GMQ_OK);
    gmq__bytes elems = {0}, again = {0};
    gmq__span elem;
    if (chunk.kind == GMQ__CHUNK_END) {
        w->ends++;
        return false;
    }
    assert_int_equal(chunk.kind, GMQ__CHUNK_ELEMS);
    while (gmq__chunk_next(&chunk, &elem))
        gmq__chunk_put_elem(&elems, elem);
    gmq__chunk_encode(&again, gmq__bytes_span(&elems));
    gmq__bytes_free(&elems);
    expect_same(&again, message, "chunk");
    w->chunks++;
    return true;
}

static void read_response(walk *w, gmq__span message, gmq_rpc_kind kind)
{
    gmq__response r;
    gmq__bytes again = {0};
    assert_int_equal(gmq__response_decode(message, LIMIT, &r), GMQ_OK);
    assert_false(r.empty);
    if (r.is_error)
        gmq__response_encode_error(&again, &r.error);
    else
        gmq__response_encode(&again, &r,
                             kind & 2 ? GMQ__RESPONSE_OF_STREAM : GMQ__RESPONSE_WITH_BODY);
    expect_same(&again, message, "response");
    w->errors += r.is_error;
    w->responses += !r.is_error;
    gmq__response_clear(&r);
}

/* What a whole message is, its place says: docs/design/session.md, "Client to remote", "Remote to
 * client". A streaming call that failed before its stream began is answered by a lone error. */
static void read_plain(walk *w, stream *s, gmq__span message)
{
    bool first = s->nmessages++ == 0, crafted = strcmp(s->run, "craft") == 0;
    bool error = message.len && message.data[0] == 0x12;
    if (s->client && first)
        read_request(w, message, crafted);
    else if (s->client)
        read_chunk(w, message);
    else if ((s->kind & 2) == 0 || s->ended || error)
        read_response(w, message, s->kind);
    else if (first)
        read_metadata(w, message);
    else
        s->ended = !read_chunk(w, message);
}

static void read_message(walk *w, stream *s, gmq__span message)
{
    if (!gmq__zstd_is_frame(message)) {
        read_plain(w, s, message);
        return;
    }
    gmq__bytes plain = {0};
    assert_int_equal(gmq__zstd_decompress(&plain, message, LIMIT), GMQ_OK);
    read_plain(w, s, gmq__bytes_span(&plain));
    gmq__bytes_free(&plain);
    w->compressed++;
}

static void join(walk *w, stream *s)
{
    gmq__bytes_clear(&s->message);
    for (uint32_t i = 0; i < s->npackets; i++) {
        gmq__bytes_put(&s->message, s->slices[i].data, s->slices[i].len);
        hex_free(s->slices[i]);
        s->slices[i] = gmq__span_of(NULL, 0);
    }
    s->have = s->npackets = 0;
    read_message(w, s, gmq__bytes_span(&s->message));
}

static gmq__span copy(gmq__span span)
{
    char *hex = hex_encode(span);
    gmq__span bytes = hex_decode(hex);
    free(hex);
    return bytes;
}

/* The receiver drops what came twice. */
static bool duplicate(const walk *w, size_t row, stream *s)
{
    const char *text = table_cell(&w->t, row, INDEX);
    if (strcmp(text, "-") == 0)
        return false;
    size_t index = strtoul(text, NULL, 10);
    assert_true(index < sizeof s->seen / sizeof *s->seen);
    bool seen = s->seen[index];
    s->seen[index] = true;
    return seen;
}

static void read_slice(walk *w, stream *s, const gmq__packet *packet)
{
    uint32_t n = packet->npackets ? packet->npackets : 1,
             at = packet->position < n ? packet->position : 0;
    assert_true(n <= sizeof s->slices / sizeof *s->slices);
    assert_true(s->npackets == 0 || s->npackets == n);
    s->npackets = n;
    if (s->slices[at].data)
        return;
    s->slices[at] = copy(packet->payload);
    if (++s->have == n)
        join(w, s);
}

static void read_control(walk *w, gmq__span payload, bool crafted)
{
    int32_t control;
    gmq_status status = gmq__control_decode(payload, &control);
    if (crafted && status == GMQ_E_PARSE) {
        w->refused++;
        return;
    }
    assert_int_equal(status, GMQ_OK);
    gmq__bytes again = {0};
    gmq__control_encode(&again, (gmq__control)control);
    expect_same(&again, payload, "control");
    w->controls++;
}

static void read_packet(walk *w, size_t row, gmq__span payload, bool crafted)
{
    gmq__packet packet;
    gmq_status status = gmq__packet_decode(payload, &packet);
    if (crafted && status == GMQ_E_PARSE) {
        w->refused++;
        return;
    }
    assert_int_equal(status, GMQ_OK);
    gmq__bytes again = {0};
    gmq__packet_encode(&again, packet.payload, packet.position, packet.npackets);
    bool bare = crafted && payload.len < again.len; /* sent without all three fields */
    if (bare)
        gmq__bytes_free(&again);
    else
        expect_same(&again, payload, "packet");
    w->packets++;
    stream *s = stream_of(w, row);
    if (!duplicate(w, row, s))
        read_slice(w, s, &packet);
}

static void check_counts(const walk *w)
{
    assert_int_equal(w->controls, 16 - 1);
    assert_int_equal(w->packets, 509 - 16 - 1);
    assert_int_equal(w->refused,
                     2 + 3); /* packet and control garbage; empty payload, no options, level 23 */
    assert_int_equal(w->requests, 102);
    assert_int_equal(w->metadata, 27);
    assert_int_equal(w->chunks, 99);
    assert_int_equal(w->ends, 52);
    assert_int_equal(w->responses, 73);
    assert_int_equal(w->errors, 25);
    assert_int_equal(w->compressed, 24);
}

static void every_publish(void **state)
{
    (void)state;
    walk *w = calloc(1, sizeof *w);
    assert_non_null(w);
    w->t = table_load("published", NCELLS);
    for (size_t row = 0; row < w->t.nrows; row++) {
        const char *topic = table_cell(&w->t, row, TOPIC);
        gmq__span payload = hex_decode(table_cell(&w->t, row, PAYLOAD));
        bool crafted = strcmp(table_cell(&w->t, row, RUN), "craft") == 0;
        check_topic(topic);
        if (parse(topic).kind == GMQ__TOPIC_CONTROL)
            read_control(w, payload, crafted);
        else
            read_packet(w, row, payload, crafted);
        hex_free(payload);
    }
    for (size_t i = 0; i < w->nstreams; i++) {
        if (w->streams[i].have)
            fail_msg("%s %s: a message is incomplete", w->streams[i].run, w->streams[i].topic);
        gmq__bytes_free(&w->streams[i].message);
    }
    check_counts(w);
    table_free(&w->t);
    free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_publish)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
