#include "reflect_wire.h"

#include <string.h>

static bool varint(const uint8_t **data, size_t *len, uint64_t *out)
{
    const uint8_t *at = *data;
    *out = 0;
    for (size_t i = 0; i < *len && i < 10; i++) {
        *out |= (uint64_t)(at[i] & 127) << (7 * i);
        if (at[i] < 128) {
            *data += i + 1;
            *len -= i + 1;
            return true;
        }
    }
    return false;
}

/* Length of the field's value that `wire` says, 0 = it does not fit. */
static bool value_len(const uint8_t **data, size_t *len, unsigned wire, uint64_t *out)
{
    const uint8_t *at = *data;
    size_t rest = *len;
    switch (wire) {
    case 0:
        if (!varint(&at, &rest, out))
            return false;
        *out = *len - rest;
        return true;
    case 1:
        *out = 8;
        return rest >= 8;
    case 2:
        return varint(data, len, out) && *out <= *len;
    case 5:
        *out = 4;
        return rest >= 4;
    default:
        return false;
    }
}

bool gmq__reflect_next(const uint8_t **data, size_t *len, gmq__reflect_field *out)
{
    const uint8_t *at = *data;
    size_t rest = *len;
    uint64_t key = 0, size = 0;
    if (rest == 0 || !varint(&at, &rest, &key) || !value_len(&at, &rest, key & 7, &size))
        return false;
    out->number = key >> 3;
    out->data = (key & 7) == 2 ? at : NULL;
    out->len = (size_t)size;
    *data = at + size;
    *len = rest - (size_t)size;
    return true;
}

bool gmq__reflect_find(const uint8_t *data, size_t len, uint64_t number, gmq__reflect_field *out)
{
    gmq__reflect_field field;
    bool found = false;
    while (gmq__reflect_next(&data, &len, &field)) {
        if (field.number == number && field.data) {
            *out = field;
            found = true;
        }
    }
    return found;
}

size_t gmq__reflect_request(uint8_t *out, size_t size, unsigned number, const char *text)
{
    size_t len = strlen(text), head = 2 + (len >= 128);
    if (len >= 16384 || head + len > size)
        return 0;
    out[0] = (uint8_t)(number << 3 | 2);
    out[1] = (uint8_t)(len >= 128 ? (len & 127) | 128 : len);
    if (len >= 128)
        out[2] = (uint8_t)(len >> 7);
    for (size_t i = 0; i < len; i++)
        out[head + i] = (uint8_t)text[i];
    return head + len;
}
