#include "wire/packet.h"

#include "base/error.h"
#include "wire/pb.h"

enum { FIELD_PAYLOAD = 1, FIELD_POSITION = 2, FIELD_NPACKETS = 3 };

static void read_field(const gmq__pb_field *field, gmq__packet *out, uint32_t *wrong)
{
    switch (field->number) {
    case FIELD_PAYLOAD:
        if (gmq__pb_expect(field, GMQ__PB_BYTES, wrong))
            out->payload = field->bytes;
        break;
    case FIELD_POSITION:
        if (gmq__pb_expect(field, GMQ__PB_FIXED32, wrong))
            out->position = (uint32_t)field->value;
        break;
    case FIELD_NPACKETS:
        if (gmq__pb_expect(field, GMQ__PB_FIXED32, wrong))
            out->npackets = (uint32_t)field->value;
        break;
    default:
        break;
    }
}

gmq_status gmq__packet_decode(gmq__span bytes, gmq__packet *out)
{
    const size_t len = bytes.len;
    uint32_t wrong = 0;
    gmq__pb_field field;
    int got;
    *out = (gmq__packet){.npackets = 1};
    while ((got = gmq__pb_next(&bytes, &field)) > 0)
        read_field(&field, out, &wrong);
    if (got < 0 || wrong)
        return gmq__fail(GMQ_E_PARSE, "packet of %zu bytes: %s", len,
                         wrong ? "a field has the wrong wire type"
                               : "malformed or truncated field");
    return GMQ_OK;
}

void gmq__packet_encode(gmq__bytes *out, gmq__span payload, uint32_t position, uint32_t npackets)
{
    if (!gmq__bytes_reserve(out, gmq__packet_encoded_len(payload.len)))
        return;
    gmq__pb_put_bytes(out, FIELD_PAYLOAD, payload);
    gmq__pb_put_fixed32(out, FIELD_POSITION, position);
    gmq__pb_put_fixed32(out, FIELD_NPACKETS, npackets);
}

size_t gmq__packet_encoded_len(size_t payload_len)
{
    return gmq__pb_bytes_len(FIELD_PAYLOAD, payload_len) + 5 + 5;
}

size_t gmq__packet_slice_len(size_t limit) { return limit > 17 ? limit - 16 : 1; }

uint32_t gmq__packet_count(size_t len, size_t slice_len)
{
    size_t count = len / slice_len + (len % slice_len != 0);
    return count == 0 ? 1 : count > UINT32_MAX ? UINT32_MAX : (uint32_t)count;
}
