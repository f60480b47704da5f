/* The base topics in use: a client (connection) each, made at the first call and left when there
 * was none for a while; and what is known of the kinds of their methods. */
#ifndef GMQ_PROXY_BASES_H
#define GMQ_PROXY_BASES_H

#include <grpc_mqtt/proxy.h>
#include <stdbool.h>

typedef struct gmq__base gmq__base;
typedef struct gmq__pcall gmq__pcall;

/* Key: the topic. In: at the first call. Out: idle, in the way of another, or at the end; then the
 * row lives on until CLOSED of its client and its last use. */
struct gmq__base {
    struct gmq_proxy *proxy;
    char *name;
    gmq_client *client;
    gmq__base *next;          /* of its bucket */
    gmq__base *elder, **link; /* of those whose CLOSED is still to come */
    bool listed;              /* it is in the table */
    bool closed;              /* CLOSED of its client has come */
    bool pinned;              /* it is never left before the end */
    bool trial;               /* only there to try the broker; left once it is connected */
    size_t uses;              /* calls, and a question about kinds */
    int32_t state;            /* the last that was told of */
    int64_t idle_from;        /* ms of gmq__proxy_now(), while there are no uses */

    gmq_method_map *learnt; /* by reflection; NULL = nothing */
    bool asking;            /* a question is on its way */
    bool reflects;          /* it has answered one */
    int64_t ask_again_at;   /* ms; not before */
    gmq__pcall *waiting;    /* calls that wait for the answer */
};

enum { GMQ__BASE_BUCKETS = 256 };

typedef struct gmq__bases {
    gmq__base *buckets[GMQ__BASE_BUCKETS];
    size_t count;        /* in the table */
    size_t alive;        /* and those whose CLOSED is still to come */
    gmq__base *youngest; /* of these */
    int64_t sweep_at;
    bool closed; /* none is made any more */
} gmq__bases;

/* The row of `name`, connected if it was not, used by one more. NULL: `*code` and `text` (of `size`
 * bytes) are the status for the call. Only the gRPC thread, and gmq_proxy_new(), make rows. */
gmq__base *gmq__base_acquire(struct gmq_proxy *proxy, const char *name, int32_t *code, char *text,
                             size_t size);
void gmq__base_release(gmq__base *base); /* used by one less */

/* The proxy's address with the base `name`, or, of NULL, the one that the trial has. NULL = no
 * memory. free() it. */
char *gmq__base_address(const struct gmq_proxy *proxy, const char *name);

/* Opens the row that tells of the broker: that of `fixed`, which stays, or of a trial. */
gmq_status gmq__bases_first(struct gmq_proxy *proxy);

void gmq__base_event(gmq__base *base,
                     const gmq_event *event); /* its client's: STATE, LOG, CLOSED */

/* Leaves what was idle for long enough. Returns the ms until it is to be called again. */
int64_t gmq__bases_sweep(struct gmq_proxy *proxy);

/* Adds the numbers of all, also of those that are gone. */
gmq_status gmq__bases_stats(struct gmq_proxy *proxy, gmq_stats *stats);

void gmq__bases_close(struct gmq_proxy *proxy); /* leaves all, now */
void gmq__bases_drop(struct gmq_proxy *proxy);  /* the same where no thread takes events */
bool gmq__bases_gone(struct gmq_proxy *proxy);  /* all are left, and their CLOSED have come */

#endif
