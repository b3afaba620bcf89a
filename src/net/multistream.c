/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* multistream.c - multistream-select 1.0. See multistream.h. */
#include "net/multistream.h"

#include "base/uvarint.h"

#include <stdlib.h>
#include <string.h>

static const char header[] = "/multistream/1.0.0";
static const char refusal[] = "na";

static void put(kw_buf *out, const char *text)
{
    uint8_t prefix[KW_UVARINT_MAX];
    const size_t len = strlen(text);
    kw_buf_add(out, (const char *)prefix, kw_uvarint_put(prefix, len + 1));
    kw_buf_add(out, text, len);
    kw_buf_add(out, "\n", 1);
}

void kw_multistream_propose(kw_multistream *m, const char *const *protocols, size_t n_protocols,
                            kw_buf *out)
{
    memset(m, 0, sizeof *m);
    m->initiator = true;
    m->protocols = protocols;
    m->n_protocols = n_protocols;
    put(out, header);
    put(out, protocols[0]);
}

void kw_multistream_answer(kw_multistream *m, bool (*speaks)(void *user, const char *protocol),
                           void *user, kw_buf *out)
{
    memset(m, 0, sizeof *m);
    m->speaks = speaks;
    m->user = user;
    put(out, header);
}

void kw_multistream_free(kw_multistream *m)
{
    free(m->chosen);
    m->chosen = NULL;
}

static kw_multistream_state choose(kw_multistream *m, const char *protocol)
{
    m->chosen = strdup(protocol);
    return m->chosen ? KW_MULTISTREAM_DONE : KW_MULTISTREAM_BAD;
}

static kw_multistream_state as_initiator(kw_multistream *m, const char *text, kw_buf *out)
{
    const char *proposed = m->protocols[m->at];
    if (strcmp(text, proposed) == 0)
        return choose(m, proposed);
    if (strcmp(text, refusal) != 0)
        return KW_MULTISTREAM_BAD;
    if (++m->at == m->n_protocols)
        return KW_MULTISTREAM_NONE;
    put(out, m->protocols[m->at]);
    return KW_MULTISTREAM_MORE;
}

static kw_multistream_state as_responder(kw_multistream *m, const char *text, kw_buf *out)
{
    if (*text != '\0' && m->speaks(m->user, text)) {
        put(out, text);
        return choose(m, text);
    }
    put(out, refusal);
    return ++m->n_refused < KW_MULTISTREAM_PROPOSALS ? KW_MULTISTREAM_MORE : KW_MULTISTREAM_BAD;
}

/* One whole message: text, terminated, without its newline. */
static kw_multistream_state take(kw_multistream *m, const char *text, kw_buf *out)
{
    if (!m->greeted) {
        m->greeted = true;
        return strcmp(text, header) == 0 ? KW_MULTISTREAM_MORE : KW_MULTISTREAM_BAD;
    }
    return m->initiator ? as_initiator(m, text, out) : as_responder(m, text, out);
}

kw_multistream_state kw_multistream_feed(kw_multistream *m, kw_bytes in, size_t *used, kw_buf *out)
{
    *used = 0;
    while (*used < in.len) {
        m->message[m->len++] = in.data[(*used)++];
        uint64_t len;
        size_t prefix;
        switch (kw_uvarint_get((kw_bytes){m->message, m->len}, 2, true, &len, &prefix)) {
        case KW_UVARINT_MORE:
            continue;
        case KW_UVARINT_BAD:
            return KW_MULTISTREAM_BAD;
        case KW_UVARINT_OK:
            break;
        }
        if (len == 0 || len > KW_MULTISTREAM_MAX)
            return KW_MULTISTREAM_BAD;
        const size_t missing = prefix + (size_t)len - m->len;
        const size_t now = missing < in.len - *used ? missing : in.len - *used;
        memcpy(m->message + m->len, in.data + *used, now);
        m->len += now;
        *used += now;
        if (now < missing)
            continue;
        char *text = (char *)m->message + prefix;
        m->len = 0;
        /* A zero byte or a newline inside would make two names of one. */
        if (text[len - 1] != '\n' || memchr(text, '\0', (size_t)len) ||
            memchr(text, '\n', (size_t)len - 1))
            return KW_MULTISTREAM_BAD;
        text[len - 1] = '\0';
        const kw_multistream_state state = take(m, text, out);
        if (state != KW_MULTISTREAM_MORE)
            return state;
    }
    return KW_MULTISTREAM_MORE;
}
