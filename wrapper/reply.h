/*
 * The header block of a CGI response: where it ends, and what a FastCGI client gets of it (RFC
 * 3875, section 6); and the error documents that we send ourselves. Pure.
 */
#ifndef REPLY_H
#define REPLY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { REPLY_HEADER_MOST = 256 * 1024, REPLY_DOCUMENT_MOST = 1024 };

/* Bytes that reply_normalize() may write for a block of this size. */
#define REPLY_NORMALIZED_MOST(size) (2 * (size) + 64)

struct reply_notes {
	char fault[256];         /* why there is no header block, if it failed */
	const char *warning;     /* what a web server may dislike, or NULL */
	unsigned dropped;        /* lines left out: no fields, or overruled by others */
	char first_dropped[100]; /* the first of them, as it came, control characters too */
	int status;              /* of the response: 200 if it names none, or not in three digits */
	int64_t content_length;  /* of the body as announced; -1: not, or not as one number */
};

/*
 * Looks for the empty line that ends a header block, lines ending in LF or CRLF. True with the
 * size of the block including that line. The search begins at *from, 0 at first, and moves it on:
 * the same bytes with more behind them, wherever they lie now, are not searched again.
 */
bool reply_find_end(const char *bytes, size_t size, size_t *from, size_t *block_size);

/* Whether a block that ends without an empty line may be taken for whole: its last line ends in
 * LF. If its script has failed, it may not. */
bool reply_ends_with_line(const char *block, size_t size);

/*
 * Rewrites a header block for a FastCGI client. Each line ends in CRLF, continuation lines are
 * joined to theirs, and a CR within a line becomes a space. A first line "HTTP/1.1 404 Not Found"
 * becomes a Status, and a Location without Status gets "302 Found". Left out are:
 *
 *   - the fields of one connection (Connection, TE, ...), without a note. Transfer-Encoding stays,
 *     since it tells how to read the body, unless it is "identity";
 *   - lines with a colon behind something else than a field name, and status lines but the first
 *     line;
 *   - each Status but the last, and repeated Content-Lengths; all of these if they differ.
 *
 * The empty line may be missing. Returns the size of what was written to out, or 0 with
 * notes->fault: for a NUL, a line without a colon, an empty first line, CR alone as line end, or
 * nothing but lines to leave out.
 */
size_t reply_normalize(const char *block, size_t size, char *out, struct reply_notes *notes);

/* Writes an error document, header and body, of at most REPLY_DOCUMENT_MOST bytes; without the
 * body for HEAD. The reason is for the body, or NULL. Returns its size. */
size_t reply_document(char *out, int status, const char *reason, bool head_only);

#endif
