/**
 * @file metadata.h
 * gRPC metadata: an ordered list of (key, value) pairs; keys may repeat; values are bytes.
 *
 * Keys: `[0-9a-z_.-]`, at least one character, not beginning with `grpc-` (reserved) save for
 * `grpc-status-details-bin`. Values of keys that end in `-bin` are arbitrary bytes; others are
 * printable ASCII (0x20 to 0x7e).
 * Not thread-safe: one thread at a time works on one list.
 */
#ifndef GRPC_MQTT_METADATA_H
#define GRPC_MQTT_METADATA_H

#include <grpc_mqtt/base.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct gmq_metadata gmq_metadata;

/** Makes an empty list. Errors: GMQ_E_NOMEM. Since 0.1. */
GMQ_API gmq_status gmq_metadata_new(gmq_metadata **out);

/** Frees a list; NULL is fine. Since 0.1. */
GMQ_API void gmq_metadata_free(gmq_metadata *metadata);

/** Appends a copy of one pair. `value` may be NULL when `len` is 0.
 *  Errors: GMQ_E_INVALID (key or value breaks the rules above; the text shows it), GMQ_E_NOMEM.
 *  Since 0.1. */
GMQ_API gmq_status gmq_metadata_add(gmq_metadata *metadata, const char *key, const void *value,
                                    size_t len);

/** Number of pairs; 0 for NULL. Since 0.1. */
GMQ_API size_t gmq_metadata_count(const gmq_metadata *metadata);

/** Key of pair `index`; NULL when out of range. Borrowed until the list changes. Since 0.1. */
GMQ_API const char *gmq_metadata_key(const gmq_metadata *metadata, size_t index);

/** Value of pair `index`, its length into `len`; NULL when out of range. The bytes are followed by
 *  a NUL that does not count. Borrowed until the list changes. Since 0.1. */
GMQ_API const void *gmq_metadata_value(const gmq_metadata *metadata, size_t index, size_t *len);

#ifdef __cplusplus
}
#endif
#endif
