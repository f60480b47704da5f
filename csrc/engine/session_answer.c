#include "engine/session_answer.h"

#include <stdio.h>

#include "base/mem.h"
#include "wire/pb.h"
#include "wire/zstd.h"

static void fail(gmq__engine *engine, gmq__session *s, gmq__fault fault, int64_t now)
{
    gmq__session_client_fail(engine, s, fault.code, gmq__span_str(fault.text), now);
}

static void fail_str(gmq__engine *engine, gmq__session *s, int32_t code, const char *text,
                     int64_t now)
{
    gmq__fault fault = {.code = code, .text = text};
    fail(engine, s, fault, now);
}

static void fail_parse(gmq__engine *engine, gmq__session *s, gmq_status status, int64_t now)
{
    if (status == GMQ_E_PARSE)
        fail_str(engine, s, GMQ_CODE_INTERNAL, "the answer does not parse", now);
    else
        fail_str(engine, s, GMQ_CODE_RESOURCE_EXHAUSTED,
                 status == GMQ_E_TOO_LARGE ? "the answer's metadata is above the limit"
                                           : "out of memory",
                 now);
}

/* The status came from the remote: the session is over, FINISHED follows what is unread. */
static void answered(gmq__engine *engine, gmq__session *s, int32_t code, gmq__span details,
                     gmq_metadata *trailing, int64_t now)
{
    gmq__session_client_let_go(engine, s, now);
    gmq__node_unlink(&s->call.run);
    s->phase = GMQ__SESSION_ANSWERED;
    if (trailing)
        gmq__metadata_sanitize(trailing);
    gmq__call_end(engine, &s->call, code, details, trailing);
    if (s->call.state == GMQ__CALL_OVER)
        gmq__session_gone(engine, s);
    else
        gmq__session_client_rearm(engine, s);
}

/* Metadata that comes with an error; trailing metadata into `*trailing`, NULL for none. */
static gmq_status take_error_metadata(gmq__engine *engine, gmq__session *s,
                                      const gmq__remote_error *error, gmq_metadata **trailing)
{
    gmq_metadata *initial = NULL;
    size_t limit = engine->config.metadata_limit;
    gmq_status status = GMQ_OK;
    if (error->initial.len && !s->initial_done)
        status = gmq__metadata_decode(error->initial, limit, &initial);
    if (initial) {
        gmq__metadata_sanitize(initial);
        status = gmq__call_initial(engine, &s->call, initial) ? GMQ_OK : GMQ_E_NOMEM;
    }
    return status == GMQ_OK && error->trailing.len
               ? gmq__metadata_decode(error->trailing, limit, trailing)
               : status;
}

static void answered_error(gmq__engine *engine, gmq__session *s, const gmq__remote_error *error,
                           int64_t now)
{
    gmq_metadata *trailing = NULL;
    gmq_status status = take_error_metadata(engine, s, error, &trailing);
    if (status != GMQ_OK) {
        fail_parse(engine, s, status, now);
        return;
    }
    gmq__bytes details = {0};
    int32_t code = gmq__remote_error_status(error, &details);
    answered(engine, s, code, gmq__bytes_span(&details), trailing, now);
    gmq__bytes_free(&details);
}

static bool take_response_initial(gmq__engine *engine, gmq__session *s, gmq__response *response)
{
    gmq_metadata *initial = response->initial;
    if (!initial || !gmq_metadata_count(initial))
        return true;
    response->initial = NULL;
    gmq__metadata_sanitize(initial);
    return gmq__call_initial(engine, &s->call, initial);
}

/* Initial metadata, and what a good response has, the body: of a unary kind. */
static bool take_unary(gmq__engine *engine, gmq__session *s, gmq_buf *buf, gmq__response *response,
                       gmq__fault *fault)
{
    gmq__fault nomem = {.code = GMQ_CODE_RESOURCE_EXHAUSTED, .text = "out of memory"};
    *fault = nomem;
    if (!take_response_initial(engine, s, response))
        return false;
    if (response->code != GMQ_CODE_OK)
        return true;
    gmq_buf *holder;
    gmq__span body;
    if (!gmq__session_unpack(s->options.server_level, engine->config.receive_limit, buf,
                             response->body, &holder, &body, fault))
        return false;
    size_t offset = body.len ? (size_t)(body.data - (const uint8_t *)gmq_buf_data(holder)) : 0;
    gmq_buf *message = gmq__buf_slice(holder, offset, body.len);
    gmq_buf_unref(holder);
    *fault = nomem;
    return message && gmq__call_message(engine, &s->call, message);
}

static void response_decoded(gmq__engine *engine, gmq__session *s, gmq_buf *buf,
                             gmq__response *response, int64_t now)
{
    gmq__fault fault;
    bool unary = !gmq__rpc_server_streams(s->call.kind);
    if (response->is_error) {
        answered_error(engine, s, &response->error, now);
    } else if (response->empty) {
        fail_str(engine, s, GMQ_CODE_INTERNAL, "the answer is empty", now);
    } else if (response->code < 0 || response->code > GMQ_CODE_UNAUTHENTICATED) {
        char text[64];
        snprintf(text, sizeof text, "the answer has the invalid status code %d",
                 (int)response->code);
        fail_str(engine, s, GMQ_CODE_UNKNOWN, text, now);
    } else if (unary && response->code == GMQ_CODE_OK && !response->has_body) {
        fail_str(engine, s, GMQ_CODE_INTERNAL, "the answer has no body", now);
    } else if (unary && !take_unary(engine, s, buf, response, &fault)) {
        fail(engine, s, fault, now);
    } else {
        gmq_metadata *trailing = response->trailing;
        response->trailing = NULL;
        answered(engine, s, response->code, response->details, trailing, now);
    }
}

static void take_response(gmq__engine *engine, gmq__session *s, gmq_buf *buf, gmq__span wire,
                          int64_t now)
{
    gmq__response response = {0};
    gmq_status status = gmq__response_decode(wire, engine->config.metadata_limit, &response);
    if (status == GMQ_OK)
        response_decoded(engine, s, buf, &response, now);
    else
        fail_parse(engine, s, status, now);
    gmq__response_clear(&response);
}

/* A stream that fails before it began: the reference's remote sends a WrappedResponse where
 * metadata is due. Its error is field 2, which a MetadataMap has not; its response has no key where
 * an entry of metadata would have one. */
static bool is_response_for_metadata(gmq__span wire)
{
    gmq__pb_field field, inner;
    if (gmq__pb_next(&wire, &field) != 1)
        return false;
    if (field.number == 2 && field.type == GMQ__PB_BYTES)
        return true;
    if (field.number != 1 || field.type != GMQ__PB_BYTES)
        return false;
    return gmq__pb_next(&field.bytes, &inner) == 1 && inner.number > 2;
}

static void take_initial(gmq__engine *engine, gmq__session *s, gmq_buf *buf, gmq__span wire,
                         int64_t now)
{
    if (is_response_for_metadata(wire)) {
        take_response(engine, s, buf, wire, now);
        return;
    }
    gmq_metadata *md = NULL;
    gmq_status status = gmq__metadata_decode(wire, engine->config.metadata_limit, &md);
    if (status != GMQ_OK) {
        fail_parse(engine, s, status, now);
        return;
    }
    gmq__metadata_sanitize(md);
    s->initial_done = true;
    if (!gmq__call_initial(engine, &s->call, md))
        fail_str(engine, s, GMQ_CODE_RESOURCE_EXHAUSTED, "out of memory", now);
}

/* The final response without the stream's end before it: looks like elements of which none is
 * field 1. */
static bool is_response_for_chunk(gmq__span elems)
{
    gmq__pb_field field;
    return gmq__pb_next(&elems, &field) == 1 && field.number != 1;
}

static void take_chunk(gmq__engine *engine, gmq__session *s, gmq_buf *buf, gmq__span wire,
                       int64_t now)
{
    gmq__chunk chunk;
    gmq__fault fault;
    gmq_status status = gmq__chunk_decode(wire, &chunk);
    if (status != GMQ_OK)
        fail_parse(engine, s, status, now);
    else if (chunk.kind == GMQ__CHUNK_ERROR)
        answered_error(engine, s, &chunk.error, now);
    else if (chunk.kind == GMQ__CHUNK_END)
        s->end_done = true;
    else if (is_response_for_chunk(chunk.elems))
        take_response(engine, s, buf, wire, now);
    else if (!gmq__session_elements(engine, s, s->options.server_level, buf, &chunk, &fault))
        fail(engine, s, fault, now);
}

void gmq__session_answer(gmq__engine *engine, gmq__session *s, gmq_buf *buf, gmq__span wire,
                         int64_t now)
{
    bool stream = gmq__rpc_server_streams(s->call.kind);
    gmq_buf *holder;
    gmq__span plain;
    gmq__fault fault;
    bool frame = gmq__zstd_is_frame(wire);
    if (!gmq__session_unpack(s->options.server_level, gmq__session_wire_limit(engine), buf, wire,
                             &holder, &plain, &fault)) {
        fail(engine, s, fault, now);
        return;
    }
    if (!stream || s->end_done || (!s->initial_done && frame && s->options.server_level > 0))
        take_response(engine, s, holder, plain, now); /* metadata is never compressed */
    else if (!s->initial_done)
        take_initial(engine, s, holder, plain, now);
    else
        take_chunk(engine, s, holder, plain, now);
    gmq_buf_unref(holder);
}
