#include "wire/link_frame.h"

#include "base/error.h"
#include "wire/metadata.h"
#include "wire/pb.h"

#define INSTANCE_LEN 8
#define LEVEL_MAX    22

static bool take_number(gmq__span *in, uint64_t *out) { return gmq__pb_next_varint(in, out) == 1; }

static bool take_bytes(gmq__span *in, size_t len, gmq__span *out)
{
    if (len > in->len)
        return false;
    *out = gmq__span_of(in->data, len);
    if (len)
        *in = gmq__span_of(in->data + len, in->len - len);
    return true;
}

static bool take_string(gmq__span *in, gmq__span *out)
{
    uint64_t len;
    return take_number(in, &len) && len <= in->len && take_bytes(in, (size_t)len, out);
}

static bool take_u8(gmq__span *in, uint8_t *out)
{
    gmq__span byte;
    if (!take_bytes(in, 1, &byte))
        return false;
    *out = byte.data[0];
    return true;
}

static void put_string(gmq__bytes *out, gmq__span s)
{
    gmq__pb_put_varint(out, s.len);
    gmq__bytes_put(out, s.data, s.len);
}

/* ---- Frames ---- */

int gmq__link_frame_next(gmq__span *in, gmq__link_frame *f)
{
    if (!in->len)
        return 0;
    bool ok = take_u8(in, &f->type) && take_u8(in, &f->flags) && take_number(in, &f->call) &&
              take_string(in, &f->body);
    return ok ? 1 : -1;
}

void gmq__link_frame_put(gmq__bytes *out, const gmq__link_frame *f)
{
    gmq__bytes_put_u8(out, f->type);
    gmq__bytes_put_u8(out, f->flags);
    gmq__pb_put_varint(out, f->call);
    put_string(out, f->body);
}

size_t gmq__link_frame_head_len(uint64_t call, size_t body_len)
{
    return 2 + gmq__pb_varint_len(call) + gmq__pb_varint_len(body_len);
}

/* ---- Bodies ---- */

bool gmq__link_open_decode(gmq__span in, gmq__link_open *out)
{
    out->server = out->instance = gmq__span_of(NULL, 0);
    return take_string(&in, &out->inbox) && take_number(&in, &out->features) &&
           take_number(&in, &out->call_window) && take_number(&in, &out->link_window) &&
           take_number(&in, &out->timeout_ms) && (!in.len || take_string(&in, &out->server)) &&
           (!out->server.len || take_bytes(&in, INSTANCE_LEN, &out->instance));
}

void gmq__link_open_encode(gmq__bytes *out, const gmq__link_open *in)
{
    put_string(out, in->inbox);
    gmq__pb_put_varint(out, in->features);
    gmq__pb_put_varint(out, in->call_window);
    gmq__pb_put_varint(out, in->link_window);
    gmq__pb_put_varint(out, in->timeout_ms);
    if (!in->server.len)
        return;
    put_string(out, in->server);
    gmq__bytes_put(out, in->instance.data, in->instance.len);
}

bool gmq__link_accept_decode(gmq__span in, gmq__link_accept *out)
{
    return take_string(&in, &out->server) && take_bytes(&in, INSTANCE_LEN, &out->instance) &&
           take_number(&in, &out->features) && take_number(&in, &out->call_window) &&
           take_number(&in, &out->link_window) && take_number(&in, &out->receive_limit) &&
           take_number(&in, &out->metadata_limit);
}

void gmq__link_accept_encode(gmq__bytes *out, const gmq__link_accept *in)
{
    put_string(out, in->server);
    gmq__bytes_put(out, in->instance.data, in->instance.len);
    gmq__pb_put_varint(out, in->features);
    gmq__pb_put_varint(out, in->call_window);
    gmq__pb_put_varint(out, in->link_window);
    gmq__pb_put_varint(out, in->receive_limit);
    gmq__pb_put_varint(out, in->metadata_limit);
}

/* Walks over a list; `*rest` is what stands behind it. */
static bool skip_metadata(gmq__span *in)
{
    uint64_t n;
    gmq__span key, value;
    if (!take_number(in, &n))
        return false;
    for (; n; n--)
        if (!take_string(in, &key) || !take_string(in, &value))
            return false;
    return true;
}

bool gmq__link_headers_decode(gmq__span in, gmq__link_headers *out)
{
    uint64_t kind, timeout;
    if (!take_string(&in, &out->path) || !take_number(&in, &kind) || !take_number(&in, &timeout) ||
        !take_u8(&in, &out->batched) || !take_u8(&in, &out->level))
        return false;
    out->metadata = in;
    if (kind > GMQ__LINK_KIND_ANY || out->level > LEVEL_MAX || out->batched > 1)
        return false;
    out->kind = (uint8_t)kind;
    out->timeout_ms = timeout > (uint64_t)INT64_MAX ? INT64_MAX : (int64_t)timeout - 1;
    return skip_metadata(&in);
}

void gmq__link_headers_encode(gmq__bytes *out, const gmq__link_headers *in, const gmq_metadata *md)
{
    put_string(out, in->path);
    gmq__pb_put_varint(out, in->kind);
    gmq__pb_put_varint(out, in->timeout_ms < 0 ? 0 : (uint64_t)in->timeout_ms + 1);
    gmq__bytes_put_u8(out, in->batched);
    gmq__bytes_put_u8(out, in->level);
    gmq__link_metadata_encode(out, md);
}

bool gmq__link_end_decode(gmq__span *body, gmq__link_end *out)
{
    return take_number(body, &out->number) && take_string(body, &out->text);
}

void gmq__link_end_encode(gmq__bytes *out, uint64_t number, gmq__span text)
{
    gmq__pb_put_varint(out, number);
    put_string(out, text);
}

bool gmq__link_number_decode(gmq__span body, uint64_t *out) { return take_number(&body, out); }

/* ---- Metadata ---- */

void gmq__link_metadata_encode(gmq__bytes *out, const gmq_metadata *md)
{
    size_t n = gmq_metadata_count(md);
    gmq__pb_put_varint(out, n);
    for (size_t at = 0; at < n; at++) {
        put_string(out, gmq__metadata_key(md, at));
        put_string(out, gmq__metadata_value(md, at));
    }
}

static gmq_status add_pairs(gmq__span in, uint64_t n, size_t limit, gmq_metadata *md)
{
    size_t size = 0;
    for (; n; n--) {
        gmq__span key, value;
        if (!take_string(&in, &key) || !take_string(&in, &value))
            return gmq__fail(GMQ_E_PARSE, "metadata is cut off");
        size += key.len + value.len + GMQ__METADATA_PAIR_COST;
        if (size > limit)
            return gmq__fail(GMQ_E_TOO_LARGE, "metadata is above the limit of %zu bytes", limit);
        if (gmq__metadata_add_raw(md, key, value) != GMQ_OK)
            return gmq__fail_nomem();
    }
    return GMQ_OK;
}

gmq_status gmq__link_metadata_decode(gmq__span in, size_t limit, gmq_metadata **out)
{
    uint64_t n;
    *out = NULL;
    if (!take_number(&in, &n))
        return gmq__fail(GMQ_E_PARSE, "metadata is cut off");
    if (!n)
        return GMQ_OK;
    gmq_metadata *md;
    gmq_status status = gmq_metadata_new(&md);
    if (status != GMQ_OK)
        return status;
    status = add_pairs(in, n, limit, md);
    if (status == GMQ_OK)
        *out = md;
    else
        gmq_metadata_free(md);
    return status;
}
