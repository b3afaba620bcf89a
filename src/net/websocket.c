/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* websocket.c - frames in and out. Source: RFC 6455, sections 4 and 5. */
#include "net/websocket.h"

#include "base/check.h"
#include "net/http.h"
#include "net/sha1.h"

enum { CONTINUATION = 0, BINARY = 2, CLOSE = 8, PING = 9, PONG = 10 };
enum { FIN = 0x80, MASKED = 0x80 };

static size_t header_size(const kw_ws *ws)
{
    if (ws->n_header < 2)
        return 2;
    const uint8_t length = ws->header[1] & 0x7f;
    const size_t extended = length == 126 ? 2 : length == 127 ? 8 : 0;
    return 2 + extended + (ws->header[1] & MASKED ? 4 : 0);
}

/* What a frame may be here, once its header is whole. */
static kw_status check_header(kw_ws *ws, kw_error *err)
{
    const uint8_t *h = ws->header;
    const bool control = h[0] & 0x08, fin = h[0] & FIN;
    ws->opcode = h[0] & 0x0f;
    if (h[0] & 0x70)
        return kw_fail(err, KW_E_FORMAT, "websocket: reserved bits 0x%02x", h[0] & 0x70u);
    if (((h[1] & MASKED) == 0) != ws->client)
        return kw_fail(err, KW_E_FORMAT, "websocket: a %s frame from a %s",
                       ws->client ? "masked" : "bare", ws->client ? "server" : "client");
    if (control && (!fin || ws->left > KW_WS_CONTROL_MAX))
        return kw_fail(err, KW_E_FORMAT, "websocket: control frame in pieces, or of %llu bytes",
                       (unsigned long long)ws->left);
    if (ws->left > KW_WS_FRAME_MAX)
        return kw_fail(err, KW_E_LIMIT, "websocket: frame of %llu bytes, above %llu",
                       (unsigned long long)ws->left, (unsigned long long)KW_WS_FRAME_MAX);
    const bool begins = ws->opcode == BINARY && !ws->fragmented;
    const bool goes_on = ws->opcode == CONTINUATION && ws->fragmented;
    if (!control && !begins && !goes_on)
        return kw_fail(err, KW_E_FORMAT, "websocket: opcode %u here", ws->opcode);
    if (control && ws->opcode > PONG)
        return kw_fail(err, KW_E_FORMAT, "websocket: opcode %u", ws->opcode);
    if (!control)
        ws->fragmented = !fin;
    return KW_OK;
}

static kw_status read_header(kw_ws *ws, kw_error *err)
{
    const uint8_t *h = ws->header;
    const uint8_t length = h[1] & 0x7f;
    const size_t extended = length == 126 ? 2 : length == 127 ? 8 : 0;
    ws->left = extended ? 0 : length;
    for (size_t i = 0; i < extended; i++)
        ws->left = ws->left << 8 | h[2 + i];
    if (h[1] & MASKED)
        memcpy(ws->mask, h + 2 + extended, sizeof ws->mask);
    ws->mask_at = 0;
    ws->n_control = 0;
    ws->in_payload = true;
    return check_header(ws, err);
}

static void control_frame(const kw_ws *ws, uint8_t opcode, const kw_ws_events *events, void *user)
{
    uint8_t frame[6 + KW_WS_CONTROL_MAX];
    size_t n = 2;
    frame[0] = (uint8_t)(FIN | opcode);
    frame[1] = ws->n_control;
    if (ws->client) { /* a mask of zeros is one; what it hides is the peer's own words */
        frame[1] |= MASKED;
        memset(frame + 2, 0, 4);
        n += 4;
    }
    memcpy(frame + n, ws->control, ws->n_control);
    events->send(user, (kw_bytes){frame, n + ws->n_control});
}

static void end_frame(kw_ws *ws, const kw_ws_events *events, void *user)
{
    ws->in_payload = false;
    ws->n_header = 0;
    if (ws->opcode == PING)
        control_frame(ws, PONG, events, user);
    if (ws->opcode == CLOSE) {
        ws->closed = true;
        control_frame(ws, CLOSE, events, user);
    }
}

static void unmask(kw_ws *ws, uint8_t *bytes, size_t n)
{
    size_t i = 0;
    for (; i < n && ws->mask_at != 0; i++, ws->mask_at = (ws->mask_at + 1) & 3)
        bytes[i] ^= ws->mask[ws->mask_at];
    uint64_t eight;
    uint8_t twice[8];
    memcpy(twice, ws->mask, 4);
    memcpy(twice + 4, ws->mask, 4);
    uint64_t mask;
    memcpy(&mask, twice, sizeof mask);
    for (; n - i >= 8; i += 8) {
        memcpy(&eight, bytes + i, sizeof eight);
        eight ^= mask;
        memcpy(bytes + i, &eight, sizeof eight);
    }
    for (; i < n; i++, ws->mask_at = (ws->mask_at + 1) & 3)
        bytes[i] ^= ws->mask[ws->mask_at];
}

static void payload(kw_ws *ws, uint8_t *bytes, size_t n, const kw_ws_events *events, void *user)
{
    if (!ws->client)
        unmask(ws, bytes, n);
    ws->left -= n;
    if (ws->opcode < CLOSE) {
        if (n > 0)
            events->data(user, (kw_bytes){bytes, n});
    } else {
        memcpy(ws->control + ws->n_control, bytes, n);
        ws->n_control = (uint8_t)(ws->n_control + n);
    }
}

kw_status kw_ws_feed(kw_ws *ws, uint8_t *bytes, size_t len, const kw_ws_events *events, void *user,
                     kw_error *err)
{
    while (len > 0 && !ws->closed) {
        if (!ws->in_payload) {
            ws->header[ws->n_header++] = *bytes++;
            len--;
            if (ws->n_header < 2 || ws->n_header < header_size(ws))
                continue;
            KW_TRY(read_header(ws, err));
        }
        const size_t n = (size_t)KW_MIN(ws->left, len);
        if (n > 0)
            payload(ws, bytes, n, events, user);
        bytes += n;
        len -= n;
        if (ws->left == 0)
            end_frame(ws, events, user);
    }
    return KW_OK;
}

void kw_ws_frame(const kw_ws *ws, kw_bytes bytes, const uint8_t mask[4], kw_buf *out)
{
    uint8_t header[14] = {FIN | BINARY};
    size_t n = 2;
    const size_t extended = bytes.len < 126 ? 0 : bytes.len <= UINT16_MAX ? 2 : 8;
    header[1] = (uint8_t)(extended == 0 ? bytes.len : extended == 2 ? 126 : 127);
    for (size_t i = 0; i < extended; i++)
        header[n++] = (uint8_t)((uint64_t)bytes.len >> (8 * (extended - 1 - i)));
    if (ws->client) {
        header[1] |= MASKED;
        memcpy(header + n, mask, 4);
        n += 4;
    }
    kw_buf_add(out, (const char *)header, n);
    kw_buf_add(out, (const char *)bytes.data, bytes.len);
    if (!ws->client || out->failed)
        return;
    kw_ws masker = {.mask_at = 0};
    memcpy(masker.mask, mask, 4);
    unmask(&masker, (uint8_t *)out->data + out->len - bytes.len, bytes.len);
}

/* ---- opening ---- */

static void base64(const uint8_t *in, size_t n, char *out)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t i = 0; i < n; i += 3) {
        const uint32_t three = (uint32_t)in[i] << 16 | (i + 1 < n ? (uint32_t)in[i + 1] << 8 : 0) |
                               (i + 2 < n ? in[i + 2] : 0);
        *out++ = digits[three >> 18];
        *out++ = digits[three >> 12 & 63];
        *out++ = i + 1 < n ? digits[three >> 6 & 63] : '=';
        *out++ = i + 2 < n ? digits[three & 63] : '=';
    }
    *out = 0;
}

void kw_ws_key(const uint8_t random[16], char out[KW_WS_KEY_LEN + 1])
{
    base64(random, 16, out);
}

void kw_ws_accept(kw_str key, char out[KW_WS_ACCEPT_LEN + 1])
{
    static const char magic[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
    uint8_t text[KW_WS_KEY_LEN + sizeof magic], digest[20];
    const size_t n = KW_MIN(key.len, KW_WS_KEY_LEN);
    memcpy(text, key.data, n);
    memcpy(text + n, magic, sizeof magic - 1);
    kw_sha1((kw_bytes){text, n + sizeof magic - 1}, digest);
    base64(digest, sizeof digest, out);
}

void kw_ws_request(const char *host, const char *key, kw_buf *out)
{
    kw_buf_printf(out,
                  "GET / HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                  "Sec-WebSocket-Key: %s\r\nSec-WebSocket-Version: 13\r\n\r\n",
                  host, key);
}

bool kw_ws_answered(kw_str answer, kw_str key)
{
    char accept[KW_WS_ACCEPT_LEN + 1];
    kw_http_head head;
    kw_ws_accept(key, accept);
    return kw_http_head_get(answer, &head, NULL) == KW_OK && kw_str_is(head.line[1], "101") &&
           kw_str_is(kw_http_head_field(&head, "sec-websocket-accept"), accept);
}
