#include <grpc_mqtt/observer.h>
#include <string.h>

#include "api/endpoint.h"
#include "base/error.h"
#include "base/mem.h"
#include "base/text.h"
#include "runtime/command.h"
#include "wire/metadata.h"

#define TOPIC_MAX 65535
/* An MQTT packet's, less its topic. */
#define PAYLOAD_MAX ((size_t)256 * 1024 * 1024 - 128 * 1024)

gmq_status gmq_observer_new(gmq_observer **out, const char *url, const gmq_options *options,
                            gmq_queue *queue, uint64_t tag)
{
    if (!out)
        return gmq__fail(GMQ_E_INVALID, "gmq_observer_new: out is NULL");
    gmq_observer *observer = gmq__calloc(1, sizeof *observer);
    if (!observer)
        return gmq__fail_nomem();
    gmq_status status =
        gmq__endpoint_open(&observer->endpoint, GMQ__ROLE_OBSERVER, url, options, NULL, queue, tag);
    if (status == GMQ_OK)
        *out = observer;
    else
        gmq__free(observer);
    return status;
}

static gmq_status check(const gmq_observer *observer, const char *what, const char *text,
                        int32_t qos)
{
    if (!observer)
        return gmq__fail(GMQ_E_INVALID, "observer is NULL");
    gmq_status status = gmq__endpoint_check(&observer->endpoint, "observer");
    if (status != GMQ_OK)
        return status;
    if (!text || !*text || strlen(text) > TOPIC_MAX)
        return gmq__fail(GMQ_E_INVALID, "a %s of 1 to %d bytes is needed", what, TOPIC_MAX);
    if (qos < 0 || qos > 1)
        return gmq__fail(GMQ_E_INVALID, "qos %d is not 0 or 1", (int)qos);
    return GMQ_OK;
}

/* The rule of MQTT: '+' is a whole level, '#' the whole last one. */
static bool is_filter(const char *text)
{
    for (const char *at = text; *at; at++) {
        bool begins = at == text || at[-1] == '/';
        if (*at == '+' && (!begins || (at[1] && at[1] != '/')))
            return false;
        if (*at == '#' && (!begins || at[1]))
            return false;
    }
    return true;
}

static gmq__cmd_observe *new_command(const char *text, int32_t qos)
{
    gmq__cmd_observe *cmd = gmq__cmd_new(sizeof *cmd, GMQ__CMD_OBSERVE, NULL);
    if (!cmd)
        return NULL;
    cmd->qos = (uint8_t)qos;
    cmd->text = gmq__strdup(text);
    if (cmd->text)
        return cmd;
    gmq__cmd_free(&cmd->base);
    return NULL;
}

static gmq_status post(gmq_observer *observer, gmq__cmd_observe *cmd)
{
    gmq_status status = gmq__runtime_observe(observer->endpoint.runtime, cmd);
    if (status != GMQ_OK)
        gmq__cmd_free(&cmd->base);
    return status;
}

gmq_status gmq_observer_subscribe(gmq_observer *observer, const char *filter, int32_t qos)
{
    gmq_status status = check(observer, "filter", filter, qos);
    if (status != GMQ_OK)
        return status;
    if (!is_filter(filter))
        return gmq__fail(GMQ_E_INVALID,
                         "filter \"%s\": \"+\" stands for a whole level, \"#\" for all at the end",
                         gmq__show(gmq__span_str(filter)).text);
    gmq__cmd_observe *cmd = new_command(filter, qos);
    return cmd ? post(observer, cmd) : gmq__fail_nomem();
}

static gmq_status check_publish(const char *topic, const void *data, size_t len)
{
    if (strpbrk(topic, "+#"))
        return gmq__fail(GMQ_E_INVALID, "topic \"%s\": nothing is published to a filter",
                         gmq__show(gmq__span_str(topic)).text);
    if (!data && len)
        return gmq__fail(GMQ_E_INVALID, "data is NULL and len is %zu", len);
    if (len >= PAYLOAD_MAX)
        return gmq__fail(GMQ_E_TOO_LARGE, "%zu bytes are above the largest possible, %zu", len,
                         PAYLOAD_MAX - 1);
    return GMQ_OK;
}

gmq_status gmq_observer_publish(gmq_observer *observer, const char *topic, const void *data,
                                size_t len, const gmq_metadata *properties, int32_t retain,
                                int32_t qos)
{
    gmq_status status = check(observer, "topic", topic, qos);
    if (status == GMQ_OK)
        status = check_publish(topic, data, len);
    if (status != GMQ_OK)
        return status;
    gmq__cmd_observe *cmd = new_command(topic, qos);
    if (!cmd)
        return gmq__fail_nomem();
    cmd->retain = retain != 0;
    cmd->payload = gmq__buf_copy(gmq__span_of(data, len));
    if (cmd->payload && gmq__metadata_copy(&cmd->properties, properties) == GMQ_OK)
        return post(observer, cmd);
    gmq__cmd_free(&cmd->base);
    return gmq__fail_nomem();
}

void gmq_observer_close(gmq_observer *observer)
{
    if (observer)
        gmq__endpoint_close(&observer->endpoint, 0);
}

void gmq_observer_unref(gmq_observer *observer)
{
    if (observer && gmq__endpoint_drop(&observer->endpoint))
        gmq__free(observer);
}

int32_t gmq_observer_state(const gmq_observer *observer)
{
    return observer ? gmq__endpoint_state(&observer->endpoint) : GMQ_STATE_SHUTDOWN;
}
