#include "base/mem.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "cmocka_all.h"

static size_t last_size;
static int frees;

static void *watching_realloc(void *old, size_t size)
{
    last_size = size;
    return realloc(old, size);
}

static void watching_free(void *p)
{
    assert_non_null(p);
    frees++;
    free(p);
}

static const gmq__mem_hooks watching = {watching_realloc, watching_free};

static int setup(void **state)
{
    (void)state;
    frees = 0;
    gmq__mem_set_hooks(&watching);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    gmq__mem_set_hooks(NULL);
    return 0;
}

static void size_zero_is_a_pointer(void **state)
{
    (void)state;
    void *a = gmq__malloc(0), *b = gmq__calloc(0, 8);
    assert_true(a && b && a != b);
    assert_int_equal(last_size, 1); /* hooks never see 0 */
    a = gmq__realloc(a, 0);
    assert_non_null(a);
    gmq__free(a);
    gmq__free(b);
    gmq__free(NULL);
    assert_int_equal(frees, 2);
}

static void calloc_zeroes_and_checks(void **state)
{
    (void)state;
    uint8_t *p = gmq__malloc(64);
    assert_non_null(p);
    memset(p, 0xff, 64);
    gmq__free(p);
    p = gmq__calloc(8, 8);
    assert_non_null(p);
    for (int i = 0; i < 64; i++)
        assert_int_equal(p[i], 0);
    gmq__free(p);
    last_size = 0;
    assert_null(gmq__calloc(SIZE_MAX / 2, 3));
    assert_int_equal(last_size, 0);
}

static void strings(void **state)
{
    (void)state;
    char *s = gmq__strdup("abc"), *t = gmq__strndup("a\0c!", 3);
    assert_string_equal(s, "abc");
    assert_memory_equal(t, "a\0c", 4);
    gmq__free(s);
    gmq__free(t);
}

static void *no_memory(void *old, size_t size)
{
    (void)old;
    (void)size;
    return NULL;
}

static void without_memory(void **state)
{
    (void)state;
    static const gmq__mem_hooks none = {no_memory, free};
    gmq__mem_set_hooks(&none);
    assert_null(gmq__malloc(1));
    assert_null(gmq__calloc(1, 1));
    assert_null(gmq__realloc(NULL, 1));
    assert_null(gmq__strdup("a"));
    assert_null(gmq__strndup("a", 1));
    gmq__mem_set_hooks(NULL);
    void *p = gmq__malloc(1);
    assert_non_null(p);
    gmq__free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(size_zero_is_a_pointer, setup, teardown),
        cmocka_unit_test_setup_teardown(calloc_zeroes_and_checks, setup, teardown),
        cmocka_unit_test_setup_teardown(strings, setup, teardown),
        cmocka_unit_test_setup_teardown(without_memory, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
