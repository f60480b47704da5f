/* Records what a peer publishes, and makes packets by hand as a peer of another make would. */
#ifndef GMQ_TESTS_SIM_RECORD_H
#define GMQ_TESTS_SIM_RECORD_H

#include "engine/sim.h"
#include "wire/response.h"
#include "wire/topic.h"

#define RECORDS 4096

typedef struct record {
    gmq__topic_kind kind;
    char sid[64];
    gmq__bytes payload; /* of the PUBLISH */
    gmq__bytes message; /* of the packet in it, when it is one */
    uint32_t position, npackets;
    long long i; /* -1: without */
    int64_t at;
} record;

typedef struct recorder {
    record records[RECORDS];
    size_t n;
    bool swallow; /* the broker does not pass them on */
} recorder;

/* The recorder that sim_record() below fills; one a program. */
extern recorder recorded;
bool sim_record(sim_peer *peer, const gmq__mqtt_message *message);
void sim_record_clear(void);
size_t sim_record_count(gmq__topic_kind kind);
const record *sim_record_nth(gmq__topic_kind kind,
                             size_t nth); /* fails the test when there is none */
bool sim_record_has_control(int control);

/* A Request of the reference in one packet, injected as `i` (-1: without). */
void sim_request(sim_peer *server, const char *sid, const char *method, const char *message,
                 int64_t timeout_s, gmq__rpc_options options, int64_t i);
void sim_packet(sim_peer *server, const char *sid, const char *method, gmq__span payload,
                uint32_t position, uint32_t npackets, int64_t i);
void sim_control(sim_peer *server, const char *sid, int control);
/* Status of a recorded WrappedResponse; -1: it is none. */
int32_t sim_status(const record *r);

#endif
