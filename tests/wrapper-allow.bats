#!/usr/bin/env bats
# What fcgiwrap may run, for whom, with what environment and limits, and what it says about it.
#
# shellcheck disable=SC2016,SC2030,SC2031,SC2034,SC2153,SC2154 # what lib.bash sets and reads

load lib
load wrapper

# refuses_start OPTION...: fcgiwrap does not start; $output is what it says.
refuses_start() {
	run -1 timeout 10 "$FCGIWRAP" -s "$SOCKET" "$@"
}

# $T/root with a script inside.sh, and $T/outside.sh; both say where they are.
make_trees() {
	mkdir -p "$T/root/sub" "$T/other"
	for name in root/inside.sh root/sub/deep.sh other/other.sh outside.sh; do
		script "$name" <<-END
			#!/bin/sh
			printf 'Content-Type: text/plain\n\nI am $name\n'
		END
	done
}

# refused SCRIPT [NAME=VALUE...]: the answer is 403, and nothing has run.
refused() {
	ask get "$@" expect-end
	has 'Status: 403 '
	lacks 'I am'
}

# hidden SCRIPT [NAME=VALUE...]: the answer is that of a missing script, and nothing has run.
hidden() {
	ask get "$@" expect-end
	[ "${output//$'\r'/}" = $'Status: 404 Not Found\nContent-Type: text/plain\nX-Content-Type-Options: nosniff\n\n404 Not Found' ]
}

@test "--root runs what is below it" {
	make_trees
	start_wrapper --root "$T/root"
	ask get "$T/root/inside.sh"
	has_line 'I am root/inside.sh'
	ask get "$T/root/sub/deep.sh/with/info"
	has_line 'I am root/sub/deep.sh'
	ask get '' DOCUMENT_ROOT="$T/root" SCRIPT_NAME=/sub/deep.sh
	has_line 'I am root/sub/deep.sh'
}

@test "--root refuses what is elsewhere, and says where that is" {
	make_trees
	start_wrapper --root "$T/root"
	hidden "$T/outside.sh"
	logged "outside\.sh: is $T/outside\.sh, outside of every --root"
	hidden /bin/true
}

@test "--root refuses a path that leaves it by .., and takes one that comes back" {
	make_trees
	start_wrapper --root "$T/root"
	hidden "$T/root/../outside.sh"
	hidden "$T/root/sub/../../outside.sh"
	ask get "$T/root/sub/../inside.sh"
	has_line 'I am root/inside.sh'
}

@test "--root refuses a link that leads out of it, and takes one that stays inside" {
	make_trees
	ln -s "$T/outside.sh" "$T/root/link.sh"
	ln -s ../outside.sh "$T/root/relative.sh"
	ln -s .. "$T/root/up"
	ln -s sub/deep.sh "$T/root/short.sh"
	start_wrapper --root "$T/root"
	hidden "$T/root/link.sh"
	hidden "$T/root/relative.sh"
	hidden "$T/root/up/outside.sh"
	ask get "$T/root/short.sh"
	has_line 'I am root/sub/deep.sh'
}

@test "--root is no prefix of names" {
	make_trees
	mkdir "$T/root-2"
	cp "$T/outside.sh" "$T/root-2/outside.sh"
	start_wrapper --root "$T/root"
	hidden "$T/root-2/outside.sh"
}

@test "--root may be a link" {
	make_trees
	ln -s root "$T/entry"
	start_wrapper --root "$T/entry"
	ask get "$T/entry/inside.sh"
	has_line 'I am root/inside.sh'
	ask get "$T/root/inside.sh"
	has_line 'I am root/inside.sh'
	hidden "$T/entry/../outside.sh"
}

@test "--root may be given several times" {
	make_trees
	start_wrapper --root "$T/root/sub" --root "$T/other"
	ask get "$T/root/sub/deep.sh"
	has_line 'I am root/sub/deep.sh'
	ask get "$T/other/other.sh"
	has_line 'I am other/other.sh'
	hidden "$T/root/inside.sh"
}

@test "--root / is everything" {
	make_trees
	start_wrapper --root /
	ask get "$T/outside.sh"
	has_line 'I am outside.sh'
}

@test "-p adds single scripts to --root" {
	make_trees
	start_wrapper --root "$T/root" -p "$T/outside.sh"
	ask get "$T/outside.sh"
	has_line 'I am outside.sh'
	ask get "$T/root/inside.sh"
	has_line 'I am root/inside.sh'
	eventually hidden "$T/other/other.sh"
	logged 'other\.sh.* outside of every --root and not allowed by -p'
}

@test "--root runs a script in its directory, and refuses FCGI_CHDIR" {
	make_trees
	script root/sub/pwd.sh <<-'END'
		#!/bin/sh
		printf 'Content-Type: text/plain\n\n%s\n' "$(pwd -P)"
	END
	start_wrapper --root "$T/root"
	ask get "$T/root/sub/pwd.sh"
	has_line "$T/root/sub"
	refused "$T/root/sub/pwd.sh" FCGI_CHDIR=/
	refused "$T/root/sub/pwd.sh" FCGI_CHDIR=-
	logged 'FCGI_CHDIR is not possible with --root or -p'
}

@test "-p refuses FCGI_CHDIR, also beside --root" {
	make_trees
	start_wrapper -p "$T/outside.sh"
	refused "$T/outside.sh" FCGI_CHDIR=/
	logged 'FCGI_CHDIR is not possible with --root or -p'
	stop wrapper
	start_wrapper -p "$T/outside.sh" --root "$T/root"
	refused "$T/outside.sh" FCGI_CHDIR=/
}

@test "--root and -p do not tell what there is elsewhere, but the log does" {
	local options

	make_trees
	mkdir "$T/other/dir"
	mkfifo "$T/other/fifo"
	echo >"$T/other/no-x-bit"
	ln -s "$T/other" "$T/root/away"
	for options in "--root $T/root" "-p $T/outside.sh"; do
		# shellcheck disable=SC2086
		start_wrapper $options
		for name in dir dir/ dir/missing fifo no-x-bit other.sh other.sh/info missing; do
			hidden "$T/other/$name"
			hidden "$T/root/away/$name"
		done
		logged "other/dir: a directory, not a script"
		logged "other/no-x-bit: "
		stop wrapper
	done
}

@test "--root tells what is wrong with what is below it" {
	make_trees
	echo >"$T/root/no-x-bit"
	start_wrapper --root "$T/root"
	refused "$T/root/sub"
	refused "$T/root"
	refused "$T/root/no-x-bit"
	hidden "$T/root/missing"
}

@test "--root follows a link that is switched while it runs" {
	make_trees
	ln -s root "$T/current"
	start_wrapper --root "$T/current"
	ask get "$T/current/inside.sh"
	has_line 'I am root/inside.sh'
	ln -sfn other "$T/current"
	eventually switched_to other/other.sh
	ln -sfn root "$T/current"
	eventually switched_to root/inside.sh
	eventually hidden "$T/other/other.sh"
}

@test "--root that is switched is followed at once, whatever was refused before" {
	local i

	make_trees
	ln -s root "$T/current"
	start_wrapper -c 1 --root "$T/current"
	for i in 1 2 3; do
		ln -sfn other "$T/current"
		switched_to other/other.sh
		hidden "$T/root/inside.sh"
		ln -sfn root "$T/current"
		switched_to root/inside.sh
		hidden "$T/other/other.sh"
	done
}

# switched_to NAME: this one is run behind the link now.
switched_to() {
	talk get "$T/current/${1##*/}" expect-text "I am $1" >/dev/null 2>&1
}

@test "--root calls a program by the name that was asked for" {
	mkdir "$T/root"
	cp "$(type -P bash)" "$T/root/many"
	ln -s many "$T/root/one"
	start_wrapper --root "$T/root"
	ask post "$T/root/one" $'printf "Content-Type: text/plain\\n\\n$0 $SCRIPT_FILENAME"'
	has_line "$T/root/one $T/root/one"
}

@test "--root tells a script its real path" {
	make_trees
	cp "$CGI/env.sh" "$T/root/env.sh"
	start_wrapper --root "$T/root"
	ask get "$T/root/env.sh/info" SCRIPT_NAME=/env.sh/info
	has_line "SCRIPT_FILENAME=$T/root/env.sh" PATH_INFO=/info SCRIPT_NAME=/env.sh
}

@test "a --root that is missing, or no directory, is refused at the start" {
	make_trees
	refuses_start --root "$T/missing"
	has "--root $T/missing: No such file"
	refuses_start --root "$T/outside.sh"
	has "--root $T/outside.sh: not a directory"
}

# In the background, $T/root/x.sh and $T/root/dir/x.sh change all the time between
# a script inside and one outside.
start_flipping() {
	mkdir "$T/out" "$T/root/dir"
	script root/real.sh <<<$'#!/bin/sh\nprintf "Content-Type: text/plain\\n\\ninside\\n"'
	cp "$T/root/real.sh" "$T/root/dir/x.sh"
	script out/x.sh <<-END
		#!/bin/sh
		: >$T/escaped
		printf 'Content-Type: text/plain\n\noutside\n'
	END
	ln -s "$T/out" "$T/root/away"
	start flip perl -e '
		my $t = $ARGV[0];
		my $n = 0;
		chdir "$t/root" or die;
		while (1) {
			link "real.sh", "next" or die $!;
			rename "next", "x.sh" or die $!;
			symlink "$t/out/x.sh", "next" or die $!;
			rename "next", "x.sh" or die $!;
			rename "dir", "home"; rename "away", "dir";
			rename "dir", "away"; rename "home", "dir";
			if (++$n == 100) { open my $f, ">", "$t/flipping"; }
		}' "$T"
	eventually test -e "$T/flipping"
}

@test "--root never runs what is outside, however fast a program's name changes its meaning" {
	local end=$((SECONDS + 2))

	mkdir "$T/root"
	start_flipping
	# Programs that are no scripts: what is executed is what was checked.
	cp "$(type -P pwd)" "$T/root/real.sh"
	cp "$(type -P whoami)" "$T/out/x.sh"
	start_wrapper --root "$T/root"
	# Until it has been seen outside, too.
	until [ "$SECONDS" -ge "$end" ] && grep -q 'outside of every --root' "$T/log"; do
		[ "$SECONDS" -lt "$((end + 20))" ]
		run "$FCGI_TALK" -n 100 -j 2 "$SOCKET" get "$T/root/x.sh" expect-end
		[ "$output" = 'ok=100 failed=0' ]
	done
	grep -q "its header line .*$T/root\|$T/root.*no header\|\"$T/root" "$T/log"
	not grep -q "\"$(whoami)\"" "$T/log"
}

@test "--root never runs a script that is outside, however fast its directory changes its meaning" {
	local end=$((SECONDS + 2))

	mkdir "$T/root"
	start_flipping
	start_wrapper --root "$T/root"
	until [ "$SECONDS" -ge "$end" ] && grep -q 'outside of every --root' "$T/log"; do
		run "$FCGI_TALK" -n 100 -j 2 "$SOCKET" get "$T/root/dir/x.sh" expect-end
		[ "$output" = 'ok=100 failed=0' ]
		[ "$SECONDS" -lt "$((end + 60))" ]
	done
	vanished "$T/escaped"
}

@test "--interpreter runs files of its suffix that have no x bit" {
	printf '%s\n' 'printf "Content-Type: text/plain\n\nread by sh: $0\n"' >"$T/page.shx"
	start_wrapper --interpreter .shx=/bin/sh --interpreter .none=/bin/true
	ask get "$T/page.shx"
	has_line "read by sh: $T/page.shx"
	chmod 755 "$T/page.shx"
	ask get "$T/page.shx" expect-text 'Status: 502 '
	cp "$T/page.shx" "$T/page.shy"
	chmod 644 "$T/page.shy"
	refused "$T/page.shy"
	logged 'page\.shy: may not be executed'
}

@test "--interpreter works below --root" {
	mkdir "$T/root"
	printf '%s\n' 'printf "Content-Type: text/plain\n\nread by sh\n"' >"$T/root/page.shx"
	start_wrapper --root "$T/root" --interpreter .shx=/bin/sh
	ask get "$T/root/page.shx"
	has_line 'read by sh'
}

@test "--interpreter below --root reads the file that was allowed, and no link in its place" {
	mkdir "$T/root" "$T/out"
	printf '%s\n' 'printf "Content-Type: text/plain\n\ninside\n"' >"$T/root/page.shx"
	printf '%s\n' 'printf "Content-Type: text/plain\n\noutside\n"' >"$T/out/page.shx"
	cp "$CGI/wait.sh" "$T/root"
	start_wrapper -c 1 --max-scripts 1 --root "$T/root" --interpreter .shx=/bin/sh
	start_queued "$T/root/wait.sh" "$T/root/page.shx"
	ln -sf "$T/out/page.shx" "$T/root/page.shx"
	: >"$T/go"
	await queued
	grep 'Status: 404 ' "$T/queued"
	logged 'page.shx: is .*/out/page.shx, outside of every --root'
}

@test "--interpreter below --root never reads what is outside, however fast its name changes" {
	local end=$((SECONDS + 2))

	mkdir "$T/root"
	start_flipping
	printf '%s\n' 'printf "Content-Type: text/plain\n\ninside\n"' >"$T/root/real.sh"
	printf '%s\n' ": >$T/escaped" >"$T/out/x.sh"
	chmod 644 "$T/root/real.sh" "$T/out/x.sh"
	start_wrapper --root "$T/root" --interpreter .sh=/bin/sh
	# Until it has been seen outside, too.
	until [ "$SECONDS" -ge "$end" ] && grep -q 'outside of every --root' "$T/log"; do
		[ "$SECONDS" -lt "$((end + 20))" ]
		run "$FCGI_TALK" -n 100 -j 2 "$SOCKET" get "$T/root/x.sh" expect-end
		[ "$output" = 'ok=100 failed=0' ]
	done
	vanished "$T/escaped"
}

@test "--interpreter wants a suffix and the path of a program" {
	local rule

	for rule in shx=/bin/sh .shx .shx= .=/bin/sh .shx=sh; do
		refuses_start --interpreter "$rule"
		has "--interpreter wants .SUFFIX=/PATH, not \"$rule\""
	done
	refuses_start --interpreter .shx=/nonexistent
	has '--interpreter .shx=/nonexistent: No such file'
}

# from ADDRESS: whether a client with that address is answered.
from() {
	perl -MIO::Socket::IP -e '
		$SIG{PIPE} = "IGNORE";
		my ($local, $host, $port) = @ARGV;
		my $s = IO::Socket::IP->new(LocalHost => $local, PeerHost => $host,
			PeerPort => $port, Timeout => 10) or die "$@\n";
		syswrite $s, "\1\11\0\0\0\0\0\0";
		exit !sysread $s, my $answer, 8;
	' "$1" "$2" "$PORT"
}

@test "--allow serves only the peers that it names" {
	PORT=$(free_port)
	start_wrapper -s "tcp:127.0.0.1:$PORT" --allow 127.0.0.1 --allow 127.0.0.3
	from 127.0.0.1 127.0.0.1
	from 127.0.0.3 127.0.0.1
	not from 127.0.0.2 127.0.0.1
	logged 'connection from 127\.0\.0\.2 refused \(--allow'
}

@test "--allow takes networks" {
	PORT=$(free_port)
	start_wrapper -s "tcp:127.0.0.1:$PORT" --allow 127.0.0.0/31 --allow 127.9.0.0/16 --allow 10.0.0.0/8
	from 127.0.0.1 127.0.0.1
	from 127.9.200.1 127.0.0.1
	not from 127.0.0.2 127.0.0.1
	not from 127.8.200.1 127.0.0.1
}

@test "--allow takes IPv6 addresses and networks" {
	ip6_works || skip 'no IPv6 here'
	PORT=$(free_port)
	start_wrapper -s "tcp6:[::1]:$PORT" --allow ::/127
	from ::1 ::1
	stop wrapper
	start_wrapper -s "tcp6:[::1]:$PORT" --allow fd00::/8 --allow ::2
	not from ::1 ::1
	logged 'connection from ::1 refused'
}

ip6_works() {
	perl -MIO::Socket::IP -e 'exit !IO::Socket::IP->new(LocalHost => "::1", Listen => 1)'
}

@test "--allow knows an IPv4 peer of an IPv6 socket" {
	ip6_works || skip 'no IPv6 here'
	PORT=$(free_port)
	SOCKET=tcp:127.0.0.1:$PORT
	start wrapper run_under "$FCGIWRAP" -s "tcp6:[::]:$PORT" --root / \
		--allow 127.0.0.1 --allow ::1
	eventually from ::1 ::1
	from 127.0.0.1 127.0.0.1 || skip 'IPv6 sockets take no IPv4 here'
	not from 127.0.0.2 127.0.0.1
}

@test "--allow wants addresses" {
	local bad

	for bad in localhost 127.0.0.1/33 ::1/129 127.0.0.1/ 127.0.0.1/8x 1.2.3 '' 127.0.0.1/-1; do
		refuses_start --allow "$bad"
		has "--allow: \"$bad\" is not an address"
	done
}

@test "FCGI_WEB_SERVER_ADDRS lists the peers that are served" {
	PORT=$(free_port)
	FCGI_WEB_SERVER_ADDRS=127.0.0.1,127.0.0.3 start_wrapper -s "tcp:127.0.0.1:$PORT"
	from 127.0.0.1 127.0.0.1
	from 127.0.0.3 127.0.0.1
	not from 127.0.0.2 127.0.0.1
}

@test "FCGI_WEB_SERVER_ADDRS that is not understood is refused at the start" {
	FCGI_WEB_SERVER_ADDRS=127.0.0.1,example.org refuses_start
	has 'FCGI_WEB_SERVER_ADDRS: "example.org" is not an address'
}

@test "FCGI_WEB_SERVER_ADDRS that names no address is refused at the start" {
	local list

	for list in ',' ' ' ' , '; do
		FCGI_WEB_SERVER_ADDRS=$list refuses_start
		has "FCGI_WEB_SERVER_ADDRS: \"$list\" names no address"
	done
}

@test "FCGI_WEB_SERVER_ADDRS does not concern a Unix socket" {
	FCGI_WEB_SERVER_ADDRS=10.0.0.1 start_wrapper
	ask get "$CGI/hello.sh"
	has_line hello
}

# As nobody; the folder of the test and the programs have to be open to them.
as_nobody() {
	setpriv --reuid=65534 --regid=65534 --clear-groups "$@"
}

need_nobody() {
	need_root
	need setpriv
	chmod 755 "$T"
	as_nobody test -x "$FCGI_TALK" || skip 'the build is not open to other users'
}

@test "--allow-user serves only the users that it names" {
	need_nobody
	start_wrapper --socket-mode 0666 --allow-user root
	ask get "$CGI/hello.sh"
	has_line hello
	not as_nobody "$FCGI_TALK" "$SOCKET" get "$CGI/hello.sh"
	logged 'connection from uid 65534 refused \(--allow'
}

@test "--allow-user takes several users, and numbers" {
	need_nobody
	start_wrapper --socket-mode 0666 --allow-user 65534 --allow-user 4242
	as_nobody "$FCGI_TALK" "$SOCKET" get "$CGI/hello.sh"
	setpriv --reuid=4242 --regid=4242 --clear-groups "$FCGI_TALK" "$SOCKET" get "$CGI/hello.sh"
	not talk get "$CGI/hello.sh"
}

@test "--allow-user wants users that there are" {
	refuses_start --allow-user no-such-user
	has '--allow-user no-such-user: there is none of that name'
}

@test "--socket-mode sets the socket's mode, whatever the umask" {
	umask 077
	start_wrapper --socket-mode 0666
	[ "$(stat -c %a "$T/s")" = 666 ]
}

@test "--socket-owner and --socket-group set the socket's owner" {
	need_root
	id www-data >/dev/null 2>&1 && id nobody >/dev/null 2>&1 || skip 'no such users here'
	start_wrapper --socket-owner nobody --socket-group www-data
	[ "$(stat -c %U:%G "$T/s")" = nobody:www-data ]
	[ "$(($(stat -c 0%a "$T/s") & 07117))" = 0 ]
}

@test "--socket-acl-users and --socket-acl-groups let others connect, too" {
	need_root
	need setpriv
	[ -e "$FCGI_BUILD/common/acl-linux.o" ] || skip 'built without access control lists'
	chmod 755 "$T"
	start_wrapper --socket-mode 0600 --socket-acl-users nobody --socket-acl-groups 54321
	as() {
		setpriv --reuid="$1" --regid="$2" --clear-groups "$FCGI_TALK" "$SOCKET" close
	}
	as nobody 54444
	as 54444 54321
	! as 54444 54445 || return 1
	refuses_start --socket-acl-users no-such-user
	has "--socket-acl-users: can't find user name no-such-user"
}

@test "--socket-owner alone gives the socket to its group too" {
	need_root
	id www-data >/dev/null 2>&1 || skip 'no such user here'
	start_wrapper --socket-owner www-data
	[ "$(stat -c %U:%G "$T/s")" = "www-data:$(id -gn www-data)" ]
}

@test "an owner or group of a socket that there is not is refused" {
	refuses_start --socket-owner no-such-user
	has '--socket-owner no-such-user: there is none of that name'
	refuses_start --socket-group no-such-group
	has '--socket-group no-such-group: there is none of that name'
	vanished "$T/s"
}

@test "a mode of a socket that is none is refused" {
	local mode

	for mode in rw 888 01777 ''; do
		refuses_start --socket-mode "$mode"
		has --socket-mode
	done
}

@test "a socket is never open wider than --socket-mode says, from birth" {
	need strace
	strace -o "$T/strace" true 2>/dev/null || skip 'strace may not trace here'
	umask 0
	# Its first moment lasts long enough to look at.
	start wrapper env ASAN_OPTIONS=detect_leaks=0 strace -I 2 -f -qq -o "$T/strace" -e trace=bind \
		-e inject=bind:delay_exit=700000 "$FCGIWRAP" -s "$SOCKET" --socket-mode 0600
	eventually test -S "$T/s"
	[ "$(stat -c %a "$T/s")" = 600 ]
	not talk get "$CGI/hello.sh"
	eventually talk get "$CGI/hello.sh"
	[ "$(stat -c %a "$T/s")" = 600 ]
}

# replaced_by COMMAND...: whoever may write to the directory does this with the socket, $T/d/s, when
# it has just been bound, before it is given away. It is told about, and nothing else is given away.
replaced_by() {
	need_root
	need strace
	id www-data >/dev/null 2>&1 || skip 'no such user here'
	strace -o "$T/strace" true 2>/dev/null || skip 'strace may not trace here'
	mkdir "$T/d"
	echo secret >"$T/secret"
	start wrapper env ASAN_OPTIONS=detect_leaks=0 strace -I 2 -f -qq -o "$T/strace" -e trace=bind \
		-e inject=bind:delay_exit=2000000 "$FCGIWRAP" -s "unix:$T/d/s" --socket-owner www-data
	eventually test -S "$T/d/s"
	"$@"
	await wrapper
	[ "$STATUS" = 1 ]
	grep -q "cannot use $T/d/s: somebody has removed or replaced it" "$T/wrapper.log"
	[ "$(stat -c %U "$T/secret")" = root ]
}

@test "a socket that is replaced by a link before it is given away" {
	replaced_by ln -sf "$T/secret" "$T/d/s"
	[ -L "$T/d/s" ]
}

@test "a socket that is replaced by another name of a file before it is given away" {
	replaced_by ln -f "$T/secret" "$T/d/s"
}

@test "a socket that is replaced by another name of a socket before it is given away" {
	another() {
		perl -MIO::Socket::UNIX -e 'IO::Socket::UNIX->new(Local => shift, Listen => 1) or die' "$T/other"
		ln -f "$T/other" "$T/d/s"
	}

	replaced_by another
	[ "$(stat -c %U "$T/other")" = root ]
}

@test "a TCP address that others can reach, without --allow, is warned of loudly" {
	start_wrapper -s "tcp:0.0.0.0:$(free_port)"
	logged '^fcgiwrap: WARNING: anybody who can connect to this TCP port can run any program'
	logged_times 1 .
}

@test "scripts that others can reach as if they were the web server are warned of" {
	local restriction

	for restriction in --root="$CGI" -p"$CGI/hello.sh"; do
		: >"$T/log"
		start_wrapper -s "tcp:0.0.0.0:$(free_port)" "$restriction"
		logged '^fcgiwrap: WARNING: anybody who can connect to this TCP port can run its scripts'
		logged_times 1 .
		stop wrapper
	done
}

@test "an empty FCGI_WEB_SERVER_ADDRS is no list of peers: all are served, with the warning" {
	PORT=$(free_port)
	FCGI_WEB_SERVER_ADDRS='' start_wrapper -s "tcp:0.0.0.0:$PORT"
	from 127.0.0.2 127.0.0.1
	logged '^fcgiwrap: WARNING: anybody who can connect to this TCP port'
}

@test "there is no warning for a loopback address, a Unix socket, or with a list of peers" {
	local address

	for address in "tcp:127.0.0.1:$(free_port)" "unix:$T/s"; do
		start_wrapper -s "$address"
		stop wrapper
	done
	start_wrapper -s "tcp:0.0.0.0:$(free_port)" --allow 127.0.0.1
	stop wrapper
	FCGI_WEB_SERVER_ADDRS=127.0.0.1 start_wrapper -s "tcp:0.0.0.0:$(free_port)"
	stop wrapper
	logged_times 0 .
}

@test "--env sets variables for scripts, and clients cannot change them" {
	start_wrapper --env COLOUR=blue --env EMPTY= --env PATH=/bin:/usr/bin --env A==b=c
	ask get "$CGI/env.sh" COLOUR=red
	has_line COLOUR=blue EMPTY= PATH=/bin:/usr/bin A==b=c
	lacks COLOUR=red
}

@test "--env goes before the environment of fcgiwrap" {
	COLOUR=red start_wrapper --env COLOUR=blue
	ask get "$CGI/env.sh"
	has_line COLOUR=blue
	lacks red
}

@test "--env wants NAME=VALUE" {
	local bad

	for bad in NAME =value ''; do
		refuses_start --env "$bad"
		has "--env wants NAME=VALUE, not \"$bad\""
	done
}

@test "--clear-env keeps the environment of fcgiwrap from scripts" {
	SECRET=inherited start_wrapper --clear-env --env COLOUR=blue
	ask get "$CGI/env.sh" PARAMETER=1
	has_line COLOUR=blue PARAMETER=1
	has_line PATH=/usr/local/bin:/usr/bin:/bin
	lacks SECRET inherited "$T/"
}

# A script that tells its limits.
make_limits() {
	script limits.sh <<-END
		#!$(type -P bash)
		printf 'Content-Type: text/plain\n\n'
		for limit in t v d n u f c; do
			echo "\$limit=\$(ulimit -S\$limit)"
			echo "hard \$limit=\$(ulimit -H\$limit)"
		done
	END
}

@test "--limit sets each kind of limit, for scripts only" {
	need_proc
	make_limits
	start_wrapper --limit cpu=100 --limit as=2g --limit data=1024m --limit nofile=77 \
		--limit nproc=5000 --limit fsize=64k --limit core=0
	ask get "$T/limits.sh"
	has_line t=100 v=2097152 d=1048576 n=77 'hard n=77' u=5000 f=64 'hard f=64' c=0 'hard c=0'
	not grep -E '^Max open files +77 ' "/proc/$(pid_of wrapper)/limits"
}

@test "--limit without a unit counts in bytes" {
	make_limits
	start_wrapper --limit fsize=10240 --limit as=1073741824
	ask get "$T/limits.sh"
	has_line f=10 v=1048576
}

@test "--limit cannot raise a limit that is lower already" {
	make_limits
	need prlimit
	TEST_WRAPPER="prlimit --nofile=100:100 ${TEST_WRAPPER-}" start_wrapper --limit nofile=5000
	ask get "$T/limits.sh"
	has_line n=100
}

@test "--limit may be what is in force already" {
	make_limits
	need prlimit
	TEST_WRAPPER="prlimit --cpu=100:100 ${TEST_WRAPPER-}" start_wrapper --limit cpu=100
	ask get "$T/limits.sh"
	has_line t=100 'hard t=100'
}

@test "--limit wants a name and a number" {
	local bad

	for bad in cpu=x cpu= cpu nofile=1k as=1t as=1gb as=-1 fsize=1k1 nproc=1.5; do
		refuses_start --limit "$bad"
		has "--limit wants ${bad%%=*}=NUMBER" "$bad"
	done
	for bad in stack=1 '' =1 CPU=1 c=1 cpux=1; do
		refuses_start --limit "$bad"
		has "--limit \"$bad\": the limits are cpu, as, data, nofile, nproc, fsize and core"
	done
}

@test "--limit refuses numbers that are too large to be meant" {
	local bad

	for bad in as=99999999999999999999 as=99999999999g cpu=18446744073709551616; do
		refuses_start --limit "$bad"
		has "--limit wants ${bad%%=*}=NUMBER" "$bad"
	done
}

@test "a script that is killed for its CPU time is 502, and the limit named" {
	script busy.sh <<<$'#!/bin/sh\nwhile :; do :; done'
	start_wrapper --limit cpu=1
	ask get "$T/busy.sh" expect-text 'Status: 502 '
	logged 'busy\.sh: was killed by signal [0-9]+ \(.*\), .*the limit on CPU time, cpu after'
}

@test "a script that is killed for the size of a file is 502, and the limit named" {
	script writer.sh <<-END
		#!/bin/sh
		exec head -c 100000 /dev/zero >$T/large
	END
	start_wrapper --limit fsize=4k
	ask get "$T/writer.sh" expect-text 'Status: 502 '
	logged 'writer\.sh: was killed by signal [0-9]+ \(.*\), the limit on the size of files, fsize after'
	[ "$(stat -c %s "$T/large")" = 4096 ]
}

@test "--nice lowers the priority of scripts, not ours" {
	local ours

	script nice.sh <<<$'#!/bin/sh\nprintf "Content-Type: text/plain\n\nnice=%s\n" "$(nice)"'
	ours=$(nice)
	start_wrapper --nice 7
	ask get "$T/nice.sh"
	has_line "nice=$((ours + 7 > 19 ? 19 : ours + 7))"
	[ "$(ps -o ni= -p "$(pid_of wrapper)" | tr -d ' ')" = "$ours" ]
}

@test "--max-params bounds the parameters, with 431" {
	start_wrapper --max-params 2k
	ask get "$CGI/hello.sh" A="$(printf '%01500d' 1)"
	has_line hello
	ask get "$CGI/touch.sh" QUERY_STRING="$T/touched" A="$(printf '%02500d' 1)" keep \
		expect-text 'Status: 431 ' expect-end get "$CGI/hello.sh" keep
	has_line hello
	logged 'more than 2048 bytes of parameters .*--max-params'
	vanished "$T/touched"
}

@test "without --errors-to-client a page does not tell why" {
	start_wrapper
	ask get "$T/no-such.sh"
	has 'Status: 404 '
	lacks "$T" 'does not exist'
}

@test "--errors-to-client puts the reason into the page" {
	start_wrapper --errors-to-client
	ask get "$T/no-such.sh"
	has 'Status: 404 ' 'Content-Type: text/plain' "$T/no-such.sh does not exist"
	ask get "$CGI/bad-interpreter.sh"
	has 'Status: 502 ' '/nonexistent/interpreter'
	ask get "$CGI/exit.sh" REQUEST_METHOD=HEAD SCRIPT_FILENAME="$T/no-such.sh"
	has 'Status: 404 '
	lacks 'does not exist'
}

@test "--errors-to-client lets no request write header lines or control characters" {
	start_wrapper --errors-to-client
	ask get "$T/no\\r\\n\\r\\nSet-Cookie: a=b\\n\\x1b[31m.sh"
	has 'Status: 404 '
	lacks $'\nSet-Cookie' $'\x1b'
}

@test "a script that floods its standard error is logged in part, and what is missing is counted" {
	local told dropped

	start_wrapper
	ask get "$CGI/flood-stderr.sh" QUERY_STRING=20000
	has_line 'said it all'
	told=$(grep -c ': xxxx' "$T/log")
	dropped=$(sed -n 's/.*(\([0-9]*\) lines dropped)$/\1/p' "$T/log" | awk '{ n += $1 } END { print n + 0 }')
	[ "$told" -ge 200 ]
	[ "$told" -le 2000 ]
	[ "$((told + dropped))" = 20000 ]
}

@test "a quiet script is told in full beside one that floods" {
	start_wrapper
	start_client client get "$CGI/flood-stderr.sh" QUERY_STRING=50000
	ask get "$CGI/stderr.sh"
	[ "$(grep -c 'stderr\.sh\[[0-9]*\]: complaint [123]$' "$T/log")" = 3 ]
	await client
	[ "$STATUS" = 0 ]
}

@test "a long line of standard error is broken, and none of it is lost" {
	script long.sh <<-'END'
		#!/bin/sh
		printf '%03000d\n' 7 >&2
		printf 'Content-Type: text/plain\n\n'
	END
	start_wrapper
	ask get "$T/long.sh"
	logged '0007$'
	[ "$(sed -n 's/.*long\.sh\[[0-9]*\]: //p' "$T/log" | tr -d '\n' | wc -c)" = 3000 ]
	[ "$(grep -c long.sh "$T/log")" = 3 ]
}

@test "--allow-user on a TCP socket is refused, since it could not restrict anybody" {
	run -1 run_under "$FCGIWRAP" -s "tcp:127.0.0.1:$(free_port)" --allow-user root
	[[ $output == *'--allow-user: users cannot be told on a TCP socket'* ]]
}

@test "--allow on a Unix socket is refused, since it could not restrict anybody" {
	run -1 run_under "$FCGIWRAP" -s "unix:$T/s" --allow 127.0.0.1
	[[ $output == *'--allow: peers on a Unix socket have no addresses'* ]]
}
