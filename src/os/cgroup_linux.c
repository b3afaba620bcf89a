/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* cgroup_linux.c - limits of the control group, version 2.
 *
 * A process in a container sees the whole machine in /proc; what it may use is the least of the
 * limits of its group and of every group above it. What cannot be read limits nothing.
 * Source: Linux Documentation/admin-guide/cgroup-v2.rst. */
#include "os/cgroup.h"

#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"

#define PATH_BYTES 1024

/* Calls line(user, text) for each line of a small file until it returns false. */
static void each_line(const char *path, bool (*line)(void *user, const char *text), void *user)
{
    FILE *file = fopen(path, "re");
    if (!file)
        return;
    char text[PATH_BYTES];
    while (fgets(text, (int)sizeof(text), file)) {
        text[strcspn(text, "\n")] = '\0';
        if (!line(user, text))
            break;
    }
    fclose(file);
}

typedef struct field {
    const char *key;
    uint64_t value;
} field;

static bool field_line(void *user, const char *text)
{
    field *wanted = user;
    const size_t n = strlen(wanted->key);
    if (strncmp(text, wanted->key, n) != 0)
        return true;
    wanted->value = strtoull(text + n, NULL, 10);
    return false;
}

uint64_t kw_field_read(const char *path, const char *key)
{
    field wanted = {.key = key, .value = 0};
    each_line(path, field_line, &wanted);
    return wanted.value;
}

static bool group_line(void *user, const char *text)
{
    char *group = user;
    if (strncmp(text, "0::/", 4) != 0)
        return true;
    /* A path that does not fit is cut; the groups above may still be read. */
    if (snprintf(group, PATH_BYTES, "%s", text + 3) < 0)
        group[0] = '\0';
    return false;
}

/* "max PERIOD" or "QUOTA PERIOD", microseconds of processor time in each period. */
static bool cpu_line(void *user, const char *text)
{
    kw_cgroup *limit = user;
    char *end;
    const unsigned long long quota = strtoull(text, &end, 10);
    if (end == text || quota == 0)
        return false;
    const unsigned long long period = strtoull(end, NULL, 10);
    if (period == 0)
        return false;
    const unsigned long long cpus = (quota - 1) / period + 1;
    if (cpus < (unsigned long long)limit->n_cpus)
        limit->n_cpus = (int)cpus;
    return false;
}

/* Lowers the limits by those of one group. Its cached pages of files are given back when something
 * else needs them, so they count as free. */
static void read_group(const char *root, const char *group, kw_cgroup *limit)
{
    char path[3 * PATH_BYTES];
    snprintf(path, sizeof(path), "%s%s/cpu.max", root, group);
    each_line(path, cpu_line, limit);
    snprintf(path, sizeof(path), "%s%s/memory.max", root, group);
    const uint64_t most = kw_field_read(path, "");
    if (most == 0) /* "max", or no such file */
        return;
    limit->memory_bytes = KW_MIN(limit->memory_bytes, most);
    snprintf(path, sizeof(path), "%s%s/memory.stat", root, group);
    const uint64_t files =
        kw_field_read(path, "inactive_file ") + kw_field_read(path, "active_file ");
    snprintf(path, sizeof(path), "%s%s/memory.current", root, group);
    uint64_t used = kw_field_read(path, "");
    used -= KW_MIN(used, files);
    limit->available_bytes = KW_MIN(limit->available_bytes, most - KW_MIN(most, used));
}

void kw_cgroup_read(const char *self, const char *root, kw_cgroup *out)
{
    *out = (kw_cgroup){UINT64_MAX, UINT64_MAX, INT_MAX};
    char group[PATH_BYTES] = "";
    each_line(self, group_line, group);
    if (group[0] == '\0')
        return;
    if (strcmp(group, "/") != 0)
        read_group(root, group, out);
    for (char *slash; (slash = strrchr(group, '/')) != NULL;) {
        *slash = '\0';
        read_group(root, group, out);
    }
}
