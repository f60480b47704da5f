/* Schemas for tests: of the build's fixtures, and of one message written field by field. */
#ifndef GMQ_TESTS_METHODS_SCHEMA_UTIL_H
#define GMQ_TESTS_METHODS_SCHEMA_UTIL_H

#include <grpc_mqtt/message.h>

#include "base/bytes.h"

gmq_schema *fixture_schema(const char *name); /* fails the test when there is none */

/* Fail the test when there is none. */
const gmq_type *type_of(const gmq_schema *schema, const char *name);
const gmq_field *field_of(const gmq_type *type, const char *name);

/* A field of message t.M; what is NULL or 0 is not written, oneof counts from 1. */
typedef struct field_row {
    const char *name;
    uint64_t number;
    int label, type;
    const char *type_name, *default_value;
    int oneof;
    int optional, packed;
} field_row;

/* A set of file t.proto: package t; message M with these fields and the oneofs o1 and o2; enum E
 * { A = 0; B = 1; }; message Entry, a map's. `syntax` may be NULL. */
void message_set(gmq__bytes *out, const char *syntax, const field_row *rows, size_t n);

/* The set of file t.proto with this content, which is freed; package t. */
void file_set(gmq__bytes *out, const char *syntax, gmq__bytes *content);

#endif
