#include "base/heap.h"

#include <string.h>

#include "base/mem.h"

static void put_at(gmq__heap *heap, size_t index, gmq__heap_node *node)
{
    heap->nodes[index] = node;
    node->index = index;
}

static void sift_up(gmq__heap *heap, size_t index, gmq__heap_node *node)
{
    for (; index > 1 && heap->nodes[index / 2]->key > node->key; index /= 2)
        put_at(heap, index, heap->nodes[index / 2]);
    put_at(heap, index, node);
}

static void sift_down(gmq__heap *heap, size_t index, gmq__heap_node *node)
{
    for (size_t child; (child = index * 2) <= heap->len; index = child) {
        if (child < heap->len && heap->nodes[child + 1]->key < heap->nodes[child]->key)
            child++;
        if (heap->nodes[child]->key >= node->key)
            break;
        put_at(heap, index, heap->nodes[child]);
    }
    put_at(heap, index, node);
}

static void settle(gmq__heap *heap, size_t index, gmq__heap_node *node)
{
    if (index > 1 && heap->nodes[index / 2]->key > node->key)
        sift_up(heap, index, node);
    else
        sift_down(heap, index, node);
}

bool gmq__heap_set(gmq__heap *heap, gmq__heap_node *node, int64_t key)
{
    if (!node->index) {
        if (heap->len + 1 >= heap->cap) {
            size_t cap = heap->cap ? heap->cap * 2 : 16;
            gmq__heap_node **nodes = gmq__realloc(heap->nodes, cap * sizeof *nodes);
            if (!nodes)
                return false;
            heap->nodes = nodes;
            heap->cap = cap;
        }
        node->key = key;
        sift_up(heap, ++heap->len, node);
        return true;
    }
    node->key = key;
    settle(heap, node->index, node);
    return true;
}

void gmq__heap_remove(gmq__heap *heap, gmq__heap_node *node)
{
    size_t index = node->index;
    if (!index)
        return;
    node->index = 0;
    gmq__heap_node *last = heap->nodes[heap->len--];
    if (last != node)
        settle(heap, index, last);
}

gmq__heap_node *gmq__heap_first(const gmq__heap *heap) { return heap->len ? heap->nodes[1] : NULL; }

void gmq__heap_free(gmq__heap *heap)
{
    gmq__free(heap->nodes);
    memset(heap, 0, sizeof *heap);
}
