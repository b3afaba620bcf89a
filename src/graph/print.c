/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* print.c - a graph as text, one line a node, or as JSON. */
#include "graph/graph.h"

#include "base/check.h"

static const char *const extent_names[KW_N_EXTENTS] = {"", "tokens", "outputs"};

static void print_shape(const kw_node *node, bool json, kw_buf *out)
{
    kw_buf_add(out, "[", 1);
    for (int d = 0; d < node->shape.rank; d++) {
        const char *comma = d > 0 ? ", " : "";
        if (node->extent[d] != KW_EXTENT_STATIC && json)
            kw_buf_printf(out, "%s\"%s\"", comma, extent_names[node->extent[d]]);
        else if (node->extent[d] != KW_EXTENT_STATIC)
            kw_buf_printf(out, "%s%s<=%lld", comma, extent_names[node->extent[d]],
                          (long long)node->shape.dim[d]);
        else
            kw_buf_printf(out, "%s%lld", comma, (long long)node->shape.dim[d]);
    }
    kw_buf_add(out, "]", 1);
}

static void print_program(const kw_map_program *program, kw_buf *out)
{
    for (int i = 0; i < program->n_instr; i++) {
        const kw_map_instr *in = &program->instr[i];
        const int arity = kw_map_arity((kw_map_op)in->op);
        kw_buf_printf(out, "%sr%d=%s", i > 0 ? " " : "", program->n_src + i,
                      kw_map_op_name((kw_map_op)in->op));
        if (arity == 0)
            kw_buf_printf(out, "(%g)", (double)in->imm);
        else if (arity == 1)
            kw_buf_printf(out, "(r%d)", in->a);
        else
            kw_buf_printf(out, "(r%d,r%d)", in->a, in->b);
    }
}

static void print_attention(const kw_attention_attr *a, kw_buf *out)
{
    kw_buf_printf(out, "heads=%d kv_heads=%d head_dim=%d scale=%g window=%d", a->heads, a->kv_heads,
                  a->head_dim, (double)a->scale, a->window);
    if (a->softcap > 0)
        kw_buf_printf(out, " softcap=%g", (double)a->softcap);
    if (a->biased)
        kw_buf_printf(out, " bias from %d", a->bias_first);
    if (a->begins)
        kw_buf_printf(out, " from a first position");
}

static void print_attr(const kw_node *node, kw_buf *out)
{
    if (node->op == KW_OP_NORM)
        kw_buf_printf(out, "%s eps=%g", node->norm.kind == KW_NORM_RMS ? "rms" : "layer",
                      (double)node->norm.eps);
    if (node->op == KW_OP_NORM && node->norm.parts > 1)
        kw_buf_printf(out, " parts=%d", node->norm.parts);
    if (node->op == KW_OP_ROUTE)
        kw_buf_printf(out, "%s", node->route.renormalise ? "over the chosen" : "over all");
    if (node->op == KW_OP_COLUMNS)
        kw_buf_printf(out, "first=%lld width=%lld stride=%lld", (long long)node->columns.first,
                      (long long)node->columns.width, (long long)node->columns.stride);
    if (node->op == KW_OP_ATTENTION)
        print_attention(&node->attention, out);
    if (node->op == KW_OP_REDUCE)
        kw_buf_printf(out, "%s", node->reduce == KW_REDUCE_SUM ? "sum" : "max");
    if (node->rope.n_rot > 0)
        kw_buf_printf(out, "%srope=%d/%d %s", node->op == KW_OP_ATTENTION ? " " : "",
                      node->rope.n_rot, node->rope.head_dim,
                      node->rope.adjacent ? "adjacent" : "halves");
    if (node->program) {
        kw_buf_printf(out, "%s", node->op == KW_OP_MATMUL ? "epilogue " : "");
        print_program(node->program, out);
    }
}

static void print_text(uint32_t id, const kw_node *node, kw_buf *out)
{
    kw_buf_printf(out, "%%%-5u %-10s %-8s ", (unsigned)id, kw_op_get(node->op)->name,
                  kw_dtype_info(node->dtype)->name);
    print_shape(node, false, out);
    for (int i = 0; i < node->n_src; i++)
        kw_buf_printf(out, "%s%%%u", i > 0 ? ", " : "  <- ", (unsigned)node->src[i]);
    if (node->name[0])
        kw_buf_printf(out, "  \"%s\"", node->name);
    kw_buf_add(out, "  ", 2);
    print_attr(node, out);
    while (out->len > 0 && out->data && out->data[out->len - 1] == ' ')
        out->data[--out->len] = '\0';
    kw_buf_add(out, "\n", 1);
}

static void print_json(uint32_t id, const kw_node *node, kw_buf *out)
{
    kw_buf attr = {0};
    kw_buf_printf(out, "{\"id\":%u,\"op\":\"%s\",\"dtype\":\"%s\",\"shape\":", (unsigned)id,
                  kw_op_get(node->op)->name, kw_dtype_info(node->dtype)->name);
    print_shape(node, true, out);
    kw_buf_printf(out, ",\"src\":[");
    for (int i = 0; i < node->n_src; i++)
        kw_buf_printf(out, "%s%u", i > 0 ? "," : "", (unsigned)node->src[i]);
    kw_buf_printf(out, "],\"name\":");
    kw_buf_json(out, kw_str_from(node->name));
    print_attr(node, &attr);
    kw_buf_printf(out, ",\"attr\":");
    kw_buf_json(out, (kw_str){attr.data, attr.len});
    kw_buf_add(out, "}", 1);
    out->failed |= attr.failed;
    kw_buf_free(&attr);
}

void kw_graph_print(const kw_graph *graph, bool json, kw_buf *out)
{
    bool first = true;
    if (json)
        kw_buf_add(out, "[", 1);
    for (uint32_t id = 1; id < graph->n_nodes; id++) {
        const kw_node *node = &graph->nodes[id];
        if (json && !first)
            kw_buf_add(out, ",\n", 2);
        first = false;
        if (json)
            print_json(id, node, out);
        else
            print_text(id, node, out);
    }
    if (json)
        kw_buf_add(out, "]", 1);
}
