/* The paho transport from the inside.
 *
 * paho has one send thread and one receive thread for all clients of a process and runs all
 * callbacks holding one global mutex. So: a callback only books and calls the sink; clients are
 * made and destroyed by the owner alone; no lock of ours is held while paho is called (paho's lock
 * comes first, ours are leaves). Every attempt to connect has a paho client of its own, because a
 * used one keeps publishes of the old connection and sends them on the new.
 */
#ifndef GMQ_TRANSPORT_PAHO_CLIENT_H
#define GMQ_TRANSPORT_PAHO_CLIENT_H

#include <MQTTAsync.h>

#include "base/os.h"
#include "transport/packet.h"
#include "transport/transport.h"

#define GMQ__PAHO_NOMEM (-99) /* PAHO_MEMORY_ERROR, which its public header lacks */

typedef enum gmq__pstate {
    GMQ__P_IDLE,       /* entry: create, any end; exit: connect() */
    GMQ__P_CONNECTING, /* entry: connect(); exit: paho's answer, close() */
    GMQ__P_DIAGNOSING, /* entry: paho failed without saying why; exit: REFUSED is told, close() */
    GMQ__P_CONNECTED,  /* entry: CONNACK; exit: loss, server's DISCONNECT, close() */
    GMQ__P_CLOSING, /* entry: close() of a connected one; exit: paho has disconnected, or lost the
                       connection */
} gmq__pstate;

/* One request under way in paho, its callbacks' context. Made in blocks and kept until the
 * transport goes. */
typedef struct gmq__pop {
    struct gmq__pclient *client;
    struct gmq__pop *next; /* in client->free_ops */
    uint64_t token;
    size_t bytes;     /* of a publish */
    size_t nfilters;  /* of a subscribe */
    uint32_t attempt; /* its connection */
    bool qos1, qos0;  /* a publish of this kind, counted in `inflight`, `inflight_qos0` */
} gmq__pop;

typedef struct gmq__pblock gmq__pblock;

typedef struct gmq__pclient {
    gmq__transport base;
    gmq__sink sink;
    /* Set by create(), not changed after. */
    char *name; /* "mqtt://host:port", for texts */
    char *uri;  /* paho's words for it */
    char *scheme, *host, *client_id, *username, *password, *ca_file, *cert_file, *key_file;
    gmq__packet *will;
    char *will_topic;
    uint16_t port, keep_alive_s;
    int version, connect_timeout_s;
    bool tls, insecure;
    uint32_t receive_max;

    MQTTAsync handle; /* owner only; NULL = none */

    pthread_mutex_t lock; /* guards what follows */
    pthread_cond_t idle;  /* `calling` has become 0 */
    unsigned calling;     /* threads inside the sink */
    unsigned refs;        /* the owner's and one a diagnosing thread */
    bool dead;            /* destroy() has begun */
    gmq__pstate state;
    uint32_t attempt; /* counts connect() */
    gmq__mqtt_limits limits;
    uint32_t inflight, inflight_qos0;
    size_t inflight_bytes;
    gmq__pop *free_ops;
    gmq__pblock *blocks;
} gmq__pclient;

/* ---- client.c ---- */
void gmq__pclient_enter(gmq__pclient *c, gmq__pstate state); /* the lock is held */
void gmq__pclient_unref(gmq__pclient *c);

/* Queued behind what is to be sent; waits at most so long for acknowledgements. false = is not
 * connected. */
bool gmq__pclient_disconnect(gmq__pclient *c, int timeout_ms);

/* ---- attempt.c: options for paho ---- */
gmq_status gmq__pclient_attempt(gmq__pclient *c); /* makes handle and starts to connect */
void gmq__pclient_keep_alive(gmq__pclient *c,
                             uint16_t seconds); /* the server's; only in connected() */

/* ---- events.c: paho's callbacks of a connection; context is the client ---- */
void gmq__pevent_connected(void *context, MQTTAsync_successData *response);
void gmq__pevent_connected5(void *context, MQTTAsync_successData5 *response);
void gmq__pevent_refused(void *context, MQTTAsync_failureData *response);
void gmq__pevent_refused5(void *context, MQTTAsync_failureData5 *response);
void gmq__pevent_lost(void *context, char *cause);
void gmq__pevent_disconnected(void *context, MQTTProperties *properties,
                              enum MQTTReasonCodes reason);
int gmq__pevent_message(void *context, char *topic, int topic_len, MQTTAsync_message *message);
void gmq__pevent_closed(void *context, MQTTAsync_successData *response);
void gmq__pevent_closed5(void *context, MQTTAsync_successData5 *response);
/* Leaves `from` for IDLE and tells the sink; nothing when in another state. `why` follows the
 * address in the text. */
void gmq__pevent_end(gmq__pclient *c, uint32_t attempt, gmq__pstate from, gmq__tstate told,
                     int reason, const char *why);

/* ---- request.c ---- */
gmq_status gmq__prequest_publish(gmq__transport *t, const gmq__mqtt_message *message,
                                 uint64_t token);
gmq_status gmq__prequest_subscribe(gmq__transport *t, const gmq__span *filters, size_t n,
                                   uint8_t qos, uint64_t token);
gmq_status gmq__prequest_unsubscribe(gmq__transport *t, const gmq__span *filters, size_t n,
                                     uint64_t token);
void gmq__prequest_free_all(gmq__pclient *c);

/* ---- diagnose.c ---- */
/* Finds out on a thread of its own why no connection came about, then tells REFUSED. Takes a
 * reference. */
void gmq__pdiagnose(gmq__pclient *c, uint32_t attempt, const char *fallback);

/* ---- hooks.c ---- */
/* Reason code of the PUBACK that paho handles on this thread right now; 0 where it cannot be known.
 */
int gmq__phook_puback_reason(void);
void gmq__phook_start(void);            /* once, after paho's first client was made */
void gmq__phook_connecting(int change); /* one more, or one less, is connecting */

#endif
