/* A gateway inside a program of one's own: gateway
 * mqtt://127.0.0.1:1883/fleet/device42 demo.protoset 127.0.0.1:50051 */
#include <grpc_mqtt/gateway.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

static volatile sig_atomic_t stop;
static void on_signal(int number)
{
    (void)number;
    stop = 1;
}

static void check(gmq_status status) /* GMQ_OK is 0 */
{
    if (status == GMQ_OK)
        return;
    fprintf(stderr, "%s: %s\n", gmq_status_name(status), gmq_error_text());
    exit(1);
}

static gmq_gateway *start(const char *url, const char *protoset, const char *target,
                          gmq_queue *queue)
{
    gmq_method_map *map;
    gmq_gateway *gateway;
    check(gmq_method_map_new(&map));
    check(gmq_method_map_add_descriptor_file(map, protoset));
    check(gmq_method_map_bind(map, "*", target, NULL)); /* every method, to one server */
    check(gmq_gateway_new(&gateway, url, NULL, map, queue, 0));
    gmq_method_map_free(map);
    return gateway;
}

int main(int argc, char **argv)
{
    gmq_queue *queue;
    int closing = 0, closed = 0;
    if (argc != 4) {
        fprintf(stderr, "usage: %s URL PROTOSET TARGET\n", argv[0]);
        return 2;
    }
    signal(SIGTERM, on_signal);
    signal(SIGINT, on_signal);
    check(gmq_queue_new(&queue));
    gmq_gateway *gateway = start(argv[1], argv[2], argv[3], queue);
    while (!closed) {
        gmq_event *event;
        size_t count;
        if (stop && !closing) {
            closing = 1;
            gmq_gateway_close(gateway, 1000);
        }
        check(gmq_queue_wait(queue, 200, &event, 1, &count));
        if (!count)
            continue;
        if (gmq_event_type_of(event) == GMQ_EVENT_STATE && gmq_event_code(event) == GMQ_STATE_READY)
            printf("ready: %s\n", gmq_event_text(event));
        fflush(stdout);
        closed = gmq_event_type_of(event) == GMQ_EVENT_CLOSED;
        gmq_event_free(event);
    }
    gmq_gateway_unref(gateway);
    gmq_queue_unref(queue);
    return 0;
}
