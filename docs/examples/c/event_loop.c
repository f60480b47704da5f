/* Two things at a time, on one thread, in a loop that is the program's own: a line of the standard
 * input is a name to greet, and greetings are printed as they come.
 * event_loop mqtt://127.0.0.1:1883/fleet/device42
 * With ?drive=caller in the address the library has no thread either. */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "demo.grpc-mqtt.h"

static int open_calls, more_input = 1, failed;

static void check(gmq_status status) /* GMQ_OK is 0 */
{
    if (status == GMQ_OK)
        return;
    fprintf(stderr, "%s: %s\n", gmq_status_name(status), gmq_error_text());
    exit(1);
}

static void greet(gmq_client *client, char *name)
{
    Demo__V1__HelloRequest request = DEMO__V1__HELLO_REQUEST__INIT;
    gmq_call *call;
    request.name = name;
    check(demo__v1__demo__say_hello__begin(&call, client, &request, NULL, 10000, NULL, 0));
    open_calls++;
}

/* What there is on the standard input: whole lines, and perhaps the start of one. */
static void read_input(gmq_client *client)
{
    static char line[1024];
    static size_t used;
    ssize_t got = read(STDIN_FILENO, line + used, sizeof line - 1 - used);
    used += got > 0 ? (size_t)got : 0;
    line[used] = '\0';
    for (char *end;
         (end = strchr(line, '\n')) || (used && (got <= 0 || used == sizeof line - 1));) {
        size_t len = end ? (size_t)(end - line) + 1 : used;
        line[end ? len - 1 : len] = '\0';
        greet(client, line);
        memmove(line, line + len, used - len + 1);
        used -= len;
    }
    more_input = got > 0;
}

static void handle(gmq_event *event)
{
    if (gmq_event_type_of(event) == GMQ_EVENT_MESSAGE) {
        Demo__V1__HelloReply *reply = demo__v1__demo__say_hello__reply_of(event);
        printf("%s\n", reply ? reply->text : "the reply does not parse");
        demo__v1__hello_reply__free_unpacked(reply, NULL);
    }
    if (gmq_event_type_of(event) == GMQ_EVENT_FINISHED) {
        open_calls--;
        if (gmq_event_code(event) != GMQ_CODE_OK) {
            fprintf(stderr, "%s: %s\n", gmq_code_name(gmq_event_code(event)),
                    gmq_event_text(event));
            failed = 1;
        }
        gmq_call_unref(gmq_event_call(event)); /* the handle of greet() */
    }
}

/* Whatever is in the queue now. */
static void take_events(gmq_queue *queue)
{
    gmq_event *events[32];
    size_t count;
    do {
        check(gmq_queue_poll(queue, events, 32, &count));
        for (size_t i = 0; i < count; i++) {
            handle(events[i]);
            gmq_event_free(events[i]);
        }
    } while (count == 32);
}

static void run(gmq_queue *queue, gmq_client *client)
{
    struct pollfd waited[] = {{.fd = gmq_queue_fd(queue), .events = POLLIN},
                              {.fd = STDIN_FILENO, .events = POLLIN}};
    if (waited[0].fd < 0)
        check(GMQ_E_IO);
    while (more_input || open_calls) {
        int limit = (int)gmq_queue_timeout_ms(queue); /* -1, unless drive=caller has a timer */
        waited[1].fd = more_input ? STDIN_FILENO : -1;
        if (poll(waited, 2, limit) < 0)
            break;
        if (more_input && waited[1].revents)
            read_input(client);
        take_events(queue);
    }
}

int main(int argc, char **argv)
{
    gmq_queue *queue;
    gmq_client *client;
    if (argc != 2) {
        fprintf(stderr, "usage: %s URL\n", argv[0]);
        return 2;
    }
    check(gmq_queue_new(&queue));
    check(gmq_client_new(&client, argv[1], NULL, NULL, queue, 0));
    run(queue, client);
    gmq_client_unref(client);
    gmq_queue_unref(queue);
    return failed;
}
