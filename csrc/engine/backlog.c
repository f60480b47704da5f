#include "engine/backlog.h"

#include <string.h>

#include "base/mem.h"

#define ROW_COST 64 /* as a message in a call's inbox */

size_t gmq__backlog_with(const gmq__backlog *backlog, size_t len)
{
    return backlog->bytes + len + ROW_COST;
}

static bool more_rows(gmq__backlog *backlog)
{
    size_t cap = backlog->cap ? backlog->cap * 2 : 4;
    gmq_buf **rows = gmq__realloc(backlog->rows, cap * sizeof *rows);
    if (!rows)
        return false;
    backlog->rows = rows;
    backlog->cap = cap;
    return true;
}

bool gmq__backlog_add(gmq__backlog *backlog, gmq_buf *buf, gmq__span part)
{
    if (backlog->count == backlog->cap && !more_rows(backlog))
        return false;
    size_t offset = part.len ? (size_t)(part.data - (const uint8_t *)gmq_buf_data(buf)) : 0;
    gmq_buf *row = gmq__buf_slice(buf, offset, part.len);
    if (!row)
        return false;
    backlog->bytes = gmq__backlog_with(backlog, part.len);
    backlog->rows[backlog->count++] = row;
    return true;
}

void gmq__backlog_free(gmq__backlog *backlog)
{
    while (backlog->count)
        gmq_buf_unref(backlog->rows[--backlog->count]);
    gmq__free(backlog->rows);
    memset(backlog, 0, sizeof *backlog);
}
