/* How fast this processor multiplies and adds 52-bit digits, eight at a time, at best: the rate of
 * VPMADD52 instructions that wait for nothing; and its clock, by additions that wait for each other. */

#include <immintrin.h>
#include <stdint.h>

int supported(void);
uint64_t multiply_add(uint64_t turns);
uint64_t add(uint64_t turns);

int supported(void) { return __builtin_cpu_supports("avx512ifma") && __builtin_cpu_supports("avx512f"); }

enum { CHAINS = 16 }; /* enough to hide the latency of one */
#define UNROLLED _Pragma("GCC unroll 16")

/* CHAINS instructions a turn. */
__attribute__((target("avx512f,avx512ifma"))) uint64_t multiply_add(uint64_t turns) {
    __m512i sums[CHAINS], x = _mm512_set1_epi64(0x3456789abcdef), y = _mm512_set1_epi64(0x9876543210fed);
UNROLLED
    for (int k = 0; k < CHAINS; k++) sums[k] = _mm512_set1_epi64(k);
    for (uint64_t turn = 0; turn < turns; turn++) {
UNROLLED
        for (int k = 0; k < CHAINS; k++)
            __asm__ volatile("vpmadd52luq %2, %1, %0" : "+v"(sums[k]) : "v"(x), "v"(y));
    }
    __m512i sum = sums[0];
UNROLLED
    for (int k = 1; k < CHAINS; k++) sum = _mm512_add_epi64(sum, sums[k]);
    return (uint64_t)_mm512_reduce_add_epi64(sum);
}

/* CHAINS additions a turn, each of which takes one cycle. */
uint64_t add(uint64_t turns) {
    uint64_t sum = turns;
    for (uint64_t turn = 0; turn < turns; turn++) {
UNROLLED
        for (int k = 0; k < CHAINS; k++) __asm__ volatile("addq %1, %0" : "+r"(sum) : "r"(turn));
    }
    return sum;
}
