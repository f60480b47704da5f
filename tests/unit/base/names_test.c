#include <grpc_mqtt/base.h>

#include <stdio.h>
#include <string.h>

#include "cmocka_all.h"

#define ROW(name)                                                                                  \
    {                                                                                              \
        name, #name                                                                                \
    }

static void status_names(void **state)
{
    (void)state;
    static const struct {
        gmq_status value;
        const char *name;
    } rows[] = {
        ROW(GMQ_OK),          ROW(GMQ_E_INVALID), ROW(GMQ_E_NOMEM),       ROW(GMQ_E_STATE),
        ROW(GMQ_E_CLOSED),    ROW(GMQ_E_OPTION),  ROW(GMQ_E_URL),         ROW(GMQ_E_IO),
        ROW(GMQ_E_TIMEOUT),   ROW(GMQ_E_AGAIN),   ROW(GMQ_E_UNSUPPORTED), ROW(GMQ_E_NOT_FOUND),
        ROW(GMQ_E_TOO_LARGE), ROW(GMQ_E_PARSE),   ROW(GMQ_E_FORKED),      ROW(GMQ_E_EXISTS),
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        assert_int_equal(rows[i].value, -(int)i);
        assert_string_equal(gmq_status_name(rows[i].value), rows[i].name);
    }
    assert_string_equal(gmq_status_name((gmq_status)-16), "GMQ_E_?");
    assert_string_equal(gmq_status_name((gmq_status)1), "GMQ_E_?");
    assert_string_equal(gmq_status_name((gmq_status)INT32_MIN), "GMQ_E_?");
}

static void code_names(void **state)
{
    (void)state;
    static const struct {
        gmq_code value;
        const char *name;
    } rows[] = {
        ROW(GMQ_CODE_OK),
        ROW(GMQ_CODE_CANCELLED),
        ROW(GMQ_CODE_UNKNOWN),
        ROW(GMQ_CODE_INVALID_ARGUMENT),
        ROW(GMQ_CODE_DEADLINE_EXCEEDED),
        ROW(GMQ_CODE_NOT_FOUND),
        ROW(GMQ_CODE_ALREADY_EXISTS),
        ROW(GMQ_CODE_PERMISSION_DENIED),
        ROW(GMQ_CODE_RESOURCE_EXHAUSTED),
        ROW(GMQ_CODE_FAILED_PRECONDITION),
        ROW(GMQ_CODE_ABORTED),
        ROW(GMQ_CODE_OUT_OF_RANGE),
        ROW(GMQ_CODE_UNIMPLEMENTED),
        ROW(GMQ_CODE_INTERNAL),
        ROW(GMQ_CODE_UNAVAILABLE),
        ROW(GMQ_CODE_DATA_LOSS),
        ROW(GMQ_CODE_UNAUTHENTICATED),
    };
    assert_int_equal(sizeof rows / sizeof *rows, 17);
    for (int32_t i = 0; i < 17; i++) {
        assert_int_equal(rows[i].value, i);
        assert_string_equal(gmq_code_name(i), rows[i].name + strlen("GMQ_CODE_"));
    }
    assert_string_equal(gmq_code_name(17), "CODE_?");
    assert_string_equal(gmq_code_name(-1), "CODE_?");
}

static void version(void **state)
{
    (void)state;
    int major, minor, patch, end = 0;
    assert_int_equal(sscanf(gmq_version(), "%d.%d.%d%n", &major, &minor, &patch, &end), 3);
    assert_int_equal(gmq_version()[end], '\0');
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(status_names),
        cmocka_unit_test(code_names),
        cmocka_unit_test(version),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
