#include <config.h>

#include "lifeline.h"

#include "report.h"

#include <errno.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

/* Sets the value found: a filter of system calls may allow to get, but not to set. */
void lifeline_open(void)
{
	int signal = 0;

	if (prctl(PR_GET_PDEATHSIG, &signal) < 0 ||
	    prctl(PR_SET_PDEATHSIG, (unsigned long)signal) < 0)
		report(REPORT_WARNING "prctl is refused (%s); if this process is killed, others go on as with "
		       "--outlive", strerror(errno));
}

bool lifeline_tie(pid_t parent, int signal)
{
	/* A parent dead before prctl(2) sends nothing. */
	return prctl(PR_SET_PDEATHSIG, (unsigned long)signal) < 0 || getppid() == parent;
}
