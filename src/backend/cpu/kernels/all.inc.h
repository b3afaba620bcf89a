/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* all.inc.h - every vector kernel, over the simd_<isa>.h included before it. fill_table puts them
 * into the slots. */
#include "backend/cpu/isa/isa.h"

#include "base/check.h"
#include "base/fmath_coeffs.h"
#include "tensor/quant/blocks.h"
#include "tensor/quant/iq_grids.h"

#include <math.h>

#include "backend/cpu/kernels/common.inc.h"

#include "backend/cpu/kernels/fmath.inc.h"
#include "backend/cpu/kernels/gemm.inc.h"
#include "backend/cpu/kernels/gemv_f.inc.h"
#include "backend/cpu/kernels/unpack_k.inc.h"
#include "backend/cpu/kernels/unpack_s32.inc.h"

#include "backend/cpu/kernels/gemm_f.inc.h"
#include "backend/cpu/kernels/gemm_s32.inc.h"
#include "backend/cpu/kernels/gemv_k.inc.h"
#include "backend/cpu/kernels/gemv_s32.inc.h"

#include "backend/cpu/kernels/outer.inc.h"

#include "backend/cpu/kernels/attend.inc.h"
#include "backend/cpu/kernels/gemm_k.inc.h"
#include "backend/cpu/kernels/map.inc.h"
#include "backend/cpu/kernels/peak.inc.h"
#include "backend/cpu/kernels/rows.inc.h"

#include "backend/cpu/kernels/table.inc.h"
