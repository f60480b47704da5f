#include "methods/descriptor_file.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "methods/descriptor_unpack.h"

static gmq_status read_stream(gmq__bytes *out, FILE *stream, const char *file)
{
    size_t got;
    do {
        uint8_t block[16384];
        got = fread(block, 1, sizeof block, stream);
        gmq__bytes_put(out, block, got);
    } while (got && !out->failed && out->len <= GMQ__DESCRIPTOR_SET_MAX);
    if (out->failed)
        return gmq__fail_nomem();
    if (ferror(stream))
        return gmq__fail(GMQ_E_IO, "cannot read descriptor set \"%s\": %s", file, strerror(errno));
    return GMQ_OK;
}

gmq_status gmq__descriptor_file_read(gmq__bytes *out, const char *file)
{
    FILE *stream = fopen(file, "rb");
    if (!stream)
        return gmq__fail(GMQ_E_IO, "cannot open descriptor set \"%s\": %s", file, strerror(errno));
    gmq_status status = read_stream(out, stream, file);
    fclose(stream);
    return status;
}

gmq_status gmq__descriptor_file_fail(gmq_status status, const char *file)
{
    if (status != GMQ_E_PARSE && status != GMQ_E_TOO_LARGE && status != GMQ_E_UNSUPPORTED)
        return status;
    char text[512];
    snprintf(text, sizeof text, "%s", gmq_error_text());
    return gmq__fail(status, "descriptor set \"%s\": %s", file, text);
}
