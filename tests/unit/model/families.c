/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* families.c - what each decoder family makes of the keys that a file has, and of those that older
 * converters left out; names of weights forwards and backwards. */
#include "tiny_model.h"

#include "model/blocks/decoder.h"
#include "model/export.h"
#include "model/names.h"
#include "model/net.h"

#include <math.h>

/* LLaMA's tiny model under another architecture: its keys begin with that name. */
static tiny tiny_of(const char *arch)
{
    static char keys[TINY_METAS][64];
    tiny t = tiny_random(KW_F32);
    for (size_t i = 0; i < t.n_metas; i++) {
        if (!kw_str_starts(t.metas[i].key, KW_STR("llama.")))
            continue;
        (void)snprintf(keys[i], sizeof keys[i], "%s%.*s", arch, (int)t.metas[i].key.len - 5,
                       t.metas[i].key.data + 5);
        t.metas[i].key = kw_str_from(keys[i]);
    }
    tiny_set(&t, "general.architecture", kw_gguf_string(kw_str_from(arch)));
    return t;
}

/* The configuration, or the message of its refusal. */
static kw_status configure(tiny *t, kw_decoder_config *out, kw_error *err)
{
    kw_model_file *file = NULL;
    kw_net *net = NULL;
    assert_int_equal(kw_model_file_open(tiny_write(t), NULL, &file, NULL), KW_OK);
    const kw_status status = kw_net_open(file, &net, err);
    if (status == KW_OK) {
        memcpy(out, net->config, sizeof *out);
        kw_net_close(net);
    }
    kw_model_file_close(file);
    tiny_remove(t);
    return status;
}

static void gemma_fills_in_what_old_files_lack(void **state)
{
    kw_decoder_config c;
    kw_error err = {0};
    (void)state;
    tiny t = tiny_of("gemma2");
    tiny_set(&t, "gemma2.attention.key_length", kw_gguf_u32(8));
    assert_int_equal(configure(&t, &c, &err), KW_OK);
    assert_true(c.attention_softcap == 50 && c.logit_softcap == 30);
    assert_int_equal(c.window, 4096);
    assert_true(c.local[0] == 1); /* of two layers the first */
    assert_true(c.post_norms && c.tied_head && !c.head_norms);
    assert_true(fabs(c.embedding_scale - sqrt(32)) < 1e-12 && c.attention_scale == 0);
    t = tiny_of("gemma3");
    tiny_set(&t, "gemma3.attention.key_length", kw_gguf_u32(8));
    tiny_set(&t, "gemma3.attention.sliding_window", kw_gguf_u32(512));
    assert_int_equal(configure(&t, &c, &err), KW_OK);
    assert_true(c.window_pattern == 6 && c.local[0] == 3 && c.head_norms);
    assert_true(c.rope.base == 1e6 && c.local_rope_base == 10000);
    assert_true(c.attention_softcap == 0 && c.logit_softcap == 0);
}

static void falcon_counts_its_keys(void **state)
{
    kw_decoder_config c;
    kw_error err = {0};
    (void)state;
    tiny t = tiny_of("falcon");
    assert_int_equal(configure(&t, &c, &err), KW_OK);
    assert_true(c.kv_heads == 2 && c.parallel && c.ungated && !c.grouped_qkv);
    assert_true(c.norm == KW_NORM_LAYER && c.positions == KW_POSITIONS_ROTARY);
    tiny_set(&t, "falcon.use_parallel_residual", kw_gguf_bool(false));
    tiny_set(&t, "falcon.attention.alibi", kw_gguf_bool(true));
    assert_int_equal(configure(&t, &c, &err), KW_OK);
    assert_true(!c.parallel && c.positions == KW_POSITIONS_ALIBI);
}

static void experts_are_checked(void **state)
{
    kw_decoder_config c;
    kw_error err = {0};
    (void)state;
    tiny t = tiny_of("llama");
    tiny_set(&t, "llama.expert_count", kw_gguf_u32(8));
    assert_int_equal(configure(&t, &c, &err), KW_E_FORMAT);
    assert_non_null(strstr(err.message, "experts_used is 0, must be 1 to 8"));
    tiny_set(&t, "llama.expert_used_count", kw_gguf_u32(9));
    assert_int_equal(configure(&t, &c, &err), KW_E_FORMAT);
    tiny_set(&t, "llama.expert_used_count", kw_gguf_u32(2));
    assert_int_equal(configure(&t, &c, &err), KW_OK);
    assert_true(c.experts == 8 && c.experts_used == 2 && c.expert_ffn == c.ffn && c.renormalise);
    tiny_set(&t, "llama.expert_count", kw_gguf_u32(1025));
    assert_int_equal(configure(&t, &c, &err), KW_E_FORMAT);
    assert_non_null(strstr(err.message, "experts is 1025, must be 1 to 1024"));
    t = tiny_of("qwen3moe");
    tiny_set(&t, "qwen3moe.expert_count", kw_gguf_u32(4));
    tiny_set(&t, "qwen3moe.expert_used_count", kw_gguf_u32(2));
    tiny_set(&t, "qwen3moe.expert_feed_forward_length", kw_gguf_u32(16));
    assert_int_equal(configure(&t, &c, &err), KW_OK);
    assert_true(c.expert_ffn == 16 && c.renormalise && c.head_norms);
    tiny_set(&t, "qwen3moe.expert_weights_norm", kw_gguf_bool(false));
    assert_int_equal(configure(&t, &c, &err), KW_OK);
    assert_false(c.renormalise);
}

static void bad_flags_are_refused(void **state)
{
    static const struct {
        const char *arch, *key, *words;
        double value;
    } faults[] = {
        {"gemma2", "gemma2.final_logit_softcapping", "logit softcap is -1", -1},
        {"gemma2", "gemma2.attn_logit_softcapping", "attention softcap is nan", (double)NAN},
        {"gemma2", "gemma2.attention.scale", "attention scale is 1e+07", 1e7},
        {"gemma3", "gemma3.attention.sliding_window_pattern", "window pattern is 2000", 2000},
        {"qwen2", "qwen2.attention.value_length", "with values of 5", 5},
    };
    kw_decoder_config c;
    (void)state;
    for (size_t i = 0; i < KW_COUNT(faults); i++) {
        kw_error err = {0};
        tiny t = tiny_of(faults[i].arch);
        tiny_set(&t, faults[i].key, kw_gguf_f32((float)faults[i].value));
        assert_true(configure(&t, &c, &err) != KW_OK);
        if (!strstr(err.message, faults[i].words))
            fail_msg("%s: \"%s\"", faults[i].key, err.message);
    }
}

/* Every alias of every family leads back to itself, with its numbers. */
static void names_go_both_ways(void **state)
{
    const int index[2] = {12, 3};
    (void)state;
    for (const kw_family *const *f = kw_families; *f; f++)
        for (const kw_alias *a = NULL; (a = kw_family_next_alias(*f, a));) {
            char hf[KW_WEIGHT_NAME_BYTES], name[KW_WEIGHT_NAME_BYTES];
            int found[2];
            kw_str suffix;
            assert_true(kw_name_expand(a->hf, index, KW_STR(".weight"), hf, sizeof hf));
            const kw_alias *back = kw_family_alias(*f, kw_str_from(hf), found, &suffix);
            assert_non_null(back);
            assert_true(kw_str_is(suffix, ".weight"));
            assert_true(kw_name_expand(back->name, found, suffix, name, sizeof name));
            char want[KW_WEIGHT_NAME_BYTES];
            assert_true(kw_name_expand(back->name, index, KW_STR(".weight"), want, sizeof want));
            assert_string_equal(name, want);
            assert_non_null(kw_family_alias_to(*f, kw_str_from(name)));
        }
}

/* Own rows replace shared ones; no name comes twice. */
static void fields_come_once(void **state)
{
    (void)state;
    for (const kw_family *const *f = kw_families; *f; f++)
        for (const kw_field *a = NULL; (a = kw_family_next_field(*f, a));)
            for (const kw_field *b = a; (b = kw_family_next_field(*f, b));)
                if (strcmp(a->name, b->name) == 0)
                    fail_msg("%s: \"%s\" twice", (*f)->name, a->name);
}

static void names_that_are_none(void **state)
{
    static const char *const names[] = {"",
                                        ".",
                                        ".weight",
                                        "model.layers..mlp.gate_proj.weight",
                                        "model.layers.99999999999.mlp.gate_proj.weight",
                                        "model.layers.1x.mlp.gate_proj.weight",
                                        "model.norm2.weight"};
    int index[2];
    kw_str suffix;
    (void)state;
    for (const kw_family *const *f = kw_families; *f; f++)
        for (size_t i = 0; i < KW_COUNT(names); i++)
            assert_null(kw_family_alias(*f, kw_str_from(names[i]), index, &suffix));
    char out[8];
    const int at[2] = {1, 2};
    assert_false(kw_name_expand("a.%d.b.%d.c", at, KW_STR(".weight"), out, sizeof out));
    assert_true(kw_name_expand("a.%d.b", at, KW_STR(""), out, sizeof out));
    assert_string_equal(out, "a.1.b");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gemma_fills_in_what_old_files_lack),
        cmocka_unit_test(falcon_counts_its_keys),
        cmocka_unit_test(experts_are_checked),
        cmocka_unit_test(bad_flags_are_refused),
        cmocka_unit_test(names_go_both_ways),
        cmocka_unit_test(fields_come_once),
        cmocka_unit_test(names_that_are_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
