#include "base/map.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/prng.h"
#include "cmocka_all.h"

enum { KEYS = 400, OPS = 20000 };

/* What the map should hold: by key number, NULL = absent. */
typedef struct model {
    void *values[KEYS];
    size_t count;
} model;

static gmq__span key_of(size_t number, char text[40])
{
    int len = snprintf(text, 40, "%zu%.*s", number, (int)(number % 20), "....................");
    return gmq__span_of(text, number ? (size_t)len : 0); /* one of them is empty */
}

static void model_set(model *m, size_t key, void *value)
{
    m->count += (value != NULL) - (m->values[key] != NULL);
    m->values[key] = value;
}

static void check_all(const gmq__map *map, const model *m)
{
    char text[40];
    size_t at = 0, seen = 0;
    assert_int_equal(gmq__map_count(map), m->count);
    for (size_t i = 0; i < KEYS; i++)
        assert_ptr_equal(gmq__map_get(map, key_of(i, text)), m->values[i]);
    for (void *value; (value = gmq__map_next(map, &at)) != NULL; seen++)
        assert_non_null(value);
    assert_int_equal(seen, m->count);
}

static void random_operations(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 4; seed++) {
        gmq__map map = {.seed = seed * 0x1234567};
        model m = {0};
        gmq__prng rng = {seed};
        char text[40];
        for (size_t i = 0; i < OPS; i++) {
            size_t key = gmq__prng_below(
                &rng, i % 5000 < 2500 ? KEYS : 20); /* grows, then churns a few keys */
            gmq__span span = key_of(key, text);
            void *value = (void *)(uintptr_t)(i + 1);
            switch (gmq__prng_below(&rng, 3)) {
            case 0:
                assert_true(gmq__map_put(&map, span, value));
                model_set(&m, key, value);
                break;
            case 1:
                assert_ptr_equal(gmq__map_remove(&map, span), m.values[key]);
                model_set(&m, key, NULL);
                break;
            default:
                assert_ptr_equal(gmq__map_get(&map, span), m.values[key]);
            }
            if (i % 1000 == 0)
                check_all(&map, &m);
        }
        check_all(&map, &m);
        assert_true(map.cap <= 4 * KEYS); /* deleted marks do not let it grow without end */
        gmq__map_free(&map);
        assert_true(map.cap == 0 && map.seed == seed * 0x1234567);
    }
}

static void number_keys(void **state)
{
    (void)state;
    gmq__map map = {0};
    gmq__prng rng = {9};
    static uint64_t keys[2000];
    for (size_t i = 0; i < 2000; i++) {
        keys[i] = gmq__prng_next(&rng) >> gmq__prng_below(&rng, 40);
        assert_true(gmq__map_put_u64(&map, keys[i], &keys[i]));
    }
    for (size_t i = 0; i < 2000; i++)
        assert_true(*(uint64_t *)gmq__map_get_u64(&map, keys[i]) == keys[i]);
    for (size_t i = 0; i < 2000; i++)
        gmq__map_remove_u64(&map, keys[i]);
    assert_int_equal(gmq__map_count(&map), 0);
    assert_null(gmq__map_get_u64(&map, keys[0]));
    gmq__map_free(&map);
}

static void removing_while_walking(void **state)
{
    (void)state;
    gmq__map map = {0};
    static uint64_t keys[300];
    for (size_t i = 0; i < 300; i++) {
        keys[i] = i;
        assert_true(gmq__map_put_u64(&map, i, &keys[i]));
    }
    size_t at = 0, seen = 0;
    for (uint64_t *key; (key = gmq__map_next(&map, &at)) != NULL; seen++)
        if (*key % 2)
            assert_ptr_equal(gmq__map_remove_u64(&map, *key), key);
    assert_int_equal(seen, 300);
    assert_int_equal(gmq__map_count(&map), 150);
    gmq__map_free(&map);
}

static void an_empty_map(void **state)
{
    (void)state;
    gmq__map map = {0};
    size_t at = 0;
    assert_null(gmq__map_get(&map, gmq__span_str("a")));
    assert_null(gmq__map_remove(&map, gmq__span_str("a")));
    assert_null(gmq__map_next(&map, &at));
    gmq__map_free(&map);
}

static size_t allowed;

static void *counting_realloc(void *old, size_t size)
{
    return allowed && allowed-- ? realloc(old, size) : NULL;
}

/* A put that fails for memory changes nothing. */
static void without_memory(void **state)
{
    (void)state;
    static const gmq__mem_hooks hooks = {counting_realloc, free};
    gmq__map map = {0};
    char text[40];
    size_t failures = 0;
    gmq__mem_set_hooks(&hooks);
    for (size_t i = 0; i < KEYS; i++) {
        size_t next = 0; /* allocations that the next try may make */
        for (allowed = next; !gmq__map_put(&map, key_of(i, text), &map); allowed = ++next) {
            assert_null(gmq__map_get(&map, key_of(i, text)));
            assert_int_equal(gmq__map_count(&map), i);
            failures++;
        }
    }
    gmq__mem_set_hooks(NULL);
    assert_true(failures >= KEYS);
    assert_int_equal(gmq__map_count(&map), KEYS);
    gmq__map_free(&map);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_operations),      cmocka_unit_test(number_keys),
        cmocka_unit_test(removing_while_walking), cmocka_unit_test(an_empty_map),
        cmocka_unit_test(without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
