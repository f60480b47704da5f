#include "runtime/queue.h"

#include <errno.h>
#include <stdatomic.h>
#include <string.h>

#include "base/error.h"
#include "base/mem.h"
#include "base/os.h"
#include "runtime/event.h"

struct gmq_queue {
    atomic_size_t refs;    /* all references: the memory */
    atomic_size_t handles; /* the user's: somebody can take events */
    unsigned generation;
    pthread_mutex_t lock; /* guards what follows; a leaf */
    pthread_cond_t cond;
    gmq__list events;
    gmq__list driven;    /* gmq__driven, in order of attachment; rows go when they have ended */
    unsigned waiters;    /* at `cond` */
    unsigned inside;     /* in gmq_queue_wait() */
    uint64_t visits;     /* of gmq_queue_wait(), so far */
    int owners;          /* threads that own a connection of this queue */
    unsigned dozing;     /* of them: to be woken when nobody is inside any more */
    pthread_cond_t home; /* they wait here while their connections are lent */
    unsigned pollers;    /* at `poller` */
    bool described;      /* a driven one has a descriptor: whoever waits does at `poller` */
    bool shutdown;
    bool kicked;  /* a driven one has work */
    bool pumping; /* some thread is pumping */
    bool changed; /* it has changed what is watched */
    bool wake_open, wake_set;
    bool exposed; /* the user has a descriptor: it must tell the truth at any time */
    /* Made when they are first asked for: without them nothing costs a system call. The poller is
     * readable when `wake` or a descriptor of a driven one is; -1: the system has none. */
    gmq__os_wake wake;
    int poller;
};

gmq_status gmq_queue_new(gmq_queue **out)
{
    if (!out)
        return gmq__fail(GMQ_E_INVALID, "gmq_queue_new: out is NULL");
    gmq_queue *queue = gmq__calloc(1, sizeof *queue);
    if (!queue)
        return gmq__fail_nomem();
    atomic_init(&queue->refs, 1);
    atomic_init(&queue->handles, 1);
    queue->generation = gmq__os_fork_generation();
    queue->poller = -1;
    pthread_mutex_init(&queue->lock, NULL);
    gmq__os_cond_init(&queue->cond);
    gmq__os_cond_init(&queue->home);
    gmq__list_init(&queue->events);
    gmq__list_init(&queue->driven);
    *out = queue;
    return GMQ_OK;
}

bool gmq__queue_usable(const gmq_queue *queue)
{
    if (!queue)
        gmq__fail(GMQ_E_INVALID, "queue is NULL");
    else if (queue->generation != gmq__os_fork_generation())
        gmq__fail(GMQ_E_FORKED, "the queue was made before fork(): make one in the child");
    else
        return true;
    return false;
}

static gmq_status unusable(const gmq_queue *queue) { return queue ? GMQ_E_FORKED : GMQ_E_INVALID; }

gmq_queue *gmq__queue_hold(gmq_queue *queue)
{
    atomic_fetch_add_explicit(&queue->refs, 1, memory_order_relaxed);
    return queue;
}

void gmq__queue_release(gmq_queue *queue)
{
    if (atomic_fetch_sub_explicit(&queue->refs, 1, memory_order_acq_rel) != 1)
        return;
    gmq__os_poller_close(queue->poller);
    if (queue->wake_open)
        gmq__os_wake_close(&queue->wake);
    pthread_cond_destroy(&queue->cond);
    pthread_cond_destroy(&queue->home);
    pthread_mutex_destroy(&queue->lock);
    gmq__free(queue);
}

gmq_queue *gmq_queue_ref(gmq_queue *queue)
{
    atomic_fetch_add_explicit(&queue->handles, 1, memory_order_relaxed);
    return gmq__queue_hold(queue);
}

static void move_all(gmq__list *from, gmq__list *to) /* to the end of `to` */
{
    if (gmq__list_empty(from))
        return;
    gmq__node *first = from->head.next, *last = from->head.prev;
    first->prev = to->head.prev;
    to->head.prev->next = first;
    last->next = &to->head;
    to->head.prev = last;
    gmq__list_init(from);
}

static void free_events(gmq__list *events)
{
    for (gmq__node *node; (node = gmq__list_pop(events));)
        gmq_event_free(GMQ__CONTAINER(node, gmq_event, node));
}

/* Its thread goes on with it. Locked; nobody pumps it, or only this thread. */
static void take_home(gmq_queue *queue, gmq__driven *d)
{
    gmq__node_unlink(&d->node);
    if (d->watched.fd >= 0 && d->deadline != GMQ__DRIVEN_ENDED) /* else it is closed */
        gmq__os_poller_set(queue->poller, d->watched.fd, 0);
    queue->described = queue->described && !gmq__list_empty(&queue->driven);
    queue->changed = true;
    d->home = true;
    pthread_cond_broadcast(&queue->home);
}

/* Nobody can take or pump any more. */
static void orphan(gmq_queue *queue)
{
    gmq__list events, driven;
    gmq__list_init(&events);
    gmq__list_init(&driven);
    pthread_mutex_lock(&queue->lock);
    queue->shutdown = true;
    move_all(&queue->events, &events);
    for (gmq__node *node; (node = gmq__list_pop(&queue->driven));) {
        gmq__driven *d = GMQ__CONTAINER(node, gmq__driven, node);
        if (d->owned)
            take_home(queue, d);
        else
            gmq__list_push(&driven, node);
    }
    pthread_mutex_unlock(&queue->lock);
    free_events(&events);
    for (gmq__node *node; (node = gmq__list_pop(&driven));) {
        gmq__driven *d = GMQ__CONTAINER(node, gmq__driven, node);
        d->release(d, true);
    }
}

void gmq_queue_unref(gmq_queue *queue)
{
    if (!queue || queue->generation != gmq__os_fork_generation())
        return;
    if (atomic_fetch_sub_explicit(&queue->handles, 1, memory_order_acq_rel) == 1)
        orphan(queue);
    gmq__queue_release(queue);
}

/* The descriptor says what the lists say. Locked. */
static void show(gmq_queue *queue)
{
    bool work = queue->kicked && !gmq__list_empty(&queue->driven);
    bool ready = queue->shutdown || work || !gmq__list_empty(&queue->events);
    if (!queue->wake_open || ready == queue->wake_set)
        return;
    if (ready && !queue->exposed && !queue->pollers)
        return; /* nobody looks */
    queue->wake_set = ready;
    if (ready)
        gmq__os_wake_set(&queue->wake);
    else
        gmq__os_wake_clear(&queue->wake);
}

/* Unlocks; wakes one waiter for one piece of work, all for several. While somebody pumps, what
 * there is is shown when that one has taken its part: mostly it takes everything. */
static void unlock_and_wake(gmq_queue *queue, bool several)
{
    if (!queue->pumping)
        show(queue);
    unsigned waiters = queue->waiters;
    pthread_mutex_unlock(&queue->lock);
    if (waiters > 1 && several)
        pthread_cond_broadcast(&queue->cond);
    else if (waiters)
        pthread_cond_signal(&queue->cond);
}

void gmq__queue_push(gmq_queue *queue, gmq__list *events)
{
    if (gmq__list_empty(events))
        return;
    bool several = events->head.next != events->head.prev;
    pthread_mutex_lock(&queue->lock);
    if (queue->shutdown) {
        pthread_mutex_unlock(&queue->lock);
        free_events(events);
        return;
    }
    move_all(events, &queue->events);
    unlock_and_wake(queue, several);
}

/* Locked. false: errno says why. */
static bool open_descriptor(gmq_queue *queue)
{
    if (queue->wake_open)
        return true;
    queue->wake_open = gmq__os_wake_open(&queue->wake);
    if (!queue->wake_open)
        return false;
    queue->poller = gmq__os_poller_open();
    if (queue->poller >= 0 && !gmq__os_poller_set(queue->poller, queue->wake.fd[0], GMQ__OS_READ)) {
        gmq__os_poller_close(queue->poller);
        queue->poller = -1;
    }
    return true;
}

/* Locked. false: there is no descriptor to wait for it; errno says why. */
static bool attach(gmq_queue *queue, gmq__driven *driven)
{
    if (driven->watch && (!open_descriptor(queue) || queue->poller < 0))
        return false;
    queue->described |= driven->watch != NULL;
    driven->watched = (gmq__watched){-1, 0, 0};
    driven->looked = false;
    driven->deadline = INT64_MAX;
    gmq__list_push(&queue->driven, &driven->node);
    queue->kicked = true;
    return true;
}

gmq_status gmq__queue_attach(gmq_queue *queue, gmq__driven *driven)
{
    pthread_mutex_lock(&queue->lock);
    bool attached = attach(queue, driven);
    int why = errno;
    unlock_and_wake(queue, false);
    if (attached)
        return GMQ_OK;
    return gmq__fail(GMQ_E_IO, "no descriptor to wait for the connection: %s", strerror(why));
}

void gmq__queue_kick(gmq_queue *queue)
{
    pthread_mutex_lock(&queue->lock);
    bool fresh = !queue->kicked;
    queue->kicked = true;
    if (fresh)
        unlock_and_wake(queue, false);
    else
        pthread_mutex_unlock(&queue->lock);
}

int gmq_queue_fd(gmq_queue *queue)
{
    if (!gmq__queue_usable(queue))
        return -1;
    pthread_mutex_lock(&queue->lock);
    int fd = -1;
    queue->exposed = true;
    if (open_descriptor(queue))
        fd = queue->poller >= 0 ? queue->poller : queue->wake.fd[0];
    else
        gmq__fail(GMQ_E_IO, "no descriptor for the queue: %s", strerror(errno));
    show(queue);
    pthread_mutex_unlock(&queue->lock);
    return fd;
}

/* When the driven ones want to be pumped, kicks apart. Locked. */
static int64_t driven_deadline(const gmq_queue *queue)
{
    int64_t first = INT64_MAX;
    for (const gmq__node *node = queue->driven.head.next; node != &queue->driven.head;
         node = node->next) {
        const gmq__driven *d = GMQ__CONTAINER(node, gmq__driven, node);
        if (d->deadline < first)
            first = d->deadline;
    }
    return first;
}

static unsigned look(const gmq__driven *d)
{
    gmq__os_watch watch = {.fd = d->watched.fd, .want = d->watched.want};
    if (watch.fd >= 0)
        gmq__os_wait_ready(&watch, 1, 0);
    return watch.got;
}

/* A descriptor that was closed has left the poller; one that was only given up has not. */
static void follow(gmq_queue *queue, gmq__driven *d)
{
    gmq__watched old = d->watched, new;
    d->watch(d, &new);
    bool other = old.epoch != new.epoch || old.fd != new.fd;
    if (!other && old.want == new.want)
        return;
    if (other && old.fd >= 0)
        gmq__os_poller_set(queue->poller, old.fd, 0);
    if (new.fd >= 0)
        gmq__os_poller_set(queue->poller, new.fd, new.want);
    d->watched = new;
    queue->changed = true;
}

/* One of them, without the lock, by the only thread that pumps. */
static int64_t pump_one(gmq_queue *queue, gmq__driven *d, bool due, bool looks)
{
    if (!d->looked)
        d->ready = looks ? look(d) : 0;
    d->looked = false;
    if (!due && !d->ready)
        return d->deadline;
    int64_t deadline = d->pump(d);
    if (d->watch && deadline != GMQ__DRIVEN_ENDED)
        follow(queue, d);
    return deadline;
}

/* It has ended. Locked on entry and exit; the next one to look at. */
static gmq__node *let_go(gmq_queue *queue, gmq__driven *d)
{
    if (d->owned) {
        take_home(queue, d);
        return queue->driven.head.next;
    }
    gmq__node_unlink(&d->node);
    pthread_mutex_unlock(&queue->lock);
    d->release(d, false);
    pthread_mutex_lock(&queue->lock);
    return queue->driven.head.next; /* begin again: the list may have changed meanwhile */
}

/* Pumps every driven one if any wants it; `looks`: also at what their descriptors are ready for,
 * where nobody has waited for them. Locked on entry and exit, unlocked meanwhile; rows are only
 * ever removed by the thread that pumps, so that the walk stays valid. */
static void pump(gmq_queue *queue, bool looks)
{
    if (queue->pumping || gmq__list_empty(&queue->driven))
        return;
    int64_t before = driven_deadline(queue);
    bool due = queue->kicked || before <= gmq__os_now_ns();
    if (!due && !(queue->described && looks))
        return;
    queue->pumping = true;
    queue->kicked = queue->changed = false;
    for (gmq__node *node = queue->driven.head.next; node != &queue->driven.head;) {
        gmq__driven *d = GMQ__CONTAINER(node, gmq__driven, node);
        pthread_mutex_unlock(&queue->lock);
        int64_t deadline = pump_one(queue, d, due, looks);
        pthread_mutex_lock(&queue->lock);
        node = node->next;
        d->deadline = deadline;
        if (d->owned && (queue->exposed || deadline == GMQ__DRIVEN_HOME))
            take_home(queue, d);
        else if (deadline == GMQ__DRIVEN_ENDED)
            node = let_go(queue, d);
    }
    queue->pumping = false;
    if (queue->waiters) /* they wait without a deadline while somebody pumps */
        pthread_cond_broadcast(&queue->cond);
    if (queue->pollers && (queue->changed || driven_deadline(queue) < before))
        queue->kicked = true; /* they wait too long now, or for what is not there any more */
}

static size_t take(gmq_queue *queue, gmq_event **events, size_t max)
{
    size_t count = 0;
    while (count < max && !gmq__list_empty(&queue->events)) {
        gmq_event *event = GMQ__CONTAINER(gmq__list_pop(&queue->events), gmq_event, node);
        events[count++] = event;
    }
    show(queue);
    return count;
}

/* ---- Lending ---- */

#define DOZE_TICKS 8 /* so long somebody is inside before the owner stops looking now and then */

void gmq__queue_owners(gmq_queue *queue, int by)
{
    pthread_mutex_lock(&queue->lock);
    queue->owners += by;
    pthread_mutex_unlock(&queue->lock);
}

bool gmq__queue_lend(gmq_queue *queue, gmq__driven *driven)
{
    pthread_mutex_lock(&queue->lock);
    bool lent = (queue->waiters || queue->pollers) && queue->owners == 1 && !queue->exposed &&
                !queue->shutdown && attach(queue, driven);
    driven->home = !lent;
    unlock_and_wake(queue, false);
    return lent;
}

/* Sleeps for a tick, or while somebody is inside for long. Locked. */
static void look_away(gmq_queue *queue, gmq__driven *d, unsigned *quiet)
{
    uint64_t visits = queue->visits;
    if (queue->inside && *quiet >= DOZE_TICKS) {
        queue->dozing++;
        gmq__os_cond_wait_until(&queue->home, &queue->lock, INT64_MAX);
        queue->dozing--;
        *quiet = 0;
        return;
    }
    gmq__os_cond_wait_until(&queue->home, &queue->lock, gmq__os_now_ns() + GMQ__LEND_TICK_NS);
    bool came = visits != queue->visits;
    if (!d->home && !queue->inside && (queue->kicked || !came))
        take_home(queue, d);
    *quiet = came ? 0 : *quiet + 1;
}

void gmq__queue_await(gmq_queue *queue, gmq__driven *driven)
{
    unsigned quiet = 0;
    pthread_mutex_lock(&queue->lock);
    while (!driven->home)
        look_away(queue, driven, &quiet);
    pthread_mutex_unlock(&queue->lock);
}

int64_t gmq_queue_timeout_ms(gmq_queue *queue)
{
    if (!gmq__queue_usable(queue))
        return -1;
    pthread_mutex_lock(&queue->lock);
    int64_t deadline =
        queue->kicked && !gmq__list_empty(&queue->driven) ? 0 : driven_deadline(queue);
    pthread_mutex_unlock(&queue->lock);
    if (deadline == INT64_MAX)
        return -1;
    int64_t left = deadline - gmq__os_now_ns();
    return deadline == 0 || left <= 0 ? 0 : (left + GMQ__NS_PER_MS - 1) / GMQ__NS_PER_MS;
}

gmq_status gmq_queue_poll(gmq_queue *queue, gmq_event **events, size_t max, size_t *count)
{
    return gmq_queue_wait(queue, 0, events, max, count);
}

static int64_t deadline_of(int64_t timeout_ms)
{
    if (timeout_ms < 0 || timeout_ms > INT64_MAX / 4 / GMQ__NS_PER_MS)
        return INT64_MAX;
    return timeout_ms == 0 ? 0 : gmq__os_now_ns() + timeout_ms * GMQ__NS_PER_MS;
}

/* A single driven one is waited for without the detour, and what it is ready for known at once. */
static gmq__driven *only_driven(const gmq_queue *queue)
{
    gmq__node *first = queue->driven.head.next;
    gmq__driven *d = GMQ__CONTAINER(first, gmq__driven, node);
    bool only = first != &queue->driven.head && first->next == &queue->driven.head;
    return only && !queue->pollers && d->watched.fd >= 0 ? d : NULL;
}

/* Locked on entry and exit. */
static bool wait_at_poller(gmq_queue *queue, int64_t until)
{
    gmq__driven *d = only_driven(queue);
    gmq__os_watch watches[] = {
        {.fd = d ? queue->wake.fd[0] : queue->poller, .want = GMQ__OS_READ},
        {.fd = d ? d->watched.fd : -1, .want = d ? d->watched.want : 0},
    };
    queue->pollers++;
    show(queue);
    pthread_mutex_unlock(&queue->lock);
    gmq__os_wait_ready(watches, d ? 2 : 1, until);
    pthread_mutex_lock(&queue->lock);
    queue->pollers--;
    if (watches[1].got && !queue->pumping && only_driven(queue) == d) {
        d->ready = watches[1].got;
        d->looked = true;
    }
    return watches[0].got || watches[1].got || gmq__os_now_ns() < until;
}

/* Waits for work; false = `deadline` has passed. Locked. */
static bool wait_for_work(gmq_queue *queue, int64_t deadline)
{
    if (deadline == 0)
        return false;
    if (queue->kicked && !queue->pumping && !gmq__list_empty(&queue->driven))
        return true; /* work came while this thread pumped */
    int64_t until = queue->pumping ? INT64_MAX : driven_deadline(queue);
    if (until > deadline)
        until = deadline;
    bool woken;
    if (queue->described && !queue->pumping) {
        woken = wait_at_poller(queue, until);
    } else {
        queue->waiters++;
        woken = gmq__os_cond_wait_until(&queue->cond, &queue->lock, until);
        queue->waiters--;
    }
    return woken || until != deadline;
}

gmq_status gmq_queue_wait(gmq_queue *queue, int64_t timeout_ms, gmq_event **events, size_t max,
                          size_t *count)
{
    if (!gmq__queue_usable(queue))
        return unusable(queue);
    if (!events || !max || !count)
        return gmq__fail(GMQ_E_INVALID, "queue: %s",
                         !events ? "events is NULL"
                         : !max  ? "max is 0"
                                 : "count is NULL");
    int64_t deadline = deadline_of(timeout_ms);
    pthread_mutex_lock(&queue->lock);
    queue->inside++;
    queue->visits++;
    pump(queue, deadline == 0); /* else it looks when it has waited */
    size_t taken = take(queue, events, max);
    for (bool more = true; !taken && more && !queue->shutdown;) {
        more = wait_for_work(queue, deadline);
        pump(queue, true);
        taken = take(queue, events, max);
    }
    bool closed = !taken && queue->shutdown;
    if (--queue->inside == 0 && queue->dozing)
        pthread_cond_broadcast(&queue->home);
    pthread_mutex_unlock(&queue->lock);
    if (closed)
        return gmq__fail(GMQ_E_CLOSED, "the queue is shut down and empty");
    for (size_t i = 0; i < taken; i++)
        gmq__event_stamp(events[i]);
    *count = taken;
    return GMQ_OK;
}

gmq_status gmq_queue_post(gmq_queue *queue, int32_t type, uint64_t tag, int32_t code,
                          const char *text)
{
    if (!gmq__queue_usable(queue))
        return unusable(queue);
    if (type != GMQ_EVENT_LOG && type != GMQ_EVENT_STATE && type != GMQ_EVENT_CLOSED &&
        type < GMQ_EVENT_USER)
        return gmq__fail(GMQ_E_INVALID,
                         "event type %d cannot be posted (LOG, STATE, CLOSED or at least %d)",
                         (int)type, (int)GMQ_EVENT_USER);
    gmq_event *event = gmq__event_new(type, tag, NULL);
    if (event && text)
        event->text = gmq__strdup(text);
    if (!event || (text && !event->text)) {
        gmq_event_free(event);
        return gmq__fail_nomem();
    }
    event->code = code;
    pthread_mutex_lock(&queue->lock);
    bool closed = queue->shutdown;
    if (!closed)
        gmq__list_push(&queue->events, &event->node);
    unlock_and_wake(queue, false);
    if (!closed)
        return GMQ_OK;
    gmq_event_free(event);
    return gmq__fail(GMQ_E_CLOSED, "the queue is shut down");
}

void gmq_queue_shutdown(gmq_queue *queue)
{
    if (!gmq__queue_usable(queue))
        return;
    pthread_mutex_lock(&queue->lock);
    queue->shutdown = true;
    unlock_and_wake(queue, true);
}
