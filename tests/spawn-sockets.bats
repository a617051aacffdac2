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
	eventually has_match '^0026$' "$T/umask"
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

# need_acl: skips the test where files have no access control lists.
need_acl() {
	need python3 setpriv
	[ -e "$FCGI_BUILD/common/acl-linux.o" ] || skip 'built without access control lists'
	python3 -c 'import errno, os, sys
try: os.getxattr(sys.argv[1], "system.posix_acl_access")
except OSError as e: sys.exit(e.errno != errno.ENODATA)' "$T" || skip 'no access control lists here'
}

# connects UID GID: whether they can connect to $S.
connects() {
	setpriv --reuid="$1" --regid="$2" --clear-groups perl -MIO::Socket::UNIX -e '
		exit !IO::Socket::UNIX->new(Peer => $ARGV[0])' "$S"
}

closed_to() {
	! connects "$@"
}

@test "--socket-acl-users: these can connect, too, and nobody else" {
	need_users
	need_acl
	spawn -s "$S" -u "$USER_A" -M 0600 --socket-acl-users "$USER_B,54321" -- /bin/sleep 60
	[ "$status" = 0 ]
	[ "$(owner_of "$S")" = "$USER_A:$(id -gn "$USER_A")" ]
	connects "$USER_A" 54444
	connects "$USER_B" 54444
	connects 54321 54444
	closed_to 54322 54444
	closed_to 54322 "$(id -g "$USER_A")"
}

@test "--socket-acl-groups: members of these can connect, too, and the group as its mode says" {
	need_users
	need_acl
	spawn -s "$S" -u "$USER_A" -M 0660 --socket-acl-groups 54321 -- /bin/sleep 60
	connects 54444 54321
	connects 54444 "$(id -g "$USER_A")"
	closed_to 54444 54445
}

@test "--socket-acl-users: others can connect as the mode says" {
	need_users
	need_acl
	spawn -s "$S" -u "$USER_A" -M 0606 --socket-acl-users "$USER_B" -- /bin/sleep 60
	connects 54444 54444
	connects "$USER_B" 54444
	closed_to 54444 "$(id -g "$USER_A")"
}

@test "--socket-acl-users needs no root" {
	need_users
	need_acl
	spawn_as_other -s "$S" -M 0600 --socket-acl-users "$USER_B" -- /bin/sleep 60
	[ "$status" = 0 ]
	[ "$stderr" = '' ]
	connects "$USER_B" 54444
	closed_to 54444 54444
}

@test "--socket-acl-users: the list is there before anybody can connect, inside a chroot too" {
	need_users
	need_acl
	jail /bin/sleep
	spawn -c "$T/jail" -s /s -u "$USER_A" -M 0600 --socket-acl-users "$USER_B" -- /bin/sleep 60
	[ "$status" = 0 ]
	S=$T/jail/s
	connects "$USER_B" 54444
	closed_to 54444 54444
}

@test "--socket-acl-users: what is wrong is refused by name, and nothing is left" {
	local names

	spawn -s "$S" --socket-acl-users no-such-user -- /bin/sleep 60
	[ "$status" = 255 ]
	[[ $stderr == *"--socket-acl-users: can't find user name no-such-user"* ]]
	spawn -s "$S" --socket-acl-groups no-such-group -- /bin/sleep 60
	[ "$status" = 255 ]
	[[ $stderr == *"--socket-acl-groups: can't find group name no-such-group"* ]]
	for names in '' ',' 1,,2 ',1' '1,' "$(seq -s , 65)"; do
		spawn -s "$S" --socket-acl-users "$names" -- /bin/sleep 60
		[ "$status" = 255 ]
		[[ $stderr == *'--socket-acl-users'* ]]
	done
	spawn -p "$(free_port)" --socket-acl-users 1 -- /bin/sleep 60
	[ "$status" = 255 ]
	[[ $stderr == *'need a Unix socket'* ]]
	nothing_left "$S"
}

@test "--socket-acl-users: a file system without lists is told, and nothing is left" {
	need_users
	need_acl
	need unshare
	unshare -m true || skip 'cannot mount here'
	mkdir "$T/fs"
	for check in '' --check; do
		capture unshare -m sh -c 'mount -t ramfs none "$1" && dir=$1 && shift && "$@" &&
			exit 0; status=$?; ls "$dir"; exit $status' sh "$T/fs" "$SPAWN_FCGI" $check \
			-s "$T/fs/s" --socket-acl-users "$USER_B" -- /bin/sleep 60
		[ "$status" = 255 ]
		[[ $stderr == *"list for $T/fs/s: Operation not supported (this file system"* ]]
		[ "$output" = '' ]
	done
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
