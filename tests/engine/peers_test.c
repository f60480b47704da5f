/* What peers of another make may send: taken as the reference takes it, or refused in its words. */
#include <stdio.h>
#include <string.h>

#include "cmocka_all.h"
#include "engine/sim_fixture.h"
#include "wire/packet.h"
#include "wire/request.h"
#include "wire/zstd.h"

static const gmq__rpc_options plain = {0, 0, 0};

static void open_server_recorded(void)
{
    world_open(w);
    w->mute_handlers = true;
    w->server->on_publish = sim_record;
    recorded.swallow = true;
}

/* ---- Taken ---- */

static size_t calls_taken;
static gmq__bytes message_taken;

static void keep_message(sim_peer *peer, gmq__ev *ev)
{
    calls_taken += ev->kind == GMQ__EV_CALL;
    if (ev->kind == GMQ__EV_CALL)
        gmq__engine_read(peer->engine, ev->call, 1, peer->sim->now);
    if (ev->kind == GMQ__EV_MESSAGE)
        gmq__bytes_put(&message_taken, gmq_buf_data(ev->message), gmq_buf_len(ev->message));
}

/* Each is a whole request with the message "hi". */
static const struct {
    const char *what, *packet, *i;
    size_t len;
} taken[] = {
#define REQUEST "\x0a\x02hi\x12\x03\0\0\0\x18\x28"
#define ROW(what, packet, i)                                                                       \
    {                                                                                              \
        what, packet, i, sizeof packet - 1                                                         \
    }
    ROW("plain", "\x0a\x0b" REQUEST "\x15\0\0\0\0\x1d\1\0\0\0", "0"),
    ROW("no number", "\x0a\x0b" REQUEST "\x15\0\0\0\0\x1d\1\0\0\0", NULL),
    ROW("empty number", "\x0a\x0b" REQUEST "\x15\0\0\0\0\x1d\1\0\0\0", ""),
    ROW("a word for a number", "\x0a\x0b" REQUEST "\x15\0\0\0\0\x1d\1\0\0\0", "first"),
    ROW("negative number", "\x0a\x0b" REQUEST "\x15\0\0\0\0\x1d\1\0\0\0", "-1"),
    ROW("number with a comma", "\x0a\x0b" REQUEST "\x15\0\0\0\0\x1d\1\0\0\0", "0,0"),
    ROW("the payload alone", "\x0a\x0b" REQUEST, "0"),
    ROW("0 packets", "\x0a\x0b" REQUEST "\x15\0\0\0\0\x1d\0\0\0\0", "0"),
    ROW("position 5 of 1", "\x0a\x0b" REQUEST "\x15\5\0\0\0\x1d\1\0\0\0", "0"),
    ROW("position 5 of 0", "\x0a\x0b" REQUEST "\x15\5\0\0\0\x1d\0\0\0\0", "0"),
    ROW("another order, a field more", "\x1d\1\0\0\0\x15\0\0\0\0\x48\1\x0a\x0b" REQUEST, "0"),
    ROW("the last of two payloads", "\x0a\1x\x0a\x0b" REQUEST "\x1d\1\0\0\0", "0"),
    ROW("five options", "\x0a\x0e\x0a\x02hi\x12\x06\0\0\0\7\x80\1\x18\x28", "0"),
    ROW("the last of two of each", "\x0a\x15\x0a\1x\x12\1\0\x18\0" REQUEST "\x4a\0", "0"),
};

static void what_the_reference_takes(void **state)
{
    (void)state;
    static const char *const services[] = {"t-S", "t.S"};
    open_server_recorded();
    w->server->on_event = keep_message;
    for (size_t at = 0; at < sizeof taken / sizeof *taken * 2; at++) {
        char topic[100];
        snprintf(topic, sizeof topic, "base/grpc/request/s%zu/%s/Unary", at, services[at % 2]);
        calls_taken = 0;
        sim_inject_as(w->server, topic, taken[at / 2].packet, taken[at / 2].len, taken[at / 2].i);
        if (calls_taken != 1 || !gmq__span_equal_str(gmq__bytes_span(&message_taken), "hi"))
            fail_msg("%s: is not taken", taken[at / 2].what);
        gmq__bytes_free(&message_taken);
    }
    assert_int_equal(recorded.n, 0);
}

static void slices_may_be_empty_and_in_any_order(void **state)
{
    (void)state;
    static const char request[] = REQUEST;
    gmq__span part = gmq__span_of(request, 5), rest = gmq__span_of(request + 5, sizeof request - 6);
    open_server_recorded();
    w->server->on_event = keep_message;
    calls_taken = 0;
    sim_packet(w->server, "s", "Unary", rest, 3, 4, 0);
    sim_packet(w->server, "s", "Unary", gmq__span_str(""), 1, 4, 1);
    sim_packet(w->server, "s", "Unary", part, 0, 4, 2);
    sim_packet(w->server, "s", "Unary", gmq__span_str("again"), 0, 4, 3);
    sim_packet(w->server, "s", "Unary", gmq__span_str(""), 2, 4, 4);
    assert_int_equal(calls_taken, 1);
    assert_true(gmq__span_equal_str(gmq__bytes_span(&message_taken), "hi"));
    gmq__bytes_free(&message_taken);
}

/* ---- Malformed: INTERNAL, in the reference's words ---- */

static void expect_rerror(size_t nth, int32_t type, const char *text)
{
    gmq__response response;
    const record *r = sim_record_nth(GMQ__TOPIC_SESSION, nth);
    assert_int_equal(gmq__response_decode(gmq__bytes_span(&r->message), 8192, &response), GMQ_OK);
    assert_true(response.is_error);
    assert_int_equal(response.error.type, type);
    assert_false(response.error.has_status); /* the type says it, as from the reference */
    assert_true(gmq__span_equal_str(response.error.message, text));
}

static void a_chunk(const char *sid, gmq__span chunk, int level)
{
    gmq__rpc_options options = {0, 0, (int8_t)level};
    sim_request(w->server, sid, "Client", "", 50, options, 0);
    sim_packet(w->server, sid, "Client", chunk, 0, 1, 1);
}

static void malformed_parts_of_a_stream_are_named(void **state)
{
    (void)state;
    gmq__bytes frame = {0};
    open_server_recorded();
    a_chunk("garbage", gmq__span_str("\xff"), 0);
    expect_rerror(0, GMQ__RERROR_NO_PARSE_BINARY, "a chunk of the stream does not parse");
    assert_int_equal(gmq__zstd_compress(&frame, gmq__span_str("\x0a\x03\x0a\x01w"), 3), GMQ_OK);
    a_chunk("cut", gmq__span_of(frame.data, frame.len - 1), 5);
    expect_rerror(1, GMQ__RERROR_INVALID_MESSAGE, "message does not decompress");
    gmq__bytes_put(&frame, frame.data, frame.len);
    a_chunk("twice", gmq__bytes_span(&frame), 5);
    expect_rerror(2, GMQ__RERROR_INVALID_MESSAGE, "message does not decompress");
    sim_request(w->server, "packet", "Client", "", 50, plain, 0);
    sim_inject(w->server, "base/grpc/request/packet/t-S/Client", "\xff\xff\xff", 3, 1);
    expect_rerror(3, GMQ__RERROR_NO_PARSE_BINARY, "not a packet");
    assert_int_equal(w->nof_server, 4);
    assert_int_equal(world_stats(w->server).open_calls, 0);
    gmq__bytes_free(&frame);
}

static void a_malformed_packet_of_the_answer(void **state)
{
    (void)state;
    char topic[128];
    world_open(w);
    w->client->on_publish = sim_record;
    recorded.swallow = true;
    assert_int_equal(world_start(w, 1, GMQ_RPC_UNARY, 1, 100, -1, 0, false), GMQ_OK);
    sim_run(&w->sim, 50 * SIM_MS);
    snprintf(topic, sizeof topic, "base/grpc/session/%s",
             sim_record_nth(GMQ__TOPIC_REQUEST, 0)->sid);
    sim_inject(w->client, topic, "\x0a\x05hi", 4, 0);
    assert_true(w->calls[1].finished);
    assert_int_equal(w->calls[1].code, GMQ_CODE_INTERNAL);
    assert_true(sim_record_has_control(GMQ__CONTROL_TERMINATE));
}

static void what_is_no_session_s_leaves_it_unharmed(void **state)
{
    (void)state;
    open_server_recorded();
    sim_request(w->server, "s", "Client", "", 50, plain, 0);
    assert_int_equal(w->nof_server, 1);
    sim_inject(w->server, "base/grpc/request/s/t-S/Client/more", "\xff", 1, 1);
    sim_inject(w->server, "base/grpc/session/s/control", "\xff", 1, -1);
    sim_inject(w->server, "base/other", "x", 1, -1);
    assert_int_equal(world_stats(w->server).ignored, 3);
    assert_int_equal(recorded.n, 0);
    sim_packet(w->server, "s", "Client", gmq__span_str(""), 0, 1,
               1); /* the end of its stream is still taken */
    gmq__engine_read(w->server->engine, w->held[0], 1, w->sim.now);
    sim_settle(&w->sim);
    assert_true(w->calls[1].handler_finished || recorded.n > 0);
}

#define PEER(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        PEER(what_the_reference_takes),
        PEER(slices_may_be_empty_and_in_any_order),
        PEER(malformed_parts_of_a_stream_are_named),
        PEER(a_malformed_packet_of_the_answer),
        PEER(what_is_no_session_s_leaves_it_unharmed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
