/* Command line of a daemon, by one table: it gives getopt its list and --help its lines. What both
 * daemons have is here; each adds rows of its own. */
#ifndef GMQ_GATEWAY_DAEMON_OPTIONS_H
#define GMQ_GATEWAY_DAEMON_OPTIONS_H

#include <grpc_mqtt/grpc_mqtt.h>

enum { EXIT_RUNTIME = 1, EXIT_USAGE = 2 };

/* What both daemons are told; the first member of what each is told. */
typedef struct gmq__daemon_common {
    gmq_options *options;
    int64_t grace_ms;
    int log_level;          /* 0 errors, 1 warnings, 2 information, 3 debug */
    const char *ready_file; /* NULL = none */
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

enum { GMQ__DAEMON_TABLES = 4 };

typedef struct gmq__daemon_program {
    const char *name;
    const char *usage;                                    /* first lines of --help */
    const char *notes;                                    /* its last lines */
    const gmq__daemon_option *tables[GMQ__DAEMON_TABLES]; /* each ends with an empty row */
    int (*check)(void *target);                           /* all was read: is it enough? */
} gmq__daemon_program;

extern const gmq__daemon_option gmq__daemon_broker_options[];  /* credentials, TLS, --option */
extern const gmq__daemon_option gmq__daemon_running_options[]; /* grace, log, --help, --version */

/* Reads the command line into `target`, which begins with a gmq__daemon_common. -1 = go on; else
 * the exit status, after everything was said. Once a process: the program's name is kept for
 * gmq__daemon_complain(). */
int gmq__daemon_read(const gmq__daemon_program *program, void *target, int argc, char **argv);
void gmq__daemon_common_clear(gmq__daemon_common *common);

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
