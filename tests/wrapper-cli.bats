#!/usr/bin/env bats
# The command line of fcgiwrap, the socket that it serves, and how it ends.

# shellcheck disable=SC2016,SC2034,SC2153,SC2154 # programs of perl; what lib.bash sets and reads

load lib
load wrapper

# refuses TEXT ARGUMENT...: does not start with these, says why, and exits with 1.
refuses() {
	local text=$1

	shift
	# shellcheck disable=SC2086
	run timeout 10 ${TEST_WRAPPER-} "$FCGIWRAP" "$@" </dev/null
	printf '%s\n' "$output"
	[ "$status" = 1 ]
	has "$text"
}

# start_with_socket DESCRIPTOR [ARGUMENT...]: starts it as a supervisor does that has made the
# socket itself. Descriptor 3 is told of by LISTEN_FDS. $FLAGS may be O_NONBLOCK.
start_with_socket() {
	local fd=$1 LOG=$T/log

	shift
	SOCKET=unix:$T/inherited
	# shellcheck disable=SC2086
	start wrapper perl -MPOSIX -MSocket -MFcntl -e '
		my ($fd, $path, $flags, @program) = @ARGV;
		$^F = 255;
		my $s;
		socket($s, AF_UNIX, SOCK_STREAM, 0) && bind($s, pack_sockaddr_un($path)) &&
			listen($s, 16) or die "$path: $!\n";
		fcntl($s, F_SETFL, O_NONBLOCK) if $flags;
		POSIX::dup2(fileno $s, $fd);
		@ENV{"LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES"} = (1, $$, "name") if $fd == 3;
		exec @program or die "$program[0]: $!\n";
	' "$fd" "$T/inherited" "${FLAGS-}" ${TEST_WRAPPER-} "$FCGIWRAP" "$@"
	eventually -t 20 accepts_or_died wrapper && alive "$(pid_of wrapper)"
}

serves() {
	ask get "$CGI/hello.sh"
	has_line hello
}

# make_stale PATH: a socket file that nobody listens on any more.
make_stale() {
	perl -MIO::Socket::UNIX -e 'IO::Socket::UNIX->new(Local => $ARGV[0], Listen => 1) or die $!' "$1"
	[ -S "$1" ]
}

@test "-h and --help show the options on standard output" {
	local option

	for option in -h --help; do
		run --separate-stderr run_under "$FCGIWRAP" "$option"
		[ "$status" = 0 ]
		[ -z "$stderr" ]
		has usage: -f -c -s -p -h --stop-timeout
	done
}

@test "--version names the program and its version" {
	run --separate-stderr run_under "$FCGIWRAP" --version
	[ "$status" = 0 ]
	[[ $output =~ ^fcgiwrap\ .*[0-9]+\.[0-9]+ ]]
}

@test "an unknown option is refused and named" {
	refuses 'unknown option -z' -z
	refuses 'unknown option --nonsense' --nonsense
	refuses '--help takes no argument' --help=me
}

@test "an option without its argument is refused and named" {
	refuses '-c wants an argument' -c
	refuses '-s wants an argument' -f -s
	refuses '--stop-timeout wants an argument' --stop-timeout
}

@test "a number of workers that is none is refused" {
	local number

	for number in 0 x -1 '' 2x 1025 99999999999999999999; do
		refuses "-c wants a number from 1 to 1024, not \"$number\"" -c "$number"
	done
}

@test "a time or a size that is none is refused" {
	refuses '--kill-after wants a time' --kill-after x
	refuses '--kill-after wants a time' --kill-after 0
	refuses '--stop-timeout wants a time' --stop-timeout 1y
	refuses '--max-body wants a size' --max-body 5q
	refuses '--max-body wants a size' --max-body -1
}

@test "a word that is no option is said to be ignored" {
	refuses '"word" is not an option and is ignored' word
}

@test "-s help tells the forms of a socket" {
	refuses unix:/path/to/socket -s help
	has tcp:dot.ted.qu.ad:port 'tcp6:[ipv6_addr]:port'
	lacks 'not a socket URL'
}

@test "a socket that has no such form is refused, and the forms are told" {
	local url

	for url in /path unix: tcp: tcp:9000 tcp:127.0.0.1 tcp:localhost:9000 tcp:127.0.0.1:0 \
		tcp:127.0.0.1:65536 tcp:127.0.0.1:9x 'tcp:[::1]:9000' tcp6:::1:9000 'tcp6:[::1]' \
		'tcp6:[127.0.0.1]:9000' udp:127.0.0.1:9000; do
		refuses "-s $url: not a socket URL" -s "$url"
		has unix:/path/to/socket
	done
}

@test "a path that is too long for a socket is refused, and said to be" {
	refuses 'too long' -s "unix:$T/$(printf '%0108d' 0)"
}

@test "a socket in a directory that is missing is refused" {
	refuses "$T/none/s: No such file or directory" -s "unix:$T/none/s"
}

@test "standard input has to be a listening socket, if there is no other" {
	refuses 'standard input is not a listening socket'
	has -s spawn-fcgi systemd
}

@test "a connected socket does not listen" {
	run perl -MSocket -MPOSIX -e '
		socketpair(my $a, my $b, AF_UNIX, SOCK_STREAM, 0) or die;
		POSIX::dup2(fileno $a, 0);
		alarm 10;
		exec @ARGV;
	' "$FCGIWRAP"
	[ "$status" = 1 ]
	has 'standard input is not a listening socket'
}

@test "a closed standard input is no socket" {
	# shellcheck disable=SC2086
	run timeout 10 ${TEST_WRAPPER-} "$FCGIWRAP" <&-
	[ "$status" = 1 ]
	has 'standard input is not a listening socket'
}

@test "it serves the socket that is its standard input" {
	start_with_socket 0
	serves
}

@test "it serves the socket that LISTEN_FDS tells of" {
	start_with_socket 3
	serves
}

@test "LISTEN_FDS goes before -s" {
	start_with_socket 3 -s "unix:$T/other"
	serves
	vanished "$T/other"
}

@test "LISTEN_FDS for another process is ignored" {
	LISTEN_FDS=1 LISTEN_PID=1 start_wrapper
	serves
}

@test "LISTEN_FDS without a socket is refused" {
	run perl -e '
		$ENV{LISTEN_FDS} = 1;
		$ENV{LISTEN_PID} = $$;
		alarm 10;
		exec @ARGV;
	' "$FCGIWRAP" -s "$SOCKET"
	[ "$status" = 1 ]
	has 'descriptor 3 (LISTEN_FDS) is not a listening socket'
}

@test "LISTEN_FDS and its kind do not reach the scripts" {
	start_with_socket 3
	ask get "$CGI/env.sh"
	has_line REQUEST_METHOD=GET
	lacks_line 'LISTEN_(FDS|PID|FDNAMES)=.*'
}

@test "an inherited socket may be non-blocking" {
	FLAGS=O_NONBLOCK start_with_socket 3
	serves
	stop wrapper
	[ "$STATUS" = 0 ]
	rm "$T/inherited"
	FLAGS=O_NONBLOCK start_with_socket 0 -c 2
	serves
}

@test "the file of an inherited socket stays" {
	start_with_socket 0
	serves
	stop wrapper
	[ "$STATUS" = 0 ]
	[ -S "$T/inherited" ]
}

@test "all options may come in one argument, as from a unit file's variable" {
	start_with_socket 3 '-f -c 2'
	eventually has_children "$(pid_of wrapper)" 2
	ask get "$CGI/stderr.sh" expect-stderr 'complaint 1'
}

@test "a unit file's variable may be a single option" {
	start_with_socket 3 -f
	ask get "$CGI/stderr.sh" expect-stderr 'complaint 1'
}

@test "a unit file's variable may be empty" {
	start_with_socket 3 ''
	serves
	not grep . "$T/log"
}

@test "of more words than fit in a unit file's variable none is dropped" {
	refuses 'more than 63 words in one argument: give them singly' "$(printf -- '-f %.0s' {1..64})"
}

@test "a stale socket is replaced" {
	make_stale "$T/s"
	start_wrapper
	serves
}

@test "a socket that is in use is refused and goes on to be used" {
	start_wrapper
	refuses "$T/s: socket is already in use" -s "$SOCKET"
	serves
}

@test "a file that is no socket is refused and stays as it is" {
	echo precious >"$T/file"
	ln -s file "$T/link"
	mkdir "$T/directory"
	refuses "$T/file: there is a file of that name" -s "unix:$T/file"
	refuses "$T/link: there is a file of that name" -s "unix:$T/link"
	refuses "$T/directory: there is a file of that name" -s "unix:$T/directory"
	[ "$(cat "$T/file")" = precious ]
	[ -L "$T/link" ]
	[ -d "$T/directory" ]
}

@test "owner and group may use the socket" {
	umask 000
	start_wrapper
	[ "$(stat -c %a "$T/s")" = 660 ]
}

@test "the umask takes from the socket's mode" {
	umask 027
	start_wrapper
	[ "$(stat -c %a "$T/s")" = 640 ]
}

@test "it listens on an IPv4 address" {
	start_wrapper -s "tcp:127.0.0.1:$(free_port)"
	serves
}

@test "it listens on an IPv6 address" {
	perl -MSocket=:all -e '
		my $s;
		socket($s, AF_INET6, SOCK_STREAM, 0) &&
			bind($s, pack_sockaddr_in6(0, inet_pton(AF_INET6, "::1"))) or exit 1
	' || skip 'no IPv6 here'
	start_wrapper -s "tcp6:[::1]:$(free_port)"
	serves
}

@test "an address that is in use is refused" {
	start_wrapper -s "tcp:127.0.0.1:$(free_port)"
	refuses 'Address already in use' -s "$SOCKET"
}

@test "TERM and INT end it well, and its socket goes" {
	local signal

	for signal in TERM INT; do
		start_wrapper
		kill -s "$signal" "$(pid_of wrapper)"
		await wrapper
		[ "$STATUS" = 0 ]
		vanished "$T/s"
	done
}

@test "TERM lets a running request finish, and takes no more" {
	start_wrapper
	start_waiting client
	kill -TERM "$(pid_of wrapper)"
	eventually not talk close
	alive "$(pid_of wrapper)"
	: >"$T/go"
	answered client
	await wrapper
	[ "$STATUS" = 0 ]
	vanished "$T/s"
}

@test "INT lets a running request finish" {
	start_wrapper
	start_waiting client
	kill -INT "$(pid_of wrapper)"
	eventually not talk close
	: >"$T/go"
	answered client
	await wrapper
	[ "$STATUS" = 0 ]
}

@test "TERM does not wait for idle connections" {
	start_wrapper
	start_client client get "$CGI/hello.sh" keep expect-eof
	in_file '^hello' "$T/client.out"
	kill -TERM "$(pid_of wrapper)"
	await client
	[ "$STATUS" = 0 ]
	await wrapper
	[ "$STATUS" = 0 ]
}

@test "TERM lets a client take an answer that is still on its way" {
	start_wrapper -c 1
	script answer.sh <<-'END'
		#!/bin/sh
		printf 'Content-Type: text/plain\n\nbegin\n%0240000d\nend\n' 0
	END
	start_client client request "$T/answer.sh" CONTENT_LENGTH=0 keep \
		expect-text begin deaf wait 500 listen expect-text '\nend\n' expect-end app=0
	in_file begin "$T/client.out"
	eventually has_children "$(worker)" 0 # all is said, but not sent
	kill -TERM "$(pid_of wrapper)"
	await client
	cat "$T/client.log"
	[ "$STATUS" = 0 ]
}

@test "a second TERM ends it at once, and the scripts too" {
	start_wrapper
	start_waiting client
	kill -TERM "$(pid_of wrapper)"
	eventually not talk close
	kill -TERM "$(pid_of wrapper)"
	await wrapper
	[ "$STATUS" = 0 ]
	eventually gone "$SCRIPT"
	vanished "$T/s"
}

@test "--stop-timeout bounds how long requests may go on" {
	start_wrapper --stop-timeout 300ms
	start_waiting client
	kill -TERM "$(pid_of wrapper)"
	await wrapper
	[ "$STATUS" = 0 ]
	logged 'did not finish in time'
	eventually gone "$SCRIPT"
	vanished "$T/s"
}

@test "-c 2 serves with two processes" {
	start_wrapper -c 2
	eventually has_children "$(pid_of wrapper)" 2
	serves
}

@test "a worker that dies is replaced" {
	local parent victim

	start_wrapper -c 2
	parent=$(pid_of wrapper)
	eventually has_children "$parent" 2
	victim=$(children_of "$parent" | head -n 1)
	kill -KILL "$victim"
	logged "worker $victim was killed by signal 9"
	eventually has_children "$parent" 2
	not grep -qx "$victim" <<<"$(children_of "$parent")"
	serves
}

@test "all workers that die are replaced, and the socket stays" {
	local parent victim

	start_wrapper -c 2
	parent=$(pid_of wrapper)
	eventually has_children "$parent" 2
	for victim in $(children_of "$parent"); do
		kill -KILL "$victim"
	done
	logged_times 2 'killed by signal 9' || eventually logged_times 2 'killed by signal 9'
	eventually has_children "$parent" 2
	serves
}

@test "TERM to the parent ends all workers, and the socket goes" {
	local workers worker

	start_wrapper -c 2
	eventually has_children "$(pid_of wrapper)" 2
	workers=$(children_of "$(pid_of wrapper)")
	kill -TERM "$(pid_of wrapper)"
	await wrapper
	[ "$STATUS" = 0 ]
	vanished "$T/s"
	for worker in $workers; do
		gone "$worker"
	done
}

@test "TERM to the parent lets a running request finish" {
	start_wrapper -c 2
	start_waiting client
	kill -TERM "$(pid_of wrapper)"
	eventually has_children "$(pid_of wrapper)" 1
	: >"$T/go"
	answered client
	await wrapper
	[ "$STATUS" = 0 ]
}

@test "TERM to the parent lets no more clients wait" {
	start_wrapper -c 2
	start_waiting client
	kill -TERM "$(pid_of wrapper)"
	eventually -t 3 not talk close
	: >"$T/go"
	answered client
}

@test "a signal to parent and workers at once lets a running request finish" {
	local signal

	for signal in TERM INT; do # from systemd; from a terminal
		rm -f "$T/go"
		start_wrapper -c 2
		start_waiting client
		kill -s "$signal" -- "-$(pid_of wrapper)"
		eventually has_children "$(pid_of wrapper)" 1
		: >"$T/go"
		answered client
		await wrapper
		[ "$STATUS" = 0 ]
	done
}

@test "a second TERM to the parent ends all at once, and the scripts too" {
	start_wrapper -c 2
	start_waiting client
	kill -TERM "$(pid_of wrapper)"
	eventually has_children "$(pid_of wrapper)" 1
	kill -TERM "$(pid_of wrapper)"
	await wrapper
	[ "$STATUS" = 0 ]
	vanished "$T/s"
	eventually gone "$SCRIPT"
}

@test "the workers of a parent that was killed end too, after their requests" {
	local workers worker

	start_wrapper -c 2
	eventually has_children "$(pid_of wrapper)" 2
	workers=$(children_of "$(pid_of wrapper)")
	start_waiting client
	kill -KILL "$(pid_of wrapper)"
	eventually not talk close
	: >"$T/go"
	answered client
	for worker in $workers; do
		eventually gone "$worker"
	done
}

@test "--warm is either possible in this build, or refused" {
	need perl
	refuses '' --warm "$(command -v perl)=CGI"
	[[ $output == *'--warm is not available on this system' || $output == *'not a listening socket'* ]]
}

# Without end: stops the process group of fcgiwrap, and lets it go on.
torment() {
	while kill -STOP -- "-$1" && sleep 0.002 && kill -CONT -- "-$1"; do
		sleep 0.002
	done
}

@test "fcgiwrap may be stopped at any moment, and when it goes on nothing is lost" {
	local torment

	start_wrapper
	torment "$(pid_of wrapper)" 2>/dev/null &
	torment=$!
	crowd 800 8 get /bin/true expect-text 'Status: 502 ' expect-end
	kill "$torment"
	kill -CONT -- "-$(pid_of wrapper)"
	crowd 20 8 get "$CGI/hello.sh" expect-text hello
}

@test "without /dev/null it does not start, and says so" {
	need unshare
	need_root
	unshare -m mount -t tmpfs none /dev 2>/dev/null || skip 'no mounts here'
	run -1 timeout 20 unshare -m sh -c 'mount -t tmpfs none /dev && exec "$@"' sh \
		"$FCGIWRAP" -s "unix:$T/s"
	[[ $output == *'fcgiwrap: cannot open /dev/null'* ]]
	vanished "$T/s"
}
