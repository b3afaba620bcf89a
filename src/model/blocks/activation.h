/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* activation.h - the nonlinearities of feed-forward layers, by the names that files give them. */
#ifndef KW_MODEL_BLOCKS_ACTIVATION_H
#define KW_MODEL_BLOCKS_ACTIVATION_H

#include "base/error.h"
#include "base/str.h"
#include "graph/graph.h"

typedef enum kw_activation {
    KW_SILU,       /* x * sigmoid(x) */
    KW_GELU,       /* x / 2 * (1 + erf(x / sqrt(2))) */
    KW_GELU_TANH,  /* x / 2 * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 x^3))) */
    KW_GELU_QUICK, /* x * sigmoid(1.702 x) */
    KW_RELU,
    KW_RELU_SQUARED,
    KW_N_ACTIVATIONS
} kw_activation;

/* "silu", "gelu_new", "gelu_pytorch_tanh", ...; "" leaves *out alone; others are refused by name.
 */
kw_status kw_activation_by_name(kw_str name, kw_activation *out, kw_error *err);
kw_ref kw_activate(kw_graph *g, kw_ref x, kw_activation activation);
/* activation(gate) * up */
kw_ref kw_activate_mul(kw_graph *g, kw_ref gate, kw_ref up, kw_activation activation);

#endif
