#include "codegen/comment.h"

#include <string.h>

typedef Google__Protobuf__SourceCodeInfo__Location location_pb;

enum { SERVICE_OF_FILE = 6, METHOD_OF_SERVICE = 2 }; /* field numbers: how a place is written */

static bool is_place(const location_pb *location, int32_t service, int32_t method)
{
    const int32_t path[] = {SERVICE_OF_FILE, service, METHOD_OF_SERVICE, method};
    size_t len = method < 0 ? 2 : 4;
    return location->n_path == len && memcmp(location->path, path, len * sizeof *path) == 0;
}

static bool is_space(char c) { return c == ' ' || c == '\t' || c == '\r'; }

/* One line without blanks at its ends; what would open or end a comment is taken apart. */
static void put_line(gmq__bytes *out, const char *line, size_t len)
{
    while (len && is_space(line[len - 1]))
        len--;
    for (; len && is_space(*line); len--)
        line++;
    for (size_t i = 0; i < len; i++) {
        if (out->len && ((line[i] == '/' && out->data[out->len - 1] == '*') ||
                         (line[i] == '*' && out->data[out->len - 1] == '/')))
            gmq__bytes_put_u8(out, ' ');
        gmq__bytes_put_u8(out, (uint8_t)line[i] < 0x20 ? ' ' : (uint8_t)line[i]);
    }
}

static const char *fit(gmq__scratch *scratch, const char *comment)
{
    gmq__bytes out = {0};
    for (const char *line = comment; *line;) {
        size_t len = strcspn(line, "\n");
        size_t before = out.len;
        if (out.len)
            gmq__bytes_put_str(&out, "\n * ");
        size_t start = out.len;
        put_line(&out, line, len);
        if (out.len == start)
            out.len = before; /* no empty lines */
        line += len + (line[len] == '\n');
    }
    scratch->failed |= out.failed;
    const char *kept = gmq__scratch_keep(scratch, gmq__bytes_span(&out));
    gmq__bytes_free(&out);
    return kept;
}

const char *gmq__comment_of(gmq__scratch *scratch, const gmq__file_pb *file, int32_t service,
                            int32_t method)
{
    size_t count = file->source_code_info ? file->source_code_info->n_location : 0;
    for (size_t i = 0; i < count; i++) {
        const location_pb *location = file->source_code_info->location[i];
        if (is_place(location, service, method) && location->leading_comments)
            return fit(scratch, location->leading_comments);
    }
    return "";
}
