/* Bytes as protobuf allows them -> bytes that protobuf-c 1.4 reads in the same way. What it would
 * take otherwise:
 *  - A message that stands several times in a singular field is one message, as if the pieces had
 *    been written one after the other; protobuf-c merges them by rules of its own. They are put
 *    together here.
 *  - Fields with another wire type than the schema's, groups, and values that a closed enum does
 * not have count as unknown; protobuf-c refuses them. They are wrapped up, each whole, in a field
 * of bytes with a number that no schema may have; gmq__message_settle() takes them out again.
 *  - Nothing limits how deep protobuf-c recurses. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/mem.h"
#include "methods/message.h"

enum { VARINT = 0, FIXED64 = 1, BYTES = 2, START_GROUP = 3, END_GROUP = 4, FIXED32 = 5 };

#define LENGTH_BYTES 5 /* of a length that is written before it is known */

/* Bytes of a message, and what follows them: index of the next piece and 1, 0 = none. */
typedef struct piece {
    gmq__span bytes;
    size_t next;
} piece;

/* The pieces of a singular message field: index and 1 of the first and the last, 0 = none yet. */
typedef struct run {
    size_t first, last;
} run;

/* `pieces` and `runs` are stacks: a message takes off again what it has put on. */
typedef struct tidier {
    gmq__bytes *out;
    gmq__bytes pieces, runs;
    const uint8_t *start;
    const gmq_type *type;
    size_t memory, left; /* that all may take; and of it what messages do not take yet */
} tidier;

/* The message that is being read. */
typedef struct level {
    const gmq__place *place;
    const gmq_type *type;
    size_t runs; /* the first of its own; those of its fields, then the numbers set in its oneofs */
    gmq__span in; /* not read yet */
} level;

typedef struct field {
    uint32_t number;
    unsigned wire;
    gmq__span whole;      /* with the tag */
    gmq__span content;    /* of BYTES without the length */
    const uint8_t *value; /* behind the tag */
} field;

static gmq_status malformed(const tidier *t, const level *l, const gmq_field *f, const uint8_t *at)
{
    char fault[64];
    snprintf(fault, sizeof fault, "is malformed at byte %zu", (size_t)(at - t->start));
    return gmq__place_fail(GMQ_E_PARSE, l->place, f, SIZE_MAX, fault);
}

static gmq_status check_memory(const tidier *t)
{
    if (t->out->failed || t->pieces.failed || t->runs.failed)
        return gmq__fail_nomem();
    if (t->out->len + t->pieces.len + t->runs.len > t->memory)
        return gmq__message_fail_memory(t->type, t->memory);
    return GMQ_OK;
}

/* A message takes its memory when protobuf-c reads it; but work goes with it now already, and with
 * the number of its fields, which may be many where they share a place. */
static gmq_status take_memory(tidier *t, const gmq_type *type)
{
    size_t fields = type->n_fields * sizeof(void *), size = type->pb.sizeof_message;
    size_t need = size > fields ? size : fields;
    if (t->left < need)
        return gmq__message_fail_memory(t->type, t->memory);
    t->left -= need;
    return GMQ_OK;
}

/* ---- Reading */

static void advance(gmq__span *in, size_t n) { *in = gmq__span_of(in->data + n, in->len - n); }

static bool take_varint(gmq__span *in, uint64_t *value)
{
    *value = 0;
    for (size_t i = 0; i < in->len && i < 10; i++) {
        *value |= (uint64_t)(in->data[i] & 0x7f) << (7 * i);
        if (in->data[i] < 0x80) {
            advance(in, i + 1);
            return true;
        }
    }
    return false;
}

/* Tags and lengths: five bytes at most, as in protobuf-c. */
static bool take_u32(gmq__span *in, uint64_t *value)
{
    size_t before = in->len;
    return take_varint(in, value) && *value <= UINT32_MAX && before - in->len <= 5;
}

static bool take_tag(gmq__span *in, uint32_t *number, unsigned *wire)
{
    uint64_t tag;
    if (!take_u32(in, &tag))
        return false;
    *number = (uint32_t)tag >> 3;
    *wire = tag & 7;
    return *number != 0;
}

static bool skip_value(gmq__span *in, uint32_t number, unsigned wire, unsigned depth);

/* Up to the end of the group. */
static bool skip_group(gmq__span *in, uint32_t number, unsigned depth)
{
    uint32_t inner;
    unsigned wire;
    if (depth > GMQ__MESSAGE_DEPTH_MAX)
        return false;
    while (take_tag(in, &inner, &wire)) {
        if (wire == END_GROUP)
            return inner == number;
        if (!skip_value(in, inner, wire, depth))
            return false;
    }
    return false;
}

static bool skip_value(gmq__span *in, uint32_t number, unsigned wire, unsigned depth)
{
    uint64_t n = 0;
    if (wire == VARINT)
        return take_varint(in, &n);
    if (wire == START_GROUP)
        return skip_group(in, number, depth + 1);
    if (wire == FIXED64 || wire == FIXED32)
        n = wire == FIXED64 ? 8 : 4;
    else if (wire != BYTES || !take_u32(in, &n))
        return false;
    if (n > in->len)
        return false;
    advance(in, (size_t)n);
    return true;
}

static bool take_field(level *l, field *f)
{
    const uint8_t *start = l->in.data;
    if (!take_tag(&l->in, &f->number, &f->wire))
        return false;
    f->value = l->in.data;
    gmq__span value = l->in;
    if (!skip_value(&l->in, f->number, f->wire, l->place->depth))
        return false;
    uint64_t len = 0;
    if (f->wire == BYTES && take_varint(&value, &len))
        f->content = gmq__span_of(value.data, (size_t)len);
    f->whole = gmq__span_of(start, (size_t)(l->in.data - start));
    return true;
}

/* ---- Writing */

static void put_varint(gmq__bytes *out, uint64_t value)
{
    for (; value > 0x7f; value >>= 7)
        gmq__bytes_put_u8(out, (uint8_t)(value | 0x80));
    gmq__bytes_put_u8(out, (uint8_t)value);
}

static void put_span(tidier *t, gmq__span bytes) { gmq__bytes_put(t->out, bytes.data, bytes.len); }

/* A field of bytes: tag, and room for the length. */
static size_t begin_bytes(tidier *t, uint32_t number)
{
    static const uint8_t room[LENGTH_BYTES] = {0};
    put_varint(t->out, (uint64_t)number << 3 | BYTES);
    gmq__bytes_put(t->out, room, sizeof room);
    return t->out->len;
}

static void end_bytes(tidier *t, size_t start)
{
    if (t->out->failed)
        return;
    size_t len = t->out->len - start;
    uint8_t *at = t->out->data + start - LENGTH_BYTES;
    for (int i = 0; i < LENGTH_BYTES; i++, len >>= 7)
        at[i] = (uint8_t)((len & 0x7f) | (i < LENGTH_BYTES - 1 ? 0x80 : 0));
}

static void wrap(tidier *t, gmq__span whole)
{
    size_t start = begin_bytes(t, GMQ__TIDY_FIELD);
    put_span(t, whole);
    end_bytes(t, start);
}

/* ---- Fields */

static gmq_status tidy_message(tidier *t, const gmq__place *place, size_t first);

static gmq_status push_piece(tidier *t, gmq__span bytes, size_t *index)
{
    piece p = {bytes, 0};
    gmq__bytes_put(&t->pieces, &p, sizeof p);
    *index = t->pieces.len / sizeof p;
    return check_memory(t);
}

static piece *piece_at(const tidier *t, size_t index)
{
    return (piece *)(void *)t->pieces.data + index - 1;
}

static run *run_at(const tidier *t, size_t index) { return (run *)(void *)t->runs.data + index; }

/* The message in `field` that the pieces from `first` on make up. */
static gmq_status put_message(tidier *t, const level *l, const gmq_field *f, size_t first)
{
    gmq__place place = gmq__place_in(l->place, f, SIZE_MAX);
    if (place.depth > GMQ__MESSAGE_DEPTH_MAX)
        return gmq__place_fail(GMQ_E_PARSE, l->place, f, SIZE_MAX,
                               "is nested deeper than 100 messages");
    size_t start = begin_bytes(t, (uint32_t)f->number);
    gmq_status status = tidy_message(t, &place, first);
    end_bytes(t, start);
    return status;
}

/* A closed enum does not have the value of the entry's last `value`. (What is malformed is found
 * when the entry is read.) */
static bool is_unknown_entry(const gmq_field *map, gmq__span entry)
{
    const gmq_enum *e = map->message->by_number[1]->enumeration;
    bool unknown = false;
    uint32_t number;
    unsigned wire;
    uint64_t value;
    if (!e || !e->closed)
        return false;
    while (entry.len) {
        if (!take_tag(&entry, &number, &wire))
            return false;
        gmq__span before = entry;
        if (!skip_value(&entry, number, wire, 0))
            return false;
        if (number == 2 && wire == VARINT && take_varint(&before, &value))
            unknown = !gmq__enum_knows(e, (int32_t)value);
    }
    return unknown;
}

static gmq_status put_element(tidier *t, const level *l, const gmq_field *f, const field *in)
{
    size_t kept = t->pieces.len, index;
    if (f->map && is_unknown_entry(f, in->content)) {
        wrap(t, in->whole);
        return GMQ_OK;
    }
    gmq_status status = push_piece(t, in->content, &index);
    if (!status)
        status = put_message(t, l, f, index);
    t->pieces.len = kept;
    return status;
}

/* Singular messages wait for more pieces. */
static gmq_status keep_piece(tidier *t, const level *l, const gmq_field *f, const field *in)
{
    size_t index;
    gmq_status status = push_piece(t, in->content, &index);
    if (status)
        return status;
    run *r = run_at(t, l->runs + (size_t)f->single);
    if (r->first)
        piece_at(t, r->last)->next = index;
    else
        r->first = index;
    r->last = index;
    return GMQ_OK;
}

/* Of a oneof the last member counts: pieces of another one are given up, when they are well formed.
 */
static gmq_status enter_oneof(tidier *t, const level *l, const gmq_field *f)
{
    size_t set = l->runs + l->type->n_singles + (size_t)f->oneof;
    size_t number = run_at(t, set)->first, written = t->out->len;
    const gmq_field *other = number ? gmq_type_find_number(l->type, (int32_t)number) : NULL;
    run_at(t, set)->first = (size_t)f->number;
    if (!other || other == f || other->single < 0)
        return GMQ_OK;
    size_t first = run_at(t, l->runs + (size_t)other->single)->first;
    gmq_status status = put_message(t, l, other, first);
    *run_at(t, l->runs + (size_t)other->single) = (run){0, 0};
    t->out->len = written;
    return status;
}

static unsigned wire_of(const gmq_field *f)
{
    switch (f->type) {
    case GMQ_FIELD_DOUBLE:
    case GMQ_FIELD_FIXED64:
    case GMQ_FIELD_SFIXED64:
        return FIXED64;
    case GMQ_FIELD_FLOAT:
    case GMQ_FIELD_FIXED32:
    case GMQ_FIELD_SFIXED32:
        return FIXED32;
    case GMQ_FIELD_STRING:
    case GMQ_FIELD_BYTES:
    case GMQ_FIELD_MESSAGE:
        return BYTES;
    default:
        return VARINT;
    }
}

/* Packed values of a closed enum, written one by one. */
static gmq_status unpack_enums(tidier *t, const level *l, const gmq_field *f, gmq__span content)
{
    uint64_t value;
    while (content.len) {
        if (!take_varint(&content, &value))
            return malformed(t, l, f, content.data);
        bool known = gmq__enum_knows(f->enumeration, (int32_t)value);
        size_t start = known ? 0 : begin_bytes(t, GMQ__TIDY_FIELD);
        put_varint(t->out, (uint64_t)f->number << 3 | VARINT);
        put_varint(t->out, value);
        if (!known)
            end_bytes(t, start);
    }
    return GMQ_OK;
}

static gmq_status put_packed(tidier *t, const level *l, const gmq_field *f, const field *in)
{
    gmq__span rest = in->content;
    uint64_t value;
    unsigned wire = wire_of(f);
    if (f->enumeration && f->enumeration->closed)
        return unpack_enums(t, l, f, rest);
    if (wire != VARINT && rest.len % (wire == FIXED64 ? 8 : 4))
        return malformed(t, l, f, rest.data);
    while (wire == VARINT && rest.len)
        if (!take_varint(&rest, &value))
            return malformed(t, l, f, rest.data);
    put_span(t, in->whole);
    return GMQ_OK;
}

static gmq_status put_known(tidier *t, const level *l, const gmq_field *f, const field *in)
{
    uint64_t value;
    gmq__span rest = gmq__span_of(in->value, (size_t)(in->whole.data + in->whole.len - in->value));
    bool closed = f->enumeration && f->enumeration->closed;
    if (closed && take_varint(&rest, &value) && !gmq__enum_knows(f->enumeration, (int32_t)value)) {
        wrap(t, in->whole);
        return GMQ_OK;
    }
    gmq_status status = f->oneof >= 0 ? enter_oneof(t, l, f) : GMQ_OK;
    if (status)
        return status;
    if (f->single >= 0)
        return keep_piece(t, l, f, in);
    if (f->message)
        return put_element(t, l, f, in);
    put_span(t, in->whole);
    return GMQ_OK;
}

static gmq_status put_field(tidier *t, const level *l, const field *in)
{
    const gmq_field *f = gmq_type_find_number(l->type, (int32_t)in->number);
    if (!f && in->wire != START_GROUP && in->number != GMQ__TIDY_FIELD) {
        put_span(t, in->whole);
        return GMQ_OK;
    }
    if (!f || f->store == GMQ__STORE_NONE) {
        wrap(t, in->whole);
        return GMQ_OK;
    }
    unsigned wire = wire_of(f);
    if (in->wire == wire)
        return put_known(t, l, f, in);
    if (in->wire == BYTES && f->label == GMQ_LABEL_REPEATED)
        return put_packed(t, l, f, in);
    wrap(t, in->whole);
    return GMQ_OK;
}

/* ---- Messages */

static gmq_status put_runs(tidier *t, const level *l)
{
    gmq_status status = GMQ_OK;
    for (size_t i = 0; !status && l->type->n_singles && i < l->type->n_fields; i++) {
        const gmq_field *f = l->type->by_number[i];
        size_t first = f->single >= 0 ? run_at(t, l->runs + (size_t)f->single)->first : 0;
        if (first)
            status = put_message(t, l, f, first);
    }
    return status;
}

static gmq_status read_pieces(tidier *t, level *l, size_t first)
{
    gmq_status status = GMQ_OK;
    for (size_t index = first; !status && index; index = piece_at(t, index)->next) {
        l->in = piece_at(t, index)->bytes;
        while (!status && l->in.len) {
            field f = {0};
            const uint8_t *at = l->in.data;
            status = take_field(l, &f) ? put_field(t, l, &f) : malformed(t, l, NULL, at);
            if (!status)
                status = check_memory(t);
        }
    }
    return status;
}

static gmq_status tidy_message(tidier *t, const gmq__place *place, size_t first)
{
    level l = {.place = place, .type = place->type, .runs = t->runs.len / sizeof(run)};
    size_t pieces = t->pieces.len, runs = t->runs.len;
    size_t size = (l.type->n_singles + l.type->n_oneofs) * sizeof(run);
    gmq_status status = take_memory(t, l.type);
    if (status)
        return status;
    if (size && !gmq__bytes_reserve(&t->runs, size))
        return gmq__fail_nomem();
    if (size)
        memset(t->runs.data + runs, 0, size);
    t->runs.len += size;
    status = read_pieces(t, &l, first);
    if (!status)
        status = put_runs(t, &l);
    t->pieces.len = pieces;
    t->runs.len = runs;
    return status;
}

gmq_status gmq__message_tidy(gmq__bytes *out, const gmq_type *type, gmq__span in, size_t memory)
{
    tidier t = {.out = out, .start = in.data, .type = type, .memory = memory, .left = memory};
    gmq__place place = {.type = type};
    size_t first;
    gmq_status status = push_piece(&t, in, &first);
    if (!status && in.len && !gmq__bytes_reserve(out, in.len))
        status = gmq__fail_nomem();
    if (!status)
        status = tidy_message(&t, &place, first);
    if (!status)
        status = check_memory(&t);
    gmq__bytes_free(&t.pieces);
    gmq__bytes_free(&t.runs);
    return status;
}
