/*
 * Rounds of a fuzzer: each is made from a number, so that what has failed can be
 * looked at again. PROGRAM [SECONDS [SEED]]: "make check" runs few rounds.
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

/* Numbers that only look random (Steele, Lea and Flood's SplitMix). */
static uint32_t fuzz_next(void)
{
	uint64_t z = fuzz_state += 0x9e3779b97f4a7c15u;

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

/* Why the round has failed; the first reason stays. */
static const char *fuzz_fault;

static void fuzz_expect(bool holds, const char *what)
{
	if (!holds && !fuzz_fault)
		fuzz_fault = what;
}

static double fuzz_clock(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* Runs so many rounds, or for the time asked for; then finish(), if there is one.
 * The exit status. */
static int fuzz_run(int argc, char **argv, const char *what, unsigned long rounds,
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

#endif
