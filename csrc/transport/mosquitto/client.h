/* The mosquitto transport from the inside: libmosquitto without a thread of its own.
 *
 * Everything but errand.c runs on the owner's thread, so that there is no lock. libmosquitto only
 * queues what it is given (mosquitto_threaded_set) and calls back inside mosquitto_loop_*, that is
 * inside step(). Every attempt has a libmosquitto client of its own, because a used one sends
 * unanswered publishes of the old connection on the new one and keeps its Receive Maximum.
 *
 * What may block (names, files of TLS, finding out why TLS failed) is an errand on a thread; then
 * libmosquitto is given a numeric address, so that its connect does not block. */
#ifndef GMQ_TRANSPORT_MOSQUITTO_CLIENT_H
#define GMQ_TRANSPORT_MOSQUITTO_CLIENT_H

#include <mosquitto.h>

#include "base/list.h"
#include "base/os.h"
#include "transport/mosquitto/errand.h"
#include "transport/packet.h"
#include "transport/transport.h"

typedef enum gmq__mstate {
    GMQ__M_IDLE,       /* entry: create, any end; exit: connect() */
    GMQ__M_PREPARING,  /* entry: connect(); exit: the errand's answer, time, close() */
    GMQ__M_REACHING,   /* entry: TCP to an address begins; exit: it is up, none is left, time */
    GMQ__M_GREETING,   /* entry: TCP is up; exit: CONNACK, loss, time */
    GMQ__M_DIAGNOSING, /* entry: TLS failed; exit: the errand's answer, close() */
    GMQ__M_CONNECTED,  /* entry: CONNACK; exit: loss, server's DISCONNECT, close() */
    GMQ__M_CLOSING,    /* entry: close() of a connected one; exit: DISCONNECT is written, or the
                          connection is gone */
} gmq__mstate;

typedef enum gmq__mkind {
    GMQ__M_PUBLISH0,
    GMQ__M_PUBLISH1,
    GMQ__M_SUBSCRIBE,
    GMQ__M_UNSUBSCRIBE,
} gmq__mkind;

typedef struct gmq__mop { /* a request that libmosquitto has not answered; in client->ops */
    gmq__node node;
    uint64_t token;
    size_t bytes; /* of a publish */
    int mid;
    gmq__mkind kind;
} gmq__mop;

typedef struct gmq__mclient {
    gmq__transport base;
    gmq__sink sink;
    /* Set by create(), not changed after. */
    char *name; /* "mqtt://host:port", for texts */
    char *host, *client_id, *username, *password, *ca_file, *cert_file, *key_file;
    gmq__packet *will;
    char *will_topic;
    gmq__target target; /* of the above */
    int version;        /* libmosquitto's number */
    uint16_t keep_alive_s;
    uint32_t receive_max;
    int64_t connect_timeout_ms;

    gmq__mstate state;
    int64_t deadline;         /* of states before CONNECTED and of CLOSING: the end of patience */
    int64_t address_deadline; /* REACHING: of the one address */
    struct mosquitto *handle; /* NULL = none */
    gmq__errand *errand;      /* PREPARING, DIAGNOSING */
    gmq__addresses addresses; /* REACHING: those left begin at next_address */
    size_t next_address;
    gmq__why why;   /* the last address' failure */
    uint32_t epoch; /* counts descriptors */

    gmq__mqtt_limits limits;
    gmq__list ops; /* oldest first: answers come nearly in this order */
    uint32_t inflight, inflight_qos0;
    size_t inflight_bytes;
    unsigned unsent;    /* packets of ours queued since the last write, at least */
    unsigned acks;      /* PUBACKs queued since then */
    int64_t acks_since; /* the first of them */
    bool holds_acks;    /* they have been followed by company lately */
    int64_t acks_alone; /* when they last left without */
    bool blocked;       /* the kernel takes no more just now */
    bool ack_owed;      /* something was read, nothing written since */
    bool disconnects;   /* CLOSING: DISCONNECT is queued */
    int64_t last_in, last_out, last_misc;
} gmq__mclient;

/* ---- client.c ---- */
/* Leaves for IDLE and tells the sink. `why` follows the address in the text. libmosquitto's client
 * stays until gmq__mclient_sweep(), since this may run in one of its callbacks. */
void gmq__mclient_end(gmq__mclient *c, gmq__tstate told, int reason, const char *why);
void gmq__mclient_end_reason(gmq__mclient *c, gmq__tstate told, int reason);
void gmq__mclient_sweep(gmq__mclient *c); /* IDLE: drops what the connection had */

/* ---- attempt.c ---- */
gmq_status gmq__mattempt_begin(gmq__mclient *c);
void gmq__mattempt_step(gmq__mclient *c, int64_t now, unsigned ready);
bool gmq__mattempt_in_tls(const gmq__mclient *c); /* the handshake goes on */

/* ---- step.c ---- */
void gmq__mstep_io(const gmq__transport *t, gmq__tio *out);
int64_t gmq__mstep(gmq__transport *t, int64_t now, unsigned ready);
int gmq__mstep_read(gmq__mclient *c);  /* all that is there, within reason; libmosquitto's code */
int gmq__mstep_write(gmq__mclient *c); /* likewise */

/* ---- events.c: libmosquitto's callbacks ---- */
void gmq__mevent_set_all(gmq__mclient *c);
void gmq__mevent_answer(gmq__mclient *c, int mid, int reason); /* of a request; unknown: nothing */

/* ---- request.c ---- */
gmq_status gmq__mrequest_publish(gmq__transport *t, const gmq__mqtt_message *message,
                                 uint64_t token);
gmq_status gmq__mrequest_subscribe(gmq__transport *t, const gmq__span *filters, size_t n,
                                   uint8_t qos, uint64_t token);
gmq_status gmq__mrequest_unsubscribe(gmq__transport *t, const gmq__span *filters, size_t n,
                                     uint64_t token);
void gmq__mrequest_remove(gmq__mclient *c, gmq__mop *op); /* and frees it */

#endif
