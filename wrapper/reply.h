/*
 * The header block of a CGI response (RFC 3875, section 6): finding the end, rewriting for a
 * FastCGI client; and error responses. Pure.
 */
#ifndef REPLY_H
#define REPLY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { REPLY_HEADER_MOST = 256 * 1024, REPLY_DOCUMENT_MOST = 1024, REPLY_ADDED_MOST = 256 };

/* Bytes that reply_normalize() may write for a block of this size. */
#define REPLY_NORMALIZED_MOST(size) (2 * (size) + 64 + REPLY_ADDED_MOST)

struct reply_notes {
	/* Set by the caller, or NULL: told of each line that is changed or left out, and how. */
	void (*mended)(const char *line, size_t size, const char *how);
	/* Set by the caller, or NULL: told of the header that is sent. */
	void (*sent)(void *context, const char *header, size_t size);
	void *context;
	const char *added; /* by the caller: whole lines of at most REPLY_ADDED_MOST bytes, to be
			    * put behind the others, or NULL */
	char fault[256];         /* cause, if the header block is refused */
	const char *warning;     /* on a header that a web server may dislike, or NULL */
	unsigned dropped;        /* lines left out: no fields, or overruled by others */
	char first_dropped[100]; /* the first such line, control characters included */
	int status;              /* 200 without a Status of three digits, 302 by Location alone */
	int64_t content_length;  /* as announced; -1: not as one number, or Transfer-Encoding */
};

/*
 * Finds the empty line that ends a header block; lines end in LF or CRLF. True with the size of
 * the block, empty line included. *from, 0 at first, counts bytes searched already, which a later
 * call with more bytes, perhaps moved in memory, skips.
 */
bool reply_find_end(const char *bytes, size_t size, size_t *from, size_t *block_size);

/* True if a block without an empty line ends in LF, and so may be taken for whole, unless the
 * script has failed. */
bool reply_ends_with_line(const char *block, size_t size);

/*
 * Rewrites a header block for a FastCGI client. Each line ends in CRLF, continuation lines are
 * joined, and a CR within a line becomes a space. A first line "HTTP/1.1 404 Not Found" becomes
 * a Status, and a Location without Status gets "302 Found". Left out are:
 *
 *   - the fields of one connection (Connection, TE, ...), without a note. Transfer-Encoding stays,
 *     unless "identity", since the client needs it to read the body;
 *   - lines with a colon behind something else than a field name, and status lines but the first
 *     line;
 *   - each Status but the last, and repeated Content-Lengths; every Content-Length if two differ.
 *
 * notes->mended() is told of all that but the line ends.
 *
 * The empty line may be missing. Returns the number of bytes written to out, or 0 with
 * notes->fault: for a NUL, a line without a colon, an empty first line, CR alone as line end, or
 * no field at all.
 */
size_t reply_normalize(const char *block, size_t size, char *out, struct reply_notes *notes);

/* What an error response says. */
struct reply_error {
	int status;
	const char *added;  /* whole lines of the header, at most REPLY_ADDED_MOST bytes, or NULL */
	const char *tag;    /* the request's id (tag.h), for header and body, or NULL */
	const char *reason; /* for the body, or NULL */
	bool head_only;
};

/* Writes an error response of at most REPLY_DOCUMENT_MOST bytes. Returns the size. */
size_t reply_document(char *out, const struct reply_error *error);

#endif
