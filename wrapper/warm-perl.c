#include <config.h>

#include "warm-language.h"

#include "wrapper/warm-driver.h"

#include <stdio.h>
#include <string.h>

/*
 * The interpreter is told in its environment what to do before its main program,
 * which it is to read from descriptor 3; see warm.pl. "5;" asks for a version: -M
 * wants something to begin with, and that has no effect on the script. Behind the
 * descriptor stands what perl calls the program where it does not heed "#line".
 */
#define VARIABLE "FCGIWRAP_TEMPLATE"
static char preamble[] = "-M5;BEGIN{eval delete $ENV{" VARIABLE "} or die}";
static char main_program[] = "/dev/fd/3/the script";
static char *const arguments[] = { preamble, main_program, NULL };

static bool perl_accepts(const char *interpreter)
{
	return strstr(strrchr(interpreter, '/'), "perl");
}

static bool perl_accepts_modules(const char *list)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_";

	while (*list && strchr(letters, *list)) {
		list += strspn(list, letters);
		list += strspn(list, "0123456789abcdefghijklmnopqrstuvwxyz"
				     "ABCDEFGHIJKLMNOPQRSTUVWXYZ_");
		if (!*list)
			return true;
		if (strncmp(list, "::", 2) == 0)
			list += 2;
		else if (*list == ',')
			list++;
	}
	return false;
}

/* Perl reads the first line of its main program itself, but knows some switches
 * on the command line only. */
static bool perl_accepts_switches(const char *text)
{
	if (strncmp(text, "-w", 2) == 0)
		text += 2;
	return !text[strspn(text, " \t")];
}

/* Without this line perl would call the script /dev/fd/3. */
static int perl_begin(char *out, size_t size, const char *name)
{
	int length = snprintf(out, size, "#line 1 \"%s\"\n", name);

	for (const char *c = name; *c; c++)
		if (*c == '"' || (*c > 0 && *c < ' ') || *c == 127)
			return -1;
	return length < (int)size ? length : -1;
}

const struct warm_language warm_perl = {
	.accepts = perl_accepts,
	.accepts_modules = perl_accepts_modules,
	.accepts_switches = perl_accepts_switches,
	.begin = perl_begin,
	.arguments = arguments,
	.variable = VARIABLE,
	.driver = warm_driver,
};
