#include "methods/message.h"

#include <string.h>

#include "base/error.h"
#include "base/mem.h"

static void *allocate(void *data, size_t size)
{
    (void)data;
    return gmq__malloc(size);
}

static void release(void *data, void *p)
{
    (void)data;
    gmq__free(p);
}

ProtobufCAllocator *gmq__message_allocator(void)
{
    static ProtobufCAllocator allocator = {allocate, release, NULL};
    return &allocator;
}

/* ---- Nodes */

/* The fields of a map's entry count as set: both are written, always. */
static void set_flags(ProtobufCMessage *node, const gmq_type *type)
{
    for (size_t i = 0; i < type->n_fields; i++) {
        const gmq_field *f = &type->fields[i];
        if (!f->quantifier)
            continue;
        *(protobuf_c_boolean *)gmq__member(node, f->quantifier) = 1;
        memcpy(gmq__member(node, f->offset), &f->fallback, gmq__store_size(f->store));
    }
}

ProtobufCMessage *gmq__node_new(const gmq_type *type)
{
    ProtobufCMessage *node = gmq__calloc(1, type->pb.sizeof_message);
    if (!node)
        return NULL;
    node->descriptor = &type->pb;
    if (type->map_entry)
        set_flags(node, type);
    return node;
}

void gmq__node_drop(ProtobufCMessage *node)
{
    gmq_message *handle = node ? ((gmq__node_head *)node)->handle : NULL;
    if (!handle) {
        protobuf_c_message_free_unpacked(node, gmq__message_allocator());
    } else {
        gmq_message *parent = handle->parent;
        handle->parent = NULL; /* a message of its own from now on */
        gmq_message_unref(parent);
    }
}

void gmq__value_drop(const gmq_field *field, void *value)
{
    if (field->store == GMQ__STORE_BYTES)
        gmq__free(((ProtobufCBinaryData *)value)->data);
    else if (field->store == GMQ__STORE_MESSAGE)
        gmq__node_drop(*(ProtobufCMessage **)value);
}

static void clear_repeated(ProtobufCMessage *node, const gmq_field *field)
{
    char **array = gmq__member(node, field->offset);
    size_t *count = gmq__elements(node, field), size = gmq__store_size(field->store);
    for (size_t i = 0; i < *count; i++)
        gmq__value_drop(field, *array + i * size);
    gmq__free(*array);
    *array = NULL;
    *count = *(size_t *)gmq__member(node, field->capacity) = 0;
}

void gmq__field_clear(ProtobufCMessage *node, const gmq_field *field)
{
    if (field->store == GMQ__STORE_NONE)
        return;
    if (field->label == GMQ_LABEL_REPEATED) {
        clear_repeated(node, field);
        return;
    }
    void *value = gmq__singular(node, field);
    if (!value)
        return;
    gmq__value_drop(field, value);
    memset(value, 0, gmq__store_size(field->store));
    if (field->oneof >= 0)
        *gmq__case(node, field) = 0;
    else if (field->quantifier)
        *(protobuf_c_boolean *)gmq__member(node, field->quantifier) = 0;
}

static void clear_all(ProtobufCMessage *node)
{
    const gmq_type *type = gmq__type_of(node);
    for (size_t i = 0; i < type->n_fields; i++)
        gmq__field_clear(node, &type->fields[i]);
    for (unsigned i = 0; i < node->n_unknown_fields; i++)
        gmq__free(node->unknown_fields[i].data);
    gmq__free(node->unknown_fields);
    node->unknown_fields = NULL;
    node->n_unknown_fields = 0;
}

/* ---- Handles */

gmq_status gmq__message_wrap(gmq_message **out, ProtobufCMessage *node)
{
    gmq_message *message = gmq__calloc(1, sizeof *message);
    if (!message) {
        gmq__node_drop(node);
        return gmq__fail_nomem();
    }
    message->refs = 1;
    message->node = node;
    message->schema = gmq_schema_ref(gmq__type_of(node)->schema);
    ((gmq__node_head *)node)->handle = message;
    *out = message;
    return GMQ_OK;
}

gmq_status gmq_message_new(gmq_message **out, const gmq_type *type)
{
    if (!out || !type)
        return gmq__fail(GMQ_E_INVALID, "gmq_message_new: %s is NULL", out ? "type" : "out");
    ProtobufCMessage *node = gmq__node_new(type);
    return node ? gmq__message_wrap(out, node) : gmq__fail_nomem();
}

gmq_message *gmq_message_ref(gmq_message *message)
{
    message->refs++;
    return message;
}

void gmq_message_unref(gmq_message *message)
{
    while (message && --message->refs == 0) {
        gmq_message *parent = message->parent;
        gmq_schema *schema = message->schema;
        ((gmq__node_head *)message->node)->handle = NULL;
        if (!parent)
            gmq__node_drop(message->node);
        gmq__free(message);
        gmq_schema_unref(schema);
        message = parent;
    }
}

const gmq_type *gmq_message_type_of(const gmq_message *message)
{
    return gmq__type_of(message->node);
}

/* ---- What is set */

static bool is_zero(const gmq_field *field, const void *value)
{
    static const uint64_t zero = 0;
    if (field->store == GMQ__STORE_BYTES)
        return ((const ProtobufCBinaryData *)value)->len == 0;
    return memcmp(value, &zero, gmq__store_size(field->store)) == 0;
}

void *gmq__singular(const ProtobufCMessage *node, const gmq_field *field)
{
    void *value = gmq__member(node, field->offset);
    if (field->oneof >= 0)
        return *gmq__case(node, field) == (uint32_t)field->number ? value : NULL;
    if (field->store == GMQ__STORE_MESSAGE)
        return *(ProtobufCMessage **)value ? value : NULL;
    if (field->quantifier)
        return *(protobuf_c_boolean *)gmq__member(node, field->quantifier) ? value : NULL;
    return value;
}

bool gmq__is_set(const ProtobufCMessage *node, const gmq_field *field)
{
    if (field->store == GMQ__STORE_NONE)
        return false;
    if (field->label == GMQ_LABEL_REPEATED)
        return *gmq__elements(node, field) != 0;
    const void *value = gmq__singular(node, field);
    return value && (field->presence || !is_zero(field, value));
}

static bool belongs(const gmq_message *message, const gmq_field *field)
{
    return field && field->owner == gmq__type_of(message->node);
}

int gmq_message_has(const gmq_message *message, const gmq_field *field)
{
    return belongs(message, field) && gmq__is_set(message->node, field);
}

size_t gmq_message_count(const gmq_message *message, const gmq_field *field)
{
    if (!belongs(message, field) || field->store == GMQ__STORE_NONE)
        return 0;
    if (field->label == GMQ_LABEL_REPEATED)
        return *gmq__elements(message->node, field);
    return gmq__is_set(message->node, field);
}

const gmq_field *gmq_message_which(const gmq_message *message, size_t index)
{
    const gmq_type *type = gmq__type_of(message->node);
    if (index >= type->n_oneofs)
        return NULL;
    uint32_t number = *(uint32_t *)gmq__member(message->node, type->oneof_cases[index]);
    return number ? gmq_type_find_number(type, (int32_t)number) : NULL;
}

gmq_status gmq_message_clear(gmq_message *message, const gmq_field *field)
{
    if (!field)
        clear_all(message->node);
    else if (belongs(message, field))
        gmq__field_clear(message->node, field);
    else
        return gmq__fail(GMQ_E_INVALID, "field %s.%s is not one of message %s", field->owner->name,
                         field->name, gmq__type_of(message->node)->name);
    return GMQ_OK;
}
