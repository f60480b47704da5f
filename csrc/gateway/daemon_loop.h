/* What a daemon does while it runs: takes its object's events, logs them, drains or reloads at a
 * signal.
 */
#ifndef GMQ_GATEWAY_DAEMON_LOOP_H
#define GMQ_GATEWAY_DAEMON_LOOP_H

#include <stdbool.h>

#include "daemon_options.h"

typedef struct gmq__daemon {
    const gmq__daemon_common *args;
    void *context; /* of the functions */
    /* Makes the object, whose events go to `queue` with tag 0. */
    gmq_status (*open)(void *context, gmq_queue *queue);
    void (*ready)(void *context); /* says that calls are taken; `ready_file` is the loop's */
    /* SIGHUP: reads its arguments again. What counts now; NULL = they stay as they are, which was
     * said. */
    const gmq__daemon_common *(*reload)(void *context);
    gmq_status (*stats)(void *context, gmq_stats **out); /* a snapshot of its numbers */
    void (*close)(void *context, int64_t grace_ms);
    void (*unref)(void *context);

    /* the loop's own */
    gmq_queue *queue;
    struct gmq__daemon_metrics *metrics; /* NULL = not asked for */
    bool taking;                         /* it has been ready once */
    bool stopping;                       /* a signal came: it drains */
    bool closed;                         /* its CLOSED event came */
} gmq__daemon;

int gmq__daemon_run(gmq__daemon *daemon); /* the exit status */

/* The base topic as it stands in an address, without the credentials before it. */
void gmq__daemon_print_base(const char *url, char *out, size_t size);

#endif
