/* What gmq_client_new() and gmq_server_new() refuse, and with which words. */
#include <grpc_mqtt/grpc_mqtt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "api/config.h"
#include "api/secret.h"
#include "cmocka_all.h"

#define ok(expression) assert_int_equal((expression), GMQ_OK)

static void default_transport_test(void **state)
{
    (void)state;
    const char *fast = gmq__transport_find("mosquitto") ? "mosquitto" : "paho";
    assert_string_equal(gmq__default_transport("mqtt", 20), fast);
    assert_string_equal(gmq__default_transport("mqtts", 5), fast);
    assert_string_equal(gmq__default_transport("mqtt", 4), "paho"); /* too quick for libmosquitto */
    assert_string_equal(gmq__default_transport("ws", 20), "paho");
    assert_string_equal(gmq__default_transport("wss", 20), "paho");
    assert_string_equal(gmq__default_transport("loopback", 20), "loopback");
}

/* M1: no topic of the link dialect is longer than some brokers take, whatever the other side's id.
 */
static void long_base_test(void **state)
{
    static const struct {
        size_t len;
        const char *query;
        gmq_status status;
    } rows[] = {
        {177, "dialect=link&client_id=abc", GMQ_OK},
        {178, "dialect=link&client_id=abc", GMQ_E_OPTION},
        {178, "dialect=auto&client_id=abc", GMQ_OK}, /* a log line says why it is not spoken */
        {178, "dialect=session&client_id=abc", GMQ_OK},
    };
    (void)state;
    gmq_queue *queue;
    ok(gmq_queue_new(&queue));
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char url[300];
        gmq_client *client = NULL;
        int at = snprintf(url, sizeof url, "loopback://long/");
        memset(url + at, 'b', rows[i].len);
        snprintf(url + at + rows[i].len, sizeof url - (size_t)at - rows[i].len, "?%s",
                 rows[i].query);
        assert_int_equal(gmq_client_new(&client, url, NULL, NULL, queue, 1), rows[i].status);
        if (rows[i].status != GMQ_OK)
            assert_non_null(strstr(gmq_error_text(), "257 bytes"));
        gmq_client_unref(client);
    }
    gmq_queue_unref(queue);
}

static void refused_test(void **state)
{
    static const struct {
        const char *url;
        gmq_status status;
        const char *says;
    } rows[] = {
        {"mqtt://h", GMQ_E_URL, "base topic"},
        {"mqtt://h/a/+", GMQ_E_INVALID, "a/+"},
        {"mqtt://h/a?nothing=1", GMQ_E_OPTION, "\"nothing\""},
        {"mqtt://h/a?msg_size_limit=15", GMQ_E_OPTION, "15"},
        {"mqtt://h/a?dialect=link&client_id=a%20b", GMQ_E_OPTION, "\"a b\""},
        {"mqtt://h/a?inbox=a/%23", GMQ_E_OPTION, "\"a/#\""},
        {"mqtt://h/a?transport=pigeon", GMQ_E_UNSUPPORTED, "\"pigeon\""},
        {"mqtt://h/a?transport=loopback", GMQ_E_OPTION, "mqtt://"},
        {"loopback://h/a?transport=paho", GMQ_E_OPTION, "loopback://"},
        {"mqtt://h/a?ca_file=/x", GMQ_E_OPTION, "\"ca_file\""},
        {"mqtts://h/a?key_file=/x", GMQ_E_OPTION, "\"cert_file\""},
        {"mqtt://h/a?password_file=/no/such/file", GMQ_E_IO, "/no/such/file"},
        {"mqtt://h/a?password_env=GMQ_TEST_NOT_SET", GMQ_E_OPTION, "\"GMQ_TEST_NOT_SET\""},
        {"mqtt://h/a?password=x&password_env=HOME", GMQ_E_OPTION, "\"password_env\""},
    };
    (void)state;
    gmq_queue *queue;
    ok(gmq_queue_new(&queue));
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        gmq_client *client = NULL;
        gmq_server *server = NULL;
        gmq_status status = gmq_client_new(&client, rows[i].url, NULL, NULL, queue, 1);
        if (status != rows[i].status || !strstr(gmq_error_text(), rows[i].says))
            print_error("%s: %s: %s\n", rows[i].url, gmq_status_name(status), gmq_error_text());
        assert_int_equal(status, rows[i].status);
        assert_non_null(strstr(gmq_error_text(), rows[i].says));
        assert_int_equal(gmq_server_new(&server, rows[i].url, NULL, NULL, queue, 1),
                         rows[i].status);
        assert_null(client);
        assert_null(server);
    }
    gmq_event *event;
    size_t count;
    ok(gmq_queue_poll(queue, &event, 1, &count));
    assert_int_equal(count, 0);
    gmq_queue_unref(queue);
}

/* The password that holds when `key` says `value` and the address `url`. */
static char *secret_of(const char *key, const char *value, const char *url)
{
    gmq_options *options;
    gmq__settings s;
    char *secret = NULL;
    ok(gmq_options_new(&options));
    if (key)
        ok(gmq_options_set_string(options, key, value));
    ok(gmq__settings_resolve(&s, GMQ__FOR_CLIENT, NULL, options));
    ok(gmq__secret_read(&secret, &s, url));
    gmq__settings_clear(&s);
    gmq_options_free(options);
    return secret;
}

static void expect_secret(const char *key, const char *value, const char *url, const char *expected)
{
    char *secret = secret_of(key, value, url);
    if (expected)
        assert_string_equal(secret, expected);
    else
        assert_null(secret);
    gmq__secret_free(secret);
}

static void passwords_test(void **state)
{
    (void)state;
    char file[] = "/tmp/gmq-secret-XXXXXX";
    int fd = mkstemp(file);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, "s3cret\r\nsecond line\n", 20), 20);
    close(fd);
    expect_secret(NULL, NULL, NULL, NULL);
    expect_secret(NULL, NULL, "of-url", "of-url");
    expect_secret("password", "said", "of-url", "said");
    expect_secret("password_file", file, "of-url", "s3cret");
    assert_int_equal(setenv("GMQ_TEST_SECRET", "of-env", 1), 0);
    expect_secret("password_env", "GMQ_TEST_SECRET", NULL, "of-env");
    unlink(file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(default_transport_test),
        cmocka_unit_test(refused_test),
        cmocka_unit_test(long_base_test),
        cmocka_unit_test(passwords_test),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
