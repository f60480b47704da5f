/* A transport moves opaque MQTT messages for one connection. Three implementations, one contract.
 *
 * Threads: the functions below are called by one thread at a time (the owner: the runtime). The
 * sink's functions are called on any thread of the transport, or inside step(); never while a call
 * of the owner into the transport holds a lock, and they must not call back into the transport.
 * After destroy() has returned the sink is not called again.
 */
#ifndef GMQ_TRANSPORT_TRANSPORT_H
#define GMQ_TRANSPORT_TRANSPORT_H

#include "base/buf.h"
#include "base/mqtt.h"

typedef enum gmq__tstate {
    GMQ__T_CONNECTED, /* limits say what the broker allows */
    GMQ__T_LOST,      /* was connected */
    GMQ__T_REFUSED,   /* an attempt failed: no route, TLS, CONNACK */
    GMQ__T_CLOSED,    /* answer to close(): disconnected in order */
} gmq__tstate;

typedef struct gmq__tstate_info {
    gmq__tstate state;
    gmq__mqtt_limits limits; /* CONNECTED */
    int reason; /* MQTT reason code when the broker gave one, else GMQ__MQTT_UNSPECIFIED */
    const char
        *text; /* LOST, REFUSED: one line for people, with host and port and the system's words */
} gmq__tstate_info;

typedef struct gmq__sink {
    void *ctx;
    /* payload: borrowed, take a reference; NULL (inside step() only): the bytes are lent. */
    void (*message)(void *ctx, const gmq__mqtt_message *message, gmq_buf *payload);
    void (*acked)(void *ctx, uint64_t token,
                  int reason); /* of publish, subscribe, unsubscribe; not after LOST */
    void (*state)(void *ctx, const gmq__tstate_info *info);
} gmq__sink;

typedef struct gmq__transport_config {
    const char *scheme; /* "mqtt", "mqtts", "ws", "wss", "loopback" */
    const char *host;   /* loopback: the broker's name */
    uint16_t port;
    const char *path;                           /* ws: "/mqtt" */
    const char *client_id;                      /* "" = let us make one */
    int mqtt_version;                           /* 5 or 4 (= 3.1.1) */
    const char *username, *password;            /* NULL = none; never logged */
    const char *ca_file, *cert_file, *key_file; /* NULL = none */
    bool insecure;                              /* TLS without checking the peer */
    uint16_t keep_alive_s;
    int64_t connect_timeout_ms;
    /* Will: will.topic.len == 0 = none */
    gmq__mqtt_message will;
    uint32_t receive_max; /* what we announce; 0 = not sent */
    uint64_t seed;        /* loopback faults, client id */
} gmq__transport_config;  /* strings are borrowed during create() only */

typedef struct gmq__transport gmq__transport;

typedef struct gmq__tio {
    int fd;         /* -1: none just now */
    unsigned want;  /* GMQ__OS_READ, GMQ__OS_WRITE */
    uint32_t epoch; /* changes with the descriptor, also where the number is the same again */
} gmq__tio;

typedef struct gmq__transport_vtable {
    const char *name;
    bool prompt; /* nothing here ever waits, so that a thread of the user's may do it all */
    gmq_status (*create)(gmq__transport **out, const gmq__transport_config *config,
                         const gmq__sink *sink);
    /* One attempt, asynchronous: answered by CONNECTED or REFUSED. Reconnecting is the runtime's
     * (backoff). Files are read anew. */
    gmq_status (*connect)(gmq__transport *t);
    /* token 0: nobody wants the answer. GMQ_E_AGAIN: no room now (acked frees it). GMQ_E_TOO_LARGE:
     * above the broker's packet_max, nothing sent. GMQ_E_CLOSED: not connected. */
    gmq_status (*publish)(gmq__transport *t, const gmq__mqtt_message *message, uint64_t token);
    gmq_status (*subscribe)(gmq__transport *t, const gmq__span *filters, size_t n, uint8_t qos,
                            uint64_t token);
    gmq_status (*unsubscribe)(gmq__transport *t, const gmq__span *filters, size_t n,
                              uint64_t token);
    /* Disconnect in order: CLOSED follows, also when not connected (then possibly inside this very
     * call, without a lock). What was accepted for publishing leaves first. */
    void (*close)(gmq__transport *t);
    /* At once, in any state; never blocks for the network. Whether the Will of a connected one is
     * sent is not promised (loopback: yes; paho: no, it says DISCONNECT). */
    void (*destroy)(gmq__transport *t);
    /* Descriptor-driven transports (mosquitto); both NULL where the transport has threads of its
     * own or needs none. io(): what to wait for before the next step(). step(): takes in what has
     * come where `ready` (GMQ__OS_READ, GMQ__OS_WRITE) is not 0; with 0 it sends what was accepted
     * and does what is due. Returns when it wants to be called with nothing ready (ns, INT64_MAX =
     * never). Neither blocks. */
    void (*io)(const gmq__transport *t, gmq__tio *out);
    int64_t (*step)(gmq__transport *t, int64_t now, unsigned ready);
} gmq__transport_vtable;

struct gmq__transport {
    const gmq__transport_vtable *vtable; /* first member of every implementation */
};

extern const gmq__transport_vtable gmq__loopback_transport;
extern const gmq__transport_vtable gmq__paho_transport;
extern const gmq__transport_vtable gmq__mosquitto_transport; /* where libmosquitto was found */

const gmq__transport_vtable *
gmq__transport_find(const char *name);  /* by its vtable's name; NULL = not built in */
const char *gmq__transport_names(void); /* those built in, "paho, loopback" */

#endif
