#include "relay.h"

#include <pthread.h>
#include <stdlib.h>

#include "convert.h"

/* Messages taken from MQTT ahead of what gRPC has accepted, so that the next one is at hand when
 * one has left. */
enum { READ_AHEAD = 4 };

enum { ANY_KIND = -2 }; /* of gmq_call_kind(): the client leaves it to us */

enum op {
    OP_SEND,
    OP_INITIAL,
    OP_RECEIVE,
    OP_STATUS,
    OP_COUNT
}; /* at most one batch of each is in flight */

typedef enum relay_state {
    RELAY_NEW,  /* entry: CALL of a kind with one request, which has not come yet. Nothing is in
                   flight */
    RELAY_OPEN, /* entry: the first batches are in flight */
    RELAY_OVER, /* entry: we have ended the MQTT call, or FINISHED came. What completes now is only
                   cleaned up */
} relay_state;

typedef struct op_tag {
    gmq__relay *relay;
    enum op op;
} op_tag;

struct gmq__relay {
    pthread_mutex_t lock; /* all below but `refs` and the wait list; held over calls into both
                             libraries, which never call back */
    atomic_uint refs;     /* the MQTT thread's until FINISHED; one a batch in flight */
    gmq_gateway *gateway;
    gmq_call *mqtt;
    gmq__channel *channel; /* of `grpc` */
    grpc_call *grpc;
    gmq_rpc_kind kind;
    relay_state state;
    op_tag tags[OP_COUNT];

    /* to gRPC */
    gmq__headers headers;
    gmq_buf *outbox[READ_AHEAD]; /* ring */
    unsigned out_first, out_count;
    grpc_byte_buffer *leaving; /* in the batch in flight */
    bool sending;              /* OP_SEND is in flight */
    bool half_closed;          /* by the client */
    bool sent_all;             /* gRPC was told so, or takes no more */

    /* from gRPC */
    grpc_metadata_array initial, trailing;
    bool initial_done;  /* it has come, or never will */
    bool initial_sent;  /* something was sent for it, perhaps an empty map before it came */
    gmq_metadata *late; /* initial metadata that came too late, goes with the trailing one */
    grpc_byte_buffer *received;
    grpc_slice
        held; /* a message that MQTT does not take yet, or the one reply of a kind that has one */
    bool holding;
    bool receive_over; /* no message follows */
    grpc_status_code status;
    grpc_slice details;
    bool status_done;

    int64_t began;  /* of gmq__method_stats_now() */
    int64_t due_ms; /* wait list: when an empty map is sent */
    gmq__relay *next, *previous;
    bool listed;
};

static bool client_streams(const gmq__relay *r)
{
    return (r->kind & GMQ_RPC_CLIENT_STREAMING) != 0;
}
static bool server_streams(const gmq__relay *r)
{
    return (r->kind & GMQ_RPC_SERVER_STREAMING) != 0;
}

/* ---- Life ---- */

static void drop_held(gmq__relay *r)
{
    grpc_slice_unref(r->held);
    r->held = grpc_empty_slice();
    r->holding = false;
}

static void drop_outbox(gmq__relay *r)
{
    while (r->out_count) {
        gmq_buf_unref(r->outbox[r->out_first]);
        r->out_first = (r->out_first + 1) % READ_AHEAD;
        r->out_count--;
    }
}

static void destroy(gmq__relay *r)
{
    gmq_gateway *gateway = r->gateway;
    drop_held(r);
    drop_outbox(r);
    if (r->leaving)
        grpc_byte_buffer_destroy(r->leaving);
    if (r->received)
        grpc_byte_buffer_destroy(r->received);
    gmq__headers_clear(&r->headers);
    gmq_metadata_free(r->late);
    grpc_metadata_array_destroy(&r->initial);
    grpc_metadata_array_destroy(&r->trailing);
    grpc_slice_unref(r->details);
    if (r->grpc)
        grpc_call_unref(r->grpc);
    gmq__channel_unref(r->channel);
    gmq_call_unref(r->mqtt);
    pthread_mutex_destroy(&r->lock);
    free(r);
    gmq__gateway_release(gateway);
}

static void unlock_unref(gmq__relay *r, bool unref)
{
    pthread_mutex_unlock(&r->lock);
    if (unref && atomic_fetch_sub(&r->refs, 1) == 1)
        destroy(r);
}

static void go_over(gmq__relay *r)
{
    r->state = RELAY_OVER;
    drop_outbox(r);
    drop_held(r);
    if (!r->status_done)
        grpc_call_cancel(r->grpc, NULL);
}

/* Ends the MQTT call with a status of our own and the gRPC call by cancelling it. */
static void fail(gmq__relay *r, int32_t code, const char *details)
{
    if (r->state == RELAY_OVER)
        return;
    if (gmq_call_finish(r->mqtt, code, details, NULL) == GMQ_E_NOMEM)
        gmq_call_cancel(r->mqtt);
    go_over(r);
}

static void fail_nomem(gmq__relay *r)
{
    fail(r, GMQ_CODE_RESOURCE_EXHAUSTED, "the gateway is out of memory");
}

/* ---- Batches ---- */

typedef struct batch {
    grpc_op ops[5];
    size_t count;
} batch;

static grpc_op *batch_add(batch *b, grpc_op_type type)
{
    grpc_op *op = &b->ops[b->count++];
    op->op = type;
    return op;
}

static void add_headers(batch *b, gmq__relay *r)
{
    grpc_op *op = batch_add(b, GRPC_OP_SEND_INITIAL_METADATA);
    op->data.send_initial_metadata.metadata = r->headers.pairs;
    op->data.send_initial_metadata.count = r->headers.count;
}

static void add_message(batch *b, gmq__relay *r, gmq_buf *message, uint32_t flags)
{
    grpc_op *op = batch_add(b, GRPC_OP_SEND_MESSAGE);
    r->leaving = gmq__byte_buffer_make(message);
    op->data.send_message.send_message = r->leaving;
    op->flags = flags;
}

static void add_initial(batch *b, gmq__relay *r)
{
    batch_add(b, GRPC_OP_RECV_INITIAL_METADATA)->data.recv_initial_metadata.recv_initial_metadata =
        &r->initial;
}

static void add_receive(batch *b, gmq__relay *r)
{
    batch_add(b, GRPC_OP_RECV_MESSAGE)->data.recv_message.recv_message = &r->received;
}

static void begin(gmq__relay *r, enum op op, const batch *b)
{
    atomic_fetch_add(&r->refs, 1);
    if (grpc_call_start_batch(r->grpc, b->ops, b->count, &r->tags[op], NULL) == GRPC_CALL_OK)
        return;
    atomic_fetch_sub(&r->refs, 1); /* never the last: the caller has one */
    fail(r, GMQ_CODE_INTERNAL, "gRPC refused an operation of the call");
}

static void begin_receive(gmq__relay *r)
{
    batch b = {0};
    add_receive(&b, r);
    begin(r, OP_RECEIVE, &b);
}

static void begin_status(gmq__relay *r)
{
    batch b = {0};
    grpc_op *op = batch_add(&b, GRPC_OP_RECV_STATUS_ON_CLIENT);
    op->data.recv_status_on_client.trailing_metadata = &r->trailing;
    op->data.recv_status_on_client.status = &r->status;
    op->data.recv_status_on_client.status_details = &r->details;
    begin(r, OP_STATUS, &b);
}

/* First batches of a kind with one request, which is `message`. A unary call waits for its first
 * completion until there is something to tell: fewer hops. */
static void start_with(gmq__relay *r, gmq_buf *message)
{
    batch send = {0}, receive = {0};
    batch *first = server_streams(r) ? &send : &receive;
    r->state = RELAY_OPEN;
    r->sent_all = true;
    add_headers(first, r);
    add_message(first, r, message, 0);
    batch_add(first, GRPC_OP_SEND_CLOSE_FROM_CLIENT);
    add_initial(&receive, r);
    if (server_streams(r)) {
        r->sending = true;
        begin(r, OP_SEND, &send);
        begin(r, OP_INITIAL, &receive);
    } else {
        add_receive(&receive, r);
        begin(r, OP_RECEIVE, &receive);
    }
    begin_status(r);
}

/* First batches of a kind whose requests follow. Client streaming: initial metadata travels with
 * the reply, so both are waited for at once. */
static void start_stream(gmq__relay *r)
{
    batch send = {0}, receive = {0};
    r->state = RELAY_OPEN;
    r->sending = true;
    add_headers(&send, r);
    begin(r, OP_SEND, &send);
    add_initial(&receive, r);
    if (server_streams(r)) {
        begin(r, OP_INITIAL, &receive);
    } else {
        add_receive(&receive, r);
        begin(r, OP_RECEIVE, &receive);
    }
    begin_status(r);
}

/* Gives gRPC the next message, if it is ready for one. The last one and the half-close go together
 * when both are known. */
static void pump_send(gmq__relay *r)
{
    batch b = {0};
    if (r->state != RELAY_OPEN || r->sending || r->sent_all)
        return;
    if (r->out_count) {
        gmq_buf *message = r->outbox[r->out_first];
        r->out_first = (r->out_first + 1) % READ_AHEAD;
        r->out_count--;
        add_message(&b, r, message,
                    r->out_count ? GRPC_WRITE_BUFFER_HINT
                                 : 0); /* hint: another one follows at once */
        gmq_buf_unref(message);
    }
    if (r->half_closed && r->out_count == 0) {
        batch_add(&b, GRPC_OP_SEND_CLOSE_FROM_CLIENT);
        r->sent_all = true;
    }
    if (b.count) {
        r->sending = true;
        begin(r, OP_SEND, &b);
    }
}

/* ---- To MQTT ---- */

/* Hands the held message over. false = MQTT does not take it now (WRITABLE follows), or the call is
 * over. */
static bool deliver(gmq__relay *r)
{
    gmq_status status =
        gmq_call_send(r->mqtt, GRPC_SLICE_START_PTR(r->held), GRPC_SLICE_LENGTH(r->held));
    if (status == GMQ_E_AGAIN)
        return false;
    drop_held(r);
    if (status == GMQ_OK)
        return true;
    if (status == GMQ_E_NOMEM)
        fail_nomem(r);
    else if (status != GMQ_E_CLOSED) /* closed: FINISHED is on its way */
        fail(r, status == GMQ_E_TOO_LARGE ? GMQ_CODE_RESOURCE_EXHAUSTED : GMQ_CODE_INTERNAL,
             gmq_error_text());
    return false;
}

static void finish_with(gmq__relay *r, const gmq_metadata *trailing)
{
    int32_t code = r->status >= 0 && (int)r->status <= GMQ_CODE_UNAUTHENTICATED ? (int32_t)r->status
                                                                                : GMQ_CODE_UNKNOWN;
    char *details = gmq__slice_text(r->details);
    gmq_status status = gmq_call_finish(r->mqtt, code, details, trailing);
    free(details);
    if (status == GMQ_OK || status == GMQ_E_CLOSED || status == GMQ_E_STATE)
        go_over(r);
    else
        fail(r, GMQ_CODE_RESOURCE_EXHAUSTED, gmq_error_text());
}

/* Passes on how the call ended, once all that came before it has been. */
static void maybe_finish(gmq__relay *r)
{
    if (r->state != RELAY_OPEN || !r->status_done || !r->receive_over)
        return;
    if (r->holding && !server_streams(r) && r->status != GRPC_STATUS_OK)
        drop_held(r); /* a reply without OK is none */
    if (r->holding && !deliver(r))
        return;
    gmq_metadata *trailing = r->late;
    r->late = NULL;
    if (gmq__metadata_append(&trailing, &r->trailing))
        finish_with(r, trailing);
    else
        fail_nomem(r);
    gmq_metadata_free(trailing);
}

static void send_initial(gmq__relay *r, const gmq_metadata *metadata)
{
    gmq_status status =
        gmq_call_send_initial_metadata(r->mqtt, metadata ? metadata : r->gateway->no_metadata);
    r->initial_sent = true;
    if (status == GMQ_E_NOMEM)
        fail_nomem(r);
    else if (status != GMQ_OK && status != GMQ_E_CLOSED)
        fail(r, GMQ_CODE_RESOURCE_EXHAUSTED, gmq_error_text());
}

static void take_initial(gmq__relay *r)
{
    gmq_metadata *metadata = NULL;
    r->initial_done = true;
    if (!gmq__metadata_append(&metadata, &r->initial)) {
        gmq_metadata_free(metadata);
        fail_nomem(r);
    } else if (r->initial_sent) {
        r->late = metadata;
    } else {
        if (metadata || server_streams(r)) /* of a single response, an empty map is part anyway */
            send_initial(r, metadata);
        gmq_metadata_free(metadata);
    }
}

static void take_message(gmq__relay *r, grpc_byte_buffer *message)
{
    if (r->holding) { /* only where one reply is allowed: streams receive the next one when this one
                         has gone */
        grpc_byte_buffer_destroy(message);
        fail(r, GMQ_CODE_INTERNAL,
             "the gRPC server sent more than one message where one is allowed");
        return;
    }
    r->held = gmq__byte_buffer_take(message);
    r->holding = true;
    if (!server_streams(r) || deliver(r))
        begin_receive(r);
}

/* ---- Completions ---- */

static void sent(gmq__relay *r, bool success)
{
    r->sending = false;
    if (r->leaving) {
        grpc_byte_buffer_destroy(r->leaving);
        r->leaving = NULL;
        if (client_streams(r) && r->state == RELAY_OPEN)
            gmq_call_read(r->mqtt, 1);
    }
    if (success) {
        pump_send(r);
    } else { /* the gRPC call is over, its status comes */
        r->sent_all = true;
        drop_outbox(r);
    }
}

static void received(gmq__relay *r)
{
    grpc_byte_buffer *message = r->received;
    r->received = NULL;
    if (r->state == RELAY_OPEN && !r->initial_done)
        take_initial(r);
    if (r->state == RELAY_OPEN && message) {
        take_message(r, message);
        return;
    }
    if (message)
        grpc_byte_buffer_destroy(message);
    r->receive_over = true;
}

static void initial_came(gmq__relay *r)
{
    if (r->state == RELAY_OPEN)
        take_initial(r);
    if (r->state == RELAY_OPEN)
        begin_receive(r);
}

void gmq__relay_completed(void *tag, bool success)
{
    const op_tag *op = tag;
    gmq__relay *r = op->relay;
    pthread_mutex_lock(&r->lock);
    switch (op->op) {
    case OP_SEND:
        sent(r, success);
        break;
    case OP_INITIAL:
        initial_came(r);
        break;
    case OP_RECEIVE:
        received(r);
        break;
    case OP_STATUS:
    case OP_COUNT:
        r->status_done = true;
        break;
    }
    maybe_finish(r);
    unlock_unref(r, true);
}

/* ---- Wait for initial metadata (MQTT thread) ---- */

static int64_t now_ms(void)
{
    gpr_timespec now = gpr_now(GPR_CLOCK_MONOTONIC);
    return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void wait_list_add(gmq__relay *r)
{
    gmq_gateway *g = r->gateway;
    r->due_ms = now_ms() + g->initial_wait_ms;
    r->previous = g->waiting_last;
    *(g->waiting_last ? &g->waiting_last->next : &g->waiting_first) = r;
    g->waiting_last = r;
    r->listed = true;
}

static void wait_list_remove(gmq__relay *r)
{
    gmq_gateway *g = r->gateway;
    if (!r->listed)
        return;
    *(r->previous ? &r->previous->next : &g->waiting_first) = r->next;
    *(r->next ? &r->next->previous : &g->waiting_last) = r->previous;
    r->next = r->previous = NULL;
    r->listed = false;
}

int64_t gmq__relay_wait(gmq_gateway *gateway)
{
    gmq__relay *r = gateway->waiting_first;
    int64_t now = r ? now_ms() : 0;
    for (; r && r->due_ms <= now; r = gateway->waiting_first) {
        wait_list_remove(r);
        pthread_mutex_lock(&r->lock);
        if (r->state == RELAY_OPEN && !r->initial_sent)
            send_initial(r, NULL);
        unlock_unref(r, false);
    }
    return r ? r->due_ms - now : -1;
}

/* ---- From MQTT ---- */

static gpr_timespec deadline_of(const gmq_call *call)
{
    int64_t left_ms = gmq_call_time_remaining_ms(call);
    if (left_ms < 0)
        return gpr_inf_future(GPR_CLOCK_MONOTONIC);
    return gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC), gpr_time_from_millis(left_ms, GPR_TIMESPAN));
}

/* false = there is no target. */
static bool open_grpc(gmq__relay *r)
{
    const char *path = gmq_call_path(r->mqtt);
    gmq__channel *channel = gmq__targets_find(&r->gateway->targets, path);
    if (!channel)
        return false;
    r->channel = gmq__channel_ref(channel);
    grpc_slice method = grpc_slice_from_copied_string(path);
    r->grpc =
        grpc_channel_create_call(channel->grpc, NULL, GRPC_PROPAGATE_DEFAULTS,
                                 r->gateway->completions, method, NULL, deadline_of(r->mqtt), NULL);
    grpc_slice_unref(method);
    return r->grpc != NULL;
}

static void init_fields(gmq__relay *r, gmq_gateway *gateway, gmq_call *call)
{
    pthread_mutex_init(&r->lock, NULL);
    atomic_init(&r->refs, 1);
    r->gateway = gateway;
    r->mqtt = call;
    r->began = gmq__method_stats_now();
    r->kind = (gmq_rpc_kind)gmq_call_kind(call);
    r->held = r->details = grpc_empty_slice();
    grpc_metadata_array_init(&r->initial);
    grpc_metadata_array_init(&r->trailing);
    for (int op = 0; op < OP_COUNT; op++)
        r->tags[op] = (op_tag){r, (enum op)op};
    gmq__gateway_use(gateway);
}

static gmq__relay *relay_make(gmq_gateway *gateway, gmq_call *call, const gmq_metadata *metadata)
{
    gmq__relay *r = calloc(1, sizeof *r);
    if (!r)
        return NULL;
    init_fields(r, gateway, call);
    if (!gmq__headers_make(&r->headers, metadata) || !open_grpc(r)) {
        r->mqtt = NULL; /* stays the caller's */
        destroy(r);
        return NULL;
    }
    return r;
}

/* `*known`: there is a target, and something says of what kind the call is. */
static gmq__relay *relay_of(gmq_gateway *gateway, gmq_call *call, const gmq_metadata *metadata,
                            bool *known)
{
    pthread_mutex_lock(&gateway->targets_lock);
    *known = gmq_call_kind(call) >= 0 && gmq__targets_find(&gateway->targets, gmq_call_path(call));
    gmq__relay *r = *known ? relay_make(gateway, call, metadata) : NULL;
    pthread_mutex_unlock(&gateway->targets_lock);
    return r;
}

void gmq__relay_start(gmq_gateway *gateway, gmq_event *event)
{
    gmq_call *call = gmq_event_take_call(event);
    bool any = gmq_call_kind(call) == ANY_KIND; /* to gRPC all kinds are alike */
    if (any)
        gmq_call_resolve(call, GMQ_RPC_BIDI_STREAMING);
    bool known = false;
    gmq__relay *r = relay_of(gateway, call, gmq_event_metadata(event), &known);
    if (!known) {
        /* offered, and there is no target, or nothing says of what kind it is */
        gmq_call_finish(call, GMQ_CODE_UNIMPLEMENTED, NULL, NULL);
        gmq_call_unref(call);
        return;
    }
    if (!r) {
        gmq_call_finish(call, GMQ_CODE_RESOURCE_EXHAUSTED, "the gateway is out of memory", NULL);
        gmq_call_unref(call);
        return;
    }
    gmq_call_set_tag(call, (uint64_t)(uintptr_t)r);
    pthread_mutex_lock(&r->lock);
    if (client_streams(r))
        start_stream(r);
    gmq_call_read(call, client_streams(r) ? READ_AHEAD : 1);
    pthread_mutex_unlock(&r->lock);
    if (r->kind == GMQ_RPC_BIDI_STREAMING && !any) /* such a client waits for nothing */
        wait_list_add(r);
}

void gmq__relay_message(gmq__relay *r, gmq_buf *message)
{
    pthread_mutex_lock(&r->lock);
    if (r->state == RELAY_NEW) {
        start_with(r, message);
    } else if (r->state == RELAY_OPEN && r->sent_all) {
        gmq_call_read(r->mqtt,
                      1); /* gRPC takes no more: read on, so that the client can come to its end */
    } else if (r->state == RELAY_OPEN && r->out_count < READ_AHEAD) {
        r->outbox[(r->out_first + r->out_count++) % READ_AHEAD] = gmq_buf_ref(message);
        pump_send(r);
    }
    pthread_mutex_unlock(&r->lock);
}

void gmq__relay_half_closed(gmq__relay *r)
{
    pthread_mutex_lock(&r->lock);
    r->half_closed = true;
    if (r->state == RELAY_NEW)
        fail(r, GMQ_CODE_INTERNAL, "the request has no message");
    pump_send(r);
    pthread_mutex_unlock(&r->lock);
}

void gmq__relay_writable(gmq__relay *r)
{
    pthread_mutex_lock(&r->lock);
    if (r->state == RELAY_OPEN && r->holding && server_streams(r) && deliver(r))
        begin_receive(r);
    maybe_finish(r);
    pthread_mutex_unlock(&r->lock);
}

void gmq__relay_finished(gmq__relay *r, int32_t code)
{
    gmq__method_stats_count(&r->gateway->methods, gmq_call_path(r->mqtt), code, r->began);
    wait_list_remove(r);
    pthread_mutex_lock(&r->lock);
    if (r->state != RELAY_OVER)
        go_over(r);
    unlock_unref(r, true);
}
