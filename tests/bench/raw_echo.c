/*
 * What MQTT alone costs: a QoS 1 message to an echo and back, over two connections to the broker,
 * in two processes.
 *
 *   raw_echo --host H --port N [--mode raw|paho|paho-default|mosquitto] [--payload N] [--count N]
 *            [--inflight N]
 *
 * raw: MQTT 5 written by hand on a socket with TCP_NODELAY; paho: MQTTAsync with TCP_NODELAY set on
 * its socket; paho-default: MQTTAsync as it comes; mosquitto: libmosquitto, TCP_NODELAY, in one
 * thread. Prints a line of JSON; without --inflight one each for 1, 16 and 128.
 */
#include "raw_echo.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static echo_args parse(int argc, char **argv)
{
    echo_args args = {
        .host = "127.0.0.1", .port = "1883", .mode = "raw", .payload = 100, .count = 1000};
    for (int i = 1; i < argc; i += 2) {
        const char *value = i + 1 < argc ? argv[i + 1] : "";
        if (!strcmp(argv[i], "--host"))
            args.host = value;
        else if (!strcmp(argv[i], "--port"))
            args.port = value;
        else if (!strcmp(argv[i], "--mode"))
            args.mode = value;
        else if (!strcmp(argv[i], "--payload"))
            args.payload = strtoul(value, NULL, 10);
        else if (!strcmp(argv[i], "--count"))
            args.count = strtoul(value, NULL, 10);
        else if (!strcmp(argv[i], "--inflight"))
            args.inflight = strtoul(value, NULL, 10);
        else
            bench_die(
                argv[i],
                "unknown argument (known: --host, --port, --mode, --payload, --count, --inflight)");
    }
    if (args.payload < sizeof(uint32_t) || !args.count)
        bench_die("--payload, --count", "want at least 4 and 1");
    return args;
}

static echo_mode *find_mode(const char *name)
{
    if (!strcmp(name, "raw"))
        return echo_raw;
    if (!strcmp(name, "paho") || !strcmp(name, "paho-default"))
        return echo_paho;
#ifdef GMQ_WITH_MOSQUITTO
    if (!strcmp(name, "mosquitto"))
        return echo_mosquitto;
#endif
    bench_die(name,
              "unknown mode (known: raw, paho, paho-default; mosquitto where it is built in)");
}

/* The echo, in a process of its own: paho's threads and lock are one a process. */
static pid_t start_echo(const echo_args *args, echo_mode *mode)
{
    int ready[2];
    if (pipe(ready) != 0)
        bench_die("pipe", "failed");
    pid_t pid = fork();
    if (pid < 0)
        bench_die("fork", "failed");
    if (pid == 0) {
        close(ready[0]);
        mode(args, NULL, ready[1]);
        _exit(0);
    }
    close(ready[1]);
    char byte;
    if (read(ready[0], &byte, 1) != 1)
        bench_die("echo", "did not start");
    close(ready[0]);
    return pid;
}

static void measure(const echo_args *args, echo_mode *mode, size_t inflight)
{
    char text[6][24] = {"--payload", "", "--count", "", "--inflight", ""};
    snprintf(text[1], sizeof text[1], "%zu", args->payload);
    snprintf(text[3], sizeof text[3], "%zu", args->count);
    snprintf(text[5], sizeof text[5], "%zu", inflight);
    char *argv[] = {text[0], text[1], text[2], text[3], text[4], text[5]};
    bench_run run;
    bench_run_init(&run, 6, argv, 0);
    pid_t echo = start_echo(args, mode);
    mode(args, &run, -1);
    kill(echo, SIGKILL);
    waitpid(echo, NULL, 0);
    bench_run_print(&run);
    bench_run_free(&run);
}

static void run_apart(const echo_args *args, echo_mode *mode, size_t inflight)
{
    pid_t pid = fork(); /* so that each measurement begins with a fresh paho */
    int status = 1;
    if (pid == 0) {
        measure(args, mode, inflight);
        _exit(0);
    }
    if (pid < 0 || waitpid(pid, &status, 0) != pid || status != 0)
        exit(1);
}

int main(int argc, char **argv)
{
    echo_args args = parse(argc, argv);
    echo_mode *mode = find_mode(args.mode);
    snprintf(args.request, sizeof args.request, "gmq-bench/%ld/request", (long)getpid());
    snprintf(args.reply, sizeof args.reply, "gmq-bench/%ld/reply", (long)getpid());
    signal(SIGPIPE, SIG_IGN);
    if (args.inflight) {
        run_apart(&args, mode, args.inflight);
        return 0;
    }
    static const size_t usual[] = {1, 16, 128};
    for (size_t i = 0; i < sizeof usual / sizeof usual[0]; i++)
        run_apart(&args, mode, usual[i]);
    return 0;
}
