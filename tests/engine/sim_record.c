#include "engine/sim_record.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmocka_all.h"
#include "wire/packet.h"
#include "wire/request.h"

recorder recorded;

bool sim_record(sim_peer *peer, const gmq__mqtt_message *message)
{
    gmq__packet packet;
    gmq__topic_parts parts = gmq__topic_parse(gmq__span_str("base"), message->topic);
    assert_true(recorded.n < RECORDS);
    record *r = &recorded.records[recorded.n++];
    memset(r, 0, sizeof *r);
    r->kind = parts.kind;
    r->at = peer->sim->now;
    r->i = message->nproperties ? atoll((const char *)message->properties[0].value.data) : -1;
    snprintf(r->sid, sizeof r->sid, "%.*s", (int)parts.sid.len, (const char *)parts.sid.data);
    gmq__bytes_put(&r->payload, message->payload.data, message->payload.len);
    if (parts.kind != GMQ__TOPIC_CONTROL) {
        assert_int_equal(gmq__packet_decode(message->payload, &packet), GMQ_OK);
        gmq__bytes_put(&r->message, packet.payload.data, packet.payload.len);
        r->position = packet.position;
        r->npackets = packet.npackets;
    }
    return !recorded.swallow;
}

void sim_record_clear(void)
{
    for (size_t at = 0; at < recorded.n; at++) {
        gmq__bytes_free(&recorded.records[at].payload);
        gmq__bytes_free(&recorded.records[at].message);
    }
    memset(&recorded, 0, sizeof recorded);
}

size_t sim_record_count(gmq__topic_kind kind)
{
    size_t n = 0;
    for (size_t at = 0; at < recorded.n; at++)
        n += recorded.records[at].kind == kind;
    return n;
}

const record *sim_record_nth(gmq__topic_kind kind, size_t nth)
{
    for (size_t at = 0; at < recorded.n; at++)
        if (recorded.records[at].kind == kind && nth-- == 0)
            return &recorded.records[at];
    fail_msg("no such publish was recorded");
    return NULL;
}

bool sim_record_has_control(int control)
{
    int32_t number;
    for (size_t at = 0; at < recorded.n; at++)
        if (recorded.records[at].kind == GMQ__TOPIC_CONTROL &&
            gmq__control_decode(gmq__bytes_span(&recorded.records[at].payload), &number) ==
                GMQ_OK &&
            number == control)
            return true;
    return false;
}

void sim_packet(sim_peer *server, const char *sid, const char *method, gmq__span payload,
                uint32_t position, uint32_t npackets, int64_t i)
{
    gmq__bytes out = {0};
    char topic[160];
    snprintf(topic, sizeof topic, "base/grpc/request/%s/t-S/%s", sid, method);
    gmq__packet_encode(&out, payload, position, npackets);
    sim_inject(server, topic, out.data, out.len, i);
    gmq__bytes_free(&out);
}

void sim_request(sim_peer *server, const char *sid, const char *method, const char *message,
                 int64_t timeout_s, gmq__rpc_options options, int64_t i)
{
    gmq__bytes out = {0};
    gmq_metadata *md = NULL;
    assert_int_equal(gmq_metadata_new(&md), GMQ_OK);
    assert_int_equal(gmq_metadata_add(md, "x-id", "1", 1), GMQ_OK);
    gmq__request request = {
        .message = gmq__span_str(message), .options = options, .timeout_s = timeout_s};
    request.metadata = md;
    gmq__request_encode(&out, &request);
    sim_packet(server, sid, method, gmq__bytes_span(&out), 0, 1, i);
    gmq_metadata_free(md);
    gmq__bytes_free(&out);
}

void sim_control(sim_peer *server, const char *sid, int control)
{
    gmq__bytes out = {0};
    char topic[160];
    snprintf(topic, sizeof topic, "base/grpc/session/%s/control", sid);
    gmq__control_encode(&out, (gmq__control)control);
    sim_inject(server, topic, out.data, out.len, -1);
    gmq__bytes_free(&out);
}

int32_t sim_status(const record *r)
{
    gmq__response response = {0};
    gmq__bytes details = {0};
    int32_t code = -1;
    if (gmq__response_decode(gmq__bytes_span(&r->message), 8192, &response) == GMQ_OK &&
        !response.empty)
        code =
            response.is_error ? gmq__remote_error_status(&response.error, &details) : response.code;
    gmq__response_clear(&response);
    gmq__bytes_free(&details);
    return code;
}
