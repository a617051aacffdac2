#!/usr/bin/env bats
# How the program finds itself, and what is told about it.
#
# shellcheck disable=SC2016 # text for other shells
# shellcheck disable=SC2030,SC2031,SC2034,SC2153,SC2154,SC2314 # variables are set in spawn

load lib
load spawn

@test "descriptor 0 is the socket, 1 and 2 are /dev/null, and there is nothing else" {
	need_proc
	exec {extra}<"$T"
	spawn -s "$S" -- /bin/sleep 60
	exec {extra}<&-
	[ "$(cd "/proc/$PIDS/fd" && echo *)" = "0 1 2" ]
	[[ $(readlink "/proc/$PIDS/fd/0") == socket:* ]]
	[ "$(readlink "/proc/$PIDS/fd/1")" = /dev/null ]
	[ "$(readlink "/proc/$PIDS/fd/2")" = /dev/null ]
}

@test "the same when spawn-fcgi was started without descriptors 0 to 2" {
	need_proc
	(exec "$SPAWN_FCGI" -s "$S" -P "$T/pid" -- /bin/sleep 60 <&- >&- 2>&-)
	adopt child "$(cat "$T/pid")"
	local pid

	pid=$(cat "$T/pid")
	[ "$(cd "/proc/$pid/fd" && echo *)" = "0 1 2" ]
	[[ $(readlink "/proc/$pid/fd/0") == socket:* ]]
	[ "$(readlink "/proc/$pid/fd/1")" = /dev/null ]
	is_live "$S"
}

@test "the program leads a session of its own" {
	spawn -s "$S" -- /bin/sleep 60
	[ "$(ps -o sid= -p "$PIDS" | tr -d ' ')" = "$PIDS" ]
	[ "$(ps -o tty= -p "$PIDS" | tr -d ' ')" = '?' ]
}

@test "signals and the signal mask are inherited as they were" {
	need_no_valgrind
	need_proc
	need perl
	for RUN_BY in IGNORE DEFAULT; do
		cat >"$T/$RUN_BY" <<-END
			#!/usr/bin/env perl
			\$SIG{HUP} = \$SIG{CHLD} = '$RUN_BY';
			exec @ARGV;
		END
		chmod +x "$T/$RUN_BY"
	done
	RUN_BY=$T/IGNORE
	spawn -s "$S" -- /bin/sleep 60
	[ "$status" = 0 ]
	(( (0x$(status_of "$PIDS" SigIgn) & 0x10001) == 0x10001 ))
	RUN_BY=$T/DEFAULT
	spawn -s "$T/s2" -- /bin/sleep 60
	(( (0x$(status_of "$PIDS" SigIgn) & 0x10001) == 0 ))
	(( 0x$(status_of "$PIDS" SigBlk) == 0 ))
}

@test "an exit status is seen even if spawn-fcgi was started with SIGCHLD ignored" {
	RUN_BY=$T/ignoring
	printf '#!/usr/bin/env perl\n$SIG{CHLD} = "IGNORE"; exec @ARGV;\n' >"$RUN_BY"
	chmod +x "$RUN_BY"
	spawn -s "$S" -f 'sh -c "exit 7"'
	[ "$status" = 7 ]
	[[ $stderr == *"child exited with: 7"* ]]
}

@test "-d is the working directory" {
	need_proc
	mkdir "$T/work"
	spawn -s "$S" -d "$T/work" -- /bin/sleep 60
	[ "$(readlink "/proc/$PIDS/cwd")" = "$T/work" ]
}

@test "-d is entered with the rights of the user" {
	need_users
	mkdir -m 700 "$T/private"
	spawn -s "$S" -P "$T/pid" -u "$USER_A" -d "$T/private" -- /bin/sleep 60
	[ "$status" = 255 ]
	[[ $stderr == *"$T/private"*"Permission denied"* ]]
	nothing_left "$S" "$T/pid"
}

@test "without -d the program stays where spawn-fcgi was started" {
	need_proc
	cd "$T"
	spawn -s "$S" -- /bin/sleep 60
	[ "$(readlink "/proc/$PIDS/cwd")" = "$T" ]
}

@test "the environment is passed on unchanged" {
	need_proc
	ONE='a b' spawn -s "$S" -- /bin/sleep 60
	environment_of "$PIDS" | grep -Fqx 'ONE=a b'
	! environment_of "$PIDS" | grep -q '^PHP_FCGI_CHILDREN='
}

@test "an empty environment stays empty" {
	need_no_valgrind
	need_proc
	RUN_BY='env -i' spawn -s "$S" -- /bin/sleep 60
	[ "$status" = 0 ]
	[ -z "$(environment_of "$PIDS")" ]
}

@test "-C sets PHP_FCGI_CHILDREN in place of an inherited one, also to 0" {
	need_proc
	PHP_FCGI_CHILDREN=9 spawn -s "$S" -C 4 -- /bin/sleep 60
	[ "$(environment_of "$PIDS" | grep ^PHP_FCGI_CHILDREN=)" = PHP_FCGI_CHILDREN=4 ]
	spawn -s "$T/s2" -C 0 -- /bin/sleep 60
	[ "$(environment_of "$PIDS" | grep ^PHP_FCGI_CHILDREN=)" = PHP_FCGI_CHILDREN=0 ]
}

@test "-C -1 leaves an inherited PHP_FCGI_CHILDREN alone" {
	need_proc
	PHP_FCGI_CHILDREN=9 spawn -s "$S" -C -1 -- /bin/sleep 60
	environment_of "$PIDS" | grep -qx PHP_FCGI_CHILDREN=9
}

@test "-f is a command line of the shell, which gives way to the command" {
	need_proc
	spawn -s "$S" -f 'sleep "6"0'
	[ "$status" = 0 ]
	is_sleep() { [ "$(tr '\0' ' ' <"/proc/$PIDS/cmdline")" = "sleep 60 " ]; }
	eventually is_sleep
}

@test "after -- arguments are passed untouched" {
	need_proc
	spawn -s "$S" -- /bin/sh -c 'sleep 60; :' 'a  b' '$HOME' ''
	[ "$(tr '\0' '|' <"/proc/$PIDS/cmdline")" = '/bin/sh|-c|sleep 60; :|a  b|$HOME||' ]
	adopt inner "$(pgrep -P "$PIDS")"
}

@test "each process is announced by the line that scripts look for" {
	spawn -s "$S" -F 3 -- /bin/sleep 60
	[ "$status" = 0 ]
	[ "$(grep -Exc 'spawn-fcgi: child spawned successfully: PID: [0-9]+' <<<"$output")" = 3 ]
	[ "$(wc -l <<<"$output")" = 3 ]
	[ -z "$stderr" ]
}

@test "the pid file has the pids, a newline between two, none at the end" {
	spawn -s "$S" -P "$T/pid" -F 3 -- /bin/sleep 60
	[ "$(cat "$T/pid"; echo .)" = "$(printf '%s.' "$PIDS")" ]
	[ "$(wc -l <"$T/pid")" = 2 ]
	local pid

	for pid in $(tr "\n" " " <"$T/pid"); do
		alive "$pid"
	done
}

@test "the mode of the pid file is 0644 less the umask" {
	spawn -s "$S" -P "$T/pid" -- /bin/sleep 60
	[ "$(mode_of "$T/pid")" = 644 ]
	umask 077
	spawn -s "$T/s2" -P "$T/pid2" -- /bin/sleep 60
	[ "$(mode_of "$T/pid2")" = 600 ]
}

@test "an old pid file is overwritten" {
	printf '1111111\n2222222\n3333333\n' >"$T/pid"
	spawn -s "$S" -P "$T/pid" -- /bin/sleep 60
	[ "$(cat "$T/pid")" = "$PIDS" ]
}

@test "only a regular file will do as pid file, and no link is followed" {
	mkfifo "$T/fifo"
	echo precious >"$T/precious"
	ln -s "$T/precious" "$T/link"
	ln -s "$T/planted" "$T/dangling"
	local file

	for file in "$T/fifo" "$T/link" "$T/dangling" /dev/null "$T" "$T/no/pid"; do
		spawn -s "$S" -P "$file" -- /bin/sleep 60
		[ "$status" = 255 ]
		[[ $stderr == *"PID-file"*"'$file'"* ]]
		nothing_left "$S"
	done
	[ "$(cat "$T/precious")" = precious ]
	nothing_left "$T/planted"
}

@test "the pid file of a running server survives a second start" {
	spawn -s "$S" -P "$T/pid" -- /bin/sleep 60
	local first=$PIDS

	spawn -s "$S" -P "$T/pid" -- /bin/sleep 60
	[ "$status" = 255 ]
	[ "$(cat "$T/pid")" = "$first" ]
}

@test "spawn-fcgi leaves no process of its own behind" {
	spawn -s "$S" -- /bin/sleep 60
	! pgrep -f "^$SPAWN_FCGI -s $S"
}
