#!/usr/bin/env bats
# The examples for service managers: each looked at by its own checker, or started.
#
# shellcheck disable=SC2016,SC2030,SC2031,SC2034,SC2153,SC2154,SC2314,SC2317 # what lib.bash sets and reads

load lib
load spawn
load wrapper

INIT=$FCGI_SOURCE/examples/init
UNITS=$FCGI_SOURCE/examples/systemd

# serves SOCKET: a script answers there.
serves() {
	"$FCGI_TALK" "unix:$1" get "$CGI/hello.sh" >"$T/answer" && grep -q hello "$T/answer"
}

# units: those that were generated here, with the programs that were built, in $T/units.
units() {
	local unit

	need systemd-analyze
	mkdir "$T/units"
	for unit in "$UNITS"/*.in; do
		sed "/^@hardening@\$/{
			r $UNITS/hardening
			d
		}" "$unit" | sed "s|@sbindir@|${FCGIWRAP%/*}|; s|@bindir@|${SPAWN_FCGI%/*}|" \
			>"$T/units/$(basename "$unit" .in)"
	done
	cp "$UNITS"/*.socket "$T/units"
	cd "$T/units" || return
	for unit in *@.*; do
		cp "$unit" "${unit/@/@www-data}"
	done
}

@test "systemd finds nothing wrong with the units" {
	units
	[ "$(find . -type f | wc -l)" = 10 ]
	run systemd-analyze verify --man=no ./*www-data* ./fcgiwrap.service ./fcgiwrap.socket
	[ "$status" = 0 ]
	[ "$output" = '' ]
}

@test "systemd calls their exposure at most 2.5" {
	local unit

	units
	systemd-analyze security --help | grep -q offline || skip 'an older systemd-analyze'
	for unit in fcgiwrap.service fcgiwrap@www-data.service spawn-fcgi@www-data.service; do
		systemd-analyze security --offline=yes --threshold=25 --no-pager "./$unit" >"$T/said" ||
			{ tail -n 1 "$T/said"; return 1; }
	done
}

# lsb SCRIPT NAME [LINE...]: a start script as $T/NAME, with these settings.
lsb() {
	local script=$1 name=$2

	shift 2
	cp "$INIT/$script" "$T/$name"
	printf '%s\n' "$@" >"$T/$name.settings"
	eval "$name() { DEFAULTS=$T/$name.settings sh $T/$name \"\$@\"; }"
}

lsb_wrapper() {
	need_users
	[ -z "${TEST_WRAPPER-}" ] || skip 'not under another program'
	chmod 755 "$T"
	lsb fcgiwrap "$1" SPAWN_FCGI="$SPAWN_FCGI" DAEMON="$FCGIWRAP" PIDFILE="$T/$1.pid" \
		FCGI_SOCKET="$T/$1.socket" DIETIME=20 "${@:2}"
}

@test "LSB: fcgiwrap starts, tells its state, reloads and stops" {
	lsb_wrapper one
	run -3 one status
	one start
	adopt one "$(cat "$T/one.pid")"
	serves "$T/one.socket"
	one start | grep -q 'already running'
	one status | grep -q "is running, pid $(pid_of one)"
	one reload
	serves "$T/one.socket"
	one stop
	gone "$(pid_of one)"
	[ ! -e "$T/one.socket" ]
	one stop
	echo 999999 >"$T/one.pid"
	run -1 one status
	run -7 one reload
	run -2 one dance
}

@test "LSB: two instances of fcgiwrap do not mind each other" {
	lsb_wrapper one
	lsb_wrapper two FCGI_CHILDREN=2
	one start
	two start
	adopt one "$(cat "$T/one.pid")"
	read -r -d "" first second <"$T/two.pid" || :
	adopt two "$first"
	adopt other "$second"
	one stop
	serves "$T/two.socket"
	two restart
	read -r -d "" third fourth <"$T/two.pid" || :
	adopt third "$third"
	adopt fourth "$fourth"
	gone "$first"
	serves "$T/two.socket"
	two stop
	gone "$third"
}

@test "LSB: Debian's settings for fcgiwrap mean what they meant" {
	lsb_wrapper one FCGI_USER=nobody "ENV_VARS=\"PATH='/usr/bin:/bin' COLOUR='light green'\"" \
		"DAEMON_OPTS='-f -c 1'"
	one start
	adopt one "$(cat "$T/one.pid")"
	"$FCGI_TALK" "unix:$T/one.socket" get "$CGI/env.sh" >"$T/answer"
	grep -q '^COLOUR=light green' "$T/answer"
	[ "$(ps -o user= -p "$(pid_of one)" | tr -d ' ')" = nobody ]
	one stop
}

@test "LSB: a pool of spawn-fcgi starts, reloads and stops" {
	need_users
	[ -z "${TEST_WRAPPER-}" ] || skip 'not under another program'
	chmod 755 "$T"
	lsb spawn-fcgi pool SPAWN_FCGI="$SPAWN_FCGI" PIDFILE="$T/pool.pid" \
		FCGI_SOCKET="$T/pool.socket" FCGI_PROGRAM="'$FCGIWRAP -c 1'" FCGI_CHILDREN=2 \
		FCGI_EXTRA_OPTIONS="'--log $T/pool.log --env COLOUR=green'"
	run -3 pool status
	pool start
	adopt pool "$(cat "$T/pool.pid")"
	serves "$T/pool.socket"
	"$FCGI_TALK" "unix:$T/pool.socket" get "$CGI/env.sh" >"$T/answer"
	grep -q '^COLOUR=green' "$T/answer"
	pool status | grep -q 'is running'
	eventually pool reload
	eventually grep -q reloaded "$T/pool.log"
	serves "$T/pool.socket"
	pool stop
	gone "$(pid_of pool)"
	[ ! -e "$T/pool.socket" ]
	lsb spawn-fcgi empty SPAWN_FCGI="$SPAWN_FCGI" PIDFILE="$T/empty.pid"
	run -6 empty start
	[[ $output == *'FCGI_PROGRAM is not set'* ]]
	run -7 empty reload
}

@test "LSB: Fedora's OPTIONS name the socket, the program, and the pid file" {
	need_users
	[ -z "${TEST_WRAPPER-}" ] || skip 'not under another program'
	chmod 755 "$T"
	lsb spawn-fcgi pool SPAWN_FCGI="$SPAWN_FCGI" SOCKET="$T/php.sock" \
		"OPTIONS=\"-u $USER_A -s \$SOCKET -S -M 0600 -C 32 -F 1 -P $T/php.pid -- $FCGIWRAP -c 1\""
	pool start
	adopt pool "$(cat "$T/php.pid")"
	serves "$T/php.sock"
	pool status
	pool stop
	eventually gone "$(pid_of pool)"
}

# on_path: spawn-fcgi is found, as a run script looks for it.
on_path() {
	mkdir "$T/bin"
	ln -s "$SPAWN_FCGI" "$T/bin/spawn-fcgi"
}

# run_script FILE: a copy that finds our programs, and passes our settings on.
run_script() {
	on_path
	sed "s|PATH=|PATH=$T/bin:|" "$1" >"$T/run"
	chmod 755 "$T/run" "$T"
}

@test "runit and daemontools: the run script serves, and heeds TERM" {
	need_users
	[ -z "${TEST_WRAPPER-}" ] || skip 'not under another program'
	run_script "$INIT/runit/run"
	start service env SOCKET="$T/s" FCGIWRAP="$FCGIWRAP" "$T/run"
	eventually is_live "$T/s"
	serves "$T/s"
	stop service
	[ ! -e "$T/s" ]
}

@test "runit itself starts it, starts it again, and stops it" {
	local first

	need_users
	need runsv sv
	[ -z "${TEST_WRAPPER-}" ] || skip 'not under another program'
	[ ! -e "$FCGI_BUILD/spawn/lifeline-none.o" ] || skip 'built without a tie of processes'
	run_script "$INIT/runit/run"
	mkdir -p "$T/service"
	printf '#!/bin/sh\nexport SOCKET=%s FCGIWRAP=%s\nexec %s\n' "$T/s" "$FCGIWRAP" "$T/run" \
		>"$T/service/run"
	chmod 755 "$T/service/run"
	start runsv runsv "$T/service"
	eventually is_live "$T/s"
	first=$(cat "$T/service/supervise/pid")
	kill -KILL "$first"
	eventually serves "$T/s"
	[ "$(cat "$T/service/supervise/pid")" != "$first" ]
	sv -w 20 stop "$T/service"
	[ ! -e "$T/s" ]
	sv exit "$T/service"
	await runsv
}

@test "s6: the check says when it is ready" {
	on_path
	export PATH=$T/bin:$PATH SOCKET=$T/s
	not sh "$INIT/s6/data/check"
	start_wrapper --ping /ping
	SOCKET=$T/s sh "$INIT/s6/data/check"
	[ "$(cat "$INIT/s6/notification-fd")" = 3 ]
}

@test "s6 itself starts it, and hears when it is ready" {
	need_users
	need s6-supervise s6-svwait s6-svc s6-notifyoncheck
	[ -z "${TEST_WRAPPER-}" ] || skip 'not under another program'
	run_script "$INIT/s6/run"
	cp -R "$INIT/s6" "$T/service"
	rm -r "$T/service/log"
	cp "$T/run" "$T/service/run"
	export PATH=$T/bin:$PATH SOCKET=$T/s FCGIWRAP
	start s6 s6-supervise "$T/service"
	ready() { s6-svwait -U -t 5000 "$T/service"; }
	eventually ready
	serves "$T/s"
	s6-svc -wD -T 20000 -d "$T/service"
	[ ! -e "$T/s" ]
	s6-svc -x "$T/service"
	await s6
}

# rc FILE [SETTING...] -- [ARGUMENT...]: a script for FreeBSD's rc.d, with a stand-in for rc.subr that
# prints what would be executed.
rc() {
	local file=$1

	shift
	cat >"$T/rc.subr" <<-'END'
		load_rc_config() { . "$RC_SETTINGS"; }
		run_rc_command() {
			eval "flags=\$${name}_flags"
			echo $command $flags $command_args
		}
	END
	: >"$T/settings"
	while [ "$1" != -- ]; do
		echo "$1" >>"$T/settings"
		shift
	done
	shift
	sed "s|/etc/rc.subr|$T/rc.subr|" "$INIT/freebsd/$file" >"$T/rc"
	output=$(RC_SETTINGS=$T/settings sh "$T/rc" "${@:-start}")
}

@test "FreeBSD: the port's settings for fcgiwrap become a command line that works" {
	rc fcgiwrap fcgiwrap_user=scripts fcgiwrap_socket_owner=www "fcgiwrap_flags='--root /x'" --
	[ "$output" = "/usr/local/bin/spawn-fcgi --supervise -P /var/run/fcgiwrap/fcgiwrap.pid -s /var/run/fcgiwrap/fcgiwrap.sock -M 0660 -U www -G www -u scripts -g www -- /usr/local/sbin/fcgiwrap --root /x" ]
	rc fcgiwrap fcgiwrap_socket=tcp:127.0.0.1:9000 --
	[[ $output == *' -a 127.0.0.1 -p 9000 -u www -g www -- '* ]]
	rc fcgiwrap 'fcgiwrap_socket="tcp6:[::1]:9000"' --
	[[ $output == *' -a ::1 -p 9000 -u www -g www -- '* ]]
	rc fcgiwrap fcgiwrap_one_user=first -- start one
	[[ $output == *'-s /var/run/fcgiwrap/one.sock '*' -u first -g www -- '* ]]
}

@test "FreeBSD: the port's settings for spawn-fcgi, too" {
	rc spawn-fcgi spawn_fcgi_children=3 --
	[[ $output == '/usr/local/bin/spawn-fcgi --supervise -P /var/run/spawn_fcgi.pid -F 3 -a 127.0.0.1 -p 9002 -u www -g www --clear-env --env PATH='*' -- /usr/local/bin/php-cgi' ]]
	rc spawn-fcgi spawn_fcgi_bindsocket=/var/run/php.sock --
	[[ $output == *' -s /var/run/php.sock -U www -M 0600 '* ]]
	# As the documentation of Sympa has it: another owner, behind the mode.
	rc spawn-fcgi spawn_fcgi_bindsocket=/var/run/php.sock spawn_fcgi_username=sympa \
		'spawn_fcgi_bindsocket_mode="0600 -U www"' --
	[[ $output == *' -U sympa -M 0600 -U www '* ]]
	rc spawn-fcgi 'spawn_fcgi_allowed_env="PATH SHOP"' SHOP=green --
	[[ $output == *' --env SHOP=green '* && $output != *'--env PATH=green'* ]]
	# shellcheck disable=SC2086 # words
	"$SPAWN_FCGI" --print-config nginx ${output#* } >/dev/null
}

# openrc FILE NAME [SETTING...]: what an OpenRC script executes, of which start-stop-daemon and the like
# are not here.
openrc() {
	local file=$1 name=$2

	shift 2
	output=$(
		checkpath() { :; }
		ebegin() { :; }
		eend() { :; }
		env() { shift; while [[ $1 == *=* ]]; do shift; done; echo "$@"; }
		unset -f start stop # those of the tests
		RC_SVCNAME=$name
		for setting; do eval "$setting"; done
		# shellcheck source=/dev/null
		. "$INIT/openrc/$file"
		if declare -F start >/dev/null; then start; else echo "$command $command_args"; fi
	)
}

@test "OpenRC: Alpine's and Gentoo's settings become command lines that work" {
	openrc fcgiwrap.initd fcgiwrap nproc=2
	[ "$output" = '/usr/sbin/fcgiwrap -c 2 -s unix:/run/fcgiwrap/fcgiwrap.sock --socket-mode 0660 -f' ]
	# shellcheck disable=SC2086 # words
	"$FCGIWRAP" ${output#* } --print-config nginx >/dev/null
	openrc fcgiwrap.initd fcgiwrap socket=/run/web/cgi.sock
	[[ $output == *' -s unix:/run/web/cgi.sock '* ]]
	openrc spawn-fcgi.initd spawn-fcgi.php FCGI_PROGRAM='"/usr/bin/php-cgi"' FCGI_PORT=9000 \
		FCGI_CHILDREN=3 FCGI_USER=nginx FCGI_EXTRA_OPTIONS='"--max-lifetime 1h"'
	for i in 1 2 3; do
		echo "/usr/bin/spawn-fcgi -a 127.0.0.1 -p 900$((i - 1)) -P /run/spawn-fcgi/php-$i.pid" \
			"--supervise --pool-name php-$i -u nginx --max-lifetime 1h -- /usr/bin/php-cgi"
	done | diff - <(echo "$output")
	openrc spawn-fcgi.initd spawn-fcgi.php FCGI_PROGRAM=/x FCGI_SOCKET=/run/x.sock FCGI_DIR=/srv
	[[ $output == *' -s /run/x.sock-1 '*' -d /srv -- /x' ]]
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
	mkdir "$T/init.d" "$T/conf.d"
	sed "s|/usr/sbin/fcgiwrap|$FCGIWRAP|" "$INIT/openrc/fcgiwrap.initd" >"$T/init.d/fcgiwrap"
	sed "s|/usr/bin/spawn-fcgi|$SPAWN_FCGI|" "$INIT/openrc/spawn-fcgi.initd" \
		>"$T/init.d/spawn-fcgi.shop"
	chmod 755 "$T"/init.d/*
}

@test "OpenRC starts, reloads and stops fcgiwrap, with the variables of Alpine's" {
	make_openrc
	printf 'nproc=2\nsocket=/run/web/cgi.sock\nuser=%s\n' "$USER_A" >"$T/conf.d/fcgiwrap"
	in_openrc <<-'END'
		mkdir -m 777 /run/web
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

@test "OpenWrt: procd gets a command line that works" {
	output=$(
		config_get() { eval "$1=\$4"; }
		procd_open_instance() { :; }
		procd_close_instance() { :; }
		procd_set_param() { [ "$1" != command ] || { shift; echo "$@"; }; }
		# shellcheck source=/dev/null
		. "$INIT/openwrt/fcgiwrap"
		start_instance www
	)
	[ "$output" = '/usr/bin/spawn-fcgi -n -s /var/run/www.sock -u nobody -U root -M 0600 -- /usr/sbin/fcgiwrap -f' ]
	# shellcheck disable=SC2086 # words
	"$SPAWN_FCGI" --print-config nginx ${output#* } >/dev/null
}

@test "monit finds nothing wrong with its file" {
	need monit
	printf 'set daemon 60\nset pidfile %s\nset statefile %s\nset idfile %s\n' "$T/p" "$T/s" "$T/i" \
		>"$T/monitrc"
	cat "$INIT/monitrc" >>"$T/monitrc"
	chmod 600 "$T/monitrc"
	mkdir -p "$T/bin"
	sed -i "s|/usr/bin/spawn-fcgi|$SPAWN_FCGI|; s|/etc/init.d/fcgiwrap|/bin/true|" "$T/monitrc"
	run monit -t -c "$T/monitrc"
	[ "$status" = 0 ]
	[[ $output == *'syntax OK'* ]]
}

@test "logrotate finds nothing wrong with its file" {
	need logrotate
	cp "$INIT/logrotate" "$T/logrotate"
	chmod 644 "$T/logrotate"
	run logrotate -d -s "$T/state" "$T/logrotate"
	[ "$status" = 0 ]
	! grep -i 'error' <<<"$output"
}

@test "AppArmor takes the abstraction" {
	need apparmor_parser
	mkdir -p "$T/abstractions"
	cp "$INIT/apparmor.spawn-fcgi" "$T/abstractions/spawn-fcgi"
	printf '#include <tunables/global>\n/usr/lib/app/app.fcgi {\n\t#include <abstractions/spawn-fcgi>\n}\n' \
		>"$T/profile"
	apparmor_parser -Q -K -I "$T" -I /etc/apparmor.d "$T/profile"
}

@test "bash completes options, and what some of them take" {
	complete_words() {
		COMP_WORDS=("$@")
		COMP_CWORD=$(($# - 1))
		_fcgi_bridge "$1"
		printf '%s\n' "${COMPREPLY[@]}"
	}
	# shellcheck source=/dev/null
	. "$INIT/completion.bash"
	[ "$(complete_words "$FCGIWRAP" --max-sp)" = --max-spool ]
	[ "$(complete_words "$SPAWN_FCGI" --request-t)" = --request-timeout ]
	[ "$(complete_words "$FCGIWRAP" --print-config ng)" = nginx ]
	[ "$(complete_words "$FCGIWRAP" --log-level w)" = warning ]
	[ "$(complete_words "$SPAWN_FCGI" -u www-d)" = www-data ] || ! id www-data
	[ "$(complete_words "$FCGIWRAP" -- | sort -u | grep -c '^--')" -gt 50 ]
}
