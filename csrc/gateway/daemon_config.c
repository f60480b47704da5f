/* The file of --config: keys are long options, [option] holds options of the library. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon_options.h"
#include "daemon_toml.h"

enum { FILE_MAX = 1 << 20, WORD_MAX = 32, NEAR = 3, WHERE_MAX = 1024 };

typedef struct config {
    const gmq__daemon_program *program;
    const char *file;
    const gmq__daemon_pairs *flags;
    gmq__daemon_pairs *out;
    const gmq__toml_entry *entry; /* being read */
    int status;
} config;

static const char *const only_flags[] = {"config", "check", "help", "version"};
static const char too_low[] = "it belongs above the first table; here it is part of one";

/* ---- Nearest key ---- */

static unsigned least(unsigned a, unsigned b, unsigned c)
{
    unsigned two = a < b ? a : b;
    return two < c ? two : c;
}

/* Levenshtein's distance, of words not too long. */
static unsigned distance(const char *a, const char *b)
{
    unsigned row[WORD_MAX + 1];
    size_t na = strlen(a), nb = strlen(b);
    if (na > WORD_MAX || nb > WORD_MAX)
        return WORD_MAX;
    for (unsigned j = 0; j <= nb; j++)
        row[j] = j;
    for (size_t i = 1; i <= na; i++) {
        unsigned corner = row[0];
        row[0] = (unsigned)i;
        for (size_t j = 1; j <= nb; j++) {
            unsigned above = row[j];
            row[j] = least(above + 1, row[j - 1] + 1, corner + (a[i - 1] != b[j - 1]));
            corner = above;
        }
    }
    return row[nb];
}

static void nearer(const char *key, const char *candidate, const char **best, unsigned *best_at)
{
    unsigned at = distance(key, candidate);
    if (at < *best_at) {
        *best = candidate;
        *best_at = at;
    }
}

static bool only_flag(const char *name)
{
    for (size_t i = 0; i < sizeof only_flags / sizeof *only_flags; i++)
        if (strcmp(only_flags[i], name) == 0)
            return true;
    return false;
}

/* The known key that is written almost so; NULL = none is. */
static const char *nearest(const gmq__daemon_program *program, const char *key, bool in_group)
{
    const gmq__daemon_group *group = &program->group;
    const char *best = NULL;
    unsigned best_at = NEAR + 1;
    if (in_group) {
        for (size_t i = 0; i < GMQ__DAEMON_GROUP_KEYS; i++)
            nearer(key, group->keys[i].key, &best, &best_at);
        return best;
    }
    for (size_t t = 0; t < GMQ__DAEMON_TABLES && program->tables[t]; t++)
        for (const gmq__daemon_option *row = program->tables[t]; row->help; row++)
            if (row->name && !only_flag(row->name))
                nearer(key, row->name, &best, &best_at);
    return best;
}

/* ---- Entries ---- */

static bool stop(config *c, int status)
{
    c->status = status;
    return false;
}

static bool nomem(config *c)
{
    return stop(c, gmq__daemon_complain(EXIT_RUNTIME, "out of memory"));
}

static bool wrong(config *c, const char *what)
{
    const gmq__toml_entry *e = c->entry;
    return stop(c, gmq__daemon_complain(EXIT_USAGE, "%s:%u:%u: %s: %s", c->file, e->line, e->column,
                                        e->key, what));
}

/* The row of a key that stands in no table; NULL = there is none. */
static const gmq__daemon_option *top_row(const config *c)
{
    const char *key = c->entry->key;
    return only_flag(key) ? NULL : gmq__daemon_row(c->program, key, strlen(key));
}

/* The library itself looks into keys and values only when it is given all of them. */
static bool known_to_library(const char *key)
{
    int64_t number;
    return gmq_options_get_int(NULL, NULL, key, &number) == GMQ_OK ||
           strncmp(gmq_error_text(), "unknown", 7) != 0;
}

static bool unknown(config *c, bool in_group)
{
    if (in_group && top_row(c))
        return wrong(c, too_low);
    if (known_to_library(c->entry->key))
        return wrong(c, "it is an option of the library, and belongs under [option]");
    const char *near = nearest(c->program, c->entry->key, in_group);
    char what[128] = "unknown key";
    if (near)
        snprintf(what, sizeof what, "unknown key; is %s meant?", near);
    return wrong(c, what);
}

/* A flag says it, too. Of a group's options, one flag is enough: they belong together. */
static bool is_flag(const config *c, const gmq__daemon_option *row, bool in_group)
{
    for (size_t i = 0; i < c->flags->count; i++) {
        const gmq__daemon_option *given = c->flags->rows[i].row;
        if (given == row)
            return true;
        for (size_t k = 0; in_group && k < GMQ__DAEMON_GROUP_KEYS; k++)
            if (strcmp(c->program->group.keys[k].option, given->name) == 0)
                return true;
    }
    return false;
}

static bool add(config *c, const gmq__daemon_option *row, const char *value, unsigned rank)
{
    char place[WHERE_MAX];
    const gmq__toml_entry *e = c->entry;
    snprintf(place, sizeof place, "%s:%u:%u: %s: ", c->file, e->line, e->column, e->key);
    char *where = strdup(place);
    if (!where || !gmq__daemon_pairs_add(c->out, row, value, where))
        return nomem(c);
    gmq__daemon_pair *rows = c->out->rows, added = rows[c->out->count - 1];
    size_t at = c->out->count - 1;
    added.element = rank ? e->element : 0;
    added.rank = rank;
    for (; at && added.element && rows[at - 1].element == added.element && rows[at - 1].rank > rank;
         at--)
        rows[at] = rows[at - 1];
    rows[at] = added;
    return true;
}

static bool add_row(config *c, const gmq__daemon_option *row, unsigned rank)
{
    const gmq__toml_entry *e = c->entry;
    if (row->value && e->is_switch)
        return wrong(c, "a text or number is meant, not true or false");
    if (!row->value && !e->is_switch)
        return wrong(c, "true or false is meant");
    if (!e->value || is_flag(c, row, rank != 0))
        return true;
    return add(c, row, row->value ? e->value : NULL, rank);
}

static bool add_grouped(config *c)
{
    for (unsigned k = 0; k < GMQ__DAEMON_GROUP_KEYS; k++) {
        const char *option = c->program->group.keys[k].option;
        if (strcmp(c->program->group.keys[k].key, c->entry->key) == 0)
            return add_row(c, gmq__daemon_row(c->program, option, strlen(option)), k + 1);
    }
    return unknown(c, true);
}

static bool add_option(config *c)
{
    const gmq__toml_entry *e = c->entry;
    const char *value = !e->is_switch ? e->value : e->value ? "true" : "false";
    if (!known_to_library(e->key))
        return wrong(c,
                     top_row(c) ? too_low : "not an option of the library (docs/guide/options.md)");
    char *pair = malloc(strlen(e->key) + strlen(value) + 2);
    if (!pair)
        return nomem(c);
    sprintf(pair, "%s=%s", e->key, value);
    bool added = add(c, gmq__daemon_row(c->program, "option", 6), pair, 0);
    free(pair);
    return added;
}

static bool on_entry(void *context, const gmq__toml_entry *entry)
{
    config *c = context;
    const gmq__daemon_group *group = &c->program->group;
    c->entry = entry;
    if (strcmp(entry->table, "option") == 0 && !entry->element)
        return add_option(c);
    if (group->table && strcmp(entry->table, group->table) == 0 && entry->element)
        return add_grouped(c);
    if (*entry->table)
        return wrong(c, group->table
                            ? "it stands in a table that is neither [option] nor [[target]]"
                            : "it stands in a table that is not [option]");
    const gmq__daemon_option *row = top_row(c);
    return row ? add_row(c, row, 0) : unknown(c, false);
}

/* ---- File ---- */

/* Its text; NULL = errno says why not. */
static char *read_file(const char *file, size_t *len)
{
    char *text = malloc(FILE_MAX);
    FILE *f = text ? fopen(file, "re") : NULL;
    if (f) {
        *len = fread(text, 1, FILE_MAX, f);
        int error = ferror(f) ? errno : *len == FILE_MAX ? EFBIG : 0;
        fclose(f);
        if (!error)
            return text;
        errno = error;
    }
    int error = errno;
    free(text);
    errno = error;
    return NULL;
}

int gmq__daemon_config_read(const gmq__daemon_program *program, const char *file,
                            const gmq__daemon_pairs *flags, gmq__daemon_pairs *out)
{
    config c = {.program = program, .file = file, .flags = flags, .out = out, .status = -1};
    char error[GMQ__TOML_ERROR];
    unsigned line = 0, column = 0;
    size_t len = 0;
    char *text = read_file(file, &len);
    if (!text)
        return gmq__daemon_complain(EXIT_RUNTIME, "%s: %s", file, strerror(errno));
    if (!gmq__toml_read(text, len, on_entry, &c, error, &line, &column))
        c.status = gmq__daemon_complain(EXIT_USAGE, "%s:%u:%u: %s", file, line, column, error);
    free(text);
    return c.status;
}
