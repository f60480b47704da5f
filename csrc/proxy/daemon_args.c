#include "daemon_args.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PROGRAM "grpc-mqtt-proxy"

static const char usage[] = "Usage: " PROGRAM " -L URL --listen HOST:PORT [options]\n"
                            "       " PROGRAM " --config FILE [options]\n"
                            "\n"
                            "Takes calls from gRPC clients that know nothing of MQTT, and carries "
                            "them over an MQTT broker\n"
                            "to the servers and gateways there.\n";

static const char notes[] =
    "\n"
    "Which base topic a call goes to, the first that says so: its metadata grpc-mqtt-base (only\n"
    "what --allow allows), its authority by --authority, the base of -L or --base.\n"
    "\n"
    "Examples\n"
    "  " PROGRAM " -L mqtt://broker.example.org/fleet/device42 --listen 127.0.0.1:50051\n"
    "  " PROGRAM " -L mqtts://broker.example.org --listen 0.0.0.0:50051 \\\n"
    "      --authority '{device}.fleet.mqtt=fleet/{device}' --allow 'fleet/+' \\\n"
    "      --tls-cert proxy.pem --tls-key proxy.key\n"
    "\n"
    "It logs to stderr, a line an event. The line \"ready: ...\" says that calls are taken.\n"
    "SIGHUP reads the file of --config again, and ends no call. SIGTERM and SIGINT drain and end "
    "it\n"
    "with status 0; a second one ends it at once.\n"
    "Exit status: 0 ended in order, 1 it cannot go on, 2 the command line or the file is wrong.\n";

/* ---- Broker and bases ---- */

static int read_url(void *target, const char *url)
{
    ((gmq__daemon_args *)target)->url = url;
    return -1;
}

static int read_base(void *target, const char *base)
{
    ((gmq__daemon_args *)target)->base = base;
    return -1;
}

static int done(gmq_status status) { return status == GMQ_OK ? -1 : gmq__daemon_fail(status); }

static int read_authority(void *target, const char *pair)
{
    const char *equals = strchr(pair, '=');
    if (!equals)
        return gmq__daemon_usage("--authority wants PATTERN=BASE, not ", pair);
    char *pattern = strndup(pair, (size_t)(equals - pair));
    if (!pattern)
        return gmq__daemon_complain(EXIT_RUNTIME, "out of memory");
    gmq_status status =
        gmq_proxy_config_authority(((gmq__daemon_args *)target)->config, pattern, equals + 1);
    free(pattern);
    return done(status);
}

static int read_allow(void *target, const char *filter)
{
    return done(gmq_proxy_config_allow(((gmq__daemon_args *)target)->config, filter));
}

static int read_descriptors(void *target, const char *file)
{
    gmq__daemon_args *args = target;
    gmq_status status = args->map ? GMQ_OK : gmq_method_map_new(&args->map);
    if (status == GMQ_OK)
        status = gmq_method_map_add_descriptor_file(args->map, file);
    return done(status);
}

/* ---- Listening ---- */

static int read_listen(void *target, const char *address)
{
    gmq__daemon_args *args = target;
    if (args->listen_count == MAX_LISTENS)
        return gmq__daemon_usage("too many --listen: ", address);
    args->listens[args->listen_count++] = address;
    return -1;
}

static int read_tls_cert(void *target, const char *file)
{
    ((gmq__daemon_args *)target)->tls_cert = file;
    return -1;
}

static int read_tls_key(void *target, const char *file)
{
    ((gmq__daemon_args *)target)->tls_key = file;
    return -1;
}

static int read_tls_client_ca(void *target, const char *file)
{
    ((gmq__daemon_args *)target)->tls_client_ca = file;
    return -1;
}

/* ---- Limits ---- */

/* A whole number from 1, -1 = it is none. */
static int64_t number(const char *text)
{
    char *end = NULL;
    long long value = strtoll(text, &end, 10);
    return end == text || *end || value < 1 || value > 1000000000 ? -1 : value;
}

static int read_max_calls(void *target, const char *text)
{
    int64_t value = number(text);
    if (value < 0)
        return gmq__daemon_usage("--max-calls wants a number from 1, not ", text);
    return done(gmq_proxy_config_limits(((gmq__daemon_args *)target)->config, value, -1, -1));
}

static int read_max_bases(void *target, const char *text)
{
    int64_t value = number(text);
    if (value < 0)
        return gmq__daemon_usage("--max-bases wants a number from 1, not ", text);
    return done(gmq_proxy_config_limits(((gmq__daemon_args *)target)->config, -1, value, -1));
}

static int read_base_idle(void *target, const char *text)
{
    int64_t ms = gmq__daemon_seconds(text);
    if (ms < 0)
        return gmq__daemon_usage("--base-idle wants seconds from 0 to 86400, not ", text);
    return done(gmq_proxy_config_limits(((gmq__daemon_args *)target)->config, -1, -1, ms));
}

/* ---- The whole ---- */

static const gmq__daemon_option carried[] = {
    {.help = "Where calls go"},
    {"broker", 'L', "URL",
     "the broker: mqtt://[user@]host[:port], and the base topic of all\n"
     "calls that say no other: .../fleet/device42 (also mqtts, ws, wss;\n"
     "the query sets options: ?keep_alive_s=60)",
     read_url, NULL},
    {"base", 'b', "TOPIC", "that base topic, where it does not stand in the URL", read_base, NULL},
    {"authority", 0, "PATTERN=BASE",
     "calls to an authority go to a base topic:\n"
     "'{device}.fleet.mqtt=fleet/{device}'; may be repeated",
     read_authority, NULL},
    {"allow", 0, "FILTER",
     "base topics that callers may choose: 'fleet/+'; may be repeated.\n"
     "Without any, the metadata grpc-mqtt-base reaches nothing else",
     read_allow, NULL},
    {"descriptors", 'd', "FILE",
     "the methods, for their kinds and options, written by\n"
     "protoc --include_imports --descriptor_set_out=FILE ...; may be\n"
     "repeated. Methods of no file are asked for by reflection",
     read_descriptors, NULL},
    {.help = "Where calls come from"},
    {"listen", 'l', "HOST:PORT", "address for gRPC clients (or unix:PATH); may be repeated",
     read_listen, NULL},
    {"tls-cert", 0, "FILE", "certificate of the listening side (PEM); without: no TLS",
     read_tls_cert, NULL},
    {"tls-key", 0, "FILE", "its key (PEM); default: in the same file", read_tls_key, NULL},
    {"tls-client-ca", 0, "FILE", "clients must show a certificate signed by these (PEM)",
     read_tls_client_ca, NULL},
    {"max-calls", 0, "NUMBER", "calls open at a time; default 10000", read_max_calls, NULL},
    {"max-bases", 0, "NUMBER", "base topics connected at a time; default 1000", read_max_bases,
     NULL},
    {"base-idle", 0, "SECONDS", "an unused base topic is left after so long; default 300",
     read_base_idle, NULL},
    {0},
};

static int add_listens(gmq__daemon_args *args)
{
    gmq_status status = gmq_proxy_config_methods(args->config, args->map);
    for (size_t i = 0; i < args->listen_count && status == GMQ_OK; i++)
        status = gmq_proxy_config_listen(args->config, args->listens[i], args->tls_cert,
                                         args->tls_key, args->tls_client_ca);
    return done(status);
}

/* Puts the base topic into the address. */
static int join_base(gmq__daemon_args *args)
{
    const char *host = strstr(args->url, "://");
    host = host ? host + 3 : args->url;
    const char *path = host + strcspn(host, "/?#");
    const char *tail = path + (*path == '/');
    if (*tail && *tail != '?' && *tail != '#')
        return gmq__daemon_usage("a base topic stands in -L already, and --base says ", args->base);
    size_t rest = strlen(tail), size = (size_t)(path - args->url) + 3 * strlen(args->base) + 2;
    args->joined = malloc(size + rest);
    if (!args->joined)
        return gmq__daemon_complain(EXIT_RUNTIME, "out of memory");
    char *at = args->joined + sprintf(args->joined, "%.*s/", (int)(path - args->url), args->url);
    for (const char *p = args->base; *p; p++)
        at += sprintf(at, strchr("%?#", *p) ? "%%%02X" : "%c", (unsigned char)*p);
    memcpy(at, tail, rest + 1);
    args->url = args->joined;
    return -1;
}

static int check(void *target)
{
    gmq__daemon_args *args = target;
    if (!args->url)
        return gmq__daemon_usage("-L URL is missing", "");
    if (args->listen_count == 0)
        return gmq__daemon_usage("--listen HOST:PORT is missing", "");
    int status = args->base ? join_base(args) : -1;
    return status < 0 ? add_listens(args) : status;
}

static gmq_status try_file(const char *file)
{
    char text[512];
    FILE *f = file ? fopen(file, "re") : NULL;
    if (file && !f) {
        snprintf(text, sizeof text, "%s: %s", file, strerror(errno));
        return gmq_error_set(GMQ_E_IO, text);
    }
    if (f)
        fclose(f);
    return GMQ_OK;
}

/* A client whose queue nobody polls, and which so does nothing: but all is looked at. */
static gmq_status try_client(const char *url, const gmq_options *options)
{
    gmq_options *own = NULL;
    gmq_queue *queue = NULL;
    gmq_client *client = NULL;
    gmq_status status = gmq_options_copy(&own, options);
    if (status == GMQ_OK)
        status = gmq_options_set_string(own, "drive", "caller");
    if (status == GMQ_OK)
        status = gmq_queue_new(&queue);
    if (status == GMQ_OK)
        status = gmq_client_new(&client, url, own, NULL, queue, 0);
    gmq_client_unref(client);
    gmq_queue_unref(queue);
    gmq_options_free(own);
    return status;
}

static gmq_status try_out(void *target)
{
    const gmq__daemon_args *args = target;
    const char *const files[] = {args->tls_cert, args->tls_key, args->tls_client_ca};
    const char *host = strstr(args->url, "://");
    host = host ? host + 3 : args->url;
    bool based = host[strcspn(host, "/?#")] == '/' && host[strcspn(host, "/?#") + 1];
    gmq_status status = GMQ_OK;
    for (size_t i = 0; i < sizeof files / sizeof *files && status == GMQ_OK; i++)
        status = try_file(files[i]);
    if (status != GMQ_OK || based)
        return status == GMQ_OK ? try_client(args->url, args->common.options) : status;
    gmq__daemon_args any = {.url = args->url, .base = "any"}; /* calls say theirs */
    if (join_base(&any) >= 0)
        return GMQ_E_NOMEM;
    status = try_client(any.url, args->common.options);
    free(any.joined);
    return status;
}

static const char *const live[] = {"descriptors", "authority", "allow", "max-calls",
                                   "max-bases",   "base-idle", NULL};

static const gmq__daemon_program program = {
    .name = PROGRAM,
    .usage = usage,
    .notes = notes,
    .tables = {carried, gmq__daemon_broker_options, gmq__daemon_running_options},
    .live = live,
    .check = check,
    .try_out = try_out,
};

static int begin(gmq__daemon_args *out)
{
    memset(out, 0, sizeof *out);
    if (gmq_proxy_config_new(&out->config) == GMQ_OK)
        return -1;
    fprintf(stderr, PROGRAM ": %s\n", gmq_error_text());
    return EXIT_RUNTIME;
}

int gmq__daemon_args_read(gmq__daemon_args *out, int argc, char **argv)
{
    int status = begin(out);
    return status < 0 ? gmq__daemon_read(&program, out, argc, argv) : status;
}

int gmq__daemon_args_read_again(gmq__daemon_args *out)
{
    int status = begin(out);
    return status < 0 ? gmq__daemon_read_again(out) : status;
}

void gmq__daemon_args_clear(gmq__daemon_args *args)
{
    gmq__daemon_common_clear(&args->common);
    gmq_proxy_config_free(args->config);
    gmq_method_map_free(args->map);
    free(args->joined);
}
