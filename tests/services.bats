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
