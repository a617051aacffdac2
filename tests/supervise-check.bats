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
	finds '-P: cannot create /no/pid' -s "$S" -P /no/pid -- /bin/sleep
	ln -s "$T/x" "$T/pid"
	finds 'no regular file' -s "$S" -P "$T/pid" -- /bin/sleep
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

@test "--web-user: somebody who does not exist" {
	finds 'no_such_user' -s "$S" --web-user no_such_user -- /bin/sleep
}
