#include "bench_util.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

_Noreturn void bench_die(const char *who, const char *text)
{
    fprintf(stderr, "%s: %s\n", who, text);
    exit(1);
}

uint64_t bench_now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static size_t *field(bench_run *run, const char *name)
{
    if (!strcmp(name, "--payload"))
        return &run->payload;
    if (!strcmp(name, "--count"))
        return &run->count;
    if (!strcmp(name, "--inflight"))
        return &run->inflight;
    return NULL;
}

void bench_run_init(bench_run *run, int argc, char **argv, int from)
{
    *run = (bench_run){.payload = 100, .count = 1000, .inflight = 1};
    for (int i = from; i < argc; i += 2) {
        size_t *value = field(run, argv[i]);
        if (!value)
            bench_die(argv[i], "unknown argument (known: --payload, --count, --inflight)");
        char *end = NULL;
        *value = i + 1 < argc ? strtoul(argv[i + 1], &end, 10) : 0;
        if (!end || *end || end == argv[i + 1])
            bench_die(argv[i], "wants a number");
    }
    if (!run->count || !run->inflight)
        bench_die("--count, --inflight", "want a number above 0");
    run->warmup = run->count / 5 + run->inflight;
    run->latency_ns = calloc(run->count, sizeof *run->latency_ns);
    if (!run->latency_ns)
        bench_die("--count", "out of memory");
}

void bench_run_free(bench_run *run)
{
    free(run->latency_ns);
    run->latency_ns = NULL;
}

int bench_run_more(bench_run *run)
{
    if (run->started == run->warmup + run->count)
        return 0;
    run->started++;
    return 1;
}

int bench_run_over(const bench_run *run) { return run->done == run->warmup + run->count; }

void bench_run_add(bench_run *run, uint64_t start_ns)
{
    uint64_t now = bench_now_ns();
    run->done++;
    if (run->done == run->warmup)
        run->begin_ns = now;
    if (run->done > run->warmup)
        run->latency_ns[run->done - run->warmup - 1] = now - start_ns;
}

static int compare(const void *left, const void *right)
{
    uint64_t a = *(const uint64_t *)left, b = *(const uint64_t *)right;
    return (a > b) - (a < b);
}

void bench_run_print(bench_run *run)
{
    double seconds = (double)(bench_now_ns() - run->begin_ns) / 1e9;
    qsort(run->latency_ns, run->count, sizeof *run->latency_ns, compare);
    double p50 = (double)run->latency_ns[run->count / 2] / 1e3;
    double p99 = (double)run->latency_ns[run->count * 99 / 100] / 1e3;
    printf("{\"payload\": %zu, \"inflight\": %zu, \"count\": %zu, \"p50_us\": %.1f, \"p99_us\": "
           "%.1f, \"rate\": %.1f}\n",
           run->payload, run->inflight, run->count, p50, p99, (double)run->count / seconds);
    fflush(stdout);
}
