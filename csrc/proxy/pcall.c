#include "pcall.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/convert.h"
#include "reflect.h"

/* Messages taken from MQTT ahead of what gRPC has accepted, so that the next one is at hand when
 * one has left. */
enum { READ_AHEAD = 4 };

enum op { OP_CLOSE, OP_RECEIVE, OP_SEND, OP_COUNT }; /* at most one batch of each is in flight */

typedef enum pcall_state {
    PCALL_NEW,     /* entry: gRPC has handed the call over */
    PCALL_ASKING,  /* entry: the kind of its method is not known, and is asked for */
    PCALL_READING, /* entry: a kind with one request, which is being received */
    PCALL_OPEN,    /* entry: the MQTT call is started */
    PCALL_ENDED,   /* entry: its status is known; what is left flows to gRPC, the status last */
    PCALL_OVER     /* entry: the status has left, or the client is gone. What completes now is only
                      cleaned up */
} pcall_state;

typedef struct op_tag {
    gmq__pcall *call;
    enum op op;
} op_tag;

struct gmq__pcall {
    gmq__sink sink;       /* first: what the tag of events points to */
    pthread_mutex_t lock; /* all below but `refs` and the waiting list; held over calls into both
                             libraries, which never call back */
    atomic_uint refs;     /* one a batch in flight, the MQTT call's until FINISHED, the list's */
    gmq_proxy *proxy;
    gmq__base *base; /* NULL = none was found */
    grpc_call *grpc;
    gmq_call *mqtt; /* NULL = not started */
    pcall_state state;
    op_tag tags[OP_COUNT];

    int64_t began; /* of gmq__method_stats_now() */
    bool counted;  /* its end was */
    char *path;
    int kind; /* a gmq_rpc_kind, -1 = not known yet */
    bool any; /* nobody knows it: the call goes as bidi, and the server's holds */
    gmq_metadata *metadata;
    gpr_timespec deadline;

    /* from gRPC */
    grpc_byte_buffer *received;
    grpc_slice held; /* a message that MQTT does not take yet */
    bool holding;

    /* to gRPC */
    gmq__headers initial, trailing;
    bool initial_known;         /* it has come, and is worth a batch of its own */
    bool initial_sent;          /* it is in a batch */
    gmq_buf *inbox[READ_AHEAD]; /* ring */
    unsigned in_first, in_count;
    grpc_byte_buffer *leaving; /* in the batch in flight */
    bool sending;              /* OP_SEND is in flight */
    bool mqtt_over;            /* FINISHED has come */
    grpc_status_code code;     /* from PCALL_ENDED on, as the following */
    grpc_slice details;
    bool status_sent; /* it is in a batch */
    int cancelled;    /* of OP_CLOSE; nobody reads it: what is to be done is the same */

    gmq__pcall *next, **back; /* waiting list of the base, under the proxy's lock */
};

static bool client_streams(const gmq__pcall *c)
{
    return (c->kind & GMQ_RPC_CLIENT_STREAMING) != 0;
}
static bool server_streams(const gmq__pcall *c)
{
    return (c->kind & GMQ_RPC_SERVER_STREAMING) != 0;
}

/* ---- Life ---- */

static void drop_held(gmq__pcall *c)
{
    grpc_slice_unref(c->held);
    c->held = grpc_empty_slice();
    c->holding = false;
}

static void drop_inbox(gmq__pcall *c)
{
    while (c->in_count) {
        gmq_buf_unref(c->inbox[c->in_first]);
        c->in_first = (c->in_first + 1) % READ_AHEAD;
        c->in_count--;
    }
}

static void destroy(gmq__pcall *c)
{
    gmq_proxy *proxy = c->proxy;
    drop_held(c);
    drop_inbox(c);
    if (c->received)
        grpc_byte_buffer_destroy(c->received);
    if (c->leaving)
        grpc_byte_buffer_destroy(c->leaving);
    gmq__headers_clear(&c->initial);
    gmq__headers_clear(&c->trailing);
    grpc_slice_unref(c->details);
    gmq_metadata_free(c->metadata);
    free(c->path);
    grpc_call_unref(c->grpc);
    gmq_call_unref(c->mqtt);
    if (c->base)
        gmq__base_release(c->base);
    pthread_mutex_destroy(&c->lock);
    free(c);
    atomic_fetch_sub(&proxy->open_calls, 1);
    gmq__proxy_release(proxy);
}

static void unlock_unref(gmq__pcall *c, bool unref)
{
    pthread_mutex_unlock(&c->lock);
    if (unref && atomic_fetch_sub(&c->refs, 1) == 1)
        destroy(c);
}

static int64_t time_left_ms(const gmq__pcall *c);

/* A method whose call reached no server may be any text. */
static void count_end(gmq__pcall *c, int32_t code)
{
    if (!c->counted)
        gmq__method_stats_count(&c->proxy->methods, c->mqtt ? c->path : NULL, code, c->began);
    c->counted = true;
}

/* The gRPC client hears no more. */
static void go_over(gmq__pcall *c)
{
    count_end(c, time_left_ms(c) == 0 ? GMQ_CODE_DEADLINE_EXCEEDED : GMQ_CODE_CANCELLED);
    c->state = PCALL_OVER;
    drop_held(c);
    drop_inbox(c);
    if (c->mqtt && !c->mqtt_over)
        gmq_call_cancel(c->mqtt);
}

/* ---- To gRPC ---- */

static grpc_op *batch_add(grpc_op *ops, size_t *count, grpc_op_type type)
{
    grpc_op *op = &ops[(*count)++];
    op->op = type;
    return op;
}

static bool begin(gmq__pcall *c, enum op op, const grpc_op *ops, size_t count)
{
    atomic_fetch_add(&c->refs, 1);
    if (grpc_call_start_batch(c->grpc, ops, count, &c->tags[op], NULL) == GRPC_CALL_OK)
        return true;
    atomic_fetch_sub(&c->refs, 1); /* never the last: the caller has one */
    grpc_call_cancel(c->grpc, NULL);
    go_over(c);
    return false;
}

static void add_initial(gmq__pcall *c, grpc_op *ops, size_t *count)
{
    grpc_op *op = batch_add(ops, count, GRPC_OP_SEND_INITIAL_METADATA);
    op->data.send_initial_metadata.metadata = c->initial.pairs;
    op->data.send_initial_metadata.count = c->initial.count;
    c->initial_sent = true;
}

static void add_message(gmq__pcall *c, grpc_op *ops, size_t *count)
{
    gmq_buf *message = c->inbox[c->in_first];
    c->in_first = (c->in_first + 1) % READ_AHEAD;
    c->in_count--;
    grpc_op *op = batch_add(ops, count, GRPC_OP_SEND_MESSAGE);
    c->leaving = gmq__byte_buffer_make(message);
    op->data.send_message.send_message = c->leaving;
    op->flags = c->in_count ? GRPC_WRITE_BUFFER_HINT : 0; /* hint: another one follows at once */
    gmq_buf_unref(message);
}

static void add_status(gmq__pcall *c, grpc_op *ops, size_t *count)
{
    grpc_op *op = batch_add(ops, count, GRPC_OP_SEND_STATUS_FROM_SERVER);
    op->data.send_status_from_server.trailing_metadata = c->trailing.pairs;
    op->data.send_status_from_server.trailing_metadata_count = c->trailing.count;
    op->data.send_status_from_server.status = c->code;
    op->data.send_status_from_server.status_details =
        GRPC_SLICE_LENGTH(c->details) ? &c->details : NULL;
    c->status_sent = true;
}

/* Gives gRPC what is there for it, if it is ready: initial metadata, one message, and the status
 * behind the last one, as much of it at once as there is. */
static void pump(gmq__pcall *c)
{
    grpc_op ops[3] = {0};
    size_t count = 0;
    bool ended = c->state == PCALL_ENDED;
    if (c->sending || c->status_sent || (c->state != PCALL_OPEN && !ended))
        return;
    bool message = c->in_count && (ended || server_streams(c));
    if (!c->initial_sent && (c->initial_known || message || ended))
        add_initial(c, ops, &count);
    if (message)
        add_message(c, ops, &count);
    if (ended && !c->in_count)
        add_status(c, ops, &count);
    if (count)
        c->sending = begin(c, OP_SEND, ops, count);
}

/* The call's status, of MQTT or of our own. */
static void end(gmq__pcall *c, int32_t code, const char *details)
{
    if (c->state >= PCALL_ENDED)
        return;
    c->state = PCALL_ENDED;
    c->code = (grpc_status_code)code;
    count_end(c, code);
    c->details = grpc_slice_from_copied_string(details);
    drop_held(c);
    if (code != GMQ_CODE_OK && !server_streams(c))
        drop_inbox(c); /* a reply without OK is none */
    pump(c);
}

/* Ends the call with a status of our own. */
static void fail(gmq__pcall *c, int32_t code, const char *details)
{
    if (c->mqtt && !c->mqtt_over && c->state == PCALL_OPEN)
        gmq_call_cancel(c->mqtt);
    end(c, code, details);
}

static void fail_nomem(gmq__pcall *c)
{
    fail(c, GMQ_CODE_RESOURCE_EXHAUSTED, "the proxy is out of memory");
}

static void fail_status(gmq__pcall *c, gmq_status status)
{
    switch (status) {
    case GMQ_E_INVALID: /* of the path */
        fail(c, GMQ_CODE_UNIMPLEMENTED, gmq_error_text());
        break;
    case GMQ_E_TOO_LARGE:
    case GMQ_E_NOMEM:
        fail(c, GMQ_CODE_RESOURCE_EXHAUSTED, gmq_error_text());
        break;
    case GMQ_E_CLOSED:
        fail(c, GMQ_CODE_UNAVAILABLE, gmq_error_text());
        break;
    default:
        fail(c, GMQ_CODE_INTERNAL, gmq_error_text());
        break;
    }
}

/* ---- To MQTT ---- */

static void begin_receive(gmq__pcall *c)
{
    grpc_op ops[1] = {0};
    size_t count = 0;
    batch_add(ops, &count, GRPC_OP_RECV_MESSAGE)->data.recv_message.recv_message = &c->received;
    begin(c, OP_RECEIVE, ops, count);
}

/* -1 = no deadline. */
static int64_t time_left_ms(const gmq__pcall *c)
{
    gpr_timespec now = gpr_now(GPR_CLOCK_MONOTONIC);
    gpr_timespec deadline = gpr_convert_clock_type(c->deadline, GPR_CLOCK_MONOTONIC);
    if (gpr_time_cmp(deadline, gpr_inf_future(GPR_CLOCK_MONOTONIC)) == 0)
        return -1;
    gpr_timespec left = gpr_time_sub(deadline, now);
    int64_t ms = left.tv_sec * 1000 + (left.tv_nsec + 999999) / 1000000;
    return left.tv_sec < 0 || ms < 0 ? 0 : ms;
}

/* With its one request, or, of a kind whose requests follow, without. */
static void start_mqtt(gmq__pcall *c, const grpc_slice *request)
{
    gmq_client *client = c->base->client;
    uint64_t tag = (uint64_t)(uintptr_t)&c->sink;
    gmq_rpc_kind kind = (gmq_rpc_kind)c->kind;
    uint32_t credit = server_streams(c) ? READ_AHEAD : 1;
    atomic_fetch_add(&c->refs, 1);
    gmq_status status =
        request ? gmq_call_start_with(&c->mqtt, client, c->path, kind, c->metadata, time_left_ms(c),
                                      NULL, tag, GRPC_SLICE_START_PTR(*request),
                                      GRPC_SLICE_LENGTH(*request), credit)
                : gmq_call_start(&c->mqtt, client, c->path, kind, c->metadata, time_left_ms(c),
                                 c->any ? c->proxy->any_kind : NULL, tag);
    if (status != GMQ_OK) {
        atomic_fetch_sub(&c->refs, 1); /* never the last */
        fail_status(c, status);
        return;
    }
    c->state = PCALL_OPEN;
    if (request)
        return;
    gmq_call_read(c->mqtt, credit); /* an error: it is over, FINISHED comes */
    begin_receive(c);
}

/* Begins to carry the call, whose kind is known. */
static void carry(gmq__pcall *c)
{
    if (client_streams(c)) {
        start_mqtt(c, NULL);
    } else {
        c->state = PCALL_READING;
        begin_receive(c);
    }
}

/* Hands the held message over. false = MQTT does not take it now (WRITABLE follows), or the call is
 * over. */
static bool deliver(gmq__pcall *c)
{
    gmq_status status =
        gmq_call_send(c->mqtt, GRPC_SLICE_START_PTR(c->held), GRPC_SLICE_LENGTH(c->held));
    if (status == GMQ_E_AGAIN)
        return false;
    drop_held(c);
    if (status != GMQ_OK && status != GMQ_E_CLOSED) /* closed: FINISHED is on its way */
        fail_status(c, status);
    return status == GMQ_OK;
}

static void take_message(gmq__pcall *c, grpc_byte_buffer *message)
{
    c->held = gmq__byte_buffer_take(message);
    c->holding = true;
    if (c->state == PCALL_READING) {
        grpc_slice request = grpc_slice_ref(c->held);
        drop_held(c);
        start_mqtt(c, &request);
        grpc_slice_unref(request);
    } else if (deliver(c)) {
        begin_receive(c);
    }
}

/* No message follows: the client has half-closed, or has gone, which must not look like it. */
static void take_end(gmq__pcall *c)
{
    if (grpc_call_failed_before_recv_message(c->grpc))
        return; /* OP_CLOSE tells */
    if (c->state == PCALL_READING)
        fail(c, GMQ_CODE_INTERNAL, "the request has no message");
    else
        gmq_call_half_close(c->mqtt);
}

/* ---- Completions ---- */

static void list_remove(gmq__pcall *c);

static void closed(gmq__pcall *c)
{
    bool waited = c->state == PCALL_ASKING;
    go_over(c);
    if (waited)
        list_remove(c);
}

static void received(gmq__pcall *c)
{
    grpc_byte_buffer *message = c->received;
    c->received = NULL;
    if (c->state != PCALL_READING && c->state != PCALL_OPEN) {
        if (message)
            grpc_byte_buffer_destroy(message);
    } else if (message) {
        take_message(c, message);
    } else {
        take_end(c);
    }
}

static void sent(gmq__pcall *c, bool success)
{
    c->sending = false;
    if (c->leaving) {
        grpc_byte_buffer_destroy(c->leaving);
        c->leaving = NULL;
        if (c->state == PCALL_OPEN && server_streams(c))
            gmq_call_read(c->mqtt, 1);
    }
    if (c->status_sent || !success) /* not: the client is gone, OP_CLOSE tells */
        go_over(c);
    pump(c);
}

void gmq__pcall_completed(void *tag, bool success)
{
    const op_tag *op = tag;
    gmq__pcall *c = op->call;
    pthread_mutex_lock(&c->lock);
    switch (op->op) {
    case OP_CLOSE:
        closed(c);
        break;
    case OP_RECEIVE:
        received(c);
        break;
    case OP_SEND:
    case OP_COUNT:
        sent(c, success);
        break;
    }
    unlock_unref(c, true);
}

/* ---- Events of the MQTT call ---- */

static void on_initial(gmq__pcall *c, const gmq_event *event)
{
    if (c->state != PCALL_OPEN)
        return;
    if (!gmq__headers_make(&c->initial, gmq_event_metadata(event))) {
        fail_nomem(c);
        return;
    }
    c->initial_known = c->kind != GMQ_RPC_UNARY; /* a unary call's leaves with its reply */
    pump(c);
}

static void on_message(gmq__pcall *c, const gmq_event *event)
{
    if (c->state != PCALL_OPEN || c->in_count == READ_AHEAD)
        return;
    c->inbox[(c->in_first + c->in_count++) % READ_AHEAD] = gmq_buf_ref(gmq_event_message(event));
    pump(c);
}

static void on_writable(gmq__pcall *c)
{
    if (c->state == PCALL_OPEN && c->holding && deliver(c))
        begin_receive(c);
}

/* `answer` is what the server said, or the session dialect, which cannot carry a call of a kind
 * that nobody knows. */
static void end_unknown(gmq__pcall *c, int32_t code, const char *answer)
{
    char text[1024];
    snprintf(text, sizeof text, "%s: the proxy does not know this method%s%s (%s)", c->path,
             c->base->reflects ? "" : ": ", c->base->reflects ? "" : gmq__reflect_hint, answer);
    end(c, code, text);
}

static void on_finished(gmq__pcall *c, const gmq_event *event)
{
    c->mqtt_over = true;
    if (c->state >= PCALL_ENDED)
        return;
    if (c->any && gmq_event_code(event) == GMQ_CODE_UNIMPLEMENTED) {
        end_unknown(c, GMQ_CODE_UNIMPLEMENTED, gmq_event_text(event));
        return;
    }
    if (gmq__headers_make(&c->trailing, gmq_event_metadata(event)))
        end(c, gmq_event_code(event), gmq_event_text(event));
    else
        fail_nomem(c);
}

void gmq__pcall_event(gmq__sink *sink, gmq_event *event)
{
    gmq__pcall *c = (gmq__pcall *)sink;
    bool last = gmq_event_type_of(event) == GMQ_EVENT_FINISHED;
    pthread_mutex_lock(&c->lock);
    switch (gmq_event_type_of(event)) {
    case GMQ_EVENT_INITIAL_METADATA:
        on_initial(c, event);
        break;
    case GMQ_EVENT_MESSAGE:
        on_message(c, event);
        break;
    case GMQ_EVENT_WRITABLE:
        on_writable(c);
        break;
    case GMQ_EVENT_FINISHED:
        on_finished(c, event);
        break;
    default:
        break;
    }
    unlock_unref(c, last);
}

/* ---- Kinds that have to be asked for ---- */

static void list_remove(gmq__pcall *c)
{
    bool was = false;
    pthread_mutex_lock(&c->proxy->lock);
    if (c->back) {
        *c->back = c->next;
        if (c->next)
            c->next->back = c->back;
        c->back = NULL;
        was = true;
    }
    pthread_mutex_unlock(&c->proxy->lock);
    if (was)
        atomic_fetch_sub(&c->refs, 1); /* never the last: a completion has one */
}

/* With the proxy's lock. */
static void list_add(gmq__pcall *c)
{
    gmq__base *base = c->base;
    atomic_fetch_add(&c->refs, 1);
    c->next = base->waiting;
    c->back = &base->waiting;
    if (c->next)
        c->next->back = &c->next;
    base->waiting = c;
}

/* The link dialect has the server say the kind. */
static void carry_any(gmq__pcall *c)
{
    c->any = true;
    c->kind = GMQ_RPC_BIDI_STREAMING;
    carry(c);
}

/* Waits for the server's word, or does without where it has given it already. */
static void ask(gmq__pcall *c)
{
    gmq_proxy *proxy = c->proxy;
    bool first = false, wait = false;
    pthread_mutex_lock(&proxy->lock);
    if (!c->base->asking && gmq__reflect_due(c->base))
        first = c->base->asking = true;
    wait = c->base->asking;
    if (wait)
        list_add(c);
    pthread_mutex_unlock(&proxy->lock);
    if (!wait) {
        carry_any(c);
        return;
    }
    c->state = PCALL_ASKING;
    if (first && gmq__reflect_start(c->base) != GMQ_OK) {
        list_remove(c);
        fail_status(c, GMQ_E_CLOSED);
    }
}

static void end_unasked(gmq__pcall *c, int32_t code, const char *why)
{
    char text[1024];
    snprintf(text, sizeof text, "%s (the proxy asked by reflection of what kind %s is)", why,
             c->path);
    end(c, code, text);
}

static void resume(gmq__pcall *c, int32_t code, const char *why)
{
    pthread_mutex_lock(&c->lock);
    if (c->state == PCALL_ASKING) {
        c->state = PCALL_NEW;
        c->kind = gmq__kind_of(c->base, c->path);
        if (c->kind >= 0)
            carry(c);
        else if (code == GMQ_CODE_OK)
            carry_any(c);
        else
            end_unasked(c, code, why);
    }
    unlock_unref(c, true);
}

void gmq__pcall_resume(gmq__base *base, int32_t code, const char *why)
{
    gmq_proxy *proxy = base->proxy;
    pthread_mutex_lock(&proxy->lock);
    gmq__pcall *list = base->waiting;
    base->waiting = NULL;
    for (gmq__pcall *c = list; c; c = c->next)
        c->back = NULL; /* the list's reference is ours now */
    pthread_mutex_unlock(&proxy->lock);
    for (gmq__pcall *next; list; list = next) {
        next = list->next;
        resume(list, code, why);
    }
}

/* ---- Start ---- */

static char *text_of(grpc_slice slice) { return gmq__slice_text(slice); }

/* The first value of our own key; NULL = none (or no memory). free() it. */
static char *asked_base(const grpc_metadata_array *metadata)
{
    for (size_t i = 0; i < metadata->count; i++)
        if (grpc_slice_str_cmp(metadata->metadata[i].key, "grpc-mqtt-base") == 0)
            return text_of(metadata->metadata[i].value);
    return NULL;
}

static gmq__route route(gmq_proxy *proxy, const gmq__slot *slot, char *base)
{
    char *asked = asked_base(&slot->metadata), *authority = text_of(slot->details.host);
    pthread_mutex_lock(&proxy->lock);
    gmq__route found = gmq__proxy_route(proxy->config, asked, authority, proxy->fixed, base);
    pthread_mutex_unlock(&proxy->lock);
    free(asked);
    free(authority);
    return found;
}

/* Finds the base; false = the call has been ended. */
static bool find_base(gmq__pcall *c, const gmq__slot *slot)
{
    char base[GMQ__BASE_MAX] = "", text[GMQ__BASE_MAX + 256];
    int32_t code = GMQ_CODE_OK;
    switch (route(c->proxy, slot, base)) {
    case GMQ__ROUTE_TO:
        c->base = gmq__base_acquire(c->proxy, base, &code, text, sizeof text);
        if (!c->base)
            fail(c, code, text);
        return c->base != NULL;
    case GMQ__ROUTE_REFUSED:
        snprintf(text, sizeof text, "the proxy does not allow calls to base topic %s", base);
        fail(c, GMQ_CODE_PERMISSION_DENIED, text);
        return false;
    case GMQ__ROUTE_BAD:
        fail(c, GMQ_CODE_INVALID_ARGUMENT,
             "the metadata grpc-mqtt-base or the authority names no base topic");
        return false;
    case GMQ__ROUTE_NONE:
        break;
    }
    fail(c, GMQ_CODE_INVALID_ARGUMENT,
         "which base topic? Say it in the metadata grpc-mqtt-base, or call an authority that the "
         "proxy has a pattern for");
    return false;
}

static void set_up(gmq__pcall *c, gmq_proxy *proxy, gmq__slot *slot)
{
    c->sink = GMQ__SINK_CALL;
    pthread_mutex_init(&c->lock, NULL);
    atomic_init(&c->refs, 1);
    c->proxy = proxy;
    c->grpc = slot->call;
    c->began = gmq__method_stats_now();
    c->kind = -1;
    c->held = c->details = grpc_empty_slice();
    c->deadline = slot->details.deadline;
    for (int op = 0; op < OP_COUNT; op++)
        c->tags[op] = (op_tag){c, (enum op)op};
    gmq__proxy_use(proxy);
}

static void begin_close(gmq__pcall *c)
{
    grpc_op ops[1] = {0};
    size_t count = 0;
    batch_add(ops, &count, GRPC_OP_RECV_CLOSE_ON_SERVER)->data.recv_close_on_server.cancelled =
        &c->cancelled;
    begin(c, OP_CLOSE, ops, count);
}

static void start(gmq__pcall *c, gmq__slot *slot, bool room)
{
    c->path = text_of(slot->details.method);
    if (!c->path || !gmq__metadata_append(&c->metadata, &slot->metadata)) {
        fail_nomem(c);
    } else if (!room) {
        fail(c, GMQ_CODE_RESOURCE_EXHAUSTED, "the proxy has as many calls open as it may have");
    } else if (find_base(c, slot)) {
        c->kind = gmq__kind_of(c->base, c->path);
        if (c->kind < 0)
            ask(c);
        else
            carry(c);
    }
}

void gmq__pcall_accept(gmq_proxy *proxy, gmq__slot *slot)
{
    pthread_mutex_lock(&proxy->lock);
    uint64_t most = (uint64_t)proxy->config->max_calls;
    pthread_mutex_unlock(&proxy->lock);
    bool room = atomic_fetch_add(&proxy->open_calls, 1) < most;
    gmq__pcall *c = calloc(1, sizeof *c);
    if (!c) {
        atomic_fetch_sub(&proxy->open_calls, 1);
        grpc_call_cancel_with_status(slot->call, GRPC_STATUS_RESOURCE_EXHAUSTED,
                                     "the proxy is out of memory", NULL);
        grpc_call_unref(slot->call);
        return;
    }
    set_up(c, proxy, slot);
    pthread_mutex_lock(&c->lock);
    begin_close(c);
    if (c->state == PCALL_NEW)
        start(c, slot, room);
    unlock_unref(c, true);
}
