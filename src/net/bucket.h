/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* bucket.h - token buckets: so much a second, and so much at once after a rest.
 *
 * A bucket is 16 bytes of state; its rate is given at each call, so that thousands share one. What
 * is taken may be more than there is: the debt is paid before anything else is let through, and a
 * large request needs no bucket of its size. */
#ifndef KW_NET_BUCKET_H
#define KW_NET_BUCKET_H

#include <stdbool.h>
#include <stdint.h>

typedef struct kw_rate {
    double per_second, burst; /* per_second 0: no limit */
} kw_rate;

typedef struct kw_bucket {
    double left;
    uint64_t at_ms;
} kw_bucket;

static inline kw_bucket kw_bucket_full(const kw_rate *rate, uint64_t now_ms)
{
    return (kw_bucket){rate->burst, now_ms};
}

static inline void kw_bucket_fill(kw_bucket *bucket, const kw_rate *rate, uint64_t now_ms)
{
    if (now_ms <= bucket->at_ms)
        return;
    bucket->left += (double)(now_ms - bucket->at_ms) * rate->per_second / 1000.0;
    if (bucket->left > rate->burst)
        bucket->left = rate->burst;
    bucket->at_ms = now_ms;
}

/* Whether anything may go now. */
static inline bool kw_bucket_has(kw_bucket *bucket, const kw_rate *rate, uint64_t now_ms)
{
    if (rate->per_second <= 0)
        return true;
    kw_bucket_fill(bucket, rate, now_ms);
    return bucket->left > 0;
}

static inline void kw_bucket_spend(kw_bucket *bucket, double n)
{
    bucket->left -= n;
}

/* Whether it is as it was at first, so that it need not be remembered. */
static inline bool kw_bucket_is_full(kw_bucket *bucket, const kw_rate *rate, uint64_t now_ms)
{
    kw_bucket_fill(bucket, rate, now_ms);
    return bucket->left >= rate->burst;
}

/* One rate for several who send. When it is short they take turns: who was let through last waits
 * while another one has asked within KW_CAP_TURN_MS. */
enum { KW_CAP_SENDERS = 2, KW_CAP_TURN_MS = 200 };
typedef enum kw_cap_sender { KW_CAP_BITSWAP, KW_CAP_HTTP } kw_cap_sender;

typedef struct kw_cap {
    kw_rate rate;
    kw_bucket bucket;
    int last;
    uint64_t waits_ms[KW_CAP_SENDERS]; /* when it last heard that it must wait; 0: it need not */
} kw_cap;

/* bytes_per_second 0: no limit. At once: a quarter of a second's. */
static inline kw_cap kw_cap_of(uint64_t bytes_per_second, uint64_t now_ms)
{
    const kw_rate rate = {(double)bytes_per_second, (double)bytes_per_second / 4};
    return (kw_cap){.rate = rate, .bucket = kw_bucket_full(&rate, now_ms), .last = -1};
}

/* Whether this one may send something now. */
static inline bool kw_cap_has(kw_cap *cap, kw_cap_sender sender, uint64_t now_ms)
{
    const uint64_t other = cap->waits_ms[1 - (int)sender];
    if (cap->rate.per_second <= 0)
        return true;
    const bool turn = cap->last != (int)sender || other == 0 || now_ms - other > KW_CAP_TURN_MS;
    const bool has = kw_bucket_has(&cap->bucket, &cap->rate, now_ms) && turn;
    cap->waits_ms[sender] = has ? 0 : now_ms;
    return has;
}

static inline void kw_cap_spend(kw_cap *cap, kw_cap_sender sender, double n)
{
    kw_bucket_spend(&cap->bucket, n);
    cap->last = (int)sender;
}

#endif
