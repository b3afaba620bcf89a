/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* weights.c - weights by name and shape: what is missing or misshapen is named with both shapes,
 * the survey lists all of it and what nothing uses; vectors become f32, unaligned weights move. */
#include "tiny_model.h"

#include "base/json.h"
#include "model/net.h"

static const kw_net_options options = {.positions = 16, .cache = KW_F16};

typedef struct opened {
    kw_model_file *file;
    kw_net *net;
} opened;

static opened open_net(tiny *t)
{
    opened o = {NULL, NULL};
    kw_error err = {0};
    if (kw_model_file_open(tiny_write(t), NULL, &o.file, &err) != KW_OK ||
        kw_net_open(o.file, &o.net, &err) != KW_OK)
        fail_msg("%s", err.message);
    tiny_remove(t);
    return o;
}

static void close_net(opened *o)
{
    kw_net_close(o->net);
    kw_model_file_close(o->file);
}

static void check_build(tiny *t, kw_status want, const char *words)
{
    kw_graph *graph = NULL;
    kw_error err = {0};
    opened o = open_net(t);
    const kw_status status = kw_net_build(o.net, &options, &graph, &err);
    if (status != want || (words && !strstr(err.message, words)))
        fail_msg("status %d \"%s\", expected %d \"%s\"", (int)status, err.message, (int)want,
                 words ? words : "");
    kw_graph_free(graph);
    close_net(&o);
}

static void a_whole_model_builds(void **state)
{
    tiny t = tiny_random(KW_Q4_0);
    kw_graph *graph = NULL;
    (void)state;
    opened o = open_net(&t);
    assert_int_equal(kw_net_build(o.net, &options, &graph, NULL), KW_OK);
    assert_int_equal(graph->n_inputs, KW_N_DECODER_SLOTS);
    assert_int_equal(graph->n_states, 2 * 2);
    assert_int_equal(graph->n_outputs, 1);
    const kw_node *logits = kw_graph_node(graph, graph->outputs[0]);
    assert_int_equal(logits->shape.dim[1], 48);
    assert_int_equal(logits->extent[0], KW_EXTENT_OUTPUTS);
    kw_graph_free(graph);
    close_net(&o);
}

static void missing_weights_are_named(void **state)
{
    static const char *const names[] = {"output_norm.weight", "blk.1.ffn_up.weight",
                                        "blk.0.attn_norm.weight", "blk.1.attn_output.weight",
                                        "blk.0.attn_k.weight"};
    (void)state;
    for (size_t i = 0; i < KW_COUNT(names); i++) {
        tiny t = tiny_random(KW_F32);
        char words[120], shape[40];
        (void)snprintf(words, sizeof words, "weight \"%s\" is missing: needs %s", names[i],
                       kw_shape_print(tiny_tensor(&t, names[i])->shape, shape, sizeof shape));
        tiny_remove_tensor(&t, names[i]);
        check_build(&t, KW_E_FORMAT, words);
    }
    /* without a head of its own the embedding serves */
    tiny t = tiny_random(KW_F32);
    tiny_remove_tensor(&t, "output.weight");
    check_build(&t, KW_OK, NULL);
}

static void misshapen_weights_show_both_shapes(void **state)
{
    tiny t = tiny_random(KW_F32);
    (void)state;
    tiny_tensor(&t, "blk.1.ffn_up.weight")->shape = SHAPE(63, 32);
    check_build(&t, KW_E_FORMAT,
                "weight \"blk.1.ffn_up.weight\" has another shape: needs [64, 32], has [63, 32]");
    t = tiny_random(KW_F32);
    tiny_tensor(&t, "blk.0.attn_norm.weight")->shape = SHAPE(1, 32);
    check_build(&t, KW_E_FORMAT, "needs [32], has [1, 32]");
    t = tiny_random(KW_F32);
    tiny_tensor(&t, "blk.0.attn_v.weight")->shape = SHAPE(32, 16); /* transposed */
    check_build(&t, KW_E_FORMAT, "needs [16, 32], has [32, 16]");
    t = tiny_random(KW_F32);
    tiny_tensor(&t, "output.weight")->shape = SHAPE(49, 32);
    check_build(&t, KW_E_FORMAT, "weight \"output.weight\" has another shape");
    t = tiny_random(KW_F32);
    tiny_add_tensor(&t, "blk.0.attn_q.bias", KW_F32, SHAPE(31)); /* optional, but wrong */
    check_build(&t, KW_E_FORMAT, "weight \"blk.0.attn_q.bias\" has another shape");
}

/* A vector that stays quantised, or a table of integers, is no norm weight. */
static void vectors_must_be_floats(void **state)
{
    tiny t = tiny_random(KW_F32);
    (void)state;
    tiny_tensor(&t, "blk.0.attn_norm.weight")->dtype = KW_Q8_0;
    check_build(&t, KW_E_ARG, "norm: needs an f32 weight");
    t = tiny_random(KW_F32);
    tiny_add_tensor(&t, "blk.0.attn_q.bias", KW_Q8_0, SHAPE(32));
    check_build(&t, KW_E_ARG, "blk.0.attn_q.bias");
    t = tiny_random(KW_F32);
    tiny_add_tensor(&t, "rope_freqs.weight", KW_I32, SHAPE(4));
    check_build(&t, KW_E_UNSUPPORTED, "weight \"rope_freqs.weight\" is of type I32");
}

/* ---- rotary factors of the file ---------------------------------------------------------------
 */

static const double *frequencies(kw_graph *graph)
{
    for (uint32_t id = 1; id < graph->n_nodes; id++)
        if (kw_graph_node(graph, id)->op == KW_OP_ROPE_TABLE)
            return kw_graph_node(graph, id)->rope_table.inv_freq;
    fail_msg("no angles");
    return NULL;
}

static void rope_factors_divide(void **state)
{
    kw_graph *plain = NULL, *divided = NULL;
    tiny t = tiny_random(KW_F32);
    (void)state;
    opened o = open_net(&t);
    assert_int_equal(kw_net_build(o.net, &options, &plain, NULL), KW_OK);
    tiny_add_tensor(&t, "rope_freqs.weight", KW_F32, SHAPE(4));
    const kw_tensor_spec *spec = &t.tensors[t.n_tensors - 1];
    opened with = open_net(&t);
    assert_int_equal(kw_net_build(with.net, &options, &divided, NULL), KW_OK);
    for (int i = 0; i < 4; i++) {
        const float factor = tiny_value(&t, spec, t.n_tensors, i);
        const double want = frequencies(plain)[i] / (double)(factor > 0 ? factor : 1.0f);
        assert_true(frequencies(divided)[i] == want);
    }
    kw_graph_free(plain);
    kw_graph_free(divided);
    close_net(&o);
    close_net(&with);
    t = tiny_random(KW_F32);
    tiny_add_tensor(&t, "rope_freqs.weight", KW_F32, SHAPE(3));
    check_build(&t, KW_E_FORMAT, "weight \"rope_freqs.weight\" has another shape");
}

/* ---- survey -----------------------------------------------------------------------------------
 */

static size_t survey(tiny *t, bool json, kw_buf *out)
{
    size_t n_missing = 999;
    kw_error err = {0};
    opened o = open_net(t);
    if (kw_net_survey(o.net, json, out, &n_missing, &err) != KW_OK)
        fail_msg("%s", err.message);
    close_net(&o);
    return n_missing;
}

static tiny broken_model(void)
{
    tiny t = tiny_random(KW_F32);
    tiny_remove_tensor(&t, "blk.1.ffn_up.weight");
    tiny_remove_tensor(&t, "blk.0.attn_norm.weight");
    tiny_tensor(&t, "blk.0.ffn_down.weight")->shape = SHAPE(32, 65);
    tiny_add_tensor(&t, "blk.2.ffn_up.weight", KW_F32, SHAPE(64, 32));
    tiny_add_tensor(&t, "of \"no\" use", KW_F32, SHAPE(3));
    return t;
}

static void the_survey_lists_missing_and_unused(void **state)
{
    kw_buf out = {0};
    tiny t = broken_model();
    (void)state;
    assert_int_equal(survey(&t, false, &out), 3);
    assert_non_null(strstr(out.data, "missing (3)\n"));
    assert_non_null(strstr(out.data, "  blk.0.attn_norm.weight\n"));
    assert_non_null(strstr(out.data, "  blk.0.ffn_down.weight\n"));
    assert_non_null(strstr(out.data, "  blk.1.ffn_up.weight\n"));
    assert_non_null(strstr(out.data, "unused (2)\n"));
    assert_non_null(strstr(out.data, "  blk.2.ffn_up.weight\n"));
    assert_non_null(strstr(out.data, "  of \"no\" use\n"));
    kw_buf_free(&out);
    t = tiny_random(KW_F32);
    assert_int_equal(survey(&t, false, &out), 0);
    assert_non_null(strstr(out.data, "missing (0)\n"));
    assert_non_null(strstr(out.data, "unused (0)\n"));
    kw_buf_free(&out);
}

static void the_survey_is_json(void **state)
{
    kw_buf out = {0};
    kw_json json;
    kw_json_token token;
    kw_error err = {0};
    tiny t = broken_model();
    int n_strings = 0;
    (void)state;
    kw_buf_add(&out, "{", 1);
    (void)survey(&t, true, &out);
    kw_buf_add(&out, "}", 1);
    kw_json_init(&json, (kw_str){out.data, out.len}, "survey");
    do {
        if (kw_json_next(&json, &token, &err) != KW_OK)
            fail_msg("%s in %s", err.message, out.data);
        n_strings += token.kind == KW_JSON_STRING;
    } while (token.kind != KW_JSON_END);
    assert_int_equal(n_strings, 5);
    kw_buf_free(&out);
}

/* The survey goes on where a build stops: it must not read a table of another length. The image
 * ends with the table, so that a sanitizer sees a read beyond. */
static void the_survey_reads_no_misshapen_table(void **state)
{
    kw_buf out = {0};
    kw_model_file *file = NULL;
    kw_net *net = NULL;
    size_t len, n_missing = 0;
    tiny t = tiny_random(KW_F32);
    (void)state;
    tiny_set(&t, "llama.attention.key_length", kw_gguf_u32(64)); /* past the writer's padding */
    tiny_add_tensor(&t, "rope_freqs.weight", KW_F32, SHAPE(1));
    unsigned char *image = tiny_image(&t, 0, &len);
    assert_int_equal(kw_model_file_from_memory(image, len, "image", &file, NULL), KW_OK);
    assert_int_equal(kw_net_open(file, &net, NULL), KW_OK);
    assert_int_equal(kw_net_survey(net, false, &out, &n_missing, NULL), KW_OK);
    assert_int_equal(n_missing, 1 + 2 * 4); /* and the projections of heads that are wider now */
    assert_non_null(strstr(out.data, "  rope_freqs.weight\n"));
    kw_buf_free(&out);
    kw_net_close(net);
    kw_model_file_close(file);
    tiny_image_free(image, 0);
}

/* ---- types that cannot run --------------------------------------------------------------------
 */

/* The same tensor with another type id in the image's directory, of no more bytes. */
static void patch_type(unsigned char *image, size_t len, const char *name, uint32_t rank,
                       unsigned char type)
{
    const size_t n = strlen(name);
    for (size_t at = 0; at + n < len; at++)
        if (memcmp(image + at, name, n) == 0) {
            image[at + n + 4 + (size_t)rank * 8] = type;
            return;
        }
    fail_msg("no %s in the image", name);
}

/* A build names the first; a survey lists them all and goes on. */
static void types_that_cannot_run_are_named(void **state)
{
    kw_model_file *file = NULL;
    kw_net *net = NULL;
    kw_graph *graph = NULL;
    kw_buf out = {0};
    kw_error err = {0};
    size_t len, n_missing = 9;
    tiny t = tiny_random(KW_F32);
    (void)state;
    unsigned char *image = tiny_image(&t, 0, &len);
    patch_type(image, len, "blk.0.attn_q.weight", 2, 9); /* Q8_1 */
    patch_type(image, len, "blk.1.ffn_up.weight", 2, 9);
    assert_int_equal(kw_model_file_from_memory(image, len, "image", &file, NULL), KW_OK);
    assert_int_equal(kw_net_open(file, &net, NULL), KW_OK);
    assert_int_equal(kw_net_build(net, &options, &graph, &err), KW_E_UNSUPPORTED);
    assert_non_null(strstr(err.message, "weight \"blk.0.attn_q.weight\" is of type Q8_1"));
    assert_int_equal(kw_net_survey(net, false, &out, &n_missing, &err), KW_OK);
    assert_int_equal(n_missing, 0);
    assert_non_null(strstr(out.data, "missing (0)\n"));
    assert_non_null(strstr(out.data, "unused (0)\n"));
    assert_non_null(strstr(out.data, "blk.0.attn_q.weight (Q8_1)\n"));
    assert_non_null(strstr(out.data, "blk.1.ffn_up.weight (Q8_1)\n"));
    kw_buf_free(&out);
    kw_net_close(net);
    kw_model_file_close(file);
    tiny_image_free(image, 0);
}

/* ---- Hugging Face's names ---------------------------------------------------------------------
 */

/* One layer of 8 under the names of a safetensors file; prefix "model." or nothing. */
static size_t hf_specs(kw_st_tensor *specs, char names[16][TINY_NAME], const char *prefix,
                       bool embedding, bool head)
{
    static const struct {
        const char *name;
        int rows, cols;
    } parts[] = {{"norm", 0, 8},
                 {"layers.0.input_layernorm", 0, 8},
                 {"layers.0.post_attention_layernorm", 0, 8},
                 {"layers.0.self_attn.q_proj", 8, 8},
                 {"layers.0.self_attn.k_proj", 4, 8},
                 {"layers.0.self_attn.v_proj", 4, 8},
                 {"layers.0.self_attn.o_proj", 8, 8},
                 {"layers.0.mlp.gate_proj", 16, 8},
                 {"layers.0.mlp.up_proj", 16, 8},
                 {"layers.0.mlp.down_proj", 8, 16},
                 {"embed_tokens", 5, 8}};
    size_t n = 0;
    for (size_t i = 0; i < KW_COUNT(parts) - !embedding; i++) {
        (void)snprintf(names[n], TINY_NAME, "%s%s.weight", prefix, parts[i].name);
        specs[n] = (kw_st_tensor){names[n], KW_F32,
                                  parts[i].rows ? SHAPE(parts[i].rows, parts[i].cols)
                                                : SHAPE(parts[i].cols)};
        n++;
    }
    if (head) {
        (void)snprintf(names[n], TINY_NAME, "lm_head.weight");
        specs[n] = (kw_st_tensor){names[n], KW_F32, SHAPE(5, 8)};
        n++;
    }
    return n;
}

static void check_hf(const char *prefix, bool embedding, bool head, const char *more,
                     kw_status want, const char *words)
{
    char dir[] = "/tmp/kw-hf-XXXXXX", path[2][80], names[16][TINY_NAME], json[400];
    kw_st_tensor specs[16];
    kw_st_writer *writer = NULL;
    kw_model_file *file = NULL;
    kw_net *net = NULL;
    kw_graph *graph = NULL;
    kw_error err = {0};
    static const float zeros[16 * 8];
    const size_t n = hf_specs(specs, names, prefix, embedding, head);
    assert_non_null(mkdtemp(dir));
    (void)snprintf(path[0], sizeof path[0], "%s/config.json", dir);
    (void)snprintf(path[1], sizeof path[1], "%s/model.safetensors", dir);
    const int len = snprintf(json, sizeof json,
                             "{\"model_type\":\"llama\",\"hidden_size\":8,"
                             "\"num_hidden_layers\":1,\"num_attention_heads\":2,"
                             "\"num_key_value_heads\":1,\"intermediate_size\":16%s}",
                             more);
    FILE *config = fopen(path[0], "w");
    assert_non_null(config);
    assert_int_equal(fwrite(json, 1, (size_t)len, config), len);
    assert_int_equal(fclose(config), 0);
    assert_int_equal(kw_st_create(path[1], specs, n, &writer, NULL), KW_OK);
    for (size_t i = 0; i < n; i++) {
        size_t bytes = 0;
        assert_true(kw_tensor_bytes(KW_F32, specs[i].shape, &bytes) && bytes <= sizeof zeros);
        assert_int_equal(kw_st_write(writer, zeros, bytes, NULL), KW_OK);
    }
    assert_int_equal(kw_st_finish(writer, true, NULL), KW_OK);
    kw_status status = kw_model_file_open(dir, NULL, &file, &err);
    if (status == KW_OK)
        status = kw_net_open(file, &net, &err);
    if (status == KW_OK)
        status = kw_net_build(net, &options, &graph, &err);
    if (status != want || (words && !strstr(err.message, words)))
        fail_msg("status %d \"%s\", expected %d \"%s\"", (int)status, err.message, (int)want,
                 words ? words : "");
    kw_graph_free(graph);
    kw_net_close(net);
    kw_model_file_close(file);
    (void)remove(path[0]);
    (void)remove(path[1]);
    (void)rmdir(dir);
}

static void other_names_are_known(void **state)
{
    static const char tied[] = ",\"tie_word_embeddings\":true";
    (void)state;
    check_hf("model.", true, true, "", KW_OK, NULL);
    check_hf("model.", true, false, "", KW_OK, NULL);   /* the embedding serves as head */
    check_hf("model.", true, true, tied, KW_OK, NULL);  /* and is the head whatever lies there */
    check_hf("model.", false, true, tied, KW_OK, NULL); /* saved under the head's name */
    check_hf("", true, false, tied, KW_OK, NULL);       /* a bare decoder */
    check_hf("model.", false, true, "", KW_E_FORMAT, "weight \"model.embed_tokens.weight\"");
    check_hf("decoder.", true, true, "", KW_E_FORMAT, "");
    check_hf("model.", true, true, ",\"attention_bias\":true", KW_E_FORMAT,
             "weight \"model.layers.0.self_attn.q_proj.bias\" is missing: needs [8]");
    check_hf("model.", true, true, ",\"mlp_bias\":true", KW_E_FORMAT,
             "weight \"model.layers.0.mlp.gate_proj.bias\" is missing: needs [16]");
}

/* ---- views ------------------------------------------------------------------------------------
 */

static void vectors_become_f32(void **state)
{
    static const kw_dtype types[] = {KW_F16, KW_BF16, KW_F64};
    (void)state;
    for (size_t i = 0; i < KW_COUNT(types); i++) {
        tiny t = tiny_random(KW_F32);
        tiny_tensor(&t, "output_norm.weight")->dtype = types[i];
        opened o = open_net(&t);
        const kw_tensor_view *view = kw_model_file_tensor(o.file, KW_STR("output_norm.weight"));
        assert_int_equal(view->dtype, KW_F32);
        assert_int_equal(view->bytes, 32 * sizeof(float));
        const float *values = view->data;
        for (int k = 0; k < 32; k++) {
            const float want = tiny_value(&t, tiny_tensor(&t, "output_norm.weight"), 2, k);
            const float d = values[k] - want;
            assert_true(d < 0.01f && d > -0.01f);
        }
        close_net(&o);
    }
}

/* From memory at an odd address: floats are moved, blocks stay where they are. */
static void unaligned_weights_are_moved(void **state)
{
    (void)state;
    for (size_t shift = 0; shift < 4; shift++) {
        kw_model_file *file = NULL;
        kw_net *net = NULL;
        kw_graph *graph = NULL;
        size_t len;
        tiny t = tiny_random(KW_Q8_0);
        tiny_tensor(&t, "output.weight")->dtype = KW_F16;
        unsigned char *image = tiny_image(&t, shift, &len);
        assert_int_equal(kw_model_file_from_memory(image, len, "image", &file, NULL), KW_OK);
        assert_int_equal(kw_net_open(file, &net, NULL), KW_OK);
        for (size_t i = 0; i < file->n_tensors; i++) {
            const kw_tensor_view *view = &file->tensors[i];
            const size_t align =
                kw_dtype_info(view->dtype)->is_float ? kw_dtype_info(view->dtype)->block_bytes : 1;
            const unsigned char *data = view->data;
            assert_int_equal((uintptr_t)data % align, 0);
            assert_memory_equal(data, image + view->offset, view->bytes);
            if (view->dtype == KW_Q8_0 || shift == 0)
                assert_ptr_equal(data, image + view->offset);
        }
        assert_int_equal(kw_net_build(net, &options, &graph, NULL), KW_OK);
        kw_graph_free(graph);
        kw_net_close(net);
        kw_model_file_close(file);
        tiny_image_free(image, shift);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_whole_model_builds),
        cmocka_unit_test(missing_weights_are_named),
        cmocka_unit_test(misshapen_weights_show_both_shapes),
        cmocka_unit_test(vectors_must_be_floats),
        cmocka_unit_test(rope_factors_divide),
        cmocka_unit_test(the_survey_lists_missing_and_unused),
        cmocka_unit_test(the_survey_is_json),
        cmocka_unit_test(the_survey_reads_no_misshapen_table),
        cmocka_unit_test(types_that_cannot_run_are_named),
        cmocka_unit_test(other_names_are_known),
        cmocka_unit_test(vectors_become_f32),
        cmocka_unit_test(unaligned_weights_are_moved),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
