/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* build.h - the state of one build: a graph in the making and which weights it used. */
#ifndef KW_MODEL_BUILD_H
#define KW_MODEL_BUILD_H

#include "model/net.h"

struct kw_build {
    const kw_net *net;
    kw_net_options options;
    kw_graph *graph;
    kw_ref hidden;      /* what the head reads */
    bool *used;         /* [n_tensors], survey only */
    kw_buf *missing;    /* survey only: complaints go here, one a line, and the build goes on */
    kw_buf *unreadable; /* survey only: likewise, weights of types that cannot run */
    size_t n_missing, n_unreadable;
};

#endif
