/* gmq_proxy_config, and the choice of a call's base topic. */
#include "proxy/config.h"

#include "cmocka_all.h"

#include <string.h>

#define ok(expression) assert_int_equal((expression), GMQ_OK)
#define invalid(expression, named)                                                                 \
    do {                                                                                           \
        assert_int_equal((expression), GMQ_E_INVALID);                                             \
        assert_non_null(strstr(gmq_error_text(), named));                                          \
    } while (0)

static int set_up(void **state)
{
    gmq_proxy_config *config = NULL;
    ok(gmq_proxy_config_new(&config));
    *state = config;
    return 0;
}

static int tear_down(void **state)
{
    gmq_proxy_config_free(*state);
    return 0;
}

/* ---- What is refused ---- */

static void addresses_test(void **state)
{
    static const char *const good[] = {"127.0.0.1:0", "[::1]:50051", "localhost:65535",
                                       "unix:/run/x.sock"};
    static const char *const bad[] = {
        "", "50051", ":50051", "host:", "host:x", "host:65536", "unix:"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        ok(gmq_proxy_config_listen(*state, good[i], NULL, NULL, NULL));
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        invalid(gmq_proxy_config_listen(*state, bad[i], NULL, NULL, NULL), bad[i]);
    invalid(gmq_proxy_config_listen(*state, good[0], NULL, "k.pem", NULL), "no certificate");
    invalid(gmq_proxy_config_listen(*state, good[0], NULL, NULL, "ca.pem"), "no certificate");
    ok(gmq_proxy_config_listen(*state, good[0], "c.pem", NULL, "ca.pem"));
}

static void patterns_test(void **state)
{
    static const struct {
        const char *pattern, *base, *named;
    } bad[] = {
        {"", "a", "empty"},          {"{a", "a", "{a"},
        {"{}", "a", "{}"},           {"a}", "a", "}"},
        {"{A}", "a", "{A}"},         {"{a}x", "a", "label"},
        {"{a}.{a}", "a", "twice"},   {"{a}", "{b}", "{b}"},
        {"{a}", "x/{a", "{a"},       {"{a}", "", "base topic"},
        {"{a}", "a/+", "a/+"},       {"{a}", "a/#", "a/#"},
        {"{a}", "$SYS/{a}", "$SYS"}, {"{a}", "/{a}", "/{a}"},
        {"{a}", "{a}/", "{a}/"},     {"{a}", "a//{a}", "a//{a}"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        invalid(gmq_proxy_config_authority(*state, bad[i].pattern, bad[i].base), bad[i].named);
    ok(gmq_proxy_config_authority(*state, "{a}.{b}.x-{c}", "{c}/{b}/{a}"));
    ok(gmq_proxy_config_authority(*state, "plain", "no/name"));
}

static void filters_test(void **state)
{
    static const char *const bad[] = {"a+", "a/+b", "#/a", "a#", "a/#/b"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        invalid(gmq_proxy_config_allow(*state, bad[i]), bad[i]);
    invalid(gmq_proxy_config_allow(*state, ""), "filter");
    invalid(gmq_proxy_config_limits(*state, 0, 1, 1), "max_calls");
    invalid(gmq_proxy_config_limits(*state, 1, 0, 1), "max_bases");
}

static void nulls_test(void **state)
{
    invalid(gmq_proxy_config_new(NULL), "out");
    invalid(gmq_proxy_config_listen(NULL, "a:1", NULL, NULL, NULL), "config");
    invalid(gmq_proxy_config_listen(*state, NULL, NULL, NULL, NULL), "address");
    invalid(gmq_proxy_config_authority(*state, NULL, "a"), "pattern");
    invalid(gmq_proxy_config_authority(*state, "a", NULL), "base");
    invalid(gmq_proxy_config_allow(*state, NULL), "filter");
    invalid(gmq_proxy_config_methods(NULL, NULL), "config");
    invalid(gmq_proxy_config_limits(NULL, 1, 1, 1), "config");
    gmq_proxy_config_free(NULL);
}

/* ---- What is chosen ---- */

static void expect(const gmq_proxy_config *config, const char *asked, const char *authority,
                   const char *fixed, gmq__route route, const char *base)
{
    char out[GMQ__BASE_MAX] = "";
    assert_int_equal(gmq__proxy_route(config, asked, authority, fixed, out), route);
    if (base)
        assert_string_equal(out, base);
}

static void authorities_test(void **state)
{
    static const struct {
        const char *authority, *base; /* NULL = none fits */
    } rows[] = {
        {"d1.fleet.mqtt", "fleet/d1"},
        {"d1.fleet.mqtt:50051", "fleet/d1"},
        {"D-1_x.FLEET.Mqtt", "fleet/D-1_x"},
        {"fleet.mqtt", NULL},
        {".fleet.mqtt", NULL},
        {"a.b.fleet.mqtt", NULL},
        {"d1.fleet.mqtt.evil", NULL},
        {"d1+.fleet.mqtt", NULL},
        {"d1/x.fleet.mqtt", NULL},
        {"%23.fleet.mqtt", NULL},
        {"site-9.room.example", "sites/9/room"},
        {"site-.room.example", NULL},
        {"127.0.0.1:50051", NULL},
        {"[::1]:50051", NULL},
        {"", NULL},
        {"exact", "one/base"},
        {"exactly", NULL},
    };
    ok(gmq_proxy_config_authority(*state, "{device}.fleet.mqtt", "fleet/{device}"));
    ok(gmq_proxy_config_authority(*state, "site-{n}.{room}.example", "sites/{n}/{room}"));
    ok(gmq_proxy_config_authority(*state, "exact", "one/base"));
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        gmq__route route = rows[i].base ? GMQ__ROUTE_TO : GMQ__ROUTE_NONE;
        expect(*state, NULL, rows[i].authority, NULL, route, rows[i].base);
        expect(*state, NULL, rows[i].authority, "own", GMQ__ROUTE_TO,
               rows[i].base ? rows[i].base : "own");
    }
}

static void the_first_that_says_so_test(void **state)
{
    ok(gmq_proxy_config_authority(*state, "{d}.x", "by/{d}"));
    ok(gmq_proxy_config_allow(*state, "asked/+"));
    ok(gmq_proxy_config_allow(*state, "by/#"));
    expect(*state, "asked/a", "a.x", "own", GMQ__ROUTE_TO, "asked/a");
    expect(*state, NULL, "a.x", "own", GMQ__ROUTE_TO, "by/a");
    expect(*state, NULL, "a.y", "own", GMQ__ROUTE_TO, "own");
    expect(*state, NULL, "a.y", NULL, GMQ__ROUTE_NONE, NULL);
    expect(*state, NULL, NULL, NULL, GMQ__ROUTE_NONE, NULL);
    expect(*state, "own", NULL, "own", GMQ__ROUTE_TO, "own");
    expect(*state, "other", NULL, "own", GMQ__ROUTE_REFUSED, "other");
}

static void what_is_allowed_test(void **state)
{
    static const struct {
        const char *base;
        gmq__route route;
    } rows[] = {
        {"fleet/a", GMQ__ROUTE_TO},        {"fleet", GMQ__ROUTE_REFUSED},
        {"fleet/a/b", GMQ__ROUTE_REFUSED}, {"site/a/b", GMQ__ROUTE_TO},
        {"site", GMQ__ROUTE_TO},           {"sites", GMQ__ROUTE_REFUSED},
        {"x/y/z", GMQ__ROUTE_TO},          {"x/y", GMQ__ROUTE_REFUSED},
        {"x/y/zz", GMQ__ROUTE_REFUSED},    {"", GMQ__ROUTE_BAD},
        {"fleet/+", GMQ__ROUTE_BAD},       {"fleet/#", GMQ__ROUTE_BAD},
        {"/fleet/a", GMQ__ROUTE_BAD},      {"fleet//a", GMQ__ROUTE_BAD},
        {"fleet/a/", GMQ__ROUTE_BAD},      {"$share/g/fleet/a", GMQ__ROUTE_BAD},
        {"fleet/\n", GMQ__ROUTE_BAD},
    };
    ok(gmq_proxy_config_allow(*state, "fleet/+"));
    ok(gmq_proxy_config_allow(*state, "site/#"));
    ok(gmq_proxy_config_allow(*state, "+/y/z"));
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        expect(*state, rows[i].base, NULL, NULL, rows[i].route, NULL);
}

static void authorities_obey_what_is_allowed_test(void **state)
{
    ok(gmq_proxy_config_authority(*state, "{d}.x", "by/{d}"));
    expect(*state, NULL, "a.x", NULL, GMQ__ROUTE_TO, "by/a");
    ok(gmq_proxy_config_allow(*state, "by/b"));
    expect(*state, NULL, "a.x", NULL, GMQ__ROUTE_REFUSED, "by/a");
    expect(*state, NULL, "b.x", NULL, GMQ__ROUTE_TO, "by/b");
}

static void too_long_test(void **state)
{
    char name[GMQ__BASE_MAX + 8];
    ok(gmq_proxy_config_allow(*state, "#"));
    ok(gmq_proxy_config_authority(*state, "{d}", "base/{d}"));
    memset(name, 'x', sizeof name);
    name[GMQ__BASE_MAX - 1] = '\0';
    expect(*state, name, NULL, NULL, GMQ__ROUTE_TO, name);
    expect(*state, NULL, name, NULL, GMQ__ROUTE_BAD, NULL);
    name[GMQ__BASE_MAX - 1] = 'x';
    name[GMQ__BASE_MAX] = '\0';
    expect(*state, name, NULL, NULL, GMQ__ROUTE_BAD, NULL);
}

static void copies_are_independent_test(void **state)
{
    gmq_proxy_config *config = NULL, *copy = NULL;
    gmq_method_map *map = NULL;
    ok(gmq_proxy_config_new(&config));
    ok(gmq_method_map_new(&map));
    ok(gmq_method_map_add(map, "/a.B/C", GMQ_RPC_UNARY));
    ok(gmq_proxy_config_listen(config, "a:1", "c", "k", "ca"));
    ok(gmq_proxy_config_authority(config, "{d}", "base/{d}"));
    ok(gmq_proxy_config_allow(config, "#"));
    ok(gmq_proxy_config_methods(config, map));
    gmq_method_map_free(map);
    ok(gmq_proxy_config_limits(config, 1, 2, 3));
    ok(gmq_proxy_config_limits(config, -1, 4, -1));
    ok(gmq__proxy_config_copy(&copy, config));
    ok(gmq_proxy_config_methods(config, NULL));
    gmq_proxy_config_free(config);
    assert_int_equal(copy->max_calls, 1);
    assert_int_equal(copy->max_bases, 4);
    assert_int_equal(copy->base_idle_ms, 3);
    assert_string_equal(copy->listens[0].client_ca_file, "ca");
    assert_int_equal(gmq_method_map_find(copy->methods, "/a.B/C"), 0);
    expect(copy, NULL, "a", NULL, GMQ__ROUTE_TO, "base/a");
    gmq_proxy_config_free(copy);
    (void)state;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(addresses_test, set_up, tear_down),
        cmocka_unit_test_setup_teardown(patterns_test, set_up, tear_down),
        cmocka_unit_test_setup_teardown(filters_test, set_up, tear_down),
        cmocka_unit_test_setup_teardown(nulls_test, set_up, tear_down),
        cmocka_unit_test_setup_teardown(authorities_test, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_first_that_says_so_test, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_allowed_test, set_up, tear_down),
        cmocka_unit_test_setup_teardown(authorities_obey_what_is_allowed_test, set_up, tear_down),
        cmocka_unit_test_setup_teardown(too_long_test, set_up, tear_down),
        cmocka_unit_test_setup_teardown(copies_are_independent_test, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
