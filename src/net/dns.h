/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* dns.h - DNS messages: what discovery on a local network and /dnsaddr need of them.
 *
 * A message is walked in place: questions, then records, each with views into it. Names come out as
 * text with dots and are compared without regard to case. */
#ifndef KW_NET_DNS_H
#define KW_NET_DNS_H

#include "base/buf.h"
#include "base/error.h"
#include "base/str.h"

#define KW_DNS_MESSAGE_MAX 9000 /* of multicast DNS; by UDP to a resolver, 1,232 */
#define KW_DNS_NAME_MAX 256     /* text of a name and its terminator */

enum { KW_DNS_PTR = 12, KW_DNS_TXT = 16, KW_DNS_ANY = 255 };
enum { KW_DNS_IN = 1 };

/* A name as text. A dot or a byte that does not print within a label makes the name unreadable. */
typedef struct kw_dns_name {
    char text[KW_DNS_NAME_MAX];
} kw_dns_name;

typedef struct kw_dns_message {
    kw_bytes bytes;
    uint16_t id;
    bool response, truncated;
    unsigned rcode;                /* 0: no error */
    size_t n_questions, n_records; /* records of all three sections */
    size_t at;
} kw_dns_message;

typedef struct kw_dns_record {
    kw_dns_name name;
    uint16_t type, class; /* without the top bit, which multicast DNS uses otherwise */
    uint32_t ttl_s;
    kw_bytes data;
    size_t data_at; /* in the message */
} kw_dns_record;

/* Reads the header. Then kw_dns_question as often as n_questions, then kw_dns_record_next. */
kw_status kw_dns_get(kw_bytes bytes, kw_dns_message *out, kw_error *err);
/* False at the end, and when the message is broken. type, class and name only. */
bool kw_dns_question(kw_dns_message *message, kw_dns_record *out);
/* Skips what is left of the questions. */
bool kw_dns_record_next(kw_dns_message *message, kw_dns_record *out);
/* The name in a record of type PTR. */
bool kw_dns_target(const kw_dns_message *message, const kw_dns_record *record, kw_dns_name *out);
/* The next string in a record of type TXT; *at begins at 0. */
bool kw_dns_text(const kw_dns_record *record, size_t *at, kw_str *out);
bool kw_dns_name_is(const kw_dns_name *name, const char *text);

typedef struct kw_dns_header {
    uint16_t id;
    bool response, recursion;
    uint16_t n_questions, n_answers, n_additional;
} kw_dns_header;

void kw_dns_put_header(kw_buf *out, const kw_dns_header *header);
/* KW_E_ARG: a name with an empty label, one above 63 bytes, or above 253 together. */
kw_status kw_dns_put_question(kw_buf *out, const char *name, uint16_t type, kw_error *err);
kw_status kw_dns_put_ptr(kw_buf *out, const char *name, uint32_t ttl_s, const char *target,
                         kw_error *err);
/* Texts of at most 255 bytes each. */
kw_status kw_dns_put_txt(kw_buf *out, const char *name, uint32_t ttl_s, const kw_str *texts,
                         size_t n, kw_error *err);

#endif
