/* Server side of the session dialect: the messages of an answer, in the reference's order and
 * bytes. */
#ifndef GMQ_ENGINE_SESSION_REPLY_H
#define GMQ_ENGINE_SESSION_REPLY_H

#include "engine/session.h"

/* Streams: queues initial metadata if none was. false = no memory, nothing changed. */
bool gmq__session_reply_initial(gmq__session *s, const gmq_metadata *md);

/* Queues all that is missing up to the status, in the form of the call's kind. false = no memory;
 * nothing was queued but perhaps a waiting batch. */
bool gmq__session_reply_status(gmq__engine *engine, gmq__session *s, int32_t code,
                               gmq__span details, const gmq_metadata *trailing);
bool gmq__session_reply_error(gmq__engine *engine, gmq__session *s, const gmq__remote_error *error);

/* What had not begun to leave was dropped: which parts of the answer are therefore missing again.
 */
void gmq__session_reply_dropped(gmq__session *s);

#endif
