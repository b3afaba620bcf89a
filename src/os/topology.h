/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* topology.h - which processors share a core, and which cores are fast. For system_linux.c only. */
#ifndef KW_OS_TOPOLOGY_H
#define KW_OS_TOPOLOGY_H

#include "os/system.h"

typedef struct kw_topology {
    int n_cores, n_fast; /* cores that the allowed processors belong to; 0 when unknown */
    kw_cpus cores, fast; /* one allowed processor of each; empty when that would be all allowed */
} kw_topology;

/* root: /sys/devices/system/cpu. A core is fast when it reaches FAST_PERCENT of the fastest. */
void kw_topology_read(const char *root, const kw_cpus *allowed, kw_topology *out);

static inline bool kw_cpus_has(const kw_cpus *set, size_t cpu)
{
    return set->bits[cpu / 64] >> cpu % 64 & 1;
}

static inline void kw_cpus_add(kw_cpus *set, size_t cpu)
{
    set->bits[cpu / 64] |= UINT64_C(1) << cpu % 64;
}

#endif
