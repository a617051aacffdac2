/*
 * responder: answers every FastCGI request at once with the same few bytes and starts no program.
 * What load reaches against it is what load itself can do. Ended by a signal.
 */
#define _POSIX_C_SOURCE 200809L

#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { BEGIN_REQUEST = 1, STDIN = 5, HEADER = 8, KEEP_CONN = 1, CLIENTS_MAX = 512 };

struct client {
	unsigned char header[HEADER];
	size_t header_used, skip;
	bool keep;
};

#define PAGE "Content-Type: text/plain\r\n\r\nhello\n"

static const unsigned char answer[] =
	"\1\6\0\1\0\042\0\0" PAGE		/* STDOUT: 34 bytes */
	"\1\6\0\1\0\0\0\0"			/* its end */
	"\1\3\0\1\0\010\0\0" "\0\0\0\0\0\0\0\0";	/* END_REQUEST */
_Static_assert(sizeof(PAGE) - 1 == 042, "the length in the record above");

static struct pollfd polls[1 + CLIENTS_MAX];
static struct client clients[1 + CLIENTS_MAX];
static nfds_t count = 1;

/* Goes over what came, and over contents without a look but for the flags of BEGIN_REQUEST.
 * True if a request is complete. */
static bool take(struct client *c, const unsigned char *from, size_t length)
{
	bool complete = false;

	for (const unsigned char *end = from + length; from < end;) {
		if (c->skip > 0) {
			size_t n = c->skip < (size_t)(end - from) ? c->skip : (size_t)(end - from);

			if (c->header[1] == BEGIN_REQUEST && c->skip >= 6 && n > 8 - c->skip)
				c->keep = (from[c->skip - 6] & KEEP_CONN) != 0;
			c->skip -= n;
			from += n;
			continue;
		}
		c->header[c->header_used++] = *from++;
		if (c->header_used < HEADER)
			continue;
		c->header_used = 0;
		c->skip = ((size_t)c->header[4] << 8 | c->header[5]) + c->header[6];
		complete |= c->header[1] == STDIN && c->skip == 0;
	}
	return complete;
}

/* False when the connection is done. */
static bool serve(int fd, struct client *c)
{
	static unsigned char input[65536];
	ssize_t n = read(fd, input, sizeof(input));

	if (n <= 0)
		return false;
	if (!take(c, input, (size_t)n))
		return true;
	return write(fd, answer, sizeof(answer) - 1) == (ssize_t)sizeof(answer) - 1 && c->keep;
}

static void turn(void)
{
	poll(polls, count, -1);
	for (nfds_t i = count - 1; i > 0; i--) {
		if (polls[i].revents == 0 || serve(polls[i].fd, &clients[i]))
			continue;
		close(polls[i].fd);
		polls[i] = polls[--count];
		clients[i] = clients[count];
	}
	if (polls[0].revents != 0 && count <= CLIENTS_MAX) {
		polls[count] = (struct pollfd){
			.fd = accept(polls[0].fd, NULL, NULL), .events = POLLIN
		};
		clients[count] = (struct client){ .keep = false };
		count += polls[count].fd >= 0;
	}
}

int main(int argc, char **argv)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int listener = socket(AF_UNIX, SOCK_STREAM, 0);

	if (argc != 2 || strlen(argv[1]) >= sizeof(address.sun_path)) {
		fputs("usage: responder SOCKET\n", stderr);
		return 2;
	}
	memcpy(address.sun_path, argv[1], strlen(argv[1]) + 1);
	if (bind(listener, (struct sockaddr *)&address, sizeof(address)) != 0 ||
			listen(listener, CLIENTS_MAX) != 0) {
		perror("responder");
		return 1;
	}
	polls[0] = (struct pollfd){ .fd = listener, .events = POLLIN };
	for (;;)
		turn();
}
