#include "wire/chunk.h"

#include "base/error.h"
#include "wire/pb.h"

enum { FIELD_ELEMS = 1, FIELD_ERROR = 2, FIELD_ELEM = 1 };

static gmq_status check_elems(gmq__span elems)
{
    gmq__pb_field field;
    int got;
    while ((got = gmq__pb_next(&elems, &field)) > 0)
        if (field.number == FIELD_ELEM && field.type != GMQ__PB_BYTES)
            return gmq__fail(GMQ_E_PARSE, "chunk: an element has wire type %d", (int)field.type);
    return got < 0 ? gmq__fail(GMQ_E_PARSE, "chunk: malformed element") : GMQ_OK;
}

static gmq_status take_elems(const gmq__pb_field *field, gmq__span rest, gmq__chunk *out)
{
    if (field->type != GMQ__PB_BYTES)
        return gmq__fail(GMQ_E_PARSE, "chunk: elements have wire type %d", (int)field->type);
    if (out->kind != GMQ__CHUNK_ELEMS) {
        out->kind = GMQ__CHUNK_ELEMS;
        out->elems = field->bytes;
        out->rest = rest;
    }
    return check_elems(field->bytes);
}

gmq_status gmq__chunk_decode(gmq__span bytes, gmq__chunk *out)
{
    gmq__pb_field field;
    bool has_error = false;
    gmq__span in = bytes;
    int got;
    *out = (gmq__chunk){.kind = GMQ__CHUNK_END};
    while ((got = gmq__pb_next(&in, &field)) > 0) {
        has_error |= field.number == FIELD_ERROR;
        gmq_status status = field.number == FIELD_ELEMS ? take_elems(&field, in, out) : GMQ_OK;
        if (status != GMQ_OK)
            return status;
    }
    if (got < 0)
        return gmq__fail(GMQ_E_PARSE, "chunk: malformed or truncated field");
    if (out->kind == GMQ__CHUNK_ELEMS || !has_error)
        return GMQ_OK;
    out->kind = GMQ__CHUNK_ERROR;
    return gmq__remote_error_decode_field(bytes, FIELD_ERROR, &out->error);
}

bool gmq__chunk_next(gmq__chunk *chunk, gmq__span *elem)
{
    gmq__pb_field field;
    for (;;) {
        while (gmq__pb_next(&chunk->elems, &field) > 0) {
            if (field.number != FIELD_ELEM)
                continue;
            *elem = field.bytes;
            return true;
        }
        do {
            if (gmq__pb_next(&chunk->rest, &field) <= 0)
                return false;
        } while (field.number != FIELD_ELEMS);
        chunk->elems = field.bytes;
    }
}

void gmq__chunk_put_elem(gmq__bytes *elems, gmq__span elem)
{
    gmq__pb_put_bytes(elems, FIELD_ELEM, elem);
}

void gmq__chunk_encode(gmq__bytes *out, gmq__span elems)
{
    gmq__pb_put_bytes(out, FIELD_ELEMS, elems);
}

void gmq__chunk_encode_error(gmq__bytes *out, const gmq__remote_error *error)
{
    gmq__remote_error_encode_field(out, FIELD_ERROR, error);
}
