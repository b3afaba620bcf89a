/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* decimal.c - decimal text to double.
 *
 * Exact for every input. Up to 15 digits and a power of ten up to 22 one operation on exact doubles
 * rounds once (Clinger 1990). Otherwise a guess, within a few units in the last place, is compared
 * as a big integer with the midpoints to its neighbours and moved until it lies between them. A
 * midpoint has at most 767 significant digits, so digits beyond KEEP matter only by being nonzero.
 */
#include "base/decimal.h"

#include <float.h>
#include <math.h>
#include <stdint.h>

#include "base/check.h"

#define KEEP 800

/* 0.d1 d2 .. dn times 10^point; the first digit is not zero. */
typedef struct decimal {
    unsigned char digit[KEEP + 1];
    int n;
    int64_t point;
    bool negative;
} decimal;

/* Little endian. The largest value met is 10^1143 * 2^54, or 801 digits * 2^1075: under 4096 bits.
 */
#define LIMBS 136
typedef struct big {
    uint32_t limb[LIMBS];
    size_t n;
} big;

static const double ten_to[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};

static void big_mul_add(big *b, uint32_t factor, uint32_t addend)
{
    uint64_t carry = addend;
    for (size_t i = 0; i < b->n; i++) {
        carry += (uint64_t)b->limb[i] * factor;
        b->limb[i] = (uint32_t)carry;
        carry >>= 32;
    }
    if (carry != 0) {
        kw_assert(b->n < LIMBS);
        b->limb[b->n++] = (uint32_t)carry;
    }
}

static void big_mul_ten_to(big *b, int64_t power)
{
    for (; power >= 9; power -= 9)
        big_mul_add(b, 1000000000u, 0);
    for (; power > 0; power--)
        big_mul_add(b, 10, 0);
}

static void big_shift_left(big *b, int bits)
{
    const size_t words = (size_t)bits / 32;
    if (words != 0 && b->n != 0) {
        kw_assert(b->n + words <= LIMBS);
        for (size_t i = b->n; i-- > 0;)
            b->limb[i + words] = b->limb[i];
        memset(b->limb, 0, words * sizeof(b->limb[0]));
        b->n += words;
    }
    big_mul_add(b, 1u << (bits % 32), 0);
}

static int big_compare(const big *a, const big *b)
{
    if (a->n != b->n)
        return a->n < b->n ? -1 : 1;
    for (size_t i = a->n; i-- > 0;) {
        if (a->limb[i] != b->limb[i])
            return a->limb[i] < b->limb[i] ? -1 : 1;
    }
    return 0;
}

/* Sign of d - m * 2^exponent, exactly. */
static int compare(const decimal *d, uint64_t m, int exponent)
{
    big a = {.n = 0}, b = {.n = 0};
    int i = 0;
    for (; i + 9 <= d->n; i += 9) {
        uint32_t nine = 0;
        for (int j = 0; j < 9; j++)
            nine = nine * 10 + d->digit[i + j];
        big_mul_add(&a, 1000000000u, nine);
    }
    for (; i < d->n; i++)
        big_mul_add(&a, 10, d->digit[i]);
    b.limb[0] = (uint32_t)m;
    b.limb[1] = (uint32_t)(m >> 32);
    b.n = b.limb[1] != 0 ? 2 : 1;
    const int64_t power = d->point - d->n;
    if (power >= 0)
        big_mul_ten_to(&a, power);
    else
        big_mul_ten_to(&b, -power);
    if (exponent >= 0)
        big_shift_left(&b, exponent);
    else
        big_shift_left(&a, -exponent);
    return big_compare(&a, &b);
}

/* v = m * 2^exponent with m below 2^53 and, for normal v, at least 2^52. */
static uint64_t split(double v, int *exponent)
{
    uint64_t bits;
    memcpy(&bits, &v, sizeof(bits));
    const int biased = (int)(bits >> 52);
    const uint64_t fraction = bits & ((UINT64_C(1) << 52) - 1);
    *exponent = (biased == 0 ? 1 : biased) - 1075;
    return biased == 0 ? fraction : fraction | UINT64_C(1) << 52;
}

/* Within a few units in the last place of d, finite. */
static double guess(const decimal *d)
{
    uint64_t leading = 0;
    const int n = KW_MIN(d->n, 19);
    for (int i = 0; i < n; i++)
        leading = leading * 10 + d->digit[i];
    double v = (double)leading;
    const int64_t power = d->point - n;
    for (int64_t left = power; left > 0; left -= 22)
        v *= ten_to[KW_MIN(left, 22)];
    for (int64_t left = -power; left > 0; left -= 22)
        v /= ten_to[KW_MIN(left, 22)];
    return v < DBL_MAX ? v : DBL_MAX;
}

/* The double nearest to d (not negative), or infinity. */
static double nearest(const decimal *d)
{
    double v = guess(d);
    for (;;) {
        int exponent;
        const uint64_t m = split(v, &exponent);
        const int above = compare(d, 2 * m + 1, exponent - 1);
        if (above > 0 || (above == 0 && (m & 1) != 0)) {
            v = nextafter(v, HUGE_VAL);
            if (above == 0 || v > DBL_MAX)
                return v;
            continue;
        }
        if (above == 0 || m == 0)
            return v;
        /* Below a power of two the neighbours are twice as close. */
        const bool edge = m == UINT64_C(1) << 52 && exponent > -1074;
        const int below =
            edge ? compare(d, 4 * m - 1, exponent - 2) : compare(d, 2 * m - 1, exponent - 1);
        if (below > 0 || (below == 0 && (m & 1) == 0))
            return v;
        v = nextafter(v, 0.0);
        if (below == 0)
            return v;
    }
}

/* Takes the digits of the whole and fractional part; false when there are none. */
static bool scan_digits(kw_str text, size_t *pos, decimal *d)
{
    bool any = false, point = false, sticky = false;
    size_t i = *pos;
    for (; i < text.len; i++) {
        const char c = text.data[i];
        if (c == '.' && !point) {
            point = true;
            continue;
        }
        if (c < '0' || c > '9')
            break;
        any = true;
        if (!point && (d->n > 0 || c != '0'))
            d->point++;
        if (point && d->n == 0 && c == '0')
            d->point--;
        if (d->n == 0 && c == '0')
            continue;
        if (d->n < KEEP)
            d->digit[d->n++] = (unsigned char)(c - '0');
        else
            sticky = sticky || c != '0';
    }
    if (sticky)
        d->digit[d->n++] = 1;
    while (d->n > 0 && d->digit[d->n - 1] == 0)
        d->n--;
    *pos = i;
    return any;
}

static bool scan_exponent(kw_str text, size_t *pos, decimal *d)
{
    if (*pos == text.len)
        return true;
    size_t i = *pos;
    if (text.data[i] != 'e' && text.data[i] != 'E')
        return false;
    i++;
    const bool negative = i < text.len && text.data[i] == '-';
    if (i < text.len && (text.data[i] == '-' || text.data[i] == '+'))
        i++;
    if (i == text.len)
        return false;
    int64_t value = 0;
    for (; i < text.len; i++) {
        const char c = text.data[i];
        if (c < '0' || c > '9')
            return false;
        /* Beyond this no text is long enough for its digits to cancel it. */
        if (value < INT64_MAX / 100)
            value = value * 10 + (c - '0');
    }
    d->point += negative ? -value : value;
    *pos = i;
    return true;
}

/* At most 15 digits and a small power of ten: one rounding of exact operands. */
static bool exact_path(const decimal *d, double *out)
{
    if (d->n > 15)
        return false;
    const int64_t power = d->point - d->n;
    if (power > 22 || power < -22)
        return false;
    uint64_t m = 0;
    for (int i = 0; i < d->n; i++)
        m = m * 10 + d->digit[i];
    *out = power >= 0 ? (double)m * ten_to[power] : (double)m / ten_to[-power];
    return true;
}

bool kw_decimal_f64(kw_str text, double *out)
{
    decimal d;
    d.n = 0;
    d.point = 0;
    size_t pos = 0;
    d.negative = text.len > 0 && text.data[0] == '-';
    if (text.len > 0 && (text.data[0] == '-' || text.data[0] == '+'))
        pos++;
    if (!scan_digits(text, &pos, &d) || !scan_exponent(text, &pos, &d))
        return false;
    double value;
    if (d.n == 0 || d.point < -330)
        value = 0.0;
    else if (d.point > 310)
        return false;
    else if (!exact_path(&d, &value))
        value = nearest(&d);
    if (value > DBL_MAX)
        return false;
    *out = d.negative ? -value : value;
    return true;
}
