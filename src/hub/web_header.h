/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* web_header.h - the header fields of an answer that a download needs. Source: RFC 9110. */
#ifndef KW_HUB_WEB_HEADER_H
#define KW_HUB_WEB_HEADER_H

#include "base/str.h"

#define KW_WEB_HEADERS_MAX ((size_t)64 << 10) /* bytes of all fields of an answer */
#define KW_WEB_TAG_MAX 160
#define KW_WEB_UNKNOWN UINT64_MAX

/* What an answer said so far. */
typedef struct kw_web_reply {
    long status;
    uint64_t length;          /* Content-Length; KW_WEB_UNKNOWN */
    bool ranged;              /* Content-Range was there and is well formed */
    uint64_t from, total;     /* of it; KW_WEB_UNKNOWN where it says "*" */
    bool encoded;             /* the body is compressed, which we did not ask for */
    uint32_t retry_ms;        /* Retry-After, in seconds; 0: none, or a date */
    char tag[KW_WEB_TAG_MAX]; /* a strong ETag with its quotes, or "" */
    char digest[72];          /* "sha256:<hex>" of Docker-Content-Digest, or "" */
    char next[1024];          /* target of a Link with rel="next", or "" */
    size_t n_bytes;           /* of header fields */
} kw_web_reply;

/* Takes one line of the header, with or without its line end; a status line begins anew. False:
 * more than KW_WEB_HEADERS_MAX bytes came. */
bool kw_web_header_line(kw_web_reply *reply, kw_str line);

#endif
