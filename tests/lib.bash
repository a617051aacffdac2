# What every test file loads ("load lib"): a folder of its own for each test, programs that are
# started and surely ended again, waiting for events instead of times, and a web server.
#
# FCGI_BUILD and FCGI_SOURCE are the roots of the build and of the sources, by default the parent
# of the folder that the test stands in; FCGI_SBINDIR and FCGI_BINDIR have the programs, if these
# are to be as installed. TEST_WRAPPER goes in front of the programs under test,
# for example "valgrind --error-exitcode=99".
#
# shellcheck shell=bash
# shellcheck disable=SC2034 # the tests use CGI, URL and STATUS

FCGI_SOURCE=$(cd "${FCGI_SOURCE:-${BATS_TEST_DIRNAME%/*}}" && pwd -P) # as a message names a file
FCGI_BUILD=${FCGI_BUILD:-${BATS_TEST_DIRNAME%/*}}
FCGIWRAP=${FCGI_SBINDIR:-$FCGI_BUILD/wrapper}/fcgiwrap
SPAWN_FCGI=${FCGI_BINDIR:-$FCGI_BUILD/spawn}/spawn-fcgi
FCGI_TALK=$FCGI_BUILD/tests/fcgi-talk
SLOW_CLOCK=$FCGI_BUILD/tests/slow-clock.so
CGI=$FCGI_SOURCE/tests/cgi

# A test file that has its own setup or teardown calls these two from there.
setup() { test_begin; }
teardown() { test_end; }

# Makes $T, wherever TMPDIR is, under any locale and umask. Its name is short, since that of a
# socket may have 107 bytes at most, and plain, since it stands in command lines.
test_begin() {
	local folder=${TMPDIR:-/tmp}

	umask 022
	export LC_ALL=C
	[[ ${#folder} -le 58 && $folder != *[!A-Za-z0-9/._-]* ]] || folder=/tmp
	T=$(mktemp -d "$folder/fb.XXXXXX") || return
	SOCKET=unix:$T/s
	PROGRAMS=
	[ "$EUID" != 0 ] || open_programs
}

# Tests of root's run programs as other users. Where these cannot come, below /root for example,
# all that they run is copied to where they can.
open_programs() {
	local known=$BATS_FILE_TMPDIR/programs-are-open # one look for all tests of the file

	[ ! -e "$known" ] || return 0
	if all_may_search "${FCGIWRAP%/*}" && all_may_search "$FCGI_BUILD/tests" && all_may_search "$CGI"; then
		: >"$known"
		return
	fi
	PROGRAMS=$(mktemp -d /tmp/fb.XXXXXX) || return
	cp "$FCGIWRAP" "$SPAWN_FCGI" "$FCGI_TALK" "$PROGRAMS"
	[ ! -e "$SLOW_CLOCK" ] || cp "$SLOW_CLOCK" "$PROGRAMS" && SLOW_CLOCK=$PROGRAMS/slow-clock.so
	cp -R "$CGI" "$PROGRAMS/cgi"
	chmod -R go=u,go-w "$PROGRAMS"
	FCGIWRAP=$PROGRAMS/fcgiwrap SPAWN_FCGI=$PROGRAMS/spawn-fcgi FCGI_TALK=$PROGRAMS/fcgi-talk CGI=$PROGRAMS/cgi
}

# Whether other users may search a folder, and those that it is in.
all_may_search() {
	local folder=$1 all=()

	while [[ $folder == /* ]]; do
		all+=("$folder/.")
		folder=${folder%/*}
	done
	[ -z "$(find "${all[@]}" -prune ! -perm -001)" ]
}

# Ends all that was started, fails for what a sanitizer or valgrind reported, and removes $T.
test_end() {
	local pid_file result=0

	for pid_file in "$T"/.pid.*; do
		[ -s "$pid_file" ] || continue
		stop "${pid_file##*/.pid.}" || result=1
	done
	reports_none || result=1
	if [ -z "${BATS_TEST_COMPLETED-}" ] || [ "$result" != 0 ]; then
		logs_show
	fi
	rm -rf "$T" ${PROGRAMS:+"$PROGRAMS"}
	return "$result"
}

reports_none() {
	local log

	for log in "$T"/*log*; do
		[ -s "$log" ] || continue
		! grep -E 'ERROR: [A-Za-z]+Sanitizer|runtime error:|ERROR SUMMARY: [1-9]' \
			"$T"/*log* /dev/null
		return
	done
}

logs_show() {
	local log

	for log in "$T"/*log*; do
		if [ -s "$log" ]; then
			echo "--- ${log##*/}"
			tail -n 20 "$log"
		fi
	done
}

# eventually [-t SECONDS] COMMAND...: retries until it succeeds, by default for 10 seconds.
eventually() {
	local seconds=10 end delay=20

	if [ "$1" = -t ]; then
		seconds=$2
		shift 2
	fi
	end=$((SECONDS + seconds + 1)) # SECONDS may tick at once
	until "$@" >"$T/.eventually" 2>&1; do
		if [ "$SECONDS" -ge "$end" ]; then
			echo "not within $seconds s: $*"
			cat "$T/.eventually"
			return 1
		fi
		pause $delay
		delay=$((delay < 100 ? delay * 11 / 10 : 100))
	done
}

# pause MILLISECONDS: from a pipe without end nothing comes. A process for each pause would cost
# more than the event that is waited for.
pause() {
	local seconds

	[ -n "${PAUSE-}" ] || exec {PAUSE}<> <(:)
	printf -v seconds '0.%03d' "$1"
	read -rt "$seconds" -u "$PAUSE" || :
}

# Sets $python to one that has the client library of Prometheus.
need_prometheus() {
	for python in python3 /usr/bin/python3; do
		! "$python" -c 'import prometheus_client.openmetrics.parser' 2>/dev/null || return 0
	done
	skip 'no prometheus_client of Python here'
}

# has_match PATTERN FILE: a line of the file matches the extended regular expression. While there
# are few lines, without a process.
has_match() {
	local lines line pattern=$1

	[ -r "$2" ] && mapfile -t lines <"$2" || return
	if [ ${#lines[@]} -gt 200 ]; then
		grep -qE -e "$pattern" "$2"
		return
	fi
	for line in "${lines[@]}"; do
		[[ ! $line =~ $pattern ]] || return 0
	done
	return 1
}

# heard LINE...: in the file $HEARD, of what supervise-listen.pl heard, are these, in this order.
heard() {
	local all

	all=$(printf '%s\n' "$@")
	hears_all() {
		local line rest

		rest=$(sed -E 's/(MONOTONIC_USEC=)[0-9]+/\1N/' "$HEARD")
		while IFS= read -r line; do
			grep -qxF -e "$line" <<<"$rest" || return 1
			rest=$(awk -v line="$line" 'on; $0 == line { on = 1 }' <<<"$rest")
		done <<<"$all"
	}
	eventually hears_all || { cat "$HEARD"; return 1; }
}

# Skips the test unless all these programs are there.
need() {
	local program

	for program in "$@"; do
		command -v "$program" >/dev/null || skip "no $program here"
	done
}

need_root() {
	[ "$EUID" = 0 ] || skip 'needs root'
}

need_proc() {
	[ -e /proc/self/fd ] || skip 'needs /proc'
}

# valgrind ends a program whose exec fails late, and changes its signals and its environment.
need_no_valgrind() {
	[[ ${TEST_WRAPPER-} != *valgrind* ]] || skip 'not under valgrind'
}

need_epoll() {
	[ -e "$FCGI_BUILD/common/loop-epoll.o" ] || skip 'built without epoll'
}

need_userns() {
	unshare -r true 2>/dev/null || skip 'no user namespaces here'
}

# Runs a command as root of a new user namespace; a test calls need_userns before.
in_userns() {
	unshare -r -- "$@"
}

# Runs a program under test, in the foreground.
run_under() {
	# shellcheck disable=SC2086 # TEST_WRAPPER is a command and its options
	${TEST_WRAPPER-} "$@"
}

# start NAME [run_under] PROGRAM...: in the background, as the leader of a process group.
# Output goes to $T/NAME.out, errors to $T/NAME.log or $LOG.
start() {
	local name=$1

	shift
	if [ "$1" = run_under ]; then
		shift
		# shellcheck disable=SC2086
		set -- ${TEST_WRAPPER-} "$@"
	fi
	set -m
	exec_clean "$@" </dev/null >"$T/$name.out" 2>>"${LOG:-$T/$name.log}" &
	adopt "$name" $!
	set +m
}

# Becomes a program that has descriptors 0 to 2 only. bats has some of its own, and waits as long
# as anyone holds them.
exec_clean() {
	local fd closing=

	for fd in "/proc/$BASHPID/fd"/*; do
		fd=${fd##*/}
		[[ $fd == [0-2] ]] || closing+=" $fd>&-"
	done
	[[ $closing != *\** ]] || closing=$(printf ' %d>&-' {3..255})
	eval "exec$closing"
	exec "$@"
}

# adopt NAME PID: a process that came to life in another way is ended with the test too.
adopt() {
	echo "$2" >"$T/.pid.$1"
}

pid_of() {
	local pid

	read -r pid <"$T/.pid.$1" && echo "$pid"
}

# Whether a process runs; one that has ended but was not waited for does not.
alive() {
	local state

	state_of "$1" && [[ $state != [ZX] ]]
}

# state_of PID: sets $state, a letter; false if there is no such process. Tests ask often: where the
# system shows it in a file, without a process of ps.
state_of() {
	if [ -e "/proc/$$/stat" ]; then
		{ read -r state <"/proc/$1/stat"; } 2>/dev/null || return
		state=${state##*) }
	else
		state=$(ps -o stat= -p "$1") || return
	fi
	state=${state:0:1}
}

gone() {
	! alive "$1"
}

# children_of PID: one per line.
children_of() {
	local children

	find_children "$1"
	[ ${#children[@]} = 0 ] || printf '%s\n' "${children[@]}"
}

# find_children PID: sets $children, an array.
find_children() {
	local file list

	children=()
	if [ ! -e "/proc/$$/task/$$/children" ]; then
		mapfile -t children < <(ps -A -o pid= -o ppid= |
			awk -v parent="$1" '$2 == parent { print $1 }')
		return
	fi
	for file in "/proc/$1/task"/*/children; do
		list=()
		{ read -ra list <"$file" || :; } 2>/dev/null
		children+=("${list[@]}")
	done
}

# has_children PID COUNT
has_children() {
	local children

	find_children "$1"
	[ ${#children[@]} = "$2" ]
}

# await NAME [SECONDS]: waits until it has ended by itself; $STATUS is its exit status.
await() {
	local pid

	read -r pid <"$T/.pid.$1"
	eventually -t "${2:-10}" gone "$pid" || return
	STATUS=0
	wait "$pid" 2>/dev/null || STATUS=$?
	: >"$T/.pid.$1"
}

# stop NAME: TERM, and KILL if that does not help within 10 seconds, which is a failure.
# What is left of its process group is killed. $STATUS is its exit status.
stop() {
	local pid result=0

	read -r pid <"$T/.pid.$1"
	kill -TERM "$pid" 2>/dev/null || :
	if ! eventually gone "$pid"; then
		kill -KILL "$pid" 2>/dev/null || :
		result=1
	fi
	kill -KILL -- "-$pid" 2>/dev/null || :
	await "$1" || result=1
	return "$result"
}

# start_wrapper [OPTION...]: fcgiwrap, as process "wrapper", on unix:$T/s unless an -s says
# otherwise, with its errors in $T/log; returns when it accepts. $SOCKET is its address.
start_wrapper() {
	local i LOG=$T/log

	SOCKET=
	for ((i = 1; i <= $#; i++)); do
		case ${!i} in
		-s) SOCKET=${*:i+1:1} ;;
		-s?*) SOCKET=${!i#-s} ;;
		esac
	done
	if [ -z "$SOCKET" ]; then
		SOCKET=unix:$T/s
		set -- -s "$SOCKET" "$@"
	fi
	start wrapper run_under "$FCGIWRAP" "$@"
	eventually -t 20 accepts_or_died wrapper && alive "$(pid_of wrapper)"
}

accepts_or_died() {
	talk close || gone "$(pid_of "$1")"
}

# talk STEP...: one dialogue with the server at $SOCKET.
talk() {
	"$FCGI_TALK" "$SOCKET" "$@"
}

# How many descriptors a process has open.
descriptors() {
	local fds=("/proc/$1/fd"/*)

	echo "${#fds[@]}"
}

# A TCP port on 127.0.0.1 that was free a moment ago.
free_port() {
	perl -MIO::Socket::INET -e '
		my $s = IO::Socket::INET->new(LocalAddr => "127.0.0.1", Listen => 1) or die "$@\n";
		print $s->sockport, "\n";
	'
}

# curl, quiet and bounded, to the server that start_nginx started.
curl_() {
	# shellcheck disable=SC2086
	curl -sS --max-time 30 --noproxy '*' ${NGINX_SOCKET:+--unix-socket "$NGINX_SOCKET"} "$@"
}

# start_nginx [ADDRESS] <<BODY: nginx, as process "nginx", with BODY as its server block; @T@,
# @CGI@ and @SOCKET@ in it stand for $T, $CGI and the path in $SOCKET. "include fastcgi_params;"
# works. $NGINX_HTTP is put into the http block. Listens on a socket of its own, which curl_
# knows, or on ADDRESS (127.0.0.1:PORT); $URL has no slash at its end.
start_nginx() {
	local body

	need nginx curl
	NGINX_SOCKET=$T/nginx.sock
	URL=http://localhost
	if [ $# -gt 0 ]; then
		NGINX_SOCKET=
		URL=http://$1
	fi
	body=$(cat)
	body=${body//@T@/$T}
	body=${body//@CGI@/$CGI}
	body=${body//@SOCKET@/${SOCKET#unix:}}
	nginx_params >"$T/fastcgi_params"
	nginx_config "${1:-unix:$NGINX_SOCKET}" "$body" >"$T/nginx.conf"
	start nginx nginx -p "$T" -c "$T/nginx.conf" -e "$T/nginx-error.log"
	eventually curl_ -f "$URL/-ready" || { logs_show; return 1; }
}

# A single process: it runs as whoever runs the tests, root or not.
nginx_config() {
	cat <<-END
		daemon off;
		master_process off;
		pid $T/nginx.pid;
		error_log $T/nginx-error.log info;
		events { worker_connections 512; }
		http {
			access_log $T/nginx-access.log;
			client_body_temp_path $T/nginx-body;
			fastcgi_temp_path $T/nginx-fastcgi;
			proxy_temp_path $T/nginx-proxy;
			scgi_temp_path $T/nginx-scgi;
			uwsgi_temp_path $T/nginx-uwsgi;
			client_max_body_size 0;
			${NGINX_HTTP-}
			server {
				listen $1;
				location = /-ready { return 204; }
				$2
			}
		}
	END
}

# What nginx's own fastcgi_params has; it is not installed in the same place everywhere.
nginx_params() {
	local name

	for name in QUERY_STRING REQUEST_METHOD CONTENT_TYPE CONTENT_LENGTH REQUEST_URI \
		DOCUMENT_URI DOCUMENT_ROOT SERVER_PROTOCOL REMOTE_ADDR REMOTE_PORT REMOTE_USER \
		SERVER_ADDR SERVER_PORT SERVER_NAME; do
		echo "fastcgi_param $name \$${name,,};"
	done
	cat <<-'END'
		fastcgi_param SCRIPT_NAME $fastcgi_script_name;
		fastcgi_param REQUEST_SCHEME $scheme;
		fastcgi_param GATEWAY_INTERFACE CGI/1.1;
		fastcgi_param SERVER_SOFTWARE nginx/$nginx_version;
		fastcgi_param HTTPS $https if_not_empty;
		fastcgi_param REDIRECT_STATUS 200;
	END
}
