#include "unit/runtime/rig_util.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#define PATIENCE_MS 60000

const char *rig_dialect;

gmq_method_map *rig_map(void)
{
    gmq_method_map *map;
    ok(gmq_method_map_new(&map));
    ok(gmq_method_map_add(map, UNARY, GMQ_RPC_UNARY));
    ok(gmq_method_map_add(map, UPLOAD, GMQ_RPC_CLIENT_STREAMING));
    ok(gmq_method_map_add(map, STREAM, GMQ_RPC_SERVER_STREAMING));
    ok(gmq_method_map_add(map, BIDI, GMQ_RPC_BIDI_STREAMING));
    return map;
}

static void add_to(char url[256], const char *key, const char *value)
{
    size_t len = strlen(url);
    snprintf(url + len, 256 - len, "%s%s=%s", strchr(url, '?') ? "&" : "?", key, value);
}

bool rig_outside(void) { return getenv("GMQ_TEST_PORT") != NULL; }

void rig_url(const rig *r, const char *query, char url[256])
{
    if (rig_outside())
        snprintf(url, 256, "mqtt://127.0.0.1:%s/%s/base%s", getenv("GMQ_TEST_PORT"), r->broker,
                 query);
    else
        snprintf(url, 256, "loopback://%s/test/base%s", r->broker, query);
    if (rig_outside())
        add_to(url, "transport", getenv("GMQ_TEST_TRANSPORT"));
    if (rig_dialect && !strstr(query, "dialect="))
        add_to(url, "dialect", rig_dialect);
}

static void name(rig *r)
{
    static atomic_int number;
    if (!*r->broker)
        snprintf(r->broker, sizeof r->broker, "rig-%d-%d", (int)getpid(),
                 atomic_fetch_add(&number, 1));
}

void rig_open_server(rig *r, const char *query)
{
    char url[256];
    name(r);
    rig_url(r, query, url);
    r->map = rig_map();
    ok(gmq_queue_new(&r->server_queue));
    ok(gmq_server_new(&r->server, url, NULL, r->map, r->server_queue, SERVER_TAG));
    rig_until_state(r->server_queue, GMQ_STATE_READY);
}

void rig_open_client(rig *r, const char *query)
{
    char url[256];
    name(r);
    rig_url(r, query, url);
    ok(gmq_queue_new(&r->client_queue));
    ok(gmq_client_new(&r->client, url, NULL, NULL, r->client_queue, CLIENT_TAG));
}

void rig_open(rig *r, const char *server_query, const char *client_query)
{
    memset(r, 0, sizeof *r);
    rig_open_server(r, server_query);
    rig_open_client(r, client_query);
    rig_until_state(r->client_queue, GMQ_STATE_READY);
}

static void until_closed(gmq_queue *queue, uint64_t tag)
{
    for (bool more = true; more;) {
        gmq_event *event = rig_next(queue);
        more = gmq_event_type_of(event) != GMQ_EVENT_CLOSED;
        if (!more)
            assert_int_equal(gmq_event_tag(event), tag);
        gmq_event_free(event);
    }
}

void rig_close(rig *r)
{
    if (r->client) {
        gmq_client_close(r->client, 0);
        until_closed(r->client_queue, CLIENT_TAG);
        gmq_client_unref(r->client);
    }
    if (r->server) {
        gmq_server_close(r->server, 0);
        until_closed(r->server_queue, SERVER_TAG);
        gmq_server_unref(r->server);
    }
    gmq_queue_unref(r->client_queue);
    gmq_queue_unref(r->server_queue);
    gmq_method_map_free(r->map);
    memset(r, 0, sizeof *r);
}

gmq_event *rig_next(gmq_queue *queue)
{
    gmq_event *event = NULL;
    size_t count = 0;
    gmq_status status = gmq_queue_wait(queue, PATIENCE_MS, &event, 1, &count);
    if (status != GMQ_OK)
        print_error("%s\n", gmq_error_text());
    ok(status);
    assert_int_equal(count, 1);
    return event;
}

static bool quiet(const gmq_event *event)
{
    int32_t type = gmq_event_type_of(event);
    return type == GMQ_EVENT_STATE || type == GMQ_EVENT_LOG;
}

gmq_event *rig_expect(gmq_queue *queue, int32_t type)
{
    gmq_event *event = rig_next(queue);
    while (quiet(event) && gmq_event_type_of(event) != type) {
        gmq_event_free(event);
        event = rig_next(queue);
    }
    if (gmq_event_type_of(event) != type)
        print_error("event %d instead of %d: %d %s\n", gmq_event_type_of(event), type,
                    gmq_event_code(event), gmq_event_text(event));
    assert_int_equal(gmq_event_type_of(event), type);
    return event;
}

void rig_skip(gmq_queue *queue, int32_t type) { gmq_event_free(rig_expect(queue, type)); }

void rig_skip_initial(gmq_queue *queue)
{
    if (rig_dialect && !strcmp(rig_dialect, "session"))
        rig_skip(queue, GMQ_EVENT_INITIAL_METADATA);
}

void rig_until_state(gmq_queue *queue, int32_t state)
{
    for (bool more = true; more;) {
        gmq_event *event = rig_expect(queue, GMQ_EVENT_STATE);
        more = gmq_event_code(event) != state;
        gmq_event_free(event);
    }
}

void rig_expect_message(gmq_queue *queue, const char *text)
{
    gmq_event *event = rig_expect(queue, GMQ_EVENT_MESSAGE);
    gmq_buf *message = gmq_event_message(event);
    assert_non_null(message);
    assert_int_equal(gmq_buf_len(message), strlen(text));
    assert_memory_equal(gmq_buf_data(message), text, strlen(text));
    gmq_event_free(event);
}

void rig_expect_finished(gmq_queue *queue, uint64_t tag, int32_t code, const char *part_of_details)
{
    gmq_event *event = rig_expect(queue, GMQ_EVENT_FINISHED);
    if (gmq_event_code(event) != code || !strstr(gmq_event_text(event), part_of_details))
        print_error("FINISHED %d: %s\n", gmq_event_code(event), gmq_event_text(event));
    assert_int_equal(gmq_event_code(event), code);
    assert_int_equal(gmq_event_tag(event), tag);
    assert_non_null(strstr(gmq_event_text(event), part_of_details));
    gmq_event_free(event);
}

void rig_expect_nothing(gmq_queue *queue)
{
    gmq_event *event = NULL;
    size_t count = 1;
    while (count) {
        ok(gmq_queue_poll(queue, &event, 1, &count));
        if (count && !quiet(event))
            fail_msg("unexpected event %d", gmq_event_type_of(event));
        if (count)
            gmq_event_free(event);
    }
}

gmq_call *rig_start(rig *r, const char *path, gmq_rpc_kind kind, uint64_t tag)
{
    gmq_call *call = NULL;
    ok(gmq_call_start(&call, r->client, path, kind, NULL, -1, NULL, tag));
    assert_non_null(call);
    return call;
}

gmq_call *rig_accept(rig *r, const char *path, uint64_t tag)
{
    gmq_event *event = rig_expect(r->server_queue, GMQ_EVENT_CALL);
    assert_string_equal(gmq_event_text(event), path);
    gmq_call *call = gmq_event_take_call(event);
    assert_non_null(call);
    assert_null(gmq_event_take_call(event));
    gmq_event_free(event);
    gmq_call_set_tag(call, tag);
    ok(gmq_call_read(call, 1000));
    return call;
}

gmq_event *rig_pumped_call(rig *r)
{
    for (int tries = 0; tries < 2000; tries++) {
        gmq_event *event;
        size_t count;
        rig_expect_nothing(r->client_queue);
        ok(gmq_queue_wait(r->server_queue, 10, &event, 1, &count));
        if (count && gmq_event_type_of(event) == GMQ_EVENT_CALL)
            return event;
        if (count)
            gmq_event_free(event);
    }
    fail_msg("no call");
    return NULL;
}
