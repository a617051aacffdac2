#include <config.h>

#include "warm-language.h"

#include "wrapper/warm-driver.h"

#include <stdio.h>
#include <string.h>

/* perl runs the driver (warm.pl), taken from the environment, before the main program on
 * descriptor 3. -M wants a module or version first: "5" has no effect on the script. "the
 * script" names the program where perl ignores "#line". */
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

/* perl reads switches on the first line of its main program, but some only on the command
 * line: accept none but -w. */
static bool perl_accepts_switches(const char *text)
{
	if (strncmp(text, "-w", 2) == 0)
		text += 2;
	return !text[strspn(text, " \t")];
}

/* Without "#line", messages of perl would call the script "the script". */
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
