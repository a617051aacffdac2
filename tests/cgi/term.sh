#!/bin/sh
# Has a child, and writes to the file QUERY_STRING when either hears TERM.
printf 'Content-Type: text/plain\n\n'
perl -e '
	$SIG{TERM} = sub { open my $f, ">>", $ARGV[0]; print $f "child\n"; exit };
	$| = 1;
	print "child=$$\n";
	sleep 30;
' "$QUERY_STRING" &
trap 'echo script >>"$QUERY_STRING"; exit' TERM
echo "script=$$"
echo ready >&2
wait
