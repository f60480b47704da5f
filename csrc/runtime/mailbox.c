#include "runtime/mailbox.h"

#include "base/mem.h"
#include "runtime/queue.h"

void gmq__mailbox_init(gmq__mailbox *box, gmq_queue *kick)
{
    pthread_mutex_init(&box->lock, NULL);
    gmq__os_cond_init(&box->cond);
    gmq__list_init(&box->commands);
    box->kick = kick;
    box->sleeping = kick != NULL;
}

bool gmq__mailbox_use_wake(gmq__mailbox *box)
{
    box->by_wake = gmq__os_wake_open(&box->wake);
    return box->by_wake;
}

void gmq__mailbox_free(gmq__mailbox *box)
{
    if (box->by_wake)
        gmq__os_wake_close(&box->wake);
    pthread_cond_destroy(&box->cond);
    pthread_mutex_destroy(&box->lock);
    gmq__free(box->acks.rows);
    gmq__free(box->taken.rows);
}

void gmq__mailbox_lock(gmq__mailbox *box) { pthread_mutex_lock(&box->lock); }
void gmq__mailbox_unlock(gmq__mailbox *box) { pthread_mutex_unlock(&box->lock); }

void gmq__mailbox_post(gmq__mailbox *box, gmq__cmd *cmd)
{
    gmq__list_push(&box->commands, &cmd->node);
}

void gmq__mailbox_unlock_and_wake(gmq__mailbox *box)
{
    bool sleeping = box->sleeping;
    gmq_queue *kick = box->kick;
    box->sleeping = false; /* one signal for all that comes until the owner is up */
    pthread_mutex_unlock(&box->lock);
    if (!sleeping)
        return;
    if (kick)
        gmq__queue_kick(kick);
    else if (box->by_wake)
        gmq__os_wake_set(&box->wake);
    else
        pthread_cond_signal(&box->cond);
}

bool gmq__mailbox_reserve_acks(gmq__mailbox *box, size_t outstanding)
{
    if (outstanding <= box->taken.cap)
        return true;
    size_t cap = outstanding * 2 < 64 ? 64 : outstanding * 2;
    gmq__ack *rows = gmq__realloc(box->taken.rows, cap * sizeof *rows);
    if (!rows)
        return false;
    box->taken.rows = rows;
    gmq__mailbox_lock(box);
    rows = gmq__realloc(box->acks.rows, cap * sizeof *rows);
    if (rows) {
        box->acks.rows = rows;
        box->acks.cap = box->taken.cap = cap;
    }
    gmq__mailbox_unlock(box);
    return rows != NULL;
}

void gmq__mailbox_ack(gmq__mailbox *box, uint64_t token, int reason)
{
    gmq__mailbox_lock(box);
    if (box->closed ||
        box->acks.count == box->acks.cap) { /* full: answered twice; not by our transports */
        gmq__mailbox_unlock(box);
        return;
    }
    box->acks.rows[box->acks.count++] = (gmq__ack){token, reason};
    gmq__mailbox_unlock_and_wake(box);
}

void gmq__mailbox_take(gmq__mailbox *box, gmq__list *commands)
{
    gmq__list_init(commands);
    gmq__mailbox_lock(box);
    for (gmq__node *node; (node = gmq__list_pop(&box->commands));)
        gmq__list_push(commands, node);
    gmq__acks swap = box->taken;
    box->taken = box->acks;
    box->acks = swap;
    box->acks.count = 0;
    gmq__mailbox_unlock(box);
}

void gmq__mailbox_wait(gmq__mailbox *box, int64_t deadline)
{
    gmq__mailbox_lock(box);
    bool in_time = true;
    while (in_time && gmq__list_empty(&box->commands) && !box->acks.count) {
        box->sleeping = true;
        in_time = gmq__os_cond_wait_until(&box->cond, &box->lock, deadline);
    }
    box->sleeping = false;
    gmq__mailbox_unlock(box);
}

void gmq__mailbox_kicks(gmq__mailbox *box, gmq_queue *kick)
{
    gmq__mailbox_lock(box);
    box->kick = kick;
    box->sleeping = false;
    gmq__mailbox_unlock(box);
}

void gmq__mailbox_rouse(gmq__mailbox *box)
{
    gmq__mailbox_lock(box);
    box->sleeping = false;
    gmq__mailbox_unlock(box);
}

bool gmq__mailbox_rest(gmq__mailbox *box)
{
    gmq__mailbox_lock(box);
    box->sleeping = gmq__list_empty(&box->commands) && !box->acks.count;
    bool rests = box->sleeping;
    gmq__mailbox_unlock(box);
    return rests;
}

unsigned gmq__mailbox_wait_io(gmq__mailbox *box, int fd, unsigned want, int64_t deadline)
{
    gmq__os_watch watches[] = {{.fd = fd, .want = want},
                               {.fd = box->wake.fd[0], .want = GMQ__OS_READ}};
    gmq__mailbox_lock(box);
    box->sleeping = gmq__list_empty(&box->commands) && !box->acks.count;
    bool sleeping = box->sleeping;
    gmq__mailbox_unlock(box);
    gmq__os_wait_ready(watches, sleeping ? 2 : 1, sleeping ? deadline : 0);
    if (!sleeping)
        return watches[0].got;
    gmq__mailbox_lock(box);
    box->sleeping = false;
    gmq__mailbox_unlock(box);
    if (watches[1].got)
        gmq__os_wake_clear(&box->wake);
    return watches[0].got;
}
