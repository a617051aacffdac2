#include <config.h>

#include "asking.h"

#include "params.h"
#include "record.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { PARAMS_FIRST = 1024 };

struct asking *asking_new(uint8_t role)
{
	struct asking *a = calloc(1, sizeof *a);

	if (!a)
		return NULL;
	a->role = role;
	a->script = SCRIPT_NONE;
	a->content_length = -1;
	a->name = strcpy(a->label, "a request");
	return a;
}

enum asking_outcome asking_take(struct asking *a, const unsigned char *bytes, size_t size,
				size_t most)
{
	size_t room = a->params_room ? a->params_room : PARAMS_FIRST;
	char *grown;

	if (size > most || a->params_size > most - size)
		return ASKING_TOO_LARGE;
	while (room < a->params_size + size)
		room *= 2;
	if (room != a->params_room) {
		grown = realloc(a->params, room);
		if (!grown)
			return ASKING_NO_MEMORY;
		a->params = grown;
		a->params_room = room;
	}
	memcpy(a->params + a->params_size, bytes, size);
	a->params_size += size;
	return ASKING_OK;
}

/* RFC 3875, section 4.1.2. Returns -1, for unknown, if text is no number. */
static int64_t number_of(const char *text)
{
	char *last;
	long long number;

	if (*text < '0' || *text > '9')
		return -1;
	errno = 0;
	number = strtoll(text, &last, 10);
	return errno || *last ? -1 : number;
}

static int64_t content_length_of(const struct asking *a, const char *method)
{
	const char *length = environment_get(&a->sent, "CONTENT_LENGTH");

	/* FastCGI 1.0, section 6.3: an Authorizer gets no STDIN. */
	if (a->role == FCGI_AUTHORIZER)
		return 0;
	if (length)
		return number_of(length);
	/* Some web servers do not end the STDIN of a request that has no body. */
	if ((!method || strcmp(method, "GET") == 0 || strcmp(method, "HEAD") == 0) &&
	    !environment_get_text(&a->sent, "HTTP_TRANSFER_ENCODING"))
		return 0;
	return -1;
}

enum asking_outcome asking_end(struct asking *a)
{
	const char *method;
	size_t count;
	bool complete;

	if (!a->params && !(a->params = malloc(1)))
		return ASKING_NO_MEMORY;
	params_to_strings(a->params, a->params_size, &count, &complete);
	if (!complete)
		return ASKING_INCOMPLETE;
	if (!environment_make(&a->sent, a->params, count) ||
	    !environment_copy(&a->environment, &a->sent))
		return ASKING_NO_MEMORY;
	method = environment_get_text(&a->sent, "REQUEST_METHOD");
	a->head_only = method && strcmp(method, "HEAD") == 0;
	a->content_length = content_length_of(a, method);
	script_label(a->label, &a->sent);
	return ASKING_OK;
}

static bool no_memory(struct asking *a)
{
	static const char reason[] = "no memory for the environment of a script";

	a->script.status = 503;
	a->script.shortage = true;
	memcpy(a->script.reason, reason, sizeof reason);
	return false;
}

bool asking_resolve(struct asking *a, const struct settings *settings, int64_t received)
{
	script_free(&a->script);
	environment_free(&a->environment);
	if (!environment_copy(&a->environment, &a->sent))
		return no_memory(a);
	if (!script_find(&a->script, &a->environment))
		return false;
	return environment_build(&a->environment, settings, a->role, a->content_length, received) ||
	       no_memory(a);
}

void asking_free(struct asking *a)
{
	if (!a)
		return;
	environment_free(&a->environment);
	environment_free(&a->sent);
	script_free(&a->script);
	free(a->params);
	free(a);
}
