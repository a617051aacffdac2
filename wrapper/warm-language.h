/*
 * What warm starts need to know of the interpreters of one language.
 */
#ifndef WARM_LANGUAGE_H
#define WARM_LANGUAGE_H

#include <stdbool.h>
#include <stddef.h>

struct warm_language {
	/* Whether an interpreter, by its path, is one of this language. */
	bool (*accepts)(const char *interpreter);
	/* Whether this is a list of modules, separated by commas. */
	bool (*accepts_modules)(const char *list);
	/* Whether a template runs a script rightly whose "#!" line has this behind the
	 * interpreter, without blanks in front. */
	bool (*accepts_switches)(const char *text);
	/* Writes what stands before the text of a script of that name, as which its
	 * messages are to call it. Returns the length, or -1 if that cannot be said. */
	int (*begin)(char *out, size_t size, const char *name);
	/* Of a template: what stands before the arguments of template.h, NULL behind the
	 * last; and what is to be in its environment. */
	char *const *arguments;
	const char *variable, *driver;
};

extern const struct warm_language warm_perl;

#endif
