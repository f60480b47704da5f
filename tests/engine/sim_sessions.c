#include "engine/sim_sessions.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmocka_all.h"
#include "engine/reassembly.h"
#include "wire/chunk.h"
#include "wire/packet.h"
#include "wire/zstd.h"

/* ---- The file ---- */

static void unhex(gmq__bytes *out, const char *hex)
{
    for (; hex[0] && hex[1] && hex[0] != '-'; hex += 2) {
        unsigned byte;
        assert_int_equal(sscanf(hex, "%2x", &byte), 1);
        gmq__bytes_put_u8(out, (uint8_t)byte);
    }
}

static int64_t number_of(const char *text) { return text[0] == '-' ? -1 : strtoll(text, NULL, 10); }

static void read_line(session *s, const char *line)
{
    static char a[4096], b[4096], c[4096], d[4096];
    int fields = sscanf(line + 1, "%4095s %4095s %4095s %4095s", a, b, c, d);
    if (line[0] == '=') {
        s->code = a[0] == '?' ? -1 : atoi(a);
        unhex(&s->details, b);
        return;
    }
    assert_true(s->n < PACKETS);
    packet *p = &s->lines[s->n++];
    p->mark = line[0];
    if (p->mark == '>') {
        assert_int_equal(fields, 4);
        p->seconds = atof(a);
        p->i = number_of(b);
        unhex(&p->bytes, d);
    } else if (p->mark == '!') {
        p->seconds = atof(a);
        unhex(&p->bytes, b);
    } else if (p->mark == '<') {
        p->i = number_of(a);
        unhex(&p->bytes, b);
    } else {
        unhex(&p->bytes, a);
        if (p->mark != 'm')
            unhex(&p->value, b);
    }
}

static void session_free(session *s)
{
    for (size_t at = 0; at < s->n; at++) {
        gmq__bytes_free(&s->lines[at].bytes);
        gmq__bytes_free(&s->lines[at].value);
    }
    gmq__bytes_free(&s->details);
    memset(s, 0, sizeof *s);
}

void each_session(void (*run)(const session *s))
{
    static char line[16384];
    static session s;
    unsigned long limit;
    FILE *file = fopen(GMQ_SOURCE_DIR "/tests/fixtures/reference/sessions.txt", "r");
    assert_non_null(file);
    for (bool more = true; more;) {
        more = fgets(line, sizeof line, file) != NULL;
        bool begins = more && (!strncmp(line, "session ", 8) || !strncmp(line, "fake ", 5));
        if ((begins || !more) && s.name[0]) {
            run(&s);
            session_free(&s);
        }
        if (begins)
            s.code = -2;
        if (begins && line[0] == 's') {
            assert_int_equal(
                sscanf(line, "session %63s %15s %lu %63s", s.name, s.run, &limit, s.path), 4);
            s.limit = limit;
        } else if (begins) {
            s.fake = true;
            s.limit = 128000;
            assert_int_equal(sscanf(line, "fake %63s %63s", s.name, s.path), 2);
        } else if (more) {
            read_line(&s, line);
        }
    }
    fclose(file);
}

bool any_of(const char *name, const char *const *list)
{
    for (; *list; list++)
        if (!strcmp(name, *list))
            return true;
    return false;
}

/* ---- Whole messages out of packets, in the order of `i` ---- */

void messages_free(messages *m)
{
    for (size_t at = 0; at < m->n; at++)
        gmq__bytes_free(&m->list[at]);
    for (size_t at = 0; at < m->npackets; at++)
        gmq__bytes_free(&m->packets[at].bytes);
    memset(m, 0, sizeof *m);
}

void join(messages *m)
{
    gmq__reassembly r = {0};
    for (uint64_t i = 0; i < m->npackets; i++)
        for (size_t at = 0; at < m->npackets; at++) {
            gmq__packet decoded;
            gmq_buf *whole;
            gmq__span message;
            if (m->packets[at].i != (int64_t)i)
                continue;
            assert_int_equal(gmq__packet_decode(gmq__bytes_span(&m->packets[at].bytes), &decoded),
                             GMQ_OK);
            gmq_buf *buf = gmq__buf_copy(decoded.payload);
            gmq__order_packet in = {buf, gmq__buf_span(buf), decoded.position, decoded.npackets};
            if (gmq__reassembly_put(&r, &in, BIG, &whole, &message) == GMQ__REASSEMBLY_WHOLE) {
                gmq__bytes_put(&m->list[m->n++], message.data, message.len);
                gmq_buf_unref(whole);
            }
            gmq_buf_unref(buf);
        }
    gmq__reassembly_free(&r);
}

void add_packet(messages *m, int64_t i, gmq__span bytes)
{
    assert_true(m->npackets < PACKETS);
    m->packets[m->npackets].i = i;
    gmq__bytes_put(&m->packets[m->npackets++].bytes, bytes.data, bytes.len);
}

gmq__bytes meaning(gmq__span in, bool *packed)
{
    gmq__bytes out = {0}, elems = {0};
    gmq__chunk chunk;
    if (!gmq__zstd_is_frame(in)) {
        gmq__bytes_put(&out, in.data, in.len);
        return out;
    }
    *packed = true;
    assert_int_equal(gmq__zstd_decompress(&out, in, BIG), GMQ_OK);
    if (gmq__chunk_decode(gmq__bytes_span(&out), &chunk) != GMQ_OK ||
        chunk.kind != GMQ__CHUNK_ELEMS)
        return out;
    bool first_has_bytes = false;
    for (gmq__span elem; gmq__chunk_next(&chunk, &elem);) {
        gmq__bytes plain = meaning(elem, packed);
        first_has_bytes = elems.len ? first_has_bytes : plain.len != 0;
        gmq__chunk_put_elem(&elems, gmq__bytes_span(&plain));
        gmq__bytes_free(&plain);
    }
    if (first_has_bytes) {
        gmq__bytes_free(&out);
        gmq__chunk_encode(&out, gmq__bytes_span(&elems));
    }
    gmq__bytes_free(&elems);
    return out;
}

static bool same_meaning(const gmq__bytes *a, const gmq__bytes *b, bool *packed)
{
    gmq__bytes x = meaning(gmq__bytes_span(a), packed), y = meaning(gmq__bytes_span(b), packed);
    bool same = gmq__span_equal(gmq__bytes_span(&x), gmq__bytes_span(&y));
    gmq__bytes_free(&x);
    gmq__bytes_free(&y);
    return same;
}

void compare_messages(const session *s, const messages *ours, const messages *theirs)
{
    bool packed = false;
    if (ours->n != theirs->n)
        fail_msg("%s %s: %zu messages, recorded are %zu", s->name, s->run, ours->n, theirs->n);
    for (size_t at = 0; at < ours->n; at++)
        if (!same_meaning(&ours->list[at], &theirs->list[at], &packed))
            fail_msg("%s %s: message %zu differs", s->name, s->run, at);
    if (packed || strstr(s->run, "-N4") || strstr(s->run, "-R96"))
        return; /* bytes of zstd and the order of slices are not determined */
    assert_int_equal(ours->npackets, theirs->npackets);
    for (size_t at = 0; at < ours->npackets; at++)
        for (size_t other = 0; other < theirs->npackets; other++)
            if (ours->packets[at].i == theirs->packets[other].i &&
                !gmq__span_equal(gmq__bytes_span(&ours->packets[at].bytes),
                                 gmq__bytes_span(&theirs->packets[other].bytes)))
                fail_msg("%s %s: packet %zu differs", s->name, s->run, at);
}
