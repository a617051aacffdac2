#!/usr/bin/env bats
# The command line of spawn-fcgi: what it accepts, refuses and says.
#
# shellcheck disable=SC2016 # text for other shells
# shellcheck disable=SC2030,SC2031,SC2034,SC2153,SC2154,SC2314 # variables are set in spawn

load lib
load spawn

@test "-h, -? and --help print the same help on stdout" {
	spawn -h
	[ "$status" = 0 ]
	[ -z "$stderr" ]
	[[ $output == *"Usage: spawn-fcgi "* ]]
	local help=$output option

	for option in '-?' --help; do
		spawn "$option"
		[ "$status" = 0 ]
		[ "$output" = "$help" ]
	done
}

@test "every letter of the classic is in the help, with a long name" {
	local letter

	spawn -h
	for letter in c d f g n a p b u v C F s P U G M S h; do
		grep -Eq "^  -$letter, --[a-z-]+" <<<"$output" || { echo "-$letter"; false; }
	done
}

@test "no line of the help is wider than a terminal of 88 columns" {
	spawn -h
	! grep -E '^.{89}' <<<"$output"
}

@test "without any argument the help goes to stdout, and the status is 255" {
	spawn
	[ "$status" = 255 ]
	[[ $output == "Usage: "* ]]
}

@test "-v prints the one line that scripts compare" {
	spawn -v
	[ "$status" = 0 ]
	grep -Ex 'spawn-fcgi v[0-9]+(\.[0-9]+)+[^ ]* \(ipv6\) - spawns FastCGI processes' <<<"$output"
	local version=$output

	spawn --version
	[ "$output" = "$version" ]
}

@test "an unknown option is named, on stderr, with status 255" {
	spawn -s "$S" -Z -- /bin/true
	[ "$status" = 255 ]
	[ -z "$output" ]
	[[ $stderr == *"-Z"* ]]
	spawn -s "$S" --no-such -- /bin/true
	[ "$status" = 255 ]
	[[ $stderr == *"--no-such"*Usage:* ]]
	nothing_left "$S"
}

@test "the beginning of a long name is not taken for the name" {
	spawn --backl 5 -s "$S" -- /bin/sleep 60
	[ "$status" = 255 ]
	[[ $stderr == *"unknown option --backl (names are not abbreviated: --backlog?)"* ]]
	spawn -s "$S" --superv -- /bin/sleep 60
	[ "$status" = 255 ]
	[[ $stderr == *"unknown option --superv (names are not abbreviated: --supervise?)"* ]]
	nothing_left "$S"
}

@test "a missing argument is an error that names the option" {
	spawn -f /bin/true -p
	[ "$status" = 255 ]
	[[ $stderr == *"-p "* ]]
}

refuses() { # OPTION VALUE
	spawn -s "$S" -P "$T/pid" "$1" "$2" -- /bin/true
	[ "$status" = 255 ]
	[[ $stderr == *"$1 "*" to "*"\"$2\""* ]]
	nothing_left "$S" "$T/pid"
}

@test "-p takes a port: 0 to 65535" {
	refuses -p 70000
	refuses -p -1
	refuses -p 80x
	refuses -p ''
}

@test "-p 0 counts as not given" {
	spawn -p 0 -- /bin/true
	[ "$status" = 255 ]
	[[ $stderr == *"no socket given"* ]]
}

@test "-M takes an octal mode" {
	refuses -M 9z
	refuses -M 0888
	refuses -M 10000
}

@test "-F takes a number from 1 on, so that 0 is no silent nothing" {
	refuses -F 0
	refuses -F -2
	refuses -F x
}

@test "-b takes a number from 0 on, as the classic" {
	refuses -b x
	refuses -b -1
	spawn -b 0 -s "$S" -- /bin/sleep 60
	[ "$status" = 0 ]
	is_live "$S"
}

@test "-C takes a number, -1 for none" {
	refuses -C x
	refuses -C -2
}

@test "an application has to be given" {
	spawn -s "$S"
	[ "$status" = 255 ]
	[[ $stderr == *"no FastCGI application given"* ]]
}

@test "a socket has to be given" {
	spawn -f /bin/true
	[ "$status" = 255 ]
	[[ $stderr == *"no socket given"* ]]
}

@test "a Unix socket and a port contradict" {
	spawn -s "$S" -p 2000 -f /bin/true
	[ "$status" = 255 ]
	[[ $stderr == *"either a Unix domain socket"*"TCP-port"*"but not both"* ]]
	nothing_left "$S"
}

@test "a path of 108 bytes is too long for a socket, one of 107 is not" {
	local path=$T/

	while [ "${#path}" -lt 107 ]; do path+=x; done
	spawn -s "${path}x" -- /bin/sleep 60
	[ "$status" = 255 ]
	[[ $stderr == *"path of the Unix domain socket is too long"* ]]
	spawn -s "$path" -- /bin/sleep 60
	[ "$status" = 0 ]
	[ -S "$path" ]
}

@test "an address that is no IP address is refused by name" {
	local address

	for address in localhost 1.2.3.4.5 255.255.255.255 ::g ''; do
		spawn -a "$address" -p "$(free_port)" -- /bin/true
		[ "$status" = 255 ]
		[[ $stderr == *"'$address' is not a valid IP address"* ]]
	done
}

@test "-a means nothing beside -s" {
	spawn -a no-address -s "$S" -- /bin/sleep 60
	[ "$status" = 0 ]
	[ -S "$S" ]
}

@test "the application may stand among the options, as getopt allows" {
	spawn /bin/sleep 60 -s "$S"
	[ "$status" = 0 ]
	[ -S "$S" ]
}

@test "long names do what the letters do" {
	spawn --socket "$S" --socket-mode 0600 --pid-file="$T/pid" --forks=2 --backlog 5 \
		--directory / --php-children 3 --command '/bin/sleep 60'
	[ "$status" = 0 ]
	[ "$(mode_of "$S")" = 600 ]
	[ "$(cat "$T/pid")" = "$PIDS" ]
	[ "$(wc -w <<<"$PIDS")" = 2 ]
}

@test "an application after -- wins over -f" {
	need_proc
	spawn -s "$S" -f '/no/such/command' -- /bin/sleep 60
	[ "$status" = 0 ]
	[ "$(tr '\0' ' ' <"/proc/$PIDS/cmdline")" = "/bin/sleep 60 " ]
}

@test "messages have one line, and no control characters from the command line" {
	spawn -a $'1\e[31m\n2' -p 2000 -- /bin/true
	[ "$status" = 255 ]
	[ "$(wc -l <<<"$stderr")" = 1 ]
	[[ $stderr != *$'\e'* ]]
}
