/* Bytes as a packet of the link dialect, with every frame's body as what its type says, and as a
 * presence. What is taken comes back the same when written again. */
#include <string.h>

#include "fuzz/fuzz.h"
#include "wire/link_frame.h"
#include "wire/link_packet.h"
#include "wire/presence.h"

static void metadata(gmq__span list)
{
    gmq_metadata *md = NULL, *again = NULL;
    gmq__bytes out = {0};
    if (gmq__link_metadata_decode(list, 4096, &md) != GMQ_OK)
        return;
    gmq__link_metadata_encode(&out, md);
    check(gmq__link_metadata_decode(gmq__bytes_span(&out), 4096, &again) == GMQ_OK);
    check(gmq_metadata_count(md) == gmq_metadata_count(again));
    gmq__bytes_free(&out);
    gmq_metadata_free(md);
    gmq_metadata_free(again);
}

static void headers(gmq__span body)
{
    gmq__link_headers h, again;
    gmq__bytes out = {0};
    if (!gmq__link_headers_decode(body, &h))
        return;
    metadata(h.metadata);
    gmq__link_headers_encode(&out, &h, NULL);
    check(gmq__link_headers_decode(gmq__bytes_span(&out), &again));
    check(again.timeout_ms == h.timeout_ms && gmq__span_equal(again.path, h.path));
    gmq__bytes_free(&out);
}

static void opening(gmq__span body)
{
    gmq__link_open open, open_again;
    gmq__link_accept accept, accept_again;
    gmq__bytes out = {0};
    if (gmq__link_open_decode(body, &open)) {
        gmq__link_open_encode(&out, &open);
        check(gmq__link_open_decode(gmq__bytes_span(&out), &open_again));
        check(open.timeout_ms == open_again.timeout_ms);
    }
    gmq__bytes_clear(&out);
    if (gmq__link_accept_decode(body, &accept)) {
        gmq__link_accept_encode(&out, &accept);
        check(gmq__link_accept_decode(gmq__bytes_span(&out), &accept_again));
        check(accept.metadata_limit == accept_again.metadata_limit);
    }
    gmq__bytes_free(&out);
}

static void frames(gmq__span in)
{
    gmq__link_frame f;
    gmq__link_end end;
    uint64_t number;
    while (gmq__link_frame_next(&in, &f) == 1) {
        gmq__bytes out = {0};
        gmq__link_frame_put(&out, &f);
        check(out.len == gmq__link_frame_head_len(f.call, f.body.len) + f.body.len);
        gmq__bytes_free(&out);
        headers(f.body);
        opening(f.body);
        gmq__span rest = f.body;
        if (gmq__link_end_decode(&rest, &end))
            metadata(rest);
        gmq__link_number_decode(f.body, &number);
    }
}

static void presence(gmq__span bytes)
{
    gmq__presence p, again;
    gmq__bytes out = {0};
    if (!gmq__presence_decode(bytes, &p))
        return;
    gmq__presence_has(&p, GMQ__PRESENCE_DIALECTS, "link");
    gmq__presence_encode(&out, &p, NULL, NULL);
    check(gmq__presence_decode(gmq__bytes_span(&out), &again));
    check(p.load == again.load && gmq__span_equal(p.server, again.server));
    gmq__bytes_free(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    gmq__link_packet p, again;
    gmq__span in = gmq__span_of(data, len);
    presence(in);
    frames(in);
    if (gmq__link_packet_decode(in, &p) != GMQ__LINK_PACKET_OK)
        return 0;
    gmq__bytes out = {0};
    gmq__link_packet_encode(&out, &p);
    check(out.len == gmq__link_packet_head_len(&p));
    check(gmq__link_packet_decode(gmq__bytes_span(&out), &again) == GMQ__LINK_PACKET_OK);
    check(again.seq == p.seq && again.ack == p.ack && again.ngaps == p.ngaps);
    check(!memcmp(again.gaps, p.gaps, p.ngaps * sizeof *p.gaps));
    gmq__bytes_free(&out);
    frames(p.frames);
    return 0;
}
