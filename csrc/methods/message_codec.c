/* Messages <-> bytes, by protobuf-c. */
#include "base/buf.h"
#include "base/error.h"
#include "methods/budget.h"
#include "methods/message.h"

#define MESSAGE_MAX ((size_t)INT32_MAX) /* bytes of a serialized message; protobuf's own limit */

static size_t memory_for(size_t len, size_t memory_max)
{
    return memory_max ? memory_max : ((size_t)16 << 20) + 128 * len;
}

gmq_status gmq__message_fail_memory(const gmq_type *type, size_t memory)
{
    return gmq__fail(GMQ_E_TOO_LARGE, "%s: decoding takes more than %zu bytes of memory",
                     type->name, memory);
}

static gmq_status fail_unpack(const gmq_type *type, const gmq__budget *budget)
{
    if (budget->exceeded)
        return gmq__message_fail_memory(type, budget->total);
    if (budget->no_memory)
        return gmq__fail_nomem();
    return gmq__fail(GMQ_E_PARSE, "%s: malformed", type->name);
}

static gmq_status unpack(ProtobufCMessage **out, const gmq_type *type, gmq__span tidy,
                         size_t memory)
{
    gmq__budget budget = gmq__budget_of(memory);
    ProtobufCAllocator allocator = gmq__budget_allocator(&budget);
    *out = protobuf_c_message_unpack(&type->pb, &allocator, tidy.len, tidy.data);
    return *out ? GMQ_OK : fail_unpack(type, &budget);
}

gmq_status gmq_message_decode(gmq_message **out, const gmq_type *type, const void *data, size_t len,
                              size_t memory_max)
{
    if (!out || !type || (!data && len))
        return gmq__fail(GMQ_E_INVALID, "gmq_message_decode: %s is NULL",
                         !out    ? "out"
                         : !type ? "type"
                                 : "data");
    if (len > MESSAGE_MAX)
        return gmq__fail(GMQ_E_TOO_LARGE, "%s: %zu bytes are above the limit of %zu", type->name,
                         len, MESSAGE_MAX);
    gmq__bytes tidy = {0};
    ProtobufCMessage *node = NULL;
    size_t memory = memory_for(len, memory_max);
    gmq_status status = gmq__message_tidy(&tidy, type, gmq__span_of(data, len), memory);
    if (!status)
        status = unpack(&node, type, gmq__bytes_span(&tidy), memory);
    gmq__bytes_free(&tidy);
    if (!status)
        status = gmq__message_settle(node);
    if (!status)
        status = gmq__message_require(node, GMQ_E_PARSE);
    if (!status)
        return gmq__message_wrap(out, node);
    gmq__node_drop(node);
    return status;
}

gmq_status gmq_message_encode(const gmq_message *message, gmq_buf **out)
{
    gmq_status status = gmq__message_require(message->node, GMQ_E_STATE);
    if (status)
        return status;
    size_t len = protobuf_c_message_get_packed_size(message->node);
    if (len > MESSAGE_MAX)
        return gmq__fail(GMQ_E_TOO_LARGE, "%s: %zu bytes serialized are above the limit of %zu",
                         gmq__type_of(message->node)->name, len, MESSAGE_MAX);
    uint8_t *data;
    gmq_buf *buf = gmq__buf_alloc(len, &data);
    if (!buf)
        return gmq__fail_nomem();
    protobuf_c_message_pack(message->node, data);
    *out = buf;
    return GMQ_OK;
}
