/*
 * spawn-fcgi --print-config: what a web server, a service manager or a container engine is told of
 * a command line.
 */
#ifndef CONFIG_FACTS_H
#define CONFIG_FACTS_H

#include "settings.h"

/* Prints it to standard output. False after reporting. */
bool config_facts_print(const struct settings *settings);

#endif
