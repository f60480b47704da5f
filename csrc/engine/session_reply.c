#include "engine/session_reply.h"

static bool streams(const gmq__session *s) { return gmq__rpc_server_streams(s->call.kind); }

bool gmq__session_reply_initial(gmq__session *s, const gmq_metadata *md)
{
    if (s->initial_done)
        return true;
    gmq__bytes wire = {0};
    gmq__metadata_encode(&wire, 1, md);
    s->initial_done = gmq__outbox_push(&s->outbox, &wire, 0);
    return s->initial_done;
}

void gmq__session_reply_dropped(gmq__session *s)
{
    /* a message that has begun to leave may be the initial metadata itself; with next_i 0 and
     * nothing begun, nothing of the answer is out */
    if (!s->next_i && !s->outbox.len)
        s->initial_done = false;
}

/* Batch, end of stream, then `final`, which is taken over. */
static bool queue_final(gmq__engine *engine, gmq__session *s, gmq__bytes *final, size_t user)
{
    gmq__bytes end = {0};
    int level = s->options.server_level;
    bool ok = gmq__session_squeeze(final, level) && gmq__outbox_reserve(&s->outbox, 4);
    if (ok && streams(s))
        ok = gmq__session_reply_initial(s, NULL) && gmq__session_flush(engine, s, level);
    if (!ok) {
        gmq__bytes_free(final);
        return false;
    }
    if (streams(s))
        gmq__outbox_push(&s->outbox, &end, 0); /* both have their places */
    gmq__outbox_push(&s->outbox, final, user);
    return true;
}

bool gmq__session_reply_error(gmq__engine *engine, gmq__session *s, const gmq__remote_error *error)
{
    gmq__bytes wire = {0};
    gmq__response_encode_error(&wire, error);
    return queue_final(engine, s, &wire, 0);
}

static bool reply_unary_error(gmq__engine *engine, gmq__session *s, int32_t code, gmq__span details,
                              const gmq_metadata *trailing)
{
    gmq__bytes maps[2] = {{0}, {0}};
    if (s->error_metadata) {
        gmq__metadata_encode(&maps[0], 1, s->initial);
        gmq__metadata_encode(&maps[1], 1, trailing);
    }
    gmq__remote_error error = {.type = GMQ__RERROR_BAD_STATUS_CODE,
                               .message = details,
                               .has_status = true,
                               .status = code,
                               .initial = gmq__bytes_span(&maps[0]),
                               .trailing = gmq__bytes_span(&maps[1])};
    bool ok = !maps[0].failed && !maps[1].failed && gmq__session_reply_error(engine, s, &error);
    gmq__bytes_free(&maps[0]);
    gmq__bytes_free(&maps[1]);
    return ok;
}

bool gmq__session_reply_status(gmq__engine *engine, gmq__session *s, int32_t code,
                               gmq__span details, const gmq_metadata *trailing)
{
    if (s->call.kind == GMQ_RPC_UNARY && code != GMQ_CODE_OK)
        return reply_unary_error(engine, s, code, details, trailing);
    gmq__response response = {.code = code, .details = details};
    response.initial = s->initial;
    response.trailing = (gmq_metadata *)(uintptr_t)trailing; /* read only */
    size_t user = 0;
    if (s->body && code == GMQ_CODE_OK) {
        response.has_body = true;
        response.body = gmq__buf_span(s->body);
        user = response.body.len;
    }
    gmq__bytes wire = {0};
    gmq__response_encode(&wire, &response,
                         streams(s) ? GMQ__RESPONSE_OF_STREAM : GMQ__RESPONSE_WITH_BODY);
    return queue_final(engine, s, &wire, user);
}
