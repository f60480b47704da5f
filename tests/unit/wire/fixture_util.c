#include "unit/wire/fixture_util.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "cmocka_all.h"

static char *read_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    if (!file)
        fail_msg("cannot open %s", path);
    fseek(file, 0, SEEK_END);
    size_t len = (size_t)ftell(file);
    rewind(file);
    char *text = malloc(len + 1);
    assert_non_null(text);
    assert_int_equal(fread(text, 1, len, file), len);
    text[len] = '\0';
    fclose(file);
    return text;
}

table table_load(const char *name, size_t ncells)
{
    char path[512];
    snprintf(path, sizeof path, "%s/tests/fixtures/reference/%s.txt", GMQ_SOURCE_DIR, name);
    table t = {.text = read_file(path), .ncells = ncells};
    size_t lines = 0;
    for (const char *p = t.text; *p; p++)
        lines += *p == '\n';
    t.cells = calloc(lines * ncells + 1, sizeof *t.cells);
    assert_non_null(t.cells);
    char *at = t.text;
    for (; t.nrows < lines; t.nrows++)
        for (size_t i = 0; i < ncells; i++) {
            t.cells[t.nrows * ncells + i] = at;
            at += strcspn(at, "\t\n");
            assert_int_equal(*at, i + 1 == ncells ? '\n' : '\t');
            *at++ = '\0';
        }
    assert_true(t.nrows > 0);
    return t;
}

const char *table_cell(const table *t, size_t row, size_t cell)
{
    return t->cells[row * t->ncells + cell];
}

const char *table_find(const table *t, const char *name, size_t cell)
{
    for (size_t i = 0; i < t->nrows; i++)
        if (strcmp(table_cell(t, i, 0), name) == 0)
            return table_cell(t, i, cell);
    fail_msg("no row %s", name);
    return NULL;
}

void table_free(table *t)
{
    free(t->cells);
    free(t->text);
}

gmq__span hex_decode(const char *hex)
{
    size_t len = strlen(hex) / 2;
    uint8_t *bytes = malloc(len ? len : 1);
    assert_non_null(bytes);
    for (size_t i = 0; i < len; i++) {
        char digits[3] = {hex[2 * i], hex[2 * i + 1], 0};
        bytes[i] = (uint8_t)strtoul(digits, NULL, 16);
    }
    return gmq__span_of(bytes, len);
}

void hex_free(gmq__span bytes) { free((void *)(uintptr_t)bytes.data); }

char *hex_encode(gmq__span bytes)
{
    char *hex = malloc(2 * bytes.len + 1);
    assert_non_null(hex);
    hex[0] = '\0';
    for (size_t i = 0; i < bytes.len; i++)
        snprintf(hex + 2 * i, 3, "%02x", bytes.data[i]);
    return hex;
}

void expect_hex(gmq__bytes *got, const char *hex, const char *name)
{
    char *have = hex_encode(gmq__bytes_span(got));
    bool failed = got->failed;
    gmq__bytes_free(got);
    if (failed || strcmp(have, hex) != 0)
        print_error("%s:\n  got  %s\n  want %s\n", name, have, hex);
    assert_false(failed);
    assert_string_equal(have, hex);
    free(have);
}

static size_t nomem_left;
static long nomem_live;
static bool nomem_hit;

static void *counting_realloc(void *old, size_t size)
{
    if (!nomem_left && !nomem_hit) {
        nomem_hit = true;
        return NULL;
    }
    nomem_left -= nomem_left != 0;
    void *p = realloc(old, size);
    nomem_live += p && !old;
    return p;
}

static void counting_free(void *p)
{
    nomem_live--;
    free(p);
}

void nomem_on(size_t after)
{
    static const gmq__mem_hooks hooks = {counting_realloc, counting_free};
    nomem_left = after;
    nomem_live = 0;
    nomem_hit = false;
    gmq__mem_set_hooks(&hooks);
}

bool nomem_off(void)
{
    gmq__mem_set_hooks(NULL);
    assert_int_equal(nomem_live, 0);
    return nomem_hit;
}
