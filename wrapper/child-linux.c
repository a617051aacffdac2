#include <config.h>

#include "child.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

void child_follow_parent(pid_t parent)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	/* It may have died before that. */
	if (getppid() != parent)
		_exit(127);
}

int child_exec_here(const char *name, char *const *arguments, char *const *environment)
{
	return (int)syscall(SYS_execveat, AT_FDCWD, name, arguments, environment,
			    AT_SYMLINK_NOFOLLOW);
}
