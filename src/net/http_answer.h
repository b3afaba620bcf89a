/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* http_answer.h - the answer to one HTTP request, while it arrives: its head, then its body out of
 * whatever frames it (a length, chunks, or the end of the stream).
 *
 * No I/O here. Bounded: a head of 8 KiB, a line of a chunk's size of 256 bytes, trailers of 8 KiB;
 * nothing of the body is kept. Strict, as http_head.c is: lengths that disagree, a size of a chunk
 * that is no number and bytes behind the end are refused. Source: RFC 9112, sections 6 and 7. */
#ifndef KW_NET_HTTP_ANSWER_H
#define KW_NET_HTTP_ANSWER_H

#include "net/http.h"

typedef struct kw_http_answer_events {
    /* The head (a view for the call); false: the rest is not wanted. */
    bool (*head)(void *user, unsigned status, const kw_http_head *head);
    /* A piece of the body; false: the rest is not wanted. */
    bool (*body)(void *user, kw_bytes bytes);
} kw_http_answer_events;

typedef struct kw_http_answer {
    int phase;
    bool head_only, chunked, to_end;
    uint64_t left;  /* of the body, or of the chunk */
    size_t n_trail; /* bytes of trailers so far */
    kw_buf text;    /* owned; a head or line that is not whole */
} kw_http_answer;

/* head_only: the answer to HEAD. */
kw_http_answer kw_http_answer_of(bool head_only);
void kw_http_answer_free(kw_http_answer *answer);
/* Bytes as they arrive. KW_E_CANCELLED: an event returned false. */
kw_status kw_http_answer_take(kw_http_answer *answer, kw_bytes bytes,
                              const kw_http_answer_events *events, void *user, kw_error *err);
/* Whether all of it is here. */
bool kw_http_answer_whole(const kw_http_answer *answer);
/* The stream has ended: KW_OK when that is all of the answer. */
kw_status kw_http_answer_end(kw_http_answer *answer, kw_error *err);

#endif
