#include "daemon_options.h"

#include <getopt.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DEFAULT_GRACE_S = 10, DAY_S = 86400, MAX_ROWS = 64, FIRST_CODE = 256, HELP_COLUMN = 27 };

static const gmq__daemon_program *program; /* one a process: main() says which */

/* ---- What went wrong ---- */

int gmq__daemon_complain(int status, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fprintf(stderr, "%s: ", program->name);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
    return status;
}

int gmq__daemon_usage(const char *what, const char *value)
{
    return gmq__daemon_complain(EXIT_USAGE, "%s%s (see --help)", what, value);
}

int gmq__daemon_fail(gmq_status status)
{
    bool typed_wrong = status == GMQ_E_OPTION || status == GMQ_E_URL || status == GMQ_E_INVALID;
    return gmq__daemon_complain(typed_wrong ? EXIT_USAGE : EXIT_RUNTIME, "%s", gmq_error_text());
}

/* ---- Common rows ---- */

static int set_option(void *target, const char *key, const char *value)
{
    gmq__daemon_common *common = target;
    gmq_status status = gmq_options_set_string(common->options, key, value);
    return status == GMQ_OK ? -1 : gmq__daemon_fail(status);
}

static int read_option(void *target, const char *pair)
{
    const char *equals = strchr(pair, '=');
    if (!equals || equals == pair)
        return gmq__daemon_usage("--option wants KEY=VALUE, not ", pair);
    char *key = strndup(pair, (size_t)(equals - pair));
    if (!key)
        return gmq__daemon_complain(EXIT_RUNTIME, "out of memory");
    int status = set_option(target, key, equals + 1);
    free(key);
    return status;
}

int64_t gmq__daemon_seconds(const char *text)
{
    char *end = NULL;
    double seconds = strtod(text, &end);
    if (end == text || *end || !(seconds >= 0 && seconds <= DAY_S))
        return -1;
    return (int64_t)(seconds * 1000);
}

static int read_grace(void *target, const char *text)
{
    gmq__daemon_common *common = target;
    common->grace_ms = gmq__daemon_seconds(text);
    return common->grace_ms >= 0
               ? -1
               : gmq__daemon_usage("--grace wants seconds from 0 to 86400, not ", text);
}

static int read_ready_file(void *target, const char *file)
{
    ((gmq__daemon_common *)target)->ready_file = file;
    return -1;
}

static int read_verbose(void *target, const char *value)
{
    (void)value;
    ((gmq__daemon_common *)target)->log_level = 3;
    return -1;
}

static int read_quiet(void *target, const char *value)
{
    (void)value;
    ((gmq__daemon_common *)target)->log_level = 1;
    return -1;
}

static int read_help(void *target, const char *value);

static int read_version(void *target, const char *value)
{
    (void)target, (void)value;
    return printf("%s %s\n", program->name, GMQ_VERSION) >= 0 && fflush(stdout) == 0 ? EXIT_SUCCESS
                                                                                     : EXIT_RUNTIME;
}

const gmq__daemon_option gmq__daemon_broker_options[] = {
    {.help = "The broker"},
    {"username", 0, "NAME", "user name", NULL, "username"},
    {"password-file", 0, "FILE", "file whose first line is the password", NULL, "password_file"},
    {"cafile", 0, "FILE", "authorities trusted for TLS (PEM); default: the system's", NULL,
     "ca_file"},
    {"cert", 0, "FILE", "our certificate (PEM)", NULL, "cert_file"},
    {"key", 0, "FILE", "its key (PEM)", NULL, "key_file"},
    {"insecure", 0, NULL, "TLS without checking who the broker is; for tests", NULL, "insecure"},
    {"option", 'o', "KEY=VALUE",
     "any option of the library (docs/guide/options.md); may be\nrepeated", read_option, NULL},
    {0},
};

const gmq__daemon_option gmq__daemon_running_options[] = {
    {.help = "Running"},
    {"grace", 0, "SECONDS", "how long open calls may go on after SIGTERM or SIGINT; default 10",
     read_grace, NULL},
    {"ready-file", 0, "FILE", "is written when calls are taken for the first time", read_ready_file,
     NULL},
    {"verbose", 'v', NULL, "log everything", read_verbose, NULL},
    {"quiet", 'q', NULL, "log warnings and errors only", read_quiet, NULL},
    {"help", 'h', NULL, "this text", read_help, NULL},
    {"version", 0, NULL, "the version", read_version, NULL},
    {0},
};

/* ---- Help ---- */

static void print_row(const gmq__daemon_option *row)
{
    char head[64], letter[8] = "    ";
    if (row->letter)
        snprintf(letter, sizeof letter, "-%c, ", row->letter);
    int width = snprintf(head, sizeof head, "  %s--%s%s%s", letter, row->name,
                         row->value ? " " : "", row->value ? row->value : "");
    if (width < HELP_COLUMN)
        printf("%s%*s", head, HELP_COLUMN - width, "");
    else
        printf("%s\n%*s", head, HELP_COLUMN, "");
    for (const char *line = row->help; *line;) {
        size_t len = strcspn(line, "\n");
        printf("%*s%.*s\n", line == row->help ? 0 : HELP_COLUMN, "", (int)len, line);
        line += len + (line[len] == '\n');
    }
}

static int read_help(void *target, const char *value)
{
    (void)target, (void)value;
    fputs(program->usage, stdout);
    for (size_t t = 0; t < GMQ__DAEMON_TABLES && program->tables[t]; t++) {
        for (const gmq__daemon_option *row = program->tables[t]; row->help; row++) {
            if (row->name)
                print_row(row);
            else
                printf("\n%s\n", row->help);
        }
    }
    fputs(program->notes, stdout);
    return fflush(stdout) == 0 && !ferror(stdout) ? EXIT_SUCCESS : EXIT_RUNTIME;
}

/* ---- Reading ---- */

typedef struct reader {
    const gmq__daemon_option *rows[MAX_ROWS]; /* index = getopt's code - FIRST_CODE */
    struct option list[MAX_ROWS + 1];
    char letters[2 * MAX_ROWS + 2];
    size_t count;
} reader;

static void add_row(reader *r, const gmq__daemon_option *row)
{
    char *end = r->letters + strlen(r->letters);
    r->list[r->count] = (struct option){row->name, row->value ? required_argument : no_argument,
                                        NULL, FIRST_CODE + (int)r->count};
    r->rows[r->count++] = row;
    if (row->letter) {
        *end++ = (char)row->letter;
        *end++ = row->value ? ':' : '\0';
        *end = '\0';
    }
}

static void add_tables(reader *r)
{
    r->letters[0] = ':'; /* a missing value is told apart */
    for (size_t t = 0; t < GMQ__DAEMON_TABLES && program->tables[t]; t++)
        for (const gmq__daemon_option *row = program->tables[t]; row->help; row++)
            if (row->name && r->count < MAX_ROWS)
                add_row(r, row);
}

static const gmq__daemon_option *find_row(const reader *r, int code)
{
    if (code >= FIRST_CODE)
        return r->rows[code - FIRST_CODE];
    for (size_t i = 0; i < r->count; i++)
        if (r->rows[i]->letter == code)
            return r->rows[i];
    return NULL;
}

static int read_one(const reader *r, void *target, int code, char **argv)
{
    if (code == ':')
        return gmq__daemon_usage("a value is missing after ", argv[optind - 1]);
    const gmq__daemon_option *row = code == '?' ? NULL : find_row(r, code);
    if (!row)
        return gmq__daemon_usage("unknown argument ", argv[optind - 1]);
    if (row->read)
        return row->read(target, row->value ? optarg : NULL);
    return set_option(target, row->key, row->value ? optarg : "1");
}

static int read_all(const reader *r, void *target, int argc, char **argv)
{
    int status = -1;
    opterr = 0;
    while (status < 0) {
        int code = getopt_long(argc, argv, r->letters, r->list, NULL);
        if (code == -1)
            break;
        status = read_one(r, target, code, argv);
    }
    if (status < 0 && optind < argc)
        status = gmq__daemon_usage("unexpected argument ", argv[optind]);
    return status;
}

int gmq__daemon_read(const gmq__daemon_program *which, void *target, int argc, char **argv)
{
    gmq__daemon_common *common = target;
    reader r = {.count = 0};
    program = which;
    common->grace_ms = DEFAULT_GRACE_S * 1000;
    common->log_level = 2;
    gmq_status made = gmq_options_new(&common->options);
    if (made != GMQ_OK)
        return gmq__daemon_fail(made);
    int status = set_option(target, "log_level",
                            "2"); /* what --option and --verbose say comes later, and wins */
    add_tables(&r);
    if (status < 0)
        status = read_all(&r, target, argc, argv);
    if (status < 0)
        status = program->check(target);
    if (status < 0 && common->log_level == 3)
        status = set_option(target, "log_level", "3");
    return status;
}

void gmq__daemon_common_clear(gmq__daemon_common *common) { gmq_options_free(common->options); }
