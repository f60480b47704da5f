#include "proxy/reflect_wire.h"

#include "cmocka_all.h"

#include <string.h>

static void requests_test(void **state)
{
    uint8_t out[300];
    char name[200];
    (void)state;
    assert_int_equal(gmq__reflect_request(out, sizeof out, GMQ__REFLECT_ASK_LIST, "*"), 3);
    assert_memory_equal(out, "\x3a\x01*", 3);
    assert_int_equal(gmq__reflect_request(out, sizeof out, GMQ__REFLECT_ASK_SYMBOL, "p.S"), 5);
    assert_memory_equal(out, "\x22\x03p.S", 5);
    memset(name, 'n', sizeof name);
    name[150] = '\0';
    assert_int_equal(gmq__reflect_request(out, sizeof out, GMQ__REFLECT_ASK_SYMBOL, name), 153);
    assert_memory_equal(out, "\x22\x96\x01nn", 5);
    assert_int_equal(gmq__reflect_request(out, 152, GMQ__REFLECT_ASK_SYMBOL, name), 0);
}

static void fields_test(void **state)
{
    /* 1: "hi", 2: 300, 3: fixed32, 4: fixed64, 1: "", 200: "x" */
    static const uint8_t message[] =
        "\x0a\x02hi\x10\xac\x02\x1d....\x21........\x0a\x00\xc2\x0c\x01x";
    static const struct {
        uint64_t number;
        size_t len;
        bool bytes;
    } wanted[] = {{1, 2, true},  {2, 2, false}, {3, 4, false},
                  {4, 8, false}, {1, 0, true},  {200, 1, true}};
    const uint8_t *at = message;
    size_t len = sizeof message - 1;
    gmq__reflect_field field;
    (void)state;
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++) {
        assert_true(gmq__reflect_next(&at, &len, &field));
        assert_int_equal(field.number, wanted[i].number);
        assert_int_equal(field.len, wanted[i].len);
        assert_int_equal(field.data != NULL, wanted[i].bytes);
    }
    assert_false(gmq__reflect_next(&at, &len, &field));
    assert_int_equal(len, 0);
    assert_true(gmq__reflect_find(message, sizeof message - 1, 1, &field));
    assert_int_equal(field.len, 0);
    assert_false(gmq__reflect_find(message, sizeof message - 1, 2, &field));
}

/* Every prefix that ends within a field, from memory of exactly that size. */
static void broken_test(void **state)
{
    static const char *const bad[] = {"\x0a",    "\x0a\x05hi",
                                      "\x10",    "\x10\x80",
                                      "\x1d...", "\x21....",
                                      "\x0b",    "\x80\x80",
                                      "\x0f",    "\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"};
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        size_t len = strlen(bad[i]);
        uint8_t *copy = test_malloc(len);
        const uint8_t *at = copy;
        gmq__reflect_field field;
        memcpy(copy, bad[i], len);
        assert_false(gmq__reflect_next(&at, &len, &field));
        assert_int_not_equal(len, 0);
        assert_false(gmq__reflect_find(copy, strlen(bad[i]), 1, &field));
        test_free(copy);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests_test),
        cmocka_unit_test(fields_test),
        cmocka_unit_test(broken_test),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
