/* The nouns of libgrpc_mqtt_gateway; for a module of their own. */
%{
#include <grpc_mqtt/gateway.h>
#include <grpc_mqtt/proxy.h>
%}

GMQ_NOUN(gmq_gateway, Gateway)
GMQ_FREED_BY(gmq_gateway, gmq_gateway_unref)
GMQ_FALLIBLE(gmq_gateway::gmq_gateway)
%rename(stats) gmq_gateway::numbers;
%extend gmq_gateway {
    gmq_gateway(const char *url, const gmq_options *options, const gmq_method_map *map, gmq_queue *queue, uint64_t tag)
    {
        gmq_gateway *gateway = NULL;
        gmq_swig_check(gmq_gateway_new(&gateway, url, options, map, queue, tag));
        return gateway;
    }
    gmq_status numbers(gmq_stats **numbers) { return gmq_gateway_stats(numbers, $self); }
    void close(int64_t grace_ms);
}

/* May be NULL. */
%typemap(check) const char *cert_file, const char *key_file, const char *client_ca_file "";

GMQ_NOUN(gmq_proxy_config, ProxyConfig)
GMQ_FREED_BY(gmq_proxy_config, gmq_proxy_config_free)
GMQ_FALLIBLE(gmq_proxy_config::gmq_proxy_config)
%extend gmq_proxy_config {
    gmq_proxy_config()
    {
        gmq_proxy_config *config = NULL;
        gmq_swig_check(gmq_proxy_config_new(&config));
        return config;
    }
    gmq_status listen(const char *address, const char *cert_file, const char *key_file, const char *client_ca_file);
    gmq_status authority(const char *pattern, const char *base);
    gmq_status allow(const char *filter);
    gmq_status methods(const gmq_method_map *map);
    gmq_status limits(int64_t max_calls, int64_t max_bases, int64_t base_idle_ms);
}

GMQ_NOUN(gmq_proxy, Proxy)
GMQ_FREED_BY(gmq_proxy, gmq_proxy_unref)
GMQ_FALLIBLE(gmq_proxy::gmq_proxy)
%rename(stats) gmq_proxy::numbers;
%extend gmq_proxy {
    gmq_proxy(const char *url, const gmq_options *options, const gmq_proxy_config *config, gmq_queue *queue, uint64_t tag)
    {
        gmq_proxy *proxy = NULL;
        gmq_swig_check(gmq_proxy_new(&proxy, url, options, config, queue, tag));
        return proxy;
    }
    gmq_status configure(const gmq_proxy_config *config);
    int32_t port(size_t index);
    gmq_status numbers(gmq_stats **numbers) { return gmq_proxy_stats(numbers, $self); }
    void close(int64_t grace_ms);
}
