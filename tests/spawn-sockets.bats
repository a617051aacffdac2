#!/usr/bin/env bats
# The socket that spawn-fcgi makes: where, whose, and for whom.
#
# shellcheck disable=SC2016 # text for other shells
# shellcheck disable=SC2030,SC2031,SC2034,SC2153,SC2154,SC2314 # variables are set in spawn

load lib
load spawn

@test "a Unix socket is there, and is answered on, when spawn-fcgi has ended" {
	spawn -s "$S" -- /bin/sleep 60
	[ "$status" = 0 ]
	[ -S "$S" ]
	is_live "$S"
}

@test "the mode is 0660 less the umask" {
	umask 027
	spawn -s "$S" -- /bin/sleep 60
	[ "$(mode_of "$S")" = 640 ]
	umask 0
	spawn -s "$T/s2" -- /bin/sleep 60
	[ "$(mode_of "$T/s2")" = 660 ]
}

@test "-M is the mode, whatever the umask is" {
	umask 077
	spawn -s "$S" -M 0666 -- /bin/sleep 60
	[ "$(mode_of "$S")" = 666 ]
	umask 0
	spawn -s "$T/s2" -M 600 -- /bin/sleep 60
	[ "$(mode_of "$T/s2")" = 600 ]
}

@test "at no moment is the mode wider than asked" {
	local i watcher

	umask 0
	perl -e '
		my ($path, $stop) = @ARGV;
		my ($wide, $seen) = (0, 0);
		do {
			for (1 .. 1000) {
				my $mode = (lstat $path)[2];
				next if !defined $mode;
				$seen++;
				$wide |= $mode & 0177;
			}
		} until -e $stop;
		printf "%o %d\n", $wide, $seen;
	' "$S" "$T/stop" >"$T/watched" 3>&- &
	watcher=$!
	for i in {1..100}; do
		"$SPAWN_FCGI" -s "$S" -M 0600 -- /no/such 2>/dev/null || :
	done
	touch "$T/stop"
	wait "$watcher"
	cat "$T/watched"
	read -r wide seen <"$T/watched"
	[ "$seen" -gt 0 ]
	[ "$wide" = 0 ]
}

@test "the umask of the program is the one spawn-fcgi was started with" {
	umask 026
	spawn -s "$S" -f "sh -c 'umask >$T/umask; sleep 60'"
	[ "$status" = 0 ]
	eventually grep -qx 0026 "$T/umask"
}

@test "a socket that nobody listens on is replaced" {
	make_stale "$S"
	spawn -s "$S" -- /bin/sleep 60
	[ "$status" = 0 ]
	is_live "$S"
}

@test "a socket that somebody listens on is left alone" {
	spawn -s "$S" -- /bin/sleep 60
	local first=$PIDS inode

	inode=$(stat -c %i "$S")
	spawn -s "$S" -- /bin/sleep 60
	[ "$status" = 255 ]
	[[ $stderr == *"$S"*"socket is already in use"* ]]
	[ -z "$PIDS" ]
	[ "$(stat -c %i "$S")" = "$inode" ]
	alive "$first"
	is_live "$S"
}

@test "a file that is not a socket is never removed" {
	echo precious >"$S"
	spawn -s "$S" -- /bin/sleep 60
	[ "$status" = 255 ]
	[[ $stderr == *"$S"*"not a socket"* ]]
	[ "$(cat "$S")" = precious ]
}

@test "neither is a directory, a FIFO or a link" {
	mkdir "$T/d"
	mkfifo "$T/f"
	ln -s "$T/nowhere" "$T/l"
	local path

	for path in "$T/d" "$T/f" "$T/l"; do
		spawn -s "$path" -- /bin/sleep 60
		[ "$status" = 255 ]
		[ -e "$path" ] || [ -L "$path" ]
	done
	nothing_left "$T/nowhere"
}

@test "of several starts on one path at once exactly one wins" {
	local i won=0 refused=0

	make_stale "$S"
	for i in {1..8}; do
		start "try$i" "$SPAWN_FCGI" -s "$S" -P "$T/pid$i" -- /bin/sleep 60
	done
	for i in {1..8}; do
		await "try$i"
		case $STATUS in
		0) won=$((won + 1)); adopt winner "$(cat "$T/pid$i")" ;;
		255) refused=$((refused + 1)); nothing_left "$T/pid$i" ;;
		esac
	done
	[ "$won $refused" = "1 7" ]
	is_live "$S"
}

@test "a directory that does not exist is named" {
	spawn -s "$T/no/s" -- /bin/true
	[ "$status" = 255 ]
	[[ $stderr == *"$T/no/s"*"No such file or directory"* ]]
}

@test "a path relative to the working directory will do" {
	cd "$T"
	spawn -s s -d / -- /bin/sleep 60
	[ "$status" = 0 ]
	is_live "$S"
}

@test "-b is the backlog" {
	need ss
	spawn -s "$S" -b 7 -- /bin/sleep 60
	[ "$(ss -xlH src "$S" | awk '{ print $4 }')" = 7 ]
}

@test "the backlog is 1024 by default, as far as the system allows" {
	need ss
	local most

	spawn -s "$S" -- /bin/sleep 60
	most=$(cat /proc/sys/net/core/somaxconn)
	[ "$(ss -xlH src "$S" | awk '{ print $4 }')" = $((most < 1024 ? most : 1024)) ]
}

listens_on() { # ADDRESS:PORT
	ss -tlnH "sport = :${1##*:}" | awk '{ print $4 }' | grep -Fqx "$1"
}

@test "-p without -a listens on every IPv4 address" {
	need ss
	local port

	port=$(free_port)
	spawn -p "$port" -- /bin/sleep 60
	[ "$status" = 0 ]
	listens_on "0.0.0.0:$port"
}

@test "-a takes IPv4 addresses, also those that inet_addr(3) completes" {
	need ss
	local port

	port=$(free_port)
	spawn -a 127.0.0.1 -p "$port" -- /bin/sleep 60
	[ "$status" = 0 ]
	listens_on "127.0.0.1:$port"
	port=$(free_port)
	spawn -a 127.1 -p "$port" -- /bin/sleep 60
	[ "$status" = 0 ]
	listens_on "127.0.0.1:$port"
}

@test "-a takes IPv6 addresses" {
	need ss
	[ -e /proc/net/if_inet6 ] || skip 'no IPv6 here'
	local port

	port=$(free_port)
	spawn -a ::1 -p "$port" -- /bin/sleep 60
	[ "$status" = 0 ]
	listens_on "[::1]:$port"
}

@test "a port that somebody listens on is refused by name" {
	local port

	port=$(free_port)
	spawn -a 127.0.0.1 -p "$port" -- /bin/sleep 60
	[ "$status" = 0 ]
	spawn -a 127.0.0.1 -p "$port" -- /bin/sleep 60
	[ "$status" = 255 ]
	[[ $stderr == *"127.0.0.1:$port"*"another server listens on it"* ]]
}

@test "an address of another machine is refused by name" {
	spawn -a 192.0.2.1 -p "$(free_port)" -- /bin/sleep 60
	[ "$status" = 255 ]
	[[ $stderr == *"192.0.2.1"* ]]
}

@test "the program gets a blocking socket" {
	need_proc
	spawn -s "$S" -- /bin/sleep 60
	(( ( 0$(sed -n 's/^flags:[[:space:]]*//p' "/proc/$PIDS/fdinfo/0") & 04000 ) == 0 ))
}

@test "the socket of a user who is not root is that user's" {
	spawn_as_other -s "$S" -M 0600 -- /bin/sleep 60
	[ "$status" = 0 ]
	[ "$(mode_of "$S")" = 600 ]
	[ "$EUID" != 0 ] || [ "$(stat -c %U "$S")" = "$USER_A" ]
}

@test "root's socket is root's, unless -u, -g, -U or -G say otherwise" {
	need_users
	spawn -s "$S" -- /bin/sleep 60
	[ "$(owner_of "$S")" = root:root ]
}

@test "-u gives the socket to the user and to its primary group" {
	need_users
	spawn -s "$S" -u "$USER_A" -- /bin/sleep 60
	[ "$(owner_of "$S")" = "$USER_A:$(id -gn "$USER_A")" ]
}

@test "-g beats the primary group of -u" {
	need_users
	spawn -s "$S" -u "$USER_A" -g "$(id -gn "$USER_B")" -- /bin/sleep 60
	[ "$(owner_of "$S")" = "$USER_A:$(id -gn "$USER_B")" ]
}

@test "-U beats -u, and its primary group beats -g" {
	need_users
	spawn -s "$S" -u "$USER_A" -g "$(id -gn "$USER_A")" -U "$USER_B" -- /bin/sleep 60
	[ "$(owner_of "$S")" = "$USER_B:$(id -gn "$USER_B")" ]
	[ "$(status_of "$PIDS" Uid | cut -d' ' -f1)" = "$(id -u "$USER_A")" ]
}

@test "-G beats them all" {
	need_users
	spawn -s "$S" -u "$USER_A" -U "$USER_A" -G "$(id -gn "$USER_B")" -- /bin/sleep 60
	[ "$(owner_of "$S")" = "$USER_A:$(id -gn "$USER_B")" ]
}

@test "-U takes a number that no user has, and the group stays the program's" {
	need_users
	spawn -s "$S" -u "$USER_A" -U 54321 -- /bin/sleep 60
	[ "$(stat -c %u:%G "$S")" = "54321:$(id -gn "$USER_A")" ]
}

@test "an unknown owner or group of the socket is refused by name" {
	need_users
	spawn -s "$S" -U no-such-user -- /bin/sleep 60
	[ "$status" = 255 ]
	[[ $stderr == *"can't find user name no-such-user"* ]]
	spawn -s "$S" -G no-such-group -- /bin/sleep 60
	[ "$status" = 255 ]
	[[ $stderr == *"can't find group name no-such-group"* ]]
	nothing_left "$S"
}
