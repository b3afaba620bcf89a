/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* graph_test.h - what the tests of the graph share: a graph of usual bounds, and the check that it
 * was refused for the stated reason. */
#ifndef KW_TEST_GRAPH_H
#define KW_TEST_GRAPH_H

#include "graph/graph.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static const int64_t usual_bound[KW_N_EXTENTS] = {0, 8, 3};

static inline kw_graph *new_graph(void)
{
    kw_graph *g = NULL;
    kw_error err = {0};
    if (kw_graph_create(usual_bound, &g, &err) != KW_OK)
        fail_msg("%s", err.message);
    return g;
}

static inline void assert_refused(kw_status got, kw_status want, const kw_error *err,
                                  const char *part)
{
    if (got != want || !strstr(err->message, part))
        fail_msg("status %d \"%s\", expected %d and \"%s\"", (int)got, err->message, (int)want,
                 part);
    assert_int_equal(err->code, want);
}

/* Leaves that most graphs of these tests begin with. */
static inline kw_ref ids(kw_graph *g)
{
    return kw_input_leaf(g, "ids", KW_EXTENT_TOKENS);
}

static inline kw_ref weight(kw_graph *g, kw_shape shape)
{
    static const float data[4096];
    return kw_weight_leaf(g, "w", KW_F32, shape, data);
}

/* f32 [tokens, n] */
static inline kw_ref rows(kw_graph *g, int64_t n)
{
    return kw_gather(g, weight(g, SHAPE(16, n)), ids(g));
}

#endif
