#include "base/list.h"

#include <string.h>

#include "base/prng.h"
#include "cmocka_all.h"

enum { ITEMS = 30 };

typedef struct item {
    int number;
    gmq__node node;
} item;

/* The list as an array of item numbers. */
typedef struct model {
    int order[ITEMS];
    int len;
} model;

static void check(gmq__list *list, const model *m)
{
    int i = 0;
    for (gmq__node *n = list->head.next; n != &list->head; n = n->next) {
        assert_true(i < m->len);
        assert_int_equal(GMQ__CONTAINER(n, item, node)->number, m->order[i++]);
        assert_ptr_equal(n->next->prev, n);
    }
    assert_int_equal(i, m->len);
    assert_int_equal(gmq__list_empty(list), m->len == 0);
    gmq__node *first = gmq__list_first(list);
    assert_true(m->len ? GMQ__CONTAINER(first, item, node)->number == m->order[0] : !first);
}

static void model_remove(model *m, int number)
{
    int to = 0;
    for (int i = 0; i < m->len; i++)
        if (m->order[i] != number)
            m->order[to++] = m->order[i];
    m->len = to;
}

static void step(gmq__list *list, model *m, item *it, uint64_t action)
{
    bool linked = gmq__node_linked(&it->node);
    if (action == 0 && !linked) {
        gmq__list_push(list, &it->node);
        m->order[m->len++] = it->number;
    } else if (action == 1 && !linked) {
        gmq__list_push_front(list, &it->node);
        memmove(m->order + 1, m->order, (size_t)m->len * sizeof *m->order);
        m->order[0] = it->number;
        m->len++;
    } else if (action == 2) {
        gmq__node *first = gmq__list_pop(list);
        assert_true((first != NULL) == (m->len > 0));
        if (first)
            model_remove(m, GMQ__CONTAINER(first, item, node)->number);
    } else {
        gmq__node_unlink(&it->node);
        assert_false(gmq__node_linked(&it->node));
        model_remove(m, it->number);
    }
}

static void random_operations(void **state)
{
    (void)state;
    item items[ITEMS] = {0};
    model m = {.len = 0};
    gmq__list list;
    gmq__prng rng = {43};
    gmq__list_init(&list);
    for (int i = 0; i < ITEMS; i++)
        items[i].number = i;
    for (int i = 0; i < 20000; i++) {
        step(&list, &m, &items[gmq__prng_below(&rng, ITEMS)], gmq__prng_below(&rng, 4));
        check(&list, &m);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(random_operations)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
