#!/usr/bin/env bats
# fcgiwrap --check: whether a command line would work, and for whom.
#
# shellcheck disable=SC2016,SC2030,SC2031,SC2034,SC2153,SC2154 # what lib.bash sets and reads

load lib
load wrapper

# checks STATUS OPTION...: how it ends; $output is what was found, and nothing else is said.
checks() {
	local wanted=$1

	shift
	status=0
	output=$(run_under "$FCGIWRAP" --check "$@" 2>"$T/stderr.log" 3>&-) || status=$?
	[ "$status" = "$wanted" ] && [ ! -s "$T/stderr.log" ] ||
		{ echo "status $status, not $wanted: $output"; cat "$T/stderr.log"; return 1; }
}

# finds KIND PATTERN: there is such a finding.
finds() {
	local line kind

	printf -v kind '%-6s ' "$1"
	while IFS= read -r line; do
		# shellcheck disable=SC2053
		[[ $line != "$kind"* || ${line#"$kind"} != $2 ]] || return 0
	done <<<"$output"
	printf 'no finding: %s\n%s\n' "$kind$2" "$output"
	return 1
}

# faulty PATTERN OPTION...: this is the only fault, and the socket is none.
faulty() {
	local pattern=$1

	shift
	checks 1 -s "unix:$T/s" "$@"
	finds fault "$pattern"
	[ "$(grep -c ^fault <<<"$output")" = 1 ]
}

# Runs a command as somebody who is not root.
unprivileged() {
	[ "$EUID" = 0 ] || return 0
	need setpriv
	chmod 777 "$T"
	TEST_WRAPPER="setpriv --reuid=65534 --regid=65534 --clear-groups ${TEST_WRAPPER-}"
	$TEST_WRAPPER test -x "$FCGIWRAP" || skip "others may not execute $FCGIWRAP"
}

# A web server's user, and a folder that others may search.
need_web_user() {
	need_root
	id -u www-data >/dev/null 2>&1 || skip 'no user www-data here'
	chmod 755 "$T"
}

# passed ADDRESS LISTENS OPTION...: checks with a socket, or 0, as descriptor 3.
passed() {
	perl -MPOSIX -MIO::Socket::UNIX -MIO::Socket::INET -e '
		my ($path, $listens) = splice @ARGV, 0, 2;
		$^F = 255;
		my $s = $path ? IO::Socket::UNIX->new(Local => $path, ($listens ? (Listen => 5) : ()))
			: IO::Socket::INET->new(LocalAddr => "127.0.0.1", ($listens ? (Listen => 5) : (Proto => "tcp")));
		$s or die $!;
		POSIX::dup2(fileno $s, 3) or die;
		@ENV{"LISTEN_FDS", "LISTEN_PID"} = (1, $$);
		exec @ARGV;
	' "$@"
}

@test "a command line that works is fine in all parts, and nothing is made" {
	checks 0 -s "unix:$T/s" --root "$CGI" -p "$CGI/hello.sh" --interpreter .x=/bin/sh --limit cpu=9
	finds fine "user $(id -un) (uid $(id -u))"
	finds fine '--limit cpu=9'
	finds fine "socket unix:$T/s can be made"
	finds fine "--root $CGI"
	finds fine '--interpreter .x=/bin/sh'
	finds fine "script $CGI/hello.sh"
	finds fine '--spool-dir /tmp has room for * MiB'
	not grep ^fault <<<"$output"
	vanished "$T/s"
}

@test "all faults are told, not only the first" {
	checks 1 -s "unix:$T/no/s" --root /no/root -p /no/script --interpreter .x=/no/interpreter \
		--limit x=1 --spool-dir /no/spool
	finds fault '--limit "x=1": the limits are *'
	finds fault "cannot bind $T/no/s: * (does the directory exist[?])"
	finds fault '--root /no/root: No such file or directory'
	finds fault 'no such script: /no does not exist; remedy: The path is wrong: *'
	finds fault '--interpreter .x=/no/interpreter: No such file or directory'
	finds fault '--spool-dir /no/spool: No such file or directory (it must be a directory in which *'
	[ "$(grep -c ^fault <<<"$output")" = 6 ]
}

@test "what is no fault, but may be unwise, is a note" {
	checks 0 -s "unix:$T/s"
	finds note 'whoever can connect can run every program that this user may execute (*)'
	[ "$EUID" != 0 ] || finds note 'scripts run as root (*)'
	checks 0 -s "tcp:0.0.0.0:$(free_port)" --root "$CGI"
	finds note 'WARNING: anybody who can connect to this TCP port can run its scripts, *'
	not grep 'every program' <<<"$output"
}

# The socket. -----------------------------------------------------------------------------------

@test "a socket that is served, and the server does not notice" {
	start_wrapper
	checks 1 -s "unix:$T/s"
	finds fault "cannot bind $T/s: socket is already in use *"
	ask get "$CGI/hello.sh"
	[ ! -s "$T/log" ]
}

@test "a port that is free, and one that is served" {
	local port

	port=$(free_port)
	checks 0 -s "tcp:127.0.0.1:$port"
	finds fine "socket tcp:127.0.0.1:$port can be made"
	start_wrapper -s "tcp:127.0.0.1:$port"
	checks 1 -s "tcp:127.0.0.1:$port"
	finds fault "cannot bind tcp:127.0.0.1:$port: Address already in use *"
}

@test "owners that do not exist, and lists that a port cannot have" {
	faulty '--socket-owner no_such_user: *' --socket-owner no_such_user
	faulty '--socket-acl-users: *no_such_user*' --socket-acl-users no_such_user
	checks 1 -s "tcp:127.0.0.1:$(free_port)" --socket-acl-users 1
	finds fault '--socket-acl-users and --socket-acl-groups need a Unix socket *'
	faulty '--allow: peers on a Unix socket have no addresses *' --allow 127.0.0.1
	faulty '--allow-user no_such_user: *' --allow-user no_such_user
}

@test "only root can give a socket away" {
	unprivileged
	faulty '--socket-owner: only root can give the socket to another user *' --socket-owner 1
	faulty '--socket-group: this user is not in the group, *' --socket-group 1
}

@test "no socket at all" {
	checks 1 </dev/null
	finds fault 'standard input is not a listening socket *'
}

@test "a socket that a service manager passes" {
	need perl
	status=0
	output=$(passed "$T/s" 1 "$FCGIWRAP" --check) || status=$?
	[ "$status" = 0 ]
	finds fine "socket unix:$T/s is passed as descriptor 3 (LISTEN_FDS)"
	status=0
	output=$(passed '' 1 "$FCGIWRAP" --check -s "unix:$T/other" --allow-user root) || status=$?
	[ "$status" = 1 ]
	finds note "-s unix:$T/other is ignored, *"
	finds fine 'socket tcp:127.0.0.1:* is passed as descriptor 3 (LISTEN_FDS)'
	finds fault '--allow-user: users cannot be told on a TCP socket *'
	output=$(passed '' 0 "$FCGIWRAP" --check) && false
	finds fault 'descriptor 3 (LISTEN_FDS) is not a listening socket *'
}

# The web server's user. ------------------------------------------------------------------------

@test "--web-user: the mode and the owner of the socket" {
	need_web_user
	faulty "www-data cannot connect: the socket $T/s is closed to it (mode 06[46]0, root:root; use --socket-owner www-data, *" \
		--web-user www-data
	checks 0 -s "unix:$T/s" --socket-owner www-data --web-user www-data
	finds fine "www-data can connect to $T/s"
	checks 0 -s "unix:$T/s" --socket-group www-data --socket-mode 0660 --web-user www-data
	checks 0 -s "unix:$T/s" --socket-mode 0666 --web-user www-data
}

@test "--web-user: the access control list that the socket will have" {
	need_web_user
	[ -e "$FCGI_BUILD/common/acl-linux.o" ] || skip 'built without access control lists'
	checks 0 -s "unix:$T/s" --socket-acl-users www-data --web-user www-data
	checks 0 -s "unix:$T/s" --socket-acl-groups www-data --web-user www-data
	faulty '* is closed to it *' --socket-acl-users nobody --web-user www-data
}

@test "--web-user: every directory above the socket" {
	need_web_user
	mkdir -p "$T/a/b"
	chmod 700 "$T/a"
	checks 1 -s "unix:$T/a/b/s" --socket-mode 0666 --web-user www-data
	finds fault "www-data cannot connect: the directory $T/a is closed to it (mode 0700, root:root; chmod o+x*"
	ln -s a/b "$T/link"
	checks 1 -s "unix:$T/link/s" --socket-mode 0666 --web-user www-data
	finds fault "www-data cannot connect: the directory $T/a is closed to it *"
	chmod 711 "$T/a"
	checks 0 -s "unix:$T/link/s" --socket-mode 0666 --web-user www-data
}

@test "--web-user: the access control list of a socket that is there" {
	need_web_user
	[ -e "$FCGI_BUILD/common/acl-linux.o" ] || skip 'built without access control lists'
	start_wrapper --socket-mode 0600 --socket-acl-users www-data
	checks 1 -s "unix:$T/s" --web-user www-data
	finds fine "www-data can connect to $T/s"
	checks 1 -s "unix:$T/s" --socket-mode 0666 --web-user nobody
	finds fault "nobody cannot connect: the socket $T/s is closed to it *"
}

@test "--web-user: the group of a directory whose files have it" {
	need_web_user
	mkdir "$T/a"
	chgrp www-data "$T/a"
	chmod 2755 "$T/a"
	checks 0 -s "unix:$T/a/s" --socket-mode 0660 --web-user www-data
}

@test "--web-user: a socket that is passed counts as it is" {
	need_web_user
	need perl
	output=$(umask 077; passed "$T/s" 1 "$FCGIWRAP" --check -s "unix:$T/x" --socket-mode 0666 --web-user www-data) && false
	finds fault "www-data cannot connect: the socket $T/s is closed to it (mode 0700, *SocketUser=www-data*"
	output=$(umask 0; rm "$T/s"; passed "$T/s" 1 "$FCGIWRAP" --check --web-user www-data)
	finds fine "www-data can connect to $T/s"
}

@test "--web-user: who looks need not be root" {
	unprivileged
	faulty "can't find user name no_such_user: *" --web-user no_such_user
	checks 1 -s "unix:$T/s" --socket-mode 0600 --web-user daemon
	finds fault "daemon cannot connect: the socket $T/s is closed to it (mode 0600, *"
	checks 0 -s "unix:$T/s" --socket-mode 0666 --web-user daemon
}

@test "--web-user needs --check, and --try goes with neither" {
	run run_under "$FCGIWRAP" --web-user root
	[ "$status" = 1 ]
	[[ $output == *'--web-user needs --check'* ]]
	run run_under "$FCGIWRAP" --check --try "$CGI/hello.sh"
	[ "$status" = 1 ]
	[[ $output == *'--try has no meaning with --check'* ]]
}

# Scripts, interpreters, the spool. -------------------------------------------------------------

@test "a script that cannot be executed is told why, and nothing of it runs" {
	printf '#!/bin/sh\n: >"%s"\n' "$T/ran" | script runs
	checks 0 -s "unix:$T/s" -p "$T/runs"
	vanished "$T/ran"
	faulty 'cannot execute script *: its first line ends in a carriage return *; remedy: *' -p "$CGI/crlf-shebang.sh"
	faulty 'cannot execute script *: its interpreter /nonexistent/interpreter does not exist *' \
		-p "$CGI/bad-interpreter.sh"
	faulty 'cannot execute script *: Exec format error *' -p "$CGI/no-shebang"
	faulty 'script *: may not be executed by user * (chmod +x it[?])*' -p "$CGI/no-x-bit.sh"
	faulty "script $T: a directory, not a script*" -p "$T"
}

@test "a script for an --interpreter need not be executable" {
	checks 0 -s "unix:$T/s" -p "$CGI/no-x-bit.sh" --interpreter .sh=/bin/sh
	printf '#!/no/such\n' | script interpreter
	faulty 'cannot execute --interpreter *: its interpreter /no/such does not exist *' \
		--interpreter ".x=$T/interpreter"
}

@test "a root that may not be searched" {
	unprivileged
	mkdir -m 700 "$T/closed"
	[ "$EUID" = 0 ] || chmod 600 "$T/closed"
	faulty "--root $T/closed: this user may not search it *" --root "$T/closed"
	chmod 700 "$T/closed"
	faulty "--root $T/s: No such file or directory" --root "$T/s"
	: >"$T/file"
	faulty "--root $T/file: not a directory" --root "$T/file"
}

@test "warm interpreters" {
	[ -e "$FCGI_BUILD/wrapper/warm.o" ] || skip 'built without warm starts'
	checks 0 -s "unix:$T/s" --warm /usr/bin/perl=CGI,DBI
	finds fine '--warm /usr/bin/perl=CGI,DBI *'
	faulty '--warm /no/perl=CGI: No such file or directory' --warm /no/perl=CGI
	faulty '--warm /bin/sh=CGI: is not a perl, *' --warm /bin/sh=CGI
}

@test "a spool that cannot be written to, or has no room" {
	unprivileged
	mkdir -m 555 "$T/spool"
	faulty "--spool-dir $T/spool: Permission denied (*)" --spool-dir "$T/spool"
	checks 0 -s "unix:$T/s" --max-spool 8000000g
	finds note '--spool-dir /tmp: * MiB are free, less than --max-spool lets requests take'
}

@test "a spool without room" {
	need_userns
	mkdir "$T/small"
	in_userns unshare -m mount -t tmpfs -o size=1m tmpfs "$T/small" 2>/dev/null ||
		skip 'no file systems may be mounted here'
	run in_userns unshare -m sh -c 'mount -t tmpfs -o size=1m tmpfs "$1" && shift && exec "$@"' - \
		"$T/small" "$FCGIWRAP" --check -s "unix:$T/s" --spool-dir "$T/small"
	finds fault "--spool-dir $T/small: only 1.0 MiB are free (*)"
	[ "$status" = 1 ]
}

@test "the check ends badly where nobody reads it" {
	[ -e /dev/full ] || skip 'no /dev/full here'
	run bash -c "'$FCGIWRAP' --check -s 'unix:$T/s' >/dev/full"
	[ "$status" = 1 ]
	[[ $output == *'cannot write what was found: No space left'* ]]
}
