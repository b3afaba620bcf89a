/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* power_linux.c - supplies of power as the kernel shows them.
 * Source: Linux Documentation/ABI/testing/sysfs-class-power. */
#include "os/power.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "os/dir.h"

#define PATH_BYTES 512
#define WORD_BYTES 32
#define SUPPLIES_MAX 64

/* The first word of an attribute; false when there is none. */
static bool read_word(const char *root, const char *supply, const char *attribute,
                      char out[WORD_BYTES])
{
    char path[PATH_BYTES];
    const int n = snprintf(path, sizeof path, "%s/%s/%s", root, supply, attribute);
    FILE *const file = n > 0 && (size_t)n < sizeof path ? fopen(path, "re") : NULL;
    if (!file)
        return false;
    const bool there = fgets(out, WORD_BYTES, file) != NULL;
    fclose(file);
    if (there)
        out[strcspn(out, "\n")] = '\0';
    return there;
}

static bool is_word(const char *root, const char *supply, const char *attribute, const char *want)
{
    char word[WORD_BYTES];
    return read_word(root, supply, attribute, word) && strcmp(word, want) == 0;
}

typedef struct batteries {
    int n, percents;
} batteries;

static void read_battery(const char *root, const char *supply, batteries *all, kw_power *out)
{
    char word[WORD_BYTES];
    if (is_word(root, supply, "scope", "Device") || is_word(root, supply, "present", "0"))
        return;
    if (!read_word(root, supply, "capacity", word))
        return;
    const long percent = strtol(word, NULL, 10);
    if (percent < 0 || percent > 100)
        return;
    all->n++;
    all->percents += (int)percent;
    out->battery = true;
    out->charging = out->charging || is_word(root, supply, "status", "Charging") ||
                    is_word(root, supply, "status", "Full");
}

void kw_power_read(const char *root, kw_power *out)
{
    kw_dir_list list;
    batteries all = {0};
    *out = (kw_power){.percent = 100};
    if (kw_dir_read(root, &list, NULL) != KW_OK)
        return;
    for (size_t i = 0; i < list.n && i < SUPPLIES_MAX; i++) {
        if (is_word(root, list.names[i], "type", "Battery"))
            read_battery(root, list.names[i], &all, out);
        else if (is_word(root, list.names[i], "online", "1"))
            out->external = true;
    }
    if (all.n > 0)
        out->percent = all.percents / all.n;
    kw_dir_free(&list);
}
