/* RemoteError, and RError -> gRPC status. */
#include <string.h>

#include "base/error.h"
#include "base/text.h"
#include "wire/pb.h"
#include "wire/response.h"

enum { FIELD_TYPE = 1, FIELD_MESSAGE = 2, FIELD_STATUS = 3, FIELD_EMBEDDED = 4, DEPTH_MAX = 16 };
enum { FIELD_INITIAL = 1001, FIELD_TRAILING = 1002 };

/* By number. What goes wrong between the remote and its gRPC library is INTERNAL to the caller,
 * unless the caller can do something else about it. */
static const struct {
    const char *name;
    gmq_code code;
} rerrors[] = {
    {"UnknownError", GMQ_CODE_UNKNOWN},
    {"NoParseWireType", GMQ_CODE_INTERNAL},
    {"NoParseBinary", GMQ_CODE_INTERNAL},
    {"NoParseEmbedded", GMQ_CODE_INTERNAL},
    {"IOGRPCCallOk", GMQ_CODE_INTERNAL},
    {"IOGRPCCallError", GMQ_CODE_INTERNAL},
    {"IOGRPCCallNotOnServer", GMQ_CODE_INTERNAL},
    {"IOGRPCCallNotOnClient", GMQ_CODE_INTERNAL},
    {"IOGRPCCallAlreadyAccepted", GMQ_CODE_INTERNAL},
    {"IOGRPCCallAlreadyInvoked", GMQ_CODE_INTERNAL},
    {"IOGRPCCallNotInvoked", GMQ_CODE_INTERNAL},
    {"IOGRPCCallAlreadyFinished", GMQ_CODE_INTERNAL},
    {"IOGRPCCallTooManyOperations", GMQ_CODE_INTERNAL},
    {"IOGRPCCallInvalidFlags", GMQ_CODE_INTERNAL},
    {"IOGRPCCallInvalidMetadata", GMQ_CODE_INVALID_ARGUMENT},
    {"IOGRPCCallInvalidMessage", GMQ_CODE_INTERNAL},
    {"IOGRPCCallNotServerCompletionQueue", GMQ_CODE_INTERNAL},
    {"IOGRPCCallBatchTooBig", GMQ_CODE_INTERNAL},
    {"IOGRPCCallPayloadTypeMismatch", GMQ_CODE_INTERNAL},
    {"IOGRPCCallCompletionQueueShutdown", GMQ_CODE_UNAVAILABLE},
    {"IOGRPCTimeout", GMQ_CODE_DEADLINE_EXCEEDED},
    {"IOGRPCShutdown", GMQ_CODE_UNAVAILABLE},
    {"IOGRPCShutdownFailure", GMQ_CODE_UNAVAILABLE},
    {"IOGRPCBadStatusCode", GMQ_CODE_UNKNOWN},
    {"IOGRPCDecode", GMQ_CODE_INTERNAL},
    {"IOGRPCInternalUnexpectedRecv", GMQ_CODE_INTERNAL},
    {"IOGRPCHandlerException", GMQ_CODE_UNKNOWN},
    {"MQTTFailure", GMQ_CODE_UNAVAILABLE},
};

static size_t index_of(int32_t type)
{
    return type >= 0 && (size_t)type < sizeof rerrors / sizeof *rerrors ? (size_t)type
                                                                        : GMQ__RERROR_UNKNOWN;
}

const char *gmq__rerror_name(int32_t type) { return rerrors[index_of(type)].name; }

static void put_text(gmq__bytes *details, gmq__span text, size_t start)
{
    if (!text.len)
        return;
    if (details->len > start)
        gmq__bytes_put_str(details, ": ");
    gmq__utf8_scrub(details, text);
}

int32_t gmq__remote_error_status(const gmq__remote_error *error, gmq__bytes *details)
{
    const size_t start = details->len;
    put_text(details, error->message, start);
    gmq__span inner = error->embedded;
    for (int depth = 0; inner.len && depth < DEPTH_MAX; depth++) {
        gmq__remote_error embedded;
        if (gmq__remote_error_decode(inner, &embedded) != GMQ_OK)
            break;
        put_text(details, embedded.message, start);
        inner = embedded.embedded;
    }
    /* A server's own status may well have no details; any other error without a word gets its name.
     */
    if (details->len == start && error->type != GMQ__RERROR_BAD_STATUS_CODE)
        gmq__bytes_put_str(details, gmq__rerror_name(error->type));
    bool told = error->has_status && error->status > GMQ_CODE_OK &&
                error->status <= GMQ_CODE_UNAUTHENTICATED;
    return told ? error->status : (int32_t)rerrors[index_of(error->type)].code;
}

static void read_field(const gmq__pb_field *field, gmq__remote_error *out, uint32_t *wrong)
{
    switch (field->number) {
    case FIELD_TYPE:
        if (gmq__pb_expect(field, GMQ__PB_VARINT, wrong))
            out->type = (int32_t)(uint32_t)field->value;
        break;
    case FIELD_MESSAGE:
        if (gmq__pb_expect(field, GMQ__PB_BYTES, wrong))
            out->message = field->bytes;
        break;
    case FIELD_STATUS:
        if (gmq__pb_expect(field, GMQ__PB_VARINT, wrong)) {
            out->status = (int32_t)(uint32_t)field->value;
            out->has_status = true;
        }
        break;
    case FIELD_EMBEDDED:
        if (gmq__pb_expect(field, GMQ__PB_BYTES, wrong))
            out->embedded = field->bytes;
        break;
    case FIELD_INITIAL:
        if (field->type == GMQ__PB_BYTES)
            out->initial = field->bytes;
        break;
    case FIELD_TRAILING:
        if (field->type == GMQ__PB_BYTES)
            out->trailing = field->bytes;
        break;
    default:
        break;
    }
}

/* One level, on top of what `out` already holds (protobuf merges a message that stands twice). */
static gmq_status read_level(gmq__span in, gmq__remote_error *out)
{
    uint32_t wrong = 0;
    gmq__pb_field field;
    int got;
    while ((got = gmq__pb_next(&in, &field)) > 0)
        read_field(&field, out, &wrong);
    if (out->has_status) { /* of the oneof the status wins, and what it beats is not looked at */
        out->embedded = gmq__span_of(NULL, 0);
        wrong &= ~(UINT32_C(1) << FIELD_EMBEDDED);
    }
    if (got < 0 || wrong)
        return gmq__fail(GMQ_E_PARSE, "remote error: %s",
                         wrong ? "a field has the wrong wire type"
                               : "malformed or truncated field");
    return GMQ_OK;
}

static gmq_status check_embedded(gmq__span inner)
{
    for (int depth = 0; inner.len; depth++) {
        if (depth == DEPTH_MAX)
            return gmq__fail(GMQ_E_PARSE, "remote error: embedded more than %d deep", DEPTH_MAX);
        gmq__remote_error error = {0};
        gmq_status status = read_level(inner, &error);
        if (status != GMQ_OK)
            return status;
        inner = error.embedded;
    }
    return GMQ_OK;
}

gmq_status gmq__remote_error_decode(gmq__span bytes, gmq__remote_error *out)
{
    *out = (gmq__remote_error){0};
    gmq_status status = read_level(bytes, out);
    return status == GMQ_OK ? check_embedded(out->embedded) : status;
}

gmq_status gmq__remote_error_decode_field(gmq__span in, uint32_t number, gmq__remote_error *out)
{
    gmq__pb_field field;
    *out = (gmq__remote_error){0};
    while (gmq__pb_next(&in, &field) > 0) {
        if (field.number != number)
            continue;
        if (field.type != GMQ__PB_BYTES)
            return gmq__fail(GMQ_E_PARSE, "remote error: wire type %d", (int)field.type);
        gmq_status status = read_level(field.bytes, out);
        if (status != GMQ_OK)
            return status;
    }
    return check_embedded(out->embedded);
}

void gmq__remote_error_encode(gmq__bytes *out, const gmq__remote_error *error)
{
    if (error->type)
        gmq__pb_put_uint(out, FIELD_TYPE, (uint64_t)(int64_t)error->type);
    if (error->message.len)
        gmq__utf8_put_field(out, FIELD_MESSAGE, error->message);
    if (error->has_status)
        gmq__pb_put_uint(out, FIELD_STATUS, (uint64_t)(int64_t)error->status);
    else if (error->embedded.len)
        gmq__pb_put_bytes(out, FIELD_EMBEDDED, error->embedded);
    if (error->initial.len)
        gmq__pb_put_bytes(out, FIELD_INITIAL, error->initial);
    if (error->trailing.len)
        gmq__pb_put_bytes(out, FIELD_TRAILING, error->trailing);
}

void gmq__remote_error_encode_field(gmq__bytes *out, uint32_t number,
                                    const gmq__remote_error *error)
{
    gmq__bytes body = {0};
    gmq__remote_error_encode(&body, error);
    gmq__pb_put_bytes(out, number, gmq__bytes_span(&body));
    out->failed |= body.failed;
    gmq__bytes_free(&body);
}

void gmq__utf8_scrub(gmq__bytes *out, gmq__span text)
{
    while (text.len) {
        size_t len = gmq__utf8_char(text);
        if (len)
            gmq__bytes_put(out, text.data, len);
        else
            gmq__bytes_put_str(out, "\xef\xbf\xbd");
        len = len ? len : 1;
        text = gmq__span_of(text.data + len, text.len - len);
    }
}

void gmq__utf8_put_field(gmq__bytes *out, uint32_t number, gmq__span text)
{
    if (gmq__utf8_valid(text)) {
        gmq__pb_put_bytes(out, number, text);
        return;
    }
    gmq__bytes clean = {0};
    gmq__utf8_scrub(&clean, text);
    gmq__pb_put_bytes(out, number, gmq__bytes_span(&clean));
    out->failed |= clean.failed;
    gmq__bytes_free(&clean);
}
