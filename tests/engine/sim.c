#include "engine/sim.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "wire/topic.h"

typedef struct sim_thing {
    int64_t at;
    uint64_t order;
    sim_peer *peer;
    unsigned connection;
    bool is_ack, frees_window;
    uint64_t token;
    int reason;
    char *topic;
    uint8_t *payload;
    size_t topic_len, payload_len;
    char i[24];
    bool has_i, asks_for_more;
} sim_thing;

/* ---- What is under way ---- */

static bool before(const sim_thing *a, const sim_thing *b)
{
    return a->at != b->at ? a->at < b->at : a->order < b->order;
}

static void push(sim *s, sim_thing *thing)
{
    if (s->nthings == s->cap) {
        s->cap = s->cap ? s->cap * 2 : 64;
        s->things = realloc(s->things, s->cap * sizeof(sim_thing *));
    }
    thing->order = s->order++;
    size_t at = s->nthings++;
    for (; at && before(thing, s->things[(at - 1) / 2]); at = (at - 1) / 2)
        s->things[at] = s->things[(at - 1) / 2];
    s->things[at] = thing;
}

static sim_thing *pop(sim *s)
{
    sim_thing *top = s->things[0], *last = s->things[--s->nthings];
    size_t at = 0;
    for (size_t child; (child = at * 2 + 1) < s->nthings; at = child) {
        if (child + 1 < s->nthings && before(s->things[child + 1], s->things[child]))
            child++;
        if (!before(s->things[child], last))
            break;
        s->things[at] = s->things[child];
    }
    s->things[at] = last;
    return top;
}

static void thing_free(sim_thing *thing)
{
    free(thing->topic);
    free(thing->payload);
    free(thing);
}

static bool chance(sim *s, uint32_t ppm) { return ppm && gmq__prng_below(&s->prng, 1000000) < ppm; }

/* ---- The broker ---- */

static sim_thing *new_thing(sim_peer *peer, int64_t at)
{
    sim_thing *thing = calloc(1, sizeof *thing);
    thing->peer = peer;
    thing->at = at;
    thing->connection = peer->connection;
    return thing;
}

static void deliver_later(sim_peer *to, const gmq__mqtt_message *message, int64_t at)
{
    sim_thing *thing = new_thing(to, at);
    thing->topic_len = message->topic.len;
    thing->topic = malloc(message->topic.len + 1);
    memcpy(thing->topic, message->topic.data, message->topic.len);
    thing->payload_len = message->payload.len;
    thing->payload = malloc(message->payload.len + 1);
    if (message->payload.len)
        memcpy(thing->payload, message->payload.data, message->payload.len);
    if (message->nproperties && !to->sim->faults.no_properties) {
        thing->has_i = true;
        memcpy(thing->i, message->properties[0].value.data, message->properties[0].value.len);
        thing->asks_for_more = message->nproperties > 1;
    }
    push(to->sim, thing);
}

static bool is_presence(gmq__span topic)
{
    return gmq__topic_matches(gmq__span_str("+/grpc/server/+"), topic) ||
           gmq__topic_matches(gmq__span_str("+/grpc/gone/+"), topic);
}

static void route_to(sim_peer *to, const gmq__mqtt_message *message)
{
    sim *s = to->sim;
    bool control = message->payload.len == 2 || is_presence(message->topic);
    if (to->cut_off)
        return;
    int copies = control                           ? 1
                 : chance(s, s->faults.drop_ppm)   ? 0
                 : chance(s, s->faults.double_ppm) ? 2
                                                   : 1;
    for (int copy = 0; copy < copies; copy++) {
        int64_t at = s->now + s->faults.latency_ns;
        if (!control && chance(s, s->faults.reorder_ppm)) {
            at += (int64_t)gmq__prng_below(&s->prng, (uint64_t)s->faults.reorder_ns + 1);
        } else {
            at = at > to->last_arrival ? at : to->last_arrival; /* in order */
            to->last_arrival = at;
        }
        deliver_later(to, message, at);
    }
}

static bool subscribed(const sim_peer *peer, gmq__span topic)
{
    for (size_t at = 0; at < peer->nfilters; at++)
        if (gmq__topic_matches(gmq__span_str(peer->filters[at]), topic))
            return true;
    return false;
}

/* "$share/group/filter" that fits the topic. One group at a time is enough here. */
static bool shares(const sim_peer *peer, gmq__span topic)
{
    for (size_t at = 0; at < peer->nfilters; at++) {
        const char *filter = peer->filters[at];
        if (strncmp(filter, "$share/", 7))
            continue;
        filter = strchr(filter + 7, '/') + 1;
        if (gmq__topic_matches(gmq__span_str(filter), topic))
            return true;
    }
    return false;
}

static bool route_shared(sim *s, const gmq__mqtt_message *message)
{
    for (size_t n = 0; n < s->npeers; n++) {
        sim_peer *to = &s->peers[++s->shared % s->npeers];
        if (!to->connected || !shares(to, message->topic))
            continue;
        route_to(to, message);
        return true;
    }
    return false;
}

static void retain(sim *s, const gmq__mqtt_message *message)
{
    size_t at = 0, free_at = 0;
    for (; at < 16; at++) {
        if (s->retained[at][0] && gmq__span_equal_str(message->topic, s->retained[at][0]))
            break;
        free_at = s->retained[at][0] ? free_at : at;
    }
    at = at < 16 ? at : free_at;
    free(s->retained[at][0]);
    free(s->retained[at][1]);
    memset(s->retained[at], 0, sizeof s->retained[at]);
    if (!message->payload.len)
        return;
    s->retained[at][0] = calloc(1, message->topic.len + 1);
    memcpy(s->retained[at][0], message->topic.data, message->topic.len);
    s->retained[at][1] = calloc(2, message->payload.len + 1);
    for (size_t i = 0; i < message->payload.len; i++)
        sprintf(s->retained[at][1] + 2 * i, "%02x", message->payload.data[i]);
}

static void send_retained(sim_peer *to, const char *filter)
{
    for (size_t at = 0; at < 16; at++) {
        const char *topic = to->sim->retained[at][0], *hex = to->sim->retained[at][1];
        if (!topic || !gmq__topic_matches(gmq__span_str(filter), gmq__span_str(topic)))
            continue;
        uint8_t bytes[1024];
        size_t len = strlen(hex) / 2;
        for (size_t i = 0; i < len; i++) {
            char pair[3] = {hex[2 * i], hex[2 * i + 1], 0};
            bytes[i] = (uint8_t)strtoul(pair, NULL, 16);
        }
        gmq__mqtt_message message = {.topic = gmq__span_str(topic),
                                     .payload = gmq__span_of(bytes, len)};
        route_to(to, &message);
    }
}

static int route(sim *s, const gmq__mqtt_message *message)
{
    int reason = route_shared(s, message) ? GMQ__MQTT_OK : GMQ__MQTT_NO_SUBSCRIBERS;
    if (message->retain)
        retain(s, message);
    for (size_t at = 0; at < s->npeers; at++) {
        sim_peer *to = &s->peers[at];
        if (!to->connected || !subscribed(to, message->topic))
            continue;
        reason = GMQ__MQTT_OK;
        route_to(to, message);
    }
    return reason;
}

static void ack_later(sim_peer *peer, uint64_t token, int reason, bool frees_window)
{
    sim_thing *thing = new_thing(peer, peer->sim->now + 2 * peer->sim->faults.latency_ns);
    thing->is_ack = true;
    thing->token = token;
    thing->reason = reason;
    thing->frees_window = frees_window;
    if (peer->hold_acks)
        thing->at = INT64_MAX - 1;
    push(peer->sim, thing);
}

static void publish(sim_peer *peer, const gmq__output *out)
{
    const gmq__mqtt_message *message = &out->message;
    size_t around = gmq__mqtt_publish_overhead(message, message->payload.len);
    size_t most = peer->sim->faults.packet_max;
    assert(!most ||
           around + message->payload.len <= most); /* a broker closes the connection on that */
    peer->publishes++;
    int reason = GMQ__MQTT_OK;
    if (peer->refuse_publish)
        reason = peer->refuse_publish;
    else if (!peer->on_publish || peer->on_publish(peer, message))
        reason = peer->cut_off ? GMQ__MQTT_OK : route(peer->sim, message);
    if (++peer->in_flight > peer->most_in_flight)
        peer->most_in_flight = peer->in_flight;
    ack_later(peer, out->token, reason, true);
}

static bool refused(const sim_peer *peer, const gmq__output *out)
{
    bool found = peer->refuse_subscribe;
    for (size_t at = 0; at < out->nfilters && peer->refuse_filter; at++) {
        char filter[300];
        snprintf(filter, sizeof filter, "%.*s", (int)out->filters[at].len,
                 (const char *)out->filters[at].data);
        found = found || strstr(filter, peer->refuse_filter);
    }
    return found;
}

static void subscribe(sim_peer *peer, const gmq__output *out)
{
    bool no = refused(peer, out);
    assert(out->nfilters >= 1 && out->nfilters <= 8);
    peer->subscribes++;
    for (size_t at = 0; at < out->nfilters && !no; at++) {
        assert(peer->nfilters < sizeof peer->filters / sizeof *peer->filters);
        char *copy = malloc(out->filters[at].len + 1);
        memcpy(copy, out->filters[at].data, out->filters[at].len);
        copy[out->filters[at].len] = '\0';
        peer->filters[peer->nfilters++] = copy;
        send_retained(peer, copy);
    }
    ack_later(peer, out->token, no ? GMQ__MQTT_NOT_AUTHORIZED : 0, false);
}

static void unsubscribe(sim_peer *peer, const gmq__output *out)
{
    peer->unsubscribes++;
    for (size_t at = 0; at < out->nfilters; at++)
        for (size_t f = 0; f < peer->nfilters; f++)
            if (gmq__span_equal_str(out->filters[at], peer->filters[f])) {
                free(peer->filters[f]);
                peer->filters[f] = peer->filters[--peer->nfilters];
                break;
            }
    ack_later(peer, out->token, 0, false);
}

/* ---- Peers ---- */

static void sim_random(void *ctx, void *out, size_t len)
{
    sim *s = ctx;
    for (size_t at = 0; at < len; at++)
        ((uint8_t *)out)[at] = (uint8_t)gmq__prng_next(&s->prng);
}

void sim_init(sim *s, uint64_t seed, const sim_faults *faults)
{
    memset(s, 0, sizeof *s);
    s->prng.state = seed;
    s->now = 1000 * SIM_S;
    if (faults)
        s->faults = *faults;
    if (!s->faults.latency_ns)
        s->faults.latency_ns = SIM_MS / 2;
}

static void forget_filters(sim_peer *peer)
{
    while (peer->nfilters)
        free(peer->filters[--peer->nfilters]);
}

void sim_free(sim *s)
{
    for (size_t at = 0; at < s->npeers; at++) {
        gmq__engine_free(s->peers[at].engine);
        forget_filters(&s->peers[at]);
    }
    while (s->nthings)
        thing_free(pop(s));
    free(s->things);
    for (size_t at = 0; at < 16; at++) {
        free(s->retained[at][0]);
        free(s->retained[at][1]);
    }
}

sim_peer *sim_add(sim *s, gmq__engine_config *config, sim_on_event *on_event, void *ctx)
{
    sim_peer *peer = &s->peers[s->npeers];
    memset(peer, 0, sizeof *peer);
    config->random = sim_random;
    config->random_ctx = s;
    if (gmq__engine_new(&peer->engine, config) != GMQ_OK)
        return NULL;
    s->npeers++;
    peer->sim = s;
    peer->on_event = on_event;
    peer->ctx = ctx;
    return peer;
}

void sim_connect(sim_peer *peer)
{
    const sim_faults *f = &peer->sim->faults;
    gmq__mqtt_limits limits = {.receive_max = f->receive_max ? f->receive_max : 65535,
                               .packet_max = f->packet_max ? f->packet_max : SIZE_MAX,
                               .properties = !f->no_properties};
    peer->connected = true;
    peer->connection++;
    peer->in_flight = 0;
    peer->last_arrival = 0;
    gmq__engine_connected(peer->engine, &limits, peer->sim->now);
}

void sim_disconnect(sim_peer *peer, int32_t code, const char *why)
{
    peer->connected = false;
    peer->connection++;
    forget_filters(peer);
    gmq__engine_disconnected(peer->engine, code, why, peer->sim->now);
}

void sim_restart(sim_peer *peer, gmq__engine_config *config)
{
    gmq__engine_free(peer->engine);
    peer->connected = false;
    peer->connection++;
    forget_filters(peer);
    config->random = sim_random;
    config->random_ctx = peer->sim;
    gmq_status status = gmq__engine_new(&peer->engine, config);
    assert(status == GMQ_OK);
    (void)status;
}

void sim_publish(sim *s, const char *topic, const void *payload, size_t len, bool retained)
{
    gmq__mqtt_message message = {
        .topic = gmq__span_str(topic), .payload = gmq__span_of(payload, len), .retain = retained};
    route(s, &message);
    sim_settle(s);
}

static bool pump_events(sim_peer *peer)
{
    gmq__ev ev;
    bool any = false;
    while (gmq__engine_next_event(peer->engine, &ev)) {
        peer->on_event(peer, &ev);
        gmq__ev_clear(&ev);
        any = true;
    }
    return any;
}

static bool pump_output(sim_peer *peer)
{
    gmq__output out;
    uint32_t window = peer->sim->faults.receive_max ? peer->sim->faults.receive_max : 65535;
    bool any = false;
    while (peer->connected &&
           gmq__engine_next_output(peer->engine, peer->in_flight < window, peer->sim->now, &out)) {
        any = true;
        if (out.kind == GMQ__OUT_PUBLISH)
            publish(peer, &out);
        else if (out.kind == GMQ__OUT_SUBSCRIBE)
            subscribe(peer, &out);
        else
            unsubscribe(peer, &out);
    }
    return any;
}

void sim_settle(sim *s)
{
    bool any = true;
    while (any) {
        any = false;
        for (size_t at = 0; at < s->npeers; at++) {
            any |= pump_output(&s->peers[at]);
            any |= pump_events(&s->peers[at]);
        }
    }
}

static void hand_over(sim_thing *thing, int64_t now)
{
    sim_peer *peer = thing->peer;
    if (thing->connection != peer->connection)
        return;
    if (thing->is_ack) {
        peer->in_flight -= thing->frees_window;
        gmq__engine_acked(peer->engine, thing->token, thing->reason, now);
        return;
    }
    gmq__mqtt_property properties[] = {
        {gmq__span_str("i"), gmq__span_str(thing->i)},
        {gmq__span_str("grpc-mqtt-error-metadata"), gmq__span_str("1")}};
    gmq_buf *payload = gmq__buf_copy(gmq__span_of(thing->payload, thing->payload_len));
    gmq__mqtt_message message = {.topic = gmq__span_of(thing->topic, thing->topic_len), .qos = 1};
    if (payload) {
        message.payload = gmq__buf_span(payload);
        message.properties = properties;
        message.nproperties = (size_t)thing->has_i + thing->asks_for_more;
        gmq__engine_message(peer->engine, &message, payload, now);
    }
    gmq_buf_unref(payload);
}

static int64_t next_time(const sim *s)
{
    int64_t at = s->nthings ? s->things[0]->at : INT64_MAX;
    for (size_t p = 0; p < s->npeers; p++) {
        int64_t due = gmq__engine_deadline(s->peers[p].engine);
        at = due < at ? due : at;
    }
    return at;
}

static void step(sim *s)
{
    while (s->nthings && s->things[0]->at <= s->now) {
        sim_thing *thing = pop(s);
        hand_over(thing, s->now);
        thing_free(thing);
        sim_settle(s);
    }
    for (size_t p = 0; p < s->npeers; p++)
        if (gmq__engine_deadline(s->peers[p].engine) <= s->now)
            gmq__engine_timer(s->peers[p].engine, s->now);
    sim_settle(s);
}

bool sim_run_until(sim *s, int64_t duration, bool (*done)(void *ctx), void *ctx)
{
    int64_t until = s->now + duration;
    int64_t same = 0;
    sim_settle(s);
    for (;;) {
        if (done && done(ctx))
            return true;
        int64_t at = next_time(s);
        if (at > until)
            break;
        same = at > s->now ? 0 : same + 1;
        assert(same < 1000); /* a deadline that does not pass */
        s->now = at > s->now ? at : s->now;
        step(s);
    }
    s->now = until;
    return done && done(ctx);
}

void sim_run(sim *s, int64_t duration) { sim_run_until(s, duration, NULL, NULL); }

void sim_inject(sim_peer *to, const char *topic, const void *payload, size_t len, int64_t i)
{
    char text[24];
    snprintf(text, sizeof text, "%lld", (long long)i);
    sim_inject_as(to, topic, payload, len, i < 0 ? NULL : text);
}

void sim_inject_as(sim_peer *to, const char *topic, const void *payload, size_t len, const char *i)
{
    sim_thing thing = {.peer = to, .connection = to->connection, .has_i = i != NULL};
    thing.topic = (char *)(uintptr_t)topic;
    thing.topic_len = strlen(topic);
    thing.payload = (uint8_t *)(uintptr_t)payload;
    thing.payload_len = len;
    snprintf(thing.i, sizeof thing.i, "%s", i ? i : "");
    hand_over(&thing, to->sim->now);
    sim_settle(to->sim);
}

bool sim_seeds(uint64_t many, uint64_t *first, uint64_t *last)
{
    const char *text = getenv("GMQ_SEED");
    char *rest;
    *first = 1;
    *last = many;
    if (!text)
        return false;
    *first = *last = strtoull(text, &rest, 0);
    if (*rest == '-')
        *last = strtoull(rest + 1, NULL, 0);
    return *first == *last;
}
