/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* mask.c - what following a JSON Schema costs: compiling it, sorting the vocabulary, and the mask
 * of each token of random answers, in one thread. The same answers are given twice: what states
 * were found the first time are there the second.
 *
 *   mask TOKENIZER SCHEMA [ANSWERS] */
#include "text/grammar.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define MAX_TOKENS 100

static double now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return 1e3 * (double)t.tv_sec + 1e-6 * (double)t.tv_nsec;
}

static char text[1 << 19];

static kw_str read_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    const size_t len = file ? fread(text, 1, sizeof text - 1, file) : 0;
    if (file)
        fclose(file);
    return (kw_str){text, len};
}

static void must(kw_status status, const kw_error *err)
{
    if (status == KW_OK)
        return;
    fprintf(stderr, "mask: %s\n", err->message);
    exit(1);
}

typedef struct times {
    double worst_ms, sum_ms;
    size_t n, ended;
} times;

/* One of the tokens of a mask, at random. */
static int32_t choose(const uint32_t *mask, size_t n, uint32_t *seed)
{
    int32_t found = -1;
    uint32_t seen = 0;
    for (size_t i = 0; i < n; i++) {
        if (!(mask[i / 32] >> (i % 32) & 1))
            continue;
        *seed = *seed * 1664525u + 1013904223u;
        if ((*seed >> 8) % ++seen == 0)
            found = (int32_t)i;
    }
    return found;
}

static void answer(kw_matcher *m, const kw_tokenizer *t, uint32_t seed, times *out, kw_error *err)
{
    kw_matcher_reset(m);
    for (int i = 0; i < MAX_TOKENS && !kw_matcher_complete(m); i++) {
        const uint32_t *mask;
        bool fits;
        const double start = now_ms();
        must(kw_matcher_mask(m, &mask, err), err);
        const double took = now_ms() - start;
        out->worst_ms = took > out->worst_ms ? took : out->worst_ms;
        out->sum_ms += took;
        out->n++;
        const int32_t id = choose(mask, kw_tokenizer_size(t), &seed);
        if (id < 0 || kw_tokenizer_is_end(t, id))
            break;
        must(kw_matcher_push_token(m, t, id, &fits, err), err);
    }
    out->ended += kw_matcher_accepts(m);
}

int main(int argc, char **argv)
{
    kw_tokenizer *t;
    kw_token_index *index;
    kw_grammar *g;
    kw_matcher *m;
    kw_buf gbnf = {0};
    kw_error err = {0};
    if (argc < 3)
        return 2;
    const int answers = argc > 3 ? atoi(argv[3]) : 20;
    must(kw_tokenizer_from_path(argv[1], &t, &err), &err);
    double start = now_ms();
    must(kw_token_index_create(t, kw_tokenizer_size(t), &index, &err), &err);
    printf("%zu tokens sorted in %.1f ms\n", kw_tokenizer_size(t), now_ms() - start);
    const kw_str schema = read_file(argv[2]);
    start = now_ms();
    must(kw_schema_to_grammar(schema, "schema", &gbnf, &err), &err);
    must(kw_grammar_parse((kw_str){gbnf.data, gbnf.len}, "schema", &g, &err), &err);
    must(kw_matcher_create(g, index, &m, &err), &err);
    printf("schema compiled in %.2f ms\n", now_ms() - start);
    for (int round = 0; round < 2; round++) {
        times sum = {0};
        for (int i = 0; i < answers; i++)
            answer(m, t, (uint32_t)i, &sum, &err);
        printf("%s: %zu masks, worst %.3f ms, mean %.4f ms, %zu of %d answers may end\n",
               round ? "again" : "first", sum.n, sum.worst_ms, sum.sum_ms / (double)sum.n,
               sum.ended, answers);
    }
    kw_matcher_free(m);
    kw_grammar_free(g);
    kw_buf_free(&gbnf);
    kw_token_index_free(index);
    kw_tokenizer_free(t);
    return 0;
}
