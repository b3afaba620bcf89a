/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* cgroup.h - what the control group (version 2) of this process may use. For system_linux.c only.
 */
#ifndef KW_OS_CGROUP_H
#define KW_OS_CGROUP_H

#include <stdint.h>

typedef struct kw_cgroup {
    uint64_t memory_bytes;    /* UINT64_MAX: no limit */
    uint64_t available_bytes; /* left below the limit; UINT64_MAX: no limit */
    int n_cpus; /* processor time in whole processors, rounded up; INT_MAX: no limit */
} kw_cgroup;

/* self: the file that names the group (/proc/self/cgroup); root: where the hierarchy is mounted. */
void kw_cgroup_read(const char *self, const char *root, kw_cgroup *out);
/* The number behind `key` (with its separator; "" for the first line) in a file, or 0. */
uint64_t kw_field_read(const char *path, const char *key);

#endif
