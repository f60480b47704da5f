/* The overhead of a PUBLISH, against a packet that is really written out. */
#include "base/mqtt.h"

#include <stdlib.h>
#include <string.h>

#include "cmocka_all.h"

static void put_varint(gmq__bytes *out, size_t value)
{
    do {
        uint8_t byte = (uint8_t)(value % 128);
        value /= 128;
        gmq__bytes_put_u8(out, value ? byte | 0x80 : byte);
    } while (value);
}

static void put_string(gmq__bytes *out, gmq__span s)
{
    gmq__bytes_put_u8(out, (uint8_t)(s.len >> 8));
    gmq__bytes_put_u8(out, (uint8_t)s.len);
    gmq__bytes_put(out, s.data, s.len);
}

static size_t written_len(const gmq__mqtt_message *m)
{
    gmq__bytes properties = {0}, variable = {0}, packet = {0};
    if (m->expiry_s)
        gmq__bytes_put(&properties, "\x02\0\0\0\1", 5);
    for (size_t i = 0; i < m->nproperties; i++) {
        gmq__bytes_put_u8(&properties, 0x26);
        put_string(&properties, m->properties[i].key);
        put_string(&properties, m->properties[i].value);
    }
    put_string(&variable, m->topic);
    if (m->qos)
        gmq__bytes_put(&variable, "\0\1", 2);
    put_varint(&variable, properties.len);
    gmq__bytes_put(&variable, properties.data, properties.len);
    gmq__bytes_put_u8(&packet, 0x32);
    put_varint(&packet, variable.len + m->payload.len);
    size_t len = packet.len + variable.len;
    assert_false(properties.failed || variable.failed || packet.failed);
    gmq__bytes_free(&properties);
    gmq__bytes_free(&variable);
    gmq__bytes_free(&packet);
    return len;
}

static void exact_for_mqtt_5(void **state)
{
    (void)state;
    static char topic[65535], value[300];
    memset(topic, 't', sizeof topic);
    const gmq__mqtt_property properties[2] = {
        {gmq__span_of("i", 1), gmq__span_of("12345", 5)},
        {gmq__span_of("k", 1), gmq__span_of(value, sizeof value)}};
    const size_t payloads[] = {0,     1,     90,    100,   110,     120,     127,      128,
                               16000, 16270, 16383, 16384, 2097000, 2097152, 268000000};
    const size_t topics[] = {1, 20, 90, 65535};
    for (size_t t = 0; t < 4; t++)
        for (size_t p = 0; p < sizeof payloads / sizeof *payloads; p++)
            for (int variant = 0; variant < 12; variant++) {
                gmq__mqtt_message m = {.topic = gmq__span_of(topic, topics[t]),
                                       .payload = {NULL, payloads[p]},
                                       .properties = properties,
                                       .nproperties = (size_t)variant / 4,
                                       .expiry_s = variant & 1,
                                       .qos = variant >> 1 & 1};
                assert_int_equal(gmq__mqtt_publish_overhead(&m, payloads[p]), written_len(&m));
            }
}

static void by_hand(void **state)
{
    (void)state;
    const gmq__mqtt_message m = {.topic = gmq__span_str("a/b"), .qos = 1};
    assert_int_equal(gmq__mqtt_publish_overhead(&m, 0), 1 + 1 + 2 + 3 + 2 + 1);
    assert_int_equal(gmq__mqtt_publish_overhead(&m, 119), 10);
    assert_int_equal(gmq__mqtt_publish_overhead(&m, 120), 11);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(exact_for_mqtt_5),
                                       cmocka_unit_test(by_hand)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
