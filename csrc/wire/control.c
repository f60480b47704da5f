#include "base/error.h"
#include "wire/pb.h"
#include "wire/request.h"

enum { FIELD_VALUE = 1 };

void gmq__control_encode(gmq__bytes *out, gmq__control control)
{
    if (control != GMQ__CONTROL_UNKNOWN)
        gmq__pb_put_uint(out, FIELD_VALUE, (uint64_t)control);
}

gmq_status gmq__control_decode(gmq__span bytes, int32_t *out)
{
    int32_t value = GMQ__CONTROL_UNKNOWN;
    uint32_t wrong = 0;
    gmq__pb_field field;
    int got;
    while ((got = gmq__pb_next(&bytes, &field)) > 0)
        if (field.number == FIELD_VALUE && gmq__pb_expect(&field, GMQ__PB_VARINT, &wrong))
            value = (int32_t)(uint32_t)field.value;
    if (got < 0 || wrong)
        return gmq__fail(GMQ_E_PARSE, "control message: %s",
                         wrong ? "the value has the wrong wire type"
                               : "malformed or truncated field");
    *out = value;
    return GMQ_OK;
}
