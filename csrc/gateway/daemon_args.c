#include "daemon_args.h"

#include <getopt.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PROGRAM "grpc-mqtt-gateway"

enum { DEFAULT_GRACE_S = 10, MAX_GRACE_S = 86400 };

static const char help[] =
    "Usage: " PROGRAM " -L URL --descriptors FILE --target HOST:PORT [more pairs] [options]\n"
    "\n"
    "Takes gRPC calls that arrive over an MQTT broker to gRPC servers that know nothing of MQTT.\n"
    "It connects out to both; nothing connects to it.\n"
    "\n"
    "What is served, and where\n"
    "  -L, --listen URL         broker and base topic: mqtt://[user@]host[:port]/base/topic\n"
    "                           (also mqtts, ws, wss; the query sets options: ?keep_alive_s=60)\n"
    "  -d, --descriptors FILE   which methods there are; written by\n"
    "                           protoc --include_imports --descriptor_set_out=FILE ...\n"
    "  -t, --target HOST:PORT   the gRPC server of the methods in the --descriptors before it\n"
    "                           (or unix:PATH). Repeat the pair for several servers; a method "
    "that\n"
    "                           several sets have is served by the first\n"
    "\n"
    "The broker\n"
    "      --username NAME      user name\n"
    "      --password-file FILE file whose first line is the password\n"
    "      --cafile FILE        authorities trusted for TLS (PEM); default: the system's\n"
    "      --cert FILE          our certificate (PEM)\n"
    "      --key FILE           its key (PEM)\n"
    "      --insecure           TLS without checking who the broker is; for tests\n"
    "  -o, --option KEY=VALUE   any option of the library (docs/guide/options.md); may be "
    "repeated\n"
    "\n"
    "Running\n"
    "      --grace SECONDS      how long open calls may go on after SIGTERM or SIGINT; default 10\n"
    "      --ready-file FILE    is written when calls are taken for the first time\n"
    "  -v, --verbose            log everything\n"
    "  -q, --quiet              log warnings and errors only\n"
    "  -h, --help               this text\n"
    "      --version            the version\n"
    "\n"
    "Example\n"
    "  protoc --include_imports --descriptor_set_out=demo.protoset demo.proto\n"
    "  " PROGRAM " -L mqtt://broker.example.org/fleet/device42 \\\n"
    "      --descriptors demo.protoset --target 127.0.0.1:50051\n"
    "\n"
    "It logs to stderr, a line an event. The line \"ready: ...\" says that calls are "
    "taken.\n"
    "SIGTERM and SIGINT drain and end it with status 0; a second one ends it at once.\n"
    "Exit status: 0 ended in order, 1 it cannot go on, 2 the command line is wrong.\n";

/* Options without a short form; those of the library come first and stand in `library_keys`. */
enum {
    OPT_USERNAME = 256,
    OPT_PASSWORD_FILE,
    OPT_CAFILE,
    OPT_CERT,
    OPT_KEY,
    OPT_LIBRARY_END,
    OPT_INSECURE = OPT_LIBRARY_END,
    OPT_GRACE,
    OPT_READY_FILE,
    OPT_VERSION
};

static const char *const library_keys[] = {"username", "password_file", "ca_file", "cert_file",
                                           "key_file"};

static const struct option long_options[] = {
    {"listen", required_argument, NULL, 'L'},
    {"descriptors", required_argument, NULL, 'd'},
    {"target", required_argument, NULL, 't'},
    {"option", required_argument, NULL, 'o'},
    {"verbose", no_argument, NULL, 'v'},
    {"quiet", no_argument, NULL, 'q'},
    {"help", no_argument, NULL, 'h'},
    {"username", required_argument, NULL, OPT_USERNAME},
    {"password-file", required_argument, NULL, OPT_PASSWORD_FILE},
    {"cafile", required_argument, NULL, OPT_CAFILE},
    {"cert", required_argument, NULL, OPT_CERT},
    {"key", required_argument, NULL, OPT_KEY},
    {"insecure", no_argument, NULL, OPT_INSECURE},
    {"grace", required_argument, NULL, OPT_GRACE},
    {"ready-file", required_argument, NULL, OPT_READY_FILE},
    {"version", no_argument, NULL, OPT_VERSION},
    {NULL, 0, NULL, 0},
};

int gmq__daemon_complain(int status, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fprintf(stderr, PROGRAM ": ");
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
    return status;
}

static int usage(const char *what, const char *value)
{
    return gmq__daemon_complain(EXIT_USAGE, "%s%s (see --help)", what, value);
}

int gmq__daemon_fail(gmq_status status)
{
    bool typed_wrong = status == GMQ_E_OPTION || status == GMQ_E_URL || status == GMQ_E_INVALID;
    return gmq__daemon_complain(typed_wrong ? EXIT_USAGE : EXIT_RUNTIME, "%s", gmq_error_text());
}

/* What has been read so far. The methods of the --descriptors that have had no --target yet are in
 * `open`. */
typedef struct reader {
    gmq__daemon_args *out;
    gmq_method_map *open;
    const char *open_file; /* the last of them, NULL = none */
} reader;

static int read_descriptors(reader *r, const char *file)
{
    gmq_status status = r->open ? GMQ_OK : gmq_method_map_new(&r->open);
    if (status == GMQ_OK)
        status = gmq_method_map_add_descriptor_file(r->open, file);
    r->open_file = file;
    return status == GMQ_OK ? -1 : gmq__daemon_fail(status);
}

static int read_target(reader *r, const char *target)
{
    if (!r->open_file)
        return usage("no --descriptors before --target ", target);
    gmq_method_map *merged = NULL;
    gmq_status status = gmq_method_map_bind(r->open, NULL, target, NULL);
    if (status == GMQ_OK)
        status = gmq_method_map_merge(&merged, r->out->map, r->open);
    if (status != GMQ_OK)
        return gmq__daemon_fail(status);
    gmq_method_map_free(r->out->map);
    gmq_method_map_free(r->open);
    r->out->map = merged;
    r->open = NULL;
    r->open_file = NULL;
    return -1;
}

static int set_option(gmq__daemon_args *out, const char *key, const char *value)
{
    gmq_status status = gmq_options_set_string(out->options, key, value);
    return status == GMQ_OK ? -1 : gmq__daemon_fail(status);
}

static int read_option(gmq__daemon_args *out, char *pair)
{
    char *equals = strchr(pair, '=');
    if (!equals || equals == pair)
        return usage("--option wants KEY=VALUE, not ", pair);
    *equals = '\0';
    return set_option(out, pair, equals + 1);
}

static int read_grace(gmq__daemon_args *out, const char *text)
{
    char *end = NULL;
    double seconds = strtod(text, &end);
    if (end == text || *end || !(seconds >= 0 && seconds <= MAX_GRACE_S))
        return usage("--grace wants seconds from 0 to 86400, not ", text);
    out->grace_ms = (int64_t)(seconds * 1000);
    return -1;
}

static int print(const char *text)
{
    return fputs(text, stdout) >= 0 && fflush(stdout) == 0 ? EXIT_SUCCESS : EXIT_RUNTIME;
}

static int read_one(reader *r, int option, char **argv)
{
    gmq__daemon_args *out = r->out;
    if (option >= OPT_USERNAME && option < OPT_LIBRARY_END)
        return set_option(out, library_keys[option - OPT_USERNAME], optarg);
    switch (option) {
    case 'L':
        out->url = optarg;
        return -1;
    case 'd':
        return read_descriptors(r, optarg);
    case 't':
        return read_target(r, optarg);
    case 'o':
        return read_option(out, optarg);
    case 'v':
        out->log_level = 3;
        return -1;
    case 'q':
        out->log_level = 1;
        return -1;
    case OPT_INSECURE:
        return set_option(out, "insecure", "1");
    case OPT_GRACE:
        return read_grace(out, optarg);
    case OPT_READY_FILE:
        out->ready_file = optarg;
        return -1;
    case 'h':
        return print(help);
    case OPT_VERSION:
        return print(PROGRAM " " GMQ_VERSION "\n");
    case ':':
        return usage("a value is missing after ", argv[optind - 1]);
    default:
        return usage("unknown argument ", argv[optind - 1]);
    }
}

static int check(const reader *r, int argc, char **argv)
{
    if (optind < argc)
        return usage("unexpected argument ", argv[optind]);
    if (!r->out->url)
        return usage("-L URL is missing", "");
    if (r->open_file)
        return usage("no --target after --descriptors ", r->open_file);
    if (!r->out->map)
        return usage("--descriptors FILE --target HOST:PORT is missing", "");
    if (gmq_method_map_count(r->out->map) == 0)
        return gmq__daemon_complain(EXIT_RUNTIME, "the descriptor sets have no methods");
    return -1;
}

int gmq__daemon_args_read(gmq__daemon_args *out, int argc, char **argv)
{
    reader r = {.out = out};
    memset(out, 0, sizeof *out);
    out->grace_ms = DEFAULT_GRACE_S * 1000;
    out->log_level = 2;
    gmq_status made = gmq_options_new(&out->options);
    if (made != GMQ_OK)
        return gmq__daemon_fail(made);
    int status = set_option(out, "log_level",
                            "2"); /* what --option and --verbose say comes later, and wins */
    opterr = 0;
    while (status < 0) {
        int option = getopt_long(argc, argv, ":L:d:t:o:vqh", long_options, NULL);
        if (option == -1)
            break;
        status = read_one(&r, option, argv);
    }
    if (status < 0)
        status = check(&r, argc, argv);
    if (status < 0 && out->log_level == 3)
        status = set_option(out, "log_level", "3");
    gmq_method_map_free(r.open);
    return status;
}

void gmq__daemon_args_clear(gmq__daemon_args *args)
{
    gmq_options_free(args->options);
    gmq_method_map_free(args->map);
}
