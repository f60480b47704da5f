#include "wire/request.h"

#include "base/error.h"
#include "wire/pb.h"

enum {
    FIELD_MESSAGE = 1,
    FIELD_OPTIONS = 2,
    FIELD_TIMEOUT = 3,
    FIELD_METADATA = 4,
    LEVEL_MAX = 22
};

typedef struct raw_request { /* fields as they stand, the last of each */
    gmq__span message, options;
    uint64_t timeout;
    bool has_timeout;
    uint32_t wrong;
} raw_request;

static void read_field(const gmq__pb_field *field, raw_request *raw)
{
    switch (field->number) {
    case FIELD_MESSAGE:
        if (gmq__pb_expect(field, GMQ__PB_BYTES, &raw->wrong))
            raw->message = field->bytes;
        break;
    case FIELD_OPTIONS:
        if (gmq__pb_expect(field, GMQ__PB_BYTES, &raw->wrong))
            raw->options = field->bytes;
        break;
    case FIELD_TIMEOUT:
        if (gmq__pb_expect(field, GMQ__PB_VARINT, &raw->wrong)) {
            raw->timeout = field->value;
            raw->has_timeout = true;
        }
        break;
    default:
        break;
    }
}

static gmq_status read_fields(gmq__span in, raw_request *raw)
{
    gmq__pb_field field;
    int got;
    while ((got = gmq__pb_next(&in, &field)) > 0)
        read_field(&field, raw);
    if (got < 0)
        return gmq__fail(GMQ_E_PARSE, "request: malformed or truncated field");
    if (raw->wrong)
        return gmq__fail(GMQ_E_PARSE, "request: a field has the wrong wire type (fields 0x%x)",
                         (unsigned)raw->wrong);
    if (!raw->has_timeout)
        return gmq__fail(GMQ_E_PARSE, "request: no timeout");
    return GMQ_OK;
}

/* Three varints; more than that are somebody's extension, but must be varints too. */
static gmq_status read_options(gmq__span in, gmq__rpc_options *out)
{
    uint64_t values[3], value;
    size_t count = 0;
    int got;
    for (; (got = gmq__pb_next_varint(&in, &value)) > 0; count++)
        if (count < 3)
            values[count] = value;
    if (got < 0)
        return gmq__fail(GMQ_E_PARSE, "request: malformed options");
    if (count < 3)
        return gmq__fail(GMQ_E_PARSE, "request: expected 3 options, got %zu", count);
    for (size_t i = 1; i < 3; i++)
        if (values[i] > LEVEL_MAX)
            return gmq__fail(GMQ_E_PARSE, "request: compression level %llu is above %d",
                             (unsigned long long)values[i], LEVEL_MAX);
    *out = (gmq__rpc_options){values[0] != 0, (int8_t)values[1], (int8_t)values[2]};
    return GMQ_OK;
}

gmq_status gmq__request_decode(gmq__span bytes, size_t metadata_limit, gmq__request *out)
{
    raw_request raw = {0};
    *out = (gmq__request){0};
    gmq_status status = read_fields(bytes, &raw);
    if (status == GMQ_OK)
        status = read_options(raw.options, &out->options);
    if (status == GMQ_OK)
        status = gmq__metadata_decode_field(bytes, FIELD_METADATA, metadata_limit, &out->metadata);
    out->message = raw.message;
    out->timeout_s = gmq__pb_unzigzag(raw.timeout);
    return status;
}

void gmq__request_encode(gmq__bytes *out, const gmq__request *request)
{
    const gmq__rpc_options *o = &request->options;
    const uint8_t options[3] = {o->batched > 0, o->server_level > 0 ? (uint8_t)o->server_level : 0,
                                o->client_level > 0 ? (uint8_t)o->client_level : 0};
    gmq__pb_put_bytes(out, FIELD_MESSAGE, request->message);
    gmq__pb_put_bytes(out, FIELD_OPTIONS, gmq__span_of(options, sizeof options));
    gmq__pb_put_uint(out, FIELD_TIMEOUT, gmq__pb_zigzag(request->timeout_s));
    gmq__metadata_encode(out, FIELD_METADATA, request->metadata);
}

int64_t gmq__request_timeout_s(int64_t timeout_ms)
{
    if (timeout_ms < 0)
        return -1;
    int64_t seconds = timeout_ms / 1000 + (timeout_ms % 1000 != 0);
    return seconds ? seconds : 1;
}
