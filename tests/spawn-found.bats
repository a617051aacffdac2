#!/usr/bin/env bats
# Command lines as init scripts, units and manuals have them, with real programs.
#
# shellcheck disable=SC2016 # text for other shells
# shellcheck disable=SC2030,SC2031,SC2034,SC2153,SC2154,SC2314 # variables are set in spawn

load lib
load spawn

need_php() {
	need php-cgi cgi-fcgi
	PHP=$(command -v php-cgi)
	echo '<?php echo "php ", 6 * 7, " ", getenv("PHP_FCGI_CHILDREN");' >"$T/x.php"
	chmod 755 "$T"
}

need_fcgi_pm() {
	need perl
	perl -MFCGI -e 1 2>/dev/null || skip 'no FCGI.pm here'
	HELLO=$CGI/spawn-hello.pl
}

# Our own wrapper, or an installed one.
need_fcgiwrap() {
	WRAPPER=$FCGIWRAP
	[ -x "$WRAPPER" ] || WRAPPER=$(command -v fcgiwrap || echo /usr/sbin/fcgiwrap)
	[ -x "$WRAPPER" ] || skip 'no fcgiwrap here'
}

# answers ADDRESS SCRIPT TEXT: a request gets an answer with the text.
answers() {
	"$FCGI_TALK" "$1" timeout 10 get "$2" expect-text "$3"
}

# The same by the classic client, which minds less what PHP leaves out at the end of an answer.
answers_cgi_fcgi() { # ADDRESS SCRIPT TEXT
	env -i PATH="$PATH" REQUEST_METHOD=GET SCRIPT_FILENAME="$2" \
		timeout 10 cgi-fcgi -bind -connect "$1" | grep -F "$3"
}

stop_by_pidfile() {
	local pid pids

	read -r -d '' -a pids <"$1" || :
	for pid in "${pids[@]}"; do
		kill -TERM "$pid"
	done
	for pid in "${pids[@]}"; do
		eventually gone "$pid"
	done
}

@test "lighttpd's sample: PHP on a port, with children" {
	need_php
	local port

	port=$(free_port)
	spawn -f "$PHP" -p "$port" -a 127.0.0.1 -C 2 -P "$T/pid"
	[ "$status" = 0 ]
	answers_cgi_fcgi "127.0.0.1:$port" "$T/x.php" 'php 42 2'
	stop_by_pidfile "$T/pid"
}

@test "runit's run-php: in place, as one user, for another" {
	need_users
	need_php
	PHP_FCGI_CHILDREN=2 PHP_FCGI_MAX_REQUESTS=1000 start php "$SPAWN_FCGI" -n -s "$S" -n \
		-u "$USER_B" -U "$USER_A" -- "$PHP"
	eventually answers_cgi_fcgi "$S" "$T/x.php" 'php 42 2'
	[ "$(stat -c %U "$S")" = "$USER_A" ]
	stop php
}

@test "the run scripts' clean environment" {
	need_users
	need_php
	start php env - PATH="$PATH" "$SPAWN_FCGI" -n -s "$S" -u "$USER_A" -U "$USER_A" -C 2 -- "$PHP"
	eventually answers_cgi_fcgi "$S" "$T/x.php" 'php 42 2'
	[ "$(environment_of "$(pid_of php)" | sort)" = \
		"$(printf 'PATH=%s\nPHP_FCGI_CHILDREN=2' "$PATH" | sort)" ]
	stop php
}

debian_fcgiwrap() { # OPTION...
	env -i PATH=/sbin:/usr/sbin:/bin:/usr/bin "$SPAWN_FCGI" -P "$T/fcgiwrap.pid" -F '1' "$@" \
		-u "$USER_A" -g "$USER_A" -- "$WRAPPER" -f
}

# As the init script stops: all pids of the file whose argv[0] is the daemon.
debian_stop() {
	[ "$(tr '\0' '\n' <"/proc/$(cat "$T/fcgiwrap.pid")/cmdline" | head -n 1)" = "$WRAPPER" ]
	stop_by_pidfile "$T/fcgiwrap.pid"
}

@test "Debian's init script of fcgiwrap, on a socket" {
	need_users
	need_fcgiwrap
	capture debian_fcgiwrap -s "$T/fcgiwrap.socket" -U "$USER_A" -G "$USER_A"
	[ "$status" = 0 ]
	[[ $output == "spawn-fcgi: child spawned successfully: PID: $(cat "$T/fcgiwrap.pid")" ]]
	adopt fcgiwrap "$(cat "$T/fcgiwrap.pid")"
	[ "$(owner_of "$T/fcgiwrap.socket")" = "$USER_A:$USER_A" ]
	answers "unix:$T/fcgiwrap.socket" "$CGI/hello.sh" ello
	debian_stop
}

@test "Debian's init script of fcgiwrap, on a port" {
	need_users
	need_fcgiwrap
	local port

	port=$(free_port)
	capture debian_fcgiwrap -a 127.0.0.1 -p "$port"
	[ "$status" = 0 ]
	adopt fcgiwrap "$(cat "$T/fcgiwrap.pid")"
	answers "tcp:127.0.0.1:$port" "$CGI/hello.sh" ello
	debian_stop
}

@test "Debian's rt4 and rt5 units: several processes and a pid file" {
	need_users
	need_fcgi_pm
	spawn -F 2 -d / -u "$USER_A" -g "$USER_A" -s "$S" -P "$T/pid" -- "$HELLO"
	[ "$status" = 0 ]
	[ "$(wc -w <"$T/pid")" = 2 ]
	answers "unix:$S" /x "uid $(id -u "$USER_A") gid $(id -g "$USER_A"), in /"
	stop_by_pidfile "$T/pid"
}

@test "their init script: by start-stop-daemon" {
	need_users
	need_fcgi_pm
	need start-stop-daemon
	capture start-stop-daemon --start --quiet --pidfile "$T/pid" --exec "$SPAWN_FCGI" -- \
		-F 2 -d / -u "$USER_A" -g "$USER_A" -s "$S" -P "$T/pid" -- "$HELLO"
	[ "$status" = 0 ]
	local pid

	for pid in $(tr "\n" " " <"$T/pid"); do
		adopt "rt$pid" "$pid"
	done
	answers "unix:$S" /x Hello
}

@test "bosixnet-webui: no PATH, no --" {
	need_users
	need_fcgi_pm
	local port

	port=$(free_port)
	# Without PATH env(1) finds no perl, as the real one is a binary.
	printf '#!%s\nexec "%s", "%s";\n' "$(command -v perl)" "$(command -v perl)" "$HELLO" >"$T/webui"
	chmod 755 "$T/webui"
	RUN_BY='env -' spawn -p "$port" -f "$T/webui" -u "$USER_A" -g "$USER_A"
	[ "$status" = 0 ]
	eventually answers "tcp:127.0.0.1:$port" /x "uid $(id -u "$USER_A")"
}

@test "munin: a socket for the web server, a program of another user" {
	need_users
	need_fcgi_pm
	spawn -s "$S" -U "$USER_A" -u "$USER_B" -g "$(id -gn "$USER_B")" -P "$T/pid" -- "$HELLO"
	[ "$status" = 0 ]
	[ "$(stat -c %U "$S")" = "$USER_A" ]
	answers "unix:$S" /x "uid $(id -u "$USER_B")"
}

@test "CentOS's init script of fcgiwrap" {
	need_users
	need_fcgiwrap
	spawn -u "$USER_B" -g "$(id -gn "$USER_B")" -s "$S" -S -M 0770 -F 1 -P "$T/pid" -- "$WRAPPER"
	[ "$status" = 0 ]
	[ "$(mode_of "$S")" = 770 ]
	answers "unix:$S" "$CGI/hello.sh" ello
	stop_by_pidfile "$T/pid"
}

@test "our example of a start script, with a daemon whose name is longer than the system keeps" {
	need_users
	need_fcgiwrap
	[ -z "${TEST_WRAPPER-}" ] || skip 'not under another program'
	cp "$WRAPPER" "$T/fcgiwrap-of-a-long-name"
	cat >"$T/defaults" <<-END
		SPAWN_FCGI=$SPAWN_FCGI
		DAEMON=$T/fcgiwrap-of-a-long-name
		PIDFILE=$T/pid
		FCGI_SOCKET=$S
	END
	sed "s|^DEFAULTS=.*|DEFAULTS=$T/defaults|" "$FCGI_SOURCE/examples/init/fcgiwrap" >"$T/init"
	sh "$T/init" start
	adopt wrapper "$(cat "$T/pid")"
	answers "unix:$S" "$CGI/hello.sh" ello
	sh "$T/init" start | grep 'already running'
	sh "$T/init" status
	sh "$T/init" stop
	gone "$(pid_of wrapper)"
	capture sh "$T/init" status
	[ "$status" = 3 ]
	nothing_left "$S" "$T/pid"
}

@test "OpenRC: one spawn-fcgi for each of several sockets" {
	need_users
	need_fcgi_pm
	local i

	for i in 1 2; do
		spawn -s "$S-$i" -P "$T/name-$i.pid" -u "$USER_A" -g "$USER_A" -- "$HELLO"
		[ "$status" = 0 ]
	done
	for i in 1 2; do
		answers "unix:$S-$i" /x "Hello from $(cat "$T/name-$i.pid")"
	done
}

@test "multiwatch's manual: the pool of another program" {
	need multiwatch
	need_fcgi_pm
	start pool "$SPAWN_FCGI" -s "$S" -n -- "$(command -v multiwatch)" -f 2 "$HELLO"
	eventually answers "unix:$S" /x Hello
	[ "$(pgrep -c -P "$(pid_of pool)")" = 2 ]
	stop pool
}

@test "a request that comes before the program has started is answered" {
	need_fcgi_pm
	spawn -s "$S" -- /bin/sh -c 'while [ ! -e "$1" ]; do sleep 0.01; done; exec "$0"' "$HELLO" \
		"$T/go"
	[ "$status" = 0 ]
	start early "$FCGI_TALK" "unix:$S" get /x expect-text Hello
	touch "$T/go"
	await early
	[ "$STATUS" = 0 ]
}
