/*
 * The header block of a CGI reply, read and mended (RFC 3875, section 6), and
 * the documents that we send ourselves. Pure.
 */
#ifndef REPLY_H
#define REPLY_H

#include <stdbool.h>
#include <stddef.h>

enum {
	REPLY_HEADER_MOST = 31 * 1024,
	/* what mending may make of it: each LF becomes CRLF, and a Status is added */
	REPLY_MENDED_MOST = 2 * REPLY_HEADER_MOST + 64,
	REPLY_DOCUMENT_MOST = 1024
};

struct reply_notes {
	char fault[256];     /* why there is no header block, if mending failed */
	const char *warning; /* what a web server may dislike, or NULL */
};

/* Looks for the empty line that ends a header block, lines ending in LF or CRLF.
 * True if it is there, with the size of the block including that line. */
bool reply_find_end(const char *bytes, size_t size, size_t *block_size);

/*
 * Rewrites a header block for a FastCGI client: lines end in CRLF, a status line
 * "HTTP/1.1 404 Not Found" becomes a Status, a Location without a Status gets
 * "302 Found", continuation lines are joined, hop-by-hop fields are dropped. The
 * empty line may be missing. Returns the size of what was written to out (at
 * most REPLY_MENDED_MOST), or 0 if this is no header block.
 */
size_t reply_mend(const char *block, size_t size, char *out, struct reply_notes *notes);

/* Writes an error document, header and body, of at most REPLY_DOCUMENT_MOST
 * bytes; without the body for HEAD. The reason is for the body, or NULL. Returns
 * its size. */
size_t reply_document(char *out, int status, const char *reason, bool head_only);

#endif
