/*
 * Command-line options, declared once.
 *
 * Parser, help text and the check of the manual all work from one table of rows
 * per program. Values are written into the program's settings by offset, so a new
 * option needs only a field and a row.
 */
#ifndef OPTIONS_H
#define OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum option_kind {
	OPTION_FLAG,     /* bool: set to true */
	OPTION_TEXT,     /* const char *: points into argv */
	OPTION_NUMBER,   /* long: decimal, within [least, most] */
	OPTION_OCTAL,    /* long: octal, within [least, most] */
	OPTION_DURATION, /* int64_t: milliseconds, from "30", "1.5", "500ms", "2m", "1h" */
	OPTION_SIZE,     /* int64_t: bytes, from "512", "64k", "10m", "1g" */
	OPTION_LIST,     /* struct option_list: one more text */
	OPTION_PAIRS     /* struct option_list: one more "NAME=VALUE" */
};

struct option_row {
	const char *name;  /* long name, without the dashes, or NULL */
	char letter;       /* short name, or 0 */
	const char *value; /* name of the argument in the help; NULL for flags */
	const char *help;
	enum option_kind kind;
	size_t offset; /* of the value in the settings */
	int64_t least, most;
	const char *initial; /* default, as on the command line; NULL: the settings keep
			      * their value */
	const char *needs;   /* long name of another option that must be given, or of two,
			      * "a|b", of which one must be; NULL: none */
	bool alone;          /* no option goes with it but those that need it */
};

/* Values of an option that may be given more than once, in order; never freed. */
struct option_list {
	const char **texts;
	size_t count;
};

/* Offset of a member; refused by the compiler unless sized as the stored type. */
#define OPTION_AT(type, member, stored) \
	(offsetof(type, member) + \
	 0 * sizeof(char[sizeof(((type *)0)->member) == sizeof(stored) ? 1 : -1]))

#define FLAG(type, member) OPTION_FLAG, OPTION_AT(type, member, bool), 0, 0
#define TEXT(type, member) OPTION_TEXT, OPTION_AT(type, member, char *), 0, 0
#define LIST(type, member) OPTION_LIST, OPTION_AT(type, member, struct option_list), 0, 0
#define PAIRS(type, member) OPTION_PAIRS, OPTION_AT(type, member, struct option_list), 0, 0
#define NUMBER(type, member, least, most) \
	OPTION_NUMBER, OPTION_AT(type, member, long), least, most
#define OCTAL(type, member, least, most) \
	OPTION_OCTAL, OPTION_AT(type, member, long), least, most
#define DURATION(type, member, least, most) \
	OPTION_DURATION, OPTION_AT(type, member, int64_t), least, most
#define SIZE(type, member, least, most) \
	OPTION_SIZE, OPTION_AT(type, member, int64_t), least, most

/*
 * Parses argv into settings by a table of count rows. Options and operands may
 * be mixed where getopt allows it; argv is permuted so that operands come last.
 * Abbreviated long names are refused, since each would be one more name to support.
 * Returns the index of the first operand, or -1 after reporting an error.
 */
int options_parse(const struct option_row *table, size_t count, int argc, char **argv,
		  void *settings);

/* Adds to out, as words of a command line, the options of an argv that options_parse() has found
 * right, but those of the names in without, up to a NULL. False after reporting. */
bool options_words(const struct option_row *table, size_t count, int argc, char **argv,
		   const char *const *without, struct option_list *out);

/* Adds a word, which has to live as long as the list. False after reporting. */
bool options_word(struct option_list *list, const char *word);

/* Prints a line per option, in the order of the table. */
void options_help(FILE *to, const struct option_row *table, size_t count);

#endif
