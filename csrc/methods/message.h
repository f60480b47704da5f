/* Dynamic messages from the inside. Public contract: grpc_mqtt/message.h.
 *
 * The tree is protobuf-c's: its nodes are ProtobufCMessages with the layout of their types
 * (schema.h). A handle exists for a node only while somebody asked for one, and refers to the
 * handle of the node above, up to the top: a node without a handle has none below it either, and
 * can be freed. */
#ifndef GMQ_METHODS_MESSAGE_H
#define GMQ_METHODS_MESSAGE_H

#include <grpc_mqtt/message.h>

#include "base/bytes.h"
#include "methods/schema.h"

#define GMQ__MESSAGE_DEPTH_MAX 100 /* messages inside the one at the top */

struct gmq_message {
    size_t refs;
    gmq_message *parent; /* referenced; NULL: at the top, and owns the tree */
    ProtobufCMessage *node;
    gmq_schema *schema; /* referenced */
};

/* Where something is in a message, for texts: a list that ends at the top. */
typedef struct gmq__place {
    const struct gmq__place *outer; /* NULL: the message at the top */
    const gmq_type *type;           /* of the message here */
    const gmq_field *field;         /* of `outer`, in which it is */
    size_t index;                   /* in a repeated field; SIZE_MAX = not known */
    unsigned depth;
} gmq__place;

gmq__place gmq__place_in(const gmq__place *outer, const gmq_field *field, size_t index);

/* "pkg.Outer: inner[2].name FAULT"; `field` (may be NULL) and `index` are what is at fault in the
 * message at `place`. */
gmq_status gmq__place_fail(gmq_status status, const gmq__place *place, const gmq_field *field,
                           size_t index, const char *fault);

static inline void *gmq__member(const ProtobufCMessage *node, uint32_t offset)
{
    return (char *)(uintptr_t)node + offset;
}
static inline size_t *gmq__elements(const ProtobufCMessage *node, const gmq_field *field)
{
    return gmq__member(node, field->quantifier);
}
static inline uint32_t *gmq__case(const ProtobufCMessage *node, const gmq_field *field)
{
    return gmq__member(node, field->quantifier);
}

/* The value of a singular field; NULL = unset. */
void *gmq__singular(const ProtobufCMessage *node, const gmq_field *field);
bool gmq__is_set(const ProtobufCMessage *node, const gmq_field *field); /* as gmq_message_has() */

ProtobufCMessage *gmq__node_new(const gmq_type *type);     /* NULL = out of memory */
void gmq__node_drop(ProtobufCMessage *node);               /* frees, or leaves it to its handle */
void gmq__value_drop(const gmq_field *field, void *value); /* what one value owns */
void gmq__field_clear(ProtobufCMessage *node, const gmq_field *field);
ProtobufCAllocator *gmq__message_allocator(void);

/* Takes over `node`, also when it fails. */
gmq_status gmq__message_wrap(gmq_message **out, ProtobufCMessage *node);

/* Bytes as protobuf allows them -> bytes that protobuf-c reads in the same way, see the source.
 * `memory` bounds what the message takes. Errors: GMQ_E_PARSE, GMQ_E_TOO_LARGE, GMQ_E_NOMEM. */
gmq_status gmq__message_tidy(gmq__bytes *out, const gmq_type *type, gmq__span in, size_t memory);
gmq_status gmq__message_fail_memory(const gmq_type *type, size_t memory); /* GMQ_E_TOO_LARGE */
#define GMQ__TIDY_FIELD 19000 /* of what it wraps up; nothing else has this number then */

/* After protobuf-c has read: takes what was wrapped up out again, keeps one entry of a key, checks
 * strings. Errors: GMQ_E_PARSE, GMQ_E_NOMEM. */
gmq_status gmq__message_settle(ProtobufCMessage *node);

/* Errors: `status` when a required field is missing. */
gmq_status gmq__message_require(const ProtobufCMessage *node, gmq_status status);

#endif
