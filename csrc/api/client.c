#include <grpc_mqtt/client.h>

#include "api/endpoint.h"
#include "base/error.h"
#include "base/mem.h"

gmq_status gmq_client_new(gmq_client **out, const char *url, const gmq_options *options,
                          const gmq_method_map *map, gmq_queue *queue, uint64_t tag)
{
    if (!out)
        return gmq__fail(GMQ_E_INVALID, "gmq_client_new: out is NULL");
    gmq_client *client = gmq__calloc(1, sizeof *client);
    if (!client)
        return gmq__fail_nomem();
    gmq_status status =
        gmq__endpoint_open(&client->endpoint, GMQ__ROLE_CLIENT, url, options, map, queue, tag);
    if (status == GMQ_OK)
        *out = client;
    else
        gmq__free(client);
    return status;
}

void gmq_client_close(gmq_client *client, int64_t grace_ms)
{
    if (client)
        gmq__endpoint_close(&client->endpoint, grace_ms);
}

void gmq_client_unref(gmq_client *client)
{
    if (client && gmq__endpoint_drop(&client->endpoint))
        gmq__free(client);
}

int32_t gmq_client_state(const gmq_client *client)
{
    return client ? gmq__endpoint_state(&client->endpoint) : GMQ_STATE_SHUTDOWN;
}
