#include "unit/methods/descriptor_util.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

const char *fixture_path(const char *name)
{
    static char path[1024];
    snprintf(path, sizeof path, "%s/fixtures/%s.protoset", GMQ_BUILD_DIR, name);
    return path;
}

void fixture_bytes(gmq__bytes *out, const char *name)
{
    FILE *file = fopen(fixture_path(name), "rb");
    assert_non_null(file);
    uint8_t block[4096];
    for (size_t got; (got = fread(block, 1, sizeof block, file)) > 0;)
        gmq__bytes_put(out, block, got);
    fclose(file);
    assert_false(out->failed);
}

gmq_method_map *fixture_map(const char *name)
{
    gmq_method_map *map;
    assert_int_equal(gmq_method_map_new(&map), GMQ_OK);
    if (gmq_method_map_add_descriptor_file(map, fixture_path(name)))
        fail_msg("%s", gmq_error_text());
    return map;
}

void pb_varint(gmq__bytes *out, uint64_t value)
{
    for (; value > 0x7f; value >>= 7)
        gmq__bytes_put_u8(out, (uint8_t)(value | 0x80));
    gmq__bytes_put_u8(out, (uint8_t)value);
}

void pb_uint(gmq__bytes *out, uint32_t number, uint64_t value)
{
    pb_varint(out, (uint64_t)number << 3);
    pb_varint(out, value);
}

void pb_bytes(gmq__bytes *out, uint32_t number, const void *data, size_t len)
{
    pb_varint(out, (uint64_t)number << 3 | 2);
    pb_varint(out, len);
    gmq__bytes_put(out, data, len);
}

void pb_str(gmq__bytes *out, uint32_t number, const char *s)
{
    pb_bytes(out, number, s, strlen(s));
}

void pb_sub(gmq__bytes *out, uint32_t number, gmq__bytes *sub)
{
    pb_bytes(out, number, sub->data, sub->len);
    gmq__bytes_free(sub);
}

static void put_options(gmq__bytes *out, uint32_t number, gmq__span options)
{
    if (options.data)
        pb_bytes(out, number, options.data, options.len);
}

void one_method_set(gmq__bytes *out, const one_method *m)
{
    gmq__bytes method = {0}, service = {0}, file = {0};
    pb_bytes(&method, 1, m->method, m->method_len ? m->method_len : strlen(m->method));
    pb_str(&method, 2, ".t.In");
    pb_str(&method, 3, ".t.Out");
    put_options(&method, 4, m->method_options);
    pb_str(&service, 1, m->service);
    pb_sub(&service, 2, &method);
    put_options(&service, 3, m->service_options);
    pb_str(&file, 1, "t.proto");
    pb_str(&file, 2, m->package);
    pb_sub(&file, 6, &service);
    put_options(&file, 8, m->file_options);
    pb_sub(out, 1, &file);
}
