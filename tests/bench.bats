#!/usr/bin/env bats
# The benchmark works: with next to nothing to do, and nobody to compare with.

# shellcheck disable=SC2153,SC2154 # what run and stop set

load lib

setup() {
	need perl
	test_begin
	BENCH=(env FCGI_BUILD="$FCGI_BUILD" FCGI_SOURCE="$FCGI_SOURCE" TMPDIR="$T"
		perl "$FCGI_SOURCE/tests/bench/bench" --tiny-counts -o "$T/figures")
}

left_behind() {
	compgen -G "$T/fbbench.*"
}

sockets() {
	compgen -G "$T/fbbench.*/*.sock"
}

@test "bench runs every case without errors, and picture draws what it writes" {
	"${BENCH[@]}" >"$T/bench.log" 2>&1
	for name in tiny-2 shell-2-kept down-1m up-1m echo-200k sleep-6 stalled-4 deaf-4 idle-10 \
		start spawn growth; do
		grep -q "^$name"$'\t' "$T/figures" || { echo "no figures of $name"; return 1; }
	done
	perl "$FCGI_SOURCE/tests/bench/picture" -c '-2$|^down|^up' "$T/figures" >"$T/picture"
	grep -q '</svg>' "$T/picture"
	run left_behind
	[ "$output" = '' ]
}

# figure CASE CONTENDER METRIC: the median that bench wrote.
figure() {
	awk -F '\t' -v name="$1" -v who="$2" -v metric="$3" \
		'$1 == name && $4 == who && $5 == metric { print $7 }' "$T/figures"
}

@test "bench compares with another build in the same run" {
	"${BENCH[@]}" --also "$FCGI_BUILD" -c '^(tiny-2|start|spawn)$' >"$T/bench.log" 2>&1
	for name in tiny-2 start spawn; do
		[ -n "$(figure $name also p99)" ]
		[ -n "$(figure $name ours of_also)" ]
	done
	[ -n "$(figure tiny-2 'also -c 1' rate)" ]
	sed -n '/^At a glance/,$p' "$T/bench.log" | grep -qE '^tiny program, 2 at once( +[0-9.]+){2} +- '
	run "${BENCH[@]}" --also "$T"
	[ "$status" != 0 ]
	[[ $output = *'fcgiwrap is not built'* ]]
}

@test "bench asks through nginx, which keeps its connections, by TCP and without" {
	need nginx
	"${BENCH[@]}" -c '^nginx-kept$' >"$T/bench.log" 2>&1
	for how in 'ours' 'ours tcp'; do
		[ "$(figure nginx-kept "nginx, $how, kept" errors)" = 0 ]
		[ "$(figure nginx-kept "nginx, $how, kept" requests)" -ge 20 ]
	done
	[ -n "$(figure nginx-kept 'nginx, ours tcp, kept' compared)" ]
	grep -q '^nginx, ours tcp, kept: .* times nginx, ours, kept (target: at most 1.2): ' \
		"$T/bench.log"
}

@test "bench leaves nothing when it is stopped half-way" {
	start bench "${BENCH[@]}" --seconds 5
	eventually sockets
	stop bench
	[ "$STATUS" = 130 ]
	run left_behind
	[ "$output" = '' ]
}
