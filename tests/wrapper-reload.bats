#!/usr/bin/env bats
# The parent of fcgiwrap: reloads that lose nothing, stops that end, and the socket meanwhile.
#
# shellcheck disable=SC2016,SC2030,SC2031,SC2034,SC2153,SC2154 # what lib.bash sets and reads

load lib
load wrapper

setup() {
	test_begin
	# These tests may run under nohup(1).
	heeds_hup
}

# workers: the processes that serve, one per line.
workers() {
	children_of "$(pid_of wrapper)" | sort
}

# reload [TIMES]: HUP; returns when the log has said so often that all workers are new.
reload() {
	kill -HUP "$(pid_of wrapper)"
	eventually -t 20 logged_times "${1:-1}" ' reloaded$'
}

# none_of PID...: these do not run any more, sooner or later.
none_of() {
	local pid

	for pid in "$@"; do
		eventually -t 20 gone "$pid"
	done
}

serves() {
	ask get "$CGI/hello.sh" expect-text hello expect-end app=0
}

# Reloads. ----------------------------------------------------------------------------------------

@test "HUP replaces all workers, and the socket stays" {
	local count old file

	for count in 1 3; do
		: >"$T/log"
		start_wrapper -c "$count"
		eventually has_children "$(pid_of wrapper)" "$count"
		file=$(stat -c %i "$T/s")
		old=$(workers)
		reload
		# shellcheck disable=SC2086
		none_of $old
		has_children "$(pid_of wrapper)" "$count"
		[ "$(stat -c %i "$T/s")" = "$file" ]
		serves
		stop wrapper
		[ "$STATUS" = 0 ]
		vanished "$T/s"
	done
}

# load_and_reload OPTION...: 400 requests while HUP comes again and again; $RELOADS of them.
load_and_reload() {
	start_wrapper "$@"
	start load "$FCGI_TALK" -n 400 -j 8 "$SOCKET" get "$CGI/hello.sh" expect-text hello expect-end app=0
	RELOADS=0
	while alive "$(pid_of load)" && [ "$RELOADS" -lt 20 ]; do
		reload "$((++RELOADS))"
	done
	await load 90
	cat "$T/load.out" "$T/load.log"
	grep -qx 'ok=400 failed=0' "$T/load.out"
	[ "$RELOADS" -ge 2 ]
}

@test "one worker: no request of 400 is lost while HUP comes again and again" {
	load_and_reload -c 1
}

@test "three workers: no request of 400 is lost while HUP comes again and again" {
	load_and_reload -c 3
}

@test "nginx with kept connections: no request of 400 is lost while HUP comes again and again" {
	local i

	start_wrapper -c 2
	NGINX_HTTP="upstream wrapper { server unix:$T/s; keepalive 8; }" start_nginx <<-'END'
		location / {
			include fastcgi_params;
			fastcgi_param SCRIPT_FILENAME @CGI@$fastcgi_script_name;
			fastcgi_keep_conn on;
			fastcgi_pass wrapper;
		}
	END
	start load curl -sS --max-time 90 --noproxy '*' --unix-socket "$NGINX_SOCKET" -Z --parallel-max 8 \
		-o "$T/answer#1" -w '%{http_code}\n' "$URL/hello.sh?[1-400]"
	for ((i = 1; i <= 5; i++)); do
		reload "$i"
	done
	await load 90
	[ "$(grep -cx 200 "$T/load.out")" = 400 ] || { sort "$T/load.out" | uniq -c; return 1; }
}

# Both come while the worker does not look.
@test "a request that comes on a kept connection along with HUP is answered" {
	local first

	for first in request HUP; do
		: >"$T/log"
		rm -f "$T/go" "$T/sent" "$T/trace"
		start_wrapper -c 1
		start_client client trace "$T/trace" request "$CGI/hello.sh" CONTENT_LENGTH=0 keep stdin-end \
			expect-text hello expect-end get-values FCGI_MPXS_CONNS= await "$T/go" \
			begin id=2 keep params SCRIPT_FILENAME="$CGI/hello.sh" params-end stdin-end \
			out 2 "$T/sent" expect-text hello expect-end app=0
		in_file GET_VALUES_RESULT "$T/trace"
		kill -STOP "$(worker)"
		[ "$first" = HUP ] || send_second
		reload
		[ "$first" = request ] || send_second
		kill -CONT -- "-$(pid_of wrapper)"
		await client
		[ "$STATUS" = 0 ] || { cat "$T/trace" "$T/client.log"; return 1; }
		stop wrapper
	done
}

send_second() {
	: >"$T/go"
	eventually test -e "$T/sent"
}

@test "a request that runs when HUP comes finishes, and others are served meanwhile" {
	local old

	start_wrapper -c 1
	start_waiting client
	old=$(worker)
	reload
	alive "$old"
	serves
	: >"$T/go"
	answered client
	none_of "$old"
}

@test "--stop-timeout bounds how long a replaced worker may go on" {
	local old

	start_wrapper -c 1 --stop-timeout 300ms
	start_waiting client
	old=$(worker)
	reload
	none_of "$old" "$SCRIPT"
	logged 'did not finish in time'
	serves
}

@test "a replaced worker that hangs is killed" {
	local old

	start_wrapper -c 1 --stop-timeout 100ms --kill-after 100ms
	old=$(worker)
	kill -STOP "$old"
	reload
	none_of "$old"
	logged "worker $old did not stop in time; killing it"
	serves
}

@test "templates are replaced too, and modules loaded anew" {
	need perl
	[[ $("$FCGIWRAP" --warm "$(command -v perl)=strict" </dev/null 2>&1) != *'not available'* ]] ||
		skip 'no warm starts in this build'
	mkdir "$T/lib"
	echo 'package Probe; our $state = "old"; 1;' >"$T/lib/Probe.pm"
	{ echo "#!$(command -v perl)"; cat <<-'END'; } | script probe.pl
		print "Content-Type: text/plain\n\n", $Probe::state // "cold", "\n";
	END
	says() { ask get "$T/probe.pl" && has_line "$1"; }
	PERL5LIB=$T/lib start_wrapper -c 1 --warm "$(command -v perl)=Probe"
	eventually says old
	echo 'package Probe; our $state = "new"; 1;' >"$T/lib/Probe.pm"
	says old
	reload
	eventually says new
	start load "$FCGI_TALK" -n 200 -j 4 "$SOCKET" get "$T/probe.pl" expect-text '\n' expect-end app=0
	reload 2
	reload 3
	await load 60
	grep -qx 'ok=200 failed=0' "$T/load.out"
}

@test "HUP that comes many times at once replaces all workers, and leaves as many" {
	local old i

	start_wrapper -c 2
	eventually has_children "$(pid_of wrapper)" 2
	old=$(workers)
	for i in {1..10}; do
		kill -HUP "$(pid_of wrapper)"
	done
	logged ' reloaded$'
	# shellcheck disable=SC2086
	none_of $old
	eventually has_children "$(pid_of wrapper)" 2
	serves
}

@test "HUP during a reload that waits for room begins another" {
	local first second

	start_wrapper -c 1
	start_waiting client
	first=$(worker)
	reload 1
	# Two numbers are there: the first worker has one, until its request is over.
	second=$(workers | grep -vx "$first")
	kill -HUP "$(pid_of wrapper)"
	eventually logged_times 2 ' reloading$'
	serves
	alive "$second"
	: >"$T/go"
	answered client
	eventually logged_times 2 ' reloaded$'
	none_of "$first" "$second"
	serves
}

@test "HUP to parent and workers at once loses no request" {
	local old

	start_wrapper -c 2
	eventually has_children "$(pid_of wrapper)" 2
	old=$(workers)
	start_waiting client
	kill -HUP -- "-$(pid_of wrapper)"
	logged ' reloaded$'
	: >"$T/go"
	answered client
	# shellcheck disable=SC2086
	none_of $old
	lacks_log 'was killed'
}

lacks_log() {
	not grep -E "$1" "$T/log"
}

@test "HUP during a stop changes nothing" {
	start_wrapper -c 2
	start_waiting client
	kill -TERM "$(pid_of wrapper)"
	eventually has_children "$(pid_of wrapper)" 1
	kill -HUP "$(pid_of wrapper)"
	: >"$T/go"
	answered client
	await wrapper
	[ "$STATUS" = 0 ]
	lacks_log reload
}

@test "TERM during a reload stops old and new workers, and requests finish" {
	start_wrapper -c 1
	start_waiting old
	reload
	start_waiting new
	kill -TERM "$(pid_of wrapper)"
	eventually vanished "$T/s"
	: >"$T/go"
	answered old
	answered new
	await wrapper
	[ "$STATUS" = 0 ]
}

# fails_to_come_up MESSAGE STRACE-OPTION...: while calls are refused as strace is told, a reload fails
# in the new worker, with this message, and the old one goes on; afterwards it succeeds.
fails_to_come_up() {
	local message=$1 old

	need strace
	[ -z "${TEST_WRAPPER-}" ] || skip 'not under another program'
	start_wrapper -c 1
	serves
	old=$(worker)
	start tracer strace -f -o "$T/calls" "${@:2}" -p "$(pid_of wrapper)"
	eventually has_match 'attached|not permitted' "$T/tracer.log"
	grep -q attached "$T/tracer.log" || skip "strace may not: $(cat "$T/tracer.log")"
	kill -HUP "$(pid_of wrapper)"
	logged "$message"
	logged 'worker [0-9]+ exited with status 1 before it served; the old workers stay$'
	stop tracer
	serves
	[ "$(worker)" = "$old" ]
	lacks_log ' reloaded$'
	reload
	none_of "$old"
	serves
}

@test "a worker that cannot come up at a reload is told about, and the old one stays" {
	local pipes='?pipe,pipe2'

	fails_to_come_up 'cannot begin to serve: Too many open files$' \
		-e trace="$pipes" -e inject="$pipes:error=EMFILE"
}

@test "a worker that cannot open /dev/null at a reload is told about, and the old one stays" {
	local open='?open,openat'

	fails_to_come_up 'cannot begin to serve: Too many open files$' \
		-P /dev/null -e trace="$open" -e inject="$open:error=EMFILE"
}

# threads: how many the worker has.
threads() {
	awk '/^Threads:/ { print $2 }' "/proc/$(worker)/status"
}

has_starters() {
	talk get "$CGI/hello.sh" expect-text hello expect-end app=0 && [ "$(threads)" -gt 1 ]
}

@test "a worker that comes up while there can be no threads has some later" {
	local old

	need_proc
	start_wrapper -c 1
	serves
	old=$(worker)
	refuse_threads "$(pid_of wrapper)"
	reload
	none_of "$old"
	serves
	serves
	grep -q INJECTED "$T/calls" || skip 'threads are not made by clone3 here'
	[ "$(threads)" = 1 ]
	logged_times 1 'cannot create a thread: .*; until that is possible, '
	stop tracer
	eventually has_starters
}

# poor NUMBER: the parent may have so many more descriptors than it has.
poor() {
	need prlimit
	prlimit --pid "$(pid_of wrapper)" --nofile="$(($(descriptors "$(pid_of wrapper)") + $1)):"
}

@test "a reload without room for another worker is told about, and the old one stays" {
	local old

	need_proc
	start_wrapper -c 1
	serves
	old=$(worker)
	poor 0
	kill -HUP "$(pid_of wrapper)"
	logged 'cannot start a worker: Too many open files; the old workers stay$'
	serves
	[ "$(worker)" = "$old" ]
	poor 100
	reload
	none_of "$old"
}

# The parent. -------------------------------------------------------------------------------------

@test "a single worker that dies is replaced, and the socket stays" {
	local victim

	start_wrapper -c 1
	serves
	victim=$(worker)
	kill -KILL "$victim"
	logged "worker $victim was killed by signal 9 \(Killed\); starting another"
	eventually talk get "$CGI/hello.sh"
	[ "$(worker)" != "$victim" ]
}

@test "a worker that somebody tells to stop finishes, and another serves meanwhile" {
	local old

	start_wrapper -c 1
	start_waiting client
	old=$(worker)
	kill -TERM "$old"
	logged "worker $old stops; starting another"
	serves
	alive "$old"
	: >"$T/go"
	answered client
	none_of "$old"
	has_children "$(pid_of wrapper)" 1
	serves
}

@test "workers that are told to stop while as many stop already are replaced when one is gone" {
	local first second

	start_wrapper -c 1
	start_waiting one
	first=$(worker)
	kill -TERM "$first"
	logged "worker $first stops"
	start_waiting two
	second=$(workers | grep -vx "$first")
	kill -TERM "$second"
	logged "worker $second stops"
	: >"$T/go"
	answered one
	answered two
	none_of "$first" "$second"
	serves
}

@test "a start that fails in the worker ends with 1" {
	need prlimit
	[ -z "${TEST_WRAPPER-}" ] || skip 'not under another program'
	start wrapper prlimit --nofile=8:8 "$FCGIWRAP" -c 1 -s "$SOCKET"
	await wrapper
	cat "$T/wrapper.log"
	[ "$STATUS" = 1 ]
	grep -q '^fcgiwrap: cannot ' "$T/wrapper.log"
	vanished "$T/s"
}

@test "the parent sleeps, and has little memory of its own" {
	local before parent

	need_proc
	[ -z "${TEST_WRAPPER-}" ] || skip 'not under another program'
	not grep -q libasan "/proc/$$/maps"
	start_wrapper -c 1
	parent=$(pid_of wrapper)
	before=$(cpu_of "$parent")
	crowd 200 8 get "$CGI/hello.sh" expect-end app=0
	[ "$(cpu_of "$parent")" = "$before" ]
	grep -q libasan "/proc/$parent/maps" ||
		[ "$(awk '/^Private_Dirty/ { sum += $2 } END { print sum }' "/proc/$parent/smaps_rollup")" -lt 500 ]
}

# As Debian's start script does it.
@test "TERM to the parent, and KILL soon after, leaves nothing" {
	local old

	start_wrapper -c 1
	start_waiting client
	old=$(worker)
	kill -TERM "$(pid_of wrapper)"
	eventually vanished "$T/s"
	kill -KILL "$(pid_of wrapper)"
	none_of "$old" "$SCRIPT"
}

# The end of the socket. --------------------------------------------------------------------------

@test "the socket goes when a stop begins, and a successor's stays" {
	local count

	for count in 1 2; do
		rm -f "$T/go"
		start_wrapper -c "$count"
		start_waiting client
		kill -TERM "$(pid_of wrapper)"
		eventually vanished "$T/s"
		alive "$(pid_of wrapper)"
		start successor "$FCGIWRAP" -c 1 -s "$SOCKET"
		eventually talk close
		: >"$T/go"
		answered client
		await wrapper
		[ "$STATUS" = 0 ]
		serves
		stop successor
	done
}

@test "connections that wait when a stop begins are served" {
	local i

	start_wrapper -c 1
	serves
	kill -STOP "$(worker)"
	for i in 1 2 3; do
		start_client "client$i" request "$CGI/hello.sh" CONTENT_LENGTH=0 stdin-end out 1 "$T/sent$i" \
			expect-end app=0
		eventually test -e "$T/sent$i"
	done
	kill -TERM "$(pid_of wrapper)"
	eventually vanished "$T/s"
	kill -CONT "$(worker)"
	for i in 1 2 3; do
		await "client$i"
		cat "$T/client$i.log"
		[ "$STATUS" = 0 ]
	done
	await wrapper
	[ "$STATUS" = 0 ]
}

@test "an inherited socket is blocking again at the end, or not, as it was found" {
	local flags

	need perl
	for flags in blocking nonblocking; do
		run perl -MSocket -MFcntl -e '
			my ($flags, $path, @program) = @ARGV;
			my $s;
		socket($s, AF_UNIX, SOCK_STREAM, 0) && bind($s, pack_sockaddr_un($path)) &&
				listen($s, 16) or die "$path: $!\n";
			fcntl($s, F_SETFL, O_NONBLOCK) if $flags eq "nonblocking";
			my $say = sub { print $_[0], " ", fcntl($s, F_GETFL, 0) & O_NONBLOCK ? "nonblocking" : "blocking", "\n" };
			my $pid = fork // die;
			if ($pid == 0) { open STDIN, "<&", $s; exec @program or die "$program[0]: $!\n" }
			my $c;
			socket($c, AF_UNIX, SOCK_STREAM, 0) && connect($c, pack_sockaddr_un($path)) or die "$!\n";
			syswrite $c, "\1\x09\0\0\0\0\0\0"; # GET_VALUES
			sysread $c, my $answer, 8 or die "no answer\n";
			$say->("meanwhile");
			kill TERM => $pid;
			waitpid $pid, 0;
			print "status $?\n";
			$say->("after");
		' "$flags" "$T/inherited" "$FCGIWRAP" -c 2
		has_line 'meanwhile nonblocking' 'status 0' "after $flags"
		rm -f "$T/inherited"
	done
}

@test "a socket that others make blocking holds nobody up" {
	SOCKET=unix:$T/inherited
	need perl
	start wrapper perl -MSocket -MFcntl -e '
		my ($path, @program) = @ARGV;
		my $s;
		socket($s, AF_UNIX, SOCK_STREAM, 0) && bind($s, pack_sockaddr_un($path)) &&
			listen($s, 16) or die "$path: $!\n";
		unless (fork) {
			for (;;) { fcntl($s, F_SETFL, 0); select undef, undef, undef, 0.01; last if getppid == 1 }
			exit;
		}
		open STDIN, "<&", $s;
		exec @program or die "$program[0]: $!\n";
	' "$T/inherited" "$FCGIWRAP" -c 1
	eventually talk close
	start_waiting client
	crowd 50 4 get "$CGI/hello.sh" expect-end app=0
	: >"$T/go"
	answered client
	stop wrapper
	[ "$STATUS" = 0 ]
}

# Scripts that cannot be ended. -------------------------------------------------------------------

# start_powerless OPTION...: fcgiwrap may signal nobody, as if scripts had changed their user.
start_powerless() {
	[ -z "${TEST_WRAPPER-}" ] || skip 'not under another program'
	[ -e "$FCGI_BUILD/wrapper/exec-linux.o" ] || skip 'it has to signal helpers of its own'
	"$FCGI_BUILD/tests/deny" --can kill=EPERM 2>/dev/null || skip 'this system cannot refuse kill'
	TEST_WRAPPER="$FCGI_BUILD/tests/deny kill=EPERM --" start_wrapper "$@"
}

@test "a stop does not wait for a script that cannot be signalled, and says so" {
	start_powerless -c 1 --stop-timeout 200ms --kill-after 200ms
	start_waiting client
	kill -TERM "$(pid_of wrapper)"
	await wrapper
	[ "$STATUS" = 0 ]
	logged "process $SCRIPT cannot be ended: Operation not permitted"
	logged 'stopping: 1 scripts cannot be ended; leaving them'
	lacks_log 'killing it'
	kill -KILL "$SCRIPT" || :
}

@test "--timeout of a script that cannot be signalled answers its client, and keeps its slot taken" {
	script silent.sh <<-END
		#!/bin/sh
		until [ -e $T/go ]; do sleep 0.05; done
	END
	start_powerless -c 1 --timeout 200ms --kill-after 200ms --max-scripts 1 --queue-timeout 300ms
	ask get "$T/silent.sh"
	has 'Status: 504 '
	logged 'process [0-9]+ cannot be ended: Operation not permitted'
	logged_times 1 'cannot be ended'
	ask get "$CGI/hello.sh"
	has 'Status: 503 '
	: >"$T/go"
	eventually talk get "$CGI/hello.sh" expect-text hello
}

# Many workers. -----------------------------------------------------------------------------------

# Where poll(2) waits, all are woken, and the quickest has it.
@test "kept connections are spread over the workers" {
	local pid most=0 least=1000 count

	need_epoll
	need_proc
	need perl
	need_no_valgrind
	start_wrapper -c 4
	eventually has_children "$(pid_of wrapper)" 4
	serves
	start hoard perl -MIO::Socket::UNIX -e '
		$| = 1;
		for (1 .. 40) {
			my $s = IO::Socket::UNIX->new(Peer => $ARGV[0]) or die "$!\n";
			print $s "\1\x09\0\0\0\0\0\0"; # GET_VALUES
			sysread $s, my $answer, 8 or die "$!\n";
			push @all, $s;
		}
		print "ready\n";
		sleep 300;
	' "$T/s"
	in_file ready "$T/hoard.out"
	for pid in $(workers); do
		count=$(descriptors "$pid")
		most=$((count > most ? count : most))
		least=$((count < least ? count : least))
	done
	[ "$((most - least))" -le 10 ] || { echo "$least to $most"; return 1; }
}

# retiring_on_descriptor_0 SIGNAL: a request with a body starts in a worker that accepts no more, so
# that a descriptor of low number is free.
retiring_on_descriptor_0() {
	LOG=$T/log start wrapper run_under "$SPAWN_FCGI" -n -s "$T/s" -- "$FCGIWRAP" -c 1 --max-scripts 1
	eventually -t 20 talk close
	start_client first get "$CGI/wait.sh" QUERY_STRING="$T/go"
	in_file waiting "$T/first.out"
	start_client queued trace "$T/trace" request "$CGI/sum.sh" CONTENT_LENGTH=5 stdin hello stdin-end \
		get-values FCGI_MPXS_CONNS= expect-end app=0
	in_file GET_VALUES_RESULT "$T/trace"
	kill "-$1" "$(pid_of wrapper)"
	: >"$T/go"
	await first
	await queued
	in_file '^bytes=5 ' "$T/queued.out"
}

@test "a body is whole in a worker that is replaced, with an inherited socket" {
	retiring_on_descriptor_0 HUP
}

@test "a body is whole in a worker that is to stop, with an inherited socket" {
	retiring_on_descriptor_0 TERM
}
