#!/usr/bin/env bats
# spawn-fcgi --supervise and a service manager that has no room for messages, or that keeps the
# socket.
#
# shellcheck disable=SC2016,SC2030,SC2031,SC2034,SC2153,SC2154,SC2314 # see spawn.bash

load lib
load spawn
load supervise

# supervise_unheard OPTION...: with a manager that has no room for messages until there is $T/go.
supervise_unheard() {
	HEARD=$T/manager.out
	start manager "$CGI/supervise-listen.pl" "$T/notify" "$T/go"
	eventually has_match full "$HEARD"
	NOTIFY_SOCKET=$T/notify supervise "$@"
}

@test "READY that a manager has no room for is told later, with MAINPID" {
	supervise_unheard -s "$S" -- /bin/sleep 60
	touch "$T/go"
	heard "READY=1|MAINPID=$KEEPER"
}

@test "RELOADING and the READY behind it are told later, in this order" {
	supervise_unheard -s "$S" -- /bin/sleep 60
	kill -HUP "$KEEPER"
	eventually -t 20 logged_times 1 ' reloaded$'
	touch "$T/go"
	heard 'RELOADING=1|MONOTONIC_USEC=N' "READY=1|MAINPID=$KEEPER"
	[ "$(grep -c READY=1 "$HEARD")" = 1 ]
}

@test "STOPPING is told later, while the program still ends" {
	need_app
	supervise_unheard -s "$S" -- "$APP"
	ask_later busy "wait=$T/end"
	eventually test -n "$(children)"
	eventually talk close
	kill -TERM "$KEEPER"
	eventually not test -e "$S"
	touch "$T/go"
	heard "READY=1|MAINPID=$KEEPER" 'STOPPING=1'
	touch "$T/end"
	await keeper
}

@test "a watchdog that has no room is fed as soon as there is some, once" {
	local fed

	WATCHDOG_USEC=60000000 supervise_unheard -s "$S" -- /bin/sleep 60
	kill -TERM "$KEEPER"
	await keeper
	WATCHDOG_USEC=100000 NOTIFY_SOCKET=$T/notify supervise -s "$S" -- /bin/sleep 60
	sleep 0.5 # several times of feeding
	touch "$T/go"
	heard "READY=1|MAINPID=$KEEPER" WATCHDOG=1
	fed() { [ "$(grep -c '^WATCHDOG=1$' "$HEARD")" -ge 3 ]; }
	eventually fed
}

@test "a manager that never has room does not hold up anything" {
	supervise_unheard -s "$S" -- /bin/sleep 60
	kill -HUP "$KEEPER"
	eventually -t 20 logged_times 1 ' reloaded$'
	kill -TERM "$KEEPER"
	await keeper
	[ "$STATUS" = 0 ]
}

# kept [OPTION...]: with a manager that keeps $FDSTORE descriptors, as process "manager". $KEEPER
# is the pid; $T/options has more options, as words.
kept() {
	HEARD=$T/manager.out
	touch "$T/options"
	FDSTORE=${FDSTORE-1} start manager "$FCGI_BUILD/tests/fd-store" "$T/notify" "$T/go" sh -c '
		program=$1; options=$2; shift 2; exec "$program" $(cat "$options") "$@"' sh \
		"$SPAWN_FCGI" "$T/options" --supervise -n -P "$T/keeper.pid" --stop-timeout 1 "$@"
	LOGFILE=$T/manager.log
	find_keeper
}

find_keeper() {
	eventually -t 20 test -s "$T/keeper.pid"
	KEEPER=$(cat "$T/keeper.pid")
	adopt keeper "$KEEPER"
}

# Ends the supervisor without a stop, and, as systemd does, all that it has started.
kill_all() {
	local pid

	for pid in "$KEEPER" $(children); do
		kill -KILL "$pid"
	done
	heard killed
	rm "$T/keeper.pid"
}

revive() {
	touch "$T/go"
	find_keeper
}

inode() {
	stat -c %i "$1"
}

end_kept() {
	kill -TERM "$KEEPER"
	await manager
	rm -f "$T/.pid.keeper"
	[ "$STATUS" = 0 ]
}

@test "FDSTORE: after a death without a stop the socket goes on, and who waits is served" {
	local before

	need_app
	kept -s "$S" -- "$APP"
	eventually has_match '^FDSTORE=1\|FDNAME=' "$HEARD"
	ask
	before=$(inode "$S")
	kill_all
	ask_later waiting ''
	sleep 0.2 # nobody refuses it
	revive
	logged 'going on with the socket that the service manager has kept'
	answered waiting
	ask
	[ "$(inode "$S")" = "$before" ]
	not grep -E '^(FDSTORE|LISTEN_)' <<<"$(environment_of "$ANSWERED_BY")"
	end_kept
	nothing_left "$S" "$T/keeper.pid"
}

# Ends the supervisor alone; its processes end by themselves.
kill_alone() {
	local family pid

	family=$(children)
	kill -KILL "$KEEPER"
	heard killed
	family_gone() { for pid in $family; do gone "$pid" || return; done; }
	eventually family_gone
}

@test "FDSTORE: after the death of the supervisor alone nobody is refused" {
	need_app
	[ ! -e "$FCGI_BUILD/spawn/lifeline-none.o" ] || skip 'built without a tie of processes'
	kept -s "$S" -F 3 -- "$APP" naive
	eventually has_match '^FDSTORE=1\|FDNAME=' "$HEARD"
	start knocking perl -MIO::Socket::UNIX -MTime::HiRes=sleep -e '
		my ($path, $end) = @ARGV;
		until (-e $end) {
			print IO::Socket::UNIX->new(Peer => $path) ? "yes\n" : "$!\n";
			sleep 0.01;
		}' "$S" "$T/enough"
	kill_alone
	ask_later waiting ''
	rm "$T/keeper.pid"
	sleep 0.3
	revive
	logged 'going on with the socket that the service manager has kept'
	answered waiting
	ask
	touch "$T/enough"
	await knocking
	[ "$(grep -c yes "$T/knocking.out")" -ge 20 ]
	not grep -v yes "$T/knocking.out"
	end_kept
	nothing_left "$S" "$T/keeper.pid"
}

@test "FDSTORE: also after USR2, and more than once" {
	local before

	kept -s "$S" -- /bin/sleep 60
	before=$(inode "$S")
	kill -USR2 "$KEEPER"
	logged 'goes on with the processes'
	kill_all
	revive
	kill_all
	revive
	[ "$(grep -c 'going on with the socket' "$LOGFILE")" = 2 ]
	[ "$(inode "$S")" = "$before" ]
	end_kept
	nothing_left "$S"
}

@test "FDSTORE: a socket that a reload puts in the place of the old one is kept, where one may be" {
	local before

	need ss
	need_census
	need_app
	kept -s "$S" --stop-timeout 8 -- "$APP" naive
	ln -s "$T/manager.log" "$T/keeper.log"
	before=$(inode "$S")
	starve_by_load
	logged 'reloaded$'
	end_load
	[ "$(inode "$S")" != "$before" ]
	before=$(inode "$S")
	kill_all
	revive
	logged 'going on with the socket that the service manager has kept'
	[ "$(inode "$S")" = "$before" ]
	ask
	end_kept
}

@test "FDSTORE: a stop ends the keeping" {
	local name

	kept -s "$S" -- /bin/sleep 60
	eventually has_match '^FDSTORE=1\|FDNAME=' "$HEARD"
	name=$(sed -n 's/^FDSTORE=1|//p' "$HEARD")
	end_kept
	heard "FDSTOREREMOVE=1|$name" STOPPING=1
}

@test "FDSTORE: a socket with another access control list than now is given up" {
	need_root
	[ -e "$FCGI_BUILD/common/acl-linux.o" ] || skip 'built without access control lists'
	need_app
	echo --socket-acl-users 54321 >"$T/options"
	kept -s "$S" -- "$APP"
	kill_all
	revive
	logged 'going on with the socket'
	kill_all
	echo --socket-acl-users 54322 >"$T/options"
	revive
	logged 'is given up: it is not what would be made now'
	kill_all
	: >"$T/options"
	revive
	eventually logged_times 2 'is given up'
	end_kept
}

@test "FDSTORE: a TCP port is kept too" {
	local port

	need_app
	port=$(free_port)
	SOCKET=tcp:127.0.0.1:$port
	kept -a 127.0.0.1 -p "$port" -- "$APP"
	eventually has_match '^FDSTORE=1\|FDNAME=' "$HEARD"
	kill_all
	ask_later waiting ''
	revive
	logged 'going on with the socket'
	answered waiting
	end_kept
}

@test "FDSTORE: a port that refuses others, since a stop was cut short, is opened again" {
	local port

	[ -e "$FCGI_BUILD/spawn/gate-linux.o" ] || skip 'built without a gate'
	need_app
	port=$(free_port)
	SOCKET=tcp:127.0.0.1:$port
	start keeper perl -MPOSIX -MSocket -e '
		my ($port, @program) = @ARGV;
		$^F = 255;
		my $s;
		socket($s, AF_INET, SOCK_STREAM, 0) &&
			bind($s, pack_sockaddr_in($port, INADDR_LOOPBACK)) && listen($s, 16) &&
			setsockopt($s, SOL_SOCKET, 62, 0x7fffffff) or die "port $port: $!\n";
		POSIX::dup2(fileno $s, 3);
		@ENV{"LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES"} = (1, $$, "spawn-fcgi-0-0-0-0");
		exec @program or die "$program[0]: $!\n";
	' "$port" "$SPAWN_FCGI" --supervise -n -P "$T/keeper.pid" -a 127.0.0.1 -p "$port" -- "$APP"
	KEEPER=$(pid_of keeper)
	eventually -t 20 test -s "$T/keeper.pid"
	ask
}

@test "FDSTORE: a socket inside a chroot is kept too" {
	need_users
	jail /bin/sleep
	kept -c "$T/jail" -u "$USER_A" -s /s -- /bin/sleep 60
	kill_all
	revive
	logged 'going on with the socket'
	end_kept
	nothing_left "$T/jail/s"
}

@test "FDSTORE: a socket whose file is gone is made anew" {
	kept -s "$S" -- /bin/sleep 60
	kill_all
	rm "$S"
	revive
	logged 'the socket that the service manager has kept is given up'
	is_live "$S"
	eventually has_match '^FDSTOREREMOVE=1' "$HEARD"
	end_kept
}

@test "FDSTORE: the socket of another server in its place is left alone" {
	kept -s "$S" -- /bin/sleep 60
	kill_all
	rm "$S"
	start other "$SPAWN_FCGI" -n -s "$S" -- /bin/sleep 60
	eventually is_live "$S"
	touch "$T/go"
	await manager
	[ "$STATUS" = 255 ]
	rm -f "$T/.pid.keeper"
	logged 'already in use'
	is_live "$S"
}

@test "FDSTORE: a socket that should have another mode now is made anew" {
	kept -s "$S" -- /bin/sleep 60
	kill_all
	echo "-M 0600" >"$T/options"
	revive
	[ "$(mode_of "$S")" = 600 ]
	is_live "$S"
	end_kept
	nothing_left "$S"
}

@test "without FDSTORE nothing is given to keep; --fd-store gives it all the same" {
	FDSTORE='' kept -s "$S" -- /bin/sleep 60
	eventually has_match READY=1 "$HEARD"
	not grep FDSTORE "$HEARD"
	end_kept
	rm "$T/notify"
	FDSTORE='' kept --fd-store -s "$S" -- /bin/sleep 60
	eventually has_match '^FDSTORE=1\|FDNAME=' "$HEARD"
	end_kept
}
