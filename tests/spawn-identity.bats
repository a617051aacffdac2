#!/usr/bin/env bats
# Whom spawn-fcgi runs the program as.
#
# shellcheck disable=SC2016 # text for other shells
# shellcheck disable=SC2030,SC2031,SC2034,SC2153,SC2154,SC2314 # variables are set in spawn

load lib
load spawn

ids() { # the four ids of each kind
	echo "$1 $1 $1 $1"
}

@test "-u takes the user, its group and its supplementary groups, for good" {
	need_users
	spawn -s "$S" -u "$USER_A" -- /bin/sleep 60
	[ "$status" = 0 ]
	[ "$(status_of "$PIDS" Uid)" = "$(ids "$(id -u "$USER_A")")" ]
	[ "$(status_of "$PIDS" Gid)" = "$(ids "$(id -g "$USER_A")")" ]
	[ "$(status_of "$PIDS" Groups | tr ' ' '\n' | sort)" = "$(id -G "$USER_A" | tr ' ' '\n' | sort)" ]
	[ "$(status_of "$PIDS" CapEff)" = 0000000000000000 ]
	[ "$(status_of "$PIDS" CapPrm)" = 0000000000000000 ]
}

@test "a user in several groups is in all of them" {
	need_users
	need unshare
	unshare -m true || skip 'cannot mount here'
	sed "\$a first:x:54001:$USER_A\nother:x:54002:somebody\nlast:x:54003:x,$USER_A" /etc/group \
		>"$T/group"
	start program unshare -m sh -c 'mount --bind "$1" /etc/group && shift && exec "$@"' sh \
		"$T/group" "$SPAWN_FCGI" -n -s "$S" -u "$USER_A" -- /bin/sleep 60
	is_sleeping() { [ "$(cat "/proc/$(pid_of program)/comm")" = sleep ]; }
	eventually is_sleeping
	[ "$(status_of "$(pid_of program)" Groups)" = "$(id -g "$USER_A") 54001 54003" ]
}

@test "-u takes a number, and finds the groups of the user behind it" {
	need_users
	spawn -s "$S" -u "$(id -u "$USER_A")" -- /bin/sleep 60
	[ "$status" = 0 ]
	[ "$(status_of "$PIDS" Uid)" = "$(ids "$(id -u "$USER_A")")" ]
	[ "$(status_of "$PIDS" Gid)" = "$(ids "$(id -g "$USER_A")")" ]
}

@test "-g is the group in place of the user's own" {
	need_users
	local group

	group=$(id -g "$USER_B")
	spawn -s "$S" -u "$USER_A" -g "$(id -gn "$USER_B")" -- /bin/sleep 60
	[ "$(status_of "$PIDS" Gid)" = "$(ids "$group")" ]
	spawn -s "$T/s2" -u "$USER_A" -g "$group" -- /bin/sleep 60
	[ "$(status_of "$PIDS" Gid)" = "$(ids "$group")" ]
}

@test "-g alone changes the group and drops root's supplementary groups" {
	need_users
	spawn -s "$S" -g "$USER_A" -- /bin/sleep 60
	[ "$(status_of "$PIDS" Uid)" = "$(ids 0)" ]
	[ "$(status_of "$PIDS" Gid)" = "$(ids "$(id -g "$USER_A")")" ]
	[ -z "$(status_of "$PIDS" Groups)" ]
}

@test "a user number that nobody has, without -g, drops the user and says that it is all" {
	need_users
	spawn -s "$S" -u 54321 -- /bin/sleep 60
	[ "$status" = 0 ]
	[[ $stderr == *"WARNING: couldn't find the user for uid 54321 and no group was specified"* ]]
	[ "$(status_of "$PIDS" Uid)" = "$(ids 54321)" ]
	[ -z "$(status_of "$PIDS" Groups)" ]
}

@test "a user number that nobody has, with -g, is complete" {
	need_users
	spawn -s "$S" -u 54321 -g 54322 -- /bin/sleep 60
	[ "$status" = 0 ]
	[ -z "$stderr" ]
	[ "$(status_of "$PIDS" Uid)" = "$(ids 54321)" ]
	[ "$(status_of "$PIDS" Gid)" = "$(ids 54322)" ]
	[ -z "$(status_of "$PIDS" Groups)" ]
}

@test "root is not a user to change to, by name or by number" {
	need_users
	local user

	for user in root 0 00; do
		spawn -s "$S" -P "$T/pid" -u "$user" -- /bin/sleep 60
		[ "$status" = 255 ]
		[[ $stderr == *"will not set uid to 0"*"will not run as root"* ]]
		nothing_left "$S" "$T/pid"
	done
}

@test "root's group is not a group to change to" {
	need_users
	local group

	for group in root 0; do
		spawn -s "$S" -u "$USER_A" -g "$group" -- /bin/sleep 60
		[ "$status" = 255 ]
		[[ $stderr == *"will not set gid to 0"* ]]
		nothing_left "$S"
	done
}

@test "names and numbers that cannot be are refused" {
	need_users
	local name

	for name in no-such-user 4294967295 99999999999999999999 -1 33x ''; do
		spawn -s "$S" -u "$name" -- /bin/sleep 60
		[ "$status" = 255 ]
		[[ $stderr == *"can't find user name $name"* ]]
		spawn -s "$S" -g "$name" -- /bin/sleep 60
		[ "$status" = 255 ]
		[[ $stderr == *"can't find group name $name"* ]]
	done
	nothing_left "$S"
}

@test "root may run a program as root, without a word" {
	need_users
	spawn -s "$S" -- /bin/sleep 60
	[ "$status" = 0 ]
	[ -z "$stderr" ]
}

@test "the program cannot become root again" {
	need_users
	capture "$SPAWN_FCGI" -n -s "$S" -u "$USER_A" -- "$CGI/spawn-regain-root.pl"
	[ "$status" = 0 ]
	[ "$output" = tried ]
}

@test "where the system would give root back, the program is not run" {
	need_users
	need setpriv
	setpriv --securebits +no_setuid_fixup true || skip 'secure bits cannot be set here'
	RUN_BY='setpriv --securebits +no_setuid_fixup' \
		spawn -s "$S" -P "$T/pid" -u "$USER_A" -- /usr/bin/touch "$T/ran"
	[ "$status" = 255 ]
	[[ $stderr == *"cannot give up root for good"* ]]
	nothing_left "$S" "$T/pid" "$T/ran"
}

@test "root's options are ignored for others, with one line that names them" {
	spawn_as_other -s "$S" -u root -g root -U root -G root -c /no/such -S -- /bin/sleep 60
	[ "$status" = 0 ]
	[ "$(grep -c . <<<"$stderr")" = 1 ]
	[[ $stderr == *"only root"*"-c"*"-u"*"-g"*"-U"*"-G"*"-S"* ]]
	[ -S "$S" ]
}

@test "only the ignored options that were given are named" {
	spawn_as_other -s "$S" -u no-such-user -- /bin/sleep 60
	[ "$status" = 0 ]
	[[ $stderr == *" -u" ]]
	[[ $stderr != *-[cgUGS]* ]]
}

@test "set-user-ID on the program file is refused" {
	need_users
	need setpriv
	install -m 4755 "$SPAWN_FCGI" "$T/spawn-fcgi"
	mkdir "$T/theirs"
	chown "$USER_A" "$T/theirs"
	[ "$(setpriv --reuid="$USER_A" --clear-groups sh -c \
		'cp "$(command -v id)" "$1/theirs/id"; echo yes' sh "$T")" = yes ]
	chown root "$T/theirs/id"
	chmod 4755 "$T/theirs/id"
	[ "$(setpriv --reuid="$USER_A" --clear-groups "$T/theirs/id" -u)" = 0 ] ||
		skip 'set-user-ID has no effect here'
	capture setpriv --reuid="$USER_A" --clear-groups "$T/spawn-fcgi" \
		-s "$T/theirs/s" -P "$T/theirs/pid" -- /bin/sleep 60
	[ "$status" = 255 ]
	[[ $stderr == *"set-user-ID"* ]]
	nothing_left "$T/theirs/s" "$T/theirs/pid"
}

@test "where groups cannot be set, that is said and nothing is left" {
	need_userns
	need_user "$USER_A"
	capture in_userns "$SPAWN_FCGI" -s "$S" -P "$T/pid" -g "$USER_A" -- /bin/true
	[ "$status" = 255 ]
	[[ $stderr == *"spawn-fcgi: cannot "* ]]
	nothing_left "$S" "$T/pid"
}

@test "-c shuts the program into the directory, and the socket is made inside" {
	need_users
	jail /bin/sleep
	mkdir "$T/jail/run"
	spawn -s /run/s -c "$T/jail" -u "$USER_A" -- /bin/sleep 60
	[ "$status" = 0 ]
	[ "$(readlink "/proc/$PIDS/root")" = "$T/jail" ]
	[ "$(readlink "/proc/$PIDS/cwd")" = "$T/jail" ]
	[ "$(status_of "$PIDS" Uid)" = "$(ids "$(id -u "$USER_A")")" ]
	[ "$(owner_of "$T/jail/run/s")" = "$USER_A:$(id -gn "$USER_A")" ]
	[ "$(mode_of "$T/jail/run/s")" = 640 ]
	is_live "$T/jail/run/s"
}

@test "-c resolves a relative path of the socket from the new root" {
	need_users
	jail /bin/sleep
	spawn -s s -c "$T/jail" -- /bin/sleep 60
	[ "$status" = 0 ]
	is_live "$T/jail/s"
}

@test "-S makes the socket outside of the chroot" {
	need_users
	jail /bin/sleep
	spawn -s "$S" -S -c "$T/jail" -u "$USER_A" -- /bin/sleep 60
	[ "$status" = 0 ]
	[ "$(readlink "/proc/$PIDS/root")" = "$T/jail" ]
	is_live "$S"
}

@test "a symbolic link inside the chroot leads nowhere outside" {
	need_users
	jail /bin/sleep
	mkdir "$T/outside"
	ln -s "$T/outside" "$T/jail/run"
	spawn -s /run/s -c "$T/jail" -- /bin/sleep 60
	[ "$status" = 255 ]
	nothing_left "$T/outside/s"
}

@test "user names are looked up before the chroot, -d is entered inside it, last" {
	need_users
	jail /bin/sleep
	mkdir "$T/jail/work"
	chown "$USER_A" "$T/jail/work"
	chmod 700 "$T/jail/work"
	spawn -s /s -c "$T/jail" -u "$USER_A" -d /work -- /bin/sleep 60
	[ "$status" = 0 ]
	[ "$(readlink "/proc/$PIDS/cwd")" = "$T/jail/work" ]
}

@test "stdout and stderr are /dev/null even where the chroot has none" {
	need_users
	jail /bin/sleep
	spawn -s /s -c "$T/jail" -- /bin/sleep 60
	[ "$(readlink "/proc/$PIDS/fd/1")" = /dev/null ]
	[ "$(readlink "/proc/$PIDS/fd/2")" = /dev/null ]
}

@test "a start that fails inside the chroot leaves nothing, inside or outside" {
	need_users
	jail /bin/sleep
	spawn -s /s -P "$T/pid" -c "$T/jail" -u "$USER_A" -- /bin/cat
	[ "$status" = 2 ]
	[[ $stderr == *"exec failed, /bin/cat, looked up inside the chroot"* ]]
	nothing_left "$T/jail/s" "$T/pid"
	spawn -s "$S" -S -P "$T/pid" -c "$T/jail" -u "$USER_A" -- /bin/cat
	[ "$status" = 2 ]
	nothing_left "$S" "$T/pid"
	spawn -s "/s" -P "$T/pid" -c "$T/nowhere" -- /bin/cat
	[ "$status" = 255 ]
	[[ $stderr == *"$T/nowhere"*"No such file or directory"* ]]
	nothing_left "$T/pid" /s
}
