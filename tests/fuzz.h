/*
 * Rounds of a fuzzer, each a function without arguments that makes something at random and looks
 * what becomes of it. FUZZ_ENTRY makes a program of them:
 *
 *   - PROGRAM [SECONDS [SEED]]: each round is made from a number, so that what has failed can be
 *     looked at again. "make check" runs few rounds;
 *   - with --enable-fuzzing, one for clang's libFuzzer, whose bytes take the place of the numbers
 *     that only look random, and of the whole input where a round asks fuzz_given() for it.
 */
#ifndef FUZZ_H
#define FUZZ_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static uint64_t fuzz_state;
static const unsigned char *fuzz_bytes; /* of libFuzzer, or NULL */
static size_t fuzz_left;

/* Numbers that only look random (Steele, Lea and Flood's SplitMix). */
static uint32_t fuzz_next(void)
{
	uint64_t z = fuzz_state += 0x9e3779b97f4a7c15u;

	if (fuzz_left >= 4) {
		const unsigned char *last = fuzz_bytes + (fuzz_left -= 4);

		return (uint32_t)last[0] << 24 | (uint32_t)last[1] << 16 | (uint32_t)last[2] << 8 |
		       last[3];
	}
	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return (uint32_t)(z >> 31);
}

/* One of 0 to most - 1. */
static size_t fuzz_below(size_t most)
{
	return fuzz_next() % most;
}

static bool fuzz_chance(unsigned percent)
{
	return fuzz_below(100) < percent;
}

/* The round's whole input if libFuzzer made it; false if the round has to. */
static inline bool fuzz_given(void *input, size_t most, size_t *size)
{
	if (!fuzz_bytes)
		return false;
	*size = fuzz_left < most ? fuzz_left : most;
	memcpy(input, fuzz_bytes, *size);
	fuzz_left = 0;
	return true;
}

/* Why the round has failed; the first reason stays. */
static const char *fuzz_fault;

static void fuzz_expect(bool holds, const char *what)
{
	if (!holds && !fuzz_fault)
		fuzz_fault = what;
}

static inline double fuzz_clock(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* Runs so many rounds, or for the time asked for; then finish(), if there is one.
 * The exit status. */
static inline int fuzz_run(int argc, char **argv, const char *what, unsigned long rounds,
			   void (*round)(void), void (*finish)(void))
{
	double end = argc > 1 ? fuzz_clock() + atof(argv[1]) : 0;
	unsigned long seed = argc > 2 ? strtoul(argv[2], NULL, 0) : 1;
	unsigned long done = 0;

	while (!fuzz_fault && (end > 0 ? fuzz_clock() < end : done < rounds)) {
		fuzz_state = seed + done++;
		round();
	}
	if (!fuzz_fault && finish)
		finish();
	printf("%sok 1 - %lu rounds: %s\n1..1\n", fuzz_fault ? "not " : "", done, what);
	if (fuzz_fault)
		printf("# seed %lu: %s\n", seed + done - 1, fuzz_fault);
	return fuzz_fault != NULL;
}

/* One round of libFuzzer's, which keeps the bytes of a round that aborts. The same bytes make
 * the same round. */
static inline int fuzz_guided(const uint8_t *bytes, size_t size, void (*round)(void))
{
	fuzz_state = size;
	for (size_t i = 0; i < size; i++)
		fuzz_state = fuzz_state * 31 + bytes[i];
	fuzz_bytes = bytes;
	fuzz_left = size;
	round();
	if (!fuzz_fault)
		return 0;
	fprintf(stderr, "%s\n", fuzz_fault);
	abort();
}

#ifdef FUZZ_GUIDED
#define FUZZ_ENTRY(what, rounds, round) \
	int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size); \
	int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) \
	{ \
		return fuzz_guided(bytes, size, round); \
	}
#else
#define FUZZ_ENTRY(what, rounds, round) \
	int main(int argc, char **argv) \
	{ \
		return fuzz_run(argc, argv, what, rounds, round, NULL); \
	}
#endif

#endif
