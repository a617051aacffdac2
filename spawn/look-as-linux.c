#include <config.h>

#include "look-as.h"

#include "compat.h"

#include <sys/fsuid.h>
#include <unistd.h>

void look_as(const struct identity *identity, bool begin)
{
	if (getuid() != 0 || !identity_changes(identity))
		return;
	if (identity->group != GROUP_UNCHANGED)
		setfsgid(begin ? identity->group : getegid());
	if (identity->user != USER_UNCHANGED)
		setfsuid(begin ? identity->user : geteuid());
}
