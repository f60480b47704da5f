/* Calls counted by method: labels, buckets, and how many methods at most. */
#include "cmocka_all.h"

#include <stdio.h>
#include <string.h>

#include "gateway/method_stats.h"

#define ok(expression) assert_int_equal((expression), GMQ_OK)

static gmq_stats *snapshot(gmq__method_stats *methods)
{
    gmq_stats *stats = NULL;
    ok(gmq_stats_new(&stats));
    ok(gmq__method_stats_add(methods, stats));
    return stats;
}

static uint64_t value(const gmq_stats *stats, const char *name, const char *labels)
{
    int64_t at = gmq_stats_find(stats, name, labels);
    return at < 0 ? 0 : gmq_stats_value(stats, (size_t)at);
}

static uint64_t calls(const gmq_stats *stats, const char *method, const char *code)
{
    char labels[1024];
    snprintf(labels, sizeof labels, "method=\"%s\",code=\"%s\"", method, code);
    return value(stats, "method_calls", labels);
}

static void rows_test(void **state)
{
    static gmq__method_stats methods;
    (void)state;
    gmq__method_stats_init(&methods);
    int64_t now = gmq__method_stats_now();
    gmq__method_stats_count(&methods, "/a.A/B", GMQ_CODE_OK, now);
    gmq__method_stats_count(&methods, "/a.A/B", GMQ_CODE_OK, now - 70 * 1000000);
    gmq__method_stats_count(&methods, "/a.A/B", 99, now - 7 * 1000000);
    gmq_stats *stats = snapshot(&methods);
    assert_int_equal(calls(stats, "/a.A/B", "OK"), 2);
    assert_int_equal(calls(stats, "/a.A/B", "UNKNOWN"), 1);
    assert_int_equal(calls(stats, "/a.A/B", "ABORTED"), 0);
    assert_int_equal(value(stats, "method_duration_bucket", "method=\"/a.A/B\",le=\"5\""), 1);
    assert_int_equal(value(stats, "method_duration_bucket", "method=\"/a.A/B\",le=\"10\""), 2);
    assert_int_equal(value(stats, "method_duration_bucket", "method=\"/a.A/B\",le=\"60\""), 2);
    assert_int_equal(value(stats, "method_duration_bucket", "method=\"/a.A/B\",le=\"+Inf\""), 3);
    assert_int_equal(value(stats, "method_duration_count", "method=\"/a.A/B\""), 3);
    assert_in_range(value(stats, "method_duration_sum_us", "method=\"/a.A/B\""), 77000000,
                    100000000);
    gmq_stats_free(stats);
    gmq__method_stats_clear(&methods);
}

static void labels_test(void **state)
{
    static gmq__method_stats methods;
    char long_path[300];
    (void)state;
    memset(long_path, 'x', sizeof long_path - 1);
    long_path[sizeof long_path - 1] = '\0';
    gmq__method_stats_init(&methods);
    int64_t now = gmq__method_stats_now();
    gmq__method_stats_count(&methods, "/a\"\\\n\xc3\xbc", GMQ_CODE_OK, now);
    gmq__method_stats_count(&methods, long_path, GMQ_CODE_OK, now);
    gmq__method_stats_count(&methods, "/not/served", GMQ_CODE_UNIMPLEMENTED, now);
    gmq__method_stats_count(&methods, NULL, GMQ_CODE_INTERNAL, now);
    gmq_stats *stats = snapshot(&methods);
    assert_int_equal(calls(stats, "/a\\\"\\\\???", "OK"), 1);
    assert_int_equal(calls(stats, "other", "OK"), 1);
    assert_int_equal(calls(stats, "other", "UNIMPLEMENTED"), 1);
    assert_int_equal(calls(stats, "other", "INTERNAL"), 1);
    gmq_stats_free(stats);
    gmq__method_stats_clear(&methods);
}

static void bounded_test(void **state)
{
    static gmq__method_stats methods;
    char path[64];
    uint64_t named = 0;
    (void)state;
    gmq__method_stats_init(&methods);
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < 2000; i++) {
            snprintf(path, sizeof path, "/a.A/%d", i);
            gmq__method_stats_count(&methods, path, GMQ_CODE_OK, gmq__method_stats_now());
        }
    }
    gmq_stats *stats = snapshot(&methods);
    for (int i = 0; i < 2000; i++) {
        snprintf(path, sizeof path, "/a.A/%d", i);
        named += calls(stats, path, "OK");
        assert_int_equal(calls(stats, path, "OK"), i < GMQ__METHODS_COUNTED ? 2 : 0);
    }
    assert_int_equal(named, 2 * GMQ__METHODS_COUNTED);
    assert_int_equal(calls(stats, "other", "OK"), 2 * (2000 - GMQ__METHODS_COUNTED));
    gmq_stats_free(stats);
    gmq__method_stats_clear(&methods);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_test),
        cmocka_unit_test(labels_test),
        cmocka_unit_test(bounded_test),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
