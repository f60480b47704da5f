#include "daemon_args.h"

#include <string.h>

#define PROGRAM "grpc-mqtt-gateway"

static const char usage[] =
    "Usage: " PROGRAM " -L URL --descriptors FILE --target HOST:PORT [more pairs] [options]\n"
    "       " PROGRAM " -L URL --target HOST:PORT --passthrough [options]\n"
    "       " PROGRAM " --config FILE [options]\n"
    "\n"
    "Takes gRPC calls that arrive over an MQTT broker to gRPC servers that know nothing of MQTT.\n"
    "It connects out to both; nothing connects to it.\n";

static const char notes[] =
    "\n"
    "Example\n"
    "  protoc --include_imports --descriptor_set_out=demo.protoset demo.proto\n"
    "  " PROGRAM " -L mqtt://broker.example.org/fleet/device42 \\\n"
    "      --descriptors demo.protoset --target 127.0.0.1:50051\n"
    "\n"
    "It logs to stderr, a line an event. The line \"ready: ...\" says that calls are taken.\n"
    "SIGHUP reads the file of --config again, and ends no call. SIGTERM and SIGINT drain and end "
    "it\n"
    "with status 0; a second one ends it at once.\n"
    "Exit status: 0 ended in order, 1 it cannot go on, 2 the command line or the file is wrong.\n";

static int read_url(void *target, const char *url)
{
    ((gmq__daemon_args *)target)->url = url;
    return -1;
}

static int read_descriptors(void *target, const char *file)
{
    gmq__daemon_args *args = target;
    gmq_status status = args->open ? GMQ_OK : gmq_method_map_new(&args->open);
    if (status == GMQ_OK)
        status = gmq_method_map_add_descriptor_file(args->open, file);
    args->open_file = file;
    return status == GMQ_OK ? -1 : gmq__daemon_fail(status);
}

static int read_target(void *target, const char *address)
{
    gmq__daemon_args *args = target;
    if (!args->first_target)
        args->first_target = address;
    if (!args->open_file) {
        args->bare_target = args->bare_target ? args->bare_target : address;
        return -1;
    }
    gmq_method_map *merged = NULL;
    gmq_status status = gmq_method_map_bind(args->open, NULL, address, NULL);
    if (status == GMQ_OK)
        status = gmq_method_map_merge(&merged, args->map, args->open);
    if (status != GMQ_OK)
        return gmq__daemon_fail(status);
    gmq_method_map_free(args->map);
    gmq_method_map_free(args->open);
    args->map = merged;
    args->open = NULL;
    args->open_file = NULL;
    return -1;
}

static int read_passthrough(void *target, const char *value)
{
    (void)value;
    ((gmq__daemon_args *)target)->passthrough = true;
    return -1;
}

static int set_passthrough(const gmq__daemon_args *args)
{
    if (!args->first_target)
        return gmq__daemon_usage("--passthrough needs a --target", "");
    gmq_status status =
        gmq_options_set_string(args->common.options, "passthrough", args->first_target);
    return status == GMQ_OK ? -1 : gmq__daemon_fail(status);
}

static int check(void *target)
{
    const gmq__daemon_args *args = target;
    if (!args->url)
        return gmq__daemon_usage("-L URL is missing", "");
    if (args->open_file)
        return gmq__daemon_usage("no --target after --descriptors ", args->open_file);
    if (args->bare_target && !args->passthrough)
        return gmq__daemon_usage("no --descriptors before --target ", args->bare_target);
    if (args->passthrough)
        return set_passthrough(args);
    if (!args->map)
        return gmq__daemon_usage("--descriptors FILE --target HOST:PORT is missing", "");
    if (gmq_method_map_count(args->map) == 0)
        return gmq__daemon_complain(EXIT_RUNTIME, "the descriptor sets have no methods");
    return -1;
}

static const gmq__daemon_option served[] = {
    {.help = "What is served, and where"},
    {"listen", 'L', "URL",
     "broker and base topic: mqtt://[user@]host[:port]/base/topic\n"
     "(also mqtts, ws, wss; the query sets options: ?keep_alive_s=60)",
     read_url, NULL},
    {"descriptors", 'd', "FILE",
     "which methods there are; written by\n"
     "protoc --include_imports --descriptor_set_out=FILE ...",
     read_descriptors, NULL},
    {"target", 't', "HOST:PORT",
     "the gRPC server of the methods in the --descriptors before it\n"
     "(or unix:PATH). Repeat the pair for several servers; a method that\n"
     "several sets have is served by the first",
     read_target, NULL},
    {"passthrough", 0, NULL,
     "methods that no descriptors name go to the first --target (which\n"
     "then needs none); for callers that speak the link dialect",
     read_passthrough, NULL},
    {0},
};

/* A server whose queue nobody polls, and which so does nothing: but all is looked at. */
static gmq_status try_out(void *target)
{
    const gmq__daemon_args *args = target;
    gmq_options *options = NULL;
    gmq_queue *queue = NULL;
    gmq_server *server = NULL;
    int64_t wait = 0;
    gmq_status status = gmq_options_copy(&options, args->common.options);
    if (status == GMQ_OK)
        status = gmq_options_get_int(options, args->url, "initial_metadata_wait_ms", &wait);
    if (status == GMQ_OK)
        status = gmq_options_set_string(options, "drive", "caller");
    if (status == GMQ_OK)
        status = gmq_queue_new(&queue);
    if (status == GMQ_OK)
        status = gmq_server_new(&server, args->url, options, args->map, queue, 0);
    gmq_server_unref(server);
    gmq_queue_unref(queue);
    gmq_options_free(options);
    return status;
}

static const char *const live[] = {"descriptors", "target", NULL};

static const gmq__daemon_program program = {
    .name = PROGRAM,
    .usage = usage,
    .notes = notes,
    .tables = {served, gmq__daemon_broker_options, gmq__daemon_running_options},
    .group = {"target", {{"descriptors", "descriptors"}, {"address", "target"}}},
    .live = live,
    .check = check,
    .try_out = try_out,
};

int gmq__daemon_args_read(gmq__daemon_args *out, int argc, char **argv)
{
    memset(out, 0, sizeof *out);
    return gmq__daemon_read(&program, out, argc, argv);
}

int gmq__daemon_args_read_again(gmq__daemon_args *out)
{
    memset(out, 0, sizeof *out);
    return gmq__daemon_read_again(out);
}

void gmq__daemon_args_clear(gmq__daemon_args *args)
{
    gmq__daemon_common_clear(&args->common);
    gmq_method_map_free(args->open);
    gmq_method_map_free(args->map);
}
