/*
 * Renders a status page of fixed data, or of random bytes, for readers of its formats:
 *   status-sample busy|fresh|hostile|SEED QUERY [ACCEPT]
 *   status-sample pong
 */
#include <config.h>

#include "status-data.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int main(int argc, char **argv)
{
	struct status_page page;
	size_t size;
	char *response;

	if (argc == 2 && strcmp(argv[1], "pong") == 0) {
		response = status_page_pong(false, &size);
	} else if (argc >= 3 && status_data_named(&page, argv[1])) {
		response = status_page_render(&page, argv[2], argv[3], false, &size);
	} else {
		fprintf(stderr, "usage: status-sample busy|fresh|hostile|SEED QUERY [ACCEPT]\n");
		return 2;
	}
	if (!response || fwrite(response, 1, size, stdout) != size)
		return 1;
	free(response);
	return 0;
}
