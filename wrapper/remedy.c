#include <config.h>

#include "remedy.h"

#include <stddef.h>
#include <string.h>

/* A part of a message, and sentences of its entry in the manual, as tests/docs.bats compares them.
 * The first row that fits counts. */
static const struct {
	const char *part, *remedy;
} remedies[] = {
	/* finding */
	{ "no such script: ",
	  "The path is wrong: compare it with root and SCRIPT_FILENAME of the web server." },
	{ ": this directory may not be searched by ",
	  "Give the user of fcgiwrap the right to search it (chmod o+x)." },
	{ ": may not be executed by ", "chmod +x, another user, or --interpreter for its suffix." },
	{ ": may not be read by ",
	  "The program of --interpreter has to read it: chmod +r, or another user." },
	{ ": a directory, not a script", "Name a file in it; in nginx, fastcgi_index does that." },
	{ ": FCGI_CHDIR is not possible", "The web server must not send it." },
	{ ": cannot change to its directory ",
	  "The user of fcgiwrap must be able to search the directory in which the script runs." },
	{ ": not among the scripts allowed by -p",
	  "Allow it with another -p, letter by letter as it is here." },
	{ ", outside of every --root", "Allow the place where it leads with another --root." },
	/* executing */
	{ ": its first line ends in a carriage return",
	  "The file was written on another system: convert its line ends." },
	{ " does not exist (see its first line)", "Install it, or correct the first line." },
	{ " (its interpreter is not executable by this user",
	  "The user of fcgiwrap must be able to execute the program of the first line." },
	{ " (is the file system mounted noexec?)",
	  "Mount it without that option, or use --interpreter." },
	{ ": Exec format error", "A script needs a first line such as #!/bin/sh." },
	{ ": cannot be started: ",
	  "The system allows the user no more processes, or has no memory." },
	/* answering */
	{ ", the limit on CPU time, cpu", "Let the script compute less, or raise --limit cpu." },
	{ ", the limit on the size of files, fsize",
	  "Let the script write less, or raise --limit fsize." },
	{ " s within its header", "The script ended before the empty line that ends a header." },
	{ " s without a response", "Run it by hand, as the same user." },
	{ " where a header line is due",
	  "A reply begins with a line such as Content-Type: text/plain, and an empty line." },
	{ ": its output begins with an empty line",
	  "The header comes first: a line such as Content-Type: text/plain, and then an empty line." },
	{ ": its header lines end in carriage returns alone",
	  "They must end in a newline, with or without a carriage return before it." },
	{ ": no empty line ends its header within ",
	  "An empty line must end the header, before the body." },
	{ " and a NUL behind it in its header", "A header is text: the script writes something else." },
	{ " in the middle of its response",
	  "Somebody killed it; for 9, perhaps the system for want of memory." },
	/* times and sizes */
	{ " s (--timeout)", "Make the script faster, or raise --timeout." },
	{ " (--silence-timeout)", "The script hangs, or computes for long without a word: let it write "
				  "something now and then, or raise --silence-timeout." },
	{ " (--start-timeout)", "Look whether the file can be read at all, by the same user." },
	{ " (--max-body", "Send less, or raise --max-body, and the like in the web server." },
	{ " (--max-params)", "Send less, or raise --max-params." },
	{ ": the request body has ", "CONTENT_LENGTH must be the number of bytes that come." },
	{ " is still at work ", "Let the script end sooner, or raise --background-timeout." },
	/* what may be wrong */
	{ ": lines left out of its header: ",
	  "Correct the script: each line must be a name, a colon and a value, and no field may "
	  "contradict another." },
	{ ": its header has no Content-Type, Location or Status",
	  "Let the script write a Content-Type." },
	{ ": it has a Transfer-Encoding", "Let the script write its body as it is." },
	{ ": its Content-Length fields contradict each other", "Let the script write one." },
	{ ": its output ends within the header",
	  "If the script has no body, let it write the empty line that ends a header." },
	/* warm starts */
	{ ": the interpreter ended while it loaded the modules",
	  "Install the module, or leave it out." },
};

const char *remedy_of(const char *message)
{
	for (size_t i = 0; i < sizeof remedies / sizeof *remedies; i++)
		if (strstr(message, remedies[i].part))
			return remedies[i].remedy;
	return NULL;
}
