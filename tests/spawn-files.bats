#!/usr/bin/env bats
# Files of spawn-fcgi: what is written and removed, and what of others is left alone.
#
# shellcheck disable=SC2016 # text for other shells
# shellcheck disable=SC2030,SC2031,SC2034,SC2153,SC2154,SC2314 # variables are set in spawn

load lib
load spawn
load supervise

as_user_a() {
	setpriv --reuid="$USER_A" --regid="$(id -g "$USER_A")" --clear-groups "$@"
}

@test "a pid file that somebody else owns is not written to, but replaced" {
	need_users
	need setpriv
	mkdir "$T/d"
	chown "$USER_A" "$T/d"
	as_user_a sh -c 'echo 1111111 >"$1/pid"; ln "$1/pid" "$1/old"' sh "$T/d"
	spawn -s "$S" -P "$T/d/pid" -- /bin/sleep 60
	[ "$status" = 0 ]
	[ "$(cat "$T/d/pid")" = "$PIDS" ]
	[ "$(stat -c %U "$T/d/pid")" = "$(id -un)" ]
	[ "$(mode_of "$T/d/pid")" = 644 ]
	[ "$(cat "$T/d/old")" = 1111111 ]
	[ "$(ls "$T/d")" = "$(printf 'old\npid')" ]
}

@test "where the directory is closed, a pid file of one's own is overwritten" {
	mkdir "$T/d"
	echo 1111111 >"$T/d/pid"
	if [ "$EUID" = 0 ]; then
		need_user "$USER_A"
		chown "$USER_A" "$T/d/pid"
	else
		chmod 555 "$T/d"
	fi
	spawn_as_other -s "$S" -P "$T/d/pid" -- /bin/sleep 60
	chmod 755 "$T/d"
	[ "$status" = 0 ]
	[ "$(cat "$T/d/pid")" = "$PIDS" ]
}

@test "a pid file that is a mount point is overwritten" {
	need_root
	need unshare
	unshare -m true || skip 'cannot mount here'
	echo 1111111 >"$T/outer"
	touch "$T/pid"
	capture unshare -m sh -c 'mount --bind "$1/outer" "$1/pid" &&
		exec "$2" -s "$1/s" -P "$1/pid" -- /bin/sleep 60' sh "$T" "$SPAWN_FCGI"
	adopt child "${output##* }"
	[ "$status" = 0 ]
	[ "$(cat "$T/outer")" = "${output##* }" ]
}

@test "a directory where no pid file can be made is told before anything starts" {
	need_users
	mkdir "$T/d"
	spawn_as_other -s "$S" -P "$T/d/pid" -- /bin/sleep 60
	[ "$status" = 255 ]
	[[ $stderr == *"opening PID-file '$T/d/pid' failed: Permission denied"* ]]
	nothing_left "$S"
}

@test "a start that fails leaves the pid file of another server that runs" {
	local option

	spawn -s "$S" -P "$T/pid" -- /bin/sleep 60
	[ "$(cat "$T/pid")" = "$PIDS" ]
	for option in '' --supervise '--supervise -n'; do
		# shellcheck disable=SC2086
		capture "$SPAWN_FCGI" $option -s "$S-2" -P "$T/pid" -- /no/such
		[ "$status" = 2 ]
		[ "$(cat "$T/pid")" = "$PIDS" ]
		nothing_left "$S-2"
	done
}

@test "what is no pid file is not removed by a start that fails" {
	echo '12 monkeys' >"$T/pid"
	spawn -s "$S" -P "$T/pid" -- /no/such
	[ "$status" = 2 ]
	[ "$(cat "$T/pid")" = '12 monkeys' ]
}

@test "a FIFO or a link in place of the pid file does not hold up a stop, and is left alone" {
	supervise -s "$S" -- /bin/sleep 60
	rm "$T/keeper.pid"
	mkfifo "$T/keeper.pid"
	kill -TERM "$KEEPER"
	await keeper
	[ "$STATUS" = 0 ]
	[ -p "$T/keeper.pid" ]
	supervise -s "$S" -- /bin/sleep 60
	mv "$T/keeper.pid" "$T/elsewhere"
	ln -s elsewhere "$T/keeper.pid"
	kill -TERM "$KEEPER"
	await keeper
	[ "$STATUS" = 0 ]
	[ -L "$T/keeper.pid" ]
}

# Another server's socket in the place of ours.
take_over() {
	rm "$1"
	start other "$SPAWN_FCGI" -n -s "$1" -- /bin/sleep 60
	eventually is_live "$1"
}

@test "a stop leaves the socket of another server that has taken its place" {
	supervise -s "$S" -- /bin/sleep 60
	take_over "$S"
	kill -TERM "$KEEPER"
	await keeper
	is_live "$S"
}

@test "the same after USR2, also if the socket was taken before" {
	supervise -s "$S" -- /bin/sleep 60
	take_over "$S"
	kill -USR2 "$KEEPER"
	logged 'goes on'
	kill -TERM "$KEEPER"
	await keeper
	is_live "$S"
}

@test "after USR2 a stop removes the socket that is its own" {
	supervise -s "$S" -- /bin/sleep 60
	kill -USR2 "$KEEPER"
	logged 'goes on'
	kill -TERM "$KEEPER"
	await keeper
	nothing_left "$S"
}

@test "the same for a socket inside a chroot" {
	need_users
	jail /bin/sleep
	supervise -c "$T/jail" -u "$USER_A" -s /s -- /bin/sleep 60
	kill -TERM "$KEEPER"
	await keeper
	nothing_left "$T/jail/s"
	supervise -c "$T/jail" -u "$USER_A" -s /s -- /bin/sleep 60
	take_over "$T/jail/s"
	kill -TERM "$KEEPER"
	await keeper
	is_live "$T/jail/s"
}

@test "a start that fails leaves a socket that has taken the place of its own" {
	local option

	for option in '' -n; do
		make_stale "$T/other"
		# The last process fails, after the socket was replaced.
		# shellcheck disable=SC2086
		capture "$SPAWN_FCGI" $option -s "$S" -f 'sh -c "mv '"$T"'/other '"$S"'; exit 3"'
		[ "$status" = 3 ]
		[ -S "$S" ]
		rm "$S"
	done
}

@test "a directory that somebody keeps locked delays a start by two seconds, which is told" {
	need flock
	start locker flock "$T" sleep 60
	locked() { not flock -n "$T" true; }
	eventually locked
	spawn -s "$S" -- /bin/sleep 60
	[ "$status" = 0 ]
	[[ $stderr == *"cannot lock the directory $T/: somebody keeps it locked"* ]]
	is_live "$S"
}

@test "a supervisor that cannot go to the background leaves nothing" {
	need_users
	need setpriv
	local uid=$((200000 + $$)) # nobody else's, or their processes would count

	chown "$uid" "$T"
	export ASAN_OPTIONS=detect_leaks=0 # it forks, too
	RUN_BY="setpriv --reuid=$uid --regid=$uid --clear-groups prlimit --nproc=1"
	spawn --supervise -s "$S" -P "$T/pid" -- /bin/sleep 60
	[ "$status" = 255 ]
	[[ $stderr == *'cannot go to the background'* ]]
	nothing_left "$S" "$T/pid"
}
