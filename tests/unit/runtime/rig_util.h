/* A client and a server in this process, over a loopback broker of their own, each with its queue.
 */
#ifndef GMQ_TEST_RIG_H
#define GMQ_TEST_RIG_H

#include "cmocka_all.h"

#include <grpc_mqtt/grpc_mqtt.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "transport/loopback/loopback.h"

enum { SERVER_TAG = 1, CLIENT_TAG = 2 };

#define UNARY  "/demo.v1.Demo/SayHello"
#define UPLOAD "/demo.v1.Demo/Collect"
#define STREAM "/demo.v1.Demo/Count"
#define BIDI   "/demo.v1.Demo/Chat"

typedef struct rig {
    char broker[64];
    gmq_method_map *map;
    gmq_queue *server_queue, *client_queue;
    gmq_server *server;
    gmq_client *client;
} rig;

/* What both ends speak unless a query says it; NULL: auto. */
extern const char *rig_dialect;

/* Each query is "" or "?key=value&...". */
void rig_open(rig *r, const char *server_query, const char *client_query);
void rig_open_client(rig *r, const char *query); /* a broker and a client; nobody serves */
void rig_open_server(rig *r, const char *query);
void rig_close(rig *r); /* orderly; takes events until CLOSED; NULLs are fine */
/* By mosquitto_test.c: a real broker on 127.0.0.1:GMQ_TEST_PORT, by way of GMQ_TEST_TRANSPORT. */
bool rig_outside(void);
void rig_url(const rig *r, const char *query, char url[256]);
gmq_method_map *rig_map(void);

/* The next event; fails the test when there is none for 20 s. LOG and STATE events are skipped by
 * rig_expect(), which fails on any other type than `type`. */
gmq_event *rig_next(gmq_queue *queue);
gmq_event *rig_expect(gmq_queue *queue, int32_t type);
void rig_skip(gmq_queue *queue, int32_t type); /* rig_expect() and free */
/* Of a stream whose server sends none: there is an event in the session dialect alone. */
void rig_skip_initial(gmq_queue *queue);
void rig_until_state(gmq_queue *queue, int32_t state);
void rig_expect_message(gmq_queue *queue, const char *text);
void rig_expect_finished(gmq_queue *queue, uint64_t tag, int32_t code, const char *part_of_details);
void rig_expect_nothing(gmq_queue *queue); /* but for states and lines of the log */

gmq_call *rig_start(rig *r, const char *path, gmq_rpc_kind kind, uint64_t tag); /* no deadline */
gmq_call *rig_accept(rig *r, const char *path,
                     uint64_t tag); /* the next CALL of the server, with a tag and credit */

/* The CALL event at the server; with drive=caller both queues want to be polled for it. The client
 * has no event. */
gmq_event *rig_pumped_call(rig *r);

#define ok(expression) assert_int_equal((expression), GMQ_OK)

#endif
