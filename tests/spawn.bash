# What the tests of spawn-fcgi share ("load lib; load spawn").
#
# shellcheck shell=bash
# shellcheck disable=SC2034 # tests use the variables that are set here

USER_A=www-data # somebody without power, to run programs as
USER_B=nobody   # and somebody else

setup() {
	test_begin
	S=$T/s
	umask 022
}

# spawn [OPTION...]: spawn-fcgi, to its end, which sets $status, $output and $stderr.
# What it started, $PIDS, is ended with the test. $RUN_BY goes in front of all.
spawn() {
	# shellcheck disable=SC2086
	capture ${RUN_BY-} ${TEST_WRAPPER-} "$SPAWN_FCGI" "$@"
	PIDS=$(sed -n 's/^spawn-fcgi: child spawned successfully: PID: //p' <<<"$output")
	local pid

	for pid in $PIDS; do
		adopt "child$pid" "$pid"
	done
}

# capture COMMAND...: sets $status, $output and $stderr. (run of bats complains of a status of 127.)
capture() {
	status=0
	output=$("$@" 2>"$T/stderr" 3>&-) || status=$?
	stderr=$(cat "$T/stderr")
	printf '%s\n' "$output"
	tee -a "$T/spawn.log" <"$T/stderr"
}

# The same as somebody who is not root. The folder of the test becomes theirs.
spawn_as_other() {
	local RUN_BY=

	if [ "$EUID" = 0 ]; then
		need setpriv
		need_user "$USER_A"
		chown "$USER_A" "$T"
		RUN_BY="setpriv --reuid=$USER_A --regid=$(id -g "$USER_A") --clear-groups"
	fi
	spawn "$@"
}

need_user() {
	id "$1" >/dev/null 2>&1 || skip "no user $1 here"
}

# Root, and the two users; the folder of the test is open to them.
need_users() {
	need_root
	need_proc
	need_user "$USER_A"
	need_user "$USER_B"
	chmod 755 "$T"
}

mode_of() { stat -c %a "$1"; }
owner_of() { stat -c %U:%G "$1"; }

# A field of /proc/PID/status, with single blanks: status_of PID Uid
status_of() {
	sed -n "s/^$2:[[:space:]]*//p" "/proc/$1/status" | tr -s '\t ' ' ' | sed 's/ $//'
}

environment_of() {
	tr '\0' '\n' <"/proc/$1/environ"
}

# jail PROGRAM...: a directory, $T/jail, in which these programs can run.
jail() {
	local program library

	mkdir -p "$T/jail"
	for program in "$@"; do
		for library in "$program" $(ldd "$program" | grep -o '/[^ ]*'); do
			mkdir -p "$T/jail${library%/*}"
			cp "$library" "$T/jail$library"
		done
	done
}

# A socket file that nobody listens on.
make_stale() {
	perl -MIO::Socket::UNIX -e 'IO::Socket::UNIX->new(Local => $ARGV[0], Listen => 1) or die $!' \
		"$1"
	[ -S "$1" ]
}

# Whether somebody listens on a Unix socket.
is_live() {
	perl -MIO::Socket::UNIX -e 'exit !IO::Socket::UNIX->new(Peer => $ARGV[0])' "$1"
}

# Whether a failed start has left what it had made.
nothing_left() {
	local file

	for file in "$@"; do
		if [ -e "$file" ] || [ -L "$file" ]; then
			echo "left: $file"
			return 1
		fi
	done
}

# Lets a tenth of a second of spawn-fcgi's be 2 s long, where tests/slow-clock.c knows how.
slow_clock() {
	[ -z "${TEST_WRAPPER-}" ] || return 0
	TEST_WRAPPER="env LD_PRELOAD=$SLOW_CLOCK ASAN_OPTIONS=verify_asan_link_order=0"
}
