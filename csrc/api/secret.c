#include "api/secret.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/mem.h"

#define SECRET_MAX 65535 /* MQTT's longest */

void gmq__secret_free(char *secret)
{
    if (secret)
        memset(secret, 0, strlen(secret));
    gmq__free(secret);
}

static gmq_status copy(char **out, const char *text)
{
    *out = gmq__strdup(text);
    return *out ? GMQ_OK : gmq__fail_nomem();
}

static gmq_status from_file(char **out, const char *name)
{
    FILE *file = fopen(name, "re");
    if (!file)
        return gmq__fail(GMQ_E_IO, "option \"password_file\": %s: %s", name, strerror(errno));
    char *text = gmq__calloc(1, SECRET_MAX + 1);
    if (!text) {
        fclose(file);
        return gmq__fail_nomem();
    }
    size_t len = fread(text, 1, SECRET_MAX, file);
    int fault = ferror(file) ? errno : 0;
    fclose(file);
    text[len] = '\0';
    text[strcspn(text, "\r\n")] = '\0';
    gmq_status status =
        fault ? gmq__fail(GMQ_E_IO, "option \"password_file\": %s: %s", name, strerror(fault))
              : copy(out, text);
    memset(text, 0, SECRET_MAX);
    gmq__free(text);
    return status;
}

static gmq_status from_environment(char **out, const char *name)
{
    const char *text = getenv(name);
    if (!text)
        return gmq__fail(GMQ_E_OPTION, "option \"password_env\": the variable \"%s\" is not set",
                         name);
    return copy(out, text);
}

gmq_status gmq__secret_read(char **out, const gmq__settings *settings, const char *url)
{
    static const gmq__option_id ways[] = {GMQ__OPT_PASSWORD, GMQ__OPT_PASSWORD_FILE,
                                          GMQ__OPT_PASSWORD_ENV};
    int said = -1;
    *out = NULL;
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
        if (!settings->text[ways[i]])
            continue;
        if (said >= 0)
            return gmq__fail(GMQ_E_OPTION, "options \"%s\" and \"%s\" are both set: one of them",
                             gmq__option_table[said].key, gmq__option_table[ways[i]].key);
        said = (int)ways[i];
    }
    if (said == GMQ__OPT_PASSWORD_FILE)
        return from_file(out, settings->text[said]);
    if (said == GMQ__OPT_PASSWORD_ENV)
        return from_environment(out, settings->text[said]);
    const char *text = said >= 0 ? settings->text[said] : url;
    return text ? copy(out, text) : GMQ_OK;
}
