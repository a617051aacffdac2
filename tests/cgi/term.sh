#!/bin/sh
# Has a child, and writes to the file QUERY_STRING when either hears TERM.
printf 'Content-Type: text/plain\n\n'
perl -e '
	$SIG{TERM} = sub { open my $f, ">>", $ARGV[0]; print $f "child\n"; exit };
	$| = 1;
	print "child=$$\n";
	# A signal just before a sleep would be heard after it.
	select undef, undef, undef, 0.1 for 1 .. 300;
' "$QUERY_STRING" &
trap 'echo script >>"$QUERY_STRING"; exit' TERM
echo "script=$$"
echo ready >&2
wait
