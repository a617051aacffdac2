#!/bin/sh
# QUERY_STRING MiB (1) as fast as can be, each of the same 65536 numbered lines.
printf 'Content-Type: application/octet-stream\n\n'
exec perl -e '
	my $mib = join "", map { sprintf "%015d\n", $_ } 0 .. 65535;
	print $mib for 1 .. $ARGV[0];
' "${QUERY_STRING:-1}"
