#include "api/options.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "cmocka_all.h"

#define ok(expression) assert_int_equal((expression), GMQ_OK)

static gmq_options *none(void)
{
    gmq_options *options;
    ok(gmq_options_new(&options));
    return options;
}

static gmq_status resolve_text(unsigned scope, const char *key, const char *value,
                               gmq__settings *out)
{
    gmq_options *options = none();
    ok(gmq_options_set_string(options, key, value));
    gmq_status status = gmq__settings_resolve(out, scope, NULL, options);
    gmq_options_free(options);
    return status;
}

static void defaults_test(void **state)
{
    (void)state;
    gmq__settings s;
    ok(gmq__settings_resolve(&s, GMQ__FOR_CLIENT, NULL, NULL));
    assert_int_equal(s.number[GMQ__OPT_KEEP_ALIVE_S], 20);
    assert_int_equal(s.number[GMQ__OPT_MSG_SIZE_LIMIT], 128000);
    assert_int_equal(s.number[GMQ__OPT_RECEIVE_LIMIT], 4 << 20);
    assert_int_equal(s.number[GMQ__OPT_MQTT_VERSION], 5);
    assert_null(s.text[GMQ__OPT_PASSWORD]);
    assert_false(s.given[GMQ__OPT_QOS]);
    gmq__settings_clear(&s);
}

static void table_is_sound_test(void **state)
{
    (void)state;
    for (size_t i = 0; i < GMQ__OPT_COUNT; i++) {
        const gmq__option_row *row = &gmq__option_table[i];
        assert_non_null(row->key);
        assert_true(row->what && *row->what && row->scopes);
        if (row->type == GMQ__OPTION_NUMBER)
            assert_in_range(row->initial - row->min, 0, row->max - row->min);
        for (size_t j = 0; j < i; j++)
            assert_string_not_equal(row->key, gmq__option_table[j].key);
    }
}

/* Every number of the table: its bounds are in, one further is out, and the text names key, value
 * and range. */
static void every_range_test(void **state)
{
    (void)state;
    for (size_t i = 0; i < GMQ__OPT_COUNT; i++) {
        const gmq__option_row *row = &gmq__option_table[i];
        unsigned scope = row->scopes & GMQ__FOR_CLIENT ? GMQ__FOR_CLIENT : GMQ__FOR_SERVER;
        if (row->type != GMQ__OPTION_NUMBER)
            continue;
        const int64_t values[] = {row->min, row->max, row->min - 1, row->max + 1};
        for (size_t v = 0; v < 4; v++) {
            gmq__settings s;
            gmq_options *options = none();
            ok(gmq_options_set_int(options, row->key, values[v]));
            gmq_status status = gmq__settings_resolve(&s, scope, NULL, options);
            gmq_options_free(options);
            if (v < 2) {
                ok(status);
                assert_true(s.number[i] == values[v] && s.given[i]);
                gmq__settings_clear(&s);
                continue;
            }
            char value[32];
            snprintf(value, sizeof value, "%lld", (long long)values[v]);
            assert_int_equal(status, GMQ_E_OPTION);
            assert_non_null(strstr(gmq_error_text(), row->key));
            assert_non_null(strstr(gmq_error_text(), value));
        }
    }
}

static void message_size_limit_names_its_range_test(void **state)
{
    (void)state;
    gmq__settings s;
    assert_int_equal(resolve_text(GMQ__FOR_CLIENT, "msg_size_limit", "15", &s), GMQ_E_OPTION);
    assert_string_equal(gmq_error_text(),
                        "option \"msg_size_limit\" is 15: not from 16 to 268304383 bytes");
    assert_int_equal(resolve_text(GMQ__FOR_CLIENT, "msg_size_limit", "268304384", &s),
                     GMQ_E_OPTION);
    ok(resolve_text(GMQ__FOR_CLIENT, "msg_size_limit", "268304383", &s));
    gmq__settings_clear(&s);
}

static void texts_are_read_test(void **state)
{
    static const struct {
        const char *key, *value;
        gmq__option_id id;
        int64_t number;
    } rows[] = {
        {"keep_alive_s", "5", GMQ__OPT_KEEP_ALIVE_S, 5},
        {"log_level", "-1", GMQ__OPT_LOG_LEVEL, -1},
        {"batched_stream", "1", GMQ__OPT_BATCHED_STREAM, 1},
        {"batched_stream", "true", GMQ__OPT_BATCHED_STREAM, 1},
        {"batched_stream", "off", GMQ__OPT_BATCHED_STREAM, 0},
        {"batched_stream", "yes", GMQ__OPT_BATCHED_STREAM, 1},
        {"mqtt_version", "5", GMQ__OPT_MQTT_VERSION, 5},
        {"mqtt_version", "4", GMQ__OPT_MQTT_VERSION, 4},
        {"mqtt_version", "3.1.1", GMQ__OPT_MQTT_VERSION, 4},
        {"drive", "caller", GMQ__OPT_DRIVE, GMQ__DRIVE_CALLER},
        {"dialect", "session", GMQ__OPT_DIALECT, GMQ__DIALECT_SESSION},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        gmq__settings s;
        ok(resolve_text(GMQ__FOR_CLIENT, rows[i].key, rows[i].value, &s));
        assert_true(s.number[rows[i].id] == rows[i].number);
        gmq__settings_clear(&s);
    }
}

static void wrong_texts_test(void **state)
{
    static const char *const rows[][2] = {
        {"keep_alive_s", ""},
        {"keep_alive_s", "5s"},
        {"keep_alive_s", "5.0"},
        {"keep_alive_s", " 5"},
        {"keep_alive_s", "0x10"},
        {"keep_alive_s", "99999999999999999999"},
        {"keep_alive_s", "--5"},
        {"batched_stream", "2"},
        {"batched_stream", "TRUE!"},
        {"mqtt_version", "3"},
        {"mqtt_version", "3.1"},
        {"drive", "me"},
        {"dialect", "Session"},
        {"no_such_option", "1"},
        {"Keep_alive_s", "1"},
        {"watchdog_ms", "1000"} /* a server's */,
        {"initial_metadata_wait_ms", "1"} /* a gateway's */,
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        gmq__settings s;
        if (resolve_text(GMQ__FOR_CLIENT, rows[i][0], rows[i][1], &s) != GMQ_E_OPTION)
            fail_msg("%s=%s was taken", rows[i][0], rows[i][1]);
        assert_non_null(strstr(gmq_error_text(), rows[i][0]));
    }
}

static void wrong_types_test(void **state)
{
    (void)state;
    gmq__settings s;
    gmq_options *options = none();
    ok(gmq_options_set_int(options, "ca_file", 1));
    assert_int_equal(gmq__settings_resolve(&s, GMQ__FOR_CLIENT, NULL, options), GMQ_E_OPTION);
    ok(gmq_options_set_string(options, "ca_file", "/x"));
    ok(gmq_options_set_bool(options, "keep_alive_s", 1));
    assert_int_equal(gmq__settings_resolve(&s, GMQ__FOR_CLIENT, NULL, options), GMQ_E_OPTION);
    ok(gmq_options_set_int(options, "keep_alive_s", 1));
    ok(gmq_options_set_int(options, "insecure", 2));
    assert_int_equal(gmq__settings_resolve(&s, GMQ__FOR_CLIENT, NULL, options), GMQ_E_OPTION);
    ok(gmq_options_set_int(options, "insecure", 1));
    ok(gmq_options_set_int(options, "mqtt_version", 5));
    ok(gmq__settings_resolve(&s, GMQ__FOR_CLIENT, NULL, options));
    gmq__settings_clear(&s);
    gmq_options_free(options);
}

static void secrets_are_not_shown_test(void **state)
{
    (void)state;
    gmq__settings s;
    gmq_options *options = none();
    ok(gmq_options_set_int(options, "password", 4711));
    assert_int_equal(gmq__settings_resolve(&s, GMQ__FOR_CLIENT, NULL, options), GMQ_E_OPTION);
    assert_non_null(strstr(gmq_error_text(), "password"));
    assert_null(strstr(gmq_error_text(), "4711"));
    gmq_options_free(options);
}

static void a_server_takes_a_gateways_keys_test(void **state)
{
    (void)state;
    gmq__settings s;
    ok(resolve_text(GMQ__FOR_SERVER, "initial_metadata_wait_ms", "5", &s));
    assert_int_equal(s.number[GMQ__OPT_INITIAL_METADATA_WAIT_MS], 5);
    gmq__settings_clear(&s);
    assert_int_equal(resolve_text(GMQ__FOR_SERVER, "subscriptions", "5", &s), GMQ_E_OPTION);
    assert_int_equal(resolve_text(GMQ__FOR_CALL, "subscriptions", "5", &s), GMQ_E_OPTION);
    ok(resolve_text(GMQ__FOR_CALL, "wait_for_ready", "1", &s));
    gmq__settings_clear(&s);
}

static void options_go_before_the_address_test(void **state)
{
    (void)state;
    gmq__settings s;
    gmq_options *url = none(), *options = none();
    ok(gmq_options_set_string(url, "client_id", "of-url"));
    ok(gmq_options_set_string(url, "qos", "0"));
    ok(gmq_options_set_string(options, "client_id", "first"));
    ok(gmq_options_set_string(options, "client_id", "of-options")); /* replaces */
    ok(gmq__settings_resolve(&s, GMQ__FOR_CLIENT, url, options));
    assert_string_equal(s.text[GMQ__OPT_CLIENT_ID], "of-options");
    assert_int_equal(s.number[GMQ__OPT_QOS], 0);
    gmq__settings_clear(&s);
    gmq_options_free(url);
    gmq_options_free(options);
}

static void get_int_test(void **state)
{
    (void)state;
    int64_t value = -1;
    gmq_options *options = none();
    const char *url = "mqtt://h/b?initial_metadata_wait_ms=7&qos=0&group=g1";
    gmq_buf *text = NULL;
    ok(gmq_options_get_string(NULL, url, "inbox", &text));
    assert_null(text);
    ok(gmq_options_get_string(NULL, url, "group", &text));
    assert_string_equal(gmq_buf_data(text), "g1");
    gmq_buf_unref(text);
    assert_int_equal(gmq_options_get_string(NULL, url, "password", &text), GMQ_E_OPTION);
    assert_int_equal(gmq_options_get_string(NULL, url, "qos", &text), GMQ_E_OPTION);
    ok(gmq_options_get_int(NULL, NULL, "initial_metadata_wait_ms", &value));
    assert_int_equal(value, 100);
    ok(gmq_options_get_int(options, url, "initial_metadata_wait_ms", &value));
    assert_int_equal(value, 7);
    ok(gmq_options_set_int(options, "initial_metadata_wait_ms", 9));
    ok(gmq_options_get_int(options, url, "initial_metadata_wait_ms", &value));
    assert_int_equal(value, 9);
    ok(gmq_options_set_int(options, "initial_metadata_wait_ms", 60001));
    assert_int_equal(gmq_options_get_int(options, url, "initial_metadata_wait_ms", &value),
                     GMQ_E_OPTION);
    assert_int_equal(gmq_options_get_int(options, url, "client_id", &value), GMQ_E_OPTION);
    assert_int_equal(gmq_options_get_int(options, url, "nothing", &value), GMQ_E_OPTION);
    assert_int_equal(gmq_options_get_int(options, "nowhere", "qos", &value), GMQ_E_URL);
    assert_int_equal(gmq_options_get_int(options, url, NULL, &value), GMQ_E_INVALID);
    assert_int_equal(value, 9);
    gmq_options_free(options);
}

static void null_arguments_test(void **state)
{
    (void)state;
    gmq_options *options = none();
    assert_int_equal(gmq_options_new(NULL), GMQ_E_INVALID);
    assert_int_equal(gmq_options_set_int(NULL, "qos", 1), GMQ_E_INVALID);
    assert_int_equal(gmq_options_set_int(options, NULL, 1), GMQ_E_INVALID);
    assert_int_equal(gmq_options_set_string(options, "client_id", NULL), GMQ_E_INVALID);
    gmq_options_free(options);
    gmq_options_free(NULL);
}

static size_t allowed;

static void *failing_realloc(void *old, size_t size)
{
    return allowed && allowed-- ? realloc(old, size) : NULL;
}

static void out_of_memory_test(void **state) /* the leak checker judges the rest */
{
    (void)state;
    const gmq__mem_hooks hooks = {failing_realloc, free};
    gmq_status status = GMQ_E_NOMEM;
    for (size_t n = 0; status == GMQ_E_NOMEM; n++) {
        gmq_options *options = NULL;
        gmq__settings s;
        gmq__mem_set_hooks(&hooks);
        allowed = n;
        status = gmq_options_new(&options);
        if (status == GMQ_OK)
            status = gmq_options_set_string(options, "client_id", "x");
        if (status == GMQ_OK)
            status = gmq__settings_resolve(&s, GMQ__FOR_CLIENT, NULL, options);
        gmq__mem_set_hooks(NULL);
        if (status == GMQ_OK)
            gmq__settings_clear(&s);
        gmq_options_free(options);
    }
    ok(status);
}

static void copies_are_independent_test(void **state)
{
    (void)state;
    gmq_options *options = none(), *copy = NULL;
    int64_t value = 0;
    gmq__settings s;
    ok(gmq_options_set_string(options, "client_id", "one"));
    ok(gmq_options_set_int(options, "keep_alive_s", 7));
    ok(gmq_options_set_bool(options, "insecure", 1));
    ok(gmq_options_copy(&copy, options));
    ok(gmq_options_set_int(options, "keep_alive_s", 8));
    gmq_options_free(options);
    ok(gmq_options_get_int(copy, NULL, "keep_alive_s", &value));
    assert_int_equal(value, 7);
    ok(gmq__settings_resolve(&s, GMQ__FOR_CLIENT, NULL, copy));
    assert_string_equal(s.text[GMQ__OPT_CLIENT_ID], "one");
    assert_int_equal(s.number[GMQ__OPT_INSECURE], 1);
    gmq__settings_clear(&s);
    gmq_options_free(copy);
    ok(gmq_options_copy(&copy, NULL));
    gmq_options_free(copy);
    assert_int_equal(gmq_options_copy(NULL, NULL), GMQ_E_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults_test),
        cmocka_unit_test(table_is_sound_test),
        cmocka_unit_test(every_range_test),
        cmocka_unit_test(message_size_limit_names_its_range_test),
        cmocka_unit_test(texts_are_read_test),
        cmocka_unit_test(wrong_texts_test),
        cmocka_unit_test(wrong_types_test),
        cmocka_unit_test(secrets_are_not_shown_test),
        cmocka_unit_test(a_server_takes_a_gateways_keys_test),
        cmocka_unit_test(options_go_before_the_address_test),
        cmocka_unit_test(get_int_test),
        cmocka_unit_test(copies_are_independent_test),
        cmocka_unit_test(null_arguments_test),
        cmocka_unit_test(out_of_memory_test),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
