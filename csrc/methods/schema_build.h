/* The steps in which a schema is built, in this order. Each fails with GMQ_E_PARSE and a text that
 * names file, element and value, or for resources; what was built so far goes with the schema. */
#ifndef GMQ_METHODS_SCHEMA_BUILD_H
#define GMQ_METHODS_SCHEMA_BUILD_H

#include <google/protobuf/descriptor.pb-c.h>

#include "methods/schema.h"

/* 1. Types, enums and services with their names and members; nothing refers to anything yet. */
gmq_status gmq__schema_declare(gmq_schema *schema, const Google__Protobuf__FileDescriptorSet *set);

/* 2. Fields and methods find their types; oneofs, maps, defaults. */
gmq_status gmq__schema_resolve(gmq_schema *schema);
gmq_status gmq__schema_default(gmq_field *field); /* part of it: reads default_text */

/* 3. Layout and protobuf-c's descriptors. */
gmq_status gmq__schema_layout(gmq_schema *schema);

/* Names. */
gmq__symbol *gmq__schema_symbol(const gmq_schema *schema, const char *name); /* NULL = unknown */
bool gmq__name_valid(const char *name); /* a letter or '_', then digits too */
bool gmq__name_valid_dotted(const char *name);

/* "scope.name", or the name alone in no scope; NULL = see gmq__arena_fail(). */
const char *gmq__name_join(gmq__arena *arena, const char *scope, const char *name);
const char *gmq__name_json(gmq__arena *arena, const char *name); /* lowerCamelCase */

/* GMQ_E_PARSE: file "x.proto": field pkg.Msg.name `fault` "value". */
gmq_status gmq__schema_fail(const gmq_field *field, const char *fault, const char *value);
gmq_status gmq__schema_fail_number(const gmq_field *field, const char *fault, int64_t value);

#endif
