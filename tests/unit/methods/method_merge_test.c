/* Merging is a monoid: tried on random maps that overlap. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/prng.h"
#include "unit/methods/descriptor_util.h"

enum { ROUNDS = 300, PATHS = 12 };

static bool same_text(const char *a, const char *b) { return strcmp(a, b) == 0; }

static bool same_row(const gmq_method_map *a, size_t i, const gmq_method_map *b, size_t j)
{
    return same_text(gmq_method_map_path(a, i), gmq_method_map_path(b, j)) &&
           gmq_method_map_kind(a, i) == gmq_method_map_kind(b, j) &&
           same_text(gmq_method_map_input_type(a, i), gmq_method_map_input_type(b, j)) &&
           same_text(gmq_method_map_output_type(a, i), gmq_method_map_output_type(b, j)) &&
           same_text(gmq_method_map_target(a, i), gmq_method_map_target(b, j)) &&
           gmq_method_map_batched_stream(a, i) == gmq_method_map_batched_stream(b, j) &&
           gmq_method_map_server_clevel(a, i) == gmq_method_map_server_clevel(b, j) &&
           gmq_method_map_client_clevel(a, i) == gmq_method_map_client_clevel(b, j);
}

static bool same(const gmq_method_map *a, const gmq_method_map *b)
{
    if (gmq_method_map_count(a) != gmq_method_map_count(b))
        return false;
    for (size_t i = 0; i < gmq_method_map_count(a); i++)
        if (!same_row(a, i, b, i) ||
            gmq_method_map_find(a, gmq_method_map_path(b, i)) != (int64_t)i)
            return false;
    return true;
}

static gmq_method_map *merge(const gmq_method_map *left, const gmq_method_map *right)
{
    gmq_method_map *out;
    assert_int_equal(gmq_method_map_merge(&out, left, right), GMQ_OK);
    return out;
}

/* Methods of few paths, so that maps overlap, with options, kinds, types and targets that differ.
 */
static gmq_method_map *random_map(gmq__prng *prng)
{
    gmq_method_map *map;
    assert_int_equal(gmq_method_map_new(&map), GMQ_OK);
    uint64_t n = gmq__prng_below(prng, PATHS + 1);
    for (uint64_t i = 0; i < n; i++) {
        char service[16], path[32], target[16];
        gmq__bytes options = {0}, set = {0};
        snprintf(service, sizeof service, "S%d", (int)gmq__prng_below(prng, PATHS));
        pb_uint(&options, 50001 + (uint32_t)gmq__prng_below(prng, 3), gmq__prng_below(prng, 23));
        one_method_set(&set, &(one_method){.package = "r",
                                           .service = service,
                                           .method = "M",
                                           .method_options = gmq__bytes_span(&options)});
        assert_int_equal(gmq_method_map_add_descriptors(map, set.data, set.len), GMQ_OK);
        snprintf(path, sizeof path, "/r.%s/M", service);
        snprintf(target, sizeof target, "host:%d", (int)gmq__prng_below(prng, 1000));
        if (gmq__prng_below(prng, 2))
            assert_int_equal(gmq_method_map_bind(map, path, target, NULL), GMQ_OK);
        gmq__bytes_free(&options);
        gmq__bytes_free(&set);
    }
    return map;
}

static void the_empty_map_is_the_identity(void **state)
{
    gmq__prng *prng = *state;
    gmq_method_map *empty;
    assert_int_equal(gmq_method_map_new(&empty), GMQ_OK);
    for (int i = 0; i < ROUNDS; i++) {
        gmq_method_map *map = random_map(prng);
        gmq_method_map *merged[] = {merge(map, empty), merge(empty, map), merge(map, NULL),
                                    merge(NULL, map), merge(map, map)};
        for (size_t k = 0; k < sizeof merged / sizeof *merged; k++) {
            assert_true(same(merged[k], map));
            gmq_method_map_free(merged[k]);
        }
        gmq_method_map_free(map);
    }
    gmq_method_map_free(empty);
    gmq_method_map *nothing = merge(NULL, NULL);
    assert_int_equal(gmq_method_map_count(nothing), 0);
    gmq_method_map_free(nothing);
}

static void merging_is_associative(void **state)
{
    for (int i = 0; i < ROUNDS; i++) {
        gmq_method_map *a = random_map(*state), *b = random_map(*state), *c = random_map(*state);
        gmq_method_map *ab = merge(a, b), *bc = merge(b, c);
        gmq_method_map *left = merge(ab, c), *right = merge(a, bc);
        assert_true(same(left, right));
        gmq_method_map *all[] = {a, b, c, ab, bc, left, right};
        for (size_t k = 0; k < sizeof all / sizeof *all; k++)
            gmq_method_map_free(all[k]);
    }
}

/* All of the left, as it is and first; then of the right what is new, as it is and in its order. */
static void the_left_wins_whole_and_order_is_kept(void **state)
{
    size_t contested = 0;
    for (int i = 0; i < ROUNDS; i++) {
        gmq_method_map *a = random_map(*state), *b = random_map(*state), *ab = merge(a, b);
        size_t at = gmq_method_map_count(a);
        for (size_t k = 0; k < at; k++)
            assert_true(same_row(ab, k, a, k));
        for (size_t k = 0; k < gmq_method_map_count(b); k++) {
            bool known = gmq_method_map_find(a, gmq_method_map_path(b, k)) >= 0;
            contested += known;
            if (!known)
                assert_true(same_row(ab, at++, b, k));
        }
        assert_int_equal(gmq_method_map_count(ab), at);
        gmq_method_map_free(a);
        gmq_method_map_free(b);
        gmq_method_map_free(ab);
    }
    assert_true(contested > ROUNDS);
}

static void adding_to_a_map_is_merging(void **state)
{
    (void)state;
    gmq_method_map *demo = fixture_map("demo"), *golden = fixture_map("golden"),
                   *merged = merge(demo, golden);
    assert_int_equal(gmq_method_map_add_descriptor_file(demo, fixture_path("golden")), GMQ_OK);
    assert_true(same(demo, merged));
    gmq_method_map_free(demo);
    gmq_method_map_free(golden);
    gmq_method_map_free(merged);
}

int main(void)
{
    static gmq__prng prng = {0x6d617073};
    print_message("seed %llu\n", (unsigned long long)prng.state);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_prestate(the_empty_map_is_the_identity, &prng),
        cmocka_unit_test_prestate(merging_is_associative, &prng),
        cmocka_unit_test_prestate(the_left_wins_whole_and_order_is_kept, &prng),
        cmocka_unit_test(adding_to_a_map_is_merging),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
