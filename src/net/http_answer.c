/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* http_answer.c - one machine of six phases; lines are gathered, the body passes through. */
#include "net/http_answer.h"

#include "base/check.h"

#define LINE_MAX_BYTES 256 /* of the size of a chunk with its extensions */

enum { HEAD, BODY, CHUNK_SIZE, CHUNK_END, TRAILERS, WHOLE };

kw_http_answer kw_http_answer_of(bool head_only)
{
    return (kw_http_answer){.phase = HEAD, .head_only = head_only};
}

void kw_http_answer_free(kw_http_answer *a)
{
    kw_buf_free(&a->text);
}

bool kw_http_answer_whole(const kw_http_answer *a)
{
    return a->phase == WHOLE;
}

kw_status kw_http_answer_end(kw_http_answer *a, kw_error *err)
{
    if (a->phase == BODY && a->to_end)
        a->phase = WHOLE;
    return a->phase == WHOLE ? KW_OK : kw_fail(err, KW_E_IO, "http: the answer broke off");
}

/* Moves bytes up to and with the next LF into a->text; false: no whole line is there yet. */
static bool take_line(kw_http_answer *a, kw_bytes *in)
{
    const uint8_t *const end = in->len > 0 ? memchr(in->data, '\n', in->len) : NULL;
    const size_t n = end ? (size_t)(end - in->data) + 1 : in->len;
    kw_buf_add(&a->text, (const char *)in->data, n);
    in->data += n;
    in->len -= n;
    return end != NULL;
}

/* ---- the head ---- */

static kw_status read_status(const kw_http_head *head, unsigned *out, kw_error *err)
{
    const kw_str text = head->line[1];
    bool good = text.len == 3 && kw_str_starts(head->line[0], KW_STR("HTTP/1."));
    *out = 0;
    for (size_t i = 0; i < text.len && good; i++) {
        good = text.data[i] >= '0' && text.data[i] <= '9';
        *out = *out * 10 + (unsigned)(text.data[i] - '0');
    }
    if (!good || *out < 100 || *out > 599)
        return kw_fail(err, KW_E_FORMAT, "http: \"%.*s\" is no answer", KW_FMT(text));
    return KW_OK;
}

static kw_status read_length(kw_str text, uint64_t *out, kw_error *err)
{
    *out = 0;
    for (size_t i = 0; i < text.len; i++) {
        const unsigned digit = (unsigned)(text.data[i] - '0');
        if (digit > 9 || *out > (UINT64_MAX - 9) / 10)
            return kw_fail(err, KW_E_FORMAT, "http: Content-Length \"%.*s\"", KW_FMT(text));
        *out = *out * 10 + digit;
    }
    return KW_OK;
}

/* How the body is framed. RFC 9112, 6.3. */
static kw_status frame(kw_http_answer *a, unsigned status, const kw_http_head *head, kw_error *err)
{
    const kw_str coding = kw_http_head_field(head, "transfer-encoding");
    const kw_str length = kw_http_head_field(head, "content-length");
    a->phase = BODY;
    if (coding.len > 0 && length.len > 0)
        return kw_fail(err, KW_E_FORMAT, "http: a length and chunks");
    if (coding.len > 0 && !kw_str_is(coding, "chunked"))
        return kw_fail(err, KW_E_FORMAT, "http: Transfer-Encoding \"%.*s\"", KW_FMT(coding));
    if (length.len > 0)
        KW_TRY(read_length(length, &a->left, err));
    if (a->head_only || status == 204 || status == 304 || (length.len > 0 && a->left == 0))
        a->phase = WHOLE;
    else if (coding.len > 0)
        a->phase = CHUNK_SIZE;
    else
        a->to_end = length.len == 0;
    return KW_OK;
}

static bool ends_head(const kw_buf *text)
{
    return text->len >= 4 && memcmp(text->data + text->len - 4, "\r\n\r\n", 4) == 0;
}

static kw_status take_head(kw_http_answer *a, kw_bytes *in, const kw_http_answer_events *events,
                           void *user, kw_error *err)
{
    kw_http_head head;
    unsigned status;
    const bool line = take_line(a, in);
    KW_TRY(kw_buf_status(&a->text, err));
    if (a->text.len > KW_HTTP_HEAD_MAX)
        return kw_fail(err, KW_E_LIMIT, "http: a head of more than %d bytes", KW_HTTP_HEAD_MAX);
    if (!line || !ends_head(&a->text))
        return KW_OK;
    KW_TRY(kw_http_head_get((kw_str){a->text.data, a->text.len}, &head, err));
    KW_TRY(read_status(&head, &status, err));
    if (status >= 200) { /* others come before the answer proper */
        KW_TRY(frame(a, status, &head, err));
        if (!events->head(user, status, &head))
            return KW_E_CANCELLED;
    }
    a->text.len = 0;
    return KW_OK;
}

/* ---- the body ---- */

static kw_status take_body(kw_http_answer *a, kw_bytes *in, const kw_http_answer_events *events,
                           void *user)
{
    const size_t n = a->to_end ? in->len : (size_t)KW_MIN(a->left, (uint64_t)in->len);
    const kw_bytes piece = {in->data, n};
    in->data += n;
    in->len -= n;
    if (!a->to_end) {
        a->left -= n;
        if (a->left == 0)
            a->phase = a->chunked ? CHUNK_END : WHOLE;
    }
    return events->body(user, piece) ? KW_OK : KW_E_CANCELLED;
}

static int hex_digit(char c)
{
    const char l = (char)(c | 0x20);
    return c >= '0' && c <= '9' ? c - '0' : l >= 'a' && l <= 'f' ? l - 'a' + 10 : -1;
}

/* "1a2b" or "1a2b;extension", with its CRLF. */
static kw_status take_chunk_size(kw_http_answer *a, kw_bytes *in, kw_error *err)
{
    size_t i = 0;
    const bool line = take_line(a, in);
    KW_TRY(kw_buf_status(&a->text, err));
    if (a->text.len > LINE_MAX_BYTES)
        return kw_fail(err, KW_E_LIMIT, "http: the line of a chunk is longer than %d bytes",
                       LINE_MAX_BYTES);
    if (!line)
        return KW_OK;
    a->left = 0;
    for (; i < a->text.len && i < 15 && hex_digit(a->text.data[i]) >= 0; i++)
        a->left = a->left << 4 | (uint64_t)hex_digit(a->text.data[i]);
    const char *const rest = a->text.data + i;
    if (i == 0 || a->text.len < i + 2 || a->text.data[a->text.len - 2] != '\r' ||
        (*rest != '\r' && *rest != ';'))
        return kw_fail(err, KW_E_FORMAT, "http: a chunk without a size");
    a->text.len = 0;
    a->chunked = true;
    a->phase = a->left > 0 ? BODY : TRAILERS;
    return KW_OK;
}

static kw_status take_chunk_end(kw_http_answer *a, kw_bytes *in, kw_error *err)
{
    const bool line = take_line(a, in);
    KW_TRY(kw_buf_status(&a->text, err));
    if (a->text.len > 2 || (line && (a->text.len != 2 || a->text.data[0] != '\r')))
        return kw_fail(err, KW_E_FORMAT, "http: a chunk is longer than it says");
    if (!line)
        return KW_OK;
    a->text.len = 0;
    a->phase = CHUNK_SIZE;
    return KW_OK;
}

/* Fields behind the last chunk are passed over. */
static kw_status take_trailers(kw_http_answer *a, kw_bytes *in, kw_error *err)
{
    const bool line = take_line(a, in);
    KW_TRY(kw_buf_status(&a->text, err));
    if (a->n_trail + a->text.len > KW_HTTP_HEAD_MAX)
        return kw_fail(err, KW_E_LIMIT, "http: more than %d bytes of trailers", KW_HTTP_HEAD_MAX);
    if (!line)
        return KW_OK;
    if (a->text.len == 2 && a->text.data[0] == '\r')
        a->phase = WHOLE;
    a->n_trail += a->text.len;
    a->text.len = 0;
    return KW_OK;
}

kw_status kw_http_answer_take(kw_http_answer *a, kw_bytes bytes,
                              const kw_http_answer_events *events, void *user, kw_error *err)
{
    while (bytes.len > 0) {
        switch (a->phase) {
        case HEAD:
            KW_TRY(take_head(a, &bytes, events, user, err));
            break;
        case BODY:
            KW_TRY(take_body(a, &bytes, events, user));
            break;
        case CHUNK_SIZE:
            KW_TRY(take_chunk_size(a, &bytes, err));
            break;
        case CHUNK_END:
            KW_TRY(take_chunk_end(a, &bytes, err));
            break;
        case TRAILERS:
            KW_TRY(take_trailers(a, &bytes, err));
            break;
        default:
            return kw_fail(err, KW_E_FORMAT, "http: bytes behind the answer");
        }
    }
    return KW_OK;
}
