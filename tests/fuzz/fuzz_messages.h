/* What the targets of schemas and of messages share: everything that can be read is read. */
#ifndef GMQ_TEST_FUZZ_MESSAGES_H
#define GMQ_TEST_FUZZ_MESSAGES_H

#include <grpc_mqtt/message.h>
#include <string.h>

#include "fuzz/fuzz.h"

static void read_message(gmq_message *message);

static inline void read_value(gmq_message *message, const gmq_field *field, size_t index)
{
    const void *data;
    size_t len;
    int64_t s;
    uint64_t u;
    double d;
    int b;
    gmq_message *child;
    int good = gmq_message_get_bytes(message, field, index, &data, &len) == GMQ_OK;
    good += gmq_message_get_int64(message, field, index, &s) == GMQ_OK ||
            gmq_message_get_uint64(message, field, index, &u) == GMQ_OK;
    good += gmq_message_get_double(message, field, index, &d) == GMQ_OK;
    good += gmq_message_get_bool(message, field, index, &b) == GMQ_OK;
    if (gmq_message_get_message(message, field, index, &child) == GMQ_OK) {
        good++;
        read_message(child);
        gmq_message_unref(child);
    }
    check(good == 1 || !gmq_message_has(message, field));
}

static inline void read_message(gmq_message *message)
{
    const gmq_type *type = gmq_message_type_of(message);
    for (size_t i = 0; i < gmq_type_field_count(type); i++) {
        const gmq_field *field = gmq_type_field(type, i);
        size_t count = gmq_message_count(message, field);
        check((count != 0) == (gmq_message_has(message, field) != 0));
        if (gmq_field_label(field) != GMQ_LABEL_REPEATED)
            read_value(message, field, 0);
        for (size_t k = 0; gmq_field_label(field) == GMQ_LABEL_REPEATED && k < count; k++)
            read_value(message, field, k);
    }
    for (size_t i = 0; i < gmq_type_oneof_count(type); i++) {
        const gmq_field *member = gmq_message_which(message, i);
        check(!member ||
              (gmq_message_has(message, member) && gmq_field_oneof(member) == (int64_t)i));
    }
}

static inline gmq_buf *encode(const gmq_message *message)
{
    gmq_buf *buf;
    check(gmq_message_encode(message, &buf) == GMQ_OK);
    return buf;
}

/* What was read once is written and read the same ever after. */
static inline void decode_twice(const gmq_type *type, const void *data, size_t len)
{
    gmq_message *message, *again;
    gmq_status status = gmq_message_decode(&message, type, data, len, (size_t)64 << 20);
    check(!status || status == GMQ_E_PARSE || status == GMQ_E_TOO_LARGE);
    if (status) {
        check(gmq_error_text()[0]);
        return;
    }
    gmq_buf *one = encode(message);
    read_message(message);
    check(gmq_message_decode(&again, type, gmq_buf_data(one), gmq_buf_len(one), 0) == GMQ_OK);
    gmq_buf *two = encode(again);
    check(gmq_buf_len(one) == gmq_buf_len(two) &&
          memcmp(gmq_buf_data(one), gmq_buf_data(two), gmq_buf_len(one)) == 0);
    check(gmq_message_clear(again, NULL) == GMQ_OK);
    gmq_buf_unref(one);
    gmq_buf_unref(two);
    gmq_message_unref(again);
    gmq_message_unref(message);
}

#endif
