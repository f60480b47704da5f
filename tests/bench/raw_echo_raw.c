/* MQTT 5 by hand: one socket, one thread, blocking reads, one write for all that a read has led to.
 */
#include "raw_echo.h"

#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { CONNACK = 2, PUBLISH = 3, PUBACK = 4, SUBACK = 9 };
enum { RECEIVE_MAXIMUM = 0x21 };

typedef struct waiting { /* a payload that the window has no room for */
    struct waiting *next;
    unsigned char payload[];
} waiting;

typedef struct connection {
    const echo_args *args;
    bench_run *run; /* NULL = the echo */
    uint64_t *start_ns;
    int fd, ready;
    unsigned char *in, *out;
    size_t in_len, in_cap, out_len, out_cap;
    size_t unacked, window;
    uint16_t last_id;
    waiting *first, **last;
    unsigned char *payload;
} connection;

/* ---- writing ---- */

static void put(connection *c, const void *data, size_t len)
{
    if (c->out_len + len > c->out_cap) {
        c->out_cap = (c->out_len + len) * 2;
        c->out = realloc(c->out, c->out_cap);
        if (!c->out)
            bench_die("raw", "out of memory");
    }
    memcpy(c->out + c->out_len, data, len);
    c->out_len += len;
}

static void put_u8(connection *c, unsigned v) { put(c, &(unsigned char){(unsigned char)v}, 1); }

static void put_u16(connection *c, unsigned v)
{
    put_u8(c, v >> 8);
    put_u8(c, v & 255);
}

static void put_text(connection *c, const char *text)
{
    put_u16(c, (unsigned)strlen(text));
    put(c, text, strlen(text));
}

static void put_header(connection *c, unsigned first, size_t remaining)
{
    put_u8(c, first);
    do {
        put_u8(c, (unsigned)(remaining & 127) | (remaining > 127 ? 128 : 0));
        remaining >>= 7;
    } while (remaining);
}

static void flush(connection *c)
{
    for (size_t at = 0; at < c->out_len;) {
        ssize_t n = write(c->fd, c->out + at, c->out_len - at);
        if (n <= 0)
            bench_die("raw", "cannot write");
        at += (size_t)n;
    }
    c->out_len = 0;
}

static const char *heard(const connection *c) { return c->run ? c->args->reply : c->args->request; }
static const char *spoken(const connection *c)
{
    return c->run ? c->args->request : c->args->reply;
}

static void put_connect(connection *c)
{
    put_header(c, 0x10, 10 + 1 + 2);
    put_text(c, "MQTT");
    put_u8(c, 5);
    put_u8(c, 2); /* clean start */
    put_u16(c, 60);
    put_u8(c, 0); /* no properties */
    put_text(c, "");
}

static void put_subscribe(connection *c)
{
    put_header(c, 0x82, 2 + 1 + 2 + strlen(heard(c)) + 1);
    put_u16(c, 1);
    put_u8(c, 0);
    put_text(c, heard(c));
    put_u8(c, 1);
}

static void publish(connection *c, const unsigned char *payload)
{
    if (c->unacked == c->window) {
        waiting *w = malloc(sizeof *w + c->args->payload);
        if (!w)
            bench_die("raw", "out of memory");
        memcpy(w->payload, payload, c->args->payload);
        w->next = NULL;
        *c->last = w;
        c->last = &w->next;
        return;
    }
    c->unacked++;
    c->last_id = c->last_id == 65535 ? 1 : (uint16_t)(c->last_id + 1);
    put_header(c, 0x32, 2 + strlen(spoken(c)) + 2 + 1 + c->args->payload);
    put_text(c, spoken(c));
    put_u16(c, c->last_id);
    put_u8(c, 0);
    put(c, payload, c->args->payload);
}

static void publish_waiting(connection *c)
{
    waiting *w = c->first;
    if (!w)
        return;
    c->first = w->next;
    if (!c->first)
        c->last = &c->first;
    publish(c, w->payload);
    free(w);
}

/* ---- what arrives ---- */

static void start_call(connection *c, uint32_t slot)
{
    if (!bench_run_more(c->run))
        return;
    memcpy(c->payload, &slot, sizeof slot);
    c->start_ns[slot] = bench_now_ns();
    publish(c, c->payload);
}

static void on_suback(connection *c)
{
    if (!c->run && write(c->ready, "r", 1) != 1)
        bench_die("raw", "nobody waits for the echo");
    for (uint32_t i = 0; c->run && i < c->run->inflight; i++)
        start_call(c, i);
}

static size_t varint(const unsigned char *at,
                     size_t *value) /* its length; 0 = more is needed, of what may be there */
{
    *value = 0;
    for (size_t i = 0; i < 4; i++) {
        *value |= (size_t)(at[i] & 127) << (7 * i);
        if (at[i] < 128)
            return i + 1;
    }
    return 0;
}

static void on_publish(connection *c, const unsigned char *at)
{
    size_t topic = ((size_t)at[0] << 8) | at[1], properties;
    at += 2 + topic;
    put_header(c, 0x40, 2);
    put(c, at, 2);
    at += 2;
    size_t len = varint(at, &properties);
    at += len + properties;
    if (!c->run) {
        publish(c, at);
        return;
    }
    uint32_t slot;
    memcpy(&slot, at, sizeof slot);
    bench_run_add(c->run, c->start_ns[slot]);
    start_call(c, slot);
}

static void on_connack(connection *c, const unsigned char *at)
{
    if (at[1] != 0)
        bench_die("raw", "the broker refuses the connection");
    size_t properties, len = varint(at + 2, &properties);
    /* mosquitto puts it anywhere among its few numeric properties: look for the first that can be
     * it. */
    const unsigned char *p = at + 2 + len, *end = p + properties;
    while (p + 2 < end && *p != RECEIVE_MAXIMUM)
        p += *p == 0x22 || *p == 0x13   ? 3
             : *p == 0x27 || *p == 0x11 ? 5
             : *p == 0x12               ? 3 + (((size_t)p[1] << 8) | p[2])
                                        : 2;
    if (p + 2 < end)
        c->window = ((size_t)p[1] << 8) | p[2];
    put_subscribe(c);
}

static void on_packet(connection *c, unsigned type, const unsigned char *at)
{
    if (type == PUBLISH) {
        on_publish(c, at);
    } else if (type == PUBACK) {
        c->unacked--;
        publish_waiting(c);
    } else if (type == CONNACK) {
        on_connack(c, at);
    } else if (type == SUBACK) {
        on_suback(c);
    }
}

static void take_packets(connection *c)
{
    size_t at = 0;
    while (c->in_len - at >= 2) {
        size_t remaining, len = varint(c->in + at + 1, &remaining);
        if (!len || c->in_len - at < 1 + len + remaining)
            break;
        on_packet(c, c->in[at] >> 4, c->in + at + 1 + len);
        at += 1 + len + remaining;
    }
    memmove(c->in, c->in + at, c->in_len - at);
    c->in_len -= at;
}

static void dial(connection *c)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *list = NULL;
    if (getaddrinfo(c->args->host, c->args->port, &hints, &list) != 0)
        bench_die(c->args->host, "host not found");
    c->fd = socket(list->ai_family, SOCK_STREAM, 0);
    if (c->fd < 0 || connect(c->fd, list->ai_addr, list->ai_addrlen) != 0)
        bench_die(c->args->host, "cannot connect");
    freeaddrinfo(list);
    int on = 1;
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

void echo_raw(const echo_args *args, bench_run *run, int ready)
{
    connection c = {.args = args, .run = run, .ready = ready, .window = 65535};
    c.last = &c.first;
    c.in_cap = (args->payload + 256) * 256;
    c.in = calloc(1, c.in_cap + 8); /* varint() may look a little beyond what has come */
    c.payload = calloc(1, args->payload);
    c.start_ns = calloc(run ? run->inflight : 1, sizeof *c.start_ns);
    if (!c.in || !c.payload || !c.start_ns)
        bench_die("raw", "out of memory");
    dial(&c);
    put_connect(&c);
    while (!run || !bench_run_over(run)) {
        flush(&c);
        ssize_t n = read(c.fd, c.in + c.in_len, c.in_cap - c.in_len);
        if (n <= 0)
            bench_die("raw", "the broker has closed the connection");
        c.in_len += (size_t)n;
        take_packets(&c);
    }
    close(c.fd);
    free(c.in);
    free(c.out);
    free(c.payload);
    free(c.start_ns);
}
