/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* numpy.h - arrays of NumPy: one in a .npy, several in the zip archive that is an .npz. */
#ifndef KW_FORMAT_NUMPY_H
#define KW_FORMAT_NUMPY_H

#include "format/image.h"
#include "format/zip.h"

/* An archive all of whose entries are arrays by their names. */
bool kw_numpy_in_zip(const kw_zip *zip);
kw_status kw_numpy_zip_parse(const kw_zip *zip, int part, kw_arena *arena, kw_image *out,
                             kw_error *err);

#endif
