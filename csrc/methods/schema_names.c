/* Names of a schema. */
#include <inttypes.h>
#include <string.h>

#include "base/error.h"
#include "methods/schema_build.h"

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

/* Length of the identifier at the start; 0 = none. */
static size_t identifier(const char *name)
{
    size_t len = 0;
    while (is_letter(name[len]) || (len && name[len] >= '0' && name[len] <= '9'))
        len++;
    return len;
}

bool gmq__name_valid(const char *name)
{
    size_t len = identifier(name);
    return len && !name[len];
}

bool gmq__name_valid_dotted(const char *name)
{
    for (;;) {
        size_t len = identifier(name);
        if (!len || !name[len])
            return len != 0;
        if (name[len] != '.')
            return false;
        name += len + 1;
    }
}

gmq__symbol *gmq__schema_symbol(const gmq_schema *schema, const char *name)
{
    return gmq__map_get(&schema->symbols, gmq__span_str(name));
}

const char *gmq__name_join(gmq__arena *arena, const char *scope, const char *name)
{
    return gmq__arena_join(arena, scope, *scope ? "." : "", name, "");
}

const char *gmq__name_json(gmq__arena *arena, const char *name)
{
    char *json = gmq__arena_text(arena, name, strlen(name));
    if (!json)
        return NULL;
    size_t len = 0;
    bool raise = false;
    for (; *name; name++) {
        bool lower = *name >= 'a' && *name <= 'z';
        if (*name != '_')
            json[len++] = (char)(raise && lower ? *name - 'a' + 'A' : *name);
        raise = *name == '_';
    }
    json[len] = '\0';
    return json;
}

gmq_status gmq__schema_fail(const gmq_field *field, const char *fault, const char *value)
{
    return gmq__fail(GMQ_E_PARSE, "file \"%s\": field %s.%s %s \"%s\"", field->owner->file,
                     field->owner->name, field->name, fault, value);
}

gmq_status gmq__schema_fail_number(const gmq_field *field, const char *fault, int64_t value)
{
    return gmq__fail(GMQ_E_PARSE, "file \"%s\": field %s.%s %s %" PRId64, field->owner->file,
                     field->owner->name, field->name, fault, value);
}
