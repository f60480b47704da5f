/*
 * The same unary calls over gRPC itself, on the C core: what the gateway forwards to, and what it
 * is compared with.
 *
 *   bench_grpc server HOST:PORT                                          echoes every method;
 * prints "ready" bench_grpc client HOST:PORT [--payload N] [--count N] [--inflight N]  prints a
 * line of JSON
 */
#include "bench_util.h"

#include <grpc/byte_buffer.h>
#include <grpc/grpc.h>
#include <grpc/grpc_security.h>
#include <grpc/slice.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BENCH_PATH   "/demo.v1.Demo/SayHello"
#define SERVER_CALLS 256 /* waited for at a time */

static void start_batch(grpc_call *call, const grpc_op *ops, size_t count, void *tag)
{
    if (grpc_call_start_batch(call, ops, count, tag, NULL) != GRPC_CALL_OK)
        bench_die("grpc_call_start_batch", "refused");
}

static grpc_event next_event(grpc_completion_queue *queue)
{
    grpc_event event = grpc_completion_queue_next(queue, gpr_inf_future(GPR_CLOCK_MONOTONIC), NULL);
    if (event.type != GRPC_OP_COMPLETE)
        bench_die("grpc_completion_queue_next", "shut down");
    return event;
}

/* A call at the server: WAITING for a client, READING its request, ANSWERING it; then it waits
 * again. */
typedef struct server_call {
    enum { WAITING, READING, ANSWERING } state;
    grpc_call *call;
    grpc_call_details details;
    grpc_metadata_array metadata;
    grpc_byte_buffer *message;
    int cancelled;
} server_call;

typedef struct server {
    grpc_server *server;
    grpc_completion_queue *queue;
} server;

static void server_wait(server *s, server_call *c)
{
    memset(c, 0, sizeof *c);
    grpc_call_details_init(&c->details);
    grpc_metadata_array_init(&c->metadata);
    if (grpc_server_request_call(s->server, &c->call, &c->details, &c->metadata, s->queue, s->queue,
                                 c) != GRPC_CALL_OK)
        bench_die("grpc_server_request_call", "refused");
}

static void server_read(server_call *c)
{
    grpc_op op = {.op = GRPC_OP_RECV_MESSAGE, .data.recv_message.recv_message = &c->message};
    c->state = READING;
    start_batch(c->call, &op, 1, c);
}

static void server_answer(server_call *c)
{
    grpc_op ops[4] = {
        {.op = GRPC_OP_SEND_INITIAL_METADATA},
        {.op = GRPC_OP_SEND_STATUS_FROM_SERVER},
        {.op = GRPC_OP_RECV_CLOSE_ON_SERVER, .data.recv_close_on_server.cancelled = &c->cancelled},
        {.op = GRPC_OP_SEND_MESSAGE, .data.send_message.send_message = c->message}};
    c->state = ANSWERING;
    start_batch(c->call, ops, c->message ? 4 : 3, c);
}

static void server_done(server *s, server_call *c)
{
    grpc_byte_buffer_destroy(c->message);
    grpc_call_details_destroy(&c->details);
    grpc_metadata_array_destroy(&c->metadata);
    grpc_call_unref(c->call);
    server_wait(s, c);
}

static void server_event(server *s, const grpc_event *event)
{
    server_call *c = event->tag;
    if (c->state == ANSWERING)
        server_done(s, c);
    else if (!event->success)
        bench_die("server", "shut down");
    else if (c->state == READING)
        server_answer(c);
    else
        server_read(c);
}

_Noreturn static void serve(const char *address)
{
    static server_call calls[SERVER_CALLS];
    server s = {grpc_server_create(NULL, NULL), grpc_completion_queue_create_for_next(NULL)};
    grpc_server_register_completion_queue(s.server, s.queue, NULL);
    grpc_server_credentials *credentials = grpc_insecure_server_credentials_create();
    if (!grpc_server_add_http2_port(s.server, address, credentials))
        bench_die(address, "cannot listen there");
    grpc_server_credentials_release(credentials);
    grpc_server_start(s.server);
    for (size_t i = 0; i < SERVER_CALLS; i++)
        server_wait(&s, &calls[i]);
    puts("ready");
    fflush(stdout);
    for (;;) { /* until a signal ends it */
        grpc_event event = next_event(s.queue);
        server_event(&s, &event);
    }
}

typedef struct client_call {
    grpc_call *call;
    grpc_metadata_array initial, trailing;
    grpc_byte_buffer *request; /* a copy each: sending empties it */
    grpc_byte_buffer *reply;
    grpc_status_code status;
    grpc_slice details;
    uint64_t start_ns;
} client_call;

typedef struct client {
    grpc_channel *channel;
    grpc_completion_queue *queue;
    grpc_byte_buffer *request;
    bench_run run;
} client;

static void start_call(client *c, client_call *call)
{
    if (!bench_run_more(&c->run))
        return;
    memset(call, 0, sizeof *call);
    call->start_ns = bench_now_ns();
    call->request = grpc_byte_buffer_copy(c->request);
    grpc_metadata_array_init(&call->initial);
    grpc_metadata_array_init(&call->trailing);
    grpc_op ops[6] = {
        {.op = GRPC_OP_SEND_INITIAL_METADATA},
        {.op = GRPC_OP_SEND_MESSAGE, .data.send_message.send_message = call->request},
        {.op = GRPC_OP_SEND_CLOSE_FROM_CLIENT},
        {.op = GRPC_OP_RECV_INITIAL_METADATA,
         .data.recv_initial_metadata.recv_initial_metadata = &call->initial},
        {.op = GRPC_OP_RECV_MESSAGE, .data.recv_message.recv_message = &call->reply},
        {.op = GRPC_OP_RECV_STATUS_ON_CLIENT,
         .data.recv_status_on_client = {&call->trailing, &call->status, &call->details, NULL}}};
    gpr_timespec deadline =
        gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC), gpr_time_from_seconds(60, GPR_TIMESPAN));
    call->call =
        grpc_channel_create_call(c->channel, NULL, 0, c->queue,
                                 grpc_slice_from_static_string(BENCH_PATH), NULL, deadline, NULL);
    start_batch(call->call, ops, 6, call);
}

static void call_finished(client *c, client_call *call)
{
    if (call->status != GRPC_STATUS_OK)
        bench_die("call", grpc_slice_to_c_string(call->details));
    if (!call->reply || grpc_byte_buffer_length(call->reply) != c->run.payload)
        bench_die("reply", "has another size than the request");
    bench_run_add(&c->run, call->start_ns);
    grpc_byte_buffer_destroy(call->request);
    grpc_byte_buffer_destroy(call->reply);
    grpc_metadata_array_destroy(&call->initial);
    grpc_metadata_array_destroy(&call->trailing);
    grpc_slice_unref(call->details);
    grpc_call_unref(call->call);
    start_call(c, call);
}

static int run_client(const char *address, int argc, char **argv)
{
    client c = {.queue = grpc_completion_queue_create_for_next(NULL)};
    bench_run_init(&c.run, argc, argv, 3);
    grpc_channel_credentials *credentials = grpc_insecure_credentials_create();
    c.channel = grpc_channel_create(address, credentials, NULL);
    grpc_channel_credentials_release(credentials);
    grpc_slice payload = grpc_slice_malloc(c.run.payload);
    memset(GRPC_SLICE_START_PTR(payload), 0, c.run.payload);
    c.request = grpc_raw_byte_buffer_create(&payload, 1);
    client_call *calls = calloc(c.run.inflight, sizeof *calls);
    if (!calls)
        bench_die("client", "out of memory");
    for (size_t i = 0; i < c.run.inflight; i++)
        start_call(&c, &calls[i]);
    while (!bench_run_over(&c.run)) {
        grpc_event event = next_event(c.queue);
        call_finished(&c, event.tag);
    }
    bench_run_print(&c.run);
    bench_run_free(&c.run);
    free(calls);
    grpc_slice_unref(payload);
    grpc_byte_buffer_destroy(c.request);
    grpc_channel_destroy(c.channel);
    return 0;
}

int main(int argc, char **argv)
{
    grpc_init();
    if (argc == 3 && !strcmp(argv[1], "server"))
        serve(argv[2]);
    if (argc >= 3 && !strcmp(argv[1], "client"))
        return run_client(argv[2], argc, argv);
    bench_die(
        argv[0],
        "usage: server HOST:PORT | client HOST:PORT [--payload N] [--count N] [--inflight N]");
}
