/* Numbers of clients and servers: they are those of the calls that were made. */
#include <grpc_mqtt/stats.h>
#include <pthread.h>
#include <stdatomic.h>

#include "rig_util.h"

typedef gmq_stats *stats;

static uint64_t value(const gmq_stats *of, const char *name, const char *labels)
{
    int64_t at = gmq_stats_find(of, name, labels);
    if (at < 0)
        fail_msg("no row %s{%s}", name, labels ? labels : "");
    return gmq_stats_value(of, (size_t)at);
}

static stats of_client(const rig *r)
{
    stats out = NULL;
    ok(gmq_client_stats(&out, r->client));
    return out;
}

static stats of_server(const rig *r)
{
    stats out = NULL;
    ok(gmq_server_stats(&out, r->server));
    return out;
}

static void check(stats of, uint64_t started, uint64_t good, uint64_t bad, uint64_t open)
{
    assert_int_equal(value(of, "calls_started", NULL), started);
    assert_int_equal(value(of, "calls_finished", "code=\"OK\""), good);
    assert_int_equal(value(of, "calls_finished", "code=\"NOT_FOUND\""), bad);
    assert_int_equal(value(of, "calls_open", NULL), open);
    assert_int_equal(value(of, "connected", NULL), 1);
    assert_int_equal(value(of, "reconnects", NULL), 0);
    gmq_stats_free(of);
}

static void one_call(rig *r, int32_t code)
{
    gmq_call *call = rig_start(r, UNARY, GMQ_RPC_UNARY, 10);
    ok(gmq_call_send(call, "request", 7));
    ok(gmq_call_half_close(call));
    ok(gmq_call_read(call, 1));
    gmq_call *served = rig_accept(r, UNARY, 20);
    rig_expect_message(r->server_queue, "request");
    stats open = of_client(r);
    assert_int_equal(value(open, "calls_open", NULL), 1);
    gmq_stats_free(open);
    if (code == GMQ_CODE_OK)
        ok(gmq_call_send(served, "reply", 5));
    ok(gmq_call_finish(served, code, "", NULL));
    for (bool over = false; !over;) {
        gmq_event *event = rig_next(r->client_queue);
        over = gmq_event_type_of(event) == GMQ_EVENT_FINISHED;
        gmq_event_free(event);
    }
    for (bool over = false; !over;) {
        gmq_event *event = rig_next(r->server_queue);
        over = gmq_event_type_of(event) == GMQ_EVENT_FINISHED;
        gmq_event_free(event);
    }
    gmq_call_unref(served);
    gmq_call_unref(call);
}

/* Whoever has seen an event sees the numbers that belong to it. */
static void calls_test(void **state)
{
    rig r;
    (void)state;
    rig_open(&r, "", "");
    check(of_client(&r), 0, 0, 0, 0);
    one_call(&r, GMQ_CODE_OK);
    one_call(&r, GMQ_CODE_OK);
    one_call(&r, GMQ_CODE_NOT_FOUND);
    check(of_client(&r), 3, 2, 1, 0);
    check(of_server(&r), 3, 2, 1, 0);
    stats client = of_client(&r), server = of_server(&r);
    assert_in_range(value(server, "bytes_in", NULL), 21, 10000);
    assert_in_range(value(client, "packets_out", NULL), 1, 100);
    assert_in_range(value(server, "subscriptions", NULL), 1, 10);
    ok(gmq_stats_sum(client, server, 0));
    assert_int_equal(value(client, "calls_started", NULL), 6);
    assert_int_equal(value(client, "connected", NULL), 2);
    ok(gmq_stats_sum(client, server, 1)); /* counters alone */
    assert_int_equal(value(client, "calls_started", NULL), 9);
    assert_int_equal(value(client, "connected", NULL), 2);
    assert_int_equal(gmq_stats_sum(client, client, 0), GMQ_E_INVALID);
    gmq_stats_free(client);
    gmq_stats_free(server);
    rig_close(&r);
}

typedef struct reader {
    rig *rig;
    atomic_bool stop;
} reader;

static void *read_on(void *arg)
{
    reader *self = arg;
    uint64_t last = 0;
    while (!atomic_load(&self->stop)) {
        stats now = NULL;
        if (gmq_client_stats(&now, self->rig->client) != GMQ_OK)
            return NULL;
        uint64_t bytes = gmq_stats_value(now, (size_t)gmq_stats_find(now, "bytes_out", NULL));
        gmq_stats_free(now);
        if (bytes < last)
            return NULL;
        last = bytes;
    }
    return arg;
}

/* Taken on another thread all the while. */
static void thread_test(void **state)
{
    rig r;
    reader other = {.rig = &r};
    pthread_t thread;
    void *good = NULL;
    (void)state;
    rig_open(&r, "", "");
    assert_int_equal(pthread_create(&thread, NULL, read_on, &other), 0);
    for (int i = 0; i < 20; i++)
        one_call(&r, GMQ_CODE_OK);
    atomic_store(&other.stop, true);
    pthread_join(thread, &good);
    assert_ptr_equal(good, &other);
    check(of_client(&r), 20, 20, 0, 0);
    rig_close(&r);
}

/* Closed: the counters stay, nothing is there any more. */
static void closed_test(void **state)
{
    rig r;
    (void)state;
    rig_open(&r, "", "");
    one_call(&r, GMQ_CODE_OK);
    gmq_client_close(r.client, 0);
    for (bool over = false; !over;) {
        gmq_event *event = rig_next(r.client_queue);
        over = gmq_event_type_of(event) == GMQ_EVENT_CLOSED;
        gmq_event_free(event);
    }
    stats last = of_client(&r);
    assert_int_equal(value(last, "calls_started", NULL), 1);
    assert_int_equal(value(last, "connected", NULL), 0);
    assert_int_equal(value(last, "links", NULL), 0);
    gmq_stats_free(last);
    gmq_client_unref(r.client);
    r.client = NULL;
    rig_close(&r);
}

static void rows_test(void **state)
{
    stats s = NULL;
    (void)state;
    assert_int_equal(gmq_client_stats(&s, NULL), GMQ_E_INVALID);
    assert_int_equal(gmq_server_stats(&s, NULL), GMQ_E_INVALID);
    assert_int_equal(gmq_stats_new(NULL), GMQ_E_INVALID);
    assert_null(s);
    ok(gmq_stats_new(&s));
    assert_int_equal(gmq_stats_add(s, "", NULL, GMQ_STATS_GAUGE, 1), GMQ_E_INVALID);
    assert_int_equal(gmq_stats_add(s, "a", NULL, 2, 1), GMQ_E_INVALID);
    assert_int_equal(gmq_stats_add(NULL, "a", NULL, GMQ_STATS_GAUGE, 1), GMQ_E_INVALID);
    for (uint64_t i = 0; i < 200; i++) {
        char name[16];
        snprintf(name, sizeof name, "n%d", (int)i);
        ok(gmq_stats_add(s, name, i % 2 ? "k=\"v\"" : NULL, GMQ_STATS_GAUGE, i));
    }
    assert_int_equal(gmq_stats_count(s), 200);
    assert_int_equal(gmq_stats_find(s, "n7", NULL), -1);
    assert_int_equal(gmq_stats_find(s, "n7", "k=\"v\""), 7);
    assert_string_equal(gmq_stats_name(s, 7), "n7");
    assert_string_equal(gmq_stats_labels(s, 7), "k=\"v\"");
    assert_string_equal(gmq_stats_labels(s, 8), "");
    assert_int_equal(gmq_stats_kind_of(s, 8), GMQ_STATS_GAUGE);
    assert_int_equal(gmq_stats_value(s, 199), 199);
    assert_null(gmq_stats_name(s, 200));
    assert_null(gmq_stats_labels(s, 200));
    assert_int_equal(gmq_stats_kind_of(s, 200), -1);
    assert_int_equal(gmq_stats_value(s, 200), 0);
    assert_int_equal(gmq_stats_count(NULL), 0);
    gmq_stats_free(s);
    gmq_stats_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(calls_test),
        cmocka_unit_test(thread_test),
        cmocka_unit_test(closed_test),
        cmocka_unit_test(rows_test),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
