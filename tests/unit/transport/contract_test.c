/* What every transport must do, run over loopback, paho and mosquitto in both MQTT versions. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmocka_all.h"
#include "transport/loopback/loopback.h"
#include "unit/transport/broker_util.h"
#include "unit/transport/transport_util.h"

typedef struct variant {
    const char *name;
    const gmq__transport_vtable *vtable;
    int mqtt_version;
} variant;

static broker the_broker;
static const variant *now;

static gmq__transport_config config_for(const char *client_id)
{
    return (gmq__transport_config){
        .scheme = now->vtable == &gmq__loopback_transport ? "loopback" : "mqtt",
        .host = now->vtable == &gmq__loopback_transport ? "contract" : "127.0.0.1",
        .port = the_broker.port,
        .client_id = client_id,
        .mqtt_version = now->mqtt_version,
        .keep_alive_s = 20,
        .connect_timeout_ms = 10000,
    };
}

static void join(peer *p)
{
    gmq__transport_config config = config_for("");
    peer_open(p, now->vtable, &config);
    peer_connect(p);
}

static void leave(peer *p)
{
    peer_close(p);
    peer_destroy(p);
}

static bool five(void) { return now->mqtt_version == 5; }

static bool tells_nobody(void) /* paho as a shared library drops the reason code */
{
#ifdef GMQ_PAHO_WRAPPED
    return five();
#else
    return five() && now->vtable != &gmq__paho_transport;
#endif
}

/* ---- the list ---- */

static void test_connect_tells_limits(void **state)
{
    (void)state;
    peer p;
    gmq__transport_config config = config_for("");
    peer_open(&p, now->vtable, &config);
    assert_int_equal(p.t->vtable->connect(p.t), GMQ_OK);
    const peer_state *s = peer_next_state(&p);
    assert_int_equal(s->state, GMQ__T_CONNECTED);
    assert_in_range(s->limits.receive_max, 1, 65535);
    assert_true(s->limits.packet_max > 1000);
    assert_int_equal(s->limits.keep_alive_s, 20);
    assert_int_equal(s->limits.properties, five());
    assert_false(s->limits.session_present);
    leave(&p);
}

static void test_a_message_arrives_as_it_was(void **state)
{
    (void)state;
    peer a, b;
    join(&a);
    join(&b);
    assert_int_equal(peer_subscribe(&b, "as/it/was", 1), 1);
    gmq__mqtt_property properties[] = {{gmq__span_str("i"), gmq__span_str("42")},
                                       {gmq__span_str("i"), gmq__span_str("")},
                                       {gmq__span_str("other"), gmq__span_str("grün")}};
    uint8_t bytes[300];
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)i;
    gmq__mqtt_message message = text_message("as/it/was", "", 1);
    message.payload = gmq__span_of(bytes, sizeof bytes);
    message.properties = properties;
    message.nproperties = 3;
    assert_int_equal(a.t->vtable->publish(a.t, &message, 7), GMQ_OK);
    assert_int_equal(peer_ack_of(&a, 7), 0);
    peer_wait_messages(&b, 1);
    const gmq__mqtt_message *got = &b.messages[0]->message;
    assert_true(gmq__span_equal_str(got->topic, "as/it/was"));
    assert_true(gmq__span_equal(got->payload, message.payload));
    assert_int_equal(got->qos, 1);
    assert_false(got->retain);
    assert_int_equal(got->nproperties, five() ? 3 : 0);
    for (size_t i = 0; i < got->nproperties; i++) {
        assert_true(gmq__span_equal(got->properties[i].key, properties[i].key));
        assert_true(gmq__span_equal(got->properties[i].value, properties[i].value));
    }
    leave(&a);
    leave(&b);
}

static void test_more_properties_than_usual(void **state)
{
    (void)state;
    if (!five())
        skip();
    peer p;
    join(&p);
    assert_int_equal(peer_subscribe(&p, "props", 1), 1);
    gmq__mqtt_property properties[40];
    for (size_t i = 0; i < 40; i++)
        properties[i] = (gmq__mqtt_property){gmq__span_of("abcdefghij", i % 10 + 1),
                                             gmq__span_of("0123456789", i % 7)};
    gmq__mqtt_message message = text_message("props", "x", 1);
    message.properties = properties;
    message.nproperties = 40;
    message.expiry_s = 100;
    assert_int_equal(p.t->vtable->publish(p.t, &message, 1), GMQ_OK);
    peer_wait_messages(&p, 1);
    const gmq__mqtt_message *got = &p.messages[0]->message;
    assert_int_equal(got->nproperties, 40);
    assert_in_range(got->expiry_s, 90, 100);
    for (size_t i = 0; i < 40; i++)
        assert_true(gmq__span_equal(got->properties[i].value, properties[i].value));
    leave(&p);
}

static void test_empty_payload(void **state)
{
    (void)state;
    peer p;
    join(&p);
    peer_subscribe(&p, "empty", 1);
    assert_int_equal(peer_publish(&p, "empty", "", 1), 0);
    peer_wait_messages(&p, 1);
    assert_int_equal(p.messages[0]->message.payload.len, 0);
    leave(&p);
}

static void test_qos0_is_acknowledged_when_sent(void **state)
{
    (void)state;
    peer p;
    join(&p);
    assert_int_equal(peer_subscribe(&p, "zero", 1), 1);
    assert_int_equal(peer_publish(&p, "zero", "x", 0), 0);
    peer_wait_messages(&p, 1);
    assert_int_equal(p.messages[0]->message.qos, 0);
    leave(&p);
}

static void test_order_is_kept(void **state)
{
    (void)state;
    enum { N = 500 };
    peer a, b;
    join(&a);
    join(&b);
    peer_subscribe(&b, "order/+", 1);
    for (int i = 0; i < N; i++) {
        char text[16];
        snprintf(text, sizeof text, "%d", i);
        gmq__mqtt_message message = text_message("order/x", text, 1);
        while (a.t->vtable->publish(a.t, &message, (uint64_t)i + 1) != GMQ_OK)
            peer_ack_of(&a, (uint64_t)i); /* window full: everything before is under way */
    }
    peer_wait_messages(&b, N);
    for (int i = 0; i < N; i++) {
        char text[16];
        snprintf(text, sizeof text, "%d", i);
        assert_true(message_is(b.messages[i], "order/x", text));
    }
    peer_ack_of(&a, N);
    leave(&a);
    leave(&b);
}

static void test_window_gives_again(void **state)
{
    (void)state;
    peer p;
    join(&p);
    uint32_t window = p.states[0].limits.receive_max;
    gmq__mqtt_message message = text_message("window", "x", 1);
    uint64_t accepted = 0;
    gmq_status status = GMQ_OK;
    while (accepted < 200000 &&
           (status = p.t->vtable->publish(p.t, &message, accepted + 1)) == GMQ_OK)
        accepted++;
    if (window < 65535) /* above it the acknowledgements may well be faster than we are */
        assert_true(accepted >= window);
    if (status != GMQ_OK)
        assert_int_equal(status, GMQ_E_AGAIN);
    peer_ack_of(&p, accepted); /* the last; acknowledgements come in order */
    assert_int_equal(p.nacks, accepted);
    assert_true(peer_publish(&p, "window", "x", 1) < 0x80); /* room again */
    leave(&p);
}

static void test_nobody_subscribed(void **state)
{
    (void)state;
    peer p;
    join(&p);
    assert_int_equal(peer_publish(&p, "nobody/is/there", "x", 1),
                     tells_nobody() ? GMQ__MQTT_NO_SUBSCRIBERS : 0);
    assert_int_equal(peer_subscribe(&p, "nobody/is/there", 1), 1);
    assert_int_equal(peer_publish(&p, "nobody/is/there", "x", 1), 0);
    leave(&p);
}

static void test_several_filters_at_once(void **state)
{
    (void)state;
    peer p;
    join(&p);
    gmq__span filters[8];
    char text[8][16];
    for (int i = 0; i < 8; i++) {
        snprintf(text[i], sizeof text[i], "many/%d", i);
        filters[i] = gmq__span_str(text[i]);
    }
    assert_int_equal(p.t->vtable->subscribe(p.t, filters, 8, 1, 5), GMQ_OK);
    assert_int_equal(peer_ack_of(&p, 5), 1);
    for (int i = 0; i < 8; i++)
        peer_publish(&p, text[i], "x", 1);
    peer_wait_messages(&p, 8);
    assert_int_equal(p.t->vtable->unsubscribe(p.t, filters, 7, 6), GMQ_OK);
    assert_int_equal(peer_ack_of(&p, 6), 0);
    for (int i = 0; i < 8; i++)
        peer_publish(&p, text[i], "y", 1);
    peer_wait_messages(&p, 9);
    assert_int_equal(p.nmessages, 9);
    assert_true(message_is(p.messages[8], "many/7", "y"));
    leave(&p);
}

static void test_wildcards(void **state)
{
    (void)state;
    peer p;
    join(&p);
    peer_subscribe(&p, "wild/+/x/#", 1);
    static const char *const yes[] = {"wild/a/x", "wild/a/x/b", "wild//x/b/c"};
    static const char *const no[] = {"wild/x", "wild/a/y", "wild/a/b/x", "other/a/x"};
    for (size_t i = 0; i < 4; i++)
        peer_publish(&p, no[i], "no", 1);
    for (size_t i = 0; i < 3; i++)
        peer_publish(&p, yes[i], "yes", 1);
    peer_wait_messages(&p, 3);
    assert_int_equal(p.nmessages, 3);
    for (size_t i = 0; i < 3; i++)
        assert_true(message_is(p.messages[i], yes[i], "yes"));
    leave(&p);
}

static void test_shared_subscription(void **state)
{
    (void)state;
    enum { N = 20 };
    peer a, b, c;
    join(&a);
    join(&b);
    join(&c);
    peer_subscribe(&a, "$share/group/work", 1);
    peer_subscribe(&b, "$share/group/work", 1);
    for (int i = 0; i < N; i++)
        assert_int_equal(peer_publish(&c, "work", "x", 1), 0);
    peer_wait_messages(&a, N / 2);
    peer_wait_messages(&b, N / 2);
    assert_int_equal(a.nmessages + b.nmessages, N);
    leave(&a);
    leave(&b);
    leave(&c);
}

static void publish_retained(peer *p, const char *topic, const char *payload)
{
    gmq__mqtt_message message = text_message(topic, payload, 1);
    static uint64_t token = 1000;
    message.retain = true;
    assert_int_equal(p->t->vtable->publish(p->t, &message, ++token), GMQ_OK);
    peer_ack_of(p, token);
}

static void test_retained(void **state)
{
    (void)state;
    peer a, b;
    join(&a);
    join(&b);
    publish_retained(&a, "kept/one", "old");
    publish_retained(&a, "kept/one", "new");
    peer_subscribe(&b, "kept/+", 1);
    peer_wait_messages(&b, 1);
    assert_true(message_is(b.messages[0], "kept/one", "new"));
    assert_true(b.messages[0]->message.retain);
    publish_retained(&a, "kept/one", "live");
    peer_wait_messages(&b, 2);
    assert_false(b.messages[1]->message.retain);
    publish_retained(&a, "kept/one", "");
    peer_wait_messages(&b, 3);
    peer_subscribe(&a, "kept/#", 1);
    publish_retained(&a, "kept/two", "x"); /* its arrival shows that nothing retained came before */
    peer_wait_messages(&a, 1);
    assert_true(message_is(a.messages[0], "kept/two", "x"));
    publish_retained(&a, "kept/two", "");
    leave(&a);
    leave(&b);
}

static void test_takeover_sends_will(void **state)
{
    (void)state;
    peer watcher, first, second;
    join(&watcher);
    peer_subscribe(&watcher, "will/of/first", 1);
    gmq__transport_config config = config_for("the-same-id");
    config.will = text_message("will/of/first", "gone", 1);
    peer_open(&first, now->vtable, &config);
    peer_connect(&first);
    config.will = (gmq__mqtt_message){.topic = {NULL, 0}};
    peer_open(&second, now->vtable, &config);
    peer_connect(&second);
    const peer_state *s = peer_next_state(&first);
    assert_int_equal(s->state, GMQ__T_LOST);
    assert_true(s->reason == GMQ__MQTT_SESSION_TAKEN_OVER ||
                s->reason == GMQ__MQTT_UNSPECIFIED); /* mosquitto just hangs up */
    peer_wait_messages(&watcher, 1);
    assert_true(message_is(watcher.messages[0], "will/of/first", "gone"));
    peer_destroy(&first);
    leave(&second);
    leave(&watcher);
}

static void test_close_sends_no_will(void **state)
{
    (void)state;
    peer watcher, p;
    join(&watcher);
    peer_subscribe(&watcher, "will/#", 1);
    gmq__transport_config config = config_for("");
    config.will = text_message("will/of/closed", "gone", 1);
    peer_open(&p, now->vtable, &config);
    peer_connect(&p);
    leave(&p);
    peer_publish(&watcher, "will/end", "x", 1);
    peer_wait_messages(&watcher, 1);
    assert_true(message_is(watcher.messages[0], "will/end", "x"));
    leave(&watcher);
}

static void test_not_connected(void **state)
{
    (void)state;
    peer p;
    gmq__transport_config config = config_for("");
    peer_open(&p, now->vtable, &config);
    gmq__mqtt_message message = text_message("t", "x", 1);
    gmq__span filter = gmq__span_str("t");
    assert_int_equal(p.t->vtable->publish(p.t, &message, 1), GMQ_E_CLOSED);
    assert_int_equal(p.t->vtable->subscribe(p.t, &filter, 1, 1, 2), GMQ_E_CLOSED);
    assert_int_equal(p.t->vtable->unsubscribe(p.t, &filter, 1, 3), GMQ_E_CLOSED);
    leave(&p); /* CLOSED also when it never was connected */
}

static void test_bad_topics(void **state)
{
    (void)state;
    peer p;
    join(&p);
    static const char *const topics[] = {"", "a/#", "+"};
    static const char *const filters[] = {"",         "a#",        "#/a",      "a/b+",
                                          "$share/g", "$share//x", "$share/g/"};
    for (size_t i = 0; i < sizeof topics / sizeof topics[0]; i++) {
        gmq__mqtt_message message = text_message(topics[i], "x", 1);
        assert_int_equal(p.t->vtable->publish(p.t, &message, 1), GMQ_E_INVALID);
    }
    for (size_t i = 0; i < sizeof filters / sizeof filters[0]; i++) {
        gmq__span filter = gmq__span_str(filters[i]);
        assert_int_equal(p.t->vtable->subscribe(p.t, &filter, 1, 1, 1), GMQ_E_INVALID);
        assert_non_null(strstr(gmq_error_text(), filters[i]));
    }
    assert_true(peer_publish(&p, "still/alive", "x", 1) < 0x80);
    leave(&p);
}

static void test_connect_again_after_close(void **state)
{
    (void)state;
    peer p;
    join(&p);
    peer_subscribe(&p, "again", 1);
    peer_close(&p);
    peer_connect(&p);
    assert_int_equal(p.t->vtable->connect(p.t), GMQ_E_STATE);
    assert_int_equal(peer_publish(&p, "again", "x", 1),
                     tells_nobody() ? 0x10 : 0); /* the old subscription is gone */
    assert_int_equal(peer_subscribe(&p, "again", 1), 1);
    peer_publish(&p, "again", "y", 1);
    peer_wait_messages(&p, 1);
    assert_true(message_is(p.messages[0], "again", "y"));
    leave(&p);
}

static void test_destroy_in_any_state(void **state)
{
    (void)state;
    peer p;
    gmq__transport_config config = config_for("");
    peer_open(&p, now->vtable, &config);
    peer_destroy(&p); /* never connected */
    peer_open(&p, now->vtable, &config);
    assert_int_equal(p.t->vtable->connect(p.t), GMQ_OK);
    peer_destroy(&p); /* connecting */
    join(&p);
    peer_subscribe(&p, "d", 1);
    gmq__mqtt_message message = text_message("d", "x", 1);
    for (uint64_t i = 1; i <= 15; i++)
        assert_int_equal(p.t->vtable->publish(p.t, &message, i), GMQ_OK);
    peer_destroy(&p); /* with requests under way */
    join(&p);
    p.t->vtable->close(p.t);
    peer_destroy(&p); /* closing */
}

/* The sink belongs to a peer that is gone after destroy(): any later call would be a use after
 * free. */
static void test_no_call_after_destroy(void **state)
{
    (void)state;
    peer a;
    join(&a);
    for (int round = 0; round < 30; round++) {
        peer b;
        join(&b);
        peer_subscribe(&b, "after", 1);
        gmq__mqtt_message message = text_message("after", "x", 1);
        for (int i = 0; i < 10; i++)
            assert_int_equal(a.t->vtable->publish(a.t, &message, 0), GMQ_OK);
        peer_destroy(&b);
        assert_true(peer_publish(&a, "marker", "x", 1) < 0x80);
    }
    leave(&a);
}

/* ---- running it ---- */

static int run_list(const variant *v)
{
    now = v;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_connect_tells_limits),
        cmocka_unit_test(test_a_message_arrives_as_it_was),
        cmocka_unit_test(test_more_properties_than_usual),
        cmocka_unit_test(test_empty_payload),
        cmocka_unit_test(test_qos0_is_acknowledged_when_sent),
        cmocka_unit_test(test_order_is_kept),
        cmocka_unit_test(test_window_gives_again),
        cmocka_unit_test(test_nobody_subscribed),
        cmocka_unit_test(test_several_filters_at_once),
        cmocka_unit_test(test_wildcards),
        cmocka_unit_test(test_shared_subscription),
        cmocka_unit_test(test_retained),
        cmocka_unit_test(test_takeover_sends_will),
        cmocka_unit_test(test_close_sends_no_will),
        cmocka_unit_test(test_not_connected),
        cmocka_unit_test(test_bad_topics),
        cmocka_unit_test(test_connect_again_after_close),
        cmocka_unit_test(test_destroy_in_any_state),
        cmocka_unit_test(test_no_call_after_destroy),
    };
    return cmocka_run_group_tests_name(v->name, tests, NULL, NULL);
}

int main(void)
{
    static const variant loopback[] = {{"loopback, MQTT 5", &gmq__loopback_transport, 5},
                                       {"loopback, MQTT 3.1.1", &gmq__loopback_transport, 4}};
    static const variant outside[] = {{"paho, MQTT 5", &gmq__paho_transport, 5},
                                      {"paho, MQTT 3.1.1", &gmq__paho_transport, 4},
#ifdef GMQ_WITH_MOSQUITTO
                                      {"mosquitto, MQTT 5", &gmq__mosquitto_transport, 5},
                                      {"mosquitto, MQTT 3.1.1", &gmq__mosquitto_transport, 4}
#endif
    };
    if (getenv("TEST_FILTER"))
        cmocka_set_test_filter(getenv("TEST_FILTER"));
    gmq__loopback_broker *loop = gmq__loopback_broker_get("contract");
    gmq__loopback_broker_faults(loop, &(gmq__loopback_faults){.receive_max = 20});
    int failed = run_list(&loopback[0]) + run_list(&loopback[1]);
    gmq__loopback_broker_release(loop);
    if (!broker_installed()) {
        puts("only loopback is tested: there is no mosquitto broker");
        return failed;
    }
    broker_prepare(&the_broker);
    broker_start(&the_broker, "");
    for (size_t i = 0; i < sizeof outside / sizeof *outside; i++)
        failed += run_list(&outside[i]);
    broker_stop(&the_broker);
    return failed;
}
