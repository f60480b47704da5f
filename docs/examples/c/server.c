/* Serves demo.v1.Demo over MQTT, with no gRPC behind it: server
 * mqtt://127.0.0.1:1883/fleet/device42 */
#include <grpc_mqtt/grpc_mqtt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "demo_service.h"

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

static void print_state(const gmq_event *event)
{
    if (gmq_event_code(event) == GMQ_STATE_READY)
        printf("ready: %s\n", gmq_event_text(event));
    if (gmq_event_code(event) == GMQ_STATE_TRANSIENT_FAILURE)
        printf("not connected: %s\n", gmq_event_text(event)); /* it is tried again */
    fflush(stdout);
}

/* How long to wait for events: until a delayed answer is due, and not so long that a signal goes
 * unseen. */
static int64_t patience(void)
{
    int64_t due = demo_tick();
    return due >= 0 && due < 200 ? due : 200;
}

int main(int argc, char **argv)
{
    gmq_queue *queue;
    gmq_method_map *methods;
    gmq_server *server;
    int closing = 0, closed = 0;
    if (argc != 2) {
        fprintf(stderr, "usage: %s URL\n", argv[0]);
        return 2;
    }
    signal(SIGTERM, on_signal);
    signal(SIGINT, on_signal);
    check(gmq_queue_new(&queue));
    check(demo_methods(&methods));
    check(gmq_server_new(&server, argv[1], NULL, methods, queue, 0));
    gmq_method_map_free(methods); /* the server has a copy */

    while (!closed) {
        gmq_event *events[32];
        size_t count;
        if (stop && !closing) {
            closing = 1;
            gmq_server_close(server, 1000); /* open calls have a second to end */
        }
        check(gmq_queue_wait(queue, patience(), events, 32, &count));
        for (size_t i = 0; i < count; i++) {
            if (gmq_event_type_of(events[i]) == GMQ_EVENT_STATE)
                print_state(events[i]);
            closed = closed || gmq_event_type_of(events[i]) == GMQ_EVENT_CLOSED;
            demo_handle(events[i]);
            gmq_event_free(events[i]);
        }
    }
    gmq_server_unref(server);
    gmq_queue_unref(queue);
    return 0;
}
