/**
 * @file proxy.h
 * The proxy: takes calls from unmodified gRPC clients and carries them over MQTT to the servers and
 * gateways there. In libgrpc_mqtt_gateway, which is built on the public headers of the core alone.
 *
 * Which base topic a call goes to, the first that says so: its metadata key `grpc-mqtt-base`; its
 * `:authority`, by a pattern of gmq_proxy_config_authority(); the base in the proxy's address. The
 * metadata key reaches only what gmq_proxy_config_allow() allows; so do authorities, once anything
 * is allowed.
 */
#ifndef GRPC_MQTT_PROXY_H
#define GRPC_MQTT_PROXY_H

#include <grpc_mqtt/grpc_mqtt.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct gmq_proxy gmq_proxy;

/** What a proxy listens on, whom it reaches, and its limits. Not thread-safe: one thread at a
 *  time. */
typedef struct gmq_proxy_config gmq_proxy_config;

/** Makes an empty configuration. Errors: GMQ_E_NOMEM. Since 0.1. */
GMQ_API gmq_status gmq_proxy_config_new(gmq_proxy_config **out);

/** Frees a configuration; NULL is fine. Proxies made with it keep what they need. Since 0.1. */
GMQ_API void gmq_proxy_config_free(gmq_proxy_config *config);

/** Adds an address to listen on.
 *  @param address         "127.0.0.1:50051" (port 0: any, see gmq_proxy_port()), "[::1]:50051",
 *                         "unix:/run/x.sock"
 *  @param cert_file       PEM file of the server's certificate and what it is signed by; NULL: no
 *                         TLS
 *  @param key_file        PEM file of its key; NULL: in `cert_file`
 *  @param client_ca_file  PEM file of the authorities that clients' certificates must be signed by;
 *                         NULL: clients need none
 *  The files are read when a proxy is made, and again for new connections when they have changed;
 *  a change that is no good is left alone and logged.
 *  Errors: GMQ_E_INVALID (no "host:port"; a key or authorities without a certificate), GMQ_E_NOMEM.
 *  Since 0.1. */
GMQ_API gmq_status gmq_proxy_config_listen(gmq_proxy_config *config, const char *address,
                                           const char *cert_file, const char *key_file,
                                           const char *client_ca_file);

/** Adds a pattern of `:authority`s and the base topic of the calls made to them. The first pattern
 *  that fits counts.
 *  @param pattern  "{device}.fleet.mqtt": a name in braces stands for the rest of a label (up to a
 *                  dot), of `[A-Za-z0-9_-]`; the port of an authority is left aside
 *  @param base     "fleet/{device}": the same names are replaced
 *  Errors: GMQ_E_INVALID (the text shows where), GMQ_E_NOMEM. Since 0.1. */
GMQ_API gmq_status gmq_proxy_config_authority(gmq_proxy_config *config, const char *pattern,
                                              const char *base);

/** Allows the base topics that match `filter`, an MQTT topic filter ("fleet/+", "fleet/#"), to
 *  be chosen by callers. Errors: GMQ_E_INVALID (not a filter), GMQ_E_NOMEM. Since 0.1. */
GMQ_API gmq_status gmq_proxy_config_allow(gmq_proxy_config *config, const char *filter);

/** Sets the methods whose kinds, batching and compression are known (NULL: none; copied), in the
 *  place of an earlier map. Those of health checking and reflection are known anyway; others are
 *  asked for by reflection, over their base topic, at the first call. What is not known even then
 *  goes with the server's kind in the link dialect, and ends UNIMPLEMENTED in the session dialect.
 *  Errors: GMQ_E_NOMEM. Since 0.1. */
GMQ_API gmq_status gmq_proxy_config_methods(gmq_proxy_config *config, const gmq_method_map *map);

/** Sets the limits; a negative value leaves one as it is.
 *  @param max_calls     calls open at a time, others end RESOURCE_EXHAUSTED; default 10000
 *  @param max_bases     base topics connected at a time; for a further one the longest unused is
 *                       left, or the call ends RESOURCE_EXHAUSTED; default 1000
 *  @param base_idle_ms  a base without a call for so long is left; default 300000
 *  Errors: GMQ_E_INVALID (0 calls or bases). Since 0.1. */
GMQ_API gmq_status gmq_proxy_config_limits(gmq_proxy_config *config, int64_t max_calls,
                                           int64_t max_bases, int64_t base_idle_ms);

/** Makes a proxy: listens, and begins to connect to the broker. Calls are taken at once; without a
 *  broker they end UNAVAILABLE. STATE events tell of the connection of the base in `url`, or, where
 *  there is none, of a first connection made to try the broker. With LOG and at the end CLOSED
 *  they go to `queue` with `tag`; the calls are its own affair. It runs two threads and those of
 *  gRPC, signals blocked, and has a connection for each base. gRPC does not survive a fork(): make
 *  proxies in the process that runs them.
 *  @param url      as for gmq_client_new(); the base topic may be missing: then each call says it
 *  @param options  those of a client; may be NULL. "receive_limit" and "metadata_limit" hold
 *                  towards gRPC clients too. "client_id" serves only where all calls go to the
 *                  one base of `url`
 *  @param config   copied
 *  Errors: as gmq_client_new(); GMQ_E_INVALID (nothing to listen on); GMQ_E_IO (an address in use,
 *  a certificate or key that does not serve; the text says which and why; or no thread can be
 *  made). Blocks on names of hosts and files. Since 0.1. */
GMQ_API gmq_status gmq_proxy_new(gmq_proxy **out, const char *url, const gmq_options *options,
                                 const gmq_proxy_config *config, gmq_queue *queue, uint64_t tag);

/** Gives the proxy the rules, methods and limits of `config` for the calls that come from now on;
 *  calls in progress go on. Addresses are not touched: it listens where it did. Bases that are
 *  connected keep batching and compression of the former methods until they are left.
 *  Errors: GMQ_E_NOMEM. Since 0.1. */
GMQ_API gmq_status gmq_proxy_configure(gmq_proxy *proxy, const gmq_proxy_config *config);

/** Port of the address `index`, in order of gmq_proxy_config_listen(); 0 for a Unix socket and out
 *  of range. Since 0.1. */
GMQ_API int32_t gmq_proxy_port(const gmq_proxy *proxy, size_t index);

/** Takes a snapshot of a proxy's numbers: the sums of its clients' (stats.h), where `connected`
 *  is how many base topics are, also of those that it has left; and by method as those of
 *  gmq_gateway_stats(). Any thread; never blocks for the network. Errors: GMQ_E_INVALID (NULL),
 *  GMQ_E_NOMEM. Since 0.1. */
GMQ_API gmq_status gmq_proxy_stats(gmq_stats **out, gmq_proxy *proxy);

/** Drains: clients are told to go elsewhere (GOAWAY) and no new connection is taken; open calls may
 *  go on for `grace_ms` (negative: no limit), then they end UNAVAILABLE. Returns at once; the end
 *  is a CLOSED event. A second close may only shorten the grace. NULL is fine. Since 0.1. */
GMQ_API void gmq_proxy_close(gmq_proxy *proxy, int64_t grace_ms);

/** Drops the handle; NULL is fine; never blocks: what is open ends as by gmq_proxy_close(proxy, 0).
 *  Since 0.1. */
GMQ_API void gmq_proxy_unref(gmq_proxy *proxy);

#ifdef __cplusplus
}
#endif
#endif
