/*
 * Interpreters of one language, as far as warm starts need to know them.
 */
#ifndef WARM_LANGUAGE_H
#define WARM_LANGUAGE_H

#include <stdbool.h>
#include <stddef.h>

struct warm_language {
	/* True if the path is one of an interpreter of the language. */
	bool (*accepts)(const char *interpreter);
	/* True for a comma-separated list of modules. */
	bool (*accepts_modules)(const char *list);
	/* True if a template can heed text, the rest of a "#!" line behind the interpreter,
	 * without leading blanks. */
	bool (*accepts_switches)(const char *text);
	/* Writes the text to put before a script, so that messages of the interpreter call
	 * the script by name. Returns the length; -1 if name cannot be expressed. */
	int (*begin)(char *out, size_t size, const char *name);
	/* Arguments of a template before the arguments of template.h, NULL behind the last.
	 * The environment of a template has the variable, with the driver as value. */
	char *const *arguments;
	const char *variable, *driver;
};

extern const struct warm_language warm_perl;

#endif
