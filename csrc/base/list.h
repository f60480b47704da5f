/* Intrusive doubly linked list. A node that is in no list has next == NULL. */
#ifndef GMQ_BASE_LIST_H
#define GMQ_BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>

typedef struct gmq__node {
    struct gmq__node *prev, *next;
} gmq__node;

typedef struct gmq__list {
    gmq__node head;
} gmq__list;

#define GMQ__CONTAINER(node, type, member) ((type *)(void *)((char *)(node)-offsetof(type, member)))

static inline void gmq__list_init(gmq__list *list)
{
    list->head.prev = list->head.next = &list->head;
}
static inline bool gmq__list_empty(const gmq__list *list) { return list->head.next == &list->head; }
static inline bool gmq__node_linked(const gmq__node *node) { return node->next != NULL; }

static inline void gmq__list_push(gmq__list *list, gmq__node *node) /* at the end */
{
    node->prev = list->head.prev;
    node->next = &list->head;
    list->head.prev->next = node;
    list->head.prev = node;
}

static inline void gmq__list_push_front(gmq__list *list, gmq__node *node)
{
    node->next = list->head.next;
    node->prev = &list->head;
    list->head.next->prev = node;
    list->head.next = node;
}

static inline void gmq__node_unlink(gmq__node *node) /* fine when in no list */
{
    if (!node->next)
        return;
    node->prev->next = node->next;
    node->next->prev = node->prev;
    node->prev = node->next = NULL;
}

static inline gmq__node *gmq__list_first(gmq__list *list) /* NULL = empty */
{
    return gmq__list_empty(list) ? NULL : list->head.next;
}

static inline gmq__node *gmq__list_pop(gmq__list *list) /* first, unlinked; NULL = empty */
{
    gmq__node *node = gmq__list_first(list);
    if (node)
        gmq__node_unlink(node);
    return node;
}

#endif
