#!/usr/bin/env bats
# spawn-fcgi where system calls are refused that it can do without: in containers, under the filters
# of service managers, on old kernels. The application is under the same filter. And where files
# may not grow.
#
# shellcheck disable=SC2016,SC2034,SC2153,SC2154 # see spawn.bash

load lib
load spawn
load supervise

DENY=$FCGI_BUILD/tests/deny

# refuse RULE...: programs under test run under this filter from here on.
refuse() {
	[ -z "${TEST_WRAPPER-}" ] || skip 'not under another program'
	"$DENY" --can "$@" 2>/dev/null || skip "this system cannot refuse $*"
	TEST_WRAPPER="$DENY $* --"
}

# starts_under RULE...: the classic start.
starts_under() {
	need_app
	refuse "$@"
	spawn -s "$S" -F 2 -P "$T/pids" -- "$APP"
	[ "$status" = 0 ] && [ "$(wc -w <<<"$PIDS")" = 2 ] && [ "$(cat "$T/pids")" = "$PIDS" ] &&
		ask && ends_with_words "$@" <"$T/stderr"
}

# supervises_under RULE...: a pool is kept, reloaded and stopped.
supervises_under() {
	local before

	need_app
	refuse "$@"
	supervise -s "$S" -F 2 -- "$APP"
	has 2 && ask || return
	before=$(children)
	kill -KILL "$ANSWERED_BY"
	eventually replaced "$ANSWERED_BY" && eventually has 2 && ask || return
	before=$(children)
	kill -HUP "$KEEPER"
	# shellcheck disable=SC2086
	eventually replaced $before && eventually has 2 && ask || return
	kill -TERM "$KEEPER"
	await keeper && [ "$STATUS" = 0 ] && [ ! -e "$S" ] &&
		grep 'refused' "$T/keeper.log" | ends_with_words "$@"
}

# At most one line for each rule, and each only once.
ends_with_words() {
	local lines

	lines=$(cat)
	[ "$(grep -c . <<<"$lines")" -le $# ] && [ -z "$(sort <<<"$lines" | uniq -d)" ] || {
		echo "$lines"
		return 1
	}
}

@test "without a filter nothing is said" {
	starts_under
	[ ! -s "$T/stderr" ]
}

@test "pipe2 refused with EPERM" {
	starts_under pipe2=EPERM
}

@test "pipe2 refused with EPERM, and --supervise" {
	supervises_under pipe2=EPERM
}

@test "pipe2 refused with ENOSYS" {
	starts_under pipe2=ENOSYS
}

@test "pipe2 refused with ENOSYS, and --supervise" {
	supervises_under pipe2=ENOSYS
}

@test "pipe2 refused with EINVAL" {
	starts_under pipe2=EINVAL
}

@test "pipe2 refused with EINVAL, and --supervise" {
	supervises_under pipe2=EINVAL
}

@test "ptrace refused: --check says so, and looks at what it can" {
	[ -e "$FCGI_BUILD/common/trial-linux.o" ] || skip 'built without ptrace'
	refuse ptrace=EPERM
	spawn --check -s "$S" -- /bin/sleep
	[ "$status" = 0 ]
	[[ $stderr == *': ptrace is refused; only its mode and first line'* ]]
	program <<<:
	spawn --check -s "$S" -- "$T/prog"
	[ "$status" = 0 ]
	sed -i 1d "$T/prog"
	spawn --check -s "$S" -- "$T/prog"
	[ "$status" = 255 ]
	[[ $stderr == *'Exec format error'* ]]
	printf '#!%s
' "$T/interpreter" >"$T/prog"
	touch "$T/interpreter"
	spawn --check -s "$S" -- "$T/prog"
	[ "$status" = 255 ]
	[[ $stderr == *"its interpreter is not executable by this user: $T/interpreter"* ]]
}

@test "prctl refused with EPERM" {
	starts_under prctl=EPERM
}

@test "prctl refused with EPERM, and --supervise" {
	supervises_under prctl=EPERM
}

@test "setsid refused with EPERM" {
	starts_under setsid=EPERM
}

@test "setsid refused with EPERM, and --supervise" {
	supervises_under setsid=EPERM
}

@test "signalfd4 refused with EPERM, and --supervise" {
	supervises_under signalfd4=EPERM
}

@test "signalfd4 refused with ENOSYS, and --supervise" {
	supervises_under signalfd4=ENOSYS
}

@test "epoll_create1 refused with EPERM, and --supervise" {
	supervises_under epoll_create1=EPERM
}

@test "epoll_create1 refused with ENOSYS, and --supervise" {
	supervises_under epoll_create1=ENOSYS
}

@test "epoll_ctl refused with EPERM, and --supervise" {
	supervises_under epoll_ctl=EPERM
}

@test "epoll_wait refused with ENOSYS, and --supervise" {
	supervises_under epoll_wait=ENOSYS
}

@test "netlink refused with EAFNOSUPPORT, and --supervise" {
	need_census
	supervises_under socket-netlink=EAFNOSUPPORT
}

@test "netlink refused with EPERM, and --supervise" {
	need_census
	supervises_under socket-netlink=EPERM
}

@test "all of them refused, and --supervise" {
	supervises_under pipe2=ENOSYS signalfd4=ENOSYS epoll_create1=ENOSYS prctl=EPERM
}

@test "a socket that cannot be given away: the start fails, says why, and leaves nothing" {
	need_users
	refuse fchownat=EPERM
	spawn -s "$S" -U "$USER_A" -P "$T/pid" -- /bin/sleep 60
	[ "$status" = 255 ]
	[[ "$stderr" == *"cannot change the owner of $S to "*": Operation not permitted" ]]
	nothing_left "$S" "$T/pid"
}

# Files that may not grow. -----------------------------------------------------------------------

@test "a pid file that may not be written keeps no program from running" {
	need prlimit
	TEST_WRAPPER="prlimit --fsize=0" spawn -s "$S" -P "$T/pid" -- /bin/sleep 60
	[ "$status" = 0 ]
	[ -n "$PIDS" ]
	[ ! -s "$T/pid" ]
}
