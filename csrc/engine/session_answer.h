/* Client side of the session dialect: reading the remote's answer. */
#ifndef GMQ_ENGINE_SESSION_ANSWER_H
#define GMQ_ENGINE_SESSION_ANSWER_H

#include "engine/session.h"

gmq__session_consume gmq__session_answer;

/* Of session_client.c. let_go: gives the topic back, drops what is half received or unsent. fail:
 * the call ends at once, here, and the remote is told. */
void gmq__session_client_rearm(gmq__engine *engine, gmq__session *s);
void gmq__session_client_let_go(gmq__engine *engine, gmq__session *s, int64_t now);
void gmq__session_client_fail(gmq__engine *engine, gmq__session *s, int32_t code, gmq__span text,
                              int64_t now);

#endif
