/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* speed.c - how fast a tokenizer encodes 10 MB of a text, in one thread: the best of five.
 *
 *   speed TOKENIZER TEXT */
#include "text/tokenizer.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define BYTES ((size_t)10000000)

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* The text of a file, again and again up to BYTES. */
static char *read_repeated(const char *path)
{
    FILE *file = fopen(path, "rb");
    char *text = malloc(BYTES);
    const size_t len = file && text ? fread(text, 1, BYTES, file) : 0;
    if (file)
        fclose(file);
    if (len == 0)
        exit(1);
    for (size_t i = len; i < BYTES; i++)
        text[i] = text[i - len];
    return text;
}

int main(int argc, char **argv)
{
    kw_tokenizer *t;
    kw_error err;
    if (argc != 3 || kw_tokenizer_from_path(argv[1], &t, &err) != KW_OK)
        return 1;
    char *text = read_repeated(argv[2]);
    double best = 1e9;
    size_t n = 0;
    for (int i = 0; i < 5; i++) {
        int32_t *ids;
        const double start = now();
        if (kw_tokenizer_encode(t, (kw_str){text, BYTES}, 0, &ids, &n, &err) != KW_OK)
            return 1;
        const double took = now() - start;
        best = took < best ? took : best;
        free(ids);
    }
    printf("kwaai %.1f MB/s, %zu ids\n", (double)BYTES / best / 1e6, n);
    free(text);
    kw_tokenizer_free(t);
    return 0;
}
