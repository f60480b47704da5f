/* Defaults of fields, as descriptors write them. */
#include <errno.h>
#include <inttypes.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "methods/schema_build.h"

static gmq_status fail(const gmq_field *f)
{
    return gmq__schema_fail(f, "has a default that is no value of its type:", f->default_text);
}

static bool read_signed(const char *text, int64_t min, int64_t max, int64_t *value)
{
    char *end;
    errno = 0;
    intmax_t v = strtoimax(text, &end, 0);
    *value = v;
    return end != text && !*end && !errno && v >= min && v <= max;
}

static bool read_unsigned(const char *text, uint64_t max, uint64_t *value)
{
    char *end;
    errno = 0;
    uintmax_t v = strtoumax(text, &end, 0);
    *value = v;
    return *text != '-' && end != text && !*end && !errno && v <= max;
}

/* strtod() goes by the locale of the program: its decimal point may be another. */
static bool read_double(const char *text, double *value)
{
    char copy[512], *end;
    const char *dot = strchr(text, '.');
    size_t before = dot ? (size_t)(dot - text) : strlen(text);
    if (strlen(text) > sizeof copy / 2)
        return false;
    snprintf(copy, sizeof copy, "%.*s%s%s", (int)before, text,
             dot ? localeconv()->decimal_point : "", dot ? dot + 1 : "");
    *value = strtod(copy, &end);
    return end != copy && !*end;
}

static bool read_number(gmq_field *f)
{
    int64_t s = 0;
    uint64_t u = 0;
    double d = 0;
    float single;
    bool ok;
    switch (f->type) {
    case GMQ_FIELD_INT32:
    case GMQ_FIELD_SINT32:
    case GMQ_FIELD_SFIXED32:
        ok = read_signed(f->default_text, INT32_MIN, INT32_MAX, &s);
        f->fallback.u32 = (uint32_t)s;
        return ok;
    case GMQ_FIELD_UINT32:
    case GMQ_FIELD_FIXED32:
        ok = read_unsigned(f->default_text, UINT32_MAX, &u);
        f->fallback.u32 = (uint32_t)u;
        return ok;
    case GMQ_FIELD_UINT64:
    case GMQ_FIELD_FIXED64:
        return read_unsigned(f->default_text, UINT64_MAX, &f->fallback.u64);
    case GMQ_FIELD_FLOAT:
        ok = read_double(f->default_text, &d);
        single = (float)d;
        memcpy(&f->fallback.u32, &single, sizeof single);
        return ok;
    case GMQ_FIELD_DOUBLE:
        ok = read_double(f->default_text, &d);
        memcpy(&f->fallback.u64, &d, sizeof d);
        return ok;
    default: /* the signed ones of 64 bits */
        ok = read_signed(f->default_text, INT64_MIN, INT64_MAX, &s);
        f->fallback.u64 = (uint64_t)s;
        return ok;
    }
}

static gmq_status read_bool(gmq_field *f)
{
    f->fallback.boolean = strcmp(f->default_text, "true") == 0;
    return f->fallback.boolean || strcmp(f->default_text, "false") == 0 ? GMQ_OK : fail(f);
}

/* ---- Bytes, with the escapes of C */

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool take_octal(const char **at, uint8_t *byte)
{
    unsigned value = 0;
    for (int i = 0; i < 3 && **at >= '0' && **at <= '7'; i++)
        value = value * 8 + (unsigned)(*(*at)++ - '0');
    *byte = (uint8_t)value;
    return value < 256;
}

static bool take_hex(const char **at, uint8_t *byte)
{
    int high = hex_digit(**at);
    if (high < 0)
        return false;
    int low = hex_digit(*++*at);
    *at += low >= 0;
    *byte = (uint8_t)(low < 0 ? high : high * 16 + low);
    return true;
}

/* What follows a backslash. */
static bool take_escape(const char **at, uint8_t *byte)
{
    static const char from[] = "abfnrtv\\'\"?", to[] = "\a\b\f\n\r\t\v\\'\"?";
    if (**at >= '0' && **at <= '7')
        return take_octal(at, byte);
    if (**at == 'x' || **at == 'X') {
        ++*at;
        return take_hex(at, byte);
    }
    const char *known = **at ? strchr(from, **at) : NULL;
    if (!known)
        return false;
    *byte = (uint8_t)to[known - from];
    ++*at;
    return true;
}

static gmq_status read_bytes(gmq_field *f)
{
    gmq__arena *arena = &f->owner->schema->arena;
    const char *at = f->default_text;
    uint8_t *out = gmq__arena_take(arena, strlen(at) + 1, 1);
    if (!out)
        return gmq__arena_fail(arena);
    f->fallback.bytes.data = out;
    while (*at) {
        if (*at != '\\' || f->type == GMQ_FIELD_STRING) {
            *out++ = (uint8_t)*at++;
        } else {
            at++;
            if (!take_escape(&at, out++))
                return fail(f);
        }
    }
    f->fallback.bytes.len = (size_t)(out - f->fallback.bytes.data);
    return GMQ_OK;
}

/* Of an enum without one it is the value that is declared first. */
static gmq_status read_enum(gmq_field *f)
{
    const gmq_enum *e = f->enumeration;
    int64_t index = f->default_text ? gmq_enum_find(e, f->default_text) : 0;
    if (index < 0)
        return fail(f);
    f->fallback.u32 = (uint32_t)e->values[index].number;
    return GMQ_OK;
}

gmq_status gmq__schema_default(gmq_field *f)
{
    if (f->label == GMQ_LABEL_REPEATED)
        return GMQ_OK;
    if (f->type == GMQ_FIELD_ENUM)
        return read_enum(f);
    if (!f->default_text)
        return GMQ_OK;
    if (f->type == GMQ_FIELD_BOOL)
        return read_bool(f);
    if (f->type == GMQ_FIELD_STRING || f->type == GMQ_FIELD_BYTES)
        return read_bytes(f);
    return read_number(f) ? GMQ_OK : fail(f);
}
