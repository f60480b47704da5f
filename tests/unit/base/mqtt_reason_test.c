#include "cmocka_all.h"

#include "base/mqtt.h"

static void reasons_have_words(void **state)
{
    (void)state;
    assert_string_equal(gmq__mqtt_reason_text(GMQ__MQTT_NOT_AUTHORIZED), "not authorised");
    assert_string_equal(gmq__mqtt_reason_text(GMQ__MQTT_NO_SUBSCRIBERS), "nobody is subscribed");
    assert_string_equal(gmq__mqtt_reason_text(0xff), "error");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(reasons_have_words)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
