/** @file bench_util.h What the benchmark programs share: arguments, time, percentiles, the line of
 * result. */
#ifndef TESTS_BENCH_BENCH_UTIL_H
#define TESTS_BENCH_BENCH_UTIL_H

#include <stddef.h>
#include <stdint.h>

/** One run: `inflight` calls are kept open until `count` are done. */
typedef struct bench_run {
    size_t payload; /**< bytes each way */
    size_t count;
    size_t inflight;
    size_t warmup;  /**< calls before those that are measured */
    size_t started; /**< so far, warm-up included */
    size_t done;
    uint64_t begin_ns;    /**< when the first measured call ended its predecessor */
    uint64_t *latency_ns; /**< of the measured calls */
} bench_run;

/** Reads `--payload N --count N --inflight N` from argv[from...]; ends the program with a line on
 * stderr on others. */
void bench_run_init(bench_run *run, int argc, char **argv, int from);
void bench_run_free(bench_run *run);

/** Whether another call is to be started, and counts it. */
int bench_run_more(bench_run *run);
int bench_run_over(const bench_run *run);

/** A call that began at `start_ns` has ended. */
void bench_run_add(bench_run *run, uint64_t start_ns);

/** Prints one JSON object: p50_us, p99_us, rate (calls/s), and what was run. */
void bench_run_print(bench_run *run);

uint64_t bench_now_ns(void);

/** Prints "who: text" on stderr and ends the program with status 1. */
_Noreturn void bench_die(const char *who, const char *text);

#endif
