/* The numbers of a daemon for Prometheus: a small HTTP server on the daemon's own loop. */
#ifndef GMQ_GATEWAY_DAEMON_METRICS_H
#define GMQ_GATEWAY_DAEMON_METRICS_H

#include <grpc_mqtt/stats.h>

typedef struct gmq__daemon_metrics gmq__daemon_metrics;

/* Serves at `address`, HOST:PORT. `take` gives a snapshot for each request, inside of
 * gmq__daemon_metrics_run(). NULL: it cannot, which was said (EXIT_RUNTIME). */
gmq__daemon_metrics *gmq__daemon_metrics_open(const char *address,
                                              gmq_status (*take)(void *context, gmq_stats **out),
                                              void *context);

/* To be polled for reading; -1 for NULL. Then, or when the time is over, it is to be run. */
int gmq__daemon_metrics_fd(const gmq__daemon_metrics *metrics);
int gmq__daemon_metrics_timeout(const gmq__daemon_metrics *metrics); /* ms; -1 = none */
void gmq__daemon_metrics_run(gmq__daemon_metrics *metrics);          /* NULL is fine */
void gmq__daemon_metrics_close(gmq__daemon_metrics *metrics);        /* likewise */

#endif
