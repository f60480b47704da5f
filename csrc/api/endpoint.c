#include "api/endpoint.h"

#include "api/config.h"
#include "base/error.h"
#include "base/os.h"

gmq_status gmq__endpoint_check(const gmq__endpoint *endpoint, const char *what)
{
    if (!endpoint)
        return gmq__fail(GMQ_E_INVALID, "%s is NULL", what);
    if (endpoint->generation != gmq__os_fork_generation())
        return gmq__fail(GMQ_E_FORKED, "the %s was made before fork(): make one in the child",
                         what);
    return GMQ_OK;
}

gmq_status gmq__endpoint_open(gmq__endpoint *endpoint, gmq__role role, const char *url,
                              const gmq_options *options, const gmq_method_map *methods,
                              gmq_queue *queue, uint64_t tag)
{
    endpoint->generation = gmq__os_fork_generation();
    return gmq__connect(&endpoint->runtime, role, url, options, methods, queue, tag);
}

static bool usable(const gmq__endpoint *endpoint)
{
    return endpoint && endpoint->generation == gmq__os_fork_generation();
}

void gmq__endpoint_close(gmq__endpoint *endpoint, int64_t grace_ms)
{
    if (usable(endpoint))
        gmq__runtime_close(endpoint->runtime, grace_ms);
}

int32_t gmq__endpoint_state(const gmq__endpoint *endpoint)
{
    return usable(endpoint) ? gmq__runtime_state(endpoint->runtime) : GMQ_STATE_SHUTDOWN;
}

bool gmq__endpoint_drop(gmq__endpoint *endpoint)
{
    if (!usable(endpoint))
        return false; /* forked: the connection is the parent's */
    gmq__runtime_abandon(endpoint->runtime);
    gmq__runtime_release(endpoint->runtime);
    return true;
}
