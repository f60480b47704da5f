/* The broker's password: from an option, a file, the environment or the address. Never in a text or
 * a log. */
#ifndef GMQ_API_SECRET_H
#define GMQ_API_SECRET_H

#include "api/options.h"

/* The password into `*out` (NULL = none); what an option says goes before `url`. Errors:
 * GMQ_E_OPTION (said twice, variable not set), GMQ_E_IO (names the file), GMQ_E_NOMEM. Reads a
 * file. */
gmq_status gmq__secret_read(char **out, const gmq__settings *settings, const char *url);
void gmq__secret_free(char *secret); /* overwrites it first; NULL is fine */

#endif
