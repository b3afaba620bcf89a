/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* activation.c - each nonlinearity is a program of pointwise operations, which plans fuse into what
 * is before and after it.
 * Sources: Hendrycks and Gimpel 2016, arXiv:1606.08415 (GELU, its two approximations); Elfwing et
 * al. 2017, arXiv:1702.03118 (SiLU); So et al. 2021, arXiv:2109.08668 (squared ReLU). */
#include "model/blocks/activation.h"

#include "base/check.h"

kw_status kw_activation_by_name(kw_str name, kw_activation *out, kw_error *err)
{
    static const struct {
        const char *name;
        kw_activation activation;
    } names[] = {{"silu", KW_SILU},
                 {"swish", KW_SILU},
                 {"gelu", KW_GELU},
                 {"gelu_new", KW_GELU_TANH},
                 {"gelu_fast", KW_GELU_TANH},
                 {"gelu_pytorch_tanh", KW_GELU_TANH},
                 {"quick_gelu", KW_GELU_QUICK},
                 {"relu", KW_RELU},
                 {"relu2", KW_RELU_SQUARED}};
    if (name.len == 0)
        return KW_OK;
    for (size_t i = 0; i < KW_COUNT(names); i++)
        if (kw_str_is(name, names[i].name)) {
            *out = names[i].activation;
            return KW_OK;
        }
    return kw_fail(err, KW_E_UNSUPPORTED,
                   "config: activation \"%.*s\" is not supported (silu, gelu, gelu_new, relu are)",
                   KW_FMT(name));
}

/* Register 0 is x. */
static const kw_map_program programs[KW_N_ACTIVATIONS] = {
    [KW_SILU] = {1, 2, {{KW_MAP_SIGMOID, 0, 0, 0}, {KW_MAP_MUL, 0, 1, 0}}},
    [KW_GELU] = {1,
                 8,
                 {{KW_MAP_CONST, 0, 0, 0.707106781186547524f},
                  {KW_MAP_MUL, 0, 1, 0},
                  {KW_MAP_ERF, 2, 0, 0},
                  {KW_MAP_CONST, 0, 0, 1.0f},
                  {KW_MAP_ADD, 3, 4, 0},
                  {KW_MAP_CONST, 0, 0, 0.5f},
                  {KW_MAP_MUL, 0, 6, 0},
                  {KW_MAP_MUL, 7, 5, 0}}},
    [KW_GELU_TANH] = {1,
                      13,
                      {{KW_MAP_MUL, 0, 0, 0}, /* x^2 */
                       {KW_MAP_MUL, 1, 0, 0},
                       {KW_MAP_CONST, 0, 0, 0.044715f},
                       {KW_MAP_MUL, 2, 3, 0},
                       {KW_MAP_ADD, 0, 4, 0},
                       {KW_MAP_CONST, 0, 0, 0.797884560802865356f}, /* sqrt(2 / pi) */
                       {KW_MAP_MUL, 5, 6, 0},
                       {KW_MAP_TANH, 7, 0, 0},
                       {KW_MAP_CONST, 0, 0, 1.0f},
                       {KW_MAP_ADD, 8, 9, 0},
                       {KW_MAP_CONST, 0, 0, 0.5f},
                       {KW_MAP_MUL, 0, 11, 0},
                       {KW_MAP_MUL, 12, 10, 0}}},
    [KW_GELU_QUICK] = {1,
                       4,
                       {{KW_MAP_CONST, 0, 0, 1.702f},
                        {KW_MAP_MUL, 0, 1, 0},
                        {KW_MAP_SIGMOID, 2, 0, 0},
                        {KW_MAP_MUL, 0, 3, 0}}},
    [KW_RELU] = {1, 2, {{KW_MAP_CONST, 0, 0, 0.0f}, {KW_MAP_MAX, 0, 1, 0}}},
    [KW_RELU_SQUARED] =
        {1, 3, {{KW_MAP_CONST, 0, 0, 0.0f}, {KW_MAP_MAX, 0, 1, 0}, {KW_MAP_MUL, 2, 2, 0}}},
};

kw_ref kw_activate(kw_graph *g, kw_ref x, kw_activation activation)
{
    kw_assert(activation < KW_N_ACTIVATIONS);
    return kw_pointwise(g, &programs[activation], &x, 1);
}

kw_ref kw_activate_mul(kw_graph *g, kw_ref gate, kw_ref up, kw_activation activation)
{
    if (activation == KW_SILU)
        return kw_silu_mul(g, gate, up); /* as the backends know it */
    return kw_mul(g, kw_activate(g, gate, activation), up);
}
