#!/usr/bin/env bats
# The examples for service managers and the like: each is taken for right by its own checker
# where that is here, and run for real where that is possible.
#
# shellcheck disable=SC2016,SC2030,SC2031,SC2034,SC2153,SC2154,SC2314 # see spawn.bash

load lib
load spawn
load supervise
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
SHELL_SCRIPTS=(init/freebsd/fcgiwrap init/freebsd/spawn-fcgi init/openrc/fcgiwrap.confd
	init/openrc/fcgiwrap.initd init/openrc/spawn-fcgi.confd init/openrc/spawn-fcgi.initd
	init/openwrt/fcgiwrap init/supervise/fcgiwrap/check init/supervise/fcgiwrap/run
	init/supervise/pool/check init/supervise/pool/run init/sysv/fcgiwrap init/sysv/spawn-fcgi)

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
	# Variables of configurations are set and read elsewhere.
	shellcheck -s sh -e SC1090,SC1091,SC2034,SC3043 "${SHELL_SCRIPTS[@]/#/$MADE/}" \
		"$FCGI_SOURCE/examples/init/supervise/log-run"
}

# The services of runit, daemontools and s6, in folders below $T.

# make_service NAME CONF...: $T/NAME, with a log; CONF are lines of its file conf.
make_service() {
	local name=$1

	shift
	make_examples "init/supervise/$name/run" "init/supervise/$name/check"
	cp -R "$MADE/init/supervise/$name" "$T/$name"
	mkdir "$T/$name/log"
	cp "$FCGI_SOURCE/examples/init/supervise/log-run" "$T/$name/log/run"
	printf '%s\n' "FCGI_USER=$(id -un)" "$@" >"$T/$name/conf"
	[ "$EUID" != 0 ] || sed -i "1s/.*/FCGI_USER=$USER_A/" "$T/$name/conf"
	chmod 755 "$T"
	SOCKET=unix:$S
}

# is_logged NAME PATTERN: by the log of the service.
is_logged() {
	eventually has_match "$2" "$T/$1/log/main/current"
}

# goes_round PID: what the supervisor starts is reloaded by $HUP, ends by $DOWN, and comes by $UP.
goes_round() {
	eventually says_hello "$SOCKET"
	local pid before after
	pid=$(pgrep -P "$1" -x fcgiwrap)
	before=$(children_of "$pid")
	$HUP
	replaced() { after=$(children_of "$pid") && [ "$after" != "$before" ]; }
	eventually replaced
	says_hello "$SOCKET"
	$DOWN
	eventually gone "$pid"
	not says_hello "$SOCKET"
	$UP
	eventually says_hello "$SOCKET"
}

@test "runit: fcgiwrap goes up, down and up, is reloaded, and is checked" {
	need runsv sv svlogd
	make_service fcgiwrap "FCGI_SOCKET=$S"
	start runsv runsv "$T/fcgiwrap"
	UP="sv up $T/fcgiwrap" DOWN="sv -w 20 down $T/fcgiwrap" HUP="sv hup $T/fcgiwrap"
	goes_round "$(pid_of runsv)"
	sv check "$T/fcgiwrap"
	kill -TERM "$(pid_of runsv)"
	await runsv 20
}

@test "runit: what is not up does not pass the check" {
	make_service fcgiwrap "FCGI_SOCKET=$S"
	cd "$T/fcgiwrap"
	not ./check
	make_service pool "FCGI_LISTEN='-a 127.0.0.1 -p $(free_port)'"
	cd "$T/pool"
	not ./check
}

@test "runit: a pool, and what it says in its log" {
	need runsv sv svlogd
	make_service pool "FCGI_LISTEN='-s $S'" "FCGI_PROGRAM='$FCGIWRAP -c 1'"
	start runsv runsv "$T/pool"
	eventually says_hello "$SOCKET"
	sv check "$T/pool"
	sv -w 20 exit "$T/pool"
	await runsv 20
	is_logged pool .
}

@test "a pool without a program says what is missing" {
	make_service pool
	sed 's/sleep 10/:/' "$T/pool/run" >"$T/pool/run.now"
	cd "$T/pool"
	run sh run.now
	[ "$status" = 1 ]
	[[ $output == *"FCGI_PROGRAM is not set in $T/pool/conf"* ]]
}

@test "daemontools: fcgiwrap goes up, down and up, and is reloaded" {
	need supervise svc svstat
	make_service fcgiwrap "FCGI_SOCKET=$S"
	start supervise supervise "$T/fcgiwrap"
	UP="svc -u $T/fcgiwrap" DOWN="svc -d $T/fcgiwrap" HUP="svc -h $T/fcgiwrap"
	goes_round "$(pid_of supervise)"
	svc -dx "$T/fcgiwrap"
	await supervise 20
}

# notifies NAME: s6 is told when it is ready.
notifies() {
	echo 3 >"$T/$1/notification-fd"
	mkdir "$T/$1/data"
	ln -s ../check "$T/$1/data/check"
}

# is_ready NAME: by what s6 knows.
is_ready() {
	[ "$(s6-svstat -o ready "$T/$1")" = true ]
}

@test "s6: fcgiwrap is ready when it answers, goes up, down and up, and is reloaded" {
	need s6-supervise s6-svc s6-svstat s6-notifyoncheck
	make_service fcgiwrap "FCGI_SOCKET=$S"
	notifies fcgiwrap
	start supervise s6-supervise "$T/fcgiwrap"
	eventually is_ready fcgiwrap
	says_hello "$SOCKET"
	UP="s6-svc -u $T/fcgiwrap" DOWN="s6-svc -d $T/fcgiwrap" HUP="s6-svc -h $T/fcgiwrap"
	goes_round "$(pid_of supervise)"
	s6-svc -dx "$T/fcgiwrap"
	await supervise 20
}

@test "s6: a pool is ready when it answers" {
	need s6-supervise s6-svc s6-svstat s6-notifyoncheck
	make_service pool "FCGI_LISTEN='-s $S'" "FCGI_PROGRAM='$FCGIWRAP -c 1'"
	notifies pool
	start supervise s6-supervise "$T/pool"
	eventually is_ready pool
	says_hello "$SOCKET"
	s6-svc -dx "$T/pool"
	await supervise 20
}

@test "the log of a service is written by the tool that is here" {
	local tool

	for tool in svlogd s6-log multilog; do
		command -v $tool >/dev/null || continue
		mkdir -p "$T/$tool/bin"
		ln -s "$(command -v $tool)" "$(command -v mkdir)" "$T/$tool/bin"
		cd "$T/$tool"
		echo hello | PATH=$T/$tool/bin /bin/sh "$FCGI_SOURCE/examples/init/supervise/log-run"
		grep hello main/current
	done
	[ -n "${tool-}" ]
}

# in_openrc <<COMMANDS: with $T/init.d and $T/conf.d, a /run of its own where OpenRC believes that it
# has booted, and processes that end with it. $output is what the commands say.
in_openrc() {
	need_root
	need openrc-run unshare
	cat >"$T/commands" <<-'END'
		set -e
		not() { ! "$@"; }
		mount -t tmpfs none /run
		for folder in daemons exclusive failed hotplugged inactive options scheduled started \
			starting stopping tmp wasinactive; do
			mkdir -p /run/openrc/$folder
		done
		touch /run/openrc/softlevel
		cd "$T"
	END
	cat >>"$T/commands"
	chmod 755 "$T"
	export T SPAWN_FCGI FCGIWRAP FCGI_TALK CGI USER_A
	run unshare -m -p --fork --kill-child --mount-proc bash "$T/commands"
	echo "$output"
}

make_openrc() {
	make_examples init/openrc/fcgiwrap.initd init/openrc/spawn-fcgi.initd
	mkdir "$T/init.d" "$T/conf.d"
	cp "$MADE/init/openrc/fcgiwrap.initd" "$T/init.d/fcgiwrap"
	cp "$MADE/init/openrc/spawn-fcgi.initd" "$T/init.d/spawn-fcgi.shop"
}

@test "OpenRC starts, reloads and stops fcgiwrap, with the variables of Alpine's" {
	make_openrc
	printf 'nproc=2\nsocket=/run/web/cgi.sock\n' >"$T/conf.d/fcgiwrap"
	in_openrc <<-'END'
		init.d/fcgiwrap start
		until [ -S /run/web/cgi.sock ]; do sleep 0.1; done
		init.d/fcgiwrap status
		"$FCGI_TALK" unix:/run/web/cgi.sock get "$CGI/hello.sh" expect-text ello
		parent=$(pgrep -o -x fcgiwrap)
		until before=$(pgrep -P "$parent") && [ "$(wc -l <<<"$before")" = 2 ]; do sleep 0.1; done
		init.d/fcgiwrap reload
		until after=$(pgrep -P "$parent") && [ "$after" != "$before" ]; do sleep 0.1; done
		[ "$(pgrep -o -x fcgiwrap)" = "$parent" ]
		init.d/fcgiwrap stop
		not pgrep -x fcgiwrap
	END
	[ "$status" = 0 ]
}

@test "OpenRC: a socket for each of several programs, as with Gentoo's variables" {
	make_openrc
	cat >"$T/conf.d/spawn-fcgi.shop" <<-END
		FCGI_SOCKET=/run/shop.sock
		FCGI_PROGRAM="$FCGIWRAP -c 1"
		FCGI_CHILDREN=2
		FCGI_USER=$USER_A
		FCGI_EXTRA_OPTIONS="-M 0600"
		ALLOWED_ENV="PATH SHOP"
		SHOP="a b"
	END
	in_openrc <<-'END'
		init.d/spawn-fcgi.shop start
		init.d/spawn-fcgi.shop status
		"$FCGI_TALK" unix:/run/shop.sock-1 get "$CGI/hello.sh" expect-text ello
		"$FCGI_TALK" unix:/run/shop.sock-2 get "$CGI/hello.sh" expect-text ello
		[ "$(stat -c %U:%a /run/shop.sock-2)" = "$USER_A:600" ]
		tr '\0' '\n' <"/proc/$(pgrep -o -x fcgiwrap)/environ" | grep -x 'SHOP=a b'
		first=$(cat /run/spawn-fcgi/shop-1.pid)
		before=$(pgrep -P "$first")
		init.d/spawn-fcgi.shop reload
		until after=$(pgrep -P "$first") && [ "$after" != "$before" ]; do sleep 0.1; done
		kill -KILL "$first"
		while [ -e "/proc/$first/exe" ]; do sleep 0.1; done
		not init.d/spawn-fcgi.shop status
		init.d/spawn-fcgi.shop stop
		not pgrep -x spawn-fcgi
		[ -z "$(ls /run/spawn-fcgi)" ]
	END
	[ "$status" = 0 ]
}

@test "OpenRC: a program that cannot be started fails the start, and nothing is left" {
	make_openrc
	cat >"$T/conf.d/spawn-fcgi.shop" <<-END
		FCGI_SOCKET=/run/shop.sock
		FCGI_PROGRAM=/bin/false
		FCGI_CHILDREN=2
	END
	in_openrc <<-'END'
		not init.d/spawn-fcgi.shop start
		not pgrep -x spawn-fcgi
		[ -z "$(ls /run/spawn-fcgi)" ]
	END
	[ "$status" = 0 ]
}

# FreeBSD's rc.subr, as far as our scripts use it: settings are in $T/rc.conf.
freebsd_rc() {
	local name=$1

	shift
	cat >"$T/rc.subr" <<-'END'
		err() { shift; echo "$*" >&2; exit 1; }
		load_rc_config() { . "$T/rc.conf"; }
		run_rc_command() {
			eval "[ \"\$$rcvar\" = YES ] || { echo not enabled; exit 0; }"
			rc_pid=
			[ ! -s "$pidfile" ] || rc_pid=$(cat "$pidfile")
			case $1 in
			start) $start_cmd ;;
			stop) kill "$rc_pid" ;;
			reload) kill -s "$sig_reload" "$rc_pid" ;;
			*) eval "\$${1}_cmd" ;;
			esac
		}
	END
	make_examples "init/freebsd/$name"
	sed -i -e "s|^\. /etc/rc.subr|. $T/rc.subr|" -e "s|/var/run|$T/var/run|" "$MADE/init/freebsd/$name"
	mkdir -p "$T/var/run"
	chmod 755 "$T"
	export T
	run sh "$MADE/init/freebsd/$name" "$@"
	echo "$output"
}

# is_up NAME: and is ended with the test.
is_up() {
	[ "$status" = 0 ]
	adopt "$1" "$(cat "$T/var/run/$1.pid")"
}

@test "FreeBSD: fcgiwrap, by what the port needs, and no more" {
	echo 'fcgiwrap_enable=NO' >"$T/rc.conf"
	freebsd_rc fcgiwrap start
	[ "$output" = 'not enabled' ]
	echo 'fcgiwrap_enable=YES' >"$T/rc.conf"
	freebsd_rc fcgiwrap start
	is_up fcgiwrap
	says_hello "unix:$T/var/run/fcgiwrap/fcgiwrap.sock"
	[ "$(mode_of "$T/var/run/fcgiwrap/fcgiwrap.sock")" = 660 ]
	freebsd_rc fcgiwrap upgrade
	[ "$status" = 0 ]
	freebsd_rc fcgiwrap reload
	[ "$status" = 0 ]
	says_hello "unix:$T/var/run/fcgiwrap/fcgiwrap.sock"
	freebsd_rc fcgiwrap stop
	eventually gone "$(pid_of fcgiwrap)"
}

@test "FreeBSD: the variables of the port of fcgiwrap" {
	need_users
	cat >"$T/rc.conf" <<-END
		fcgiwrap_enable=YES
		fcgiwrap_user=$USER_B
		fcgiwrap_group=$(id -gn "$USER_A")
		fcgiwrap_socket=unix:$T/var/run/web/cgi.sock
		fcgiwrap_socket_mode=0600
		fcgiwrap_socket_owner=$USER_A
		fcgiwrap_socket_group=$(id -gn "$USER_B")
		fcgiwrap_flags="-c 4 -f"
	END
	freebsd_rc fcgiwrap start
	is_up fcgiwrap
	says_hello "unix:$T/var/run/web/cgi.sock"
	[ "$(owner_of "$T/var/run/web/cgi.sock")" = "$USER_A:$(id -gn "$USER_B")" ]
	[ "$(mode_of "$T/var/run/web/cgi.sock")" = 600 ]
	find_children "$(pid_of fcgiwrap)"
	[ "$(words_of "${children[0]}")" = "$FCGIWRAP -c 4 -f " ]
	[ "$(status_of "${children[0]}" Gid | cut -d ' ' -f 1)" = "$(id -g "$USER_A")" ]
}

@test "FreeBSD: profiles of fcgiwrap are services of their own" {
	local port

	port=$(free_port)
	cat >"$T/rc.conf" <<-END
		fcgiwrap_enable=YES
		fcgiwrap_profiles="one two"
		fcgiwrap_flags="-c 1"
		fcgiwrap_two_socket=tcp:127.0.0.1:$port
		fcgiwrap_two_flags="-c 1 -f"
	END
	freebsd_rc fcgiwrap start
	is_up fcgiwrap-one
	is_up fcgiwrap-two
	says_hello "unix:$T/var/run/fcgiwrap/fcgiwrap-one.sock"
	says_hello "tcp:127.0.0.1:$port"
	find_children "$(pid_of fcgiwrap-two)"
	[ "$(words_of "${children[0]}")" = "$FCGIWRAP -c 1 -f " ]
	freebsd_rc fcgiwrap stop one
	eventually gone "$(pid_of fcgiwrap-one)"
	says_hello "tcp:127.0.0.1:$port"
}

@test "FreeBSD: the variables of the port of spawn-fcgi" {
	need_users
	cat >"$T/rc.conf" <<-END
		spawn_fcgi_enable=YES
		spawn_fcgi_app=$FCGIWRAP
		spawn_fcgi_app_args="-c 1"
		spawn_fcgi_username=$USER_A
		spawn_fcgi_bindsocket=$T/var/run/app.socket
		spawn_fcgi_bindsocket_mode="0600 -U $USER_B"
		spawn_fcgi_children=2
		spawn_fcgi_max_requests=500
		spawn_fcgi_path_env=/usr/bin:/bin
		spawn_fcgi_allowed_env="SHOP"
		SHOP="a b"
	END
	freebsd_rc spawn-fcgi start
	is_up spawn_fcgi
	says_hello "unix:$T/var/run/app.socket"
	[ "$(owner_of "$T/var/run/app.socket")" = "$USER_B:$(id -gn "$USER_B")" ]
	has_children "$(pid_of spawn_fcgi)" 2
	find_children "$(pid_of spawn_fcgi)"
	[ "$(words_of "${children[0]}")" = "$FCGIWRAP -c 1 " ]
	[ "$(environment_of "${children[0]}" | sort | xargs -d '\n')" = 'PATH=/usr/bin:/bin PHP_FCGI_MAX_REQUESTS=500 SHOP=a b' ]
	freebsd_rc spawn-fcgi stop
	eventually gone "$(pid_of spawn_fcgi)"
}

@test "FreeBSD: spawn-fcgi at an address and a port" {
	local port

	port=$(free_port)
	cat >"$T/rc.conf" <<-END
		spawn_fcgi_enable=YES
		spawn_fcgi_app=$FCGIWRAP
		spawn_fcgi_bindaddr=127.0.0.1
		spawn_fcgi_bindport=$port
	END
	freebsd_rc spawn-fcgi start
	is_up spawn_fcgi
	says_hello "tcp:127.0.0.1:$port"
}

# OpenWrt's functions of procd and uci, as far as our script uses them: it prints what would be run.
@test "OpenWrt: procd is told a command for each section, and how to reload and to stop" {
	make_examples init/openwrt/fcgiwrap
	cat >"$T/commands" <<-'END'
		config_load() { :; }
		config_foreach() { "$1" main; "$1" off; }
		config_get_bool() { [ "$2" = main ] && eval "$1=1" || eval "$1=0"; }
		config_get() { [ "$3" = workers ] && eval "$1=2" || eval "$1=\$4"; }
		config_list_foreach() { "$3" '/www/my scripts'; }
		procd_open_instance() { echo "open $1"; }
		procd_set_param() { printf '%s|' "$@"; echo; }
		procd_append_param() { printf 'append %s|' "$*"; echo; }
		procd_close_instance() { echo close; }
	END
	run sh -c ". '$T/commands'; . '$MADE/init/openwrt/fcgiwrap'; start_service"
	echo "$output"
	diff - <(echo "$output") <<-END
		open main
		command|$SPAWN_FCGI|-n|-s|/var/run/fcgiwrap-main.socket|-M|0660|-u|nobody|-U|root|--|$FCGIWRAP|-c|2|
		append command --root /www/my scripts|
		respawn|3600|1|0|
		stderr|1|
		term_timeout|40|
		reload_signal|HUP|
		close
	END
}

# complete_ PROGRAM WORD...: $COMPREPLY is what the last word may become, by what bash executes.
complete_() {
	local program=$1

	shift
	# shellcheck source=../examples/completion/spawn-fcgi
	. "$FCGI_SOURCE/examples/completion/spawn-fcgi"
	COMP_WORDS=("${program##*/}" "$@")
	COMP_CWORD=$#
	_fcgi_bridge "$program" "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD-1]}"
	printf '%s\n' "${COMPREPLY[@]}"
}

# The options of a program, one per line, by --help.
options_of() {
	run_under "$1" --help | grep -oE '^ +(-., )?(--[a-z-]+|-[?])' | grep -oE -- '-[^ ,]+' | sort
}

@test "bash completes all options that the programs have, and no others" {
	local program

	for program in "$SPAWN_FCGI" "$FCGIWRAP"; do
		complete_ "$program" -
		[ ${#COMPREPLY[@]} -gt 20 ]
		diff <(printf '%s\n' "${COMPREPLY[@]}" | sort) <(options_of "$program")
	done
	complete_ "$SPAWN_FCGI" --sup
	[ "${COMPREPLY[*]}" = --supervise ]
}

@test "bash completes what an option takes" {
	complete_ "$SPAWN_FCGI" --pm dy
	[ "${COMPREPLY[*]}" = dynamic ]
	complete_ "$FCGIWRAP" --on-abort ''
	[ "${COMPREPLY[*]}" = 'kill ignore' ]
	complete_ "$SPAWN_FCGI" -u roo
	[ "${COMPREPLY[*]}" = root ]
	mkdir "$T/folder"
	: >"$T/file"
	complete_ "$SPAWN_FCGI" --chroot "$T/f"
	[ "${COMPREPLY[*]}" = "$T/folder" ]
	complete_ "$SPAWN_FCGI" --log "$T/fi"
	[ "${COMPREPLY[*]}" = "$T/file" ]
	complete_ "$SPAWN_FCGI" --log sys
	[ "${COMPREPLY[*]}" = syslog ]
	complete_ "$SPAWN_FCGI" --limit np
	[ "${COMPREPLY[*]}" = nproc= ]
	complete_ "$SPAWN_FCGI" --nice ''
	[ ${#COMPREPLY[@]} = 0 ]
}

@test "bash completes no options of spawn-fcgi behind the program" {
	: >"$T/file"
	complete_ "$SPAWN_FCGI" -n -- "$T/f"
	[ "${COMPREPLY[*]}" = "$T/file" ]
	complete_ "$SPAWN_FCGI" -n -- "$T/file" --sup
	[ ${#COMPREPLY[@]} = 0 ]
}

@test "AppArmor takes a profile with the abstraction for right" {
	need apparmor_parser
	mkdir -p "$T/apparmor/abstractions"
	cp "$FCGI_SOURCE/examples/apparmor/spawn-fcgi" "$T/apparmor/abstractions"
	# The example of a profile in the file itself, without the program's own part.
	sed -nE '/^#   include/,/^#   }/s/^# ( .*|$)/\1/p' "$FCGI_SOURCE/examples/apparmor/spawn-fcgi" |
		grep -v 'abstractions/php>' >"$T/apparmor/profile"
	grep abstractions/spawn-fcgi "$T/apparmor/profile"
	apparmor_parser -Q -K -S -I "$T/apparmor" -I /etc/apparmor.d "$T/apparmor/profile" >"$T/policy"
	[ -s "$T/policy" ]
}

@test "monit takes its file for right" {
	need monit
	make_examples init/monitrc
	{
		printf 'set daemon 30\nset idfile %s\n' "$T/id"
		cat "$MADE/init/monitrc"
	} >"$T/monitrc"
	chmod 600 "$T/monitrc"
	monit -t -c "$T/monitrc"
}

@test "logrotate moves the log, and spawn-fcgi opens it anew" {
	need logrotate
	program <<-'END'
		while :; do echo "a line"; sleep 0.1; done
	END
	mkdir -p "$T/run/spawn-fcgi" "$T/log"
	start keeper "$SPAWN_FCGI" --supervise -n -s "$S" -P "$T/run/spawn-fcgi/shop.pid" \
		--log "$T/log/shop.log" -- "$T/prog"
	in_file 'a line' "$T/log/shop.log"
	# A file that is left over names somebody else, who is not to hear of it.
	start other sleep 60
	pid_of other >"$T/run/fcgiwrap.pid"
	eventually test -s "$T/run/spawn-fcgi/shop.pid"
	sed -e "s|/var/log/spawn-fcgi|$T/log|; s|/run/|$T/run/|g" -e '/compress$/d' \
		"$FCGI_SOURCE/examples/init/logrotate" >"$T/logrotate"
	logrotate -f -s "$T/state" "$T/logrotate"
	in_file 'a line' "$T/log/shop.log"
	[ -s "$T/log/shop.log.1" ]
	alive "$(pid_of other)"
}
