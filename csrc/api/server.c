#include <grpc_mqtt/server.h>

#include "api/endpoint.h"
#include "base/error.h"
#include "base/mem.h"
#include "methods/method_map.h"

gmq_status gmq_server_new(gmq_server **out, const char *url, const gmq_options *options,
                          const gmq_method_map *map, gmq_queue *queue, uint64_t tag)
{
    if (!out)
        return gmq__fail(GMQ_E_INVALID, "gmq_server_new: out is NULL");
    gmq_server *server = gmq__calloc(1, sizeof *server);
    if (!server)
        return gmq__fail_nomem();
    gmq_status status =
        gmq__endpoint_open(&server->endpoint, GMQ__ROLE_SERVER, url, options, map, queue, tag);
    if (status == GMQ_OK)
        *out = server;
    else
        gmq__free(server);
    return status;
}

gmq_status gmq_server_set_methods(gmq_server *server, const gmq_method_map *map)
{
    if (!server)
        return gmq__fail(GMQ_E_INVALID, "server is NULL");
    gmq_status status = gmq__endpoint_check(&server->endpoint, "server");
    if (status != GMQ_OK)
        return status;
    gmq_method_map *copy = NULL;
    status = gmq__method_map_copy(&copy, map);
    if (status != GMQ_OK)
        return status;
    status = gmq__runtime_set_methods(server->endpoint.runtime, copy);
    if (status != GMQ_OK)
        gmq_method_map_free(copy);
    return status;
}

void gmq_server_close(gmq_server *server, int64_t grace_ms)
{
    if (server)
        gmq__endpoint_close(&server->endpoint, grace_ms);
}

void gmq_server_unref(gmq_server *server)
{
    if (server && gmq__endpoint_drop(&server->endpoint))
        gmq__free(server);
}

int32_t gmq_server_state(const gmq_server *server)
{
    return server ? gmq__endpoint_state(&server->endpoint) : GMQ_STATE_SHUTDOWN;
}
