/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* frame.c - messages with their length in front. See frame.h. */
#include "net/frame.h"

#include "base/check.h"
#include "base/uvarint.h"

void kw_frames_free(kw_frames *frames)
{
    kw_buf_free(&frames->part);
}

/* Reads the length in front of in. */
static kw_uvarint_result read_length(const kw_frames *frames, kw_bytes in, size_t *prefix,
                                     size_t *len, kw_status *status, kw_error *err)
{
    uint64_t value;
    const kw_uvarint_result result = kw_uvarint_get(in, 5, false, &value, prefix);
    if (result == KW_UVARINT_BAD) {
        *status = kw_fail(err, KW_E_FORMAT, "frame: its length is no number of at most 5 bytes");
    } else if (result == KW_UVARINT_OK && value > frames->max) {
        *status = kw_fail(err, KW_E_LIMIT, "frame: a message of %llu bytes (at most %zu)",
                          (unsigned long long)value, frames->max);
        return KW_UVARINT_BAD;
    }
    *len = (size_t)value;
    return result;
}

/* Adds bytes to the message under way until it is whole; how many were taken. */
static kw_status complete(kw_frames *frames, kw_bytes bytes, size_t *used, bool *whole,
                          size_t *prefix, kw_error *err)
{
    kw_buf *const part = &frames->part;
    size_t len;
    kw_status status = KW_OK;
    *used = 0;
    *whole = false;
    for (;;) {
        switch (read_length(frames, (kw_bytes){(const uint8_t *)part->data, part->len}, prefix,
                            &len, &status, err)) {
        case KW_UVARINT_BAD:
            return status;
        case KW_UVARINT_MORE:
            if (*used == bytes.len)
                return KW_OK;
            kw_buf_add(part, (const char *)bytes.data + (*used)++, 1);
            KW_TRY(kw_buf_status(part, err));
            continue;
        case KW_UVARINT_OK:
            break;
        }
        break;
    }
    const size_t missing = *prefix + len - part->len, now = KW_MIN(missing, bytes.len - *used);
    kw_buf_add(part, (const char *)bytes.data + *used, now);
    *used += now;
    *whole = now == missing;
    return kw_buf_status(part, err);
}

kw_status kw_frames_feed(kw_frames *frames, kw_bytes bytes,
                         bool (*message)(void *user, kw_bytes message), void *user, kw_error *err)
{
    while (bytes.len) {
        size_t prefix, len, used;
        kw_status status = KW_OK;
        kw_bytes whole = {0};
        kw_buf held = {0};
        if (frames->part.len == 0) {
            const kw_uvarint_result result =
                read_length(frames, bytes, &prefix, &len, &status, err);
            if (result == KW_UVARINT_BAD)
                return status;
            if (result == KW_UVARINT_OK && len <= bytes.len - prefix)
                whole = (kw_bytes){bytes.data + prefix, len};
        }
        if (whole.data) {
            used = prefix + len;
        } else {
            bool is_whole;
            KW_TRY(complete(frames, bytes, &used, &is_whole, &prefix, err));
            if (!is_whole)
                return KW_OK;
            held = frames->part; /* the receiver may free the frames */
            frames->part = (kw_buf){0};
            whole = (kw_bytes){(const uint8_t *)held.data + prefix, held.len - prefix};
        }
        bytes = (kw_bytes){bytes.data + used, bytes.len - used};
        const bool more = message(user, whole);
        kw_buf_free(&held);
        if (!more)
            return KW_OK;
    }
    return KW_OK;
}

kw_status kw_frame_write(kw_stream *stream, kw_bytes message, kw_error *err)
{
    uint8_t prefix[KW_UVARINT_MAX];
    const size_t n = kw_uvarint_put(prefix, message.len);
    const size_t room = kw_stream_room(stream);
    if (room < n + message.len) /* both or none */
        return kw_fail(err, KW_E_LIMIT,
                       "stream: a message of %zu bytes does not fit (room for %zu)", message.len,
                       room);
    KW_TRY(kw_stream_write(stream, (kw_bytes){prefix, n}, err));
    return kw_stream_write(stream, message, err);
}
