/* docs/design/faults.md, row 21: hostile metadata. */
#include <stdio.h>

#include "cmocka_all.h"
#include "engine/sim_fixture.h"
#include "wire/request.h"

static const gmq__rpc_options plain = {0, 0, 0};

static int setup_recorded(void **state)
{
    setup(state);
    world_open(w);
    w->mute_handlers = true;
    w->server->on_publish = sim_record;
    recorded.swallow = true;
    return 0;
}

static gmq_metadata *last_metadata;

static void keep_metadata(sim_peer *peer, gmq__ev *ev)
{
    (void)peer;
    if (ev->kind == GMQ__EV_CALL) {
        last_metadata = ev->metadata;
        ev->metadata = NULL;
    }
}

static void request_with(const char *sid, const gmq_metadata *md)
{
    gmq__bytes wire = {0};
    gmq__request request = {
        .options = plain, .timeout_s = 5, .metadata = (gmq_metadata *)(uintptr_t)md};
    gmq__request_encode(&wire, &request);
    sim_packet(w->server, sid, "Unary", gmq__bytes_span(&wire), 0, 1, 0);
    gmq__bytes_free(&wire);
}

/* As the reference answers it: RError 14, and nothing runs. */
static void row_21_hostile_metadata_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *key, *value;
        size_t key_len, value_len;
    } bad[] = {{":path", "/x", 5, 2},
               {"X-Upper", "v", 7, 1},
               {"crlf", "a\r\nb", 4, 4},
               {"k\0k", "v", 3, 1},
               {"nul", "a\0b", 3, 3}};
    w->server->on_event = keep_metadata;
    for (size_t at = 0; at < sizeof bad / sizeof *bad; at++) {
        gmq_metadata *md = NULL;
        char sid[8];
        snprintf(sid, sizeof sid, "s%zu", at);
        assert_int_equal(gmq_metadata_new(&md), GMQ_OK);
        gmq__metadata_add_raw(md, gmq__span_of(bad[at].key, bad[at].key_len),
                              gmq__span_of(bad[at].value, bad[at].value_len));
        request_with(sid, md);
        gmq_metadata_free(md);
        gmq__span answer = gmq__bytes_span(&sim_record_nth(GMQ__TOPIC_SESSION, at)->message);
        assert_true(gmq__span_equal(answer, gmq__span_of("\x12\x02\x08\x0e", 4)));
    }
    assert_null(last_metadata);
    assert_int_equal(w->nof_server, 0);
}

static void row_21_reserved_metadata_is_left_out(void **state)
{
    (void)state;
    gmq_metadata *md = NULL;
    w->server->on_event = keep_metadata;
    assert_int_equal(gmq_metadata_new(&md), GMQ_OK);
    gmq__metadata_add_raw(md, gmq__span_str("grpc-timeout"), gmq__span_str("1S"));
    gmq__metadata_add_raw(md, gmq__span_str("good-bin"), gmq__span_of("\0\xff", 2));
    request_with("s", md);
    assert_int_equal(gmq_metadata_count(last_metadata), 1);
    assert_string_equal(gmq_metadata_key(last_metadata, 0), "good-bin");
    gmq_metadata_free(last_metadata);
    last_metadata = NULL;
    gmq_metadata_free(md);
}

static void row_21_ten_thousand_keys(void **state)
{
    (void)state;
    gmq__bytes wire = {0};
    gmq_metadata *md = NULL;
    char key[32];
    assert_int_equal(gmq_metadata_new(&md), GMQ_OK);
    for (int at = 0; at < 10000; at++) {
        snprintf(key, sizeof key, "k%d", at);
        gmq__metadata_add_raw(md, gmq__span_str(key), gmq__span_str("v"));
    }
    gmq__request request = {.options = plain, .timeout_s = 5, .metadata = md};
    gmq__request_encode(&wire, &request);
    sim_packet(w->server, "s", "Unary", gmq__bytes_span(&wire), 0, 1, 0);
    assert_int_equal(sim_status(sim_record_nth(GMQ__TOPIC_SESSION, 0)),
                     GMQ_CODE_RESOURCE_EXHAUSTED);
    assert_int_equal(w->nof_server, 0);
    gmq_metadata_free(md);
    gmq__bytes_free(&wire);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(row_21_hostile_metadata_is_refused, setup_recorded,
                                        teardown),
        cmocka_unit_test_setup_teardown(row_21_reserved_metadata_is_left_out, setup_recorded,
                                        teardown),
        cmocka_unit_test_setup_teardown(row_21_ten_thousand_keys, setup_recorded, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
