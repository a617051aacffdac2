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

@test "bench leaves nothing when it is stopped half-way" {
	start bench "${BENCH[@]}" --seconds 5
	eventually sockets
	stop bench
	[ "$STATUS" = 130 ]
	run left_behind
	[ "$output" = '' ]
}
