/* What is left to do when protobuf-c has read a message, and to check before it writes one. */
#include <string.h>

#include "base/error.h"
#include "base/mem.h"
#include "base/text.h"
#include "methods/message.h"

/* ---- Unknown fields */

/* The field that was wrapped up: length, tag, value -> tag and value. */
static void unwrap(ProtobufCMessageUnknownField *unknown)
{
    uint32_t tag = 0;
    size_t at = 0;
    while (unknown->data[at++] & 0x80) /* the length */
        ;
    for (unsigned shift = 0;; shift += 7) {
        tag |= (uint32_t)(unknown->data[at] & 0x7f) << shift;
        if (unknown->data[at++] < 0x80)
            break;
    }
    unknown->tag = tag >> 3;
    unknown->wire_type = (ProtobufCWireType)(tag & 7);
    unknown->len -= at;
    memmove(unknown->data, unknown->data + at, unknown->len);
}

/* ---- Maps */

static gmq__span key_of(const ProtobufCMessage *entry)
{
    const gmq_field *key = gmq__type_of(entry)->by_number[0];
    const void *value = gmq__member(entry, key->offset);
    if (key->store != GMQ__STORE_BYTES)
        return gmq__span_of(value, gmq__store_size(key->store));
    const ProtobufCBinaryData *bytes = value;
    return gmq__span_of(bytes->data, bytes->len);
}

/* What an entry does not say is zero, or of an enum the first value. */
static void complete_entry(ProtobufCMessage *entry)
{
    const gmq_type *type = gmq__type_of(entry);
    for (size_t i = 0; i < type->n_fields; i++) {
        const gmq_field *f = &type->fields[i];
        if (!f->quantifier || gmq__singular(entry, f))
            continue;
        *(protobuf_c_boolean *)gmq__member(entry, f->quantifier) = 1;
        memcpy(gmq__member(entry, f->offset), &f->fallback, gmq__store_size(f->store));
    }
}

/* Of a key that stands several times the last entry stays, in the place of the first. */
static gmq_status merge_keys(ProtobufCMessage **entries, size_t *count)
{
    gmq__map places = {.seed = (uint64_t)(uintptr_t)entries * 0x9e3779b97f4a7c15u};
    gmq_status status = GMQ_OK;
    size_t kept = 0, i = 0;
    for (; !status && i < *count; i++) {
        ProtobufCMessage **place = gmq__map_get(&places, key_of(entries[i]));
        if (place) {
            gmq__node_drop(*place);
            *place = entries[i];
        } else {
            entries[kept] = entries[i];
            if (!gmq__map_put(&places, key_of(entries[kept]), &entries[kept]))
                status = gmq__fail_nomem();
            kept++;
        }
    }
    memmove(entries + kept, entries + i, (*count - i) * sizeof *entries);
    *count = kept + *count - i;
    gmq__map_free(&places);
    return status;
}

static gmq_status settle_map(ProtobufCMessage *node, const gmq_field *field)
{
    size_t *count = gmq__elements(node, field);
    ProtobufCMessage **entries = *(ProtobufCMessage ***)gmq__member(node, field->offset);
    for (size_t i = 0; i < *count; i++)
        complete_entry(entries[i]);
    return *count > 1 ? merge_keys(entries, count) : GMQ_OK;
}

/* ---- Every message and every string of a tree */

typedef struct visitor {
    gmq_status (*message)(const gmq__place *place, ProtobufCMessage *node);
    gmq_status (*field)(const gmq__place *place, ProtobufCMessage *node, const gmq_field *field);
} visitor;

static gmq_status visit(const visitor *v, const gmq__place *place, ProtobufCMessage *node);

static gmq_status visit_inner(const visitor *v, const gmq__place *place, ProtobufCMessage *node,
                              const gmq_field *field)
{
    bool repeated = field->label == GMQ_LABEL_REPEATED;
    void *single = repeated ? NULL : gmq__singular(node, field);
    size_t count = repeated ? *gmq__elements(node, field) : single != NULL;
    ProtobufCMessage **nodes =
        repeated ? *(ProtobufCMessage ***)gmq__member(node, field->offset) : single;
    gmq_status status = GMQ_OK;
    for (size_t i = 0; !status && i < count; i++) {
        gmq__place inner = gmq__place_in(place, field, i);
        status = visit(v, &inner, nodes[i]);
    }
    return status;
}

static gmq_status visit(const visitor *v, const gmq__place *place, ProtobufCMessage *node)
{
    const gmq_type *type = place->type;
    gmq_status status = v->message ? v->message(place, node) : GMQ_OK;
    for (size_t i = 0; !status && i < type->n_fields; i++) {
        const gmq_field *field = type->by_number[i];
        status = v->field(place, node, field);
        if (!status && field->store == GMQ__STORE_MESSAGE)
            status = visit_inner(v, place, node, field);
    }
    return status;
}

static gmq_status settle_message(const gmq__place *place, ProtobufCMessage *node)
{
    (void)place;
    for (unsigned i = 0; i < node->n_unknown_fields; i++)
        if (node->unknown_fields[i].tag == GMQ__TIDY_FIELD)
            unwrap(&node->unknown_fields[i]);
    return GMQ_OK;
}

static gmq_status check_string(const gmq__place *place, const gmq_field *field, size_t index,
                               const ProtobufCBinaryData *string)
{
    if (gmq__utf8_valid(gmq__span_of(string->data, string->len)))
        return GMQ_OK;
    return gmq__place_fail(GMQ_E_PARSE, place, field, index, "is a string that is not UTF-8");
}

static gmq_status check_strings(const gmq__place *place, ProtobufCMessage *node,
                                const gmq_field *field)
{
    const void *value;
    if (field->label != GMQ_LABEL_REPEATED) {
        value = gmq__singular(node, field);
        return value ? check_string(place, field, 0, value) : GMQ_OK;
    }
    const ProtobufCBinaryData *strings = *(ProtobufCBinaryData **)gmq__member(node, field->offset);
    gmq_status status = GMQ_OK;
    for (size_t i = 0; !status && i < *gmq__elements(node, field); i++)
        status = check_string(place, field, i, &strings[i]);
    return status;
}

static gmq_status settle_field(const gmq__place *place, ProtobufCMessage *node,
                               const gmq_field *field)
{
    if (field->map)
        return settle_map(node, field);
    if (field->type == GMQ_FIELD_STRING && field->owner->proto3)
        return check_strings(place, node, field);
    return GMQ_OK;
}

gmq_status gmq__message_settle(ProtobufCMessage *node)
{
    static const visitor v = {settle_message, settle_field};
    gmq__place place = {.type = gmq__type_of(node)};
    return visit(&v, &place, node);
}

static gmq_status require_parse(const gmq__place *place, ProtobufCMessage *node,
                                const gmq_field *field)
{
    if (field->label != GMQ_LABEL_REQUIRED || field->store == GMQ__STORE_NONE ||
        gmq__is_set(node, field))
        return GMQ_OK;
    return gmq__place_fail(GMQ_E_PARSE, place, field, 0, "is required and missing");
}

gmq_status gmq__message_require(const ProtobufCMessage *node, gmq_status status)
{
    static const visitor v = {NULL, require_parse};
    gmq__place place = {.type = gmq__type_of(node)};
    if (!place.type->schema->has_required)
        return GMQ_OK;
    return visit(&v, &place, (ProtobufCMessage *)(uintptr_t)node) ? status : GMQ_OK;
}
