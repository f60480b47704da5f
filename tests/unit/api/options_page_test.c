/* docs/guide/options.md is what the table of options says. GMQ_WRITE_PAGES=1 in the environment
 * writes it anew. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/options.h"
#include "base/mem.h"
#include "cmocka_all.h"

#define PAGE GMQ_SOURCE_DIR "/docs/guide/options.md"

static const char head[] =
    "# Options\n\n"
    "One table for everything: `gmq_options` in C, the query of an address "
    "(`mqtt://host/base?keep_alive_s=5`), keyword options of the bindings, `--option KEY=VALUE` of "
    "the daemons. "
    "Where the address and the options both say something, the options win. Keys and values are "
    "checked when an "
    "object is made; an error names key, value and range. In a text a number is written in digits, "
    "a switch as one of "
    "0, 1, false, true, no, yes, off, on.\n\n"
    "*For*: C client, S server, G gateway (which takes a server's options too), call: each call of "
    "its own.\n\n"
    "| option | for | type | default | range | what |\n|---|---|---|---|---|---|\n";

static void put(gmq__bytes *out, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void put(gmq__bytes *out, const char *format, ...)
{
    char text[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    gmq__bytes_put_str(out, text);
}

static void put_scopes(gmq__bytes *out, unsigned scopes)
{
    static const char *const names[] = {"C", "S", "G", "call"};
    for (unsigned i = 0, any = 0; i < 4; i++)
        if (scopes & 1u << i)
            put(out, "%s%s", any++ ? " " : "", names[i]);
}

static const char *choice_name(const gmq__option_row *row)
{
    const gmq__choice *c = row->choices;
    while (c->value != row->initial)
        c++;
    return c->name;
}

static void put_values(gmq__bytes *out, const gmq__option_row *row)
{
    const char *space = *row->unit ? " " : "";
    switch (row->type) {
    case GMQ__OPTION_NUMBER:
        put(out, "number | %" PRId64 "%s%s | %" PRId64 " to %" PRId64, row->initial, space,
            row->unit, row->min, row->max);
        break;
    case GMQ__OPTION_SWITCH:
        put(out, "switch | %s | ", row->initial ? "on" : "off");
        break;
    case GMQ__OPTION_TEXT:
        put(out, "text%s | | ", row->secret ? ", secret" : "");
        break;
    case GMQ__OPTION_CHOICE:
        put(out, "choice | %s | ", choice_name(row));
        for (const gmq__choice *c = row->choices; c->name; c++)
            put(out, "%s%s", c == row->choices ? "" : ", ", c->name);
    }
}

static void make_page(gmq__bytes *out)
{
    gmq__bytes_put_str(out, head);
    for (size_t i = 0; i < GMQ__OPT_COUNT; i++) {
        const gmq__option_row *row = &gmq__option_table[i];
        put(out, "| `%s` | ", row->key);
        put_scopes(out, row->scopes);
        put(out, " | ");
        put_values(out, row);
        put(out, " | %s |\n", row->what);
    }
    assert_false(out->failed);
}

static void read_page(gmq__bytes *out)
{
    char block[4096];
    FILE *file = fopen(PAGE, "r");
    assert_non_null(file);
    for (size_t got; (got = fread(block, 1, sizeof block, file));)
        gmq__bytes_put(out, block, got);
    fclose(file);
}

static void write_page(const gmq__bytes *page)
{
    FILE *file = fopen(PAGE, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(page->data, 1, page->len, file), page->len);
    assert_int_equal(fclose(file), 0);
}

static void page_matches_the_table_test(void **state)
{
    (void)state;
    gmq__bytes wanted = {0}, found = {0};
    make_page(&wanted);
    if (getenv("GMQ_WRITE_PAGES"))
        write_page(&wanted);
    read_page(&found);
    bool equal = gmq__span_equal(gmq__bytes_span(&wanted), gmq__bytes_span(&found));
    gmq__bytes_free(&wanted);
    gmq__bytes_free(&found);
    if (!equal)
        fail_msg("docs/guide/options.md is not what the table says; run this test with "
                 "GMQ_WRITE_PAGES=1");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(page_matches_the_table_test)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
