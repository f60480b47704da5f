/* Whole messages of a call that nobody can read yet, as they came: kept until its kind is known. */
#ifndef GMQ_ENGINE_BACKLOG_H
#define GMQ_ENGINE_BACKLOG_H

#include "base/buf.h"

typedef struct gmq__backlog {
    gmq_buf **rows; /* oldest first; a reference each */
    size_t count, cap;
    size_t bytes; /* of the messages, and what each costs besides */
} gmq__backlog;   /* all zero is empty */

/* What it would hold with `len` bytes more. */
size_t gmq__backlog_with(const gmq__backlog *backlog, size_t len);

/* Keeps `part` of `buf`. false = no memory, backlog unchanged. */
bool gmq__backlog_add(gmq__backlog *backlog, gmq_buf *buf, gmq__span part);
void gmq__backlog_free(gmq__backlog *backlog);

#endif
