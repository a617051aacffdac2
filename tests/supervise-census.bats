#!/usr/bin/env bats
# spawn-fcgi --supervise: how it sees who serves and who waits, on rough ground: other sockets of the
# same name, other namespaces, without netlink, and programs that hide.
#
# shellcheck disable=SC2016,SC2030,SC2031,SC2034,SC2153,SC2154,SC2314 # see spawn.bash

load lib
load spawn
load supervise

DENY=$FCGI_BUILD/tests/deny

# Programs under test run without netlink from here on.
refuse_netlink() {
	[ -z "${TEST_WRAPPER-}" ] || skip 'not under another program'
	"$DENY" --can socket-netlink=EAFNOSUPPORT 2>/dev/null || skip 'this system cannot refuse it'
	TEST_WRAPPER="$DENY socket-netlink=EAFNOSUPPORT --"
}

# start_in FOLDER NAME OPTION...: a pool that is started there, as process NAME.
start_in() {
	local folder=$1 name=$2

	mkdir -p "$folder"
	shift 2
	# shellcheck disable=SC2086
	start "$name" sh -c 'cd "$1" && shift && exec "$@"' sh "$folder" ${TEST_WRAPPER-} \
		"$SPAWN_FCGI" --supervise -n -P "$T/$name.pid" "$@"
	KEEPER=$(pid_of "$name")
	eventually -t 20 test -s "$T/$name.pid"
}

# start_inherited [COMMAND...] -- OPTION...: with a socket from a service manager, the command (such
# as unshare) in between.
start_inherited() {
	local between=()

	while [ "$1" != -- ]; do
		between+=("$1")
		shift
	done
	shift
	start keeper perl -MPOSIX -MSocket -e '
		my ($path, @program) = @ARGV;
		$^F = 255;
		my $s;
		socket($s, AF_UNIX, SOCK_STREAM, 0) && bind($s, pack_sockaddr_un($path)) &&
			listen($s, 16) or die "$path: $!\n";
		POSIX::dup2(fileno $s, 3);
		@ENV{"LISTEN_FDS", "LISTEN_PID"} = (1, $$);
		exec @program or die "$program[0]: $!\n";
	' "$S" "${between[@]}" "$SPAWN_FCGI" --supervise -n -P "$T/keeper.pid" "$@"
	KEEPER=$(pid_of keeper)
	eventually -t 20 test -s "$T/keeper.pid"
}

# has_new PIDS: there is a process besides these.
has_new() {
	[ "$(children | grep -cvxF "$1")" -ge 1 ]
}

has_several() {
	[ "$(children | wc -l)" -ge 2 ]
}

# A second TERM means haste: what is held to be busy would be waited for.
end_in_haste() {
	kill -TERM "$KEEPER"
	sleep 0.3
	kill -TERM "$KEEPER" || :
	await keeper 20
}

need_net_namespace() {
	need unshare
	unshare -n true 2>/dev/null || skip 'no network namespaces here'
}

# queues_are_apart SOCKET OPTIONS SOCKET OPTIONS: a long queue of the first pool starts nobody in
# the second one, which serves two requests meanwhile.
queues_are_apart() {
	local i

	# shellcheck disable=SC2086
	start_in "$T/a" first -F 1 $2 -- "$APP"
	# shellcheck disable=SC2086
	start_in "$T/b" second --pm dynamic --max-children 9 --max-spare 2 $4 -- "$APP"
	SOCKET=$1
	for i in {1..6}; do
		ask_later "client$i" wait="$T/go"
	done
	SOCKET=$3
	ask_later other1 wait="$T/go"
	ask_later other2 wait="$T/go"
	eventually has_several || return
	sleep 3
	[ "$(children | wc -l)" -le 4 ] || return
	touch "$T/go"
	for i in {1..6}; do
		answered "client$i" || return
	done
	answered other1 && answered other2
}

@test "two pools with the same relative path in two folders" {
	need_census
	need_app
	queues_are_apart "unix:$T/a/s" "-s s" "unix:$T/b/s" "-s s"
}

@test "two pools with the same relative path, without netlink" {
	need_census
	need_app
	refuse_netlink
	queues_are_apart "unix:$T/a/s" "-s s" "unix:$T/b/s" "-s s"
}

@test "two pools at one port of two addresses" {
	local port

	need_census
	need_app
	port=$(free_port)
	queues_are_apart "tcp:127.0.0.1:$port" "-a 127.0.0.1 -p $port" \
		"tcp:127.0.0.2:$port" "-a 127.0.0.2 -p $port"
}

@test "two pools at one port of two addresses, without netlink" {
	local port

	need_census
	need_app
	refuse_netlink
	port=$(free_port)
	queues_are_apart "tcp:127.0.0.1:$port" "-a 127.0.0.1 -p $port" \
		"tcp:127.0.0.2:$port" "-a 127.0.0.2 -p $port"
}

# forged_lines_start_nobody: sockets whose names look like more lines of the kernel's table, of
# connections that wait for the pool, start no process.
forged_lines_start_nobody() {
	supervise -s "$S" --pm dynamic --max-children 9 --max-spare 2 -- "$APP"
	start forger perl -MSocket -e '
		for (1 .. 5) {
			my $s;
			socket($s, AF_UNIX, SOCK_DGRAM, 0) && bind($s, pack_sockaddr_un(
				"\0$_\n" . "0" x 16 . ": 00000002 00000000 00000000 0001 02 0 $ARGV[0]"))
				or die "$!\n";
			push @all, $s;
		}
		$| = 1;
		print "ready\n";
		sleep 600' "$S"
	eventually has_match ready "$T/forger.out" || return
	[ "$(grep -c " 02 0 $S\$" /proc/net/unix)" -ge 5 ] || return
	ask_later client1 wait="$T/go"
	ask_later client2 wait="$T/go"
	eventually has_several || return
	sleep 3
	[ "$(children | wc -l)" -le 4 ] || return
	touch "$T/go"
	answered client1 && answered client2
}

@test "names with ends of lines in them start nobody" {
	need_census
	need_app
	forged_lines_start_nobody
}

@test "names with ends of lines in them start nobody, without netlink" {
	need_census
	need_app
	refuse_netlink
	forged_lines_start_nobody
}

# follows_the_need OPTION...: more processes while several are asked, none of which is ended, and
# fewer afterwards.
follows_the_need() {
	local i

	supervise "$@" --pm dynamic --max-children 4 --max-spare 1 -- "$APP" naive || return
	for i in {1..5}; do
		ask_later "client$i" wait="$T/go"
	done
	eventually has 4 || return
	touch "$T/go"
	for i in {1..5}; do
		answered "client$i" || return
	done
	eventually has 1
}

@test "without netlink, a Unix socket: the tables in /proc/net are read, which is told" {
	need_census
	need_app
	refuse_netlink
	follows_the_need -s "$S"
	logged_times 1 'netlink is refused .*; /proc/net/unix is read instead'
}

@test "without netlink, TCP" {
	local port

	need_census
	need_app
	refuse_netlink
	port=$(free_port)
	SOCKET=tcp:127.0.0.1:$port
	follows_the_need -a 127.0.0.1 -p "$port"
	logged_times 1 'netlink is refused .*; /proc/net/tcp is read instead'
}

@test "with netlink nothing is told, also of a TCP socket of any IPv6 and IPv4 address" {
	local port

	need_census
	need_app
	[ -e /proc/net/tcp6 ] || skip 'no IPv6 here'
	port=$(free_port)
	SOCKET=tcp:127.0.0.1:$port
	follows_the_need -a :: -p "$port"
	logged_times 0 'refused|cannot see'
}

@test "many other sockets on the system are not read" {
	local before

	need_census
	need_app
	[ -r /proc/self/io ] || skip 'this system does not count what is read'
	start others perl -MSocket -e '
		for (1 .. 450) {
			socketpair(my $a, my $b, AF_UNIX, SOCK_STREAM, 0) or die "$!\n";
			push @all, $a, $b;
		}
		$| = 1;
		print "ready\n";
		sleep 600'
	eventually has_match ready "$T/others.out"
	supervise -s "$S" --pm dynamic --max-children 2 --max-spare 1 -- "$APP"
	before=$(sed -n 's/^rchar: //p' "/proc/$KEEPER/io")
	ask_later client1 wait="$T/go"
	ask_later client2 wait="$T/go"
	eventually has 2
	# A line for each of these sockets would have 50 bytes.
	[ "$(($(sed -n 's/^rchar: //p' "/proc/$KEEPER/io") - before))" -lt 40000 ]
	touch "$T/go"
	answered client1
	answered client2
}

@test "a socket of another network namespace: told once; who serves is not ended in a reload" {
	local before

	need_census
	need_app
	need_net_namespace
	start_inherited unshare -n -- -F 2 --stop-timeout 60 -- "$APP" naive
	logged_times 1 'cannot see who is connected to the socket: .*; every process counts as busy'
	before=$(children)
	ask_later client1 wait="$T/go"
	ask_later client2 wait="$T/go"
	sleep 0.3
	kill -HUP "$KEEPER"
	eventually has_new "$before"
	sleep 2
	touch "$T/go"
	answered client1
	answered client2
	end_in_haste
}

@test "a socket of another network namespace: the old ones are ended after the stop time-out" {
	local before

	need_census
	need_app
	need_net_namespace
	start_inherited unshare -n -- -F 2 --stop-timeout 2 -- "$APP" naive
	before=$(children)
	kill -HUP "$KEEPER"
	# shellcheck disable=SC2086
	eventually -t 30 replaced $before
	eventually has 2
	ask
}

@test "a socket of another network namespace, ondemand: no request is cut off" {
	need_census
	need_app
	need_net_namespace
	start_inherited unshare -n -- --pm ondemand --idle-timeout 1 --max-children 2 -- "$APP" naive
	ask
	ask_later client1 wait="$T/go"
	ask_later client2 wait="$T/go"
	eventually has 2
	sleep 4
	touch "$T/go"
	answered client1
	answered client2
	ask
	end_in_haste
}

@test "a listening socket that the system never shows: told once" {
	need_census
	start keeper perl -MPOSIX -MSocket -e '
		$^F = 255;
		my ($s, $vsock, $any) = (undef, 40, 0xffffffff);
		socket($s, $vsock, SOCK_STREAM, 0) &&
			bind($s, pack("SSLLC4", $vsock, 0, $any, $any, 0, 0, 0, 0)) &&
			listen($s, 16) or die "no vsock: $!\n";
		POSIX::dup2(fileno $s, 3);
		@ENV{"LISTEN_FDS", "LISTEN_PID"} = (1, $$);
		exec @ARGV or die "$!\n";
	' "$SPAWN_FCGI" --supervise -n -P "$T/keeper.pid" --stop-timeout 1 -- /bin/sleep 600
	KEEPER=$(pid_of keeper)
	up_or_gone() { [ -s "$T/keeper.pid" ] || gone "$KEEPER"; }
	eventually -t 20 up_or_gone
	not grep 'no vsock' "$T/keeper.log" || skip 'no sockets of virtual machines here'
	logged_times 1 'cannot see who is connected to the socket: .* only those of Unix and TCP'
}

# start_hidden OPTION...: a program that its user may not read, under root without all capabilities.
start_hidden() {
	need_users
	need_app
	need setpriv
	cp "$(command -v perl)" "$T/perl"
	chmod 711 "$T/perl"
	start keeper setpriv --bounding-set=-sys_ptrace "$SPAWN_FCGI" --supervise -n \
		-P "$T/keeper.pid" -s "$S" -M 0666 -u "$USER_A" "$@" -- "$T/perl" "$APP" naive
	KEEPER=$(pid_of keeper)
	eventually -t 20 test -s "$T/keeper.pid"
}

@test "a process that hides counts as busy, which is told once" {
	local before i

	need_census
	start_hidden --pm dynamic --max-children 3 --stop-timeout 60
	sleep 2 # a process that has just been forked hides anyhow
	for i in {1..3}; do
		ask_later "client$i" wait="$T/go"
	done
	eventually has 3
	logged 'cannot see what process [0-9]+ has open: .*; it counts as busy'
	before=$(children)
	kill -HUP "$KEEPER"
	eventually has_new "$before"
	sleep 2
	touch "$T/go"
	for i in {1..3}; do
		answered "client$i"
	done
	logged_times 1 'cannot see what process'
	end_in_haste
}

@test "a process that hides is ended after the stop time-out" {
	local before

	need_census
	start_hidden -F 1 --stop-timeout 2
	before=$(children)
	kill -HUP "$KEEPER"
	eventually -t 30 replaced "$before"
	ask
}

@test "a busy process is not stopped to be looked at" {
	local before

	need_census
	need_app
	supervise -s "$S" -F 1 -- "$(command -v perl)" -e '
		use POSIX ();
		$SIG{CONT} = sub { POSIX::write(2, "continued\n", 10) };
		do shift @ARGV or die' "$APP" naive
	before=$(children)
	ask_later client wait="$T/go"
	sleep 0.5
	kill -HUP "$KEEPER"
	eventually has_new "$before"
	sleep 2
	logged_times 0 continued
	touch "$T/go"
	answered client
	eventually replaced "$before"
}

@test "a process that is traced can be replaced" {
	local before

	need_census
	need_app
	need strace
	supervise -s "$S" -F 1 -- "$APP" naive
	before=$(children)
	start tracer strace -f -o "$T/trace" -p "$before"
	eventually -t 20 grep attached "$T/tracer.log" || skip 'nobody may be traced here'
	kill -HUP "$KEEPER"
	eventually -t 20 replaced "$before"
	ask
}

@test "a process whose first thread has ended serves on, and is not taken for idle" {
	local before

	need_census
	need python3
	cat >"$T/threads.py" <<-'END'
		import ctypes, os, socket, threading, time
		def serve():
		    s = socket.socket(fileno=os.dup(0))
		    while True:
		        c = s.accept()[0]
		        c.recv(100)
		        while not os.path.exists(os.environ["GO"]):
		            time.sleep(0.01)
		        c.sendall(b"done\n")
		        c.close()
		threading.Thread(target=serve).start()
		ctypes.CDLL(None).pthread_exit(None)
	END
	GO=$T/go supervise -s "$S" -F 1 --stop-timeout 60 -- "$(command -v python3)" "$T/threads.py"
	before=$(children_and_dead)
	eventually has_match '^State:.Z' "/proc/$before/status"
	start client perl -MIO::Socket::UNIX -e '
		my $c = IO::Socket::UNIX->new(Peer => shift) or die "$!\n";
		syswrite $c, "x\n";
		print scalar <$c>' "$S"
	sleep 0.5
	kill -TERM "$KEEPER"
	sleep 2
	touch "$T/go"
	await client 20
	grep -q "^done" "$T/client.out"
	await keeper 20
	[ "$STATUS" = 0 ]
}

children_and_dead() {
	ps -o pid= --ppid "$KEEPER" | tr -d ' '
}

@test "the name of a process does not say how it takes signals" {
	local before

	need_census
	need_app
	supervise -s "$S" -F 1 -- "$(command -v perl)" -e '
		$0 = "SigCgt:ffffffff";
		do shift @ARGV or die' "$APP" naive
	ask_later client wait="$T/go"
	sleep 0.5
	before=$(children)
	grep -q '^Name:.SigCgt' "/proc/$before/status" || skip 'perl does not name its process'
	kill -HUP "$KEEPER"
	eventually has_new "$before"
	sleep 2
	touch "$T/go"
	answered client
}
