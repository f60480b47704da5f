/* Fault 25: ten thousand calls open at one time, ten thousand that wait for few reply topics, and
 * fifty thousand opened and cancelled at once. Afterwards memory is what it was. */
#include "unit/runtime/rig_util.h"

#include <poll.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/mem.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { CROWD = 1000, CANCELLED = 5000 };
#else
enum { CROWD = 10000, CANCELLED = 50000 };
#endif
enum { PATIENCE_MS = 60000, WINDOW = 200 };

static _Atomic int64_t live; /* blocks */

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

static rig r;
static gmq_call *clients[CANCELLED], *servers[CROWD];
static uint32_t nservers, ended, server_ended;
static uint32_t outcomes[17];

static void on_client(const gmq_event *event)
{
    if (gmq_event_type_of(event) != GMQ_EVENT_FINISHED)
        return;
    uint64_t id = gmq_event_tag(event);
    assert_non_null(clients[id]);
    outcomes[gmq_event_code(event)]++;
    gmq_call_unref(clients[id]);
    clients[id] = NULL;
    ended++;
}

/* `keep`: a new call is held open; otherwise a unary one is answered, any other let go. */
static void on_server(gmq_event *event, bool keep)
{
    int32_t type = gmq_event_type_of(event);
    if (type == GMQ_EVENT_FINISHED)
        server_ended++;
    if (type != GMQ_EVENT_CALL)
        return;
    gmq_call *call = gmq_event_take_call(event);
    if (keep) {
        assert_in_range(nservers, 0, CROWD - 1);
        servers[nservers++] = call;
        return;
    }
    if (gmq_call_kind(call) == GMQ_RPC_UNARY) {
        gmq_call_send(call, "a", 1);
        gmq_call_finish(call, GMQ_CODE_OK, NULL, NULL);
    }
    gmq_call_unref(call);
}

/* Waits for `timeout_ms`; false: there was nothing. */
static bool work_for(int timeout_ms, bool keep)
{
    gmq_event *events[64];
    size_t count;
    struct pollfd fds[2] = {{.fd = gmq_queue_fd(r.client_queue), .events = POLLIN},
                            {.fd = gmq_queue_fd(r.server_queue), .events = POLLIN}};
    if (poll(fds, 2, timeout_ms) <= 0)
        return false;
    ok(gmq_queue_poll(r.client_queue, events, 64, &count));
    for (size_t at = 0; at < count; gmq_event_free(events[at++]))
        on_client(events[at]);
    ok(gmq_queue_poll(r.server_queue, events, 64, &count));
    for (size_t at = 0; at < count; gmq_event_free(events[at++]))
        on_server(events[at], keep);
    return true;
}

static void work(bool keep)
{
    if (!work_for(PATIENCE_MS, keep))
        fail_msg("nothing happens: %u held, %u ended", nservers, ended);
}

/* Tombstones and spare topics go by themselves, and what nobody waited for is taken here. */
static int64_t settle(int64_t most)
{
    for (int tries = 0; tries < PATIENCE_MS / 10 && atomic_load(&live) > most; tries++)
        while (work_for(10, false))
            ;
    return atomic_load(&live);
}

/* What is in use when it has stopped shrinking. */
static int64_t settled(void)
{
    int64_t least = atomic_load(&live);
    for (int quiet = 0; quiet < 100; quiet++) {
        while (work_for(10, false))
            ;
        int64_t now = atomic_load(&live);
        if (now < least)
            quiet = 0;
        least = now < least ? now : least;
    }
    return least;
}

static void forget(void)
{
    nservers = ended = server_ended = 0;
    memset(outcomes, 0, sizeof outcomes);
}

static void crowd(uint32_t n)
{
    forget();
    for (uint32_t id = 0; id < n; id++) {
        ok(gmq_call_start(&clients[id], r.client, BIDI, GMQ_RPC_BIDI_STREAMING, NULL, -1, NULL,
                          id));
        ok(gmq_call_read(clients[id], 1));
    }
    while (nservers < n)
        work(true);
    assert_int_equal(ended, 0);
    for (uint32_t at = 0; at < n; at++) {
        ok(gmq_call_finish(servers[at], GMQ_CODE_OK, NULL, NULL));
        gmq_call_unref(servers[at]);
    }
    while (ended < n || server_ended < n)
        work(true);
    assert_int_equal(outcomes[GMQ_CODE_OK], n);
}

static void waiting(uint32_t n)
{
    forget();
    for (uint32_t id = 0; id < n; id++)
        ok(gmq_call_start_with(&clients[id], r.client, UNARY, GMQ_RPC_UNARY, NULL, -1, NULL, id,
                               "a", 1, 1));
    while (ended < n)
        work(false);
    assert_int_equal(outcomes[GMQ_CODE_OK], n);
}

static void open_and_cancel(uint32_t n)
{
    forget();
    for (uint32_t id = 0; id < n; id++) {
        ok(gmq_call_start(&clients[id], r.client, BIDI, GMQ_RPC_BIDI_STREAMING, NULL, -1, NULL,
                          id));
        if (id % 3)
            gmq_call_cancel(clients[id]);
        else
            gmq_call_cancel_with(clients[id], GMQ_CODE_ABORTED, "enough");
        while (id - ended > WINDOW)
            work(false);
    }
    while (ended < n)
        work(false);
    assert_int_equal(outcomes[GMQ_CODE_ABORTED], (n + 2) / 3);
    assert_int_equal(outcomes[GMQ_CODE_CANCELLED], n - (n + 2) / 3);
}

/* `deed` twice: the first time tables reach their size, the second time nothing may be left. */
static void flat(const char *client_query, void (*deed)(uint32_t n), uint32_t n)
{
    int64_t empty = atomic_load(&live);
    rig_open(&r, "?dialect=session&tombstone_ms=100", client_query);
    crowd(20); /* tables that calls have which come as far as a handler: `deed` may have no such */
    deed(n);
    int64_t before = settled();
    deed(n);
    int64_t most = before + before / 20;
    int64_t after = settle(most);
    print_message("%lld blocks before, %lld after\n", (long long)before, (long long)after);
    assert_in_range(after, 0, most);
    rig_close(&r);
    for (int tries = 0; tries < PATIENCE_MS / 10 && atomic_load(&live) > empty; tries++)
        poll(NULL, 0, 10);
    assert_in_range(atomic_load(&live), 0, empty);
}

static void ten_thousand_calls_at_one_time(void **state)
{
    (void)state;
    flat("?dialect=session&subscriptions=20000&pool_idle_ms=100", crowd, CROWD);
}

static void ten_thousand_calls_wait_for_forty_topics(void **state)
{
    (void)state;
    flat("?dialect=session&pool_idle_ms=100", waiting, CROWD);
}

static void fifty_thousand_opened_and_cancelled(void **state)
{
    (void)state;
    flat("?dialect=session&pool_idle_ms=100", open_and_cancel, CANCELLED);
}

int main(void)
{
    gmq__mem_set_hooks(&hooks);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ten_thousand_calls_at_one_time),
        cmocka_unit_test(ten_thousand_calls_wait_for_forty_topics),
        cmocka_unit_test(fifty_thousand_opened_and_cancelled),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
