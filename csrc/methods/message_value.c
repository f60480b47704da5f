/* Getting and setting values of messages. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/mem.h"
#include "base/text.h"
#include "methods/message.h"

static const char *const type_names[] = {"",         "double",   "float",   "int64",  "uint64",
                                         "int32",    "fixed64",  "fixed32", "bool",   "string",
                                         "group",    "message",  "bytes",   "uint32", "enum",
                                         "sfixed32", "sfixed64", "sint32",  "sint64"};

/* GMQ_E_INVALID: field pkg.Msg.name (int32) `fault`. */
static gmq_status fail(const gmq_field *field, const char *fault)
{
    return gmq__fail(GMQ_E_INVALID, "field %s.%s (%s) %s", field->owner->name, field->name,
                     type_names[field->type], fault);
}

typedef enum class { INTEGER, FLOATING, BOOLEAN, BYTES, MESSAGE, GROUP } class;

static class class_of(const gmq_field *field)
{
    switch (field->type) {
    case GMQ_FIELD_FLOAT:
    case GMQ_FIELD_DOUBLE:
        return FLOATING;
    case GMQ_FIELD_BOOL:
        return BOOLEAN;
    case GMQ_FIELD_STRING:
    case GMQ_FIELD_BYTES:
        return BYTES;
    case GMQ_FIELD_MESSAGE:
        return MESSAGE;
    case GMQ_FIELD_GROUP:
        return GROUP;
    default:
        return INTEGER;
    }
}

static gmq_status check(const gmq_message *message, const gmq_field *field, class wanted)
{
    static const char *const faults[] = {"holds no integer", "holds no floating-point number",
                                         "holds no bool", "holds neither string nor bytes",
                                         "holds no message"};
    const gmq_type *type = gmq__type_of(message->node);
    if (!field)
        return gmq__fail(GMQ_E_INVALID, "field of message %s is NULL", type->name);
    if (field->owner != type)
        return gmq__fail(GMQ_E_INVALID, "field %s.%s is not one of message %s", field->owner->name,
                         field->name, type->name);
    if (field->type == GMQ_FIELD_GROUP)
        return gmq__fail(GMQ_E_UNSUPPORTED, "field %s.%s is a group, which is not supported",
                         type->name, field->name);
    return class_of(field) == wanted ? GMQ_OK : fail(field, faults[wanted]);
}

static gmq_status fail_index(const gmq_field *field, size_t index, size_t count)
{
    if (field->label != GMQ_LABEL_REPEATED)
        return gmq__fail(GMQ_E_NOT_FOUND, "field %s.%s is not repeated: index %zu is not 0",
                         field->owner->name, field->name, index);
    return gmq__fail(GMQ_E_NOT_FOUND, "field %s.%s has %zu elements: there is no index %zu",
                     field->owner->name, field->name, count, index);
}

static void *element(const gmq_message *message, const gmq_field *field, size_t index)
{
    char *array = *(char **)gmq__member(message->node, field->offset);
    return array + index * gmq__store_size(field->store);
}

/* The value at `index`; of an unset field NULL. */
static gmq_status locate(const gmq_message *message, const gmq_field *field, class wanted,
                         size_t index, void **value)
{
    gmq_status status = check(message, field, wanted);
    if (status)
        return status;
    bool repeated = field->label == GMQ_LABEL_REPEATED;
    size_t count = repeated ? *gmq__elements(message->node, field) : 1;
    if (index >= count)
        return fail_index(field, index, count);
    *value = repeated ? element(message, field, index) : gmq__singular(message->node, field);
    return GMQ_OK;
}

/* ---- Getting */

/* The value of an integer, widened to 64 bits; `negative` tells how to take it. */
static uint64_t widen(const gmq_field *field, const void *value, bool *negative)
{
    gmq__value v = field->fallback;
    if (value)
        memcpy(&v, value, gmq__store_size(field->store));
    uint64_t wide = v.u64;
    if (field->store == GMQ__STORE_32)
        wide = field->type == GMQ_FIELD_UINT32 || field->type == GMQ_FIELD_FIXED32
                   ? v.u32
                   : (uint64_t)(int64_t)(int32_t)v.u32;
    *negative = field->type != GMQ_FIELD_UINT64 && field->type != GMQ_FIELD_FIXED64 && wide >> 63;
    return wide;
}

gmq_status gmq_message_get_int64(const gmq_message *message, const gmq_field *field, size_t index,
                                 int64_t *value)
{
    void *at = NULL;
    bool negative;
    gmq_status status = locate(message, field, INTEGER, index, &at);
    if (status)
        return status;
    uint64_t wide = widen(field, at, &negative);
    if (wide > INT64_MAX && !negative)
        return fail(field, "is above the range of int64: ask for uint64");
    *value = (int64_t)wide;
    return GMQ_OK;
}

gmq_status gmq_message_get_uint64(const gmq_message *message, const gmq_field *field, size_t index,
                                  uint64_t *value)
{
    void *at = NULL;
    bool negative;
    gmq_status status = locate(message, field, INTEGER, index, &at);
    if (status)
        return status;
    uint64_t wide = widen(field, at, &negative);
    if (negative)
        return fail(field, "is negative: ask for int64");
    *value = wide;
    return GMQ_OK;
}

gmq_status gmq_message_get_double(const gmq_message *message, const gmq_field *field, size_t index,
                                  double *value)
{
    void *at = NULL;
    gmq_status status = locate(message, field, FLOATING, index, &at);
    if (status)
        return status;
    const void *stored = at ? at : &field->fallback;
    float single;
    if (field->store == GMQ__STORE_64) {
        memcpy(value, stored, sizeof *value);
    } else {
        memcpy(&single, stored, sizeof single);
        *value = single;
    }
    return GMQ_OK;
}

gmq_status gmq_message_get_bool(const gmq_message *message, const gmq_field *field, size_t index,
                                int *value)
{
    void *at = NULL;
    gmq_status status = locate(message, field, BOOLEAN, index, &at);
    if (!status)
        *value = at ? *(protobuf_c_boolean *)at != 0 : field->fallback.boolean;
    return status;
}

gmq_status gmq_message_get_bytes(const gmq_message *message, const gmq_field *field, size_t index,
                                 const void **data, size_t *len)
{
    void *at = NULL;
    gmq_status status = locate(message, field, BYTES, index, &at);
    if (status)
        return status;
    const ProtobufCBinaryData *bytes = at ? at : &field->fallback.bytes;
    *data = bytes->data ? (const void *)bytes->data : "";
    *len = bytes->len;
    return GMQ_OK;
}

/* ---- Setting */

static gmq_status grow(gmq_message *message, const gmq_field *field)
{
    size_t count = *gmq__elements(message->node, field), size = gmq__store_size(field->store);
    size_t *cap = gmq__member(message->node, field->capacity);
    void **array = gmq__member(message->node, field->offset);
    if (count < *cap)
        return GMQ_OK;
    size_t wanted = count < 4 ? 4 : count * 2;
    if (wanted > SIZE_MAX / 2 / size)
        return gmq__fail_nomem();
    void *larger = gmq__realloc(*array, wanted * size);
    if (!larger)
        return gmq__fail_nomem();
    *array = larger;
    *cap = wanted;
    return GMQ_OK;
}

static gmq_status append(gmq_message *message, const gmq_field *field, void **value)
{
    gmq_status status = grow(message, field);
    if (status)
        return status;
    *value = element(message, field, (*gmq__elements(message->node, field))++);
    memset(*value, 0, gmq__store_size(field->store));
    return GMQ_OK;
}

/* Marks a singular field as set, its oneof's others as unset. */
static void *mark(gmq_message *message, const gmq_field *field)
{
    if (field->oneof >= 0) {
        const gmq_field *other = gmq_message_which(message, (size_t)field->oneof);
        if (other && other != field)
            gmq__field_clear(message->node, other);
        *gmq__case(message->node, field) = (uint32_t)field->number;
    } else if (field->quantifier) {
        *(protobuf_c_boolean *)gmq__member(message->node, field->quantifier) = 1;
    }
    return gmq__member(message->node, field->offset);
}

/* The place for a new value at `index`: what is there before is zero, or the old value. */
static gmq_status place(gmq_message *message, const gmq_field *field, size_t index, void **value)
{
    bool repeated = field->label == GMQ_LABEL_REPEATED;
    size_t count = repeated ? *gmq__elements(message->node, field) : 0;
    if (index > count)
        return fail_index(field, index, count);
    if (repeated && index == count)
        return append(message, field, value);
    *value = repeated ? element(message, field, index) : mark(message, field);
    return GMQ_OK;
}

static bool in_range(const gmq_field *field, uint64_t value, bool negative)
{
    switch (field->type) {
    case GMQ_FIELD_UINT32:
    case GMQ_FIELD_FIXED32:
        return !negative && value <= UINT32_MAX;
    case GMQ_FIELD_UINT64:
    case GMQ_FIELD_FIXED64:
        return !negative;
    case GMQ_FIELD_INT64:
    case GMQ_FIELD_SINT64:
    case GMQ_FIELD_SFIXED64:
        return negative || value <= INT64_MAX;
    default:
        return negative ? (int64_t)value >= INT32_MIN : value <= INT32_MAX;
    }
}

static gmq_status fail_integer(const gmq_field *field, uint64_t value, bool negative)
{
    char text[100];
    const char *fault = field->enumeration && in_range(field, value, negative)
                            ? "no value of its enum"
                            : "out of its range";
    if (negative)
        snprintf(text, sizeof text, "cannot be set to %" PRId64 ", which is %s", (int64_t)value,
                 fault);
    else
        snprintf(text, sizeof text, "cannot be set to %" PRIu64 ", which is %s", value, fault);
    return fail(field, text);
}

static gmq_status set_integer(gmq_message *message, const gmq_field *field, size_t index,
                              uint64_t value, bool negative)
{
    gmq_status status = check(message, field, INTEGER);
    if (status)
        return status;
    if (!in_range(field, value, negative) || (field->enumeration && field->enumeration->closed &&
                                              !gmq__enum_knows(field->enumeration, (int32_t)value)))
        return fail_integer(field, value, negative);
    void *at = NULL;
    status = place(message, field, index, &at);
    if (!status && field->store == GMQ__STORE_32)
        *(uint32_t *)at = (uint32_t)value;
    else if (!status)
        *(uint64_t *)at = value;
    return status;
}

gmq_status gmq_message_set_int64(gmq_message *message, const gmq_field *field, size_t index,
                                 int64_t value)
{
    return set_integer(message, field, index, (uint64_t)value, value < 0);
}

gmq_status gmq_message_set_uint64(gmq_message *message, const gmq_field *field, size_t index,
                                  uint64_t value)
{
    return set_integer(message, field, index, value, false);
}

/* From here on a double rounds to no float: half a step above FLT_MAX, which as 3.4028235e38 is
 * written a little too large. */
#define FLOAT_END 0x1.ffffffp127

gmq_status gmq_message_set_double(gmq_message *message, const gmq_field *field, size_t index,
                                  double value)
{
    void *at = NULL;
    gmq_status status = check(message, field, FLOATING);
    if (status)
        return status;
    char text[64];
    if (field->store == GMQ__STORE_32 && isfinite(value) && fabs(value) >= FLOAT_END) {
        snprintf(text, sizeof text, "cannot be set to %g, which is out of its range", value);
        return fail(field, text);
    }
    status = place(message, field, index, &at);
    if (status)
        return status;
    float single = (float)value;
    if (field->store == GMQ__STORE_32)
        memcpy(at, &single, sizeof single);
    else
        memcpy(at, &value, sizeof value);
    return GMQ_OK;
}

gmq_status gmq_message_set_bool(gmq_message *message, const gmq_field *field, size_t index,
                                int value)
{
    void *at = NULL;
    gmq_status status = check(message, field, BOOLEAN);
    if (!status)
        status = place(message, field, index, &at);
    if (!status)
        *(protobuf_c_boolean *)at = value != 0;
    return status;
}

static gmq_status check_text(const gmq_field *field, gmq__span text)
{
    if (field->type != GMQ_FIELD_STRING || gmq__utf8_valid(text))
        return GMQ_OK;
    return gmq__fail(GMQ_E_INVALID,
                     "field %s.%s (string) cannot be set to \"%s\", which is no UTF-8",
                     field->owner->name, field->name, gmq__show(text).text);
}

gmq_status gmq_message_set_bytes(gmq_message *message, const gmq_field *field, size_t index,
                                 const void *data, size_t len)
{
    void *at = NULL;
    gmq_status status = check(message, field, BYTES);
    if (!status && !data && len)
        status = fail(field, "cannot be set: data is NULL");
    if (!status)
        status = check_text(field, gmq__span_of(data, len));
    if (status)
        return status;
    uint8_t *copy = len ? gmq__malloc(len) : NULL;
    if (len && !copy)
        return gmq__fail_nomem();
    status = place(message, field, index, &at);
    if (status) {
        gmq__free(copy);
        return status;
    }
    if (len)
        memcpy(copy, data, len);
    gmq__value_drop(field, at);
    *(ProtobufCBinaryData *)at = (ProtobufCBinaryData){len, copy};
    return GMQ_OK;
}

/* ---- Messages inside */

static gmq_status handle_of(gmq_message *parent, ProtobufCMessage *node, gmq_message **child)
{
    gmq__node_head *head = (gmq__node_head *)node;
    if (head->handle) {
        *child = gmq_message_ref(head->handle);
        return GMQ_OK;
    }
    gmq_message *handle = gmq__calloc(1, sizeof *handle);
    if (!handle)
        return gmq__fail_nomem();
    handle->refs = 1;
    handle->parent = gmq_message_ref(parent);
    handle->node = node;
    handle->schema = gmq_schema_ref(parent->schema);
    head->handle = *child = handle;
    return GMQ_OK;
}

gmq_status gmq_message_get_message(gmq_message *message, const gmq_field *field, size_t index,
                                   gmq_message **child)
{
    void *at = NULL;
    gmq_status status = locate(message, field, MESSAGE, index, &at);
    if (status)
        return status;
    if (!at)
        return gmq__fail(GMQ_E_NOT_FOUND, "field %s.%s is not set", field->owner->name,
                         field->name);
    return handle_of(message, *(ProtobufCMessage **)at, child);
}

static gmq_status check_depth(const gmq_message *message, const gmq_field *field)
{
    unsigned depth = 0;
    for (; message->parent; message = message->parent)
        depth++;
    if (depth < GMQ__MESSAGE_DEPTH_MAX)
        return GMQ_OK;
    return gmq__fail(GMQ_E_TOO_LARGE, "field %s.%s: messages are nested deeper than %d",
                     field->owner->name, field->name, GMQ__MESSAGE_DEPTH_MAX);
}

/* A new message, with its handle, into `field`. All or nothing. */
static gmq_status add_message(gmq_message *message, const gmq_field *field, size_t index,
                              gmq_message **child)
{
    gmq_message *made = NULL;
    void *at = NULL;
    gmq_status status = check_depth(message, field);
    if (!status)
        status = gmq_message_new(&made, field->message);
    if (!status)
        status = place(message, field, index, &at);
    if (status) {
        gmq_message_unref(made);
        return status;
    }
    *(ProtobufCMessage **)at = made->node;
    made->parent = gmq_message_ref(message);
    *child = made;
    return GMQ_OK;
}

gmq_status gmq_message_make_message(gmq_message *message, const gmq_field *field, size_t index,
                                    gmq_message **child)
{
    gmq_status status = check(message, field, MESSAGE);
    if (status)
        return status;
    bool repeated = field->label == GMQ_LABEL_REPEATED;
    size_t count = repeated ? *gmq__elements(message->node, field) : 0;
    bool there = repeated ? index < count : gmq__singular(message->node, field) != NULL;
    if (there && (repeated || index == 0))
        return gmq_message_get_message(message, field, index, child);
    return add_message(message, field, index, child);
}

gmq_status gmq_message_remove(gmq_message *message, const gmq_field *field, size_t index)
{
    void *at = NULL;
    gmq_status status = field ? locate(message, field, class_of(field), index, &at)
                              : check(message, field, INTEGER);
    if (status)
        return status;
    if (field->label != GMQ_LABEL_REPEATED)
        return fail(field, "is not repeated");
    size_t *count = gmq__elements(message->node, field), size = gmq__store_size(field->store);
    gmq__value_drop(field, at);
    memmove(at, (char *)at + size, (--*count - index) * size);
    return GMQ_OK;
}
