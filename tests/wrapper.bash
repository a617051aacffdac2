# What the tests of fcgiwrap share ("load lib; load wrapper").
#
# shellcheck shell=bash
# shellcheck disable=SC2034,SC2154 # tests use SCRIPT; run sets output and status

bats_require_minimum_version 1.5.0

# not COMMAND...: is true if the command is false; "!" alone is no failure of a test.
not() {
	! "$@"
}

is_sanitized() {
	grep -qa __asan_init "$FCGIWRAP"
}

# ask STEP...: a dialogue that goes well. $output is what came as STDOUT, $stderr as STDERR.
ask() {
	status=0
	output=$(talk "$@" 2>"$T/.stderr") || status=$?
	stderr=$(<"$T/.stderr")
	[ "$status" = 0 ] || { printf '%s\n' "$output" "$stderr"; return 1; }
}

# crowd COUNT PARALLEL STEP...: as many dialogues, so many at once, go well.
crowd() {
	local count=$1 parallel=$2

	shift 2
	run "$FCGI_TALK" -n "$count" -j "$parallel" "$SOCKET" "$@"
	[ "$output" = "ok=$count failed=0" ] || { echo "$output"; return 1; }
}

# has TEXT..., lacks TEXT...: what $output has, or has not, somewhere.
has() {
	local text

	for text in "$@"; do
		[[ $output == *"$text"* ]] || { printf 'no "%s" in\n%s\n' "$text" "$output"; return 1; }
	done
}

lacks() {
	local text

	for text in "$@"; do
		not has "$text" >/dev/null || { printf '"%s" in\n%s\n' "$text" "$output"; return 1; }
	done
}

# has_line LINE..., lacks_line PATTERN: whole lines of $output.
has_line() {
	local line

	for line in "$@"; do
		[[ $'\n'$output$'\n' == *$'\n'"$line"$'\n'* ]] ||
			{ printf 'no line "%s" in\n%s\n' "$line" "$output"; return 1; }
	done
}

lacks_line() {
	not grep -xE -e "$1" <<<"$output"
}

# in_log PATTERN: the log of fcgiwrap has such a line, the script's process as PATTERN has it, or
# left out.
in_log() {
	local lines line pattern=$1 process='^([^[]*)\[[0-9]+\](: .*)'

	[ -r "$T/log" ] && mapfile -t lines <"$T/log" || return
	for line in "${lines[@]}"; do
		[[ ! $line =~ $pattern ]] || return 0
		[[ $line =~ $process && ${BASH_REMATCH[1]}${BASH_REMATCH[2]} =~ $pattern ]] && return
	done
	return 1
}

# logged PATTERN: it has, or gets it soon.
logged() {
	eventually in_log "$1" || { cat "$T/log"; return 1; }
}

# logged_times COUNT PATTERN: the log has so many such lines now.
logged_times() {
	[ "$(grep -cE -e "$2" "$T/log")" = "$1" ] || { cat "$T/log"; return 1; }
}

# in_file PATTERN FILE: the file has such a line, or gets it soon.
in_file() {
	eventually has_match "$1" "$2"
}

# script NAME <<TEXT: an executable file $T/NAME.
script() {
	cat >"$T/$1"
	chmod 755 "$T/$1"
}

# start_client NAME STEP...: a dialogue in the background; STDOUT goes to $T/NAME.out.
start_client() {
	local name=$1

	shift
	start "$name" "$FCGI_TALK" "$SOCKET" "$@"
}

# start_waiting NAME [WORD...]: a request whose script runs when this returns, and answers once
# there is a file $T/go. $SCRIPT is the script's process.
start_waiting() {
	local name=$1

	shift
	rm -f "$T/$name.out"
	start_client "$name" get "$CGI/wait.sh" QUERY_STRING="$T/go" "$@"
	in_file '^waiting pid=' "$T/$name.out"
	SCRIPT=$(sed -n 's/^waiting pid=//p' "$T/$name.out")
}

# start_queued WAIT SCRIPT: wait.sh, found as WAIT, takes the only place, and a request for SCRIPT
# waits for it when this returns. The place is free once there is a file $T/go; then await queued,
# and STDOUT of SCRIPT is in $T/queued.
start_queued() {
	start_client queued trace "$T/trace" out 2 "$T/queued" \
		begin id=1 keep params SCRIPT_FILENAME="$1" QUERY_STRING="$T/go" params-end stdin-end \
		expect-text waiting begin id=2 keep params SCRIPT_FILENAME="$2" params-end stdin-end \
		get-values FCGI_MPXS_CONNS= read-all
	in_file GET_VALUES_RESULT "$T/trace"
}

# answered NAME: the dialogue ends well, and its script has answered.
answered() {
	await "$1"
	[ "$STATUS" = 0 ] && grep -qx "done" "$T/$1.out"
}

# worker: the process of fcgiwrap that serves, where it is one (-c 1).
worker() {
	local parent

	parent=$(pid_of wrapper)
	eventually has_children "$parent" 1 >&2
	children_of "$parent"
}

# vanished PATH: nothing has that name.
vanished() {
	[ ! -e "$1" ] && [ ! -L "$1" ]
}

# heeds_hup: a wrapper started from now on heeds HUP, which it would not under nohup(1).
heeds_hup() {
	[ -z "$(trap -p HUP)" ] || TEST_WRAPPER="env --default-signal=HUP ${TEST_WRAPPER-}"
}

# start_unprivileged [OPTION...]: the same as start_wrapper, as somebody who is not root.
start_unprivileged() {
	local other=

	if [ "$EUID" = 0 ]; then
		need setpriv
		other='setpriv --reuid=65534 --regid=65534 --clear-groups'
		$other test -x "$FCGIWRAP" || skip "others may not execute $FCGIWRAP"
		$other test -x "$CGI/hello.sh" || skip "others may not execute $CGI/hello.sh"
		chmod 777 "$T"
	fi
	TEST_WRAPPER="$other ${TEST_WRAPPER-}" start_wrapper "$@"
}

# cpu_of PID: CPU time of a process, in hundredths of a second.
cpu_of() {
	local stat

	stat=$(cat "/proc/$1/stat")
	# shellcheck disable=SC2086
	set -- ${stat##*) }
	echo $(((${12} + ${13}) * 100 / $(getconf CLK_TCK)))
}

# passes_within SECONDS COMMAND...: it succeeds, and takes no longer.
passes_within() {
	local before after limit=$1

	shift
	before=$(date +%s%N)
	"$@" || return
	after=$(date +%s%N)
	[ "$(((after - before) / 1000000))" -le "$((limit * 1000))" ] ||
		{ echo "took $(((after - before) / 1000000)) ms: $*"; return 1; }
}

# refuse_threads PID: it and its children get no more threads until process "tracer" ends, which
# is of use only if calls are INJECTED into $T/calls.
refuse_threads() {
	need strace
	[ -z "${TEST_WRAPPER-}" ] || skip 'not under another program'
	start tracer strace -f -o "$T/calls" -e trace=clone3 -e inject=clone3:error=EAGAIN -p "$1"
	eventually has_match 'attached|not permitted' "$T/tracer.log"
	grep -q attached "$T/tracer.log" || skip "strace may not: $(cat "$T/tracer.log")"
}
