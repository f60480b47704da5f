#include "codegen/typed_util.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

const char *rig_dialect = "auto";

static int handle(rig *r, gmq_event *event)
{
    int closed = gmq_event_type_of(event) == GMQ_EVENT_CLOSED;
    if (!demo__v1__demo_server__serve_event(r->demo, event))
        r->unknown++;
    gmq_event_free(event);
    return closed;
}

static void *serve(void *arg)
{
    rig *r = arg;
    for (int closed = 0; !closed;) {
        gmq_event *events[8];
        size_t count = 0;
        if (gmq_queue_wait(r->queue, -1, events, 8, &count) != GMQ_OK)
            break;
        for (size_t i = 0; i < count; i++)
            closed |= handle(r, events[i]);
    }
    return NULL;
}

static void until_ready(gmq_queue *queue)
{
    for (int ready = 0; !ready;) {
        gmq_event *event;
        size_t count;
        ok(gmq_queue_wait(queue, 60000, &event, 1, &count));
        assert_int_equal(count, 1);
        ready =
            gmq_event_type_of(event) == GMQ_EVENT_STATE && gmq_event_code(event) == GMQ_STATE_READY;
        gmq_event_free(event);
    }
}

void rig_open(rig *r, const Demo__V1__Demo_Handlers *handlers, void *self)
{
    rig_open_with(r, "", handlers, self);
}

void rig_open_with(rig *r, const char *server_query, const Demo__V1__Demo_Handlers *handlers,
                   void *self)
{
    static int number;
    gmq_method_map *map;
    char url[128];
    memset(r, 0, sizeof *r);
    snprintf(r->url, sizeof r->url, "loopback://typed-%d-%d/base", (int)getpid(), number++);
    ok(gmq_method_map_new(&map));
    ok(demo__v1__demo_methods__add(map));
    ok(gmq_queue_new(&r->queue));
    ok(demo__v1__demo_server__new(&r->demo, handlers, self));
    snprintf(url, sizeof url, "%s%s", r->url, server_query);
    ok(gmq_server_new(&r->server, url, NULL, map, r->queue, 0));
    until_ready(r->queue);
    assert_int_equal(pthread_create(&r->thread, NULL, serve, r), 0);
    strcat(strcat(r->url, "?dialect="), rig_dialect);
    ok(gmq_channel_new(&r->channel, r->url, NULL, map));
    gmq_method_map_free(map);
}

void rig_stop_serving(rig *r)
{
    if (!r->server)
        return;
    gmq_server_close(r->server, 0);
    pthread_join(r->thread, NULL);
    gmq_server_unref(r->server);
    r->server = NULL;
}

void rig_close(rig *r)
{
    rig_stop_serving(r);
    demo__v1__demo_server__free(r->demo);
    gmq_channel_free(r->channel);
    gmq_queue_unref(r->queue);
}

gmq_rpc *rig_rpc(rig *r)
{
    gmq_rpc *rpc;
    ok(gmq_rpc_new(&rpc, r->channel));
    ok(gmq_rpc_set_timeout_ms(rpc, 60000));
    return rpc;
}

void rig_expect_code(gmq_rpc *rpc, int32_t code, const char *part_of_details)
{
    if (gmq_rpc_code(rpc) != code || !strstr(gmq_rpc_details(rpc), part_of_details))
        print_error("%s: %s\n", gmq_code_name(gmq_rpc_code(rpc)), gmq_rpc_details(rpc));
    assert_int_equal(gmq_rpc_code(rpc), code);
    assert_non_null(strstr(gmq_rpc_details(rpc), part_of_details));
    gmq_rpc_free(rpc);
}

Demo__V1__HelloRequest rig_hello(const char *name)
{
    Demo__V1__HelloRequest request = DEMO__V1__HELLO_REQUEST__INIT;
    request.name = (char *)(uintptr_t)name;
    return request;
}
