#include "methods/method_options.h"

#include <inttypes.h>

#include "base/error.h"
#include "methods/descriptor_scan.h"

enum {
    BATCHED_STREAM = 50001,
    SERVER_CLEVEL = 50002,
    CLIENT_CLEVEL = 50003,
    HS_BATCHED_STREAM = 50011, /* the other name; counts where BATCHED_STREAM is absent */
    LEVEL_MAX = 22,
};

typedef struct place { /* for error texts */
    const char *where, *name;
} place;

/* The last value of field `number`, -1 when there is none; a value above `max` is an error. Fields
 * of another wire type are somebody else's. */
static gmq_status find(int8_t *out, const ProtobufCMessage *options, uint32_t number, uint64_t max,
                       place at)
{
    *out = -1;
    for (unsigned i = 0; i < options->n_unknown_fields; i++) {
        const ProtobufCMessageUnknownField *field = &options->unknown_fields[i];
        if (field->tag != number || field->wire_type != PROTOBUF_C_WIRE_TYPE_VARINT)
            continue;
        gmq__span bytes = gmq__span_of(field->data, field->len);
        uint64_t value;
        if (!gmq__varint_take(&bytes, &value))
            return gmq__fail(GMQ_E_PARSE, "option %" PRIu32 " of %s \"%s\" is malformed", number,
                             at.where, at.name);
        if (max && value > max)
            return gmq__fail(GMQ_E_PARSE,
                             "option %s (%" PRIu32 ") of %s \"%s\" is %" PRId64 ", not 0 to %d",
                             number == SERVER_CLEVEL ? "server_clevel" : "client_clevel", number,
                             at.where, at.name, (int64_t)value, LEVEL_MAX);
        *out = max ? (int8_t)value : value != 0;
    }
    return GMQ_OK;
}

gmq_status gmq__method_options_read(gmq__rpc_options *out, const ProtobufCMessage *options,
                                    const char *where, const char *name)
{
    place at = {where, name};
    gmq__rpc_options read = GMQ__OPTIONS_NONE;
    int8_t other_name = -1;
    gmq_status status = GMQ_OK;
    if (options)
        status = find(&read.batched, options, BATCHED_STREAM, 0, at);
    if (options && !status)
        status = find(&other_name, options, HS_BATCHED_STREAM, 0, at);
    if (options && !status)
        status = find(&read.server_level, options, SERVER_CLEVEL, LEVEL_MAX, at);
    if (options && !status)
        status = find(&read.client_level, options, CLIENT_CLEVEL, LEVEL_MAX, at);
    if (read.batched < 0)
        read.batched = other_name;
    if (!status)
        *out = read;
    return status;
}

static int8_t first_said(int8_t narrow, int8_t wide) { return narrow >= 0 ? narrow : wide; }

gmq__rpc_options gmq__method_options_over(gmq__rpc_options narrow, gmq__rpc_options wide)
{
    return (gmq__rpc_options){first_said(narrow.batched, wide.batched),
                              first_said(narrow.server_level, wide.server_level),
                              first_said(narrow.client_level, wide.client_level)};
}
