/* paho says no more of a failed attempt than that it failed: a thread of our own finds out why. */
#include "transport/diagnose.h"
#include "base/mem.h"
#include "transport/paho/client.h"

typedef struct job {
    gmq__pclient *client;
    uint32_t attempt;
    gmq__why why;
} job;

static void finish(job *j)
{
    gmq__pclient *c = j->client;
    gmq__pevent_end(c, j->attempt, GMQ__P_DIAGNOSING, GMQ__T_REFUSED, GMQ__MQTT_UNSPECIFIED,
                    j->why.text);
    gmq__free(j);
    gmq__pclient_unref(c);
}

static void *run(void *arg)
{
    job *j = arg;
    const gmq__pclient *c = j->client;
    gmq__target target = {.host = c->host,
                          .port = c->port,
                          .tls = c->tls,
                          .insecure = c->insecure,
                          .ca_file = c->ca_file,
                          .cert_file = c->cert_file,
                          .key_file = c->key_file};
    gmq__diagnose(&target, &j->why);
    finish(j);
    return NULL;
}

static bool begin(gmq__pclient *c, uint32_t attempt)
{
    pthread_mutex_lock(&c->lock);
    bool mine = !c->dead && c->state == GMQ__P_CONNECTING && c->attempt == attempt;
    if (mine) {
        gmq__pclient_enter(c, GMQ__P_DIAGNOSING);
        c->refs++;
    }
    pthread_mutex_unlock(&c->lock);
    return mine;
}

void gmq__pdiagnose(gmq__pclient *c, uint32_t attempt, const char *fallback)
{
    if (!begin(c, attempt))
        return;
    job *j = gmq__calloc(1, sizeof *j);
    if (!j) {
        gmq__pevent_end(c, attempt, GMQ__P_DIAGNOSING, GMQ__T_REFUSED, GMQ__MQTT_UNSPECIFIED,
                        fallback);
        gmq__pclient_unref(c);
        return;
    }
    j->client = c;
    j->attempt = attempt;
    gmq__why_say(&j->why, fallback, "");
    pthread_t thread;
    if (gmq__os_thread_start(&thread, run, j, "gmq-diagnose"))
        pthread_detach(thread);
    else
        finish(j);
}
