/**
 * @file buf.h
 * Immutable, reference-counted bytes: how messages leave the library without a copy.
 */
#ifndef GRPC_MQTT_BUF_H
#define GRPC_MQTT_BUF_H

#include <grpc_mqtt/base.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Immutable bytes, shared by counting references. */
typedef struct gmq_buf gmq_buf;

/** Copies `len` bytes (`data` may be NULL when `len` is 0) into a new buffer with one reference.
 *  Errors: GMQ_E_NOMEM. Since 0.1. */
GMQ_API gmq_status gmq_buf_new(gmq_buf **out, const void *data, size_t len);

/** Adds a reference and returns `buf`. Any thread. Since 0.1. */
GMQ_API gmq_buf *gmq_buf_ref(gmq_buf *buf);

/** Drops a reference; the last one frees. `buf` may be NULL. Any thread. Since 0.1. */
GMQ_API void gmq_buf_unref(gmq_buf *buf);

/** The bytes; valid as long as the caller's reference; never NULL. Since 0.1. */
GMQ_API const void *gmq_buf_data(const gmq_buf *buf);

/** Number of bytes. Since 0.1. */
GMQ_API size_t gmq_buf_len(const gmq_buf *buf);

#ifdef __cplusplus
}
#endif
#endif
