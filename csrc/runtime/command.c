#include "runtime/command.h"

#include <string.h>

#include "base/mem.h"
#include "runtime/call.h"

void *gmq__cmd_new(size_t size, gmq__cmd_kind kind, gmq_call *call)
{
    gmq__cmd *cmd = gmq__calloc(1, size);
    if (!cmd)
        return NULL;
    cmd->kind = kind;
    cmd->call = call ? gmq__handle_hold(call) : NULL;
    return cmd;
}

static void clear_status(gmq__cmd_status *cmd)
{
    gmq__free(cmd->text);
    gmq_metadata_free(cmd->metadata);
    cmd->text = NULL;
    cmd->metadata = NULL;
}

static void clear_start(gmq__cmd_start *cmd)
{
    gmq_metadata_free(cmd->metadata);
    gmq_buf_unref(cmd->message);
}

static void clear_observe(gmq__cmd_observe *cmd)
{
    gmq__free(cmd->text);
    gmq_buf_unref(cmd->payload);
    gmq_metadata_free(cmd->properties);
}

void gmq__cmd_free(gmq__cmd *cmd)
{
    gmq_call *call = cmd->call;
    bool ours = true; /* false: part of the call or of the runtime */
    switch (cmd->kind) {
    case GMQ__CMD_START:
        clear_start(GMQ__CONTAINER(cmd, gmq__cmd_start, base));
        break;
    case GMQ__CMD_SEND:
        gmq_buf_unref(GMQ__CONTAINER(cmd, gmq__cmd_send, base)->message);
        break;
    case GMQ__CMD_CANCEL:
        clear_status(GMQ__CONTAINER(cmd, gmq__cmd_status, base));
        ours = false;
        break;
    case GMQ__CMD_INITIAL:
    case GMQ__CMD_FINISH:
    case GMQ__CMD_RESOLVE:
        clear_status(GMQ__CONTAINER(cmd, gmq__cmd_status, base));
        break;
    case GMQ__CMD_METHODS:
        gmq_method_map_free(GMQ__CONTAINER(cmd, gmq__cmd_methods, base)->methods);
        break;
    case GMQ__CMD_MESSAGE:
        gmq_buf_unref(GMQ__CONTAINER(cmd, gmq__cmd_message, base)->payload);
        break;
    case GMQ__CMD_OBSERVE:
        clear_observe(GMQ__CONTAINER(cmd, gmq__cmd_observe, base));
        break;
    case GMQ__CMD_HALF_CLOSE:
    case GMQ__CMD_READ:
    case GMQ__CMD_CLOSE:
    case GMQ__CMD_STATE:
        ours = false;
        break;
    }
    if (ours)
        gmq__free(cmd);
    if (call)
        gmq__handle_release(call);
}

static gmq__span store(uint8_t **at, gmq__span bytes)
{
    gmq__span copy = gmq__span_of(*at, bytes.len);
    if (bytes.len)
        memcpy(*at, bytes.data, bytes.len);
    *at += bytes.len;
    return copy;
}

gmq__cmd_message *gmq__cmd_of_message(const gmq__mqtt_message *message, gmq_buf *payload)
{
    size_t bytes = message->topic.len;
    for (size_t i = 0; i < message->nproperties; i++)
        bytes += message->properties[i].key.len + message->properties[i].value.len;
    size_t table = message->nproperties * sizeof(gmq__mqtt_property);
    gmq__cmd_message *cmd = gmq__cmd_new(sizeof *cmd + table + bytes, GMQ__CMD_MESSAGE, NULL);
    if (!cmd)
        return NULL;
    gmq__mqtt_property *properties = (gmq__mqtt_property *)(void *)(cmd + 1);
    uint8_t *at = (uint8_t *)properties + table;
    cmd->message = *message;
    cmd->message.topic = store(&at, message->topic);
    for (size_t i = 0; i < message->nproperties; i++) {
        properties[i].key = store(&at, message->properties[i].key);
        properties[i].value = store(&at, message->properties[i].value);
    }
    cmd->message.properties = properties;
    cmd->payload = gmq_buf_ref(payload);
    return cmd;
}
