#include "base/heap.h"

#include <stdlib.h>

#include "base/mem.h"
#include "base/prng.h"
#include "cmocka_all.h"

enum { NODES = 300 };

static int64_t least(const gmq__heap_node *nodes)
{
    int64_t key = INT64_MAX;
    for (size_t i = 0; i < NODES; i++)
        if (nodes[i].index && nodes[i].key < key)
            key = nodes[i].key;
    return key;
}

static void check(const gmq__heap *heap, const gmq__heap_node *nodes)
{
    size_t in = 0;
    for (size_t i = 0; i < NODES; i++) {
        in += nodes[i].index != 0;
        if (nodes[i].index)
            assert_ptr_equal(heap->nodes[nodes[i].index], &nodes[i]);
    }
    assert_int_equal(in, heap->len);
    if (heap->len)
        assert_true(gmq__heap_first(heap)->key == least(nodes));
    else
        assert_null(gmq__heap_first(heap));
}

static void random_operations(void **state)
{
    (void)state;
    static gmq__heap_node nodes[NODES];
    gmq__heap heap = {0};
    gmq__prng rng = {41};
    for (int i = 0; i < 30000; i++) {
        gmq__heap_node *node = &nodes[gmq__prng_below(&rng, NODES)];
        if (gmq__prng_below(&rng, 5) < (i % 6000 < 3000 ? 3u : 2u)) {
            assert_true(gmq__heap_set(&heap, node, (int64_t)gmq__prng_below(&rng, 200) - 100));
            assert_true(node->index != 0);
        } else {
            gmq__heap_remove(&heap, node);
            assert_int_equal(node->index, 0);
        }
        check(&heap, nodes);
    }
    int64_t last = INT64_MIN;
    for (gmq__heap_node *node; (node = gmq__heap_first(&heap)) != NULL;
         gmq__heap_remove(&heap, node)) {
        assert_true(node->key >= last);
        last = node->key;
    }
    gmq__heap_free(&heap);
    assert_true(!heap.nodes && !heap.len);
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
    static gmq__heap_node nodes[64];
    gmq__heap heap = {0};
    size_t in = 0;
    assert_true(gmq__heap_set(&heap, &nodes[in++], 5));
    gmq__mem_set_hooks(&hooks);
    while (gmq__heap_set(&heap, &nodes[in], 3))
        in++;
    assert_int_equal(nodes[in].index, 0);
    assert_true(gmq__heap_set(&heap, &nodes[0], 1)); /* a move needs no memory */
    gmq__mem_set_hooks(NULL);
    assert_ptr_equal(gmq__heap_first(&heap), &nodes[0]);
    assert_int_equal(heap.len, in);
    gmq__heap_free(&heap);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(random_operations),
                                       cmocka_unit_test(without_memory)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
