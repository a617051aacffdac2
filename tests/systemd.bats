#!/usr/bin/env bats
# The units of the examples under a systemd that is booted for these tests, where root may do that.
#
# shellcheck disable=SC2016,SC2030,SC2031,SC2034,SC2153,SC2154,SC2314 # see spawn.bash

load lib
load spawn
load supervise
load wrapper

# One boot for all tests of the file; each begins with units that are stopped, and as they are in
# the sources.
setup_file() {
	ROOM=$(mktemp -d /tmp/fb.XXXXXX)
	export ROOM
	chmod 755 "$ROOM"
	mkdir "$ROOM/opt" "$ROOM/units"
	can_boot || return 0
	cp "$FCGIWRAP" "$SPAWN_FCGI" "$FCGI_TALK" "$ROOM/opt"
	cp -R "$CGI" "$ROOM/opt/cgi"
	chmod -R go=u,go-w "$ROOM/opt"
	T=$ROOM
	exec_clean "$FCGI_SOURCE/tests/systemd-root" "$ROOM" </dev/null >"$ROOM/log" 2>&1 &
	echo $! >"$ROOM/starter"
	eventually -t 30 booted || :
}

can_boot() {
	local tool

	[ "$EUID" = 0 ] && [ -z "${TEST_WRAPPER-}" ] || return
	for tool in findmnt nsenter systemctl unshare; do
		command -v "$tool" >/dev/null || return
	done
}

# A systemd that cannot do with this kernel, or with what root may do here, never comes up.
booted() {
	[ -s "$ROOM/pid" ] && inside systemctl --quiet is-active fcgi-test.target
}

teardown_file() {
	# With the first process of a namespace all others end, and with it those who wait for it.
	[ ! -s "$ROOM/pid" ] || kill -KILL "$(cat "$ROOM/pid")" 2>/dev/null || :
	T=$ROOM
	if [ -s "$ROOM/cgroup" ]; then
		eventually no_groups
	fi
	rm -rf "$ROOM"
}

no_groups() {
	find "$(cat "$ROOM/cgroup")" -depth -type d -exec rmdir {} +
}

# inside COMMAND...: in the namespaces of that systemd.
inside() {
	nsenter -t "$(cat "$ROOM/pid")" -m -p -C -n -i -u -r -w -- "$@"
}

setup() {
	test_begin
	need_root
	booted 2>/dev/null || { cat "$ROOM/log"; skip 'no systemd can be booted here'; }
	INSIDE=/proc/$(cat "$ROOM/pid")/root
	BEGIN=$(inside journalctl -n 0 --show-cursor | sed -n 's/^-- cursor: //p')
	make_units
	rm -f "$INSIDE"/etc/default/* "$INSIDE"/etc/spawn-fcgi/*
	inside systemctl daemon-reload
	FCGI_TALK=$T/talk-inside
	printf '#!/bin/sh\nexec nsenter -t %s -m -p -C -n -i -u -r -w -- /opt/fcgi-talk "$@"\n' \
		"$(cat "$ROOM/pid")" >"$FCGI_TALK"
	chmod 755 "$FCGI_TALK"
	SOCKET=unix:/run/fcgiwrap.socket
	CGI=/opt/cgi
}

make_units() {
	local unit from=$FCGI_SOURCE/examples/systemd

	cp "$from"/*.socket "$ROOM/units"
	for unit in "$from"/*.in; do
		sed -e "/^@hardening@\$/{
			r $from/hardening
			d
		}" "$unit" | sed 's|@s*bindir@|/opt|' >"$ROOM/units/$(basename "$unit" .in)"
	done
}

teardown() {
	if [ -n "${INSIDE-}" ]; then
		[ -n "${BATS_TEST_COMPLETED-}" ] ||
			inside journalctl --no-pager --after-cursor "$BEGIN" | tail -n 40
		inside systemctl stop 'fcgiwrap*.socket' 'spawn-fcgi*.socket' 'fcgiwrap*.service' \
			'spawn-fcgi*.service' || :
		inside systemctl reset-failed
		rm -rf "$ROOM"/units/*.d "$ROOM/units/spawn-fcgi.service"
	fi
	test_end
}

# drop_in UNIT <<LINES
drop_in() {
	mkdir -p "$ROOM/units/$1.d"
	cat >"$ROOM/units/$1.d/test.conf"
	inside systemctl daemon-reload
}

# value_of UNIT PROPERTY
value_of() {
	inside systemctl show --value -p "$2" "$1"
}

# journal UNIT: what it has said in this test.
journal() {
	inside journalctl --no-pager -o cat -u "$1" --after-cursor "$BEGIN"
}

says_hello() {
	talk get /opt/cgi/hello.sh expect-text ello
}

# start_crowd: requests, four at a time, until there is a file $T/enough; await_crowd tells whether
# one has failed, and that there were some.
start_crowd() {
	start crowd bash -c 'while [ ! -e "$1/enough" ]; do
			"$2" -n 20 -j 4 "$3" get /opt/cgi/hello.sh expect-text ello || exit
		done' - "$T" "$FCGI_TALK" "$SOCKET"
	eventually crowd_has 1
}

crowd_has() {
	[ "$(grep -c '^ok=20 failed=0$' "$T/crowd.out")" -ge "$1" ]
}

# crowd_goes_on: some more requests are answered.
crowd_goes_on() {
	eventually -t 30 crowd_has $(($(grep -c . "$T/crowd.out") + 2))
}

await_crowd() {
	: >"$T/enough"
	await crowd 30
	[ "$STATUS" = 0 ]
	not grep -v '^ok=20 failed=0$' "$T/crowd.out"
}

@test "the first request starts fcgiwrap, which runs as the scripts' user" {
	inside systemctl start fcgiwrap.socket
	[ "$(value_of fcgiwrap.service ActiveState)" = inactive ]
	[ "$(stat -c %U:%a "$INSIDE/run/fcgiwrap.socket")" = "$USER_A:660" ]
	says_hello
	[ "$(value_of fcgiwrap.service ActiveState)" = active ]
	[ "$(ps -o user= -p "$(fcgiwrap_here)")" = "$USER_A" ]
}

# The parent of fcgiwrap, by its pid in this system.
fcgiwrap_here() {
	pgrep -o -x fcgiwrap --nslist pid --ns "$(cat "$ROOM/pid")"
}

@test "what the unit refuses is nothing that fcgiwrap needs" {
	echo 'DAEMON_OPTS="--limit nofile=100 --nice 5 --max-scripts 10"' >"$INSIDE/etc/default/fcgiwrap"
	inside systemctl start fcgiwrap.socket
	says_hello
	talk request /opt/cgi/sum.sh CONTENT_LENGTH=3000000 stdin-zero 3000000 stdin-end \
		expect-text bytes=3000000
	inside systemctl reload fcgiwrap.service
	says_hello
	journal fcgiwrap.service
	not grep -iE 'refused|instead|not permitted|cannot' <<<"$(journal fcgiwrap.service)"
}

@test "a reload of fcgiwrap loses no request" {
	inside systemctl start fcgiwrap.socket
	start_crowd
	local before
	before=$(value_of fcgiwrap.service MainPID)
	for _ in 1 2 3; do
		inside systemctl reload fcgiwrap.service
		crowd_goes_on
	done
	await_crowd
	[ "$(value_of fcgiwrap.service MainPID)" = "$before" ]
}

@test "stops and restarts of fcgiwrap under load lose no request: the socket starts it again" {
	inside systemctl start fcgiwrap.socket
	start_crowd
	inside systemctl restart fcgiwrap.service
	crowd_goes_on
	inside systemctl stop fcgiwrap.service
	crowd_goes_on
	inside systemctl stop fcgiwrap.service
	crowd_goes_on
	await_crowd
}

@test "a stop of fcgiwrap lets a script finish" {
	inside systemctl start fcgiwrap.socket
	start_client waiter get /opt/cgi/wait.sh QUERY_STRING=/run/go
	in_file '^waiting pid=' "$T/waiter.out"
	inside systemctl stop --no-block fcgiwrap.service
	eventually is_state deactivating
	: >"$INSIDE/run/go"
	answered waiter
	eventually is_state inactive
	rm "$INSIDE/run/go"
}

is_state() {
	[ "$(value_of fcgiwrap.service ActiveState)" = "$1" ]
}

@test "when fcgiwrap is killed, who comes next waits, and is answered" {
	inside systemctl start fcgiwrap.socket
	says_hello
	inside systemctl kill --kill-who=all -s KILL fcgiwrap.service
	crowd 20 4 get /opt/cgi/hello.sh expect-text ello
	[ "$(value_of fcgiwrap.service NRestarts)" = 1 ]
}

@test "a start that fails is tried until its cause is gone, and who waits is answered" {
	echo 'DAEMON_OPTS=--no-such-option' >"$INSIDE/etc/default/fcgiwrap"
	inside systemctl start fcgiwrap.socket
	start_client waiter get /opt/cgi/hello.sh expect-text ello
	failed_often() { [ "$(value_of fcgiwrap.service NRestarts)" -ge 6 ]; }
	eventually -t 30 failed_often
	rm "$INSIDE/etc/default/fcgiwrap"
	await waiter 20
	[ "$STATUS" = 0 ]
}

@test "a fcgiwrap that stands still is killed by the watchdog, and started again" {
	drop_in fcgiwrap.service <<-'END'
		[Service]
		WatchdogSec=2
	END
	inside systemctl start fcgiwrap.socket
	says_hello
	inside systemctl kill --kill-who=main -s STOP fcgiwrap.service
	again() { [ "$(value_of fcgiwrap.service NRestarts)" = 1 ]; }
	eventually -t 30 again
	says_hello
}

@test "a unit for a user runs scripts as that user" {
	inside systemctl start "fcgiwrap@$USER_B.socket"
	SOCKET=unix:/run/fcgiwrap/fcgiwrap-$USER_B.sock
	[ "$(stat -c %U:%a "$INSIDE/${SOCKET#unix:}")" = "$USER_A:600" ]
	says_hello
	[ "$(ps -o user= -p "$(fcgiwrap_here)")" = "$USER_B" ]
}

@test "a unit for a user serves whom --allow-user names, and nobody else" {
	need setpriv
	echo "DAEMON_OPTS=\"--allow-user $USER_A\"" >"$INSIDE/etc/default/fcgiwrap"
	drop_in "fcgiwrap@$USER_B.socket" <<-'END'
		[Socket]
		SocketMode=0666
	END
	inside systemctl start "fcgiwrap@$USER_B.socket"
	asks_as() {
		inside setpriv --reuid="$1" --clear-groups /opt/fcgi-talk \
			"unix:/run/fcgiwrap/fcgiwrap-$USER_B.sock" get /opt/cgi/hello.sh expect-text ello
	}
	asks_as "$USER_A"
	not asks_as 54321
}

@test "what a script writes can be read by the web server" {
	cat >"$ROOM/opt/write.sh" <<-'END'
		#!/bin/sh
		printf 'Content-Type: text/plain\n\n'
		: >/srv/graphs/image
	END
	chmod 755 "$ROOM/opt/write.sh"
	mkdir -p "$INSIDE/srv/graphs"
	chown "$USER_B" "$INSIDE/srv/graphs"
	inside systemctl start "fcgiwrap@$USER_B.socket"
	SOCKET=unix:/run/fcgiwrap/fcgiwrap-$USER_B.sock
	talk get /opt/write.sh
	[ "$(mode_of "$INSIDE/srv/graphs/image")" = 644 ]
}

@test "a script can neither write to /etc nor gain rights; setuid.conf lets it gain rights" {
	cp /usr/bin/cat "$INSIDE/srv/read-as-root"
	chmod 4755 "$INSIDE/srv/read-as-root"
	echo secret >"$INSIDE/srv/secret"
	chown "$USER_B" "$INSIDE/srv/secret"
	chmod 600 "$INSIDE/srv/secret"
	cat >"$ROOM/opt/rights.sh" <<-'END'
		#!/bin/sh
		printf 'Content-Type: text/plain\n\n'
		/srv/read-as-root /srv/secret
		(: >/etc/default/written) && echo 'has written'
		chroot / true
		echo "chroot ends with $?"
	END
	chmod 755 "$ROOM/opt/rights.sh"
	chmod 777 "$INSIDE/etc/default"
	inside systemctl start fcgiwrap.socket
	ask get /opt/rights.sh
	lacks secret 'has written'
	# An error of chroot(8); a signal would be 159.
	has_line 'chroot ends with 125'
	inside systemctl stop fcgiwrap.service
	drop_in fcgiwrap.service <"$FCGI_SOURCE/examples/systemd/setuid.conf"
	ask get /opt/rights.sh
	has_line secret
	lacks 'has written'
	chmod 755 "$INSIDE/etc/default"
}

# A pool, "shop", of fcgiwrap with one process that serves, and these options.
start_pool() {
	printf 'PROGRAM="%s"\nOPTIONS="%s"\n' "${PROGRAM-/opt/fcgiwrap -c 1}" "$*" \
		>"$INSIDE/etc/spawn-fcgi/shop"
	inside systemctl start spawn-fcgi@shop.service
	SOCKET=unix:/run/spawn-fcgi/shop.socket
}

goes_on() {
	grep -q 'goes on' <<<"$(journal "$1")"
}

@test "a pool is started when it serves, and reload and USR2 lose no request" {
	local main

	start_pool --stop-busy 0
	says_hello
	main=$(value_of spawn-fcgi@shop.service MainPID)
	start_crowd
	inside systemctl reload spawn-fcgi@shop.service
	crowd_goes_on
	inside systemctl kill --kill-who=main -s USR2 spawn-fcgi@shop.service
	eventually goes_on spawn-fcgi@shop.service
	crowd_goes_on
	await_crowd
	[ "$(value_of spawn-fcgi@shop.service MainPID)" = "$main" ]
	[ "$(value_of spawn-fcgi@shop.service ActiveState)" = active ]
}

@test "stops and restarts of a pool under load lose no request: the socket starts it again" {
	start_pool --stop-busy 0
	start_crowd
	inside systemctl restart spawn-fcgi@shop.service
	crowd_goes_on
	inside systemctl stop spawn-fcgi@shop.service
	crowd_goes_on
	await_crowd
}

@test "what the unit refuses is nothing that spawn-fcgi needs" {
	need_app
	need_census
	PROGRAM=/opt/cgi/supervise-app.pl start_pool --pm dynamic --request-timeout 5 \
		--queue-timeout 5 --max-memory 1g --limit nofile=200 --nice 1
	# A request of many short steps, which is looked at.
	start_client long get /x QUERY_STRING=wait=/run/go expect-text pid
	sleep 1
	: >"$INSIDE/run/go"
	await long
	rm "$INSIDE/run/go"
	inside systemctl reload spawn-fcgi@shop.service
	talk get /x QUERY_STRING=ms=1 expect-text pid
	journal spawn-fcgi@shop.service
	not grep -iE 'refused|instead|not permitted|cannot|not watched|WARNING' \
		<<<"$(journal spawn-fcgi@shop.service)"
}

@test "a pool that cannot start fails the start" {
	PROGRAM=/bin/false
	run start_pool
	not inside systemctl start spawn-fcgi@shop.service
}

@test "when the supervisor of a pool is killed, who comes next waits, and is answered" {
	start_pool
	says_hello
	inside systemctl kill --kill-who=main -s KILL spawn-fcgi@shop.service
	crowd 20 4 get /opt/cgi/hello.sh expect-text ello
	[ "$(value_of spawn-fcgi@shop.service NRestarts)" = 1 ]
}

@test "a pool of another user by a drop-in" {
	drop_in spawn-fcgi@shop.service <<-END
		[Service]
		User=$USER_B
		Group=$(id -gn "$USER_B")
	END
	start_pool
	says_hello
	[ "$(ps -o user= -p "$(fcgiwrap_here)")" = "$USER_B" ]
}

@test "a stop of a pool leaves no processes" {
	start_pool
	inside systemctl stop spawn-fcgi@shop.service spawn-fcgi@shop.socket
	not fcgiwrap_here
}

@test "FDSTORE: when spawn-fcgi is killed, systemd keeps its socket, more than once, and after USR2" {
	local inode


	cat >"$ROOM/units/spawn-fcgi.service" <<-'END'
		[Service]
		Type=notify
		ExecStart=/opt/spawn-fcgi -n --supervise --fd-store -s /run/app.socket \
			-- /opt/fcgiwrap -c 1
		ExecReload=/bin/kill -HUP $MAINPID
		KillMode=mixed
		Restart=on-failure
		FileDescriptorStoreMax=2
	END
	inside systemctl daemon-reload
	inside systemctl start spawn-fcgi.service
	SOCKET=unix:/run/app.socket
	inode=$(stat -c %i "$INSIDE/run/app.socket")
	says_hello
	inside systemctl kill --kill-who=main -s USR2 spawn-fcgi.service
	eventually goes_on spawn-fcgi.service
	for _ in 1 2; do
		inside systemctl kill --kill-who=main -s KILL spawn-fcgi.service
		crowd 20 4 get /opt/cgi/hello.sh expect-text ello
		[ "$(stat -c %i "$INSIDE/run/app.socket")" = "$inode" ]
	done
	[ "$(value_of spawn-fcgi.service NRestarts)" = 2 ]
	not grep 'Cannot store' <<<"$(journal spawn-fcgi.service)"
}
