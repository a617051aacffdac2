#include <config.h>

#include "lines.h"

#include "report.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void lines_tell_dropped(struct lines *l, void (*tell)(void *, const char *, size_t),
			void *context)
{
	char note[64];

	if (l->dropped == 0)
		return;
	tell(context, note, (size_t)snprintf(note, sizeof note, "(%u lines dropped)", l->dropped));
	l->dropped = 0;
}

static void end_line(struct lines *l, int64_t now, void (*tell)(void *, const char *, size_t),
		     void *context)
{
	const long most = l->most ? l->most : LINES_PER_SECOND;
	size_t size = l->size;

	l->size = 0;
	if (size > 0 && l->text[size - 1] == '\r')
		size--;
	if (size == 0)
		return;
	report_sanitize(l->text, size);
	snprintf(l->last, sizeof l->last, "%.*s",
		 (int)(size < sizeof l->last ? size : report_whole(l->text, sizeof l->last - 1)),
		 l->text);
	if (now / 1000 != l->second) {
		lines_tell_dropped(l, tell, context);
		l->second = now / 1000;
		l->told = 0;
	}
	if (most > 0 && l->told >= most) {
		l->dropped++;
		return;
	}
	l->told++;
	tell(context, l->text, size);
}

/* Breaks between UTF-8 characters, since each part is sanitized alone. */
static void break_line(struct lines *l, int64_t now, void (*tell)(void *, const char *, size_t),
		       void *context)
{
	size_t whole = report_whole(l->text, LINE_MOST), cut = LINE_MOST - whole;
	char rest[4];

	memcpy(rest, l->text + whole, cut);
	l->size = whole;
	end_line(l, now, tell, context);
	memcpy(l->text, rest, cut);
	l->size = cut;
}

void lines_take(struct lines *l, const char *bytes, size_t size, int64_t now,
		void (*tell)(void *, const char *, size_t), void *context)
{
	/* Without memory for a line the text is lost, but the program goes on. */
	if (!l->text && !(l->text = malloc(LINE_MOST)))
		return;
	for (size_t i = 0; i < size; i++) {
		if (bytes[i] != '\n')
			l->text[l->size++] = bytes[i];
		if (bytes[i] == '\n')
			end_line(l, now, tell, context);
		else if (l->size == LINE_MOST)
			break_line(l, now, tell, context);
	}
}

void lines_end(struct lines *l, void (*tell)(void *, const char *, size_t), void *context)
{
	if (l->size > 0)
		end_line(l, l->second * 1000, tell, context);
	lines_tell_dropped(l, tell, context);
}

void lines_free(struct lines *l)
{
	free(l->text);
	l->text = NULL;
}
