#!/usr/bin/env bats
# Where the messages of fcgiwrap go, and which.
#
# shellcheck disable=SC2016,SC2030,SC2031,SC2034,SC2153,SC2154 # what lib.bash sets and reads

load lib
load wrapper

speaking() {
	script speak <<-'END'
		#!/bin/sh
		printf 'Content-Type: text/plain\n\nhello\n'
		echo complaint >&2
	END
}

# in_own PATTERN, FILE: a line of the file of --log, soon.
in_own() {
	in_file "$1" "${2:-$T/own.log}" || { cat "${2:-$T/own.log}"; return 1; }
}

# Time and process.
stamp='^20[0-9-]+T[0-9:]+[+-][0-9]+ \[[0-9]+\] '

@test "--log FILE: each line has time and process, and standard error none of them" {
	speaking
	start_wrapper --log "$T/own.log"
	ask get "$T/speak"
	in_own "${stamp}script $T/speak\[[0-9]+\]: complaint$"
	ask get "$T/none"
	in_own "${stamp}no such script: $T/none does not exist"
	[ ! -s "$T/log" ]
	[ "$(stat -c %a "$T/own.log")" = 640 ]
}

@test "HUP opens the file anew" {
	speaking
	heeds_hup
	start_wrapper --log "$T/own.log"
	mv "$T/own.log" "$T/old.log"
	kill -HUP "$(pid_of wrapper)"
	in_own "${stamp}reloaded$"
	ask get "$T/speak"
	in_own 'complaint$'
	run ! grep complaint "$T/old.log"
}

@test "a file that cannot be opened anew is kept, and that is said in it" {
	speaking
	mkdir "$T/logs"
	heeds_hup
	start_wrapper --log "$T/logs/own.log"
	mv "$T/logs" "$T/moved"
	kill -HUP "$(pid_of wrapper)"
	in_own "cannot open $T/logs/own.log again: No such file .*; the old file is kept" "$T/moved/own.log"
	in_own 'reloaded$' "$T/moved/own.log"
	ask get "$T/speak"
	in_own 'complaint$' "$T/moved/own.log"
}

@test "a file that cannot be opened is an error of the start, on standard error" {
	run -1 "$FCGIWRAP" -s "$SOCKET" --log "$T/none/own.log"
	has "--log: cannot open $T/none/own.log: No such file or directory"
	[ ! -e "$T/s" ]
}

@test "so is what keeps fcgiwrap from serving" {
	run -1 "$FCGIWRAP" -s "unix:$T/none/s" --log "$T/own.log"
	has "cannot bind $T/none/s"
}

@test "a link where others may write is not followed" {
	mkdir -m 0777 "$T/open"
	ln -s "$T/target" "$T/open/own.log"
	run -1 "$FCGIWRAP" -s "$SOCKET" --log "$T/open/own.log"
	has 'a symbolic link is not followed where others may write'
	[ ! -e "$T/target" ]
}

@test "a full disk stops nobody, and what is lost is counted" {
	speaking
	[ -e /dev/full ] || skip 'no /dev/full here'
	start_wrapper --log /dev/full
	for _ in 1 2 3; do
		ask get "$T/speak"
		has hello
	done
}

@test "a reader that is slow stops nobody, and is told how much it has missed" {
	speaking
	mkfifo "$T/own.log"
	exec {reader}<>"$T/own.log"
	start_wrapper -c 1 --log "$T/own.log"
	script flood <<-'END'
		#!/bin/sh
		printf 'Content-Type: text/plain\n\nhello\n'
		i=0
		while [ $i -lt 2000 ]; do echo "a line that is rather long, so that pipes are soon full: $i"; i=$((i + 1)); done >&2
	END
	# At most 200 lines of a script are logged at once.
	for i in 1 2 3 4 5 6 7 8; do
		ask get "$T/flood"
		has hello
	done
	ask get "$T/speak"
	has hello
	start reader cat "$T/own.log"
	in_own '\([0-9]+ lines lost\)$' "$T/reader.out"
	exec {reader}<&-
	stop wrapper
}

@test "--log syslog without a daemon is said, and served" {
	need_userns
	speaking
	[ ! -e /dev/log ] || skip 'a syslog daemon is here'
	start_wrapper --log syslog
	logged '--log: no syslog daemon at /dev/log: '
	ask get "$T/speak"
	has hello
}

@test "what is said by a thread that starts scripts is in the log, too" {
	[ -x "$FCGI_BUILD/tests/deny" ] && "$FCGI_BUILD/tests/deny" --can setpgid=EPERM 2>/dev/null ||
		skip 'this system cannot refuse calls'
	TEST_WRAPPER="$FCGI_BUILD/tests/deny unshare=EPERM close_range=EPERM setpgid=EPERM setsid=EPERM --"
	start_wrapper -c 1 --log "$T/own.log"
	ask get "$CGI/hello.sh"
	in_own "${stamp}no process groups for scripts: "
	run ! grep 'no process groups' "$T/log"
}

@test "--log-level leaves out what is less grave" {
	speaking
	start_wrapper --log-level warning
	ask get "$T/speak"
	ask get "$T/none"
	logged 'no such script'
	run ! grep complaint "$T/log"
	stop wrapper
	: >"$T/log"
	start_wrapper --log-level error
	ask get "$T/none"
	script silent <<<$'#!/bin/sh\nexit 3'
	ask get "$T/silent"
	logged 'exited with status 3'
	run ! grep 'no such script' "$T/log"
}

@test "--log-level debug tells of each start and end" {
	speaking
	start_wrapper --log-level debug
	ask get "$T/speak"
	logged "script $T/speak: started (cold|warm)$"
	logged "script $T/speak: exited with status 0 after [0-9.]+ s$"
}

@test "what scripts say goes to the client by -f whatever the level is, but no debug messages" {
	speaking
	start_wrapper -f --log-level error
	ask get "$T/speak"
	[ "$stderr" = complaint ]
	stop wrapper
	start_wrapper -f --log-level debug
	ask get "$T/speak"
	[ "$stderr" = complaint ]
	logged "script $T/speak: started"
}

@test "a level that there is not is refused" {
	run -1 "$FCGIWRAP" -s "$SOCKET" --log-level loud
	has '--log-level wants error, warning, notice, info or debug, not "loud"'
	run -255 "$SPAWN_FCGI" -s "$T/s" --log-level loud -- /bin/true
	has '--log-level wants error, warning, notice, info or debug, not "loud"'
}

@test "--check looks at the place of the log" {
	run "$FCGIWRAP" -s "$SOCKET" --log "$T/own.log" --check
	has "--log $T/own.log can be written"
	[ ! -e "$T/own.log" ]
	run -1 "$FCGIWRAP" -s "$SOCKET" --log "$T/none/own.log" --check
	has 'cannot open'
}

# systemd's journal. ------------------------------------------------------------------------------

# journal_listens: something takes entries at the journal's socket, and writes them to $T/entries, with
# an empty line behind each.
journal_listens() {
	start journald nsenter -t "$(pid_of space)" -m -- perl -MSocket -e '
		$| = 1;
		open STDOUT, ">", $ARGV[0] or die $!;
		socket my $s, AF_UNIX, SOCK_DGRAM, 0 or die $!;
		bind $s, pack_sockaddr_un("/run/systemd/journal/socket") or die $!;
		open my $ready, ">", $ARGV[1] or die $!;
		print "$_\n" while defined recv $s, $_, 65536, 0;
	' "$T/entries" "$T/listens"
	eventually [ -e "$T/listens" ]
}

# journald: in a mount namespace where start_wrapper runs, too, there is such a journal.
journald() {
	need perl
	need_root
	unshare -m true 2>/dev/null || skip 'no mount namespaces here'
	start space unshare -m sh -ec '
		mount --make-rprivate /
		mount -t tmpfs none /run
		mkdir -p /run/systemd/journal
		: >"$0"
		exec sleep 600' "$T/made"
	eventually [ -e "$T/made" ]
	journal_listens
	TEST_WRAPPER="nsenter -t $(pid_of space) -m --"
}

# entry PATTERN: sets $output to the fields of the entry whose MESSAGE is like that, soon.
entry() {
	find_entry() {
		output=$(perl -00 -e '$p = shift; /^MESSAGE=.*$p/m and print and last while <>' "$1" "$T/entries")
		[ "$output" ]
	}
	eventually find_entry "$1" || { cat "$T/entries"; return 1; }
}

@test "--log journal: an entry has fields, by which journalctl finds it" {
	local pid

	speaking
	journald
	start_wrapper --log journal
	ask get "$T/speak" REQUEST_ID=ab12 REMOTE_ADDR=192.0.2.7
	entry complaint
	has_line "MESSAGE=request ab12: script $T/speak[$(sed -n 's/^FCGI_SCRIPT_PID=//p' <<<"$output")]: complaint" \
		PRIORITY=6 SYSLOG_IDENTIFIER=fcgiwrap "FCGI_SCRIPT=$T/speak" FCGI_REQUEST_ID=ab12 \
		FCGI_REMOTE_ADDR=192.0.2.7 'DOCUMENTATION=man:fcgiwrap(8)'
	lacks FCGI_STATUS
}

@test "--log journal: an error has its status and the id of its kind" {
	local first

	journald
	start_wrapper --log journal
	script silent <<<$'#!/bin/sh\nexit 3'
	script mute <<<$'#!/bin/sh\nexit 4'
	ask get "$T/silent"
	entry 'exited with status 3'
	has_line PRIORITY=3 FCGI_STATUS=502
	first=$(grep '^MESSAGE_ID=' <<<"$output")
	[[ $first =~ ^MESSAGE_ID=[0-9a-f]{32}$ ]]
	ask get "$T/mute"
	entry 'exited with status 4'
	has_line "$first"
	ask get "$T/none"
	entry 'no such script'
	has_line PRIORITY=4 FCGI_STATUS=404
	lacks "$first"
}

@test "--log journal: a client's line ends make no fields" {
	journald
	start_wrapper --log journal
	ask get "$T/none" REMOTE_ADDR=$'1.2.3.4\nPRIORITY=0'
	entry 'no such script'
	has_line 'FCGI_REMOTE_ADDR=1.2.3.4?PRIORITY=0'
	lacks_line PRIORITY=0
}

@test "--log journal: entries come after a restart of the journal, too" {
	speaking
	journald
	start_wrapper --log journal
	ask get "$T/speak"
	entry complaint
	stop journald
	ask get "$T/speak"
	nsenter -t "$(pid_of space)" -m -- rm /run/systemd/journal/socket
	rm "$T/listens"
	: >"$T/entries"
	journal_listens
	ask get "$T/speak"
	entry complaint
}

@test "standard error that is the journal gets entries with fields without being told" {
	speaking
	journald
	cat >"$T/stream" <<-'END'
		use Socket;
		socketpair my $ours, my $theirs, AF_UNIX, SOCK_STREAM, 0 or die $!;
		my @st = stat $theirs;
		$ENV{JOURNAL_STREAM} = "$st[0]:$st[1]";
		open STDERR, ">&", $theirs or die $!;
		exec @ARGV or die $!;
	END
	TEST_WRAPPER="$TEST_WRAPPER perl $T/stream"
	start_wrapper
	ask get "$T/speak"
	entry complaint
	has_line "FCGI_SCRIPT=$T/speak"
}

@test "journald and journalctl themselves" {
	local journald=/lib/systemd/systemd-journald

	[ -x "$journald" ] && command -v journalctl >/dev/null || skip 'no systemd-journald here'
	need_root
	[ ! -S /run/systemd/journal/socket ] || skip 'a journal is here already'
	unshare -m true 2>/dev/null || skip 'no mount namespaces here'
	speaking
	start space unshare -m sh -ec '
		mount --make-rprivate /
		mount -t tmpfs none /run
		mkdir -p /run/systemd/journal /run/log/journal
		: >"$0"
		exec sleep 600' "$T/made"
	eventually [ -e "$T/made" ]
	TEST_WRAPPER="nsenter -t $(pid_of space) -m --"
	# shellcheck disable=SC2086 # words
	start journald $TEST_WRAPPER "$journald"
	# shellcheck disable=SC2086 # words
	eventually $TEST_WRAPPER test -S /run/systemd/journal/socket || skip 'systemd-journald does not start'
	start_wrapper --log journal
	ask get "$T/speak" REQUEST_ID=ab12
	found() { $TEST_WRAPPER journalctl -q -o cat --no-pager "FCGI_SCRIPT=$T/speak" | grep -q complaint; }
	eventually found
	$TEST_WRAPPER journalctl -q -o cat --no-pager FCGI_REQUEST_ID=ab12 | grep -q complaint
}
