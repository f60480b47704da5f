#include "wire/zstd.h"

#include <zstd.h>
#include <zstd_errors.h>

#include "base/error.h"

/* A block holds at most 128 KiB and takes at least 4 bytes: what a frame can hold at most is known
 * before any work. */
enum { BLOCK_MAX = 128 * 1024, BLOCK_MIN_BYTES = 4, FIRST_STEP = 64 * 1024 };

gmq_status gmq__zstd_compress(gmq__bytes *out, gmq__span in, int level)
{
    if (level < 1 || level > 22)
        return gmq__fail(GMQ_E_INVALID, "zstd level %d is not within 1 to 22", level);
    if (!in.len)
        return GMQ_OK;
    size_t bound = ZSTD_compressBound(in.len);
    if (ZSTD_isError(bound) || !gmq__bytes_reserve(out, bound))
        return gmq__fail_nomem();
    ZSTD_CCtx *context = ZSTD_createCCtx();
    if (!context)
        return gmq__fail_nomem();
    size_t len = ZSTD_compressCCtx(context, out->data + out->len, bound, in.data, in.len, level);
    ZSTD_freeCCtx(context);
    if (ZSTD_isError(len)) /* the room is enough: only memory can be short */
        return gmq__fail(GMQ_E_NOMEM, "zstd: %s", ZSTD_getErrorName(len));
    out->len += len;
    return GMQ_OK;
}

bool gmq__zstd_is_frame(gmq__span in)
{
    return in.len >= 4 && in.data[0] == 0x28 && in.data[1] == 0xb5 && in.data[2] == 0x2f &&
           in.data[3] == 0xfd;
}

static size_t most_content(gmq__span in)
{
    size_t blocks = in.len / BLOCK_MIN_BYTES;
    return blocks > SIZE_MAX / BLOCK_MAX ? SIZE_MAX : blocks * BLOCK_MAX;
}

static gmq_status too_large(unsigned long long size, size_t limit)
{
    return gmq__fail(GMQ_E_TOO_LARGE, "Received message larger than max (%llu vs. %zu)", size,
                     limit);
}

static gmq_status failed(size_t code)
{
    ZSTD_ErrorCode error = ZSTD_getErrorCode(code);
    return gmq__fail(error == ZSTD_error_memory_allocation ? GMQ_E_NOMEM : GMQ_E_PARSE,
                     "zstd frame: %s", ZSTD_getErrorName(code));
}

/* Straight into `out`, so that no window of the frame's choosing is allocated. */
static size_t try_capacity(ZSTD_DCtx *context, gmq__bytes *out, gmq__span in, size_t capacity)
{
    uint8_t none; /* room 0 needs a pointer all the same */
    void *to = capacity ? out->data + out->len : &none;
    return ZSTD_decompressDCtx(context, to, capacity, in.data, in.len);
}

/* With a known size one step; otherwise the room doubles until it is enough. */
static gmq_status run(ZSTD_DCtx *context, gmq__bytes *out, gmq__span in, size_t capacity,
                      size_t most, size_t limit)
{
    for (;;) {
        if (!gmq__bytes_reserve(out, capacity))
            return gmq__fail_nomem();
        size_t len = try_capacity(context, out, in, capacity);
        if (!ZSTD_isError(len)) {
            out->len += len;
            return GMQ_OK;
        }
        if (ZSTD_getErrorCode(len) != ZSTD_error_dstSize_tooSmall || capacity >= most)
            return failed(len);
        if (capacity >= limit)
            return too_large(limit + 1ULL, limit); /* at least */
        capacity = capacity > limit / 2 ? limit : capacity * 2;
        capacity = capacity > most ? most : capacity;
    }
}

static gmq_status check_frame(gmq__span in)
{
    if (!gmq__zstd_is_frame(in))
        return gmq__fail(GMQ_E_PARSE, "zstd: %zu bytes are no frame", in.len);
    size_t len = ZSTD_findFrameCompressedSize(in.data, in.len);
    if (ZSTD_isError(len))
        return gmq__fail(GMQ_E_PARSE, "zstd frame: %s", ZSTD_getErrorName(len));
    if (len != in.len)
        return gmq__fail(GMQ_E_PARSE, "zstd: %zu bytes after the frame", in.len - len);
    return GMQ_OK;
}

gmq_status gmq__zstd_decompress(gmq__bytes *out, gmq__span in, size_t limit)
{
    if (!in.len)
        return GMQ_OK;
    gmq_status status = check_frame(in);
    if (status != GMQ_OK)
        return status;
    size_t most = most_content(in);
    unsigned long long size = ZSTD_getFrameContentSize(in.data, in.len);
    bool known = size != ZSTD_CONTENTSIZE_UNKNOWN;
    if (known && size > limit) /* ZSTD_CONTENTSIZE_ERROR cannot be: the frame was just walked */
        return too_large(size, limit);
    if (known && size > most)
        return gmq__fail(GMQ_E_PARSE,
                         "zstd frame of %zu bytes cannot hold the %llu that it announces", in.len,
                         size);
    size_t first = limit < FIRST_STEP ? limit : FIRST_STEP;
    ZSTD_DCtx *context = ZSTD_createDCtx();
    if (!context)
        return gmq__fail_nomem();
    status = known ? run(context, out, in, (size_t)size, (size_t)size, limit)
                   : run(context, out, in, first < most ? first : most, most, limit);
    ZSTD_freeDCtx(context);
    return status;
}
