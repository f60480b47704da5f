#include "methods/descriptor_scan.h"

#include <string.h>

#include "base/error.h"

/* What a length-delimited field holds, as far as it matters here. */
typedef enum content { OTHER, NAME, SET, FILE_, MESSAGE, SERVICE, METHOD } content;

static const struct rule {
    content in;
    uint32_t number;
    content holds;
} rules[] = {
    {SET, 1, FILE_},       {FILE_, 2, NAME},   {FILE_, 4, MESSAGE},  {FILE_, 6, SERVICE},
    {MESSAGE, 3, MESSAGE}, {SERVICE, 1, NAME}, {SERVICE, 2, METHOD}, {METHOD, 1, NAME},
    {METHOD, 2, NAME},     {METHOD, 3, NAME},
};

typedef struct level {
    content content;
    gmq__span rest; /* not looked at yet */
} level;

typedef struct field {
    uint32_t number;
    bool delimited;
    gmq__span bytes; /* when delimited */
} field;

bool gmq__varint_take(gmq__span *in, uint64_t *value)
{
    uint64_t v = 0;
    for (size_t i = 0; i < in->len && i < 10; i++) {
        uint8_t byte = in->data[i];
        if (i == 9 && byte > 1)
            return false;
        v |= (uint64_t)(byte & 0x7f) << (7 * i);
        if (byte < 0x80) {
            *value = v;
            *in = gmq__span_of(in->data + i + 1, in->len - i - 1);
            return true;
        }
    }
    return false;
}

static bool skip(gmq__span *in, size_t n, gmq__span *skipped)
{
    if (n > in->len)
        return false;
    *skipped = gmq__span_of(in->data, n);
    *in = gmq__span_of(in->data + n, in->len - n);
    return true;
}

/* Tags and lengths in more than five bytes are refused, as protobuf-c does: both must see the same
 * fields. */
static bool take_u32(gmq__span *in, uint32_t *value)
{
    size_t before = in->len;
    uint64_t wide;
    if (!gmq__varint_take(in, &wide) || wide > UINT32_MAX || before - in->len > 5)
        return false;
    *value = (uint32_t)wide;
    return true;
}

static bool take_field(gmq__span *in, field *f)
{
    uint32_t tag, len;
    uint64_t number;
    if (!take_u32(in, &tag) || tag < 8)
        return false;
    f->number = tag >> 3;
    f->delimited = (tag & 7) == 2;
    switch (tag & 7) {
    case 0:
        return gmq__varint_take(in, &number);
    case 1:
        return skip(in, 8, &f->bytes);
    case 2:
        return take_u32(in, &len) && skip(in, len, &f->bytes);
    case 5:
        return skip(in, 4, &f->bytes);
    default: /* groups: no descriptor has them, and protobuf-c does not read them */
        return false;
    }
}

static content content_of(content in, const field *f)
{
    for (size_t i = 0; f->delimited && i < sizeof rules / sizeof *rules; i++)
        if (rules[i].in == in && rules[i].number == f->number)
            return rules[i].holds;
    return OTHER;
}

static gmq_status fail_name(gmq__span name)
{
    return gmq__fail(GMQ_E_PARSE, "name \"%.*s\" contains NUL",
                     (int)(name.len < 100 ? name.len : 100), (const char *)name.data);
}

gmq_status gmq__descriptor_scan(gmq__span set)
{
    level stack[GMQ__DESCRIPTOR_DEPTH_MAX +
                3]; /* the set, a file, its messages or service and method */
    size_t depth = 1;
    stack[0] = (level){SET, set};
    while (depth) {
        level *top = &stack[depth - 1];
        if (!top->rest.len) {
            depth--;
            continue;
        }
        size_t at = (size_t)(top->rest.data - set.data);
        field f = {0};
        if (!take_field(&top->rest, &f))
            return gmq__fail(GMQ_E_PARSE,
                             "not a serialized FileDescriptorSet: malformed at byte %zu of %zu", at,
                             set.len);
        content holds = content_of(top->content, &f);
        if (holds == NAME && f.bytes.len && memchr(f.bytes.data, 0, f.bytes.len))
            return fail_name(f.bytes);
        if (holds <= NAME)
            continue;
        if (depth == sizeof stack / sizeof *stack)
            return gmq__fail(GMQ_E_PARSE, "messages are nested deeper than %d",
                             GMQ__DESCRIPTOR_DEPTH_MAX);
        stack[depth++] = (level){holds, f.bytes};
    }
    return GMQ_OK;
}
