#include "daemon_options.h"

#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon_log.h"

enum { DEFAULT_GRACE_S = 10, DAY_S = 86400, MAX_ROWS = 64, FIRST_CODE = 256, HELP_COLUMN = 27 };

static const gmq__daemon_program *program; /* one a process: main() says which */
static int words;
static char **word;       /* its command line */
static const char *where; /* place of what is being read in the file; NULL = a flag */
static bool into_log;     /* a reload: it is running, and complains in its log */

/* ---- What went wrong ---- */

int gmq__daemon_complain(int status, const char *format, ...)
{
    char text[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    for (char *at = text; *at; at++)
        if ((unsigned char)*at < 0x20 || *at == 0x7f)
            *at = '?'; /* one line, whatever stands in the file */
    if (into_log)
        gmq__daemon_log(LOG_ERROR, "%s%s", where ? where : "", text);
    else
        fprintf(stderr, "%s: %s%s\n", program->name, where ? where : "", text);
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

static int read_metrics(void *target, const char *address)
{
    ((gmq__daemon_common *)target)->metrics = address;
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

static int read_log_format(void *target, const char *text)
{
    bool json = strcmp(text, "json") == 0;
    if (!json && strcmp(text, "text") != 0)
        return gmq__daemon_usage("--log-format wants text or json, not ", text);
    ((gmq__daemon_common *)target)->log_json = json;
    return -1;
}

static int read_config(void *target, const char *file)
{
    ((gmq__daemon_common *)target)->config = file;
    return -1;
}

static int read_check(void *target, const char *value)
{
    (void)value;
    ((gmq__daemon_common *)target)->check = true;
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
    {"metrics", 0, "HOST:PORT", "serve numbers for Prometheus: http://HOST:PORT/metrics",
     read_metrics, NULL},
    {"verbose", 'v', NULL, "log everything", read_verbose, NULL},
    {"quiet", 'q', NULL, "log warnings and errors only", read_quiet, NULL},
    {"log-format", 0, "FORMAT", "text (default), or json: an object a line", read_log_format, NULL},
    {"config", 'c', "FILE",
     "TOML file whose keys are the long options; flags win over it;\nSIGHUP reads it again",
     read_config, NULL},
    {"check", 0, NULL, "only say whether arguments and file are right", read_check, NULL},
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

const gmq__daemon_option *gmq__daemon_row(const gmq__daemon_program *of, const char *name,
                                          size_t len)
{
    for (size_t t = 0; t < GMQ__DAEMON_TABLES && of->tables[t]; t++)
        for (const gmq__daemon_option *row = of->tables[t]; row->help; row++)
            if (row->name && strlen(row->name) == len && memcmp(row->name, name, len) == 0)
                return row;
    return NULL;
}

bool gmq__daemon_pairs_add(gmq__daemon_pairs *pairs, const gmq__daemon_option *row,
                           const char *value, char *place)
{
    if (pairs->count == pairs->cap) {
        size_t cap = pairs->cap ? 2 * pairs->cap : 16;
        gmq__daemon_pair *rows = realloc(pairs->rows, cap * sizeof *rows);
        if (!rows) {
            free(place);
            return false;
        }
        pairs->rows = rows;
        pairs->cap = cap;
    }
    char *copy = value ? strdup(value) : NULL;
    if (value && !copy) {
        free(place);
        return false;
    }
    pairs->rows[pairs->count++] = (gmq__daemon_pair){.row = row, .value = copy, .where = place};
    return true;
}

static void pairs_clear(gmq__daemon_pairs *pairs)
{
    for (size_t i = 0; i < pairs->count; i++) {
        free(pairs->rows[i].value);
        free(pairs->rows[i].where);
    }
    free(pairs->rows);
    memset(pairs, 0, sizeof *pairs);
}

static int take_flag(const reader *r, gmq__daemon_pairs *out, int code)
{
    if (code == ':')
        return gmq__daemon_usage("a value is missing after ", word[optind - 1]);
    const gmq__daemon_option *row = code == '?' ? NULL : find_row(r, code);
    if (!row)
        return gmq__daemon_usage("unknown argument ", word[optind - 1]);
    if (row->read == read_help || row->read == read_version)
        return row->read(NULL, NULL);
    if (!gmq__daemon_pairs_add(out, row, row->value ? optarg : NULL, NULL))
        return gmq__daemon_complain(EXIT_RUNTIME, "out of memory");
    return -1;
}

static int take_flags(gmq__daemon_pairs *out)
{
    reader r = {.count = 0};
    int status = -1;
    add_tables(&r);
    opterr = 0;
    optind = 0; /* from the beginning, a second time too */
    while (status < 0) {
        int code = getopt_long(words, word, r.letters, r.list, NULL);
        if (code == -1)
            break;
        status = take_flag(&r, out, code);
    }
    if (status < 0 && optind < words)
        status = gmq__daemon_usage("unexpected argument ", word[optind]);
    return status;
}

/* What the file says, then the flags: what is read later wins. */
static int take_all(gmq__daemon_common *common)
{
    gmq__daemon_pairs flags = {0};
    const char *file = NULL;
    int status = take_flags(&flags);
    for (size_t i = 0; i < flags.count; i++)
        if (flags.rows[i].row->read == read_config)
            file = flags.rows[i].value;
    if (status < 0 && file)
        status = gmq__daemon_config_read(program, file, &flags, &common->pairs);
    for (size_t i = 0; i < flags.count && status < 0; i++)
        if (!gmq__daemon_pairs_add(&common->pairs, flags.rows[i].row, flags.rows[i].value, NULL))
            status = gmq__daemon_complain(EXIT_RUNTIME, "out of memory");
    pairs_clear(&flags);
    return status;
}

static int read_pair(void *target, const gmq__daemon_pair *pair)
{
    where = pair->where;
    int status = pair->row->read
                     ? pair->row->read(target, pair->value)
                     : set_option(target, pair->row->key, pair->row->value ? pair->value : "1");
    where = NULL;
    return status;
}

static int read_all(void *target)
{
    gmq__daemon_common *common = target;
    int status = set_option(target, "log_level",
                            "2"); /* what --option and --verbose say comes later, and wins */
    if (status < 0)
        status = take_all(common);
    for (size_t i = 0; i < common->pairs.count && status < 0; i++)
        status = read_pair(target, &common->pairs.rows[i]);
    if (status < 0)
        status = program->check(target);
    if (status < 0 && common->log_level == 3)
        status = set_option(target, "log_level", "3");
    return status;
}

/* A connection that lacks them is tried again, since they may come later; here it is said. */
static gmq_status try_tls_files(const gmq_options *options)
{
    static const char *const keys[] = {"ca_file", "cert_file", "key_file"};
    gmq_status status = GMQ_OK;
    char text[512];
    for (size_t i = 0; i < sizeof keys / sizeof *keys && status == GMQ_OK; i++) {
        gmq_buf *file = NULL;
        status = gmq_options_get_string(options, NULL, keys[i], &file);
        if (file && access(gmq_buf_data(file), R_OK) != 0) {
            snprintf(text, sizeof text, "option \"%s\": %s: %s", keys[i],
                     (const char *)gmq_buf_data(file), strerror(errno));
            status = gmq_error_set(GMQ_E_IO, text);
        }
        gmq_buf_unref(file);
    }
    return status;
}

static int try_out(void *target)
{
    const gmq__daemon_common *common = target;
    gmq_status status = program->try_out(target);
    if (status == GMQ_OK)
        status = try_tls_files(common->options);
    if (status != GMQ_OK)
        return gmq__daemon_fail(status);
    return printf("%s is right\n", common->config ? common->config : "the command line") >= 0 &&
                   fflush(stdout) == 0
               ? EXIT_SUCCESS
               : EXIT_RUNTIME;
}

static int read_target(void *target)
{
    gmq__daemon_common *common = target;
    common->grace_ms = DEFAULT_GRACE_S * 1000;
    common->log_level = 2;
    gmq_status made = gmq_options_new(&common->options);
    return made == GMQ_OK ? read_all(target) : gmq__daemon_fail(made);
}

int gmq__daemon_read(const gmq__daemon_program *which, void *target, int argc, char **argv)
{
    program = which;
    words = argc;
    word = argv;
    int status = read_target(target);
    return status < 0 && ((gmq__daemon_common *)target)->check ? try_out(target) : status;
}

int gmq__daemon_read_again(void *target)
{
    into_log = true;
    int status = read_target(target);
    if (status < 0) {
        gmq_status good = program->try_out(target);
        status = good == GMQ_OK ? -1 : gmq__daemon_fail(good);
    }
    into_log = false;
    return status;
}

/* ---- Reload ---- */

static bool is_live(const gmq__daemon_option *row)
{
    static const char *const common[] = {"grace", "verbose", "quiet", "log-format", NULL};
    for (size_t i = 0; common[i]; i++)
        if (strcmp(common[i], row->name) == 0)
            return true;
    for (size_t i = 0; program->live[i]; i++)
        if (strcmp(program->live[i], row->name) == 0)
            return true;
    return false;
}

/* Value number `nth` of an option; NULL = there are not so many. */
static const char *nth_value(const gmq__daemon_pairs *pairs, const gmq__daemon_option *row,
                             size_t nth)
{
    for (size_t i = 0; i < pairs->count; i++)
        if (pairs->rows[i].row == row && nth-- == 0)
            return pairs->rows[i].value ? pairs->rows[i].value : "";
    return NULL;
}

static bool same_values(const gmq__daemon_pairs *a, const gmq__daemon_pairs *b,
                        const gmq__daemon_option *row)
{
    for (size_t i = 0;; i++) {
        const char *x = nth_value(a, row, i), *y = nth_value(b, row, i);
        if (!x || !y)
            return x == y;
        if (strcmp(x, y) != 0)
            return false;
    }
}

void gmq__daemon_say_fixed(const gmq__daemon_common *before, const gmq__daemon_common *now)
{
    for (size_t t = 0; t < GMQ__DAEMON_TABLES && program->tables[t]; t++)
        for (const gmq__daemon_option *row = program->tables[t]; row->help; row++)
            if (row->name && !is_live(row) && !same_values(&before->pairs, &now->pairs, row))
                gmq__daemon_log(LOG_WARNING, "%s has changed, which needs a restart", row->name);
}

void gmq__daemon_common_clear(gmq__daemon_common *common)
{
    gmq_options_free(common->options);
    pairs_clear(&common->pairs);
}
