#include "base/buf.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "cmocka_all.h"

static void copies(void **state)
{
    (void)state;
    char text[] = "hello";
    gmq_buf *buf = NULL;
    assert_int_equal(gmq_buf_new(&buf, text, 5), GMQ_OK);
    text[0] = 'X';
    assert_int_equal(gmq_buf_len(buf), 5);
    assert_memory_equal(gmq_buf_data(buf), "hello", 5);
    assert_ptr_equal(gmq_buf_ref(buf), buf);
    gmq_buf_unref(buf);
    assert_memory_equal(gmq_buf_data(buf), "hello", 5);
    gmq_buf_unref(buf);
    gmq_buf_unref(NULL);
}

static void filled_in_by_the_maker(void **state)
{
    (void)state;
    uint8_t *data = NULL;
    gmq_buf *buf = gmq__buf_alloc(3, &data);
    assert_non_null(buf);
    memcpy(data, "abc", 3);
    assert_true(gmq__span_equal_str(gmq__buf_span(buf), "abc"));
    gmq_buf_unref(buf);
}

static void empty_ones_have_data_too(void **state)
{
    (void)state;
    gmq__bytes none = {0};
    gmq_buf *bufs[3] = {NULL, gmq__buf_copy(gmq__span_of(NULL, 0)), gmq__buf_take(&none)};
    assert_int_equal(gmq_buf_new(&bufs[0], NULL, 0), GMQ_OK);
    for (int i = 0; i < 3; i++) {
        assert_non_null(gmq_buf_data(bufs[i]));
        assert_int_equal(gmq_buf_len(bufs[i]), 0);
        gmq_buf_unref(bufs[i]);
    }
    assert_int_equal(gmq__buf_span(NULL).len, 0);
}

static void misuse(void **state)
{
    (void)state;
    gmq_buf *buf = NULL;
    assert_int_equal(gmq_buf_new(NULL, "a", 1), GMQ_E_INVALID);
    assert_int_equal(gmq_buf_new(&buf, NULL, 1), GMQ_E_INVALID);
    assert_null(buf);
    assert_null(gmq__buf_alloc(SIZE_MAX, &(uint8_t *){NULL}));
}

static void taking_over(void **state)
{
    (void)state;
    gmq__bytes b = {0};
    gmq__bytes_put_str(&b, "taken");
    const uint8_t *data = b.data;
    gmq_buf *buf = gmq__buf_take(&b);
    assert_non_null(buf);
    assert_ptr_equal(gmq_buf_data(buf), data);
    assert_true(!b.data && !b.len && !b.cap);
    assert_true(gmq__span_equal_str(gmq__buf_span(buf), "taken"));
    gmq_buf_unref(buf);
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
    static const gmq__mem_hooks hooks = {no_memory, free};
    gmq__bytes b = {0};
    gmq__bytes_put_str(&b, "kept");
    gmq_buf *parent = gmq__buf_copy(gmq__span_str("parent")), *buf = NULL;
    uint8_t *data;
    gmq__mem_set_hooks(&hooks);
    assert_null(gmq__buf_take(&b));
    assert_null(gmq__buf_slice(parent, 0, 1));
    assert_null(gmq__buf_alloc(1, &data));
    assert_int_equal(gmq_buf_new(&buf, "x", 1), GMQ_E_NOMEM);
    gmq__mem_set_hooks(NULL);
    assert_true(gmq__span_equal_str(gmq__bytes_span(&b), "kept"));
    gmq__bytes_free(&b);
    gmq_buf_unref(parent);
}

/* A slice of a slice outlives both, in whatever order they go. */
static void slices_keep_their_parent(void **state)
{
    (void)state;
    for (int order = 0; order < 6; order++) {
        gmq_buf *bufs[3];
        bufs[0] = gmq__buf_copy(gmq__span_str("0123456789"));
        bufs[1] = gmq__buf_slice(bufs[0], 2, 6);
        bufs[2] = gmq__buf_slice(bufs[1], 1, 3);
        static const char *const texts[3] = {"0123456789", "234567", "345"};
        static const int orders[6][3] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2},
                                         {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};
        for (int i = 0; i < 3; i++) {
            gmq_buf_unref(bufs[orders[order][i]]);
            for (int k = i + 1; k < 3; k++)
                assert_true(gmq__span_equal_str(gmq__buf_span(bufs[orders[order][k]]),
                                                texts[orders[order][k]]));
        }
    }
}

static void a_long_chain_ends_without_recursion(void **state)
{
    (void)state;
    gmq_buf *buf = gmq__buf_copy(gmq__span_str("x"));
    for (int i = 0; i < 200000; i++) {
        gmq_buf *slice = gmq__buf_slice(buf, 0, 1);
        gmq_buf_unref(buf);
        buf = slice;
    }
    gmq_buf_unref(buf);
}

static void *ref_and_unref(void *arg)
{
    for (int i = 0; i < 10000; i++)
        gmq_buf_unref(gmq_buf_ref(arg));
    gmq_buf_unref(arg);
    return NULL;
}

static void many_threads(void **state)
{
    (void)state;
    pthread_t threads[4];
    gmq_buf *buf = gmq__buf_copy(gmq__span_str("shared"));
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, ref_and_unref, gmq_buf_ref(buf)), 0);
    gmq_buf_unref(buf);
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(copies),
        cmocka_unit_test(filled_in_by_the_maker),
        cmocka_unit_test(empty_ones_have_data_too),
        cmocka_unit_test(misuse),
        cmocka_unit_test(taking_over),
        cmocka_unit_test(without_memory),
        cmocka_unit_test(slices_keep_their_parent),
        cmocka_unit_test(a_long_chain_ends_without_recursion),
        cmocka_unit_test(many_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
