#include "engine/session_probe.h"

#include <string.h>

#include "base/mem.h"
#include "engine/session.h"
#include "wire/request.h"

#define MS            INT64_C(1000000)
#define BACKOFF_FIRST (1000 * MS)
#define BACKOFF_MOST  (120000 * MS)

static gmq__probe *probe_of(const gmq__engine *engine)
{
    return &gmq__session_state_of(engine)->probe;
}

static void tell(gmq__engine *engine, bool there)
{
    gmq__probe *p = probe_of(engine);
    gmq__ev ev = {.kind = there ? GMQ__EV_READY : GMQ__EV_ABSENT, .code = GMQ_CODE_UNAVAILABLE};
    if (p->told && p->told_there == there)
        return;
    if (!there) {
        gmq__bytes text = {0};
        gmq__bytes_put_str(&text, "no server listens at ");
        gmq__bytes_put(&text, engine->config.base.data, engine->config.base.len);
        ev.text = gmq__strndup((const char *)text.data, text.len);
        gmq__bytes_free(&text);
    }
    p->told = true;
    p->told_there = there;
    gmq__events_push(&engine->events, &ev, false);
}

bool gmq__probe_start(gmq__engine *engine, bool lost, int64_t now)
{
    gmq__probe *p = probe_of(engine);
    if (!engine->config.probe || !engine->config.qos || !engine->limits.properties)
        return false;
    if (p->running)
        return true;
    *p = (gmq__probe){.running = true, .due = !lost, .at = INT64_MAX};
    if (lost) {
        p->at = now + engine->config.link.grace_ns;
        tell(engine, false);
    }
    return true;
}

void gmq__probe_stop(gmq__engine *engine) { memset(probe_of(engine), 0, sizeof(gmq__probe)); }

void gmq__probe_heard(gmq__engine *engine, bool there, int64_t now)
{
    gmq__probe *p = probe_of(engine);
    if (!p->running)
        return;
    p->due = false;
    p->at = INT64_MAX;
    if (there) {
        p->backoff = 0;
    } else {
        uint32_t jitter;
        engine->config.random(engine->config.random_ctx, &jitter, sizeof jitter);
        p->backoff = p->backoff ? p->backoff / 10 * 16 : BACKOFF_FIRST;
        p->backoff = p->backoff < BACKOFF_MOST ? p->backoff : BACKOFF_MOST;
        p->at = now + p->backoff / 100 * (80 + jitter % 41);
    }
    tell(engine, there);
}

void gmq__probe_timer(gmq__engine *engine, int64_t now)
{
    gmq__probe *p = probe_of(engine);
    if (!p->running || now < p->at)
        return;
    p->at = INT64_MAX;
    p->due = true;
}

bool gmq__probe_wants(const gmq__engine *engine, int64_t now)
{
    (void)now;
    return probe_of(engine)->due && engine->connected && !engine->stats.open_calls;
}

bool gmq__probe_publish(gmq__engine *engine, int64_t now, gmq__output *out)
{
    uint8_t random[18];
    char sid[GMQ__SID_LEN + 1];
    if (!gmq__probe_wants(engine, now))
        return false;
    engine->config.random(engine->config.random_ctx, random, sizeof random);
    gmq__sid_encode(random, sid);
    probe_of(engine)->due = false;
    out->token = (uint64_t)GMQ__SESSION_TOKEN_NOBODY << GMQ__TOKEN_KIND_SHIFT | GMQ__SESSION_PROBE;
    return gmq__session_publish_control(engine, gmq__span_of(sid, GMQ__SID_LEN),
                                        GMQ__CONTROL_UNKNOWN, out);
}
