#!/usr/bin/env bats
# The examples for service managers and the like: each is taken for right by its own checker
# where that is here, and run for real where that is possible.
#
# shellcheck disable=SC2016,SC2030,SC2031,SC2034,SC2153,SC2154,SC2314 # see spawn.bash

load lib
load spawn
load wrapper
load services

@test "systemd takes the units for right" {
	need systemd-analyze
	make_examples "${UNITS[@]}"
	run systemd-analyze verify --man=no "${UNITS[@]/#/$MADE/}"
	[ "$status" = 0 ]
	[ -z "$output" ]
}

@test "systemd finds no unit exposed by more than 2.5 of 10" {
	local unit

	need systemd-analyze
	[[ $(systemd-analyze --help) == *--threshold=* ]] || skip 'an old systemd-analyze'
	make_examples "${UNITS[@]}"
	for unit in "${UNITS[@]}"; do
		[[ $unit != *.socket ]] ||
			continue
		echo "$unit"
		systemd-analyze security --no-pager --offline=yes --threshold=25 "$MADE/$unit"
	done
}

@test "the unit for each user has all that the one for the web server has" {
	make_examples systemd/fcgiwrap.service systemd/fcgiwrap@.service
	grep -x 'User=%i' "$MADE/systemd/fcgiwrap@.service"
	diff <(sed -e '1d' -e 's/@%i\.socket/.socket/; s/^\(User=\).*/\1/; s/ for %i$//' \
		"$MADE/systemd/fcgiwrap@.service") \
		<(sed 's/^\(User=\).*/\1/' "$MADE/systemd/fcgiwrap.service")
}

@test "setuid.conf takes back all of the unit that sets no_new_privs, and what else hinders sudo" {
	local name

	make_examples systemd/fcgiwrap.service
	for name in NoNewPrivileges CapabilityBoundingSet RestrictSUIDSGID PrivateDevices \
		ProtectKernelTunables ProtectKernelModules ProtectKernelLogs ProtectHostname \
		ProtectClock RestrictNamespaces RestrictAddressFamilies RestrictRealtime \
		LockPersonality SystemCallArchitectures SystemCallFilter; do
		grep -q "^$name=" "$MADE/systemd/fcgiwrap.service"
		grep "^$name=" "$FCGI_SOURCE/examples/systemd/setuid.conf"
	done
}

# unit_words UNIT: the words of its ExecStart, variables as they stand there.
unit_words() {
	awk 'sub(/^ExecStart=/, "") { on = 1 } on { on = sub(/\\$/, ""); print }' "$MADE/systemd/$1"
}

# unit_variables UNIT FILE...: what it sets itself, then the files, as shell commands.
unit_variables() {
	sed -n 's/^Environment="\([A-Z_]*\)=\(.*\)"$/\1="\2"/p; s/^Environment=\([A-Z_]*\)=\(.*\)/\1="\2"/p' \
		"$MADE/systemd/$1"
	shift
	cat "$@"
}

# The shell splits these words as systemd does.
@test "the programs take the command lines of the units for right" {
	local line

	make_examples systemd/fcgiwrap.service systemd/spawn-fcgi@.service
	eval "$(unit_variables fcgiwrap.service /dev/null)"
	line=$(unit_words fcgiwrap.service)
	[ "$line" = "$FCGIWRAP "'$DAEMON_OPTS' ]
	eval "$line --check -s unix:$T/s"

	printf 'FCGI_PROGRAM="/bin/sleep 60"\n' >"$T/pool"
	eval "$(unit_variables spawn-fcgi@.service "$T/pool" | sed "s|/run/[a-z%-]*|$T|")"
	line=$(unit_words spawn-fcgi@.service)
	[[ $line == "$SPAWN_FCGI -n --supervise "* ]]
	line=${line//$'\n'/ }
	eval "${line/ -n / -n --check }"
}

@test "whoever may connect to a pool of another user is on its list" {
	WEB=www SCRIPTS=app make_examples systemd/spawn-fcgi@.service systemd/fcgiwrap.socket
	grep -x 'Environment="FCGI_LISTEN=-s .* --socket-acl-users www"' "$MADE/systemd/spawn-fcgi@.service"
	grep -x 'User=app' "$MADE/systemd/spawn-fcgi@.service"
	grep -x 'SocketUser=www' "$MADE/systemd/fcgiwrap.socket"
	WEB=www SCRIPTS=www make_examples systemd/spawn-fcgi@.service
	not grep -e --socket-acl-users "$MADE/systemd/spawn-fcgi@.service"
}

@test "the example of a pool's file is read by the shell and by systemd alike" {
	# Comments, and NAME=VALUE with quotes or without.
	not grep -vE '^(#.*|[A-Z_]+=("[^"\\$`]*"|[^][ "\\$`;&|<>()*?#]*))?$' "$FCGI_SOURCE/examples/systemd/pool.conf"
	sed 's/^#\([A-Z_]*=\)/\1/' "$FCGI_SOURCE/examples/systemd/pool.conf" >"$T/pool.conf"
	(
		# shellcheck source=/dev/null
		. "$T/pool.conf"
		[ "$FCGI_LISTEN" = '-a 127.0.0.1 -p 9000' ]
	)
}

@test "systemd-sysusers makes the user that scripts run as" {
	need_root
	need systemd-sysusers
	SCRIPTS=fcgiwrap make_examples systemd/fcgi-bridge-sysusers.conf
	mkdir -p "$T/root/etc"
	systemd-sysusers --root="$T/root" "$MADE/systemd/fcgi-bridge-sysusers.conf"
	grep '^fcgiwrap:.*nologin$' "$T/root/etc/passwd"
}

@test "systemd-tmpfiles makes folders where only root writes" {
	need_root
	need systemd-tmpfiles
	make_examples systemd/fcgi-bridge-tmpfiles.conf
	mkdir -p "$T/root"
	systemd-tmpfiles --create --root="$T/root" "$MADE/systemd/fcgi-bridge-tmpfiles.conf"
	[ "$(stat -c %A:%U "$T/root/run/fcgiwrap")" = drwxr-xr-x:root ]
	[ "$(stat -c %A:%U "$T/root/run/spawn-fcgi")" = drwxr-xr-x:root ]
}

# The start scripts of System V, with $T as their root: etc/default and run are there.

# sysv NAME ACTION: sets $status and $output.
sysv() {
	run env FCGI_ROOT="$T" sh "$T/init.d/$1" "$2"
	echo "$output"
}

# make_sysv SERVICE NAME <<SETTINGS: a start script, by a link if it has another name.
make_sysv() {
	make_examples "init/sysv/$1"
	mkdir -p "$T/etc/default" "$T/run" "$T/init.d"
	chmod 755 "$T"
	ln -s "$MADE/init/sysv/$1" "$T/init.d/$2"
	cat >"$T/etc/default/$2"
}

# started NAME: and is ended with the test.
started() {
	sysv "$1" start
	[ "$status" = 0 ]
	adopt "$1" "$(cat "$T/run/$1.pid")"
}

# says_hello SOCKET: a script is run, by whoever serves there.
says_hello() {
	"$FCGI_TALK" "$1" get "$CGI/hello.sh" expect-text ello
}

@test "a start script starts, tells its state and stops, and says the same when asked twice" {
	make_sysv fcgiwrap fcgiwrap </dev/null
	sysv fcgiwrap status
	[ "$status" = 3 ]
	started fcgiwrap
	says_hello "unix:$T/run/fcgiwrap.socket"
	sysv fcgiwrap start
	[ "$status" = 0 ]
	[[ $output == *'already running'* ]]
	sysv fcgiwrap status
	[ "$status" = 0 ]
	sysv fcgiwrap stop
	[ "$status" = 0 ]
	eventually gone "$(pid_of fcgiwrap)"
	nothing_left "$T/run/fcgiwrap.socket" "$T/run/fcgiwrap.pid"
	sysv fcgiwrap stop
	[ "$status" = 0 ]
}

@test "a start script has the exit codes of the Linux Standard Base" {
	make_sysv spawn-fcgi spawn-fcgi </dev/null
	sysv spawn-fcgi start
	[ "$status" = 6 ]
	[[ $output == *'FCGI_PROGRAM is not set'* ]]
	echo 'FCGI_PROGRAM=/no/such/program' >"$T/etc/default/spawn-fcgi"
	sysv spawn-fcgi start
	[ "$status" = 5 ]
	echo 'FCGI_PROGRAM=/bin/false' >"$T/etc/default/spawn-fcgi"
	sysv spawn-fcgi start
	[ "$status" = 1 ]
	sysv spawn-fcgi reload
	[ "$status" = 7 ]
	sysv spawn-fcgi no-such-action
	[ "$status" = 2 ]
	echo 99999999 >"$T/run/spawn-fcgi.pid"
	sysv spawn-fcgi status
	[ "$status" = 1 ]
	sysv spawn-fcgi try-restart
	[ "$status" = 0 ]
}

@test "a start script leaves a process alone that has got the number of a pid file" {
	make_sysv fcgiwrap fcgiwrap </dev/null
	start other "$SPAWN_FCGI" --supervise -n -s "$T/other" -P "$T/other.pid" -- /bin/sleep 60
	eventually test -s "$T/other.pid"
	pid_of other >"$T/run/fcgiwrap.pid"
	sysv fcgiwrap status
	[ "$status" = 1 ]
	sysv fcgiwrap stop
	alive "$(pid_of other)"
	started fcgiwrap
}

@test "reload of a start script replaces the program, and no request fails" {
	make_sysv fcgiwrap fcgiwrap </dev/null
	started fcgiwrap
	SOCKET=unix:$T/run/fcgiwrap.socket
	find_children "$(pid_of fcgiwrap)"
	local before=${children[0]}
	start_waiting waiter
	sysv fcgiwrap reload
	[ "$status" = 0 ]
	crowd 100 4 get "$CGI/hello.sh" expect-text ello
	: >"$T/go"
	answered waiter
	eventually gone "$before"
	says_hello "$SOCKET"
}

@test "restart and force-reload of a start script start what is stopped" {
	make_sysv fcgiwrap fcgiwrap </dev/null
	sysv fcgiwrap force-reload
	[ "$status" = 0 ]
	adopt first "$(cat "$T/run/fcgiwrap.pid")"
	sysv fcgiwrap restart
	[ "$status" = 0 ]
	adopt second "$(cat "$T/run/fcgiwrap.pid")"
	eventually gone "$(pid_of first)"
	says_hello "unix:$T/run/fcgiwrap.socket"
}

@test "upgrade of a start script executes spawn-fcgi anew, and all goes on" {
	make_sysv fcgiwrap fcgiwrap </dev/null
	started fcgiwrap
	find_children "$(pid_of fcgiwrap)"
	local before=${children[0]}
	sysv fcgiwrap upgrade
	[ "$status" = 0 ]
	says_hello "unix:$T/run/fcgiwrap.socket"
	alive "$before"
	sysv fcgiwrap status
	[ "$status" = 0 ]
}

@test "a start script under two names is two services" {
	make_sysv fcgiwrap fcgiwrap </dev/null
	make_sysv fcgiwrap fcgiwrap.two <<<'DAEMON_OPTS="-f -c 1"'
	started fcgiwrap
	started fcgiwrap.two
	says_hello "unix:$T/run/fcgiwrap.two.socket"
	sysv fcgiwrap stop
	says_hello "unix:$T/run/fcgiwrap.two.socket"
	sysv fcgiwrap.two status
	[ "$status" = 0 ]
}

@test "a start script that a run level calls is the same service" {
	make_sysv fcgiwrap fcgiwrap </dev/null
	ln -s "$T/init.d/fcgiwrap" "$T/init.d/S01fcgiwrap"
	sysv S01fcgiwrap start
	adopt fcgiwrap "$(cat "$T/run/fcgiwrap.pid")"
	sysv fcgiwrap status
	[ "$status" = 0 ]
}

@test "a start script kills what does not stop" {
	make_sysv fcgiwrap fcgiwrap <<<'DIETIME=1'
	started fcgiwrap
	kill -STOP "$(pid_of fcgiwrap)"
	sysv fcgiwrap stop
	[ "$status" = 0 ]
	eventually gone "$(pid_of fcgiwrap)"
	nothing_left "$T/run/fcgiwrap.pid"
}

# words_of PID: its arguments, with a blank between them.
words_of() {
	tr '\0' ' ' <"/proc/$1/cmdline"
}

@test "a start script understands the variables of Debian's" {
	need_proc
	local port

	port=$(free_port)
	make_sysv fcgiwrap fcgiwrap <<-END
		DAEMON_OPTS="-f -c 1"
		FCGI_CHILDREN=2
		FCGI_SOCKET=
		FCGI_ADDR=127.0.0.1
		FCGI_PORT=$port
		ENV_VARS="PATH='\$PATH:/my bin' COLOUR='red and blue'"
	END
	started fcgiwrap
	says_hello "tcp:127.0.0.1:$port"
	has_children "$(pid_of fcgiwrap)" 2
	find_children "$(pid_of fcgiwrap)"
	[ "$(words_of "${children[0]}")" = "$FCGIWRAP -f -c 1 " ]
	[ "$(environment_of "${children[0]}" | sort | cut -c 1-20)" = $'COLOUR=red and blue\nPATH=/usr/local/sbin' ]
}

@test "a start script gives the socket and the rights to whom Debian's variables name" {
	need_users
	make_sysv fcgiwrap fcgiwrap <<-END
		FCGI_USER=$USER_B
		FCGI_GROUP=$(id -gn "$USER_B")
		FCGI_SOCKET=$T/run/web
		FCGI_SOCKET_OWNER=$USER_A
		FCGI_SOCKET_GROUP=$(id -gn "$USER_A")
	END
	started fcgiwrap
	[ "$(owner_of "$T/run/web")" = "$USER_A:$(id -gn "$USER_A")" ]
	[ "$(mode_of "$T/run/web")" = 660 ]
	find_children "$(pid_of fcgiwrap)"
	[ "$(status_of "${children[0]}" Uid | cut -d ' ' -f 1)" = "$(id -u "$USER_B")" ]
}

@test "a start script understands the variables of Gentoo's" {
	need_proc
	local port

	port=$(free_port)
	make_sysv spawn-fcgi spawn-fcgi.shop </dev/null
	mkdir -p "$T/etc/conf.d" "$T/folder"
	cat >"$T/etc/conf.d/spawn-fcgi.shop" <<-END
		FCGI_ADDRESS=127.0.0.1
		FCGI_PORT=$port
		FCGI_PROGRAM="$FCGIWRAP -c 1"
		FCGI_CHILDREN=1
		FCGI_CHDIR=$T/folder
		FCGI_EXTRA_OPTIONS="--nice 3"
		ALLOWED_ENV="PATH SHOP"
		SHOP="a b"
	END
	started spawn-fcgi.shop
	says_hello "tcp:127.0.0.1:$port"
	find_children "$(pid_of spawn-fcgi.shop)"
	[ "$(readlink "/proc/${children[0]}/cwd")" = "$T/folder" ]
	environment_of "${children[0]}" | grep -x 'SHOP=a b'
	[[ $(words_of "$(pid_of spawn-fcgi.shop)") == *' --nice 3 '* ]]
}

@test "a start script understands OPTIONS of /etc/sysconfig/spawn-fcgi" {
	make_sysv spawn-fcgi spawn-fcgi </dev/null
	mkdir -p "$T/etc/sysconfig"
	cat >"$T/etc/sysconfig/spawn-fcgi" <<-END
		SOCKET=$T/run/php-fcgi.sock
		OPTIONS="-s \$SOCKET -S -M 0600 -C 32 -F 1 -P $T/run/other.pid -- $FCGIWRAP"
	END
	sysv spawn-fcgi start
	[ "$status" = 0 ]
	adopt pool "$(cat "$T/run/other.pid")"
	says_hello "unix:$T/run/php-fcgi.sock"
	sysv spawn-fcgi status
	[ "$status" = 0 ]
	sysv spawn-fcgi stop
	eventually gone "$(pid_of pool)"
}

@test "a start script understands the file of a pool that systemd reads" {
	make_sysv spawn-fcgi spawn-fcgi.shop </dev/null
	mkdir -p "$T/etc/spawn-fcgi"
	cat >"$T/etc/spawn-fcgi/shop.conf" <<-END
		FCGI_PROGRAM="$FCGIWRAP -c 1"
		FCGI_LISTEN="-s $T/run/shop"
	END
	started spawn-fcgi.shop
	says_hello "unix:$T/run/shop"
}

# The scripts below examples/init that are for /bin/sh.
SHELL_SCRIPTS=(init/sysv/fcgiwrap init/sysv/spawn-fcgi)

@test "shells take the scripts for right" {
	local name shell

	make_examples "${SHELL_SCRIPTS[@]}"
	for name in "${SHELL_SCRIPTS[@]}"; do
		for shell in sh dash bash ksh 'busybox sh'; do
			! command -v ${shell% *} >/dev/null || $shell -n "$MADE/$name"
		done
	done
}

@test "shellcheck finds nothing in the scripts" {
	need shellcheck
	make_examples "${SHELL_SCRIPTS[@]}"
	shellcheck "${SHELL_SCRIPTS[@]/#/$MADE/}"
}
