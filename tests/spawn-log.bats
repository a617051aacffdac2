#!/usr/bin/env bats
# spawn-fcgi --supervise: its log, in files, at the syslog daemon, and on standard error.
#
# shellcheck disable=SC2016,SC2030,SC2031,SC2034,SC2153,SC2154,SC2314 # see spawn.bash

load lib
load spawn
load supervise

# Where other users may write: a directory of somebody else's.
folder_of_another() {
	need_users
	mkdir "$T/theirs"
	chown "$USER_B" "$T/theirs"
}

# as_another COMMAND...: as its owner.
as_another() {
	need setpriv
	setpriv --reuid="$USER_B" --regid="$(id -g "$USER_B")" --clear-groups "$@"
}

# refuses_log REASON: a start with --log "$LOGFILE" fails for this reason, and --check says so.
refuses_log() {
	spawn --check --supervise -s "$S" --log "$LOGFILE" -- /bin/sleep 60
	[ "$status" = 255 ]
	[[ $stderr == *"--log: cannot open $LOGFILE: "$1* ]]
	spawn --supervise -n -s "$S" --log "$LOGFILE" -- /bin/sleep 60
	[ "$status" = 255 ]
	[[ $stderr == *"--log: cannot open $LOGFILE: "$1* ]]
	nothing_left "$S"
}

# reopens: USR1; afterwards a line is written. It goes where it goes.
reopens() {
	kill -USR1 "$KEEPER"
	ask say=cheese
}

# own_space COMMAND...: a mount namespace, as process "space", in which a command (of root's) has
# run; "inside COMMAND..." runs one there, and what "supervise" starts next is in it, too.
own_space() {
	need_root
	need unshare nsenter
	unshare -m true 2>/dev/null || skip 'no mount namespaces here'
	start space unshare -m sh -c '"$@" && : >"$0" && exec sleep 3600' "$T/space" "$@"
	entered() { [ -e "$T/space" ] || gone "$(pid_of space)"; }
	eventually entered
	[ -e "$T/space" ] || skip 'may not mount here'
	TEST_WRAPPER="nsenter -t $(pid_of space) -m -- ${TEST_WRAPPER-}"
}

inside() {
	nsenter -t "$(pid_of space)" -m -- "$@"
}

# own_dev: such a namespace whose /dev has only what programs need.
own_dev() {
	need perl
	mkdir "$T/dev"
	own_space sh -ec '
		mount --make-rprivate /
		mount -t tmpfs none "$0"
		for node in null zero full random urandom tty; do
			: >"$0/$node"
			mount --bind "/dev/$node" "$0/$node"
		done
		mount --rbind "$0" /dev' "$T/dev"
	LOGFILE=$T/syslog
	: >"$LOGFILE"
}

# syslog_daemon [stream]: in there, as process "syslog"; writes what it gets to $T/syslog, with "$"
# at each end.
syslog_daemon() {
	rm -f "$T/listens"
	start syslog nsenter -t "$(pid_of space)" -m -- perl -MSocket -e '
		my ($out, $ready, $stream) = @ARGV;
		$| = 1;
		open STDOUT, ">>", $out or die "$out: $!";
		unlink "/dev/log";
		socket my $s, AF_UNIX, $stream ? SOCK_STREAM : SOCK_DGRAM, 0 or die $!;
		bind $s, pack_sockaddr_un("/dev/log") or die $!;
		!$stream || listen $s, 5 or die $!;
		open my $file, ">", $ready or die $!;
		if ($stream) {
			while (accept my $c, $s) {
				$/ = "\0";
				while (<$c>) { chomp; print "$_\$\n" }
			}
		}
		print "$_\$\n" while defined recv $s, $_, 65536, 0;
	' "$LOGFILE" "$T/listens" "$@"
	eventually [ -e "$T/listens" ]
}

# Lines, and what is said of those that are missing, are all that were written.
# all_told COUNT WORD [OWN]: "(N lines WORD)"; as many as OWN messages of the keeper's are missing.
all_told() {
	local told missing

	told=$(grep -cE '\] [0-9]+\$?$' "$LOGFILE")
	missing=$(sed -nE "s/.*\(([0-9]+) lines $2\).*/\1/p" "$LOGFILE" |
		awk '{ n += $1 } END { print n + 0 }')
	echo "$told told, $missing $2"
	[ $((told + missing)) -ge "$1" ] && [ $((told + missing)) -le $(($1 + ${3:-0})) ]
}

# Lines. -----------------------------------------------------------------------------------------

@test "each line of output is logged with time and process" {
	need_app
	supervise -s "$S" --log "$T/app.log" -- "$APP"
	ask say=cheese
	LOGFILE=$T/app.log
	logged "^20[0-9-]+T[0-9:]+[+-][0-9]+ \[$ANSWERED_BY\] cheese$"
	kill -KILL "$ANSWERED_BY"
	logged "^20[0-9-]+T[0-9:]+[+-][0-9]+ \[$KEEPER\] process $ANSWERED_BY was killed"
	[ "$(stat -c %a "$T/app.log")" = 640 ]
}

@test "nothing that a process wrote is lost at its end, not even half a line" {
	program <<<'seq 1 2000; printf half; exec sleep 1'
	supervise -s "$S" --start-time 100ms --log "$T/app.log" --log-rate 0 -- "$T/prog"
	LOGFILE=$T/app.log
	logged ' half$'
	logged '] 2000$'
	[ "$(grep -cE '\] [0-9]+$' "$T/app.log")" -ge 2000 ]
}

@test "USR1 opens the log file anew" {
	need_app
	supervise -s "$S" --log "$T/app.log" -- "$APP"
	mv "$T/app.log" "$T/old.log"
	kill -USR1 "$KEEPER"
	eventually test -e "$T/app.log"
	ask say=cheese
	LOGFILE=$T/app.log logged cheese
}

@test "nobody who reads the output: nobody waits" {
	need_app
	mkfifo "$T/fifo"
	exec 9<>"$T/fifo"
	set -m
	exec_clean "$SPAWN_FCGI" --supervise -n -P "$T/keeper.pid" -s "$S" -- "$APP" </dev/null \
		>"$T/out" 2>"$T/fifo" &
	adopt keeper $!
	set +m
	KEEPER=$(pid_of keeper)
	eventually test -s "$T/keeper.pid"
	local text

	text=$(printf '%0900d' 0)
	"$FCGI_TALK" -n 120 -j 4 "$SOCKET" get /x QUERY_STRING="say=$text"
	ask
	exec 9>&-
}

# Rate. ------------------------------------------------------------------------------------------

@test "what a process writes above --log-rate is left out, and counted" {
	program <<<'seq 1 5000; exec sleep 60'
	supervise -s "$S" --log "$T/app.log" --log-rate 100 -- "$T/prog"
	LOGFILE=$T/app.log
	eventually all_told 5000 dropped
	not logged_times 5000 '\] [0-9]+$'
}

@test "a second process has a rate of its own" {
	program <<<'seq 1 50; exec sleep 60'
	supervise -s "$S" -F 2 --log "$T/app.log" --log-rate 50 -- "$T/prog"
	LOGFILE=$T/app.log
	eventually logged_times 2 '\] 50$'
	logged_times 100 '\] [0-9]+$'
}

@test "the last line before an end is told, whatever the rate" {
	program <<<'seq 1 5000; echo the reason; exec sleep 1'
	supervise -s "$S" --start-time 100ms --log "$T/app.log" --log-rate 10 -- "$T/prog"
	LOGFILE=$T/app.log logged '\] the reason$'
}

@test "--log-rate 0 leaves out nothing" {
	program <<<'seq 1 5000; exec sleep 60'
	supervise -s "$S" --log "$T/app.log" --log-rate 0 -- "$T/prog"
	LOGFILE=$T/app.log logged '] 5000$'
	LOGFILE=$T/app.log logged_times 5000 '\] [0-9]+$'
}

# Files in places that others may change. --------------------------------------------------------

@test "USR1 does not follow a link that another user has put there: the old file is kept" {
	need_app
	folder_of_another
	echo mine >"$T/mine"
	supervise -s "$S" --log "$T/theirs/log" -- "$APP"
	as_another mv "$T/theirs/log" "$T/theirs/old"
	as_another ln -s "$T/mine" "$T/theirs/log"
	reopens
	LOGFILE=$T/theirs/old
	logged 'cannot open .*/theirs/log again: a symbolic link is not followed'
	logged 'cheese$'
	[ "$(cat "$T/mine")" = mine ]
}

@test "nor one to a file that is not there yet" {
	need_app
	folder_of_another
	supervise -s "$S" --log "$T/theirs/log" -- "$APP"
	as_another mv "$T/theirs/log" "$T/theirs/old"
	as_another ln -s "$T/new" "$T/theirs/log"
	reopens
	LOGFILE=$T/theirs/old logged 'cheese$'
	[ ! -e "$T/new" ]
}

@test "nor a second name of another file" {
	need_app
	folder_of_another
	echo mine >"$T/mine"
	supervise -s "$S" --log "$T/theirs/log" -- "$APP"
	mv "$T/theirs/log" "$T/theirs/old"
	ln "$T/mine" "$T/theirs/log"
	reopens
	LOGFILE=$T/theirs/old
	logged 'cannot open .* again: it has another name'
	logged 'cheese$'
	[ "$(cat "$T/mine")" = mine ]
}

@test "nor a directory on the way that has become a link" {
	need_app
	folder_of_another
	mkdir "$T/mine"
	as_another mkdir "$T/theirs/logs"
	supervise -s "$S" --log "$T/theirs/logs/log" -- "$APP"
	as_another mv "$T/theirs/logs" "$T/theirs/old"
	as_another ln -s "$T/mine" "$T/theirs/logs"
	reopens
	LOGFILE=$T/theirs/old/log
	logged 'cannot open .* again: a symbolic link is not followed'
	logged 'cheese$'
	[ -z "$(ls "$T/mine")" ]
}

@test "USR1 waits for no FIFO that another user has put there" {
	need_app
	folder_of_another
	supervise -s "$S" --log "$T/theirs/log" -- "$APP"
	as_another mv "$T/theirs/log" "$T/theirs/old"
	as_another mkfifo "$T/theirs/log"
	reopens
	LOGFILE=$T/theirs/old
	logged 'cannot open .* again: it is a socket, or a FIFO that nobody reads'
	logged 'cheese$'
}

@test "a start does not follow such a link either, and neither through a group" {
	folder_of_another
	as_another ln -s "$T/new" "$T/theirs/log"
	LOGFILE=$T/theirs/log
	refuses_log 'a symbolic link is not followed'
	mkdir -m 775 "$T/shared"
	ln -s "$T/new" "$T/shared/log"
	LOGFILE=$T/shared/log
	refuses_log 'a symbolic link is not followed'
	[ ! -e "$T/new" ]
}

@test "a plain file in the directory of another user is a good log" {
	need_app
	folder_of_another
	supervise -s "$S" --log "$T/theirs/log" -- "$APP"
	as_another mv "$T/theirs/log" "$T/theirs/old"
	reopens
	LOGFILE=$T/theirs/log logged 'cheese$'
	not grep cheese "$T/theirs/old"
}

@test "our own links are followed: from a directory to another, and relative ones" {
	mkdir "$T/far" "$T/near"
	ln -s "$T/far" "$T/near/logs"
	ln -s ../far/./log "$T/far/link"
	program <<<'echo cheese; exec sleep 60'
	supervise -s "$S" --log "$T/near/logs/link" -- "$T/prog"
	LOGFILE=$T/far/log logged 'cheese$'
}

@test "and links in /tmp that are our own, but not those of others" {
	need_root
	need_users
	mkdir -m 1777 "$T/tmp"
	ln -s "$T/log" "$T/tmp/ours"
	program <<<'echo cheese; exec sleep 60'
	supervise -s "$S" --log "$T/tmp/ours" -- "$T/prog"
	LOGFILE=$T/log logged 'cheese$'
	as_another ln -s "$T/new" "$T/tmp/theirs"
	S=$T/s2 LOGFILE=$T/tmp/theirs refuses_log 'a symbolic link is not followed'
	[ ! -e "$T/new" ]
}

@test "a link to /dev/stdout is followed" {
	[ -e /dev/stdout ] || skip 'no /dev/stdout here'
	ln -s /dev/stdout "$T/log"
	program <<<'echo cheese; exec sleep 60'
	supervise -s "$S" --log "$T/log" -- "$T/prog"
	LOGFILE=$T/keeper.out logged 'cheese$'
	[ -L "$T/log" ]
}

@test "links in a circle are an error" {
	ln -s b "$T/a"
	ln -s a "$T/b"
	LOGFILE=$T/a refuses_log 'Too many levels of symbolic links'
}

@test "what is no log is refused: a directory, a socket, a FIFO that nobody reads" {
	mkdir "$T/directory"
	make_stale "$T/socket"
	mkfifo "$T/fifo"
	LOGFILE=$T/directory refuses_log 'Is a directory'
	LOGFILE=$T/directory/ refuses_log 'Is a directory'
	LOGFILE=$T/socket refuses_log 'it is '
	spawn --supervise -n -s "$S" --log "$T/fifo" -- /bin/sleep 60
	[ "$status" = 255 ]
	[[ $stderr == *'/fifo: it is a socket, or a FIFO that nobody reads'* ]]
	LOGFILE=$T/none/log refuses_log 'No such file or directory (does the directory exist?)'
}

@test "a directory that is gone at USR1: the old file is kept, and says so" {
	need_app
	mkdir "$T/logs"
	supervise -s "$S" --log "$T/logs/log" -- "$APP"
	mv "$T/logs" "$T/old"
	reopens
	LOGFILE=$T/old/log
	logged 'cannot open .*/logs/log again: No such file .*; the old file is kept$'
	logged 'cheese$'
}

# Files without room. ----------------------------------------------------------------------------

@test "a log at the limit of file size loses lines, and no process" {
	need prlimit
	program <<-END
		i=0
		while [ \$i -lt 1000 ]; do
			echo "line \$i of a log that grows, and grows, and grows"
			i=\$((i + 1))
		done
		: >$T/written
		exec sleep 60
	END
	TEST_WRAPPER="prlimit --fsize=20480" supervise --log "$T/lines" -s "$S" -- "$T/prog"
	eventually [ -e "$T/written" ]
	alive "$KEEPER"
	has 1
	[ "$(wc -c <"$T/lines")" -le 20480 ]
	mv "$T/lines" "$T/full"
	kill -USR1 "$KEEPER"
	eventually [ -e "$T/lines" ]
	kill -HUP "$KEEPER"
	LOGFILE=$T/lines logged '\([0-9]+ lines lost\)'
}

@test "on a full disk no line is glued to half of another, and what was lost is counted" {
	mkdir "$T/disk"
	own_space sh -ec 'mount -t tmpfs -o size=16k none "$0"; head -c 8192 /dev/zero >"$0/other"' \
		"$T/disk"
	program <<-END
		line=\$(printf '%0700d' 0 | tr 0 x)
		for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14; do
			echo "\$line \$i"
		done
		: >$T/written
		until [ -e $T/room ]; do sleep 0.05; done
		echo after
		exec sleep 60
	END
	supervise -s "$S" --log "$T/disk/log" -- "$T/prog"
	eventually [ -e "$T/written" ]
	LOGFILE=/proc/$(pid_of space)/root$T/disk/log
	eventually [ "$(stat -c %s "$LOGFILE")" = 8192 ]
	inside rm "$T/disk/other"
	: >"$T/room"
	logged '^20[^ ]+ \[[0-9]+\] \([0-9]+ lines lost\)$'
	logged '^20[^ ]+ \[[0-9]+\] after$'
	not grep -E '.20[0-9]{2}-' "$LOGFILE"
	cp "$LOGFILE" "$T/copy"
	LOGFILE=$T/copy
	sed -i -E 's/\] x{700} /] /' "$LOGFILE"
	all_told 14 lost
}

@test "how many lines were lost is told when there is room, without another line" {
	need prlimit
	program <<<'seq 1 3000; exec sleep 60'
	TEST_WRAPPER="prlimit --fsize=20480" supervise --log-rate 0 --log "$T/log" -s "$S" -- "$T/prog"
	eventually [ "$(stat -c %s "$T/log")" -gt 20000 ]
	mv "$T/log" "$T/full"
	kill -USR1 "$KEEPER"
	LOGFILE=$T/log logged '\([0-9]+ lines lost\)$'
}

@test "half a line of an earlier life is ended first" {
	printf 'half a li' >"$T/log"
	program <<<'echo cheese; exec sleep 60'
	supervise -s "$S" --log "$T/log" -- "$T/prog"
	LOGFILE=$T/log logged '^20.* cheese$'
	[ "$(head -n 1 "$T/log")" = 'half a li' ]
	not grep -q '^$' "$T/log"
}

# The syslog daemon. -----------------------------------------------------------------------------

@test "the syslog daemon gets lines and messages in the form of RFC 3164" {
	need_app
	own_dev
	syslog_daemon
	supervise -s "$S" --log syslog -- "$APP"
	ask say=cheese
	logged "^<30>[A-Z][a-z]{2} [ 0-9][0-9] [0-9:]{8} spawn-fcgi\[$KEEPER\]: \[$ANSWERED_BY\] cheese\\\$\$"
	kill -KILL "$ANSWERED_BY"
	logged "^<27>[A-Z][a-z]{2} [ 0-9][0-9] [0-9:]{8} spawn-fcgi\[$KEEPER\]: process $ANSWERED_BY was"
}

@test "a daemon that listens on a stream gets them, too" {
	need_app
	own_dev
	syslog_daemon stream
	supervise -s "$S" --log syslog -- "$APP"
	ask say=cheese
	logged "^<30>.*\[$ANSWERED_BY\] cheese\\\$\$"
}

@test "a daemon that is restarted gets what was written meanwhile" {
	need_app
	own_dev
	syslog_daemon
	supervise -s "$S" --log syslog -- "$APP"
	ask say=before
	logged ' before\$$'
	stop syslog
	ask say=meanwhile
	syslog_daemon
	logged ' meanwhile\$$'
	ask say=after
	logged ' after\$$'
	logged_times 0 'lost'
}

@test "a daemon that hangs lets nobody wait, and hears later what it missed" {
	own_dev
	syslog_daemon
	kill -STOP "$(pid_of syslog)"
	program <<-END
		[ -e $T/written ] || seq 1 20000
		: >$T/written
		exec sleep 60
	END
	supervise -s "$S" --log syslog --log-rate 0 -- "$T/prog"
	eventually -t 30 [ -e "$T/written" ]
	local old

	old=$(children)
	kill -KILL "$old"
	eventually replaced "$old"
	eventually has 1
	kill -CONT "$(pid_of syslog)"
	logged '\([0-9]+ lines lost\)'
	# Among those are the end of the process and perhaps more about it.
	eventually all_told 20000 lost 3
}

@test "a daemon that hangs holds up no stop" {
	own_dev
	syslog_daemon
	kill -STOP "$(pid_of syslog)"
	program <<<'seq 1 5000; exec sleep 60'
	supervise -s "$S" --log syslog -- "$T/prog"
	kill -TERM "$KEEPER"
	await keeper
	[ "$STATUS" = 0 ]
	kill -CONT "$(pid_of syslog)"
}

@test "a burst reaches a daemon that has room for a few lines only" {
	own_dev
	syslog_daemon
	program <<<'seq 1 500; exec sleep 60'
	supervise -s "$S" --log syslog -- "$T/prog"
	logged '\] 500\$$'
	logged_times 500 '\] [0-9]+\$$'
}

@test "without a syslog daemon the start says so, and one that comes later is found" {
	need_app
	own_dev
	supervise -s "$S" --log syslog -- "$APP"
	LOGFILE=$T/keeper.log logged 'no syslog daemon at /dev/log: No such file .*use --log FILE'
	ask say=early
	syslog_daemon
	logged ' early\$$'
}

@test "in the background the log is syslog, and its lack is told to whoever starts it" {
	own_dev
	spawn --supervise -s "$S" -- /bin/sleep 60
	[ "$status" = 0 ]
	[[ $stderr == *'no syslog daemon at /dev/log'* ]]
}

# Standard error. --------------------------------------------------------------------------------

@test "systemd's journal gets no second time stamp" {
	need perl
	program <<<'echo cheese; exec sleep 60'
	start journal perl -MSocket -e '
		socketpair my $ours, my $theirs, AF_UNIX, SOCK_STREAM, 0 or die $!;
		my @st = stat $theirs;
		$ENV{JOURNAL_STREAM} = "$st[0]:$st[1]";
		$| = 1;
		if (fork == 0) {
			open STDERR, ">&", $theirs or die $!;
			exec @ARGV or die $!;
		}
		close $theirs;
		print while <$ours>;
	' "$SPAWN_FCGI" --supervise -n -s "$S" -P "$T/pid" -- "$T/prog"
	LOGFILE=$T/journal.out logged '^\[[0-9]+\] cheese$'
	eventually test -s "$T/pid"
	kill -KILL "$(pgrep -P "$(cat "$T/pid")")"
	LOGFILE=$T/journal.out logged '^spawn-fcgi: process [0-9]+ was killed'
	kill -TERM "$(cat "$T/pid")"
	await journal
}
