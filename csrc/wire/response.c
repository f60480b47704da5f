#include "wire/response.h"

#include "base/error.h"
#include "wire/pb.h"

enum { FIELD_RESPONSE = 1, FIELD_ERROR = 2 }; /* WrappedResponse */
enum {
    FIELD_BODY = 1,
    FIELD_INITIAL = 2,
    FIELD_TRAILING = 3,
    FIELD_CODE = 4,
    FIELD_DETAILS = 5
};                        /* MQTTResponse */
enum { FIELD_VALUE = 1 }; /* ResponseBody */

/* A MetadataMap that stands twice is one map: the second and later ones are joined to the first. */
typedef struct map_field {
    bool set;
    gmq__span map;
    gmq__bytes joined;
} map_field;

typedef struct reader {
    gmq__response *out;
    map_field initial, trailing;
    uint32_t wrong;
} reader;

static gmq_status malformed(const char *what)
{
    return gmq__fail(GMQ_E_PARSE, "response: malformed %s", what);
}

static gmq_status take_map(map_field *field, gmq__span map)
{
    if (!field->set) {
        field->set = true;
        field->map = map;
        return GMQ_OK;
    }
    if (!field->joined.data)
        gmq__bytes_put(&field->joined, field->map.data, field->map.len);
    gmq__bytes_put(&field->joined, map.data, map.len);
    field->map = gmq__bytes_span(&field->joined);
    return field->joined.failed ? gmq__fail_nomem() : GMQ_OK;
}

static gmq_status read_body(gmq__span in, gmq__response *out)
{
    uint32_t wrong = 0;
    gmq__pb_field field;
    int got;
    out->has_body = true;
    while ((got = gmq__pb_next(&in, &field)) > 0)
        if (field.number == FIELD_VALUE && gmq__pb_expect(&field, GMQ__PB_BYTES, &wrong))
            out->body = field.bytes;
    return got < 0 || wrong ? malformed("body") : GMQ_OK;
}

static gmq_status read_message_field(reader *r, const gmq__pb_field *field)
{
    if (field->type != GMQ__PB_BYTES)
        return malformed("body or metadata");
    if (field->number == FIELD_BODY)
        return read_body(field->bytes, r->out);
    return take_map(field->number == FIELD_INITIAL ? &r->initial : &r->trailing, field->bytes);
}

static gmq_status read_field(reader *r, const gmq__pb_field *field)
{
    switch (field->number) {
    case FIELD_BODY:
    case FIELD_INITIAL:
    case FIELD_TRAILING:
        return read_message_field(r, field);
    case FIELD_CODE:
        if (gmq__pb_expect(field, GMQ__PB_VARINT, &r->wrong))
            r->out->code = (int32_t)(uint32_t)field->value;
        return GMQ_OK;
    case FIELD_DETAILS:
        if (gmq__pb_expect(field, GMQ__PB_BYTES, &r->wrong))
            r->out->details = field->bytes;
        return GMQ_OK;
    default:
        return GMQ_OK;
    }
}

/* One MQTTResponse, on top of what was read before. */
static gmq_status read_response(reader *r, const gmq__pb_field *outer)
{
    if (outer->type != GMQ__PB_BYTES)
        return malformed("field 1");
    gmq__span in = outer->bytes;
    gmq__pb_field field;
    int got;
    while ((got = gmq__pb_next(&in, &field)) > 0) {
        gmq_status status = read_field(r, &field);
        if (status != GMQ_OK)
            return status;
    }
    return got < 0 ? malformed("field") : GMQ_OK;
}

static gmq_status read_responses(reader *r, gmq__span in)
{
    gmq__pb_field field;
    gmq_status status = GMQ_OK;
    while (status == GMQ_OK && gmq__pb_next(&in, &field) > 0)
        if (field.number == FIELD_RESPONSE)
            status = read_response(r, &field);
    if (status == GMQ_OK && r->wrong)
        status = malformed("code or details");
    return status;
}

static gmq_status decode_map(map_field *field, gmq_status status, size_t limit, gmq_metadata **out)
{
    if (status == GMQ_OK && field->set)
        status = gmq__metadata_decode(field->map, limit, out);
    gmq__bytes_free(&field->joined);
    return status;
}

static gmq_status decode_response(gmq__span bytes, size_t limit, gmq__response *out)
{
    reader r = {.out = out};
    gmq_status status = read_responses(&r, bytes);
    status = decode_map(&r.initial, status, limit, &out->initial);
    status = decode_map(&r.trailing, status, limit, &out->trailing);
    if (status != GMQ_OK)
        gmq__response_clear(out);
    return status;
}

gmq_status gmq__response_decode(gmq__span bytes, size_t metadata_limit, gmq__response *out)
{
    bool has_response = false, has_error = false;
    gmq__span in = bytes;
    gmq__pb_field field;
    int got;
    *out = (gmq__response){0};
    while ((got = gmq__pb_next(&in, &field)) > 0) {
        has_response |= field.number == FIELD_RESPONSE;
        has_error |= field.number == FIELD_ERROR;
    }
    if (got < 0)
        return malformed("or truncated field");
    if (has_response)
        return decode_response(bytes, metadata_limit, out);
    out->is_error = has_error;
    out->empty = !has_error;
    return has_error ? gmq__remote_error_decode_field(bytes, FIELD_ERROR, &out->error) : GMQ_OK;
}

void gmq__response_clear(gmq__response *response)
{
    gmq_metadata_free(response->initial);
    gmq_metadata_free(response->trailing);
    response->initial = response->trailing = NULL;
}

/* Fields 2 to 5, small ones. */
static void put_tail(gmq__bytes *out, const gmq__response *response, bool with_initial)
{
    gmq__bytes map = {0};
    if (with_initial) {
        gmq__metadata_encode(&map, 1, response->initial);
        gmq__pb_put_bytes(out, FIELD_INITIAL, gmq__bytes_span(&map));
        map.len = 0;
    }
    gmq__metadata_encode(&map, 1, response->trailing);
    gmq__pb_put_bytes(out, FIELD_TRAILING, gmq__bytes_span(&map));
    out->failed |= map.failed;
    gmq__bytes_free(&map);
    if (response->code)
        gmq__pb_put_uint(out, FIELD_CODE, (uint64_t)(int64_t)response->code);
    if (response->details.len)
        gmq__utf8_put_field(out, FIELD_DETAILS, response->details);
}

static size_t value_len(const gmq__response *response)
{
    return response->body.len ? gmq__pb_bytes_len(FIELD_VALUE, response->body.len) : 0;
}

static void put_body(gmq__bytes *out, const gmq__response *response)
{
    gmq__pb_put_tag(out, FIELD_BODY, GMQ__PB_BYTES);
    gmq__pb_put_varint(out, value_len(response));
    if (response->body.len)
        gmq__pb_put_bytes(out, FIELD_VALUE, response->body);
}

void gmq__response_encode(gmq__bytes *out, const gmq__response *response, gmq__response_shape shape)
{
    bool with_body = shape == GMQ__RESPONSE_WITH_BODY && response->has_body;
    size_t body = with_body ? gmq__pb_bytes_len(FIELD_BODY, value_len(response)) : 0;
    gmq__bytes tail = {0};
    put_tail(&tail, response, shape == GMQ__RESPONSE_WITH_BODY);
    gmq__bytes_reserve(out, gmq__pb_bytes_len(FIELD_RESPONSE, body + tail.len));
    gmq__pb_put_tag(out, FIELD_RESPONSE, GMQ__PB_BYTES);
    gmq__pb_put_varint(out, body + tail.len);
    if (with_body)
        put_body(out, response);
    gmq__bytes_put(out, tail.data, tail.len);
    out->failed |= tail.failed;
    gmq__bytes_free(&tail);
}

void gmq__response_encode_error(gmq__bytes *out, const gmq__remote_error *error)
{
    gmq__remote_error_encode_field(out, FIELD_ERROR, error);
}
