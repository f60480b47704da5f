/* A schema from the inside. Public contract: grpc_mqtt/schema.h. All but the tables of pointers
 * lies in the arena; nothing changes once it is built.
 *
 * Each message type has a descriptor of protobuf-c's, made at run time, with a layout of ours. It
 * tells protobuf-c less than the schema knows, because protobuf-c keeps some rules otherwise than
 * protobuf does: strings are bytes to it (they may hold NUL), floats are fixed32 and fixed64 (-0.0
 * is not zero), nothing is required (it would not say what is missing), nothing has a default. */
#ifndef GMQ_METHODS_SCHEMA_H
#define GMQ_METHODS_SCHEMA_H

#include <grpc_mqtt/schema.h>
#include <protobuf-c/protobuf-c.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "base/map.h"
#include "methods/arena.h"

/* How protobuf-c stores a value. */
typedef enum gmq__store {
    GMQ__STORE_NONE, /* groups: not at all */
    GMQ__STORE_32,
    GMQ__STORE_64,
    GMQ__STORE_BOOL,   /* protobuf_c_boolean */
    GMQ__STORE_BYTES,  /* ProtobufCBinaryData */
    GMQ__STORE_MESSAGE /* ProtobufCMessage * */
} gmq__store;

/* A default, as it is stored. */
typedef union gmq__value {
    uint32_t u32;
    uint64_t u64;
    protobuf_c_boolean boolean;
    ProtobufCBinaryData bytes; /* in the arena */
} gmq__value;

struct gmq_field {
    const gmq_type *owner;
    const char *name, *json_name, *default_text;
    const void *source; /* its FieldDescriptorProto, while the schema is built */
    int32_t number;
    gmq_field_type type;
    gmq_label label;
    bool map, packed, presence;
    int32_t oneof;  /* -1: in none */
    int32_t single; /* of a singular message: which of its type's it is; else -1 */
    const gmq_type *message;
    const gmq_enum *enumeration;
    gmq__value fallback; /* what an unset field is worth */
    /* Layout: offsets in the message. */
    gmq__store store;
    uint32_t offset;     /* the value; of a repeated field the pointer to its array */
    uint32_t quantifier; /* has flag, count of a repeated field, or case of a oneof; 0 = none */
    uint32_t capacity;   /* of a repeated field: elements that its array has room for; 0 there: as
                            many as there are */
};

struct gmq_type {
    gmq_schema *schema;
    const char *name, *file;
    const void *source; /* its DescriptorProto, while the schema is built */
    gmq_field *fields;  /* as declared */
    size_t n_fields;
    gmq_field **by_number, **by_name, **by_json; /* n_fields each, sorted */
    const char **oneofs;                         /* names */
    uint32_t *oneof_cases;                       /* offsets of what says which member is set */
    size_t n_oneofs;
    size_t n_singles; /* singular message fields */
    bool map_entry, proto3;
    ProtobufCMessageDescriptor pb; /* pb.reserved1 is this gmq_type */
};

typedef struct gmq__enum_value {
    const char *name;
    int32_t number;
    size_t index; /* as declared */
} gmq__enum_value;

struct gmq_enum {
    gmq_schema *schema;
    const char *name;
    gmq__enum_value *values;                /* as declared */
    gmq__enum_value **by_name, **by_number; /* sorted; of equal numbers the first declared first */
    size_t n_values;
    bool closed;
};

struct gmq_method {
    const gmq_service *service;
    const char *name, *path;
    gmq_rpc_kind kind;
    const gmq_type *input, *output;
};

struct gmq_service {
    gmq_schema *schema;
    const char *name, *file;
    const void *source; /* its ServiceDescriptorProto, while the schema is built */
    gmq_method *methods;
    size_t n_methods;
};

/* What a full name stands for: the one pointer that is not NULL. */
typedef struct gmq__symbol {
    gmq_type *type;
    gmq_enum *enumeration;
    gmq_service *service;
} gmq__symbol;

typedef struct gmq__pointers {
    void **at;
    size_t len, cap;
} gmq__pointers;

struct gmq_schema {
    atomic_size_t refs;
    gmq__arena arena;
    gmq__map symbols;                     /* full name -> gmq__symbol */
    gmq__map files;                       /* name -> something, of the files that were read */
    gmq__map methods;                     /* path -> gmq_method */
    gmq__pointers types, enums, services; /* in order of declaration */
    bool has_required;                    /* some field of some type is */
    size_t work;                          /* bytes of names that were compared to build it */
};

/* What a message begins with. */
typedef struct gmq__node_head {
    ProtobufCMessage pb;
    struct gmq_message *handle; /* borrowed; NULL: nobody has one */
} gmq__node_head;

static inline const gmq_type *gmq__type_of(const ProtobufCMessage *node)
{
    return node->descriptor->reserved1;
}

size_t gmq__store_size(gmq__store store);

/* The enum has this number. */
bool gmq__enum_knows(const gmq_enum *type, int32_t number);

#endif
