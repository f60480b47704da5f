/* A proxy from the inside. Two threads: one takes gRPC's completions, one the events of the clients
 * (MQTT). Neither blocks anywhere else. They meet in the calls (pcall.h), each of which has a lock
 * of its own, and in what stands under the proxy's lock, which is a leaf. */
#ifndef GMQ_PROXY_PROXY_H
#define GMQ_PROXY_PROXY_H

#include <grpc/grpc.h>
#include <pthread.h>
#include <stdatomic.h>

#include "bases.h"
#include "certificates.h"
#include "config.h"
#include "gateway/method_stats.h"

enum { GMQ__PROXY_SLOTS = 32 }; /* calls that gRPC may hand over before we ask again */

/* One asked for of gRPC; filled in when it comes. */
typedef struct gmq__slot {
    struct gmq_proxy *proxy;
    grpc_call *call;
    grpc_call_details details;
    grpc_metadata_array metadata;
} gmq__slot;

enum { /* events that we post ourselves */
       GMQ__EVENT_WAKE = GMQ_EVENT_USER,
       GMQ__EVENT_ASK, /* its tag is the base */
};

/* What the events of a call carry as their tag. */
typedef enum gmq__sink { GMQ__SINK_CALL, GMQ__SINK_REFLECT } gmq__sink;

struct gmq_proxy {
    atomic_uint refs;  /* the handle and the two threads */
    atomic_uint users; /* of `completions`: the MQTT thread, each slot and call; at 0 it is shut
                          down */

    gmq_queue *user_queue;
    uint64_t user_tag;

    char *url_head, *url_tail; /* what stands before and behind the base topic */
    char *fixed;               /* base in the address, as a topic; NULL = none */
    gmq_options *options;      /* of every client */
    gmq_options *any_kind;     /* of a call whose kind nobody knows */
    gmq_queue *queue;          /* our own: what the clients say */

    bool grpc; /* grpc_init() was called */
    grpc_server *server;
    grpc_completion_queue *completions;
    gmq__slot slots[GMQ__PROXY_SLOTS];
    int32_t *ports;                   /* of each address; 0 = a Unix socket */
    gmq__certificates **certificates; /* of each address; NULL = no TLS */
    size_t port_count;                /* of both */

    atomic_bool stillborn;  /* gmq_proxy_new() failed: nobody is told of the end */
    atomic_bool closing;    /* gmq_proxy_close() was called */
    atomic_llong cancel_at; /* ms of gmq__proxy_now(): open calls are ended; -1 = never */
    atomic_uint_fast64_t open_calls;

    gmq__method_stats methods;

    pthread_mutex_t lock; /* below */
    gmq_stats *left;      /* what the clients counted that are gone */
    gmq_proxy_config *config;
    gmq__bases bases;
};

/* `completions` is used by one more, or one less; any thread. */
void gmq__proxy_use(gmq_proxy *proxy);
void gmq__proxy_release(gmq_proxy *proxy);

/* A LOG event for the program; `level` as of GMQ_EVENT_LOG. */
void gmq__proxy_log(gmq_proxy *proxy, int32_t level, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

int64_t gmq__proxy_now(void); /* monotonic ms */

#endif
