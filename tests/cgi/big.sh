#!/bin/sh
# QUERY_STRING MiB of numbered lines of 16 bytes, so that a lost or doubled part shows.
printf 'Content-Type: application/octet-stream\n\n'
exec perl -e '
	for my $mib (0 .. $ARGV[0] - 1) {
		print join "", map { sprintf "%015d\n", $mib * 65536 + $_ } 0 .. 65535;
	}
' "${QUERY_STRING:-1}"
