/* Certificates of the listening side: read from files, and again when those have changed. */
#ifndef GMQ_PROXY_CERTIFICATES_H
#define GMQ_PROXY_CERTIFICATES_H

#include <grpc/grpc_security.h>

#include "config.h"

typedef struct gmq__certificates gmq__certificates;

/* Reads the files of `row`, which has a certificate. What is wrong with them later, and that one
 * has expired, becomes a line of the log in `queue`, with `tag`. Errors: GMQ_E_IO (a file that
 * cannot be read or is no PEM; the text names it), GMQ_E_NOMEM. */
gmq_status gmq__certificates_new(gmq__certificates **out, const gmq__listen *row, gmq_queue *queue,
                                 uint64_t tag);
void gmq__certificates_free(gmq__certificates *certificates); /* NULL is fine */

/* Credentials that look at the files with each new connection. `certificates` is to outlive the
 * server. */
grpc_server_credentials *gmq__certificates_use(gmq__certificates *certificates);

#endif
