/* A transport under test with a sink that writes everything down, and waiting for it. */
#ifndef TESTS_TRANSPORT_UTIL_H
#define TESTS_TRANSPORT_UTIL_H

#include <pthread.h>

#include "base/list.h"
#include "transport/packet.h"
#include "transport/transport.h"

typedef struct peer_ack {
    uint64_t token;
    int reason;
} peer_ack;

typedef struct peer_state {
    gmq__tstate state;
    gmq__mqtt_limits limits;
    int reason;
    char text[512];
} peer_state;

typedef struct peer {
    gmq__transport *t;
    pthread_mutex_t lock;
    pthread_cond_t news;
    gmq__packet **messages;
    size_t nmessages;
    peer_ack *acks;
    size_t nacks;
    peer_state *states;
    size_t nstates, states_read;
    size_t calls; /* of the sink, all kinds */
} peer;

gmq_status peer_try_open(peer *p, const gmq__transport_vtable *vtable,
                         const gmq__transport_config *config);
void peer_open(peer *p, const gmq__transport_vtable *vtable, const gmq__transport_config *config);
void peer_connect(peer *p);                 /* and waits for CONNECTED */
const peer_state *peer_next_state(peer *p); /* waits for the next one not yet read */
int peer_ack_of(peer *p, uint64_t token);   /* waits; the reason */
void peer_wait_messages(peer *p, size_t n); /* waits until there are at least n */
void peer_close(peer *p);                   /* waits for CLOSED */
void peer_destroy(peer *p);                 /* and frees what was written down */

/* With tokens that are theirs alone; they wait for the answer. */
int peer_subscribe(peer *p, const char *filter, uint8_t qos);
int peer_publish(peer *p, const char *topic, const char *payload, uint8_t qos);

gmq__mqtt_message text_message(const char *topic, const char *payload, uint8_t qos);
bool message_is(const gmq__packet *packet, const char *topic, const char *payload);

#endif
