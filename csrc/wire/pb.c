#include "wire/pb.h"

#include <string.h>

static gmq__span drop(gmq__span in, size_t n) { return gmq__span_of(in.data + n, in.len - n); }

/* Ten bytes at most; what the tenth has above 64 bits is lost, as in every protobuf decoder. */
static bool take_varint(gmq__span *in, uint64_t *value)
{
    uint64_t v = 0;
    for (size_t i = 0; i < in->len && i < 10; i++) {
        uint8_t byte = in->data[i];
        v |= (uint64_t)(byte & 0x7f) << (7 * i);
        if (byte < 0x80) {
            *value = v;
            *in = drop(*in, i + 1);
            return true;
        }
    }
    return false;
}

static bool take_fixed(gmq__span *in, size_t len, uint64_t *value)
{
    if (in->len < len)
        return false;
    uint64_t v = 0;
    for (size_t i = 0; i < len; i++)
        v |= (uint64_t)in->data[i] << (8 * i);
    *value = v;
    *in = drop(*in, len);
    return true;
}

static bool take_bytes(gmq__span *in, gmq__span *bytes)
{
    uint64_t len;
    if (!take_varint(in, &len) || len > in->len)
        return false;
    *bytes = gmq__span_of(in->data, (size_t)len);
    *in = drop(*in, (size_t)len);
    return true;
}

static bool take_value(gmq__span *in, gmq__pb_field *field)
{
    switch (field->type) {
    case GMQ__PB_VARINT:
        return take_varint(in, &field->value);
    case GMQ__PB_FIXED64:
        return take_fixed(in, 8, &field->value);
    case GMQ__PB_BYTES:
        return take_bytes(in, &field->bytes);
    case GMQ__PB_FIXED32:
        return take_fixed(in, 4, &field->value);
    }
    return false;
}

int gmq__pb_next(gmq__span *in, gmq__pb_field *field)
{
    if (!in->len)
        return 0;
    uint64_t tag;
    if (!take_varint(in, &tag) || tag > UINT32_MAX || tag >> 3 == 0)
        return -1;
    field->number = (uint32_t)(tag >> 3);
    field->type = (gmq__pb_type)(tag & 7);
    field->value = 0;
    field->bytes = gmq__span_of(NULL, 0);
    return take_value(in, field) ? 1 : -1;
}

int gmq__pb_next_varint(gmq__span *in, uint64_t *value)
{
    if (!in->len)
        return 0;
    return take_varint(in, value) ? 1 : -1;
}

bool gmq__pb_expect(const gmq__pb_field *field, gmq__pb_type type, uint32_t *wrong)
{
    uint32_t bit = UINT32_C(1) << (field->number & 31);
    if (field->type == type)
        *wrong &= ~bit;
    else
        *wrong |= bit;
    return field->type == type;
}

void gmq__pb_put_varint(gmq__bytes *out, uint64_t value)
{
    uint8_t bytes[10];
    size_t len = 0;
    for (; value >= 0x80; value >>= 7)
        bytes[len++] = (uint8_t)(value | 0x80);
    bytes[len++] = (uint8_t)value;
    gmq__bytes_put(out, bytes, len);
}

void gmq__pb_put_tag(gmq__bytes *out, uint32_t number, gmq__pb_type type)
{
    gmq__pb_put_varint(out, (uint64_t)number << 3 | (uint64_t)type);
}

void gmq__pb_put_bytes(gmq__bytes *out, uint32_t number, gmq__span bytes)
{
    gmq__pb_put_tag(out, number, GMQ__PB_BYTES);
    gmq__pb_put_varint(out, bytes.len);
    gmq__bytes_put(out, bytes.data, bytes.len);
}

void gmq__pb_put_uint(gmq__bytes *out, uint32_t number, uint64_t value)
{
    gmq__pb_put_tag(out, number, GMQ__PB_VARINT);
    gmq__pb_put_varint(out, value);
}

void gmq__pb_put_fixed32(gmq__bytes *out, uint32_t number, uint32_t value)
{
    gmq__pb_put_tag(out, number, GMQ__PB_FIXED32);
    uint8_t bytes[4] = {(uint8_t)value, (uint8_t)(value >> 8), (uint8_t)(value >> 16),
                        (uint8_t)(value >> 24)};
    gmq__bytes_put(out, bytes, sizeof bytes);
}

size_t gmq__pb_varint_len(uint64_t value)
{
    size_t len = 1;
    for (; value >= 0x80; value >>= 7)
        len++;
    return len;
}

size_t gmq__pb_bytes_len(uint32_t number, size_t len)
{
    return gmq__pb_varint_len((uint64_t)number << 3) + gmq__pb_varint_len(len) + len;
}

uint64_t gmq__pb_zigzag(int64_t value)
{
    return ((uint64_t)value << 1) ^ (value < 0 ? UINT64_MAX : 0);
}
int64_t gmq__pb_unzigzag(uint64_t value)
{
    return (int64_t)((value >> 1) ^ (value & 1 ? UINT64_MAX : 0));
}
