#include <config.h>

#include "config-facts.h"

#include "print-config.h"

#include <stdio.h>
#include <string.h>

/* As the pool is called, or the program up to a dot, where that is a name. */
static const char *name_of(const struct settings *s, char *out, size_t size)
{
	const char *slash = s->program ? strrchr(s->program[0], '/') : NULL;
	const char *last = slash ? slash + 1 : s->program ? s->program[0] : "";

	if (s->pool_name)
		return s->pool_name;
	snprintf(out, size, "%.*s", (int)strcspn(last, "."), last);
	return *out ? out : "app";
}

bool config_facts_print(const struct settings *s)
{
	char name[64];
	struct print_config what = {
		.name = name_of(s, name, sizeof name),
		.address = s->address,
		.status = s->status ? "/status" : NULL,
		.status_address = s->status ? &s->status_address : NULL,
		.longest = s->request_timeout ? s->queue_timeout + s->request_timeout : 0,
		.max_body = INT64_MAX,
		.stopping = s->supervise ? s->stop_timeout : 0,
		.supervised = s->supervise,
		.forks = s->forks,
		.words = s->words,
	};

	return print_config_knows(s->print_config) && print_config(s->print_config, &what);
}
