/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* archive.c - a zip archive is a model when it holds what torch.save or numpy.savez writes. */
#include "format/numpy.h"
#include "format/pytorch.h"

kw_status kw_archive_parse(kw_str bytes, int part, kw_arena *arena, kw_image *out, kw_error *err)
{
    kw_zip zip;
    KW_TRY(kw_zip_open(bytes, arena, &zip, err));
    if (kw_pytorch_in_zip(&zip))
        return kw_pytorch_zip_parse(&zip, part, arena, out, err);
    if (kw_numpy_in_zip(&zip))
        return kw_numpy_zip_parse(&zip, part, arena, out, err);
    return kw_fail(
        err, KW_E_UNSUPPORTED,
        "zip: %zu entries, which are neither a PyTorch checkpoint (data.pkl) nor NumPy's "
        "arrays",
        zip.n);
}
