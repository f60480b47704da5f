#include "daemon_loop.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "daemon_log.h"
#include "daemon_metrics.h"
#include "daemon_notify.h"

enum { EVENTS_AT_ONCE = 16 };

/* ---- What it says ---- */

void gmq__daemon_print_base(const char *url, char *out, size_t size)
{
    const char *host = strstr(url, "://");
    const char *path = host ? strchr(host + 3, '/') : NULL;
    path = path ? path + 1 : "";
    snprintf(out, size, "%.*s", (int)strcspn(path, "?#"), path);
}

static void write_ready_file(const char *file)
{
    FILE *f = fopen(file, "w");
    bool written = f && fprintf(f, "%ld\n", (long)getpid()) > 0;
    int error = errno;
    if (f && fclose(f) != 0 && written) {
        error = errno;
        written = false;
    }
    if (!written)
        gmq__daemon_log(LOG_WARNING, "%s: %s", file, strerror(error));
}

static void on_ready(gmq__daemon *d)
{
    d->taking = true;
    d->ready(d->context);
    if (d->args->ready_file)
        write_ready_file(d->args->ready_file);
    gmq__daemon_notify("READY=1\nSTATUS=taking calls");
}

static void on_state(gmq__daemon *d, int32_t state, const char *text)
{
    switch (state) {
    case GMQ_STATE_READY:
        on_ready(d);
        break;
    case GMQ_STATE_TRANSIENT_FAILURE:
        gmq__daemon_log_fields(LOG_WARNING, (const char *const[]){"event", "disconnected", NULL},
                               "not connected: %s", text);
        gmq__daemon_notify("STATUS=not connected: %s", text);
        break;
    case GMQ_STATE_CONNECTING:
        gmq__daemon_log(LOG_DEBUG, "connecting%s%s", *text ? ": " : "", text);
        break;
    default:
        break;
    }
}

static void on_event(gmq__daemon *d, const gmq_event *event)
{
    switch (gmq_event_type_of(event)) {
    case GMQ_EVENT_STATE:
        on_state(d, gmq_event_code(event), gmq_event_text(event));
        break;
    case GMQ_EVENT_LOG:
        gmq__daemon_log(gmq_event_code(event), "%s", gmq_event_text(event));
        break;
    case GMQ_EVENT_CLOSED:
        d->closed = true;
        break;
    default:
        break;
    }
}

/* ---- Signals ---- */

static int open_signals(bool reloads)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    if (reloads) /* else a closed terminal ends it, as any program */
        sigaddset(&set, SIGHUP);
    signal(SIGPIPE, SIG_IGN);
    if (sigprocmask(SIG_BLOCK, &set, NULL) !=
        0) /* before any thread is made, so that all have them blocked */
        return -1;
    return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

static void reload(gmq__daemon *d)
{
    if (d->stopping)
        return;
    if (d->taking)
        gmq__daemon_notify_reloading();
    const gmq__daemon_common *args = d->reload(d->context);
    if (args) {
        d->args = args;
        gmq__daemon_log_open(args->log_level, args->log_json);
        gmq__daemon_log_fields(LOG_INFO, (const char *const[]){"event", "reloaded", NULL},
                               "SIGHUP: the configuration was read again");
    } else {
        gmq__daemon_log_fields(LOG_ERROR, (const char *const[]){"event", "reload_failed", NULL},
                               "SIGHUP: the configuration stays as it was");
    }
    if (d->taking)
        gmq__daemon_notify("READY=1");
}

static void stop(gmq__daemon *d, int number)
{
    const char *name = number == SIGTERM ? "SIGTERM" : "SIGINT";
    if (d->stopping) {
        gmq__daemon_log(LOG_WARNING, "%s again: ending at once", name);
        _exit(128 + number);
    }
    gmq__daemon_log_fields(LOG_INFO, (const char *const[]){"event", "stopping", NULL},
                           "%s: draining, open calls may go on for %.1f s", name,
                           (double)d->args->grace_ms / 1000);
    gmq__daemon_notify("STOPPING=1\nSTATUS=draining");
    d->stopping = true;
    d->close(d->context, d->args->grace_ms);
}

static void on_signal(gmq__daemon *d, int fd)
{
    struct signalfd_siginfo info;
    while (read(fd, &info, sizeof info) == (ssize_t)sizeof info) {
        if (info.ssi_signo == SIGHUP)
            reload(d);
        else
            stop(d, (int)info.ssi_signo);
    }
}

/* ---- Loop ---- */

static gmq_status take_events(gmq__daemon *d)
{
    gmq_event *events[EVENTS_AT_ONCE];
    size_t count = 0;
    gmq_status status = gmq_queue_poll(d->queue, events, EVENTS_AT_ONCE, &count);
    for (size_t i = 0; status == GMQ_OK && i < count; i++) {
        on_event(d, events[i]);
        gmq_event_free(events[i]);
    }
    return status;
}

static int timeout(const gmq__daemon *d)
{
    int64_t queue = gmq_queue_timeout_ms(d->queue), watchdog = gmq__daemon_watchdog();
    int http = gmq__daemon_metrics_timeout(d->metrics);
    int64_t least = watchdog >= 0 && (queue < 0 || watchdog < queue) ? watchdog : queue;
    return (int)(http >= 0 && (least < 0 || http < least) ? http : least);
}

static int loop(gmq__daemon *d, int signals)
{
    struct pollfd fds[] = {{.fd = signals, .events = POLLIN},
                           {.fd = gmq_queue_fd(d->queue), .events = POLLIN},
                           {.fd = gmq__daemon_metrics_fd(d->metrics), .events = POLLIN}};
    while (!d->closed) {
        if (poll(fds, 3, timeout(d)) < 0 && errno != EINTR)
            return gmq__daemon_complain(EXIT_RUNTIME, "poll: %s", strerror(errno));
        on_signal(d, signals);
        if (take_events(d) != GMQ_OK)
            return gmq__daemon_complain(EXIT_RUNTIME, "%s", gmq_error_text());
        gmq__daemon_metrics_run(d->metrics);
    }
    gmq__daemon_log_fields(LOG_INFO, (const char *const[]){"event", "stopped", NULL}, "stopped");
    return EXIT_SUCCESS;
}

static int run(gmq__daemon *d, int signals)
{
    const char *metrics = d->args->metrics;
    if (metrics && !(d->metrics = gmq__daemon_metrics_open(metrics, d->stats, d->context)))
        return EXIT_RUNTIME;
    gmq_status status = gmq_queue_new(&d->queue);
    if (status == GMQ_OK)
        status = d->open(d->context, d->queue);
    return status == GMQ_OK ? loop(d, signals) : gmq__daemon_fail(status);
}

int gmq__daemon_run(gmq__daemon *d)
{
    gmq__daemon_log_open(d->args->log_level, d->args->log_json);
    int signals = open_signals(d->args->config != NULL);
    if (signals < 0)
        return gmq__daemon_complain(EXIT_RUNTIME, "signals: %s", strerror(errno));
    int result = run(d, signals);
    gmq__daemon_metrics_close(d->metrics);
    d->unref(d->context);
    gmq_queue_unref(d->queue);
    close(signals);
    return result;
}
