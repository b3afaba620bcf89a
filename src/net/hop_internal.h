/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* hop_internal.h - what hop.c (who may have what) and hop_circuit.c (bytes from one stream to the
 * other) share. */
#ifndef KW_NET_HOP_INTERNAL_H
#define KW_NET_HOP_INTERNAL_H

#include "net/fifo.h"
#include "net/frame.h"
#include "net/hop.h"
#include "net/relay_message.h"

/* One of the two streams of a circuit. */
typedef struct kw_hop_end {
    kw_stream *stream; /* NULL: not yet, or gone */
    kw_fifo rest;      /* bytes for it that it has had no room for */
    uint64_t carried;  /* bytes that came from it */
    bool ended;        /* no more comes from it */
} kw_hop_end;

typedef enum kw_hop_phase {
    KW_HOP_ASKED,   /* a message is to come from the first end */
    KW_HOP_OPENING, /* the stream to the second one is being opened */
    KW_HOP_WAITING, /* for the second one's answer */
    KW_HOP_OPEN,
    KW_HOP_OVER /* both streams end */
} kw_hop_phase;

typedef struct kw_hop_circuit {
    struct kw_hop_circuit *next, *prev;
    kw_hop *hop;
    kw_peer_id from, to;
    kw_hop_end ends[2]; /* of who asked; of who is reached */
    kw_frames frames;   /* of the first end, then of the second */
    kw_hop_phase phase;
    bool opening; /* a callback is due */
    uint64_t until_ms;
} kw_hop_circuit;

typedef struct kw_hop_reservation {
    kw_peer_id peer;
    uint8_t ip[16];
    bool ip6;
    uint64_t until_ms;
} kw_hop_reservation;

struct kw_hop {
    kw_host *host;
    kw_hop_limits limits;
    size_t n_reservations, n_circuits;
    kw_hop_circuit *circuits; /* also those that only ask */
    uint64_t n_relayed, bytes;
    kw_timer *timer;
    bool closing;
    kw_hop_reservation reservations[]; /* [limits.reservations] */
};

/* hop_circuit.c */
kw_hop_circuit *kw_hop_new_circuit(kw_hop *hop, kw_stream *stream);
/* Says the answer and ends the circuit. */
void kw_hop_refuse(kw_hop_circuit *c, uint32_t status);
void kw_hop_end_circuit(kw_hop_circuit *c);
/* Opens the second stream and joins the two. */
void kw_hop_connect(kw_hop_circuit *c);

/* hop.c */
/* A message of who asks. */
void kw_hop_asked(kw_hop_circuit *c, const kw_relay_message *message);
kw_relay_message kw_hop_limit(const kw_hop *hop); /* a message that says the limits of a circuit */
void kw_hop_free_if_over(kw_hop *hop);

#endif
