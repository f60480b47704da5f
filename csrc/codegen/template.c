#include "codegen/template.h"

#include <string.h>

static const char *value_of(const gmq__var *vars, const char *name, size_t len)
{
    for (; vars && vars->name; vars++)
        if (strlen(vars->name) == len && memcmp(vars->name, name, len) == 0)
            return vars->value;
    return NULL;
}

void gmq__emit(gmq__bytes *out, const char *text, const gmq__var *vars)
{
    for (const char *open; (open = strchr(text, '$'));) {
        const char *close = strchr(open + 1, '$');
        const char *value = close ? value_of(vars, open + 1, (size_t)(close - open - 1)) : NULL;
        if (!value) {
            out->failed = true;
            return;
        }
        gmq__bytes_put(out, text, (size_t)(open - text));
        gmq__bytes_put_str(out, value);
        text = close + 1;
    }
    gmq__bytes_put_str(out, text);
}
