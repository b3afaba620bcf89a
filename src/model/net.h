/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* net.h - a model file understood: its family, its checked configuration, its graph on demand. */
#ifndef KW_MODEL_NET_H
#define KW_MODEL_NET_H

#include "model/family.h"

typedef struct kw_net {
    kw_model_file *file; /* borrowed */
    const kw_family *family;
    kw_str arch;  /* as the file says */
    void *config; /* family->config_size bytes, in the arena */
    bool streams; /* matrices are as the file has them: no graph can be built */
    kw_arena arena;
} kw_net;

/* Inputs of a graph, by slot. Those behind ROWS are there when the family has an encoder. */
enum {
    KW_SLOT_TOKENS,
    KW_SLOT_POSITIONS,
    KW_SLOT_ROWS,
    KW_SLOT_SEEN,
    KW_SLOT_TYPES,
    KW_SLOT_PLACES,
    KW_SLOT_FIRST,
    KW_N_SLOTS,
    KW_N_DECODER_SLOTS = KW_SLOT_ROWS + 1
};

/* The graphs of a net. They share states by name: what an encoder stores, its decoder reads. */
typedef enum kw_net_part {
    KW_NET_DECODER, /* tokens -> logits */
    KW_NET_HIDDEN,  /* the decoder without its head: tokens -> hidden states */
    KW_NET_ENCODER, /* tokens -> hidden states */
    KW_N_NET_PARTS
} kw_net_part;

typedef struct kw_net_options {
    int64_t positions; /* of the cache */
    kw_dtype cache;    /* f16 or f32 */
    kw_net_part part;
} kw_net_options;

/* Reads the configuration. Vectors that are not f32 (norm weights, biases) are decoded once, and
 * weights that lie unaligned or transposed in the file are copied; matrices otherwise stay where
 * they are. The file is borrowed for the life of the net, and its tensor directory is changed
 * accordingly. */
kw_status kw_net_open(kw_model_file *file, kw_net **out, kw_error *err);
/* The same to be exported: no matrix is copied. One that would be unpacked stays as it is, and its
 * view says so (kw_unpack_later). */
kw_status kw_net_open_stream(kw_model_file *file, kw_net **out, kw_error *err);
/* Bytes of the matrices that kw_net_open would copy. */
uint64_t kw_net_copied_bytes(const kw_model_file *file);
void kw_net_close(kw_net *net);
/* Whether the net has this part. */
bool kw_net_has(const kw_net *net, kw_net_part part);
/* Output 0 of the graph: logits [outputs, vocab] or hidden states [outputs, dim]. */
kw_status kw_net_build(const kw_net *net, const kw_net_options *options, kw_graph **out,
                       kw_error *err);
/* Checks every weight: writes the names of those that the family needs and the file lacks (or has
 * in another shape), and of those in the file that nothing uses; one a line after "missing" /
 * "unused", or as JSON. Fills *n_missing. */
kw_status kw_net_survey(const kw_net *net, bool json, kw_buf *out, size_t *n_missing,
                        kw_error *err);
/* Every field with its value. */
void kw_net_print_config(const kw_net *net, bool json, kw_buf *out);

#endif
