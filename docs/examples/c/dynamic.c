/* Calls a method that it learns of at run time, from a descriptor set (protoc
 * --descriptor_set_out): dynamic mqtt://127.0.0.1:1883/fleet/device42 demo.protoset
 * demo.v1.Demo/SayHello name=you */
#include <grpc_mqtt/grpc_mqtt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void check(gmq_status status) /* GMQ_OK is 0 */
{
    if (status == GMQ_OK)
        return;
    fprintf(stderr, "%s: %s\n", gmq_status_name(status), gmq_error_text());
    exit(1);
}

static void fail(const char *what, const char *which)
{
    fprintf(stderr, "%s: %s\n", what, which);
    exit(2);
}

/* "name=value": what the text becomes depends on the field's type; at the end of a repeated one. */
static void set_field(gmq_message *message, char *argument)
{
    char *value = strchr(argument, '=');
    if (!value)
        fail("not of the form field=value", argument);
    *value++ = '\0';
    const gmq_field *field = gmq_type_find_field(gmq_message_type_of(message), argument);
    if (!field)
        fail("no such field", argument);
    size_t end =
        gmq_field_label(field) == GMQ_LABEL_REPEATED ? gmq_message_count(message, field) : 0;
    switch (gmq_field_type_of(field)) {
    case GMQ_FIELD_STRING:
    case GMQ_FIELD_BYTES:
        check(gmq_message_set_bytes(message, field, end, value, strlen(value)));
        break;
    case GMQ_FIELD_FLOAT:
    case GMQ_FIELD_DOUBLE:
        check(gmq_message_set_double(message, field, end, strtod(value, NULL)));
        break;
    case GMQ_FIELD_BOOL:
        check(gmq_message_set_bool(message, field, end, strcmp(value, "true") == 0));
        break;
    default: /* integers; others say that they hold none */
        check(gmq_message_set_int64(message, field, end, strtoll(value, NULL, 10)));
    }
}

static void print_message(gmq_message *message, int indent);

static void print_value(gmq_message *message, const gmq_field *field, size_t index, int indent)
{
    const void *data;
    size_t len;
    int64_t integer;
    double real;
    int truth;
    gmq_message *child;
    printf("%*s%s:", indent, "", gmq_field_name(field));
    if (gmq_message_get_message(message, field, index, &child) == GMQ_OK) {
        printf("\n");
        print_message(child, indent + 2);
        gmq_message_unref(child);
    } else if (gmq_message_get_bytes(message, field, index, &data, &len) == GMQ_OK)
        printf(" %.*s\n", (int)len, (const char *)data);
    else if (gmq_message_get_double(message, field, index, &real) == GMQ_OK)
        printf(" %g\n", real);
    else if (gmq_message_get_bool(message, field, index, &truth) == GMQ_OK)
        printf(" %s\n", truth ? "true" : "false");
    else {
        check(gmq_message_get_int64(message, field, index, &integer));
        printf(" %lld\n", (long long)integer);
    }
}

static void print_message(gmq_message *message, int indent)
{
    const gmq_type *type = gmq_message_type_of(message);
    for (size_t i = 0; i < gmq_type_field_count(type); i++) {
        const gmq_field *field = gmq_type_field(type, i);
        for (size_t k = 0; k < gmq_message_count(message, field); k++)
            print_value(message, field, k, indent);
    }
}

static gmq_call *start(gmq_client *client, const gmq_method *method, char **fields)
{
    gmq_message *request;
    gmq_buf *bytes;
    gmq_call *call;
    check(gmq_message_new(&request, gmq_method_input(method)));
    for (; *fields; fields++)
        set_field(request, *fields);
    check(gmq_message_encode(request, &bytes));
    check(gmq_call_start_with(&call, client, gmq_method_path(method), gmq_method_kind(method), NULL,
                              5000, NULL, 0, gmq_buf_data(bytes), gmq_buf_len(bytes), 1));
    gmq_buf_unref(bytes);
    gmq_message_unref(request);
    return call;
}

static int finish(gmq_queue *queue, gmq_call *call, const gmq_type *output)
{
    for (int32_t code = -1;;) { /* FINISHED comes once, and last */
        gmq_event *event;
        size_t count;
        gmq_message *reply;
        check(gmq_queue_wait(queue, -1, &event, 1, &count));
        if (gmq_event_type_of(event) == GMQ_EVENT_MESSAGE) {
            gmq_buf *bytes = gmq_event_message(event);
            check(gmq_message_decode(&reply, output, gmq_buf_data(bytes), gmq_buf_len(bytes), 0));
            print_message(reply, 0);
            gmq_message_unref(reply);
            gmq_call_read(call, 1); /* of a stream there may be more */
        } else if (gmq_event_type_of(event) == GMQ_EVENT_FINISHED) {
            code = gmq_event_code(event);
            if (code != GMQ_CODE_OK)
                fprintf(stderr, "%s: %s\n", gmq_code_name(code), gmq_event_text(event));
        }
        gmq_event_free(event);
        if (code >= 0)
            return code == GMQ_CODE_OK ? 0 : 1;
    }
}

int main(int argc, char **argv)
{
    gmq_schema *schema;
    gmq_queue *queue;
    gmq_client *client;
    char path[256];
    if (argc < 4) {
        fprintf(stderr, "usage: %s URL PROTOSET SERVICE/METHOD [FIELD=VALUE]...\n", argv[0]);
        return 2;
    }
    check(gmq_schema_open(&schema, argv[2]));
    snprintf(path, sizeof path, "/%s", argv[3]);
    const gmq_method *method = gmq_schema_find_method(schema, path);
    if (!method || gmq_method_kind(method) & GMQ_RPC_CLIENT_STREAMING)
        fail("no method with one request", argv[3]);
    check(gmq_queue_new(&queue));
    check(gmq_client_new(&client, argv[1], NULL, NULL, queue, 0));
    gmq_call *call = start(client, method, argv + 4);
    int status = finish(queue, call, gmq_method_output(method));
    gmq_call_unref(call);
    gmq_client_unref(client);
    gmq_queue_unref(queue);
    gmq_schema_unref(schema);
    return status;
}
