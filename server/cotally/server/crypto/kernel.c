/* Arithmetic mod one odd N on eight residues at a time, with AVX512-IFMA.
 *
 * A number is `digits` digits of 52 bits. A *pack* holds eight numbers, lane by lane: its j-th
 * vector holds digit j of all eight. Products are Montgomery's, a * b / R with R = 2^(52 digits):
 * because R > 4N, factors below 2N give a product below 2N, and nothing is compared with N before
 * a result leaves (Walter 1999; Gueron and Krasnov 2013). Digits in a pack are always below 2^52.
 *
 * The order: memory; bytes to digits and back; products; one number across the lanes, for work on
 * few; rings; and what Python calls, which is marked EXPORT: products, powers, powers of one base.
 *
 * Bytes are big-endian, `width` of them per residue; whoever calls has checked that they are below
 * N. What they hold never decides a branch or an address, except where a function says that its
 * exponent is public. A function that needs memory returns 0, or -1 if there is none.
 *
 * Only the functions marked KERNEL use the wide instructions; call none before cotally_supported().
 */

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define EXPORT __attribute__((visibility("default")))

/* The digest of this file, by which a library of another version is told. */
EXPORT const char *cotally_source(void) { return COTALLY_SOURCE; }

#if !(defined(__x86_64__) && defined(__GNUC__))

EXPORT int cotally_supported(void) { return 0; }

#else

#include <immintrin.h>

#define KERNEL __attribute__((target("avx512f,avx512ifma,avx512vbmi,avx512bw,avx512dq,avx512vl")))
#define INLINE KERNEL __attribute__((always_inline)) static inline

typedef __m512i vec;
typedef const uint8_t *const *sources; /* where the eight residues of a pack lie */

enum { LANES = 8, DIGIT = 52 };

#define LOW(sum, a, b) _mm512_madd52lo_epu64(sum, a, b)
#define HIGH(sum, a, b) _mm512_madd52hi_epu64(sum, a, b)
#define ADD(a, b) _mm512_add_epi64(a, b)
#define CARRY(a) _mm512_srai_epi64(a, DIGIT) /* arithmetic: a column may be negative for a while */
#define COUNTING _mm512_set_epi64(7, 6, 5, 4, 3, 2, 1, 0)
#define MASK _mm512_set1_epi64((1LL << DIGIT) - 1)

struct ring {
    size_t digits;           /* a multiple of 4 */
    size_t padded;           /* the same, rounded up to whole groups: vectors of a pack */
    size_t width;            /* bytes of a residue */
    uint64_t inverse;        /* -1 / N mod 2^52 */
    vec *modulus;            /* N, R mod N, R^2 mod N and 1, in all lanes */
    vec *one, *square, *unit;
    uint8_t shuffle[64];     /* of 64 bytes, which takes each of eight digits to its lane */
};

/* ---- memory ------------------------------------------------------------------------------- */

static vec *new_packs(const struct ring *ring, size_t count)
{
    size_t size = ring->padded * sizeof(vec);
    void *packs = NULL;
    if (count > SIZE_MAX / 2 / size || posix_memalign(&packs, 64, count * size) != 0)
        return NULL;
    memset(packs, 0, count * size);
    return packs;
}

/* Overwrite memory that held a secret. The barrier keeps the compiler from leaving it out. */
static void wipe(void *memory, size_t size)
{
    memset(memory, 0, size);
    __asm__ volatile("" : : "r"(memory) : "memory");
}

struct work { /* the memory of one call, wiped when it ends */
    vec *x, *y;                       /* a pack each, for the caller */
    vec *more;                        /* as many packs as the caller asked for */
    vec *quotient, *columns;          /* of a product: one pack, two packs */
    vec *cross, *sums;                /* of karatsuba: one pack each */
    size_t size;
};

static int open_work(const struct ring *ring, struct work *work, size_t more)
{
    enum { OWN = 7 };
    vec *packs = work->x = new_packs(ring, OWN + more);
    if (packs == NULL)
        return -1;
    work->y = packs + ring->padded;
    work->quotient = packs + 2 * ring->padded;
    work->columns = packs + 3 * ring->padded;
    work->cross = packs + 5 * ring->padded;
    work->sums = packs + 6 * ring->padded;
    work->more = packs + OWN * ring->padded;
    work->size = (OWN + more) * ring->padded * sizeof(vec);
    return 0;
}

static int close_work(struct work *work)
{
    wipe(work->x, work->size);
    free(work->x);
    return 0;
}

/* ---- bytes to digits and back ------------------------------------------------------------- */

INLINE void transpose(vec row[LANES])
{
    vec a[LANES], b[LANES];
    for (int i = 0; i < LANES; i += 2) {
        a[i] = _mm512_unpacklo_epi64(row[i], row[i + 1]);
        a[i + 1] = _mm512_unpackhi_epi64(row[i], row[i + 1]);
    }
    for (int i = 0; i < LANES; i += 4)
        for (int j = 0; j < 2; j++) {
            b[i + j] = _mm512_shuffle_i64x2(a[i + j], a[i + j + 2], 0x88);
            b[i + j + 2] = _mm512_shuffle_i64x2(a[i + j], a[i + j + 2], 0xdd);
        }
    for (int i = 0; i < 4; i++) {
        row[i] = _mm512_shuffle_i64x2(b[i], b[i + 4], 0x88);
        row[i + 4] = _mm512_shuffle_i64x2(b[i], b[i + 4], 0xdd);
    }
}

/* The pack of the eight residues at *from*. Eight digits are 52 bytes; every second one begins in the
 * middle of a byte. */
KERNEL static void gather(const struct ring *ring, vec *pack, sources from)
{
    const vec shuffle = _mm512_loadu_si512(ring->shuffle), halves = _mm512_set_epi64(4, 0, 4, 0, 4, 0, 4, 0);
    for (size_t j = 0; j < ring->padded; j += LANES) {
        size_t below = j * DIGIT / 8, left = ring->width > below ? ring->width - below : 0;
        for (int lane = 0; lane < LANES; lane++) {
            vec bytes = {0};
            if (left >= 64)
                bytes = _mm512_loadu_si512(from[lane] + left - 64);
            else
                memcpy((uint8_t *)&bytes + 64 - left, from[lane], left);
            pack[j + (size_t)lane] = _mm512_and_si512(MASK, _mm512_srlv_epi64(
                _mm512_permutexvar_epi8(shuffle, bytes), halves));
        }
        transpose(pack + j);
    }
}

/* Subtract N where the number is not below it. */
KERNEL static void canonical(const struct ring *ring, vec *pack, vec *spare)
{
    vec borrow = _mm512_setzero_si512();
    for (size_t j = 0; j < ring->digits; j++) {
        vec difference = ADD(_mm512_sub_epi64(pack[j], ring->modulus[j]), borrow);
        spare[j] = _mm512_and_si512(difference, MASK);
        borrow = CARRY(difference);
    }
    for (size_t j = 0; j < ring->digits; j++) /* borrow is 0 where N was not larger, else -1 */
        pack[j] = _mm512_ternarylogic_epi64(borrow, pack[j], spare[j], 0xca);
}

/* Write *word* as the eight big-endian bytes before *end*, without its first where there are only *left*. */
static void write_word(uint8_t *end, size_t left, uint64_t word)
{
    uint64_t turned = __builtin_bswap64(word);
    if (left >= 8)
        memcpy(end - 8, &turned, 8);
    else
        memcpy(end - left, (const uint8_t *)&turned + 8 - left, left);
}

/* Write the first *count* lanes of *pack*, reduced, as residues to *to*; changes the pack. */
KERNEL static void scatter(const struct ring *ring, vec *pack, vec *spare, uint8_t *const *to, size_t count)
{
    canonical(ring, pack, spare);
    for (size_t lane = 0; lane < count; lane++) {
        const uint64_t *digit = (const uint64_t *)pack + lane;
        memset(to[lane], 0, ring->width);
        for (size_t j = 0; j < ring->digits && 13 * j / 2 < ring->width; j += 2) { /* two are 13 bytes */
            size_t left = ring->width - 13 * j / 2;
            uint64_t even = digit[LANES * j], odd = digit[LANES * (j + 1)];
            write_word(to[lane] + left, left, even | odd << DIGIT);
            if (left > 8)
                write_word(to[lane] + left - 8, left - 8, odd >> (64 - DIGIT));
        }
    }
}

/* The *index*-th eight residues of a vector; where it ends, its last one again. */
KERNEL static void take(const struct ring *ring, vec *pack, const uint8_t *vector, size_t count, size_t index)
{
    const uint8_t *from[LANES];
    for (size_t lane = 0; lane < LANES; lane++)
        from[lane] = vector + (index * LANES + lane < count ? index * LANES + lane : count - 1) * ring->width;
    gather(ring, pack, from);
}

/* The opposite of take; changes *pack*. */
KERNEL static void give(
    const struct ring *ring, vec *pack, vec *spare, uint8_t *vector, size_t count, size_t index)
{
    size_t first = index * LANES, left = count - first < LANES ? count - first : LANES;
    uint8_t *to[LANES];
    for (size_t lane = 0; lane < left; lane++)
        to[lane] = vector + (first + lane) * ring->width;
    scatter(ring, pack, spare, to, left);
}

/* ---- products ----------------------------------------------------------------------------- */

/* Four digits times four digits, added to seven columns; a product's upper half belongs one higher. */
INLINE void four_by_four(vec low[7], vec high[7], const vec *a, const vec *b)
{
    for (int i = 0; i < 4; i++)
        for (int j = 0; j < 4; j++) {
            low[i + j] = LOW(low[i + j], a[i], b[j]);
            high[i + j] = HIGH(high[i + j], a[i], b[j]);
        }
}

/* t = the eight columns of seven lower and seven upper halves. */
INLINE void join(vec t[8], const vec low[7], const vec high[7])
{
    t[0] = low[0];
    for (int j = 1; j < 7; j++)
        t[j] = ADD(low[j], high[j - 1]);
    t[7] = high[6];
}

/* Columns of a * b, *digits* each, not carried: column k is the sum of what belongs at 2^(52 k).
 * In a * a, of every two equal products one is computed and doubled. At most 2 * digits summands below
 * 2^52 meet in a column, and as many again in reduce: 2^63 holds them up to 500 digits, also what
 * karatsuba takes away for a while. */
KERNEL static void multiply_out(vec *columns, const vec *a, const vec *b, size_t digits)
{
    size_t blocks = digits / 4;
    vec spill[4] = {0};
    for (size_t k = 0; k < 2 * blocks; k++) {
        vec low[7] = {0}, high[7] = {0}, t[8];
        size_t i = k < blocks ? 0 : k - blocks + 1, stop = a == b ? (k + 1) / 2 : k + 1 - i;
        for (; i < stop; i++)
            four_by_four(low, high, a + 4 * i, b + 4 * (k - i));
        if (a == b) {
            for (int j = 0; j < 7; j++) {
                low[j] = ADD(low[j], low[j]);
                high[j] = ADD(high[j], high[j]);
            }
            if (k % 2 == 0)
                four_by_four(low, high, a + 2 * k, a + 2 * k);
        }
        join(t, low, high);
        for (int j = 0; j < 4; j++) {
            columns[4 * k + (size_t)j] = ADD(spill[j], t[j]);
            spill[j] = t[j + 4];
        }
    }
}

/* sum = the lower half of *a* plus its upper half; the carry out, in each lane 0 or all ones. */
INLINE vec add_halves(vec *sum, const vec *a, size_t half)
{
    vec carry = _mm512_setzero_si512();
    for (size_t j = 0; j < half; j++) {
        vec digit = ADD(ADD(a[j], a[j + half]), carry);
        sum[j] = _mm512_and_si512(digit, MASK);
        carry = CARRY(digit);
    }
    return _mm512_sub_epi64(_mm512_setzero_si512(), carry);
}

/* The columns of a * b from three products of half the size (Karatsuba 1962):
 * a1 b0 + a0 b1 = (a0 + a1)(b0 + b1) - a0 b0 - a1 b1. The sums' carries are multiplied apart. */
KERNEL static void karatsuba(const struct work *work, vec *columns, const vec *a, const vec *b, size_t digits)
{
    size_t half = digits / 2;
    vec *cross = work->cross, *sum_a = work->sums, *sum_b = a == b ? sum_a : work->sums + half;
    vec carry_a = add_halves(sum_a, a, half), carry_b = a == b ? carry_a : add_halves(sum_b, b, half);
    multiply_out(columns, a, b, half);
    multiply_out(columns + digits, a + half, b + half, half);
    multiply_out(cross, sum_a, sum_b, half);
    for (size_t j = 0; j < digits; j++)
        cross[j] = _mm512_sub_epi64(cross[j], ADD(columns[j], columns[j + digits]));
    for (size_t j = 0; j < half; j++) {
        columns[half + j] = ADD(columns[half + j], cross[j]);
        columns[digits + j] = ADD(ADD(columns[digits + j], cross[half + j]), ADD(
            _mm512_and_si512(carry_a, sum_b[j]), _mm512_and_si512(carry_b, sum_a[j])));
    }
    columns[digits + half] = _mm512_sub_epi64(columns[digits + half], _mm512_and_si512(
        carry_a, carry_b)); /* minus minus one */
}

/* r = columns / R mod N, below 2N: four digits of the quotient at a time, chosen so that the lowest
 * four columns vanish (Montgomery 1985). */
KERNEL static void reduce(const struct ring *ring, vec *r, const vec *columns, vec *quotient)
{
    size_t blocks = ring->digits / 4;
    const vec *n = ring->modulus;
    const vec zero = {0}, inverse = _mm512_set1_epi64((long long)ring->inverse);
    vec spill[4] = {0};
    for (size_t k = 0; k < 2 * blocks; k++) {
        vec low[7] = {0}, high[7] = {0}, t[8];
        for (size_t i = k < blocks ? 0 : k - blocks + 1; i < k && i < blocks; i++)
            four_by_four(low, high, quotient + 4 * i, n + 4 * (k - i));
        join(t, low, high);
        for (int j = 0; j < 4; j++)
            t[j] = ADD(t[j], ADD(columns[4 * k + (size_t)j], spill[j]));
        if (k < blocks) {
            for (int j = 0; j < 4; j++) {
                vec q = LOW(zero, t[j], inverse);
                quotient[4 * k + (size_t)j] = q;
                for (int i = 0; i < 4; i++) {
                    t[i + j] = LOW(t[i + j], q, n[i]);
                    t[i + j + 1] = HIGH(t[i + j + 1], q, n[i]);
                }
                t[j + 1] = ADD(t[j + 1], CARRY(t[j]));
            }
        } else {
            for (int j = 0; j < 4; j++) {
                r[4 * (k - blocks) + (size_t)j] = _mm512_and_si512(t[j], MASK);
                t[j + 1] = ADD(t[j + 1], CARRY(t[j]));
            }
        }
        for (int j = 0; j < 4; j++)
            spill[j] = t[j + 4];
    }
}

enum { KARATSUBA = 48 }; /* digits from which it is faster */

/* r = a * b / R, cheaper where b is a itself. Any of them may be the same pack. */
KERNEL static void multiply(
    const struct ring *ring, const struct work *work, vec *r, const vec *a, const vec *b)
{
    if (ring->digits % 8 == 0 && ring->digits >= KARATSUBA)
        karatsuba(work, work->columns, a, b, ring->digits);
    else
        multiply_out(work->columns, a, b, ring->digits);
    reduce(ring, r, work->columns, work->quotient);
}

/* result = the product of the lanes of work->x, divided by R. */
KERNEL static void fold(const struct ring *ring, const struct work *work, uint8_t *result)
{
    for (long long half = LANES / 2; half > 0; half /= 2) {
        vec turn = _mm512_and_si512(ADD(COUNTING, _mm512_set1_epi64(half)), _mm512_set1_epi64(LANES - 1));
        for (size_t j = 0; j < ring->digits; j++)
            work->y[j] = _mm512_permutexvar_epi64(turn, work->x[j]);
        multiply(ring, work, work->x, work->x, work->y);
    }
    multiply(ring, work, work->x, work->x, ring->unit);
    give(ring, work->x, work->y, result, 1, 0);
}

/* ---- one number across the lanes ---------------------------------------------------------- */

/* Few numbers leave lanes of a pack idle. Here a number is alone: vector k holds its digits 8 k to
 * 8 k + 7. Shifts of one factor by 0 to 7 digits are kept, so that any digit of the other factor
 * times a whole vector falls into place. What would make such a product wait is the quotient's next
 * digits; hence N is -1 mod 2^416, which makes them the lowest digits of the sum itself: with
 * N = 2^416 M - 1, adding t N to a sum whose lowest 8 digits are t leaves t M, 8 digits higher. */

struct lone { /* the memory of such products */
    size_t groups;       /* vectors of a number: padded / 8 */
    vec *factor, *above; /* b and M shifted: two packs each, of which 8 * (groups + 1) vectors are used */
    vec *low, *high;     /* columns, 2 * groups; high[k] belongs one digit higher, high[-1] is 0 */
    vec *quotient;       /* groups */
};

enum { LONE_PACKS = 5 }; /* for all of that and one number more */

/* The number in the first lane of *pack*, alone. */
static void single_out(const struct ring *ring, vec *number, const vec *pack)
{
    for (size_t j = 0; j < ring->padded; j++)
        ((long long *)number)[j] = ((const long long *)(pack + j))[0];
}

/* All eight shifts of *number*, vector by vector: groups + 1 of each. */
KERNEL static void shift_up(vec *shifted, const vec *number, size_t groups)
{
    for (size_t shift = 0; shift < LANES; shift++) {
        vec from = ADD(COUNTING, _mm512_set1_epi64((long long)(LANES - shift)));
        vec below = _mm512_setzero_si512();
        for (size_t k = 0; k <= groups; k++) {
            vec here = k < groups ? number[k] : _mm512_setzero_si512();
            shifted[LANES * k + shift] = _mm512_permutex2var_epi64(below, from, here);
            below = here;
        }
    }
}

/* Add eight digits times the vectors *first* to *last* - 1 of a shifted number to the columns. */
INLINE void add_rows(vec *low, vec *high, const vec *shifted, const vec *digits, size_t first, size_t last)
{
    vec digit[LANES];
    for (int i = 0; i < LANES; i++)
        digit[i] = _mm512_set1_epi64(((const long long *)digits)[i]);
    for (size_t k = first; k < last; k++) {
        vec l[2] = {low[k], _mm512_setzero_si512()}, h[2] = {high[k], _mm512_setzero_si512()};
        for (size_t i = 0; i < LANES; i++) { /* two sums of each kind: half as long a wait */
            vec row = shifted[LANES * k + i];
            __asm__("" : "+v"(row)); /* loaded once: loads, not products, would be what it waits for */
            l[i % 2] = LOW(l[i % 2], digit[i], row);
            h[i % 2] = HIGH(h[i % 2], digit[i], row);
        }
        low[k] = ADD(l[0], l[1]);
        high[k] = ADD(h[0], h[1]);
    }
}

/* Eight digits below 2^52 from eight columns and what the columns below carry. Every column's carry
 * moves up by one at once; then a digit is too large by at most a carry of 1 that ripples through
 * digits of 2^52 - 1, and adding the masks of the overflowing and of the full digits shows where. */
INLINE vec carried(const vec *low, const vec *high, vec *below, unsigned *ripple)
{
    vec column = ADD(*low, _mm512_alignr_epi64(*high, *(high - 1), 7)), above = CARRY(column);
    vec digit = ADD(_mm512_and_si512(column, MASK), _mm512_alignr_epi64(above, *below, 7));
    unsigned overflows = _mm512_cmpgt_epu64_mask(digit, MASK), full = _mm512_cmpeq_epu64_mask(digit, MASK);
    unsigned sum = (overflows << 1 | *ripple) + full;
    *ripple = sum >> LANES;
    *below = above;
    digit = _mm512_mask_add_epi64(digit, (__mmask8)(sum ^ full), digit, _mm512_set1_epi64(1));
    return _mm512_and_si512(digit, MASK);
}

/* r = a * b / R, all three alone. After each quotient stand products that do not need it, so that
 * the processor has something to do while it waits. */
KERNEL static void multiply_lone(const struct lone *lone, vec *r, const vec *a, const vec *b)
{
    const size_t groups = lone->groups;
    vec *low = lone->low, *high = lone->high, below = _mm512_setzero_si512();
    unsigned ripple = 0;
    shift_up(lone->factor, b, groups);
    memset(low, 0, 2 * groups * sizeof(vec));
    memset(high - 1, 0, (2 * groups + 1) * sizeof(vec));
    add_rows(low, high, lone->factor, a, 0, groups + 1);
    for (size_t g = 0; g < groups; g++) {
        if (g > 0)
            add_rows(low + g, high + g, lone->above, lone->quotient + g - 1, 0, 1);
        lone->quotient[g] = carried(low + g, high + g, &below, &ripple);
        if (g > 0)
            add_rows(low + g, high + g, lone->above, lone->quotient + g - 1, 1, groups);
        if (g + 1 < groups)
            add_rows(low + g + 1, high + g + 1, lone->factor, a + g + 1, 0, groups + 1);
    }
    add_rows(low + groups, high + groups, lone->above, lone->quotient + groups - 1, 0, groups);
    for (size_t g = 0; g < groups; g++)
        r[g] = carried(low + groups + g, high + groups + g, &below, &ripple);
}

/* ---- rings -------------------------------------------------------------------------------- */

EXPORT int cotally_supported(void) /* by the processor, and by a system that keeps its registers */
{
    __builtin_cpu_init();
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512ifma") &&
           __builtin_cpu_supports("avx512vbmi") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
}

EXPORT void cotally_ring_free(struct ring *ring)
{
    wipe(ring->modulus, 4 * ring->padded * sizeof(vec)); /* a ring mod p^2 is a secret */
    free(ring->modulus);
    free(ring);
}

/* *constants* are four residues: N itself, R mod N, R^2 mod N and 1. NULL if there is no memory. */
KERNEL EXPORT struct ring *cotally_ring_new(
    size_t digits, size_t width, const uint8_t *constants, uint64_t inverse)
{
    struct ring *ring = calloc(1, sizeof *ring);
    if (ring == NULL)
        return NULL;
    ring->digits = digits;
    ring->padded = (digits + LANES - 1) / LANES * LANES;
    ring->width = width;
    ring->inverse = inverse;
    for (int byte = 0; byte < 64; byte++)
        ring->shuffle[byte] = (uint8_t)(63 - (byte / 8 * DIGIT / 8 + byte % 8));
    ring->modulus = new_packs(ring, 4);
    if (ring->modulus == NULL) {
        free(ring);
        return NULL;
    }
    ring->one = ring->modulus + ring->padded;
    ring->square = ring->one + ring->padded;
    ring->unit = ring->square + ring->padded;
    for (size_t which = 0; which < 4; which++)
        take(ring, ring->modulus + which * ring->padded, constants + which * width, 1, 0);
    return ring;
}

/* ---- products of vectors ------------------------------------------------------------------ */

/* result[k] = left[k] * right[k]. */
KERNEL EXPORT int cotally_multiply(
    const struct ring *ring, const uint8_t *left, const uint8_t *right, size_t count, uint8_t *result)
{
    struct work work;
    if (open_work(ring, &work, 0) != 0)
        return -1;
    for (size_t index = 0; index * LANES < count; index++) {
        take(ring, work.x, left, count, index);
        take(ring, work.y, right, count, index);
        multiply(ring, &work, work.x, work.x, work.y);
        multiply(ring, &work, work.x, work.x, ring->square);
        give(ring, work.x, work.y, result, count, index);
    }
    return close_work(&work);
}

/* A running product of vectors of *count* residues: R in every lane. NULL if there is no memory. */
EXPORT vec *cotally_product_new(const struct ring *ring, size_t count)
{
    size_t groups = count / LANES + 1;
    vec *product = new_packs(ring, groups);
    for (size_t index = 0; product != NULL && index < groups; index++)
        memcpy(product + index * ring->padded, ring->one, ring->padded * sizeof(vec));
    return product;
}

EXPORT void cotally_product_free(vec *product)
{
    free(product);
}

/* product[k] = product[k] * vector[k] / R: after m vectors R^(1 - m) times what it should be. */
KERNEL EXPORT int cotally_product_multiply(
    const struct ring *ring, vec *product, const uint8_t *vector, size_t count)
{
    struct work work;
    if (open_work(ring, &work, 0) != 0)
        return -1;
    for (size_t index = 0; index * LANES < count; index++) {
        vec *pack = product + index * ring->padded;
        take(ring, work.y, vector, count, index);
        multiply(ring, &work, pack, pack, work.y);
    }
    return close_work(&work);
}

/* result[k] = product[k] * factor / R; the one fix-up, with factor = R^m after m vectors. */
KERNEL EXPORT int cotally_product_result(
    const struct ring *ring, const vec *product, const uint8_t *factor, size_t count, uint8_t *result)
{
    struct work work;
    if (open_work(ring, &work, 0) != 0)
        return -1;
    take(ring, work.y, factor, 1, 0);
    for (size_t index = 0; index * LANES < count; index++) {
        multiply(ring, &work, work.x, product + index * ring->padded, work.y);
        give(ring, work.x, work.quotient, result, count, index);
    }
    return close_work(&work);
}

/* ---- powers ------------------------------------------------------------------------------- */

/* *window* bits of a little-endian exponent from bit *position* on; 0 beyond its end. */
static unsigned digit_of(const uint8_t *exponent, size_t size, size_t position, unsigned window)
{
    uint32_t bits = 0;
    for (size_t byte = 0; byte < 3; byte++)
        if (position / 8 + byte < size)
            bits |= (uint32_t)exponent[position / 8 + byte] << (8 * byte);
    return bits >> position % 8 & ((1U << window) - 1);
}

/* The window with the fewest products for exponents of *bits* bits; more than 5 bits select too slowly. */
static unsigned best_window(size_t bits)
{
    unsigned window = 1;
    while (window < 5 && ((size_t)1 << window) + bits / (window + 1) < bits / window)
        window++;
    return window;
}

/* table[k] = base^k * R for the residues in *table*[1], as they were gathered. */
KERNEL static void fill_powers(const struct ring *ring, const struct work *work, vec *table, unsigned window)
{
    size_t size = ring->padded;
    memcpy(table, ring->one, size * sizeof(vec));
    multiply(ring, work, table + size, table + size, ring->square);
    for (size_t k = 2; k >> window == 0; k++)
        multiply(ring, work, table + k * size, table + k / 2 * size, table + (k + 1) / 2 * size);
}

INLINE void select_part(
    vec *entry, const vec *table, size_t size, unsigned window, const vec *masks, size_t wide)
{
    vec chosen[LANES] = {0};
    for (size_t k = 0; k >> window == 0; k++)
        for (size_t i = 0; i < wide; i++)
            chosen[i] = _mm512_ternarylogic_epi64(chosen[i], masks[k], table[k * size + i], 0xf8);
    for (size_t i = 0; i < wide; i++)
        entry[i] = chosen[i];
}

/* In each lane the entry, of *size* vectors, that the lane's digit names. All entries are read and
 * masked, in an order that the digits do not change; a masked load would leave to the processor what
 * it touches. */
KERNEL static void select_entries(
    vec *entry, const vec *table, size_t size, unsigned window, const unsigned digits[LANES])
{
    vec masks[32], wanted = _mm512_set_epi64(
        digits[7], digits[6], digits[5], digits[4], digits[3], digits[2], digits[1], digits[0]);
    for (long long k = 0; k >> window == 0; k++)
        masks[k] = _mm512_movm_epi64(_mm512_cmpeq_epi64_mask(wanted, _mm512_set1_epi64(k)));
    for (size_t j = 0, wide = LANES; j < size; j += wide) { /* eight at a time: one mask for eight loads */
        wide = size - j < LANES ? 1 : LANES;
        if (wide == LANES)
            select_part(entry + j, table + j, size, window, masks, LANES);
        else
            select_part(entry + j, table + j, size, window, masks, 1);
    }
    wipe(masks, sizeof masks);
}

/* In each lane of work->x, R times the product of bases[k]^exponents[k] over every eighth k: Straus 1964.
 * What is done, and where, follows from *bits*, *window* and *count* alone. */
KERNEL static void climb(
    const struct ring *ring, const struct work *work, unsigned window, const uint8_t *bases, size_t count,
    const uint8_t *exponents, size_t size, size_t bits)
{
    const size_t groups = (count + LANES - 1) / LANES, table = ring->padded << window;
    unsigned digits[LANES];
    for (size_t group = 0; group < groups; group++) {
        take(ring, work->more + group * table + ring->padded, bases, count, group);
        fill_powers(ring, work, work->more + group * table, window);
    }
    memcpy(work->x, ring->one, ring->padded * sizeof(vec));
    for (size_t row = bits / window + 1; row-- > 0;) {
        for (unsigned i = 0; i < window; i++)
            multiply(ring, work, work->x, work->x, work->x);
        for (size_t group = 0; group < groups; group++) {
            for (size_t lane = 0; lane < LANES; lane++) {
                size_t k = group * LANES + lane; /* a lane without a base multiplies by one */
                digits[lane] = k < count ? digit_of(exponents + k * size, size, row * window, window) : 0;
            }
            select_entries(work->y, work->more + group * table, ring->padded, window, digits);
            multiply(ring, work, work->x, work->x, work->y);
        }
    }
    wipe(digits, sizeof digits);
}

/* result[k] = bases[k]^exponents[k] for secret exponents of *bits* bits, each in *size* bytes. */
KERNEL EXPORT int cotally_secret_powers(
    const struct ring *ring, const uint8_t *bases, size_t count,
    const uint8_t *exponents, size_t size, size_t bits, uint8_t *result)
{
    unsigned window = best_window(bits);
    struct work work;
    if (open_work(ring, &work, (size_t)1 << window) != 0)
        return -1;
    for (size_t first = 0; first < count; first += LANES) {
        size_t here = count - first < LANES ? count - first : LANES;
        climb(ring, &work, window, bases + first * ring->width, here, exponents + first * size, size, bits);
        multiply(ring, &work, work.x, work.x, ring->unit);
        give(ring, work.x, work.y, result + first * ring->width, here, 0);
    }
    return close_work(&work);
}

/* result = the product of bases[k]^exponents[k], of *bits* bits in *size* bytes. */
KERNEL EXPORT int cotally_power_product(
    const struct ring *ring, const uint8_t *bases, size_t count,
    const uint8_t *exponents, size_t size, size_t bits, uint8_t *result)
{
    enum { WINDOW = 4 };
    struct work work;
    if (open_work(ring, &work, (count / LANES + 1) << WINDOW) != 0)
        return -1;
    climb(ring, &work, WINDOW, bases, count, exponents, size, bits);
    fold(ring, &work, result);
    return close_work(&work);
}

/* result = base^exponent alike, for a ring whose N is 2^416 M - 1 and whose digits come in groups:
 * *above* is M as a residue. */
KERNEL EXPORT int cotally_lone_power(
    const struct ring *ring, const uint8_t *above, const uint8_t *base,
    const uint8_t *exponent, size_t size, size_t bits, uint8_t *result)
{
    const size_t groups = ring->padded / LANES; /* vectors of a number alone: eight of them are a pack */
    unsigned window = best_window(bits), digits[LANES];
    struct work work;
    if (open_work(ring, &work, LONE_PACKS + ((size_t)1 << window) / LANES + 1) != 0)
        return -1;
    struct lone lone = {groups, work.more, work.more + 2 * ring->padded, NULL, NULL, NULL};
    lone.low = lone.above + 2 * ring->padded;
    lone.high = lone.low + 2 * groups + 1;
    lone.quotient = lone.high + 2 * groups;
    vec *x = lone.quotient + groups, *table = work.more + LONE_PACKS * ring->padded;
    take(ring, work.x, above, 1, 0);
    single_out(ring, x, work.x);
    shift_up(lone.above, x, groups - 1);
    single_out(ring, table, ring->one);
    take(ring, work.x, base, 1, 0);
    multiply(ring, &work, work.x, work.x, ring->square);
    single_out(ring, table + groups, work.x);
    for (size_t k = 2; k >> window == 0; k++)
        multiply_lone(&lone, table + k * groups, table + (k - 1) * groups, table + groups);
    memcpy(x, table, groups * sizeof(vec));
    for (size_t row = bits / window + 1; row-- > 0;) {
        for (unsigned i = 0; i < window; i++)
            multiply_lone(&lone, x, x, x);
        for (size_t lane = 0; lane < LANES; lane++)
            digits[lane] = digit_of(exponent, size, row * window, window);
        select_entries(work.y, table, groups, window, digits);
        multiply_lone(&lone, x, x, work.y);
    }
    for (size_t j = 0; j < ring->padded; j++)
        work.x[j] = _mm512_set1_epi64(((const long long *)x)[j]);
    multiply(ring, &work, work.x, work.x, ring->unit);
    give(ring, work.x, work.y, result, 1, 0);
    wipe(digits, sizeof digits);
    return close_work(&work);
}

/* ---- powers of one base ------------------------------------------------------------------- */

/* A table: R mod N, then for every row of *window* bits and every digit d but 0 of it, d = 1 first,
 * base^(d * 2^(window * row)) * R; as residues. Where it is read follows the exponents, which must be
 * nobody else's secret. */
static size_t place(const struct ring *ring, unsigned window, size_t row, size_t digit)
{
    return digit == 0 ? 0 : ((row << window) - row + digit) * ring->width;
}

static const uint8_t *entry(
    const struct ring *ring, const uint8_t *table, unsigned window, size_t row,
    const uint8_t *exponent, size_t size)
{
    return table + place(ring, window, row, digit_of(exponent, size, row * window, window));
}

/* Fill *table* for *rows* rows: a chain of squarings, then all digits of eight rows at a time. */
KERNEL EXPORT int cotally_table_fill(
    const struct ring *ring, const uint8_t *base, unsigned window, size_t rows, uint8_t *table)
{
    struct work work;
    if (open_work(ring, &work, 0) != 0)
        return -1;
    memcpy(work.x, ring->one, ring->padded * sizeof(vec));
    give(ring, work.x, work.quotient, table, 1, 0);
    take(ring, work.x, base, 1, 0);
    multiply(ring, &work, work.x, work.x, ring->square);
    for (size_t row = 0; row < rows; row++) {
        give(ring, work.x, work.quotient, table + place(ring, window, row, 1), 1, 0);
        for (unsigned i = 0; i < window; i++)
            multiply(ring, &work, work.x, work.x, work.x);
    }
    for (size_t row = 0; row < rows; row += LANES) {
        size_t here = rows - row < LANES ? rows - row : LANES;
        uint8_t *at[LANES];
        for (size_t lane = 0; lane < LANES; lane++)
            at[lane] = table + place(ring, window, row + (lane < here ? lane : 0), 1);
        gather(ring, work.y, (sources)at);
        memcpy(work.x, work.y, ring->padded * sizeof(vec));
        for (size_t digit = 2; digit >> window == 0; digit++) {
            multiply(ring, &work, work.x, work.x, work.y);
            for (size_t lane = 0; lane < here; lane++)
                at[lane] += ring->width;
            scatter(ring, work.x, work.quotient, at, here);
        }
    }
    return close_work(&work);
}

/* result[k] = factors[k] * base^exponents[k], for exponents of *rows* windows in *size* bytes. The
 * entries of the next row are fetched while this row's are multiplied: the table outgrows caches. */
KERNEL EXPORT int cotally_table_times(
    const struct ring *ring, const uint8_t *table, unsigned window, size_t rows, const uint8_t *factors,
    const uint8_t *exponents, size_t size, size_t count, uint8_t *result)
{
    struct work work;
    if (open_work(ring, &work, 0) != 0)
        return -1;
    for (size_t index = 0; index * LANES < count; index++) {
        const uint8_t *at[LANES];
        take(ring, work.x, factors, count, index);
        for (size_t row = 0; row <= rows; row++) { /* the digits of row *rows* are 0 */
            if (row > 0)
                gather(ring, work.y, at);
            for (size_t lane = 0; lane < LANES; lane++) {
                size_t k = index * LANES + lane < count ? index * LANES + lane : count - 1;
                at[lane] = entry(ring, table, window, row, exponents + k * size, size);
                for (size_t line = 0; line < ring->width; line += 64)
                    _mm_prefetch((const char *)at[lane] + line, _MM_HINT_T0);
            }
            if (row > 0)
                multiply(ring, &work, work.x, work.x, work.y);
        }
        give(ring, work.x, work.quotient, result, count, index);
    }
    return close_work(&work);
}

/* result = base^exponent: lane l multiplies rows l, l + 8, ..., then the lanes are multiplied. */
KERNEL EXPORT int cotally_table_power(
    const struct ring *ring, const uint8_t *table, unsigned window, size_t rows,
    const uint8_t *exponent, size_t size, uint8_t *result)
{
    struct work work;
    if (open_work(ring, &work, 0) != 0)
        return -1;
    memcpy(work.x, ring->one, ring->padded * sizeof(vec));
    for (size_t row = 0; row < rows; row += LANES) {
        const uint8_t *at[LANES];
        for (size_t lane = 0; lane < LANES; lane++)
            at[lane] = entry(ring, table, window, row + lane, exponent, size); /* R from row *rows* on */
        gather(ring, work.y, at);
        multiply(ring, &work, work.x, work.x, work.y);
    }
    fold(ring, &work, result);
    return close_work(&work);
}

/* ---- measuring ---------------------------------------------------------------------------- */

/* Multiply eight residues by themselves *times* times over: for timing, nothing else. */
KERNEL EXPORT int cotally_chain(const struct ring *ring, const uint8_t *eight_residues, size_t times)
{
    struct work work;
    if (open_work(ring, &work, 0) != 0)
        return -1;
    take(ring, work.x, eight_residues, LANES, 0);
    memcpy(work.y, work.x, ring->padded * sizeof(vec));
    while (times-- > 0)
        multiply(ring, &work, work.x, work.x, work.y);
    return close_work(&work);
}

/* Do 8 * *times* additions that wait for each other, one a cycle: tells the clock's rate. */
EXPORT uint64_t cotally_additions(uint64_t times)
{
    uint64_t sum = 0;
    while (times-- > 0)
        __asm__ volatile("add $1, %0\n\tadd $1, %0\n\tadd $1, %0\n\tadd $1, %0\n\t"
                         "add $1, %0\n\tadd $1, %0\n\tadd $1, %0\n\tadd $1, %0" : "+r"(sum));
    return sum;
}

#endif
