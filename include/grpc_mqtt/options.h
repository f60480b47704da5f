/**
 * @file options.h
 * Options by name. The same keys are the query keys of an address URL; docs/guide/options.md lists
 * each with type, unit, range and default. Where the URL and a gmq_options both set a key, the
 * gmq_options wins. Keys and values are checked when an object is created with them (client,
 * server, gateway, call): an unknown key or a value out of range fails there with GMQ_E_OPTION and
 * is named. Not thread-safe: one thread at a time.
 */
#ifndef GRPC_MQTT_OPTIONS_H
#define GRPC_MQTT_OPTIONS_H

#include <grpc_mqtt/base.h>
#include <grpc_mqtt/buf.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct gmq_options gmq_options;

/** Makes an empty set. Errors: GMQ_E_NOMEM. Since 0.1. */
GMQ_API gmq_status gmq_options_new(gmq_options **out);

/** Frees a set; NULL is fine. Objects made with it keep what they need. Since 0.1. */
GMQ_API void gmq_options_free(gmq_options *options);

/** Makes an independent copy of `options`; of NULL an empty set. Errors: GMQ_E_NOMEM. Since 0.1. */
GMQ_API gmq_status gmq_options_copy(gmq_options **out, const gmq_options *options);

/** Sets a text option ("ca_file", "dialect", "drive", ...); replaces an earlier value.
 *  Errors: GMQ_E_NOMEM. Since 0.1. */
GMQ_API gmq_status gmq_options_set_string(gmq_options *options, const char *key, const char *value);

/** Sets a number ("receive_limit" in bytes, "linger_ms", ...). Errors: GMQ_E_NOMEM. Since 0.1. */
GMQ_API gmq_status gmq_options_set_int(gmq_options *options, const char *key, int64_t value);

/** Sets a switch ("batched_stream"): 0 is off, anything else on. Errors: GMQ_E_NOMEM. Since 0.1. */
GMQ_API gmq_status gmq_options_set_bool(gmq_options *options, const char *key, int value);

/** The number or switch `key` as an object made with this `url` and these `options` would see it:
 *  the one set in `options`, else the one in the URL's query, else the default. For libraries on
 *  top of this one that have options of their own in the table. `url` and `options` may be NULL.
 *  Errors: GMQ_E_OPTION (no such number or switch, or a value out of range), GMQ_E_URL.
 *  Since 0.1. */
GMQ_API gmq_status gmq_options_get_int(const gmq_options *options, const char *url, const char *key,
                                       int64_t *value);

/** Likewise the text `key`: a new buffer into `value`, of the text and the NUL behind it (which its
 *  length counts), for gmq_buf_unref(); NULL where it is unset. Secrets are not read out.
 *  Errors: GMQ_E_OPTION (no such text), GMQ_E_URL, GMQ_E_NOMEM. Since 0.1. */
GMQ_API gmq_status gmq_options_get_string(const gmq_options *options, const char *url,
                                          const char *key, gmq_buf **value);

#ifdef __cplusplus
}
#endif
#endif
