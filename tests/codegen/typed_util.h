/* The generated client and server of demo.v1.Demo in one process: the server on a thread of its
 * own, with the handlers that a test gives it. */
#ifndef GMQ_TEST_TYPED_UTIL_H
#define GMQ_TEST_TYPED_UTIL_H

#include "cmocka_all.h"

#include <pthread.h>

#include "demo.grpc-mqtt.h"

#define ok(expression) assert_int_equal((expression), GMQ_OK)

typedef struct rig {
    char url[96];
    gmq_queue *queue;
    gmq_server *server;
    Demo__V1__Demo_Server *demo;
    gmq_channel *channel;
    pthread_t thread;
    int unknown; /* events that the generated server left alone */
} rig;

extern const char *rig_dialect; /* what the channel speaks; at first "auto" */

void rig_open(rig *r, const Demo__V1__Demo_Handlers *handlers, void *self);
void rig_open_with(rig *r, const char *server_query, const Demo__V1__Demo_Handlers *handlers,
                   void *self);
void rig_stop_serving(rig *r); /* in order: FINISHED comes for every call */
void rig_close(rig *r);        /* stops serving, where that has not been done */

gmq_rpc *rig_rpc(rig *r); /* with a generous deadline */
/* Checks how the call ended, and frees the rpc. */
void rig_expect_code(gmq_rpc *rpc, int32_t code, const char *part_of_details);

Demo__V1__HelloRequest rig_hello(const char *name);

#endif
