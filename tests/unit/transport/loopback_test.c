/* What the in-process broker does beyond the contract of all transports. */
#include "transport/loopback/loopback.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "cmocka_all.h"
#include "unit/transport/transport_util.h"

#define MESSAGES 400

static gmq__transport_config config_for(const char *broker)
{
    return (gmq__transport_config){
        .scheme = "loopback", .host = broker, .client_id = "", .mqtt_version = 5};
}

static void join(peer *p, const char *broker)
{
    gmq__transport_config config = config_for(broker);
    peer_open(p, &gmq__loopback_transport, &config);
    peer_connect(p);
}

static void leave(peer *p)
{
    peer_close(p);
    peer_destroy(p);
}

/* Publishes MESSAGES numbers under the faults, switches them off, ends with "end"; then writes down
 * what arrived. */
static char *course(const gmq__loopback_faults *faults)
{
    static const gmq__loopback_faults none;
    gmq__loopback_broker *broker = gmq__loopback_broker_get("course");
    peer p;
    join(&p, "course");
    peer_subscribe(&p, "n", 1);
    gmq__loopback_broker_faults(broker, faults);
    for (int i = 0; i < MESSAGES; i++) {
        char text[16];
        snprintf(text, sizeof text, "%d", i);
        peer_publish(&p, "n", text, 1);
    }
    gmq__loopback_broker_faults(broker, &none);
    char *log = calloc(1, 64 * MESSAGES + 64);
    for (int i = 0; i < 64; i++) /* also lets what is held back be overtaken */
        peer_publish(&p, "n", "end", 1);
    for (size_t i = 0, ends = 0; ends < 64; i++) {
        peer_wait_messages(&p, i + 1);
        gmq__span payload = p.messages[i]->message.payload;
        ends += gmq__span_equal_str(payload, "end");
        if (!gmq__span_equal_str(payload, "end"))
            snprintf(log + strlen(log), 32, "%.*s ", (int)payload.len, (const char *)payload.data);
    }
    leave(&p);
    gmq__loopback_broker_release(broker);
    return log;
}

static size_t count(const char *log, int *seen)
{
    size_t n = 0;
    memset(seen, 0, MESSAGES * sizeof *seen);
    for (char *end; *log; log = end + 1, n++)
        seen[strtol(log, &end, 10)]++;
    return n;
}

static bool ordered(const char *log)
{
    long last = -1, now;
    for (char *end; *log; log = end + 1, last = now)
        if ((now = strtol(log, &end, 10)) < last)
            return false;
    return true;
}

static void test_faults_follow_the_seed(void **state)
{
    (void)state;
    gmq__loopback_faults faults = {.seed = 7,
                                   .drop_ppm = 100000,
                                   .double_ppm = 100000,
                                   .reorder_ppm = 100000,
                                   .reorder_span = 8,
                                   .delay_max_ns =
                                       INT64_C(600000000000)}; /* only overtaking lets go */
    char *first = course(&faults), *second = course(&faults);
    assert_string_equal(first, second);
    faults.seed = 8;
    char *third = course(&faults);
    assert_string_not_equal(first, third);
    free(first);
    free(second);
    free(third);
}

static void test_drop(void **state)
{
    (void)state;
    int seen[MESSAGES];
    char *log = course(&(gmq__loopback_faults){.seed = 1, .drop_ppm = 200000});
    assert_in_range(count(log, seen), MESSAGES / 2, MESSAGES - 20);
    assert_true(ordered(log));
    free(log);
}

static void test_double(void **state)
{
    (void)state;
    int seen[MESSAGES];
    char *log = course(&(gmq__loopback_faults){.seed = 1, .double_ppm = 1000000});
    assert_int_equal(count(log, seen), 2 * MESSAGES);
    for (int i = 0; i < MESSAGES; i++)
        assert_int_equal(seen[i], 2);
    free(log);
}

static void test_reorder_loses_nothing(void **state)
{
    (void)state;
    int seen[MESSAGES];
    char *log = course(&(gmq__loopback_faults){.seed = 3,
                                               .reorder_ppm = 300000,
                                               .reorder_span = 4,
                                               .delay_max_ns = INT64_C(600000000000)});
    assert_int_equal(count(log, seen), MESSAGES);
    for (int i = 0; i < MESSAGES; i++)
        assert_int_equal(seen[i], 1);
    assert_false(ordered(log));
    free(log);
}

static void wait_for_all(peer *p, int n)
{
    for (int i = 0; i < n; i++) {
        char text[16];
        snprintf(text, sizeof text, "%d", i);
        peer_publish(p, "n", text, 1);
    }
    peer_wait_messages(p, (size_t)n);
}

static void test_delay_loses_nothing(void **state)
{
    (void)state;
    gmq__loopback_broker *broker = gmq__loopback_broker_get("late");
    peer p;
    join(&p, "late");
    peer_subscribe(&p, "n", 1);
    gmq__loopback_faults faults = {.seed = 5, .delay_ppm = 500000, .delay_max_ns = 3000000};
    gmq__loopback_broker_faults(broker, &faults);
    wait_for_all(&p, 100);
    assert_int_equal(p.nmessages, 100);
    leave(&p);
    gmq__loopback_broker_release(broker);
}

static void test_held_back_goes_also_when_nothing_follows(void **state)
{
    (void)state;
    gmq__loopback_broker *broker = gmq__loopback_broker_get("held");
    peer p;
    join(&p, "held");
    peer_subscribe(&p, "n", 1);
    gmq__loopback_broker_faults(
        broker, &(gmq__loopback_faults){.reorder_ppm = 1000000, .reorder_span = 256});
    wait_for_all(&p, 1);
    leave(&p);
    gmq__loopback_broker_release(broker);
}

static void test_delayed_when_all_is_gone(void **state)
{
    (void)state;
    gmq__loopback_broker *broker = gmq__loopback_broker_get("gone");
    peer p;
    join(&p, "gone");
    peer_subscribe(&p, "n", 1);
    gmq__loopback_faults faults = {.delay_ppm = 1000000, .delay_max_ns = INT64_C(600000000000)};
    gmq__loopback_broker_faults(broker, &faults);
    peer_publish(&p, "n", "never", 1);
    peer_destroy(&p);
    gmq__loopback_broker_release(
        broker); /* the thread must not wait for ten minutes with what it frees */
}

static void test_cut(void **state)
{
    (void)state;
    gmq__loopback_broker *broker = gmq__loopback_broker_get("cut");
    peer p, q;
    gmq__transport_config config = config_for("cut");
    config.will = text_message("will", "gone", 1);
    config.will.retain = true;
    peer_open(&p, &gmq__loopback_transport, &config);
    peer_connect(&p);
    join(&q, "cut");
    peer_subscribe(&q, "will", 1);
    gmq__loopback_broker_cut(broker);
    const peer_state *s = peer_next_state(&p);
    assert_int_equal(s->state, GMQ__T_LOST);
    assert_string_equal(s->text, "loopback://cut: connection cut");
    assert_int_equal(peer_next_state(&q)->state, GMQ__T_LOST);
    gmq__mqtt_message message = text_message("t", "x", 1);
    assert_int_equal(p.t->vtable->publish(p.t, &message, 1), GMQ_E_CLOSED);
    peer_connect(&q);
    assert_int_equal(q.nmessages, 0);
    peer_subscribe(&q, "will", 1);
    peer_wait_messages(&q, 1);
    assert_true(message_is(q.messages[0], "will", "gone"));
    peer_connect(&p);
    leave(&p);
    leave(&q);
    gmq__loopback_broker_release(broker);
}

static void test_refuse(void **state)
{
    (void)state;
    gmq__loopback_broker *broker = gmq__loopback_broker_get("closed");
    gmq__loopback_broker_faults(broker, &(gmq__loopback_faults){.refuse = true});
    peer p;
    gmq__transport_config config = config_for("closed");
    peer_open(&p, &gmq__loopback_transport, &config);
    assert_int_equal(p.t->vtable->connect(p.t), GMQ_OK);
    const peer_state *s = peer_next_state(&p);
    assert_int_equal(s->state, GMQ__T_REFUSED);
    assert_int_equal(s->reason, GMQ__MQTT_SERVER_UNAVAILABLE);
    assert_string_equal(s->text, "loopback://closed: server unavailable (0x88)");
    gmq__loopback_broker_faults(broker, &(gmq__loopback_faults){.refuse = false});
    peer_connect(&p);
    leave(&p);
    gmq__loopback_broker_release(broker);
}

static void test_limits(void **state)
{
    (void)state;
    gmq__loopback_broker *broker = gmq__loopback_broker_get("small");
    gmq__loopback_broker_faults(broker,
                                &(gmq__loopback_faults){.receive_max = 3, .packet_max = 64});
    peer p;
    join(&p, "small");
    assert_int_equal(p.states[0].limits.receive_max, 3);
    assert_int_equal(p.states[0].limits.packet_max, 64);
    char text[64];
    memset(text, 'x', sizeof text);
    gmq__mqtt_message message = text_message("t", "", 1);
    size_t overhead = gmq__mqtt_publish_overhead(&message, 50);
    message.payload = gmq__span_of(text, 64 - overhead);
    assert_int_equal(p.t->vtable->publish(p.t, &message, 1), GMQ_OK);
    message.payload.len++;
    assert_int_equal(p.t->vtable->publish(p.t, &message, 2), GMQ_E_TOO_LARGE);
    peer_ack_of(&p, 1);
    gmq__loopback_broker_faults(
        broker, &(gmq__loopback_faults){.packet_max = 32}); /* smaller than CONNACK has said */
    message.payload.len--;
    assert_int_equal(p.t->vtable->publish(p.t, &message, 3), GMQ_OK);
    const peer_state *s = peer_next_state(&p);
    assert_int_equal(s->state, GMQ__T_LOST);
    assert_int_equal(s->reason, GMQ__MQTT_PACKET_TOO_LARGE);
    peer_connect(&p);
    assert_int_equal(p.states[2].limits.packet_max, 32);
    leave(&p);
    gmq__loopback_broker_release(broker);
}

static void test_brokers_are_apart(void **state)
{
    (void)state;
    peer p, q;
    join(&p, "one");
    join(&q, "two");
    peer_subscribe(&q, "t", 1);
    assert_int_equal(peer_publish(&p, "t", "x", 1), GMQ__MQTT_NO_SUBSCRIBERS);
    assert_int_equal(q.nmessages, 0);
    leave(&p);
    leave(&q);
}

static void test_retained_lives_as_long_as_a_handle(void **state)
{
    (void)state;
    gmq__mqtt_message message = text_message("kept", "x", 1);
    message.retain = true;
    for (int handle = 0; handle < 2; handle++) {
        gmq__loopback_broker *broker = handle ? gmq__loopback_broker_get("kept") : NULL;
        peer p;
        join(&p, "kept");
        assert_int_equal(p.t->vtable->publish(p.t, &message, 1), GMQ_OK);
        peer_ack_of(&p, 1);
        leave(&p);
        join(&p, "kept");
        peer_subscribe(&p, "kept", 1);
        peer_publish(&p, "kept", "end", 1);
        peer_wait_messages(&p, handle ? 2 : 1);
        assert_int_equal(p.nmessages, handle ? 2 : 1);
        leave(&p);
        gmq__loopback_broker_release(broker);
    }
}

/* ---- every allocation fails once ---- */

static atomic_long countdown;

static void *failing_realloc(void *old, size_t size)
{
    return atomic_fetch_sub(&countdown, 1) == 0 ? NULL : realloc(old, size);
}

static void failing_free(void *p) { free(p); }

static gmq_status try_all(void)
{
    gmq__transport_config config = config_for("poor");
    config.will = text_message("will", "x", 1);
    gmq__span filters[] = {gmq__span_str("a"), gmq__span_str("a/+"), gmq__span_str("$share/g/a")};
    gmq__mqtt_message message = text_message("a", "x", 1);
    peer p;
    gmq_status status = peer_try_open(&p, &gmq__loopback_transport, &config);
    if (status != GMQ_OK)
        return status;
    status = p.t->vtable->connect(p.t);
    if (status == GMQ_OK && peer_next_state(&p)->state == GMQ__T_CONNECTED) {
        status = p.t->vtable->subscribe(p.t, filters, 3, 1, 1);
        if (status == GMQ_OK && peer_ack_of(&p, 1) >= 0x80)
            status = GMQ_E_NOMEM;
        message.retain = true;
        if (status == GMQ_OK)
            status = p.t->vtable->publish(p.t, &message, 2);
        if (status == GMQ_OK)
            peer_ack_of(&p, 2);
    }
    p.t->vtable->close(p.t);
    peer_destroy(&p);
    return status;
}

static void test_no_memory(void **state)
{
    (void)state;
    int failures = 0;
    for (long n = 0;; n++) {
        atomic_store(&countdown, n);
        gmq_status status = try_all();
        assert_true(status == GMQ_OK || status == GMQ_E_NOMEM);
        failures += status == GMQ_E_NOMEM;
        if (atomic_exchange(&countdown, -1) >= 0)
            break;
    }
    assert_true(failures > 8);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_faults_follow_the_seed),
        cmocka_unit_test(test_drop),
        cmocka_unit_test(test_double),
        cmocka_unit_test(test_reorder_loses_nothing),
        cmocka_unit_test(test_delay_loses_nothing),
        cmocka_unit_test(test_held_back_goes_also_when_nothing_follows),
        cmocka_unit_test(test_delayed_when_all_is_gone),
        cmocka_unit_test(test_cut),
        cmocka_unit_test(test_refuse),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_brokers_are_apart),
        cmocka_unit_test(test_retained_lives_as_long_as_a_handle),
        cmocka_unit_test(test_no_memory),
    };
    atomic_init(&countdown, -1);
    gmq__mem_set_hooks(
        &(gmq__mem_hooks){failing_realloc, failing_free}); /* before there are threads */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
