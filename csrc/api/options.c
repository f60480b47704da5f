#include "api/options.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/url.h"
#include "base/error.h"
#include "base/mem.h"

typedef enum value_type { VALUE_TEXT, VALUE_INT, VALUE_BOOL } value_type;

typedef struct entry {
    char *key;
    value_type type;
    char *text;
    int64_t number;
} entry;

struct gmq_options {
    entry *entries; /* in order of setting, each key once */
    size_t count, cap;
};

gmq_status gmq_options_new(gmq_options **out)
{
    if (!out)
        return gmq__fail(GMQ_E_INVALID, "gmq_options_new: out is NULL");
    gmq_options *options = gmq__calloc(1, sizeof *options);
    if (!options)
        return gmq__fail_nomem();
    *out = options;
    return GMQ_OK;
}

static void free_text(char *text) /* it may be a secret */
{
    if (text)
        memset(text, 0, strlen(text));
    gmq__free(text);
}

void gmq_options_free(gmq_options *options)
{
    if (!options)
        return;
    for (size_t i = 0; i < options->count; i++) {
        gmq__free(options->entries[i].key);
        free_text(options->entries[i].text);
    }
    gmq__free(options->entries);
    gmq__free(options);
}

static entry *find_entry(const gmq_options *options, const char *key)
{
    for (size_t i = 0; options && i < options->count; i++)
        if (strcmp(options->entries[i].key, key) == 0)
            return &options->entries[i];
    return NULL;
}

static entry *add_entry(gmq_options *options, const char *key)
{
    if (options->count == options->cap) {
        size_t cap = options->cap ? options->cap * 2 : 8;
        entry *entries = gmq__realloc(options->entries, cap * sizeof *entries);
        if (!entries)
            return NULL;
        options->entries = entries;
        options->cap = cap;
    }
    char *copy = gmq__strdup(key);
    if (!copy)
        return NULL;
    entry *e = &options->entries[options->count++];
    *e = (entry){copy, VALUE_INT, NULL, 0};
    return e;
}

static gmq_status set(gmq_options *options, const char *key, value_type type, const char *text,
                      int64_t number)
{
    if (!options || !key || (type == VALUE_TEXT && !text))
        return gmq__fail(GMQ_E_INVALID, "gmq_options_set: %s is NULL",
                         !options ? "options"
                         : !key   ? "key"
                                  : "value");
    char *copy = type == VALUE_TEXT ? gmq__strdup(text) : NULL;
    if (type == VALUE_TEXT && !copy)
        return gmq__fail_nomem();
    entry *e = find_entry(options, key);
    if (!e && !(e = add_entry(options, key))) {
        free_text(copy);
        return gmq__fail_nomem();
    }
    free_text(e->text);
    e->type = type;
    e->text = copy;
    e->number = number;
    return GMQ_OK;
}

gmq_status gmq_options_set_string(gmq_options *options, const char *key, const char *value)
{
    return set(options, key, VALUE_TEXT, value, 0);
}

gmq_status gmq_options_set_int(gmq_options *options, const char *key, int64_t value)
{
    return set(options, key, VALUE_INT, NULL, value);
}

gmq_status gmq_options_set_bool(gmq_options *options, const char *key, int value)
{
    return set(options, key, VALUE_BOOL, NULL, value != 0);
}

gmq_status gmq_options_copy(gmq_options **out, const gmq_options *options)
{
    gmq_options *copy = NULL;
    gmq_status status =
        out ? gmq_options_new(&copy) : gmq__fail(GMQ_E_INVALID, "gmq_options_copy: out is NULL");
    for (size_t i = 0; status == GMQ_OK && options && i < options->count; i++) {
        const entry *e = &options->entries[i];
        status = set(copy, e->key, e->type, e->text, e->number);
    }
    if (status == GMQ_OK)
        *out = copy;
    else
        gmq_options_free(copy);
    return status;
}

static const gmq__option_row *find_row(const char *key)
{
    for (size_t i = 0; i < GMQ__OPT_COUNT; i++)
        if (strcmp(gmq__option_table[i].key, key) == 0)
            return &gmq__option_table[i];
    return NULL;
}

static bool parse_number(const char *text, int64_t *out)
{
    char *end;
    if (!*text || strspn(text, "-0123456789") != strlen(text) || strlen(text) > 18)
        return false;
    *out = strtoll(text, &end, 10);
    return *end == '\0';
}

static bool parse_switch(const char *text, int64_t *out)
{
    static const char *const words[] = {"0", "1", "false", "true", "no", "yes", "off", "on"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strcmp(text, words[i]) == 0) {
            *out = i % 2;
            return true;
        }
    return false;
}

static gmq_status bad_value(const gmq__option_row *row, const entry *e, const char *wanted)
{
    if (row->secret)
        return gmq__fail(GMQ_E_OPTION, "option \"%s\" has a value that is not %s", row->key,
                         wanted);
    if (e->type == VALUE_TEXT)
        return gmq__fail(GMQ_E_OPTION, "option \"%s\" is \"%s\": not %s", row->key, e->text,
                         wanted);
    return gmq__fail(GMQ_E_OPTION, "option \"%s\" is %" PRId64 ": not %s", row->key, e->number,
                     wanted);
}

static gmq_status read_number(const gmq__option_row *row, const entry *e, int64_t *out)
{
    int64_t value = e->number;
    if (e->type == VALUE_BOOL || (e->type == VALUE_TEXT && !parse_number(e->text, &value)))
        return bad_value(row, e, "a number");
    if (value < row->min || value > row->max)
        return gmq__fail(GMQ_E_OPTION,
                         "option \"%s\" is %" PRId64 ": not from %" PRId64 " to %" PRId64 "%s%s",
                         row->key, value, row->min, row->max, *row->unit ? " " : "", row->unit);
    *out = value;
    return GMQ_OK;
}

static gmq_status read_switch(const gmq__option_row *row, const entry *e, int64_t *out)
{
    int64_t value = e->number;
    if ((e->type == VALUE_TEXT && !parse_switch(e->text, &value)) || value < 0 || value > 1)
        return bad_value(row, e, "a switch (0, 1, false, true, no, yes, off, on)");
    *out = value;
    return GMQ_OK;
}

static gmq_status read_choice(const gmq__option_row *row, const entry *e, int64_t *out)
{
    char digits[24];
    snprintf(digits, sizeof digits, "%" PRId64, e->number);
    const char *name = e->type == VALUE_TEXT ? e->text : digits;
    char wanted[128] = "one of";
    for (const gmq__choice *c = row->choices; c->name; c++) {
        if (e->type != VALUE_BOOL && strcmp(c->name, name) == 0) {
            *out = c->value;
            return GMQ_OK;
        }
        size_t at = strlen(wanted);
        snprintf(wanted + at, sizeof wanted - at, "%s %s", c == row->choices ? "" : ",", c->name);
    }
    return bad_value(row, e, wanted);
}

static gmq_status read_text(const gmq__option_row *row, const entry *e, char **out)
{
    if (e->type != VALUE_TEXT)
        return bad_value(row, e, "a text");
    char *copy = gmq__strdup(e->text);
    if (!copy)
        return gmq__fail_nomem();
    free_text(*out);
    *out = copy;
    return GMQ_OK;
}

static gmq_status read_value(gmq__settings *out, size_t id, const entry *e)
{
    const gmq__option_row *row = &gmq__option_table[id];
    out->given[id] = true;
    switch (row->type) {
    case GMQ__OPTION_NUMBER:
        return read_number(row, e, &out->number[id]);
    case GMQ__OPTION_SWITCH:
        return read_switch(row, e, &out->number[id]);
    case GMQ__OPTION_CHOICE:
        return read_choice(row, e, &out->number[id]);
    case GMQ__OPTION_TEXT:
        break;
    }
    return read_text(row, e, &out->text[id]);
}

static const char *scope_name(unsigned scope)
{
    return scope == GMQ__FOR_CLIENT ? "client" : scope == GMQ__FOR_CALL ? "call" : "server";
}

static gmq_status apply(gmq__settings *out, unsigned scope, const gmq_options *options)
{
    for (size_t i = 0; options && i < options->count; i++) {
        const entry *e = &options->entries[i];
        const gmq__option_row *row = find_row(e->key);
        if (!row)
            return gmq__fail(GMQ_E_OPTION, "unknown option \"%s\"", e->key);
        unsigned scopes = row->scopes | (row->scopes & GMQ__FOR_GATEWAY ? GMQ__FOR_SERVER : 0);
        if (!(scopes & scope))
            return gmq__fail(GMQ_E_OPTION, "option \"%s\" is not one of a %s", e->key,
                             scope_name(scope));
        gmq_status status = read_value(out, (size_t)(row - gmq__option_table), e);
        if (status != GMQ_OK)
            return status;
    }
    return GMQ_OK;
}

gmq_status gmq__settings_resolve(gmq__settings *out, unsigned scope, const gmq_options *url,
                                 const gmq_options *options)
{
    memset(out, 0, sizeof *out);
    for (size_t i = 0; i < GMQ__OPT_COUNT; i++)
        out->number[i] = gmq__option_table[i].initial;
    gmq_status status = apply(out, scope, url);
    if (status == GMQ_OK)
        status = apply(out, scope, options);
    if (status != GMQ_OK)
        gmq__settings_clear(out);
    return status;
}

void gmq__settings_clear(gmq__settings *settings)
{
    for (size_t i = 0; i < GMQ__OPT_COUNT; i++)
        free_text(settings->text[i]);
    memset(settings, 0, sizeof *settings);
}

static gmq_status get_number(const gmq__option_row *row, const entry *e, int64_t *value)
{
    *value = row->initial;
    if (!e)
        return GMQ_OK;
    return row->type == GMQ__OPTION_NUMBER ? read_number(row, e, value)
                                           : read_switch(row, e, value);
}

gmq_status gmq_options_get_int(const gmq_options *options, const char *url, const char *key,
                               int64_t *value)
{
    if (!key || !value)
        return gmq__fail(GMQ_E_INVALID, "gmq_options_get_int: %s is NULL", key ? "value" : "key");
    const gmq__option_row *row = find_row(key);
    if (!row || (row->type != GMQ__OPTION_NUMBER && row->type != GMQ__OPTION_SWITCH))
        return gmq__fail(GMQ_E_OPTION, "%s option \"%s\"",
                         row ? "not a number or switch:" : "unknown", key);
    gmq__url parsed = {0};
    gmq_status status = url ? gmq__url_parse(&parsed, url) : GMQ_OK;
    if (status != GMQ_OK)
        return status;
    const entry *e = find_entry(options, key);
    int64_t found = 0;
    status = get_number(row, e ? e : find_entry(parsed.query, key), &found);
    gmq__url_clear(&parsed);
    if (status == GMQ_OK)
        *value = found;
    return status;
}

static gmq_status get_text(const gmq__option_row *row, const entry *e, gmq_buf **value)
{
    char *text = NULL;
    gmq_status status = e ? read_text(row, e, &text) : GMQ_OK;
    *value = NULL;
    if (status == GMQ_OK && text)
        status = gmq_buf_new(value, text, strlen(text) + 1);
    free_text(text);
    return status;
}

gmq_status gmq_options_get_string(const gmq_options *options, const char *url, const char *key,
                                  gmq_buf **value)
{
    if (!key || !value)
        return gmq__fail(GMQ_E_INVALID, "gmq_options_get_string: %s is NULL",
                         key ? "value" : "key");
    const gmq__option_row *row = find_row(key);
    if (!row || row->type != GMQ__OPTION_TEXT || row->secret)
        return gmq__fail(GMQ_E_OPTION, "%s option \"%s\"",
                         row ? "not a text, or a secret:" : "unknown", key);
    gmq__url parsed = {0};
    gmq_status status = url ? gmq__url_parse(&parsed, url) : GMQ_OK;
    if (status != GMQ_OK)
        return status;
    const entry *e = find_entry(options, key);
    status = get_text(row, e ? e : find_entry(parsed.query, key), value);
    gmq__url_clear(&parsed);
    return status;
}
