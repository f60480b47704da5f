#include "api/link_ends.h"

#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/os.h"
#include "base/text.h"
#include "wire/link_topic.h"
#include "wire/topic.h"

#define TOPIC_MOST   256 /* bytes, with some brokers */
#define AROUND_NAMES (sizeof "/grpc/link//" - 1)

static const char *text(const gmq__settings *s, gmq__option_id id)
{
    return s->text[id] && *s->text[id] ? s->text[id] : NULL;
}

static void generate_id(char out[GMQ__CLIENT_ID_LEN + 1])
{
    uint8_t random[(GMQ__CLIENT_ID_LEN - 3) / 2];
    gmq__os_random(NULL, random, sizeof random);
    int len = snprintf(out, GMQ__CLIENT_ID_LEN + 1, "gmq");
    for (size_t at = 0; at < sizeof random; at++)
        len += snprintf(out + len, 3, "%02x", random[at]);
}

static gmq_status check_names(const gmq__settings *s, gmq__role role)
{
    const char *inbox = text(s, GMQ__OPT_INBOX), *group = text(s, GMQ__OPT_GROUP);
    size_t len = inbox ? strlen(inbox) : 0;
    bool server = role == GMQ__ROLE_SERVER;
    bool any = len > 2 && !strcmp(inbox + len - 2, "/+");
    if (inbox && (any != server ||
                  gmq__topic_check_base(gmq__span_of(inbox, len - (any ? 2 : 0))) != GMQ_OK))
        return gmq__fail(GMQ_E_OPTION,
                         "option \"inbox\" is \"%s\": not a topic%s without wildcards", inbox,
                         server ? " and /+ behind it," : "");
    if (group && !gmq__link_name_valid(gmq__span_str(group)))
        return gmq__fail(GMQ_E_OPTION, "option \"group\" is \"%s\": not 1 to 64 of [A-Za-z0-9_.-]",
                         group);
    return GMQ_OK;
}

/* Why the dialect cannot be spoken, if so. */
static void refuse(gmq__link_ends *out, gmq__role role, const char *base)
{
    size_t names = strlen(base) + AROUND_NAMES + strlen(out->id) + GMQ__LINK_NAME_MAX;
    size_t answers = strlen(out->inbox) + 1 + strlen(out->id);
    const char *key = role == GMQ__ROLE_SERVER ? "server_id" : "client_id";
    if (!gmq__link_name_valid(gmq__span_str(out->id)))
        snprintf(out->refusal, sizeof out->refusal, "%s \"%s\" is not 1 to 64 of [A-Za-z0-9_.-]",
                 key, gmq__show(gmq__span_str(out->id)).text);
    else if (names > TOPIC_MOST || answers > TOPIC_MOST)
        snprintf(out->refusal, sizeof out->refusal,
                 "its topics would be up to %zu bytes long and brokers take %d: shorten the %s",
                 names > answers ? names : answers, TOPIC_MOST,
                 names > TOPIC_MOST ? "base topic" : "inbox");
}

static void put_will(gmq__link_ends *out, gmq__role role, const char *base)
{
    gmq__span id = gmq__span_str(out->id), at = gmq__span_str(base);
    if (role == GMQ__ROLE_SERVER)
        gmq__link_topic_presence(&out->will, at, id);
    else
        gmq__link_topic_gone(&out->will, at, id);
}

gmq_status gmq__link_ends_make(gmq__link_ends *out, gmq__role role, const char *base,
                               const gmq__settings *s)
{
    memset(out, 0, sizeof *out);
    generate_id(out->generated);
    const char *client_id = text(s, GMQ__OPT_CLIENT_ID), *inbox = text(s, GMQ__OPT_INBOX);
    const char *server_id = text(s, GMQ__OPT_SERVER_ID);
    bool server = role == GMQ__ROLE_SERVER;
    out->client_id = client_id ? client_id : out->generated;
    out->id = server && server_id ? server_id : out->client_id;
    out->inbox = inbox ? inbox : server ? "grpc/inbox/+" : "grpc/inbox";
    gmq_status status = check_names(s, role);
    bool asked = s->number[GMQ__OPT_DIALECT] != GMQ__DIALECT_SESSION;
    if (status != GMQ_OK || !asked || role == GMQ__ROLE_OBSERVER)
        return status;
    refuse(out, role, base);
    if (*out->refusal && s->number[GMQ__OPT_DIALECT] == GMQ__DIALECT_LINK)
        return gmq__fail(GMQ_E_OPTION, "option \"dialect\": \"link\" cannot be spoken: %s",
                         out->refusal);
    if (*out->refusal)
        return GMQ_OK;
    out->spoken = true;
    gmq__os_random(NULL, out->instance, sizeof out->instance);
    out->started_at_s = (uint64_t)gmq__os_unix_s();
    put_will(out, role, base);
    return out->will.failed ? gmq__fail_nomem() : GMQ_OK;
}

void gmq__link_ends_clear(gmq__link_ends *ends) { gmq__bytes_free(&ends->will); }

static int64_t ns(const gmq__settings *s, gmq__option_id id)
{
    return s->number[id] * GMQ__NS_PER_MS;
}

void gmq__link_ends_fill(const gmq__link_ends *ends, const gmq__settings *s,
                         gmq__engine_config *config)
{
    gmq__link_config *link = &config->link;
    if (!ends->spoken)
        return;
    bool alone = s->number[GMQ__OPT_DIALECT] == GMQ__DIALECT_LINK;
    config->speak = alone ? GMQ__SPEAK_LINK : GMQ__SPEAK_BOTH;
    link->client_id = link->server_id = gmq__span_str(ends->id);
    link->inbox = gmq__span_str(ends->inbox);
    link->group = gmq__span_str(s->text[GMQ__OPT_GROUP] ? s->text[GMQ__OPT_GROUP] : "");
    memcpy(link->instance, ends->instance, sizeof link->instance);
    link->since_unix_s = ends->started_at_s;
    link->version = gmq_version();
    link->call_window = (uint64_t)s->number[GMQ__OPT_CALL_WINDOW];
    link->link_window = (uint64_t)s->number[GMQ__OPT_LINK_WINDOW];
    link->timeout_ns = ns(s, GMQ__OPT_LINK_TIMEOUT_MS);
    link->idle_ns = ns(s, GMQ__OPT_LINK_IDLE_MS);
    link->ping_ns = ns(s, GMQ__OPT_PING_MS);
    link->grace_ns = ns(s, GMQ__OPT_GRACE_MS);
}
