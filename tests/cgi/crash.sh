#!/bin/sh
# Dies by SIGSEGV; with QUERY_STRING=late in the midst of its answer.
ulimit -c 0 2>/dev/null # not in every sh
if [ "$QUERY_STRING" = late ]; then
	printf 'Content-Type: text/plain\n\nhalf an ans'
fi
kill -SEGV $$
