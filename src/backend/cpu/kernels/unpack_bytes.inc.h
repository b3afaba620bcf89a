/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* unpack_bytes.inc.h - the superblocks whose weights are found byte by byte: each 32 bytes of a
 * block are moved, masked and joined to become groups. Written once, for bytes of one row and for
 * bytes of rows side by side: whoever includes this says what
 *   BYTES        bytes in a register
 *   BLOCK        where a block is
 *   UNPACK(x)    is called here
 *   LOAD(b, at)  does: the bytes of block b at `at`
 *   LOW4, HIGH4, BITS, OR  are: kv_low4, kv_high4, kv_bits_of and kv_or
 * and gets functions for half 0 or 1 of a superblock: four groups. */

static KV_INLINE void UNPACK(q4_k)(BYTES w[4], BLOCK block, int half)
{
    const size_t at = offsetof(kw_block_q4_k, qs) + 64 * (size_t)half;
    const BYTES first = LOAD(block, at), second = LOAD(block, at + 32);
    w[0] = LOW4(first);
    w[1] = HIGH4(first);
    w[2] = LOW4(second);
    w[3] = HIGH4(second);
}

static KV_INLINE void UNPACK(q5_k)(BYTES w[4], BLOCK block, int half)
{
    const BYTES high = LOAD(block, offsetof(kw_block_q5_k, qh));
    const size_t at = offsetof(kw_block_q5_k, qs) + 64 * (size_t)half;
    const BYTES first = LOAD(block, at), second = LOAD(block, at + 32);
    w[0] = OR(LOW4(first), BITS(high, 4 - 4 * half, 16));
    w[1] = OR(HIGH4(first), BITS(high, 3 - 4 * half, 16));
    w[2] = OR(LOW4(second), BITS(high, 2 - 4 * half, 16));
    w[3] = OR(HIGH4(second), BITS(high, 1 - 4 * half, 16));
}

static KV_INLINE void UNPACK(q6_k)(BYTES w[4], BLOCK block, int half)
{
    const size_t at = 64 * (size_t)half;
    const BYTES high = LOAD(block, offsetof(kw_block_q6_k, qh) + 32 * (size_t)half);
    const BYTES first = LOAD(block, at), second = LOAD(block, at + 32);
    w[0] = OR(LOW4(first), BITS(high, 4, 0x30));
    w[1] = OR(LOW4(second), BITS(high, 2, 0x30));
    w[2] = OR(HIGH4(first), BITS(high, 0, 0x30));
    w[3] = OR(HIGH4(second), BITS(high, -2, 0x30));
}

/* The four pairs of bits of each byte. */
static KV_INLINE void UNPACK(pairs)(BYTES w[4], const BYTES x)
{
    KV_UNROLL
    for (int i = 0; i < 4; i++)
        w[i] = BITS(x, -2 * i, 3);
}

static KV_INLINE void UNPACK(q2_k)(BYTES w[4], BLOCK block, int half)
{
    UNPACK(pairs)(w, LOAD(block, offsetof(kw_block_q2_k, qs) + 32 * (size_t)half));
}

static KV_INLINE void UNPACK(tq2_0)(BYTES w[4], BLOCK block, int half)
{
    UNPACK(pairs)(w, LOAD(block, offsetof(kw_block_tq2_0, qs) + 32 * (size_t)half));
}

static KV_INLINE void UNPACK(q3_k)(BYTES w[4], BLOCK block, int half)
{
    const BYTES high = LOAD(block, offsetof(kw_block_q3_k, hmask));
    UNPACK(pairs)(w, LOAD(block, offsetof(kw_block_q3_k, qs) + 32 * (size_t)half));
    KV_UNROLL
    for (int i = 0; i < 4; i++)
        w[i] = OR(w[i], BITS(high, 2 - i - 4 * half, 4));
}
