/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* arriving.h - opening a file that is still being fetched. */
#ifndef KW_FORMAT_ARRIVING_H
#define KW_FORMAT_ARRIVING_H

#include "format/model_file.h"

/* How a file is opened of which all is here. */
typedef kw_status (*kw_open_whole_fn)(const char *path, bool no_mmap, kw_model_file **out,
                                      kw_error *err);

kw_status kw_model_file_open_arriving(const char *path, const kw_model_file_options *options,
                                      kw_open_whole_fn open_whole, kw_model_file **out,
                                      kw_error *err);

#endif
