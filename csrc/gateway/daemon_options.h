/* Command line of a daemon, by one table: it gives getopt its list and --help its lines. What both
 * daemons have is here; each adds rows of its own. */
#ifndef GMQ_GATEWAY_DAEMON_OPTIONS_H
#define GMQ_GATEWAY_DAEMON_OPTIONS_H

#include <grpc_mqtt/grpc_mqtt.h>
#include <stdbool.h>

enum { EXIT_RUNTIME = 1, EXIT_USAGE = 2 };

struct gmq__daemon_option;

/* An option that was given, by a flag or in the file. */
typedef struct gmq__daemon_pair {
    const struct gmq__daemon_option *row;
    char *value;    /* NULL where it takes none */
    char *where;    /* "FILE:3:1: key: "; NULL = a flag */
    size_t element; /* of the file's [[group]]; 0 = in none */
    unsigned rank;  /* in the group: keys of lower ones are read first */
} gmq__daemon_pair;

typedef struct gmq__daemon_pairs { /* all zero is empty */
    gmq__daemon_pair *rows;
    size_t count, cap;
} gmq__daemon_pairs;

/* What both daemons are told; the first member of what each is told. */
typedef struct gmq__daemon_common {
    gmq_options *options;
    int64_t grace_ms;
    int log_level; /* 0 errors, 1 warnings, 2 information, 3 debug */
    bool log_json;
    bool check;              /* only look whether all of it is right */
    const char *ready_file;  /* NULL = none */
    const char *config;      /* likewise */
    const char *metrics;     /* address to serve metrics at; likewise */
    gmq__daemon_pairs pairs; /* all that was given; what is read keeps pointers to the values */
} gmq__daemon_common;

/* A row. One without a name is a heading of --help. */
typedef struct gmq__daemon_option {
    const char *name;  /* long form; NULL = none */
    int letter;        /* short form; 0 = none */
    const char *value; /* what the value is called; NULL = it takes none */
    const char *help;  /* lines, each after a newline but the first */
    /* Does it; `value` is NULL where it takes none. -1 = go on; else the exit status, after
     * everything was said. NULL: it sets `key`. */
    int (*read)(void *target, const char *value);
    const char *key; /* option of the library; a switch where it takes no value */
} gmq__daemon_option;

enum { GMQ__DAEMON_TABLES = 4, GMQ__DAEMON_GROUP_KEYS = 2 };

/* A table of the file that may be there several times, [[table]]: its keys, in the order in which
 * they are read, and the options that they are. */
typedef struct gmq__daemon_group {
    const char *table; /* NULL = there is none */
    struct {
        const char *key, *option;
    } keys[GMQ__DAEMON_GROUP_KEYS];
} gmq__daemon_group;

typedef struct gmq__daemon_program {
    const char *name;
    const char *usage;                                    /* first lines of --help */
    const char *notes;                                    /* its last lines */
    const gmq__daemon_option *tables[GMQ__DAEMON_TABLES]; /* each ends with an empty row */
    gmq__daemon_group group;
    const char *const *live;    /* options that a reload takes over; ends with NULL */
    int (*check)(void *target); /* all was read: is it enough? */
    /* --check: would the library take it? Connects to nothing. */
    gmq_status (*try_out)(void *target);
} gmq__daemon_program;

extern const gmq__daemon_option gmq__daemon_broker_options[];  /* credentials, TLS, --option */
extern const gmq__daemon_option gmq__daemon_running_options[]; /* grace, log, --help, --version */

/* Reads the command line, and the file of --config, into `target`, which begins with a
 * gmq__daemon_common. A flag stands in the place of what the file says of the same option, but
 * --option, which is added. -1 = go on; else the exit status, after everything was said. Once a
 * process, and again for each reload: program and command line are kept. */
int gmq__daemon_read(const gmq__daemon_program *program, void *target, int argc, char **argv);
void gmq__daemon_common_clear(gmq__daemon_common *common);

/* A reload: reads the same command line and the file as it is now into another target. Complaints
 * go to the log. */
int gmq__daemon_read_again(void *target);

/* Logs which options differ that a reload cannot change. */
void gmq__daemon_say_fixed(const gmq__daemon_common *before, const gmq__daemon_common *now);

/* The row of an option, by its long name; NULL = there is none. */
const gmq__daemon_option *gmq__daemon_row(const gmq__daemon_program *program, const char *name,
                                          size_t len);

/* Appends; takes `where` over, copies `value`. false = no memory. */
bool gmq__daemon_pairs_add(gmq__daemon_pairs *pairs, const gmq__daemon_option *row,
                           const char *value, char *where);

/* daemon_config.c: what `file` says, but for the options among `flags`. As gmq__daemon_read(). */
int gmq__daemon_config_read(const gmq__daemon_program *program, const char *file,
                            const gmq__daemon_pairs *flags, gmq__daemon_pairs *out);

/* A line about an argument that is wrong; the exit status for that. */
int gmq__daemon_usage(const char *what, const char *value);

/* One line to stderr: the program's name, then the text. Returns `status`. */
int gmq__daemon_complain(int status, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The same with gmq_error_text(), after a function of the library failed. Returns the exit status
 * for that. */
int gmq__daemon_fail(gmq_status status);

/* Seconds from 0 to a day, as ms; -1 = they are not. */
int64_t gmq__daemon_seconds(const char *text);

#endif
