#include "api/url.h"

#include <grpc_mqtt/base.h>
#include <string.h>

#include "api/options.h"
#include "cmocka_all.h"

static gmq__url parse(const char *text)
{
    gmq__url url;
    gmq_status status = gmq__url_parse(&url, text);
    if (status != GMQ_OK)
        print_error("%s: %s\n", text, gmq_error_text());
    assert_int_equal(status, GMQ_OK);
    return url;
}

static void parts_test(void **state)
{
    static const struct {
        const char *text, *scheme, *host, *username, *password, *base;
        int port;
        bool tls, ipv6;
    } rows[] = {
        {"mqtt://h/b", "mqtt", "h", NULL, NULL, "b", 1883, false, false},
        {"mqtts://h/b", "mqtts", "h", NULL, NULL, "b", 8883, true, false},
        {"ws://h/b", "ws", "h", NULL, NULL, "b", 80, false, false},
        {"wss://h/b", "wss", "h", NULL, NULL, "b", 443, true, false},
        {"mqtt://127.0.0.1:1/fleet/device42", "mqtt", "127.0.0.1", NULL, NULL, "fleet/device42", 1,
         false, false},
        {"mqtt://h:65535/b", "mqtt", "h", NULL, NULL, "b", 65535, false, false},
        {"mqtt://[::1]/b", "mqtt", "::1", NULL, NULL, "b", 1883, false, true},
        {"mqtt://[fe80::1]:99/b", "mqtt", "fe80::1", NULL, NULL, "b", 99, false, true},
        {"mqtt://u@h/b", "mqtt", "h", "u", NULL, "b", 1883, false, false},
        {"mqtt://u:@h/b", "mqtt", "h", "u", "", "b", 1883, false, false},
        {"mqtt://u%40x:p%3A%2f%23@h/b", "mqtt", "h", "u@x", "p:/#", "b", 1883, false, false},
        {"mqtt://u:p@q@h:7/b", "mqtt", "h", "u", "p@q", "b", 7, false, false},
        {"mqtt://u:p:q@h/b", "mqtt", "h", "u", "p:q", "b", 1883, false, false},
        {"mqtt://h/a%20b/%C3%A9@c", "mqtt", "h", NULL, NULL, "a b/\xc3\xa9@c", 1883, false, false},
        {"loopback://name/b/c", "loopback", "name", NULL, NULL, "b/c", 0, false, false},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        gmq__url url = parse(rows[i].text);
        assert_string_equal(url.scheme, rows[i].scheme);
        assert_string_equal(url.host, rows[i].host);
        assert_string_equal(url.base, rows[i].base);
        assert_int_equal(url.port, rows[i].port);
        assert_true(url.tls == rows[i].tls && url.ipv6 == rows[i].ipv6);
        assert_true(!url.username == !rows[i].username && !url.password == !rows[i].password);
        if (url.username)
            assert_string_equal(url.username, rows[i].username);
        if (url.password)
            assert_string_equal(url.password, rows[i].password);
        gmq__url_clear(&url);
    }
}

static void query_test(void **state)
{
    (void)state;
    gmq__settings s;
    gmq__url url = parse("mqtt://h/b?keep_alive_s=7&client_id=a%26b%3D&");
    assert_int_equal(gmq__settings_resolve(&s, GMQ__FOR_CLIENT, url.query, NULL), GMQ_OK);
    assert_int_equal(s.number[GMQ__OPT_KEEP_ALIVE_S], 7);
    assert_string_equal(s.text[GMQ__OPT_CLIENT_ID], "a&b=");
    gmq__settings_clear(&s);
    gmq__url_clear(&url);
    url = parse("mqtt://h/b?");
    gmq__url_clear(&url);
}

static void refused_test(void **state)
{
    static const struct {
        const char *text;
        gmq_status status;
        const char *says;
    } rows[] = {
        {"", GMQ_E_URL, "scheme"},
        {"h/b", GMQ_E_URL, "character 1"},
        {"http://h/b", GMQ_E_URL, "\"http\""},
        {"mqtt:/h/b", GMQ_E_URL, "scheme"},
        {"mqtt://", GMQ_E_URL, "character 8: the host"},
        {"mqtt:///b", GMQ_E_URL, "the host"},
        {"mqtt://:1883/b", GMQ_E_URL, "the host"},
        {"mqtt://u:p@/b", GMQ_E_URL, "character 12: the host"},
        {"mqtt://h", GMQ_E_URL, "base topic is missing"},
        {"mqtt://h/", GMQ_E_URL, "base topic is missing"},
        {"mqtt://h?qos=1", GMQ_E_URL, "base topic is missing"},
        {"mqtt://h:0/b", GMQ_E_URL, "\"0\""},
        {"mqtt://h:65536/b", GMQ_E_URL, "\"65536\""},
        {"mqtt://h:99999999999999999999/b", GMQ_E_URL, "character 10"},
        {"mqtt://h:1x/b", GMQ_E_URL, "\"1x\""},
        {"mqtt://h:/b", GMQ_E_URL, "port"},
        {"mqtt://[::1/b", GMQ_E_URL, "\"]\""},
        {"mqtt://[::1]x/b", GMQ_E_URL, "character 13"},
        {"mqtt://[]/b", GMQ_E_URL, "the host"},
        {"mqtt://h/a%2", GMQ_E_URL, "character 11"},
        {"mqtt://h/a%zz", GMQ_E_URL, "character 11"},
        {"mqtt://h/a%00", GMQ_E_URL, "00"},
        {"mqtt://h/b#x", GMQ_E_URL, "character 11"},
        {"mqtt://h/b?x=1#y", GMQ_E_URL, "\"#\""},
        {"mqtt://h/b?qos", GMQ_E_URL, "key=value"},
        {"mqtt://h/b?=1", GMQ_E_URL, "key=value"},
        {"loopback://n:1/b", GMQ_E_URL, "no port"},
        {"mqtt://h/a//b", GMQ_E_INVALID, "a//b"},
        {"mqtt://h/a/", GMQ_E_INVALID, "a/"},
        {"mqtt://h//a", GMQ_E_INVALID, "/a"},
        {"mqtt://h/a/+/b", GMQ_E_INVALID, "a/+/b"},
        {"mqtt://h/a/%23", GMQ_E_INVALID, "a/#"},
        {"mqtt://h/a%FF", GMQ_E_INVALID, "base topic"},
        {NULL, GMQ_E_INVALID, "url"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        gmq__url url;
        gmq_status status = gmq__url_parse(&url, rows[i].text);
        if (status != rows[i].status || !strstr(gmq_error_text(), rows[i].says))
            print_error("%s: %s\n", rows[i].text, gmq_error_text());
        assert_int_equal(status, rows[i].status);
        assert_non_null(strstr(gmq_error_text(), rows[i].says));
        assert_null(url.scheme);
    }
}

static void no_secret_in_a_text_test(void **state)
{
    static const char *const rows[] = {
        "mqtt://user:hunter2@/b",       "mqtt://user:hunter2@h:0/b",
        "mqtt://user:hun/ter2@h/b",     "mqtt://user:hunter2%@h/b",
        "mqtt://user:hunter2@h",        "user:hunter2@mqtt://h/b",
        "mqtt://user:hunter2?x@h/b",    "mqtt://user:hunter2#@h/b",
        "mqtt://h/b?password=hunter2#", "mqtt://h/b?password=hunter2%",
        "mqtt://user:hunter2@h:x@/b",
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        gmq__url url;
        assert_int_equal(gmq__url_parse(&url, rows[i]), GMQ_E_URL);
        if (strstr(gmq_error_text(), "hun") || strstr(gmq_error_text(), "ter2"))
            fail_msg("%s: %s", rows[i], gmq_error_text());
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parts_test),
        cmocka_unit_test(query_test),
        cmocka_unit_test(refused_test),
        cmocka_unit_test(no_secret_in_a_text_test),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
