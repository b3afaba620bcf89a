/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* car_source.h - an archive of blocks (CAR) as a source: for machines without a network. */
#ifndef KW_HUB_CAR_SOURCE_H
#define KW_HUB_CAR_SOURCE_H

#include "hub/pull.h"
#include "os/file.h"

typedef struct kw_car kw_car;

/* Maps an archive and notes where its blocks lie; none is verified yet. */
kw_status kw_car_open(const char *path, kw_car **out, kw_error *err);
void kw_car_close(kw_car *car);
/* The files of its first root: those of a directory, or one file, which gets this name. */
kw_status kw_car_list(const kw_car *car, const char *name, kw_listing *out, kw_error *err);
/* Opens wants that have a root; what it delivers is verified like all else. */
kw_source kw_car_source_make(kw_car *car);

#endif
