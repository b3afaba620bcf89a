/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* suggest.c - the nearest name by optimal string alignment distance.
 *
 * Source: Damerau 1964, "A technique for computer detection and correction of spelling errors"; the
 * restricted form, which moves no substring twice. */
#include "cli/suggest.h"

#include "base/check.h"

#include <stdint.h>
#include <string.h>

#define MAX_WORD 64

size_t kw_edit_distance(const char *word, const char *name)
{
    const size_t n = strlen(word), m = strlen(name);
    if (n >= MAX_WORD || m >= MAX_WORD)
        return SIZE_MAX;
    size_t rows[3][MAX_WORD]; /* row i of the table in rows[i % 3] */
    for (size_t j = 0; j <= m; j++)
        rows[0][j] = j;
    for (size_t i = 1; i <= n; i++) {
        size_t *row = rows[i % 3];
        const size_t *above = rows[(i + 2) % 3], *above2 = rows[(i + 1) % 3];
        row[0] = i;
        for (size_t j = 1; j <= m; j++) {
            const size_t change = above[j - 1] + (word[i - 1] != name[j - 1]);
            size_t best = KW_MIN(change, KW_MIN(above[j], row[j - 1]) + 1);
            if (i > 1 && j > 1 && word[i - 1] == name[j - 2] && word[i - 2] == name[j - 1])
                best = KW_MIN(best, above2[j - 2] + 1);
            row[j] = best;
        }
    }
    return rows[n % 3][m];
}

void kw_suggest_init(kw_suggestion *s, const char *word)
{
    *s = (kw_suggestion){.word = word, .best = NULL, .distance = SIZE_MAX};
}

bool kw_suggest_consider(kw_suggestion *s, const char *name)
{
    const size_t len = strlen(s->word);
    size_t distance = kw_edit_distance(s->word, name);
    if (len >= 3 && strncmp(s->word, name, len) == 0)
        distance = KW_MIN(distance, (size_t)1); /* an abbreviation */
    if (distance > KW_MAX(len / 3, (size_t)1) || distance >= s->distance)
        return false;
    s->best = name;
    s->distance = distance;
    return true;
}
