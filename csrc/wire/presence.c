#include "wire/presence.h"

#include <string.h>

#include "wire/link_packet.h"
#include "wire/pb.h"

enum {
    SERVER = 1,
    INSTANCE = 2,
    FEATURES = 4,
    RECEIVE_LIMIT = 6,
    SINCE = 7,
    VERSION = 8,
    LOAD = 9
};

static void take_bytes(gmq__presence *p, const gmq__pb_field *field)
{
    if (field->number == SERVER)
        p->server = field->bytes;
    else if (field->number == INSTANCE)
        p->instance = field->bytes;
    else if (field->number == VERSION)
        p->version = field->bytes;
}

static void take_varint(gmq__presence *p, const gmq__pb_field *field)
{
    if (field->number == FEATURES)
        p->features = field->value;
    else if (field->number == RECEIVE_LIMIT)
        p->receive_limit = (uint32_t)field->value;
    else if (field->number == SINCE)
        p->since_unix_s = field->value;
    else if (field->number == LOAD)
        p->load = (uint32_t)field->value;
}

bool gmq__presence_decode(gmq__span bytes, gmq__presence *p)
{
    gmq__pb_field field;
    int more;
    memset(p, 0, sizeof *p);
    p->message = bytes;
    while ((more = gmq__pb_next(&bytes, &field)) == 1) {
        if (field.type == GMQ__PB_BYTES)
            take_bytes(p, &field);
        else if (field.type == GMQ__PB_VARINT)
            take_varint(p, &field);
    }
    return !more && p->server.len && p->instance.len == GMQ__LINK_INSTANCE_LEN;
}

bool gmq__presence_has(const gmq__presence *p, gmq__presence_list list, const char *what)
{
    gmq__span in = p->message;
    gmq__pb_field field;
    while (gmq__pb_next(&in, &field) == 1)
        if (field.type == GMQ__PB_BYTES && field.number == (uint32_t)list &&
            gmq__span_equal_str(field.bytes, what))
            return true;
    return false;
}

static void put_list(gmq__bytes *out, gmq__presence_list list, const char *const *items)
{
    for (; items && *items; items++)
        gmq__pb_put_bytes(out, (uint32_t)list, gmq__span_str(*items));
}

static void put_uint(gmq__bytes *out, uint32_t number, uint64_t value)
{
    if (value)
        gmq__pb_put_uint(out, number, value);
}

void gmq__presence_encode(gmq__bytes *out, const gmq__presence *p, const char *const *dialects,
                          const char *const *services)
{
    gmq__pb_put_bytes(out, SERVER, p->server);
    gmq__pb_put_bytes(out, INSTANCE, p->instance);
    put_list(out, GMQ__PRESENCE_DIALECTS, dialects);
    put_uint(out, FEATURES, p->features);
    put_list(out, GMQ__PRESENCE_SERVICES, services);
    put_uint(out, RECEIVE_LIMIT, p->receive_limit);
    put_uint(out, SINCE, p->since_unix_s);
    if (p->version.len)
        gmq__pb_put_bytes(out, VERSION, p->version);
    put_uint(out, LOAD, p->load);
}
