/* The in-process broker from the inside. One lock a broker guards all of it and all of its
 * connections; the registry's lock (names and reference counts) is taken alone. Sinks are called on
 * the broker's thread without any lock.
 */
#ifndef GMQ_TRANSPORT_LOOPBACK_BROKER_H
#define GMQ_TRANSPORT_LOOPBACK_BROKER_H

#include "base/heap.h"
#include "base/list.h"
#include "base/map.h"
#include "base/os.h"
#include "base/prng.h"
#include "transport/loopback/loopback.h"
#include "transport/packet.h"

typedef enum gmq__lstate {
    GMQ__L_IDLE,       /* entry: create, LOST, REFUSED, CLOSED; exit: connect() */
    GMQ__L_CONNECTING, /* entry: connect(); exit: the broker's thread answers, close() */
    GMQ__L_CONNECTED, /* entry: accepted by the broker's thread; exit: close(), a cut, 0x8e, 0x95 */
} gmq__lstate;

typedef struct gmq__lconn {
    gmq__transport base;
    gmq__node node; /* in broker->conns while connected */
    gmq__loopback_broker *broker;
    gmq__sink sink;
    char *client_id; /* "" = has none, cannot be taken over */
    gmq__packet *will;
    gmq__lstate state;
    uint32_t epoch; /* counts attempts: events of an older one are dropped */
    gmq__mqtt_limits limits;
    uint32_t inflight; /* QoS 1 publishes whose acknowledgement is still queued */
    gmq__list subs;    /* gmq__lsub.of_conn */
    gmq__list held;    /* gmq__levent.held: to be overtaken */
    size_t refs;       /* the owner's and one an event */
    bool calling;      /* the broker's thread is inside the sink */
    bool dead;         /* destroy() has begun: no sink call starts any more */
    /* Made ahead, so that a change of state never fails for memory. NULL = used. */
    struct gmq__levent *end, *closed;
} gmq__lconn;

/* Everybody subscribed to one filter. Key in broker->exact is the filter; a shared or wildcard one
 * is in broker->patterns. Comes with its first subscription, goes with its last. */
typedef struct gmq__ltopic {
    gmq__node node; /* in broker->patterns, unlinked when in broker->exact */
    char *filter;   /* without $share */
    char *group;    /* NULL = not shared */
    gmq__list subs; /* gmq__lsub.of_topic; of a group the first is the next to be served */
} gmq__ltopic;

typedef struct gmq__lsub {
    gmq__node of_topic, of_conn;
    gmq__ltopic *topic;
    gmq__lconn *conn;
    uint8_t qos;
} gmq__lsub;

typedef enum gmq__lkind { GMQ__L_MESSAGE, GMQ__L_ACK, GMQ__L_STATE, GMQ__L_CONNECT } gmq__lkind;

typedef struct gmq__levent {
    gmq__node node;      /* in broker->ready */
    gmq__node held;      /* in conn->held: overtaken by `overtakers` more deliveries, or due */
    gmq__heap_node when; /* in broker->delayed */
    gmq__lconn *conn;    /* referenced; NULL until queued */
    uint32_t epoch;
    gmq__lkind kind;
    gmq__packet *packet; /* MESSAGE */
    uint8_t qos;
    bool retain;
    uint32_t overtakers;
    uint64_t token; /* ACK */
    bool frees;     /* ACK of QoS 1: gives room */
    int reason;     /* ACK, STATE */
    gmq__tstate state;
    char text[192];
} gmq__levent;

struct gmq__loopback_broker {
    gmq__node node; /* in the registry */
    char *name;
    size_t refs; /* handles and transports; the registry's lock */
    pthread_mutex_t lock;
    pthread_cond_t work, idle; /* for the thread; for destroy() that waits for a sink call to end */
    bool waiting, stop;
    gmq__list conns;
    gmq__map exact;     /* filter without wildcard and group -> gmq__ltopic */
    gmq__list patterns; /* all other gmq__ltopic */
    gmq__map
        retained; /* topic -> gmq__packet; comes with a retained message, goes with an empty one */
    gmq__list ready; /* gmq__levent.node, in order */
    gmq__heap delayed;
    gmq__loopback_faults faults;
    gmq__prng prng;
};

/* ---- broker.c: registry, thread, events. All but new/ref/release want the lock held. ---- */
gmq__levent *gmq__levent_new(gmq__lkind kind);
void gmq__levent_free(gmq__levent *ev); /* NULL is fine */
void gmq__lbroker_post(gmq__loopback_broker *b, gmq__lconn *c,
                       gmq__levent *ev); /* at the end of what is ready */
void gmq__lbroker_bind(
    gmq__lconn *c, gmq__levent *ev); /* gives ev its connection, when it is not posted at once */
void gmq__lbroker_wake(gmq__loopback_broker *b);
void gmq__lconn_unref(gmq__lconn *c);
/* Takes a connection down: no more routing to it, its Will is sent when `will`, `ev` (STATE) is
 * posted. */
void gmq__lconn_drop(gmq__lconn *c, gmq__levent *ev, gmq__tstate state, int reason, const char *why,
                     bool will);

/* ---- routing.c: subscriptions, retained messages, faults. All want the lock held. ---- */
bool gmq__lroute_subscribe(gmq__lconn *c, gmq__span filter, uint8_t qos); /* false = no memory */
bool gmq__lroute_unsubscribe(gmq__lconn *c, gmq__span filter); /* false = was not subscribed */
void gmq__lroute_forget(gmq__lconn *c);                        /* all subscriptions of c */
size_t gmq__lroute_publish(gmq__loopback_broker *b,
                           gmq__packet *packet); /* number of matching subscriptions */
void gmq__lroute_free(gmq__loopback_broker *b);

#endif
