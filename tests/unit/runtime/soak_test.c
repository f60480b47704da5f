/* Thousands of mixed calls through the public API, over a broker that doubles and reorders what it
 * delivers: every result is checked to the byte, no handler runs twice, and memory is flat. */
#include "unit/runtime/rig_util.h"

#include <poll.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/prng.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { CALLS = 1500, SANITIZED = 1 };
#else
enum { CALLS = 10000, SANITIZED = 0 };
#endif
enum { AT_ONCE_WARM = 400, AT_ONCE = 64, LIMIT = 1000, LARGEST = 9000, PATIENCE_MS = 60000 };

#define CLIENT_QUERY                                                                               \
    "?dialect=session&msg_size_limit=1000&linger_ms=1&send_buffer=4000&pool_idle_ms=100"
#define SERVER_QUERY                                                                               \
    "?dialect=session&msg_size_limit=1000&linger_ms=1&send_buffer=4000&tombstone_ms=300"

/* What becomes of a call. */
typedef enum fate {
    FINE,
    CANCELLED_AT_ONCE,
    CANCELLED_SENDING,
    CANCELLED_READING,
    LATE, /* its handler does not answer; it has a deadline */
    FATES
} fate;

typedef struct soak_call {
    gmq_rpc_kind kind;
    fate fate;
    uint32_t n;       /* messages of the side that streams */
    uint32_t credit;  /* given at a time */
    gmq_call *client; /* until its FINISHED */
    uint32_t sent, received;
    bool half_closed, finished;
    gmq_call *server;
    uint32_t taken, replied;
    bool ran, input_over, answered, server_finished;
} soak_call;

static soak_call calls[CALLS];
static rig r;
static uint32_t started, over;
static uint32_t outcomes[17];

/* ---- Memory ---- */

/* Blocks, not bytes: tables double and halve with what they hold, one block either way. */
static _Atomic int64_t live;

static void *counting_realloc(void *old, size_t size)
{
    void *p = realloc(old, size);
    if (p && !old)
        atomic_fetch_add(&live, 1);
    return p;
}

static void counting_free(void *p)
{
    if (p)
        atomic_fetch_sub(&live, 1);
    free(p);
}

static const gmq__mem_hooks hooks = {counting_realloc, counting_free};

/* Waits until no more than `most` blocks are in use: tombstones and spare topics go by themselves.
 */
static int64_t settle(int64_t most)
{
    for (int tries = 0; tries < PATIENCE_MS / 10 && atomic_load(&live) > most; tries++)
        poll(NULL, 0, 10);
    return atomic_load(&live);
}

/* What is in use when it has stopped shrinking. */
static int64_t settled(void)
{
    int64_t least = atomic_load(&live);
    for (int quiet = 0; quiet < 100; quiet++) {
        poll(NULL, 0, 10);
        int64_t now = atomic_load(&live);
        if (now < least)
            quiet = 0;
        least = now < least ? now : least;
    }
    return least;
}

static long resident_pages(void)
{
    long size, resident = 0;
    FILE *f = fopen("/proc/self/statm", "r");
    assert_non_null(f);
    assert_int_equal(fscanf(f, "%ld %ld", &size, &resident), 2);
    fclose(f);
    return resident;
}

/* ---- Contents ---- */

static uint64_t mix(uint32_t id, uint32_t number)
{
    gmq__prng p = {(uint64_t)id << 32 | number};
    return gmq__prng_next(&p);
}

static size_t size_of(uint32_t id, uint32_t number)
{
    uint64_t x = mix(id, number);
    switch (x % 8) {
    case 0:
        return 0;
    case 1:
    case 2:
        return LIMIT - 60 + x / 8 % 80; /* around what fits into one packet */
    case 3:
        return x / 8 % LARGEST;
    default:
        return x / 8 % 200;
    }
}

static size_t fill(uint8_t *out, uint32_t id, uint32_t number)
{
    size_t size = size_of(id, number);
    uint8_t seed = (uint8_t)mix(number, id);
    for (size_t at = 0; at < size; at++)
        out[at] = (uint8_t)(seed + at / 5);
    return size;
}

static void check_message(const gmq_event *event, uint32_t id, uint32_t number)
{
    static uint8_t expected[LARGEST];
    size_t size = fill(expected, id, number);
    gmq_buf *message = gmq_event_message(event);
    if (gmq_buf_len(message) != size)
        print_error("call %u, message %u\n", id, number);
    assert_int_equal(gmq_buf_len(message), size);
    assert_memory_equal(gmq_buf_data(message), expected, size);
}

/* true: sent; false: not now. A call that is to end early may be over already. */
static bool send_one(gmq_call *call, const soak_call *c, uint32_t id, uint32_t number)
{
    static uint8_t message[LARGEST];
    gmq_status status = gmq_call_send(call, message, fill(message, id, number));
    if (status == GMQ_E_AGAIN || (status == GMQ_E_CLOSED && c->fate != FINE))
        return false;
    if (status != GMQ_OK)
        print_error("call %u: %s\n", id, gmq_error_text());
    ok(status);
    return true;
}

static bool streams(const soak_call *c, gmq_rpc_kind side) { return c->kind & side; }

static uint32_t requests_of(const soak_call *c)
{
    return streams(c, GMQ_RPC_CLIENT_STREAMING) ? c->n : 1;
}

static uint32_t replies_of(const soak_call *c)
{
    return streams(c, GMQ_RPC_SERVER_STREAMING) ? c->n : 1;
}

/* ---- Client ---- */

static void client_sends(soak_call *c, uint32_t id)
{
    while (c->sent < requests_of(c)) {
        if (c->fate == CANCELLED_SENDING && c->sent >= requests_of(c) / 2) {
            gmq_call_cancel(c->client);
            return;
        }
        if (!send_one(c->client, c, id, c->sent))
            return;
        c->sent++;
    }
    if (!c->half_closed) {
        gmq_status status = gmq_call_half_close(c->client);
        assert_true(status == GMQ_OK || c->fate != FINE);
    }
    c->half_closed = true;
}

static void plan(soak_call *c, uint32_t id, gmq_options *options)
{
    uint64_t x = mix(id, UINT32_MAX);
    c->kind = (gmq_rpc_kind)(id % 4);
    c->n = (uint32_t)(x % 12);
    c->fate = x / 16 % 10 < FATES ? (fate)(x / 16 % 10) : FINE;
    c->credit = x / 256 % 2 ? 1 : 1000;
    ok(gmq_options_set_bool(options, "batched_stream", x / 512 % 2));
    ok(gmq_options_set_int(options, "server_clevel", x / 1024 % 2 ? 3 : 0));
    ok(gmq_options_set_int(options, "client_clevel", x / 2048 % 2 ? 1 : 0));
}

static void start(uint32_t id)
{
    static const char *const paths[] = {UNARY, UPLOAD, STREAM, BIDI};
    soak_call *c = &calls[id];
    char text[16];
    gmq_options *options;
    gmq_metadata *md;
    ok(gmq_options_new(&options));
    ok(gmq_metadata_new(&md));
    plan(c, id, options);
    snprintf(text, sizeof text, "%u", id);
    ok(gmq_metadata_add(md, "x-id", text, strlen(text)));
    int64_t timeout_ms = c->fate == LATE ? (int64_t)(1 + id % 100) : -1;
    ok(gmq_call_start(&c->client, r.client, paths[c->kind], c->kind, md, timeout_ms, options, id));
    gmq_status status = gmq_call_read(c->client, c->credit);
    assert_true(status == GMQ_OK || (status == GMQ_E_CLOSED && c->fate == LATE)); /* by now */
    gmq_options_free(options);
    gmq_metadata_free(md);
    if (c->fate == CANCELLED_AT_ONCE)
        gmq_call_cancel(c->client);
    else
        client_sends(c, id);
}

static uint32_t id_in(const gmq_event *event)
{
    const gmq_metadata *md = gmq_event_metadata(event);
    size_t len;
    assert_int_equal(gmq_metadata_count(md), 1);
    assert_string_equal(gmq_metadata_key(md, 0), "x-id");
    return (uint32_t)strtoul(gmq_metadata_value(md, 0, &len), NULL, 10);
}

static void client_finished(soak_call *c, uint32_t id, const gmq_event *event)
{
    int32_t code = gmq_event_code(event);
    assert_false(c->finished);
    if (c->fate == FINE && code != GMQ_CODE_OK)
        print_error("call %u of kind %d: %d %s\n", id, c->kind, code, gmq_event_text(event));
    if (c->fate == FINE)
        assert_int_equal(code, GMQ_CODE_OK);
    else if (c->fate == LATE)
        assert_int_equal(code, GMQ_CODE_DEADLINE_EXCEEDED);
    else
        assert_true(code == GMQ_CODE_CANCELLED || code == GMQ_CODE_OK);
    if (code == GMQ_CODE_OK) {
        uint32_t replies = c->kind == GMQ_RPC_BIDI_STREAMING ? requests_of(c) : replies_of(c);
        assert_int_equal(c->received, replies);
        assert_int_equal(id_in(event), id);
    }
    outcomes[code]++;
    c->finished = true;
    gmq_call_unref(c->client);
    c->client = NULL;
    over++;
}

static void on_client(const gmq_event *event)
{
    if (gmq_event_type_of(event) == GMQ_EVENT_STATE || gmq_event_type_of(event) == GMQ_EVENT_LOG)
        return;
    uint32_t id = (uint32_t)gmq_event_tag(event);
    assert_in_range(id, 0, CALLS - 1);
    soak_call *c = &calls[id];
    assert_false(c->finished);
    switch (gmq_event_type_of(event)) {
    case GMQ_EVENT_MESSAGE:
        check_message(event, id, c->received++);
        gmq_call_read(c->client, 1);
        if (c->fate == CANCELLED_READING)
            gmq_call_cancel(c->client);
        break;
    case GMQ_EVENT_WRITABLE:
        client_sends(c, id);
        break;
    case GMQ_EVENT_FINISHED:
        client_finished(c, id, event);
    }
}

/* ---- Server ---- */

static uint32_t replies_due(const soak_call *c)
{
    if (c->kind == GMQ_RPC_BIDI_STREAMING)
        return c->taken;
    return c->input_over ? replies_of(c) : 0;
}

static void server_sends(soak_call *c, uint32_t id)
{
    if (c->fate == LATE || c->answered)
        return;
    while (c->replied < replies_due(c)) {
        if (!send_one(c->server, c, id, c->replied))
            return;
        c->replied++;
    }
    if (!c->input_over)
        return;
    char text[16];
    gmq_metadata *trailing;
    snprintf(text, sizeof text, "%u", id);
    ok(gmq_metadata_new(&trailing));
    ok(gmq_metadata_add(trailing, "x-id", text, strlen(text)));
    gmq_status status = gmq_call_finish(c->server, GMQ_CODE_OK, NULL, trailing);
    assert_true(status == GMQ_OK || c->fate != FINE);
    gmq_metadata_free(trailing);
    c->answered = true;
}

static void server_call(gmq_event *event)
{
    uint32_t id = id_in(event);
    assert_in_range(id, 0, CALLS - 1);
    soak_call *c = &calls[id];
    assert_false(c->ran); /* never twice */
    c->ran = true;
    c->server = gmq_event_take_call(event);
    assert_int_equal(gmq_call_kind(c->server), c->kind);
    gmq_call_set_tag(c->server, id);
    gmq_call_read(c->server, c->credit);
}

static void on_server(gmq_event *event)
{
    int32_t type = gmq_event_type_of(event);
    if (type == GMQ_EVENT_STATE || type == GMQ_EVENT_LOG)
        return;
    if (type == GMQ_EVENT_CALL) {
        server_call(event);
        return;
    }
    uint32_t id = (uint32_t)gmq_event_tag(event);
    soak_call *c = &calls[id];
    assert_true(c->ran && !c->server_finished);
    if (type == GMQ_EVENT_MESSAGE) {
        check_message(event, id, c->taken++);
        gmq_call_read(c->server, 1);
    } else if (type == GMQ_EVENT_HALF_CLOSED) {
        assert_int_equal(c->taken, requests_of(c));
        c->input_over = true;
    } else if (type == GMQ_EVENT_FINISHED) {
        assert_true(c->fate != FINE || c->answered);
        c->server_finished = true;
        gmq_call_unref(c->server);
        c->server = NULL;
        return;
    }
    server_sends(c, id);
}

/* ---- Both ---- */

static void take_events(gmq_queue *queue, bool client)
{
    gmq_event *events[64];
    size_t count = 0;
    /* the server's singly: the tag of a new call counts for events that are taken after it is set
     */
    ok(gmq_queue_poll(queue, events, client ? 64 : 1, &count));
    for (size_t at = 0; at < count; at++) {
        client ? on_client(events[at]) : on_server(events[at]);
        gmq_event_free(events[at]);
    }
}

static bool server_is_done(void)
{
    for (uint32_t id = 0; id < started; id++)
        if (calls[id].ran && !calls[id].server_finished)
            return false;
    return true;
}

static void round_of_calls(uint32_t at_once)
{
    memset(calls, 0, sizeof calls);
    memset(outcomes, 0, sizeof outcomes);
    started = over = 0;
    while (over < CALLS || !server_is_done()) {
        while (started < CALLS && started - over < at_once)
            start(started++);
        struct pollfd fds[2] = {{.fd = gmq_queue_fd(r.client_queue), .events = POLLIN},
                                {.fd = gmq_queue_fd(r.server_queue), .events = POLLIN}};
        if (poll(fds, 2, PATIENCE_MS) <= 0)
            fail_msg("nothing happens: %u calls started, %u over", started, over);
        take_events(r.client_queue, true);
        take_events(r.server_queue, false);
    }
}

static void thousands_of_mixed_calls(void **state)
{
    (void)state;
    int64_t empty = atomic_load(&live);
    rig_open(&r, SERVER_QUERY, CLIENT_QUERY);
    gmq__loopback_broker *broker = gmq__loopback_broker_get(r.broker);
    gmq__loopback_faults faults = {
        .seed = 7, .double_ppm = 50000, .reorder_ppm = 50000, .reorder_span = 32};
    gmq__loopback_broker_faults(broker, &faults);
    round_of_calls(AT_ONCE_WARM); /* tables and rings reach a size that suffices for the next */
    int64_t before = settled();
    long pages = resident_pages();
    round_of_calls(AT_ONCE);
    int64_t most = before + before / 20;
    int64_t after = settle(most);
    long pages_after = resident_pages();
    print_message("%d calls: %u OK, %u cancelled, %u late; %lld blocks before, %lld after; "
                  "%ld pages before, %ld after\n",
                  CALLS, outcomes[GMQ_CODE_OK], outcomes[GMQ_CODE_CANCELLED],
                  outcomes[GMQ_CODE_DEADLINE_EXCEEDED], (long long)before, (long long)after, pages,
                  pages_after);
    assert_in_range(after, 0, most);
    if (!SANITIZED) /* a sanitizer keeps for a while what was freed */
        assert_in_range(pages_after, 0, pages + pages / 20);
    rig_close(&r);
    gmq__loopback_broker_release(broker);
    assert_in_range(settle(empty), 0, empty);
}

int main(void)
{
    gmq__mem_set_hooks(&hooks);
    const struct CMUnitTest tests[] = {cmocka_unit_test(thousands_of_mixed_calls)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
