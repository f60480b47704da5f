/* An engine as observer: each allocation of what it does may fail, without a leak or a crash. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "cmocka_all.h"
#include "engine/observe.h"
#include "wire/metadata.h"

static size_t made, live, fail_at;

static void *failing_realloc(void *old, size_t size)
{
    if (++made == fail_at)
        return NULL;
    void *p = realloc(old, size);
    live += !old && p;
    return p;
}

static void counting_free(void *p)
{
    live--;
    free(p);
}

static const gmq__mem_hooks hooks = {failing_realloc, counting_free};

static void no_chance(void *ctx, void *out, size_t len)
{
    (void)ctx;
    memset(out, 7, len);
}

static gmq__engine *new_engine(void)
{
    gmq__engine_config config;
    gmq__engine *engine = NULL;
    gmq__engine_config_defaults(&config);
    config.role = GMQ__ROLE_OBSERVER;
    config.base = gmq__span_str("any");
    config.random = no_chance;
    return gmq__engine_new(&engine, &config) == GMQ_OK ? engine : NULL;
}

typedef struct counts {
    int ready, observed, subscribed, published;
} counts;

static counts take_events(gmq__engine *engine)
{
    counts seen = {0};
    for (gmq__ev ev; gmq__engine_next_event(engine, &ev); gmq__ev_clear(&ev)) {
        seen.ready += ev.kind == GMQ__EV_READY;
        seen.observed += ev.kind == GMQ__EV_OBSERVED;
        seen.subscribed += ev.kind == GMQ__EV_SUBSCRIBED;
        seen.published += ev.kind == GMQ__EV_PUBLISHED;
    }
    return seen;
}

static gmq_status publish(gmq__engine *engine, const char *topic)
{
    gmq_metadata *properties = NULL;
    gmq_buf *payload = gmq__buf_copy(gmq__span_str("payload"));
    gmq_status status = payload ? gmq_metadata_new(&properties) : GMQ_E_NOMEM;
    if (status == GMQ_OK)
        status = gmq_metadata_add(properties, "k", "v", 1);
    gmq__observe_publish it = {gmq__span_str(topic), payload, properties, true, 1};
    if (status == GMQ_OK)
        status = gmq__engine_publish(engine, &it);
    gmq_metadata_free(properties);
    gmq_buf_unref(payload);
    return status;
}

static void message_in(gmq__engine *engine)
{
    gmq__mqtt_property property = {gmq__span_str("i"), gmq__span_str("0")};
    gmq_buf *payload = gmq__buf_copy(gmq__span_str("seen"));
    if (!payload)
        return;
    gmq__mqtt_message message = {.topic = gmq__span_str("t"),
                                 .payload = gmq__buf_span(payload),
                                 .properties = &property,
                                 .nproperties = 1,
                                 .retain = true};
    gmq__engine_message(engine, &message, payload, 1);
    gmq_buf_unref(payload);
}

/* Pulls everything, and answers it with `reason`; how many there were. */
static int answer_all(gmq__engine *engine, int reason)
{
    int count = 0;
    for (gmq__output out; gmq__engine_next_output(engine, true, 1, &out); count++)
        gmq__engine_acked(engine, out.token, reason, 1);
    return count;
}

static void whole_life(gmq__engine *engine)
{
    gmq__mqtt_limits limits = {.receive_max = 10, .packet_max = SIZE_MAX, .properties = true};
    for (int i = 0; i < 6; i++)
        gmq__engine_observe(engine, gmq__span_str("a/+"), 1);
    publish(engine, "x");
    gmq__engine_connected(engine, &limits, 1);
    answer_all(engine, 0);
    message_in(engine);
    publish(engine, "y");
    gmq__engine_disconnected(engine, 14, "gone", 1);
    publish(engine, "z");
    take_events(engine);
}

static void every_allocation_may_fail_test(void **state)
{
    (void)state;
    for (size_t nth = 1, reached = 1; reached; nth++) {
        made = live = 0;
        fail_at = nth;
        gmq__mem_set_hooks(&hooks);
        gmq__engine *engine = new_engine();
        if (engine)
            whole_life(engine);
        gmq__engine_free(engine);
        gmq__mem_set_hooks(NULL);
        reached = made >= nth;
        assert_int_equal(live, 0);
    }
}

static void answers_test(void **state)
{
    gmq__mqtt_limits limits = {.receive_max = 10, .packet_max = SIZE_MAX, .properties = true};
    gmq__output out;
    (void)state;
    gmq__engine *engine = new_engine();
    assert_int_equal(gmq__engine_observe(engine, gmq__span_str("a/#"), 0), GMQ_OK);
    assert_int_equal(publish(engine, "x"), GMQ_OK);
    assert_false(gmq__engine_next_output(engine, true, 1, &out)); /* not connected */
    gmq__engine_connected(engine, &limits, 1);
    assert_int_equal(take_events(engine).ready, 1);
    assert_true(gmq__engine_next_output(engine, false, 1, &out));
    assert_int_equal(out.kind, GMQ__OUT_SUBSCRIBE);
    gmq__engine_acked(engine, out.token, 0x87, 1);
    assert_false(gmq__engine_next_output(engine, false, 1, &out)); /* the window is full */
    assert_true(gmq__engine_next_output(engine, true, 1, &out));
    assert_int_equal(out.kind, GMQ__OUT_PUBLISH);
    assert_true(out.message.retain && out.message.nproperties == 1);
    gmq__engine_acked(engine, out.token, 0, 1);
    gmq__engine_acked(engine, out.token, 0, 1); /* once more: no second answer */
    counts seen = take_events(engine);
    assert_true(seen.subscribed == 1 && seen.published == 1);
    assert_int_equal(publish(engine, "y"), GMQ_OK);
    gmq__engine_disconnected(engine, 14, "gone", 1);
    assert_int_equal(take_events(engine).published, 1);
    gmq__engine_connected(engine, &limits, 1);
    assert_int_equal(answer_all(engine, 0), 1); /* the filter again, no publish */
    message_in(engine);
    assert_int_equal(take_events(engine).observed, 1);
    gmq__engine_free(engine);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_test),
        cmocka_unit_test(every_allocation_may_fail_test),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
