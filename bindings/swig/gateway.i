/* The noun of libgrpc_mqtt_gateway; for a module of its own. */
%{
#include <grpc_mqtt/gateway.h>
%}

GMQ_NOUN(gmq_gateway, Gateway)
GMQ_FREED_BY(gmq_gateway, gmq_gateway_unref)
GMQ_FALLIBLE(gmq_gateway::gmq_gateway)
%extend gmq_gateway {
    gmq_gateway(const char *url, const gmq_options *options, const gmq_method_map *map, gmq_queue *queue, uint64_t tag)
    {
        gmq_gateway *gateway = NULL;
        gmq_swig_check(gmq_gateway_new(&gateway, url, options, map, queue, tag));
        return gateway;
    }
    void close(int64_t grace_ms);
}
