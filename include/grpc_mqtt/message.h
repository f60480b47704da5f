/**
 * @file message.h
 * Dynamic messages: protobuf messages of any type of a schema, without generated code.
 *
 * A message is a tree. A handle (`gmq_message`) stands for the message at the top or for one inside
 * of it; there is one handle for each at a time, and it counts references. A handle keeps what it
 * stands for, and everything above that, alive: children may be dropped after their parents, in any
 * order. A child that is cleared, removed or replaced in its parent while somebody has a handle of
 * it leaves the tree and lives on as a message of its own.
 * Not thread-safe: one thread at a time works on a tree, dropping references included.
 *
 * Values have an index: of a singular field it is 0; of a repeated one it is that of the element,
 * and setting at gmq_message_count() appends. A map is a repeated field of entries, messages with
 * the fields `key` (1) and `value` (2), in no order; decoded, each key stands once. Written with a
 * key twice, the last entry counts for readers.
 *
 * Which function for which field: int64 or uint64 for all ten kinds of integers and for enums,
 * whichever is handier (what does not fit is refused); double for float and double; bool for bool;
 * bytes for string and bytes; message for messages.
 * In what follows GMQ_E_INVALID stands for: a field of another type, or of another kind than the
 * function is for; a value out of the field's range; GMQ_E_NOT_FOUND for: no such index. Texts
 * name the field, the value and what would do. GMQ_E_UNSUPPORTED is for groups.
 *
 * Unknown fields are kept on decoding and written back after the known ones; so are values that a
 * closed enum does not have. Messages nest 100 deep at most.
 */
#ifndef GRPC_MQTT_MESSAGE_H
#define GRPC_MQTT_MESSAGE_H

#include <grpc_mqtt/base.h>
#include <grpc_mqtt/buf.h>
#include <grpc_mqtt/schema.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct gmq_message gmq_message;

/** Makes an empty message; it holds a reference on the type's schema. Errors: GMQ_E_NOMEM.
 *  Since 0.1. */
GMQ_API gmq_status gmq_message_new(gmq_message **out, const gmq_type *type);

/** Makes a message from its serialized form (`data` may be NULL when `len` is 0). `memory_max`
 *  bounds the bytes of memory that it may take, so that a small hostile message cannot become a
 *  huge one; 0 = 16 MiB and 128 times `len`.
 *  Errors: GMQ_E_PARSE (malformed, nested too deep, a required field is missing, a string of
 *  proto3 is not UTF-8; the text has the path of the field, "pkg.Outer: inner[2].name", or the
 *  offset), GMQ_E_TOO_LARGE (above 2 GiB, or above `memory_max`), GMQ_E_NOMEM. Since 0.1. */
GMQ_API gmq_status gmq_message_decode(gmq_message **out, const gmq_type *type, const void *data,
                                      size_t len, size_t memory_max);

/** Serializes, by field number and then the unknown fields; the buffer is the caller's, and later
 *  changes of the message do not show in it.
 *  Errors: GMQ_E_STATE (a required field is missing; the text has its path), GMQ_E_TOO_LARGE (above
 *  2 GiB), GMQ_E_NOMEM. Since 0.1. */
GMQ_API gmq_status gmq_message_encode(const gmq_message *message, gmq_buf **out);

/** Adds a reference and returns `message`. Since 0.1. */
GMQ_API gmq_message *gmq_message_ref(gmq_message *message);

/** Drops a reference; NULL is fine. Since 0.1. */
GMQ_API void gmq_message_unref(gmq_message *message);

/** Its type; borrowed as long as the handle. Since 0.1. */
GMQ_API const gmq_type *gmq_message_type_of(const gmq_message *message);

/** Number of elements of a repeated field, of a map that of entries; of a singular field what
 *  gmq_message_has() says. 0 for a field of another type. Since 0.1. */
GMQ_API size_t gmq_message_count(const gmq_message *message, const gmq_field *field);

/** 1 when the field is set; without presence (gmq_field_has_presence()), when it is not zero or not
 *  empty. 0 otherwise, and for a field of another type. Since 0.1. */
GMQ_API int gmq_message_has(const gmq_message *message, const gmq_field *field);

/** The field of oneof `index` of the type that is set; NULL when none is, or out of range.
 *  Since 0.1. */
GMQ_API const gmq_field *gmq_message_which(const gmq_message *message, size_t index);

/** Unsets a field, or empties a repeated one; `field` may be NULL: everything, the unknown fields
 *  too. Errors: GMQ_E_INVALID (a field of another type). Since 0.1. */
GMQ_API gmq_status gmq_message_clear(gmq_message *message, const gmq_field *field);

/** Takes one element out of a repeated field; those behind it move up. Errors: GMQ_E_INVALID (not
 *  repeated), GMQ_E_NOT_FOUND. Since 0.1. */
GMQ_API gmq_status gmq_message_remove(gmq_message *message, const gmq_field *field, size_t index);

/** The value of an integer or enum field; of an unset one its default. Errors: GMQ_E_INVALID (also:
 *  above INT64_MAX), GMQ_E_NOT_FOUND. Since 0.1. */
GMQ_API gmq_status gmq_message_get_int64(const gmq_message *message, const gmq_field *field,
                                         size_t index, int64_t *value);

/** The same, unsigned. Errors: GMQ_E_INVALID (also: negative), GMQ_E_NOT_FOUND. Since 0.1. */
GMQ_API gmq_status gmq_message_get_uint64(const gmq_message *message, const gmq_field *field,
                                          size_t index, uint64_t *value);

/** The value of a float or double field, likewise. Errors: GMQ_E_INVALID, GMQ_E_NOT_FOUND.
 *  Since 0.1. */
GMQ_API gmq_status gmq_message_get_double(const gmq_message *message, const gmq_field *field,
                                          size_t index, double *value);

/** The value of a bool field, 0 or 1, likewise. Errors: GMQ_E_INVALID, GMQ_E_NOT_FOUND.
 *  Since 0.1. */
GMQ_API gmq_status gmq_message_get_bool(const gmq_message *message, const gmq_field *field,
                                        size_t index, int *value);

/** The value of a string or bytes field, likewise; never NULL, not NUL-terminated. Borrowed until
 *  this field changes or the message goes. Errors: GMQ_E_INVALID, GMQ_E_NOT_FOUND. Since 0.1. */
GMQ_API gmq_status gmq_message_get_bytes(const gmq_message *message, const gmq_field *field,
                                         size_t index, const void **data, size_t *len);

/** A handle, the caller's to drop, of a message inside. Errors: GMQ_E_INVALID, GMQ_E_UNSUPPORTED,
 *  GMQ_E_NOT_FOUND (also: not set), GMQ_E_NOMEM. Since 0.1. */
GMQ_API gmq_status gmq_message_get_message(gmq_message *message, const gmq_field *field,
                                           size_t index, gmq_message **child);

/** The same, but made empty and set where there is none yet: in an unset field, or at the end of a
 *  repeated one. Errors: GMQ_E_INVALID, GMQ_E_UNSUPPORTED, GMQ_E_NOT_FOUND, GMQ_E_TOO_LARGE (nested
 *  deeper than 100), GMQ_E_NOMEM. Since 0.1. */
GMQ_API gmq_status gmq_message_make_message(gmq_message *message, const gmq_field *field,
                                            size_t index, gmq_message **child);

/** Sets an integer or enum field; a field of a oneof unsets the others. Errors: GMQ_E_INVALID
 * (also: a number that a closed enum does not have), GMQ_E_NOT_FOUND, GMQ_E_NOMEM. Since 0.1. */
GMQ_API gmq_status gmq_message_set_int64(gmq_message *message, const gmq_field *field, size_t index,
                                         int64_t value);

/** The same, unsigned. Errors: as above. Since 0.1. */
GMQ_API gmq_status gmq_message_set_uint64(gmq_message *message, const gmq_field *field,
                                          size_t index, uint64_t value);

/** Sets a float or double field. A float is rounded; infinities and NaN are values like others.
 *  Errors: GMQ_E_INVALID (also: beyond the range of a float), GMQ_E_NOT_FOUND, GMQ_E_NOMEM.
 *  Since 0.1. */
GMQ_API gmq_status gmq_message_set_double(gmq_message *message, const gmq_field *field,
                                          size_t index, double value);

/** Sets a bool field; any value but 0 is true. Errors: GMQ_E_INVALID, GMQ_E_NOT_FOUND, GMQ_E_NOMEM.
 *  Since 0.1. */
GMQ_API gmq_status gmq_message_set_bool(gmq_message *message, const gmq_field *field, size_t index,
                                        int value);

/** Sets a string or bytes field to a copy of `data` (may be NULL when `len` is 0). Errors:
 *  GMQ_E_INVALID (also: a string that is not UTF-8), GMQ_E_NOT_FOUND, GMQ_E_NOMEM. Since 0.1. */
GMQ_API gmq_status gmq_message_set_bytes(gmq_message *message, const gmq_field *field, size_t index,
                                         const void *data, size_t len);

#ifdef __cplusplus
}
#endif
#endif
