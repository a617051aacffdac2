#!/usr/bin/env bats
# spawn-fcgi --check: whether a command line would work, and for whom.
#
# shellcheck disable=SC2016,SC2030,SC2031,SC2034,SC2153,SC2154,SC2314 # see spawn.bash

load lib
load spawn
load supervise

# checks [OPTION...]: all would be well.
checks() {
	spawn --check "$@"
	[ "$status" = 0 ]
	[ "$output" = 'spawn-fcgi: this command line would work' ]
	[ -z "$stderr" ]
}

need_trial() {
	[ -e "$FCGI_BUILD/common/trial-linux.o" ] || skip 'built without ptrace'
}

# finds TEXT [OPTION...]: something is in the way.
finds() {
	local text=$1

	shift
	spawn --check "$@"
	[ "$status" = 255 ]
	[ -z "$output" ]
	[[ $stderr == *"$text"* ]]
}

@test "--check starts nothing and makes nothing" {
	checks -s "$S" -P "$T/pid" --supervise --log "$T/log.file" -- /bin/sh -c "touch $T/ran"
	nothing_left "$S" "$T/pid" "$T/log.file" "$T/ran"
}

@test "--check: a free port" {
	checks -a 127.0.0.1 -p "$(free_port)" -- /bin/sleep
}

@test "--check: a port that is in use" {
	local port

	port=$(free_port)
	spawn -a 127.0.0.1 -p "$port" -- /bin/sleep 60
	finds 'Address already in use' -a 127.0.0.1 -p "$port" -- /bin/sleep
}

@test "--check: a socket that is in use" {
	spawn -s "$S" -- /bin/sleep 60
	finds 'socket is already in use' -s "$S" -- /bin/sleep
	is_live "$S"
}

@test "--check: a dead socket would be replaced, and is left alone" {
	make_stale "$S"
	checks -s "$S" -- /bin/sleep
	[ -S "$S" ]
}

@test "--check: a file in the place of the socket" {
	echo precious >"$S"
	finds 'it is not a socket' -s "$S" -- /bin/sleep
}

@test "--check: a directory that does not exist" {
	finds 'does the directory exist?' -s "$T/no/s" -- /bin/sleep
}

@test "--check: a program that does not exist, or may not be executed" {
	finds 'exec failed, /no/such: No such file' -s "$S" -- /no/such
	touch "$T/prog"
	finds 'chmod +x' -s "$S" -- "$T/prog"
	finds 'it is not a file' -s "$S" -- "$T"
	printf '#!/no/perl\n' >"$T/prog"
	chmod +x "$T/prog"
	finds 'its interpreter /no/perl does not exist' -s "$S" -- "$T/prog"
}

# agrees TEXT [OPTION...]: the check finds what the start fails with.
agrees() {
	finds "$@"
	shift
	slow_clock
	spawn "$@"
	[ "$status" != 0 ]
	nothing_left "$S"
}

@test "--check and start agree: a script without its first line" {
	echo 'sleep 60' >"$T/prog"
	chmod +x "$T/prog"
	agrees 'Exec format error' -s "$S" -- "$T/prog"
	printf '#!\nsleep 60\n' >"$T/prog"
	agrees 'Exec format error' -s "$S" -- "$T/prog"
}

@test "--check and start agree: an interpreter that may not be executed" {
	printf '#!%s\n' "$T/interpreter" >"$T/prog"
	chmod +x "$T/prog"
	touch "$T/interpreter"
	agrees "its interpreter is not executable by this user: $T/interpreter" -s "$S" -- "$T/prog"
}

@test "--check and start agree: an interpreter whose own interpreter does not exist" {
	need_trial
	printf '#!/no/such\n' >"$T/interpreter"
	printf '#!%s\n' "$T/interpreter" >"$T/prog"
	chmod +x "$T/prog" "$T/interpreter"
	agrees "its interpreter $T/interpreter exists, but" -s "$S" -- "$T/prog"
}

@test "--check and start agree: a binary whose loader does not exist" {
	need_trial
	need cc
	echo 'int main(void) { return 0; }' >"$T/prog.c"
	cc -o "$T/prog" "$T/prog.c" -Wl,--dynamic-linker=/no/loader || skip 'no such linker here'
	agrees 'its dynamic loader does not' -s "$S" -- "$T/prog"
}

@test "--check and start agree: a binary that is cut off" {
	need_trial
	head -c 5000 /bin/sleep >"$T/prog"
	chmod +x "$T/prog"
	agrees 'exec failed' -s "$S" -- "$T/prog"
}

@test "--check and start agree: a line that is too long for the system" {
	need_trial
	local line="sleep 60 "

	line+=$(head -c $((131070 - ${#line})) /dev/zero | tr '\0' 6)
	agrees 'exec failed, /bin/sh: Argument list too long' -s "$S" -f "$line"
}

@test "--check and start agree: a command that the shell does not find" {
	agrees 'the shell would not find the command no_such_command' -s "$S" -f 'no_such_command -a'
	agrees 'the shell would not find the command A=1' -s "$S" -f 'A=1 sleep 60'
	agrees 'the shell would not find the command sleep' -s "$S" --env PATH=/no -f 'sleep 60'
	agrees 'exec failed, /no/such: No such file' -s "$S" -f '/no/such -a'
	checks -s "$S" -f 'sleep 60'
	checks -s "$S" -f '/bin/sleep 60'
}

@test "--check and start agree: a command that may not be executed" {
	touch "$T/command"
	agrees 'chmod +x' -s "$S" --env "PATH=$T" -f command
	agrees 'chmod +x' -s "$S" -f "$T/command"
}

@test "--check: a script without its first line is one for the shell of -f" {
	echo 'exec sleep 60' >"$T/prog"
	chmod +x "$T/prog"
	checks -s "$S" -f "$T/prog"
	spawn -s "$S" -f "$T/prog"
	[ "$status" = 0 ]
}

@test "--check and start agree: a quote that is not closed" {
	agrees 'the shell does not understand this line' -s "$S" -f 'sleep "60'
}

@test "--check: a line that only the shell understands is not run, and that is told" {
	spawn --check -s "$S" -f "\$(touch $T/ran) sleep 60"
	[ "$status" = 0 ]
	[[ $stderr == *'what the shell makes of this line was not looked at'* ]]
	spawn --check -s "$S" -f "sleep 60 >$T/ran"
	[ "$status" = 0 ]
	nothing_left "$T/ran"
}

@test "--check: a server that listens on the socket does not notice" {
	start server perl -MIO::Socket::UNIX -e '
		my $listener = IO::Socket::UNIX->new(Local => $ARGV[0], Listen => 5) or die $!;
		print STDERR "listens\n";
		print scalar readline $listener->accept;' "$S"
	eventually has_match listens "$T/server.log"
	finds 'socket is already in use' -s "$S" --web-user "$(id -un)" -- /bin/sleep
	perl -MIO::Socket::UNIX -e \
		'print { IO::Socket::UNIX->new(Peer => $ARGV[0]) } "the first to connect\n"' "$S"
	await server
	[ "$(cat "$T/server.out")" = 'the first to connect' ]
}

@test "--check: what a service manager passes has to be a listening socket" {
	need perl
	# With a socket as descriptor 3, which listens or does not.
	passed() {
		perl -MPOSIX -MSocket -e '
			my $listens = shift @ARGV;
			$^F = 255;
			socket(my $s, AF_INET, SOCK_STREAM, 0) or die;
			listen($s, 5) or die if $listens;
			POSIX::dup2(fileno $s, 3) or die;
			@ENV{"LISTEN_FDS", "LISTEN_PID"} = (1, $$);
			exec @ARGV;
		' "$@"
	}
	capture passed 1 "$SPAWN_FCGI" --check --supervise -- /bin/sleep
	[ "$status" = 0 ]
	capture passed 0 "$SPAWN_FCGI" --check --supervise -- /bin/sleep
	[ "$status" = 255 ]
	[[ $stderr == *'is not a listening socket'* ]]
}

@test "--check: the program by the user that it would run as" {
	need_users
	mkdir -m 700 "$T/home"
	cp /bin/sleep "$T/home"
	checks -s "$S" -- "$T/home/sleep"
	finds 'Permission denied' -s "$S" -u "$USER_A" -- "$T/home/sleep"
}

@test "--check: the program inside of the chroot" {
	need_users
	jail /bin/sleep
	checks -s /s -c "$T/jail" -u "$USER_A" -- /bin/sleep
	finds 'looked up inside the chroot' -s /s -c "$T/jail" -- /bin/cat
}

@test "--check: a user that does not exist" {
	need_root
	finds 'no_such_user' -s "$S" -u no_such_user -- /bin/sleep
}

@test "--check: pid file and log" {
	finds "opening PID-file '/no/pid' failed" -s "$S" -P /no/pid -- /bin/sleep
	ln -s "$T/x" "$T/pid"
	finds 'a symbolic link is not followed' -s "$S" -P "$T/pid" -- /bin/sleep
	finds '--log: cannot open /no/log: No such file or directory' -s "$S" --supervise --log /no/log -- /bin/sleep
}

@test "--check tells all that is in the way, not only the first" {
	finds 'exec failed' -s "$T/no/s" -P /no/pid -- /no/such
	[[ $stderr == *'does the directory exist'* && $stderr == *'/no/pid'* ]]
}

@test "--web-user: whoever owns the socket can connect" {
	need_users
	checks -s "$S" -u "$USER_B" -U "$USER_A" -M 0600 --web-user "$USER_A" -- /bin/sleep
}

@test "--web-user: the mode of the socket is in the way" {
	need_users
	finds "cannot connect: the socket $S is closed to it (mode 0660, root:root; use -U $USER_A" \
		-s "$S" -M 0660 --web-user "$USER_A" -- /bin/sleep
	checks -s "$S" -M 0666 --web-user "$USER_A" -- /bin/sleep
	checks -s "$S" -M 0660 -G "$(id -gn "$USER_A")" --web-user "$USER_A" -- /bin/sleep
}

@test "--web-user: the access control list that the socket will have counts" {
	need_users
	[ -e "$FCGI_BUILD/common/acl-linux.o" ] || skip 'built without access control lists'
	checks -s "$S" -M 0600 --socket-acl-users "1,$USER_A" --web-user "$USER_A" -- /bin/sleep
	checks -s "$S" -M 0600 --socket-acl-groups "$(id -g "$USER_A")" --web-user "$USER_A" \
		-- /bin/sleep
	finds "the socket $S is closed to it" \
		-s "$S" -M 0600 --socket-acl-users "$USER_B" --web-user "$USER_A" -- /bin/sleep
}

@test "--web-user: a directory is in the way" {
	need_users
	mkdir -p "$T/a/b"
	chmod 700 "$T/a"
	finds "the directory $T/a is closed to it (mode 0700, root:root" \
		-s "$T/a/b/s" -M 0666 --web-user "$USER_A" -- /bin/sleep
	chmod 711 "$T/a"
	checks -s "$T/a/b/s" -M 0666 --web-user "$USER_A" -- /bin/sleep
	ln -s "$T/a/b" "$T/link"
	chmod 700 "$T/a"
	finds "the directory $T/a is closed to it" \
		-s "$T/link/s" -M 0666 --web-user "$USER_A" -- /bin/sleep
}

@test "--web-user: the socket that is there counts, if it is served" {
	need_users
	spawn -s "$S" -M 0600 -- /bin/sleep 60
	finds "the socket $S is closed to it (mode 0600" -s "$S" -M 0666 --web-user "$USER_A" \
		-- /bin/sleep
}

@test "--web-user: a socket that a service manager passes counts as it is, whatever -s says" {
	need_users
	need perl
	passed_file() {
		perl -MPOSIX -MIO::Socket::UNIX -e '
			$^F = 255;
			my $s = IO::Socket::UNIX->new(Local => shift @ARGV, Listen => 5) or die $!;
			POSIX::dup2(fileno $s, 3) or die;
			@ENV{"LISTEN_FDS", "LISTEN_PID"} = (1, $$);
			exec @ARGV;
		' "$@"
	}
	umask 077
	capture passed_file "$S" "$SPAWN_FCGI" --check --supervise -s "$T/other" -M 0666 \
		--web-user "$USER_A" -- /bin/sleep
	[ "$status" = 255 ]
	[[ $stderr == *"the socket $S is closed to it (mode 0700, "*"SocketUser=$USER_A"* ]]
	rm "$S"
	umask 0
	capture passed_file "$S" "$SPAWN_FCGI" --check --supervise -s "$T/no/such" -M 0600 \
		--web-user "$USER_A" -- /bin/sleep
	[ "$status" = 0 ]
}

@test "--web-user: what is said is so" {
	need_users
	need setpriv
	local mode connects='setpriv --reuid=www-data --regid=www-data --clear-groups'

	for mode in 0600 0660 0606 0602; do
		rm -f "$S"
		status=0
		spawn --check -s "$S" -M "$mode" --web-user www-data -- /bin/sleep
		foretold=$status
		spawn -s "$S" -M "$mode" -- /bin/sleep 60
		status=0
		$connects perl -MIO::Socket::UNIX -e \
			'exit !IO::Socket::UNIX->new(Peer => $ARGV[0])' "$S" || status=255
		echo "$mode: $foretold, $status"
		[ "$status" = "$foretold" ]
		kill "$PIDS"
	done
}

@test "--web-user: root can connect everywhere" {
	need_root
	mkdir -m 0 "$T/a"
	checks -s "$T/a/s" -M 0600 -U nobody --web-user root -- /bin/sleep
	checks -s "$T/a/s" -M 0600 -U nobody --web-user 0 -- /bin/sleep
}

@test "--web-user: a number that no user has" {
	need_root
	chmod 755 "$T"
	checks -s "$S" -M 0600 -U 54321 --web-user 54321 -- /bin/sleep
	finds '54321 cannot connect: the socket' -s "$S" -M 0600 --web-user 54321 -- /bin/sleep
}

@test "--web-user: somebody who does not exist" {
	finds 'no_such_user' -s "$S" --web-user no_such_user -- /bin/sleep
}
