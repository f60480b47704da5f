/* Decoding: golden messages of Python's protobuf, and bytes as others may write them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "methods/message.h"
#include "unit/methods/descriptor_util.h"
#include "unit/methods/schema_util.h"

static gmq_schema *schema2, *schema3;

static int open_schemas(void **state)
{
    (void)state;
    schema2 = fixture_schema("message2");
    schema3 = fixture_schema("message3");
    return 0;
}

static int close_schemas(void **state)
{
    (void)state;
    gmq_schema_unref(schema2);
    gmq_schema_unref(schema3);
    return 0;
}

static const gmq_type *find(const char *name)
{
    return type_of(strncmp(name, "message2.", 9) == 0 ? schema2 : schema3, name);
}

static int digit(char c) { return c <= '9' ? c - '0' : c - 'a' + 10; }

static void put_hex(gmq__bytes *out, const char *hex)
{
    for (; hex[0] && hex[1]; hex += 2 + (hex[2] == ' '))
        gmq__bytes_put_u8(out, (uint8_t)(digit(hex[0]) * 16 + digit(hex[1])));
}

static gmq_message *decode(const char *type, const char *hex)
{
    gmq__bytes bytes = {0};
    gmq_message *message;
    put_hex(&bytes, hex);
    if (gmq_message_decode(&message, find(type), bytes.data, bytes.len, 0))
        fail_msg("%s", gmq_error_text());
    gmq__bytes_free(&bytes);
    return message;
}

static void assert_encodes(const gmq_message *message, const char *hex)
{
    gmq_buf *buf;
    char text[2048] = "";
    assert_int_equal(gmq_message_encode(message, &buf), GMQ_OK);
    const uint8_t *data = gmq_buf_data(buf);
    assert_true(gmq_buf_len(buf) * 2 < sizeof text);
    for (size_t i = 0; i < gmq_buf_len(buf); i++)
        snprintf(text + 2 * i, 3, "%02x", data[i]);
    gmq_buf_unref(buf);
    assert_string_equal(text, hex);
}

/* What is read as `hex` is written as `again`. */
static void assert_becomes(const char *type, const char *hex, const char *again)
{
    gmq_message *message = decode(type, hex);
    assert_encodes(message, again);
    gmq_message_unref(message);
}

static void assert_refused(const char *type, const char *hex, gmq_status status, const char *says)
{
    gmq__bytes bytes = {0};
    gmq_message *message;
    put_hex(&bytes, hex);
    assert_int_equal(gmq_message_decode(&message, find(type), bytes.data, bytes.len, 0), status);
    gmq__bytes_free(&bytes);
    if (!strstr(gmq_error_text(), says))
        fail_msg("\"%s\" does not say \"%s\"", gmq_error_text(), says);
}

static void golden_messages_come_back(void **state)
{
    (void)state;
    char line[4096], type[64], hex[2048];
    int count = 0;
    FILE *file = fopen(GMQ_SOURCE_DIR "/tests/fixtures/messages/golden.txt", "r");
    assert_non_null(file);
    for (; fgets(line, sizeof line, file); count++) {
        assert_int_equal(sscanf(line, "%63s %2047s", type, hex), 2);
        const char *bytes = strcmp(hex, "-") == 0 ? "" : hex;
        assert_becomes(type, bytes, bytes);
    }
    fclose(file);
    assert_true(count > 20);
}

static void lists_may_be_packed_or_not(void **state)
{
    (void)state;
    assert_becomes("message3.Lists", "2801 2802 2a020304", "2a0401020304");
    assert_becomes("message3.Lists", "8a01020102 880103", "880101880102880103");
    assert_becomes("message3.Lists", "4201 00 4001", "42020001");
    assert_becomes("message3.Lists", "2a00", "");
    assert_refused("message3.Lists", "2a0180", GMQ_E_PARSE, "f_int32 is malformed at byte 2");
    assert_refused("message3.Lists", "0a0400000000", GMQ_E_PARSE, "f_double is malformed");
}

static void pieces_merge(void **state)
{
    (void)state;
    assert_becomes("message3.Tree", "1a030a0161 1a021200 1a022005", "1a070a016112002005");
    assert_becomes("message3.Tree", "1a051a030a0161 1a041a022007", "1a071a050a01612007");
    /* each alone lacks a required field, both together do not */
    assert_becomes("message2.Outer", "0801 1a021001 1a030a0161", "08011a050a01611001");
    assert_becomes("message2.Outer", "0801 5001 4a030a0161 4a021005", "08014a050a01611005");
}

static void the_last_member_of_a_oneof_counts(void **state)
{
    (void)state;
    assert_becomes("message3.Choice", "0805 120161", "120161");
    assert_becomes("message3.Choice", "1a022805 0807", "0807");
    assert_becomes("message3.Choice", "1a022805 1a021801 3801", "1a04180128053801");
    assert_becomes("message3.Choice", "1a022805 120161 1a021801", "1a021801");
}

static void members_replace_each_other(void **state)
{
    (void)state;
    assert_becomes("message3.Choice", "22030a0161 1a022805 22022005", "22022005");
    assert_becomes("message3.Choice", "120161 120162 3200", "1201623200");
}

static void unknown_fields_are_kept(void **state)
{
    (void)state;
    assert_becomes("message3.Empty", "0801 120161 1d01020304 210102030405060708",
                   "08011201611d01020304210102030405060708");
    assert_becomes("message2.Outer", "0801 a206016b", "0801a206016b");         /* an extension */
    assert_becomes("message3.Tree", "9a8905 0161 0a0162", "0a01629a89050161"); /* above the rest */
    assert_becomes("message3.Empty", "c2a309020801", "c2a309020801");          /* 19000 */
    assert_becomes("message3.Tree", "1a03f80102", "1a03f80102");
}

static void what_does_not_fit_is_unknown(void **state)
{
    (void)state;
    assert_becomes("message3.Scalars", "2a0161 2807", "28072a0161"); /* int32 as bytes */
    assert_becomes("message3.Tree", "0805 1d00000000", "08051d00000000");
    assert_becomes("message3.Empty", "0b 0801 13 1a0161 14 0c", "0b0801131a0161140c"); /* groups */
    assert_becomes("message2.Outer", "0801 5b 0805 5c", "08015b08055c");
    assert_becomes("message2.Outer", "0801 2002 2007", "080120072002"); /* not in a closed enum */
    assert_becomes("message2.Outer", "0801 2a03010207", "08012a0201072802");
    assert_becomes("message2.Outer", "0801 4007 5005", "080140075005");
    assert_becomes("message2.Outer", "0801 32050a01611001", "080132050a01611001");
}

static void maps_have_each_key_once(void **state)
{
    (void)state;
    assert_becomes("message3.Maps", "0a050a01611001 0a050a01621002 0a050a01611003",
                   "0a050a016110030a050a01621002");
    assert_becomes("message3.Maps", "0a00", "0a040a001000");
    assert_becomes("message3.Maps", "0a050a01611001 0a030a0161", "0a050a01611000");
    assert_becomes("message3.Maps", "1a021a00 1a020801", "1a0408001a001a020801");
    gmq_message *m = decode("message3.Maps", "0a00 0a021005 1200"), *entry;
    assert_int_equal(gmq_message_count(m, field_of(find("message3.Maps"), "by_name")), 1);
    assert_int_equal(
        gmq_message_get_message(m, field_of(find("message3.Maps"), "by_name"), 0, &entry), GMQ_OK);
    gmq_message_unref(m);
    assert_encodes(entry, "0a001005");
    gmq_message_unref(entry);
}

static void refuses_what_is_malformed(void **state)
{
    (void)state;
    static const struct {
        const char *hex, *says;
    } rows[] = {
        {"08", "message3.Tree: is malformed at byte 0"},
        {"00", "byte 0"},
        {"0a05 6161", "byte 0"},
        {"0a0161 1a03 0a05 61", "message3.Tree: left is malformed at byte 5"},
        {"0f", "byte 0"},
        {"0b 0801", "byte 0"},
        {"0b 14", "byte 0"},
        {"0c", "byte 0"},
        {"20ffffffffffffffffffff01", "byte 0"},
        {"0affffffff0f", "byte 0"},
        {"0a8180808080 0061", "byte 0"},
        {"ffffffffff01 00", "byte 0"},
        {"1200 1202 0a01", "message3.Tree: children is malformed"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        assert_refused("message3.Tree", rows[i].hex, GMQ_E_PARSE, rows[i].says);
}

/* Also where it would not stay: in a member of a oneof that is replaced. */
static void replaced_members_are_checked(void **state)
{
    (void)state;
    assert_refused("message3.Choice", "1a0108 0801", GMQ_E_PARSE,
                   "message3.Choice: scalars is malformed");
    assert_refused("message3.Choice", "2203120108 1a00", GMQ_E_PARSE,
                   "message3.Choice: tree.children is malformed");
    assert_becomes("message3.Choice", "22030a0161 1a00", "1a00");
}

static void names_what_is_wrong(void **state)
{
    (void)state;
    assert_refused("message3.Tree", "1200 1205 1203 0a01ff", GMQ_E_PARSE,
                   "message3.Tree: children[1].children[0].name is a string that is not UTF-8");
    assert_refused("message3.Lists", "4a0161 4a01c0", GMQ_E_PARSE, "f_string[1] is a string");
    assert_refused("message3.Maps", "0a030a01ff", GMQ_E_PARSE, "by_name[0].key is a string");
    assert_becomes("message2.Defaults", "4a01ff", "4a01ff"); /* proto2 does not say */
    assert_refused("message2.Outer", "", GMQ_E_PARSE, "message2.Outer: id is required and missing");
    assert_refused("message2.Outer", "0801 3a06 0801 1202 1005", GMQ_E_PARSE,
                   "message2.Outer: inners[0].value.name is required and missing");
    assert_int_equal(gmq_message_decode(NULL, NULL, NULL, 0, 0), GMQ_E_INVALID);
}

/* `depth` messages inside each other. */
static gmq_status decode_nested(unsigned depth, uint8_t tag)
{
    gmq__bytes bytes = {0}, next = {0};
    for (unsigned i = 0; i < depth; i++) {
        pb_bytes(&next, tag, bytes.data, bytes.len);
        gmq__bytes_free(&bytes);
        bytes = next;
        next = (gmq__bytes){0};
    }
    gmq_message *message = NULL;
    gmq_status status =
        gmq_message_decode(&message, find("message3.Tree"), bytes.data, bytes.len, 0);
    gmq_message_unref(message);
    gmq__bytes_free(&bytes);
    return status;
}

static gmq_status decode_groups(unsigned depth)
{
    gmq__bytes bytes = {0};
    for (unsigned i = 0; i < depth; i++)
        gmq__bytes_put_u8(&bytes, 0x3b);
    for (unsigned i = 0; i < depth; i++)
        gmq__bytes_put_u8(&bytes, 0x3c);
    gmq_message *message = NULL;
    gmq_status status =
        gmq_message_decode(&message, find("message3.Tree"), bytes.data, bytes.len, 0);
    gmq_message_unref(message);
    gmq__bytes_free(&bytes);
    return status;
}

static void depth_is_bounded(void **state)
{
    (void)state;
    assert_int_equal(decode_nested(100, 3), GMQ_OK);
    assert_int_equal(decode_nested(100, 2), GMQ_OK);
    assert_int_equal(decode_nested(101, 3), GMQ_E_PARSE);
    assert_non_null(strstr(gmq_error_text(), "is nested deeper than 100 messages"));
    assert_int_equal(decode_nested(5000, 2), GMQ_E_PARSE);
    assert_int_equal(decode_groups(100), GMQ_OK);
    assert_int_equal(decode_groups(101), GMQ_E_PARSE);
    assert_int_equal(decode_groups(100000), GMQ_E_PARSE);
}

static void size_and_memory_are_bounded(void **state)
{
    (void)state;
    gmq__bytes bytes = {0};
    gmq_message *message;
    for (int i = 0; i < 10000; i++)
        gmq__bytes_put(&bytes, "\x92\x01\x00", 3);
    const gmq_type *type = find("message3.Lists");
    assert_int_equal(gmq_message_decode(&message, type, bytes.data, bytes.len, 1 << 20),
                     GMQ_E_TOO_LARGE);
    assert_non_null(strstr(gmq_error_text(), "takes more than 1048576 bytes of memory"));
    gmq__bytes tidy = {0}; /* before protobuf-c has it */
    assert_int_equal(gmq__message_tidy(&tidy, type, gmq__bytes_span(&bytes), 1 << 20),
                     GMQ_E_TOO_LARGE);
    gmq__bytes_free(&tidy);
    assert_int_equal(gmq_message_decode(&message, type, bytes.data, bytes.len, 0), GMQ_OK);
    assert_int_equal(gmq_message_count(message, field_of(type, "scalars")), 10000);
    gmq_message_unref(message);
    assert_int_equal(gmq_message_decode(&message, type, bytes.data, (size_t)INT32_MAX + 1, 0),
                     GMQ_E_TOO_LARGE);
    gmq__bytes_free(&bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(golden_messages_come_back),
        cmocka_unit_test(lists_may_be_packed_or_not),
        cmocka_unit_test(pieces_merge),
        cmocka_unit_test(the_last_member_of_a_oneof_counts),
        cmocka_unit_test(members_replace_each_other),
        cmocka_unit_test(unknown_fields_are_kept),
        cmocka_unit_test(what_does_not_fit_is_unknown),
        cmocka_unit_test(maps_have_each_key_once),
        cmocka_unit_test(refuses_what_is_malformed),
        cmocka_unit_test(replaced_members_are_checked),
        cmocka_unit_test(names_what_is_wrong),
        cmocka_unit_test(depth_is_bounded),
        cmocka_unit_test(size_and_memory_are_bounded),
    };
    return cmocka_run_group_tests(tests, open_schemas, close_schemas);
}
